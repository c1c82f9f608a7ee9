/*
 * Commands as the pieces of one OP_MSG.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mongo/wire/message.h"
#include "mongo/wire/op_msg.h"

#define REQUEST 77
#define DOCUMENTS 5

static uint32_t number_at(const uint8_t *at) {
    uint32_t number;
    memcpy(&number, at, sizeof(number));
    return BSON_UINT32_FROM_LE(number);
}

/* --- A message with everything in it --------------------------------------------------------- */

typedef struct parts {
    bson_t *command, *fields, *extra;
    bson_t *documents[DOCUMENTS];
    mouv__message_content_t content;
} parts_t;

static void parts_open(parts_t *parts) {
    parts->command = BCON_NEW("insert", "things", "ordered", BCON_BOOL(false));
    parts->fields = BCON_NEW("maxTimeMS", BCON_INT32(5));
    parts->extra = BCON_NEW("$db", "shop", "lsid", "{", "id", BCON_INT32(1), "}");
    for (int i = 0; i < DOCUMENTS; i++) /* of several sizes, an empty one among them */
        parts->documents[i] = i == 2 ? bson_new() : BCON_NEW("_id", BCON_INT32(i));
    parts->content = (mouv__message_content_t){.request_id = REQUEST,
                                               .command = parts->command,
                                               .fields = parts->fields,
                                               .extra = parts->extra};
}

static void parts_add_sequence(parts_t *parts) {
    parts->content.sequence = "documents";
    parts->content.documents = (const bson_t *const *)parts->documents;
    parts->content.document_count = DOCUMENTS;
}

static void parts_close(parts_t *parts) {
    bson_destroy(parts->command);
    bson_destroy(parts->fields);
    bson_destroy(parts->extra);
    for (int i = 0; i < DOCUMENTS; i++) bson_destroy(parts->documents[i]);
}

/* The caller's, exactly as long as it should be. */
static uint8_t *flat(const parts_t *parts, size_t *size) {
    mouv__message_t message;
    *size = mouv__message_init(&message, &parts->content);
    uint8_t *bytes = malloc(*size);
    assert_non_null(bytes);
    mouv__message_copy(&message, 0, bytes);
    return bytes;
}

/* The same by hand: one document that has the fields of all three. */
static bson_t *joined(const parts_t *parts) {
    bson_t *all = bson_copy(parts->command);
    bson_concat(all, parts->fields);
    bson_concat(all, parts->extra);
    return all;
}

/* --- What it is ------------------------------------------------------------------------------ */

static void a_command_and_what_is_appended_are_one_document(void **state) {
    parts_t parts;
    size_t size;
    (void)state;
    parts_open(&parts);
    uint8_t *bytes = flat(&parts, &size);
    bson_t *all = joined(&parts);
    mouv__op_msg_header_t header = mouv__op_msg_header(bytes);
    assert_int_equal(header.length, size);
    assert_int_equal(header.request_id, REQUEST);
    assert_int_equal(header.response_to, 0);
    assert_int_equal(header.opcode, MOUV__WIRE_MSG);
    assert_int_equal(number_at(bytes + 16), 0);
    assert_int_equal(bytes[20], 0);
    assert_int_equal(size, 21 + all->len);
    assert_memory_equal(bytes + 21, bson_get_data(all), all->len);
    bson_destroy(all);
    free(bytes);
    parts_close(&parts);
}

static void nothing_needs_to_be_appended(void **state) {
    parts_t parts;
    size_t size;
    (void)state;
    parts_open(&parts);
    parts.content.fields = parts.content.extra = NULL;
    parts.content.flags = MOUV__MESSAGE_MORE_TO_COME | MOUV__MESSAGE_EXHAUST_ALLOWED;
    uint8_t *bytes = flat(&parts, &size);
    assert_int_equal(number_at(bytes + 16), 0x10002);
    assert_int_equal(size, 21 + parts.command->len);
    assert_memory_equal(bytes + 21, bson_get_data(parts.command), parts.command->len);
    free(bytes);
    parts_close(&parts);
}

