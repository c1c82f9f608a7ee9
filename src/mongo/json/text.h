/*
 * What must hold of all text before it is looked at as JSON, or given out as it.
 */
#ifndef MOUV_MONGO_JSON_TEXT_H
#define MOUV_MONGO_JSON_TEXT_H

#include "mongo/json/fault.h"

/** How many bytes from `at` on are UTF-8: all of them, or up to the first that is not. */
size_t mouv__json_utf8_length(const char *text, size_t size);

/** Whether the text is UTF-8 and each \\u of a surrogate has its other half. */
bool mouv__json_text_check(const char *text, size_t size, mouv__json_fault_t *fault);

#endif
