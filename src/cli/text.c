/*
 * A buffer that doubles.
 */
#include "cli/text.h"

#include <string.h>

#include <bson/bson.h>

static char *text_make_room(struct cli_text *text, size_t size_bytes) {
    size_t needed = text->size + size_bytes;
    if (needed > text->capacity) {
        text->capacity = needed * 2;
        text->data = bson_realloc(text->data, text->capacity);
    }
    char *room = text->data + text->size;
    text->size = needed;
    return room;
}

void mouv_cli_text_append(struct cli_text *text, const char *data, size_t size_bytes) {
    if (size_bytes > 0) memcpy(text_make_room(text, size_bytes), data, size_bytes);
}

void mouv_cli_text_char(struct cli_text *text, char c, size_t times) {
    if (times > 0) memset(text_make_room(text, times), c, times);
}

void mouv_cli_text_clear(struct cli_text *text) {
    bson_free(text->data);
    *text = (struct cli_text){0};
}
