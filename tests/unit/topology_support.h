/*
 * Deployments for unit tests: out of Extended JSON as the specification's files have it, without a
 * server and without libmongoc's monitors.
 */
#ifndef MOUV_TESTS_UNIT_TOPOLOGY_SUPPORT_H
#define MOUV_TESTS_UNIT_TOPOLOGY_SUPPORT_H

#include <stdlib.h>
#include <string.h>

#include <mongoc/mongoc.h>

#include "context/alloc.h"
#include "mongo/topology/topology.h"

/* --- documents ------------------------------------------------------------------------------- */

static inline bool find(const bson_t *document, const char *path, bson_iter_t *at) {
    bson_iter_t iter;
    return bson_iter_init(&iter, document) && bson_iter_find_descendant(&iter, path, at);
}

static inline const char *text_in(const bson_t *document, const char *path) {
    bson_iter_t at;
    return find(document, path, &at) && BSON_ITER_HOLDS_UTF8(&at) ? bson_iter_utf8(&at, NULL)
                                                                  : NULL;
}

static inline double number_in(const bson_t *document, const char *path, double otherwise) {
    bson_iter_t at;
    return find(document, path, &at) && BSON_ITER_HOLDS_NUMBER(&at) ? bson_iter_as_double(&at)
                                                                    : otherwise;
}

/* A view; false: there is none, or it is no document and no array. */
static inline bool document_at(const bson_iter_t *at, bson_t *view) {
    const uint8_t *data;
    uint32_t length;
    if (BSON_ITER_HOLDS_ARRAY(at))
        bson_iter_array(at, &length, &data);
    else if (BSON_ITER_HOLDS_DOCUMENT(at))
        bson_iter_document(at, &length, &data);
    else
        return false;
    return bson_init_static(view, data, length);
}

static inline bool document_in(const bson_t *document, const char *path, bson_t *view) {
    bson_iter_t at;
    return find(document, path, &at) && document_at(&at, view);
}

/* With ' for ". */
static inline bson_t *from_json(const char *text) {
    char *quoted = bson_strdup(text);
    for (char *at = quoted; *at; at++)
        if (*at == '\'') *at = '"';
    bson_error_t error;
    bson_t *document = bson_new_from_json((const uint8_t *)quoted, -1, &error);
    bson_free(quoted);
    if (!document) abort();
    return document;
}

/* --- deployments ----------------------------------------------------------------------------- */

#define SERVERS_MAX 8

/* An answer to hello with what the specification's files say of a server. */
static inline bson_t *hello_of(const bson_t *server) {
    bson_t *hello = bson_new(), child;
    bson_iter_t at;
    if (document_in(server, "tags", &child)) BSON_APPEND_DOCUMENT(hello, "tags", &child);
    if (find(server, "maxWireVersion", &at))
        BSON_APPEND_INT32(hello, "maxWireVersion", (int32_t)bson_iter_as_int64(&at));
    if (find(server, "lastWrite.lastWriteDate", &at)) {
        BSON_APPEND_DOCUMENT_BEGIN(hello, "lastWrite", &child);
        BSON_APPEND_DATE_TIME(&child, "lastWriteDate", bson_iter_as_int64(&at));
        bson_append_document_end(hello, &child);
    }
    return hello;
}

/*
 * {type: ..., servers: [{address: ..., type: ..., avg_rtt_ms: ..., tags: ..., ...}]}. The ids are 1,
 * 2, ..., or what stands in `id`. The strings are `from`'s, which has to stay.
 */
static inline mouv__snapshot_t *snapshot_from(const bson_t *from) {
    bson_t list, server;
    bson_iter_t iter;
    uint32_t ids[SERVERS_MAX];
    int64_t updated_ms[SERVERS_MAX];
    mouv_topology_description_t *described = mouv__alloc(sizeof(*described));
    mouv_server_description_t *servers = mouv__alloc_array(0, SERVERS_MAX, sizeof(*servers));
    described->type = text_in(from, "type");
    described->servers = servers;
    if (!document_in(from, "servers", &list) || !bson_iter_init(&iter, &list)) abort();
    for (size_t i = 0; bson_iter_next(&iter) && document_at(&iter, &server); i++) {
        if (i == SERVERS_MAX) abort();
        ids[i] = (uint32_t)number_in(&server, "id", (double)i + 1);
        updated_ms[i] = (int64_t)number_in(&server, "lastUpdateTime", 0);
        servers[i] = (mouv_server_description_t){.host = bson_strdup(text_in(&server, "address")),
                                                 .type = text_in(&server, "type"),
                                                 .round_trip_ms =
                                                     (int64_t)number_in(&server, "avg_rtt_ms", -1),
                                                 .hello = hello_of(&server)};
        described->server_count++;
    }
    return mouv__snapshot_new(described, ids, updated_ms);
}

static inline void unheard_change(void *arg, mouv__server_t *server, mouv__server_kind_t was) {
    (void)arg, (void)server, (void)was;
}

static inline void unheard(void *arg, mouv__server_t *server) {
    (void)arg, (void)server;
}

/* `ops` NULL: nobody listens. */
static inline mouv__topology_t *topology_with(const mouv__topology_ops_t *ops, void *arg) {
    static const mouv__topology_ops_t nobody = {unheard_change, unheard, unheard, unheard};
    if (!ops) ops = &nobody;
    mongoc_uri_t *uri = mongoc_uri_new("mongodb://seed.example");
    mouv__topology_t *topology = mouv__topology_new(uri, ops, arg);
    mongoc_uri_destroy(uri);
    if (!topology) abort();
    topology->random = 1;
    return topology;
}

static inline mouv__topology_t *topology_from(const bson_t *from) {
    mouv__topology_t *topology = topology_with(NULL, NULL);
    mouv__topology_apply(topology, snapshot_from(from));
    return topology;
}

static inline mouv__server_t *server_called(const mouv__topology_t *topology, const char *host) {
    for (uint32_t i = 0; i < topology->count; i++)
        if (strcmp(topology->servers[i]->host, host) == 0) return topology->servers[i];
    return NULL;
}

#endif
