/*
 * Sockets: answers in pieces, what no answer is, servers that close, sockets that take nothing, and
 * who reads how much in a turn.
 */
#include "loop_support.h"

#define PING "{'ping': 1}"

/* --- answers ---------------------------------------------------------------------------------- */

CORO_CASE(a_command_goes_out_and_its_answer_comes_in) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_begin(&trip, line, PING);
    CHECK(trip.exchange.reached && !trip.done);
    bson_t *asked = line_asked(line);
    CHECK_DOCUMENT(asked, "{'ping': 1, '$db': 'shop'}");
    line_answer(line, &trip, "{'ok': 1, 'a': 'b'}");
    turn();
    CHECK(trip.done && trip.exchange.ok && !trip.exchange.cut);
    CHECK_DOCUMENT(trip.exchange.reply, "{'ok': 1, 'a': 'b'}");
    CHECK(line_is_open(line));
    bson_destroy(asked);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

static void answer_in_pieces(line_t *line, size_t first, size_t step) {
    trip_t trip;
    trip_begin(&trip, line, PING);
    message_t message = message_from_json(trip.exchange.loop.request_id, "{'ok': 1, 'a': 'b'}");
    for (size_t at = 0, size = first; at < message.size; at += size, size = step) {
        if (size > message.size - at) size = message.size - at;
        CHECK(!trip.done);
        line_write(line, message.bytes + at, size);
        turns(1);
    }
    turn();
    CHECK(trip.done && trip.exchange.ok);
    CHECK_DOCUMENT(trip.exchange.reply, "{'ok': 1, 'a': 'b'}");
    message_free(message);
    trip_end(&trip);
}

CORO_CASE(an_answer_may_come_in_any_pieces) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    answer_in_pieces(line, 1, 1);
    for (size_t first = 1; first < 40; first++) answer_in_pieces(line, first, 1000);
    CHECK(line_is_open(line));
    rig_free(rig);
    return 0;
}

CORO_CASE(large_answers_come_whole) {
    static const size_t sizes[] = {64 * 1024, 70 * 1024, 16 * 1024 * 1024};
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    for (size_t i = 0; i < 3; i++) {
        trip_t trip;
        bson_t *document = document_of(sizes[i]);
        trip_begin(&trip, line, PING);
        line_write_message(line, message_of(trip.exchange.loop.request_id, document));
        turn();
        CHECK(trip.done && trip.exchange.ok && bson_equal(trip.exchange.reply, document));
        bson_destroy(document);
        trip_end(&trip);
    }
    CHECK(line_is_open(line));
    rig_free(rig);
    return 0;
}

/* --- no answers ------------------------------------------------------------------------------- */

/* The server says this; `by`: as it is, in two pieces, in bytes. */
static void refuse(message_t message, int by, const char *why) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_begin(&trip, line, PING);
    message_put(message, 8,
                mouv__op_msg_header(message.bytes).response_to + trip.exchange.loop.request_id);
    size_t step = by == 0 ? message.size : by == 1 ? 20 : 1;
    for (size_t at = 0; at < message.size; at += step) {
        line_write(line, message.bytes + at, step < message.size - at ? step : message.size - at);
        turns(1);
    }
    turn();
    CHECK_FAILED(trip, MONGOC_ERROR_PROTOCOL, why);
    CHECK_CONTAINS(trip.exchange.error.message, "the server's answer is not valid");
    CHECK(trip.exchange.reached && !trip.exchange.cut);
    CHECK(!line_is_open(line));
    CHECK_INT(rig->lost, 0);
    CHECK_INT(rig->job_count, 0); /* libmongoc's picture does not change by it */
    trip_end(&trip);
    rig_free(rig);
}

