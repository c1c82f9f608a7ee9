/*
 * One server: out of libmongoc's description of it.
 */
#include "mongo/topology/server.h"

#include <stdio.h>
#include <string.h>

#include "async/loop/clock.h"
#include "context/alloc.h"

/* Of a load balancer nobody knows a hello: servers behind one are 5.0 or later. */
#define WIRE_VERSION_BALANCED 13

static const struct {
    const char *name;
    mouv__server_kind_t kind;
} server_types[] = {
    {"Standalone", MOUV__SERVER_STANDALONE},  {"Mongos", MOUV__SERVER_MONGOS},
    {"RSPrimary", MOUV__SERVER_PRIMARY},      {"RSSecondary", MOUV__SERVER_SECONDARY},
    {"LoadBalancer", MOUV__SERVER_BALANCER},  {"Unknown", MOUV__SERVER_UNKNOWN},
    {"PossiblePrimary", MOUV__SERVER_UNKNOWN}};

mouv__server_kind_t mouv__server_kind_of(const char *type) {
    for (size_t i = 0; i < sizeof server_types / sizeof *server_types; i++)
        if (strcmp(type, server_types[i].name) == 0) return server_types[i].kind;
    return MOUV__SERVER_OTHER;
}

const char *mouv__server_type_of(mouv__server_kind_t kind) {
    for (size_t i = 0; i < sizeof server_types / sizeof *server_types; i++)
        if (server_types[i].kind == kind) return server_types[i].name;
    return "RSOther";
}

static bool server_says(const bson_t *hello, const char *name) {
    bson_iter_t iter;
    return bson_iter_init_find(&iter, hello, name) && bson_iter_as_bool(&iter);
}

mouv__server_kind_t mouv__server_kind_in(const bson_t *hello) {
    bson_iter_t msg;
    if (!server_says(hello, "ok")) return MOUV__SERVER_UNKNOWN;
    if (bson_iter_init_find(&msg, hello, "msg") && BSON_ITER_HOLDS_UTF8(&msg) &&
        strcmp(bson_iter_utf8(&msg, NULL), "isdbgrid") == 0)
        return MOUV__SERVER_MONGOS;
    if (server_says(hello, "isreplicaset")) return MOUV__SERVER_OTHER;
    if (!bson_has_field(hello, "setName")) return MOUV__SERVER_STANDALONE;
    if (server_says(hello, "hidden")) return MOUV__SERVER_OTHER;
    if (server_says(hello, "isWritablePrimary") || server_says(hello, "ismaster"))
        return MOUV__SERVER_PRIMARY;
    return server_says(hello, "secondary") ? MOUV__SERVER_SECONDARY : MOUV__SERVER_OTHER;
}

int64_t mouv__server_last_write_ms(const bson_t *hello) {
    bson_iter_t iter, date;
    bool found = bson_iter_init(&iter, hello) &&
                 bson_iter_find_descendant(&iter, "lastWrite.lastWriteDate", &date) &&
                 BSON_ITER_HOLDS_DATE_TIME(&date);
    return found ? bson_iter_date_time(&date) : -1;
}

static void server_read_hello(mouv__server_t *server, const bson_t *hello) {
    bson_iter_t iter;
    if (bson_iter_init_find(&iter, hello, "maxWireVersion"))
        server->wire_version = (int32_t)bson_iter_as_int64(&iter);
    if (bson_iter_init_find(&iter, hello, "tags") && BSON_ITER_HOLDS_DOCUMENT(&iter))
        bson_iter_document(&iter, &server->tags_length, &server->tags);
    server->last_write_ms = mouv__server_last_write_ms(hello);
    server->version = mouv__topology_version_of(hello);
}

mouv__server_t *mouv__server_new(uint32_t id, const mouv_server_description_t *described,
                                 int64_t updated_ms) {
    mouv__server_t *server = mouv__alloc(sizeof(*server));
    if (!server) return NULL;
    server->shares = 1;
    server->id = id;
    server->kind = server->reported = mouv__server_kind_of(described->type);
    snprintf(server->host, sizeof(server->host), "%s", described->host);
    server->described = described;
    server->updated_ms = updated_ms;
    if (server->kind == MOUV__SERVER_BALANCER) server->wire_version = WIRE_VERSION_BALANCED;
    server_read_hello(server, described->hello);
    if (described->round_trip_ms >= 0)
        mouv__rtt_guess(&server->rtt, described->round_trip_ms * MOUV__NS_PER_MS);
    return server;
}

