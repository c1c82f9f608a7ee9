/*
 * The life of an operation on the loop thread: made, started, admitted, back from the worker,
 * retried, asked to stop, settled.
 */
#include "mongo/operation/operation.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/base/timeout.h"
#include "mongo/operation/attempt.h"
#include "mongo/operation/inquiry.h"
#include "mongo/operation/limits.h"
#include "mongo/operation/retry.h"
#include "mongo/operation/state.h"
#include "mongo/pool/queue.h"
#include "mongo/session/session.h"
#include "mongo/topology/events.h"

#define MS_NS INT64_C(1000000)

/* An operation's own deadline comes after its awaiter's, which knows better what to say. */
#define DEADLINE_SLACK_NS (2 * MS_NS)

/* How long a stopped write's answer is waited for before its outcome is called unknown. */
#define WRITE_GRACE_NS (500 * MS_NS)

/* --- states ---------------------------------------------------------------------------------- */

#define BIT(state) (1u << MOUV__OP_##state)

static const uint16_t may_follow[] = {
    [MOUV__OP_NEW] = BIT(STARTED),
    [MOUV__OP_STARTED] = BIT(SELECTING) | BIT(SETTLED),
    [MOUV__OP_SELECTING] = BIT(QUEUED) | BIT(SETTLED),
    [MOUV__OP_QUEUED] = BIT(RUNNING) | BIT(SELECTING) | BIT(SETTLED),
    /* SELECTING: a retry, or the next command */
    [MOUV__OP_RUNNING] = BIT(STOPPING) | BIT(LATE) | BIT(SELECTING) | BIT(SETTLED),
    /* SELECTING: the server is asked what became of it */
    [MOUV__OP_STOPPING] = BIT(LATE) | BIT(SELECTING) | BIT(SETTLED),
    [MOUV__OP_LATE] = BIT(SETTLED),
    [MOUV__OP_SETTLED] = 0,
};

void mouv__operation_move(mouv__operation_t *op, mouv__op_state_t state) {
    (void)may_follow; /* only assertions read it */
    assert(may_follow[op->state] & (1u << state));
    op->state = (uint8_t)state;
}

static bool operation_is_on_worker(const mouv__operation_t *op) {
    return op->state == MOUV__OP_RUNNING || op->state == MOUV__OP_STOPPING ||
           op->state == MOUV__OP_LATE;
}

int32_t mouv__operation_wire_version(const mouv__operation_t *op) {
    const mouv__server_t *server =
        mouv__topology_server(op->client->pool.topology, op->attempt.server_id);
    return server ? server->wire_version : MOUV__WIRE_VERSION_LABELS;
}

/* --- words ----------------------------------------------------------------------------------- */

/* The collection that a command names: its first value, or `collection` (getMore). */
static const char *operation_collection_of(const bson_t *command) {
    bson_iter_t iter;
    if (!command || !bson_iter_init(&iter, command) || !bson_iter_next(&iter)) return NULL;
    if (BSON_ITER_HOLDS_UTF8(&iter)) return bson_iter_utf8(&iter, NULL);
    if (bson_iter_init_find(&iter, command, "collection") && BSON_ITER_HOLDS_UTF8(&iter))
        return bson_iter_utf8(&iter, NULL);
    return NULL;
}

void mouv__operation_text(const mouv__operation_t *op, char *text, size_t size) {
    const char *collection = operation_collection_of(op->command);
    snprintf(text, size, "%s %s%s%s", op->row->name, op->database, collection ? "." : "",
             collection ? collection : "");
}

