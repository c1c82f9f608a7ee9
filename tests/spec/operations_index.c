/*
 * Operations on a collection's indexes.
 */
#include <string.h>

#include "spec/operations.h"
#include "spec/view.h"

/* --- create ---------------------------------------------------------------------------------- */

static const char command_options[] = SPEC_COMMON_OPTIONS "commitQuorum writeConcern";

/** What is about the index itself: all but `keys` and the options of the command. */
static bson_t *index_options(const bson_t *given) {
    bson_t *options = bson_new();
    bson_iter_t iter;
    bson_iter_init(&iter, given);
    while (bson_iter_next(&iter)) {
        const char *name = bson_iter_key(&iter);
        if (strcmp(name, "keys") == 0 || spec_has_word(command_options, name)) continue;
        bson_append_iter(options, NULL, -1, &iter);
    }
    return options;
}

static bool create_index(spec_call_t *call) {
    bson_t keys;
    char *name = NULL;
    if (!spec_need_document(call, "keys", &keys)) return false;
    AUTO_BSON *options = index_options(call->arguments);
    if (spec_await(call, mouv_collection_create_index(call->object->is.collection, &keys, options,
                                                      call->opts, &name))) {
        spec_result_string(call, name);
    }
    bson_free(name);
    return true;
}

enum { MODELS_MAX = 64 };

static bool create_indexes(spec_call_t *call) {
    bson_t models, model, keys;
    bson_iter_t iter;
    mouv_index_model_t each[MODELS_MAX];
    size_t count = 0;
    char **names = NULL;
    if (!spec_need_document(call, "models", &models)) return false;
    bson_iter_init(&iter, &models);
    while (bson_iter_next(&iter) && count < MODELS_MAX) {
        spec_document_at(&iter, &model);
        spec_document(&model, "keys", &keys);
        each[count++] = (mouv_index_model_t){bson_copy(&keys), index_options(&model)};
    }
    mouv_future_t created = mouv_collection_create_indexes(call->object->is.collection, each, count,
                                                           call->opts, &names);
    for (size_t i = 0; i < count; i++) {
        bson_destroy((bson_t *)each[i].keys);
        bson_destroy((bson_t *)each[i].opts);
    }
    if (spec_await(call, created)) spec_result_names(call, names);
    return true;
}

/* --- list and drop --------------------------------------------------------------------------- */

static bool list_indexes(spec_call_t *call) {
    return spec_take_rows(call,
                          mouv_collection_list_indexes(call->object->is.collection, call->opts));
}

static bool list_index_names(spec_call_t *call) {
    bson_t *list = NULL, *names, index;
    bson_iter_t iter;
    mouv_cursor_t *cursor = mouv_collection_list_indexes(call->object->is.collection, call->opts);
    if (spec_await(call, mouv_cursor_to_list_future(cursor, 0, &list))) {
        names = bson_new();
        bson_iter_init(&iter, list);
        while (bson_iter_next(&iter)) {
            spec_document_at(&iter, &index);
            spec_append_string(names, spec_string(&index, "name"));
        }
        spec_result_array(call, names);
    }
    bson_destroy(list);
    mouv_cursor_unref(cursor);
    return true;
}

/** By its name, or by its keys. */
static bool drop_index(spec_call_t *call) {
    bson_t keys;
    bool by_keys = spec_document(call->arguments, "keys", &keys);
    AUTO_TEXT *of_keys = by_keys ? mouv_index_name(&keys) : NULL;
    const char *name = by_keys ? of_keys : spec_need_string(call, "name");
    if (!name) return spec_fail(call->test, "keys that no index can have");
    spec_await(call, mouv_collection_drop_index(call->object->is.collection, name, call->opts));
    return true;
}

static bool drop_indexes(spec_call_t *call) {
    spec_await(call, mouv_collection_drop_indexes(call->object->is.collection, call->opts));
    return true;
}

/* --- Search indexes: commands of Atlas ------------------------------------------------------- */

/** Takes `command`. */
static bool run_search_command(spec_call_t *call, bson_t *command, bson_t **reply) {
    mouv_database_t *database = mouv_collection_database(call->object->is.collection);
    bool ok = spec_await(call, mouv_database_command(database, command, call->opts, reply));
    bson_destroy(command);
    return ok;
}

static bson_t *search_command(const spec_call_t *call, const char *name) {
    return BCON_NEW(name, BCON_UTF8(mouv_collection_name(call->object->is.collection)));
}

