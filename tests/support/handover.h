/*
 * Connections that libmongoc sets up and hands over, and OP_MSG spoken by hand on them. A header
 * only: it reaches internals. cmocka's assertions; no coroutine is about.
 */
#ifndef MOUV_TESTS_HANDOVER_H
#define MOUV_TESTS_HANDOVER_H

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>
#ifdef MOUV_HAVE_ZLIB
#include <zlib.h>
#endif

#include "mongo/base/libmongoc.h"
#include "mongo/transport/driver/channel.h"
#include "mongo/transport/driver/factory.h"
#include "mongo/wire/compress.h"
#include "mongo/wire/op_msg.h"

/** "Never": what has not come by then does not come. */
#define HANDOVER_NEVER_MS 60000

/* --- a factory and what it wants -------------------------------------------------------------- */

typedef struct place {
    uv_loop_t loop;
    uv_async_t wake;
    mouv__mailbox_t *mailbox;
    mouv__listener_t *listener;
    mouv__driver_pool_t *driver_pool;
    mouv__factory_t *factory;
    uint32_t server_id; /* the primary's; 1, if it has not been looked for */
    char host[300];
} place_t;

static inline void place_on_wake(uv_async_t *wake) {
    (void)wake; /* nobody runs the loop */
}

static inline void place_on_change(void *arg) {
    (void)arg;
}

/** libmongoc's pool with this URI, as a client makes it. */
static inline void place_open(place_t *place, const char *uri_text) {
    mouv__client_options_t none = {0};
    bson_error_t error = {0};
    *place = (place_t){.server_id = 1};
    mouv__libmongoc_init();
    mongoc_uri_t *uri = mongoc_uri_new_with_error(uri_text, &error);
    if (!uri) fail_msg("%s: %s", uri_text, error.message);
    assert_int_equal(uv_loop_init(&place->loop), 0);
    assert_int_equal(uv_async_init(&place->loop, &place->wake, place_on_wake), 0);
    place->mailbox = mouv__mailbox_new(&place->wake);
    place->listener = mouv__listener_new(place->mailbox, place_on_change, NULL);
    place->driver_pool = mouv__driver_pool_new(uri, &none, place->listener);
    if (!mouv__driver_pool_prepare(place->driver_pool, &error)) fail_msg("%s", error.message);
    place->factory = mouv__factory_new(place->driver_pool);
    assert_non_null(place->factory);
}

/** Waits for the primary, which is the server from now on. */
static inline void place_find_primary(place_t *place) {
    bson_error_t error = {0};
    mongoc_client_t *client = mongoc_client_pool_pop(place->driver_pool->clients);
    mongoc_server_description_t *found = mongoc_client_select_server(client, true, NULL, &error);
    if (!found) fail_msg("%s", error.message);
    place->server_id = mongoc_server_description_id(found);
    snprintf(place->host, sizeof(place->host), "%s",
             mongoc_server_description_host(found)->host_and_port);
    mongoc_server_description_destroy(found);
    mongoc_client_pool_push(place->driver_pool->clients, client);
}

static inline void place_free_all(void *arg) {
    place_t *place = arg;
    mouv__factory_free(place->factory);
    mouv__driver_pool_unref(place->driver_pool);
}

/** Nothing of it is left afterwards: libmongoc's pool is destroyed on a thread that may wait. */
static inline void place_close(place_t *place) {
    uv_thread_t thread;
    mouv__listener_stop(place->listener);
    assert_int_equal(uv_thread_create(&thread, place_free_all, place), 0);
    assert_int_equal(uv_thread_join(&thread), 0);
    mouv__listener_unref(place->listener);
    mouv__mailbox_close(place->mailbox);
    mouv__mailbox_unref(place->mailbox);
    uv_close((uv_handle_t *)&place->wake, NULL);
    uv_run(&place->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&place->loop), 0);
}

