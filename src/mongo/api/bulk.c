/*
 * Bulk writes: models become statements of batches as they are added, and are sent as one
 * operation. Batches, sending and adding up are those of every write (batch.c, write_result.c).
 */
#include <mouv/bulk.h>

#include <stdlib.h>

#include "async/task/runtime.h"
#include "mongo/api/client.h"
#include "mongo/base/check.h"
#include "mongo/base/timeout.h"
#include "mongo/command/batch.h"
#include "mongo/session/session.h"

/* Embeds BSON structs, so it is allocated by their alignment (128 in libmongoc 1.x). */
struct mouv_bulk {
    mouv__batch_builder_t builder;
    mouv_client_t *client;   /**< counted; NULL: made from a NULL handle */
    mouv_session_t *session; /**< counted; NULL: none */
    bson_t *ids;             /**< of the inserts: {"<index>": _id} */
    unsigned validation;
    bool executed; /**< `builder` and `ids` are another's */
};

/* --- The reply ------------------------------------------------------------------------------ */

static void bulk_append_count(bson_t *reply, const char *name, int64_t count) {
    bson_append_int32(reply, name, -1, (int32_t)count);
}

static void bulk_begin_reply(const mouv__write_t *write, bson_t *reply) {
    const mouv__write_result_t *write_result = &write->write_result;
    bson_t ids;
    bulk_append_count(reply, "insertedCount", write_result->inserted);
    bulk_append_count(reply, "matchedCount", write_result->matched);
    bulk_append_count(reply, "modifiedCount", write_result->modified);
    bulk_append_count(reply, "deletedCount", write_result->deleted);
    bulk_append_count(reply, "upsertedCount", write_result->upserted);
    bson_append_document_begin(reply, "insertedIds", -1, &ids);
    mouv__write_result_append_done(write_result, write->ids, &ids);
    bson_append_document_end(reply, &ids);
    bson_append_document_begin(reply, "upsertedIds", -1, &ids);
    if (write_result->upserted_ids) bson_concat(&ids, write_result->upserted_ids);
    bson_append_document_end(reply, &ids);
}

/* --- Beginning and end ---------------------------------------------------------------------- */

mouv_bulk_t *mouv_collection_create_bulk(mouv_collection_t *collection, const bson_t *opts) {
    static const mouv__write_row_t row = {{{"bulkWrite", MOUV__CHANGE}, MOUV__FAMILY_PLAIN, NULL},
                                          bulk_begin_reply};
    mouv_bulk_t *bulk = aligned_alloc(_Alignof(mouv_bulk_t), sizeof *bulk);
    if (!bulk) return NULL;
    mouv__batch_builder_begin(&bulk->builder, &row, collection, opts, 0);
    bulk->validation = mouv__command_validation(&bulk->builder.command);
    bulk->builder.command.opts.given = NULL; /* the caller's, and in already */
    mouv_database_t *database = bulk->builder.command.database;
    bulk->client = database ? mouv__client_keep_open(database->client) : NULL;
    bulk->session = bulk->builder.command.session;
    if (bulk->session) mouv__session_hold(bulk->session);
    bulk->ids = bson_new();
    bulk->executed = false;
    return bulk;
}

mouv_bulk_t *mouv_bulk_unref(mouv_bulk_t *bulk) {
    if (!bulk) return NULL;
    if (!bulk->executed) {
        mouv__batch_builder_clear(&bulk->builder);
        bson_destroy(bulk->ids);
    }
    if (bulk->session) mouv__session_let_go(bulk->session);
    mouv__client_may_close(bulk->client);
    free(bulk);
    return NULL;
}

void mouv_bulk_drop(mouv_bulk_t **bulk) {
    if (bulk) *bulk = mouv_bulk_unref(*bulk);
}

size_t mouv_bulk_count(const mouv_bulk_t *bulk) {
    return bulk ? bulk->builder.statement_count : 0;
}

/* --- Models --------------------------------------------------------------------------------- */

/** A model on its way in. */
typedef struct model {
    mouv_bulk_t *bulk;
    mouv__opts_t opts;
    unsigned validation;
    mouv_error_t error; /**< `code` below 0: refused */
} model_t;

/** Options that no statement of this kind has. */
static int bulk_refuse_strangers(model_t *model) {
    bson_t strange = BSON_INITIALIZER;
    bson_iter_t first;
    mouv__opts_append(&model->opts, MOUV__PLACE_TOP, &strange);
    bool timed = model->opts.timeout_ms != MOUV__TIMEOUT_UNSET; /* the bulk's own option */
    if (timed) BSON_APPEND_INT64(&strange, "timeoutMS", model->opts.timeout_ms);
    bool found = bson_iter_init(&first, &strange) && bson_iter_next(&first);
    if (found) {
        mouv_error_set(&model->error, MOUV_EINVAL, "a model has no option '%.80s'",
                       bson_iter_key(&first));
    }
    bson_destroy(&strange);
    return model->error.code;
}

