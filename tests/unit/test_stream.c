/*
 * mouv's own streams over a connection: what libmongoc reads from them, and what ends a wait.
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
#ifdef MOUV_HAVE_SNAPPY
#include <snappy-c.h>
#endif
#ifdef MOUV_HAVE_ZLIB
#include <zlib.h>
#endif
#ifdef MOUV_HAVE_LIBZSTD
#include <zstd.h>
#endif
#include <uv.h>

#include "../support/bson_walk.h"
#include "../support/tcp_pair.h"
#include "mongo/transport/driver/stream_checked.h"
#include "mongo/transport/driver/stream_socket.h"
#include "mongo/wire/op_msg.h"

#define REQUEST 77
#define LONG_MS 60000 /* a wait that something must end */

typedef struct pair {
    mouv__interruptible_t *line;
    mouv__socket_t *socket;
    mongoc_stream_t *stream;
    int peer;
} pair_t;

static void pair_open(pair_t *pair) {
    int ends[2];
    tcp_pair(ends);
    pair->peer = ends[1];
    pair->line = mouv__interruptible_new();
    mongoc_stream_t *lowest = mouv__stream_socket_new(pair->line, ends[0], &pair->socket);
    pair->stream = mouv__stream_checked_new(lowest, pair->socket);
    assert_non_null(pair->stream);
    mouv__interruptible_begin(pair->line, 1, 0);
}

static void pair_close(pair_t *pair) {
    mongoc_stream_destroy(pair->stream);
    mouv__interruptible_unref(pair->line);
    close(pair->peer);
}

static void put(uint8_t *at, uint32_t value) {
    value = BSON_UINT32_TO_LE(value);
    memcpy(at, &value, sizeof(value));
}

/* --- Requests and answers -------------------------------------------------------------------- */

/* {<name>: 1}; libmongoc sends a message in such pieces. */
static bool request(pair_t *pair, const char *name) {
    bson_t *document = bson_new();
    bson_append_int32(document, name, -1, 1);
    uint8_t head[21] = {0};
    mouv__op_msg_header_t header = {(int32_t)(sizeof(head) + document->len), REQUEST, 0,
                                    MOUV__WIRE_MSG};
    mouv__op_msg_put_header(&header, head);
    mongoc_iovec_t pieces[3] = {
        {.iov_base = (char *)head, .iov_len = 4},
        {.iov_base = (char *)head + 4, .iov_len = 17},
        {.iov_base = (char *)bson_get_data(document), .iov_len = document->len}};
    ssize_t sent = mongoc_stream_writev(pair->stream, pieces, 3, LONG_MS);
    char drained[256];
    if (sent > 0) assert_int_equal(read(pair->peer, drained, sizeof(drained)), sent);
    bson_destroy(document);
    return sent == header.length;
}

/* An OP_MSG with {ok: 1, text: ...}, `text_size` long. Free it. */
static uint8_t *answer_new(size_t text_size, size_t *size) {
    char *text = malloc(text_size + 1);
    memset(text, 'x', text_size);
    bson_t *document = bson_new();
    BSON_APPEND_INT32(document, "ok", 1);
    bson_append_utf8(document, "text", -1, text, (int)text_size);
    *size = 21 + document->len;
    uint8_t *bytes = calloc(1, *size);
    mouv__op_msg_header_t header = {(int32_t)*size, 1, REQUEST, MOUV__WIRE_MSG};
    mouv__op_msg_put_header(&header, bytes);
    memcpy(bytes + 21, bson_get_data(document), document->len);
    bson_destroy(document);
    free(text);
    return bytes;
}

typedef struct writer {
    uv_thread_t thread;
    int fd;
    const uint8_t *bytes;
    size_t size;
    bool closes;
} writer_t;

static void write_all(void *arg) {
    writer_t *writer = arg;
    size_t at = 0;
    while (at < writer->size) {
        ssize_t now = send(writer->fd, writer->bytes + at, writer->size - at, MSG_NOSIGNAL);
        if (now <= 0) break;
        at += (size_t)now;
    }
    if (writer->closes) shutdown(writer->fd, SHUT_WR);
}

static void send_answer(writer_t *writer, pair_t *pair, const uint8_t *bytes, size_t size) {
    *writer = (writer_t){.fd = pair->peer, .bytes = bytes, .size = size};
    assert_int_equal(uv_thread_create(&writer->thread, write_all, writer), 0);
}

