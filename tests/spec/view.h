/*
 * Reading documents of test files: fields as views that need no release, with fallbacks for what is
 * not there.
 */
#ifndef MOUV_TESTS_SPEC_VIEW_H
#define MOUV_TESTS_SPEC_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

/** What is to be destroyed at the end of its block. */
void spec_drop_bson(bson_t **document);
void spec_drop_text(char **text);
#define AUTO_BSON __attribute__((cleanup(spec_drop_bson))) bson_t
#define AUTO_TEXT __attribute__((cleanup(spec_drop_text))) char

bool spec_has(const bson_t *document, const char *key);

/** The document or array at `key` as a view; an empty one and false if there is none. */
bool spec_document(const bson_t *document, const char *key, bson_t *view);

/** The same of where an iterator is. */
bool spec_document_at(const bson_iter_t *iter, bson_t *view);

/** The string at `key`, in `document`; NULL if there is none. */
const char *spec_string(const bson_t *document, const char *key);

/** The string where an iterator is, or NULL. */
const char *spec_string_at(const bson_iter_t *iter);

bool spec_bool(const bson_t *document, const char *key, bool fallback);
int64_t spec_int(const bson_t *document, const char *key, int64_t fallback);

/** The value at `key`, which lies in `document`, or NULL; `iter` must stay. */
const bson_value_t *spec_value(const bson_t *document, const char *key, bson_iter_t *iter);

/** A document as a value that points into it. */
bson_value_t spec_value_of(const bson_t *document, bool array);

/** The first and only key of {key: {...}}, with its value as a view; NULL for any other shape. */
const char *spec_single(const bson_t *document, bson_t *view);

/** Whether an array of strings (NULL: none) has this one. */
bool spec_lists(const bson_t *strings, const char *string);

/** Whether a text of words with single blanks between them has this one. */
bool spec_has_word(const char *words, const char *word);

/** Extended JSON for messages, cut where it grows too long; the caller's to bson_free(). */
char *spec_text(const bson_value_t *value);

/** Appends an element to an array document. */
void spec_append_element(bson_t *array, const bson_value_t *value);
void spec_append_string(bson_t *array, const char *string);

#endif
