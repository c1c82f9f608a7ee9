/*
 * MongoDB's wire protocol as far as mouv looks into it: the header of what is sent, all of what a
 * server answers. Pure functions; any thread.
 */
#ifndef MOUV_MONGO_WIRE_OP_MSG_H
#define MOUV_MONGO_WIRE_OP_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOUV__WIRE_HEADER_BYTES 16

/** What servers announce as maxMessageSizeBytes; libmongoc also holds them to what they announce.
 */
#define MOUV__WIRE_MESSAGE_MAX_BYTES 48000000

enum {
    MOUV__WIRE_REPLY = 1,
    MOUV__WIRE_QUERY = 2004,
    MOUV__WIRE_COMPRESSED = 2012,
    MOUV__WIRE_MSG = 2013
};

typedef struct mouv__op_msg_header {
    int32_t length; /**< of the message with its header */
    int32_t request_id;
    int32_t response_to;
    int32_t opcode;
} mouv__op_msg_header_t;

/** Writes 4 bytes, as all numbers of a message lie. */
void mouv__op_msg_put_number(uint8_t *bytes, int32_t value);

/** Reads 16 bytes. */
mouv__op_msg_header_t mouv__op_msg_header(const uint8_t *bytes);

/** Writes 16 bytes. */
void mouv__op_msg_put_header(const mouv__op_msg_header_t *header, uint8_t *bytes);

/** Whether it can be the header of the answer to `request_id`; else `why` says what is wrong. */
bool mouv__op_msg_check_header(const mouv__op_msg_header_t *header, int32_t request_id, char *why,
                               size_t why_size);

/** How many bytes of a message, with its header, mouv__op_msg_check_start() looks at; each has
 *  more. */
#define MOUV__WIRE_START_BYTES 25

/** Whether flags and lengths in these first bytes are right, so that no byte is waited for that never comes.
 */
bool mouv__op_msg_check_start(const mouv__op_msg_header_t *header, const uint8_t *bytes, char *why,
                              size_t why_size);

/** The same of what follows an OP_MSG's or OP_REPLY's header, to the last byte of its BSON. */
bool mouv__op_msg_check_body(int32_t opcode, const uint8_t *body, size_t size, char *why,
                             size_t why_size);

/** Between the header of an OP_COMPRESSED and what is compressed. */
#define MOUV__WIRE_COMPRESSED_BYTES 9

/** What follows the header of an OP_COMPRESSED. */
typedef struct mouv__op_msg_compressed {
    mouv__op_msg_header_t header; /**< of the message that is inside, once it is uncompressed */
    uint8_t compressor;
    const uint8_t *data;
    size_t size;
} mouv__op_msg_compressed_t;

bool mouv__op_msg_check_compressed(const mouv__op_msg_header_t *header, const uint8_t *body,
                                   mouv__op_msg_compressed_t *inside, char *why, size_t why_size);

#endif
