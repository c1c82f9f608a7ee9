/*
 * A transport that a test answers for, and the least of a client around it: pool/ and operation/
 * without a server, without libmongoc's threads, on a clock that only the test moves.
 *
 *     FAKE_CASE(..., fake_new(&(fake_options_t){.connections = 2})) {
 *         fake_deploy(fake, "RSPrimary RSSecondary");       servers a and b, with the ids 1 and 2
 *         ... mouv__pool_enter(&fake->client.pool, ...) or an operation on fake_client(fake) ...
 *         fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
 *         fake_answer(fake_out(fake, FAKE_SEND, 0), "{'ok': 1}");
 *         fake_pass_ms(10);                                  the only way that time passes
 *     }
 *
 * Every open, seek, connect, send, control and close becomes a fake_call_t, which stays readable
 * until the end; those that have not come back are `out`. Nothing comes back by itself but where
 * `fake->auto_ms[kind]` is 0 or more: then it goes well after so many ms (0: the next turn). OPEN
 * and CLOSE are so from the start. `fake->refuse[kind]` of them fail at once with MOUV_ENOMEM.
 *
 * The clock is manual, so that it stands still though operations are awaited: mouv_sleep_ms() of
 * more than 0 and mouv_await() in the test's own coroutine would wait for ever. fake_turn() lets
 * whatever is ready run.
 */
#ifndef MOUV_TESTS_UNIT_FAKE_TRANSPORT_H
#define MOUV_TESTS_UNIT_FAKE_TRANSPORT_H

#include <stdlib.h>
#include <string.h>

#include <mouv/clock.h>
#include <mouv/mouv.h>

#include "async/loop/state.h"
#include "context/alloc.h"
#include "mongo/base/client_ref.h"
#include "mongo/operation/operation.h"
#include "mongo/pool/pool.h"
#include "mongo/transport/transport.h"
#include "topology_support.h"

#define FAKE_CALLS_MAX 4096
#define FAKE_DEPLOYMENTS_MAX 256

typedef enum fake_kind {
    FAKE_OPEN,
    FAKE_SEEK,
    FAKE_CONNECT,
    FAKE_DISCONNECT, /* only with the option `disconnects` */
    FAKE_SEND,
    FAKE_CONTROL,
    FAKE_CLOSE,
    FAKE_CONNECTION_NEW, /* only for `refuse` */
    FAKE_KINDS
} fake_kind_t;

typedef struct fake fake_t;

/* Something that the transport was asked for. */
typedef struct fake_call {
    fake_t *fake;
    fake_kind_t kind;
    bool out;       /* has not come back */
    bool abandoned; /* nobody is told when it does */
    bool cut;       /* cut() was called for it */
    int64_t at_ns;
    mouv__connection_t *connection; /* OPEN, CLOSE: NULL */
    uint32_t server_id;             /* CONNECT, SEND, CONTROL */
    bool write;                     /* SEEK */
    mouv__control_kind_t control;   /* CONTROL */
    mouv__exchange_t *exchange;     /* SEND, CONTROL; while it is out */
    bson_t *command, *fields;       /* copies of the exchange's; fields: or NULL */
    char name[64];                  /* the command's: "killSessions" */
    mouv__transport_end_t end;      /* CLOSE */
    mouv__transport_ended_fn_t ended;
    void *arg;
    mouv__timer_t timer;
} fake_call_t;

/* Begins as a mouv_client_t does; its address is one. */
typedef struct fake_client {
    mouv__client_ref_t ref; /* first */
    mouv__topology_t *topology;
    mouv__listener_t *listener;
    mouv__pool_t pool;
    mouv__operations_t operations;
    uint32_t closes, quiets, frees; /* calls of the client's three ops */
} fake_client_t;

typedef struct fake_options {
    uint32_t connections;         /* maxPoolSize; 0: 4 */
    int64_t selection_timeout_ms; /* 0: 30000 */
    int64_t queue_wait_ms;        /* 0: 30000 */
    uint32_t queue_limit;         /* 0: 65536 */
    mouv_connection_pool_options_t told;
    bool unopened;                 /* libmongoc's part is not there yet: OPEN comes first */
    bool disconnects;              /* a worker closes the sockets of links */
    bool keeps_sockets;            /* nobody does */
    bool replaces;                 /* another connection takes an orphan's place, as with threads */
    bool cannot_orphan;            /* a set-up keeps its place */
    bool cannot_cut;               /* a cut ends no call, only its `limit_ms` */
    const mouv_monitor_t *monitor; /* who is told of events, with `monitor_arg`; or NULL */
    void *monitor_arg;
} fake_options_t;

