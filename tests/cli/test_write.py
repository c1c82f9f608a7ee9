"""insert, update, delete: what is stored, what is said about it."""
import json
import subprocess
import time

from _mouv import SLOW, Case, lines, main, run, start


class Insert(Case):
    def stored(self):
        return lines(self.ok("find", self.users, "--sort", '{"_id": 1}'))

    def test_one_document(self):
        reply = json.loads(self.ok("insert", self.users, '{"_id": 7, "name": "Ada"}'))
        self.assertEqual((reply["insertedCount"], reply["insertedId"]), (1, 7))
        self.assertEqual(self.stored(), [{"_id": 7, "name": "Ada"}])

    def test_an_array(self):
        self.assertEqual(json.loads(self.ok("insert", self.users, '[{"_id": 1}, {"_id": 2}]'))["insertedCount"], 2)

    def test_lines_of_standard_input(self):
        text = "".join(f'{{"_id": {i}}}\n' for i in range(2500))
        self.assertEqual(json.loads(self.ok("insert", self.users, "-", stdin=text)), {"insertedCount": 2500})
        self.assertEqual(self.ok("count", self.users), "2500\n")

    def test_documents_over_several_lines_and_an_array(self):
        self.ok("insert", self.users, "-", stdin='{\n  "_id": 1,\n "s": "}{\\""\n}{"_id": 2}\n\n  {"_id": 3}')
        self.ok("insert", self.users, "-", stdin='\n[\n{"_id": 4, "a": [[1], [2]]},\n{"_id": 5}\n]\n')
        self.assertEqual([d["_id"] for d in self.stored()], [1, 2, 3, 4, 5])

    def test_nothing_on_standard_input(self):
        for text in ["", "\n\n", "[]"]:
            self.assertEqual(json.loads(self.ok("insert", self.users, "-", stdin=text)), {"insertedCount": 0})

    def test_a_bad_line_is_named_and_those_before_it_are_stored(self):
        done = self.fails(1, r"mouv: insert: standard input:3: expected ':' at position 6", "insert", self.users, "-",
                          stdin='{"_id": 1}\n{"_id": 2}\n{"a" 1}\n{"_id": 4}\n')
        self.assertEqual(json.loads(done.stdout), {"insertedCount": 2})

    def test_what_is_no_document_on_standard_input(self):
        for text, why in [("7\n", "standard input:1: expected a document, not a number"), ("[[1]]", "not an array"),
                          ('{"_id": 1', "expected ',' or '}'"), ('[{"_id": 1}', "the array has no end"),
                          ('[{"a": 1}]x', "standard input:1: expected a value"),
                          ("}", "expected a value")]:
            with self.subTest(text):
                self.fails(1, why, "insert", self.users, "-", stdin=text)

    def test_a_duplicate_stops_an_ordered_stream(self):
        done = self.fails(1, r"insert: standard input:2: .*11000.*E11000", "insert", self.users, "-",
                          stdin='{"_id": 1}\n{"_id": 1}\n{"_id": 3}\n')
        self.assertEqual(json.loads(done.stdout), {"insertedCount": 1})

    def test_unordered_passes_over_duplicates(self):
        done = self.fails(1, r"standard input:2: .*11000", "insert", "--unordered", self.users, "-",
                          stdin='{"_id": 1}\n{"_id": 1}\n{"_id": 3}\n')
        self.assertEqual(json.loads(done.stdout), {"insertedCount": 2})

    def test_many_refusals_are_counted(self):
        done = run("insert", "--unordered", self.users, "-", stdin='{"_id": 1}\n' * 100)
        self.assertEqual(done.returncode, 1)
        self.assertIn("mouv: insert: ... and 79 more\n", done.stderr)

    def test_a_duplicate_is_named_with_code_and_name(self):
        self.ok("insert", self.users, '{"_id": 1}')
        self.fails(1, r"insert.*11000", "insert", self.users, '{"_id": 1}')
        done = self.fails(1, r"11000", "insert", self.users, '[{"_id": 2}, {"_id": 1}, {"_id": 3}]')
        self.assertEqual(json.loads(done.stdout), {"insertedCount": 1})

    def test_a_document_over_16_mb(self):
        self.fails(1, r"mouv: insert .*: .*16777216", "insert", self.users, "-",
                   stdin=json.dumps({"s": "x" * (17 << 20)}))
        self.assertEqual(self.stored(), [])

    def test_a_slow_writer_does_not_hold_documents_back(self):
        with start("insert", self.users, "-", stdin=subprocess.PIPE) as process:
            process.stdin.write('{"_id": 1}\n')
            process.stdin.flush()
            deadline = time.monotonic() + 10 * SLOW
            while self.ok("count", self.users) != "1\n" and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertEqual(self.ok("count", self.users), "1\n")
            self.assertEqual(json.loads(process.communicate("")[0]), {"insertedCount": 1})

    def test_find_into_insert(self):
        self.fill(1500)
        copied = self.ok("insert", self.db + ".copy", "-", stdin=self.ok("find", self.users, "--canonical"))
        self.assertEqual(json.loads(copied), {"insertedCount": 1500})


class UpdateAndDelete(Case):
    def test_update(self):
        self.fill(5)
        reply = json.loads(self.ok("update", self.users, '{"_id": 1}', '{"$set": {"x": 1}}'))
        self.assertEqual((reply["matchedCount"], reply["modifiedCount"]), (1, 1))
        reply = json.loads(self.ok("update", "--many", self.users, "{}", '[{"$set": {"y": "$n"}}]'))
        self.assertEqual(reply["matchedCount"], 5)
        self.assertEqual(lines(self.ok("find", self.users, '{"_id": 1}')), [{"_id": 1, "n": 1, "x": 1, "y": 1}])

    def test_upsert_and_replace(self):
        reply = json.loads(self.ok("update", "--upsert", "--replace", self.users, '{"_id": 9}', '{"a": 1}'))
        self.assertEqual((reply["upsertedCount"], reply["upsertedId"]), (1, 9))
        self.ok("update", "--replace", self.users, '{"_id": 9}', '{"b": 2}')
        self.assertEqual(lines(self.ok("find", self.users)), [{"_id": 9, "b": 2}])

    def test_array_filters(self):
        self.ok("insert", self.users, '{"_id": 1, "a": [1, 5, 9]}')
        self.ok("update", self.users, "{}", '{"$set": {"a.$[big]": 0}}', "--array-filters", '[{"big": {"$gt": 4}}]')
        self.assertEqual(lines(self.ok("find", self.users)), [{"_id": 1, "a": [1, 0, 0]}])

    def test_refused_updates(self):
        self.fails(2, "many and replace exclude each other", "update", "--many", "--replace", self.users, "{}", "{}")
        self.fails(1, r"mouv: update .*: .*'a' is no operator", "update", self.users, "{}", '{"a": 1}')
        self.fails(1, r"mouv: update .*: \S", "update", "--replace", self.users, "{}", '{"$set": {"a": 1}}')

    def test_delete(self):
        self.fill(5)
        self.assertEqual(json.loads(self.ok("delete", self.users, "{}"))["deletedCount"], 1)
        self.assertEqual(json.loads(self.ok("delete", "--many", self.users, "{}"))["deletedCount"], 4)


if __name__ == "__main__":
    main()