/* kind, size, name, then the documents; the size counts itself but not the kind */
static void a_sequence_follows_as_a_section_of_its_own(void **state) {
    parts_t parts;
    size_t size;
    (void)state;
    parts_open(&parts);
    parts_add_sequence(&parts);
    uint8_t *bytes = flat(&parts, &size), *at = bytes + 21 + number_at(bytes + 21);
    assert_int_equal(mouv__op_msg_header(bytes).length, size);
    assert_int_equal(at[-1], 0); /* the command's end */
    assert_int_equal(at[0], 1);
    assert_int_equal(number_at(at + 1), bytes + size - (at + 1));
    assert_string_equal((char *)at + 5, "documents");
    at += 5 + sizeof("documents");
    for (int i = 0; i < DOCUMENTS; i++) {
        assert_memory_equal(at, bson_get_data(parts.documents[i]), parts.documents[i]->len);
        at += parts.documents[i]->len;
    }
    assert_ptr_equal(at, bytes + size);
    free(bytes);
    parts_close(&parts);
}

static void a_sequence_may_lie_in_one_piece_already(void **state) {
    parts_t parts;
    size_t wanted_size, size, used = 0;
    uint8_t together[256];
    (void)state;
    parts_open(&parts);
    parts_add_sequence(&parts);
    uint8_t *wanted = flat(&parts, &wanted_size);
    for (int i = 2; i < DOCUMENTS; i++) {
        memcpy(together + used, bson_get_data(parts.documents[i]), parts.documents[i]->len);
        used += parts.documents[i]->len;
    }
    parts.content.document_count = 2; /* the others are in the bytes */
    parts.content.bytes = together;
    parts.content.byte_count = used;
    uint8_t *bytes = flat(&parts, &size);
    assert_int_equal(size, wanted_size);
    assert_memory_equal(bytes, wanted, size);
    free(bytes);
    free(wanted);
    parts_close(&parts);
}

/* --- Pieces ---------------------------------------------------------------------------------- */

/* Writes what the pieces give, in portions of at most `portion` bytes, as a socket takes them. */
static size_t write_in_portions(mouv__message_t *message, size_t max, size_t portion, uint8_t *to) {
    struct iovec pieces[16];
    size_t at = 0, count;
    while ((count = mouv__message_pieces(message, at, pieces, max)) > 0) {
        size_t left = portion;
        for (size_t i = 0; i < count && left > 0; i++) {
            size_t size = pieces[i].iov_len < left ? pieces[i].iov_len : left;
            assert_true(pieces[i].iov_len > 0);
            memcpy(to + at, pieces[i].iov_base, size);
            at += size;
            left -= size;
        }
    }
    return at;
}

static void pieces_are_the_message_however_little_is_written_at_once(void **state) {
    parts_t parts;
    size_t size;
    (void)state;
    parts_open(&parts);
    parts_add_sequence(&parts);
    uint8_t *wanted = flat(&parts, &size), *got = malloc(size);
    for (size_t max = 1; max <= 16; max++) {
        for (size_t portion = 1; portion <= size; portion++) {
            mouv__message_t message;
            mouv__message_init(&message, &parts.content);
            memset(got, 0xee, size);
            assert_int_equal(write_in_portions(&message, max, portion, got), size);
            assert_memory_equal(got, wanted, size);
        }
    }
    free(got);
    free(wanted);
    parts_close(&parts);
}

static void pieces_can_be_asked_for_again_from_any_place(void **state) {
    parts_t parts;
    size_t size;
    struct iovec piece;
    mouv__message_t message;
    (void)state;
    parts_open(&parts);
    parts_add_sequence(&parts);
    uint8_t *wanted = flat(&parts, &size);
    mouv__message_init(&message, &parts.content);
    for (size_t at = size; at-- > 0;) {
        assert_int_equal(mouv__message_pieces(&message, at, &piece, 1), 1);
        assert_memory_equal(piece.iov_base, wanted + at, piece.iov_len);
    }
    assert_int_equal(mouv__message_pieces(&message, size, &piece, 1), 0);
    assert_int_equal(mouv__message_pieces(&message, size + 1, &piece, 1), 0);
    assert_int_equal(mouv__message_pieces(&message, 0, &piece, 0), 0);
    free(wanted);
    parts_close(&parts);
}

