/*
 * What is let through of a server's answers: framing, BSON, compression.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/bson_walk.h"
#include "bson_documents.h"
#include "mongo/wire/bson_check.h"
#include "mongo/wire/compress.h"
#include "mongo/wire/op_msg.h"

#ifdef MOUV_HAVE_ZLIB
#include <zlib.h>
#endif

#define REQUEST 77

static char why[256];

/* --- Messages -------------------------------------------------------------------------------- */

typedef struct message {
    uint8_t *bytes; /* exactly `size`, so that a sanitizer sees a read beyond them */
    size_t size;
} message_t;

static void put(uint8_t *at, uint32_t value) {
    value = BSON_UINT32_TO_LE(value);
    memcpy(at, &value, sizeof(value));
}

static message_t message_new(int32_t opcode, size_t body) {
    message_t message = {calloc(1, MOUV__WIRE_HEADER_BYTES + body), MOUV__WIRE_HEADER_BYTES + body};
    mouv__op_msg_header_t header = {(int32_t)message.size, 5, REQUEST, opcode};
    assert_non_null(message.bytes);
    mouv__op_msg_put_header(&header, message.bytes);
    return message;
}

static message_t msg_with(const bson_t *document) {
    message_t message = message_new(MOUV__WIRE_MSG, 5 + document->len);
    memcpy(message.bytes + 21, bson_get_data(document), document->len);
    return message;
}

static message_t reply_with(const bson_t *document) {
    message_t message = message_new(MOUV__WIRE_REPLY, 20 + document->len);
    put(message.bytes + 32, 1);
    memcpy(message.bytes + 36, bson_get_data(document), document->len);
    return message;
}

static bool is_let_through(const message_t *message) {
    mouv__op_msg_header_t header = mouv__op_msg_header(message->bytes);
    why[0] = '\0';
    if (!mouv__op_msg_check_header(&header, REQUEST, why, sizeof(why)) ||
        !mouv__op_msg_check_start(&header, message->bytes, why, sizeof(why)))
        return false;
    assert_int_equal(header.length, message->size); /* more or less is waited for */
    return mouv__op_msg_check_body(header.opcode, message->bytes + 16, message->size - 16, why,
                                   sizeof(why));
}

/* --- Documents ------------------------------------------------------------------------------- */

static bool is_document(const bson_t *document) {
    uint8_t *copy = malloc(document->len);
    memcpy(copy, bson_get_data(document), document->len);
    bool ok = mouv__bson_check(copy, document->len, why, sizeof(why));
    free(copy);
    return ok;
}

static void every_type_is_a_document(void **state) {
    (void)state;
    bson_t *document = with_every_type();
    assert_true(is_document(document));
    bson_destroy(document);
}

static void documents_nest_up_to_the_limit(void **state) {
    (void)state;
    bson_t *deepest = nested(MOUV__BSON_DEPTH_MAX), *too_deep = nested(MOUV__BSON_DEPTH_MAX + 1);
    assert_true(is_document(deepest));
    assert_false(is_document(too_deep));
    assert_non_null(strstr(why, "nested"));
    bson_destroy(deepest);
    bson_destroy(too_deep);
}

static void hand_made_documents_are_refused_with_a_reason(void **state) {
    (void)state;
    for (size_t i = 0; i < BAD_DOCUMENT_COUNT; i++) {
        const bad_document_t *bad = &bad_documents[i];
        uint8_t *copy = malloc(bad->size + 1);
        memcpy(copy, bad->bytes, bad->size);
        bool ok = mouv__bson_check(copy, bad->size, why, sizeof(why));
        free(copy);
        if (ok || !strstr(why, bad->why)) fail_msg("%s: %s", bad->what, ok ? "ok" : why);
    }
}