static message_t wrong(int what) {
    message_t message = message_from_json(0, "{'ok': 1, 'a': {'b': {'c': 'some text'}}}");
    if (what == 0) message_put(message, 0, 10);
    if (what == 1) message_put(message, 0, 1000);
    if (what == 2) message_put(message, 8, 1);
    if (what == 3) message_put(message, 12, 1);
    if (what == 4) message_put(message, 12, 2004);
    if (what == 5) message_put(message, 16, 1);
    if (what == 6) message.bytes[20] = 1;
    if (what == 7) message.bytes[message.size - 4] = 1; /* the text's terminator */
    if (what == 8) message_put(message, 0, 50 * 1000 * 1000);
    return message;
}

static void refuse_wrong(int by) {
    static const char *const why[] = {"length of 10",    "length of 1000", "an answer to request",
                                      "opcode 1",        "opcode 2004",    "unknown flags 0x1",
                                      "section of kind", "string that",    "length of 50000000"};
    for (int i = 0; i < 9; i++) {
        message_t message = wrong(i);
        refuse(message, by, why[i]);
        message_free(message);
    }
}

CORO_CASE(what_is_no_answer_ends_the_connection) {
    refuse_wrong(0);
    return 0;
}
CORO_CASE(what_is_no_answer_in_two_pieces_likewise) {
    refuse_wrong(1);
    return 0;
}
CORO_CASE(what_is_no_answer_in_bytes_likewise) {
    refuse_wrong(2);
    return 0;
}

CORO_CASE(bytes_behind_an_answer_end_the_connection) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    uint8_t bytes[200] = {0};
    trip_begin(&trip, line, PING);
    message_t message = message_from_json(trip.exchange.loop.request_id, "{'ok': 1}");
    memcpy(bytes, message.bytes, message.size);
    line_write(line, bytes, message.size + 3);
    turn();
    CHECK_FAILED(trip, MONGOC_ERROR_PROTOCOL, "3 bytes more");
    CHECK(!line_is_open(line));
    message_free(message);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

CORO_CASE(an_answer_that_nobody_asked_for_ends_the_connection) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    line_write_message(line, message_from_json(1, "{'ok': 1}"));
    turn();
    CHECK(!line_is_open(line));
    CHECK(line_sees_end(line));
    CHECK_INT(rig->lost, 1);
    rig_free(rig);
    return 0;
}

CORO_CASE(an_answer_without_ok_is_none) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_begin(&trip, line, PING);
    line_answer(line, &trip, "{'a': 1}");
    turn();
    CHECK_FAILED(trip, MONGOC_ERROR_PROTOCOL, "it has no field 'ok'");
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

/* --- servers that close ----------------------------------------------------------------------- */

CORO_CASE(an_idle_connection_that_the_server_closes_is_noticed) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    turn();
    CHECK_INT(rig->lost, 0);
    line_close(line);
    turn();
    CHECK_INT(rig->lost, 1);
    CHECK(!line_is_open(line));
    CHECK_INT(rig->job_count, 0);
    rig_free(rig);
    return 0;
}

/* And libmongoc's picture is told, by a job. */
CORO_CASE(a_server_that_closes_after_half_an_answer_is_lost) {
    rig_t *rig = rig_new(NULL);
    for (size_t count = 0; count < 40; count += 13) {
        line_t *line = line_new(rig, "{}");
        trip_t trip;
        trip_begin(&trip, line, PING);
        free(line_take(line).bytes);
        message_t message =
            message_from_json(trip.exchange.loop.request_id, "{'ok': 1, 'a': 'some text'}");
        line_write(line, message.bytes, count);
        turn();
        CHECK(!trip.done);
        line_close(line);
        turn();
        CHECK_FAILED(trip, MONGOC_ERROR_STREAM, "the connection to a:1 was lost: closed by the");
        CHECK(trip.exchange.reached && !trip.exchange.cut);
        CHECK(!line_is_open(line));
        message_free(message);
        trip_end(&trip);
    }
    CHECK_INT(rig->lost, 0);
    rig_free(rig);
    return 0;
}

