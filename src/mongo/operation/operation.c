/*
 * The life of an operation on the loop thread: made, started, in the pool, out, back, retried,
 * asked to stop, settled.
 */
#include "mongo/operation/operation.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "async/loop/error.h"
#include "async/loop/line.h"
#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/base/error.h"
#include "mongo/base/timeout.h"
#include "mongo/operation/attempt.h"
#include "mongo/operation/inquiry.h"
#include "mongo/operation/limits.h"
#include "mongo/operation/retry.h"
#include "mongo/operation/state.h"
#include "mongo/operation/stop.h"
#include "mongo/operation/tell.h"
#include "mongo/pool/checkout.h"
#include "mongo/pool/measure.h"
#include "mongo/pool/pressure.h"
#include "mongo/session/session.h"

#define MS_NS INT64_C(1000000)

/* An operation's own deadline comes after its awaiter's, which knows better what to say. */
#define DEADLINE_SLACK_NS (2 * MS_NS)

/* How long a stopped write's answer is waited for before its outcome is called unknown. */
#define WRITE_GRACE_NS (500 * MS_NS)

/* --- states ----------------------------------------------------------------------------------- */

#define BIT(state) (1u << MOUV__OP_##state)

static const uint8_t may_follow[] = {
    [MOUV__OP_NEW] = BIT(STARTED),
    [MOUV__OP_STARTED] = BIT(WAITING) | BIT(SETTLED),
    [MOUV__OP_WAITING] = BIT(RUNNING) | BIT(SETTLED),
    /* WAITING: a retry, or the next command */
    [MOUV__OP_RUNNING] = BIT(STOPPING) | BIT(LATE) | BIT(WAITING) | BIT(SETTLED),
    /* WAITING: the server is asked what became of it */
    [MOUV__OP_STOPPING] = BIT(LATE) | BIT(WAITING) | BIT(SETTLED),
    [MOUV__OP_LATE] = BIT(SETTLED),
    [MOUV__OP_SETTLED] = 0,
};

static void operation_move(mouv__operation_t *op, mouv__op_state_t state) {
    (void)may_follow; /* only assertions read it */
    assert(may_follow[op->state] & (1u << state));
    op->state = (uint8_t)state;
}

/* Whether its exchange is out. */
static bool operation_is_out(const mouv__operation_t *op) {
    return op->state >= MOUV__OP_RUNNING && op->state <= MOUV__OP_LATE;
}

static void operation_arm(mouv__operation_t *op);
static void operation_stop(mouv__operation_t *op, bool expired);
static void operation_enter(mouv__operation_t *op);

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

void mouv__operation_write_text(char *text, size_t size, const char *name, const char *database,
                                const bson_t *command) {
    const char *collection = operation_collection_of(command);
    mouv__line_format(text, size, "%s %s%s%s", name, database ? database : "",
                      collection ? "." : "", collection ? collection : "");
}

void mouv__operation_text(const mouv__operation_t *op, char *text, size_t size) {
    mouv__operation_write_text(text, size, op->parts.row->name, op->database, op->parts.command);
}

int mouv__operation_fail(const mouv__operation_t *op, mouv_error_t *error, int code,
                         const char *format, ...) {
    va_list args;
    va_start(args, format);
    mouv__error_vset(error, code, format, args);
    va_end(args);
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
    bool expired = op->deadline_ns <= mouv__operation_now_ns(op); /* a scope's timer may be first */
    if (!expired) mouv__client_stats(op->client)->cancels++;
    operation_stop(op, expired);
}

static void operation_future_shorten(mouv__future_t *future, int64_t deadline_ns) {
    mouv__operation_t *op = operation_of(future);
    if (mouv__is_cleanup(op) || op->inquiry || deadline_ns >= op->deadline_ns) return;
    op->deadline_ns = deadline_ns;
    if (op->state == MOUV__OP_WAITING) mouv__checkout_shorten(&op->checkout, deadline_ns);
    operation_arm(op);
}

static void operation_future_deliver(mouv__future_t *future, bool whole) {
    mouv__operation_t *op = operation_of(future);
    if (op->deliver) op->deliver(op, whole);
}

static void operation_future_describe(const mouv__future_t *future,
                                      mouv__description_t *description) {
    mouv__operation_text((const mouv__operation_t *)future, description->name,
                         sizeof(description->name));
}

