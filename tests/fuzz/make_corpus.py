#!/usr/bin/env python3
"""Writes the inputs that fuzzing begins with: a few documents, good and bad, as each target wants them.

usage: make_corpus.py [FOLDER]      (corpus/ beside this file; other files there stay)
"""
import pathlib
import struct
import sys
import zlib

NOOP, SNAPPY, ZLIB, ZSTD = range(4)
REPLY, COMPRESSED, MSG = 1, 2012, 2013


def int32(number):
    return struct.pack("<i", number)


def document(*elements):
    inside = b"".join(elements)
    return int32(len(inside) + 5) + inside + b"\0"


def element(kind, value, name=b"a"):
    return bytes([kind]) + name + b"\0" + value


def string(text):
    return int32(len(text) + 1) + text + b"\0"


def code(text, scope):
    inside = string(text) + scope
    return int32(len(inside) + 4) + inside


def nested(depth):
    inside = document()
    for _ in range(depth - 1):
        inside = document(element(0x03, inside))
    return inside


VALUES = {
    "double": (0x01, struct.pack("<d", 1.5)),
    "string": (0x02, string(b"text")),
    "empty_string": (0x02, string(b"")),
    "document": (0x03, document(element(0x10, int32(1)))),
    "array": (0x04, document(element(0x10, int32(1), b"0"), element(0x02, string(b"x"), b"1"))),
    "binary": (0x05, int32(5) + b"\0" + b"12345"),
    "old_binary": (0x05, int32(9) + b"\2" + int32(5) + b"12345"),
    "undefined": (0x06, b""),
    "oid": (0x07, bytes(range(12))),
    "bool": (0x08, b"\1"),
    "date": (0x09, bytes(8)),
    "null": (0x0A, b""),
    "regex": (0x0B, b"^a\0i\0"),
    "dbpointer": (0x0C, string(b"db.c") + bytes(range(12))),
    "code": (0x0D, string(b"f()")),
    "symbol": (0x0E, string(b"s")),
    "scoped": (0x0F, code(b"f()", document(element(0x10, int32(1))))),
    "int32": (0x10, int32(1)),
    "timestamp": (0x11, bytes(8)),
    "int64": (0x12, bytes(8)),
    "decimal": (0x13, bytes(16)),
    "maxkey": (0x7F, b""),
    "minkey": (0xFF, b""),
}

ALL = document(*(element(kind, value, name.encode()) for name, (kind, value) in VALUES.items()))
BATCH = document(
    element(0x03, document(
        element(0x12, bytes(8), b"id"), element(0x02, string(b"shop.users"), b"ns"),
        element(0x04, document(*(element(0x03, document(element(0x10, int32(i), b"_id")), str(i).encode())
                                 for i in range(5))), b"firstBatch")), b"cursor"),
    element(0x01, struct.pack("<d", 1), b"ok"))


def good():
    yield "empty", document()
    yield "all", ALL
    yield "batch", BATCH
    yield "nested", nested(5)
    yield "deepest", nested(250)
    for name, (kind, value) in VALUES.items():
        yield name, document(element(kind, value))


def changed(data, at, *values):
    return data[:at] + bytes(values) + data[at + len(values):]


def bad():
    text, binary, scoped = (document(element(*VALUES[name])) for name in ("string", "old_binary", "scoped"))
    yield "nothing", b""
    yield "too_deep", nested(251)
    yield "no_room", int32(4)
    yield "short_length", changed(document(), 0, 4)
    yield "negative_length", changed(document(), 0, 255, 255, 255, 255)
    yield "open_end", changed(document(), 4, 1)
    yield "more_behind", document() + b"\0"
    yield "early_end", document(b"\0")
    yield "endless_name", document(b"\x10abc")
    yield "unknown_type", document(element(0x14, b""))
    yield "half_a_value", document(element(0x10, b"\1\0"))
    yield "bool_of_2", document(element(0x08, b"\2"))
    yield "long_string", changed(text, 7, 99)
    yield "open_string", changed(text, len(text) - 2, 1)
    yield "inner_length", changed(binary, 12, 6)
    yield "long_scope", changed(scoped, 19, 30)
    yield "open_regex", document(element(0x0B, b"^a"))
    yield "half", ALL[:len(ALL) // 2]


def documents():
    yield from (("good_" + name, data) for name, data in good())
    yield from (("bad_" + name, data) for name, data in bad())


def message(opcode, body):
    return struct.pack("<iiii", 16 + len(body), 5, 77, opcode) + body


def msg(data, flags=0, kind=0):
    return message(MSG, struct.pack("<IB", flags, kind) + data)


def reply(data, flags=8, count=1):
    return message(REPLY, struct.pack("<IqiI", flags, 0, 0, count) + data)


def snappy(data):
    """One literal; for less than 60 bytes."""
    return bytes([len(data), len(data) - 1 << 2]) + data


def zstd(data):
    """One frame with one raw block; for less than 256 bytes."""
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(data)]) + struct.pack("<I", len(data) << 3 | 1)[:3] + data


PACKERS = {NOOP: bytes, SNAPPY: snappy, ZLIB: zlib.compress, ZSTD: zstd}


def compressed(compressor, inside, size=None):
    body, opcode = inside[16:], struct.unpack("<i", inside[12:16])[0]
    size = len(body) if size is None else size
    return message(COMPRESSED, struct.pack("<iiB", opcode, size, compressor) + PACKERS[compressor](body))


