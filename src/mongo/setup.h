/*
 * What libmongoc's pool is given beside its URI, from mouv_client_opts_t.
 */
#ifndef MOUV_MONGO_SETUP_H
#define MOUV_MONGO_SETUP_H

#include <mongoc/mongoc.h>

#include <mouv/client.h>

/** Made on the loop thread, applied on a worker; not changed between. Zero: nothing is set. */
typedef struct mouv__setup {
    mongoc_server_api_t *server_api; /**< NULL: none is declared */
} mouv__setup_t;

/** Copies what `opts` has for it. 0, or a negative code that has been raised; then it is clear. */
int mouv__setup_init(mouv__setup_t *setup, const mouv_client_opts_t *opts, mouv_error_t *error);

/** A worker, before the pool's first client is popped. */
bool mouv__setup_apply(const mouv__setup_t *setup, mongoc_client_pool_t *clients,
                       bson_error_t *error);

void mouv__setup_clear(mouv__setup_t *setup);

#endif
