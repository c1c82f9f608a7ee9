/*
 * Closing a client, with and without patience.
 */
#include "mongo/api/close.h"

#include <assert.h>
#include <stddef.h>

#include <mouv/await.h>
#include <mouv/task.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/api/session.h"
#include "mongo/operation/attempt.h"
#include "mongo/operation/state.h"
#include "mongo/pool/pin.h"
#include "mongo/pool/queue.h"
#include "mongo/topology/events.h"
#include "mongo/transport/threads/background.h"

/* How long a closing runtime waits for workers whose operations have been killed ... */
#define LEAVE_MS 200
/* ... and for libmongoc's pool to end its sessions. Joining the monitors takes libmongoc up to half
 * a second, which a thread does behind the program's back (see driver_pool.c). */
#define DESTROY_MS 50

/* The same after a close that was hurried: the program goes on, so there is time for good-byes. */
#define HURRIED_DESTROY_MS 2000

/* --- the futures of mouv_client_close_future() ----------------------------------------------- */

struct mouv__closing {
    mouv__future_t future; /* first */
    struct mouv__closing *next;
};

static const mouv__future_ops_t closing_ops = {.kind = "client close", .outside = true};

static void close_complete_closings(mouv_client_t *client) {
    while (client->closings) {
        struct mouv__closing *closing = client->closings;
        client->closings = closing->next;
        if (!mouv__future_is_done(&closing->future))
            mouv__future_complete(&closing->future, 0, NULL);
        mouv__future_let_go(&closing->future);
    }
}

mouv_future_t mouv_client_close_future(mouv_client_t *client) {
    mouv_error_t error = {0};
    if (mouv__client_check(client, &error) < 0 && error.code != MOUV_ECLOSED)
        return mouv__future_failed_with(mouv__runtime(), &error);
    mouv_runtime_t *runtime = mouv__runtime();
    struct mouv__closing *closing = runtime ? mouv__alloc(sizeof(*closing)) : NULL;
    if (!closing || mouv__future_init(&closing->future, &closing_ops, runtime, true) != 0) {
        mouv__free(closing);
        return mouv__future_failed(runtime ? MOUV_ENOMEM : MOUV_ENOLOOP);
    }
    mouv_future_t handle = mouv__future_handle(&closing->future);
    mouv__future_hold(&closing->future);
    closing->next = client->closings;
    client->closings = closing;
    if (client->ref.state == MOUV__CLIENT_CLOSED)
        close_complete_closings(client);
    else
        mouv__close_begin(client, false);
    return handle;
}

int mouv_client_close(mouv_client_t *client, mouv_error_t *error) {
    if (!mouv_in_coroutine())
        return mouv__raise(error, MOUV_ENOTCORO, "mouv_client_close: called outside a coroutine");
    return mouv_await(mouv_client_close_future(client), error);
}

/* --- closed ---------------------------------------------------------------------------------- */

static void close_become_closed(mouv_client_t *client) {
    mouv_runtime_t *runtime = client->ref.runtime;
    mouv__client_ref_move(client, MOUV__CLIENT_CLOSED);
    mouv__timer_stop(runtime, &client->close_timer);
    mouv__pool_clear(client);
    mouv__events_finish(client->events); /* tells the rest before an awaiter goes on */
    close_complete_closings(client);
    mouv__runtime_unkeep(runtime);
    mouv__runtime_detach(runtime, &client->attachment);
    client->ref.runtime = NULL;
    mouv__client_let_go(client);
}

/* --- destroying ------------------------------------------------------------------------------ */

typedef struct mouv__destroy {
    mouv__background_t background; /* first */
    mouv__driver_pool_t *driver_pool;
    mouv__connection_t **connections;
    uint32_t count;
    bool unreachable; /* no server is known: nobody to say good-bye to */
    uint64_t last;    /* connections connected to one of these servers (bits) go last */
} destroy_t;

/* libmongoc sends endSessions with the client that it got back last, if that has a connection. */
static void close_free_connections(destroy_t *destroy, bool last) {
    for (uint32_t i = 0; i < destroy->count; i++) {
        mouv__connection_t *connection = destroy->connections[i];
        if (!connection || last != ((connection->connected & destroy->last) != 0)) continue;
        mouv__connection_free(connection, destroy->driver_pool);
        destroy->connections[i] = NULL;
    }
}

