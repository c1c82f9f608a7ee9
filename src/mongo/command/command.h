/*
 * One command in the making and its way to an operation. Every call of the public surface is
 *
 *     static const mouv__row_t distinct = {{"distinct", MOUV__READ}, MOUV__FAMILY_PLAIN,
 *                                          mouv__reply_read_values};     its options, its result
 *     mouv__command_t command;                                           and its call:
 *     mouv__command_begin(&command, &distinct, collection, opts);
 *     mouv__command_string(&command, "key", key);
 *     mouv__command_document(&command, "query", filter, "filter");
 *     return mouv__command_send(&command, mouv__reply_to_value(values));
 *
 * The first failure sticks: later steps do nothing and sending gives a future that has failed so. A
 * command lives on its caller's stack, on the loop thread, and borrows handle, session and opts for
 * the length of the call. Its BSON is its own until it is sent; sending consumes it in every case:
 * the BSON goes on with the operation, which takes shares of the session and of the handle's
 * concerns.
 */
#ifndef MOUV_MONGO_COMMAND_COMMAND_H
#define MOUV_MONGO_COMMAND_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

#include <mouv/client.h>
#include <mouv/error.h>
#include <mouv/future.h>

#include "mongo/base/opts.h"
#include "mongo/base/timeout.h"
#include "mongo/command/handles.h"
#include "mongo/command/reply.h"
#include "mongo/operation/operation.h"

/** The usual flags of a row. */
#define MOUV__READ \
    (MOUV__OP_RETRYABLE | MOUV__OP_MAX_TIME | MOUV__OP_READ_PREFERENCE | MOUV__OP_READ_CONCERN)
#define MOUV__TAIL /* its getMores are polls, and no deadline ends it */ \
    (MOUV__OP_RETRYABLE | MOUV__OP_READ_PREFERENCE | MOUV__OP_READ_CONCERN | MOUV__OP_POLL)
#define MOUV__LIST (MOUV__OP_RETRYABLE | MOUV__OP_MAX_TIME)
#define MOUV__CHANGE \
    (MOUV__OP_WRITE | MOUV__OP_RETRYABLE | MOUV__OP_MAX_TIME | MOUV__OP_WRITE_CONCERN)
#define MOUV__ADMIN (MOUV__OP_WRITE | MOUV__OP_MAX_TIME | MOUV__OP_WRITE_CONCERN)

/** One name: its flags, how it takes its options, who reads its reply (NULL: success is all). */
typedef struct mouv__row {
    mouv__operation_row_t operation; /**< first: op->parts.row is this row */
    unsigned families;               /**< mouv__family_t */
    mouv__reader_t read;
} mouv__row_t;

struct mouv__command {
    const mouv__row_t *row;
    mouv_database_t *database;       /**< NULL: a NULL handle was given */
    bson_t *bson;                    /**< owned until it is sent or taken */
    mongoc_read_prefs_t *read_prefs; /**< owned likewise */
    mouv__concerns_t *defaults;      /**< borrowed of the handle; NULL: the client's alone */
    mouv_session_t *session;         /**< borrowed; NULL: none */
    uint32_t server_id;              /**< 0: any that suits */
    mouv__opts_t opts;
    bool ended;         /**< the options are in */
    mouv_error_t error; /**< `code` below 0: failed, nothing will be sent */
};

/** Begins {<name>: <collection>}; takes the options in, which are appended when it is sent. */
void mouv__command_begin(mouv__command_t *command, const mouv__row_t *row,
                         const mouv_collection_t *collection, const bson_t *opts);

/** Begins {<name>: 1} on a database. */
void mouv__command_begin_database(mouv__command_t *command, const mouv__row_t *row,
                                  mouv_database_t *database, const bson_t *opts);

/** Begins {<name>: <collection>} for a collection that needs no handle. */
void mouv__command_begin_named(mouv__command_t *command, const mouv__row_t *row,
                               mouv_database_t *database, const char *collection,
                               const bson_t *opts);

/** Begins with nothing: what the command is called is the caller's first field. */
void mouv__command_begin_bare(mouv__command_t *command, const mouv__row_t *row,
                              mouv_database_t *database, const bson_t *opts);

/** Begins with a whole command of the user's. */
void mouv__command_begin_given(mouv__command_t *command, const mouv__row_t *row,
                               mouv_database_t *database, const bson_t *given, const bson_t *opts);

/** Appends a document that must be there; `argument` is what the user calls it. */
void mouv__command_document(mouv__command_t *command, const char *key, const bson_t *document,
                            const char *argument);

/** Appends an update: operators, or a pipeline. */
void mouv__command_update(mouv__command_t *command, const char *key, const bson_t *update);

/** Appends a whole document that takes the place of another. */
void mouv__command_replacement(mouv__command_t *command, const char *key,
                               const bson_t *replacement);

/** Appends "pipeline" from an array document or {pipeline: [...]}. */
void mouv__command_pipeline(mouv__command_t *command, const bson_t *pipeline);

/** Whether `document` may be used by hand; fails otherwise. */
bool mouv__command_checks(mouv__command_t *command, const bson_t *document, const char *argument);

/** Appends {}. */
void mouv__command_empty(mouv__command_t *command, const char *key);

void mouv__command_string(mouv__command_t *command, const char *key, const char *value);
void mouv__command_bool(mouv__command_t *command, const char *key, bool value);
void mouv__command_int(mouv__command_t *command, const char *key, int64_t value);

/** Makes it fail, if it has not yet. */
void mouv__command_fail(mouv__command_t *command, int code, const char *format, ...)
    MOUV_PRINTF(3, 4);

static inline bool mouv__command_failed(const mouv__command_t *command) {
    return command->error.code < 0;
}

/** Validation flags for the user's documents, as `validate` in opts says. */
unsigned mouv__command_validation(const mouv__command_t *command);

/** Appends what the user's opts leave for the top level and checks the size; sending does it. */
void mouv__command_end(mouv__command_t *command);

/** What counts for a command whose options are read and whose session is known; may make it fail.
 */
mouv__timeout_t mouv__command_timeout(mouv__command_t *command);

/** That maxAwaitTimeMS leaves timeoutMS a chance; else the command fails. */
void mouv__command_check_await(mouv__command_t *command, mouv__timeout_t timeout);

/** Frees what has not been sent. */
void mouv__command_clear(mouv__command_t *command);

/** Ends it and starts it as an operation. Consumes the command in every case. */
mouv_future_t mouv__command_send(mouv__command_t *command, mouv__output_t output);

/** As mouv__command_send(); that there is no such collection (code 26) is success. */
mouv_future_t mouv__command_send_to_drop(mouv__command_t *command);

/**
 * The long way, for operations with fields of their own: a request of `size` bytes with the command
 * in it, to be started with mouv__operation_start(); NULL with `*failed` if it has failed. Consumes
 * the command in every case.
 */
mouv__request_t *mouv__command_request(mouv__command_t *command, mouv__output_t output, size_t size,
                                       mouv_future_t *failed);

#endif
