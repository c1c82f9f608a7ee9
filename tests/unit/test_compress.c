/*
 * Compressing what is sent: each compressor there and back, what is agreed on, OP_COMPRESSED.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mongo/wire/compress.h"
#include "mongo/wire/op_compressed.h"
#include "mongo/wire/op_msg.h"

enum { NOOP, SNAPPY, ZLIB, ZSTD, UNKNOWN };

static char why[256];

static bool is_there(uint8_t compressor) {
    return mouv__compress_bound(compressor, 1) > 0;
}

/* As good as random, or the same again and again; a pointer for 0 bytes as well. */
static uint8_t *data_of(size_t size, bool random) {
    uint8_t *data = malloc(size + !size);
    uint32_t number = 1;
    assert_non_null(data);
    for (size_t i = 0; i < size; i++) {
        number = number * 1664525 + 1013904223;
        data[i] = random ? (uint8_t)(number >> 24) : (uint8_t)(i / 100);
    }
    return data;
}

/* --- There and back -------------------------------------------------------------------------- */

static size_t there_and_back(uint8_t compressor, int level, const uint8_t *data, size_t size) {
    size_t bound = mouv__compress_bound(compressor, size), length = bound;
    uint8_t *packed = malloc(bound + !bound), *back = malloc(size + !size);
    assert_true(mouv__compress_do(compressor, level, data, size, packed, &length));
    assert_true(length <= bound);
    assert_true(mouv__compress_undo(compressor, packed, length, back, size, why, sizeof(why)));
    assert_memory_equal(back, data, size);
    free(packed);
    free(back);
    return length;
}

static void what_is_compressed_comes_back(void **state) {
    const size_t sizes[] = {0, 1, 2, 100, 5000, 300000};
    (void)state;
    for (uint8_t compressor = NOOP; compressor < UNKNOWN; compressor++) {
        if (!is_there(compressor)) continue;
        for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
            size_t size = sizes[i / 2];
            uint8_t *data = data_of(size, i % 2);
            size_t length = there_and_back(compressor, -1, data, size);
            if (compressor != NOOP && size > 1000 && i % 2 == 0) assert_true(length < size / 10);
            free(data);
        }
    }
}

static void the_level_is_that_of_zlib(void **state) {
    (void)state;
    if (!is_there(ZLIB)) skip();
    uint8_t *data = data_of(20000, false);
    for (size_t i = 0; i < 20000; i += 7) data[i] = (uint8_t)(i * i >> 5);
    size_t stored = there_and_back(ZLIB, 0, data, 20000);
    size_t fast = there_and_back(ZLIB, 1, data, 20000);
    size_t best = there_and_back(ZLIB, 9, data, 20000);
    assert_true(stored > 20000);
    assert_true(fast < stored);
    assert_true(best < fast);
    free(data);
}

static void without_room_nothing_is_changed(void **state) {
    uint8_t to[8];
    (void)state;
    uint8_t *data = data_of(1000, true);
    for (uint8_t compressor = NOOP; compressor < UNKNOWN; compressor++) {
        size_t size = sizeof(to);
        assert_false(mouv__compress_do(compressor, -1, data, 1000, to, &size));
        assert_int_equal(size, sizeof(to));
    }
    free(data);
}

static void an_unknown_compressor_does_nothing(void **state) {
    uint8_t to[8];
    size_t size = sizeof(to);
    (void)state;
    for (int compressor = UNKNOWN; compressor < 256; compressor++) {
        assert_int_equal(mouv__compress_bound((uint8_t)compressor, 1), 0);
        assert_false(mouv__compress_do((uint8_t)compressor, -1, to, 1, to, &size));
    }
    assert_int_equal(size, sizeof(to));
}

/* --- What is agreed on ----------------------------------------------------------------------- */

/* JSON with ' for ". */
static int agreed(const char *quoted) {
    char json[256] = "";
    bson_error_t error;
    strncpy(json, quoted, sizeof(json) - 1);
    for (char *at = json; (at = strchr(at, '\'')) != NULL;) *at = '"';
    bson_t *hello = bson_new_from_json((const uint8_t *)json, -1, &error);
    assert_non_null(hello);
    int number = mouv__compress_agreed(hello);
    bson_destroy(hello);
    return number;
}

static void the_first_of_the_servers_list_is_agreed_on(void **state) {
    (void)state;
    assert_int_equal(agreed("{'ok': 1}"), -1);
    assert_int_equal(agreed("{'compression': []}"), -1);
    assert_int_equal(agreed("{'compression': 'zlib'}"), -1);
    assert_int_equal(agreed("{'compression': ['lzma', 5]}"), -1);
    assert_int_equal(agreed("{'compression': ['noop']}"), NOOP);
    if (!is_there(SNAPPY) || !is_there(ZLIB) || !is_there(ZSTD)) skip();
    assert_int_equal(agreed("{'compression': ['zstd', 'snappy', 'zlib']}"), ZSTD);
    assert_int_equal(agreed("{'compression': ['snappy', 'zlib', 'zstd']}"), SNAPPY);
    assert_int_equal(agreed("{'compression': ['lzma', 5, 'zlib', 'zstd']}"), ZLIB);
}