int mouv__operation_fail(const mouv__operation_t *op, mouv_error_t *error, int code,
                         const char *format, ...) {
    char text[sizeof(error->message)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    mouv_error_set(error, code, "%s", text);
    mouv__operation_text(op, error->operation, sizeof(error->operation));
    return code;
}

/* --- the future's side ----------------------------------------------------------------------- */

static mouv__operation_t *operation_of(mouv__future_t *future) {
    return (mouv__operation_t *)future;
}

static void operation_future_cancel(mouv__future_t *future) {
    mouv__operation_t *op = operation_of(future);
    if (mouv__is_cleanup(op)) return; /* it ends by itself, and the client's close waits for it */
    if (op->inquiry) return;          /* it was stopped before, and will soon have ended */
    op->out_of_time = op->deadline_ns <= mouv__client_now_ns(op->client);
    if (!op->out_of_time) mouv__client_stats(op->client)->cancels++;
    mouv__operation_stop(op, false);
}

static void operation_future_shorten(mouv__future_t *future, int64_t deadline_ns) {
    mouv__operation_t *op = operation_of(future);
    if (mouv__is_cleanup(op) || op->inquiry || deadline_ns >= op->deadline_ns) return;
    op->deadline_ns = deadline_ns;
    mouv__operation_arm(op);
}

static void operation_future_deliver(mouv__future_t *future, bool whole) {
    mouv__operation_t *op = operation_of(future);
    if (op->deliver) op->deliver(op, whole);
}

static void operation_future_release(mouv__future_t *future) {
    mouv__operation_t *op = operation_of(future);
    if (op->release) op->release(op);
    mouv__free(op->first_error);
    mouv__pin_free(op->pin);
    mouv__session_detach(op);
    op->first_error = NULL;
    mouv__inquiry_free(op);
    mouv__client_let_go(op->client);
    mouv__operation_unref_memory(op);
}

static const mouv__future_ops_t future_ops = {
    .kind = "operation",
    .outside = true,
    .cancel = operation_future_cancel,
    .shorten = operation_future_shorten,
    .deliver = operation_future_deliver,
    .release = operation_future_release,
};

/* Lets the future go once neither a worker nor the ready queue can come back to it. */
static void operation_let_go_if_over(mouv__operation_t *op) {
    if (op->state != MOUV__OP_SETTLED || op->admit.queued || !op->held) return;
    op->held = false;
    mouv__future_let_go(&op->future);
}

/* --- making and starting --------------------------------------------------------------------- */

static int operation_check_name(const char *database, mouv_error_t *error) {
    size_t length = database ? strlen(database) : 0;
    if (length == 0) return mouv_error_set(error, MOUV_EINVAL, "the database name is empty");
    if (length > MOUV__DATABASE_NAME_MAX)
        return mouv_error_set(error, MOUV_EINVAL, "the database name is longer than %d bytes",
                              MOUV__DATABASE_NAME_MAX);
    if (!bson_utf8_validate(database, length, false))
        return mouv_error_set(error, MOUV_EINVAL, "the database name is not UTF-8");
    const char *bad = strpbrk(database, " ./\\\"$");
    if (bad && strcmp(database, "$external") != 0)
        return mouv_error_set(error, MOUV_EINVAL, "the database name '%s' contains '%c'", database,
                              *bad);
    return 0;
}

static int operation_check_new(mouv_client_t *client, const mouv__operation_row_t *row,
                               const char *database, mouv_error_t *error) {
    int rc = mouv__client_check(client, error);
    if (rc < 0) return rc;
    if (!(row->flags & MOUV__OP_CLEANUP) && mouv__current_refused())
        return mouv_error_set(error, MOUV_ECANCELED,
                              "the task has been cancelled; nothing is sent");
    return operation_check_name(database, error);
}

static mouv__operation_t *operation_fail_new(const mouv__operation_row_t *row, const char *database,
                                             mouv_error_t *error, mouv_future_t *failed) {
    snprintf(error->operation, sizeof(error->operation), "%s %s", row->name,
             database ? database : "");
    mouv_runtime_t *runtime = mouv__runtime();
    *failed = runtime ? mouv__future_failed_with(runtime, error) : mouv__future_failed(error->code);
    return NULL;
}

mouv__operation_t *mouv__operation_new(mouv_client_t *client, const mouv__operation_row_t *row,
                                       const char *database, size_t size, mouv_future_t *failed) {
    mouv_error_t error = {0};
    if (operation_check_new(client, row, database, &error) < 0)
        return operation_fail_new(row, database, &error, failed);
    mouv__operation_t *op = mouv__alloc(size > sizeof(*op) ? size : sizeof(*op));
    if (!op || mouv__future_init(&op->future, &future_ops, mouv__client_runtime(client),
                                 !(row->flags & MOUV__OP_CLEANUP)) != 0) {
        mouv__free(op);
        *failed = mouv__future_failed(MOUV_ENOMEM);
        return NULL;
    }
    op->client = client;
    mouv__client_hold(client);
    op->row = row;
    snprintf(op->database, sizeof(op->database), "%s", database);
    op->retryable = (row->flags & MOUV__OP_RETRYABLE) != 0;
    op->deadline_ns = mouv__is_cleanup(op) ? MOUV__NEVER : mouv__current_deadline_ns();
    op->memory = 1;
    return op;
}

mouv_future_t mouv__operation_refuse(mouv__operation_t *op, int code, const char *format, ...) {
    mouv_error_t error = {0};
    char text[sizeof(error.message)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    mouv__operation_fail(op, &error, code, "%s", text);
    mouv_future_t handle = mouv__future_handle(&op->future);
    op->state = MOUV__OP_SETTLED;
    mouv__future_complete(&op->future, code, &error);
    return handle;
}

/* The user's maxTimeMS leaves the command: the lesser of it and the deadline is sent instead. */
static void operation_take_max_time(mouv__operation_t *op) {
    bson_iter_t iter;
    if (!(op->row->flags & MOUV__OP_MAX_TIME) && !op->own_limit) return;
    if (!bson_iter_init_find(&iter, op->command, "maxTimeMS") || !BSON_ITER_HOLDS_NUMBER(&iter))
        return;
    int64_t max_time_ms = bson_iter_as_int64(&iter);
    if (max_time_ms <= 0 || max_time_ms > INT32_MAX) return; /* the server's to judge */
    bson_t *rest = bson_new();
    bson_copy_to_excluding_noinit(op->command, rest, "maxTimeMS", NULL);
    bson_destroy(op->command);
    op->command = rest;
    op->user_max_time_ms = (int32_t)max_time_ms;
}

static void operation_admit(mouv__ready_t *ready) {
    mouv__operation_t *op =
        (mouv__operation_t *)((char *)ready - offsetof(mouv__operation_t, admit));
    if (op->state == MOUV__OP_STARTED)
        mouv__pool_enter(op->client, op);
    else
        operation_let_go_if_over(op);
}

mouv_future_t mouv__operation_start(mouv__operation_t *op) {
    mouv_error_t error;
    if (op->pin) mouv__pin_hold(op->pin); /* operation_future_release() gives it up */
    if (op->user_session && mouv__session_begin_operation(op, &error) < 0)
        return mouv__operation_refuse(op, error.code, "%s", error.message);
    mouv_future_t handle = mouv__future_handle(&op->future);
    operation_take_max_time(op);
    mouv__limits_drop_old_timeouts(op);
    op->held = true;
    mouv__future_hold(&op->future);
    mouv__operation_move(op, MOUV__OP_STARTED);
    op->number = ++mouv__client_stats(op->client)->started;
    if (mouv__is_cleanup(op)) op->client->cleanups++;
    op->admit.run = operation_admit;
    mouv__runtime_ready(mouv__client_runtime(op->client), &op->admit);
    return handle;
}

void mouv__operation_start_detached(mouv__operation_t *op) {
    op->future.retrieved = true;
    mouv_future_unref(mouv__operation_start(op));
}

void mouv__operation_set_command(mouv__operation_t *op, bson_t *command) {
    assert(!operation_is_on_worker(op) || op->attempt.connection == NULL || op->attempt.job.run);
    bson_destroy(op->command);
    op->command = command;
    operation_take_max_time(op);
    mouv__limits_drop_old_timeouts(op);
}

/* --- settling -------------------------------------------------------------------------------- */

static void operation_count_end(mouv__operation_t *op, int code, const mouv_error_t *error) {
    if (mouv__is_cleanup(op)) op->client->cleanups--;
    mouv__client_stats(op->client)->completed++;
    if (code < 0 && (op->out_of_time || code == MOUV_ETIMEDOUT || mouv_error_is_timeout(error)))
        mouv__client_stats(op->client)->timeouts++;
}

/* Completes the future. While a worker has the operation it is LATE, then SETTLED. */
static void operation_settle(mouv__operation_t *op, int code, mouv_error_t *error) {
    mouv__queue_remove(op);
    mouv__timer_stop(mouv__client_runtime(op->client), &op->timer);
    mouv__session_end_operation(op);
    if (code < 0 && error->operation[0] == '\0')
        mouv__operation_text(op, error->operation, sizeof(error->operation));
    bool worker = operation_is_on_worker(op) && op->attempt.connection != NULL;
    if (worker) mouv__queue_push(&op->client->pool.running, op);
    mouv__operation_move(op, worker ? MOUV__OP_LATE : MOUV__OP_SETTLED);
    operation_count_end(op, code, error);
    mouv__future_hold(&op->future);
    mouv__future_complete(&op->future, code, error);
    operation_let_go_if_over(op);
    mouv__client_quiet(op->client);
    mouv__future_let_go(&op->future);
}

/* Asks the maker what it came to. May be MOUV__AGAIN. */
static int operation_ask_finish(mouv__operation_t *op, bson_t *reply, mouv_error_t *error) {
    mouv__final_error(op, error);
    mouv__transaction_label(op, error);
    return op->finish ? op->finish(op, reply, error) : error->code;
}

static void operation_why_stopped(const mouv__operation_t *op, mouv_error_t *error) {
    if (op->inquiry)
        mouv__inquiry_error(op, error);
    else
        mouv__stopped_error(op, error);
}

/* Ends an operation that will not run any more, or not this time. */
static void operation_end_unanswered(mouv__operation_t *op, mouv_error_t *error) {
    int code = operation_ask_finish(op, NULL, error);
    if (code == MOUV__AGAIN) code = error->code;
    if (code < 0 && error->code >= 0) mouv_error_set(error, code, "%s", mouv_error_message(code));
    operation_settle(op, code, error);
}

void mouv__operation_fail_waiting(mouv__operation_t *op, const mouv_error_t *error) {
    mouv_error_t own = *error;
    mouv__queue_remove(op);
    if (op->attempt.session) { /* kept for a retry that does not come */
        mouv__server_session_give_back(op->attempt.session, mouv__client_now_ns(op->client));
        op->attempt.session = NULL;
    }
    operation_end_unanswered(op, &own);
}

/* --- back from the worker -------------------------------------------------------------------- */

static void operation_prepare_next_command(mouv__operation_t *op) {
    mouv__inquiry_end(op);
    op->retries = op->connects = 0;
    op->maybe_stored = false;
    op->attempt.txn_number = 0;
    op->attempt.avoid_id = 0;
    mouv__free(op->first_error);
    op->first_error = NULL;
}

static void operation_go_again(mouv__operation_t *op) {
    mouv_client_t *client = op->client;
    mouv__queue_remove(op);
    op->kills = 0;
    if ((!op->stopped || op->inquiry) && mouv__client_is_open(client)) {
        mouv__pool_enter(client, op);
        return;
    }
    mouv_error_t error = {0};
    operation_why_stopped(op, &error);
    operation_end_unanswered(op, &error);
}

/* What the answer says of the connection and the session. */
static void operation_note_connection(mouv__operation_t *op, const mouv_error_t *error) {
    mouv__attempt_t *attempt = &op->attempt;
    uint64_t bit = mouv__server_bit(attempt->server_id);
    bool answered = attempt->reply && !attempt->unacknowledged;
    if (answered)
        mouv__breaker_heard(op->client, attempt->server_id);
    else if (!attempt->reply)
        mouv__breaker_missed(op);
    if (error->code == MOUV_ENETWORK || attempt->cut) {
        attempt->connection->connected &= ~bit;
        if (attempt->cut) attempt->connection->reconnect_id = attempt->server_id;
        if (attempt->session) attempt->session->dirty = true;
        if (attempt->session) attempt->session->dropped = attempt->reached && !attempt->reply;
    } else if (attempt->reply) {
        attempt->connection->connected |= bit;
    }
}

static void operation_count_bytes(mouv__operation_t *op) {
    mouv_client_stats_t *stats = mouv__client_stats(op->client);
    if (mouv__attempt_is_sent(op)) stats->bytes_sent += op->command->len;
    if (op->attempt.reply) stats->bytes_received += op->attempt.reply->len;
}

static void operation_give_connection_back(mouv_client_t *client, mouv__connection_t *connection) {
    if (connection == client->pool.cleaner.connection)
        mouv__pool_leave_control(client, &client->pool.cleaner);
    else
        mouv__pool_leave(client, connection);
}

static void operation_back_late(mouv__operation_t *op) {
    bson_t *reply = op->attempt.reply;
    if (reply && op->late) op->late(op, reply);
    mouv__queue_remove(op);
    mouv__connection_t *connection = mouv__attempt_end(op, false);
    operation_give_connection_back(op->client, connection);
    mouv__operation_move(op, MOUV__OP_SETTLED);
    operation_let_go_if_over(op);
}

static bool operation_goes_again(mouv__operation_t *op, mouv_error_t *error) {
    return error->code < 0 && (mouv__retry(op, error) || mouv__inquiry_begin(op, error));
}

/* The same question as operation_goes_again(), of an attempt that asked what had become of the
 * write. */
static bool operation_probe_goes_again(mouv__operation_t *op, mouv_error_t *error) {
    bson_t *reply;
    mouv__inquiry_next_t next = mouv__inquiry_back(op, error, &reply);
    if (next == MOUV__INQUIRY_ENDED) {
        bson_destroy(op->attempt.reply);
        op->attempt.reply = reply;
    }
    return next == MOUV__INQUIRY_AGAIN;
}

static void operation_back_awaited(mouv__operation_t *op, mouv_error_t *error) {
    mouv__attempt_t *attempt = &op->attempt;
    bool again =
        op->inquiry ? operation_probe_goes_again(op, error) : operation_goes_again(op, error);
    int code = again ? MOUV__AGAIN : operation_ask_finish(op, attempt->reply, error);
    if (code == MOUV__AGAIN && !again) operation_prepare_next_command(op);
    bson_destroy(attempt->reply);
    attempt->reply = NULL;
    mouv__connection_t *connection = mouv__attempt_end(op, again);
    operation_give_connection_back(op->client, connection);
    if (code == MOUV__AGAIN)
        operation_go_again(op);
    else
        operation_settle(op, code, error);
}

void mouv__operation_back(mouv__job_t *job) {
    mouv__operation_t *op =
        (mouv__operation_t *)((char *)job - offsetof(mouv__operation_t, attempt.job));
    mouv_client_t *client = op->client;
    mouv_error_t error = {0};
    mouv__client_hold(client);
    mouv__kill_remove(op);
    operation_count_bytes(op);
    if (client->events) mouv__events_returned(op);
    mouv__outcome(op, &error);
    operation_note_connection(op, &error);
    if (op->user_session) mouv__session_observe_reply(op);
    if (op->state == MOUV__OP_LATE)
        operation_back_late(op);
    else
        operation_back_awaited(op, &error);
    mouv__pool_pump(client);
    mouv__client_quiet(client);
    mouv__client_let_go(client);
}

/* --- stopping -------------------------------------------------------------------------------- */

static int64_t operation_next_alarm(const mouv__operation_t *op) {
    int64_t at = op->deadline_ns;
    if (at != MOUV__NEVER) at += DEADLINE_SLACK_NS;
    if (op->state == MOUV__OP_STOPPING) return op->grace_ns;
    bool waiting = op->state == MOUV__OP_SELECTING || op->state == MOUV__OP_QUEUED;
    return waiting && op->wait_ns < at ? op->wait_ns : at;
}

static void operation_on_timer(mouv__timer_t *timer) {
    mouv__operation_t *op =
        (mouv__operation_t *)((char *)timer - offsetof(mouv__operation_t, timer));
    mouv_client_t *client = op->client;
    int64_t now = mouv__client_now_ns(client);
    mouv__client_hold(client);
    if (op->state == MOUV__OP_STOPPING) {
        mouv__operation_give_up(op);
    } else if (op->deadline_ns != MOUV__NEVER && now >= op->deadline_ns + DEADLINE_SLACK_NS) {
        mouv__operation_stop(op, true);
    } else {
        mouv_error_t error = {0};
        mouv__pool_explain(client, op, &error);
        mouv__operation_fail_waiting(op, &error);
    }
    mouv__client_quiet(client);
    mouv__client_let_go(client);
}

void mouv__operation_arm(mouv__operation_t *op) {
    mouv_runtime_t *runtime = mouv__client_runtime(op->client);
    int64_t at = operation_next_alarm(op);
    if (at == MOUV__NEVER) {
        mouv__timer_stop(runtime, &op->timer);
        return;
    }
    if (mouv__timer_start(runtime, &op->timer, at, operation_on_timer) < 0)
        mouv__log(MOUV_LOG_WARNING, "no memory for the timer of an operation");
}

void mouv__operation_give_up(mouv__operation_t *op) {
    mouv_error_t error = {0};
    operation_why_stopped(op, &error);
    if (mouv__is_write(op) && mouv__attempt_is_sent(op)) op->maybe_stored = true;
    operation_end_unanswered(op, &error);
}

static void operation_stop_on_worker(mouv__operation_t *op) {
    if (mouv__attempt_stop(op)) { /* nothing was sent, nothing will be */
        mouv__operation_give_up(op);
        return;
    }
    mouv__kill_add(op);
    if (!mouv__is_write(op) || op->inquiry) {
        mouv__operation_give_up(op);
        return;
    }
    mouv__operation_move(op, MOUV__OP_STOPPING);
    op->grace_ns = mouv__client_now_ns(op->client) + WRITE_GRACE_NS;
    mouv__operation_arm(op);
}

void mouv__operation_stop(mouv__operation_t *op, bool expired) {
    if (op->state >= MOUV__OP_STOPPING || op->state == MOUV__OP_NEW) return;
    if (!op->inquiry) {
        op->stopped = true;
        op->expired = expired;
    }
    if (op->state == MOUV__OP_RUNNING) {
        operation_stop_on_worker(op);
        return;
    }
    mouv_error_t error = {0}, wait = {0};
    if (op->state == MOUV__OP_QUEUED) mouv__breaker_waited(op);
    operation_why_stopped(op, &error);
    mouv__pool_explain(op->client, op, &wait);
    if (wait.code < 0 && !op->inquiry)
        mouv_error_set(&error, error.code, "%s %s: %.400s", mouv_error_message(error.code),
                       op->retries > 0 ? "while waiting to retry" : "before anything was sent",
                       wait.message);
    mouv__operation_fail_waiting(op, &error);
}

void mouv__operation_leave_behind(mouv__operation_t *op) {
    if (op->state != MOUV__OP_LATE) {
        op->stopped = true;
        mouv__operation_give_up(op);
    }
    mouv__attempt_abandon(op);
    mouv__queue_remove(op);
    mouv__operation_move(op, MOUV__OP_SETTLED);
    operation_let_go_if_over(op);
}
