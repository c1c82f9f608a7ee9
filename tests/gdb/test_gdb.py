#!/usr/bin/env python3
"""Tries the commands of tools/gdb/mouv.py on a live process and on a core.

usage: test_gdb.py PROGRAM      PROGRAM is parked.c, built with debug information
"""

import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

PROGRAM = Path(sys.argv[1] if len(sys.argv) > 1 else "parked").resolve()
HERE = Path(__file__).resolve().parent
COMMANDS = HERE.parents[1] / "tools" / "gdb" / "mouv.py"
SOURCE = (HERE / "parked.c").read_text().splitlines()


def line(marker):
    """Where parked.c says so in a comment."""
    return 1 + next(i for i, code in enumerate(SOURCE) if f"/* {marker} */" in code)


def gdb(*arguments, commands):
    words = ["gdb", "-q", "-nx", "-batch", "-ex", "set width 0", "-ex", "set debuginfod enabled off"]
    words += ["-x", str(COMMANDS)]
    for command in commands:
        words += ["-ex", f"echo \\n<{command}>\\n", "-ex", command]
    done = subprocess.run(
        [*words, *map(str, arguments)], capture_output=True, text=True, timeout=100
    )
    parts = re.split(r"^<(.*)>\n", done.stdout, flags=re.M)
    return dict(zip(parts[1::2], (part.strip("\n") for part in parts[2::2]))), done.stderr


class Commands:
    """What every way of looking at the parked program must show; `self.out` is by command."""

    ASKED = (
        "info tasks",
        "mouv tasks",
        "mouv bt 2",
        "mouv bt the-waiter",
        "mouv bt 3 1",
        "mouv bt 99",
        "mouv bt",
        "mouv apply all bt",
        "mouv apply 2 3 info locals",
        "mouv apply Task-3 print answer",
        "bt 1",
        "frame",
    )

    def rows(self, command="info tasks"):
        """{id: cells} of the table."""
        lines = self.out[command].splitlines()
        begins = [match.start() for match in re.finditer(r"(?<=  )\S", lines[0])]
        cells = [
            [text[a:b].strip() for a, b in zip(begins, [*begins[1:], None])] for text in lines[1:]
        ]
        return {row[0]: row[1:] for row in cells}

    def test_the_table_names_every_task(self):
        made = [line(f"makes {who}") for who in ("sleeper", "waiter", "follower")]
        self.assertEqual(
            self.rows(),
            {
                "1": ["Task-1", "main", "mouv_run:0", "waiting", "gather",
                      f"parked.c:{line('gathers')}"],
                "2": ["Task-2", "sleeper", f"parked.c:{made[0]}", "sleeping", "",
                      f"parked.c:{line('sleeps')}"],
                "3": ["the-waiter", "waiter", f"parked.c:{made[1]}", "waiting", "future never",
                      f"parked.c:{line('waits')}"],
                "4": ["Task-4", "follower", f"parked.c:{made[2]}", "waiting", "the-waiter (waiter)",
                      f"parked.c:{line('follows')}"],
            },
        )  # fmt: skip

    def test_both_names_of_the_table_give_the_same(self):
        self.assertEqual(self.out["mouv tasks"], self.out["info tasks"])

    def test_a_backtrace_goes_from_the_switch_to_the_first_frame(self):
        frames = self.out["mouv bt 2"].splitlines()
        self.assertEqual([int(f.split()[0][1:]) for f in frames], list(range(len(frames))))
        self.assertRegex(frames[0], r"mouv__task_suspend|mouv__context_switch|mouv__switch_jump")
        depths = re.findall(r" doze \(depth=(\d)\) at \S*parked\.c", self.out["mouv bt 2"])
        self.assertEqual(depths, ["0", "1", "2", "3"])
        self.assertRegex(self.out["mouv bt 2"], r"in sleeper \(arg=")
        self.assertIn("mouv__switch_begin", frames[-1])

    def test_a_task_is_found_by_name(self):
        self.assertRegex(self.out["mouv bt the-waiter"], r"in waiter \(arg=")

    def test_a_limit_is_a_number_of_frames(self):
        self.assertEqual(re.findall(r"^#\d+", self.out["mouv bt 3 1"], re.M), ["#0"])

    def test_an_unknown_task_is_an_error(self):
        self.assertEqual(self.out["mouv bt 99"], "")
        self.assertIn("no task '99'", self.err)
        self.assertIn("usage: mouv bt TASK", self.err)

    def test_apply_all_shows_every_stack(self):
        titles = re.findall(r"^(\S+) (\w+) \(.*\), \w+:$", self.out["mouv apply all bt"], re.M)
        names = [("Task-1", "main"), ("Task-2", "sleeper"), ("the-waiter", "waiter")]
        self.assertEqual(titles, [*names, ("Task-4", "follower")])
        self.assertEqual(len(re.findall("^#0 ", self.out["mouv apply all bt"], re.M)), 4)

    def test_variables_of_a_parked_function_can_be_read(self):
        self.assertRegex(self.out["mouv apply 2 3 info locals"], r"remaining = 0")
        self.assertRegex(self.out["mouv apply 2 3 info locals"], r"answer = 42")
        self.assertRegex(self.out["mouv apply Task-3 print answer"], r"= 42$")

    def test_afterwards_gdb_sees_the_thread_as_it_is(self):
        for command in ("bt 1", "frame"):
            self.assertRegex(self.out[command], "^#0 ")
            self.assertNotRegex(self.out[command], r"mouv__|parked\.c")


