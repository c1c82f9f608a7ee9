/*
 * Operations on a client.
 */
#include "spec/operations.h"
#include "spec/view.h"

static bool list_databases(spec_call_t *call) {
    bson_t *databases = NULL;
    if (spec_await(call,
                   mouv_client_list_databases(call->object->is.client, call->opts, &databases))) {
        spec_result_rows(call, databases);
    }
    return true;
}

static bool list_database_names(spec_call_t *call) {
    char **names = NULL;
    if (spec_await(call,
                   mouv_client_list_database_names(call->object->is.client, call->opts, &names))) {
        spec_result_names(call, names);
    }
    return true;
}

static bool create_change_stream(spec_call_t *call) {
    bson_t pipeline;
    spec_may_document(call, "pipeline", &pipeline);
    return spec_open_stream(call,
                            mouv_client_watch(call->object->is.client, &pipeline, call->opts));
}

static bool drop_database(spec_call_t *call) {
    const char *name = spec_need_string(call, "database");
    if (!name) return false;
    mouv_database_t *database = mouv_client_get_database(call->object->is.client, name);
    spec_await(call, mouv_database_drop(database, call->opts));
    return true;
}

static bool close_client(spec_call_t *call) {
    spec_await(call, mouv_client_close_future(call->object->is.client));
    return true;
}

#define LIST_OPTIONS SPEC_COMMON_OPTIONS "authorizedDatabases filter timeoutMode "

const spec_operation_t spec_client_operations[] = {
    {"close", close_client, "", ""},
    {"createChangeStream", create_change_stream, "pipeline", SPEC_STREAM_OPTIONS},
    {"dropDatabase", drop_database, "database", SPEC_COMMON_OPTIONS "writeConcern"},
    {"listDatabaseNames", list_database_names, "", LIST_OPTIONS},
    {"listDatabaseObjects", list_databases, "", LIST_OPTIONS "nameOnly"},
    {"listDatabases", list_databases, "", LIST_OPTIONS "nameOnly"},
    {NULL, NULL, NULL, NULL},
};
