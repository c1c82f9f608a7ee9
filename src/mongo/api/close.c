/*
 * Closing a client, with and without patience.
 */
#include "mongo/api/close.h"

#include <mouv/await.h>
#include <mouv/task.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/api/session.h"
#include "mongo/operation/operation.h"
#include "mongo/topology/events.h"

/* How long a closing runtime waits for workers whose operations have been killed ... */
#define LEAVE_MS 200
/* ... and for good-byes. Nobody waits for the monitors (see driver_pool.c). */
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

/* --- closed ----------------------------------------------------------------------------------- */

static void close_become_closed(void *arg, const mouv_error_t *error) {
    mouv_client_t *client = arg;
    mouv_runtime_t *runtime = client->ref.runtime;
    (void)error;
    mouv__client_ref_move(client, MOUV__CLIENT_CLOSED);
    mouv__timer_stop(runtime, &client->close_timer);
    mouv__pool_clear(&client->pool);
    if (client->pool.listener) mouv__listener_end(client->pool.listener);
    mouv__events_finish(client->ref.events); /* tells the rest before an awaiter goes on */
    close_complete_closings(client);
    mouv__runtime_unkeep(runtime);
    mouv__runtime_detach(runtime, &client->attachment);
    client->ref.runtime = NULL;
    mouv__client_let_go(client);
}

/* --- destroying ------------------------------------------------------------------------------- */

static void close_on_close_timer(mouv__timer_t *timer);

static void close_start_timer(mouv_client_t *client, int64_t limit_ms,
                              void (*fn)(mouv__timer_t *)) {
    mouv_runtime_t *runtime = client->ref.runtime;
    mouv__timer_start(runtime, &client->close_timer, mouv__clock_deadline_in(runtime, limit_ms),
                      fn);
}

static void close_begin_destroy(mouv_client_t *client) {
    mouv__client_ref_move(client, MOUV__CLIENT_DESTROYING);
    mouv__operations_close(&client->operations);
    mouv__listener_stop(client->driver_pool->listener);
    client->driver_pool = NULL; /* the transport has its share */
    client->ref.read_concern = client->ref.write_concern = NULL;
    client->ref.read_prefs = NULL;
    mouv__client_hold(client);
    mouv__pool_close(&client->pool, close_become_closed, client);
    if (client->ref.state == MOUV__CLIENT_DESTROYING && (client->leaving || client->hurried))
        close_start_timer(client, client->leaving ? DESTROY_MS : HURRIED_DESTROY_MS,
                          close_on_close_timer);
    mouv__client_let_go(client);
}

/* --- draining --------------------------------------------------------------------------------- */

static bool close_is_quiet(const mouv_client_t *client) {
    return client->ref.state == MOUV__CLIENT_DRAINING && client->operations.running_count == 0 &&
           client->operations.cleanups == 0 && (client->ref.delays == 0 || client->left_behind);
}

static void close_leave_behind(mouv_client_t *client) {
    uint32_t stuck = mouv__operations_leave_behind(&client->operations);
    client->left_behind = true;
    if (stuck > 0)
        mouv__log(MOUV_LOG_WARNING,
                  "the %s closes while %u operation(s) are stuck in a call: left behind",
                  client->leaving ? "runtime" : "client", stuck);
}

static void close_on_close_timer(mouv__timer_t *timer) {
    mouv_client_t *client = mouv__container_of(timer, mouv_client_t, close_timer);
    mouv__client_hold(client);
    if (client->ref.state == MOUV__CLIENT_DRAINING) {
        close_leave_behind(client);
        mouv__pool_fail_cleanup(&client->pool);
        /* at once: what was left behind must not come back to connections of the pool */
        if (close_is_quiet(client)) close_begin_destroy(client);
    } else if (client->ref.state == MOUV__CLIENT_DESTROYING) {
        mouv__transport_t *transport = client->pool.transport;
        transport->ops->abandon_jobs(transport);
        close_become_closed(client, NULL);
    }
    mouv__client_let_go(client);
}

static void close_leave(mouv_client_t *client) {
    client->leaving = true;
    mouv__events_stop(client->ref.events);
    close_start_timer(client, client->ref.state == MOUV__CLIENT_DRAINING ? LEAVE_MS : DESTROY_MS,
                      close_on_close_timer);
    if (client->ref.state == MOUV__CLIENT_DRAINING) mouv__operations_stop(&client->operations);
}

static void close_on_close_limit(mouv__timer_t *timer) {
    mouv_client_t *client = mouv__container_of(timer, mouv_client_t, close_timer);
    mouv__client_hold(client);
    client->hurried = true;
    if (client->ref.state == MOUV__CLIENT_DRAINING) {
        close_start_timer(client, LEAVE_MS, close_on_close_timer);
        mouv__operations_stop(&client->operations);
    } else {
        close_on_close_timer(timer);
    }
    mouv__client_let_go(client);
}

static void close_on_destroy(mouv__ready_t *ready) {
    mouv_client_t *client = mouv__container_of(ready, mouv_client_t, destroy);
    if (close_is_quiet(client)) close_begin_destroy(client);
    mouv__client_let_go(client);
}

/* The last operation may have ended in the midst of the pump, or of a kill's answer, which go on with
 * connections and sessions. A client that was never used has neither, and may have no loop. */
void mouv__close_quiet(mouv_client_t *client) {
    if (!close_is_quiet(client) || mouv__ready_is_queued(&client->destroy)) return;
    if (client->pool.state == MOUV__POOL_NONE) {
        close_begin_destroy(client);
        return;
    }
    mouv__client_hold(client);
    client->destroy.run = close_on_destroy;
    mouv__runtime_ready(client->ref.runtime, &client->destroy);
}

void mouv__close_begin(mouv_client_t *client, bool leaving) {
    if (client->ref.state == MOUV__CLIENT_CLOSED) return;
    mouv__client_hold(client);
    if (client->ref.state == MOUV__CLIENT_OPEN) {
        mouv_error_t error = {0};
        mouv__client_call_hooks(client);
        mouv__session_end_all(client);
        mouv__client_hold(client); /* until it is closed */
        mouv__runtime_keep(client->ref.runtime);
        mouv__client_ref_move(client, MOUV__CLIENT_DRAINING);
        mouv__operations_end_polls(&client->operations);
        if (client->close_wait_ms > 0)
            close_start_timer(client, client->close_wait_ms, close_on_close_limit);
        mouv_error_set(&error, MOUV_ECANCELED, "cancelled: the client is being closed");
        mouv__pool_fail_waiting(&client->pool, &error);
    }
    if (leaving && !client->leaving) close_leave(client);
    mouv__client_quiet(client);
    mouv__client_let_go(client);
}