/* A connection of the fake's; it lives to the end of the test. */
typedef struct fake_connection {
    mouv__connection_t connection; /* first */
    struct fake_connection *next;
    bool ended; /* by close(), or with what was abandoned on it */
} fake_connection_t;

struct fake {
    mouv__transport_t transport; /* first */
    fake_client_t client;
    mouv__transport_ops_t ops;
    bool transport_freed, closed;
    int64_t auto_ms[FAKE_KINDS]; /* negative: the test answers */
    uint32_t refuse[FAKE_KINDS]; /* how many of the next ones fail at once */
    bool replaces;               /* as the option */
    bool slow; /* what is sent stays PREPARING, and so withdrawable, until fake_sent() */
    fake_call_t *calls[FAKE_CALLS_MAX];
    uint32_t call_count;
    fake_connection_t *connections;
    bson_t *deployments[FAKE_DEPLOYMENTS_MAX]; /* whose strings the snapshots borrow */
    uint32_t deployment_count;
    uint8_t lsids;
};

static inline mouv_client_t *fake_client(fake_t *fake) {
    return (mouv_client_t *)&fake->client;
}

static inline mouv__pool_t *fake_pool(fake_t *fake) {
    return &fake->client.pool;
}

/* --- time ------------------------------------------------------------------------------------- */

typedef struct fake_mark {
    mouv__timer_t timer;
    mouv_event_t over;
} fake_mark_t;

static inline void fake_on_mark(mouv__timer_t *timer) {
    mouv_event_set(&mouv__container_of(timer, fake_mark_t, timer)->over);
}

/* As mouv__timer_start(), which is not the code under test here. */
static inline void fake_start_timer(mouv__timer_t *timer, int64_t at_ns,
                                    void (*fire)(mouv__timer_t *timer)) {
    int64_t kept = mouv__alloc_fail_at;
    mouv__alloc_fail_at = -1;
    if (mouv__timer_start(mouv__runtime(), timer, at_ns, fire) < 0) abort();
    mouv__alloc_fail_at = kept;
}

/* As mouv_event_wait_future(), likewise. */
static inline mouv_future_t fake_wait_future(mouv_event_t *event) {
    int64_t kept = mouv__alloc_fail_at;
    mouv__alloc_fail_at = -1;
    mouv_future_t future = mouv_event_wait_future(event);
    mouv__alloc_fail_at = kept;
    return future;
}

/* Whatever is ready or due runs, and what that makes ready. */
static inline void fake_turn(void) {
    fake_mark_t mark = {0};
    mouv_event_init(&mark.over);
    fake_start_timer(&mark.timer, mouv__clock_now_ns(mouv__runtime()), fake_on_mark);
    mouv_await(fake_wait_future(&mark.over), NULL);
    for (int i = 0; i < 4; i++) mouv_sleep_ms(0);
}

/* Time passes, from timer to timer (in whole milliseconds). */
static inline void fake_pass_ms(int64_t ms) {
    mouv_runtime_t *runtime = mouv__runtime();
    int64_t until_ns = mouv__clock_now_ns(runtime) + ms * MOUV__NS_PER_MS;
    fake_turn();
    for (int64_t now_ns; (now_ns = mouv__clock_now_ns(runtime)) < until_ns;) {
        int64_t next_ns = until_ns;
        if (runtime->timers.count > 0 && runtime->timers.heap[0]->at_ns < next_ns)
            next_ns = runtime->timers.heap[0]->at_ns;
        int64_t step_ms = (next_ns - now_ns + MOUV__NS_PER_MS - 1) / MOUV__NS_PER_MS;
        mouv_clock_advance_ms(step_ms > 0 ? step_ms : 1);
        fake_turn();
    }
}

/* --- calls ------------------------------------------------------------------------------------ */