static void operation_future_release(mouv__future_t *future) {
    mouv__operation_t *op = operation_of(future);
    if (op->release) op->release(op);
    mouv__free(op->first_error);
    if (op->parts.pin) mouv__pin_free(op->parts.pin);
    if (op->parts.session) mouv__session_detach(&op->parts);
    op->first_error = NULL;
    if (op->inquiry) mouv__inquiry_free(op);
    mouv__client_let_go(op->client);
    mouv__attempt_unref_memory(op);
}

static const mouv__future_ops_t future_ops = {
    .kind = "operation",
    .outside = true,
    .cancel = operation_future_cancel,
    .shorten = operation_future_shorten,
    .deliver = operation_future_deliver,
    .describe = operation_future_describe,
    .release = operation_future_release,
};

/* Lets the future go once neither its exchange nor the ready queue can come back to it. */
static void operation_let_go_if_over(mouv__operation_t *op) {
    if (op->state != MOUV__OP_SETTLED || mouv__ready_is_queued(&op->admit) || !op->held) return;
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
    bool cleanup = row->flags & MOUV__OP_CLEANUP;
    int rc =
        cleanup ? mouv__client_check_cleanup(client, error) : mouv__client_check(client, error);
    if (rc < 0) return rc;
    if (!cleanup && mouv__current_refused()) {
        bool timed_out = mouv__current_timed_out();
        mouv_error_set(error, MOUV_ECANCELED, "%s; nothing is sent",
                       timed_out ? "the time is over" : "the task has been cancelled");
        error->cause = timed_out ? MOUV_ETIMEDOUT : 0;
        return MOUV_ECANCELED;
    }
    return operation_check_name(database, error);
}

static mouv__operation_t *operation_fail_new(const mouv__operation_row_t *row, const char *database,
                                             const bson_t *command, mouv_error_t *error,
                                             mouv_future_t *failed) {
    mouv__operation_write_text(error->operation, sizeof(error->operation), row->name, database,
                               command);
    mouv_runtime_t *runtime = mouv__runtime();
    *failed = runtime ? mouv__future_failed_with(runtime, error) : mouv__future_failed(error->code);
    return NULL;
}

mouv__operation_t *mouv__operation_new(mouv_client_t *client, const mouv__operation_row_t *row,
                                       const char *database, const bson_t *command, size_t size,
                                       mouv_future_t *failed) {
    mouv_error_t error = {0};
    if (operation_check_new(client, row, database, &error) < 0)
        return operation_fail_new(row, database, command, &error, failed);
    mouv__operation_t *op = mouv__alloc(size > sizeof(*op) ? size : sizeof(*op));
    if (!op || mouv__future_init(&op->future, &future_ops, mouv__client_runtime(client),
                                 !(row->flags & MOUV__OP_CLEANUP)) != 0) {
        mouv__free(op);
        *failed = mouv__future_failed(MOUV_ENOMEM);
        return NULL;
    }
    op->client = client;
    op->operations = mouv__client_ref_of(client)->operations;
    mouv__client_hold(client);
    op->parts.row = row;
    snprintf(op->database, sizeof(op->database), "%s", database);
    op->parts.retryable = (row->flags & MOUV__OP_RETRYABLE) != 0;
    op->deadline_ns = mouv__is_cleanup(op) ? MOUV__NEVER : mouv__current_deadline_ns();
    op->memory = 1;
    return op;
}

mouv_future_t mouv__operation_refuse(mouv__operation_t *op, int code, const char *format, ...) {
    mouv_error_t error;
    va_list args;
    va_start(args, format);
    mouv__error_vset(&error, code, format, args);
    va_end(args);
    mouv__operation_text(op, error.operation, sizeof(error.operation));
    mouv_future_t handle = mouv__future_handle(&op->future);
    op->state = MOUV__OP_SETTLED;
    mouv__future_complete(&op->future, code, &error);
    return handle;
}

