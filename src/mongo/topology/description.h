/*
 * libmongoc's descriptions of servers and deployments, copied into mouv's.
 */
#ifndef MOUV_MONGO_TOPOLOGY_DESCRIPTION_H
#define MOUV_MONGO_TOPOLOGY_DESCRIPTION_H

#include <mongoc/mongoc.h>

#include <mouv/topology.h>

/** Any thread; callbacks of libmongoc that run under its topology lock. */
void mouv__describe_server(mouv_server_description_t *view,
                           const mongoc_server_description_t *server);
void mouv__describe_unknown_server(mouv_server_description_t *view, const char *host);
void mouv__description_copy_server(mouv_server_description_t *view,
                                   const mouv_server_description_t *server);
void mouv__undescribe_server(const mouv_server_description_t *view);

/** As above. NULL: ENOMEM. The caller's, mouv_topology_description_unref(). */
mouv_topology_description_t *mouv__describe_topology(const mongoc_topology_description_t *topology);

/** What is known before anything has been asked. NULL: ENOMEM. */
mouv_topology_description_t *mouv__describe_seeds(const mongoc_uri_t *uri);

/** Any thread: these hosts, of which nothing is known. NULL: ENOMEM. */
mouv_topology_description_t *mouv__describe_unknown(const char *const *hosts, size_t count);

/** A copy with the errors that `error_of(arg, host)` gives (NULL: none). NULL: ENOMEM. */
mouv_topology_description_t *
mouv__description_copy(const mouv_topology_description_t *description,
                       const char *(*error_of)(void *arg, const char *host), void *arg);

/** Loop thread: what is known by now of the `i`-th server of a copy. */
void mouv__description_set_round_trip(mouv_topology_description_t *description, size_t i,
                                      int64_t round_trip_ms);

/** `type` is a literal. */
void mouv__description_set_type(const mouv_server_description_t *server, const char *type);

/** Loop thread: nothing is known of the `i`-th server of a copy; there is no primary. */
void mouv__description_forget(mouv_topology_description_t *description, size_t i);
void mouv__description_lose_primary(mouv_topology_description_t *description);

/** Takes the `i`-th server out; those behind it move up. */
void mouv__description_remove(mouv_topology_description_t *description, size_t i);

#endif
