/*
 * The loop transport without libmongoc's part: its connections are socketpairs, whose other ends
 * the test has, and what it gives to workers is the test's to run.
 *
 *     CORO_CASE(...) {
 *         rig_t *rig = rig_new("socketTimeoutMS=1000");      options of the URI; NULL: none
 *         line_t *line = line_new(rig, "{'setName': 'rs0'}");  a connection; the server's hello
 *         trip_t trip;
 *         trip_begin(&trip, line, "{'ping': 1}");            an exchange on it
 *         bson_t *asked = line_asked(line);                  what the server has got; a message
 *         line_answer(line, &trip, "{'ok': 1}");
 *         turn();                                            what can happen happens
 *         CHECK(trip.done && trip.exchange.ok);
 *         trip_end(&trip);
 *         rig_free(rig);
 *     }
 *
 * The clock is manual: only pass_ms() moves it. In a REAL_CASE it is the real one.
 */
#ifndef MOUV_TESTS_UNIT_LOOP_SUPPORT_H
#define MOUV_TESTS_UNIT_LOOP_SUPPORT_H

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support/async_support.h"
#include "message_support.h"

#include <mouv/clock.h>

#include "context/alloc.h"
#include "mongo/base/client_ref.h"
#include "mongo/topology/description.h"
#include "mongo/transport/driver/stream_socket.h"
#include "mongo/transport/loop/goodbye.h"
#include "mongo/transport/loop/loop.h"
#include "mongo/transport/loop/state.h"

#define RIG_JOBS_MAX 64
#define RIG_SERVER 1

typedef struct line line_t;

typedef struct rig {
    mouv__client_ref_t client; /* first: its address is a client's */
    mouv__executor_t executor, packers;
    mouv__job_t *jobs[RIG_JOBS_MAX]; /* given to workers, and not back */
    uint32_t job_count;
    uint32_t packed; /* of those that ever were: the packers' */
    bool no_thread;  /* none is taken */
    mouv__loop_t *loop;
    mouv__listener_t *listener;
    mouv__topology_t *topology; /* the primary a:1, or what the test makes of it */
    line_t *lines;
    uint32_t lost;    /* idle connections that the server has closed */
    uint32_t cleared; /* how often the pool was to be cleared, because the server was lost */
    bool emptied;
} rig_t;

static inline mouv_client_t *rig_client(rig_t *rig) {
    return (mouv_client_t *)rig;
}

/* A connection, and the server's end of it. */
struct line {
    line_t *next;
    rig_t *rig;
    mouv__loop_connection_t *connection;
    mouv__peer_t *peer; /* gone a turn after it was closed */
    int fd;             /* the server's; -1: closed */
};

/* An exchange. */
typedef struct trip {
    mouv__exchange_t exchange; /* first */
    bool done, discarded;
} trip_t;

static bool rig_inside; /* send() or cut() is on the stack */

/* --- time ------------------------------------------------------------------------------------- */

typedef struct turning {
    uv_check_t check; /* after the sockets */
    uv_idle_t idle;   /* nothing is waited for */
    mouv_event_t over;
    int left, handles;
} turning_t;

static inline void turn_on_check(uv_check_t *check) {
    turning_t *turning = check->data;
    if (--turning->left == 0) mouv_event_set(&turning->over);
}

static inline void turn_on_idle(uv_idle_t *idle) {
    (void)idle;
}

static inline void turn_on_closed(uv_handle_t *handle) {
    turning_t *turning = handle->data;
    if (--turning->handles == 0) free(turning);
}

/* The loop turns, with a look at the sockets. */
static inline void turns(int count) {
    uv_loop_t *uv = mouv_runtime_loop(mouv__runtime());
    turning_t *turning = calloc(1, sizeof *turning);
    if (!turning) abort();
    *turning = (turning_t){.left = count, .handles = 2};
    uv_check_init(uv, &turning->check);
    uv_idle_init(uv, &turning->idle);
    turning->check.data = turning->idle.data = turning;
    uv_check_start(&turning->check, turn_on_check);
    uv_idle_start(&turning->idle, turn_on_idle);
    int64_t kept = mouv__alloc_fail_at; /* waiting is not what is tested */
    mouv__alloc_fail_at = -1;
    mouv_future_t over = mouv_event_wait_future(&turning->over);
    mouv__alloc_fail_at = kept;
    mouv_await(over, NULL);
    mouv_event_close(&turning->over);
    uv_close((uv_handle_t *)&turning->check, turn_on_closed);
    uv_close((uv_handle_t *)&turning->idle, turn_on_closed);
}

static inline void turn(void) {
    turns(3);
}

static inline void pass_ms(int64_t ms) {
    turn();
    while (ms-- > 0) {
        mouv_clock_advance_ms(1);
        turns(1);
    }
    turn();
}