/* As libmongoc reads an OP_MSG: its length, then the rest behind it. NULL if that fails. */
static uint8_t *read_as_msg(pair_t *pair, size_t *size) {
    uint8_t *bytes = malloc(4);
    int32_t length;
    if (mongoc_stream_read(pair->stream, bytes, 4, 4, LONG_MS) != 4) goto fail;
    memcpy(&length, bytes, 4);
    length = BSON_UINT32_FROM_LE(length);
    assert_true(length >= 16 && length <= MOUV__WIRE_MESSAGE_MAX_BYTES);
    bytes = realloc(bytes, (size_t)length);
    if (mongoc_stream_read(pair->stream, bytes + 4, (size_t)length - 4, (size_t)length - 4,
                           LONG_MS) != length - 4)
        goto fail;
    *size = (size_t)length;
    return bytes;
fail:
    free(bytes);
    return NULL;
}

static const char *fault_of(pair_t *pair) {
    static bson_error_t error;
    error.message[0] = '\0';
    mouv__interruptible_explain(pair->line, &error);
    return error.message;
}

/* --- Answers --------------------------------------------------------------------------------- */

static void answers_of_all_sizes_arrive_unchanged(void **state) {
    const size_t sizes[] = {0, 100, 16000, 16384, 20000, 100, 5000000, 1};
    pair_t pair;
    (void)state;
    pair_open(&pair);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t sent, got;
        writer_t writer;
        uint8_t *answer = answer_new(sizes[i], &sent);
        assert_true(request(&pair, "find"));
        send_answer(&writer, &pair, answer, sent);
        uint8_t *read = read_as_msg(&pair, &got);
        uv_thread_join(&writer.thread);
        assert_non_null(read);
        assert_int_equal(got, sent);
        assert_memory_equal(read, answer, sent);
        free(read);
        free(answer);
    }
    assert_string_equal(fault_of(&pair), "");
    pair_close(&pair);
}

/* libmongoc may want any pieces; those of OP_REPLY begin with 36 bytes. */
static void answers_may_be_read_in_any_pieces(void **state) {
    const size_t first[] = {4, 16, 36, 1000};
    pair_t pair;
    (void)state;
    pair_open(&pair);
    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
        size_t size, at = 0;
        writer_t writer;
        uint8_t *answer = answer_new(40000, &size), *read = malloc(size);
        assert_true(request(&pair, "find"));
        send_answer(&writer, &pair, answer, size);
        while (at < size) {
            size_t wanted = at == 0 ? first[i] : size - at < 777 ? size - at : 777;
            assert_int_equal(mongoc_stream_read(pair.stream, read + at, wanted, wanted, LONG_MS),
                             wanted);
            at += wanted;
        }
        uv_thread_join(&writer.thread);
        assert_memory_equal(read, answer, size);
        free(read);
        free(answer);
    }
    pair_close(&pair);
}

static void a_bad_answer_is_told_and_ends_the_connection(void **state) {
    const size_t sizes[] = {10, 100000};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        pair_t pair;
        size_t size, got;
        writer_t writer;
        uint8_t *answer = answer_new(sizes[i], &size);
        answer[size - 2] = 'x'; /* the text has no end */
        pair_open(&pair);
        assert_true(request(&pair, "find"));
        send_answer(&writer, &pair, answer, size);
        assert_null(read_as_msg(&pair, &got));
        uv_thread_join(&writer.thread);
        assert_non_null(strstr(fault_of(&pair), "does not end with zero"));
        assert_true(mongoc_stream_timed_out(pair.stream)); /* the server is not taken for lost */
        assert_false(request(&pair, "find"));
        pair_close(&pair);
        free(answer);
    }
}

static void an_answer_that_ends_too_early_is_no_answer(void **state) {
    pair_t pair;
    size_t size, got;
    (void)state;
    for (size_t cut = 0; cut < 80; cut += 13) {
        uint8_t *answer = answer_new(60, &size);
        writer_t writer = {.bytes = answer, .size = cut, .closes = true};
        pair_open(&pair);
        writer.fd = pair.peer;
        assert_true(request(&pair, "find"));
        write_all(&writer);
        assert_null(read_as_msg(&pair, &got));
        assert_string_equal(fault_of(&pair), "");
        assert_false(mongoc_stream_timed_out(pair.stream));
        pair_close(&pair);
        free(answer);
    }
}

