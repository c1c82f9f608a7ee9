/*
 * Descriptions of servers and deployments: copied, freed, given to the user.
 */
#include "mongo/topology/description.h"

#include <string.h>

#include "context/alloc.h"

/* --- one server ------------------------------------------------------------------------------- */

static const char *description_set_name_in(const bson_t *hello) {
    bson_iter_t iter;
    bool found = bson_iter_init_find(&iter, hello, "setName") && BSON_ITER_HOLDS_UTF8(&iter);
    return found ? bson_iter_utf8(&iter, NULL) : NULL;
}

/* Types are literals in libmongoc, the rest is copied. */
static void description_fill(mouv_server_description_t *view, const char *host, const char *type,
                             int64_t round_trip_ms, const bson_t *hello) {
    bson_t *copy = hello ? bson_copy(hello) : bson_new();
    *view = (mouv_server_description_t){.host = bson_strdup(host),
                                        .type = type,
                                        .round_trip_ms = round_trip_ms,
                                        .hello = copy,
                                        .set_name = description_set_name_in(copy)};
}

void mouv__describe_server(mouv_server_description_t *view,
                           const mongoc_server_description_t *server) {
    mongoc_server_description_t *sd = (mongoc_server_description_t *)server; /* 1.x: not const */
    description_fill(view, mongoc_server_description_host(sd)->host_and_port,
                     mongoc_server_description_type(sd),
                     mongoc_server_description_round_trip_time(sd),
                     mongoc_server_description_hello_response(sd));
}

void mouv__describe_unknown_server(mouv_server_description_t *view, const char *host) {
    description_fill(view, host, "Unknown", -1, NULL);
}

void mouv__description_copy_server(mouv_server_description_t *view,
                                   const mouv_server_description_t *server) {
    description_fill(view, server->host, server->type, server->round_trip_ms, server->hello);
}

void mouv__undescribe_server(const mouv_server_description_t *view) {
    bson_free((char *)view->host);
    bson_destroy((bson_t *)view->hello);
    bson_free((char *)view->error);
}

/* --- all of them ------------------------------------------------------------------------------ */

/* With room for `count` servers, none of them there yet. */
static mouv_topology_description_t *description_new(const char *type, size_t count) {
    mouv_topology_description_t *view = mouv__alloc(sizeof(*view));
    mouv_server_description_t *servers = mouv__alloc_array(0, count + 1, sizeof(*servers));
    if (!view || !servers) {
        mouv__free(view);
        mouv__free(servers);
        return NULL;
    }
    *view = (mouv_topology_description_t){.type = type, .servers = servers};
    return view;
}

static mouv_server_description_t *description_next_of(mouv_topology_description_t *view) {
    return (mouv_server_description_t *)&view->servers[view->server_count++];
}

mouv_topology_description_t *
mouv__describe_topology(const mongoc_topology_description_t *topology) {
    mongoc_topology_description_t *td = (mongoc_topology_description_t *)topology;
    size_t count = 0;
    mongoc_server_description_t **servers = mongoc_topology_description_get_servers(td, &count);
    mouv_topology_description_t *view =
        description_new(mongoc_topology_description_type(td), count);
    for (size_t i = 0; view && i < count; i++)
        mouv__describe_server(description_next_of(view), servers[i]);
    mongoc_server_descriptions_destroy_all(servers, count);
    return view;
}

mouv_topology_description_t *mouv__describe_unknown(const char *const *hosts, size_t count) {
    mouv_topology_description_t *view = description_new("Unknown", count);
    for (size_t i = 0; view && i < count; i++)
        mouv__describe_unknown_server(description_next_of(view), hosts[i]);
    return view;
}

mouv_topology_description_t *mouv__describe_seeds(const mongoc_uri_t *uri) {
    size_t count = 0;
    for (const mongoc_host_list_t *at = mongoc_uri_get_hosts(uri); at; at = at->next) count++;
    mouv_topology_description_t *view = description_new("Unknown", count);
    for (const mongoc_host_list_t *at = mongoc_uri_get_hosts(uri); view && at; at = at->next)
        mouv__describe_unknown_server(description_next_of(view), at->host_and_port);
    return view;
}

mouv_topology_description_t *
mouv__description_copy(const mouv_topology_description_t *description,
                       const char *(*error_of)(void *arg, const char *host), void *arg) {
    mouv_topology_description_t *view =
        description_new(description->type, description->server_count);
    for (size_t i = 0; view && i < description->server_count; i++) {
        const mouv_server_description_t *server = &description->servers[i];
        mouv_server_description_t *copy = description_next_of(view);
        mouv__description_copy_server(copy, server);
        copy->error = bson_strdup(error_of(arg, server->host));
    }
    return view;
}

void mouv__description_set_round_trip(mouv_topology_description_t *description, size_t i,
                                      int64_t round_trip_ms) {
    ((mouv_server_description_t *)description->servers)[i].round_trip_ms = round_trip_ms;
}

void mouv__description_set_type(const mouv_server_description_t *server, const char *type) {
    ((mouv_server_description_t *)server)->type = type;
}

void mouv__description_forget(mouv_topology_description_t *description, size_t i) {
    mouv_server_description_t *server = (mouv_server_description_t *)&description->servers[i];
    bson_destroy((bson_t *)server->hello);
    server->hello = bson_new();
    server->set_name = NULL;
    server->type = "Unknown";
}

void mouv__description_lose_primary(mouv_topology_description_t *description) {
    if (strcmp(description->type, "ReplicaSetWithPrimary") == 0)
        description->type = "ReplicaSetNoPrimary";
}

void mouv__description_remove(mouv_topology_description_t *description, size_t i) {
    mouv_server_description_t *servers = (mouv_server_description_t *)description->servers;
    mouv__undescribe_server(&servers[i]);
    description->server_count--;
    memmove(servers + i, servers + i + 1, (description->server_count - i) * sizeof(*servers));
}

mouv_topology_description_t *
mouv_topology_description_unref(mouv_topology_description_t *topology) {
    if (!topology) return NULL;
    for (size_t i = 0; i < topology->server_count; i++)
        mouv__undescribe_server(&topology->servers[i]);
    mouv__free((mouv_server_description_t *)topology->servers);
    mouv__free(topology);
    return NULL;
}

void mouv_topology_description_drop(mouv_topology_description_t **topology) {
    if (topology) *topology = mouv_topology_description_unref(*topology);
}
