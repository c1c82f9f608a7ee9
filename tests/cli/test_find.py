"""find, aggregate, count, distinct, command, ping: what they print."""
import json
import os
import re
import shutil
import socket
import struct
import unittest

from _mouv import Case, lines, main, shell


class Find(Case):
    def test_every_executor(self):
        self.fill(3)
        for executor in ["threads", "uvpool", "loop"]:
            with self.subTest(executor):
                self.assertEqual(len(lines(self.ok("find", self.users, "--executor", executor))), 3)

    def test_prints_one_document_a_line_in_order(self):
        self.fill(250)
        text = self.ok("find", self.users, "--sort", '{"_id": 1}', "--batch-size", "7")
        self.assertEqual(lines(text), [{"_id": i, "n": i} for i in range(250)])

    def test_filter_sort_skip_limit_projection(self):
        self.fill(20)
        text = self.ok("find", self.users, '{"n": {"$gte": 10}}', "--sort", '{"n": -1}', "--skip", "2", "--limit", "3",
                       "--projection", '{"_id": 0}')
        self.assertEqual(lines(text), [{"n": 17}, {"n": 16}, {"n": 15}])

    def test_nothing_found_prints_nothing(self):
        self.assertEqual(self.ok("find", self.users), "")

    def test_filter_from_standard_input(self):
        self.fill(3)
        self.assertEqual(lines(self.ok("find", self.users, "-", stdin='{"_id":\n 1}\n')), [{"_id": 1, "n": 1}])

    def test_database_from_option_and_before_the_command(self):
        self.fill(1)
        self.assertEqual(len(lines(self.ok("find", "users", "--db", self.db))), 1)
        self.assertEqual(len(lines(self.ok("--db", self.db, "find", "users"))), 1)

    def test_relaxed_and_canonical(self):
        document = '{"_id": {"$numberLong": "5"}, "d": {"$date": "2024-05-01T00:00:00Z"}, "x": 1.5}'
        self.ok("insert", self.users, document)
        relaxed = json.loads(self.ok("find", self.users))
        self.assertEqual(relaxed, {"_id": 5, "d": {"$date": "2024-05-01T00:00:00Z"}, "x": 1.5})
        canonical = json.loads(self.ok("find", self.users, "--canonical"))
        self.assertEqual(canonical, {"_id": {"$numberLong": "5"}, "d": {"$date": {"$numberLong": "1714521600000"}},
                                     "x": {"$numberDouble": "1.5"}})

    def test_numbers_are_as_short_as_they_can_be_and_read_back_the_same(self):
        numbers = [1.1, 0.1 + 0.2, 5.0, 1e300, -2.5e-7, 123456789.123456789, 1 / 3, 5e-324, 1e22, 2**53 + 0.0]
        self.ok("insert", self.users, json.dumps({"_id": 1, "s": "1.1000000000000000888", "a": numbers}))
        text = self.ok("find", self.users)
        self.assertEqual(json.loads(text), {"_id": 1, "s": "1.1000000000000000888", "a": numbers})
        self.assertIn("[ 1.1, 0.30000000000000004, 5.0, ", text)
        self.assertIn('"n": 9007199254740993', self.ok("find", self.users, "--pretty", "--limit", "1", "--projection",
                                                        '{"n": {"$literal": {"$numberLong": "9007199254740993"}}}'))

    def test_pretty(self):
        self.ok("insert", self.users, '{"_id": {"$oid": "0123456789abcdef01234567"}, "a": [1, {"b": "x, \\"y\\": {"}],'
                ' "e": {}, "f": []}')
        self.assertEqual(self.ok("find", self.users, "--pretty"), """{
  "_id": { "$oid": "0123456789abcdef01234567" },
  "a": [
    1,
    {
      "b": "x, \\"y\\": {"
    }
  ],
  "e": {},
  "f": []
}
""")

    def store_raw(self, document):
        """Past mouv, which refuses what is not UTF-8: an OP_MSG of its own with an insert of this document."""
        def element(kind, name, value):
            return bytes([kind]) + name.encode() + b"\0" + value

        def text(value):
            return struct.pack("<i", len(value) + 1) + value.encode() + b"\0"

        def bson(*elements):
            return struct.pack("<i", sum(map(len, elements)) + 5) + b"".join(elements) + b"\0"
        command = bson(element(2, "insert", text("users")), element(4, "documents", bson(element(3, "0", document))),
                       element(2, "$db", text(self.db)))
        message = struct.pack("<iiiiib", 21 + len(command), 1, 0, 2013, 0, 0) + command
        host, port = re.match(r"mongodb://([^:/]+):(\d+)", os.environ["MONGODB_URI"]).groups()
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(message)
            self.assertIn(b"ok\0" + struct.pack("<d", 1), connection.recv(4096))

    def test_text_that_is_not_utf8_is_named_by_its_id(self):
        self.ok("insert", self.users, '{"_id": 1}')
        self.store_raw(b"\x19\0\0\0\x10_id\0\x02\0\0\0\x02s\0\x04\0\0\0a\xc0\x80\0\0")
        self.ok("insert", self.users, '{"_id": 3}')
        done = self.fails(1, r"a document with the _id 2 cannot be shown: text is not UTF-8 in 's' \(--lossy shows it\)",
                          "find", self.users, "--sort", '{"_id": 1}')
        self.assertEqual(lines(done.stdout), [{"_id": 1}])
        self.assertEqual(lines(self.ok("find", self.users, "--lossy", "--sort", '{"_id": 1}')),
                         [{"_id": 1}, {"_id": 2, "s": "a\ufffd\ufffd"}, {"_id": 3}])

    def test_what_find_prints_insert_takes(self):
        self.ok("insert", self.users, '[{"_id": 1, "": {"": 2}}, {"_id": 2, "d": {"$date": {"$numberLong": "253402300800000"}}}, '
                '{"_id": 3, "a": %s1%s}, {"_id": 4, "n": {"$numberDouble": "NaN"}, "x": 1, "x": 2}]' % ('{"a": ' * 178, "}" * 178))
        for form in [[], ["--canonical"], ["--pretty"]]:
            copy = self.db + ".copy"
            self.ok("insert", copy, "-", stdin=self.ok("find", self.users, *form))
            self.assertEqual(self.ok("find", copy, "--canonical"), self.ok("find", self.users, "--canonical"))
            self.ok("delete", "--many", copy, "{}")

    def test_explain(self):
        self.fill(1)
        plan = json.loads(self.ok("aggregate", self.users, "[]", "--options", '{"explain": true}'))
        self.assertIn("queryPlanner", plan)

    def test_unicode_goes_through(self):
        self.ok("insert", self.users, '{"_id": 1, "s": "Zoë \\u00e9 😀"}')
        self.assertEqual(json.loads(self.ok("find", self.users))["s"], "Zoë é 😀")

    def test_options_go_to_the_server(self):
        self.ok("insert", self.users, '[{"_id": 1, "s": "a"}, {"_id": 2, "s": "A"}]')
        self.assertEqual(len(lines(self.ok("find", self.users, '{"s": "a"}', "--options",
                                           '{"collation": {"locale": "en", "strength": 2}}'))), 2)
        self.assertEqual(len(lines(self.ok("find", self.users, "--hint", "_id_"))), 2)
        self.assertEqual(len(lines(self.ok("find", self.users, "--hint", '{"_id": 1}'))), 2)

    @unittest.skipUnless(shutil.which("jq"), "no jq")
    def test_jq_reads_it(self):
        self.fill(5)
        done = shell('"$MOUV" find "$C" --sort \'{"_id": 1}\' | jq .n', C=self.users)
        self.assertEqual(done.stdout.split(), ["0", "1", "2", "3", "4"])

    def test_results_are_printed_before_the_next_batch_is_there(self):
        self.fill(6)
        started = shell('"$MOUV" find "$C" --batch-size 2 --sort \'{"_id": 1}\' '
                        '\'{"$expr": {"$function": {"body": "function(n) { if (n == 5) sleep(1500); return true; }",'
                        ' "args": ["$n"], "lang": "js"}}}\' '
                        '| while read line; do date +%s%N; done', C=self.users).stdout.split()
        self.assertEqual(len(started), 6)
        self.assertGreater(int(started[5]) - int(started[0]), 1_000_000_000)