/* The n-th of this kind that is out, the oldest first, from 0; NULL: there are not so many. */
static inline fake_call_t *fake_out(const fake_t *fake, fake_kind_t kind, uint32_t n) {
    for (uint32_t i = 0; i < fake->call_count; i++)
        if (fake->calls[i]->kind == kind && fake->calls[i]->out && n-- == 0) return fake->calls[i];
    return NULL;
}

/* The n-th of this kind from the beginning, out or not; NULL. */
static inline fake_call_t *fake_nth(const fake_t *fake, fake_kind_t kind, uint32_t n) {
    for (uint32_t i = 0; i < fake->call_count; i++)
        if (fake->calls[i]->kind == kind && n-- == 0) return fake->calls[i];
    return NULL;
}

/* The oldest that is out whose command has this name; NULL. */
static inline fake_call_t *fake_named(const fake_t *fake, const char *name) {
    for (uint32_t i = 0; i < fake->call_count; i++)
        if (fake->calls[i]->out && strcmp(fake->calls[i]->name, name) == 0) return fake->calls[i];
    return NULL;
}

/* How many of this kind are out, and how many there were. */
static inline uint32_t fake_count(const fake_t *fake, fake_kind_t kind) {
    uint32_t count = 0;
    while (fake_out(fake, kind, count)) count++;
    return count;
}

static inline uint32_t fake_total(const fake_t *fake, fake_kind_t kind) {
    uint32_t count = 0;
    while (fake_nth(fake, kind, count)) count++;
    return count;
}

static void fake_auto(mouv__timer_t *timer);

/* NULL: it is to be refused. */
static inline fake_call_t *fake_add(fake_t *fake, fake_kind_t kind) {
    if (fake->refuse[kind] > 0) {
        fake->refuse[kind]--;
        return NULL;
    }
    if (fake->call_count == FAKE_CALLS_MAX) abort();
    fake_call_t *call = calloc(1, sizeof *call);
    if (!call) abort();
    call->fake = fake;
    call->kind = kind;
    call->out = true;
    call->at_ns = mouv__client_now_ns(fake_client(fake));
    fake->calls[fake->call_count++] = call;
    return call;
}

static inline void fake_arm(fake_call_t *call, int64_t after_ms) {
    mouv_runtime_t *runtime = mouv__client_runtime(fake_client(call->fake));
    fake_start_timer(&call->timer, mouv__clock_deadline_in(runtime, after_ms), fake_auto);
}

static inline void fake_arm_auto(fake_call_t *call) {
    if (call->fake->auto_ms[call->kind] >= 0) fake_arm(call, call->fake->auto_ms[call->kind]);
}

static inline void fake_end_connection(mouv__connection_t *connection) {
    ((fake_connection_t *)connection)->ended = true;
}

static inline mouv_client_t *fake_begin_end(fake_call_t *call) {
    if (!call || !call->out) {
        fprintf(stderr, "the test answers what is not out\n");
        abort();
    }
    mouv__timer_stop(mouv__client_runtime(fake_client(call->fake)), &call->timer);
    call->out = false;
    mouv_client_t *client = call->fake->transport.client;
    mouv__client_hold(client);
    return client;
}

static inline void fake_finish_end(mouv_client_t *client) {
    mouv__client_quiet(client);
    mouv__client_let_go(client);
}

/* --- what comes of them ----------------------------------------------------------------------- */

/* OPEN, SEEK, CONNECT, CLOSE come to an end; NULL: well. */
static inline void fake_end(fake_call_t *call, const mouv_error_t *error) {
    mouv_client_t *client = fake_begin_end(call);
    mouv__transport_t *transport = &call->fake->transport;
    if (call->kind == FAKE_OPEN || call->kind == FAKE_SEEK) {
        transport->controls[MOUV__CONTROL_SELECT].busy = false;
        mouv__connection_move(call->connection, MOUV__CONNECTION_IDLE);
    }
    if (call->kind == FAKE_CLOSE) {
        for (uint32_t i = 0; i < call->end.count; i++)
            fake_end_connection(call->end.connections[i]);
        mouv__free(call->end.connections);
        call->end.connections = NULL;
    }
    if (!call->abandoned)
        call->ended(call->arg, error);
    else if (call->connection)
        fake_end_connection(call->connection);
    fake_finish_end(client);
}

static inline void fake_fail(fake_call_t *call, int code, const char *message) {
    mouv_error_t error = {0};
    mouv_error_set(&error, code, "%s", message);
    fake_end(call, &error);
}

