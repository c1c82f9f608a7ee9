/*
 * What a client is made with: options of the URI and of mouv_client_opts_t, and that they arrive.
 */
#include <stdlib.h>

#include "support/support.h"

/* --- the server API -------------------------------------------------------------------------- */

/** The last command that was sent, as JSON. */
typedef struct sent {
    char name[32];
    char json[4000];
} sent_t;

static void on_started(const mouv_command_event_t *event, void *arg) {
    sent_t *sent = arg;
    char *text = bson_as_relaxed_extended_json(event->command, NULL);
    snprintf(sent->name, sizeof sent->name, "%s", event->name);
    snprintf(sent->json, sizeof sent->json, "%s", text);
    bson_free(text);
}

static mouv_client_t *client_with(test_t *t, const char *uri, const mouv_client_opts_t *opts,
                                  sent_t *sent) {
    mouv_monitor_t monitor = {.command_started = on_started};
    mouv_client_t *client = mouv_client_new(uri, opts, &t->error);
    if (client) mouv_client_set_monitor(client, &monitor, sent);
    return client;
}

CASE(the_server_api_is_declared_with_every_command) {
    sent_t sent;
    const bson_t *doc;
    mouv_client_opts_t opts = {.server_api = {.version = "1", .strict = true}};
    CHECK_INT(insert_numbered(t, 5), 0);
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, test_uri(), &opts, &sent);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    mouv_cursor_t *cursor =
        mouv_collection_find(users, json(t, "{}"), json(t, "{'batchSize': 2}"));
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    CHECK_STRING(sent.name, "find");
    CHECK_CONTAINS(sent.json, "\"apiVersion\" : \"1\"");
    CHECK_CONTAINS(sent.json, "\"apiStrict\" : true");
    CHECK(!strstr(sent.json, "apiDeprecationErrors"));
    while (mouv_cursor_next(cursor, &doc, &t->error) > 0) continue;
    CHECK_STRING(sent.name, "getMore");
    CHECK_CONTAINS(sent.json, "\"apiVersion\" : \"1\"");
    mouv_cursor_unref(cursor);
    CHECK_INT(await(t, mouv_collection_insert_one(users, json(t, "{'_id': 9}"), NULL, NULL)), 1);
    CHECK_STRING(sent.name, "insert");
    CHECK_CONTAINS(sent.json, "\"apiStrict\" : true");
    return 0;
}

CASE(a_strict_server_api_refuses_what_is_outside_of_it) {
    AUTO_BSON *reply = NULL;
    mouv_client_opts_t opts = {.server_api = {.version = "1", .strict = true}};
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(test_uri(), &opts, &t->error);
    mouv_database_t *database = mouv_client_get_database(client, t->database_name);
    CHECK_INT(await(t, mouv_database_command(database, json(t, "{'serverStatus': 1}"), NULL,
                                                 &reply)),
              MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "APIStrictError");
    return 0;
}

CASE(deprecation_errors_are_declared) {
    sent_t sent;
    mouv_client_opts_t opts = {.server_api = {.version = "1", .deprecation_errors = true}};
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(t, test_uri(), &opts, &sent);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK_CONTAINS(sent.json, "\"apiDeprecationErrors\" : true");
    CHECK(!strstr(sent.json, "apiStrict"));
    return 0;
}

CASE(a_wrong_server_api_is_refused_by_name) {
    mouv_client_opts_t unknown = {.server_api = {.version = "2"}};
    CHECK(mouv_client_new(test_uri(), &unknown, &t->error) == NULL);
    CHECK_INT(t->error.code, MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "server_api.version '2'");
    mouv_client_opts_t none = {.server_api = {.strict = true}};
    CHECK(mouv_client_new(test_uri(), &none, &t->error) == NULL);
    CHECK_CONTAINS(t->error.message, "server_api has no version");
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(the_server_api_is_declared_with_every_command),
        cmocka_unit_test(a_strict_server_api_refuses_what_is_outside_of_it),
        cmocka_unit_test(deprecation_errors_are_declared),
        cmocka_unit_test(a_wrong_server_api_is_refused_by_name),
    };
    return RUN_CASES(cases);
}