/* Whatever is let through, libbson can read without leaving it. */
static void changed_documents_never_mislead_libbson(void **state) {
    (void)state;
    bson_t *document = with_every_type();
    uint8_t *copy = malloc(document->len);
    int refused = 0;
    for (size_t at = 0; at < document->len; at++) {
        for (int change = 0; change < 10; change++) {
            memcpy(copy, bson_get_data(document), document->len);
            copy[at] = change < 8 ? copy[at] ^ (uint8_t)(1 << change) : change == 8 ? 0 : 0xff;
            if (!mouv__bson_check(copy, document->len, why, sizeof(why))) {
                refused++;
                continue;
            }
            assert_true(bson_walk(copy, document->len));
        }
    }
    assert_true(refused > (int)document->len);
    free(copy);
    bson_destroy(document);
}

/* --- Framing --------------------------------------------------------------------------------- */

static void both_kinds_of_answers_are_let_through(void **state) {
    (void)state;
    bson_t *document = with_every_type();
    message_t msg = msg_with(document), reply = reply_with(document);
    assert_true(is_let_through(&msg));
    assert_true(is_let_through(&reply));
    free(msg.bytes);
    free(reply.bytes);
    bson_destroy(document);
}

static void changed_frames_are_refused_with_a_reason(void **state) {
    static const struct {
        int32_t opcode;
        size_t at;
        uint32_t value;
        const char *why;
    } cases[] = {
        {MOUV__WIRE_MSG, 0, 25, "length of 25"},
        {MOUV__WIRE_MSG, 0, MOUV__WIRE_MESSAGE_MAX_BYTES + 1, "length of 48000001"},
        {MOUV__WIRE_MSG, 0, 0x80000000, "length of -2147483648"},
        {MOUV__WIRE_MSG, 8, REQUEST + 1, "request 78 instead of 77"},
        {MOUV__WIRE_MSG, 12, 0, "opcode 0"},
        {MOUV__WIRE_MSG, 12, MOUV__WIRE_QUERY, "opcode 2004"},
        {MOUV__WIRE_MSG, 16, 1, "flags 0x1"},
        {MOUV__WIRE_MSG, 16, 2, "flags 0x2"},
        {MOUV__WIRE_MSG, 16, 0x8000, "flags 0x8000"},
        {MOUV__WIRE_MSG, 0, 4000, "length of 4000 bytes around"},
        {MOUV__WIRE_MSG, 21, 5, "around a document of 5"},
        {MOUV__WIRE_REPLY, 36, 5, "length of 5 instead"},
        {MOUV__WIRE_REPLY, 16, 16, "flags 0x10"},
        {MOUV__WIRE_REPLY, 32, 0, "0 documents"},
        {MOUV__WIRE_REPLY, 32, 2, "2 documents"},
        {MOUV__WIRE_REPLY, 36, 0x7fffffff, "document's length"},
    };
    (void)state;
    bson_t *document = with_every_type();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        message_t message =
            cases[i].opcode == MOUV__WIRE_MSG ? msg_with(document) : reply_with(document);
        put(message.bytes + cases[i].at, cases[i].value);
        bool ok = is_let_through(&message);
        free(message.bytes);
        if (ok || !strstr(why, cases[i].why)) fail_msg("case %zu: %s", i, ok ? "ok" : why);
    }
    bson_destroy(document);
}

static void optional_flags_are_ignored_and_other_sections_refused(void **state) {
    (void)state;
    bson_t *document = BCON_NEW("ok", BCON_INT32(1));
    message_t message = msg_with(document);
    put(message.bytes + 16, 0x10000);
    assert_true(is_let_through(&message));
    message.bytes[20] = 1;
    assert_false(is_let_through(&message));
    assert_string_equal(why, "a message with a section of kind 1");
    free(message.bytes);
    bson_destroy(document);
}

/* Nobody waits for a rest that may never come. */
static void section_of_another_kind_is_refused_at_the_start(void **state) {
    (void)state;
    bson_t *document = BCON_NEW("ok", BCON_INT32(1));
    message_t message = msg_with(document);
    put(message.bytes, (uint32_t)message.size + 1);
    message.bytes[20] = 0x20;
    mouv__op_msg_header_t header = mouv__op_msg_header(message.bytes);
    assert_false(mouv__op_msg_check_start(&header, message.bytes, why, sizeof(why)));
    assert_string_equal(why, "a message with a section of kind 32");
    free(message.bytes);
    bson_destroy(document);
}

