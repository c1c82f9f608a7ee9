"""What the server or the network refuses: one line on stderr, exit status 1."""
import os
import re
import socket
import subprocess
import time
import unittest

from _mouv import MOUV, SLOW, Case, lines, main, mongod, run, shell


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


class Errors(Case):
    def test_server_errors_show_code_and_name(self):
        self.fill(1)
        self.fails(1, r"mouv: find .*: BadValue \(2\).*\$foo", "find", self.users, '{"a": {"$foo": 1}}')
        self.fails(1, r"mouv: aggregate .*: .*\(40324\)", "aggregate", self.users,
                   '[{"$nope": 1}]')
        self.fails(1, r"mouv: command .*: CommandNotFound \(59\)", "command", '{"nope": 1}')

    def test_an_error_is_one_line(self):
        done = self.fails(1, r"\S", "find", self.users, '{"a": {"$foo": 1}}')
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertEqual(done.stdout, "")

    def test_few_descriptors_are_an_error_with_a_cause(self):
        for few in range(4, 9):
            with self.subTest(few):
                done = shell(f'ulimit -n {few}; exec "$MOUV" ping --timeout 3')
                self.assertEqual(done.returncode, 1, done)
                self.assertRegex(done.stderr, r"\Amouv: .*too many open files\n\Z")

    def test_what_a_dead_process_of_the_same_number_left_is_no_matter(self):
        done = shell(': >/dev/shm/mongoc-$$ && exec env -u MONGOC_DISABLE_SHM "$MOUV" --version')
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_invalid_names(self):
        self.fill(1)
        for name in [self.db + ".", self.db + ".a$b", "." + self.db, "a b.c", "a/b.c", "x" * 70 + ".c",
                     self.db + "." + "y" * 300]:
            with self.subTest(name):
                self.fails(2, r"mouv: \S", "insert", name, '{"_id": 1}')

    def test_unknown_host_is_named(self):
        began = time.monotonic()
        self.fails(1, r"mouv: ping.*: .*no-such-host\.invalid", "ping", "--uri",
                   "mongodb://no-such-host.invalid/?serverSelectionTimeoutMS=500")
        self.assertLess(time.monotonic() - began, 10 * SLOW)

    def test_wrong_port_is_named(self):
        port = free_port()
        self.fails(1, rf"mouv: ping.*: .*127\.0\.0\.1:{port}", "ping", "-u",
                   f"mongodb://127.0.0.1:{port}/?serverSelectionTimeoutMS=500")

    def test_no_uri_is_said(self):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", 27017)) == 0:
                self.skipTest("a server is there")
        self.fails(1, r"\Amouv: ping: MONGODB_URI is not set, and .*5000 ms: .*127\.0\.0\.1:27017\n\Z", "ping",
                   env={"MONGODB_URI": ""})
        self.fails(124, r"\Amouv: ping: MONGODB_URI is not set, and timed out", "ping", "--timeout", "0.5",
                   env={"MONGODB_URI": ""})

    def test_a_port_that_speaks_no_mongodb(self):
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            port = server.getsockname()[1]
            self.fails(124, rf"timed out after 1 s: .*127\.0\.0\.1:{port} does not answer", "ping",
                       "--timeout", "1", "-u", f"mongodb://127.0.0.1:{port}")

    @unittest.skipUnless(mongod(), "no mongod for a sandbox")
    def test_wrong_password(self):
        script = ('"$MOUV" ping && "$MOUV" ping --uri "${MONGODB_URI/s3cr3t/wr0ng}"; echo "status $?"; '
                  '"$MOUV" find a.b -u "mongodb://${MONGODB_URI#*@}"; echo "status $?"')
        environment = {k: v for k, v in os.environ.items() if k != "MONGODB_URI"}
        done = subprocess.run([MOUV, "sandbox", "--auth", "ada:s3cr3t", "--", "bash", "-c", script], text=True,
                              env=environment, capture_output=True, timeout=120 * SLOW)
        self.assertEqual(re.findall(r"status \d+", done.stdout), ["status 1", "status 1"], done)
        self.assertIn("mouv: ping", done.stderr)
        self.assertIn("uthentication failed", done.stderr)
        self.assertRegex(done.stderr, r"mouv: find.*: .*(Unauthorized|requires authentication)")
        self.assertNotRegex(done.stderr, "s3cr3t|wr0ng")


if __name__ == "__main__":
    main()