static inline void fake_connect_succeed(fake_call_t *call) {
    fake_end(call, NULL);
}

/* MOUV_ENETWORK and MOUV_ESELECTION pass, all others last. */
static inline void fake_connect_fail(fake_call_t *call, int code, const char *message) {
    fake_fail(call, code, message);
}

/* What was sent comes back with what the test has put into the exchange. */
static inline void fake_come_back(fake_call_t *call) {
    mouv_client_t *client = fake_begin_end(call);
    mouv__exchange_t *exchange = call->exchange;
    call->exchange = NULL;
    if (call->abandoned) {
        fake_end_connection(call->connection);
        exchange->discard(exchange);
    } else {
        if (exchange->control >= 0) {
            call->fake->transport.controls[exchange->control].busy = false;
            mouv__connection_move(exchange->connection, MOUV__CONNECTION_IDLE);
        }
        exchange->done(exchange);
    }
    fake_finish_end(client);
}

/* A slow one has been given to its connection now. */
static inline void fake_sent(fake_call_t *call) {
    if (call->exchange->stage == MOUV__EXCHANGE_PREPARING)
        call->exchange->stage = MOUV__EXCHANGE_SENT;
}

/* The server answers (JSON with ' for "); `took_ms` is how long the exchange says that it took. One
 * that has been withdrawn comes back with nothing. */
static inline void fake_answer_after(fake_call_t *call, const char *json, int64_t took_ms) {
    mouv__exchange_t *exchange = call->exchange;
    fake_sent(call);
    if (exchange->stage == MOUV__EXCHANGE_SENT) {
        bson_iter_t at;
        exchange->reply = from_json(json);
        exchange->reached = true;
        exchange->took_ns = took_ms * MOUV__NS_PER_MS;
        exchange->ok = number_in(exchange->reply, "ok", 0) == 1;
        if (!exchange->ok)
            bson_set_error(&exchange->error, MONGOC_ERROR_SERVER,
                           (uint32_t)number_in(exchange->reply, "code", 0), "%s",
                           find(exchange->reply, "errmsg", &at) ? bson_iter_utf8(&at, NULL)
                                                                : "failed");
    }
    fake_come_back(call);
}

static inline void fake_answer(fake_call_t *call, const char *json) {
    fake_answer_after(
        call, json, (mouv__client_now_ns(fake_client(call->fake)) - call->at_ns) / MOUV__NS_PER_MS);
}

/* Its connection is lost, with the command (`reached`) or before it. */
static inline void fake_lose(fake_call_t *call, bool reached) {
    call->exchange->reached = reached;
    if (reached) fake_sent(call);
    bson_set_error(&call->exchange->error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET, "%s",
                   call->exchange->cut ? "the connection was cut" : "socket error or timeout");
    fake_come_back(call);
}

static void fake_auto(mouv__timer_t *timer) {
    fake_call_t *call = mouv__container_of(timer, fake_call_t, timer);
    if (call->cut)
        fake_lose(call, true);
    else if (call->exchange)
        fake_answer(call, "{'ok': 1}");
    else
        fake_end(call, NULL);
}

/* --- the transport ---------------------------------------------------------------------------- */

static inline fake_t *fake_of(mouv__transport_t *transport) {
    return (fake_t *)transport;
}

static inline mouv__connection_t *fake_connection_new(mouv__transport_t *transport) {
    fake_t *fake = fake_of(transport);
    if (fake->refuse[FAKE_CONNECTION_NEW] > 0) {
        fake->refuse[FAKE_CONNECTION_NEW]--;
        return NULL;
    }
    fake_connection_t *made = calloc(1, sizeof *made);
    if (!made) abort();
    mouv__connection_init(&made->connection);
    made->next = fake->connections;
    fake->connections = made;
    return &made->connection;
}

static inline mouv__connection_t *fake_control_connection(mouv__transport_t *transport,
                                                          mouv__control_kind_t kind) {
    if (!transport->controls[kind].connection)
        transport->controls[kind].connection = fake_connection_new(transport);
    return transport->controls[kind].connection;
}