/* The user's maxTimeMS leaves the command: the lesser of it and the deadline is sent instead. */
static void operation_take_max_time(mouv__operation_t *op) {
    bson_iter_t iter;
    if (!(op->parts.row->flags & MOUV__OP_MAX_TIME) && !op->own_limit) return;
    if (!bson_iter_init_find(&iter, op->parts.command, "maxTimeMS") ||
        !BSON_ITER_HOLDS_NUMBER(&iter))
        return;
    int64_t max_time_ms = bson_iter_as_int64(&iter);
    if (max_time_ms <= 0 || max_time_ms > INT32_MAX) return; /* the server's to judge */
    bson_t *rest = bson_new();
    bson_copy_to_excluding_noinit(op->parts.command, rest, "maxTimeMS", NULL);
    bson_destroy(op->parts.command);
    op->parts.command = rest;
    op->user_max_time_ms = (int32_t)max_time_ms;
}

static void operation_on_turn(mouv__ready_t *ready) {
    mouv__operation_t *op =
        (mouv__operation_t *)((char *)ready - offsetof(mouv__operation_t, admit));
    if (op->state == MOUV__OP_STARTED)
        operation_enter(op);
    else
        operation_let_go_if_over(op);
}

mouv_future_t mouv__operation_start(mouv__operation_t *op) {
    mouv_error_t error;
    if (op->parts.pin) mouv__pin_hold(op->parts.pin); /* operation_future_release() gives it up */
    if (op->parts.session && mouv__session_begin_operation(&op->parts, &error) < 0)
        return mouv__operation_refuse(op, error.code, "%s", error.message);
    mouv_future_t handle = mouv__future_handle(&op->future);
    operation_take_max_time(op);
    mouv__limits_drop_old_timeouts(op);
    op->held = true;
    mouv__future_hold(&op->future);
    operation_move(op, MOUV__OP_STARTED);
    op->number = ++mouv__client_stats(op->client)->started;
    if (mouv__is_cleanup(op)) op->operations->cleanups++;
    op->admit.run = operation_on_turn;
    mouv__runtime_ready(mouv__client_runtime(op->client), &op->admit);
    return handle;
}

void mouv__operation_start_detached(mouv__operation_t *op) {
    op->future.retrieved = true;
    mouv_future_unref(mouv__operation_start(op));
}

void mouv__operation_set_command(mouv__operation_t *op, bson_t *command,
                                 mouv__sequence_t *sequence) {
    bson_destroy(op->parts.command);
    mouv__sequence_free(op->parts.sequence);
    op->parts.command = command;
    op->parts.sequence = sequence;
    operation_take_max_time(op);
    mouv__limits_drop_old_timeouts(op);
}

/* --- settling --------------------------------------------------------------------------------- */

static void operation_count_end(mouv__operation_t *op, int code, const mouv_error_t *error) {
    if (mouv__is_cleanup(op)) op->operations->cleanups--;
    mouv__client_stats(op->client)->completed++;
    if (code < 0 && (op->expired || mouv_error_is_timeout(error)))
        mouv__client_stats(op->client)->timeouts++;
}

static void operation_list(mouv__operation_t *op) {
    mouv__list_push_back(&op->operations->running, &op->running);
    op->operations->running_count++;
}

static void operation_unlist(mouv__operation_t *op) {
    if (!mouv__link_is_in_list(&op->running)) return;
    mouv__list_remove(&op->operations->running, &op->running);
    op->operations->running_count--;
}

/* Completes the future. While its exchange is out it is LATE, then SETTLED. */
static void operation_settle(mouv__operation_t *op, int code, mouv_error_t *error) {
    bool out = operation_is_out(op) && op->attempt.exchange.connection != NULL;
    mouv__timer_stop(mouv__client_runtime(op->client), &op->timer);
    if (op->parts.session)
        mouv__session_end_operation(&op->parts, mouv__exchange_is_sent(&op->attempt.exchange));
    if (code < 0 && error->operation[0] == '\0')
        mouv__operation_text(op, error->operation, sizeof(error->operation));
    if (!out) operation_unlist(op);
    operation_move(op, out ? MOUV__OP_LATE : MOUV__OP_SETTLED);
    operation_count_end(op, code, error);
    mouv__future_hold(&op->future);
    mouv__future_complete(&op->future, code, error);
    operation_let_go_if_over(op);
    mouv__client_quiet(op->client);
    mouv__future_let_go(&op->future);
}

