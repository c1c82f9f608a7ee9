#!/usr/bin/env python3
"""Runs the tutorial's programs and compares what they print, where, and how long they take.

$TUTORIAL_DIR is the directory of the built programs. All of them run at once, on the real clock.
"""

import concurrent.futures
import os
import re
import subprocess
import time
import unittest
from dataclasses import dataclass
from pathlib import Path

SLOW = bool(os.environ.get("MOUV_TEST_SLOW"))
SLACK_S = 10 if SLOW else 0.5
DIRECTORY = Path(os.environ.get("TUTORIAL_DIR", "."))
MULT, MULT_END = "Calculating multiplication...", "10 multiplied by 20 is 200"
ADD, ADD_END = "Calculating sum...", "Sum of 10 and 20 is 30"
SOURCES = Path(__file__).resolve().parents[2] / "examples" / "tutorial"


@dataclass
class Outcome:
    status: int
    stdout: str
    stderr: str
    seconds: float


def run(program):
    began = time.monotonic()
    done = subprocess.run([DIRECTORY / program], capture_output=True, text=True, timeout=60)
    return Outcome(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


class Tutorial(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        programs = sorted(name[5:] for name in dir(cls) if re.match(r"test_\d", name))
        with concurrent.futures.ThreadPoolExecutor(len(programs)) as pool:
            cls.outcomes = dict(zip(programs, pool.map(run, programs)))

    def outcome(self):
        """The outcome of the program that the running case is named after."""
        return self.outcomes[self._testMethodName[5:]]

    def expect(self, *lines, seconds, stderr=r"\A\Z"):
        """`lines` are matched whole; one that is a re.compile() matches as a pattern."""
        outcome = self.outcome()
        patterns = [getattr(line, "pattern", None) or re.escape(line) for line in lines]
        self.assertRegex(outcome.stdout, r"\A" + "\n".join(patterns) + r"\n\Z")
        self.assertRegex(outcome.stderr, stderr)
        self.assertEqual(outcome.status, 0)
        self.assertGreaterEqual(outcome.seconds, seconds)
        self.assertLess(outcome.seconds, seconds + SLACK_S)

    def never_awaited(self, name):
        """The whole of stderr where coroutine `name` was made and forgotten."""
        program = self._testMethodName[5:]
        text = (SOURCES / f"{program}.c").read_text().splitlines()
        line = 1 + next(i for i, code in enumerate(text) if f"mouv_coro({name}" in code)
        warning = f"{program}.c:{line}: RuntimeWarning: coroutine '{name}' was never awaited"
        return r"\A\S*" + re.escape(warning) + r"\n\Z"

    def test_01_hello(self):
        self.expect("Hello world!", "Hello again!", seconds=1)

    def test_02_not_awaited(self):
        self.expect(
            "The program goes on.",
            seconds=0,
            stderr=self.never_awaited("hello"),
        )

    def test_03_run(self):
        self.expect(
            "mouv_run() cannot be called from a running event loop",
            "A task that was left behind is cancelled.",
            "mouv_run() returned 42.",
            "mouv_run() failed: something went wrong.",
            seconds=0,
        )

    def test_04_sequence(self):
        self.expect("Before Task 1", "After Task 1", "Before Task 2", "After Task 2", seconds=3)

    def test_05_tasks(self):
        self.expect("Before Task 1", "Before Task 2", "After Task 1", "After Task 2", seconds=2)

    def test_06_say_after(self):
        begin, end = (re.compile(word + r" at \d\d:\d\d:\d\d") for word in ("started", "finished"))
        part = (begin, "hello", "world", end)
        self.expect(*part, *part, seconds=5)
        stamps = [
            int(h) * 3600 + int(m) * 60 + int(s)
            for h, m, s in re.findall(r"at (\d\d):(\d\d):(\d\d)", self.outcome().stdout)
        ]
        took = [(stamps[i + 1] - stamps[i]) % 86400 for i in (0, 2)]
        self.assertIn(took[0], range(3, 15) if SLOW else (3, 4))
        self.assertIn(took[1], range(2, 15) if SLOW else (2, 3))

    def test_07_create_task(self):
        self.expect(
            "The task has been created.",
            "The task runs.",
            "Its creator goes on.",
            "The task returned 42.",
            seconds=0,
        )

    def test_08_gather(self):
        seconds = r"\d\.\d\d" if SLOW else r"1\.[0-4]\d"
        end = re.compile(rf"__main__ executed in {seconds} seconds\.")
        self.expect("Welcome", "Welcome", "Goodbye", "Goodbye", end, seconds=1)

    def test_09_awaitables(self):
        again = re.compile("a second time: .*already consumed.*")
        self.expect("coroutine: 1", "task: 2", "future: 3", again, seconds=0)

    def test_10_mult_add(self):
        self.expect(MULT, MULT_END, ADD, ADD_END, seconds=2)

    def test_11_forgotten_await(self):
        self.expect(
            ADD,
            ADD_END,
            seconds=1,
            stderr=self.never_awaited("mult"),
        )

    def test_12_mult_add_tasks(self):
        self.expect(MULT, ADD, MULT_END, ADD_END, seconds=1)

    def test_13_future(self):
        self.expect("False", "False", "True", "True", seconds=0)

    def test_14_future_error(self):
        self.expect(
            "MOUV_ESTATE: Result is not set.",
            "user error: the answer is unknown",
            "MOUV_ESTATE: invalid state",
            "-1: the answer is unknown",
            "MOUV_ECANCELED: cancelled",
            seconds=0,
        )

    def test_15_wait_for(self):
        self.expect("Timed out!", seconds=1)

    def test_16_wait_for_edges(self):
        self.expect(
            "no limit: 7",
            "0 ms, done: 8",
            "0 ms, pending: MOUV_ETIMEDOUT",
            "-5 ms, not started: MOUV_ETIMEDOUT",
            seconds=0.1,
        )

    def test_17_many_at_once(self):
        seconds = r"\d\.\d" if SLOW else r"1\.[0-4]"
        line = f"1000 coroutines slept 1 second each, together {seconds} seconds."
        self.expect(re.compile(line), seconds=1)

    def test_18_no_loop(self):
        self.expect(
            "mouv_task: no running event loop",
            re.compile(r"mouv_await: await outside of a coroutine.*"),
            "mouv_sleep_ms: await outside of a coroutine",
            seconds=0,
        )

    def test_every_program_has_a_case(self):
        programs = {path.stem for path in SOURCES.glob("*.c")}
        cases = {name[5:] for name in dir(self) if re.match(r"test_\d", name)}
        self.assertEqual(programs, cases)


if __name__ == "__main__":
    unittest.main(verbosity=2)
