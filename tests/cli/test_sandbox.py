"""mouv sandbox: what it passes on, and that nothing stays behind however it ends.

MOUV is the program's path; MOUV_MONGOD, if set, the mongod's. Without any mongod this is skipped.
"""
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from _mouv import MOUV, mongod

CONF = pathlib.Path(__file__).resolve().parents[2] / "src" / "cli" / "sandbox" / "mongod.conf"
# A machine under valgrind, a sanitizer or a full test run is slower than these figures suppose.
START_SECONDS = 60
CLEAN_SECONDS = 20


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"after {seconds} s still not: {what}")
        time.sleep(0.02)


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def environment_has(pid, text):
    try:
        return text.encode() in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


class SandboxCase(unittest.TestCase):
    """Each case has a TMPDIR of its own: what is in it, or runs with it, belongs to the case."""

    def setUp(self):
        self.tmpdir = tempfile.mkdtemp(prefix="mouv-test-")
        self.addCleanup(shutil.rmtree, self.tmpdir, ignore_errors=True)
        self.environment = {**os.environ, "TMPDIR": self.tmpdir, "MOUV_MONGOD": mongod() or ""}
        self.environment.pop("MONGODB_URI", None)
        self.started = []
        self.addCleanup(self.end_started)

    def processes(self):
        """Every process that a sandbox of this case has started, itself included."""
        pids = (int(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit())
        return [pid for pid in pids if pid != os.getpid() and environment_has(pid, f"TMPDIR={self.tmpdir}\0")]

    def folders(self):
        return os.listdir(self.tmpdir)

    def assert_nothing_left(self, seconds=CLEAN_SECONDS):
        wait_until(lambda: not self.processes() and not self.folders(), seconds, "no process and no folder left: "
                   f"{[command_line(p) for p in self.processes()]} {self.folders()}")

    def assert_status(self, status, *arguments, **options):
        done = self.run_sandbox(*arguments, **options)
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def run_sandbox(self, *arguments, **options):
        return subprocess.run([MOUV, "sandbox", *arguments], env=self.environment, capture_output=True, text=True,
                              timeout=2 * START_SECONDS, **options)

    def start_sandbox(self, *arguments):
        """In a session of its own; ended with the case whatever happens."""
        process = subprocess.Popen([MOUV, "sandbox", *arguments], env=self.environment, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

        self.started.append(process)
        return process

    def end_started(self):
        for process in self.started:
            process.kill()
            process.communicate()
        self.assert_nothing_left()

    def mongod_runs(self):
        return any("--replSet" in command_line(pid) for pid in self.processes())

    def start_serving(self, *arguments):
        """A sandbox without a command, up: (process, uri)."""
        process = self.start_sandbox(*arguments)
        uri = process.stdout.readline().strip()
        self.assertRegex(uri, r"^mongodb://", process.stderr.read() if not uri else "")
        return process, uri

    def start_command(self, script):
        """A sandbox that runs a shell script which prints one line once it is ready."""
        process = self.start_sandbox("--", "sh", "-c", script)
        self.assertEqual(process.stdout.readline().strip(), "ready")
        return process


class Status(SandboxCase):
    def test_status_of_the_command_is_passed_on(self):
        self.assert_status(7, "--", "sh", "-c", "exit 7")
        self.assert_nothing_left(0)

    def test_death_by_a_signal_is_128_and_the_signal(self):
        self.assert_status(128 + 9, "--", "sh", "-c", "kill -KILL $$")
        self.assert_nothing_left(0)

    def test_crash_leaves_nothing(self):
        self.assert_status(128 + 11, "--", "sh", "-c", "kill -SEGV $$")
        self.assert_nothing_left(0)

    def test_missing_command_is_127_and_named(self):
        done = self.assert_status(127, "--", "/nonexistent/program")
        self.assertIn("mouv: /nonexistent/program: No such file", done.stderr)
        self.assert_nothing_left(0)

    def test_command_that_cannot_be_run_is_126(self):
        self.assert_status(126, "--", "/etc")

    def test_options_of_the_command_are_its_own(self):
        done = self.run_sandbox("--", "printf", "%s|", "--verbose", "--", "--help")
        self.assertEqual((done.returncode, done.stdout), (0, "--verbose|--|--help|"))


class Environment(SandboxCase):
    def test_uri_leads_to_a_primary(self):
        hello = '{"hello": 1}'
        done = self.run_sandbox("--", MOUV, "command", "--db", "admin", hello)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r'"setName"\s*:\s*"mouv"')
        self.assertRegex(done.stdout, r'"isWritablePrimary"\s*:\s*true')

    def test_server_listens_on_loopback_only(self):
        done = self.run_sandbox("--", "sh", "-c", "echo $MONGODB_URI; cat /proc/net/tcp /proc/net/tcp6")
        port = int(re.search(r"127\.0\.0\.1:(\d+)", done.stdout)[1])
        listening = re.findall(rf"\d+: (\w+):{port:04X} \w+:0000 0A", done.stdout)
        self.assertEqual(listening, ["0100007F"])

    def test_command_inherits_standard_input_and_no_descriptor_of_ours(self):
        script = "cat; ls -l /proc/self/fd"
        before = subprocess.run(["sh", "-c", script], input="", capture_output=True, text=True).stdout
        after = self.run_sandbox("--", "sh", "-c", script, input="typed\n").stdout
        self.assertTrue(after.startswith("typed\n"))
        self.assertEqual(len(after.splitlines()) - 1, len(before.splitlines()), after)

    def test_signal_mask_is_given_back(self):
        own = re.search(r"SigBlk:\s*(\w+)", pathlib.Path("/proc/self/status").read_text())[1]
        done = self.run_sandbox("--", "grep", "SigBlk", "/proc/self/status")
        self.assertEqual(done.stdout.split()[1], own)

    def test_failpoints_are_on_unless_turned_off(self):
        fail_point = '{"configureFailPoint": "failCommand", "mode": "off"}'
        command = ("--", MOUV, "command", "--db", "admin", fail_point)
        self.assert_status(0, *command)
        refused = self.assert_status(1, "--set-parameter", "enableTestCommands=0", *command)
        self.assertIn("CommandNotFound", refused.stderr)

    def test_parameters_of_the_shared_file(self):
        wanted = dict(re.findall(r"^  (\w+): (.+)$", CONF.read_text(), re.M))
        self.assertIn("enableTestCommands", wanted)
        names = ", ".join(f'"{name}": 1' for name in wanted)
        done = self.run_sandbox("--", MOUV, "command", "--db", "admin", '{"getParameter": 1, %s}' % names)
        self.assertEqual(done.returncode, 0, done.stderr)
        reply = json.loads(done.stdout)
        self.assertEqual({name: json.dumps(int(reply[name]) if text.isdigit() else reply[name])
                          for name, text in wanted.items()}, wanted)

    def test_auth_refuses_a_wrong_password(self):
        script = ('"$0" insert auth.c "{}" >/dev/null && echo right; '
                  'MONGODB_URI=$(echo "$MONGODB_URI" | sed s/secr/wrong/); "$0" --timeout 5 ping || echo refused')
        done = self.run_sandbox("--auth", "me@home:secr/et", "--", "sh", "-c", script, MOUV)
        self.assertEqual(re.findall("right|refused", done.stdout), ["right", "refused"], done.stderr)

    def test_auth_alone_makes_a_user_without_whom_nothing_is_done(self):
        script = ('echo $MONGODB_URI; "$0" insert auth.c "{}" && echo right; '
                  'export MONGODB_URI=$(echo "$MONGODB_URI" | sed s/sandbox:.*@//); '
                  '"$0" command --db admin \'{"shutdown": 1, "force": true}\' || echo refused; "$0" insert auth.c "{}" || echo refused')
        passwords = set()
        for arguments in (["--auth", "--"], ["--auth", "--nodes", "1", "--"], ["--verbose", "--auth", "--"]):
            done = self.run_sandbox(*arguments, "sh", "-c", script, MOUV)
            self.assertEqual(re.findall("right|refused", done.stdout), ["right", "refused", "refused"], done.stderr)
            self.assertNotIn("a password among", done.stderr)
            passwords.update(re.findall("mongodb://sandbox:([a-z2-7]{26})@", done.stdout))
        self.assertEqual(len(passwords), 3)

    def test_auth_of_the_arguments_is_overwritten_there(self):
        for arguments in (["--auth", "me:s3cr3t"], ["--auth=me:s3cr3t"], ["--au", "me:s3cr3t"]):
            done = self.run_sandbox(*arguments, "--", "sh", "-c", "tr '\\0' ' ' < /proc/$PPID/cmdline; echo $MONGODB_URI")
            self.assertIn("mongodb://me:s3cr3t@", done.stdout)
            self.assertEqual(done.stdout.count("s3cr"), 1, done.stdout)
            self.assertIn("a password among the arguments", done.stderr)

    def test_three_nodes_all_are_up(self):
        done = self.run_sandbox("--nodes", "3", "--", MOUV, "command", "--db", "admin", '{"hello": 1}')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(set(re.findall(r'127\.0\.0\.1:\d+', done.stdout))), 3, done.stdout)
        self.assert_nothing_left(0)

    def test_two_at_once_do_not_meet(self):
        (one, uri_one), (two, uri_two) = self.start_serving(), self.start_serving()
        self.assertNotEqual(uri_one, uri_two)


