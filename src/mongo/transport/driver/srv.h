/*
 * mongodb+srv: what its DNS records say beside the hosts, which libmongoc looks up for itself.
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_SRV_H
#define MOUV_MONGO_TRANSPORT_DRIVER_SRV_H

#include <mongoc/mongoc.h>

/**
 * A worker, as it may wait for DNS for many seconds, where it holds up neither fork() nor exit(). A
 * copy of the URI, with the replica set that a TXT record names; the caller's. Other URIs are only
 * copied. NULL, with the error, where the records do not exist, cannot be had or are not right.
 */
mongoc_uri_t *mouv__srv_resolve(const mongoc_uri_t *uri, bson_error_t *error);

#endif