/* --- Compressed answers ---------------------------------------------------------------------- */

/* Compresses what follows the header of `answer` and puts it into an OP_COMPRESSED. Free it. */
static uint8_t *compress_answer(const uint8_t *answer, size_t size, uint8_t compressor,
                                size_t *to_size) {
    size_t length = 2 * size + 1000;
    uint8_t *bytes = calloc(1, 25 + length);
    mouv__op_msg_header_t header = {0, 1, REQUEST, MOUV__WIRE_COMPRESSED};
    const uint8_t *from = answer + 16;
    if (compressor == 0) memcpy(bytes + 25, from, length = size - 16);
#ifdef MOUV_HAVE_SNAPPY
    if (compressor == 1)
        assert_int_equal(
            snappy_compress((const char *)from, size - 16, (char *)bytes + 25, &length), SNAPPY_OK);
#endif
#ifdef MOUV_HAVE_ZLIB
    uLongf zlib_length = (uLongf)length;
    if (compressor == 2) {
        assert_int_equal(compress(bytes + 25, &zlib_length, from, (uLong)size - 16), Z_OK);
        length = zlib_length;
    }
#endif
#ifdef MOUV_HAVE_LIBZSTD
    if (compressor == 3) length = ZSTD_compress(bytes + 25, length, from, size - 16, 1);
#endif
    put(bytes + 16, MOUV__WIRE_MSG);
    put(bytes + 20, (uint32_t)size - 16);
    bytes[24] = compressor;
    *to_size = 25 + length;
    header.length = (int32_t)*to_size;
    mouv__op_msg_put_header(&header, bytes);
    return bytes;
}

static const uint8_t compressors[] = {
    0,
#ifdef MOUV_HAVE_SNAPPY
    1,
#endif
#ifdef MOUV_HAVE_ZLIB
    2,
#endif
#ifdef MOUV_HAVE_LIBZSTD
    3,
#endif
};

static void compressed_answers_arrive_uncompressed(void **state) {
    const size_t sizes[] = {10, 16340, 300000, 10};
    pair_t pair;
    (void)state;
    pair_open(&pair);
    for (size_t i = 0; i < sizeof(compressors) * 4; i++) {
        size_t size, sent, got;
        writer_t writer;
        uint8_t *answer = answer_new(sizes[i % 4], &size);
        uint8_t *bytes = compress_answer(answer, size, compressors[i / 4], &sent);
        assert_true(request(&pair, "find"));
        send_answer(&writer, &pair, bytes, sent);
        uint8_t *read = read_as_msg(&pair, &got);
        uv_thread_join(&writer.thread);
        assert_non_null(read);
        assert_int_equal(got, size);
        assert_memory_equal(read, answer, size);
        free(read);
        free(bytes);
        free(answer);
    }
    pair_close(&pair);
}

static void what_is_compressed_is_checked_too(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(compressors); i++) {
        pair_t pair;
        size_t size, sent, got;
        writer_t writer;
        uint8_t *answer = answer_new(100, &size);
        answer[size - 2] = 'x';
        uint8_t *bytes = compress_answer(answer, size, compressors[i], &sent);
        pair_open(&pair);
        assert_true(request(&pair, "find"));
        send_answer(&writer, &pair, bytes, sent);
        assert_null(read_as_msg(&pair, &got));
        uv_thread_join(&writer.thread);
        assert_non_null(strstr(fault_of(&pair), "does not end with zero"));
        pair_close(&pair);
        free(bytes);
        free(answer);
    }
}

/* --- 2,000 changed answers of seven kinds ---------------------------------------------------- */

static uint32_t seed = 12345;

static uint32_t any(uint32_t below) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

enum { LENGTH, OPCODE, ANSWERED, FRAMING, INNER_LENGTH, CUT, BITS, KINDS };

static size_t change(uint8_t *answer, size_t size, int kind) {
    switch (kind) {
    case LENGTH:
        put(answer, any(2) ? any(UINT32_MAX >> 8) : (uint32_t)size + any(40) - 20);
        return size;
    case OPCODE:
        put(answer + 12, any(2) ? 2001 + any(15) : any(UINT32_MAX >> 8));
        return size;
    case ANSWERED:
        put(answer + 8, any(200));
        return size;
    case FRAMING:
        answer[16 + any(5)] = (uint8_t)any(256);
        return size;
    case INNER_LENGTH:
        put(answer + (any(2) ? 21 : 39), any(2) ? any(UINT32_MAX >> 8) : any(100));
        return size;
    case CUT:
        return any((uint32_t)size);
    default:
        for (uint32_t i = any(8) + 1; i > 0; i--)
            answer[any((uint32_t)size)] ^= (uint8_t)(1 << any(8));
        return size;
    }
}

