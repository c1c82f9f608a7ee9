"""insert, update, delete: what is stored, what is said about it."""
import json
import os
import subprocess
import time

from _mouv import MOUV, SLOW, Case, lines, main, run, start


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
        for text, why in [("7\n", "standard input:1: expected a document or an array, not a number"), ("[[1]]", "not an array"),
                          ('{"_id": 1', "the text ends too early"), ('[{"_id": 1}', "the array has no end"),
                          ('[{"a": 1}]x', "standard input:1: this is not JSON"),
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

    def test_all_refusals_are_named(self):
        done = run("insert", "--unordered", self.users, "-", stdin='{"_id": 1}\n' * 100)
        self.assertEqual(done.returncode, 1)
        self.assertEqual([line.split(":")[3] for line in done.stderr.splitlines()], [str(i) for i in range(2, 101)])

    def test_all_refusals_of_an_array_are_named(self):
        documents = [{"_id": i % 3} for i in range(5)]
        done = run("insert", "--unordered", self.users, json.dumps(documents))
        self.assertEqual((done.returncode, json.loads(done.stdout)), (1, {"insertedCount": 3}))
        self.assertEqual([line.split(": DuplicateKey (11000): ")[0] for line in done.stderr.splitlines()],
                         ["mouv: insert: documents: element 3", "mouv: insert: documents: element 4"])
        done = run("query", "-", stdin=json.dumps({"insert": self.users, "documents": documents, "ordered": False}))
        self.assertEqual(done.returncode, 1)
        self.assertEqual([line.split(": DuplicateKey (11000): ")[0] for line in done.stderr.splitlines()],
                         [f"mouv: standard input:1: documents: element {i}" for i in range(5)])

    def test_a_document_that_only_the_server_refuses_has_its_codes_name(self):
        for document, stdin in [('{"_id": [1]}', None), ("-", '{"_id": [1]}')]:
            self.fails(1, r"InvalidIdField \(53\)", "insert", self.users, document, stdin=stdin)

    def test_a_duplicate_is_named_with_code_and_name(self):
        self.ok("insert", self.users, '{"_id": 1}')
        self.fails(1, r"insert.*DuplicateKey \(11000\)", "insert", self.users, '{"_id": 1}')
        self.fails(1, r"input:1: DuplicateKey \(11000\)", "insert", self.users, "-", stdin='{"_id": 1}')
        done = self.fails(1, r"DuplicateKey \(11000\)", "insert", self.users, '[{"_id": 2}, {"_id": 1}, {"_id": 3}]')
        self.assertEqual(json.loads(done.stdout), {"insertedCount": 1})

    def test_a_document_over_16_mb_is_named_and_the_others_are_stored(self):
        text = '{"_id": 1}\n' + json.dumps({"_id": 2, "s": "x" * (17 << 20)}) + '\n{"_id": 3}\n'
        done = self.fails(1, r"mouv: insert: standard input:2: .*16777216", "insert", self.users, "-", stdin=text)
        self.assertEqual(json.loads(done.stdout), {"insertedCount": 1})
        self.assertEqual(self.stored(), [{"_id": 1}])
        self.fails(1, r"standard input:2: ", "insert", "--unordered", self.db + ".all", "-", stdin=text)
        self.assertEqual(lines(self.ok("find", self.db + ".all")), [{"_id": 1}, {"_id": 3}])

    def test_a_document_too_deep_to_be_stored_is_named_and_the_others_are_stored(self):
        text = '{"_id": 1}\n{"_id": 2, "a": %s1%s}\n{"_id": 3}\n' % ('{"a": ' * 184, "}" * 184)
        self.fails(1, r"standard input:2: .*nested too deeply", "insert", "--unordered", self.users, "-", stdin=text)
        self.assertEqual(self.stored(), [{"_id": 1}, {"_id": 3}])

    def test_values_that_are_almost_right_are_refused(self):
        for value in ['{"$oid": "507f1f77bcf86cd79943901z"}', '{"$numberDecimal": "1,5"}', '{"$numberDouble": "abc"}',
                      '{"$date": "2024-02-30T00:00:00Z"}', '{"$timestamp": {"t": 4294967296, "i": 1}}',
                      '{"$undefined": false}', '"a\\ud800"']:
            with self.subTest(value):
                self.fails(1, "standard input:1: .* at position", "insert", self.users, "-", stdin=f'{{"v": {value}}}')
                self.fails(2, "documents: .* at position", "insert", self.users, f'{{"v": {value}}}')
        self.assertEqual(self.stored(), [])

    def test_bytes_that_are_not_utf8_do_not_get_in(self):
        done = subprocess.run([MOUV, "insert", self.users, "-"], input=b'{"_id": 1}\n{"s": "a\xc0\x80b"}\n', capture_output=True)
        self.assertEqual((done.returncode, done.stdout), (1, b'{ "insertedCount" : 1 }\n'))
        self.assertIn(b"standard input:2: not UTF-8 at position 9", done.stderr)

    def test_what_was_stored_is_printed_where_the_write_concern_failed(self):
        concern = '{"writeConcern": {"w": 9, "wtimeout": 100}}'
        for documents, stdin in [('{"_id": 1}', None), ('[{"_id": 2}]', None), ("-", '{"_id": 3}')]:
            done = self.fails(1, r"\(100\)", "insert", self.users, documents, "--options", concern, stdin=stdin)
            self.assertEqual(json.loads(done.stdout), {"insertedCount": 1})
        for command, counted in [(["update", self.users, '{"_id": 1}', '{"$set": {"a": 1}}'], "modifiedCount"),
                                 (["delete", self.users, '{"_id": 1}'], "deletedCount")]:
            done = self.fails(1, r"\(100\)", *command, "--options", concern)
            self.assertEqual(json.loads(done.stdout)[counted], 1)
        done = self.fails(1, r"\(100\)", "delete", self.users, '{"_id": 1}', "--options", concern)
        self.assertEqual(done.stdout, "")  # nothing was done

    def test_of_unacknowledged_writes_no_number_is_printed(self):
        uri = os.environ["MONGODB_URI"]
        uri += ("&" if "?" in uri else "?" if uri.count("/") > 2 else "/?") + "w=0"
        for options in ["--options", '{"writeConcern": {"w": 0}}'], ["--uri", uri]:
            for command in (["insert", self.users, "{}"], ["update", self.users, "{}", '{"$set": {"a": 1}}'],
                            ["delete", self.users, "{}"]):
                self.assertEqual(json.loads(self.ok(*command, *options)), {"acknowledged": False})
        for documents, stdin in [('{"_id": 1}', None), ('[{"_id": 2}]', None), ("-", '{"_id": 3}')]:
            said = self.ok("insert", self.users, documents, "--options", '{"writeConcern": {"w": 0}}', stdin=stdin)
            self.assertEqual(json.loads(said), {"acknowledged": False})

    def test_a_byte_order_mark_is_passed_over(self):
        for text, count in [('\ufeff{"_id": 1}\n', 1), ('\ufeff[{"_id": 2}, {"_id": 3}]', 2), ('\ufeff', 0)]:
            self.assertEqual(json.loads(self.ok("insert", self.users, "-", stdin=text)), {"insertedCount": count})
        self.assertEqual(self.ok("count", self.users, "-", stdin="\ufeff{}"), "3\n")

    def test_a_broken_array_is_refused_from_standard_input_too(self):
        for text, why in [('[{"_id": 1}, {"_id": 2},]', "expected a value"), ('[{"_id": 3} {"_id": 4}]', r"expected ',' or '\]'"),
                          ('[,{"_id": 5}]', "expected a value")]:
            with self.subTest(text):
                self.fails(1, "standard input:1: " + why, "insert", self.users, "-", stdin=text)
                self.fails(2, "documents: ", "insert", self.users, text)

    def test_nothing_to_insert(self):
        self.assertEqual(json.loads(self.ok("insert", self.users, "[]")), {"insertedCount": 0})

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
        self.fails(2, r"mouv: update .*: .*'a' is no operator", "update", self.users, "{}", '{"a": 1}')
        self.fails(2, r"mouv: update .*: \S", "update", "--replace", self.users, "{}", '{"$set": {"a": 1}}')

    def test_delete(self):
        self.fill(5)
        self.assertEqual(json.loads(self.ok("delete", self.users, "{}"))["deletedCount"], 1)
        self.assertEqual(json.loads(self.ok("delete", "--many", self.users, "{}"))["deletedCount"], 4)


if __name__ == "__main__":
    main()
