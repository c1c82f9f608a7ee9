"""The rows of the scorecard: what is asked, what is run, and when that is short."""

import json
import re
from dataclasses import dataclass, field
from typing import Callable

import machine
from machine import Outcome

CLIENTS = {"threads": "mouv, threads", "loop": "mouv, loop", "libmongoc": "libmongoc", "pymongo": "PyMongo"}
MOUV = ("threads", "loop")
LATE_MS = 2500  # beyond a deadline


@dataclass(frozen=True)
class Row:
    name: str
    title: str
    what: str
    run: Callable  # (machine.Run) -> Outcome
    clients: tuple = tuple(CLIENTS)
    seconds: int = 15  # of one client, in the quick form
    why_not: dict = field(default_factory=dict)  # {client: why the row does not apply to it}


# --- writes in a ledger ---------------------------------------------------------------------------
def writer(client):
    if client == "pymongo":
        return [machine.PYTHON, machine.ROOT / "tests/scorecard/writer_pymongo.py"]
    return [machine.PROGRAMS / ("writer_libmongoc" if client == "libmongoc" else "writer_mouv")]


def books(text):
    """The program's line of JSON, or None."""
    lines = [line for line in text.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else None


def judge_books(found, deadline_ms):
    wrong = [f"{found[kind]:,} {name}" for kind, name in
             (("lost", "lost"), ("doubled", "doubled"), ("ghosts", "against its word"), ("torn", "torn")) if found[kind]]
    if not found["checked"]:
        wrong.append("the books could not be compared")
    if found["stuck"]:
        wrong.append("the load did not go on")
    if found["status"] != 0:
        wrong.append(f"the client's process ended with {found['status']}")
    if found["slowest_ms"] > deadline_ms + LATE_MS:
        wrong.append("a call took too long")
    figure = (f"{found['faults']:,} faults, {found['acknowledged']:,} acknowledged, {found['unknown']:,} unknown, "
              f"{found['refused']:,} refused; slowest call {found['slowest_ms'] / 1000:.1f} s, "
              f"longest gap {found['gap_ms'] / 1000:.1f} s, going on {found['recovery_ms'] / 1000:.1f} s after a fault at most")
    return Outcome("short", f"{', '.join(wrong)}; {figure}") if wrong else Outcome("holds", f"0 wrong; {figure}")


def ledger(fault, nodes=1, deadline_ms=1000, any_deadline=False):
    """A row's run: that fault of exactly_once.c in the midst of writes."""
    def run(how):
        if how.client == "pymongo" and not machine.pymongo():
            return Outcome("not run", "PyMongo could not be fetched")
        options = [str(deadline_ms)] + (["any"] if any_deadline and how.client != "libmongoc" else [])
        ended = machine.run(how, [*machine.sandbox("--restart", "--nodes", str(nodes)), machine.PROGRAMS / "exactly_once",
                                  fault, how.seconds, *writer(how.client), "--", *options], how.seconds + 240)
        found = books(ended.output)
        if found is None:
            return Outcome("not run", "it did not end" if ended.status is None else f"status {ended.status}, see the log")
        return judge_books(found, deadline_ms)
    return run


# --- pools -------------------------------------------------------------------------------------------
def pool(how):
    if how.client == "pymongo" and not machine.pymongo():
        return Outcome("not run", "PyMongo could not be fetched")
    asker = [machine.PYTHON, machine.ROOT / "tests/scorecard/asker_pymongo.py"] if how.client == "pymongo" else \
        [machine.PROGRAMS / "asker", "libmongoc" if how.client == "libmongoc" else "mouv"]
    ended = machine.run(how, [*machine.sandbox("--nodes", "3"), machine.PROGRAMS / "pool", how.seconds, *asker], how.seconds + 120)
    found = books(ended.output)
    if found is None:
        return Outcome("not run", f"status {ended.status}, see the log")
    return Outcome("holds" if found["least_during"] * 10 >= found["before"] > 0 else "short",
                   f"{found['before']:,} answers/s of the primary before, {found['during']:,} during; {found['least_during']:,} in the worst half second")


# --- answers that no server gives --------------------------------------------------------------------
def corrupt(how):
    if how.client == "pymongo" and not machine.pymongo():
        return Outcome("not run", "PyMongo could not be fetched")
    reader = [machine.PYTHON, machine.ROOT / "tests/scorecard/reader_pymongo.py"] if how.client == "pymongo" else \
        [machine.PROGRAMS / "reader", "libmongoc" if how.client == "libmongoc" else "mouv"]
    ended = machine.run(how, [machine.PROGRAMS / "corrupt", how.seconds, *reader], how.seconds + 60)
    found = books(ended.output)
    if found is None:
        return Outcome("not run", f"status {ended.status}, see the log")
    figure = (f"{found['garbled']:,} answers: {found['crashes']:,} crashes, {found['hangs']:,} hangs, {found['junk']:,} given out as documents; "
              f"{found['errors']:,} errors told, {found['answers']:,} passed for answers")
    return Outcome("short" if found["crashes"] or found["hangs"] or found["junk"] else "holds", figure)


def fuzz(how):
    """All targets of scripts/fuzz, the time shared among them."""
    machine.must(["scripts/setup", "fuzz"], "clang could not be installed")
    targets = sorted(path.stem.removeprefix("fuzz_") for path in (machine.ROOT / "tests/fuzz").glob("fuzz_*.c"))
    runs, wrong = 0, []
    for target in targets:
        share = max(how.seconds // len(targets), 1)
        ended = machine.run(how, ["scripts/fuzz", target, share], share + 120)
        done = re.search(r"stat::number_of_executed_units: (\d+)", ended.output)
        runs += int(done[1]) if done else 0
        if ended.status != 0 or not done:
            wrong.append(target)
    figure = f"{runs:,} runs of {len(targets)} targets ({', '.join(targets)})"
    return Outcome("short", f"{figure}; something was found in {', '.join(wrong)}") if wrong else Outcome("holds", f"nothing found in {figure}")


# --- ends --------------------------------------------------------------------------------------------
def exits(how):
    """Processes that call exit() in the midst of finds, at every millisecond from 0 to 24."""
    program = machine.PROGRAMS / "exit_busy"
    script = ("n=0; i=0; bad=''; end=$(($(date +%s) + $1)); while [ $(date +%s) -lt $end ]; do "
              "timeout 20 \"$2\" $3 \"$MONGODB_URI\" $((i % 25)) >/dev/null 2>&1; s=$?; i=$((i + 1)); "
              "[ $s = 0 ] || { n=$((n + 1)); bad=\"$bad $s\"; }; done; echo \"{\\\"count\\\": $i, \\\"bad\\\": $n}\"; echo statuses: $bad")
    ended = machine.run(how, [*machine.sandbox(), "bash", "-c", script, "exits", how.seconds, program,
                              "libmongoc" if how.client == "libmongoc" else "mouv"], how.seconds + 90)
    found = books(ended.output)
    if found is None:
        return Outcome("not run", f"status {ended.status}, see the log")
    return Outcome("short" if found["bad"] else "holds", f"{found['bad']:,} of {found['count']:,} processes did not end with 0")


# --- system calls -------------------------------------------------------------------------------------
def syscalls(how):
    ended = machine.run(how, [*machine.sandbox(), "python3", "tests/scorecard/syscalls.py", how.seconds, machine.PROGRAMS / "few"],
                        how.seconds + 180)
    found = books(ended.output)
    if found is None:
        return Outcome("not run", f"status {ended.status}, see the log")
    counts = dict(found["counts"])
    figure = (f"{found['runs']:,} calls of {found['names']} kinds failed: {counts.pop('unharmed', 0):,} did no harm, {counts.pop('told', 0):,} were "
              f"told as errors, {counts.pop('not begun', 0):,} kept the process from beginning")
    figure += "".join(f", {count:,} ended it in {name}" for name, count in sorted(counts.items()))
    return Outcome("short", f"{', '.join(found['bad'])}; {figure}") if found["bad"] else Outcome("holds", figure)


# --- scale ---------------------------------------------------------------------------------------------
def scale(how):
    finds, coroutines = 60000, 20000
    ended = machine.run(how, [machine.PROGRAMS / "scale", finds, coroutines], 300)
    found = books(ended.output)
    if found is None:
        return Outcome("not run", f"status {ended.status}, see the log")
    fine = ended.status == 0 and found["threads_left"] == 0
    return Outcome("holds" if fine else "short", f"{found['good']:,} of {found['wanted']:,} answered in {found['ms'] / 1000:.1f} s; at most {found['threads']:,} "
                   f"threads, {found['descriptors']:,} descriptors (the server's too), {found['mib']:,} MiB; {found['threads_left']} threads left")


# --- tests -----------------------------------------------------------------------------------------
SAME = {"loop": "the same code", "libmongoc": "tests of mouv's own", "pymongo": "tests of mouv's own"}
OWN = {"libmongoc": "tests of mouv's own", "pymongo": "tests of mouv's own"}


def tests(quick, preset="release", thorough=None):
    """A row's run: those cases of CTest by their names, in the long form others; on the loop their variants for it."""
    def run(how):
        names = thorough if how.long and thorough else quick
        pattern = f"^({names})\\.loop$" if how.client == "loop" else f"^({names})$"
        return machine.ctest(how, preset, "-R", pattern, "--parallel", "4", limit_s=7200 if how.long else 1200)
    return run


ALL = [
    Row("replies", "Exactly once when replies are lost",
        "Half of all writes are executed and their connection is closed instead of an answer (a fail point of the server).",
        ledger("replies")),
    Row("requests", "Exactly once when requests are lost",
        "Half of all commands find their connection closed, unexecuted (a fail point).", ledger("connections")),
    Row("crash", "The server is killed", "SIGKILL, and it is started again on its data.", ledger("crash")),
    Row("failover", "Failover", "Three nodes; by turns the primary steps down or is killed.", ledger("failover", nodes=3)),
    Row("freeze", "A server that freezes", "SIGSTOP for 3 s, again and again.", ledger("freeze")),
    Row("pool", "A server that hangs costs the others nothing",
        "Three nodes, one secondary is frozen; thirty askers of the primary, each 50 times a second at most, share twenty connections with thirty of "
        "secondaries, each with a limit of a second. Short: less than a tenth of the primary's answers in any half second.", pool, seconds=20),
    Row("network", "Twenty-one bad networks",
        "Nine in each direction, a second each: delays of 30 and of 1,200 ms, slices of 20 bytes, 20 KB/s, nothing passes and comes later, "
        "nothing passes and is lost, cut at the first byte, cut and closed after 2,000 bytes; and all connections cut at once, five times, "
        "and with nobody there for a second.",
        ledger("network"), seconds=45),
    Row("races", "Timeouts race with answers",
        "No fault, but each call has from 1 to 8 ms, about what it takes (libmongoc: 8).",
        ledger("none", deadline_ms=8, any_deadline=True)),
    Row("soak", "Soak",
        "Three nodes; every two seconds one of these at random: replies or requests are lost, the primary is killed, frozen or "
        "steps down, any node is frozen for 3 s.",
        ledger("any", nodes=3), seconds=60),
    Row("corrupt", "Corrupt answers",
        "A scripted server garbles each answer in one of six ways: lengths, opcode, request number, flags, lengths inside, bits anywhere. "
        "A process that dies is started again. (A changed value inside a valid document passes for an answer: nobody can tell. "
        "Who waits for the rest of a message that is too short for its header gets through fewer.)", corrupt),
    Row("fuzz", "Bytes that nobody wrote",
        "libFuzzer with AddressSanitizer on what looks at a server's bytes (`scripts/fuzz`, corpora in `tests/fuzz`).", fuzz, ("threads",),
        seconds=50, why_not=SAME),
    Row("inputs", "Bad inputs", "NULL, malformed BSON, text that is no UTF-8, documents too large or too deep, wrong types of options, closed and "
        "stale handles: an error comes back, nothing crashes. The tests of it; not each function with each kind of nonsense.",
        tests("integration\\.bad_input|unit\\.(check|opts|document|error|concern|uri_options|bson_view|warnings)", "asan"), MOUV,
        why_not=OWN),
    Row("interleave", "Interleavings",
        "A program with every kind of await is cancelled, and timed out, at each of its suspensions: each millisecond of a virtual clock, each turn "
        "of the ready queue. And the tests of groups, gathers, deadlines, shields, locks and queues. Not a model checker.",
        tests("unit\\.(cancel_sweep|cancel|cancel_.*|scope|gather|group|wait|await_for|event|lock|queue|semaphore|condition)", "asan"), ("threads",),
        why_not=SAME),
    Row("exit", "exit() in the midst of it",
        "A process calls exit(0) 0 to 24 ms after it has begun a hundred finds (libmongoc: on 40 threads), again and again.", exits,
        ("threads", "loop", "libmongoc"), why_not={"pymongo": "Python ends its threads"}),
    Row("close", "Closing", "Clients, loops and runtimes are closed in the midst of operations, transactions, cursors, timeouts; by a process that forks, "
        "on threads that end.",
        tests("unit\\.(close|goodbye|upkeep|runtime)|integration\\.(client|threads|fork|interrupted)", "asan"), MOUV, why_not=OWN),
    Row("stack", "Stack overflow",
        "Coroutines that run out of their stack, recurse, or step over the guard: the process says which task, and dies at once.",
        tests("unit\\.(stack|context|debug)"), ("threads",), why_not=SAME),
    Row("memory", "Every allocation fails",
        "The first allocation of mouv's, the second, ... until all of a program of every kind of await and operation gets through. "
        "libbson aborts the process when an allocation of its own fails, which no client of it can prevent.",
        tests("unit\\.nomem|internal\\.mongo_nomem", "asan"), ("threads",), why_not=SAME),
    Row("syscalls", "Every system call fails",
        "A short program connects, writes, reads and closes under strace; of each kind of call the first in each thread fails, then the second, ... "
        "until the time is over. Left out: futex (glibc itself aborts then) and what begins and ends a process. "
        "libbson, libuv and OpenSSL end the process themselves where they know no way on (libbson without memory; libuv when epoll_ctl, or waking a loop, "
        "fails), which is counted by their names. Short: mouv's code ended it, or it hung.",
        syscalls, MOUV, seconds=60, why_not=OWN),
    Row("scale", "Scale", "60,000 finds at once, then 20,000 coroutines that each wait for one, on a hundred connections to a scripted server.",
        scale, MOUV, why_not={"libmongoc": "needs a thread for each", "pymongo": "needs a thread for each"}),
    Row("tls", "TLS and authentication",
        "Each mechanism and kind of certificate, good, bad, revoked, a stranger's, on a server that demands them.",
        tests("secure\\.[a-z_]+"), MOUV, why_not=OWN),
    Row("asan", "AddressSanitizer, LeakSanitizer, UndefinedBehaviorSanitizer",
        "The tests built with them: in the quick form `unit` and the first third of `integration`, in the long one all but `spec` and the program's.",
        tests("unit\\.[a-z_]+|integration\\.[a-f][a-z_]+", "asan", "(unit|integration|internal|fault|secure)\\.[a-z_]+"), MOUV,
        why_not=OWN),
    Row("tsan", "ThreadSanitizer",
        "The tests built with it: in the quick form those about threads, stopping and closing, in the long one all of `unit`, `integration` and "
        "`fault`.",
        tests("unit\\.(threadsafe|offload|signal|close)|integration\\.(threads|timeout|interrupted|client|own_server|session)", "tsan",
              "(unit|integration|fault)\\.[a-z_]+"), MOUV, why_not=OWN),
]
ROWS = {row.name: row for row in ALL}