static void close_end_connections(destroy_t *destroy) {
    for (uint32_t i = 0; i < destroy->count; i++)
        mouv__connection_end_sessions(destroy->connections[i]);
#if !MONGOC_CHECK_VERSION(2, 2, 0)
    /* else destroying the pool would select a server to send endSessions to, for 30 seconds */
    for (uint32_t i = 0; i < destroy->count && destroy->unreachable; i++) {
        if (!destroy->connections[i]->client) continue;
        mongoc_client_reset(destroy->connections[i]->client);
        break;
    }
#endif
    mouv__driver_pool_leave_listener(destroy->driver_pool);
    close_free_connections(destroy, false);
    close_free_connections(destroy, true);
    mouv__free(destroy->connections);
    destroy->connections = NULL;
    destroy->count = 0;
}

static void close_destroy_run(mouv__job_t *job) {
    destroy_t *destroy = (destroy_t *)job;
    mouv__driver_pool_unref(destroy->background.driver_pool);
    destroy->background.driver_pool = NULL;
    close_end_connections(destroy);
    mouv__driver_pool_unref(
        destroy->driver_pool); /* the last share, unless something is left behind */
    destroy->driver_pool = NULL;
}

/* Only where it never ran. */
static void close_destroy_clear(mouv__background_t *background) {
    destroy_t *destroy = (destroy_t *)background;
    if (!destroy->driver_pool) return;
    close_end_connections(destroy);
    mouv__driver_pool_unref(destroy->driver_pool);
}

static void close_destroy_ended(mouv__background_t *background) {
    close_become_closed(background->client);
}

static void close_add_connection(destroy_t *destroy, mouv__connection_t *connection) {
    if (!connection) return;
    mouv__pin_forget_all(connection);
    if (!connection->busy) destroy->connections[destroy->count++] = connection;
}

static void close_add_control(destroy_t *destroy, mouv__control_t *control) {
    if (control->connection) control->connection->busy = control->busy;
    close_add_connection(destroy, control->connection);
    control->connection = NULL;
}

static void close_collect_connections(mouv_client_t *client, destroy_t *destroy) {
    mouv__pool_t *pool = &client->pool;
    for (uint32_t i = 0; i < pool->connection_count; i++)
        close_add_connection(destroy, pool->connections[i]);
    close_add_control(destroy, &pool->selector);
    close_add_control(destroy, &pool->cleaner);
    close_add_control(destroy, &client->kills.control);
    close_add_control(destroy, &client->breakers.control);
    pool->connection_count = 0;
    pool->idle = NULL;
}

static bool close_is_reachable(const mouv__topology_t *topology) {
    for (uint32_t i = 0; topology && i < topology->count; i++)
        if (topology->servers[i].kind != MOUV__SERVER_UNKNOWN) return true;
    return false;
}

/* libmongoc prefers the primary; without one it takes any. */
static uint64_t close_preferred_servers(const mouv__topology_t *topology) {
    uint64_t primaries = 0;
    for (uint32_t i = 0; topology && i < topology->count; i++)
        if (topology->servers[i].kind == MOUV__SERVER_PRIMARY)
            primaries |= mouv__server_bit(topology->servers[i].id);
    return primaries ? primaries : UINT64_MAX;
}

int mouv__close_reserve(mouv_client_t *client) {
    size_t room = (client->pool.connection_max + MOUV__CONTROLS) * sizeof(mouv__connection_t *);
    destroy_t *destroy = mouv__alloc(sizeof(*destroy));
    if (destroy) destroy->connections = mouv__alloc(room);
    if (!destroy || !destroy->connections) {
        mouv__free(destroy);
        return MOUV_ENOMEM;
    }
    client->destroy = destroy;
    return 0;
}

void mouv__close_unreserve(mouv_client_t *client) {
    if (client->destroy) mouv__free(client->destroy->connections);
    mouv__free(client->destroy);
    client->destroy = NULL;
}

static destroy_t *close_take_reserve(mouv_client_t *client) {
    destroy_t *destroy = client->destroy;
    client->destroy = NULL;
    destroy->unreachable = !close_is_reachable(client->pool.topology);
    destroy->last = close_preferred_servers(client->pool.topology);
    close_collect_connections(client, destroy);
    return destroy;
}

/* There is no libmongoc pool, so nothing here can block. */
static void close_destroy_unused(destroy_t *destroy, mouv__driver_pool_t *driver_pool) {
    destroy->driver_pool = driver_pool;
    close_end_connections(destroy);
    mouv__free(destroy);
    mouv__driver_pool_unref(driver_pool);
}

static void close_on_close_timer(mouv__timer_t *timer);

static void close_start_timer(mouv_client_t *client, int64_t limit_ms,
                              void (*fn)(mouv__timer_t *)) {
    mouv_runtime_t *runtime = client->ref.runtime;
    mouv__timer_start(runtime, &client->close_timer, mouv__deadline_in(runtime, limit_ms), fn);
}