/* An answer may lie before the end. */
CORO_CASE(an_answer_before_the_end_counts) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_begin(&trip, line, PING);
    free(line_take(line).bytes);
    line_answer(line, &trip, "{'ok': 1}");
    line_close(line);
    turn();
    CHECK(trip.done && trip.exchange.ok);
    CHECK(!line_is_open(line));
    CHECK_INT(rig->lost, 1);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

/* libuv ends its watch of a socket that was reset. */
CORO_CASE(an_answer_before_a_reset_counts_and_the_reset_is_noticed) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_begin(&trip, line, PING); /* which the server does not read: so it resets */
    message_t message = message_from_json(trip.exchange.loop.request_id, "{'ok': 1}");
    CHECK_INT(write(line->fd, message.bytes, message.size), message.size);
    message_free(message);
    line_close(line);
    turn();
    CHECK(trip.done && trip.exchange.ok);
    CHECK(!line_is_open(line));
    CHECK_INT(rig->lost, 1);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

CORO_CASE(sending_to_a_server_that_has_gone_fails_later) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    line_close(line);
    trip_begin(&trip, line, PING);
    CHECK(!trip.done);
    turn();
    CHECK_FAILED(trip, MONGOC_ERROR_STREAM, "the connection to a:1 was lost");
    CHECK(!trip.exchange.reached);
    CHECK(!line_is_open(line));
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

/* --- sockets that take nothing ---------------------------------------------------------------- */

static void trip_init_large(trip_t *trip, line_t *line, size_t payload) {
    bson_t *command = BCON_NEW("insert", BCON_UTF8("users")), *document = document_of(payload);
    BSON_APPEND_DOCUMENT(command, "a", document);
    bson_destroy(document);
    trip_init(trip, line, "{}");
    bson_destroy((bson_t *)trip->exchange.command);
    trip->exchange.command = command;
}

CORO_CASE(a_message_larger_than_the_socket_goes_out_in_pieces) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_init_large(&trip, line, 8 * 1024 * 1024);
    trip_send(&trip, line);
    turn();
    CHECK(!trip.exchange.reached && !trip.done);
    uint8_t head[MOUV__WIRE_HEADER_BYTES];
    CHECK(line_read(line, head, sizeof head));
    size_t size = (size_t)mouv__op_msg_header(head).length - sizeof head;
    uint8_t *rest = malloc(size);
    CHECK(line_read(line, rest, size - 1000000));
    CHECK(!trip.exchange.reached);
    CHECK(line_read(line, rest + size - 1000000, 1000000));
    turn();
    CHECK(trip.exchange.reached && !trip.done);
    bson_t expected, inside;
    bson_iter_t at;
    const uint8_t *data;
    uint32_t length;
    CHECK(bson_init_static(&inside, rest + 5, size - 5));
    CHECK(bson_iter_init_find(&at, &inside, "a"));
    bson_iter_document(&at, &length, &data);
    CHECK(bson_init_static(&expected, data, length));
    bson_t *document = document_of(8 * 1024 * 1024);
    CHECK(bson_equal(&expected, document));
    line_answer(line, &trip, "{'ok': 1}");
    turn();
    CHECK(trip.done && trip.exchange.ok);
    bson_destroy(document);
    free(rest);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

CORO_CASE(a_server_that_closes_before_the_last_byte_was_not_reached) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_init_large(&trip, line, 8 * 1024 * 1024);
    trip_send(&trip, line);
    turn();
    line_close(line);
    turn();
    CHECK_FAILED(trip, MONGOC_ERROR_STREAM, "the connection to a:1 was lost");
    CHECK(!trip.exchange.reached);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

/* Half of one command must not be followed by another one; and what is sent is borrowed. */
CORO_CASE(an_answer_before_the_last_byte_is_out_ends_the_connection) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_init_large(&trip, line, 8 * 1024 * 1024);
    trip_send(&trip, line);
    turn();
    line_answer(line, &trip, "{'ok': 1}");
    turn();
    CHECK_FAILED(trip, MONGOC_ERROR_PROTOCOL, "before");
    CHECK(!trip.exchange.reached);
    CHECK(!line_is_open(line));
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