/** Reads the model's options; false: it has failed. */
static bool bulk_begin_model(model_t *model, mouv_bulk_t *bulk, unsigned families,
                             const bson_t *opts) {
    model->bulk = bulk;
    model->error.code = 0;
    if (!bulk) {
        mouv_error_set(&model->error, MOUV_EINVAL, "the bulk is NULL");
    } else if (bulk->executed) {
        mouv_error_set(&model->error, MOUV_ESTATE, "the bulk has been executed");
    } else if (mouv__batch_builder_failed(&bulk->builder)) {
        model->error = bulk->builder.command.error;
    } else if (mouv__opts_read(&model->opts, families, opts, &model->error) == 0) {
        model->validation = model->opts.validate ? bulk->validation : (unsigned)BSON_VALIDATE_NONE;
        bulk_refuse_strangers(model);
    }
    return model->error.code == 0;
}

/** The first model that is refused is what the whole bulk fails with. */
static int bulk_end_model(model_t *model, mouv_error_t *error) {
    mouv_bulk_t *bulk = model->bulk;
    if (bulk && !bulk->executed) {
        mouv__command_t *command = &bulk->builder.command;
        if (model->error.code < 0) {
            mouv__command_fail(command, model->error.code, "model %u: %s",
                               bulk->builder.statement_count, model->error.message);
        }
        model->error = command->error;
    }
    if (model->error.code == 0) return 0;
    return mouv_error_set(error, model->error.code, "%s", model->error.message);
}

int mouv_bulk_insert_one(mouv_bulk_t *bulk, const bson_t *document, const bson_t *opts,
                         mouv_error_t *error) {
    model_t model;
    if (bulk_begin_model(&model, bulk, MOUV__FAMILY_PLAIN, opts) &&
        mouv__check_stored(document, "document", model.validation, &model.error) == 0) {
        mouv__batch_builder_add_insert(&bulk->builder, document, bulk->ids);
    }
    return bulk_end_model(&model, error);
}

typedef int (*check_t)(const bson_t *document, unsigned flags, mouv_error_t *error);

static int bulk_add_update(mouv_bulk_t *bulk, const bson_t *filter, const bson_t *update,
                           check_t check, bool multi, const bson_t *opts, mouv_error_t *error) {
    model_t model;
    if (bulk_begin_model(&model, bulk, MOUV__FAMILY_STATEMENTS, opts) &&
        mouv__check_document(filter, "filter", MOUV__VALIDATE_DEFAULT, &model.error) == 0 &&
        check(update, model.validation, &model.error) == 0) {
        mouv__batch_builder_add_update(&bulk->builder, filter, update, multi, &model.opts);
    }
    return bulk_end_model(&model, error);
}

int mouv_bulk_update_one(mouv_bulk_t *bulk, const bson_t *filter, const bson_t *update,
                         const bson_t *opts, mouv_error_t *error) {
    return bulk_add_update(bulk, filter, update, mouv__check_update, false, opts, error);
}

int mouv_bulk_update_many(mouv_bulk_t *bulk, const bson_t *filter, const bson_t *update,
                          const bson_t *opts, mouv_error_t *error) {
    return bulk_add_update(bulk, filter, update, mouv__check_update, true, opts, error);
}

int mouv_bulk_replace_one(mouv_bulk_t *bulk, const bson_t *filter, const bson_t *replacement,
                          const bson_t *opts, mouv_error_t *error) {
    return bulk_add_update(bulk, filter, replacement, mouv__check_replacement, false, opts, error);
}

static int bulk_add_delete(mouv_bulk_t *bulk, const bson_t *filter, bool multi, const bson_t *opts,
                           mouv_error_t *error) {
    model_t model;
    if (bulk_begin_model(&model, bulk, MOUV__FAMILY_STATEMENTS, opts) &&
        mouv__check_document(filter, "filter", MOUV__VALIDATE_DEFAULT, &model.error) == 0) {
        mouv__batch_builder_add_delete(&bulk->builder, filter, multi, &model.opts);
    }
    return bulk_end_model(&model, error);
}

int mouv_bulk_delete_one(mouv_bulk_t *bulk, const bson_t *filter, const bson_t *opts,
                         mouv_error_t *error) {
    return bulk_add_delete(bulk, filter, false, opts, error);
}

int mouv_bulk_delete_many(mouv_bulk_t *bulk, const bson_t *filter, const bson_t *opts,
                          mouv_error_t *error) {
    return bulk_add_delete(bulk, filter, true, opts, error);
}

/* --- Sending -------------------------------------------------------------------------------- */

static mouv_future_t bulk_refuse(int code, const char *why) {
    mouv_error_t error;
    mouv_error_set(&error, code, "bulkWrite: %s", why);
    return mouv__future_failed_with(mouv__runtime(), &error);
}

mouv_future_t mouv_bulk_execute(mouv_bulk_t *bulk, bson_t **reply) {
    mouv__output_t output = mouv__reply_to_reply(reply);
    if (!bulk) return bulk_refuse(MOUV_EINVAL, "the bulk is NULL");
    if (bulk->executed) return bulk_refuse(MOUV_ESTATE, "it has been executed");
    if (bulk->builder.statement_count == 0) {
        mouv__command_fail(&bulk->builder.command, MOUV_EINVAL, "it has no models");
    }
    bulk->executed = true;
    return mouv__batch_builder_send(&bulk->builder, output, bulk->ids);
}