static inline mouv__connection_t *fake_take_control(mouv__transport_t *transport,
                                                    mouv__control_kind_t kind) {
    mouv__connection_t *connection = fake_control_connection(transport, kind);
    if (transport->controls[kind].busy) abort(); /* one exchange at a time */
    if (!connection) return NULL;
    mouv__connection_move(connection, MOUV__CONNECTION_IN_USE);
    transport->controls[kind].busy = true;
    return connection;
}

static inline int fake_begin_job(mouv__transport_t *transport, fake_kind_t kind, bool write,
                                 mouv__transport_ended_fn_t ended, void *arg) {
    fake_call_t *call = fake_add(fake_of(transport), kind);
    if (!call) return MOUV_ENOMEM;
    call->connection = fake_take_control(transport, MOUV__CONTROL_SELECT);
    call->write = write;
    call->ended = ended;
    call->arg = arg;
    fake_arm_auto(call);
    return 0;
}

static inline int fake_open(mouv__transport_t *transport, mouv__transport_ended_fn_t ended,
                            void *arg) {
    return fake_begin_job(transport, FAKE_OPEN, false, ended, arg);
}

static inline int fake_seek(mouv__transport_t *transport, bool write,
                            const mongoc_read_prefs_t *read_prefs, mouv__transport_ended_fn_t ended,
                            void *arg) {
    (void)read_prefs;
    return fake_begin_job(transport, FAKE_SEEK, write, ended, arg);
}

static inline int fake_begin_link_job(fake_call_t *call, mouv__connection_t *connection,
                                      uint32_t server_id, mouv__transport_ended_fn_t ended,
                                      void *arg) {
    if (!call) return MOUV_ENOMEM;
    call->connection = connection;
    call->server_id = server_id;
    call->ended = ended;
    call->arg = arg;
    fake_arm_auto(call);
    return 0;
}

static inline int fake_connect(mouv__transport_t *transport, mouv__connection_t *connection,
                               uint32_t server_id, mouv__transport_ended_fn_t ended, void *arg) {
    fake_call_t *call = fake_add(fake_of(transport), FAKE_CONNECT);
    return fake_begin_link_job(call, connection, server_id, ended, arg);
}

/* The call is out still, and ends as any other. */
static inline mouv__connection_t *fake_orphan(mouv__transport_t *transport,
                                              mouv__connection_t *connection,
                                              mouv__transport_ended_fn_t ended, void *arg) {
    fake_t *fake = fake_of(transport);
    for (uint32_t i = 0; i < fake->call_count; i++) {
        fake_call_t *call = fake->calls[i];
        if (!call->out || call->kind != FAKE_CONNECT || call->connection != connection) continue;
        mouv__connection_t *place =
            fake->replaces ? transport->ops->connection_new(transport) : connection;
        if (!place) return NULL;
        call->ended = ended;
        call->arg = arg;
        call->connection = NULL;
        return place;
    }
    return NULL;
}

static inline int fake_disconnect(mouv__transport_t *transport, mouv__connection_t *connection,
                                  uint32_t server_id, mouv__transport_ended_fn_t ended, void *arg) {
    fake_call_t *call = fake_add(fake_of(transport), FAKE_DISCONNECT);
    return fake_begin_link_job(call, connection, server_id, ended, arg);
}

static inline void fake_begin_session(fake_t *fake, mouv__server_session_t *session) {
    static char handle;
    if (!session || (session->handle && !session->renew)) return;
    session->renew = false;
    session->handle = &handle;
    session->lsid[0] = ++fake->lsids;
}

static inline int fake_begin_exchange(fake_t *fake, fake_kind_t kind, mouv__exchange_t *exchange) {
    fake_call_t *call = fake_add(fake, kind);
    if (!call) return MOUV_ENOMEM;
    call->connection = exchange->connection;
    call->server_id = exchange->server_id;
    call->control = (mouv__control_kind_t)exchange->control;
    call->exchange = exchange;
    call->command = bson_copy(exchange->command);
    if (exchange->fields) call->fields = bson_copy(exchange->fields);
    bson_iter_t iter;
    if (bson_iter_init(&iter, call->command) && bson_iter_next(&iter))
        bson_snprintf(call->name, sizeof call->name, "%s", bson_iter_key(&iter));
    exchange->transport = &fake->transport;
    fake_begin_session(fake, exchange->session);
    if (!fake->slow && exchange->stage == MOUV__EXCHANGE_PREPARING)
        exchange->stage = MOUV__EXCHANGE_SENT;
    fake_arm_auto(call);
    return 0;
}

