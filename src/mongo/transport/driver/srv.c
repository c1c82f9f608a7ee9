/*
 * libmongoc looks up SRV and TXT records whenever it makes a client or a pool. It takes a replica
 * set that a TXT record names for an option, but begins with a deployment of unknown kind, which is
 * then whatever answers first: another set, or a server that is in none. So a client is made here
 * that connects to nobody, only for the URI that it ends up with; the pool gets the set's name as if
 * it had been in the URI, and looks the records up once more, since it goes on to watch them.
 */
#include "mongo/transport/driver/srv.h"

#include <stdio.h>
#include <string.h>

#include "mongo/transport/workers/safepoint.h"

/* Names whose records they are: libmongoc says so of some mistakes only. */
static void srv_explain(const char *host, bson_error_t *error) {
    bson_error_t plain = *error;
    if (!plain.message[0]) snprintf(plain.message, sizeof(plain.message), "not understood");
    if (strstr(plain.message, host)) return;
    bson_set_error(error, plain.domain, plain.code, "the DNS records of %s: %s", host,
                   plain.message);
}

/* Without TLS, whose library is not for a thread that exit() does not wait for. */
static mongoc_client_t *srv_look_up(const mongoc_uri_t *uri, bson_error_t *error) {
    mongoc_uri_t *plain = mongoc_uri_copy(uri);
    mongoc_uri_set_option_as_bool(plain, MONGOC_URI_TLS, false);
    bool had_left = mouv__safepoint_begin_wait();
    mongoc_client_t *client = mongoc_client_new_from_uri_with_error(plain, error);
    mouv__safepoint_end_wait(had_left);
    mongoc_uri_destroy(plain);
    return client;
}

/* With a set's name and directConnection=false libmongoc begins with a replica set. */
static void srv_begin_with_set(mongoc_uri_t *uri, const char *set_name) {
    mongoc_uri_set_option_as_utf8(uri, MONGOC_URI_REPLICASET, set_name);
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_DIRECTCONNECTION, false);
}

mongoc_uri_t *mouv__srv_resolve(const mongoc_uri_t *uri, bson_error_t *error) {
    const char *host = mongoc_uri_get_srv_hostname(uri);
    if (!host) return mongoc_uri_copy(uri);
    mongoc_client_t *client = srv_look_up(uri, error);
    if (!client) {
        srv_explain(host, error);
        return NULL;
    }
    mongoc_uri_t *resolved = mongoc_uri_copy(uri);
    const char *set_name = mongoc_uri_get_replica_set(mongoc_client_get_uri(client));
    if (set_name) srv_begin_with_set(resolved, set_name);
    mongoc_client_destroy(client);
    return resolved;
}