/* Where the caller's documents are, not copies of them. */
static void documents_are_not_copied(void **state) {
    parts_t parts;
    struct iovec pieces[16];
    mouv__message_t message;
    (void)state;
    parts_open(&parts);
    parts_add_sequence(&parts);
    mouv__message_init(&message, &parts.content);
    assert_int_equal(mouv__message_pieces(&message, 0, pieces, 16), 6 + DOCUMENTS);
    assert_ptr_equal(pieces[1].iov_base, bson_get_data(parts.command) + 4);
    for (int i = 0; i < DOCUMENTS; i++)
        assert_ptr_equal(pieces[6 + i].iov_base, bson_get_data(parts.documents[i]));
    parts_close(&parts);
}

static void a_message_may_be_moved(void **state) {
    parts_t parts;
    size_t size;
    struct iovec piece;
    (void)state;
    parts_open(&parts);
    mouv__message_t *message = malloc(sizeof(*message)), moved;
    size = mouv__message_init(message, &parts.content);
    moved = *message;
    memset(message, 0xee, sizeof(*message));
    free(message);
    assert_int_equal(mouv__message_pieces(&moved, 0, &piece, 1), 1);
    assert_int_equal(mouv__op_msg_header(piece.iov_base).length, size);
    parts_close(&parts);
}

/* --- Copies ---------------------------------------------------------------------------------- */

static void a_copy_may_begin_anywhere(void **state) {
    parts_t parts;
    size_t size;
    mouv__message_t message;
    (void)state;
    parts_open(&parts);
    parts_add_sequence(&parts);
    uint8_t *wanted = flat(&parts, &size);
    mouv__message_init(&message, &parts.content);
    for (size_t from = 0; from <= size; from++) {
        uint8_t *rest = malloc(size - from + 1);
        rest[size - from] = 0xee;
        mouv__message_copy(&message, from, rest);
        assert_memory_equal(rest, wanted + from, size - from);
        assert_int_equal(rest[size - from], 0xee);
        free(rest);
    }
    free(wanted);
    parts_close(&parts);
}

/* Ten thousand of them, some pieces at a time. */
static void many_documents_need_few_pieces_at_once(void **state) {
    enum { MANY = 10000 };
    parts_t parts;
    size_t size;
    mouv__message_t message;
    const bson_t **documents = calloc(MANY, sizeof(*documents));
    (void)state;
    parts_open(&parts);
    parts_add_sequence(&parts);
    for (int i = 0; i < MANY; i++) documents[i] = parts.documents[i % DOCUMENTS];
    parts.content.documents = documents;
    parts.content.document_count = MANY;
    uint8_t *wanted = flat(&parts, &size), *got = malloc(size);
    mouv__message_init(&message, &parts.content);
    assert_int_equal(write_in_portions(&message, 16, 100, got), size);
    assert_memory_equal(got, wanted, size);
    assert_true(message.at.index > MANY); /* it is remembered */
    free(got);
    free(wanted);
    free(documents);
    parts_close(&parts);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_and_what_is_appended_are_one_document),
        cmocka_unit_test(nothing_needs_to_be_appended),
        cmocka_unit_test(a_sequence_follows_as_a_section_of_its_own),
        cmocka_unit_test(a_sequence_may_lie_in_one_piece_already),
        cmocka_unit_test(pieces_are_the_message_however_little_is_written_at_once),
        cmocka_unit_test(pieces_can_be_asked_for_again_from_any_place),
        cmocka_unit_test(documents_are_not_copied),
        cmocka_unit_test(a_message_may_be_moved),
        cmocka_unit_test(a_copy_may_begin_anywhere),
        cmocka_unit_test(many_documents_need_few_pieces_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
