/*
 * Sequences.
 */
#include "mongo/wire/sequence.h"

#include <string.h>

#include "context/alloc.h"
#include "mongo/base/bson_view.h"

/* A document's length and terminator. */
#define LENGTH_BYTES 4
#define DOCUMENT_BYTES 5

/* What a sequence of few small documents begins with. */
#define ROOM_BYTES 256

mouv__sequence_t *mouv__sequence_new(const char *name, size_t room_bytes) {
    mouv__sequence_t *sequence = mouv__alloc(sizeof(*sequence));
    if (!sequence) return NULL;
    sequence->name = name;
    sequence->room = room_bytes > ROOM_BYTES ? room_bytes : ROOM_BYTES;
    sequence->bytes = mouv__realloc(NULL, sequence->room); /* not zeroed: it may be megabytes */
    if (sequence->bytes) return sequence;
    mouv__free(sequence);
    return NULL;
}

static bool sequence_reserve(mouv__sequence_t *sequence, size_t size) {
    size_t wanted = sequence->size + size, doubled = 2 * sequence->room;
    if (wanted <= sequence->room) return true;
    size_t room = wanted > doubled ? wanted : doubled;
    uint8_t *bytes = mouv__realloc(sequence->bytes, room);
    if (!bytes) return false;
    sequence->bytes = bytes;
    sequence->room = room;
    return true;
}

static uint8_t *sequence_put_inside(uint8_t *to, const bson_t *document) {
    size_t size = document->len - DOCUMENT_BYTES;
    memcpy(to, bson_get_data(document) + LENGTH_BYTES, size);
    return to + size;
}

bool mouv__sequence_add(mouv__sequence_t *sequence, const bson_t *head, const bson_t *tail) {
    uint32_t size = tail->len + (head ? head->len - DOCUMENT_BYTES : 0);
    if (!sequence_reserve(sequence, size)) return false;
    uint32_t length = BSON_UINT32_TO_LE(size);
    uint8_t *at = sequence->bytes + sequence->size;
    memcpy(at, &length, LENGTH_BYTES);
    at += LENGTH_BYTES;
    if (head) at = sequence_put_inside(at, head);
    at = sequence_put_inside(at, tail);
    *at = 0;
    sequence->size += size;
    sequence->count++;
    return true;
}

void mouv__sequence_append_to(const mouv__sequence_t *sequence, bson_t *command) {
    bson_t array, document;
    uint32_t index = 0, length;
    mouv__append_array_begin(command, sequence->name, &array);
    for (size_t at = 0; at < sequence->size; at += length) {
        const char *key;
        char text[16];
        memcpy(&length, sequence->bytes + at, LENGTH_BYTES);
        length = BSON_UINT32_FROM_LE(length);
        bson_uint32_to_string(index++, &key, text, sizeof(text));
        bson_init_static(&document, sequence->bytes + at, length);
        bson_append_document(&array, key, -1, &document);
    }
    bson_append_array_end(command, &array);
}

void mouv__sequence_free(mouv__sequence_t *sequence) {
    if (!sequence) return;
    mouv__free(sequence->bytes);
    mouv__free(sequence);
}
