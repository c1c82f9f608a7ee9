/*
 * Answers on their way in.
 */
#include "mongo/transport/loop/incoming.h"

#include <stdio.h>
#include <string.h>

#include "context/alloc.h"

/* Flags and the kind of the one section, in front of an OP_MSG's document. */
#define BODY_BYTES 5

#define DOCUMENT_AT (MOUV__WIRE_HEADER_BYTES + BODY_BYTES)

#define EMPTY_DOCUMENT_BYTES 5

void mouv__incoming_begin(mouv__incoming_t *incoming, int32_t request_id) {
    incoming->request_id = request_id;
    incoming->started = incoming->size = incoming->have = 0;
    incoming->to = NULL;
    incoming->why[0] = '\0';
}

void mouv__incoming_clear(mouv__incoming_t *incoming) {
    bson_destroy(incoming->reply);
    mouv__free(incoming->packed);
    mouv__free(incoming->checker);
    incoming->reply = NULL;
    incoming->packed = incoming->to = NULL;
    incoming->checker = NULL;
}

/* --- its beginning ---------------------------------------------------------------------------- */

/* The header and what is behind it agree. */
static bool incoming_check_start(mouv__incoming_t *incoming, const uint8_t *start) {
    char *why = incoming->why;
    incoming->header = mouv__op_msg_header(start);
    if (incoming->header.opcode == MOUV__WIRE_REPLY) { /* nobody has asked for one */
        snprintf(why, sizeof(incoming->why), "a message with opcode %d", MOUV__WIRE_REPLY);
        return false;
    }
    if (!mouv__op_msg_check_header(&incoming->header, incoming->request_id, why,
                                   sizeof(incoming->why)) ||
        !mouv__op_msg_check_start(&incoming->header, start, why, sizeof(incoming->why)))
        return false;
    if (incoming->header.opcode != MOUV__WIRE_MSG) return true;
    if (incoming->header.length > DOCUMENT_AT + EMPTY_DOCUMENT_BYTES) return true;
    snprintf(why, sizeof(incoming->why), "an empty document"); /* as mouv__op_msg_check_body() */
    return false;
}

/* Memory for all of it, with the beginning in it. */
static mouv__incoming_state_t incoming_reserve(mouv__incoming_t *incoming) {
    size_t from = 0;
    incoming->size = (size_t)incoming->header.length;
    if (incoming->header.opcode == MOUV__WIRE_MSG) {
        from = DOCUMENT_AT;
        incoming->size -= from;
        incoming->reply = bson_new();
        incoming->checker = mouv__alloc(sizeof(*incoming->checker));
        if (!incoming->checker) return MOUV__INCOMING_NO_MEMORY;
        mouv__bson_checker_begin(incoming->checker, incoming->size);
        incoming->to = bson_reserve_buffer(incoming->reply, (uint32_t)incoming->size);
    } else {
        incoming->packed = incoming->to = mouv__alloc(incoming->size);
    }
    if (!incoming->to) return MOUV__INCOMING_NO_MEMORY;
    memcpy(incoming->to, incoming->start + from, sizeof(incoming->start) - from);
    return mouv__incoming_arrived(incoming, sizeof(incoming->start) - from);
}

/* --- its end ---------------------------------------------------------------------------------- */

/* Looks at what has come since the last time. */
static mouv__incoming_state_t incoming_look(mouv__incoming_t *incoming, size_t count) {
    bool whole = incoming->have == incoming->size;
    if (incoming->packed) return whole ? MOUV__INCOMING_PACKED : MOUV__INCOMING_MORE;
    switch (mouv__bson_checker_feed(incoming->checker, incoming->to + incoming->have - count, count,
                                    incoming->why, sizeof(incoming->why))) {
    case MOUV__BSON_VALID:
        return MOUV__INCOMING_WHOLE;
    case MOUV__BSON_GOES_ON:
        return MOUV__INCOMING_MORE;
    default:
        return MOUV__INCOMING_BAD;
    }
}

static mouv__incoming_state_t incoming_adopt(mouv__incoming_t *incoming, int32_t opcode,
                                             const uint8_t *body, size_t size) {
    if (!mouv__op_msg_check_body(opcode, body, size, incoming->why, sizeof(incoming->why)))
        return MOUV__INCOMING_BAD;
    incoming->reply = bson_new_from_data(body + BODY_BYTES, size - BODY_BYTES);
    return incoming->reply ? MOUV__INCOMING_WHOLE : MOUV__INCOMING_NO_MEMORY;
}

mouv__incoming_state_t mouv__incoming_unpacked(mouv__incoming_t *incoming, int32_t opcode,
                                               const uint8_t *body, size_t size) {
    mouv__free(incoming->packed);
    incoming->packed = incoming->to = NULL;
    return incoming_adopt(incoming, opcode, body, size);
}

/* --- pieces ----------------------------------------------------------------------------------- */

uint8_t *mouv__incoming_room(const mouv__incoming_t *incoming, size_t *size) {
    if (!incoming->to) return NULL;
    *size = incoming->size - incoming->have;
    return incoming->to + incoming->have;
}

mouv__incoming_state_t mouv__incoming_arrived(mouv__incoming_t *incoming, size_t count) {
    incoming->have += count;
    return incoming_look(incoming, count);
}

static mouv__incoming_state_t incoming_take_rest(mouv__incoming_t *incoming, const uint8_t *bytes,
                                                 size_t count) {
    size_t room = incoming->size - incoming->have;
    if (count > room) {
        snprintf(incoming->why, sizeof(incoming->why), "%zu bytes more than it should have",
                 count - room);
        return MOUV__INCOMING_BAD;
    }
    memcpy(incoming->to + incoming->have, bytes, count);
    return mouv__incoming_arrived(incoming, count);
}

/* Most answers come in one piece, and are not copied twice. */
static bool incoming_is_whole(const mouv__incoming_t *incoming, size_t count) {
    return incoming->header.opcode == MOUV__WIRE_MSG && (size_t)incoming->header.length == count;
}

mouv__incoming_state_t mouv__incoming_take(mouv__incoming_t *incoming, const uint8_t *bytes,
                                           size_t count) {
    if (incoming->to) return incoming_take_rest(incoming, bytes, count);
    size_t wanted = sizeof(incoming->start) - incoming->started;
    size_t taken = count < wanted ? count : wanted;
    bool at_once = incoming->started == 0;
    memcpy(incoming->start + incoming->started, bytes, taken);
    incoming->started += taken;
    if (incoming->started < sizeof(incoming->start)) return MOUV__INCOMING_MORE;
    if (!incoming_check_start(incoming, incoming->start)) return MOUV__INCOMING_BAD;
    if (at_once && incoming_is_whole(incoming, count))
        return incoming_adopt(incoming, MOUV__WIRE_MSG, bytes + MOUV__WIRE_HEADER_BYTES,
                              count - MOUV__WIRE_HEADER_BYTES);
    mouv__incoming_state_t state = incoming_reserve(incoming);
    return state == MOUV__INCOMING_MORE ? incoming_take_rest(incoming, bytes + taken, count - taken)
                                        : state;
}
