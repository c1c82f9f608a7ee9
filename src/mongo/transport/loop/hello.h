/*
 * What a server's answer to hello says of the connection that it was given on. Pure.
 */
#ifndef MOUV_MONGO_TRANSPORT_LOOP_HELLO_H
#define MOUV_MONGO_TRANSPORT_LOOP_HELLO_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

typedef struct mouv__hello {
    int32_t message_max_bytes; /**< maxMessageSizeBytes */
    int64_t connection_id;     /**< the server's number of it; -1: not told */
    bool set_member;           /**< of a replica set */
    bool mongos;
    bool sessions;  /**< it has them */
    int compressor; /**< that was agreed on, by its number in the protocol; -1: none */
    bool balanced;  /**< behind a load balancer: */
    bson_oid_t service_id;
} mouv__hello_t;

mouv__hello_t mouv__hello_read(const bson_t *reply);

#endif