/* --- the transport ---------------------------------------------------------------------------- */

static inline void rig_on_client(mouv_client_t *client) {
    (void)client;
}

static const mouv__client_ops_t rig_client_ops = {
    .close = rig_on_client, .quiet = rig_on_client, .free = rig_on_client};

static inline void rig_on_news(void *arg) {
    (void)arg;
}

static inline rig_t *rig_of(mouv__loop_t *loop) {
    return (rig_t *)loop->transport.client;
}

static inline int rig_take(rig_t *rig, mouv__job_t *job) {
    if (rig->no_thread) return MOUV_ENOMEM;
    if (rig->job_count == RIG_JOBS_MAX) abort();
    rig->jobs[rig->job_count++] = job;
    return 0;
}

static inline int rig_submit(mouv__executor_t *executor, mouv__job_t *job) {
    return rig_take(mouv__container_of(executor, rig_t, executor), job);
}

static inline int rig_submit_packing(mouv__executor_t *executor, mouv__job_t *job) {
    rig_t *rig = mouv__container_of(executor, rig_t, packers);
    rig->packed++;
    return rig_take(rig, job);
}

static inline void rig_on_executor_closed(mouv__executor_t *executor) {
    (void)executor;
}

static inline void rig_on_lost(mouv__transport_t *transport, mouv__connection_t *connection,
                               uint32_t server_id) {
    CHECK(connection != NULL);
    CHECK_INT(server_id, RIG_SERVER);
    rig_of(mouv__loop_of(transport))->lost++;
}

static inline void rig_on_emptied(mouv__peers_t *peers) {
    rig_of(mouv__container_of(peers, mouv__loop_t, peers))->emptied = true;
}

static inline void rig_on_server(void *arg, mouv__server_t *server) {
    (void)arg;
    (void)server;
}

static inline void rig_on_server_changed(void *arg, mouv__server_t *server,
                                         mouv__server_kind_t was) {
    rig_t *rig = arg;
    CHECK(!rig_inside);
    (void)was;
    bool lost = !mouv__server_is_known(server);
    rig->cleared += lost;
    server->generation += lost; /* as the pool does */
}

static const mouv__topology_ops_t rig_topology_ops = {rig_on_server_changed, rig_on_server,
                                                      rig_on_server, rig_on_server};

static inline mouv__topology_t *rig_new_topology(rig_t *rig, const mongoc_uri_t *uri,
                                                 const char *type) {
    static const char *const hosts[] = {"a:1"};
    static const uint32_t ids[] = {RIG_SERVER};
    static const int64_t updated_ms[] = {0};
    mouv__topology_t *topology = mouv__topology_new(uri, &rig_topology_ops, rig);
    mouv_topology_description_t *described = mouv__describe_unknown(hosts, 1);
    if (!topology || !described) abort();
    mouv__description_set_type(described->servers, type);
    mouv__topology_apply(topology, mouv__snapshot_new(described, ids, updated_ms));
    return topology;
}

static inline bool rig_is_marked(const rig_t *rig) {
    return mouv__server_is_marked(mouv__topology_server(rig->topology, RIG_SERVER));
}

static inline mouv__driver_pool_t *rig_driver_pool(rig_t *rig, const char *text) {
    mouv__client_options_t none = {0};
    mongoc_uri_t *uri = mongoc_uri_new(text);
    if (!uri) abort();
    rig->listener = mouv__listener_new(mouv__runtime_mailbox(mouv__runtime()), rig_on_news, NULL);
    return mouv__driver_pool_new(uri, &none, rig->listener);
}

static inline rig_t *rig_new_for(const char *uri) {
    mongoc_init();
    if (support_virtual) mouv_clock_set_manual();
    rig_t *rig = calloc(1, sizeof *rig);
    if (!rig) abort();
    mouv__client_ref_init(rig_client(rig), &rig_client_ops, mouv__runtime());
    mouv__driver_pool_t *driver_pool = rig_driver_pool(rig, uri);
    rig->topology = rig_new_topology(rig, driver_pool->uri, "RSPrimary");
    mouv__transport_t *transport =
        mouv__loop_new(rig_client(rig), driver_pool, rig->topology, 1000);
    if (!transport) abort();
    transport->lost = rig_on_lost;
    rig->loop = mouv__loop_of(transport);
    rig->loop->executor->close(rig->loop->executor);
    rig->loop->packers->close(rig->loop->packers);
    rig->executor =
        (mouv__executor_t){.capacity = 1, .submit = rig_submit, .close = rig_on_executor_closed};
    rig->packers = rig->executor;
    rig->packers.submit = rig_submit_packing;
    rig->loop->executor = &rig->executor;
    rig->loop->packers = &rig->packers;
    rig->loop->peers.emptied = rig_on_emptied;
    if (mouv__peers_open(&rig->loop->peers, rig_client(rig)) < 0) abort();
    if (support_virtual) pass_ms(1); /* the clock's 0 is "never" here and there */
    return rig;
}