static int level(const char *text) {
    mongoc_uri_t *uri = mongoc_uri_new(text);
    assert_non_null(uri);
    int number = mouv__compress_level(uri);
    mongoc_uri_destroy(uri);
    return number;
}

static void the_level_is_that_of_the_uri(void **state) {
    (void)state;
    assert_int_equal(level("mongodb://host"), -1);
    assert_int_equal(level("mongodb://host/?compressors=zlib&zlibCompressionLevel=7"), 7);
    assert_int_equal(level("mongodb://host/?compressors=zlib&zlibCompressionLevel=-1"), -1);
}

static void commands_with_secrets_are_never_compressed(void **state) {
    const char *const never[] = {"hello",      "isMaster",   "ismaster",        "saslStart",
                                 "getnonce",   "createUser", "saslContinue",    "authenticate",
                                 "updateUser", "copydb",     "copydbSaslStart", "copydbgetnonce"};
    const char *const others[] = {"find", "insert", "ping", "hell", "hello2", "copy", ""};
    (void)state;
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        if (mouv__op_compressed_suits(never[i])) fail_msg("%s", never[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (!mouv__op_compressed_suits(others[i])) fail_msg("%s", others[i]);
}

/* --- OP_COMPRESSED --------------------------------------------------------------------------- */

/* A message as far as its compression looks at it. */
static uint8_t *message_of(size_t size) {
    uint8_t *message = data_of(size, false);
    mouv__op_msg_header_t header = {(int32_t)size, 5, 77, MOUV__WIRE_MSG};
    mouv__op_msg_put_header(&header, message);
    return message;
}

/* What a receiver makes of it. */
static void assert_is_inside(const uint8_t *bytes, size_t length, uint8_t compressor,
                             const uint8_t *message, size_t size) {
    mouv__op_msg_compressed_t inside;
    mouv__op_msg_header_t header = mouv__op_msg_header(bytes);
    assert_int_equal(header.length, length);
    assert_int_equal(header.request_id, 5);
    assert_int_equal(header.opcode, MOUV__WIRE_COMPRESSED);
    assert_true(mouv__op_msg_check_header(&header, 77, why, sizeof(why)));
    assert_true(mouv__op_msg_check_compressed(&header, bytes + 16, &inside, why, sizeof(why)));
    assert_int_equal(inside.compressor, compressor);
    assert_int_equal(inside.header.length, size);
    assert_int_equal(inside.header.opcode, MOUV__WIRE_MSG);
    uint8_t *back = malloc(size);
    mouv__op_msg_put_header(&inside.header, back);
    assert_true(mouv__compress_undo(inside.compressor, inside.data, inside.size, back + 16,
                                    size - 16, why, sizeof(why)));
    assert_memory_equal(back, message, size);
    free(back);
}

static void a_message_is_found_in_its_compressed_one(void **state) {
    const size_t sizes[] = {26, 300, 100000};
    (void)state;
    for (uint8_t compressor = NOOP; compressor < UNKNOWN; compressor++) {
        if (!is_there(compressor)) continue;
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            uint8_t *message = message_of(sizes[i]);
            size_t bound = mouv__op_compressed_bound(compressor, sizes[i]);
            uint8_t *bytes = malloc(bound);
            size_t length = mouv__op_compressed_put(compressor, -1, message, sizes[i], bytes);
            assert_true(length >= 26 && length <= bound);
            assert_is_inside(bytes, length, compressor, message, sizes[i]);
            free(bytes);
            free(message);
        }
    }
}

static void no_message_is_compressed_by_an_unknown_compressor(void **state) {
    uint8_t to[64];
    (void)state;
    uint8_t *message = message_of(30);
    assert_int_equal(mouv__op_compressed_bound(UNKNOWN, 30), 0);
    assert_int_equal(mouv__op_compressed_put(UNKNOWN, -1, message, 30, to), 0);
    free(message);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_compressed_comes_back),
        cmocka_unit_test(the_level_is_that_of_zlib),
        cmocka_unit_test(without_room_nothing_is_changed),
        cmocka_unit_test(an_unknown_compressor_does_nothing),
        cmocka_unit_test(the_first_of_the_servers_list_is_agreed_on),
        cmocka_unit_test(the_level_is_that_of_the_uri),
        cmocka_unit_test(commands_with_secrets_are_never_compressed),
        cmocka_unit_test(a_message_is_found_in_its_compressed_one),
        cmocka_unit_test(no_message_is_compressed_by_an_unknown_compressor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
