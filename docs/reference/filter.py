#!/usr/bin/env python3
"""What Doxygen reads in place of a header: the same text, line by line, with the marks that Doxygen wants.

The headers are written to be read as they are. So here, and not there: the opening comment is the file's and the
concept's, all that the header declares belongs to the concept (groups.dox names them), `Errors: ...` in a comment becomes
an item of a list, one comment above several declarations counts for each, the members of an opaque struct are
left out. In a page, links to what is no page of the reference become text.

usage: filter.py HEADER|PAGE
"""

import re
import sys
from pathlib import Path

FIELD = re.compile(r"^( \* )(`?[A-Za-z]\w*`?):( +)(\S.*)$")
COMMENT_BEGIN, COMMENT_END = re.compile(r"^/\*\*( |$)"), re.compile(r"\*/$")
LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)")
FIELDS = {"Context", "Ownership", "Deadline", "Cancel", "Returns", "Result", "Errors", "Like", "Twin"}


def is_field(line):
    match = FIELD.match(line)
    return match and (match[2] in FIELDS or match[2].startswith("`")) and match


def headings(lines):
    """A field becomes an item of a list, with its name in front."""
    for line in lines:
        match = is_field(line)
        if match:
            name = match[2] if match[2].startswith("`") else f"**{match[2]}**"
            line = f"{match[1]}- {name}: {match[4]}"
        yield line


def shared_comments(lines):
    """A comment above several declarations, without an empty line between them, is copied to each."""
    lines = list(lines)
    commented = first = None
    for number, line in enumerate(lines):
        if not line.strip():
            commented = first = None
        elif COMMENT_BEGIN.match(line):
            commented, first = True, None
        declared = line.startswith("MOUV_API") and commented
        if declared and first:
            line = f"/** @copydoc {first} */ {line}"
        elif declared:
            first = re.search(r"(\w+)\(", " ".join(lines[number:])[len("MOUV_API"):])[1]
        yield line


def without_opaque_members(lines):
    hidden = comment_says_opaque = False
    for line in lines:
        if COMMENT_BEGIN.match(line):
            comment_says_opaque = False
        comment_says_opaque = comment_says_opaque or "Opaque." in line
        if hidden and line.startswith("}"):
            hidden, line = False, "/** @endcond */ " + line
        elif comment_says_opaque and re.match(r"^(typedef )?struct \w+ \{$", line):
            hidden, line = True, line + " /** @cond */"
        yield line


def of_the_concept(lines, group):
    """Plain comments of several lines speak of the whole concept, the first of them also opens it."""
    opened = inside = False
    for line in lines:
        if line == "/*":
            yield ("/** @} */ " if opened else "/** @file */ ") + f"/** @addtogroup {group}"
            inside = True
        elif inside and COMMENT_END.search(line):
            opened, inside = True, False
            yield COMMENT_END.sub("@{ */", line)
        else:
            yield line
    yield "/** @} */"


def filtered(name, text):
    lines = ["" if line in ("MOUV_BEGIN_DECLS", "MOUV_END_DECLS") else line for line in text.splitlines()]
    lines = of_the_concept(lines, "mouv_" + name.removesuffix(".h"))
    return "\n".join(shared_comments(without_opaque_members(headings(lines)))) + "\n"


def without_dead_links(folder, text):
    """`folder` is where the page is."""

    def link(match):
        target = match["target"]
        path = Path(target)
        page = path.suffix == ".md" and path.name != "README.md" and (folder / path).exists()
        return match[0] if page or "://" in target else match["text"]

    return LINK.sub(link, text)


def main(path):
    text = path.read_text()
    sys.stdout.write(without_dead_links(path.parent, text) if path.suffix == ".md" else filtered(path.name, text))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
