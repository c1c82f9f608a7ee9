/*
 * A quick look at documents that are about to be sent: nearly all of them are plain, and need none
 * of the questions that libbson's iterator and check.c ask of each field.
 */
#ifndef MOUV_MONGO_BASE_BSON_PLAIN_H
#define MOUV_MONGO_BASE_BSON_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Documents inside each other that are looked into. */
#define MOUV__BSON_PLAIN_DEPTH 16

/**
 * True if exactly these bytes are one well-formed document of usual types, whose names and strings
 * are ASCII without NULs and whose names are not empty. False says nothing: it may be good. Any
 * thread.
 */
bool mouv__bson_plain(const uint8_t *data, size_t size);

#endif