static void changed_answers_are_refused_or_readable(void **state) {
    int refused[KINDS] = {0};
    (void)state;
    for (int i = 0; i < 2000; i++) {
        pair_t pair;
        size_t size, got;
        uint8_t *answer = answer_new(60, &size);
        writer_t writer = {.bytes = answer, .closes = true};
        writer.size = change(answer, size, i % KINDS);
        pair_open(&pair);
        writer.fd = pair.peer;
        assert_true(request(&pair, "find"));
        write_all(&writer);
        uint8_t *read = read_as_msg(&pair, &got);
        if (read)
            assert_true(bson_walk(read + 21, got - 21));
        else
            refused[i % KINDS]++;
        free(read);
        free(answer);
        pair_close(&pair);
    }
    assert_true(refused[LENGTH] > 270 && refused[OPCODE] > 270 && refused[ANSWERED] > 270);
    assert_int_equal(refused[CUT], 2000 / KINDS);
    assert_true(refused[FRAMING] > 100 && refused[INNER_LENGTH] > 270 && refused[BITS] > 100);
}

/* --- Interrupts ------------------------------------------------------------------------------ */

static void read_answer(void *arg) {
    pair_t *pair = arg;
    uint8_t length[4];
    assert_int_equal(mongoc_stream_read(pair->stream, length, 4, 4, LONG_MS), -1);
}

static void an_interrupt_ends_the_wait_of_its_call_only(void **state) {
    pair_t pair;
    uv_thread_t reader;
    char byte;
    (void)state;
    pair_open(&pair);
    assert_true(request(&pair, "find"));
    assert_int_equal(uv_thread_create(&reader, read_answer, &pair), 0);
    assert_false(mouv__interruptible_interrupt(pair.line, 2));
    assert_true(mouv__interruptible_interrupt(pair.line, 1));
    uv_thread_join(&reader);
    assert_true(mongoc_stream_timed_out(pair.stream));
    assert_true(mouv__interruptible_end(pair.line));
    assert_true(mouv__interruptible_was_sent(pair.line));
    assert_false(mouv__interruptible_interrupt(pair.line, 1));
    assert_int_equal(recv(pair.peer, &byte, 1, MSG_DONTWAIT), -1); /* nothing yet ... */
    assert_int_equal(errno, EAGAIN);
    mongoc_stream_close(pair.stream);
    assert_int_equal(read(pair.peer, &byte, 1), -1); /* ... and now a RST */
    assert_int_equal(errno, ECONNRESET);
    pair_close(&pair);
}

static void write_much(void *arg) {
    pair_t *pair = arg;
    enum { SIZE = 40 * 1024 * 1024 };
    uint8_t *bytes = calloc(1, SIZE);
    mouv__op_msg_header_t header = {SIZE, REQUEST, 0, MOUV__WIRE_MSG};
    mouv__op_msg_put_header(&header, bytes);
    assert_int_equal(mongoc_stream_write(pair->stream, bytes, SIZE, LONG_MS), -1);
    free(bytes);
}

static void an_interrupt_ends_a_wait_for_room(void **state) {
    pair_t pair;
    uv_thread_t writer;
    struct pollfd arrival;
    (void)state;
    pair_open(&pair);
    assert_int_equal(uv_thread_create(&writer, write_much, &pair), 0);
    arrival = (struct pollfd){.fd = pair.peer, .events = POLLIN};
    assert_int_equal(poll(&arrival, 1, LONG_MS), 1);
    while (!__atomic_load_n(&pair.socket->writing, __ATOMIC_SEQ_CST)) usleep(1000);
    usleep(20000); /* it is in poll() by now, most likely */
    assert_true(mouv__interruptible_interrupt(pair.line, 1));
    uv_thread_join(&writer);
    assert_true(mongoc_stream_timed_out(pair.stream));
    pair_close(&pair);
}