static inline mouv__handover_t place_connect(place_t *place) {
    mouv__handover_t made = {0};
    bson_error_t error = {0};
    if (!mouv__factory_connect(place->factory, place->server_id, place->host, &made, &error))
        fail_msg("%s", error.message);
    assert_non_null(made.channel);
    assert_non_null(made.hello);
    return made;
}

static inline void handover_end(mouv__handover_t *made, bool reset) {
    mouv__channel_close(made->channel, reset);
    bson_destroy(made->hello);
    *made = (mouv__handover_t){0};
}

/* --- bytes ------------------------------------------------------------------------------------ */

static inline void channel_wait(const mouv__channel_t *channel, short events) {
    struct pollfd one = {.fd = mouv__channel_fd(channel), .events = events};
    if (poll(&one, 1, HANDOVER_NEVER_MS) != 1) fail_msg("nothing comes");
}

static inline void channel_flush(mouv__channel_t *channel) {
    int rc;
    while ((rc = mouv__channel_flush(channel)) == MOUV__CHANNEL_AGAIN)
        channel_wait(channel, POLLOUT);
    if (rc != 0) fail_msg("flush: %s", strerror(errno));
    assert_int_equal(mouv__channel_unsent(channel), 0);
}

/** In three pieces, as a message is sent: its header, the rest of the head, the document. */
static inline void channel_send(mouv__channel_t *channel, const uint8_t *bytes, size_t size) {
    for (size_t at = 0; at < size;) {
        size_t head = at == 0 && size > 32 ? 16 : 0;
        struct iovec pieces[3] = {
            {(void *)(bytes + at), head},
            {(void *)(bytes + at + head), head / 2},
            {(void *)(bytes + at + head + head / 2), size - at - head - head / 2}};
        ssize_t taken = mouv__channel_write(channel, pieces, 3);
        if (taken == MOUV__CHANNEL_AGAIN)
            channel_wait(channel, POLLOUT);
        else if (taken < 0)
            fail_msg("write: %s", strerror(errno));
        else
            at += (size_t)taken;
    }
    channel_flush(channel);
}

static inline void channel_receive(mouv__channel_t *channel, uint8_t *bytes, size_t size) {
    for (size_t at = 0; at < size;) {
        ssize_t got = mouv__channel_read(channel, bytes + at, size - at);
        if (got == MOUV__CHANNEL_AGAIN)
            channel_wait(channel, POLLIN);
        else if (got <= 0)
            fail_msg("read: %s", got == 0 ? "the server has closed it" : strerror(errno));
        else
            at += (size_t)got;
    }
}

/* --- messages --------------------------------------------------------------------------------- */

enum { HANDOVER_HEAD = MOUV__WIRE_HEADER_BYTES + 4 + 1 };

static inline uint8_t *message_new(const bson_t *command, int32_t id, size_t *size) {
    *size = HANDOVER_HEAD + command->len;
    uint8_t *message = calloc(1, *size);
    mouv__op_msg_header_t header = {(int32_t)*size, id, 0, MOUV__WIRE_MSG};
    mouv__op_msg_put_header(&header, message);
    memcpy(message + HANDOVER_HEAD, bson_get_data(command), command->len);
    return message;
}

/** The whole next message, uncompressed; free() it. `compressed`: whether it came so. */
static inline uint8_t *message_receive(mouv__channel_t *channel, int32_t id,
                                       mouv__op_msg_header_t *header, bool *compressed) {
    char why[256] = "";
    uint8_t start[MOUV__WIRE_HEADER_BYTES];
    channel_receive(channel, start, sizeof(start));
    *header = mouv__op_msg_header(start);
    if (!mouv__op_msg_check_header(header, id, why, sizeof(why))) fail_msg("%s", why);
    size_t size = (size_t)header->length - sizeof(start);
    uint8_t *body = malloc(size);
    channel_receive(channel, body, size);
    *compressed = header->opcode == MOUV__WIRE_COMPRESSED;
    if (!*compressed) return body;
    mouv__op_msg_compressed_t inside;
    if (!mouv__op_msg_check_compressed(header, body, &inside, why, sizeof(why)))
        fail_msg("%s", why);
    size_t plain_size = (size_t)inside.header.length - MOUV__WIRE_HEADER_BYTES;
    uint8_t *plain = malloc(plain_size);
    if (!mouv__compress_undo(inside.compressor, inside.data, inside.size, plain, plain_size, why,
                             sizeof(why)))
        fail_msg("%s", why);
    *header = inside.header;
    free(body);
    return plain;
}

