/*
 * BSON becomes Extended JSON (version 2).
 */
#ifndef MOUV_MONGO_JSON_WRITER_H
#define MOUV_MONGO_JSON_WRITER_H

#include <stdbool.h>

#include <bson/bson.h>

#include "mongo/json/bytes.h"

typedef struct mouv__json_style {
    bool canonical; /**< else relaxed */
    bool pretty;    /**< over several lines */
    bool lossy;     /**< U+FFFD for each byte that is not UTF-8; else that is a failure */
} mouv__json_style_t;

/**
 * Appends a document's text. False with `why`: the bytes are no document, or text in it is not UTF-8; `out` then
 * holds a part. Independent of the locale; any thread; never recursive.
 */
bool mouv__json_write(mouv__bytes_t *out, const bson_t *document, mouv__json_style_t style,
                      char *why, size_t why_size);

/** The same of one value of a document. */
bool mouv__json_write_value(mouv__bytes_t *out, const bson_iter_t *value, mouv__json_style_t style,
                            char *why, size_t why_size);

#endif