static void close_begin_destroy(mouv_client_t *client) {
    mouv__driver_pool_t *driver_pool = client->driver_pool;
    mouv__client_ref_move(client, MOUV__CLIENT_DESTROYING);
    mouv__kill_close(&client->kills);
    mouv__breakers_close(&client->breakers);
    mouv__cut_close(&client->cuts);
    mouv__background_abandon_all(client);
    mouv__listener_stop(driver_pool->listener);
    destroy_t *destroy = close_take_reserve(client);
    if (client->pool.driver_pool_state == MOUV__DRIVER_POOL_NONE) {
        close_destroy_unused(destroy, driver_pool);
        client->driver_pool = NULL;
        close_become_closed(client);
        return;
    }
    destroy->driver_pool = driver_pool;
    mouv__background_submit(client, &destroy->background, NULL, close_destroy_run,
                            close_destroy_ended, close_destroy_clear);
    client->driver_pool = NULL;
    client->pool.driver_pool_state = MOUV__DRIVER_POOL_NONE;
    if (client->leaving || client->hurried)
        close_start_timer(client, client->leaving ? DESTROY_MS : HURRIED_DESTROY_MS,
                          close_on_close_timer);
}

/* --- draining -------------------------------------------------------------------------------- */

/* Nobody waits for these workers any more; each frees what it has when it comes back. */
static void close_leave_behind(mouv_client_t *client) {
    mouv__queue_t *running = &client->pool.running;
    mouv__log(MOUV_LOG_WARNING,
              "the %s closes while %u operation(s) are stuck in a call: left behind",
              client->leaving ? "runtime" : "client", running->count);
    while (running->first) {
        mouv__operation_t *op = running->first;
        mouv__kill_remove(op);
        mouv__operation_leave_behind(op);
    }
}

static void close_on_close_timer(mouv__timer_t *timer) {
    mouv_client_t *client = (mouv_client_t *)((char *)timer - offsetof(mouv_client_t, close_timer));
    mouv__client_hold(client);
    if (client->ref.state == MOUV__CLIENT_DRAINING) {
        close_leave_behind(client);
        mouv__pool_fail_cleanup(client);
        mouv__client_quiet(client);
    } else if (client->ref.state == MOUV__CLIENT_DESTROYING) {
        mouv__background_abandon_all(client);
        close_become_closed(client);
    }
    mouv__client_let_go(client);
}

static void close_stop_all(mouv_client_t *client) {
    mouv__operation_t *next;
    for (mouv__operation_t *op = client->pool.running.first; op; op = next) {
        next = op->next;
        mouv__future_cancel(&op->future);
    }
}

static void close_leave(mouv_client_t *client) {
    client->leaving = true;
    mouv__events_stop(client->events);
    close_start_timer(client, client->ref.state == MOUV__CLIENT_DRAINING ? LEAVE_MS : DESTROY_MS,
                      close_on_close_timer);
    if (client->ref.state == MOUV__CLIENT_DRAINING) close_stop_all(client);
}

static void close_on_close_limit(mouv__timer_t *timer) {
    mouv_client_t *client = (mouv_client_t *)((char *)timer - offsetof(mouv_client_t, close_timer));
    mouv__client_hold(client);
    client->hurried = true;
    if (client->ref.state == MOUV__CLIENT_DRAINING) {
        close_start_timer(client, LEAVE_MS, close_on_close_timer);
        close_stop_all(client);
    } else {
        close_on_close_timer(timer);
    }
    mouv__client_let_go(client);
}

void mouv__close_quiet(mouv_client_t *client) {
    const mouv__pool_t *pool = &client->pool;
    if (client->ref.state != MOUV__CLIENT_DRAINING) return;
    if (pool->running.first || client->cleanups > 0) return;
    close_begin_destroy(client);
}

void mouv__close_begin(mouv_client_t *client, bool leaving) {
    if (client->ref.state == MOUV__CLIENT_CLOSED) return;
    mouv__client_hold(client);
    if (client->ref.state == MOUV__CLIENT_OPEN) {
        mouv_error_t error = {0};
        mouv__session_end_all(client);
        mouv__client_hold(client); /* until it is closed */
        mouv__runtime_keep(client->ref.runtime);
        mouv__client_ref_move(client, MOUV__CLIENT_DRAINING);
        if (client->close_wait_ms > 0)
            close_start_timer(client, client->close_wait_ms, close_on_close_limit);
        mouv_error_set(&error, MOUV_ECANCELED, "cancelled: the client is being closed");
        mouv__pool_fail_waiting(client, &error);
    }
    if (leaving && !client->leaving) close_leave(client);
    mouv__client_quiet(client);
    mouv__client_let_go(client);
}
