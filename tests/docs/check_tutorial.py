#!/usr/bin/env python3
"""Holds docs/tutorial.md to the programs that it shows.

A ```c block follows <!-- from FILE -->, and then is some lines of FILE as they stand, or <!-- complete -->, and
then compiles as it is. Every program of examples/tutorial/ is quoted; the Python lines parse; warnings that are
shown name the right line; files that are named exist.

usage: check_tutorial.py ROOT COMPILER [OPTION...] | check_tutorial.py --self-test
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

BLOCK = re.compile(r"^(?:<!-- (?P<mark>[^\n]*) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
WARNING = re.compile(r"^(?P<file>\w+\.c):(?P<line>\d+): RuntimeWarning: coroutine '(?P<name>\w+)'", re.M)
NAMED = re.compile(r"`((?:examples|bench|tests|tools)/[\w./]+)`|\]\(([\w./]+)\)")


def quoted(text, part):
    """Whether `part` is whole lines of `text`, in one piece."""
    return part.strip() != "" and ("\n" + part) in ("\n" + text)


def check_c(mark, text, sources, compile_c):
    if mark == "complete":
        problem = compile_c(text)
        return [f"a complete block does not compile:\n{problem}"] if problem else []
    path = mark[5:] if mark and mark.startswith("from ") else None
    if path is None:
        return [f"a block of C that says neither where it is from nor that it is complete:\n{text}"]
    if path not in sources:
        return [f"{path}: there is no such program"]
    return [] if quoted(sources[path], text) else [f"{path} does not have these lines:\n{text}"]


def check_python(text):
    try:
        compile(text, "tutorial", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
    except SyntaxError as error:
        return [f"not Python ({error}):\n{text}"]
    return []


def check_output(text, sources):
    problems = []
    for warning in WARNING.finditer(text):
        lines = sources.get(f"examples/tutorial/{warning['file']}", "").splitlines()
        number = int(warning["line"])
        if number > len(lines) or f"mouv_coro({warning['name']}" not in lines[number - 1]:
            problems.append(f"{warning[0]}: not made there")
    return problems


def check(tutorial, sources, compile_c):
    """What is wrong with the text of a tutorial; `sources` is {path: text}."""
    problems, used = [], set()
    for block in BLOCK.finditer(tutorial):
        if block["language"] == "c":
            problems += check_c(block["mark"], block["text"], sources, compile_c)
            used.add((block["mark"] or "")[5:])
        elif block["language"] == "python":
            problems += check_python(block["text"])
        else:
            problems += check_output(block["text"], sources)
    return problems + [f"{path} is not shown" for path in sorted(sources) if path not in used]


def missing_files(tutorial, root):
    named = [(root / a if a else root / "docs" / b) for a, b in NAMED.findall(tutorial)]
    return [f"{path} is named and does not exist" for path in named if not path.exists()]


def compiler(command):
    def compile_c(text):
        words = [*command, "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c", "-"]
        done = subprocess.run(words, input=text, capture_output=True, text=True)
        return done.stderr if done.returncode else ""

    return compile_c


def self_test():
    sources = {"examples/tutorial/a.c": "int a;\nint b; /* mouv_coro(f */\n"}
    quote = "<!-- from examples/tutorial/a.c -->\n```c\nint b; /* mouv_coro(f */\n```\n"
    fine = quote + "<!-- complete -->\n```c\nfine\n```\n```python\nawait f()\n```\n"
    fine += "```text\na.c:2: RuntimeWarning: coroutine 'f'\n```\n"

    def count(text):
        return len(check(text, sources, lambda code: "" if "fine" in code else "bad"))

    assert count(fine) == 0
    assert count(quote.replace("int b", "int c")) == 1
    assert count(quote.replace("/a.c", "/b.c")) == 2  # no such program, and the other is not shown
    assert count(quote + "```c\nint x;\n```\n") == 1
    assert count(quote + "<!-- complete -->\n```c\nint x\n```\n") == 1
    assert count(quote + "```python\ndef f(\n```\n") == 1
    assert count(quote + "```text\na.c:1: RuntimeWarning: coroutine 'f'\n```\n") == 1
    assert not quoted("int ab;\n", "b;\n")
    print("ok")


def main(words):
    if words == ["--self-test"]:
        return self_test()
    root = Path(words[0])
    tutorial = (root / "docs" / "tutorial.md").read_text()
    programs = sorted((root / "examples" / "tutorial").glob("*.c"))
    sources = {str(path.relative_to(root)): path.read_text() for path in programs}
    problems = check(tutorial, sources, compiler(words[1:])) + missing_files(tutorial, root)
    sys.exit("\n".join(f"docs/tutorial.md: {problem}" for problem in problems) or 0)


if __name__ == "__main__":
    main(sys.argv[1:])
