"""What ends a command early: --timeout, signals, a closed pipe, a full disk, a reader that is slow."""
import json
import os
import signal
import socket
import subprocess
import time
import unittest

from _mouv import MOUV, SLEEPY, SLOW, Case, main, run, shell, start

# with a /proc of its own, or LeakSanitizer does not find the threads
PID_1 = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]


def child_of(parent):
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as stat:
                if int(stat.read().rpartition(")")[2].split()[1]) == parent:
                    return int(name)
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended
    raise AssertionError(f"{parent} has no child")


class Stop(Case):
    def sleepy(self, ms=30000):
        comment = f"{self.db}-{time.monotonic()}"
        return comment, ["find", self.users, SLEEPY % ms, "--options", json.dumps({"comment": comment})]

    def test_timeout_ends_the_command_and_the_work(self):
        self.fill(1)
        comment, command = self.sleepy()
        began = time.monotonic()
        self.fails(124, r"\Amouv: find: timed out after 0.5 s\n\Z", *command, "--timeout", "0.5")
        took = time.monotonic() - began
        self.assertGreater(took, 0.45)
        self.assertLess(took, 1.5 * SLOW)
        self.wait_for(0, comment)

    def test_timeout_covers_standard_input(self):
        with start("find", self.users, "-", "--timeout", "0.3", stdin=subprocess.PIPE) as process:
            self.assertEqual(process.wait(10 * SLOW), 124)

    def test_timeout_that_does_not_fire_changes_nothing(self):
        self.fill(1)
        self.assertEqual(self.ok("count", self.users, "--timeout", "60"), "1\n")

    def test_what_was_inserted_before_the_timeout_is_told(self):
        with start("insert", self.users, "-", "--timeout", "2", stdin=subprocess.PIPE) as process:
            process.stdin.write('{"_id": 1}\n')
            process.stdin.flush()
            self.assertEqual(json.loads(process.stdout.readline()), {"insertedCount": 1})
            self.assertEqual(process.wait(10 * SLOW), 124)

    def interrupt(self, number, status):
        self.fill(1)
        comment, command = self.sleepy()
        with start(*command) as process:
            self.wait_for(1, comment)
            process.send_signal(number)
            self.assertEqual(process.wait(10 * SLOW), status)
            self.assertEqual((process.stdout.read(), process.stderr.read()), ("", ""))
        self.wait_for(0, comment)

    def test_ctrl_c(self):
        self.interrupt(signal.SIGINT, 130)

    def test_sigterm(self):
        self.interrupt(signal.SIGTERM, 143)

    def test_ignored_interrupt_stays_ignored(self):
        """As nohup, or a script that runs it in the background, wants it."""
        ignore = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
        with start("insert", self.users, "-", stdin=subprocess.PIPE, preexec_fn=ignore) as process:
            process.stdin.write('{"_id": 1}\n')
            process.stdin.flush()
            self.wait_for_count(1)
            process.send_signal(signal.SIGINT)
            process.communicate('{"_id": 2}\n', timeout=10 * SLOW)
            self.assertEqual(process.returncode, 0)
        self.assertEqual(self.ok("count", self.users), "2\n")

    def wait_for_count(self, count):
        deadline = time.monotonic() + 10 * SLOW
        while self.ok("count", self.users) != f"{count}\n" and time.monotonic() < deadline:
            time.sleep(0.05)

    def test_hangup(self):
        self.interrupt(signal.SIGHUP, 143)

    def as_pid_1(self, *command):
        """SIGTERM to the first process of a container, which the kernel keeps from it if it has no handler."""
        with subprocess.Popen([*PID_1, MOUV, *command], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            time.sleep(0.5 * SLOW)
            self.assertIsNone(process.poll())
            os.kill(child_of(process.pid), signal.SIGTERM)
            began = time.monotonic()
            self.assertEqual(process.wait(10 * SLOW), 143)
            self.assertLess(time.monotonic() - began, 2 * SLOW)
            self.assertEqual(process.stderr.read(), "")

    @unittest.skipUnless(subprocess.run([*PID_1, "true"], capture_output=True).returncode == 0, "no namespaces here")
    def test_sigterm_as_pid_1(self):
        self.fill(1)
        self.as_pid_1(*self.sleepy()[1])
        self.as_pid_1("insert", self.users, "-")
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            self.as_pid_1("ping", "--uri", f"mongodb://127.0.0.1:{silent.getsockname()[1]}")
        self.as_pid_1("ping", "--uri", "mongodb://127.0.0.1:1")

    def test_ctrl_c_while_reading_standard_input(self):
        with start("insert", self.users, "-", stdin=subprocess.PIPE) as process:
            process.stdin.write('{"_id": 1}\n')
            process.stdin.flush()
            deadline = time.monotonic() + 10 * SLOW
            while self.ok("count", self.users) != "1\n" and time.monotonic() < deadline:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(10 * SLOW), 130)
            self.assertEqual(json.loads(process.stdout.read()), {"insertedCount": 1})

    def test_ctrl_c_stops_every_line_of_a_query(self):
        self.fill(1)
        comment = self.db
        line = json.dumps({"find": self.users, "filter": json.loads(SLEEPY % 30000), "comment": comment}) + "\n"
        with start("query", "-", stdin=subprocess.PIPE) as process:
            process.stdin.write(line * 4)
            process.stdin.close()
            self.wait_for(4, comment)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(10 * SLOW), 130)
            self.assertNotIn("timed out", process.stderr.read())
        self.wait_for(0, comment)

    def test_ctrl_c_while_nobody_reads_the_output(self):
        self.fill(5000, filler="x" * 200)
        for number, status in [(signal.SIGINT, 130), (signal.SIGTERM, 143)]:
            with start("find", self.users) as process:
                time.sleep(0.7 * SLOW)
                self.assertIsNone(process.poll())
                process.send_signal(number)
                self.assertEqual(process.wait(10 * SLOW), status)
                process.stdout.close()

    def test_timeout_while_nobody_reads_the_output(self):
        self.fill(5000, filler="x" * 200)
        with start("find", self.users, "--timeout", "0.5") as process:
            self.assertEqual(process.wait(10 * SLOW), 124)
            process.stdout.close()

    def test_a_slow_reader_gets_everything(self):
        self.fill(5000, filler="x" * 200)
        done = shell('"$MOUV" find "$C" | (sleep 1; wc -l)', C=self.users)
        self.assertEqual((done.stdout.strip(), done.stderr), ("5000", ""))

    def test_lines_of_a_query_share_few_batches_while_the_reader_is_slow(self):
        self.fill(4000, filler="x" * 10000)  # a first batch of 1 MB, others of 16 MiB
        line, enough = json.dumps({"find": self.users}) + "\n", 80_000_000  # all are past their first one
        with start("query", "-c", "64", "-", stdin=subprocess.PIPE) as process:
            process.stdin.write(line * 64)
            process.stdin.close()
            while enough > 0:
                enough -= len(process.stdout.read(1 << 20))
            with open(f"/proc/{process.pid}/status") as status:
                most_kb = int(next(line for line in status if line.startswith("VmHWM")).split()[1])
            process.stdout.close()
            process.wait(10 * SLOW)
        self.assertLess(most_kb, 400_000 * SLOW)

    def test_head_ends_it_as_it_ends_cat(self):
        self.fill(5000, filler="x" * 200)
        done = shell('"$MOUV" find "$C" | head -1; echo "${PIPESTATUS[0]}"', C=self.users)
        first, status = done.stdout.splitlines()
        json.loads(first)
        self.assertEqual((status, done.stderr), ("141", ""))

    def test_head_where_sigpipe_is_ignored(self):
        self.fill(5000, filler="x" * 200)
        done = shell('trap "" PIPE; "$MOUV" find "$C" | head -1 >/dev/null; echo "${PIPESTATUS[0]}"', C=self.users)
        self.assertEqual((done.stdout, done.stderr), ("1\n", "mouv: write: Broken pipe\n"))

    def test_head_leaves_no_cursor_on_the_server(self):
        self.fill(5000, filler="x" * 200)
        shell('"$MOUV" find "$C" --batch-size 100 | head -1', C=self.users)
        deadline = time.monotonic() + 10 * SLOW
        command = '[{"$currentOp": {"idleCursors": true}}, {"$match": {"type": "idleCursor", "ns": "%s"}}]' % self.users
        query = '{"aggregate": 1, "pipeline": %s, "cursor": {}}' % command
        count = None
        while count != 0 and time.monotonic() < deadline:
            count = len(json.loads(self.ok("command", "--db", "admin", query))["cursor"]["firstBatch"])
        self.assertEqual(count, 0)

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_full_disk(self):
        self.fill(5000, filler="x" * 200)
        for arguments in [["find", self.users], ["find", self.users, "--limit", "1"], ["count", self.users],
                          ["command", '{"ping": 1}']]:
            with self.subTest(arguments), open("/dev/full", "w") as full:
                done = run(*arguments, stdout=full)
                self.assertEqual((done.returncode, done.stderr), (1, "mouv: write: No space left on device\n"))

    def test_closed_standard_output(self):
        self.assertEqual(shell('"$MOUV" command \'{"ping": 1}\' >&-').returncode, 1)

    def test_standard_input_of_others_stays_blocking(self):
        done = shell('(sleep 0.3; echo later) | ("$MOUV" ping >/dev/null; cat)')
        self.assertEqual(done.stdout, "later\n")


if __name__ == "__main__":
    main()
