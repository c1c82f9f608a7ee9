/*
 * Single BSON values for match.c: which type they are of, whether two are the same, how they read
 * in an error text.
 */
#ifndef MOUV_TESTS_SPEC_SCALAR_H
#define MOUV_TESTS_SPEC_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bson/bson.h>

/** Whether the $type query operator knows `name`, "number" included. */
bool spec_type_is_known(const char *name);
bool spec_type_has_name(bson_type_t type, const char *name);

/** Relaxed Extended JSON of the value alone, cut if long. Release with bson_free(). */
char *spec_value_json(const bson_value_t *value);

/** With its type: "int 1", "object { "x" : 1 }"; "nothing" for NULL. Release with bson_free(). */
char *spec_value_text(const bson_value_t *value);

/** Whether numbers are compared flexibly: int, long, double. False for NULL. */
bool spec_is_number(const bson_value_t *value);

typedef enum spec_order { SPEC_LESS, SPEC_EQUAL, SPEC_GREATER, SPEC_UNORDERED } spec_order_t;

/** Compares two numbers by value, whatever their types; NaN equals NaN alone. */
spec_order_t spec_compare_numbers(const bson_value_t *a, const bson_value_t *b);

/** Whether two values of one type, neither documents nor arrays, are the same. */
bool spec_same_scalar(const bson_value_t *a, const bson_value_t *b);

/** Of code with a scope: whether the code is the same; the scope as a document. */
bool spec_same_code(const bson_value_t *a, const bson_value_t *b);
bson_value_t spec_scope_value(const bson_value_t *value);

/** A value that refers to `document`, which has to outlive it. */
bson_value_t spec_document_value(const bson_t *document);

/** The document or array that a value is, for iterating; it needs no bson_destroy(). */
void spec_view(const bson_value_t *value, bson_t *document);

/** The bytes that hexadecimal digits stand for, to be released with bson_free(); NULL if malformed.
 */
uint8_t *spec_hex_bytes(const char *digits, size_t *size);

#endif
