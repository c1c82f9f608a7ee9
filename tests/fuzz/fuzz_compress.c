/*
 * Any bytes: uncompressing them stays within the room; compressed ones become what they were, in a
 * message of their own as well. The first four say compressor, level and room.
 */
#include "fuzz.h"

#include "mongo/wire/compress.h"
#include "mongo/wire/op_compressed.h"
#include "mongo/wire/op_msg.h"

#define HEAD 4

static void undo_anything(uint8_t compressor, size_t room, const uint8_t *data, size_t size) {
    char why[FUZZ_WHY_BYTES] = "";
    uint8_t *to = malloc(room + !room);
    FUZZ_CHECK(to != NULL);
    if (!mouv__compress_undo(compressor, data, size, to, room, why, sizeof(why)))
        FUZZ_CHECK(why[0] != '\0');
    free(to);
}

static void check_is(uint8_t compressor, const uint8_t *packed, size_t length, const uint8_t *data,
                     size_t size) {
    char why[FUZZ_WHY_BYTES] = "";
    uint8_t *back = malloc(size + !size);
    FUZZ_CHECK(back != NULL);
    FUZZ_CHECK(mouv__compress_undo(compressor, packed, length, back, size, why, sizeof(why)));
    FUZZ_CHECK(memcmp(back, data, size) == 0);
    free(back);
}

static void do_and_undo(uint8_t compressor, int level, const uint8_t *data, size_t size) {
    size_t bound = mouv__compress_bound(compressor, size), length = bound;
    if (bound == 0) return;
    uint8_t *packed = malloc(bound);
    FUZZ_CHECK(packed != NULL);
    FUZZ_CHECK(mouv__compress_do(compressor, level, data, size, packed, &length));
    FUZZ_CHECK(length <= bound);
    check_is(compressor, packed, length, data, size);
    free(packed);
}

/* Whatever else is in it: with a header it is a message. */
static void put_and_open(uint8_t compressor, int level, const uint8_t *data, size_t size) {
    char why[FUZZ_WHY_BYTES] = "";
    mouv__op_msg_compressed_t inside;
    mouv__op_msg_header_t header = {(int32_t)size, 1, 2, MOUV__WIRE_MSG};
    size_t bound = size < 26 ? 0 : mouv__op_compressed_bound(compressor, size);
    if (bound == 0) return;
    uint8_t *message = fuzz_copy(data, size), *to = malloc(bound);
    FUZZ_CHECK(to != NULL);
    mouv__op_msg_put_header(&header, message);
    size_t length = mouv__op_compressed_put(compressor, level, message, size, to);
    header = mouv__op_msg_header(to);
    FUZZ_CHECK(length > 0 && (size_t)header.length == length);
    FUZZ_CHECK(mouv__op_msg_check_header(&header, 2, why, sizeof(why)));
    FUZZ_CHECK(mouv__op_msg_check_compressed(&header, to + MOUV__WIRE_HEADER_BYTES, &inside, why,
                                             sizeof(why)));
    FUZZ_CHECK((size_t)inside.header.length == size && inside.header.opcode == MOUV__WIRE_MSG);
    check_is(compressor, inside.data, inside.size, message + MOUV__WIRE_HEADER_BYTES,
             size - MOUV__WIRE_HEADER_BYTES);
    free(message);
    free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < HEAD) return 0;
    uint8_t compressor = data[0] % 5;
    int level = data[1] % 11 - 1;
    size_t room = data[2] | (size_t)data[3] << 8;
    undo_anything(compressor, room, data + HEAD, size - HEAD);
    do_and_undo(compressor, level, data + HEAD, size - HEAD);
    put_and_open(compressor, level, data + HEAD, size - HEAD);
    return 0;
}
