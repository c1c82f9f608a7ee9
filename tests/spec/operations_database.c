/*
 * Operations on a database.
 */
#include <string.h>

#include "spec/operations.h"
#include "spec/view.h"

static bool aggregate(spec_call_t *call) {
    bson_t pipeline;
    if (!spec_need_document(call, "pipeline", &pipeline)) return false;
    return spec_take_rows(
        call, mouv_database_aggregate(call->object->is.database, &pipeline, call->opts));
}

static bool create_change_stream(spec_call_t *call) {
    bson_t pipeline;
    spec_may_document(call, "pipeline", &pipeline);
    return spec_open_stream(call,
                            mouv_database_watch(call->object->is.database, &pipeline, call->opts));
}

static bool drop_database(spec_call_t *call) {
    spec_await(call, mouv_database_drop(call->object->is.database, call->opts));
    return true;
}

/* --- Commands -------------------------------------------------------------------------------- */

static bool run_command(spec_call_t *call) {
    bson_t command, *reply = NULL;
    if (!spec_need_document(call, "command", &command)) return false;
    return spec_take_write(
        call, mouv_database_command(call->object->is.database, &command, call->opts, &reply),
        &reply);
}

/**
 * What the call's options say is about the getMores; the session and the read preference are the
 * command's as well.
 */
static mouv_cursor_t *begin_command_cursor(spec_call_t *call) {
    bson_t command;
    bson_iter_t iter;
    const bson_value_t *limit = spec_value(call->arguments, "maxTimeMS", &iter);
    if (!spec_need_document(call, "command", &command)) return NULL;
    if (limit) bson_append_value(call->opts, "maxAwaitTimeMS", -1, limit);
    return mouv_cursor_from_command(call->object->is.database, &command, call->opts);
}

static bool run_cursor_command(spec_call_t *call) {
    mouv_cursor_t *cursor = begin_command_cursor(call);
    return cursor && spec_take_rows(call, cursor);
}

static bool create_command_cursor(spec_call_t *call) {
    BSON_APPEND_BOOL(call->opts, "prefetch", false);
    mouv_cursor_t *cursor = begin_command_cursor(call);
    return cursor && spec_open_cursor(call, cursor);
}

/* --- Collections ----------------------------------------------------------------------------- */

static mouv_collection_t *named_collection(spec_call_t *call) {
    const char *name = spec_need_string(call, "collection");
    return name ? mouv_database_get_collection(call->object->is.database, name) : NULL;
}

static bool create_collection(spec_call_t *call) {
    const char *name = spec_need_string(call, "collection");
    if (!name) return false;
    mouv_database_t *database = call->object->is.database;
    if (spec_await(call, mouv_database_create_collection(database, name, call->opts))) {
        call->made = (spec_entity_t){.kind = SPEC_COLLECTION,
                                     .client = call->object->client,
                                     .is.collection = mouv_database_get_collection(database, name)};
    }
    return true;
}

static bool drop_collection(spec_call_t *call) {
    mouv_collection_t *collection = named_collection(call);
    if (!collection) return false;
    spec_await(call, mouv_collection_drop(collection, call->opts));
    return true;
}

static bool rename_collection(spec_call_t *call) {
    mouv_collection_t *collection = named_collection(call);
    const char *to = collection ? spec_need_string(call, "to") : NULL;
    if (!to) return false;
    spec_await(call, mouv_collection_rename(collection, to, call->opts));
    return true;
}

/** No driver has a method for it. */
static bool modify_collection(spec_call_t *call) {
    bson_iter_t iter;
    const char *name = spec_need_string(call, "collection");
    if (!name) return false;
    AUTO_BSON *command = BCON_NEW("collMod", BCON_UTF8(name));
    bson_iter_init(&iter, call->arguments);
    while (bson_iter_next(&iter)) {
        const char *key = bson_iter_key(&iter);
        bool of_command = spec_has_word(call->operation->own, key);
        if (of_command && strcmp(key, "collection") != 0)
            bson_append_iter(command, NULL, -1, &iter);
    }
    spec_await(call, mouv_database_command(call->object->is.database, command, call->opts, NULL));
    return true;
}

static bool list_collections(spec_call_t *call) {
    return spec_take_rows(call,
                          mouv_database_list_collections(call->object->is.database, call->opts));
}

static bool list_collection_names(spec_call_t *call) {
    char **names = NULL;
    if (spec_await(call, mouv_database_list_collection_names(call->object->is.database, call->opts,
                                                             &names))) {
        spec_result_names(call, names);
    }
    return true;
}

#define CURSOR_OPTIONS \
    "allowDiskUse batchSize bypassDocumentValidation collation cursorType hint let " \
    "maxAwaitTimeMS readConcern readPreference timeoutMode writeConcern"
#define LIST_OPTIONS SPEC_COMMON_OPTIONS "authorizedCollections batchSize filter timeoutMode "
#define CREATE_OPTIONS \
    SPEC_COMMON_OPTIONS \
    "autoIndexId capped changeStreamPreAndPostImages clusteredIndex collation encryptedFields " \
    "expireAfterSeconds indexOptionDefaults max pipeline size storageEngine timeseries " \
    "validationAction validationLevel validator viewOn writeConcern"
#define MODIFY_ARGUMENTS \
    "collection cappedMax cappedSize changeStreamPreAndPostImages expireAfterSeconds hidden " \
    "index pipeline timeseries validationAction validationLevel validator viewOn"

const spec_operation_t spec_database_operations[] = {
    {"aggregate", aggregate, "pipeline", SPEC_COMMON_OPTIONS CURSOR_OPTIONS},
    {"createChangeStream", create_change_stream, "pipeline", SPEC_STREAM_OPTIONS},
    {"createCollection", create_collection, "collection", CREATE_OPTIONS},
    {"createCommandCursor", create_command_cursor, "command commandName maxTimeMS",
     SPEC_COMMON_OPTIONS CURSOR_OPTIONS},
    {"drop", drop_database, "", SPEC_COMMON_OPTIONS "writeConcern"},
    {"dropCollection", drop_collection, "collection",
     SPEC_COMMON_OPTIONS "encryptedFields writeConcern"},
    {"dropDatabase", drop_database, "", SPEC_COMMON_OPTIONS "writeConcern"},
    {"listCollectionNames", list_collection_names, "", LIST_OPTIONS "nameOnly"},
    {"listCollectionObjects", list_collections, "", LIST_OPTIONS "nameOnly"},
    {"listCollections", list_collections, "", LIST_OPTIONS "nameOnly"},
    {"modifyCollection", modify_collection, MODIFY_ARGUMENTS, SPEC_COMMON_OPTIONS "writeConcern"},
    {"renameCollection", rename_collection, "collection to",
     SPEC_COMMON_OPTIONS "dropTarget writeConcern"},
    {"runCommand", run_command, "command commandName",
     SPEC_COMMON_OPTIONS "readConcern readPreference writeConcern"},
    {"runCursorCommand", run_cursor_command, "command commandName maxTimeMS",
     SPEC_COMMON_OPTIONS CURSOR_OPTIONS},
    {NULL, NULL, NULL, NULL},
};
