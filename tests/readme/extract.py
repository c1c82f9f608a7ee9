#!/usr/bin/env python3
"""Writes each C program that README.md shows to a file of its own.

A program is the ```c block that follows a line <!-- example: name -->; it becomes OUT/name.c.
usage: extract.py README.md OUT | extract.py --self-test
"""
import pathlib
import re
import sys

MARKER = re.compile(r"^<!-- example: (?P<name>[^\n]*?) -->[ \t]*\n(?P<rest>.*?)(?=^<!-- example: |\Z)", re.M | re.S)
BLOCK = re.compile(r"\A\s*^```c\n(?P<code>.*?)^```[ \t]*$", re.M | re.S)


def programs(text):
    found = {}
    for marker in MARKER.finditer(text):
        name, block = marker["name"], BLOCK.match(marker["rest"])
        if not re.fullmatch(r"[a-z0-9_]+", name):
            raise ValueError(f"example '{name}': a name is of a-z, 0-9 and _")
        if name in found:
            raise ValueError(f"example '{name}': the name is used twice")
        if not block:
            raise ValueError(f"example '{name}': no ```c block follows")
        found[name] = block["code"]
    return found


def write(readme, out):
    out.mkdir(parents=True, exist_ok=True)
    found = programs(readme.read_text())
    for stale in out.glob("*.c"):
        if stale.stem not in found:
            stale.unlink()
    for name, code in found.items():
        path = out / f"{name}.c"
        if not path.exists() or path.read_text() != code:
            path.write_text(code)
    if not found:
        raise ValueError(f"{readme}: no <!-- example: name --> with a ```c block")


def self_test():
    block = "```c\nint main(void) { return 0; }\n```\n"
    assert programs(f"# T\n<!-- example: a -->\n{block}text\n<!-- example: b_2 -->\n\n{block}") == {
        name: "int main(void) { return 0; }\n" for name in ("a", "b_2")}
    assert programs(f"a sketch:\n{block}") == {}
    for bad in (f"<!-- example: a b -->\n{block}", "<!-- example: a -->\ntext\n" + block,
                f"<!-- example: a -->\n{block}<!-- example: a -->\n{block}"):
        try:
            programs(bad)
        except ValueError:
            continue
        raise AssertionError(f"accepted: {bad}")
    print("ok")


def main(args):
    if args == ["--self-test"]:
        return self_test()
    try:
        write(pathlib.Path(args[0]), pathlib.Path(args[1]))
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