static inline bson_t *message_read(mouv__channel_t *channel, int32_t id, bool *compressed) {
    char why[256] = "";
    mouv__op_msg_header_t header;
    uint8_t *body = message_receive(channel, id, &header, compressed);
    size_t size = (size_t)header.length - MOUV__WIRE_HEADER_BYTES;
    if (!mouv__op_msg_check_body(header.opcode, body, size, why, sizeof(why))) fail_msg("%s", why);
    bson_t *reply = bson_new_from_data(body + 5, size - 5);
    assert_non_null(reply);
    free(body);
    return reply;
}

static inline void message_send(mouv__channel_t *channel, const bson_t *command, int32_t id) {
    size_t size;
    uint8_t *message = message_new(command, id, &size);
    channel_send(channel, message, size);
    free(message);
}

/** A command, which is freed, and the reply to it. */
static inline bson_t *channel_ask(mouv__channel_t *channel, bson_t *command) {
    static int32_t id = 1000;
    bool compressed;
    message_send(channel, command, ++id);
    bson_destroy(command);
    return message_read(channel, id, &compressed);
}

/* --- documents -------------------------------------------------------------------------------- */

/** With ' for ". */
static inline bson_t *document(const char *format, ...) {
    char text[2000];
    bson_error_t error;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    for (char *at = text; *at; at++)
        if (*at == '\'') *at = '"';
    bson_t *made = bson_new_from_json((const uint8_t *)text, -1, &error);
    if (!made) fail_msg("%s: %s", text, error.message);
    return made;
}

static inline bool document_find(const bson_t *in, const char *path, bson_iter_t *at) {
    bson_iter_t iter;
    return bson_iter_init(&iter, in) && bson_iter_find_descendant(&iter, path, at);
}

static inline int64_t document_int(const bson_t *in, const char *path) {
    bson_iter_t at;
    return document_find(in, path, &at) ? bson_iter_as_int64(&at) : -1;
}

/** "" if there is none. */
static inline const char *document_text(const bson_t *in, const char *path) {
    bson_iter_t at;
    return document_find(in, path, &at) && BSON_ITER_HOLDS_UTF8(&at) ? bson_iter_utf8(&at, NULL)
                                                                     : "";
}

/** Fails with all of it if it is none that says ok. */
static inline bson_t *expect_ok(bson_t *reply) {
    if (document_int(reply, "ok") != 1) {
        char *text = bson_as_relaxed_extended_json(reply, NULL);
        fail_msg("%s", text);
    }
    return reply;
}

static inline void channel_do(mouv__channel_t *channel, bson_t *command) {
    bson_destroy(expect_ok(channel_ask(channel, command)));
}

static inline void channel_ping(mouv__channel_t *channel) {
    channel_do(channel, document("{'ping': 1, '$db': 'admin'}"));
}

/** The server answers this ping by closing the connection. */
static inline void channel_ping_ends_it(mouv__channel_t *channel) {
    char byte;
    ssize_t got;
    bson_t *ping = document("{'ping': 1, '$db': 'admin'}");
    message_send(channel, ping, 7);
    bson_destroy(ping);
    while ((got = mouv__channel_read(channel, &byte, 1)) == MOUV__CHANNEL_AGAIN)
        channel_wait(channel, POLLIN);
    assert_int_equal(got, 0);
}

/* --- what every connection must be able to do ------------------------------------------------- */

#define HANDOVER_BIG (10 * 1024 * 1024)

