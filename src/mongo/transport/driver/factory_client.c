/*
 * The clients of factories: of libmongoc's pool (1.x), of their own (2.x).
 */
#include "mongo/transport/driver/factory_client.h"

#include <string.h>

#include "context/alloc.h"
#include "mongo/transport/driver/factory_uri.h"

#if !MONGOC_CHECK_VERSION(2, 0, 0)

bool mouv__factory_client_open(mouv__factory_client_t *self, mouv__driver_pool_t *driver_pool,
                               const char *host_and_port, mongoc_stream_initiator_t initiator,
                               void *arg, bson_error_t *error) {
    (void)host_and_port;
    if (self->client) return true;
    self->client = mouv__driver_pool_pop(driver_pool);
    if (self->client)
        mongoc_client_set_stream_initiator(self->client, initiator, arg);
    else
        bson_set_error(error, MONGOC_ERROR_CLIENT, 0, "libmongoc's pool has no client left");
    return self->client != NULL;
}

uint32_t mouv__factory_client_server(const mouv__factory_client_t *self, uint32_t server_id) {
    (void)self;
    return server_id;
}

void mouv__factory_client_fail(mouv__factory_client_t *self) {
    (void)self; /* libmongoc's monitors know better */
}

void mouv__factory_client_close(mouv__factory_client_t *self, mouv__driver_pool_t *driver_pool) {
    if (!self->client) return;
    mongoc_client_set_stream_initiator(self->client, NULL, NULL);
    mongoc_client_pool_push(driver_pool->clients, self->client);
    self->client = NULL;
}

#else

/* The only server of its URI. */
#define ONLY_SERVER 1

static bool factory_client_remember(mouv__factory_client_t *self, const char *host_and_port,
                                    bson_error_t *error) {
    self->host_and_port = mouv__alloc(strlen(host_and_port) + 1);
    if (self->host_and_port)
        strcpy(self->host_and_port, host_and_port);
    else
        bson_set_error(error, MONGOC_ERROR_CLIENT, 0, "out of memory");
    return self->host_and_port != NULL;
}

/* A pooled client has what DNS says of mongodb+srv. */
static mongoc_uri_t *factory_client_uri(const mouv__driver_pool_t *driver_pool,
                                        const char *host_and_port, bson_error_t *error) {
    mongoc_client_t *pooled = mouv__driver_pool_pop(driver_pool);
    const mongoc_uri_t *uri = pooled ? mongoc_client_get_uri(pooled) : driver_pool->uri;
    mongoc_uri_t *made = mouv__factory_uri_new(uri, host_and_port, error);
    if (pooled) mongoc_client_pool_push(driver_pool->clients, pooled);
    return made;
}

static bool factory_client_make(mouv__factory_client_t *self,
                                const mouv__driver_pool_t *driver_pool, bson_error_t *error) {
    mongoc_server_api_t *api = driver_pool->client_options.server_api;
    mongoc_uri_t *uri = factory_client_uri(driver_pool, self->host_and_port, error);
    if (uri) self->client = mongoc_client_new_from_uri_with_error(uri, error);
    mongoc_uri_destroy(uri);
    if (!self->client) return false;
    mongoc_client_set_error_api(self->client, MONGOC_ERROR_API_VERSION_2);
    return !api || mongoc_client_set_server_api(self->client, api, error);
}

bool mouv__factory_client_open(mouv__factory_client_t *self, mouv__driver_pool_t *driver_pool,
                               const char *host_and_port, mongoc_stream_initiator_t initiator,
                               void *arg, bson_error_t *error) {
    if (self->client && strcmp(self->host_and_port, host_and_port) == 0) return true;
    mouv__factory_client_close(self, driver_pool);
    if (!factory_client_remember(self, host_and_port, error) ||
        !factory_client_make(self, driver_pool, error)) {
        mouv__factory_client_close(self, driver_pool);
        return false;
    }
    mongoc_client_set_stream_initiator(self->client, initiator, arg);
    return true;
}

uint32_t mouv__factory_client_server(const mouv__factory_client_t *self, uint32_t server_id) {
    (void)self;
    (void)server_id;
    return ONLY_SERVER;
}

/* For some seconds it would not ask a server again that has not answered. */
void mouv__factory_client_fail(mouv__factory_client_t *self) {
    mouv__factory_client_close(self, NULL);
}

void mouv__factory_client_close(mouv__factory_client_t *self, mouv__driver_pool_t *driver_pool) {
    (void)driver_pool;
    mongoc_client_destroy(self->client);
    mouv__free(self->host_and_port);
    *self = (mouv__factory_client_t){0};
}

#endif
