/*
 * The clients of factories: of libmongoc's pool (1.x), of their own (2.x).
 */
#include "mongo/transport/driver/factory_client.h"

#include <string.h>

#include "context/alloc.h"

#if !MONGOC_CHECK_VERSION(2, 0, 0)

bool mouv__factory_client_open(mouv__factory_client_t *self, mouv__driver_pool_t *driver_pool,
                               const char *host_and_port, mongoc_stream_initiator_t initiator,
                               void *arg, bson_error_t *error) {
    (void)host_and_port;
    if (self->client) return true;
    self->client = mongoc_client_pool_try_pop(driver_pool->clients);
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

#endif