static inline bson_t *big_insert(const char *text, int size) {
    bson_t *command = document("{'insert': 'big', '$db': 'handover', 'ordered': true}");
    bson_t documents = BSON_INITIALIZER, one;
    BSON_APPEND_DOCUMENT_BEGIN(&documents, "0", &one);
    BSON_APPEND_INT32(&one, "_id", 1);
    bson_append_utf8(&one, "text", -1, text, size);
    bson_append_document_end(&documents, &one);
    BSON_APPEND_ARRAY(command, "documents", &documents);
    bson_destroy(&documents);
    return command;
}

static inline void channel_carries_ten_mebibytes_both_ways(mouv__channel_t *channel) {
    char *text = malloc(HANDOVER_BIG + 1);
    for (int i = 0; i < HANDOVER_BIG; i++) text[i] = (char)('a' + i % 23);
    text[HANDOVER_BIG] = '\0';
    bson_destroy(channel_ask(channel, document("{'drop': 'big', '$db': 'handover'}")));
    channel_do(channel, big_insert(text, HANDOVER_BIG));
    bson_t *reply = expect_ok(channel_ask(channel, document("{'find': 'big', '$db': 'handover'}")));
    assert_true(strcmp(document_text(reply, "cursor.firstBatch.0.text"), text) == 0);
    bson_destroy(reply);
    channel_do(channel, document("{'dropDatabase': 1, '$db': 'handover'}"));
    free(text);
}

static inline void channel_finds_a_batch(mouv__channel_t *channel) {
    bson_destroy(channel_ask(channel, document("{'drop': 'few', '$db': 'handover'}")));
    channel_do(channel, document("{'insert': 'few', '$db': 'handover',"
                                 " 'documents': [{'_id': 1}, {'_id': 2}, {'_id': 3}]}"));
    bson_t *reply = expect_ok(
        channel_ask(channel, document("{'find': 'few', '$db': 'handover', 'sort': {'_id': 1},"
                                      " 'batchSize': 2}")));
    assert_int_equal(document_int(reply, "cursor.firstBatch.1._id"), 2);
    int64_t id = document_int(reply, "cursor.id");
    bson_destroy(reply);
    assert_true(id != 0);
    reply = expect_ok(
        channel_ask(channel, document("{'getMore': {'$numberLong': '%lld'}, 'collection': 'few',"
                                      " '$db': 'handover'}",
                                      (long long)id)));
    assert_int_equal(document_int(reply, "cursor.nextBatch.0._id"), 3);
    bson_destroy(reply);
}

/** Who the server takes the connection for; "": for nobody. */
static inline void channel_is_of(mouv__channel_t *channel, const char *user) {
    bson_t *status =
        expect_ok(channel_ask(channel, document("{'connectionStatus': 1, '$db': 'admin'}")));
    assert_string_equal(document_text(status, "authInfo.authenticatedUsers.0.user"), user);
    bson_destroy(status);
}

/** It is as good as any, with everything gone that has set it up. */
static inline void channel_is_whole(mouv__channel_t *channel) {
    char byte;
    assert_int_equal(mouv__channel_read(channel, &byte, 1), MOUV__CHANNEL_AGAIN);
    channel_ping(channel);
    channel_finds_a_batch(channel);
    channel_carries_ten_mebibytes_both_ways(channel);
    assert_int_equal(mouv__channel_read(channel, &byte, 1), MOUV__CHANNEL_AGAIN);
    channel_ping(channel);
}

/** By one factory, living side by side, each the user's ("": of none). */
static inline void place_makes_fifty(place_t *place, const char *user) {
    enum { COUNT = 50 };
    mouv__handover_t made[COUNT];
    for (int i = 0; i < COUNT; i++) made[i] = place_connect(place);
    for (int i = 0; i < COUNT; i++) channel_is_of(made[i].channel, user);
    for (int i = 1; i < COUNT; i++)
        assert_int_not_equal(document_int(made[i].hello, "connectionId"),
                             document_int(made[i - 1].hello, "connectionId"));
    for (int i = 0; i < COUNT; i++) handover_end(&made[i], i % 2 == 0);
}

#endif
