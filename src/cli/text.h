/*
 * Text that grows. (libbson's bson_string_t is gone in 2.0.) Like libbson, out of memory ends the
 * process.
 */
#ifndef MOUV_CLI_TEXT_H
#define MOUV_CLI_TEXT_H

#include <stddef.h>

struct cli_text {
    char *data;
    size_t size, capacity;
};

void mouv_cli_text_append(struct cli_text *text, const char *data, size_t size_bytes);
void mouv_cli_text_char(struct cli_text *text, char c, size_t times);
void mouv_cli_text_clear(struct cli_text *text);

#endif
