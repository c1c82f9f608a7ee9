/*
 * Answers put together from pieces: however they are parted, the document and the verdict are the
 * same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bson_documents.h"
#include "context/alloc.h"
#include "message_support.h"
#include "mongo/transport/loop/incoming.h"

#define REQUEST 77

static mouv__incoming_t incoming;

static int set_up(void **state) {
    (void)state;
    mouv__incoming_begin(&incoming, REQUEST);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    mouv__alloc_fail_at = -1;
    mouv__incoming_clear(&incoming);
    return 0;
}

static void again(void) {
    mouv__incoming_clear(&incoming);
    mouv__incoming_begin(&incoming, REQUEST);
}

/* As a socket does: in its place where there is one, else somewhere. */
static mouv__incoming_state_t give(const uint8_t *bytes, size_t count) {
    size_t room;
    uint8_t *to = mouv__incoming_room(&incoming, &room);
    if (!to) return mouv__incoming_take(&incoming, bytes, count);
    assert_true(count <= room);
    memcpy(to, bytes, count);
    return mouv__incoming_arrived(&incoming, count);
}

/* In pieces of `first`, and then of `step` bytes, until it is decided. */
static mouv__incoming_state_t give_in_pieces(message_t message, size_t first, size_t step) {
    mouv__incoming_state_t state = MOUV__INCOMING_MORE;
    size_t at = 0, size = first;
    while (at < message.size && state == MOUV__INCOMING_MORE) {
        if (size > message.size - at) size = message.size - at;
        state = give(message.bytes + at, size);
        at += size;
        size = step;
    }
    return state;
}

static void check_reply(const bson_t *expected) {
    assert_non_null(incoming.reply);
    assert_int_equal(incoming.reply->len, expected->len);
    assert_memory_equal(bson_get_data(incoming.reply), bson_get_data(expected), expected->len);
    assert_true(bson_validate(incoming.reply, BSON_VALIDATE_NONE, NULL));
}

/* --- pieces ----------------------------------------------------------------------------------- */

static void check_every_split(const bson_t *document) {
    message_t message = message_of(REQUEST, document);
    for (size_t first = 1; first <= message.size; first++) {
        again();
        assert_int_equal(give_in_pieces(message, first, message.size), MOUV__INCOMING_WHOLE);
        check_reply(document);
    }
    for (size_t step = 1; step <= 30; step++) {
        again();
        assert_int_equal(give_in_pieces(message, step, step), MOUV__INCOMING_WHOLE);
        check_reply(document);
    }
    message_free(message);
}

static void every_split_gives_the_same_document(void **state) {
    (void)state;
    bson_t *small = from_json("{'ok': 1}"), *all = with_every_type();
    check_every_split(small);
    check_every_split(all);
    bson_destroy(small);
    bson_destroy(all);
}

/* Up to the last byte nothing is whole. */
static void half_an_answer_is_none(void **state) {
    (void)state;
    message_t message = message_from_json(REQUEST, "{'ok': 1}");
    for (size_t i = 0; i + 1 < message.size; i++)
        assert_int_equal(give(message.bytes + i, 1), MOUV__INCOMING_MORE);
    assert_int_equal(give(message.bytes + message.size - 1, 1), MOUV__INCOMING_WHOLE);
    message_free(message);
}

static void what_is_large_is_received_where_it_stays(void **state) {
    (void)state;
    static const size_t sizes[] = {65 * 1024, 16 * 1024 * 1024};
    for (size_t i = 0; i < 2; i++) {
        bson_t *document = document_of(sizes[i]);
        message_t message = message_of(REQUEST, document);
        size_t room = 0, at = 1000;
        again();
        assert_null(mouv__incoming_room(&incoming, &room));
        assert_int_equal(mouv__incoming_take(&incoming, message.bytes, at), MOUV__INCOMING_MORE);
        while (at < message.size) {
            uint8_t *to = mouv__incoming_room(&incoming, &room);
            assert_non_null(to);
            assert_int_equal(room, message.size - at);
            size_t count = room < 70001 ? room : 70001;
            memcpy(to, message.bytes + at, count);
            at += count;
            assert_int_equal(mouv__incoming_arrived(&incoming, count),
                             at < message.size ? MOUV__INCOMING_MORE : MOUV__INCOMING_WHOLE);
        }
        check_reply(document);
        message_free(message);
        bson_destroy(document);
    }
}