/* --- Compression ----------------------------------------------------------------------------- */

static bool opens(const message_t *message, mouv__op_msg_compressed_t *inside) {
    mouv__op_msg_header_t header = mouv__op_msg_header(message->bytes);
    return mouv__op_msg_check_header(&header, REQUEST, why, sizeof(why)) &&
           mouv__op_msg_check_compressed(&header, message->bytes + 16, inside, why, sizeof(why));
}

static message_t compressed_with(uint8_t compressor, int32_t opcode, uint32_t size,
                                 const void *data, size_t data_size) {
    message_t message = message_new(MOUV__WIRE_COMPRESSED, 9 + data_size);
    put(message.bytes + 16, (uint32_t)opcode);
    put(message.bytes + 20, size);
    message.bytes[24] = compressor;
    memcpy(message.bytes + 25, data, data_size);
    return message;
}

static void a_compressed_answer_tells_what_is_inside(void **state) {
    (void)state;
    mouv__op_msg_compressed_t inside;
    message_t message = compressed_with(0, MOUV__WIRE_MSG, 30, "0123456789", 10);
    assert_true(opens(&message, &inside));
    assert_int_equal(inside.header.length, 46);
    assert_int_equal(inside.header.response_to, REQUEST);
    assert_int_equal(inside.header.opcode, MOUV__WIRE_MSG);
    assert_int_equal(inside.size, 10);
    put(message.bytes + 16, MOUV__WIRE_COMPRESSED);
    assert_false(opens(&message, &inside));
    put(message.bytes + 16, 1234);
    assert_false(opens(&message, &inside));
    put(message.bytes + 16, MOUV__WIRE_MSG);
    put(message.bytes + 20, MOUV__WIRE_MESSAGE_MAX_BYTES);
    assert_false(opens(&message, &inside));
    put(message.bytes + 20, 0xffffffff);
    assert_false(opens(&message, &inside));
    free(message.bytes);
}

static void an_uncompressed_size_must_be_right(void **state) {
    uint8_t to[64];
    (void)state;
    assert_true(mouv__compress_undo(0, (const uint8_t *)"abc", 3, to, 3, why, sizeof(why)));
    assert_memory_equal(to, "abc", 3);
    assert_false(mouv__compress_undo(0, (const uint8_t *)"abc", 3, to, 2, why, sizeof(why)));
    assert_false(mouv__compress_undo(0, (const uint8_t *)"abc", 3, to, 4, why, sizeof(why)));
    for (uint8_t compressor = 1; compressor < 6; compressor++)
        assert_false(mouv__compress_undo(compressor, (const uint8_t *)"abcdefgh", 8, to, 64, why,
                                         sizeof(why)));
    assert_string_equal(why, "a message with unknown compressor 5");
#ifdef MOUV_HAVE_ZLIB
    uint8_t from[64];
    uLongf size = sizeof(from);
    assert_int_equal(compress(from, &size, (const Bytef *)"aaaaaaaaaa", 10), Z_OK);
    assert_true(mouv__compress_undo(2, from, size, to, 10, why, sizeof(why)));
    assert_memory_equal(to, "aaaaaaaaaa", 10);
    assert_false(mouv__compress_undo(2, from, size, to, 9, why, sizeof(why)));
    assert_false(mouv__compress_undo(2, from, size, to, 11, why, sizeof(why)));
    assert_false(mouv__compress_undo(2, from, size - 1, to, 10, why, sizeof(why)));
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_a_document),
        cmocka_unit_test(documents_nest_up_to_the_limit),
        cmocka_unit_test(hand_made_documents_are_refused_with_a_reason),
        cmocka_unit_test(changed_documents_never_mislead_libbson),
        cmocka_unit_test(both_kinds_of_answers_are_let_through),
        cmocka_unit_test(changed_frames_are_refused_with_a_reason),
        cmocka_unit_test(optional_flags_are_ignored_and_other_sections_refused),
        cmocka_unit_test(section_of_another_kind_is_refused_at_the_start),
        cmocka_unit_test(a_compressed_answer_tells_what_is_inside),
        cmocka_unit_test(an_uncompressed_size_must_be_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
