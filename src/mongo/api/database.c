/*
 * The operations on a database and on the deployment: commands, lists, create, drop, ping.
 */
#include <mouv/database.h>

#include <string.h>

#include "mongo/api/client.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/concern.h"
#include "mongo/command/command.h"
#include "mongo/command/reply.h"
#include "mongo/cursor/cursor.h"

const char *mouv_database_name(const mouv_database_t *database) {
    return database ? database->name : NULL;
}

mouv_client_t *mouv_database_client(const mouv_database_t *database) {
    return database ? database->client : NULL;
}

bson_t *mouv_database_defaults(const mouv_database_t *database) {
    bool made = database && database->client && !mouv__client_is_elsewhere(database->client);
    return made ? mouv__concern_describe(database->defaults, database->client) : NULL;
}

mouv_collection_t *mouv_database_get_collection(mouv_database_t *database, const char *name) {
    return mouv__handles_collection(database, name, "mouv_database_get_collection");
}

/* --- The deployment ------------------------------------------------------------------------- */

static mouv_database_t *database_admin(mouv_client_t *client) {
    return client ? mouv_client_get_database(client, "admin") : NULL;
}

mouv_future_t mouv_client_ping(mouv_client_t *client) {
    static const mouv__row_t ping = {{"ping", MOUV__OP_MAX_TIME}, MOUV__FAMILY_PLAIN, NULL};
    mouv__command_t command;
    mouv__command_begin_database(&command, &ping, database_admin(client), NULL);
    return mouv__command_send(&command, mouv__reply_to_nobody());
}

/* --- Any command ---------------------------------------------------------------------------- */

/** Commands that change nothing: what stops one of them stored nothing, whenever it came. */
static const char *const harmless[] = {
    "buildInfo", "collStats",        "connectionStatus", "count",         "dbHash",
    "dbStats",   "distinct",         "explain",          "find",          "getCmdLineOpts",
    "getLog",    "getMore",          "getParameter",     "hello",         "hostInfo",
    "isMaster",  "listCollections",  "listCommands",     "listDatabases", "listIndexes",
    "ping",      "replSetGetConfig", "replSetGetStatus", "rolesInfo",     "serverStatus",
    "top",       "usersInfo",        "validate",         "whatsmyuri",
};

static bool database_is_harmless(const bson_t *given) {
    bson_iter_t iter;
    if (!given || !bson_iter_init(&iter, given) || !bson_iter_next(&iter)) return true;
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        if (strcasecmp(bson_iter_key(&iter), harmless[i]) == 0) return true;
    }
    return false;
}

mouv_future_t mouv_database_command(mouv_database_t *database, const bson_t *given,
                                    const bson_t *opts, bson_t **reply) {
    static const mouv__row_t read = {{"command", MOUV__OP_MAX_TIME}, MOUV__FAMILY_PLAIN, NULL};
    static const mouv__row_t write = {
        {"command", MOUV__OP_MAX_TIME | MOUV__OP_WRITE | MOUV__OP_GIVEN}, MOUV__FAMILY_PLAIN, NULL};
    mouv__command_t command;
    mouv__command_begin_given(&command, database_is_harmless(given) ? &read : &write, database,
                              given, opts);
    return mouv__command_send(&command, mouv__reply_to_reply(reply));
}

/* --- Lists ---------------------------------------------------------------------------------- */

mouv_future_t mouv_client_list_databases(mouv_client_t *client, const bson_t *opts,
                                         bson_t **databases) {
    static const mouv__row_t list = {
        {"listDatabases", MOUV__LIST}, MOUV__FAMILY_PLAIN, mouv__reply_read_databases};
    mouv__command_t command;
    mouv__command_begin_database(&command, &list, database_admin(client), opts);
    return mouv__command_send(&command, mouv__reply_to_value(databases));
}

mouv_future_t mouv_client_list_database_names(mouv_client_t *client, const bson_t *opts,
                                              char ***names) {
    static const mouv__row_t list = {
        {"listDatabases", MOUV__LIST}, MOUV__FAMILY_NAMES, mouv__reply_read_database_names};
    mouv__command_t command;
    mouv__command_begin_database(&command, &list, database_admin(client), opts);
    mouv__command_bool(&command, "nameOnly", true);
    return mouv__command_send(&command, mouv__reply_to_names(names));
}

static mouv_cursor_t *database_list_collections(mouv_database_t *database, const bson_t *opts,
                                                bool names_only) {
    static const mouv__row_t list = {{"listCollections", MOUV__LIST}, MOUV__FAMILY_CURSOR, NULL};
    static const mouv__row_t names = {
        {"listCollections", MOUV__LIST}, MOUV__FAMILY_CURSOR | MOUV__FAMILY_NAMES, NULL};
    mouv__command_t command;
    mouv__command_begin_database(&command, names_only ? &names : &list, database, opts);
    if (names_only) mouv__command_bool(&command, "nameOnly", true);
    return mouv__cursor_new(&command);
}

mouv_cursor_t *mouv_database_list_collections(mouv_database_t *database, const bson_t *opts) {
    return database_list_collections(database, opts, false);
}

mouv_future_t mouv_database_list_collection_names(mouv_database_t *database, const bson_t *opts,
                                                  char ***names) {
    mouv_cursor_t *cursor =
        mouv__cursor_within_scope(database_list_collections(database, opts, true));
    return mouv__cursor_names_future(cursor, names);
}

/* --- aggregate, create, drop ---------------------------------------------------------------- */

mouv_cursor_t *mouv_database_aggregate(mouv_database_t *database, const bson_t *pipeline,
                                       const bson_t *opts) {
    mouv__command_t command;
    mouv__command_begin_database(&command, mouv__cursor_aggregate_row(pipeline), database, opts);
    mouv__command_pipeline(&command, pipeline);
    return mouv__cursor_new(&command);
}

mouv_future_t mouv_database_create_collection(mouv_database_t *database, const char *name,
                                              const bson_t *opts) {
    static const mouv__row_t create = {{"create", MOUV__ADMIN}, MOUV__FAMILY_PLAIN, NULL};
    mouv__command_t command;
    mouv__command_begin_named(&command, &create, database, name, opts);
    return mouv__command_send(&command, mouv__reply_to_nobody());
}

mouv_future_t mouv_database_drop(mouv_database_t *database, const bson_t *opts) {
    static const mouv__row_t drop = {{"dropDatabase", MOUV__ADMIN}, MOUV__FAMILY_PLAIN, NULL};
    mouv__command_t command;
    mouv__command_begin_database(&command, &drop, database, opts);
    return mouv__command_send(&command, mouv__reply_to_nobody());
}
