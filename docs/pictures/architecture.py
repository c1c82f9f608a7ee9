#!/usr/bin/env python3
"""Draws docs/pictures/architecture.svg from the text below: always the same bytes. A box whose title begins with a folder's
name in src/ is one of the rooms, and fails the program if there is no such folder.

usage: architecture.py > architecture.svg | architecture.py --check architecture.svg
"""

import pathlib
import sys
from xml.sax.saxutils import escape

SIZE = (960, 700)
SOURCES = pathlib.Path(__file__).resolve().parents[2] / "src"

# band X Y WIDTH HEIGHT title              what one kind of thread runs
# room X Y WIDTH HEIGHT title | line ...   a folder of src/, or several: with spaces between them
# box  X Y WIDTH HEIGHT title | line ...   whatever else
# way  X,Y X,Y ... | label X,Y             an arrow along these points; its label begins there
TEXT = """
band  16  16 600 668  The loop's thread
band 664  16 280 374  Worker threads
band 664 406 280 120  libmongoc's monitors

box   40  50 552  42  Your program | coroutines, callbacks
room  40 112 268  46  mongo/api | the public calls
room 324 112 268  46  mongo/gridfs | over the public calls
room  40 178 268  46  mongo/command | what is said and what is answered
room 324 178 268  46  mongo/cursor | batch by batch
room  40 244 268  46  mongo/operation | attempts, limits, retries, kill, cut, inquiry
room 324 244 268  46  mongo/session | sessions and transactions
room  40 310 268  46  mongo/pool | who may send when: checkouts, breakers
room  40 376 268  46  mongo/transport | transport.h, the seam: exchanges
room 324 376 268  46  mongo/transport/loop | messages on sockets, in place of threads
room  40 442 552  46  mongo/topology | the deployment as last seen; server selection; events
room  40 508 268  46  mongo/base | options, concerns, errors
room 324 508 268  46  mongo/wire | bytes, for any thread
room  40 570 552  46  async/combine async/sync async/outside | gather and the like; locks; from and to plain code
room  40 624 268  46  async/task | coroutines, scopes, await
room 324 624 268  46  async/loop | futures, time, mailbox, on libuv

room 684  70 240  46  mongo/transport/workers | jobs, and their way home by mail
room 684 136 240  46  mongo/transport/threads | an exchange is one blocking call
box  684 202 240  46  libmongoc | a client for each connection
room 684 268 240  46  mongo/transport/driver | sockets to cut, answers checked
box  684 334 240  40  the server | 
box  684 446 240  60  libmongoc | one thread for each server: hello

way 174, 92 174,112 |
way 324,135 308,135 |
way 174,158 174,178 |
way 308,146 316,146 316,201 324,201 |
way 174,224 174,244 |
way 458,224 458,234 250,234 250,244 |
way 308,267 324,267 |
way 100,290 100,310 | checkout 106,304
way 200,310 200,290 | granted 206,304
way 308,280 316,280 316,388 308,388 | exchange 322,330
way 308,410 324,410 |
way 174,356 174,376 | connections 180,370
way 270,376 270,366 628,366 628, 88 684, 88 | job 632,82
way 684,102 648,102 648,646 592,646 | mail 652,560
way 804,116 804,136 |
way 804,182 804,202 |
way 804,248 804,268 |
way 804,314 804,334 |
way 684,476 592,476 | news 652,470
"""

STYLE = """
text { font: 13px sans-serif; fill: #222 } .small { font-size: 11px; fill: #555 } .title { font-weight: bold }
.band { fill: #f6f6f2; stroke: #bbb } .room { fill: #e3edf7; stroke: #7a9cc0 } .box { fill: #fff; stroke: #999 }
.way { fill: none; stroke: #b4530a; stroke-width: 1.4 }
"""


def check_rooms(title):
    for name in title.split():
        if not (SOURCES / name).is_dir():
            sys.exit(f"architecture.py: src/{name} is not there")


def text(x, y, what, kind, anchor="middle"):
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(what)}</text>'


def rectangle(kind, x, y, width, height):
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="4"/>'


def drawn(line):
    """The elements of one line of the text."""
    kind, rest = line.split(maxsplit=1)
    if kind == "way":
        points, _, label = (part.strip() for part in rest.partition("|"))
        points = " ".join(points.replace(", ", ",").split())
        yield f'<polyline class="way" points="{points}" marker-end="url(#tip)"/>'
        if label:
            word, place = label.rsplit(maxsplit=1)
            yield text(*place.split(","), word, "small", "start")
        return
    *where, words = rest.split(maxsplit=4)
    x, y, width, height = map(int, where)
    title, _, small = (part.strip() for part in words.partition("|"))
    yield rectangle(kind, x, y, width, height)
    if kind == "band":
        yield text(x + 12, y + 22, title, "title", "start")
        return
    if kind == "room":
        check_rooms(title)
    middle = x + width // 2
    yield text(middle, y + (18 if small else height // 2 + 4), title, "title" if kind == "room" else "plain")
    if small:
        yield text(middle, y + 34, small, "small")


def picture():
    lines = [line for line in TEXT.strip().splitlines() if line]
    ways_last = sorted(lines, key=lambda line: line.startswith("way"))
    width, height = SIZE
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        "<title>mouv: its rooms, by the threads that run them</title>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#b4530a"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        *(element for line in ways_last for element in drawn(line)),
        "</svg>",
        "",
    ])


def main():
    if len(sys.argv) == 1:
        sys.stdout.write(picture())
    elif len(sys.argv) == 3 and sys.argv[1] == "--check":
        if pathlib.Path(sys.argv[2]).read_text() != picture():
            sys.exit(f"{sys.argv[2]} is not what architecture.py draws: docs/pictures/architecture.py > {sys.argv[2]}")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
