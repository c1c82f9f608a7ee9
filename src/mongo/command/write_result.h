/*
 * What became of a write, added up over the replies of its batches. The server counts statements
 * within a command; what users are told counts them over all batches (a span says which they are).
 * Its documents are its own until mouv__write_result_clear(). Pure functions.
 */
#ifndef MOUV_MONGO_COMMAND_WRITE_RESULT_H
#define MOUV_MONGO_COMMAND_WRITE_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

/** What the numbers of a server's reply mean depends on the command. */
typedef enum mouv__write_kind {
    MOUV__WRITE_INSERT,
    MOUV__WRITE_UPDATE,
    MOUV__WRITE_DELETE
} mouv__write_kind_t;

#define MOUV__WRITE_KINDS 3

/** Which statements of the whole write are in one batch. */
typedef struct mouv__span {
    uint32_t first, count;
    const uint32_t *indexes; /**< of each, borrowed; NULL: `first` and those after it */
} mouv__span_t;

/** Zero-initialised; the documents are owned. */
typedef struct mouv__write_result {
    int64_t inserted, matched, modified, upserted, deleted;
    uint32_t tried;         /**< inserts that the server has come to */
    uint32_t error_count;   /**< entries of write_errors */
    uint32_t concern_count; /**< entries of concern_errors */
    bson_t *upserted_ids;   /**< {"<index>": id}, or NULL */
    bson_t *write_errors;   /**< array document, or NULL */
    bson_t *concern_errors; /**< array document, or NULL */
    bson_t *labels;         /**< array document, or NULL */
} mouv__write_result_t;

/** Adds the reply to a batch with the statements of `span`. */
void mouv__write_result_add(mouv__write_result_t *write_result, mouv__write_kind_t kind,
                            const bson_t *reply, const mouv__span_t *span, bool ordered);

/** Appends writeErrors, writeConcernErrors and errorLabels as far as there are any. */
void mouv__write_result_append_errors(const mouv__write_result_t *write_result, bson_t *reply);

/**
 * Appends to `to` those of `ids` ({"<index>": id}, in the order of the batches) whose statements
 * were carried out. Batches of inserts must have been the first, or ordered.
 */
void mouv__write_result_append_done(const mouv__write_result_t *write_result, const bson_t *ids,
                                    bson_t *to);

/** Whether anything has been changed, as far as replies tell. */
bool mouv__write_result_changed(const mouv__write_result_t *write_result);

void mouv__write_result_clear(mouv__write_result_t *write_result);

#endif
