"""mouv demo: every step works, and what it prints about itself holds.

MOUV is the program's path. The server is MONGODB_URI's, else a sandbox's.
"""
import os
import re
import subprocess
import unittest

MOUV = os.environ.get("MOUV", "mouv")
SLOW = bool(os.environ.get("MOUV_TEST_SLOW"))  # under a sanitizer figures mean less
DATABASE = f"mouv_demo_test_{os.getpid()}"


def run(*arguments, **options):
    server = [] if os.environ.get("MONGODB_URI") else [MOUV, "sandbox", "--"]
    return subprocess.run([*server, MOUV, *arguments], capture_output=True, text=True, timeout=240, **options)


def demo(*arguments, **options):
    return run("demo", "--db", DATABASE, *arguments, **options)


def spans(text):
    """The bars of one timeline: [(label, begin, end)] in ms."""
    found = re.findall(r"^  (\S.*?) +\|[ #]{40}\| +([\d.]+) to +([\d.]+) ms", text, re.M)
    return [(label, float(begin), float(end)) for label, begin, end in found]


class Demo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.done = demo("--documents", "20000")
        cls.output = cls.done.stdout

    def setUp(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr + self.output)

    def rounds(self):
        sequence, _, gathered = self.output.partition("Gathered, all asked at once")
        return spans(sequence), spans(gathered)

    def totals(self):
        return [float(total) for total in re.findall(r"^  total ([\d.]+) ms$", self.output, re.M)]

    def test_says_nothing_on_stderr_and_no_colours_into_a_pipe(self):
        self.assertEqual(self.done.stderr, "")
        self.assertNotIn("\033", self.output)

    def test_loads_what_was_asked_for(self):
        numbers = re.search(r"Loaded (\d+) users, (\d+) products and (\d+) orders", self.output).groups()
        self.assertEqual(sum(map(int, numbers)), 20000)

    def test_both_rounds_ask_the_same_questions(self):
        sequence, gathered = self.rounds()
        self.assertGreaterEqual(len(sequence), 6)
        self.assertEqual([label for label, *_ in sequence], [label for label, *_ in gathered])

    def test_in_sequence_each_begins_after_the_one_before(self):
        sequence, _ = self.rounds()
        for (_, _, end), (_, begin, _) in zip(sequence, sequence[1:]):
            self.assertGreaterEqual(begin, end)

    def test_gathered_all_begin_before_the_first_ends(self):
        _, gathered = self.rounds()
        self.assertLess(max(begin for _, begin, _ in gathered), min(end for *_, end in gathered))

    def test_gathered_is_faster_by_its_own_figures(self):
        sequence, gathered = self.totals()
        self.assertLess(gathered, sequence)
        ratio = float(re.search(r"([\d.]+) times as fast", self.output)[1])
        self.assertAlmostEqual(ratio, sequence / gathered, delta=0.06)

    def test_totals_agree_with_the_bars(self):
        for total, bars in zip(self.totals(), self.rounds()):
            self.assertLessEqual(abs(total - max(end for *_, end in bars)), 500 if SLOW else 50)

    def test_slow_query_ends_at_its_deadline(self):
        ended = float(re.search(r"The query ended after ([\d.]+) ms: MOUV_ETIMEDOUT", self.output)[1])
        self.assertGreaterEqual(ended, 1000)
        self.assertLess(ended, 2000 if SLOW else 1500)

    def test_ticker_goes_on_meanwhile(self):
        ticks = int(re.search(r"ticked (\d+) times", self.output)[1])
        self.assertGreaterEqual(ticks, 5 if SLOW else 10)

    def test_server_was_running_the_query_and_is_not_any_more(self):
        self.assertRegex(self.output, r"\$currentOp after 500 ms: the server was running it; "
                                      r"[\d.]+ ms after its end: not any more")


class Data(unittest.TestCase):
    """Needs a server that outlives one run."""

    def setUp(self):
        if not os.environ.get("MONGODB_URI"):
            self.skipTest("MONGODB_URI is not set")
        self.addCleanup(self.drop)

    def drop(self):
        run("command", "--db", DATABASE, '{"dropDatabase": 1}')

    def orders(self):
        done = run("find", "--db", DATABASE, "orders", "{}", "--sort", '{"_id": 1}')
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def demo_kept(self, seed):
        done = demo("--keep", "--documents", "1000", "--seed", seed)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.orders()

    def test_seed_decides_the_documents(self):
        first = self.demo_kept("7")
        self.assertGreater(len(first.splitlines()), 700)
        self.assertEqual(self.demo_kept("7"), first)
        self.assertNotEqual(self.demo_kept("8"), first)

    def test_database_is_gone_afterwards(self):
        self.assertEqual(demo("--documents", "1000").returncode, 0)
        self.assertEqual(self.orders(), "")

    def test_database_of_somebody_else_is_left_alone(self):
        self.assertEqual(run("insert", f"{DATABASE}.precious", '{"a": 1}').returncode, 0)
        done = demo()
        self.assertEqual(done.returncode, 1)
        self.assertIn("holds something else", done.stderr)
        self.assertEqual(run("count", f"{DATABASE}.precious").stdout.strip(), "1")


class BadInput(unittest.TestCase):
    def test_usage_errors_are_2(self):
        for arguments in (["--documents", "0"], ["--documents", "many"], ["--seed", "x"], ["something"], ["--nope"]):
            with self.subTest(arguments=arguments):
                done = subprocess.run([MOUV, "demo", *arguments], capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 2)

    def test_no_server_is_a_failure(self):
        uri = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=300"
        done = subprocess.run([MOUV, "demo", "--uri", uri], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("mouv: ", done.stderr)

    def test_full_disk_is_a_failure(self):
        with open("/dev/full", "w") as full:
            server = [] if os.environ.get("MONGODB_URI") else [MOUV, "sandbox", "--"]
            done = subprocess.run([*server, MOUV, "demo", "--db", DATABASE, "--documents", "1000"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=240)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
