/*
 * Requests.
 */
#include "mongo/transport/loop/request.h"

#include <string.h>

#include <uv.h>

#include "mongo/base/bson_view.h"
#include "mongo/base/concern.h"
#include "mongo/wire/compress.h"

/* As libmongoc begins its picture: one host without the name of a set is spoken to alone. */
static bool request_is_direct(const mongoc_uri_t *uri) {
    if (mongoc_uri_has_option(uri, MONGOC_URI_DIRECTCONNECTION))
        return mongoc_uri_get_option_as_bool(uri, MONGOC_URI_DIRECTCONNECTION, false);
    const mongoc_host_list_t *hosts = mongoc_uri_get_hosts(uri);
    return hosts && !hosts->next && !mongoc_uri_get_replica_set(uri);
}

void mouv__request_common_init(mouv__request_common_t *common,
                               const mouv__driver_pool_t *driver_pool) {
    common->server_api = driver_pool->client_options.server_api;
    common->direct = request_is_direct(driver_pool->uri);
    common->zlib_level = mouv__compress_level(driver_pool->uri);
}

void mouv__request_common_clear(mouv__request_common_t *common) {
    bson_destroy(common->cluster_time);
    common->cluster_time = NULL;
}

/* --- cluster time ----------------------------------------------------------------------------- */

void mouv__request_note_cluster_time(mouv__request_common_t *common, const bson_t *reply) {
    bson_t told;
    if (!mouv__bson_view_inside(reply, "$clusterTime", &told) ||
        !mouv__bson_view_cluster_time_is_later(&told, common->cluster_time))
        return;
    bson_destroy(common->cluster_time);
    common->cluster_time = bson_copy(&told);
}

static void request_append_cluster_time(const mouv__request_common_t *common,
                                        const mouv__exchange_t *exchange, bson_t *to) {
    const bson_t *time =
        mouv__bson_view_cluster_time_is_later(exchange->cluster_time, common->cluster_time)
            ? exchange->cluster_time
            : common->cluster_time;
    if (time) BSON_APPEND_DOCUMENT(to, "$clusterTime", time);
}

/* --- the session ------------------------------------------------------------------------------ */

/* A random UUID, version 4. */
static bool request_begin_session(mouv__server_session_t *session) {
    if (session->handle && !session->renew) return true;
    uint8_t *id = session->lsid;
    if (uv_random(NULL, NULL, id, sizeof(session->lsid), 0, NULL) != 0) return false;
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x40);
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    session->handle = session->lsid; /* it has begun */
    session->renew = false;
    return true;
}

static bool request_append_session(const mouv__peer_t *peer, const mouv__exchange_t *exchange,
                                   bson_t *to, bson_error_t *error) {
    mouv__server_session_t *session = exchange->session;
    if (!session || exchange->unacknowledged) return true;
    if (!peer->hello.sessions) {
        if (exchange->needs_session)
            bson_set_error(error, MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_SESSION_FAILURE,
                           "the server does not support sessions");
        return !exchange->needs_session;
    }
    if (!request_begin_session(session)) {
        bson_set_error(error, MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_SESSION_FAILURE,
                       "no random number for a session");
        return false;
    }
    mouv__server_session_append(session, to, "lsid", 4);
    return true;
}

/* --- the read preference ---------------------------------------------------------------------- */

/* A member of a set that is spoken to alone answers reads whatever its role. */
static mongoc_read_mode_t request_mode(const mouv__request_common_t *common,
                                       const mouv__peer_t *peer, const mongoc_read_prefs_t *prefs) {
    mongoc_read_mode_t mode = prefs ? mongoc_read_prefs_get_mode(prefs) : MONGOC_READ_PRIMARY;
    bool alone = common->direct && peer->hello.set_member;
    return mode == MONGOC_READ_PRIMARY && alone ? MONGOC_READ_PRIMARY_PREFERRED : mode;
}

static bool request_is_of_cluster(const mouv__peer_t *peer) {
    return peer->hello.set_member || peer->hello.mongos || peer->hello.balanced;
}

/* A standalone knows none. */
static void request_append_read_preference(const mouv__request_common_t *common,
                                           const mouv__peer_t *peer,
                                           const mongoc_read_prefs_t *prefs, bson_t *to) {
    mongoc_read_mode_t mode = request_mode(common, peer, prefs);
    if (mode == MONGOC_READ_PRIMARY || !request_is_of_cluster(peer)) return;
    mouv__concern_append_read_prefs(to, "$readPreference", mode, prefs);
}

/* --- all of it -------------------------------------------------------------------------------- */

static void request_append_api(const mouv__request_common_t *common, bson_t *to) {
    const mongoc_server_api_t *api = common->server_api;
    if (!api) return;
    const mongoc_optional_t *strict = mongoc_server_api_get_strict(api);
    const mongoc_optional_t *errors = mongoc_server_api_get_deprecation_errors(api);
    BSON_APPEND_UTF8(to, "apiVersion",
                     mongoc_server_api_version_to_string(mongoc_server_api_get_version(api)));
    if (mongoc_optional_is_set(strict))
        BSON_APPEND_BOOL(to, "apiStrict", mongoc_optional_value(strict));
    if (mongoc_optional_is_set(errors))
        BSON_APPEND_BOOL(to, "apiDeprecationErrors", mongoc_optional_value(errors));
}

static bool request_build_extra(const mouv__request_common_t *common, mouv__peer_t *peer,
                                const mouv__exchange_t *exchange, bson_error_t *error) {
    bson_t *extra = &peer->extra;
    if (peer->has_extra)
        bson_reinit(extra);
    else
        bson_init(extra);
    peer->has_extra = true;
    BSON_APPEND_UTF8(extra, "$db", exchange->database);
    if (!request_append_session(peer, exchange, extra, error)) return false;
    if (request_is_of_cluster(peer)) request_append_cluster_time(common, exchange, extra);
    request_append_read_preference(common, peer, exchange->read_prefs, extra);
    request_append_api(common, extra);
    return true;
}

/* The server's answer would be the same, after all of it had been sent. */
static bool request_fits(const mouv__peer_t *peer, size_t size, bson_error_t *error) {
    if (size <= (size_t)peer->hello.message_max_bytes) return true;
    bson_set_error(error, MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_TOO_BIG,
                   "the command has %zu bytes, the server takes %d at most", size,
                   peer->hello.message_max_bytes);
    return false;
}

bool mouv__request_build(mouv__request_common_t *common, mouv__peer_t *peer,
                         const mouv__exchange_t *exchange, bson_error_t *error) {
    if (!request_build_extra(common, peer, exchange, error)) return false;
    common->last_id = common->last_id < INT32_MAX ? common->last_id + 1 : 1;
    mouv__message_content_t content = {
        .request_id = common->last_id,
        .flags = exchange->unacknowledged ? MOUV__MESSAGE_MORE_TO_COME : 0,
        .command = exchange->command,
        .fields = exchange->fields,
        .extra = &peer->extra,
    };
    if (exchange->sequence) {
        content.sequence = exchange->sequence->name;
        content.bytes = exchange->sequence->bytes;
        content.byte_count = exchange->sequence->size;
    }
    size_t size = mouv__message_init(&peer->message, &content);
    return request_fits(peer, size, error);
}

bson_t *mouv__request_document(const mouv__peer_t *peer, const mouv__exchange_t *exchange) {
    const mouv__message_content_t *content = &peer->message.content;
    bson_t *document = bson_copy(content->command);
    if (exchange->sequence) mouv__sequence_append_to(exchange->sequence, document);
    if (content->fields) bson_concat(document, content->fields);
    bson_concat(document, content->extra);
    return document;
}
