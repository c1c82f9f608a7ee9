/*
 * One command in the making and its way to an operation. Every call of the public surface is
 *
 *     static const mouv__row_t distinct = {{"distinct", MOUV__READ}, MOUV__FAMILY_PLAIN,
 *                                          mouv__read_values};           its options, its result
 *     mouv__command_t command;                                           and its call:
 *     mouv__command_begin(&command, &distinct, collection, opts);
 *     mouv__command_string(&command, "key", key);
 *     mouv__command_document(&command, "query", filter, "filter");
 *     return mouv__command_send(&command, mouv__to_value(values));
 *
 * The first failure sticks: later steps do nothing and sending gives a future that has failed so.
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

typedef struct mouv__request mouv__request_t;

/**
 * Reads the reply of a command that succeeded into the request's result; see reply.h. Returns the
 * future's result, or a negative code if the reply is not what it must be.
 */
typedef int (*mouv__reader_t)(mouv__request_t *request, const bson_t *reply);

/** One name: its flags, how it takes its options, who reads its reply (NULL: success is all). */
typedef struct mouv__row {
    mouv__operation_row_t operation; /**< first: op->row is this row */
    unsigned families;               /**< mouv__family_t */
    mouv__reader_t read;
} mouv__row_t;

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
mouv__output_t mouv__to_nobody(void);
mouv__output_t mouv__to_reply(bson_t **to); /**< given whenever the server answered */
mouv__output_t mouv__to_value(bson_t **to); /**< given on success */
mouv__output_t mouv__to_number(int64_t *to);
mouv__output_t mouv__to_names(char ***to);
mouv__output_t mouv__to_name(char **to); /**< the first of the names */

/** An operation and its result, which waits here until it is delivered. */
struct mouv__request {
    mouv__operation_t operation; /**< first, so that they are one object */
    mouv__output_t output;
    bson_t *document; /**< owned: of TO_REPLY and TO_VALUE */
    char **names;     /**< owned: of TO_NAMES, TO_NAME */
    int64_t number;   /**< of TO_NUMBER */
};

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

/** Inside `finish`: the reply, which the caller then owns; large as it may be, it is not copied. */
bson_t *mouv__operation_take_reply(mouv__operation_t *operation);

/** Frees a request's result; for the `release` of larger ones. */
void mouv__request_release(mouv__operation_t *operation);

#endif
