#!/usr/bin/env python3
"""Runs docker/example's service and its test without containers, beside a server of their own.

usage: test_example.py PRICING PRICING_TEST, the two programs; MOUV is the mouv program.
"""
import os
import signal
import subprocess
import sys
import time


def run_test(program):
    return subprocess.run([program], capture_output=True, text=True, timeout=60)


def inside(pricing, test):
    alone = run_test(test)
    assert alone.returncode not in (0, 77) and "ok" not in alone.stdout, alone
    with subprocess.Popen([pricing], stderr=subprocess.PIPE, text=True) as service:
        try:
            done = run_test(test)
            assert (done.returncode, done.stdout, done.stderr) == (0, "ok: 3 for 4 each is 12\n", ""), done
        finally:
            service.send_signal(signal.SIGTERM)
            began = time.monotonic()
        assert service.wait(10) == 143, service.returncode
        assert time.monotonic() - began < 2
        assert service.stderr.read() == ""
    print("ok")


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        inside(*sys.argv[2:])
    else:
        environment = {name: value for name, value in os.environ.items() if name != "MONGODB_URI"}
        command = [os.environ["MOUV"], "sandbox", "--", sys.executable, __file__, "--inside", *sys.argv[1:]]
        sys.exit(subprocess.run(command, env=environment).returncode)
