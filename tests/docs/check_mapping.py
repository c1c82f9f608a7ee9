#!/usr/bin/env python3
"""Holds docs/mapping.md to libmongoc's functions, to Motor's calls and to mouv's headers.

Its tables have names in the left column and an answer in the right one. Under "## libmongoc" stand the functions of
libmongoc.txt beside this file and of the installed headers, each once; under "## Motor ..." a section for each line of
motor.txt, with its names. Every mouv name on the page exists, and every function of mouv's headers that are about the
database is on it.

usage: check_mapping.py ROOT COMPILER [OPTION...] | check_mapping.py --self-test
"""

import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIBMONGOC, MOTOR = "libmongoc", "Motor and PyMongo's async API"
ROW = re.compile(r"^\| (?P<left>.*?) \| (?P<right>.*?) \|$")
RULE = re.compile(r"^\|(-+\|)+$")
NAME = re.compile(r"`(\w+)`")
MOUV = re.compile(r"\b(mouv_\w+|MOUV_\w+)(\(\))?")
DECLARED = re.compile(r"\bMOUV_API\b[^;{(]*?(?<!\w)(mouv_\w+)\s*\(")
DEFINED = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(mouv_\w+)\(", re.M)
CODES = re.compile(r"\bX\((E[A-Z]+), -\d+")
FUNCTION = re.compile(r"\b(mongoc_\w+)\s*\((?!\s*\*)")


# --- reading ----------------------------------------------------------------------------------
def rows(page):
    """(part, section, left names, right text) of each row; part and section are headings."""
    part = section = ""
    for number, line in enumerate(page.splitlines()):
        if line.startswith("## "):
            part, section = line[3:], ""
        elif line.startswith("### "):
            section = line[4:].split(":")[0]
        row = ROW.match(line)
        if row and not RULE.match(line) and row["left"] not in ("libmongoc", "Motor, PyMongo", "mouv"):
            yield part, section, NAME.findall(row["left"]), row["right"]


def without_comments(text):
    return re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)


def names_of(text):
    """The lines of a list, but for comments."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def about_database(name, headers):
    """Whether a header of mouv includes libbson's, by itself or through another."""
    included = re.findall(r"#include <(?:mouv|bson)/(\w+\.h)>", headers[name])
    return "bson.h" in included or any(about_database(other, headers) for other in included if other in headers)


def functions_of_headers(command):
    """What the installed headers of libmongoc declare; also what their macros make."""
    start = "#include <mongoc/mongoc.h>\n"
    where = preprocess(command, start)
    folder = Path(re.search(r'^# \d+ "(.*)/mongoc\.h"', where, re.M)[1])
    each = (f"#include <mongoc/{path.name}>\n" for path in sorted(folder.glob("*.h")) if path.name != "mongoc.h")
    text = preprocess(command, start + "#define MONGOC_INSIDE\n" + "".join(each))
    return set(FUNCTION.findall(text))


def preprocess(command, text):
    return subprocess.run([*command, "-E", "-x", "c", "-"], input=text, capture_output=True, text=True, check=True).stdout


# --- checks -----------------------------------------------------------------------------------
def check_libmongoc(page, functions):
    problems, seen = [], set()
    for part, section, names, right in rows(page):
        if part != LIBMONGOC:
            continue
        for name in names:
            if name in seen:
                problems.append(f"{name}() stands twice")
            if name not in functions:
                problems.append(f"{name}() is no function of libmongoc")
            if not right.strip():
                problems.append(f"{name}() has no answer")
            seen.add(name)
    for name in sorted(functions - seen):
        problems.append(
            f"{name}() of libmongoc is missing; add under '## {LIBMONGOC}' a row, or the name to one that fits:\n"
            f"    | `{name}` | `mouv_...()`, or why there is none and what to do instead |"
        )
    return problems


def check_motor(page, lists):
    """`lists` is {section: names}."""
    problems = []
    found = {section: [] for section in lists}
    for part, section, names, _right in rows(page):
        if part != MOTOR:
            continue
        if section not in lists:
            problems.append(f"'### {section}' is no list of motor.txt")
            continue
        found[section] += names
    for section, names in lists.items():
        for name in sorted(set(found[section]) - set(names)):
            problems.append(f"'### {section}' has `{name}`, which motor.txt does not")
        for name in sorted({name for name in found[section] if found[section].count(name) > 1}):
            problems.append(f"'### {section}' has `{name}` twice")
        for name in sorted(set(names) - set(found[section])):
            problems.append(
                f"{section}'s {name} is missing; add under '### {section}' of Motor's part:\n"
                f"    | `{name}` | `mouv_...()`, or why there is none and what to do instead |"
            )
    return problems