static inline rig_t *rig_new(const char *options) {
    char uri[512];
    snprintf(uri, sizeof uri, "mongodb://a:1,b:2/?%s", options ? options : "");
    return rig_new_for(uri);
}

/* The oldest of what workers have; `run`: it has been done, else it was not even tried. */
static inline void rig_work(rig_t *rig, bool run) {
    if (!CHECK(rig->job_count > 0)) return;
    mouv__job_t *job = rig->jobs[0];
    rig->job_count--;
    memmove(rig->jobs, rig->jobs + 1, rig->job_count * sizeof rig->jobs[0]);
    if (run) job->run(job);
    job->done(job);
}

static inline void line_free(line_t *line) {
    if (line->fd >= 0) close(line->fd);
    free(line);
}

/* Without a close(): none of the factories has been opened. */
static inline void rig_free_loop(rig_t *rig) {
    mouv__loop_t *loop = rig->loop;
    mouv__loop_factory_t *factory;
    for (line_t *line = rig->lines; line; line = line->next)
        mouv__goodbye_free_connection(loop, line->connection);
    while (rig->job_count > 0) rig_work(rig, false);
    while ((factory = MOUV__LIST_POP(&loop->factories, mouv__loop_factory_t, link)) != NULL)
        mouv__free(factory);
    mouv__patience_close(&loop->patience);
    mouv__peers_close(&loop->peers);
    while (!rig->emptied) turn();
    loop->transport.ops->free(&loop->transport);
    rig->loop = NULL;
}

static inline void rig_free(rig_t *rig) {
    turn();
    if (rig->loop) rig_free_loop(rig);
    for (line_t *line; (line = rig->lines) != NULL;) {
        rig->lines = line->next;
        line_free(line);
    }
    mouv__topology_free(rig->topology);
    mouv__listener_stop(rig->listener);
    mouv__listener_unref(rig->listener);
    turn();
    free(rig);
}

/* --- connections ------------------------------------------------------------------------------ */

/* Over any descriptor, which it owns. */
static inline mouv__channel_t *channel_over(int fd) {
    mouv__socket_t *socket;
    mouv__interruptible_t *interruptible = mouv__interruptible_new();
    if (!interruptible) abort();
    mongoc_stream_t *stream = mouv__stream_socket_new(interruptible, fd, &socket);
    mouv__interruptible_unref(interruptible);
    mouv__stream_base_t *base = stream ? mouv__stream_base_new(stream) : NULL;
    mouv__channel_t *channel = base ? mouv__channel_new(base, NULL) : NULL;
    if (!channel) abort();
    return channel;
}

static inline mouv__peer_t *line_new_peer(line_t *line, int fd, const char *hello) {
    mouv__peer_t *peer = mouv__peer_new(&line->rig->loop->peers, channel_over(fd));
    if (!peer) abort();
    bson_t *reply = from_json(hello);
    peer->hello = mouv__hello_read(reply);
    bson_destroy(reply);
    peer->connection = &line->connection->connection;
    peer->server_id = RIG_SERVER;
    snprintf(peer->host, sizeof peer->host, "a:1");
    peer->siblings = &line->connection->peers;
    mouv__list_push_front(peer->siblings, &peer->sibling);
    return peer;
}

static inline line_t *line_new(rig_t *rig, const char *hello) {
    int ends[2];
    line_t *line = calloc(1, sizeof *line);
    if (!line || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) abort();
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    line->rig = rig;
    line->next = rig->lines;
    rig->lines = line;
    line->fd = ends[1];
    mouv__transport_t *transport = &rig->loop->transport;
    line->connection = mouv__loop_connection_of(transport->ops->connection_new(transport));
    line->peer = line_new_peer(line, ends[0], hello);
    return line;
}

/* Whether the connection has a socket. */
static inline bool line_is_open(const line_t *line) {
    return !mouv__list_is_empty(&line->connection->peers);
}

static inline void line_close(line_t *line) {
    close(line->fd);
    line->fd = -1;
}

/* The server writes all of it, while the loop turns. */
static inline void line_write(line_t *line, const void *bytes, size_t size) {
    for (size_t at = 0; at < size;) {
        ssize_t count = send(line->fd, (const char *)bytes + at, size - at, MSG_NOSIGNAL);
        if (count < 0 && errno != EAGAIN) return; /* it was closed */
        if (count > 0) at += (size_t)count;
        if (at < size) turns(1);
    }
}