static inline int fake_send(mouv__transport_t *transport, mouv__exchange_t *exchange) {
    exchange->control = -1;
    return fake_begin_exchange(fake_of(transport), FAKE_SEND, exchange);
}

static inline int fake_control(mouv__transport_t *transport, mouv__control_kind_t kind,
                               mouv__exchange_t *exchange) {
    exchange->connection = fake_take_control(transport, kind);
    if (!exchange->connection) return MOUV_ENOMEM;
    exchange->control = (int8_t)kind;
    int rc = fake_begin_exchange(fake_of(transport), FAKE_CONTROL, exchange);
    if (rc == 0) return 0;
    mouv__connection_move(exchange->connection, MOUV__CONNECTION_IDLE);
    transport->controls[kind].busy = false;
    return rc;
}

static inline fake_call_t *fake_call_of(const mouv__exchange_t *exchange) {
    const fake_t *fake = fake_of(exchange->transport);
    for (uint32_t i = 0; i < fake->call_count; i++)
        if (fake->calls[i]->exchange == exchange) return fake->calls[i];
    return NULL;
}

/* It comes back at the next turn. */
static inline bool fake_cut(mouv__exchange_t *exchange) {
    fake_call_t *call = fake_call_of(exchange);
    if (!call || !exchange->transport->cuts || exchange->call_id == 0 || call->cut ||
        !mouv__exchange_is_sent(exchange))
        return false;
    call->cut = exchange->cut = true;
    fake_arm(call, 0);
    return true;
}

static inline void fake_abandon(mouv__exchange_t *exchange) {
    fake_call_of(exchange)->abandoned = true;
}

static inline void fake_abandon_jobs(mouv__transport_t *transport) {
    const fake_t *fake = fake_of(transport);
    for (uint32_t i = 0; i < fake->call_count; i++)
        if (!fake->calls[i]->exchange) fake->calls[i]->abandoned = true;
}

static inline void fake_close(mouv__transport_t *transport, const mouv__transport_end_t *end,
                              mouv__transport_ended_fn_t ended, void *arg) {
    fake_t *fake = fake_of(transport);
    fake_call_t *call = fake_add(fake, FAKE_CLOSE);
    fake->closed = true;
    call->end = *end;
    for (int i = 0; i < MOUV__CONTROLS; i++) {
        mouv__connection_t *connection = transport->controls[i].connection;
        if (connection && !transport->controls[i].busy)
            call->end.connections[call->end.count++] = connection;
        transport->controls[i].connection = NULL;
    }
    call->ended = ended;
    call->arg = arg;
    fake_arm_auto(call);
}

static inline void fake_transport_free(mouv__transport_t *transport) {
    fake_of(transport)->transport_freed = true;
}

static const mouv__transport_ops_t fake_transport_ops = {
    .connection_new = fake_connection_new,
    .open = fake_open,
    .seek = fake_seek,
    .connect = fake_connect,
    .send = fake_send,
    .control_connection = fake_control_connection,
    .control = fake_control,
    .cut = fake_cut,
    .abandon = fake_abandon,
    .abandon_jobs = fake_abandon_jobs,
    .close = fake_close,
    .free = fake_transport_free,
};

/* --- the client ------------------------------------------------------------------------------- */

static inline void fake_client_close(mouv_client_t *client) {
    ((fake_client_t *)client)->closes++;
}

static inline void fake_client_quiet(mouv_client_t *client) {
    ((fake_client_t *)client)->quiets++;
}

static inline void fake_client_free(mouv_client_t *client) {
    ((fake_client_t *)client)->frees++;
}

static const mouv__client_ops_t fake_client_ops = {
    .close = fake_client_close, .quiet = fake_client_quiet, .free = fake_client_free};

static inline void fake_on_server_changed(void *arg, mouv__server_t *server,
                                          mouv__server_kind_t was) {
    (void)was;
    mouv__pool_server_changed(&((fake_client_t *)arg)->pool, server);
}

static inline void fake_on_server_gone(void *arg, mouv__server_t *server) {
    mouv__pool_server_gone(&((fake_client_t *)arg)->pool, server);
}