/* --- who reads how much ----------------------------------------------------------------------- */

/* The first has far more than a turn's; the other's is small. */
CORO_CASE(a_large_answer_does_not_hold_up_a_small_one) {
    enum { LINES = 3 };
    rig_t *rig = rig_new(NULL);
    line_t *lines[LINES];
    trip_t trips[LINES];
    bson_t *document = document_of(100000);
    rig->loop->peers.turn_bytes = 1000;
    for (int i = 0; i < LINES; i++) {
        lines[i] = line_new(rig, "{}");
        trip_begin(&trips[i], lines[i], PING);
    }
    turn();
    for (int i = 0; i < LINES; i++)
        line_write_message(lines[i],
                           i < LINES - 1
                               ? message_of(trips[i].exchange.loop.request_id, document)
                               : message_from_json(trips[i].exchange.loop.request_id, "{'ok': 1}"));
    turns(5);
    CHECK(trips[LINES - 1].done);
    for (int i = 0; i < LINES - 1; i++) CHECK(!trips[i].done);
    for (int i = 0; i < 1000 && !(trips[0].done && trips[1].done); i++) turns(1);
    for (int i = 0; i < LINES - 1; i++)
        CHECK(trips[i].done && bson_equal(trips[i].exchange.reply, document));
    for (int i = 0; i < LINES; i++) trip_end(&trips[i]);
    bson_destroy(document);
    rig_free(rig);
    return 0;
}

/* Who waits for the next turn is not forgotten where the one before it takes all of that. */
CORO_CASE(all_that_are_hungry_are_fed) {
    enum { LINES = 20 };
    rig_t *rig = rig_new(NULL);
    line_t *lines[LINES];
    trip_t trips[LINES];
    bson_t *document = document_of(1000);
    for (int i = 0; i < LINES; i++) {
        lines[i] = line_new(rig, "{}");
        trip_begin(&trips[i], lines[i], PING);
        message_t message = message_of(trips[i].exchange.loop.request_id, document);
        rig->loop->peers.turn_bytes = message.size;
        line_write_message(lines[i], message);
    }
    turns(LINES + 5);
    for (int i = 0; i < LINES; i++) CHECK(trips[i].done && trips[i].exchange.ok);
    for (int i = 0; i < LINES; i++) trip_end(&trips[i]);
    bson_destroy(document);
    rig_free(rig);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(a_command_goes_out_and_its_answer_comes_in),
        TEST(an_answer_may_come_in_any_pieces),
        TEST(large_answers_come_whole),
        TEST(what_is_no_answer_ends_the_connection),
        TEST(what_is_no_answer_in_two_pieces_likewise),
        TEST(what_is_no_answer_in_bytes_likewise),
        TEST(bytes_behind_an_answer_end_the_connection),
        TEST(an_answer_that_nobody_asked_for_ends_the_connection),
        TEST(an_answer_without_ok_is_none),
        TEST(an_idle_connection_that_the_server_closes_is_noticed),
        TEST(a_server_that_closes_after_half_an_answer_is_lost),
        TEST(an_answer_before_the_end_counts),
        TEST(an_answer_before_a_reset_counts_and_the_reset_is_noticed),
        TEST(sending_to_a_server_that_has_gone_fails_later),
        TEST(a_message_larger_than_the_socket_goes_out_in_pieces),
        TEST(a_server_that_closes_before_the_last_byte_was_not_reached),
        TEST(an_answer_before_the_last_byte_is_out_ends_the_connection),
        TEST(a_large_answer_does_not_hold_up_a_small_one),
        TEST(all_that_are_hungry_are_fed),
    };
    return RUN_CASES(cases);
}
