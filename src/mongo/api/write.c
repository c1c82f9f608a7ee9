/*
 * insert, update, replace, delete: calls with one kind of statement. How statements become commands
 * is in batch.c; calls with several kinds are in bulk.c.
 */
#include "mongo/api/write.h"

#include "mongo/base/check.h"
#include "mongo/command/batch.h"

/* --- insert --------------------------------------------------------------------------------- */

static void write_begin_insert_one_reply(const mouv__write_t *write, bson_t *reply) {
    bson_iter_t id;
    bson_append_int32(reply, "insertedCount", -1, (int32_t)write->write_result.inserted);
    if (write->write_result.inserted == 0 || !write->ids) return;
    if (bson_iter_init(&id, write->ids) && bson_iter_next(&id)) {
        bson_append_iter(reply, "insertedId", -1, &id);
    }
}

static void write_begin_insert_many_reply(const mouv__write_t *write, bson_t *reply) {
    bson_t ids;
    bson_append_int32(reply, "insertedCount", -1, (int32_t)write->write_result.inserted);
    if (!write->ids) return;
    bson_append_document_begin(reply, "insertedIds", -1, &ids);
    mouv__write_result_append_done(&write->write_result, write->ids, &ids);
    bson_append_document_end(reply, &ids);
}

mouv_future_t mouv_collection_insert_one(mouv_collection_t *collection, const bson_t *document,
                                         const bson_t *opts, bson_t **reply) {
    static const mouv__write_row_t row = {{{"insert", MOUV__CHANGE}, MOUV__FAMILY_PLAIN, NULL},
                                          write_begin_insert_one_reply};
    mouv__batch_builder_t builder;
    mouv__output_t output = mouv__reply_to_reply(reply);
    bson_t *ids = reply ? bson_new() : NULL;
    mouv__batch_builder_begin(&builder, &row, collection, opts, document ? document->len + 24 : 0);
    if (!mouv__batch_builder_failed(&builder) &&
        mouv__check_stored(document, "document", mouv__command_validation(&builder.command),
                           &builder.command.error) == 0) {
        mouv__batch_builder_add_insert(&builder, document, ids);
    }
    return mouv__batch_builder_send(&builder, output, ids);
}

/** Its number is only written out for the one that is refused. */
static bool write_checks_nth(mouv__command_t *command, const bson_t *const *documents, size_t i) {
    unsigned flags = mouv__command_validation(command);
    mouv_error_t ignored;
    char argument[32];
    if (mouv__check_stored(documents[i], "documents", flags, &ignored) == 0) return true;
    bson_snprintf(argument, sizeof argument, "documents[%zu]", i);
    mouv__check_stored(documents[i], argument, flags, &command->error);
    return false;
}

mouv_future_t mouv_collection_insert_many(mouv_collection_t *collection,
                                          const bson_t *const *documents, size_t count,
                                          const bson_t *opts, bson_t **reply) {
    static const mouv__write_row_t row = {{{"insert", MOUV__CHANGE}, MOUV__FAMILY_PLAIN, NULL},
                                          write_begin_insert_many_reply};
    mouv__batch_builder_t builder;
    mouv__output_t output = mouv__reply_to_reply(reply);
    bson_t *ids = reply ? bson_new() : NULL;
    size_t size_hint = 0;
    for (size_t i = 0; documents && i < count; i++) {
        if (documents[i]) size_hint += documents[i]->len + 24;
    }
    mouv__batch_builder_begin(&builder, &row, collection, opts, size_hint);
    if (!documents || count == 0) {
        mouv__command_fail(&builder.command, MOUV_EINVAL, "'documents' is empty");
    }
    for (size_t i = 0; i < count && !mouv__batch_builder_failed(&builder); i++) {
        if (write_checks_nth(&builder.command, documents, i))
            mouv__batch_builder_add_insert(&builder, documents[i], ids);
    }
    return mouv__batch_builder_send(&builder, output, ids);
}

/* --- update, replace ------------------------------------------------------------------------ */

static void write_begin_update_reply(const mouv__write_t *write, bson_t *reply) {
    const mouv__write_result_t *write_result = &write->write_result;
    bson_iter_t id;
    bson_append_int32(reply, "matchedCount", -1, (int32_t)write_result->matched);
    bson_append_int32(reply, "modifiedCount", -1, (int32_t)write_result->modified);
    bson_append_int32(reply, "upsertedCount", -1, (int32_t)write_result->upserted);
    if (write_result->upserted_ids && bson_iter_init(&id, write_result->upserted_ids) &&
        bson_iter_next(&id)) {
        bson_append_iter(reply, "upsertedId", -1, &id);
    }
}