/* Asks the maker what it came to. May be MOUV__AGAIN. */
static int operation_ask_finish(mouv__operation_t *op, bson_t *reply, mouv_error_t *error) {
    mouv__retry_last_word(op, error);
    if (op->parts.session) mouv__session_note_error(&op->parts, error);
    return op->finish ? op->finish(op, reply, error) : error->code;
}

static void operation_why_stopped(const mouv__operation_t *op, mouv_error_t *error) {
    if (op->inquiry)
        mouv__inquiry_error(op, error);
    else
        mouv__retry_stopped_error(op, error);
}

/* Ends an operation that will not run any more, or not this time. */
static void operation_end_unanswered(mouv__operation_t *op, mouv_error_t *error) {
    int code = operation_ask_finish(op, NULL, error);
    if (code == MOUV__AGAIN) code = error->code;
    if (code < 0 && error->code >= 0) mouv_error_set(error, code, "%s", mouv_error_message(code));
    operation_settle(op, code, error);
}

/* It is in the pool no more, and was granted nothing. */
static void operation_fail_waiting(mouv__operation_t *op, const mouv_error_t *error) {
    mouv_error_t own = *error;
    mouv__attempt_drop_session(op); /* kept for a retry that does not come */
    operation_end_unanswered(op, &own);
}

/* Its future is done now, whatever the exchange will bring. */
static void operation_give_up(mouv__operation_t *op) {
    mouv_error_t error = {0};
    operation_why_stopped(op, &error);
    if (mouv__is_write(op) && mouv__exchange_is_sent(&op->attempt.exchange))
        op->maybe_stored = true;
    operation_end_unanswered(op, &error);
}

/* --- back ------------------------------------------------------------------------------------- */

static void operation_prepare_next_command(mouv__operation_t *op) {
    mouv__inquiry_end(op);
    op->retries = 0;
    op->maybe_stored = false;
    op->parts.txn_number = 0;
    op->checkout.avoid_id = 0;
    mouv__free(op->first_error);
    op->first_error = NULL;
}

static void operation_go_again(mouv__operation_t *op) {
    operation_unlist(op);
    op->kills = 0;
    if ((!op->stopped || op->inquiry) && mouv__client_is_open(op->client)) {
        operation_enter(op);
        return;
    }
    mouv_error_t error = {0};
    operation_why_stopped(op, &error);
    operation_end_unanswered(op, &error);
}

/* An awaiter's deadline cancels what it waits for a moment before that has expired itself. */
static bool operation_is_too_late(const mouv__operation_t *op) {
    return op->stopped && op->deadline_ns != MOUV__NEVER &&
           mouv__operation_now_ns(op) >= op->deadline_ns;
}

/* How long the server takes for what it does to its end; polls wait for something else. */
static void operation_note_took(const mouv__operation_t *op) {
    const mouv__exchange_t *exchange = &op->attempt.exchange;
    mouv__server_t *server = mouv__operation_server(op);
    if (!server || exchange->control >= 0 || op->inquiry || mouv__is_poll(op)) return;
    int64_t now_ns = mouv__operation_now_ns(op);
    if (operation_is_too_late(op))
        mouv__took_too_long(&server->took, now_ns);
    else if (exchange->ok && !exchange->unacknowledged && !op->stopped)
        mouv__took_add(&server->took, now_ns - op->began_ns, now_ns);
}

/* What the answer, or that there is none, says of the server. */
static void operation_note_server(mouv__operation_t *op) {
    const mouv__exchange_t *exchange = &op->attempt.exchange;
    mouv__pool_t *pool = op->operations->pool;
    operation_note_took(op);
    if (exchange->reply && !exchange->unacknowledged)
        mouv__breaker_heard(pool, exchange->server_id);
    else if (!exchange->reply && (exchange->reached || !pool->transport->cuts) &&
             operation_is_too_late(op))
        mouv__breaker_missed(pool, exchange->server_id, op->began_ns);
}

/* Behind a load balancer: what is lost there is nobody's any more, and an error of one server
 * behind it says nothing of the others. */
static void operation_note_service(mouv__operation_t *op, const mouv_error_t *error) {
    const mouv__exchange_t *exchange = &op->attempt.exchange;
    bool lost = error->code == MOUV_ENETWORK && exchange->reached;
    if (exchange->control >= 0) return;
    if (!exchange->cut && (lost || mouv__error_is_shutdown(error)))
        mouv__server_pool_clear_service(op->operations->pool, exchange->connection,
                                        exchange->server_id);
    if (error->code == MOUV_ENETWORK || exchange->cut)
        mouv__pin_lose_connection(exchange->connection);
}

