"""The rooms of src/ and their order, and the list of exceptions: what both checks share."""
import pathlib

# Lowest first; those on one line do not know each other.
ROOMS = [
    ["context"],
    ["async/loop"],
    ["async/task"],
    ["async/combine", "async/sync", "async/outside"],
    ["mongo/base"],
    ["mongo/wire"],
    ["mongo/json"],
    ["mongo/topology"],
    ["mongo/transport/workers"],
    ["mongo/transport"],
    ["mongo/transport/driver"],
    ["mongo/transport/threads", "mongo/transport/loop"],
    ["mongo/pool"],
    ["mongo/session"],
    ["mongo/operation"],
    ["mongo/command"],
    ["mongo/cursor"],
    ["mongo/api"],
    ["mongo/gridfs"],
]
LEVEL = {room: level for level, rooms in enumerate(ROOMS) for room in rooms}


def room_of(file):
    """Of a path below src/."""
    return file.rsplit("/", 1)[0]


def read_exceptions(path):
    path = pathlib.Path(path)
    lines = path.read_text().splitlines() if path.exists() else []
    return [line for line in lines if line and not line.startswith("#")]


def judge(faults, exceptions):
    """What is wrong beyond the exceptions, and which of these are needed no more."""
    faults = list(faults)
    surplus = [f"no longer needed in the list of exceptions: {line}" for line in exceptions if line not in faults]
    return [fault for fault in faults if fault not in exceptions] + surplus


def shrink(path, faults):
    """Takes out of the list what is needed no more; adds nothing."""
    path, faults = pathlib.Path(path), set(faults)
    lines = path.read_text().splitlines()
    path.write_text("".join(f"{line}\n" for line in lines if not line or line.startswith("#") or line in faults))
