"""Options, help and the mistakes that are seen before anything is sent: exit status 2."""
import os
import pathlib
import pty
import tempfile
import unittest

from _mouv import MOUV, Case, main, run, shell, start

COMMANDS = ["ping", "find", "aggregate", "count", "distinct", "insert", "update", "delete", "command", "query",
            "demo", "sandbox"]
NOWHERE = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100"


class Usage(Case):
    def tearDown(self):
        pass  # no database

    def test_help_lists_every_command_and_its_options(self):
        text = self.ok("--help")
        for command in COMMANDS:
            self.assertIn(f"\n  {command} ", text)
            with self.subTest(command):
                self.assertRegex(self.ok(command, "--help"), rf"\AUsage: mouv {command} ")

    def test_help_of_data_commands_has_examples(self):
        for command in COMMANDS[:-2]:
            self.assertIn("Examples:\n  ", self.ok(command, "--help"))

    def test_version_names_the_libraries(self):
        self.assertRegex(self.ok("--version"), r"\Amouv \d+\.\d+\.\d+\nlibbson \d.*\nlibuv \d.*\n\Z")

    def test_no_command(self):
        self.fails(2, "no command given")

    def test_unknown_command_suggests_the_nearest(self):
        self.fails(2, r"fnd: no such command \(did you mean 'find'\?\)", "fnd")
        self.assertNotIn("did you mean", self.fails(2, "no such command", "xyzzy").stderr)

    def test_unknown_option(self):
        self.fails(2, r"mouv: find: unrecognized option '--foo'\nTry `mouv find --help'", "find", "--foo")

    def test_missing_and_superfluous_arguments(self):
        self.fails(2, "find: collection: missing", "find")
        self.fails(2, "aggregate: pipeline: missing", "aggregate", "a.b")
        self.fails(2, "delete: filter: missing", "delete", "a.b")
        self.fails(2, "update: change: missing", "update", "a.b", "{}")
        self.fails(2, "one argument too many: x", "find", "a.b", "{}", "x")
        self.fails(2, "FILE: missing", "query")
        self.fails(2, "one argument too many", "ping", "x")

    def test_bad_timeouts(self):
        for value in ["x", "0", "-1", "", "1s", "nan", "inf", "1e3", "0x10", "1.2.3", "99999999999"]:
            with self.subTest(value):
                self.fails(2, "--timeout: not a number of seconds", "ping", "--timeout=" + value)

    def test_bad_executors(self):
        for value in ["", "thread", "LOOP", "loop ", "0"]:
            with self.subTest(value):
                self.fails(2, "ping: --executor: not threads, uvpool or loop: ", "ping", "--executor=" + value)
        self.fails(2, "--executor: not threads", "--executor=x", "ping")
        self.assertIn("--executor=NAME", self.ok("find", "--help"))

    def test_executor_of_the_command_line_counts_before_the_environment(self):
        uri = NOWHERE + "&tls=true&tlsDisableOCSPEndpointCheck=true"  # which loop cannot
        for arguments, environment, loop in [([], "loop", True), (["--executor=threads"], "loop", False),
                                             (["--executor=loop"], "threads", True), (["--executor=uvpool"], "loop", False)]:
            with self.subTest(arguments):
                told = run("ping", "-u", uri, *arguments, env={"MOUV_EXECUTOR": environment}).stderr
                self.assertEqual("not possible with loop" in told, loop, told)

    def test_bad_numbers(self):
        for value in ["-1", "x", "1.5", "", "3000000000"]:
            with self.subTest(value):
                self.fails(2, "--limit: not a number between", "find", "--limit=" + value, "a.b")
        self.fails(2, "--concurrency: not a number", "query", "-c", "0", "/dev/null")

    def test_unparsable_uris(self):
        for uri in ["nonsense", "mongodb://", "http://localhost", "mongodb://localhost:99999"]:
            with self.subTest(uri):
                self.fails(2, r"\Amouv: uri: \S", "ping", "--uri", uri)

    def test_uri_in_the_environment_is_checked_too(self):
        self.fails(2, r"\Amouv: uri: ", "ping", env={"MONGODB_URI": "nonsense"})

    def test_a_uri_with_a_line_end_is_refused(self):
        for end in ["\n", "\r", " "]:
            self.fails(2, r"\Amouv: uri: there is a space or a line end in it", "count", "c", env={"MONGODB_URI": "mongodb://localhost/a" + end})

    def test_a_password_is_never_shown(self):
        for uri in ["mongodb://ada:s3cr3t@localhost:99999", "mongodb://ada:s3cr3t@x@localhost",
                    "mongodb://ada:s3cr/3t@localhost", "mongodb://ada:s3cr%zz3t@localhost",
                    "mongodb://ada:s3cr:3t@localhost/?foo=bar&foo=bar", "mongodb://:s3cr3t@localhost",
                    "mongodb://ada:s3cr3t@127.0.0.1:1/?serverSelectionTimeoutMS=100"]:
            with self.subTest(uri):
                self.assertNotIn("s3cr", run("ping", "-u", uri).stderr)

    def test_a_password_among_the_arguments_is_overwritten_at_once(self):
        uri = "mongodb://ada:s3cr3t@127.0.0.1:1/?serverSelectionTimeoutMS=60000"
        for arguments in [["--uri", uri, "ping"], ["ping", "-u", uri], ["ping", "--uri=" + uri], ["-u" + uri, "ping"]]:
            with self.subTest(arguments), start(*arguments) as process:
                self.assertRegex(process.stderr.readline(), "warning: a password among the arguments")
                seen = pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes()
                self.assertNotIn(b"s3cr", seen)
                self.assertIn(b"mongodb://ada:******@127.0.0.1:1/?", seen)
                process.kill()

    def test_arguments_without_a_password_are_left_alone(self):
        for uri in [NOWHERE, NOWHERE.replace("127.0.0.1", "ada@127.0.0.1"), NOWHERE + "&appName=a:b"]:
            with self.subTest(uri):
                self.assertNotIn("a password among", run("ping", "-u", uri).stderr)

    def test_uri_of_a_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "uri")
            path.write_text(os.environ["MONGODB_URI"] + " \r\nanything\n")
            self.ok("ping", "--uri-file", str(path))
            self.ok("--uri-file", "/dev/stdin", "ping", stdin=path.read_text())
            self.ok("insert", self.users, "-", "--uri-file", "-", stdin=os.environ["MONGODB_URI"] + '\n{"_id": 1}\n')
            self.assertEqual(self.ok("count", self.users).strip(), "1")
            path.write_text("\n")
            self.fails(2, "--uri-file: .*no URI in its first line", "ping", "--uri-file", str(path))
            self.fails(2, "--uri-file: .*No such file", "ping", "--uri-file", str(path) + "x")

    def test_password_is_asked_for_on_a_terminal_and_not_shown(self):
        pid, terminal = pty.fork()
        if pid == 0:
            uri = "mongodb://ada@127.0.0.1:1/?serverSelectionTimeoutMS=100"
            os.execv(MOUV, [MOUV, "ping", "--uri", uri])
        seen = b""
        while b"Password of ada: " not in seen:
            seen += os.read(terminal, 1000)
        os.write(terminal, b"s3cr3t\n")
        try:
            while True:
                seen += os.read(terminal, 1000)
        except OSError:  # its end
            pass
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 1)
        self.assertNotIn(b"s3cr", seen)
        self.assertIn(b"no suitable server", seen)

    def test_malformed_filters_name_the_position(self):
        for text, why in [
            ('{"a": }', r"expected a value at position 7"),
            ('{"a" 1}', r"expected ':' at position 6"),
            ('{"a": 1', r"the text ends too early at position 8, at the end"),
            ('{a: 1}', r"expected a key in double quotes at position 2"),
            ("{'a': 1}", r"expected a key in double quotes at position 2"),
            ('{"a": 1} x', r"expected the end after the value at position 10, before 'x'"),
            ('{"a": [1, 2}', r"expected ',' or '\]' at position 12"),
            ('{"a": tru}', r"expected a value at position 7"),
            ('{"a": 01}', r"expected ',' or '}' at position 8"),
            ('{"a": "x', r"the text ends too early at position 9"),
            ('{"a": "\\q"}', r"unknown escape in a string at position 9"),
            ('{"a": 1,}', r"expected a key in double quotes at position 9"),
            ('{\n "a": 1,\n "b"\n}', r"expected ':' at line 4, position 1"),
            ("", r"the text ends too early at position 1"),
            ("[" * 300, r"nested too deeply at position 191"),
        ]:
            with self.subTest(text):
                self.fails(2, r"\Amouv: find: filter: " + why, "find", "a.b", text, "--uri", NOWHERE)

    def test_malformed_extended_json(self):
        for text in ['{"_id": {"$oid": "zz"}}', '{"a": {"$numberInt": "x"}}', '{"a": {"$date": "tomorrow"}}']:
            with self.subTest(text):
                self.fails(2, r"\Amouv: find: filter: \S", "find", "a.b", text, "--uri", NOWHERE)

    def test_filters_that_are_no_documents(self):
        for text, what in [("7", "a number"), ('"x"', "a string"), ("null", "null"), ("true", "true")]:
            with self.subTest(text):
                self.fails(2, f"filter: expected a document or an array, not {what} at position 1", "find", "a.b", text,
                           "-u", NOWHERE)
        self.fails(2, "filter: expected a document, not an array", "find", "a.b", "[1]", "-u", NOWHERE)
        self.fails(2, "pipeline: expected an array, not a document", "aggregate", "a.b", "{}", "-u", NOWHERE)
        self.fails(2, "--sort: expected a document or an array, not a number", "find", "a.b", "--sort", "1", "-u", NOWHERE)

    def test_collection_without_a_database(self):
        self.fails(2, "users: no database", "find", "users", "--uri", NOWHERE)
        self.fails(1, r"find shop\.users: ", "find", "users", "--uri", NOWHERE, "--db", "shop")
        self.fails(1, r"find shop\.users: ", "find", "users", "--uri", NOWHERE.replace("/?", "/shop?"))

    def test_standard_input_can_be_read_once(self):
        self.fails(2, "change: standard input can be read only once", "update", "a.b", "-", "-", "-u", NOWHERE,
                   stdin="{}")

    def test_query_file_that_cannot_be_read(self):
        self.fails(1, "query: /nonexistent: No such file", "query", "/nonexistent", "-u", NOWHERE)
        self.fails(1, "query: /: Is a directory", "query", "/", "-u", NOWHERE)

    def test_closed_standard_streams(self):
        self.assertEqual(shell('"$MOUV" --version >&-').returncode, 1)
        self.assertEqual(shell('"$MOUV" --version >&- 2>&- <&-').returncode, 1)

    @unittest.skipUnless(os.path.exists("/dev/full"), "no /dev/full")
    def test_help_on_a_full_disk(self):
        done = shell('"$MOUV" --help >/dev/full')
        self.assertEqual((done.returncode, done.stderr), (1, "mouv: write: No space left on device\n"))


if __name__ == "__main__":
    main()