static inline void fake_on_server_lost(void *arg, mouv__server_t *server) {
    mouv__pool_server_lost(&((fake_client_t *)arg)->pool, server);
}

static inline void fake_on_server_heard(void *arg, mouv__server_t *server) {
    mouv__breaker_heard(&((fake_client_t *)arg)->pool, server->id);
}

static const mouv__topology_ops_t fake_topology_ops = {.server_changed = fake_on_server_changed,
                                                       .server_gone = fake_on_server_gone,
                                                       .server_lost = fake_on_server_lost,
                                                       .server_heard = fake_on_server_heard};

static inline void fake_on_news(void *arg) {
    (void)arg;
}

static inline fake_t *fake_new(const fake_options_t *options) {
    static const fake_options_t defaults;
    if (!options) options = &defaults;
    mouv_clock_set_manual();
    mouv_runtime_t *runtime = mouv__runtime();
    fake_t *fake = calloc(1, sizeof *fake);
    if (!fake) abort();
    fake_client_t *client = &fake->client;
    mouv__client_ref_init((mouv_client_t *)client, &fake_client_ops, runtime);
    client->ref.timeout_ms = -1;
    if (options->monitor)
        client->ref.events = mouv__events_new(runtime, options->monitor, options->monitor_arg);
    for (int kind = 0; kind < FAKE_KINDS; kind++) fake->auto_ms[kind] = -1;
    fake->auto_ms[FAKE_OPEN] = fake->auto_ms[FAKE_CLOSE] = 0;
    fake->ops = fake_transport_ops;
    if (options->disconnects) fake->ops.disconnect = fake_disconnect;
    if (!options->cannot_orphan) fake->ops.orphan = fake_orphan;
    fake->replaces = options->replaces;
    fake->transport =
        (mouv__transport_t){.ops = &fake->ops,
                            .client = (mouv_client_t *)client,
                            .connection_max = options->connections > 0 ? options->connections : 4,
                            .connect_timeout_ms = 10000,
                            .socket_timeout_ms = 300000,
                            .cuts = !options->cannot_cut,
                            .keeps_sockets = options->keeps_sockets,
                            .cut_price_ns = 500000};
    client->topology = topology_with(&fake_topology_ops, client);
    client->listener = mouv__listener_new(mouv__runtime_mailbox(runtime), fake_on_news, client);
    client->pool.topology = client->topology;
    client->pool.listener = client->listener;
    mouv__operations_init(&client->operations, (mouv_client_t *)client, &client->pool);
    client->operations.retry_reads = client->operations.retry_writes = true;
    mouv__pool_options_t pool_options = {
        .selection_timeout_ms =
            options->selection_timeout_ms > 0 ? options->selection_timeout_ms : 30000,
        .queue_wait_ms = options->queue_wait_ms > 0 ? options->queue_wait_ms : 30000,
        .queue_limit = options->queue_limit > 0 ? options->queue_limit : 65536,
        .told = options->told};
    if (mouv__pool_init(&client->pool, (mouv_client_t *)client, &fake->transport, &pool_options) <
        0)
        abort();
    if (!options->unopened) client->pool.state = MOUV__POOL_READY;
    return fake;
}

static inline void fake_on_closed(void *arg, const mouv_error_t *error) {
    (void)arg;
    (void)error;
}

/* What the client's close does once nothing is awaited: the pool ends, and what is out is nobody's
 * any more. */
static inline void fake_close_client(fake_t *fake) {
    mouv_client_t *client = fake_client(fake);
    while (mouv__client_state(client) < MOUV__CLIENT_DESTROYING)
        mouv__client_ref_move(client, (mouv__client_state_t)(mouv__client_state(client) + 1u));
    mouv__operations_leave_behind(&fake->client.operations);
    mouv__operations_close(&fake->client.operations);
    mouv__pool_close(fake_pool(fake), fake_on_closed, NULL);
}

static inline void fake_session_end(mouv__server_session_t *session) {
    (void)session;
}

static inline void fake_free_call(fake_call_t *call) {
    if (call->command) bson_destroy(call->command);
    if (call->fields) bson_destroy(call->fields);
    free(call);
}