/* One after the other with the same struct, as a peer does. */
static void the_next_answer_begins_from_nothing(void **state) {
    (void)state;
    for (int32_t id = REQUEST; id < REQUEST + 3; id++) {
        bson_t *document = document_of((size_t)(id - REQUEST) * 1000);
        message_t message = message_of(id, document);
        mouv__incoming_begin(&incoming, id);
        assert_int_equal(give_in_pieces(message, 30, 7), MOUV__INCOMING_WHOLE);
        check_reply(document);
        mouv__incoming_clear(&incoming);
        message_free(message);
        bson_destroy(document);
    }
}

/* --- what is none ----------------------------------------------------------------------------- */

/* Refused with these words in every split; as early as `by` bytes are there. */
static void check_refused(message_t message, size_t by, const char *why) {
    for (size_t first = 1; first <= message.size; first++) {
        again();
        assert_int_equal(give_in_pieces(message, first, message.size), MOUV__INCOMING_BAD);
        assert_non_null(strstr(incoming.why, why));
    }
    again();
    for (size_t i = 0; i + 1 < by; i++)
        assert_int_equal(give(message.bytes + i, 1), MOUV__INCOMING_MORE);
    assert_int_equal(give(message.bytes + by - 1, 1), MOUV__INCOMING_BAD);
    assert_non_null(strstr(incoming.why, why));
    message_free(message);
}

static message_t with_number(size_t at, int32_t number) {
    message_t message = message_from_json(REQUEST, "{'ok': 1, 'a': 'some text'}");
    message_put(message, at, number);
    return message;
}

static void a_wrong_beginning_is_refused_once_it_is_there(void **state) {
    (void)state;
    const size_t start = MOUV__WIRE_START_BYTES;
    check_refused(with_number(0, 15), start, "length of 15");
    check_refused(with_number(0, 0), start, "length of 0");
    check_refused(with_number(0, -1), start, "length of -1");
    check_refused(with_number(0, MOUV__WIRE_MESSAGE_MAX_BYTES + 1), start, "length of 48000001");
    check_refused(with_number(0, 5000), start, "length of 5000 bytes around a document of");
    check_refused(with_number(8, 76), start, "an answer to request 76 instead of 77");
    check_refused(with_number(12, MOUV__WIRE_REPLY), start, "opcode 1");
    check_refused(with_number(12, MOUV__WIRE_QUERY), start, "opcode 2004");
    check_refused(with_number(12, 99), start, "opcode 99");
    check_refused(with_number(16, 1), start, "unknown flags 0x1");
    check_refused(with_number(16, 2), start, "unknown flags 0x2");
    check_refused(with_number(21, 5), start, "around a document of 5");
}

/* Nor may one say more than that it can be left alone. */
static void flags_that_need_not_be_known_are_let_through(void **state) {
    (void)state;
    message_t message = message_from_json(REQUEST, "{'ok': 1}");
    message_put(message, 16, 0x10000);
    assert_int_equal(give_in_pieces(message, message.size, 1), MOUV__INCOMING_WHOLE);
    message_free(message);
}

static void a_section_of_another_kind_is_refused(void **state) {
    (void)state;
    message_t message = message_from_json(REQUEST, "{'ok': 1, 'a': 'some text'}");
    message.bytes[20] = 1;
    check_refused(message, MOUV__WIRE_START_BYTES, "section of kind 1");
}

static void an_empty_document_is_refused(void **state) {
    (void)state;
    check_refused(message_around(REQUEST, "\5\0\0\0\0", 5), MOUV__WIRE_START_BYTES,
                  "an empty document");
}

/* In one piece and byte by byte: the same words. */
static void bad_bson_is_refused_in_the_same_words_in_every_split(void **state) {
    (void)state;
    for (size_t i = 0; i < BAD_DOCUMENT_COUNT; i++) {
        const bad_document_t *bad = &bad_documents[i];
        char why[sizeof(incoming.why)];
        if (bad->size < 5) continue; /* its message has no room for a beginning */
        message_t message = message_around(REQUEST, bad->bytes, bad->size);
        again();
        assert_int_equal(give_in_pieces(message, message.size, 1), MOUV__INCOMING_BAD);
        assert_true(incoming.why[0] != '\0');
        memcpy(why, incoming.why, sizeof(why));
        for (size_t step = 1; step < message.size; step++) {
            again();
            assert_int_equal(give_in_pieces(message, step, step), MOUV__INCOMING_BAD);
            assert_string_equal(incoming.why, why);
        }
        message_free(message);
    }
}