/** The names of {indexesCreated: [{id, name}]}. */
static bson_t *created_names(const bson_t *reply) {
    bson_t *names = bson_new(), created, each;
    bson_iter_t iter;
    spec_document(reply, "indexesCreated", &created);
    bson_iter_init(&iter, &created);
    while (bson_iter_next(&iter)) {
        spec_document_at(&iter, &each);
        const char *name = spec_string(&each, "name");
        spec_append_string(names, name ? name : "");
    }
    return names;
}

static bool create_search_indexes(spec_call_t *call) {
    bson_t models, *reply = NULL;
    bson_iter_t iter;
    const bson_value_t *one = spec_value(call->arguments, "model", &iter);
    AUTO_BSON *single = bson_new();
    if (one) spec_append_element(single, one);
    if (!one && !spec_need_document(call, "models", &models)) return false;
    bson_t *command = search_command(call, "createSearchIndexes");
    BSON_APPEND_ARRAY(command, "indexes", one ? single : &models);
    if (run_search_command(call, command, &reply)) {
        bson_t *names = created_names(reply);
        const char *name = spec_string(names, "0");
        if (one) {
            spec_result_string(call, name ? name : "");
            bson_destroy(names);
        } else {
            spec_result_array(call, names);
        }
    }
    bson_destroy(reply);
    return true;
}

static bool drop_search_index(spec_call_t *call) {
    const char *name = spec_need_string(call, "name");
    if (!name) return false;
    bson_t *command = search_command(call, "dropSearchIndex");
    BSON_APPEND_UTF8(command, "name", name);
    run_search_command(call, command, NULL);
    return true;
}

static bool update_search_index(spec_call_t *call) {
    bson_t definition;
    const char *name = spec_need_string(call, "name");
    if (!name || !spec_need_document(call, "definition", &definition)) return false;
    bson_t *command = search_command(call, "updateSearchIndex");
    BSON_APPEND_UTF8(command, "name", name);
    BSON_APPEND_DOCUMENT(command, "definition", &definition);
    run_search_command(call, command, NULL);
    return true;
}

static bool list_search_indexes(spec_call_t *call) {
    const char *name = spec_string(call->arguments, "name");
    bson_t nested;
    AUTO_BSON *named = bson_new();
    if (name) BSON_APPEND_UTF8(named, "name", name);
    AUTO_BSON *pipeline =
        BCON_NEW("pipeline", "[", "{", "$listSearchIndexes", BCON_DOCUMENT(named), "}", "]");
    /* the options of the aggregate are an argument of their own */
    spec_document(call->arguments, "aggregationOptions", &nested);
    bson_concat(call->opts, &nested);
    return spec_take_rows(
        call, mouv_collection_aggregate(call->object->is.collection, pipeline, call->opts));
}

#define INDEX_OPTIONS \
    "keys 2dsphereIndexVersion background bits bucketSize collation default_language " \
    "expireAfterSeconds hidden language_override max min name partialFilterExpression " \
    "prepareUnique sparse storageEngine textIndexVersion unique v version weights " \
    "wildcardProjection"
#define COMMAND_OPTIONS SPEC_COMMON_OPTIONS "commitQuorum writeConcern"

const spec_operation_t spec_index_operations[] = {
    {"createIndex", create_index, INDEX_OPTIONS, COMMAND_OPTIONS},
    {"createIndexes", create_indexes, "models", COMMAND_OPTIONS},
    {"createSearchIndex", create_search_indexes, "model", SPEC_COMMON_OPTIONS},
    {"createSearchIndexes", create_search_indexes, "models", SPEC_COMMON_OPTIONS},
    {"dropIndex", drop_index, "name keys", SPEC_COMMON_OPTIONS "writeConcern"},
    {"dropIndexes", drop_indexes, "", SPEC_COMMON_OPTIONS "writeConcern"},
    {"dropSearchIndex", drop_search_index, "name", SPEC_COMMON_OPTIONS},
    {"listIndexNames", list_index_names, "", SPEC_COMMON_OPTIONS "batchSize"},
    {"listIndexes", list_indexes, "", SPEC_COMMON_OPTIONS "batchSize timeoutMode"},
    {"listSearchIndexes", list_search_indexes, "name aggregationOptions", SPEC_COMMON_OPTIONS},
    {"updateSearchIndex", update_search_index, "name definition", SPEC_COMMON_OPTIONS},
    {NULL, NULL, NULL, NULL},
};