/* ... and of the connection and the session. */
static void operation_note_connection(mouv__operation_t *op, const mouv_error_t *error) {
    const mouv__exchange_t *exchange = &op->attempt.exchange;
    mouv__pool_t *pool = op->operations->pool;
    bool lost = error->code == MOUV_ENETWORK || exchange->cut;
    if (exchange->control >= 0)
        mouv__connection_note(exchange->connection, exchange->server_id, exchange->reply && !lost);
    else if (exchange->cut)
        mouv__server_pool_cut_link(pool, exchange->connection, exchange->server_id);
    else if (lost)
        mouv__server_pool_lose_link(exchange->connection, exchange->server_id);
    else if (exchange->reply)
        mouv__server_pool_note_link(pool, exchange->connection, exchange->server_id);
    if (lost && exchange->session)
        mouv__server_session_lost(exchange->session, exchange->reached && !exchange->reply);
}

static void operation_count_bytes(mouv__operation_t *op) {
    const mouv__exchange_t *exchange = &op->attempt.exchange;
    mouv_client_stats_t *stats = mouv__client_stats(op->client);
    const mouv__sequence_t *sequence = op->parts.sequence;
    if (mouv__exchange_is_sent(exchange))
        stats->bytes_sent += op->parts.command->len + (sequence ? sequence->size : 0);
    if (exchange->reply) stats->bytes_received += exchange->reply->len;
}

/* Gives everything of the attempt back but, for a retry, its session. */
static void operation_end_attempt(mouv__operation_t *op, bool again) {
    mouv__connection_t *connection = op->attempt.exchange.connection;
    bool control = op->attempt.exchange.control >= 0;
    mouv__attempt_end(op, again);
    if (!control)
        mouv__pool_leave(op->operations->pool, connection, op->checkout.server_id, op->number);
}

static void operation_back_late(mouv__operation_t *op) {
    bson_t *reply = op->attempt.exchange.reply;
    if (reply && op->late) op->late(op, reply);
    operation_unlist(op);
    operation_end_attempt(op, false);
    operation_move(op, MOUV__OP_SETTLED);
    operation_let_go_if_over(op);
}

static bool operation_goes_again(mouv__operation_t *op, mouv_error_t *error) {
    if (error->code >= 0) return false;
    if (!mouv__retry(op, error)) return mouv__inquiry_begin(op, error);
    if (op->parts.session) mouv__session_leave_place(&op->parts); /* any server will do */
    return true;
}

/* The same question of an attempt that asked what had become of the write. */
static bool operation_inquiry_goes_again(mouv__operation_t *op, mouv_error_t *error) {
    bson_t *reply;
    mouv__inquiry_next_t next = mouv__inquiry_back(op, error, &reply);
    if (next == MOUV__INQUIRY_ENDED) {
        bson_destroy(op->attempt.exchange.reply);
        op->attempt.exchange.reply = reply;
    }
    return next == MOUV__INQUIRY_AGAIN;
}

static void operation_back_awaited(mouv__operation_t *op, mouv_error_t *error) {
    mouv__exchange_t *exchange = &op->attempt.exchange;
    bool again =
        op->inquiry ? operation_inquiry_goes_again(op, error) : operation_goes_again(op, error);
    int code = again ? MOUV__AGAIN : operation_ask_finish(op, exchange->reply, error);
    if (code == MOUV__AGAIN && !again) operation_prepare_next_command(op);
    bson_destroy(exchange->reply);
    exchange->reply = NULL;
    operation_end_attempt(op, again);
    if (code == MOUV__AGAIN)
        operation_go_again(op);
    else
        operation_settle(op, code, error);
}

static bool operation_is_being_stopped(const mouv__operation_t *op) {
    return op->kill_state != MOUV__KILL_NONE || op->kills > 0 || op->cut_ns != 0;
}

