#!/usr/bin/env python3
"""Runs a short program of mouv's (few.c) on $MONGODB_URI under strace, which makes one system call fail: of each name the
first in each thread, then the second, ... until the time is over or nothing is left to fail.

usage: syscalls.py SECONDS PROGRAM [TRACE]; prints one line of JSON, and what ended badly
"""

import collections
import json
import os
import re
import subprocess
import sys
import tempfile
import time

LIMIT_S = 30

# What a kernel may well say; else ENOMEM.
ERRORS = {"socket": "EMFILE", "pipe2": "EMFILE", "eventfd2": "EMFILE", "epoll_create1": "EMFILE", "openat": "EMFILE", "accept4": "EMFILE",
          "connect": "ECONNREFUSED", "sendmsg": "EPIPE", "sendto": "EPIPE", "write": "EPIPE", "writev": "EPIPE", "read": "ECONNRESET",
          "recvfrom": "ECONNRESET", "recvmsg": "ECONNRESET", "clone3": "EAGAIN", "clone": "EAGAIN", "epoll_wait": "EINTR",
          "epoll_pwait": "EINTR", "poll": "EINTR", "ppoll": "EINTR", "clock_nanosleep": "EINTR", "fcntl": "EINVAL", "ioctl": "EINVAL"}

# What begins and ends a process; and futex, whose failure glibc answers with abort() itself.
NOT_ASKED = {"execve", "arch_prctl", "set_tid_address", "set_robust_list", "rseq", "exit", "exit_group", "rt_sigreturn", "futex", "restart_syscall"}


def strace(options, program):
    """(status, stderr); a status of None: it hung."""
    command = ["strace", "-f", "-qq", *options, program, os.environ["MONGODB_URI"]]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True)
    try:
        error = process.communicate(timeout=LIMIT_S)[1]
        return process.returncode, error
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        return None, process.communicate()[1]


def calls_of(program):
    """{name: how often} of a run in which nothing fails."""
    with tempfile.NamedTemporaryFile("r") as table:
        status, error = strace(["-c", "-o", table.name], program)
        if status != 0:
            sys.exit(f"syscalls: {program} ended with {status} under strace: {error}")
        rows = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", table.read(), re.M)
    return {name: int(count) for count, name in rows if name not in NOT_ASKED and name != "total"}


def inject(name, number):
    return f"inject={name}:error={ERRORS.get(name, 'ENOMEM')}:when={number}"


def blame(name, number, program):
    """Whose code ended the process: the library of the innermost frame outside of libc."""
    with tempfile.NamedTemporaryFile("r") as trace:
        strace(["-k", "-o", trace.name, "-e", f"trace=tgkill,{name}", "-e", inject(name, number)], program)
        ends = re.split(r"^\d+ (?:--- SIG(?:ABRT|SEGV|BUS)|tgkill)", trace.read(), flags=re.M)
    frames = re.findall(r"^ > (\S+?)\(", ends[1] if len(ends) > 1 else ends[0].rsplit("(INJECTED)", 1)[-1], re.M)
    others = [os.path.basename(frame) for frame in frames if not re.search(r"/(libc|libpthread|ld-linux[\w-]*)\.so", frame)]
    return others[0].split(".so")[0] if others else "libc" if frames else "nobody known"


def verdict(status, error):
    """libbson says so before it aborts; whoever else aborts does not."""
    if status is None:
        return "hang"
    if status in (0, 1):
        return "told" if status else "unharmed"
    if status == 127 or "error while loading shared libraries" in error or "cannot create capability list" in error:
        return "not begun"
    if status in (134, -6) and "bson_" in error:
        return "libbson"
    return "signal" if status < 0 or status > 128 else "told"


def main(seconds, program):
    end = time.monotonic() + seconds
    counts, bad = collections.Counter(), []
    calls = calls_of(program)
    for number in range(1, max(calls.values()) + 1):
        for name in sorted(name for name in calls if calls[name] >= number):
            if time.monotonic() > end:
                break
            status, error = strace(["-o", "/dev/null", "-e", inject(name, number)], program)
            result = verdict(status, error)
            if result == "signal":
                result = blame(name, number, program)
                print(f"{name} {number}: status {status}, {result}: {error[-300:]}", flush=True)
            if result in ("hang", "libmouv", "few", "nobody known"):
                bad.append(f"{name} {number}: {result}")
            counts[result] += 1
    print(json.dumps({"names": len(calls), "runs": sum(counts.values()), "counts": counts, "bad": bad}))


main(float(sys.argv[1]), sys.argv[2])
