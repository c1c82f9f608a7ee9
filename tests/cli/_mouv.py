"""What the tests of the `mouv` program share: running it, and a database of each case's own.

MOUV is the program. Without MONGODB_URI the whole file runs again under `mouv sandbox`.
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import unittest

MOUV = os.environ.get("MOUV") or sys.exit("MOUV: the path of the mouv program is wanted")
SLOW = 5 if os.environ.get("MOUV_TEST_SLOW") else 1  # a sanitizer makes time unreliable
SLEEPY = '{"$where": "sleep(%d) || true"}'  # a filter that keeps the server busy, ms a document


def mongod():
    """The mongod a sandbox would use, or None."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    cached = sorted(cache.glob("mouv/mongod-*/mongod"))
    found = os.environ.get("MOUV_MONGOD") or shutil.which("mongod") or (cached and cached[-1])
    return str(found) if found else None


def main():
    if "MONGODB_URI" not in os.environ:
        os.execv(MOUV, [MOUV, "sandbox", "--", sys.executable, *sys.argv])
    unittest.main(verbosity=2)


def restore_sigpipe():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def start(*args, **options):
    """A running mouv whose standard streams are pipes, unless told otherwise."""
    streams = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return subprocess.Popen([MOUV, *args], text=True, **{**streams, **options})


def run(*args, stdin=None, env=None, **options):
    """Runs mouv to its end: .returncode, .stdout, .stderr."""
    feed = dict(input=stdin) if stdin is not None else dict(stdin=subprocess.DEVNULL)
    streams = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return subprocess.run([MOUV, *args], text=True, timeout=60 * SLOW,
                          env={**os.environ, **(env or {})}, **feed, **{**streams, **options})


def shell(command, **variables):
    """Runs a line of bash, in which $MOUV is the program."""
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60 * SLOW,
                          env={**os.environ, **variables}, preexec_fn=restore_sigpipe)


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


class Case(unittest.TestCase):
    """A case with a database of its own, `self.db`, which is dropped afterwards."""

    maxDiff = None

    def setUp(self):
        self.db = f"mouv_cli_{os.getpid()}_{self.id().rsplit('.', 1)[1]}"[:60]
        self.users = self.db + ".users"

    def tearDown(self):
        run("command", "--db", self.db, '{"dropDatabase": 1}')

    def ok(self, *args, **options):
        """Runs it, expects success and silence on stderr, gives what it printed."""
        done = run(*args, **options)
        self.assertEqual((done.returncode, done.stderr), (0, ""), args)
        return done.stdout

    def fails(self, status, pattern, *args, **options):
        """Runs it, expects this status and one `mouv: what: why` that matches."""
        done = run(*args, **options)
        self.assertEqual(done.returncode, status, (args, done.stderr))
        self.assertRegex(done.stderr, r"\Amouv: ")
        self.assertRegex(done.stderr, pattern)
        return done

    def running(self, comment):
        """How many operations with this comment the server is working on."""
        text = self.ok("command", "--db", "admin", json.dumps({"currentOp": 1, "command.comment": comment}))
        return len(json.loads(text)["inprog"])

    def wait_for(self, count, comment):
        deadline = time.monotonic() + 10 * SLOW
        while self.running(comment) != count and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(self.running(comment), count)

    def fill(self, count, **fields):
        text = "".join(json.dumps({"_id": i, "n": i, **fields}) + "\n" for i in range(count))
        self.ok("insert", self.users, "-", stdin=text)