static void operation_back(mouv__exchange_t *exchange) {
    mouv__operation_t *op = mouv__container_of(exchange, mouv__operation_t, attempt.exchange);
    mouv__pool_t *pool = op->operations->pool;
    mouv_error_t error = {0};
    if (operation_is_being_stopped(op)) mouv__stop_remove(op);
    operation_count_bytes(op);
    mouv__tell_operation(op, MOUV__EVENT_CLIENT_RETURNED);
    mouv__retry_outcome(op, &error);
    operation_note_server(op);
    if (mouv__topology_is_balanced(pool->topology)) operation_note_service(op, &error);
    operation_note_connection(op, &error);
    if (op->parts.session) mouv__session_observe_reply(&op->parts, exchange->reply, op->stopped);
    if (op->state == MOUV__OP_LATE)
        operation_back_late(op);
    else
        operation_back_awaited(op, &error);
    if (mouv__topology_is_balanced(pool->topology)) mouv__pool_serve_all(pool); /* of its session */
    mouv__pool_pump(pool);
}

/* --- in the pool ------------------------------------------------------------------------------ */

static mouv__operation_t *operation_of_checkout(mouv__checkout_t *checkout) {
    return mouv__container_of(checkout, mouv__operation_t, checkout);
}

/* What cannot be answered in the time that is left is not sent. */
static bool operation_admit(mouv__checkout_t *checkout) {
    mouv__operation_t *op = operation_of_checkout(checkout);
    mouv_error_t why = {0}, error = {0};
    bool pressed = checkout->pool->waiting[MOUV__WAITING_PRESSED].count > 0;
    if (mouv__limits_set(op, &why) && (!pressed || mouv__pressure_admits(checkout, &why)))
        return true;
    mouv__pool_withdraw(checkout, &why);
    mouv__measure_server(checkout->pool, checkout->server_id);
    if (!op->inquiry) op->stopped = op->expired = true;
    operation_why_stopped(op, &error);
    if (!op->inquiry && !op->first_error)
        mouv__error_reword(&error, "timed out before anything was sent: %s", why.message);
    operation_fail_waiting(op, &error);
    return false;
}

static bool operation_granted(mouv__checkout_t *checkout, mouv__connection_t *connection) {
    mouv__operation_t *op = operation_of_checkout(checkout);
    if (op->deadline_ns != MOUV__NEVER && mouv__client_is_open(op->client)) {
        mouv__kill_prepare(op->operations, checkout->server_id);
        mouv__measure_unknown(checkout->pool, checkout->server_id);
    }
    mouv__retry_give_txn_number(op);
    op->began_ns = mouv__operation_now_ns(op);
    mouv__tell_operation(op, MOUV__EVENT_CLIENT_CHECKED_OUT); /* before what the transport tells */
    int rc = mouv__attempt_begin(op, connection, operation_back);
    if (rc < 0) {
        mouv_error_t error = {0};
        mouv__tell_operation(op, MOUV__EVENT_CLIENT_RETURNED);
        mouv_error_set(&error, rc, "no thread or memory to run it");
        operation_fail_waiting(op, &error);
        return false;
    }
    operation_move(op, MOUV__OP_RUNNING);
    operation_list(op);
    if (op->timer.index) operation_arm(op);
    return true;
}

static void operation_failed(mouv__checkout_t *checkout, const mouv_error_t *error) {
    operation_fail_waiting(operation_of_checkout(checkout), error);
}

static void operation_waits(mouv__checkout_t *checkout) {
    operation_arm(operation_of_checkout(checkout));
}

static const mouv__checkout_ops_t operation_checkout_ops = {
    .admit = operation_admit,
    .granted = operation_granted,
    .failed = operation_failed,
    .waits = operation_waits,
};

/* Why it may not even wait: 0 or a negative code. */
static int operation_check_entry(const mouv__operation_t *op, mouv_error_t *error) {
    bool lost = false;
    if (op->parts.session) mouv__session_pinned(op->parts.session, &lost);
    if (!mouv__client_is_open(op->client) && !mouv__is_cleanup(op))
        return mouv_error_set(error, MOUV_ECLOSED, "the client has been closed");
    if (lost || (op->parts.pin && !mouv__pin_session(op->parts.pin)))
        return mouv_error_set(error, MOUV_ECLOSED, "its session has ended with the client");
    return 0;
}

