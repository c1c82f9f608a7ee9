/*
 * An answer that comes in parts, as a socket gives it, is what it is in one: the same verdict, the
 * same words, the same document.
 */
#include "fuzz.h"

#include "../support/bson_walk.h"
#include "mongo/transport/loop/incoming.h"

/* How an input begins: so many sizes of parts, used in turn. */
#define PART_COUNT 8

/* As a peer does it: where it stays once that is known. */
static mouv__incoming_state_t give(mouv__incoming_t *incoming, const uint8_t *data, size_t size) {
    size_t room = 0;
    uint8_t *part = fuzz_copy(data, size);
    uint8_t *to = mouv__incoming_room(incoming, &room);
    mouv__incoming_state_t state;
    if (to) {
        FUZZ_CHECK(size <= room);
        memcpy(to, part, size);
        state = mouv__incoming_arrived(incoming, size);
    } else {
        state = mouv__incoming_take(incoming, part, size);
    }
    free(part);
    return state;
}

static mouv__incoming_state_t in_parts(mouv__incoming_t *incoming, const uint8_t *parts,
                                       const uint8_t *data, size_t size) {
    mouv__incoming_state_t state = MOUV__INCOMING_MORE;
    size_t at = 0;
    for (size_t i = 0; at < size && state == MOUV__INCOMING_MORE; i++) {
        size_t part = parts[i % PART_COUNT] + (size_t)1;
        if (part > size - at) part = size - at;
        state = give(incoming, data + at, part);
        at += part;
    }
    return state;
}

static void compare(const mouv__incoming_t *a, mouv__incoming_state_t a_state,
                    const mouv__incoming_t *b, mouv__incoming_state_t b_state) {
    FUZZ_CHECK(a_state == b_state);
    if (a_state == MOUV__INCOMING_BAD) {
        FUZZ_CHECK(a->why[0] != '\0');
        FUZZ_CHECK(strcmp(a->why, b->why) == 0);
    }
    if (a_state == MOUV__INCOMING_PACKED)
        FUZZ_CHECK(a->size == b->size && memcmp(a->packed, b->packed, a->size) == 0);
    if (a_state != MOUV__INCOMING_WHOLE) return;
    FUZZ_CHECK(a->reply->len == b->reply->len);
    FUZZ_CHECK(memcmp(bson_get_data(a->reply), bson_get_data(b->reply), a->reply->len) == 0);
    FUZZ_CHECK(bson_walk(bson_get_data(a->reply), a->reply->len));
}

static void check(const uint8_t *parts, const uint8_t *data, size_t size) {
    static const uint8_t bytes[PART_COUNT];
    mouv__incoming_t whole = {0}, split = {0}, single = {0};
    int32_t id = size >= MOUV__WIRE_HEADER_BYTES ? mouv__op_msg_header(data).response_to : 0;
    mouv__incoming_begin(&whole, id);
    mouv__incoming_begin(&split, id);
    mouv__incoming_begin(&single, id);
    mouv__incoming_state_t state = size > 0 ? give(&whole, data, size) : MOUV__INCOMING_MORE;
    compare(&whole, state, &split, in_parts(&split, parts, data, size));
    compare(&whole, state, &single, in_parts(&single, bytes, data, size));
    mouv__incoming_clear(&whole);
    mouv__incoming_clear(&split);
    mouv__incoming_clear(&single);
}

/* No message is longer than the input, so that none waits for memory; and what is behind it is not
 * its own. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < PART_COUNT) return 0;
    const uint8_t *parts = data;
    uint8_t *copy = fuzz_copy(data + PART_COUNT, size - PART_COUNT);
    size -= PART_COUNT;
    if (size >= MOUV__WIRE_START_BYTES) {
        int32_t length = mouv__op_msg_header(copy).length;
        check(parts, copy,
              length > MOUV__WIRE_START_BYTES && (size_t)length < size ? (size_t)length : size);
        fuzz_put(copy, (uint32_t)size);
        check(parts, copy, size);
        if (size >= 26) fuzz_frame(copy + 21, size - 21);
    }
    check(parts, copy, size);
    free(copy);
    return 0;
}