mouv__server_t *mouv__server_ref(mouv__server_t *server) {
    server->shares++;
    return server;
}

void mouv__server_unref(mouv__server_t *server) {
    if (server && --server->shares == 0) mouv__free(server);
}

/* --- marked ----------------------------------------------------------------------------------- */

bool mouv__server_is_marked(const mouv__server_t *server) {
    return server->marked_ms != 0;
}

void mouv__server_mark(mouv__server_t *server, const mouv__topology_version_t *version,
                       int64_t now_ms) {
    server->kind = MOUV__SERVER_UNKNOWN;
    server->version = *version;
    server->marked_ms = now_ms;
}

static bool server_is_newer(const mouv__server_t *server, const mouv__topology_version_t *version,
                            int64_t at_ms) {
    return at_ms > server->marked_ms &&
           mouv__topology_version_compare(&server->version, version) <= 0;
}

bool mouv__server_hear(mouv__server_t *server, mouv__server_kind_t kind,
                       const mouv__topology_version_t *version, int64_t at_ms) {
    if (!server_is_newer(server, version, at_ms)) return false;
    bool marked = mouv__server_is_marked(server);
    if (marked && kind != server->reported) return false;
    server->version = *version;
    server->kind = server->reported;
    server->marked_ms = 0;
    return marked;
}

/* --- news ------------------------------------------------------------------------------------- */

void mouv__server_update(mouv__server_t *server, const mouv__server_t *newer) {
    server->former_kind = server->kind;
    server->reported = newer->kind;
    if (mouv__server_is_marked(server))
        mouv__server_hear(server, newer->kind, &newer->version, newer->updated_ms);
    else
        server->kind = newer->kind;
    server->lost = newer->lost;
    server->described = newer->described;
    server->wire_version = newer->wire_version;
    server->tags = newer->tags;
    server->tags_length = newer->tags_length;
    /* a heartbeat since then may have told more */
    if (newer->updated_ms >= server->updated_ms) {
        server->last_write_ms = newer->last_write_ms;
        server->updated_ms = newer->updated_ms;
        if (!mouv__server_is_marked(server)) server->version = newer->version;
    }
    mouv__rtt_guess(&server->rtt, mouv__rtt_average_ns(&newer->rtt));
}

void mouv__server_leave(mouv__server_t *server) {
    server->kind = server->reported = MOUV__SERVER_UNKNOWN;
    server->marked_ms = 0;
    server->version = (mouv__topology_version_t){0};
    server->described = NULL;
    server->tags = NULL;
    server->tags_length = 0;
    server->last_write_ms = -1;
    server->took = (mouv__took_t){0};
    mouv__rtt_reset(&server->rtt);
}

bool mouv__server_note_heartbeats(mouv__server_t *server, const mouv__heartbeats_t *heartbeats) {
    if (heartbeats->lost) mouv__rtt_reset(&server->rtt);
    for (uint32_t i = 0; i < heartbeats->count; i++)
        mouv__rtt_add(&server->rtt, heartbeats->samples_ns[i]);
    if (heartbeats->updated_ms == 0 || heartbeats->updated_ms < server->updated_ms) return false;
    server->last_write_ms = heartbeats->last_write_ms;
    server->updated_ms = heartbeats->updated_ms;
    return mouv__server_hear(server, heartbeats->kind, &heartbeats->version,
                             heartbeats->updated_ms);
}

bool mouv__server_is_known(const mouv__server_t *server) {
    return server && server->kind != MOUV__SERVER_UNKNOWN;
}

int64_t mouv__server_time_left_ms(const mouv__server_t *server, int64_t now_ns, int64_t until_ns) {
    return (until_ns - now_ns - (server ? mouv__rtt_least_ns(&server->rtt) : 0)) / MOUV__NS_PER_MS;
}

bool mouv__server_takes_operations(const mouv__server_t *server) {
    return server->kind != MOUV__SERVER_UNKNOWN && server->kind != MOUV__SERVER_OTHER &&
           server->kind != MOUV__SERVER_BALANCER;
}
