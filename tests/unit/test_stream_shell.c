/*
 * What libmongoc holds instead of a connection that is handed over: full, and empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "context/alloc.h"
#include "mongo/transport/driver/stream_checked.h"
#include "mongo/transport/driver/stream_shell.h"
#include "mongo/transport/driver/stream_socket.h"
#include "mongo/wire/op_msg.h"

#define LONG_MS 60000
#define REQUEST 77

typedef struct pair {
    mouv__shells_t shells;
    mouv__stream_parts_t parts;
    mongoc_stream_t *shell;
    int peer;
} pair_t;

/* A full shell, as stream_connect.c puts it together. */
static void pair_open_until(pair_t *pair, int64_t set_up_by_us) {
    int ends[2];
    mouv__socket_t *socket;
    mouv__interruptible_t *interruptible = mouv__interruptible_new();
    *pair = (pair_t){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    pair->peer = ends[1];
    mongoc_stream_t *lowest = mouv__stream_socket_new(interruptible, ends[0], &socket);
    pair->parts.base = mouv__stream_base_new(lowest);
    pair->parts.set_up_by_us = set_up_by_us;
    mongoc_stream_t *checked = mouv__stream_checked_new(&pair->parts.base->stream, socket);
    pair->shell = mouv__stream_shell_new(&pair->shells, checked, &pair->parts);
    assert_non_null(pair->shell);
    mouv__interruptible_unref(interruptible);
}

static void pair_open(pair_t *pair) {
    pair_open_until(pair, bson_get_monotonic_time() + 10 * LONG_MS * INT64_C(1000));
}

/* {hello: 1} or the like, with this opcode. */
static ssize_t request(mongoc_stream_t *stream, int32_t opcode) {
    uint8_t message[64] = {0};
    mouv__op_msg_header_t header = {sizeof(message), REQUEST, 0, opcode};
    mouv__op_msg_put_header(&header, message);
    mongoc_iovec_t pieces[2] = {{.iov_base = (char *)message, .iov_len = 7},
                                {.iov_base = (char *)message + 7, .iov_len = 57}};
    return mongoc_stream_writev(stream, pieces, 2, LONG_MS);
}

/* OP_MSG with {ok: 1} and `more` bytes behind it. */
enum { ANSWER = 21 + 13 };
static void answer(int peer, size_t more) {
    uint8_t message[64] = {0};
    mouv__op_msg_header_t header = {ANSWER, 1, REQUEST, MOUV__WIRE_MSG};
    bson_t *document = BCON_NEW("ok", BCON_INT32(1));
    assert_int_equal(document->len, ANSWER - 21);
    mouv__op_msg_put_header(&header, message);
    memcpy(message + 21, bson_get_data(document), document->len);
    bson_destroy(document);
    assert_int_equal(write(peer, message, ANSWER + more), ANSWER + more);
}

static mouv__channel_t *take(pair_t *pair) {
    bson_error_t error = {0};
    return mouv__shells_take(&pair->shells, &error);
}

static void pair_close(pair_t *pair) {
    if (pair->shell) mongoc_stream_destroy(pair->shell);
    assert_true(mouv__list_is_empty(&pair->shells.list));
    close(pair->peer);
}

/* --- full ------------------------------------------------------------------------------------- */

static void a_full_one_passes_through(void **state) {
    (void)state;
    pair_t pair;
    uint8_t bytes[64];
    pair_open(&pair);
    assert_true(mouv__shells_are_full(&pair.shells));
    assert_int_equal(request(pair.shell, MOUV__WIRE_MSG), 64);
    assert_int_equal(recv(pair.peer, bytes, 64, MSG_WAITALL), 64);
    answer(pair.peer, 0);
    assert_int_equal(mongoc_stream_read(pair.shell, bytes, 4, 4, LONG_MS), 4);
    assert_int_equal(mongoc_stream_read(pair.shell, bytes, ANSWER - 4, ANSWER - 4, LONG_MS),
                     ANSWER - 4);
    assert_false(mongoc_stream_timed_out(pair.shell));
    pair_close(&pair);
}

/* The socket has no bytes any more, the rest of the answer is further up. */
static void polling_sees_the_rest_of_an_answer(void **state) {
    (void)state;
    pair_t pair;
    uint8_t bytes[64];
    pair_open(&pair);
    mongoc_stream_poll_t poller = {.stream = pair.shell, .events = POLLIN};
    assert_int_equal(mongoc_stream_poll(&poller, 1, 0), 0);
    request(pair.shell, MOUV__WIRE_MSG);
    answer(pair.peer, 0);
    assert_int_equal(mongoc_stream_poll(&poller, 1, LONG_MS), 1);
    assert_int_equal(mongoc_stream_read(pair.shell, bytes, 4, 4, LONG_MS), 4);
    poller.revents = 0;
    assert_int_equal(mongoc_stream_poll(&poller, 1, LONG_MS), 1);
    assert_int_equal(poller.revents, POLLIN);
    assert_int_equal(mongoc_stream_read(pair.shell, bytes, ANSWER - 4, ANSWER - 4, LONG_MS),
                     ANSWER - 4);
    assert_int_equal(mongoc_stream_poll(&poller, 1, 0), 0);
    pair_close(&pair);
}

/* libmongoc would wait for as long again. */
static void polling_ends_when_the_time_to_set_it_up_is_over(void **state) {
    (void)state;
    pair_t pair;
    int64_t by_us = bson_get_monotonic_time() + 20000;
    pair_open_until(&pair, by_us);
    mongoc_stream_poll_t poller = {.stream = pair.shell, .events = POLLIN};
    assert_int_equal(mongoc_stream_poll(&poller, 1, 1000 * LONG_MS), 1);
    assert_int_equal(poller.revents, POLLIN);
    assert_true(bson_get_monotonic_time() >= by_us - 1000);
    pair_close(&pair);
}

/* --- emptied ---------------------------------------------------------------------------------- */

static void what_is_taken_outlives_the_shell(void **state) {
    (void)state;
    pair_t pair;
    uint8_t bytes[4];
    pair_open(&pair);
    mouv__channel_t *channel = take(&pair);
    assert_non_null(channel);
    assert_false(mouv__shells_are_full(&pair.shells));
    assert_null(take(&pair));
    mongoc_stream_destroy(pair.shell);
    pair.shell = NULL;
    assert_int_equal(write(pair.peer, "abc", 3), 3);
    assert_int_equal(mouv__channel_read(channel, bytes, sizeof(bytes)), 3);
    mouv__channel_close(channel, false);
    pair_close(&pair);
}

static void bytes_that_nobody_has_asked_for_are_not_lost_silently(void **state) {
    (void)state;
    pair_t pair;
    uint8_t bytes[64];
    bson_error_t error = {0};
    pair_open(&pair);
    request(pair.shell, MOUV__WIRE_MSG);
    recv(pair.peer, bytes, 64, MSG_WAITALL);
    answer(pair.peer, 3);
    assert_int_equal(mongoc_stream_read(pair.shell, bytes, ANSWER, ANSWER, LONG_MS), ANSWER);
    assert_null(mouv__shells_take(&pair.shells, &error));
    assert_int_equal(error.domain, MONGOC_ERROR_PROTOCOL);
    assert_int_equal(recv(pair.peer, bytes, 1, 0), 0); /* it is closed */
    pair_close(&pair);
}

static void without_memory_for_a_channel_the_connection_is_closed(void **state) {
    (void)state;
    pair_t pair;
    char byte;
    bson_error_t error = {0};
    pair_open(&pair);
    mouv__alloc_fail_at = 1;
    assert_null(mouv__shells_take(&pair.shells, &error));
    mouv__alloc_fail_at = -1;
    assert_string_equal(error.message, "out of memory");
    assert_int_equal(recv(pair.peer, &byte, 1, 0), 0);
    pair_close(&pair);
}

static void an_empty_one_fails_as_a_call_that_took_too_long(void **state) {
    (void)state;
    pair_t pair;
    char byte;
    pair_open(&pair);
    mouv__channel_close(take(&pair), false);
    assert_int_equal(request(pair.shell, MOUV__WIRE_MSG), -1);
    assert_int_equal(mongoc_stream_read(pair.shell, &byte, 1, 1, LONG_MS), -1);
    assert_true(mongoc_stream_timed_out(pair.shell));
    assert_true(mongoc_stream_check_closed(pair.shell));
    mongoc_stream_poll_t poller = {.stream = pair.shell, .events = POLLIN};
    assert_int_equal(mongoc_stream_poll(&poller, 1, LONG_MS), 1); /* does not wait */
    assert_true(poller.revents & POLLERR);
    pair_close(&pair);
}

static void one_may_be_empty_from_the_beginning(void **state) {
    (void)state;
    mouv__shells_t shells = {0};
    mongoc_stream_t *shell = mouv__stream_shell_new(&shells, NULL, NULL);
    assert_false(mouv__shells_are_full(&shells));
    assert_int_equal(request(shell, MOUV__WIRE_QUERY), -1);
    mongoc_stream_destroy(shell);
    assert_true(mouv__list_is_empty(&shells.list));
}

/* libmongoc's pool keeps them for longer than their factory. */
static void those_that_outlive_their_factory_are_empty(void **state) {
    (void)state;
    pair_t pair;
    char byte;
    pair_open(&pair);
    mouv__shells_clear(&pair.shells);
    assert_int_equal(recv(pair.peer, &byte, 1, 0), 0);
    memset(&pair.shells, 0xff, sizeof(pair.shells)); /* it is not looked at any more */
    assert_int_equal(request(pair.shell, MOUV__WIRE_MSG), -1);
    assert_true(mongoc_stream_timed_out(pair.shell));
    mongoc_stream_destroy(pair.shell);
    close(pair.peer);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_full_one_passes_through),
        cmocka_unit_test(polling_sees_the_rest_of_an_answer),
        cmocka_unit_test(polling_ends_when_the_time_to_set_it_up_is_over),
        cmocka_unit_test(what_is_taken_outlives_the_shell),
        cmocka_unit_test(bytes_that_nobody_has_asked_for_are_not_lost_silently),
        cmocka_unit_test(without_memory_for_a_channel_the_connection_is_closed),
        cmocka_unit_test(an_empty_one_fails_as_a_call_that_took_too_long),
        cmocka_unit_test(one_may_be_empty_from_the_beginning),
        cmocka_unit_test(those_that_outlive_their_factory_are_empty),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
