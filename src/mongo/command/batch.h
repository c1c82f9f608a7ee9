/*
 * What every write is made of: statements gathered into batches, each of which is one command. A
 * builder lives on the caller's stack (or in a bulk) and takes statements; it closes a batch where
 * the server's limits of size or count are reached (docs/decisions/0007, 0019). Sending hands them
 * to one operation, which owns them then and sends one after the other (each `finish` asks for
 * another attempt), adds up what is answered and begins the reply by its row. Loop thread.
 *
 * What the client's transport takes decides how a batch holds its statements, once for a builder: as
 * an array in the command, or as a sequence beside it, which may be three times as long and is
 * cheaper for both sides. Inserts are written where they stay at once: nothing is copied twice.
 *
 *     mouv__batch_builder_t builder;
 *     mouv__batch_builder_begin(&builder, &row, collection, opts, size_hint);
 *     mouv__batch_builder_add_update(&builder, filter, update, false, &builder.command.opts);
 *     return mouv__batch_builder_send(&builder, mouv__reply_to_reply(reply), NULL);
 */
#ifndef MOUV_MONGO_COMMAND_BATCH_H
#define MOUV_MONGO_COMMAND_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mongo/command/command.h"
#include "mongo/command/write_result.h"

typedef struct mouv__write mouv__write_t;

/** A row of operations that write, and how their reply begins. */
typedef struct mouv__write_row {
    mouv__row_t row; /**< first: op->parts.row is this row */
    void (*begin_reply)(const mouv__write_t *write, bson_t *reply);
} mouv__write_row_t;

/** One command. */
typedef struct mouv__batch {
    bson_t *command;            /**< owned until it is sent */
    mouv__sequence_t *sequence; /**< its statements, owned likewise; NULL: in the command */
    mouv__span_t span;
    uint32_t *indexes; /**< owned: those of `span`, or NULL */
    mouv__write_kind_t kind;
    bool multi; /**< has a statement that changes many documents: not retryable */
} mouv__batch_t;

/** An operation that sends one batch after the other. */
struct mouv__write {
    mouv__request_t request; /**< first */
    mouv__batch_t *batches;  /**< owned */
    uint32_t batch_count, sent;
    bool ordered;
    bson_t *ids; /**< of inserts whose reply is wanted: {"<index>": _id}; owned */
    mouv__write_result_t write_result;
    mouv_error_t *first_error; /**< owned */
};

/** A batch that still takes statements. */
typedef struct mouv__open_batch {
    bson_t statements; /**< of the command's array */
    uint32_t batch;
    bool open;
} mouv__open_batch_t;

/** Batches in the making; `command` is what stands before the statements of each. */
typedef struct mouv__batch_builder {
    mouv__command_t command;
    mouv__batch_t *batches;
    uint32_t batch_count, statement_count;
    bool ordered;     /**< a batch ends where the kind changes; else there is one of each kind */
    bool multi;       /**< has a statement that changes many documents */
    bool sequences;   /**< statements go beside the command */
    size_t size_hint; /**< bytes of the statements to come */
    mouv__open_batch_t open[MOUV__WRITE_KINDS];
} mouv__batch_builder_t;

/** Begins; the user's opts are in afterwards. */
void mouv__batch_builder_begin(mouv__batch_builder_t *builder, const mouv__write_row_t *row,
                               const mouv_collection_t *collection, const bson_t *opts,
                               size_t size_hint);

static inline bool mouv__batch_builder_failed(const mouv__batch_builder_t *builder) {
    return mouv__command_failed(&builder->command);
}

/** Adds a document that has been checked, with an _id in front if it has none; keeps that in `ids`
 *  (may be NULL). */
void mouv__batch_builder_add_insert(mouv__batch_builder_t *builder, const bson_t *document,
                                    bson_t *ids);

/** Adds {q, u, multi, <options>}. */
void mouv__batch_builder_add_update(mouv__batch_builder_t *builder, const bson_t *filter,
                                    const bson_t *update, bool multi, const mouv__opts_t *opts);

/** Adds {q, limit, <options>}. */
void mouv__batch_builder_add_delete(mouv__batch_builder_t *builder, const bson_t *filter,
                                    bool multi, const mouv__opts_t *opts);

/** Sends what has been made. Consumes it, and `ids`, in every case. */
mouv_future_t mouv__batch_builder_send(mouv__batch_builder_t *builder, mouv__output_t reply,
                                       bson_t *ids);

/** Frees what has not been sent. */
void mouv__batch_builder_clear(mouv__batch_builder_t *builder);

#endif