/* Closes it if the test has not; what is out comes back, its connection lost. */
static inline void fake_free(fake_t *fake) {
    fake_turn();
    if (!fake->closed) fake_close_client(fake);
    for (uint32_t i = 0; i < fake->call_count; i++) {
        fake_call_t *call = fake->calls[i];
        if (!call->out) continue;
        if (call->exchange)
            fake_lose(call, true);
        else
            fake_end(call, NULL);
    }
    fake_turn();
    mouv_runtime_t *runtime = mouv__runtime();
    while (runtime->timers.count > 0) /* of what the test has left, on its stack perhaps */
        mouv__timer_stop(runtime, runtime->timers.heap[0]);
    mouv__pool_clear(fake_pool(fake));
    mouv__events_stop(fake->client.ref.events);
    if (fake->client.ref.events) mouv__events_unref(fake->client.ref.events);
    while (fake->connections) {
        fake_connection_t *connection = fake->connections;
        fake->connections = connection->next;
        mouv__session_store_clear(&connection->connection.sessions, fake_session_end);
        mouv__connection_clear(&connection->connection);
        free(connection);
    }
    mouv__topology_free(fake->client.topology);
    mouv__listener_stop(fake->client.listener);
    mouv__listener_unref(fake->client.listener);
    for (uint32_t i = 0; i < fake->call_count; i++) fake_free_call(fake->calls[i]);
    for (uint32_t i = 0; i < fake->deployment_count; i++) bson_destroy(fake->deployments[i]);
    free(fake);
}

/* --- the deployment --------------------------------------------------------------------------- */

/* The monitors have this picture now: as client.c's client_on_news(). See snapshot_from(). */
static inline void fake_deploy_json(fake_t *fake, const char *json) {
    if (fake->deployment_count == FAKE_DEPLOYMENTS_MAX) abort();
    bson_t *from = from_json(json);
    fake->deployments[fake->deployment_count++] = from;
    mouv__topology_apply(fake->client.topology, snapshot_from(from));
    mouv__cut_topology_changed(&fake->client.operations);
    mouv__pool_look_again(fake_pool(fake));
}

/* The same in short: the servers' types, one after the other: "RSPrimary RSSecondary Unknown". They
 * are called a, b, ... and have the ids 1, 2, ...; "-" leaves one out, "Mongos#65" gives another id.
 * The deployment's type follows from them. */
static inline void fake_deploy(fake_t *fake, const char *types) {
    char json[2048], list[1536] = "", word[64];
    uint32_t place = 0;
    for (int length; sscanf(types, " %60s%n", word, &length) == 1; types += length) {
        char *id = strchr(word, '#');
        if (id) *id++ = '\0';
        place++;
        if (strcmp(word, "-") == 0) continue;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used,
                 "%s{'address': '%c', 'id': %lu, 'type': '%s', 'avg_rtt_ms': 1,"
                 "'maxWireVersion': 21}",
                 used ? "," : "", (int)('a' + place - 1), id ? strtoul(id, NULL, 10) : place, word);
    }
    const char *type = strstr(list, "RSPrimary")     ? "ReplicaSetWithPrimary"
                       : strstr(list, "RSSecondary") ? "ReplicaSetNoPrimary"
                       : strstr(list, "Mongos")      ? "Sharded"
                       : strstr(list, "Balancer")    ? "LoadBalanced"
                       : strstr(list, "Standalone")  ? "Single"
                                                     : "Unknown";
    snprintf(json, sizeof json, "{'type': '%s', 'servers': [%s]}", type, list);
    fake_deploy_json(fake, json);
}

/* With the defaults, on such a deployment. */
static inline fake_t *fake_serving(const char *types) {
    fake_t *fake = fake_new(NULL);
    fake_deploy(fake, types);
    return fake;
}

/* A CORO_CASE on the `fake` that the rest makes; its braces follow, and nothing is to be freed. */
#define FAKE_CASE(name, ...) \
    static void name##_on(fake_t *fake); \
    CORO_CASE(name) { \
        fake_t *fake = __VA_ARGS__; \
        name##_on(fake); \
        fake_free(fake); \
        return 0; \
    } \
    static void name##_on(fake_t *fake)

/* The server with this id, or NULL. */
static inline mouv__server_t *fake_server(const fake_t *fake, uint32_t id) {
    return mouv__topology_server(fake->client.topology, id);
}

#endif
