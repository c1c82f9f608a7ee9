/* Where in a document something is, for error texts: a chain on the stack, printed as "a.b[0]". */
#ifndef MOUV_TESTS_SPEC_PLACE_H
#define MOUV_TESTS_SPEC_PLACE_H

#include <stdarg.h>
#include <stdbool.h>

#include <bson/bson.h>

#include "spec/text.h"

/** One step from the top; the top itself is all zero. */
typedef struct spec_place {
    const struct spec_place *parent; /**< NULL: the top */
    const char *key;
    bool is_index;
} spec_place_t;

/** Appends "PLACE: TEXT" (at the top only the text) to `why` if there is one; returns false. */
bool spec_complain(spec_text_t *why, const spec_place_t *place, const char *format, ...)
    BSON_GNUC_PRINTF(3, 4);

#endif
