#!/usr/bin/env python3
"""Makes the reference in a directory of its own: Doxygen must have nothing to say, and every function that the headers
declare must be on a page of its concept. Skipped (77) where Doxygen is not installed.

usage: check_reference.py ROOT | check_reference.py --self-test
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "install"), str(HERE.parents[1] / "docs" / "reference")]
import exports  # noqa: E402
import filter as for_doxygen  # noqa: E402


def make(root, out):
    """What Doxygen says, and the functions of each group."""
    version = re.search(r'^#define MOUV_VERSION "(.*)"', (root / "include/mouv/base.h").read_text(), re.M)[1]
    environment = {**os.environ, "MOUV_REFERENCE": str(out), "MOUV_VERSION": version}
    done = subprocess.run(["doxygen", "docs/reference/Doxyfile"], cwd=root, env=environment,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    said = done.stderr or (f"doxygen ended with {done.returncode}" if done.returncode else "")
    return said, functions_of(tree.parse(out / "mouv.tag")) if (out / "mouv.tag").exists() else {}


def functions_of(tags):
    groups = {}
    for group in tags.iterfind(".//compound[@kind='group']"):
        members = group.iterfind("member[@kind='function']")
        groups[group.findtext("name")] = {member.findtext("name") for member in members}
    return groups


def check(root, groups):
    problems = []
    titled = re.findall(r"@defgroup (\w+) \S", (root / "docs/reference/groups.dox").read_text())
    for header in sorted((root / "include/mouv").glob("*.h")):
        group = f"mouv_{header.stem}"
        if group not in titled:
            problems.append(f"<mouv/{header.name}> has no title; add to docs/reference/groups.dox:\n"
                            f"    @defgroup {group} TITLE")
        for name in sorted(exports.declared(header) - groups.get(group, set())):
            problems.append(f"{name}() of <mouv/{header.name}> is not in the reference")
    return problems


def self_test():
    text = "/*\n * A concept.\n */\n\n/**\n * Both.\n *\n * Errors: none.\n */\nMOUV_API int a(void);\nMOUV_API int b(void);\n"
    result = for_doxygen.filtered("x.h", text)
    assert "@addtogroup mouv_x\n" in result and " @{ */" in result
    assert " * - **Errors**: none.\n" in result
    assert "/** @copydoc a */ MOUV_API int b(void);" in result
    opaque = "/** It. Opaque. */\ntypedef struct s {\n    int a;\n} s_t;\n"
    assert "{ /** @cond */\n    int a;\n/** @endcond */ } s_t;" in for_doxygen.filtered("x.h", opaque)
    assert for_doxygen.without_dead_links(HERE, "[a](b.c) [c](https://d)") == "a [c](https://d)"
    xml = "<tagfile><compound kind='group'><name>mouv_x</name><member kind='function'><name>a</name></member></compound></tagfile>"
    assert functions_of(tree.ElementTree(tree.fromstring(xml))) == {"mouv_x": {"a"}}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "include/mouv").mkdir(parents=True)
        (Path(folder) / "docs/reference").mkdir(parents=True)
        (Path(folder) / "include/mouv/x.h").write_text("MOUV_API int mouv_a(void);")
        groups = Path(folder) / "docs/reference/groups.dox"
        groups.write_text("@defgroup mouv_x X")
        assert check(Path(folder), {"mouv_x": {"mouv_a"}}) == []
        assert len(check(Path(folder), {"mouv_x": set()})) == 1
        groups.write_text("")
        assert len(check(Path(folder), {})) == 2
    print("ok")


def main(words):
    if words == ["--self-test"]:
        return self_test()
    if not shutil.which("doxygen"):
        print("docs.reference is skipped: doxygen is not installed (scripts/setup docs)")
        sys.exit(77)
    root = Path(words[0])
    with tempfile.TemporaryDirectory() as out:
        said, groups = make(root, Path(out))
        sys.exit("\n".join([said] if said else check(root, groups)) or 0)


if __name__ == "__main__":
    main(sys.argv[1:])
