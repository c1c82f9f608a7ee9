/*
 * A buffer that doubles. Like libbson, out of memory ends the process.
 */
#include "spec/text.h"

#include <stdarg.h>
#include <string.h>

static void append(spec_text_t *text, const char *more, size_t size) {
    if (text->len + size + 1 > text->capacity) {
        text->capacity = (uint32_t)(text->len + size + 1) * 2;
        text->str = bson_realloc(text->str, text->capacity);
    }
    memcpy(text->str + text->len, more, size);
    text->len += (uint32_t)size;
    text->str[text->len] = '\0';
}

spec_text_t *spec_text_new(const char *start) {
    spec_text_t *text = bson_malloc0(sizeof *text);
    spec_text_append(text, start ? start : "");
    return text;
}

void spec_text_append(spec_text_t *text, const char *more) {
    append(text, more, strlen(more));
}

void spec_text_append_c(spec_text_t *text, char c) {
    append(text, &c, 1);
}

void spec_text_append_printf(spec_text_t *text, const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *more = bson_strdupv_printf(format, args);
    va_end(args);
    spec_text_append(text, more);
    bson_free(more);
}

char *spec_text_free(spec_text_t *text, bool all) {
    char *str = text->str;
    bson_free(text);
    if (!all) return str;
    bson_free(str);
    return NULL;
}