def op_msg():
    small = document(element(0x01, struct.pack("<d", 1), b"ok"))
    for name, data in (("small", small), ("all", ALL), ("batch", BATCH), ("empty", document())):
        yield "msg_" + name, msg(data)
        yield "reply_" + name, reply(data)
    for name, data in bad():
        yield "msg_bad_" + name, msg(data)
    for compressor in PACKERS:
        yield f"compressed_{compressor}", compressed(compressor, msg(small))
        yield f"compressed_{compressor}_reply", compressed(compressor, reply(small))
        yield f"compressed_{compressor}_wrong_size", compressed(compressor, msg(small), 17)
    yield "compressed_twice", compressed(NOOP, compressed(NOOP, msg(small)))
    yield "compressed_huge", compressed(ZLIB, msg(small), 0x7FFFFFFF)
    yield "msg_optional_flag", msg(small, flags=0x10000)
    yield "msg_unknown_flag", msg(small, flags=2)
    yield "msg_section_1", msg(small, kind=1)
    yield "reply_no_document", reply(small, count=0)
    yield "other_opcode", message(2004, bytes(30))


def compress():
    texts = {"zeros": bytes(50), "text": b"the same, the same, the same, the same, the same",
             "bytes": bytes(range(50)), "one": b"x"}
    for name, data in texts.items():
        for compressor, pack in PACKERS.items():
            for level in (0, 7):  # -1 and 6
                packed = pack(data)
                yield f"{compressor}_{level}_{name}", bytes([compressor, level]) + struct.pack("<H", len(data)) + packed
        yield f"4_{name}", bytes([4, 0]) + struct.pack("<H", len(data)) + data
    for compressor, pack in PACKERS.items():
        yield f"{compressor}_room", bytes([compressor, 0]) + struct.pack("<H", 7) + pack(texts["text"])
        yield f"{compressor}_half", bytes([compressor, 0]) + struct.pack("<H", 48) + pack(texts["text"])[:20]
        yield f"{compressor}_nothing", bytes([compressor, 0, 0, 0])


def bson_split():
    for name, data in documents():
        yield name, bytes([3, 0, 7, 1, 20, 2, 5, 250]) + data
    yield "good_all_bytes", bytes([1] * 8) + ALL
    yield "good_batch_bytes", bytes([1] * 8) + BATCH


def incoming():
    for name, data in op_msg():
        yield name, bytes([3, 0, 7, 1, 20, 2, 5, 250]) + data


JSON = {  # each of them also with its last character missing
    "empty": "{}",
    "array": '[1, {"a": []}, null, true, false]',
    "numbers": '{"a": -1, "b": 1.5e-7, "c": 12345678901, "d": 99999999999999999999, "e": -0.0}',
    "wrapped_numbers": '{"a": {"$numberInt": "1"}, "b": {"$numberLong": "-1"}, "c": {"$numberDouble": "-Infinity"}, '
                       '"d": {"$numberDecimal": "1.50E+3"}}',
    "dates": '{"a": {"$date": "2024-02-29T13:05:06.789+01:00"}, "b": {"$date": {"$numberLong": "-1"}}}',
    "oid": '{"_id": {"$oid": "507f1f77bcf86cd799439011"}}',
    "binary": '{"a": {"$binary": {"base64": "AQIDBA==", "subType": "02"}}, "b": {"$binary": "AQID", "$type": "00"}, '
              '"c": {"$uuid": "01234567-89ab-cdef-0123-456789abcdef"}}',
    "regex": '{"a": {"$regularExpression": {"pattern": "^a", "options": "xi"}}, "b": {"$regex": "a", "$options": "i"}}',
    "code": '{"a": {"$code": "f()"}, "b": {"$code": "f()", "$scope": {"x": {"$code": "g()", "$scope": {}}}}}',
    "others": '{"a": {"$timestamp": {"t": 4294967295, "i": 1}}, "b": {"$minKey": 1}, "c": {"$maxKey": 1}, "d": '
              '{"$undefined": true}, "e": {"$symbol": "s"}, "f": {"$dbPointer": {"$ref": "a.b", "$id": '
              '{"$oid": "507f1f77bcf86cd799439011"}}}, "g": {"$ref": "c", "$id": 1, "$db": "d"}}',
    "operators": '{"a": {"$gt": 1, "$type": ["int", 2]}, "$or": [{"b": {"$regex": "x", "$nin": []}}], "c": {"$type": 2}}',
    "escapes": r'{"a\u0062\n": "\"\\\/\b\f\r\t\u00e4\ud83d\ude00\u0000"}',
    "utf8": '\ufeff{"ä€😀": "ä€😀"}',
    "space": ' \t\r\n{ "a" : [ ] , "b" : { } } ',
    "deep": '{"a": ' * 60 + "1" + "}" * 60,
    "comment": '{"a": 1 /* no */}',
    "half_pair": r'{"a": "\ud83d"}',
    "no_day": '{"a": {"$date": "2023-02-29T00:00:00Z"}}',
    "trailing": '{"a": 1} {"b": 2}',
}


def json_read():
    for name, text in JSON.items():
        yield name, text.encode()
        yield name + "_cut", text[:-1].encode()
    yield "not_utf8", b'{"a": "\xc0\x80"}'


TARGETS = {"bson_check": documents, "bson_split": bson_split, "compress": compress, "incoming": incoming,
           "json_read": json_read, "json_write": documents, "op_msg": op_msg}


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "corpus"
    for target, inputs in TARGETS.items():
        folder = root / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in inputs():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
