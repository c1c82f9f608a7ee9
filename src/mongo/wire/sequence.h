/*
 * Documents one after the other in one piece of memory, as the section of kind 1 of an OP_MSG has
 * them. They stand for an array of the command that they go beside. Any thread, one at a time.
 */
#ifndef MOUV_MONGO_WIRE_SEQUENCE_H
#define MOUV_MONGO_WIRE_SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bson/bson.h>

typedef struct mouv__sequence {
    const char *name; /**< of the array: "documents"; static */
    uint8_t *bytes;   /**< owned */
    size_t size, room;
    uint32_t count; /**< of documents */
} mouv__sequence_t;

/** An empty one, with memory for so many bytes. NULL: ENOMEM. */
mouv__sequence_t *mouv__sequence_new(const char *name, size_t room_bytes);

/**
 * Adds one document: what is in `head` (NULL: nothing), then what is in `tail`. Together they have
 * less than 2 GiB. False: there is no memory, and nothing has changed.
 */
bool mouv__sequence_add(mouv__sequence_t *sequence, const bson_t *head, const bson_t *tail);

/** Appends it to a command as the array that it stands for. */
void mouv__sequence_append_to(const mouv__sequence_t *sequence, bson_t *command);

/** NULL is fine. */
void mouv__sequence_free(mouv__sequence_t *sequence);

#endif
