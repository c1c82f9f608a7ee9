/*
 * Application errors.
 */
#include "mongo/topology/app_error.h"

#include <string.h>

#include "mongo/base/bson_view.h"

/* Of 4.0 and older: those close all connections when they step down. */
#define WIRE_VERSION_CLOSES 7

typedef enum change {
    CHANGE_NONE,
    CHANGE_STATE,   /* not primary, recovering */
    CHANGE_SHUTDOWN /* the same, and it goes */
} change_t;

/* "not writable primary", "node is recovering", each with those of older servers. */
static change_t app_error_of_code(int64_t code) {
    static const int64_t states[] = {10107, 13435, 10058, 11602, 13436, 189};
    if (code == 11600 || code == 91) return CHANGE_SHUTDOWN;
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (states[i] == code) return CHANGE_STATE;
    return CHANGE_NONE;
}

/* Only an error without a code is judged by its text. */
static change_t app_error_in(const bson_t *error) {
    bson_iter_t iter;
    if (bson_iter_init_find(&iter, error, "code") && BSON_ITER_HOLDS_NUMBER(&iter))
        return app_error_of_code(bson_iter_as_int64(&iter));
    if (!bson_iter_init_find(&iter, error, "errmsg") || !BSON_ITER_HOLDS_UTF8(&iter))
        return CHANGE_NONE;
    const char *text = bson_iter_utf8(&iter, NULL);
    bool changed = strstr(text, "not master") || strstr(text, "node is recovering");
    return changed ? CHANGE_STATE : CHANGE_NONE;
}

static change_t app_error_change(const bson_t *reply) {
    bson_iter_t ok;
    bson_t concern;
    if (!bson_iter_init_find(&ok, reply, "ok") || !bson_iter_as_bool(&ok))
        return app_error_in(reply);
    bool has_concern = mouv__bson_view_inside(reply, "writeConcernError", &concern);
    return has_concern ? app_error_in(&concern) : CHANGE_NONE;
}

static const char *app_error_text(const bson_t *reply) {
    bson_iter_t iter;
    bool found =
        reply && bson_iter_init_find(&iter, reply, "errmsg") && BSON_ITER_HOLDS_UTF8(&iter);
    if (found) return bson_iter_utf8(&iter, NULL);
    return reply ? "the server's state changes" : "the connection was lost";
}

/* Behind a load balancer there are many servers. */
static bool app_error_may_mark(const mouv__server_t *server) {
    return server->reported != MOUV__SERVER_UNKNOWN && server->reported != MOUV__SERVER_BALANCER;
}

bool mouv__app_error(mouv__topology_t *topology, const mouv__app_error_t *error) {
    change_t change = error->reply ? app_error_change(error->reply) : CHANGE_SHUTDOWN;
    mouv__server_t *server =
        change == CHANGE_NONE ? NULL : mouv__topology_server(topology, error->server_id);
    if (!server || !app_error_may_mark(server) || error->generation < server->generation)
        return false;
    mouv__topology_version_t version = mouv__topology_version_of(error->reply);
    if (error->reply && mouv__topology_version_compare(&server->version, &version) >= 0)
        return false;
    mouv__server_kind_t was = server->kind;
    bool clears = change == CHANGE_SHUTDOWN || server->wire_version <= WIRE_VERSION_CLOSES;
    if (!mouv__topology_mark(topology, server, &version, error->now_ms,
                             app_error_text(error->reply)))
        return false;
    if (clears) topology->ops->server_changed(topology->arg, server, was);
    return true;
}
