/*
 * The options are copied as libmongoc has them, not the text: it may be that of a mongodb+srv URI,
 * whose options come from DNS as well, and mouv has changed some.
 */
#include "mongo/transport/driver/factory_uri.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "mongo/wire/compress.h"

/* A path, each byte of which may become three. */
#define TEXT_SIZE 1024

/* "mongodb://HOST/", with a path in the form that URIs want. */
static bool factory_uri_of_host(const char *host_and_port, char text[TEXT_SIZE]) {
    bool is_path = host_and_port[0] == '/';
    int used = snprintf(text, TEXT_SIZE, "mongodb://");
    for (const char *at = host_and_port; *at && used < TEXT_SIZE - 4; at++) {
        bool plain = !is_path || isalnum((unsigned char)*at) || *at == '-' || *at == '.';
        used += snprintf(text + used, (size_t)(TEXT_SIZE - used), plain ? "%c" : "%%%02X",
                         (unsigned char)*at);
    }
    used += snprintf(text + used, (size_t)(TEXT_SIZE - used), "/");
    return used < TEXT_SIZE - 4;
}

/* What says of which deployment the host is one, and how to find it. */
static bool factory_uri_is_of_deployment(const char *option) {
    static const char *const names[] = {MONGOC_URI_DIRECTCONNECTION, MONGOC_URI_REPLICASET,
                                        MONGOC_URI_SRVMAXHOSTS, MONGOC_URI_SRVSERVICENAME};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(names[i], option) == 0) return true;
    return false;
}

static void factory_uri_copy_option(mongoc_uri_t *to, const bson_iter_t *option) {
    const char *key = bson_iter_key(option);
    if (factory_uri_is_of_deployment(key)) return;
    if (BSON_ITER_HOLDS_BOOL(option))
        mongoc_uri_set_option_as_bool(to, key, bson_iter_bool(option));
    else if (BSON_ITER_HOLDS_INT32(option))
        mongoc_uri_set_option_as_int32(to, key, bson_iter_int32(option));
    else if (BSON_ITER_HOLDS_INT64(option))
        mongoc_uri_set_option_as_int64(to, key, bson_iter_int64(option));
    else if (BSON_ITER_HOLDS_UTF8(option))
        mongoc_uri_set_option_as_utf8(to, key, bson_iter_utf8(option, NULL));
}

static void factory_uri_copy_options(mongoc_uri_t *to, const mongoc_uri_t *uri) {
    bson_iter_t iter;
    const bson_t *options = mongoc_uri_get_options(uri);
    if (options && bson_iter_init(&iter, options))
        while (bson_iter_next(&iter)) factory_uri_copy_option(to, &iter);
    if (!mongoc_uri_get_option_as_bool(uri, MONGOC_URI_LOADBALANCED, false))
        mongoc_uri_set_option_as_bool(to, MONGOC_URI_DIRECTCONNECTION, true);
}

static bool factory_uri_copy_credentials(mongoc_uri_t *to, const mongoc_uri_t *uri) {
    const char *user = mongoc_uri_get_username(uri), *password = mongoc_uri_get_password(uri);
    const char *mechanism = mongoc_uri_get_auth_mechanism(uri);
    bson_t properties;
    if (!user && !mechanism) return true;
    return (!user || mongoc_uri_set_username(to, user)) &&
           (!password || mongoc_uri_set_password(to, password)) &&
           (!mechanism || mongoc_uri_set_auth_mechanism(to, mechanism)) &&
           mongoc_uri_set_auth_source(to, mongoc_uri_get_auth_source(uri)) &&
           (!mongoc_uri_get_mechanism_properties(uri, &properties) ||
            mongoc_uri_set_mechanism_properties(to, &properties));
}

static bool factory_uri_copy_compressors(mongoc_uri_t *to, const mongoc_uri_t *uri) {
    char names[128] = "";
    size_t used = 0;
    bson_iter_t iter;
    const bson_t *compressors = mongoc_uri_get_compressors(uri);
    if (!compressors || !bson_iter_init(&iter, compressors)) return true;
    while (bson_iter_next(&iter) && used < sizeof(names))
        used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", used > 0 ? "," : "",
                                 bson_iter_key(&iter));
    if (used == 0) return true;
    bool ok = used < sizeof(names) && mongoc_uri_set_compressors(to, names);
    if (ok) mouv__compress_restrict(to);
    return ok;
}

mongoc_uri_t *mouv__factory_uri_new(const mongoc_uri_t *uri, const char *host_and_port,
                                    bson_error_t *error) {
    char text[TEXT_SIZE];
    mongoc_uri_t *made = NULL;
    if (factory_uri_of_host(host_and_port, text)) made = mongoc_uri_new_with_error(text, NULL);
    if (made) factory_uri_copy_options(made, uri);
    if (made && factory_uri_copy_credentials(made, uri) && factory_uri_copy_compressors(made, uri))
        return made;
    mongoc_uri_destroy(made);
    bson_set_error(error, MONGOC_ERROR_CLIENT, 0, "there is no URI for the server %s alone",
                   host_and_port);
    return NULL;
}
