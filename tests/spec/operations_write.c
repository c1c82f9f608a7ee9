/*
 * Operations on a collection that change documents.
 */
#include <string.h>

#include "spec/operations.h"
#include "spec/view.h"

/* --- insert ---------------------------------------------------------------------------------- */

static bool insert_one(spec_call_t *call) {
    bson_t document, *reply = NULL;
    if (!spec_need_document(call, "document", &document)) return false;
    return spec_take_write(
        call,
        mouv_collection_insert_one(call->object->is.collection, &document, call->opts, &reply),
        &reply);
}

/** Views of an array's documents, to be freed with spec_free_views(). */
static bson_t **views_of(const bson_t *array, size_t *count) {
    bson_iter_t iter;
    bson_t view;
    bson_t **views = bson_malloc0((bson_count_keys(array) + 1) * sizeof *views);
    bson_iter_init(&iter, array);
    for (*count = 0; bson_iter_next(&iter);) {
        spec_document_at(&iter, &view);
        views[(*count)++] = bson_copy(&view);
    }
    return views;
}

static void free_views(bson_t **views, size_t count) {
    for (size_t i = 0; i < count; i++) bson_destroy(views[i]);
    bson_free(views);
}

/** A BulkWriteResult, which is what insertMany gives, with what is always so of inserts. */
static void complete(bson_t **reply) {
    static const char *const counts[] = {"deletedCount", "matchedCount", "modifiedCount",
                                         "upsertedCount"};
    bson_t none;
    if (!*reply) return;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        bson_append_int32(*reply, counts[i], -1, 0);
    }
    bson_append_document_begin(*reply, "upsertedIds", -1, &none);
    bson_append_document_end(*reply, &none);
}

static bool insert_many(spec_call_t *call) {
    bson_t documents, *reply = NULL;
    size_t count;
    if (!spec_need_document(call, "documents", &documents)) return false;
    bson_t **views = views_of(&documents, &count);
    mouv_future_t inserted = mouv_collection_insert_many(
        call->object->is.collection, (const bson_t *const *)views, count, call->opts, &reply);
    free_views(views, count);
    spec_await(call, inserted);
    complete(&reply);
    return spec_note_write(call, reply);
}

/* --- update, replace, delete ----------------------------------------------------------------- */

typedef mouv_future_t (*change_fn_t)(mouv_collection_t *collection, const bson_t *filter,
                                     const bson_t *change, const bson_t *opts, bson_t **reply);
typedef mouv_future_t (*delete_fn_t)(mouv_collection_t *collection, const bson_t *filter,
                                     const bson_t *opts, bson_t **reply);

static bool change(spec_call_t *call, change_fn_t fn, const char *argument) {
    bson_t filter, update, *reply = NULL;
    if (!spec_need_document(call, "filter", &filter)) return false;
    if (!spec_need_document(call, argument, &update)) return false;
    return spec_take_write(
        call, fn(call->object->is.collection, &filter, &update, call->opts, &reply), &reply);
}

static bool update_one(spec_call_t *call) {
    return change(call, mouv_collection_update_one, "update");
}

static bool update_many(spec_call_t *call) {
    return change(call, mouv_collection_update_many, "update");
}

static bool replace_one(spec_call_t *call) {
    return change(call, mouv_collection_replace_one, "replacement");
}

static bool delete_matching(spec_call_t *call, delete_fn_t fn) {
    bson_t filter, *reply = NULL;
    if (!spec_need_document(call, "filter", &filter)) return false;
    return spec_take_write(call, fn(call->object->is.collection, &filter, call->opts, &reply),
                           &reply);
}

static bool delete_one(spec_call_t *call) {
    return delete_matching(call, mouv_collection_delete_one);
}

static bool delete_many(spec_call_t *call) {
    return delete_matching(call, mouv_collection_delete_many);
}

/* --- findOneAnd... --------------------------------------------------------------------------- */

static bool modify(spec_call_t *call, change_fn_t fn, const char *argument) {
    bson_t filter, update, *document = NULL;
    if (!spec_need_document(call, "filter", &filter)) return false;
    if (!spec_need_document(call, argument, &update)) return false;
    return spec_take_document(
        call, fn(call->object->is.collection, &filter, &update, call->opts, &document), &document);
}

static bool find_one_and_update(spec_call_t *call) {
    return modify(call, mouv_collection_find_one_and_update, "update");
}

static bool find_one_and_replace(spec_call_t *call) {
    return modify(call, mouv_collection_find_one_and_replace, "replacement");
}

static bool find_one_and_delete(spec_call_t *call) {
    bson_t filter, *document = NULL;
    if (!spec_need_document(call, "filter", &filter)) return false;
    return spec_take_document(call,
                              mouv_collection_find_one_and_delete(call->object->is.collection,
                                                                  &filter, call->opts, &document),
                              &document);
}

/* --- bulkWrite ------------------------------------------------------------------------------- */

/** One model: what it consists of, and the rest as its opts. */
typedef struct model {
    bson_t document, filter, update, replacement;
    bson_t *opts;
} model_t;