static void operation_ask_pool(mouv__operation_t *op) {
    mouv__checkout_t *checkout = &op->checkout;
    checkout->ops = &operation_checkout_ops;
    checkout->criteria = mouv__attempt_criteria(op);
    checkout->session = mouv__attempt_pinned_session(op);
    checkout->kept = mouv__attempt_kept_connection(op);
    checkout->operation_id = op->number;
    checkout->poll = mouv__is_poll(op);
    checkout->poll_waits = checkout->poll && op->parts.pin;
    checkout->cleanup = mouv__is_cleanup(op);
    checkout->lasts = checkout->cleanup && op->deadline_ns != MOUV__NEVER;
    checkout->deadline_ns = op->deadline_ns;
    checkout->one_limit = op->parts.has_timeout;
    mouv__pool_enter(op->operations->pool, checkout);
}

/* It wants to run, for the first time or again. */
static void operation_enter(mouv__operation_t *op) {
    mouv_error_t error = {0};
    mouv__future_hold(&op->future);
    operation_move(op, MOUV__OP_WAITING);
    if (operation_check_entry(op, &error) < 0)
        operation_fail_waiting(op, &error);
    else
        operation_ask_pool(op);
    /* most are out by now and need a timer only for a deadline */
    if (op->state == MOUV__OP_WAITING) mouv__tell_operation(op, MOUV__EVENT_OPERATION_QUEUED);
    if (op->state == MOUV__OP_WAITING ||
        (op->state == MOUV__OP_RUNNING && op->deadline_ns != MOUV__NEVER))
        operation_arm(op);
    mouv__future_let_go(&op->future);
}

/* --- stopping --------------------------------------------------------------------------------- */

static int64_t operation_next_alarm(const mouv__operation_t *op) {
    int64_t at = op->deadline_ns;
    if (at != MOUV__NEVER) at += DEADLINE_SLACK_NS;
    if (op->state == MOUV__OP_STOPPING) return op->grace_ns;
    if (op->state != MOUV__OP_WAITING) return at;
    int64_t alarm_ns = mouv__checkout_alarm_ns(&op->checkout);
    return alarm_ns < at ? alarm_ns : at;
}

static void operation_on_timer(mouv__timer_t *timer) {
    mouv__operation_t *op = mouv__container_of(timer, mouv__operation_t, timer);
    mouv_client_t *client = op->client;
    int64_t now_ns = mouv__client_now_ns(client);
    mouv__client_hold(client);
    if (op->state == MOUV__OP_STOPPING) {
        operation_give_up(op);
    } else if (op->deadline_ns != MOUV__NEVER && now_ns >= op->deadline_ns + DEADLINE_SLACK_NS) {
        operation_stop(op, true);
    } else if (op->state == MOUV__OP_WAITING && !mouv__checkout_on_alarm(&op->checkout)) {
        operation_arm(op);
    } else {
        mouv_error_t error = {0};
        mouv__checkout_explain(&op->checkout, &error);
        mouv__pool_withdraw(&op->checkout, &error);
        operation_fail_waiting(op, &error);
    }
    mouv__client_quiet(client);
    mouv__client_let_go(client);
}

/* Sets the timer to what matters in the present state. */
static void operation_arm(mouv__operation_t *op) {
    mouv_runtime_t *runtime = mouv__client_runtime(op->client);
    int64_t at = operation_next_alarm(op);
    if (at == MOUV__NEVER)
        mouv__timer_stop(runtime, &op->timer);
    else if (mouv__timer_start(runtime, &op->timer, at, operation_on_timer) < 0)
        mouv__log(MOUV_LOG_WARNING, "no memory for the timer of an operation");
}

static void operation_stop_running(mouv__operation_t *op) {
    if (mouv__exchange_withdraw(&op->attempt.exchange)) { /* nothing was sent, nothing will be */
        operation_give_up(op);
        return;
    }
    mouv__stop_add(op);
    if (!mouv__is_write(op) || op->inquiry) {
        operation_give_up(op);
        return;
    }
    operation_move(op, MOUV__OP_STOPPING);
    op->grace_ns = mouv__operation_now_ns(op) + WRITE_GRACE_NS;
    operation_arm(op);
}

