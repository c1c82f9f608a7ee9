#!/usr/bin/env python3
"""Runs the programs of a page of the cookbook and compares what they print with what the page says.

A program is one that the page shows, `<!-- example: NAME -->`, or one of examples/, `<!-- runs: examples/NAME -->`; the next
```text block is its output. In that, a line "..." stands for any lines, and "..." in a line for any text. A program ends
with status 0 and writes nothing to stderr. Before and after each one its databases are dropped by $MOUV, if there is one.

usage: check_cookbook.py PAGE PROGRAMS EXAMPLES | check_cookbook.py --index DOCS | check_cookbook.py --self-test
PROGRAMS and EXAMPLES are the directories of what has been built.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

MARK = re.compile(r"^<!-- (?P<kind>example|runs): (?P<name>[\w/]+) -->$", re.M)
OUTPUT = re.compile(r"^```text\n(?P<text>.*?)^```$", re.M | re.S)
LINK = re.compile(r"\]\((?P<path>[\w./-]+)(?:#[\w-]+)?\)")
DATABASES = ("mouv_cookbook", "mouv_examples")
LIMIT_S = 120
NOISE = (
    "Falling back to malloc for counters",  # libmongoc, where a killed process of the same pid left its counters
    "libmongoc: cluster: Authentication failed",  # libmongoc says so itself, before mouv's error does: 2.x ...
    "libmongoc: cluster: Failed authentication to",  # ... and 1.x
)


def recipes(page):
    """(path of the program without its directory, expected output) in the page's order."""
    marks = list(MARK.finditer(page))
    ends = [mark.start() for mark in marks[1:]] + [len(page)]
    found = []
    for mark, end in zip(marks, ends):
        output = OUTPUT.search(page, mark.end(), end)
        if not output:
            raise ValueError(f"{mark[0]}: no ```text block says what it prints")
        found.append((mark["kind"], mark["name"], output["text"]))
    if not found:
        raise ValueError("no <!-- example: NAME --> and no <!-- runs: examples/NAME -->")
    return found


def pattern(expected):
    lines = []
    for line in expected.splitlines():
        if line == "...":
            lines.append(r"(?:.*\n)*")
        else:
            lines.append(".*".join(re.escape(part) for part in line.split("...")) + r"\n")
    return re.compile("".join(lines))


def compare(status, stdout, stderr, expected):
    """What is wrong with the outcome, or nothing."""
    stderr = "".join(line for line in stderr.splitlines(keepends=True) if not any(noise in line for noise in NOISE))
    if status == 0 and not stderr and pattern(expected).fullmatch(stdout):
        return ""
    return f"ended with {status}\n--- expected\n{expected}--- printed\n{stdout}--- stderr\n{stderr}"


def drop_databases():
    for name in DATABASES if os.environ.get("MOUV") else ():
        drop = [os.environ["MOUV"], "command", "--db", name, '{"dropDatabase": 1}']
        subprocess.run(drop, check=True, stdout=subprocess.DEVNULL, timeout=LIMIT_S)


def run(program, expected):
    if not program.exists():
        return "has not been built"
    drop_databases()
    try:
        done = subprocess.run([program], capture_output=True, text=True, timeout=LIMIT_S)
    finally:
        drop_databases()
    return compare(done.returncode, done.stdout, done.stderr, expected)


def check_links(path):
    targets = (link["path"] for link in LINK.finditer(path.read_text()))
    return [f"{path.name}: {target} does not exist" for target in targets if not (path.parent / target).exists()]


def check_index(docs):
    """Every page is in the index of its folder, and every link leads somewhere."""
    problems = []
    for folder in (docs, docs / "cookbook"):
        index = folder / "README.md"
        linked = {link["path"] for link in LINK.finditer(index.read_text())}
        for page in sorted(folder.glob("*.md")):
            problems += check_links(page)
            if page != index and page.name not in linked:
                problems.append(f"{page.name} is not linked from {index}")
    return problems


def self_test():
    block = "```c\nint a;\n```\nText.\n```text\nfound: ...\n...\nend\n```\n"
    page = f"<!-- example: a -->\n{block}<!-- runs: examples/b -->\n{block}"
    expected = "found: ...\n...\nend\n"
    assert recipes(page) == [("example", "a", expected), ("runs", "examples/b", expected)]
    for bad in ("text", "<!-- example: a -->\n```c\n```\n" + page):
        try:
            recipes(bad)
        except ValueError:
            continue
        raise AssertionError(f"accepted: {bad}")
    assert compare(0, "found: 1\nend\n", "", expected) == ""
    assert compare(0, "found: 1\nx\ny\nend\n", f"mongoc: {NOISE[0]}\n", expected) == ""
    for outcome in ((1, "found: 1\nend\n", ""), (0, "found: 1\nend\n", "oops\n"), (0, "found 1\nend\n", ""),
                    (0, "found: 1\n", ""), (0, "found: 1\nend\nmore\n", "")):
        assert compare(*outcome, expected)
    print("ok")


def main(words):
    if words == ["--self-test"]:
        return self_test()
    if words[0] == "--index":
        sys.exit("\n".join(check_index(Path(words[1]))) or 0)
    page, programs, examples = map(Path, words)
    problems = []
    for kind, name, expected in recipes(page.read_text()):
        program = programs / name if kind == "example" else examples / Path(name).name
        problem = run(program, expected)
        print(f"{'FAILED' if problem else 'ok'}: {name}")
        if problem:
            problems.append(f"{page.name}: {name} {problem}")
    sys.exit("\n".join(problems) or 0)


if __name__ == "__main__":
    main(sys.argv[1:])