typedef int (*check_t)(const bson_t *document, unsigned flags, mouv_error_t *error);

static mouv_future_t write_update_with(mouv_collection_t *collection, const bson_t *filter,
                                       const bson_t *update, check_t check, bool multi,
                                       const bson_t *opts, bson_t **reply) {
    static const mouv__write_row_t row = {{{"update", MOUV__CHANGE}, MOUV__FAMILY_STATEMENTS, NULL},
                                          write_begin_update_reply};
    mouv__batch_builder_t builder;
    mouv__command_t *command = &builder.command;
    mouv__output_t output = mouv__reply_to_reply(reply);
    mouv__batch_builder_begin(&builder, &row, collection, opts,
                              (filter && update) ? filter->len + update->len : 0);
    if (mouv__command_checks(command, filter, "filter") &&
        check(update, mouv__command_validation(command), &command->error) == 0) {
        mouv__batch_builder_add_update(&builder, filter, update, multi, &command->opts);
    }
    return mouv__batch_builder_send(&builder, output, NULL);
}

mouv_future_t mouv_collection_update_one(mouv_collection_t *collection, const bson_t *filter,
                                         const bson_t *update, const bson_t *opts, bson_t **reply) {
    return write_update_with(collection, filter, update, mouv__check_update, false, opts, reply);
}

mouv_future_t mouv_collection_update_many(mouv_collection_t *collection, const bson_t *filter,
                                          const bson_t *update, const bson_t *opts,
                                          bson_t **reply) {
    return write_update_with(collection, filter, update, mouv__check_update, true, opts, reply);
}

mouv_future_t mouv_collection_replace_one(mouv_collection_t *collection, const bson_t *filter,
                                          const bson_t *replacement, const bson_t *opts,
                                          bson_t **reply) {
    return write_update_with(collection, filter, replacement, mouv__check_replacement, false, opts,
                             reply);
}

/* --- delete --------------------------------------------------------------------------------- */

static void write_begin_delete_reply(const mouv__write_t *write, bson_t *reply) {
    bson_append_int32(reply, "deletedCount", -1, (int32_t)write->write_result.deleted);
}

static mouv_future_t write_delete_by(const mouv__write_row_t *row, mouv_collection_t *collection,
                                     const bson_t *filter, bool multi, const bson_t *opts,
                                     bson_t **reply) {
    mouv__batch_builder_t builder;
    mouv__output_t output = mouv__reply_to_reply(reply);
    mouv__batch_builder_begin(&builder, row, collection, opts, filter ? filter->len : 0);
    if (mouv__command_checks(&builder.command, filter, "filter")) {
        mouv__batch_builder_add_delete(&builder, filter, multi, &builder.command.opts);
    }
    return mouv__batch_builder_send(&builder, output, NULL);
}

static mouv_future_t write_delete_with(mouv_collection_t *collection, const bson_t *filter,
                                       bool multi, const bson_t *opts, bson_t **reply) {
    static const mouv__write_row_t row = {{{"delete", MOUV__CHANGE}, MOUV__FAMILY_STATEMENTS, NULL},
                                          write_begin_delete_reply};
    return write_delete_by(&row, collection, filter, multi, opts, reply);
}

mouv_future_t mouv__write_clean_up(mouv_collection_t *collection, const bson_t *filter,
                                   const bson_t *opts) {
    static const mouv__write_row_t row = {
        {{"delete", MOUV__CHANGE | MOUV__OP_CLEANUP}, MOUV__FAMILY_STATEMENTS, NULL},
        write_begin_delete_reply};
    return write_delete_by(&row, collection, filter, true, opts, NULL);
}

mouv_future_t mouv_collection_delete_one(mouv_collection_t *collection, const bson_t *filter,
                                         const bson_t *opts, bson_t **reply) {
    return write_delete_with(collection, filter, false, opts, reply);
}

mouv_future_t mouv_collection_delete_many(mouv_collection_t *collection, const bson_t *filter,
                                          const bson_t *opts, bson_t **reply) {
    return write_delete_with(collection, filter, true, opts, reply);
}
