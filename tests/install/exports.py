#!/usr/bin/env python3
"""The shared library exports what the headers mark with MOUV_API: no more, no less."""
import re
import subprocess
import sys

DECLARATION = re.compile(r"\bMOUV_API\b[^;{(]*?(?<!\w)(mouv_\w+)\s*[(;\[]")


def declared(path):
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", open(path).read(), flags=re.S)
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", " ", text, flags=re.M)
    return set(DECLARATION.findall(text))


def exported(nm, library):
    table = subprocess.run([nm, "-D", "--defined-only", library], check=True, text=True, capture_output=True)
    return {line.split()[-1].split("@")[0] for line in table.stdout.splitlines()}


def main(nm, library, *headers):
    promised = set().union(*map(declared, headers))
    given = exported(nm, library)
    for name in sorted(promised - given):
        print(f"{name}: declared in a header, not in the library")
    for name in sorted(given - promised):
        print(f"{name}: exported by the library, in no header")
    print(f"{len(promised)} declared, {len(given)} exported")
    return promised != given or not given


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
