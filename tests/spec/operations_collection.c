/*
 * Operations on a collection that read.
 */
#include <string.h>

#include "spec/operations.h"
#include "spec/view.h"

/** With $out or $merge nothing comes back. */
static bool aggregate(spec_call_t *call) {
    bson_t pipeline;
    if (!spec_need_document(call, "pipeline", &pipeline)) return false;
    mouv_collection_t *collection = call->object->is.collection;
    return spec_take_rows(call, mouv_collection_aggregate(collection, &pipeline, call->opts));
}

static bool estimated_document_count(spec_call_t *call) {
    int64_t number = 0;
    if (spec_await(call, mouv_collection_estimated_document_count(call->object->is.collection,
                                                                  call->opts, &number))) {
        spec_result_int(call, number);
    }
    return true;
}

/** What drivers once had a method for: of all documents it is the estimate, which is the same
 *  command; else one of the user's own, which is never retried. */
static bool count(spec_call_t *call) {
    mouv_collection_t *collection = call->object->is.collection;
    bson_t filter, *reply = NULL;
    bson_iter_t field;
    spec_may_document(call, "filter", &filter);
    if (bson_empty(&filter)) return estimated_document_count(call);
    AUTO_BSON *command = BCON_NEW("count", BCON_UTF8(mouv_collection_name(collection)));
    BSON_APPEND_DOCUMENT(command, "query", &filter);
    mouv_database_t *database = mouv_collection_database(collection);
    if (spec_await(call, mouv_database_command(database, command, call->opts, &reply))) {
        const bson_value_t *n = spec_value(reply, "n", &field);
        if (n) spec_result_value(call, n);
    }
    bson_destroy(reply);
    return true;
}

static bool count_documents(spec_call_t *call) {
    bson_t filter;
    int64_t number = 0;
    if (!spec_need_document(call, "filter", &filter)) return false;
    if (spec_await(call, mouv_collection_count_documents(call->object->is.collection, &filter,
                                                         call->opts, &number))) {
        spec_result_int(call, number);
    }
    return true;
}

static bool distinct(spec_call_t *call) {
    bson_t filter, *values = NULL;
    const char *key = spec_need_string(call, "fieldName");
    if (!key) return false;
    spec_may_document(call, "filter", &filter);
    if (spec_await(call, mouv_collection_distinct(call->object->is.collection, key, &filter,
                                                  call->opts, &values))) {
        spec_result_array(call, values);
    }
    return true;
}

static mouv_cursor_t *begin_find(spec_call_t *call) {
    bson_t filter;
    spec_may_document(call, "filter", &filter);
    return mouv_collection_find(call->object->is.collection, &filter, call->opts);
}

static bool find(spec_call_t *call) {
    return spec_take_rows(call, begin_find(call));
}

static bool create_find_cursor(spec_call_t *call) {
    bson_t filter;
    if (!spec_need_document(call, "filter", &filter)) return false;
    BSON_APPEND_BOOL(call->opts, "prefetch", false);
    return spec_open_cursor(call, begin_find(call));
}

static bool find_one(spec_call_t *call) {
    bson_t filter, *document = NULL;
    spec_may_document(call, "filter", &filter);
    return spec_take_document(
        call, mouv_collection_find_one(call->object->is.collection, &filter, call->opts, &document),
        &document);
}

static bool create_change_stream(spec_call_t *call) {
    bson_t pipeline;
    spec_may_document(call, "pipeline", &pipeline);
    return spec_open_stream(
        call, mouv_collection_watch(call->object->is.collection, &pipeline, call->opts));
}

/** {results: [...]}, or nothing where it writes to a collection. */
static bool map_reduce(spec_call_t *call) {
    mouv_collection_t *collection = call->object->is.collection;
    bson_t *reply = NULL, results;
    bson_iter_t iter;
    AUTO_BSON *command = BCON_NEW("mapReduce", BCON_UTF8(mouv_collection_name(collection)));
    bson_iter_init(&iter, call->arguments);
    while (bson_iter_next(&iter)) {
        if (spec_has_word(call->operation->own, bson_iter_key(&iter))) {
            bson_append_iter(command, NULL, -1, &iter);
        }
    }
    mouv_database_t *database = mouv_collection_database(collection);
    if (spec_await(call, mouv_database_command(database, command, call->opts, &reply)) &&
        spec_document(reply, "results", &results)) {
        spec_result_rows(call, bson_copy(&results));
    }
    bson_destroy(reply);
    return true;
}

static bool drop(spec_call_t *call) {
    spec_await(call, mouv_collection_drop(call->object->is.collection, call->opts));
    return true;
}

static bool rename_collection(spec_call_t *call) {
    const char *to = spec_need_string(call, "to");
    if (!to) return false;
    spec_await(call, mouv_collection_rename(call->object->is.collection, to, call->opts));
    return true;
}

#define CURSOR_OPTIONS \
    SPEC_COMMON_OPTIONS \
    "allowDiskUse batchSize collation cursorType hint let maxAwaitTimeMS readConcern " \
    "readPreference timeoutMode "
#define FIND_OPTIONS \
    CURSOR_OPTIONS \
    "allowPartialResults limit max min noCursorTimeout oplogReplay projection returnKey " \
    "showRecordId skip sort"
#define COUNT_OPTIONS SPEC_COMMON_OPTIONS "collation hint limit readConcern readPreference skip"

const spec_operation_t spec_collection_operations[] = {
    {"aggregate", aggregate, "pipeline", CURSOR_OPTIONS "bypassDocumentValidation writeConcern"},
    {"count", count, "filter", COUNT_OPTIONS},
    {"countDocuments", count_documents, "filter", COUNT_OPTIONS},
    {"createChangeStream", create_change_stream, "pipeline", SPEC_STREAM_OPTIONS},
    {"createFindCursor", create_find_cursor, "filter", FIND_OPTIONS},
    {"distinct", distinct, "fieldName filter", COUNT_OPTIONS},
    {"drop", drop, "", SPEC_COMMON_OPTIONS "writeConcern"},
    {"estimatedDocumentCount", estimated_document_count, "", COUNT_OPTIONS},
    {"find", find, "filter", FIND_OPTIONS},
    {"findOne", find_one, "filter", FIND_OPTIONS},
    {"mapReduce", map_reduce, "map reduce out finalize limit query scope sort verbose jsMode",
     SPEC_COMMON_OPTIONS "bypassDocumentValidation collation readConcern readPreference "
                         "writeConcern"},
    {"rename", rename_collection, "to", SPEC_COMMON_OPTIONS "dropTarget writeConcern"},
    {NULL, NULL, NULL, NULL},
};
