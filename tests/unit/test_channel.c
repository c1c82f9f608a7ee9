/*
 * The bytes of a connection that was handed over, without TLS; and the stream that is below TLS.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../support/tcp_pair.h"
#include "context/alloc.h"
#include "mongo/transport/driver/channel.h"
#include "mongo/transport/driver/stream_socket.h"

#define LONG_MS 60000

/* As it is while it is set up; nothing is left of who has done so. */
static mouv__stream_base_t *base_open(int *peer) {
    int ends[2];
    mouv__socket_t *socket;
    mouv__interruptible_t *interruptible = mouv__interruptible_new();
    tcp_pair(ends);
    mongoc_stream_t *stream = mouv__stream_socket_new(interruptible, ends[0], &socket);
    mouv__interruptible_begin(interruptible, 1, 0);
    mouv__interruptible_unref(interruptible);
    *peer = ends[1];
    mouv__stream_base_t *base = mouv__stream_base_new(stream);
    assert_non_null(base);
    return base;
}

static mouv__channel_t *channel_open(int *peer) {
    mouv__channel_t *channel = mouv__channel_new(base_open(peer), NULL);
    assert_non_null(channel);
    return channel;
}

static void wait_for(int fd, short events) {
    struct pollfd one = {.fd = fd, .events = events};
    assert_int_equal(poll(&one, 1, LONG_MS), 1);
}

/* --- a channel -------------------------------------------------------------------------------- */

static void reading_tells_nothing_from_the_end(void **state) {
    (void)state;
    int peer;
    char bytes[8];
    mouv__channel_t *channel = channel_open(&peer);
    assert_int_equal(mouv__channel_read(channel, bytes, sizeof(bytes)), MOUV__CHANNEL_AGAIN);
    assert_int_equal(write(peer, "abc", 3), 3);
    wait_for(mouv__channel_fd(channel), POLLIN);
    assert_int_equal(mouv__channel_read(channel, bytes, sizeof(bytes)), 3);
    assert_memory_equal(bytes, "abc", 3);
    assert_int_equal(mouv__channel_read(channel, bytes, sizeof(bytes)), MOUV__CHANNEL_AGAIN);
    close(peer);
    wait_for(mouv__channel_fd(channel), POLLIN);
    assert_int_equal(mouv__channel_read(channel, bytes, sizeof(bytes)), 0);
    mouv__channel_close(channel, false);
}

static void writing_takes_all_pieces_in_order(void **state) {
    (void)state;
    int peer;
    char bytes[8];
    struct iovec pieces[3] = {{"ab", 2}, {"", 0}, {"cde", 3}};
    mouv__channel_t *channel = channel_open(&peer);
    assert_int_equal(mouv__channel_write(channel, pieces, 3), 5);
    assert_int_equal(recv(peer, bytes, 5, MSG_WAITALL), 5);
    assert_memory_equal(bytes, "abcde", 5);
    assert_int_equal(mouv__channel_unsent(channel), 0);
    assert_int_equal(mouv__channel_flush(channel), 0);
    close(peer);
    mouv__channel_close(channel, false);
}

static void more_pieces_than_one_call_takes_are_taken_in_part(void **state) {
    (void)state;
    enum { COUNT = 3000 };
    int peer;
    struct iovec *pieces = calloc(COUNT, sizeof(*pieces));
    for (int i = 0; i < COUNT; i++) pieces[i] = (struct iovec){"x", 1};
    mouv__channel_t *channel = channel_open(&peer);
    ssize_t taken = mouv__channel_write(channel, pieces, COUNT);
    assert_true(taken > 0 && taken < COUNT);
    close(peer);
    mouv__channel_close(channel, false);
    free(pieces);
}

static void a_full_socket_takes_no_more_for_now(void **state) {
    (void)state;
    int peer;
    char bytes[65536] = {0};
    struct iovec piece = {bytes, sizeof(bytes)};
    ssize_t taken;
    mouv__channel_t *channel = channel_open(&peer);
    while ((taken = mouv__channel_write(channel, &piece, 1)) > 0) continue;
    assert_int_equal(taken, MOUV__CHANNEL_AGAIN);
    assert_int_equal(mouv__channel_unsent(channel), 0); /* without TLS nothing is kept */
    close(peer);
    mouv__channel_close(channel, false);
}

/* And no signal ends the program. */
static void a_connection_that_is_lost_fails(void **state) {
    (void)state;
    int peer;
    char byte = 0;
    struct iovec piece = {&byte, 1};
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    mouv__channel_t *channel = channel_open(&peer);
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(peer);
    wait_for(mouv__channel_fd(channel), POLLIN);
    assert_int_equal(mouv__channel_read(channel, &byte, 1), MOUV__CHANNEL_FAILED);
    assert_int_equal(errno, ECONNRESET);
    assert_int_equal(mouv__channel_write(channel, &piece, 1), MOUV__CHANNEL_FAILED);
    mouv__channel_close(channel, true);
}

static ssize_t peer_reads_after_close(bool reset) {
    int peer;
    char byte;
    mouv__channel_t *channel = channel_open(&peer);
    mouv__channel_close(channel, reset);
    ssize_t got = recv(peer, &byte, 1, 0);
    int code = errno;
    close(peer);
    errno = code;
    return got;
}

static void closing_ends_in_order_or_with_a_reset(void **state) {
    (void)state;
    assert_int_equal(peer_reads_after_close(false), 0);
    assert_int_equal(peer_reads_after_close(true), -1);
    assert_int_equal(errno, ECONNRESET);
}

