/*
 * A message in a compressed one, as it is sent; what is received: op_msg.h. Pure functions; any
 * thread.
 */
#ifndef MOUV_MONGO_WIRE_OP_COMPRESSED_H
#define MOUV_MONGO_WIRE_OP_COMPRESSED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** False for the commands that no driver compresses: before it is agreed on, or with a secret. */
bool mouv__op_compressed_suits(const char *command);

/** The most bytes that a message of `size` becomes; 0: mouv has no compressor with this number. */
size_t mouv__op_compressed_bound(uint8_t compressor, size_t size);

/**
 * Puts an OP_COMPRESSED around a whole message to `to`, where as many bytes are as the bound above
 * says. Its length, which may be more than the message's; 0: no such compressor or no memory, and
 * the message can be sent as it is.
 */
size_t mouv__op_compressed_put(uint8_t compressor, int level, const uint8_t *message, size_t size,
                               uint8_t *to);

#endif
