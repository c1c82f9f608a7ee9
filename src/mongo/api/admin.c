/*
 * rename, options, validate, explain, server information, cursors of any command.
 */
#include <mouv/admin.h>
#include <mouv/client.h>

#include "mongo/api/client.h"
#include "mongo/base/check.h"
#include "mongo/command/command.h"
#include "mongo/command/reply.h"
#include "mongo/cursor/cursor.h"

/** The database in which a command about `collection` runs that is not its own. */
static mouv_database_t *admin_database(const mouv_database_t *database) {
    return database && database->client ? mouv_client_get_database(database->client, "admin")
                                        : NULL;
}

/** "database.collection" under `key`; a bad name makes the command fail. */
static void admin_append_namespace(mouv__command_t *command, const char *key,
                                   const mouv_database_t *database, const char *name) {
    if (mouv__command_failed(command)) return;
    if (mouv__check_collection_name(database->name, name, &command->error) < 0) return;
    char *full = bson_strdup_printf("%s.%s", database->name, name);
    mouv__command_string(command, key, full);
    bson_free(full);
}

mouv_future_t mouv_collection_rename(mouv_collection_t *collection, const char *name,
                                     const bson_t *opts) {
    static const mouv__row_t row = {{"renameCollection", MOUV__ADMIN}, MOUV__FAMILY_PLAIN, NULL};
    mouv__command_t command;
    mouv_database_t *database = collection ? collection->database : NULL;
    mouv__command_begin_bare(&command, &row, admin_database(database), opts);
    if (collection) command.defaults = collection->defaults;
    admin_append_namespace(&command, row.operation.name, database,
                           collection ? collection->name : NULL);
    admin_append_namespace(&command, "to", database, name);
    return mouv__command_send(&command, mouv__reply_to_nobody());
}

/** Begins {listCollections: 1, filter: {name: <name>}, cursor: {}}. */
static void admin_begin_list_one(mouv__command_t *command, const mouv__row_t *row,
                                 mouv_database_t *database, const char *name, const bson_t *opts) {
    bson_t filter;
    mouv__command_begin_database(command, row, database, opts);
    if (!mouv__command_failed(command)) {
        bson_append_document_begin(command->bson, "filter", -1, &filter);
        bson_append_utf8(&filter, "name", -1, name, -1);
        bson_append_document_end(command->bson, &filter);
    }
    mouv__command_empty(command, "cursor");
}

mouv_future_t mouv_collection_options(mouv_collection_t *collection, const bson_t *opts,
                                      bson_t **options) {
    static const mouv__row_t row = {
        {"listCollections", MOUV__LIST}, MOUV__FAMILY_PLAIN, mouv__reply_read_first_options};
    mouv__command_t command;
    admin_begin_list_one(&command, &row, collection ? collection->database : NULL,
                         collection ? collection->name : NULL, opts);
    return mouv__command_send(&command, mouv__reply_to_value(options));
}

mouv_future_t mouv_database_has_collection(mouv_database_t *database, const char *name,
                                           const bson_t *opts) {
    static const mouv__row_t row = {
        {"listCollections", MOUV__LIST}, MOUV__FAMILY_NAMES, mouv__reply_read_first};
    mouv_error_t error = {0};
    mouv__command_t command;
    int rc = database ? mouv__check_collection_name(database->name, name, &error) : 0;
    admin_begin_list_one(&command, &row, database, rc == 0 ? name : "", opts);
    if (rc < 0) mouv__command_fail(&command, rc, "%s", error.message);
    mouv__command_bool(&command, "nameOnly", true);
    return mouv__command_send(&command, mouv__reply_to_nobody());
}

mouv_future_t mouv_collection_validate(mouv_collection_t *collection, const bson_t *opts,
                                       bson_t **reply) {
    static const mouv__row_t row = {
        {"validate", MOUV__OP_MAX_TIME}, MOUV__FAMILY_PLAIN, mouv__reply_read_valid};
    mouv__command_t command;
    mouv__command_begin(&command, &row, collection, opts);
    return mouv__command_send(&command, mouv__reply_to_reply(reply));
}

mouv_future_t mouv_database_explain(mouv_database_t *database, const bson_t *given,
                                    const bson_t *opts, bson_t **reply) {
    static const mouv__row_t row = {
        {"explain", MOUV__OP_RETRYABLE | MOUV__OP_MAX_TIME | MOUV__OP_READ_PREFERENCE},
        MOUV__FAMILY_PLAIN,
        NULL};
    mouv__command_t command;
    mouv__command_begin_bare(&command, &row, database, opts);
    mouv__command_document(&command, "explain", given, "command");
    return mouv__command_send(&command, mouv__reply_to_reply(reply));
}

/** Whether a find that the user has built himself is one that waits at its end. */
static bool admin_is_set(const bson_t *command, const char *name) {
    bson_iter_t iter;
    return bson_iter_init_find(&iter, command, name) && bson_iter_as_bool(&iter);
}

mouv_cursor_t *mouv_cursor_from_command(mouv_database_t *database, const bson_t *given,
                                        const bson_t *opts) {
    static const mouv__row_t row = {
        {"command", MOUV__OP_MAX_TIME}, MOUV__FAMILY_FIND | MOUV__FAMILY_GIVEN, NULL};
    static const mouv__row_t tail = {
        {"command", MOUV__OP_POLL}, MOUV__FAMILY_FIND | MOUV__FAMILY_GIVEN, NULL};
    mouv__command_t command;
    mouv__command_begin_given(&command, &row, database, given, opts);
    if (!mouv__command_failed(&command)) {
        command.opts.tailable |= admin_is_set(given, "tailable");
        command.opts.await_data |= admin_is_set(given, "awaitData");
    }
    if (command.opts.tailable && command.opts.await_data) command.row = &tail;
    return mouv__cursor_new(&command);
}

mouv_future_t mouv_client_server_info(mouv_client_t *client, bson_t **info) {
    static const mouv__row_t row = {
        {"buildInfo", MOUV__LIST}, MOUV__FAMILY_PLAIN, mouv__reply_read_whole};
    mouv__command_t command;
    mouv_database_t *database = client ? mouv_client_get_database(client, "admin") : NULL;
    mouv__command_begin_database(&command, &row, database, NULL);
    return mouv__command_send(&command, mouv__reply_to_value(info));
}
