/*
 * The operations on a collection that read, count, change one document and give it back, or drop.
 * Each is its row (flags, options, reply) and its call. Writes are in write.c, cursors in cursor.c.
 */
#include <mouv/collection.h>

#include <string.h>

#include "mongo/api/client.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/concern.h"
#include "mongo/command/command.h"
#include "mongo/command/reply.h"
#include "mongo/cursor/cursor.h"

const char *mouv_collection_name(const mouv_collection_t *collection) {
    return collection ? collection->name : NULL;
}

mouv_database_t *mouv_collection_database(const mouv_collection_t *collection) {
    return collection ? collection->database : NULL;
}

bson_t *mouv_collection_defaults(const mouv_collection_t *collection) {
    const mouv_client_t *client = collection ? collection->database->client : NULL;
    return client && !mouv__client_is_elsewhere(client)
               ? mouv__concern_describe(collection->defaults, client)
               : NULL;
}

/* --- find ----------------------------------------------------------------------------------- */

/** What to read: NULL is everything. Writes do not take that: it would be too easily an oversight.
 */
static const bson_t *collection_or_all(const bson_t *filter) {
    static const bson_t all = BSON_INITIALIZER;
    return filter ? filter : &all;
}

mouv_future_t mouv_collection_find_one(mouv_collection_t *collection, const bson_t *filter,
                                       const bson_t *opts, bson_t **doc) {
    static const mouv__row_t find = {
        {"find", MOUV__READ}, MOUV__FAMILY_FIND, mouv__reply_read_first};
    mouv__command_t command;
    mouv__command_begin(&command, &find, collection, opts);
    mouv__command_document(&command, "filter", collection_or_all(filter), "filter");
    mouv__command_int(&command, "limit", 1);
    mouv__command_bool(&command, "singleBatch", true);
    return mouv__command_send(&command, mouv__reply_to_value(doc));
}

/** What limit and batchSize in `opts` mean to the server; see the find specification. */
static void collection_append_limit(mouv__command_t *command) {
    mouv__opts_t *opts = &command->opts;
    int64_t limit = opts->limit;
    if (limit < 0) limit = limit == INT64_MIN ? INT64_MAX : -limit;
    if (limit > 0) mouv__command_int(command, "limit", limit);
    if (opts->limit < 0 || opts->single_batch) mouv__command_bool(command, "singleBatch", true);
    /* One more than the limit, else the server leaves a cursor open that has nothing left. */
    int64_t batch_size = opts->batch_size;
    if (limit > 0 && batch_size == limit && limit < INT32_MAX) batch_size++;
    if (batch_size >= 0) mouv__command_int(command, "batchSize", batch_size);
}

mouv_cursor_t *mouv_collection_find(mouv_collection_t *collection, const bson_t *filter,
                                    const bson_t *opts) {
    static const mouv__row_t find = {{"find", MOUV__READ}, MOUV__FAMILY_FIND, NULL};
    static const mouv__row_t tail = {{"find", MOUV__TAIL}, MOUV__FAMILY_FIND, NULL};
    mouv__command_t command;
    mouv__command_begin(&command, &find, collection, opts);
    if (command.opts.tailable && command.opts.await_data) command.row = &tail;
    mouv__command_document(&command, "filter", collection_or_all(filter), "filter");
    collection_append_limit(&command);
    return mouv__cursor_new(&command);
}

/* --- aggregate ------------------------------------------------------------------------------ */

mouv_cursor_t *mouv_collection_aggregate(mouv_collection_t *collection, const bson_t *pipeline,
                                         const bson_t *opts) {
    mouv__command_t command;
    mouv__command_begin(&command, mouv__cursor_aggregate_row(pipeline), collection, opts);
    mouv__command_pipeline(&command, pipeline);
    return mouv__cursor_new(&command);
}

static void collection_append_stage(bson_t *stages, uint32_t *count, const char *name,
                                    int64_t value) {
    char text[16];
    const char *key;
    bson_t stage;
    bson_uint32_to_string((*count)++, &key, text, sizeof text);
    bson_append_document_begin(stages, key, -1, &stage);
    bson_append_int64(&stage, name, -1, value);
    bson_append_document_end(stages, &stage);
}

/** [{$match}, {$skip}, {$limit}, {$group: {_id: 1, n: {$sum: 1}}}] */
static void collection_append_counting(mouv__command_t *command, const bson_t *filter) {
    bson_t stages, stage, group, sum;
    uint32_t count = 1;
    char text[16];
    const char *key;
    mouv__append_array_begin(command->bson, "pipeline", &stages);
    bson_append_document_begin(&stages, "0", -1, &stage);
    bson_append_document(&stage, "$match", -1, filter);
    bson_append_document_end(&stages, &stage);
    if (command->opts.skip > 0)
        collection_append_stage(&stages, &count, "$skip", command->opts.skip);
    if (command->opts.limit != 0)
        collection_append_stage(&stages, &count, "$limit", command->opts.limit);
    bson_uint32_to_string(count, &key, text, sizeof text);
    bson_append_document_begin(&stages, key, -1, &stage);
    bson_append_document_begin(&stage, "$group", -1, &group);
    bson_append_int32(&group, "_id", -1, 1);
    bson_append_document_begin(&group, "n", -1, &sum);
    bson_append_int32(&sum, "$sum", -1, 1);
    bson_append_document_end(&group, &sum);
    bson_append_document_end(&stage, &group);
    bson_append_document_end(&stages, &stage);
    bson_append_array_end(command->bson, &stages);
}

