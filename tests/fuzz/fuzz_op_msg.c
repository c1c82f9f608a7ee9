/*
 * Any bytes as a server's answer: header, beginning, body, and what is in a compressed one. What is
 * let through leads libbson nowhere outside of it.
 */
#include "fuzz.h"

#include "../support/bson_walk.h"
#include "mongo/wire/compress.h"
#include "mongo/wire/op_msg.h"

/* Of what a compressed one may say that it becomes, for the sake of speed. */
#define INSIDE_MAX 65536

static void check_body(int32_t opcode, const uint8_t *body, size_t size) {
    char why[FUZZ_WHY_BYTES] = "";
    size_t head = opcode == MOUV__WIRE_MSG ? 5 : 20;
    if (!mouv__op_msg_check_body(opcode, body, size, why, sizeof(why))) {
        FUZZ_CHECK(why[0] != '\0');
        return;
    }
    FUZZ_CHECK(size > head + 5); /* no empty document, which libmongoc has where nobody answers */
    FUZZ_CHECK(bson_walk(body + head, size - head));
}

static void check_compressed(const mouv__op_msg_header_t *header, const uint8_t *body) {
    char why[FUZZ_WHY_BYTES] = "";
    mouv__op_msg_compressed_t inside;
    if (!mouv__op_msg_check_compressed(header, body, &inside, why, sizeof(why))) {
        FUZZ_CHECK(why[0] != '\0');
        return;
    }
    size_t size = (size_t)inside.header.length - MOUV__WIRE_HEADER_BYTES;
    if (size > INSIDE_MAX) return;
    uint8_t *to = malloc(size + !size);
    FUZZ_CHECK(to != NULL);
    if (mouv__compress_undo(inside.compressor, inside.data, inside.size, to, size, why,
                            sizeof(why)))
        check_body(inside.header.opcode, to, size);
    free(to);
}

static void check(const uint8_t *bytes, size_t size) {
    char why[FUZZ_WHY_BYTES] = "";
    if (size < MOUV__WIRE_START_BYTES) return; /* as many are waited for */
    mouv__op_msg_header_t header = mouv__op_msg_header(bytes);
    if (!mouv__op_msg_check_header(&header, header.response_to, why, sizeof(why)) ||
        !mouv__op_msg_check_start(&header, bytes, why, sizeof(why))) {
        FUZZ_CHECK(why[0] != '\0');
        return;
    }
    if ((size_t)header.length != size) return;
    if (header.opcode == MOUV__WIRE_COMPRESSED)
        check_compressed(&header, bytes + MOUV__WIRE_HEADER_BYTES);
    else
        check_body(header.opcode, bytes + MOUV__WIRE_HEADER_BYTES, size - MOUV__WIRE_HEADER_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *copy = fuzz_copy(data, size);
    check(copy, size);
    if (size >= MOUV__WIRE_HEADER_BYTES) fuzz_put(copy, (uint32_t)size);
    check(copy, size);
    free(copy);
    return 0;
}
