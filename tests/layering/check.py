#!/usr/bin/env python3
"""Holds the layers: each folder uses only what is above it.

    context  libc
    async    + context, libuv, the public headers that need no BSON
    mongo    + async, libmongoc
    cli, examples, bench   public headers only

Within src/ the rooms of rooms.py: none includes one that comes later in that order, nor a neighbour
of its line. mongoc_client_* and mongoc_stream_* are the transport's and the topology listener's
business. Every source is named in its folder's README.

Checked are the #include lines, followed through mouv's own headers, and the prefixes of the names
that the code calls. symbols.py looks at what the objects refer to.
usage: check.py SOURCE_DIR EXCEPTIONS | check.py --shrink SOURCE_DIR EXCEPTIONS | check.py --self-test
    --shrink   takes out of EXCEPTIONS what is needed no more; nothing is ever added
"""
import pathlib
import re
import sys
import tempfile

from rooms import LEVEL, judge, read_exceptions, room_of, shrink

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
# Who speaks to libmongoc's clients and streams; the rest of mongo/ has its own nouns for them.
DRIVER_NAME = re.compile(r"\bmongoc_(?:client|stream)_\w+")
DRIVER_PLACES = ("mongo/transport/driver/", "mongo/transport/threads/", "mongo/topology/listener.")


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


def below_src(tree, path):
    """The path below src/ of what stands in a room, else None."""
    relative = path.relative_to(tree.root).as_posix()
    layer = tree.layer_of(path)
    return relative.removeprefix("src/") if layer in ("src/context", "src/async", "src/mongo") else None


def room_faults(tree, path):
    """Includes against the order of the rooms."""
    file = below_src(tree, path)
    if file is None:
        return
    here = room_of(file)
    if here not in LEVEL:
        yield f"{here} is no room in the order"
        return
    for name in included(path.read_text()):
        target = tree.own_file(path, name)
        other = below_src(tree, target) if target else None
        there = other and room_of(other)
        if other is None or there == here or there not in LEVEL:
            continue
        if LEVEL[there] >= LEVEL[here]:
            yield f"{here} may not include {other}, which is not below it"


def driver_faults(tree, path):
    file = below_src(tree, path)
    if file is None or not file.startswith("mongo/") or file.startswith(DRIVER_PLACES):
        return
    for name in sorted(set(DRIVER_NAME.findall(INCLUDE.sub(" ", NOISE.sub(" ", path.read_text()))))):
        yield f"{name} belongs to the transport"


def readme_faults(tree):
    """`name.c`, or `name.[ch]` for both."""
    folders = {path.parent for layer in LAYERS if layer.startswith("src/") for path in tree.files(layer)}
    for folder in sorted(folders):
        where, readme = folder.relative_to(tree.root), folder / "README.md"
        if not readme.exists():
            yield f"{where}: has no README.md"
            continue
        text = readme.read_text()
        for path in sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES):
            names = {path.name, path.stem + ".[ch]"} if path.suffix in (".c", ".h") else {path.name}
            if not any(f"`{name}`" in text for name in names):
                yield f"{where}/{path.name}: is not named in README.md"


def faults(root):
    tree = Tree(root)
    for layer in LAYERS:
        for path in tree.files(layer):
            for fault in (*include_faults(tree, layer, path), *name_faults(layer, path),
                          *room_faults(tree, path), *driver_faults(tree, path)):
                yield f"{path.relative_to(tree.root)}: {fault}"
    yield from readme_faults(tree)


