/*
 * The URI of a client that knows one host of a deployment (factory_client.h).
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_FACTORY_URI_H
#define MOUV_MONGO_TRANSPORT_DRIVER_FACTORY_URI_H

#include <mongoc/mongoc.h>

/** A connection to `host_and_port` (libmongoc's form of it: a path is a Unix socket's) by this URI
 *  is what one to that host would be by `uri`: the same credentials, TLS, compressors, name of the
 *  application; through the load balancer if there is one, else directly. NULL: `error`. */
mongoc_uri_t *mouv__factory_uri_new(const mongoc_uri_t *uri, const char *host_and_port,
                                    bson_error_t *error);

#endif
