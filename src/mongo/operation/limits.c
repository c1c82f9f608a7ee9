/*
 * The limits that timeoutMS sets.
 */
#include "mongo/operation/limits.h"

#include "mongo/api/client.h"
#include "mongo/base/bson_view.h"
#include "mongo/operation/operation.h"

#define MS_NS INT64_C(1000000)

int64_t mouv__limits_time_for_server_ms(const mouv_client_t *client, int64_t until_ns) {
    int64_t rtt_ns = __atomic_load_n(&client->driver_pool->least_rtt_ns, __ATOMIC_RELAXED);
    int64_t heartbeat_ns = mouv__listener_rtt_ms(client->driver_pool->listener) * MS_NS;
    if (heartbeat_ns > rtt_ns) rtt_ns = heartbeat_ns;
    return (until_ns - mouv__client_now_ns(client) - rtt_ns) / MS_NS;
}

void mouv__limits_set_timeout(mouv__operation_t *op, mouv__timeout_t timeout) {
    if (timeout.ms == MOUV__TIMEOUT_UNSET) return;
    op->has_timeout = true;
    int64_t end_ns = mouv__timeout_end_ns(op->client, timeout);
    if (end_ns < op->deadline_ns) op->deadline_ns = end_ns;
}

void mouv__limits_set_cleanup_timeout(mouv__operation_t *op, int64_t ms) {
    if (ms <= 0) return;
    op->has_timeout = true;
    op->own_limit = true;
    op->deadline_ns = op->limit_ns = mouv__deadline_in(mouv__client_runtime(op->client), ms);
}

/** {writeConcern: {...}} anew without wtimeout, if it has one. */
static void limits_untime_concern(mouv__operation_t *op) {
    bson_t concern;
    if (!mouv__bson_view_inside(op->command, "writeConcern", &concern) ||
        !bson_has_field(&concern, "wtimeout"))
        return;
    bson_t *untimed = bson_new(), *command = bson_new();
    bson_copy_to_excluding_noinit(&concern, untimed, "wtimeout", NULL);
    bson_copy_to_excluding_noinit(op->command, command, "writeConcern", NULL);
    BSON_APPEND_DOCUMENT(command, "writeConcern", untimed);
    bson_destroy(untimed);
    bson_destroy(op->command);
    op->command = command;
}

void mouv__limits_drop_old_timeouts(mouv__operation_t *op) {
    if (!op->has_timeout) return;
    op->user_max_time_ms = 0;
    limits_untime_concern(op);
}
