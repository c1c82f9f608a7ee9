/*
 * Objects that are one value: {"$oid": "..."} and the like. Which they are, and how they become BSON.
 */
#ifndef MOUV_MONGO_JSON_WRAPPER_H
#define MOUV_MONGO_JSON_WRAPPER_H

#include <bson/bson.h>

#include "mongo/json/bytes.h"
#include "mongo/json/tape.h"

/** A row of the table of wrappers. */
typedef struct mouv__wrapper mouv__wrapper_t;

/** An element that is being written. */
typedef struct mouv__element {
    const char *key; /**< without NULs, not terminated */
    size_t key_size;
    mouv__bytes_t *bytes;
} mouv__element_t;

/** What an object is read with, and what comes of it. */
typedef struct mouv__wrapped {
    const mouv__json_token_t *tokens;
    uint32_t object;            /**< its index */
    const bson_value_t *values; /**< of the marks */
    mouv__element_t to;
    mouv__json_fault_t *fault;
    uint32_t
        scope; /**< out: of code with a scope the document's index, to be written next; else 0 */
    size_t scope_at; /**< ... and where the length of all of it is filled in then */
} mouv__wrapped_t;

/** Writes type and key. */
void mouv__element_begin(const mouv__element_t *element, uint8_t type);

/**
 * The wrapper that the object at `index` is, or NULL: a document. A document has none of the names of a
 * type among its keys; `$type`, `$regex` and `$options` are names of operators too, and `$ref`, `$id`, `$db`
 * and `$scope` mean nothing by themselves.
 */
const mouv__wrapper_t *mouv__wrapper_find(const mouv__json_token_t *tokens, uint32_t index);

/** Whether it could be operators as well, where no value can stand: {"$regex": "...", "$options": "..."}. */
bool mouv__wrapper_may_be_operators(const mouv__wrapper_t *wrapper);

/** Writes the element. False with the fault: it is not what the wrapper's name says. */
bool mouv__wrapper_write(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped);

#endif