class Live(Commands, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        program = subprocess.Popen([PROGRAM], stdout=subprocess.PIPE, text=True)
        assert program.stdout.readline() == "parked\n"
        cls.out, cls.err = gdb(PROGRAM, "-p", program.pid, commands=cls.ASKED)
        cls.running = program.poll() is None
        program.terminate()
        program.communicate(timeout=20)
        cls.status = program.returncode
        if "ptrace: Operation not permitted" in cls.err:
            raise unittest.SkipTest("gdb may not attach to processes here")

    def test_the_program_goes_on_and_ends_as_it_would(self):
        self.assertTrue(self.running)
        self.assertEqual(self.status, 128 + 15)


class Core(Commands, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        subprocess.run(
            [PROGRAM, "abort"],
            cwd=folder.name,
            stdout=subprocess.DEVNULL,
            preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            ),
        )
        cores = list(Path(folder.name).glob("*core*"))
        if not cores:
            raise unittest.SkipTest("the kernel writes cores elsewhere (core_pattern)")
        cls.out, cls.err = gdb(PROGRAM, cores[0], commands=cls.ASKED)


class Stopped(unittest.TestCase):
    """At a breakpoint inside a task, the loop itself is parked."""

    @classmethod
    def setUpClass(cls):
        cls.out, cls.err = gdb(
            PROGRAM,
            commands=[
                "break all_are_there",
                "run",
                "info tasks",
                "mouv bt 1",
                "mouv bt 5",
                "mouv bt loop",
                "up",
                "mouv apply all bt 1",
                "frame",
                "kill",
            ],
        )

    def test_the_running_task_and_one_that_has_not_started(self):
        self.assertRegex(self.out["info tasks"], r"\n\* +1 +Task-1 +main +\S+ +running")
        self.assertRegex(self.out["info tasks"], r"\n +5 +Task-5 +late +\S+ +not started")
        self.assertRegex(self.out["mouv bt 1"], r"^#0 +all_are_there ")
        self.assertRegex(self.out["mouv bt 5"], "has not started")

    def test_the_loop_has_a_stack_of_its_own(self):
        self.assertIn("uv_run", self.out["mouv bt loop"])
        self.assertRegex(self.out["mouv bt loop"], r" main \(argc=1")

    def test_the_selected_frame_stays_selected(self):
        self.assertRegex(self.out["up"], r"^#1 .*main_task")
        self.assertEqual(self.out["frame"], self.out["up"])


class Without(unittest.TestCase):
    def test_a_program_that_does_not_use_mouv(self):
        _, err = gdb(shutil.which("true"), commands=["info tasks", "starti", "info tasks", "kill"])
        self.assertIn("mouv: there is no process and no core", err)
        self.assertIn("mouv: no mouv here", err)


def reason_to_skip():
    if shutil.which("gdb") is None:
        return "gdb is not installed"
    probe = ["gdb", "-q", "-nx", "-batch"]
    if subprocess.run([*probe, "-ex", "python 0"], capture_output=True, text=True).stderr:
        return "this gdb has no Python"
    has_types = [*probe, "-ex", "break main", "-ex", "run", "-ex", "ptype struct mouv__task"]
    done = subprocess.run([*has_types, PROGRAM], capture_output=True, text=True)
    if "fn_name" not in done.stdout:
        return f"no debug information, or gdb cannot run programs here: {done.stderr.strip()}"
    return None


if __name__ == "__main__":
    skip = reason_to_skip()
    if skip:
        print(f"skipped: {skip}")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
