#!/usr/bin/env python3
"""Runs examples/http_and_mongo against a local HTTP server whose answers take their time.

$HTTP_AND_MONGO is the program, $HTTP_CLIENT that of http_client.c here. With MONGODB_URI the query runs against that server, too.
"""

import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROGRAM = os.environ.get("HTTP_AND_MONGO", "")
CLIENT = os.environ.get("HTTP_CLIENT", "")
SLOW = bool(os.environ.get("MOUV_TEST_SLOW"))
SLACK_S = 10 if SLOW else 1.0
DEADLINE_MS = 6000 if SLOW else 600
NO_SERVER = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS="


class Handler(BaseHTTPRequestHandler):
    """GET /MS/BYTES answers after MS milliseconds with BYTES bytes; /status/N at once with N."""

    def do_GET(self):
        first, second = self.path.strip("/").split("/")
        self.server.requests.release()
        if first == "status":
            self.answer(int(second), b"no")
        elif select.select([self.connection], [], [], int(first) / 1000)[0]:
            self.server.hang_ups.release()  # nothing but an end can come from the client
        else:
            self.answer(200, b"x" * int(second))

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = threading.Semaphore(0)
        self.hang_ups = threading.Semaphore(0)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(*arguments, mongodb=None):
    environment = {key: value for key, value in os.environ.items() if key != "MONGODB_URI"}
    if mongodb:
        environment["MONGODB_URI"] = mongodb
    return subprocess.Popen(
        [PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


class Http(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def run_program(self, *arguments, mongodb=None):
        """Status, lines of stdout, stderr; `self.seconds` is what the program says it took."""
        program = start(*arguments, mongodb=mongodb)
        out, err = program.communicate(timeout=60)
        lines = out.splitlines()
        match = re.fullmatch(r"together (\d+\.\d\d) s", lines[-1] if lines else "")
        self.seconds = float(match[1]) if match else None
        return program.returncode, lines[:-1], err

    def assert_took(self, seconds):
        self.assertGreaterEqual(self.seconds, seconds - 0.01)
        self.assertLess(self.seconds, seconds + SLACK_S)

    def test_three_urls_take_as_long_as_the_slowest(self):
        urls = [self.server.url(path) for path in ("1500/10", "1000/2000", "1400/3")]
        status, lines, err = self.run_program(*urls)
        self.assertEqual((status, err), (0, "neither -m nor MONGODB_URI: without a query\n"))
        sizes = (10, 2000, 3)
        self.assertEqual(lines, [f"{url}: 200, {n} bytes" for url, n in zip(urls, sizes)])
        self.assert_took(1.5)  # the sum is 3.9

    def test_a_large_body_arrives_whole(self):
        url = self.server.url("0/5000000")
        status, lines, _ = self.run_program(url)
        self.assertEqual((status, lines), (0, [f"{url}: 200, 5000000 bytes"]))

    def test_an_empty_body_is_an_answer(self):
        url = self.server.url("0/0")
        self.assertEqual(self.run_program(url)[1], [f"{url}: 200, 0 bytes"])

    def test_a_status_is_no_failure(self):
        url = self.server.url("status/404")
        status, lines, _ = self.run_program(url)
        self.assertEqual((status, lines), (0, [f"{url}: 404, 2 bytes"]))

    def test_sixteen_at_once(self):
        urls = [self.server.url(f"500/{n}") for n in range(16)]
        status, lines, _ = self.run_program(*urls)
        self.assertEqual((status, len(lines)), (0, 16))
        self.assert_took(0.5)

    def test_the_deadline_ends_what_is_slow_and_keeps_what_came(self):
        quick, slow = self.server.url("100/5"), self.server.url("30000/5")
        status, lines, err = self.run_program("-t", str(DEADLINE_MS), quick, slow)
        self.assertEqual(status, 1)
        self.assertEqual(lines, [f"{quick}: 200, 5 bytes", f"{slow}: timed out: 1 of 2 had succeeded"])
        self.assertRegex(err, "MOUV_ETIMEDOUT")
        self.assert_took(DEADLINE_MS / 1000)
        self.assertTrue(self.server.hang_ups.acquire(timeout=5), "the transfer was not stopped")

    def test_a_deadline_that_has_passed_sends_nothing(self):
        url = self.server.url("0/5")
        status, lines, _ = self.run_program("-t", "0", url)
        self.assertEqual((status, lines), (1, [f"{url}: timed out"]))
        self.assertFalse(self.server.requests.acquire(timeout=0.2))

    def test_ctrl_c_cancels_the_transfers(self):
        program = start(self.server.url("30000/5"), self.server.url("30000/6"))
        for _ in range(2):
            self.assertTrue(self.server.requests.acquire(timeout=20))
        began = time.monotonic()
        program.send_signal(signal.SIGINT)
        out, _ = program.communicate(timeout=20)
        self.assertLess(time.monotonic() - began, SLACK_S)
        self.assertEqual(program.returncode, 130)
        self.assertEqual(out.count(": cancelled\n"), 2)
        for _ in range(2):
            self.assertTrue(self.server.hang_ups.acquire(timeout=5))

    def test_a_refused_connection_leaves_the_others_alone(self):
        good, bad = self.server.url("200/5"), f"http://127.0.0.1:{closed_port()}/"
        status, lines, _ = self.run_program(bad, good)
        self.assertEqual(status, 1)
        self.assertRegex(lines[0], re.escape(bad) + ": .*[Cc]onnect")
        self.assertEqual(lines[1], f"{good}: 200, 5 bytes")

    def test_what_is_no_url_fails_by_itself(self):
        good = self.server.url("200/5")
        status, lines, _ = self.run_program("nonsense://x", good, "")
        self.assertEqual((status, lines[1]), (1, f"{good}: 200, 5 bytes"))
        self.assertRegex(lines[0], "nonsense://x: .*nonsense")

    def test_a_server_that_hangs_up_is_a_failure(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
            status, lines, _ = self.run_program(f"http://127.0.0.1:{port}/")
        self.assertEqual(status, 1)
        self.assertNotRegex(lines[0], "bytes")

    def test_a_database_that_is_not_there_waits_beside_the_urls(self):
        url = self.server.url("1200/5")
        status, lines, _ = self.run_program("-m", NO_SERVER + "1000", url)
        self.assertEqual((status, lines[0]), (1, f"{url}: 200, 5 bytes"))
        self.assertRegex(lines[1], r"^examples\.visits: (?!\d+ documents)")
        self.assert_took(1.2)  # the sum is 2.2

    def test_one_deadline_for_urls_and_database(self):
        url = self.server.url("30000/5")
        status, lines, _ = self.run_program("-t", "500", "-m", NO_SERVER + "30000", url)
        self.assertEqual((status, lines), (1, [f"{url}: timed out", "examples.visits: timed out"]))
        self.assert_took(0.5)

    def test_a_bad_mongodb_uri_is_told(self):
        status, lines, err = self.run_program("-m", "nonsense", self.server.url("0/1"))
        self.assertEqual((status, lines), (1, []))
        self.assertIn("MOUV_EINVAL", err)

    @unittest.skipUnless(os.environ.get("MONGODB_URI"), "needs MONGODB_URI")
    def test_urls_and_a_query(self):
        urls = [self.server.url(f"{ms}/4") for ms in (300, 600, 1000)]
        status, lines, err = self.run_program(*urls, mongodb=os.environ["MONGODB_URI"])
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(lines[:3], [f"{url}: 200, 4 bytes" for url in urls])
        self.assertRegex(lines[3], r"^examples\.visits: \d+ documents$")
        self.assert_took(1.0)


class Client(unittest.TestCase):
    """A transfer and the future that stands for it; each case ends with a close in mid-transfer."""

    def run_case(self, case, *expected):
        server = Server()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        done = subprocess.run(
            [CLIENT, case, server.url("500/5")], capture_output=True, text=True, timeout=60
        )
        expected = (*expected, "awaiter: MOUV_ECANCELED")
        self.assertEqual((done.stdout.splitlines(), done.stderr), (list(expected), ""))
        self.assertEqual(done.returncode, 0)

    def test_a_deadline_ends_the_transfer(self):
        self.run_case("timeout", "MOUV_ETIMEDOUT: ended, status 0")

    def test_dropping_the_future_ends_the_transfer(self):
        self.run_case("cancel", "dropped: ended, status 0")

    def test_a_future_let_go_lets_the_transfer_end_and_write_nowhere(self):
        self.run_case("let_go", "let go: under way, status 0", "later: ended, status 0")

    def test_a_failed_gather_ends_the_transfer(self):
        self.run_case("gather", "MOUV_ENETWORK: ended, status 0")


if __name__ == "__main__":
    if not os.access(PROGRAM, os.X_OK):
        print("skipped: the example is not built (libcurl is missing?)")
        sys.exit(77)
    unittest.main(verbosity=2)