def check_mouv(page, headers):
    """`headers` is {file name: text}."""
    code = {name: without_comments(text) for name, text in headers.items()}
    everything = "\n".join(code.values())
    callable_names = set(DECLARED.findall(everything)) | set(DEFINED.findall(everything))
    words = set(re.findall(r"\w+", everything)) | {f"MOUV_{name}" for name in CODES.findall(everything)}
    problems = []
    on_page = set()
    for name, call in MOUV.findall(page):
        on_page.add(name)
        if name.endswith("_"):  # MOUV_AUTO_...
            continue
        if name not in words or (call and name not in callable_names):
            problems.append(f"{name}{call} is not in include/mouv/")
    for header in sorted(code):
        if header not in ("error.h", "log.h") and not about_database(header, code):
            continue
        for name in sorted(set(DECLARED.findall(code[header])) - on_page):
            problems.append(
                f"{name}() of <mouv/{header}> is missing; name it in the right column of what it is the counterpart of,"
                f" in libmongoc's part, in Motor's or in both; else add under '## mouv's own':\n"
                f"    | `{name}()` | what it is |"
            )
    return problems


# --- running ----------------------------------------------------------------------------------
def motor_lists():
    lines = (line.split(":", 1) for line in names_of((HERE / "motor.txt").read_text()))
    return {section: names.split() for section, names in lines}


def self_test():
    page = (
        f"## {LIBMONGOC}\n### S\n| libmongoc | mouv |\n|---|---|\n| `mongoc_a`, `mongoc_b` | `mouv_a()`, `MOUV_EA` |\n"
        f"## {MOTOR}\n### Cursor: C\n| Motor, PyMongo | mouv |\n|---|---|\n| `next` | `mouv_t` |\n"
    )
    functions, lists = {"mongoc_a", "mongoc_b"}, {"Cursor": ["next"]}
    headers = {
        "base.h": "MOUV_API int mouv_base(void); X(EA, -20001, 1) typedef int mouv_t; /* mouv_gone() */",
        "a.h": "#include <bson/bson.h>\nMOUV_API int mouv_a(mouv_t t);",
    }

    def count(text=page, **other):
        return (
            len(check_libmongoc(text, other.get("functions", functions))),
            len(check_motor(text, other.get("lists", lists))),
            len(check_mouv(text, other.get("headers", headers))),
        )

    assert count() == (0, 0, 0)
    assert count(functions=functions | {"mongoc_c"}) == (1, 0, 0)
    assert count(functions={"mongoc_a"}) == (1, 0, 0)
    assert count(page.replace("`mongoc_b`", "`mongoc_a`")) == (2, 0, 0)
    assert count(page.replace("`mouv_a()`, `MOUV_EA`", "")) == (2, 0, 1)
    assert count(lists={"Cursor": ["next", "close"]}) == (0, 1, 0)
    assert count(lists={"Cursor": []}) == (0, 1, 0)
    assert count(lists={"Other": []}) == (0, 1, 0)
    assert count(page.replace("mouv_t`", "mouv_t()`")) == (0, 0, 1)  # a type is not called
    assert count(page.replace("mouv_t", "mouv_gone")) == (0, 0, 1)  # only a comment has it
    assert count(page.replace("MOUV_EA", "MOUV_EB")) == (0, 0, 1)
    more = {**headers, "b.h": "#include <mouv/a.h>\nMOUV_API int mouv_b(void);"}
    assert count(headers=more) == (0, 0, 1)
    print("ok")


def main(words):
    if words == ["--self-test"]:
        return self_test()
    root = Path(words[0])
    page = (root / "docs" / "mapping.md").read_text()
    headers = {path.name: path.read_text() for path in sorted((root / "include" / "mouv").glob("*.h"))}
    functions = set(names_of((HERE / "libmongoc.txt").read_text())) | functions_of_headers(words[1:])
    problems = check_libmongoc(page, functions) + check_motor(page, motor_lists()) + check_mouv(page, headers)
    sys.exit("\n".join(f"docs/mapping.md: {problem}" for problem in problems) or 0)


if __name__ == "__main__":
    main(sys.argv[1:])