/* The first document in it that ends with something else than 0. */
static void bad_bson_deep_inside_is_refused_before_the_rest_is_there(void **state) {
    (void)state;
    bson_t *inside = nested(100), *document = document_of(100000), *outer = bson_new();
    BSON_APPEND_DOCUMENT(outer, "inside", inside);
    BSON_APPEND_DOCUMENT(outer, "document", document);
    message_t message = message_of(REQUEST, outer);
    size_t at = MESSAGE_HEAD_BYTES + 4 + 8 + inside->len - 1; /* of its outermost's end */
    message.bytes[at - 50] = 1;
    assert_int_equal(give_in_pieces(message, 1000, 1), MOUV__INCOMING_BAD);
    assert_true(incoming.have < 2000);
    message_free(message);
    bson_destroy(outer);
    bson_destroy(document);
    bson_destroy(inside);
}

static void bytes_behind_it_are_refused(void **state) {
    (void)state;
    message_t message = message_from_json(REQUEST, "{'ok': 1}");
    uint8_t more[100] = {0};
    memcpy(more, message.bytes, message.size);
    assert_int_equal(mouv__incoming_take(&incoming, more, message.size + 3), MOUV__INCOMING_BAD);
    assert_string_equal(incoming.why, "3 bytes more than it should have");
    message_free(message);
}

/* --- compressed ones -------------------------------------------------------------------------- */

/* The noop compressor, which needs no library. */
static message_t packed_message(const char *json) {
    return message_pack(0, message_from_json(REQUEST, json));
}

static void a_compressed_one_is_put_together_and_then_undone(void **state) {
    (void)state;
    bson_t *expected = from_json("{'ok': 1, 'a': 'some text'}");
    message_t message = packed_message("{'ok': 1, 'a': 'some text'}");
    for (size_t first = 1; first <= message.size; first++) {
        again();
        assert_int_equal(give_in_pieces(message, first, 3), MOUV__INCOMING_PACKED);
        assert_memory_equal(incoming.packed, message.bytes, message.size);
        assert_int_equal(mouv__incoming_unpacked(&incoming, MOUV__WIRE_MSG, message.bytes + 25,
                                                 message.size - 25),
                         MOUV__INCOMING_WHOLE);
        assert_null(incoming.packed);
        check_reply(expected);
    }
    message_free(message);
    bson_destroy(expected);
}

static void what_was_inside_is_checked(void **state) {
    (void)state;
    message_t message = packed_message("{'ok': 1, 'a': 'some text'}");
    uint8_t *body = message.bytes + 25;
    size_t size = message.size - 25;
    assert_int_equal(give_in_pieces(message, 40, 3), MOUV__INCOMING_PACKED);
    body[4] = 1;
    assert_int_equal(mouv__incoming_unpacked(&incoming, MOUV__WIRE_MSG, body, size),
                     MOUV__INCOMING_BAD);
    assert_non_null(strstr(incoming.why, "kind 1"));
    body[4] = 0;
    body[size - 1] = 1;
    assert_int_equal(mouv__incoming_unpacked(&incoming, MOUV__WIRE_MSG, body, size),
                     MOUV__INCOMING_BAD);
    assert_null(incoming.reply);
    message_free(message);
}

/* --- no memory -------------------------------------------------------------------------------- */

static void every_allocation_may_fail(void **state) {
    (void)state;
    message_t messages[] = {message_from_json(REQUEST, "{'ok': 1}"), packed_message("{'ok': 1}")};
    for (int i = 0; i < 2; i++) {
        int failures = 0;
        mouv__incoming_state_t got = MOUV__INCOMING_NO_MEMORY;
        while (got == MOUV__INCOMING_NO_MEMORY) {
            again();
            mouv__alloc_fail_at = failures + 1;
            got = give_in_pieces(messages[i], 3, 3);
            mouv__alloc_fail_at = -1;
            if (got == MOUV__INCOMING_NO_MEMORY) failures++;
        }
        assert_int_equal(got, i == 0 ? MOUV__INCOMING_WHOLE : MOUV__INCOMING_PACKED);
        assert_true(failures > 0 && failures < 10);
        message_free(messages[i]);
    }
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest cases[] = {
        CASE(every_split_gives_the_same_document),
        CASE(half_an_answer_is_none),
        CASE(what_is_large_is_received_where_it_stays),
        CASE(the_next_answer_begins_from_nothing),
        CASE(a_wrong_beginning_is_refused_once_it_is_there),
        CASE(flags_that_need_not_be_known_are_let_through),
        CASE(a_section_of_another_kind_is_refused),
        CASE(an_empty_document_is_refused),
        CASE(bad_bson_is_refused_in_the_same_words_in_every_split),
        CASE(bad_bson_deep_inside_is_refused_before_the_rest_is_there),
        CASE(bytes_behind_it_are_refused),
        CASE(a_compressed_one_is_put_together_and_then_undone),
        CASE(what_was_inside_is_checked),
        CASE(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
