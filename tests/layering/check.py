#!/usr/bin/env python3
"""Holds the layers: each folder uses only what is above it.

    context  libc
    async    + context, libuv, the public headers that need no BSON
    mongo    + async, libmongoc
    cli, examples, bench   public headers only

Checked are the #include lines, followed through mouv's own headers, and the prefixes of the names
that the code calls.
usage: check.py SOURCE_DIR | check.py --self-test
"""
import pathlib
import re
import sys
import tempfile

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)
NOISE = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

LIBRARIES = {"uv": r"uv(\.h|/)", "bson": r"bson/", "mongoc": r"mongoc/"}
# What a layer may use: third-party libraries, and folders of ours ("public" is include/mouv).
LAYERS = {
    "include/mouv": ({"uv", "bson"}, {"include/mouv"}),
    "src/context": (set(), {"src/context"}),
    "src/async": ({"uv"}, {"src/context", "src/async", "include/mouv"}),
    "src/mongo": ({"uv", "bson", "mongoc"}, {"src/context", "src/async", "src/mongo", "include/mouv"}),
    "src/cli": ({"uv", "bson"}, {"src/cli", "include/mouv"}),
    "examples": ({"uv", "bson"}, {"examples", "include/mouv"}),
    "bench": ({"uv", "bson", "mongoc"}, {"bench", "include/mouv"}),
}
PREFIXES = {"uv": "uv_", "bson": "bson_", "mongoc": "mongoc_"}
SUFFIXES = {".c", ".h", ".S", ".inc"}


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()

    def files(self, layer):
        return sorted(p for p in (self.root / layer).rglob("*") if p.suffix in SUFFIXES)

    def own_file(self, path, name):
        """The file of ours that `path` includes as `name`, or None for somebody else's."""
        for base in (path.parent, self.root / "src", self.root / "include", self.root):
            candidate = (base / name).resolve()
            if candidate.is_file() and candidate.is_relative_to(self.root):
                return candidate
        return None

    def layer_of(self, path):
        relative = path.relative_to(self.root).as_posix()
        return next((layer for layer in LAYERS if relative.startswith(layer + "/")), "elsewhere")


def included(text):
    """The names a text includes; an include in a comment is none."""
    return [name for _, name in INCLUDE.findall(re.sub(r"/\*.*?\*/", " ", text, flags=re.S))]


def library_of(name):
    return next((library for library, pattern in LIBRARIES.items() if re.match(pattern, name)), None)


def include_faults(tree, layer, path, via=(), seen=None):
    """Faults of the includes of `path`, and of all that it brings in, judged by `layer`'s rule."""
    libraries, folders = LAYERS[layer]
    seen = set() if seen is None else seen
    seen.add(path)
    for name in included(path.read_text()):
        chain = " -> ".join((*via, name))
        library = library_of(name)
        if library and library not in libraries:
            yield f"{layer} may not include <{chain}>"
        target = tree.own_file(path, name)
        if not target or target in seen:
            continue
        if tree.layer_of(target) not in folders:
            yield f"{layer} may not include \"{chain}\" of {tree.layer_of(target)}"
        else:
            yield from include_faults(tree, layer, target, (*via, name), seen)


def name_faults(layer, path):
    """Names used without their header: declared by hand, or brought in by a macro."""
    code = INCLUDE.sub(" ", NOISE.sub(" ", path.read_text()))
    for library in PREFIXES.keys() - LAYERS[layer][0]:
        name = re.search(rf"\b{PREFIXES[library]}\w+", code)
        if name:
            yield f"{layer} may not use {name[0]}"
    if layer in ("src/cli", "examples", "bench"):
        name = re.search(r"\bmouv__\w+", code)
        if name:
            yield f"{layer} may not use the internal {name[0]}"


def faults(root):
    tree = Tree(root)
    for layer in LAYERS:
        for path in tree.files(layer):
            for fault in (*include_faults(tree, layer, path), *name_faults(layer, path)):
                yield f"{path.relative_to(tree.root)}: {fault}"


PLANTED = {  # file, text, part of the fault expected (None: allowed)
    "context_uv": ("src/context/a.c", "#include <uv.h>\n", "src/context may not include <uv.h>"),
    "context_up": ("src/context/a.c", '#include "async/loop.h"\n', "of src/async"),
    "context_public": ("src/context/a.c", "#include <mouv/plain.h>\n", "of include/mouv"),
    "context_libc": ("src/context/a.c", "#include <sys/mman.h>\n#include \"stack.h\"\n", None),
    "async_mongoc": ("src/async/a.c", "#  include <mongoc/mongoc.h>\n", "<mongoc/mongoc.h>"),
    "async_through": ("src/async/a.c", "#include <mouv/document.h>\n", "<mouv/document.h -> bson/bson.h>"),
    "async_up": ("src/async/a.c", '#include "../mongo/op.h"\n', "of src/mongo"),
    "async_by_hand": ("src/async/a.c", "void bson_destroy(void *);\n", "bson_destroy"),
    "async_good": ("src/async/a.c", '#include <uv.h>\n#include <mouv/plain.h>\n#include "context/stack.h"\n', None),
    "async_words": ("src/async/a.c", '/* #include <bson/bson.h> bson_t */ char *s = "mongoc_x";\n', None),
    "mongo_good": ("src/mongo/a.c", "#include <mongoc/mongoc.h>\n", None),
    "mongo_cli": ("src/mongo/a.c", '#include "cli/cli.h"\n', "of src/cli"),
    "cli_internal": ("src/cli/a.c", '#include "async/loop.h"\n', "of src/async"),
    "cli_mongoc": ("src/cli/a.c", "#include <mongoc/mongoc.h>\n", "<mongoc/mongoc.h>"),
    "cli_good": ("src/cli/a.c", "#include <mouv/document.h>\n#include \"cli.h\"\n", None),
    "example_internal": ("examples/x/a.c", '#include "../../src/async/loop.h"\n', "of src/async"),
    "bench_internal": ("bench/a.c", "int mouv__tick(void);\n", "mouv__tick"),
    "bench_good": ("bench/a.c", "#include <mongoc/mongoc.h>\n#include <mouv/document.h>\n", None),
    "header_mongoc": ("include/mouv/a.h", "#include <mongoc/mongoc.h>\n", "<mongoc/mongoc.h>"),
}
SOUND = {
    "include/mouv/plain.h": "", "include/mouv/document.h": "#include <bson/bson.h>\n",
    "src/context/stack.h": "", "src/async/loop.h": "#include <uv.h>\n", "src/mongo/op.h": "", "src/cli/cli.h": "",
}


def plant(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return list(faults(root))


def self_test():
    assert plant(SOUND) == [], plant(SOUND)
    for case, (path, text, expected) in PLANTED.items():
        found = plant({**SOUND, path: text})
        caught = any(expected in fault for fault in found) if expected else found == []
        assert caught, f"{case}: expected {expected}, found {found}"
    print(f"{len(PLANTED)} planted cases judged rightly")


def main(args):
    if args == ["--self-test"]:
        return self_test()
    found = list(faults(args[0]))
    print("\n".join(found) or "every layer uses only what is above it")
    sys.exit(bool(found))


if __name__ == "__main__":
    main(sys.argv[1:])
