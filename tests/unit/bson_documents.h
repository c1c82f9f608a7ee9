/*
 * Documents, good and bad ones, for the checks of BSON.
 */
#ifndef MOUV_TESTS_BSON_DOCUMENTS_H
#define MOUV_TESTS_BSON_DOCUMENTS_H

#include <stddef.h>
#include <stdint.h>

#include <bson/bson.h>

static inline bson_t *with_every_type(void) {
    bson_oid_t oid;
    bson_decimal128_t decimal = {1, 2};
    bson_t *scope = BCON_NEW("x", BCON_INT32(1)), *array = BCON_NEW("0", BCON_INT32(1));
    bson_t *document = bson_new();
    bson_oid_init_from_string(&oid, "0123456789abcdef01234567");
    BSON_APPEND_DOUBLE(document, "double", 1.5);
    BSON_APPEND_UTF8(document, "string", "text");
    BSON_APPEND_UTF8(document, "", "");
    BSON_APPEND_DOCUMENT(document, "document", scope);
    BSON_APPEND_ARRAY(document, "array", array);
    BSON_APPEND_BINARY(document, "binary", BSON_SUBTYPE_BINARY, (const uint8_t *)"12345", 5);
    BSON_APPEND_BINARY(document, "old", BSON_SUBTYPE_BINARY_DEPRECATED, (const uint8_t *)"12345",
                       5);
    BSON_APPEND_UNDEFINED(document, "undefined");
    BSON_APPEND_OID(document, "oid", &oid);
    BSON_APPEND_BOOL(document, "bool", true);
    BSON_APPEND_DATE_TIME(document, "date", 1);
    BSON_APPEND_NULL(document, "null");
    BSON_APPEND_REGEX(document, "regex", "^a", "i");
    BSON_APPEND_DBPOINTER(document, "dbpointer", "db.c", &oid);
    BSON_APPEND_CODE(document, "code", "f()");
    BSON_APPEND_SYMBOL(document, "symbol", "s");
    BSON_APPEND_CODE_WITH_SCOPE(document, "scoped", "f()", scope);
    BSON_APPEND_INT32(document, "int32", 1);
    BSON_APPEND_TIMESTAMP(document, "timestamp", 1, 2);
    BSON_APPEND_INT64(document, "int64", 1);
    BSON_APPEND_DECIMAL128(document, "decimal", &decimal);
    BSON_APPEND_MAXKEY(document, "max");
    BSON_APPEND_MINKEY(document, "min");
    bson_destroy(scope);
    bson_destroy(array);
    return document;
}

static inline bson_t *nested(int depth) {
    bson_t *document = bson_new();
    for (int i = 1; i < depth; i++) {
        bson_t *outer = bson_new();
        BSON_APPEND_DOCUMENT(outer, "d", document);
        bson_destroy(document);
        document = outer;
    }
    return document;
}

typedef struct bad_document {
    const char *what;
    const char *bytes;
    size_t size;
    const char *why; /* a part of what is said of it */
} bad_document_t;

static const bad_document_t bad_documents[] = {
/* clang-format off */
#define BYTES(text) text, sizeof(text) - 1
    {"nothing", BYTES(""), "no room"},
    {"four bytes", BYTES("\4\0\0\0"), "no room"},
    {"too short a length", BYTES("\4\0\0\0\0"), "length of 4"},
    {"too long a length", BYTES("\6\0\0\0\0"), "length of 6"},
    {"a negative length", BYTES("\xff\xff\xff\xff\0"), "length of 4294967295"},
    {"no zero at the end", BYTES("\5\0\0\0\1"), "end with zero"},
    {"bytes behind it", BYTES("\5\0\0\0\0\0"), "length of 5 instead of 6"},
    {"a zero too early", BYTES("\6\0\0\0\0\0"), "too early"},
    {"an endless name", BYTES("\x08\0\0\0\x0a" "ab\0"), "name without an end"},
    {"an unknown type", BYTES("\x08\0\0\0\x14" "a\0\0"), "type 0x14"},
    {"half an int32", BYTES("\x0a\0\0\0\x10" "a\0\1\0\0"), "value of 4"},
    {"a bool of 2", BYTES("\x09\0\0\0\x08" "a\0\2\0"), "neither true nor false"},
    {"a string of length 0", BYTES("\x0d\0\0\0\2a\0\0\0\0\0\0\0"), "string's length of 0"},
    {"a long string", BYTES("\x0e\0\0\0\2a\0\3\0\0\0b\0\0"), "string's length of 3"},
    {"an open string", BYTES("\x0d\0\0\0\2a\0\1\0\0\0b\0"), "string that does not end with zero"},
    {"long binary data", BYTES("\x0e\0\0\0\5a\0\2\0\0\0\0x\0"), "binary data's length of 2"},
    {"old binary data", BYTES("\x11\0\0\0\5a\0\4\0\0\0\2\1\0\0\0\0"), "inner length"},
    {"an open pattern", BYTES("\x0a\0\0\0\x0b" "a\0bc\0"), "pattern without"},
    {"no options", BYTES("\x0b\0\0\0\x0b" "a\0b\0c\0"), "options without"},
    {"an inner document", BYTES("\x0d\0\0\0\3a\0\6\0\0\0\0\0"), "length of 6"},
    {"a scope", BYTES("\x1a\0\0\0\x0f" "a\0\x12\0\0\0\1\0\0\0\0\5\0\0\0\0\0\0\0\0\0"), "length of 5 instead of 9"},
    {"no bool", BYTES("\x08\0\0\0\x08" "a\0\0"), "no room for true"},
    {"no string", BYTES("\x0b\0\0\0\2a\0\0\0\0\0"), "no room for a string"},
    {"no binary data", BYTES("\x0b\0\0\0\5a\0\0\0\0\0"), "no room for binary"},
    {"short old binary data", BYTES("\x10\0\0\0\5a\0\3\0\0\0\2abc\0"), "inner length"},
    {"no code", BYTES("\x0c\0\0\0\x0f" "a\0\0\0\0\0\0"), "no room for code"},
    {"short code", BYTES("\x16\0\0\0\x0f" "a\0\x0d\0\0\0\1\0\0\0\0\5\0\0\0\0\0"), "scope of length 13"},
    {"no scope", BYTES("\x16\0\0\0\x0f" "a\0\x0e\0\0\0\6\0\0\0hello\0\0"), "no room for a document"},
    {"half a pointer", BYTES("\x10\0\0\0\x0c" "a\0\1\0\0\0\0" "123\0"), "value of 12"},
    {"an inner end", BYTES("\x0d\0\0\0\3a\0\5\0\0\0\1\0"), "end with zero"},
#undef BYTES
    /* clang-format on */
};

#define BAD_DOCUMENT_COUNT (sizeof(bad_documents) / sizeof(bad_documents[0]))

#endif
