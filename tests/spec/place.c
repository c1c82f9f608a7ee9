/*
 * Places in a document, in error texts.
 */
#include "spec/place.h"

static void append_place(spec_text_t *why, const spec_place_t *place) {
    if (!place->parent) return;
    append_place(why, place->parent);
    if (place->is_index) {
        spec_text_append_printf(why, "[%s]", place->key);
    } else {
        spec_text_append_printf(why, "%s%s", place->parent->parent ? "." : "", place->key);
    }
}

bool spec_complain(spec_text_t *why, const spec_place_t *place, const char *format, ...) {
    if (!why) return false;
    va_list args;
    va_start(args, format);
    char *text = bson_strdupv_printf(format, args);
    va_end(args);
    append_place(why, place);
    spec_text_append(why, place->parent ? ": " : "");
    spec_text_append(why, text);
    bson_free(text);
    return false;
}
