/*
 * One answer on its way in: put together from whatever pieces the socket has, checked as they come,
 * and handed on as a document only when all of it is valid. What is large is received where it will
 * stay. Nothing here reads or waits.
 *
 *   room() -> read there -> arrived()        while MORE
 */
#ifndef MOUV_MONGO_TRANSPORT_LOOP_INCOMING_H
#define MOUV_MONGO_TRANSPORT_LOOP_INCOMING_H

#include <stddef.h>
#include <stdint.h>

#include <bson/bson.h>

#include "mongo/wire/bson_check.h"
#include "mongo/wire/op_msg.h"

typedef enum mouv__incoming_state {
    MOUV__INCOMING_MORE,     /**< some of it is missing */
    MOUV__INCOMING_WHOLE,    /**< `reply` is there */
    MOUV__INCOMING_PACKED,   /**< `packed` is there, an OP_COMPRESSED to be undone */
    MOUV__INCOMING_BAD,      /**< it is no answer: `why` */
    MOUV__INCOMING_NO_MEMORY /**< there is none for it */
} mouv__incoming_state_t;

typedef struct mouv__incoming {
    int32_t request_id;
    mouv__op_msg_header_t header;
    uint8_t start[MOUV__WIRE_START_BYTES]; /**< its first bytes */
    size_t started;                        /**< how many of those are there */
    bson_t *reply;                         /**< that it is received into; the caller's when WHOLE */
    uint8_t *packed;                       /**< or the whole message, header and all */
    uint8_t *to;                           /**< of either: where it is put */
    size_t size, have;                     /**< how much that will be, and is */
    mouv__bson_checker_t *checker;         /**< of what is received into `reply` */

    char why[256];
} mouv__incoming_t;

/** The answer to this request is waited for. */
void mouv__incoming_begin(mouv__incoming_t *incoming, int32_t request_id);

/** Where the next bytes are wanted, and how many; NULL: anywhere, then mouv__incoming_take(). */
uint8_t *mouv__incoming_room(const mouv__incoming_t *incoming, size_t *size);

/** So many have been read there. */
mouv__incoming_state_t mouv__incoming_arrived(mouv__incoming_t *incoming, size_t count);

/** These have been read elsewhere. */
mouv__incoming_state_t mouv__incoming_take(mouv__incoming_t *incoming, const uint8_t *bytes,
                                           size_t count);

/** What was PACKED has been undone into these bytes, which follow the header `inside`. */
mouv__incoming_state_t mouv__incoming_unpacked(mouv__incoming_t *incoming, int32_t opcode,
                                               const uint8_t *body, size_t size);

/** Frees what it has. */
void mouv__incoming_clear(mouv__incoming_t *incoming);

#endif
