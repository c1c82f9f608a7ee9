"""query: the lines of a file, concurrently."""
# test: tsan
import json
import os
import subprocess
import tempfile
import time

from _mouv import SLEEPY, SLOW, Case, lines, main, run, start


class Query(Case):
    def file(self, *queries):
        handle, path = tempfile.mkstemp(suffix=".jsonl")
        self.addCleanup(os.unlink, path)
        with open(handle, "w") as file:
            file.writelines(q if isinstance(q, str) else json.dumps(q) + "\n" for q in queries)
        return path

    def results(self, text, line):
        return [entry["result"] for entry in lines(text) if entry["line"] == line]

    def test_every_operation(self):
        self.fill(3)
        text = self.ok("query", "--concurrency", "1", self.file(
            {"find": self.users, "filter": {"_id": {"$gt": 0}}, "sort": {"_id": 1}, "limit": 1},
            {"aggregate": self.users, "pipeline": [{"$count": "total"}]},
            {"count": self.users},
            {"distinct": self.users, "key": "n", "filter": {"n": 2}},
            {"insert": self.users, "documents": [{"_id": 10}, {"_id": 11}]},
            {"insert": "users", "db": self.db, "documents": {"_id": 12}},
            {"update": self.users, "filter": {}, "change": {"$set": {"z": 1}}, "many": True},
            {"delete": self.users, "filter": {"_id": 10}},
            {"command": {"count": "users"}, "db": self.db},
        ))
        self.assertEqual(self.results(text, 1), [{"_id": 1, "n": 1}])
        self.assertEqual(self.results(text, 2), [{"total": 3}])
        self.assertEqual(self.results(text, 3), [3])
        self.assertEqual(self.results(text, 4), [2])
        self.assertEqual(self.results(text, 5)[0]["insertedCount"], 2)
        self.assertEqual(self.results(text, 6)[0]["insertedId"], 12)
        self.assertEqual(self.results(text, 7)[0]["matchedCount"], 6)
        self.assertEqual(self.results(text, 8)[0]["deletedCount"], 1)
        self.assertEqual(self.results(text, 9)[0]["n"], 5)

    def test_comments_and_blank_lines_are_skipped_and_counted(self):
        path = self.file("# one\n", "\n", "  // three\n", f'{{"count": "{self.users}"}}\n', "   \r\n",
                         f'{{"count": "{self.users}"}}')
        self.assertEqual(sorted(e["line"] for e in lines(self.ok("query", path))), [4, 6])

    def test_bad_lines_are_named_and_the_others_run(self):
        path = self.file({"count": self.users}, "{bad\n", {"fnd": self.users}, {}, {"find": 7}, "[1]\n",
                         {"find": self.users, "filter": [1]}, {"find": self.users, "filter": {"a": {"$foo": 1}}},
                         {"count": self.users})
        done = run("query", path)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(sorted(e["line"] for e in lines(done.stdout)), [1, 9])
        for number, why in [(2, "expected a key in double quotes at position 2"), (3, 'no such operation: "fnd"'),
                            (4, "no such operation"), (5, "find: no string"),
                            (6, "expected a document, not an array"), (7, "filter: no document"), (8, "BadValue")]:
            self.assertRegex(done.stderr, rf"(?m)^mouv: {path}:{number}: .*{why}")
        self.assertEqual(len(done.stderr.splitlines()), 7)

    def test_fields_have_their_types(self):
        self.fill(3)
        wrong = [("delete", {"filter": {}}, "many", ["false", 1, {}, None]), ("update", {"filter": {}, "change": {}}, "replace", ["no", 0]),
                 ("find", {}, "timeoutMS", ["200", -1, 1.5, None, True]), ("count", {}, "db", [1, None]),
                 ("count", {}, "estimated", ["yes"]), ("find", {}, "limit", ["1", 1.5]), ("count", {}, "filter", [None, [], "x"])]
        for verb, fields, name, values in wrong:
            for value in values:
                with self.subTest(verb=verb, name=name, value=value):
                    self.fails(1, rf":1: {name}: ", "query", self.file({verb: self.users, **fields, name: value}))
        path = self.file('{"delete": "%s", "filter": {"_id": 1}, "many": true, "filter": {}}\n' % self.users)
        self.fails(1, ":1: filter: given twice", "query", path)
        self.assertEqual(self.ok("count", self.users), "3\n")

    def test_lines_run_at_once_up_to_the_limit(self):
        self.fill(1)
        query = {"find": self.users, "filter": json.loads(SLEEPY % 30000), "comment": self.db}
        path = self.file(*[query] * 8)
        for limit in [1, 3, 8]:
            with self.subTest(limit), start("query", "--concurrency", str(limit), path) as process:
                self.wait_for(limit, self.db)
                time.sleep(0.3)
                self.assertEqual(self.running(self.db), limit)
                process.terminate()
                self.assertEqual(process.wait(10 * SLOW), 143)
            self.wait_for(0, self.db)

    def test_more_lines_than_coroutines(self):
        self.fill(1)
        path = self.file(*[{"count": self.users}] * 500)
        self.assertEqual(sorted(e["line"] for e in lines(self.ok("query", path))), list(range(1, 501)))

    def test_a_line_with_a_limit_of_its_own(self):
        self.fill(1)
        path = self.file({"find": self.users, "filter": json.loads(SLEEPY % 20000), "timeoutMS": 300},
                         {"count": self.users, "timeoutMS": 30000})
        began = time.monotonic()
        done = run("query", path)
        self.assertLess(time.monotonic() - began, 10 * SLOW)
        self.assertEqual((done.returncode, lines(done.stdout)), (1, [{"line": 2, "result": 1}]))
        self.assertRegex(done.stderr, rf"mouv: {path}:1: .*timed out")

    def test_the_whole_deadline_names_what_was_not_finished(self):
        self.fill(1)
        path = self.file({"find": self.users, "filter": json.loads(SLEEPY % 20000)}, {"count": self.users})
        done = run("query", "--timeout", "0.7", path)
        self.assertEqual((done.returncode, lines(done.stdout)), (124, [{"line": 2, "result": 1}]))
        self.assertRegex(done.stderr, rf"mouv: {path}:1: .*in time")
        self.assertRegex(done.stderr, r"mouv: query: timed out after 0.7 s")

    def test_standard_input_is_taken_line_by_line(self):
        with start("query", "-", stdin=subprocess.PIPE) as process:
            for number in (1, 2):
                process.stdin.write(json.dumps({"count": self.users}) + "\n")
                process.stdin.flush()
                self.assertEqual(json.loads(process.stdout.readline()), {"line": number, "result": 0})
            process.stdin.close()
            self.assertEqual(process.wait(), 0)

    def test_bad_lines_of_standard_input_are_named(self):
        self.fails(1, "mouv: standard input:1: ", "query", "-", stdin="x\n")


if __name__ == "__main__":
    main()
