/*
 * Header, the opcode inside, how long what is inside was, the compressor, what it made.
 */
#include "mongo/wire/op_compressed.h"

#include <strings.h>

#include "mongo/wire/compress.h"
#include "mongo/wire/op_msg.h"

/* From the beginning to what is compressed. */
#define HEAD_BYTES (MOUV__WIRE_HEADER_BYTES + MOUV__WIRE_COMPRESSED_BYTES)

/* As the specification of OP_COMPRESSED has them. */
static const char *const never[] = {
    "hello",      "isMaster",   "saslStart",       "saslContinue",   "getnonce", "authenticate",
    "createUser", "updateUser", "copydbSaslStart", "copydbgetnonce", "copydb"};

bool mouv__op_compressed_suits(const char *command) {
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        if (strcasecmp(command, never[i]) == 0) return false;
    return true;
}

size_t mouv__op_compressed_bound(uint8_t compressor, size_t size) {
    size_t bound = mouv__compress_bound(compressor, size - MOUV__WIRE_HEADER_BYTES);
    return bound ? HEAD_BYTES + bound : 0;
}

size_t mouv__op_compressed_put(uint8_t compressor, int level, const uint8_t *message, size_t size,
                               uint8_t *to) {
    mouv__op_msg_header_t header = mouv__op_msg_header(message);
    int32_t opcode = header.opcode;
    size_t inside = size - MOUV__WIRE_HEADER_BYTES;
    size_t length = mouv__compress_bound(compressor, inside);
    if (!mouv__compress_do(compressor, level, message + MOUV__WIRE_HEADER_BYTES, inside,
                           to + HEAD_BYTES, &length))
        return 0;
    header.opcode = MOUV__WIRE_COMPRESSED;
    header.length = (int32_t)(HEAD_BYTES + length);
    mouv__op_msg_put_header(&header, to);
    mouv__op_msg_put_number(to + MOUV__WIRE_HEADER_BYTES, opcode);
    mouv__op_msg_put_number(to + MOUV__WIRE_HEADER_BYTES + 4, (int32_t)inside);
    to[HEAD_BYTES - 1] = compressor;
    return HEAD_BYTES + length;
}
