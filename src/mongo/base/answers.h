/*
 * What servers replied with the last errors of the process: an error is a plain value, so it has a
 * number by which its reply is found (docs/decisions/0027). Any thread.
 */
#ifndef MOUV_MONGO_BASE_ANSWERS_H
#define MOUV_MONGO_BASE_ANSWERS_H

#include <bson/bson.h>

#include <mouv/error.h>

/** So many replies are kept, of so many bytes together; the newest whatever its size. */
#define MOUV__ANSWERS_COUNT 1024
#define MOUV__ANSWERS_BYTES (4 * 1024 * 1024)

/** Keeps a copy of `reply` for `error`, in place of the one that it has. */
void mouv__answers_keep(mouv_error_t *error, const bson_t *reply);

/** A copy of what was kept for `error`, the caller's; NULL: nothing, or no longer. */
bson_t *mouv__answers_find(const mouv_error_t *error);

#endif
