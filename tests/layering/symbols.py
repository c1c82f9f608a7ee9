#!/usr/bin/env python3
"""Holds the house by the symbols of the built objects: no circle of files anywhere, nothing refers
upward, transports do not know each other, what a file exports stands in the header of its name.

The rooms stand in rooms.py. A reference is an undefined symbol of one object (functions and data) that another one defines.
usage: symbols.py NM OBJECTS_DIR SOURCE_DIR EXCEPTIONS | symbols.py --self-test
"""
import collections
import pathlib
import re
import subprocess
import sys

from rooms import LEVEL, judge, read_exceptions, room_of


def symbols_of(nm, object_path):
    """What an object defines for others, and what it wants of them."""
    defined, wanted = set(), set()
    text = subprocess.run([nm, object_path], check=True, capture_output=True, text=True).stdout
    for line in text.splitlines():
        kind, name = line.split()[-2:]
        if kind == "U":
            wanted.add(name)
        elif kind.isupper():
            defined.add(name)
    return defined, wanted


def read_objects(nm, folder, source):
    """{file: (defined, wanted)}, a file being its path below src/; objects of files that are gone do
    not count."""
    folder, found = pathlib.Path(folder), {}
    for path in sorted(folder.rglob("*.o")):
        file = path.relative_to(folder).as_posix().removesuffix(".o")
        if (pathlib.Path(source) / "src" / file).exists():
            found[file] = symbols_of(nm, path)
    return found


def references(objects):
    """{(file, other file): the symbols}."""
    owner = {name: file for file, (defined, _) in objects.items() for name in defined}
    found = collections.defaultdict(set)
    for file, (_, wanted) in objects.items():
        for name in wanted:
            if owner.get(name, file) != file:
                found[file, owner[name]].add(name)
    return found


def upward(found):
    for (file, other), names in sorted(found.items()):
        here, there = room_of(file), room_of(other)
        if here == there:
            continue
        if here not in LEVEL or there not in LEVEL:
            yield f"{file}: no room of this name in the order"
        elif LEVEL[there] >= LEVEL[here]:
            yield f"{file} refers to {other}, which is not below it: {', '.join(sorted(names))}"


def circles(files, found):
    """Every set of files each of which refers to all others, directly or not."""
    graph = collections.defaultdict(set)
    for file, other in found:
        graph[file].add(other)

    def reach(start, edges):
        seen, todo = set(), [start]
        while todo:
            for following in edges[todo.pop()]:
                if following not in seen:
                    seen.add(following)
                    todo.append(following)
        return seen

    reachable = {file: reach(file, graph) for file in files}
    done = set()
    for file in sorted(files):
        circle = {other for other in reachable[file] if file in reachable[other]}
        if circle and file not in done:
            done |= circle
            yield "a circle of " + ", ".join(sorted(circle))


def undeclared(objects, source):
    """A .c's exports stand in the .h of its name (one for all architectures); public ones (mouv_) in
    include/mouv."""
    for file, (defined, _) in objects.items():
        header = pathlib.Path(source) / "src" / re.sub(r"(_x86_64|_aarch64)?\.(c|S)$", ".h", file)
        text = header.read_text() if header.exists() else ""
        for name in sorted(defined):
            if name.startswith("mouv__") and not re.search(rf"\b{name}\b", text):
                yield f"{file}: {name} is not declared in {header.name}"


def check(objects, source):
    found = references(objects)
    return [*upward(found), *circles(objects, found), *undeclared(objects, source)]


PLANTED = {
    "good": ({"async/loop/a.c": ({"mouv__a"}, set()), "async/task/b.c": ({"mouv__b"}, {"mouv__a"})}, None),
    "upward": ({"async/loop/a.c": ({"mouv__a"}, {"mouv__b"}), "async/task/b.c": ({"mouv__b"}, set())}, "not below it"),
    "neighbours": ({"async/sync/a.c": ({"mouv__a"}, {"mouv__b"}), "async/combine/b.c": ({"mouv__b"}, set())}, "not below it"),
    "transports": ({"mongo/transport/threads/a.c": ({"mouv__a"}, {"mouv__b"}),
                    "mongo/transport/loop/b.c": ({"mouv__b"}, set())}, "not below it"),
    "circle": ({"async/loop/a.c": ({"mouv__a"}, {"mouv__b"}), "async/loop/b.c": ({"mouv__b"}, {"mouv__a"})}, "a circle of"),
    "data": ({"context/a.c": ({"mouv__a"}, {"mouv__b"}), "async/loop/b.c": ({"mouv__b"}, set())}, "not below it"),
    "elsewhere": ({"attic/a.c": ({"mouv__a"}, {"mouv__b"}), "context/b.c": ({"mouv__b"}, set())}, "no room"),
}


def self_test():
    failed = 0
    for name, (objects, expected) in PLANTED.items():
        found = references(objects)
        faults = [*upward(found), *circles(objects, found)]
        if bool(faults) != bool(expected) or (expected and not any(expected in fault for fault in faults)):
            print(f"{name}: {faults}, expected {expected}")
            failed += 1
    missing = list(undeclared({"async/loop/a.c": ({"mouv__a"}, set())}, "/nonexistent"))
    if missing != ["async/loop/a.c: mouv__a is not declared in a.h"]:
        print(f"undeclared: {missing}")
        failed += 1
    if judge(["one"], ["two"]) != ["one", "no longer needed in the list of exceptions: two"]:
        print("judge")
        failed += 1
    return failed


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    nm, objects_dir, source, exceptions = arguments
    known = read_exceptions(exceptions)
    objects = read_objects(nm, objects_dir, source)
    faults = judge(check(objects, source), known)
    print("\n".join(faults))
    print(f"{len(objects)} objects, {len(faults)} faults, {len(known)} exceptions")
    return len(faults) > 0 or not objects


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