class Ending(SandboxCase):
    def test_sigkill_leaves_nothing(self):
        process, _ = self.start_serving()
        self.assertTrue(self.mongod_runs())
        process.kill()
        self.assert_nothing_left()

    def test_sigkill_of_the_process_group_leaves_nothing(self):
        process = self.start_command("echo ready; sleep 1000")
        os.killpg(process.pid, signal.SIGKILL)
        self.assert_nothing_left()

    def test_sigkill_ends_the_command_and_its_children(self):
        self.start_command("sleep 1000 & setsid sleep 1001 & echo ready; wait").kill()
        self.assert_nothing_left()

    def test_sigkill_ends_a_command_that_ignores_sigterm(self):
        self.start_command("trap '' TERM; echo ready; while :; do sleep 1; done").kill()
        self.assert_nothing_left()

    def test_sigkill_at_any_time_during_start_leaves_nothing(self):
        for delay in (0, 0.005, 0.02, 0.05, 0.1, 0.3, 0.6, 0.9, 1.2):
            with self.subTest(delay=delay):
                process = self.start_sandbox()
                time.sleep(delay)
                process.kill()
                self.assert_nothing_left()

    def test_sigkill_of_the_supervisor_leaves_nothing(self):
        process, _ = self.start_serving()
        supervisors = [pid for pid in self.processes() if pid != process.pid and "sandbox" in command_line(pid)
                     and "--replSet" not in command_line(pid)]
        self.assertEqual(len(supervisors), 1)
        os.kill(supervisors[0], signal.SIGKILL)
        wait_until(lambda: not self.mongod_runs(), CLEAN_SECONDS, "mongod gone")
        process.terminate()
        self.assert_nothing_left()

    def test_children_left_by_the_command_end_with_it(self):
        self.assert_status(3, "--", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & exit 3")
        self.assert_nothing_left(0)

    def test_ctrl_c_ends_an_idle_sandbox_in_order(self):
        process, _ = self.start_serving()
        os.killpg(process.pid, signal.SIGINT)
        self.assertEqual(process.wait(CLEAN_SECONDS), 0)
        self.assert_nothing_left(0)

    def test_ctrl_c_twice_leaves_nothing(self):
        process, _ = self.start_serving()
        os.killpg(process.pid, signal.SIGINT)
        os.killpg(process.pid, signal.SIGINT)
        self.assertEqual(process.wait(CLEAN_SECONDS), 0)
        self.assert_nothing_left(0)

    def test_ctrl_c_during_start_is_130(self):
        process = self.start_sandbox()
        wait_until(self.mongod_runs, START_SECONDS, "mongod started")
        os.killpg(process.pid, signal.SIGINT)
        self.assertEqual(process.wait(CLEAN_SECONDS), 130)
        self.assert_nothing_left(0)

    def test_sigterm_is_forwarded_to_the_command(self):
        process = self.start_command("trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done")
        process.terminate()
        self.assertEqual(process.wait(CLEAN_SECONDS), 9)
        self.assert_nothing_left(0)

    def test_keep_leaves_the_data(self):
        done = self.run_sandbox("--keep", "--", "true")
        kept = re.search(r"kept (\S+)", done.stderr)[1]
        self.assertTrue(os.path.exists(f"{kept}/node0/WiredTiger"))
        self.assertEqual(self.processes(), [])
        shutil.rmtree(kept)

    def test_death_of_a_node_is_reported_and_the_command_goes_on(self):
        script = ('for p in /proc/[0-9]*; do [ "$(readlink $p/cwd)" = "$MOUV_SANDBOX" ] && kill -9 ${p#/proc/}; done; '
                  'sleep 1; exit 5')
        done = self.assert_status(5, "--", "sh", "-c", script)
        self.assertIn("was ended by signal 9", done.stderr)
        self.assert_nothing_left(0)


class Restart(SandboxCase):
    def mongod_pid(self, uri):
        done = subprocess.run([MOUV, "--uri", uri, "command", "--db", "admin", '{"serverStatus": 1}'],
                              capture_output=True, text=True, timeout=START_SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)
        return int(re.search(r'"pid"\s*:\s*(\d+)', done.stdout)[1])

    def insert(self, uri):
        done = subprocess.run([MOUV, "--uri", uri, "insert", "a.b", "{}"], capture_output=True, text=True,
                              timeout=START_SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)

    def assert_comes_back_after(self, end):
        process, uri = self.start_serving("--restart")
        self.insert(uri)
        before = self.mongod_pid(uri)
        os.kill(before, end)
        self.insert(uri)
        count = subprocess.run([MOUV, "--uri", uri, "count", "a.b"], capture_output=True, text=True).stdout
        self.assertEqual(count.strip(), "2")
        self.assertNotEqual(self.mongod_pid(uri), before)
        process.terminate()
        self.assertEqual(process.wait(CLEAN_SECONDS), 0)
        self.assert_nothing_left(0)

    def test_killed_node_comes_back_with_its_data(self):
        self.assert_comes_back_after(signal.SIGKILL)

    def test_node_that_was_shut_down_comes_back(self):
        self.assert_comes_back_after(signal.SIGTERM)

    def test_node_that_crashes_does_not(self):
        process, uri = self.start_serving("--restart")
        os.kill(self.mongod_pid(uri), signal.SIGABRT)
        self.assertIn("was ended by signal 6", process.stderr.readline())

    def test_sigkill_while_nodes_come_back_leaves_nothing(self):
        process, uri = self.start_serving("--restart", "--nodes", "3")
        os.kill(self.mongod_pid(uri), signal.SIGKILL)
        process.kill()
        self.assert_nothing_left()


class BadInput(SandboxCase):
    def assert_fails(self, done, status, text):
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stderr)
        self.assert_nothing_left(0)

    def fake_mongod(self, script):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        path = pathlib.Path(folder, "mongod")
        path.write_text(script)
        path.chmod(0o755)
        return str(path)

    def test_no_mongod_says_what_to_do(self):
        self.environment.update(MOUV_MONGOD="", PATH="/nonexistent", XDG_CACHE_HOME="/nonexistent")
        done = self.run_sandbox("--", "true")
        self.assert_fails(done, 1, "no mongod found")
        self.assertIn("scripts/mongod", done.stderr)
        self.assertIn("--mongod", done.stderr)

    def test_mongod_that_is_no_program_is_named(self):
        self.assert_fails(self.run_sandbox("--mongod", "/etc/passwd"), 1, "/etc/passwd")

    def test_missing_library_gets_a_hint(self):
        fake = self.fake_mongod("#!/bin/sh\necho 'mongod: error while loading shared libraries: libcurl.so.4: "
                                "cannot open shared object file' >&2; exit 127\n")
        done = self.run_sandbox("--mongod", fake, "--", "true")
        self.assert_fails(done, 1, "libcurl.so.4")
        self.assertIn("apt install libcurl4", done.stderr)

    def test_wrong_kind_of_program_is_named(self):
        self.assert_fails(self.run_sandbox("--mongod", self.fake_mongod("\1\2\3"), "--", "true"), 1, "cannot run")

    def test_port_taken_is_tried_again_with_another(self):
        fake = self.fake_mongod(f"#!/bin/sh\n[ -e ../again ] && exec '{mongod()}' \"$@\"\ntouch ../again; "
                                "rmdir node0 2>/dev/null; exit 48\n")
        self.assert_status(0, "--mongod", fake, "--", "true")
        os.unlink(f"{self.tmpdir}/again")

    def test_unknown_parameter_shows_what_the_server_says(self):
        self.assert_fails(self.run_sandbox("--set-parameter", "nope=1", "--", "true"), 1,
                          "Unknown --setParameter 'nope'")

    def test_folder_that_cannot_be_made(self):
        self.environment["TMPDIR"] = "/proc"
        done = self.run_sandbox("--", "true")
        self.assertEqual(done.returncode, 1)
        self.assertIn("TMPDIR is /proc", done.stderr)

    def test_usage_errors_are_2(self):
        for arguments in (["--nodes", "0"], ["--nodes", "x"], ["--set-parameter", "x"], ["--auth", "x"], ["--nope"]):
            with self.subTest(arguments=arguments):
                self.assert_status(2, *arguments)

    def test_uri_that_cannot_be_printed_is_a_failure(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([MOUV, "sandbox"], env=self.environment, stdout=full, stderr=subprocess.PIPE,
                                  text=True, timeout=START_SECONDS)
        self.assert_fails(done, 1, "No space left")

    def test_closed_standard_streams(self):
        self.assert_status(4, "--", "sh", "-c", "exit 4", preexec_fn=lambda: [os.close(fd) for fd in (0, 1, 2)])
        self.assert_nothing_left(0)


if __name__ == "__main__":
    if not mongod():
        print("SKIPPED: no mongod (scripts/mongod fetches one)", file=sys.stderr)
        sys.exit(77)
    unittest.main(verbosity=2)