static void without_memory_the_stream_stays_as_it_was(void **state) {
    (void)state;
    int peer;
    mouv__stream_base_t *base = base_open(&peer);
    mouv__alloc_fail_at = 1;
    assert_null(mouv__channel_new(base, NULL));
    mouv__alloc_fail_at = -1;
    assert_non_null(base->socket);
    mouv__channel_t *channel = mouv__channel_new(base, NULL);
    assert_non_null(channel);
    mouv__channel_close(channel, false);
    close(peer);
}

/* --- the stream below TLS --------------------------------------------------------------------- */

static ssize_t base_write(mouv__stream_base_t *base, const uint8_t *bytes, size_t size) {
    return mongoc_stream_write(&base->stream, (void *)bytes, size, 0);
}

static void while_it_is_set_up_it_is_the_sockets_stream(void **state) {
    (void)state;
    int peer;
    char bytes[3];
    mouv__stream_base_t *base = base_open(&peer);
    assert_ptr_equal(mongoc_stream_get_base_stream(&base->stream), base->socket);
    assert_int_equal(mongoc_stream_write(&base->stream, "abc", 3, LONG_MS), 3);
    assert_int_equal(recv(peer, bytes, 3, MSG_WAITALL), 3);
    assert_int_equal(write(peer, "de", 2), 2);
    assert_int_equal(mongoc_stream_read(&base->stream, bytes, 2, 2, LONG_MS), 2);
    assert_false(mongoc_stream_check_closed(&base->stream));
    mongoc_stream_destroy(&base->stream);
    close(peer);
}

static void a_read_notes_what_it_has_met(void **state) {
    (void)state;
    int peer;
    char byte;
    mouv__stream_base_t *base = base_open(&peer);
    mouv__stream_base_take_over(base);
    assert_null(mongoc_stream_get_base_stream(&base->stream));
    assert_int_equal(mongoc_stream_read(&base->stream, &byte, 1, 0, 0), -1);
    assert_true(base->again && !base->ended && base->code == 0);
    close(peer);
    wait_for(base->fd, POLLIN);
    mouv__stream_base_begin(base);
    assert_int_equal(mongoc_stream_read(&base->stream, &byte, 1, 0, 0), 0);
    assert_true(!base->again && base->ended && base->code == 0);
    mongoc_stream_destroy(&base->stream);
}

/* Byte for byte, in order, while the peer reads less than is written, then the rest. */
static void what_the_socket_does_not_take_is_kept_and_goes_out_later(void **state) {
    (void)state;
    enum { TOTAL = 20 * 1000 * 1000, STEP = 16401, LESS = 9001 };
    int peer;
    uint8_t *bytes = malloc(TOTAL), *read_back = malloc(TOTAL);
    size_t have = 0, written = 0;
    bool kept = false;
    mouv__stream_base_t *base = base_open(&peer);
    mouv__stream_base_take_over(base);
    for (size_t i = 0; i < TOTAL; i++) bytes[i] = (uint8_t)(i * 7 + i / 251);
    while (have < TOTAL) {
        size_t size = TOTAL - written < STEP ? TOTAL - written : STEP;
        if (size > 0) assert_int_equal(base_write(base, bytes + written, size), size);
        written += size;
        kept = kept || mouv__stream_base_unsent(base) > 0;
        ssize_t got = recv(peer, read_back + have, TOTAL - have < LESS ? TOTAL - have : LESS, 0);
        assert_true(got > 0);
        have += (size_t)got;
        assert_true(mouv__stream_base_flush(base));
    }
    assert_true(kept);
    assert_memory_equal(bytes, read_back, TOTAL);
    assert_null(base->unsent); /* idle again, it has no buffer */
    mongoc_stream_destroy(&base->stream);
    close(peer);
    free(bytes);
    free(read_back);
}

static void without_memory_to_keep_it_a_write_fails(void **state) {
    (void)state;
    int peer;
    static uint8_t bytes[1000000];
    ssize_t taken = (ssize_t)sizeof(bytes);
    mouv__stream_base_t *base = base_open(&peer);
    mouv__stream_base_take_over(base);
    mouv__alloc_fail_at = 1;
    for (int i = 0; i < 1000 && taken == (ssize_t)sizeof(bytes); i++)
        taken = base_write(base, bytes, sizeof(bytes));
    mouv__alloc_fail_at = -1;
    assert_int_equal(taken, -1);
    assert_int_equal(base->code, ENOMEM);
    mongoc_stream_destroy(&base->stream);
    close(peer);
}

static void what_is_written_to_a_closed_one_goes_nowhere(void **state) {
    (void)state;
    int peer;
    mouv__stream_base_t *base = base_open(&peer);
    mouv__stream_base_take_over(base);
    mouv__stream_base_close(base, true);
    assert_int_equal(base_write(base, (const uint8_t *)"bye", 3), 3);
    assert_int_equal(mouv__stream_base_unsent(base), 0);
    mongoc_stream_destroy(&base->stream);
    close(peer);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(reading_tells_nothing_from_the_end),
        cmocka_unit_test(writing_takes_all_pieces_in_order),
        cmocka_unit_test(more_pieces_than_one_call_takes_are_taken_in_part),
        cmocka_unit_test(a_full_socket_takes_no_more_for_now),
        cmocka_unit_test(a_connection_that_is_lost_fails),
        cmocka_unit_test(closing_ends_in_order_or_with_a_reset),
        cmocka_unit_test(without_memory_the_stream_stays_as_it_was),
        cmocka_unit_test(while_it_is_set_up_it_is_the_sockets_stream),
        cmocka_unit_test(a_read_notes_what_it_has_met),
        cmocka_unit_test(what_the_socket_does_not_take_is_kept_and_goes_out_later),
        cmocka_unit_test(without_memory_to_keep_it_a_write_fails),
        cmocka_unit_test(what_is_written_to_a_closed_one_goes_nowhere),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