static void the_next_call_is_not_interrupted_but_meets_a_dead_connection(void **state) {
    pair_t pair;
    (void)state;
    pair_open(&pair);
    assert_true(request(&pair, "find"));
    assert_true(mouv__interruptible_interrupt(pair.line, 1)); /* after its answer, say */
    assert_true(mouv__interruptible_end(pair.line));
    mouv__interruptible_begin(pair.line, 2, 0);
    assert_false(request(&pair, "ping"));
    assert_true(mongoc_stream_timed_out(pair.stream));
    assert_false(mouv__interruptible_end(pair.line));
    assert_true(mouv__interruptible_was_stale(pair.line));
    assert_false(mouv__interruptible_was_sent(pair.line));
    pair_close(&pair);
}

static void nothing_is_sent_for_a_call_that_was_interrupted_before(void **state) {
    pair_t pair;
    (void)state;
    pair_open(&pair);
    assert_true(mouv__interruptible_interrupt(pair.line, 1));
    assert_false(request(&pair, "insert"));
    assert_true(mouv__interruptible_end(pair.line));
    assert_false(mouv__interruptible_was_sent(pair.line));
    pair_close(&pair);
}

static void setting_up_is_finished_and_then_the_command_not_sent(void **state) {
    static const char *const names[] = {"hello", "isMaster", "saslStart", "saslContinue"};
    pair_t pair;
    size_t size, got;
    (void)state;
    pair_open(&pair);
    pair.socket->setting_up = true;
    pair.socket->set_up_by_us = bson_get_monotonic_time() + LONG_MS * INT64_C(1000);
    assert_true(mouv__interruptible_interrupt(pair.line, 1));
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        writer_t writer;
        uint8_t *answer = answer_new(10, &size);
        assert_true(request(&pair, names[i]));
        send_answer(&writer, &pair, answer, size);
        uint8_t *read = read_as_msg(&pair, &got);
        assert_non_null(read);
        uv_thread_join(&writer.thread);
        free(read);
        free(answer);
    }
    assert_false(request(&pair, "find"));
    assert_true(mongoc_stream_timed_out(pair.stream));
    assert_true(mouv__interruptible_end(pair.line));
    assert_false(mouv__interruptible_was_sent(pair.line));
    pair_close(&pair);
}

static void setting_up_ends_by_its_time_and_a_wait_by_its_limit(void **state) {
    pair_t pair;
    uint8_t length[4];
    (void)state;
    pair_open(&pair);
    pair.socket->setting_up = true;
    pair.socket->set_up_by_us = bson_get_monotonic_time() + 20000;
    assert_true(request(&pair, "hello"));
    int64_t began_us = bson_get_monotonic_time();
    assert_int_equal(mongoc_stream_read(pair.stream, length, 4, 4, LONG_MS), -1);
    assert_int_equal(errno, ETIMEDOUT);
    pair_close(&pair);

    pair_open(&pair);
    mouv__interruptible_begin(pair.line, 1, 20);
    assert_true(request(&pair, "ping"));
    began_us = bson_get_monotonic_time();
    assert_int_equal(mongoc_stream_read(pair.stream, length, 4, 4, LONG_MS), -1);
    assert_true(bson_get_monotonic_time() - began_us >= 20000);
    assert_true(mongoc_stream_timed_out(pair.stream));
    pair_close(&pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_all_sizes_arrive_unchanged),
        cmocka_unit_test(answers_may_be_read_in_any_pieces),
        cmocka_unit_test(a_bad_answer_is_told_and_ends_the_connection),
        cmocka_unit_test(an_answer_that_ends_too_early_is_no_answer),
        cmocka_unit_test(compressed_answers_arrive_uncompressed),
        cmocka_unit_test(what_is_compressed_is_checked_too),
        cmocka_unit_test(changed_answers_are_refused_or_readable),
        cmocka_unit_test(an_interrupt_ends_the_wait_of_its_call_only),
        cmocka_unit_test(an_interrupt_ends_a_wait_for_room),
        cmocka_unit_test(the_next_call_is_not_interrupted_but_meets_a_dead_connection),
        cmocka_unit_test(nothing_is_sent_for_a_call_that_was_interrupted_before),
        cmocka_unit_test(setting_up_is_finished_and_then_the_command_not_sent),
        cmocka_unit_test(setting_up_ends_by_its_time_and_a_wait_by_its_limit),
    };
    mongoc_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    mongoc_cleanup();
    return failed;
}
