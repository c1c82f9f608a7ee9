/*
 * Reading the replies of commands that answer at once: one short function for each shape of reply.
 * Writes, which add up over batches, are in write result.h, cursors in cursor.h.
 */
#ifndef MOUV_MONGO_COMMAND_REPLY_H
#define MOUV_MONGO_COMMAND_REPLY_H

#include <stdbool.h>

#include <bson/bson.h>

#include "mongo/command/command.h"

/** {cursor: {firstBatch: [document]}}: the document, 1; or 0 if there is none. */
int mouv__read_first(mouv__request_t *request, const bson_t *reply);

/** {cursor: {firstBatch: [{options: document}]}}: the options, 1; or 0 if there is nothing. */
int mouv__read_first_options(mouv__request_t *request, const bson_t *reply);

/** All of it. */
int mouv__read_whole(mouv__request_t *request, const bson_t *reply);

/** {valid: bool}: 1 or 0. */
int mouv__read_valid(mouv__request_t *request, const bson_t *reply);

/** {value: document or null}: 1 or 0. */
int mouv__read_value(mouv__request_t *request, const bson_t *reply);

/** {values: [...]} */
int mouv__read_values(mouv__request_t *request, const bson_t *reply);

/** {databases: [...]}, whole or only the names. */
int mouv__read_databases(mouv__request_t *request, const bson_t *reply);
int mouv__read_database_names(mouv__request_t *request, const bson_t *reply);

/** {n: number} */
int mouv__read_count(mouv__request_t *request, const bson_t *reply);

/** {cursor: {firstBatch: [{n: number}]}}; an empty batch is 0. */
int mouv__read_counted(mouv__request_t *request, const bson_t *reply);

/* --- For other readers ----------------------------------------------------------------------- */

/** The field at a dotted path; false if it is not there. */
bool mouv__reply_find(const bson_t *reply, const char *path, bson_iter_t *field);

/** The number at a dotted path, else 0. */
int64_t mouv__reply_number(const bson_t *reply, const char *path);

/** A view of the document or array that `field` is at; false if it is neither. */
bool mouv__reply_view(const bson_iter_t *field, bson_t *view);

/** The `name` of each document of an array, as a list for bson_strfreev(). */
char **mouv__reply_names(const bson_t *array);

#endif
