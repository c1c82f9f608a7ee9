/*
 * Limits: of the whole operation by timeoutMS, of each attempt by what is left of its time.
 */
#include "mongo/operation/limits.h"

#include "mongo/base/bson_view.h"
#include "mongo/base/client_ref.h"
#include "mongo/operation/state.h"

void mouv__limits_set_timeout(mouv__operation_t *op, mouv__timeout_t timeout) {
    if (timeout.ms == MOUV__TIMEOUT_UNSET) return;
    op->parts.has_timeout = true;
    int64_t end_ns = mouv__timeout_end_ns(op->client, timeout);
    if (end_ns < op->deadline_ns) op->deadline_ns = end_ns;
}

void mouv__limits_set_cleanup_timeout(mouv__operation_t *op, int64_t ms) {
    if (ms <= 0) return;
    op->parts.has_timeout = true;
    op->own_limit = true;
    op->deadline_ns = op->limit_ns = mouv__clock_deadline_in(mouv__client_runtime(op->client), ms);
}

/** {writeConcern: {...}} anew without wtimeout, if it has one. */
static void limits_untime_concern(mouv__operation_t *op) {
    bson_t concern;
    if (!mouv__bson_view_inside(op->parts.command, "writeConcern", &concern) ||
        !bson_has_field(&concern, "wtimeout"))
        return;
    bson_t *untimed = bson_new(), *command = bson_new();
    bson_copy_to_excluding_noinit(&concern, untimed, "wtimeout", NULL);
    bson_copy_to_excluding_noinit(op->parts.command, command, "writeConcern", NULL);
    BSON_APPEND_DOCUMENT(command, "writeConcern", untimed);
    bson_destroy(untimed);
    bson_destroy(op->parts.command);
    op->parts.command = command;
}

void mouv__limits_drop_old_timeouts(mouv__operation_t *op) {
    if (!op->parts.has_timeout) return;
    op->user_max_time_ms = 0;
    limits_untime_concern(op);
}

/* --- one attempt ------------------------------------------------------------------------------ */

int64_t mouv__limits_poll_left_ms(const mouv_client_t *client, const mouv__pin_t *pin,
                                  int64_t until_ns) {
    const mouv__operations_t *operations = mouv__client_ref_of(client)->operations;
    const mouv__server_t *server =
        mouv__topology_server(operations->pool->topology, pin ? mouv__pin_server_id(pin) : 0);
    return mouv__server_time_left_ms(server, mouv__client_now_ns(client), until_ns);
}

static int32_t limits_lesser(int32_t a, int64_t b) {
    return a > 0 && a < b ? a : b > INT32_MAX ? INT32_MAX : (int32_t)b;
}

/* One round trip less than what is left: what the server says must be back in time, too. */
static bool limits_set_max_time(mouv__operation_t *op, mouv_error_t *error) {
    const mouv__server_t *server = mouv__operation_server(op);
    int64_t now_ns = mouv__operation_now_ns(op);
    bool sent = op->own_limit || (op->parts.row->flags & MOUV__OP_MAX_TIME);
    int64_t limit_ns = op->own_limit ? op->limit_ns : op->deadline_ns;
    int64_t left_ns = op->deadline_ns - now_ns;
    op->attempt.max_time_ms = op->user_max_time_ms;
    if (op->deadline_ns != MOUV__NEVER &&
        mouv__server_time_left_ms(server, now_ns, op->deadline_ns) < 1) {
        mouv_error_set(error, MOUV_ETIMEDOUT, "%.1f ms are left, a round trip to %s takes %.1f ms",
                       left_ns > 0 ? (double)left_ns / 1e6 : 0.0, server ? server->host : "it",
                       server ? (double)mouv__rtt_least_ns(&server->rtt) / 1e6 : 0.0);
        return false;
    }
    if (sent && limit_ns != MOUV__NEVER)
        op->attempt.max_time_ms = limits_lesser(
            op->user_max_time_ms, mouv__server_time_left_ms(server, now_ns, limit_ns));
    return true;
}

/* Clean-up without a deadline must not wait for a silent server for minutes. */
#define CLEANUP_LIMIT_MS 5000

/* How long after its deadline a kill may bring an operation back before its socket gives up. */
#define LATE_LIMIT_MS 250

/* ... where a cut brings it back; this is for when the client has gone before that. */
#define LEFT_BEHIND_MS 300000

/* What one wait for the server may take; timeoutMS takes the place of socketTimeoutMS. */
static int32_t limits_wait_ms(const mouv__operation_t *op) {
    const mouv__transport_t *transport = op->operations->pool->transport;
    if (op->deadline_ns == MOUV__NEVER)
        return mouv__is_cleanup(op) ? CLEANUP_LIMIT_MS : op->parts.has_timeout ? -1 : 0;
    if (transport->cuts && !op->parts.has_timeout) return 0;
    int64_t left_ms = (op->deadline_ns - mouv__operation_now_ns(op)) / MOUV__NS_PER_MS;
    return limits_lesser(op->parts.has_timeout ? 0 : transport->socket_timeout_ms,
                         left_ms + (transport->cuts ? LEFT_BEHIND_MS : LATE_LIMIT_MS));
}

bool mouv__limits_set(mouv__operation_t *op, mouv_error_t *error) {
    op->attempt.exchange.limit_ms = limits_wait_ms(op);
    return limits_set_max_time(op, error);
}