static void operation_stop_waiting(mouv__operation_t *op) {
    const mouv__checkout_t *checkout = &op->checkout;
    mouv__pool_t *pool = op->operations->pool;
    mouv_error_t error = {0}, wait = {0};
    if (checkout->state == MOUV__CHECKOUT_QUEUED && operation_is_too_late(op))
        mouv__breaker_waited(pool, checkout->server_id,
                             checkout->select_ns - pool->selection_timeout_ms * MS_NS);
    operation_why_stopped(op, &error);
    mouv__checkout_explain(checkout, &wait);
    if (wait.code < 0 && !op->inquiry)
        mouv__error_reword(&error, "%s %s: %s", mouv_error_message(error.code),
                           op->retries > 0 ? "while waiting to retry" : "before anything was sent",
                           wait.message);
    mouv__pool_withdraw(&op->checkout, &error);
    operation_fail_waiting(op, &error);
}

/* Cancelled, or its own deadline has come. */
static void operation_stop(mouv__operation_t *op, bool expired) {
    if (op->state >= MOUV__OP_STOPPING || op->state == MOUV__OP_NEW) return;
    if (!op->inquiry) {
        op->stopped = true;
        op->expired = expired;
    }
    if (op->state == MOUV__OP_RUNNING)
        operation_stop_running(op);
    else
        operation_stop_waiting(op);
}

/* --- pins ------------------------------------------------------------------------------------- */

/* A cursor is one of the server behind a load balancer that has made it. */
static mouv__pin_t *operation_keep_connection(mouv__operation_t *op, mouv__pin_t *pin) {
    mouv__connection_t *connection = op->attempt.exchange.connection;
    if (pin && mouv__topology_is_balanced(op->operations->pool->topology) &&
        op->attempt.exchange.control < 0)
        mouv__pin_keep_connection(pin, connection, MOUV__KEEPER_CURSOR);
    return pin;
}

mouv__pin_t *mouv__operation_keep_pin(mouv__operation_t *op) {
    return operation_keep_connection(
        op, mouv__pin_new(op->client, op->attempt.exchange.session, op->checkout.server_id));
}

mouv__pin_t *mouv__operation_keep_poll_pin(mouv__operation_t *op) {
    return operation_keep_connection(op, mouv__pin_new_for_polls(op->operations->pool,
                                                                 op->attempt.exchange.session,
                                                                 op->checkout.server_id));
}

void mouv__operation_keep_connection(mouv__operation_t *op) {
    if (!op->parts.pin && mouv__topology_is_balanced(op->operations->pool->topology))
        op->parts.pin = mouv__operation_keep_pin(op);
}

/* --- all of a client -------------------------------------------------------------------------- */

void mouv__operations_init(mouv__operations_t *operations, mouv_client_t *client,
                           mouv__pool_t *pool) {
    operations->client = client;
    operations->pool = pool;
    mouv__client_ref_of(client)->operations = operations;
    mouv__stop_init(operations);
}

void mouv__operations_stop(mouv__operations_t *operations) {
    MOUV__LIST_EACH(&operations->running, mouv__operation_t, op, running)
        mouv__future_cancel(&op->future);
}

/* Nobody waits for its worker any more, which frees what it has when it comes back. */
static void operation_leave_behind(mouv__operation_t *op) {
    mouv__stop_remove(op);
    if (op->state != MOUV__OP_LATE) {
        op->stopped = true;
        operation_give_up(op);
    }
    mouv__attempt_abandon(op);
    operation_unlist(op);
    operation_move(op, MOUV__OP_SETTLED);
    operation_let_go_if_over(op);
}

/* It has been given up, and waits on the server for something to come. */
static bool operation_is_late_poll(const mouv__operation_t *op) {
    return op->state == MOUV__OP_LATE && mouv__is_poll(op) && op->parts.pin;
}

uint32_t mouv__operations_leave_behind(mouv__operations_t *operations) {
    uint32_t stuck = 0;
    MOUV__LIST_EACH(&operations->running, mouv__operation_t, op, running) {
        stuck += !operation_is_late_poll(op);
        operation_leave_behind(op);
    }
    return stuck;
}

void mouv__operations_end_polls(mouv__operations_t *operations) {
    if (operations->pool->transport->cuts) {
        mouv__stop_hurry_polls(operations);
        return;
    }
    MOUV__LIST_EACH(&operations->running, mouv__operation_t, op, running)
        if (operation_is_late_poll(op)) operation_leave_behind(op);
}

void mouv__operations_close(mouv__operations_t *operations) {
    mouv__stop_close(operations);
}
