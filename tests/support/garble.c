/*
 * Garbled answers.
 */
#include "support/garble.h"

#include <string.h>

#include <bson/bson.h>

void garble_put(uint8_t *at, uint32_t value) {
    value = BSON_UINT32_TO_LE(value);
    memcpy(at, &value, sizeof value);
}

static uint32_t any(garble_t *garble, uint32_t below) {
    garble->seed = garble->seed * 1664525u + 1013904223u;
    return (garble->seed >> 8) % below;
}

/* One that is cut short, which ends the connection, is not among them. */
size_t garble_answer(void *arg, uint8_t *message, size_t size, size_t capacity) {
    garble_t *garble = arg;
    uint32_t anything = any(garble, UINT32_MAX >> 8), coin = any(garble, 2);
    (void)capacity;
    switch (garble->round++ % GARBLE_KINDS) {
    case 0: /* the message's length */
        garble_put(message, coin ? anything : (uint32_t)size + any(garble, 40) - 20);
        break;
    case 1: /* the opcode */
        garble_put(message + 12, coin ? 2001 + any(garble, 15) : anything);
        break;
    case 2: /* which request it answers */
        garble_put(message + 8, anything);
        break;
    case 3: /* flags, kind of section */
        message[16 + any(garble, 5)] = (uint8_t)any(garble, 256);
        break;
    case 4: /* a length inside */
        garble_put(message + 21 + any(garble, (uint32_t)size - 25),
                   coin ? any(garble, 100) : anything);
        break;
    default:
        for (uint32_t i = any(garble, 4) + 1; i > 0; i--)
            message[any(garble, (uint32_t)size)] ^= (uint8_t)(1 << any(garble, 8));
    }
    return size;
}