class Others(Case):
    def test_aggregate(self):
        self.fill(10)
        self.assertEqual(lines(self.ok("aggregate", self.users, '[{"$group": {"_id": null, "sum": {"$sum": "$n"}}}]')),
                         [{"_id": None, "sum": 45}])
        self.assertEqual(self.ok("aggregate", self.users, "-", stdin='[{"$match": {"n": 99}}]'), "")

    def test_count(self):
        self.fill(10)
        self.assertEqual(self.ok("count", self.users), "10\n")
        self.assertEqual(self.ok("count", self.users, '{"n": {"$lt": 3}}'), "3\n")
        self.assertEqual(self.ok("count", self.users, "--skip", "2", "--limit", "5"), "5\n")
        self.assertEqual(self.ok("count", "--estimated", self.users), "10\n")
        self.fails(2, "an estimated count takes no filter", "count", "--estimated", self.users, '{"a": 1}')

    def test_distinct(self):
        self.ok("insert", self.users, '[{"c": "x"}, {"c": "y"}, {"c": "x"}, {"c": {"$date": "2024-05-01T00:00:00Z"}}]')
        values = lines(self.ok("distinct", self.users, "c"))
        self.assertEqual(sorted(values, key=str), sorted(["x", "y", {"$date": "2024-05-01T00:00:00Z"}], key=str))
        self.assertEqual(self.ok("distinct", self.users, "c", '{"c": "y"}'), '"y"\n')

    def test_command(self):
        self.assertEqual(json.loads(self.ok("command", '{"ping": 1}'))["ok"], 1)
        self.fill(3)
        self.assertEqual(json.loads(self.ok("command", "--db", self.db, '{"count": "users"}'))["n"], 3)

    def test_ping(self):
        result = json.loads(self.ok("ping"))
        self.assertEqual(result["ok"], 1)
        self.assertGreater(result["roundTripMS"], 0)
        self.assertGreater(result["withConnectMS"], result["roundTripMS"])


if __name__ == "__main__":
    main()