/* The server reads so many bytes, while the loop turns; false: they do not come. */
static inline bool line_read(line_t *line, void *to, size_t size) {
    int idle = 0;
    for (size_t at = 0; at < size && idle < 1000;) {
        ssize_t count = recv(line->fd, (char *)to + at, size - at, 0);
        if (count == 0 || (count < 0 && errno != EAGAIN)) return false;
        if (count > 0) at += (size_t)count;
        idle = count > 0 ? 0 : idle + 1;
        if (at < size) turns(1);
        if (at == size) return true;
    }
    return size == 0;
}

/* Whether the server sees the connection's end, with nothing before it. */
static inline bool line_sees_end(line_t *line) {
    char byte;
    ssize_t count = recv(line->fd, &byte, 1, 0);
    return count == 0 || (count < 0 && errno == ECONNRESET);
}

/* The next message at the server; no bytes: there is none. */
static inline message_t line_take(line_t *line) {
    uint8_t head[MOUV__WIRE_HEADER_BYTES];
    message_t message = {NULL, 0};
    if (!line_read(line, head, sizeof head)) return message;
    message.size = (size_t)mouv__op_msg_header(head).length;
    message.bytes = malloc(message.size);
    if (!message.bytes) abort();
    memcpy(message.bytes, head, sizeof head);
    if (!line_read(line, message.bytes + sizeof head, message.size - sizeof head)) message.size = 0;
    return message;
}

/* Its document; NULL: there is no message, or no plain one. */
static inline bson_t *line_asked(line_t *line) {
    message_t message = line_take(line);
    bson_t *asked = NULL;
    if (message.size > MESSAGE_HEAD_BYTES &&
        mouv__op_msg_header(message.bytes).opcode == MOUV__WIRE_MSG)
        asked = bson_new_from_data(message.bytes + MESSAGE_HEAD_BYTES,
                                   message.size - MESSAGE_HEAD_BYTES);
    message_free(message);
    return asked;
}

/* --- exchanges -------------------------------------------------------------------------------- */

static inline void trip_on_done(mouv__exchange_t *exchange) {
    trip_t *trip = (trip_t *)exchange;
    CHECK(!rig_inside);
    CHECK(!trip->done && !trip->discarded);
    trip->done = true;
}

static inline void trip_on_discard(mouv__exchange_t *exchange) {
    trip_t *trip = (trip_t *)exchange;
    CHECK(!trip->done && !trip->discarded);
    trip->discarded = true;
}

static inline void trip_init(trip_t *trip, line_t *line, const char *command) {
    *trip = (trip_t){.exchange = {.connection = &line->connection->connection,
                                  .server_id = RIG_SERVER,
                                  .call_id = 1,
                                  .database = "shop",
                                  .command = from_json(command),
                                  .done = trip_on_done,
                                  .discard = trip_on_discard}};
    mouv__exchange_init(&trip->exchange);
}

static inline void trip_send(trip_t *trip, line_t *line) {
    mouv__transport_t *transport = &line->rig->loop->transport;
    rig_inside = true;
    CHECK_INT(transport->ops->send(transport, &trip->exchange), 0);
    rig_inside = false;
}

static inline void trip_begin(trip_t *trip, line_t *line, const char *command) {
    trip_init(trip, line, command);
    trip_send(trip, line);
}

static inline bool trip_cut(trip_t *trip) {
    rig_inside = true;
    bool cut = trip->exchange.transport->ops->cut(&trip->exchange);
    rig_inside = false;
    return cut;
}

static inline void trip_abandon(trip_t *trip) {
    trip->exchange.transport->ops->abandon(&trip->exchange);
}

static inline void trip_end(trip_t *trip) {
    bson_destroy(trip->exchange.reply);
    bson_destroy((bson_t *)trip->exchange.command);
    trip->exchange.reply = NULL;
    trip->exchange.command = NULL;
}

static inline void line_write_message(line_t *line, message_t message) {
    line_write(line, message.bytes, message.size);
    message_free(message);
}

static inline void line_answer(line_t *line, const trip_t *trip, const char *json) {
    line_write_message(line, message_from_json(trip->exchange.loop.request_id, json));
}

#define CHECK_DOCUMENT(actual, expected) CHECK(document_is((actual), (expected)))

static inline bool document_is(const bson_t *document, const char *expected) {
    bool equal = document && equals_json(document, expected);
    char *text = document ? bson_as_canonical_extended_json(document, NULL) : NULL;
    if (!equal) fprintf(stderr, "    %s\n", text ? text : "(null)");
    bson_free(text);
    return equal;
}

/* It has failed, and says so. */
#define CHECK_FAILED(trip, domain_, part) \
    do { \
        CHECK((trip).done && !(trip).exchange.ok); \
        CHECK((trip).exchange.reply == NULL); \
        CHECK_INT((trip).exchange.error.domain, (domain_)); \
        CHECK_CONTAINS((trip).exchange.error.message, (part)); \
    } while (0)

#endif
