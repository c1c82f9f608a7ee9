/*
 * What libmongoc's pool is given beside its URI, from mouv_client_opts_t; and whether the files
 * that both name can be used, which libmongoc would find out with each connection.
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_CLIENT_OPTIONS_H
#define MOUV_MONGO_TRANSPORT_DRIVER_CLIENT_OPTIONS_H

#include <stdbool.h>

#include <mongoc/mongoc.h>

#include <mouv/client.h>

/** Made on the loop thread, applied on a worker; not changed between. Zero: nothing is set. */
typedef struct mouv__client_options {
    mongoc_server_api_t *server_api; /**< NULL: none is declared */
    char *tls_ca_dir, *tls_crl_file; /**< NULL: none */
} mouv__client_options_t;

/** Copies what `opts` has for it. 0, or a negative code that has been raised; then it is clear. */
int mouv__client_options_init(mouv__client_options_t *client_options,
                              const mouv_client_opts_t *opts, const mongoc_uri_t *uri,
                              mouv_error_t *error);

/** A worker, as it reads files: false, with MONGOC_ERROR_COMMAND, if TLS cannot be set up. */
bool mouv__client_options_check(const mouv__client_options_t *client_options,
                                const mongoc_uri_t *uri, bson_error_t *error);

/** A worker, before the pool's first client is popped. */
bool mouv__client_options_apply(const mouv__client_options_t *client_options,
                                const mongoc_uri_t *uri, mongoc_client_pool_t *clients,
                                bson_error_t *error);

/** What a TLS connection is made with; its strings are those of the setup and the URI. */
mongoc_ssl_opt_t mouv__client_options_tls(const mouv__client_options_t *client_options,
                                          const mongoc_uri_t *uri);

void mouv__client_options_clear(mouv__client_options_t *client_options);

#endif
