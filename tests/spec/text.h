/*
 * Text that grows, as libbson's bson_string_t was before 2.0.
 */
#ifndef MOUV_SPEC_TEXT_H
#define MOUV_SPEC_TEXT_H

#include <stdbool.h>

#include <bson/bson.h>

typedef struct spec_text {
    char *str; /**< ends with a NUL */
    uint32_t len, capacity;
} spec_text_t;

/** Begins with `start`, which may be NULL. */
spec_text_t *spec_text_new(const char *start);

void spec_text_append(spec_text_t *text, const char *more);
void spec_text_append_c(spec_text_t *text, char c);
void spec_text_append_printf(spec_text_t *text, const char *format, ...) BSON_GNUC_PRINTF(2, 3);

/** Frees it; gives its characters, bson_free() them, unless these are to go as well. */
char *spec_text_free(spec_text_t *text, bool all);

#endif