/* A model that is refused is told of by the execution. */
static void add_insert_one(mouv_bulk_t *bulk, const model_t *model) {
    mouv_bulk_insert_one(bulk, &model->document, model->opts, NULL);
}

static void add_update_one(mouv_bulk_t *bulk, const model_t *model) {
    mouv_bulk_update_one(bulk, &model->filter, &model->update, model->opts, NULL);
}

static void add_update_many(mouv_bulk_t *bulk, const model_t *model) {
    mouv_bulk_update_many(bulk, &model->filter, &model->update, model->opts, NULL);
}

static void add_replace_one(mouv_bulk_t *bulk, const model_t *model) {
    mouv_bulk_replace_one(bulk, &model->filter, &model->replacement, model->opts, NULL);
}

static void add_delete_one(mouv_bulk_t *bulk, const model_t *model) {
    mouv_bulk_delete_one(bulk, &model->filter, model->opts, NULL);
}

static void add_delete_many(mouv_bulk_t *bulk, const model_t *model) {
    mouv_bulk_delete_many(bulk, &model->filter, model->opts, NULL);
}

static const struct {
    const char *name;
    void (*add)(mouv_bulk_t *bulk, const model_t *model);
    const char *options;
} models[] = {
    {"insertOne", add_insert_one, ""},
    {"updateOne", add_update_one, "arrayFilters collation hint sort upsert"},
    {"updateMany", add_update_many, "arrayFilters collation hint upsert"},
    {"replaceOne", add_replace_one, "collation hint sort upsert"},
    {"deleteOne", add_delete_one, "collation hint"},
    {"deleteMany", add_delete_many, "collation hint"},
};

static bool read_model(spec_test_t *test, const bson_t *given, const char *options,
                       model_t *model) {
    bson_iter_t iter;
    spec_document(given, "document", &model->document);
    spec_document(given, "filter", &model->filter);
    spec_document(given, "update", &model->update);
    spec_document(given, "replacement", &model->replacement);
    model->opts = bson_new();
    bson_iter_init(&iter, given);
    while (bson_iter_next(&iter)) {
        const char *name = bson_iter_key(&iter);
        if (spec_has_word("document filter update replacement", name)) continue;
        if (!spec_has_word(options, name)) {
            return spec_unsupported(test, "argument '%s' of a model", name);
        }
        bson_append_iter(model->opts, NULL, -1, &iter);
    }
    return true;
}

static bool add_model(spec_call_t *call, mouv_bulk_t *bulk, const bson_t *request) {
    bson_t given;
    model_t model = {.opts = NULL};
    const char *name = spec_single(request, &given);
    for (size_t i = 0; name && i < sizeof models / sizeof *models; i++) {
        if (strcmp(models[i].name, name) != 0) continue;
        bool ok = read_model(call->test, &given, models[i].options, &model);
        if (ok) models[i].add(bulk, &model);
        bson_destroy(model.opts);
        return ok;
    }
    return spec_unsupported(call->test, "model '%s'", name ? name : "?");
}

static bool bulk_write(spec_call_t *call) {
    bson_t requests, request, *reply = NULL;
    bson_iter_t iter;
    if (!spec_need_document(call, "requests", &requests)) return false;
    MOUV_AUTO_BULK mouv_bulk_t *bulk =
        mouv_collection_create_bulk(call->object->is.collection, call->opts);
    bson_iter_init(&iter, &requests);
    while (bson_iter_next(&iter)) {
        spec_document_at(&iter, &request);
        if (!add_model(call, bulk, &request)) return false;
    }
    return spec_take_write(call, mouv_bulk_execute(bulk, &reply), &reply);
}

/* --- The table ------------------------------------------------------------------------------- */

#define WRITE_OPTIONS SPEC_COMMON_OPTIONS "bypassDocumentValidation let writeConcern "
#define MATCH_OPTIONS WRITE_OPTIONS "collation hint "
#define MODIFY_OPTIONS MATCH_OPTIONS "projection sort "

const spec_operation_t spec_collection_writes[] = {
    {"bulkWrite", bulk_write, "requests", WRITE_OPTIONS "ordered"},
    {"deleteMany", delete_many, "filter", MATCH_OPTIONS},
    {"deleteOne", delete_one, "filter", MATCH_OPTIONS},
    {"findOneAndDelete", find_one_and_delete, "filter", MODIFY_OPTIONS},
    {"findOneAndReplace", find_one_and_replace, "filter replacement",
     MODIFY_OPTIONS "returnDocument upsert"},
    {"findOneAndUpdate", find_one_and_update, "filter update",
     MODIFY_OPTIONS "arrayFilters returnDocument upsert"},
    {"insertMany", insert_many, "documents", WRITE_OPTIONS "ordered"},
    {"insertOne", insert_one, "document", WRITE_OPTIONS},
    {"replaceOne", replace_one, "filter replacement", MATCH_OPTIONS "sort upsert"},
    {"updateMany", update_many, "filter update", MATCH_OPTIONS "arrayFilters upsert"},
    {"updateOne", update_one, "filter update", MATCH_OPTIONS "arrayFilters sort upsert"},
    {NULL, NULL, NULL, NULL},
};