PLANTED = {  # file, text, part of the fault expected (None: allowed)
    "context_uv": ("src/context/a.c", "#include <uv.h>\n", "src/context may not include <uv.h>"),
    "context_up": ("src/context/a.c", '#include "async/loop/loop.h"\n', "of src/async"),
    "context_public": ("src/context/a.c", "#include <mouv/plain.h>\n", "of include/mouv"),
    "context_libc": ("src/context/a.c", "#include <sys/mman.h>\n#include \"stack.h\"\n", None),
    "async_mongoc": ("src/async/loop/a.c", "#  include <mongoc/mongoc.h>\n", "<mongoc/mongoc.h>"),
    "async_through": ("src/async/loop/a.c", "#include <mouv/document.h>\n", "<mouv/document.h -> bson/bson.h>"),
    "async_up": ("src/async/loop/a.c", '#include "../../mongo/base/op.h"\n', "of src/mongo"),
    "async_by_hand": ("src/async/loop/a.c", "void bson_destroy(void *);\n", "bson_destroy"),
    "async_good": ("src/async/loop/a.c", '#include <uv.h>\n#include <mouv/plain.h>\n#include "context/stack.h"\n', None),
    "async_words": ("src/async/loop/a.c", '/* #include <bson/bson.h> bson_t */ char *s = "mongoc_x";\n', None),
    "mongo_good": ("src/mongo/base/a.c", "#include <mongoc/mongoc.h>\n", None),
    "mongo_cli": ("src/mongo/base/a.c", '#include "cli/cli.h"\n', "of src/cli"),
    "cli_internal": ("src/cli/a.c", '#include "async/loop/loop.h"\n', "of src/async"),
    "cli_mongoc": ("src/cli/a.c", "#include <mongoc/mongoc.h>\n", "<mongoc/mongoc.h>"),
    "cli_good": ("src/cli/a.c", "#include <mouv/document.h>\n#include \"cli.h\"\n", None),
    "example_internal": ("examples/x/a.c", '#include "../../src/async/loop/loop.h"\n', "of src/async"),
    "bench_internal": ("bench/a.c", "int mouv__tick(void);\n", "mouv__tick"),
    "bench_good": ("bench/a.c", "#include <mongoc/mongoc.h>\n#include <mouv/document.h>\n", None),
    "header_mongoc": ("include/mouv/a.h", "#include <mongoc/mongoc.h>\n", "<mongoc/mongoc.h>"),
    "room_up": ("src/mongo/base/a.c", '#include "mongo/pool/pool.h"\n', "mongo/base may not include mongo/pool/pool.h"),
    "room_up_header": ("src/mongo/base/a.h", '#include "mongo/pool/pool.h"\n', "which is not below it"),
    "room_relative": ("src/mongo/base/a.c", '#include "../pool/pool.h"\n', "which is not below it"),
    "room_below": ("src/mongo/pool/a.c", '#include "async/loop/loop.h"\n#include "mongo/base/op.h"\n', None),
    "room_own": ("src/mongo/pool/a.c", '#include "mongo/pool/pool.h"\n', None),
    "room_neighbour": ("src/mongo/transport/loop/a.c", '#include "mongo/transport/threads/worker.h"\n', "which is not below it"),
    "room_async": ("src/async/task/a.c", '#include "async/sync/lock.h"\n', "which is not below it"),
    "room_unknown": ("src/mongo/attic/a.c", "", "mongo/attic is no room"),
    "room_none": ("src/mongo/a.c", "", "mongo is no room"),
    "seam_filled_in": ("src/mongo/transport/threads/a.c", '#include "mongo/transport/transport.h"\n', None),
    "seam_called": ("src/mongo/pool/a.c", '#include "mongo/transport/transport.h"\n', None),
    "seam_too_low": ("src/mongo/base/a.c", '#include "mongo/transport/transport.h"\n', "which is not below it"),
    "driver_client": ("src/mongo/pool/a.c", "void f(void) { mongoc_client_destroy(0); }\n", "mongoc_client_destroy belongs"),
    "driver_stream": ("src/mongo/topology/a.c", "mongoc_stream_t *s;\n", "mongoc_stream_t belongs"),
    "driver_words": ("src/mongo/pool/a.c", "/* mongoc_client_destroy() */\nmongoc_uri_t *uri;\n", None),
    "driver_good": ("src/mongo/transport/driver/a.c", "mongoc_client_t *c;\nmongoc_stream_t *s;\n", None),
    "driver_threads": ("src/mongo/transport/threads/a.c", "mongoc_client_t *c; /* mongoc_client_command */\n", None),
    "driver_listener": ("src/mongo/topology/listener.c", "mongoc_client_pool_t *p;\n", None),
    "readme_without": ("src/mongo/base/README.md", "`op.c`\n", "src/mongo/base/op.h: is not named"),
    "readme_half_a_name": ("src/mongo/base/README.md", "`hop.h`\n", "src/mongo/base/op.h: is not named"),
    "readme_both": ("src/mongo/base/README.md", "`op.[ch]`\n", None),
    "readme_none": ("src/mongo/base/README.md", None, "src/mongo/base: has no README.md"),
}
SOUND = {
    "include/mouv/plain.h": "", "include/mouv/document.h": "#include <bson/bson.h>\n",
    "src/context/stack.h": "", "src/async/loop/loop.h": "#include <uv.h>\n", "src/async/sync/lock.h": "",
    "src/mongo/base/op.h": "", "src/mongo/pool/pool.h": "", "src/cli/cli.h": "",
    "src/mongo/transport/transport.h": '#include "mongo/base/op.h"\n', "src/mongo/transport/threads/worker.h": "",
}


def plant(files):
    """The faults of a tree of these files; READMEs name what is there, unless they are among them."""
    with tempfile.TemporaryDirectory() as root:
        for name in list(files):
            readme = name.rsplit("/", 1)[0] + "/README.md"
            if name.startswith("src/") and readme not in files:
                there = [other for other in files if other.startswith("src/") and room_of(other) == room_of(name)]
                files = {**files, readme: "".join(f"`{other.rsplit('/', 1)[1]}`\n" for other in there)}
        for name, text in files.items():
            if text is not None:
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        return list(faults(root))


def self_test_exceptions():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "exceptions.txt")
        path.write_text("# why\none\ntwo\n")
        assert read_exceptions(path) == ["one", "two"] and read_exceptions(folder + "/none") == []
        assert judge(["one", "two"], read_exceptions(path)) == []
        assert judge(["one", "three"], read_exceptions(path)) == ["three", "no longer needed in the list of exceptions: two"]
        shrink(path, ["one", "three"])
        assert path.read_text() == "# why\none\n", path.read_text()


def self_test():
    assert plant(SOUND) == [], plant(SOUND)
    for case, (path, text, expected) in PLANTED.items():
        found = plant({**SOUND, path: text})
        caught = any(expected in fault for fault in found) if expected else found == []
        assert caught, f"{case}: expected {expected}, found {found}"
    self_test_exceptions()
    print(f"{len(PLANTED)} planted cases judged rightly")


def main(args):
    if args == ["--self-test"]:
        return self_test()
    if args[0] == "--shrink":
        return shrink(args[2], faults(args[1]))
    known = read_exceptions(args[1])
    found = judge(faults(args[0]), known)
    print("\n".join(found) or f"every layer uses only what is above it, but for {len(known)} exceptions")
    sys.exit(bool(found))


if __name__ == "__main__":
    main(sys.argv[1:])