mouv_future_t mouv_collection_count_documents(mouv_collection_t *collection, const bson_t *filter,
                                              const bson_t *opts, int64_t *count) {
    static const mouv__row_t row = {
        {"aggregate", MOUV__READ}, MOUV__FAMILY_COUNT, mouv__reply_read_counted};
    mouv__command_t command;
    mouv__command_begin(&command, &row, collection, opts);
    filter = collection_or_all(filter);
    if (mouv__command_checks(&command, filter, "filter"))
        collection_append_counting(&command, filter);
    mouv__command_empty(&command, "cursor");
    return mouv__command_send(&command, mouv__reply_to_number(count));
}

/* --- count, distinct ------------------------------------------------------------------------ */

mouv_future_t mouv_collection_estimated_document_count(mouv_collection_t *collection,
                                                       const bson_t *opts, int64_t *count) {
    static const mouv__row_t row = {
        {"count", MOUV__READ}, MOUV__FAMILY_PLAIN, mouv__reply_read_count};
    mouv__command_t command;
    mouv__command_begin(&command, &row, collection, opts);
    return mouv__command_send(&command, mouv__reply_to_number(count));
}

mouv_future_t mouv_collection_distinct(mouv_collection_t *collection, const char *key,
                                       const bson_t *filter, const bson_t *opts, bson_t **values) {
    static const mouv__row_t distinct = {
        {"distinct", MOUV__READ}, MOUV__FAMILY_PLAIN, mouv__reply_read_values};
    mouv__command_t command;
    mouv__command_begin(&command, &distinct, collection, opts);
    mouv__command_string(&command, "key", key);
    mouv__command_document(&command, "query", collection_or_all(filter), "filter");
    return mouv__command_send(&command, mouv__reply_to_value(values));
}

/* --- findAndModify -------------------------------------------------------------------------- */

static void collection_begin_modify(mouv__command_t *command, mouv_collection_t *collection,
                                    const bson_t *filter, const bson_t *opts) {
    static const mouv__row_t modify = {
        {"findAndModify", MOUV__CHANGE}, MOUV__FAMILY_MODIFY, mouv__reply_read_value};
    static const mouv__row_t whole = {
        {"findAndModify", MOUV__CHANGE}, MOUV__FAMILY_MODIFY, mouv__reply_read_modified};
    mouv__command_begin(command, &modify, collection, opts);
    if (command->opts.metadata) command->row = &whole;
    mouv__command_document(command, "query", filter, "filter");
}

/** `new` of the server, `returnDocument` of the specifications. */
static void collection_append_return(mouv__command_t *command) {
    const mouv__view_t *given = &command->opts.return_document;
    bool after = command->opts.return_new;
    if (given->data) {
        const char *text = (const char *)given->data;
        after = strcmp(text, "after") == 0;
        if (!after && strcmp(text, "before") != 0) {
            mouv__command_fail(command, MOUV_EINVAL,
                               "option 'returnDocument': expected 'before' or 'after', got '%.40s'",
                               text);
        }
    }
    if (after) mouv__command_bool(command, "new", true);
}

mouv_future_t mouv_collection_find_one_and_update(mouv_collection_t *collection,
                                                  const bson_t *filter, const bson_t *update,
                                                  const bson_t *opts, bson_t **doc) {
    mouv__command_t command;
    collection_begin_modify(&command, collection, filter, opts);
    mouv__command_update(&command, "update", update);
    collection_append_return(&command);
    return mouv__command_send(&command, mouv__reply_to_value(doc));
}

mouv_future_t mouv_collection_find_one_and_replace(mouv_collection_t *collection,
                                                   const bson_t *filter, const bson_t *replacement,
                                                   const bson_t *opts, bson_t **doc) {
    mouv__command_t command;
    collection_begin_modify(&command, collection, filter, opts);
    mouv__command_replacement(&command, "update", replacement);
    collection_append_return(&command);
    return mouv__command_send(&command, mouv__reply_to_value(doc));
}

mouv_future_t mouv_collection_find_one_and_delete(mouv_collection_t *collection,
                                                  const bson_t *filter, const bson_t *opts,
                                                  bson_t **doc) {
    mouv__command_t command;
    collection_begin_modify(&command, collection, filter, opts);
    mouv__command_bool(&command, "remove", true);
    return mouv__command_send(&command, mouv__reply_to_value(doc));
}

/* --- drop ----------------------------------------------------------------------------------- */

mouv_future_t mouv_collection_drop(mouv_collection_t *collection, const bson_t *opts) {
    static const mouv__row_t drop = {{"drop", MOUV__ADMIN}, MOUV__FAMILY_PLAIN, NULL};
    mouv__command_t command;
    mouv__command_begin(&command, &drop, collection, opts);
    return mouv__command_send_to_drop(&command);
}
