/*
 * Where an answer goes. An operation's reply is read into its request by the reader of its row, one
 * short function for each shape of reply; there the result waits, owned, until the future settles
 * and delivers it to the one pointer that the user gave. What is not delivered goes with the
 * request. Writes, which add up over batches, are in write_result.h, cursors in cursor.h.
 */
#ifndef MOUV_MONGO_COMMAND_REPLY_H
#define MOUV_MONGO_COMMAND_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

#include "mongo/operation/operation.h"

typedef struct mouv__request mouv__request_t;

/**
 * Reads the reply of a command that succeeded into the request's result. Returns the
 * future's result, or a negative code if the reply is not what it must be.
 */
typedef int (*mouv__reader_t)(mouv__request_t *request, const bson_t *reply);

/** Where a result goes: one pointer of the user's, which may be NULL. */
typedef struct mouv__output {
    enum {
        MOUV__TO_NOBODY,
        MOUV__TO_REPLY,
        MOUV__TO_VALUE,
        MOUV__TO_NUMBER,
        MOUV__TO_NAMES,
        MOUV__TO_NAME
    } kind;
    void *to;
} mouv__output_t;

/** These set `*to` to NULL at once, as the headers promise. */
mouv__output_t mouv__reply_to_nobody(void);
mouv__output_t mouv__reply_to_reply(bson_t **to); /**< given whenever the server answered */
mouv__output_t mouv__reply_to_value(bson_t **to); /**< given on success */
mouv__output_t mouv__reply_to_number(int64_t *to);
mouv__output_t mouv__reply_to_names(char ***to);
mouv__output_t mouv__reply_to_name(char **to); /**< the first of the names */

/** An operation and its result, which waits here until it is delivered. */
struct mouv__request {
    mouv__operation_t operation; /**< first, so that they are one object */
    mouv__output_t output;
    bson_t *document; /**< owned: of TO_REPLY and TO_VALUE */
    char **names;     /**< owned: of TO_NAMES, TO_NAME */
    int64_t number;   /**< of TO_NUMBER */
};

/** Inside `finish`: the reply, which the caller then owns; large as it may be, it is not copied. */
bson_t *mouv__reply_take(mouv__operation_t *operation);

/** An operation's `deliver`: gives the result to where the request says. */
void mouv__reply_deliver(mouv__operation_t *operation, bool whole);

/** An operation's `release`: frees a request's result; for that of larger ones, too. */
void mouv__reply_release(mouv__operation_t *operation);

/* --- Readers --------------------------------------------------------------------------------- */

/** {cursor: {firstBatch: [document]}}: the document, 1; or 0 if there is none. */
int mouv__reply_read_first(mouv__request_t *request, const bson_t *reply);

/** {cursor: {firstBatch: [{options: document}]}}: the options, 1; or 0 if there is nothing. */
int mouv__reply_read_first_options(mouv__request_t *request, const bson_t *reply);

/** All of it. */
int mouv__reply_read_whole(mouv__request_t *request, const bson_t *reply);

/** {valid: bool}: 1 or 0. */
int mouv__reply_read_valid(mouv__request_t *request, const bson_t *reply);

/** {value: document or null}: 1 or 0. */
int mouv__reply_read_value(mouv__request_t *request, const bson_t *reply);

/** {value: document or null, lastErrorObject, ...}: all of it; 1 or 0 for `value`. */
int mouv__reply_read_modified(mouv__request_t *request, const bson_t *reply);

/** {values: [...]} */
int mouv__reply_read_values(mouv__request_t *request, const bson_t *reply);

/** {databases: [...]}, whole or only the names. */
int mouv__reply_read_databases(mouv__request_t *request, const bson_t *reply);
int mouv__reply_read_database_names(mouv__request_t *request, const bson_t *reply);

/** {n: number} */
int mouv__reply_read_count(mouv__request_t *request, const bson_t *reply);

/** {cursor: {firstBatch: [{n: number}]}}; an empty batch is 0. */
int mouv__reply_read_counted(mouv__request_t *request, const bson_t *reply);

#endif
