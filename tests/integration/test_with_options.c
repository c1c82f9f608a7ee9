/*
 * Read concern, write concern and read preference: call before collection before database before
 * client. What was sent is read in the server's profile, found there by its comment.
 */
#include "support/support.h"

#define PROFILE_ON "{'profile': 2}"
#define PROFILE_OFF "{'profile': 0}"

static int profile(test_t *t, const char *command) {
    return await(t, mouv_database_command(t->database, json(t, command), NULL, NULL));
}

/** {comment: ..., <more>} */
static const bson_t *opts_of(test_t *t, const char *comment, const char *more) {
    char text[256];
    snprintf(text, sizeof text, "{'comment': '%s'%s%s}", comment, *more ? ", " : "", more);
    return json(t, text);
}

/** What the profile says at `path` of the command with this comment, as text; "" for nothing. */
static int sent(test_t *t, const char *comment, const char *path, char text[64]) {
    AUTO_BSON *entry = NULL;
    char filter[128];
    bson_iter_t iter, field;
    mouv_collection_t *log = mouv_database_get_collection(t->database, "system.profile");
    snprintf(filter, sizeof filter, "{'command.comment': '%s'}", comment);
    text[0] = '\0';
    int rc = await(t, mouv_collection_find_one(log, json(t, filter), NULL, &entry));
    if (rc != 1) return rc == 0 ? -1 : rc;
    if (!bson_iter_init(&iter, entry) || !bson_iter_find_descendant(&iter, path, &field)) return 0;
    if (BSON_ITER_HOLDS_UTF8(&field)) {
        snprintf(text, 64, "%s", bson_iter_utf8(&field, NULL));
    } else if (BSON_ITER_HOLDS_NUMBER(&field)) {
        snprintf(text, 64, "%d", (int)bson_iter_as_int64(&field));
    } else {
        snprintf(text, 64, "?");
    }
    return 0;
}

/** Finds one with `more` in opts and tells which read concern was sent. */
static int read_concern_sent(test_t *t, mouv_collection_t *collection, const char *more,
                             char text[64]) {
    static int number;
    char comment[32];
    snprintf(comment, sizeof comment, "read %d", number++);
    int rc = await(t, mouv_collection_find_one(collection, NULL, opts_of(t, comment, more), NULL));
    return rc < 0 ? rc : sent(t, comment, "command.readConcern.level", text);
}

/** Updates with `more` in opts and tells which `w` was sent. */
static int write_concern_sent(test_t *t, mouv_collection_t *collection, const char *more,
                              char text[64]) {
    static int number;
    char comment[32];
    snprintf(comment, sizeof comment, "write %d", number++);
    const bson_t *document = json(t, "{}");
    int rc =
        await(t, mouv_collection_insert_one(collection, document, opts_of(t, comment, more), NULL));
    return rc < 0 ? rc : sent(t, comment, "command.writeConcern.w", text);
}

#define CHECK_READ(collection, more, expected) \
    do { \
        char text_[64]; \
        CHECK_INT(read_concern_sent(t, collection, more, text_), 0); \
        CHECK_STRING(text_, expected); \
    } while (0)

#define CHECK_WRITE(collection, more, expected) \
    do { \
        char text_[64]; \
        CHECK_INT(write_concern_sent(t, collection, more, text_), 0); \
        CHECK_STRING(text_, expected); \
    } while (0)

/** Another client on the test's database, with options of the URI. */
static mouv_client_t *client_with(test_t *t, const char *options) {
    char uri[700];
    const char *base = test_uri();
    snprintf(uri, sizeof uri, "%s%s%s", base, strchr(base, '?') ? "&" : "/?", options);
    return mouv_client_new(uri, NULL, &t->error);
}

/* --- concerns ------------------------------------------------------------------------------- */

CASE(call_before_collection_before_database) {
    mouv_database_t *database = mouv_database_with_options(
        t->database, json(t, "{'readConcern': {'level': 'majority'}, 'writeConcern': {'w': 1}}"));
    mouv_collection_t *users = mouv_database_get_collection(database, "users");
    mouv_collection_t *own = mouv_collection_with_options(
        users, json(t, "{'readConcern': {'level': 'local'}, 'writeConcern': {'w': 'majority'}}"));
    CHECK_INT(profile(t, PROFILE_ON), 0);
    CHECK_READ(t->users, "", "");
    CHECK_READ(users, "", "majority");
    CHECK_READ(own, "", "local");
    CHECK_READ(own, "'readConcern': {'level': 'available'}", "available");
    CHECK_READ(own, "'readConcern': {}", "");
    CHECK_WRITE(users, "", "1");
    CHECK_WRITE(own, "", "majority");
    CHECK_WRITE(own, "'writeConcern': {'w': 1}", "1");
    CHECK_INT(profile(t, PROFILE_OFF), 0);
    return 0;
}

CASE(the_uri_comes_last) {
    mouv_client_t *client = client_with(t, "readConcernLevel=majority&w=1&journal=true");
    CHECK(client != NULL);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    mouv_collection_t *own = mouv_collection_with_options(
        users, json(t, "{'readConcern': {'level': 'local'}, 'writeConcern': {'w': 'majority'}}"));
    mouv_collection_t *plain = mouv_collection_with_options(users, json(t, "{'readConcern': {}}"));
    char uri_read[64], own_read[64], plain_read[64], uri_write[64], own_write[64];
    profile(t, PROFILE_ON);
    int rc = read_concern_sent(t, users, "", uri_read);
    if (rc == 0) rc = read_concern_sent(t, own, "", own_read);
    if (rc == 0) rc = read_concern_sent(t, plain, "", plain_read);
    if (rc == 0) rc = write_concern_sent(t, users, "", uri_write);
    if (rc == 0) rc = write_concern_sent(t, own, "", own_write);
    profile(t, PROFILE_OFF);
    mouv_client_close(client, NULL);
    mouv_client_unref(client);
    CHECK_INT(rc, 0);
    CHECK_STRING(uri_read, "majority");
    CHECK_STRING(own_read, "local");
    CHECK_STRING(plain_read, "");
    CHECK_STRING(uri_write, "1");
    CHECK_STRING(own_write, "majority");
    return 0;
}

CASE(what_is_not_given_again_is_kept) {
    mouv_collection_t *reads =
        mouv_collection_with_options(t->users, json(t, "{'readConcern': {'level': 'majority'}}"));
    mouv_collection_t *both =
        mouv_collection_with_options(reads, json(t, "{'writeConcern': {'w': 1}}"));
    CHECK_INT(profile(t, PROFILE_ON), 0);
    CHECK_READ(both, "", "majority");
    CHECK_WRITE(both, "", "1");
    CHECK_WRITE(reads, "", "");
    CHECK_INT(profile(t, PROFILE_OFF), 0);
    return 0;
}

CASE(cursors_bulks_and_administration_inherit_too) {
    char text[64];
    const char *level = "command.readConcern.level", *w = "command.writeConcern.w";
    mouv_collection_t *users = mouv_collection_with_options(
        t->users, json(t, "{'readConcern': {'level': 'majority'}, 'writeConcern': {'w': 1}}"));
    CHECK_INT(insert_numbered(t, 5), 0);
    CHECK_INT(profile(t, PROFILE_ON), 0);
    AUTO_BSON *list = NULL;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_find(users, NULL, opts_of(t, "cursor", "'batchSize': 2"));
    CHECK_INT(mouv_cursor_to_list(cursor, 0, &list, &t->error), 5);
    CHECK_INT(sent(t, "cursor", level, text), 0);
    CHECK_STRING(text, "majority");
    MOUV_AUTO_BULK mouv_bulk_t *bulk = mouv_collection_create_bulk(users, opts_of(t, "bulk", ""));
    CHECK_INT(mouv_bulk_insert_one(bulk, json(t, "{}"), NULL, &t->error), 0);
    CHECK_INT(await(t, mouv_bulk_execute(bulk, NULL)), 1);
    CHECK_INT(sent(t, "bulk", w, text), 0);
    CHECK_STRING(text, "1");
    CHECK_INT(await(t, mouv_collection_create_index(users, json(t, "{'n': 1}"), NULL,
                                                    opts_of(t, "index", ""), NULL)),
              0);
    CHECK_INT(sent(t, "index", w, text), 0);
    CHECK_STRING(text, "1");
    CHECK_INT(profile(t, PROFILE_OFF), 0);
    return 0;
}

CASE(commands_of_the_user_inherit_nothing) {
    char text[64];
    mouv_database_t *database = mouv_database_with_options(
        t->database,
        json(t, "{'readConcern': {'level': 'majority'}, 'readPreference': 'secondary'}"));
    CHECK_INT(profile(t, PROFILE_ON), 0);
    CHECK_INT(await(t, mouv_database_command(
                           database, json(t, "{'find': 'users', 'comment': 'raw'}"), NULL, NULL)),
              0);
    CHECK_INT(sent(t, "raw", "command.readConcern.level", text), 0);
    CHECK_STRING(text, "");
    CHECK_INT(profile(t, PROFILE_OFF), 0);
    return 0;
}

CASE(an_inherited_write_concern_that_cannot_be_met_is_an_error) {
    AUTO_BSON *reply = NULL;
    mouv_database_t *database = mouv_database_with_options(
        t->database, json(t, "{'writeConcern': {'w': 40, 'wtimeout': 100}}"));
    mouv_collection_t *users = mouv_database_get_collection(database, "users");
    CHECK_INT(await(t, mouv_collection_insert_one(users, json(t, "{}"), NULL, &reply)),
              MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 100);
    CHECK_INT(await(t, mouv_collection_rename(users, "people", NULL)), MOUV_ESERVER);
    CHECK_INT(await(t, mouv_collection_insert_one(users, json(t, "{}"),
                                                  json(t, "{'writeConcern': {'w': 1}}"), NULL)),
              1);
    return 0;
}

CASE(what_is_inherited_does_not_count_in_a_transaction) {
    bson_t opts = BSON_INITIALIZER;
    mouv_collection_t *users = mouv_collection_with_options(
        t->users, json(t, "{'readConcern': {'level': 'majority'}, 'readPreference': 'secondary', "
                          "'writeConcern': {'w': 1}}"));
    CHECK_INT(insert_numbered(t, 1), 0);
    MOUV_AUTO_SESSION mouv_session_t *session =
        mouv_client_start_session(t->client, NULL, &t->error);
    CHECK(session != NULL);
    CHECK_INT(mouv_session_start_transaction(session, NULL, &t->error), 0);
    CHECK_INT(mouv_session_append(session, &opts), 0);
    int wrote = await(t, mouv_collection_insert_one(users, json(t, "{}"), &opts, NULL));
    int found = await(t, mouv_collection_find_one(users, NULL, &opts, NULL));
    bson_destroy(&opts);
    CHECK_INT(wrote, 1);
    CHECK_INT(found, 1);
    CHECK_INT(await(t, mouv_session_commit_transaction(session)), 0);
    return 0;
}

/* --- read preference ------------------------------------------------------------------------ */

static int find_for(test_t *t, mouv_collection_t *collection, const char *opts) {
    return mouv_await_for(mouv_collection_find_one(collection, NULL, json(t, opts), NULL), 300,
                          &t->error);
}

CASE(a_read_preference_is_inherited_and_overridden) {
    const bson_t *secondary = json(t, "{'readPreference': 'secondary'}");
    mouv_database_t *database = mouv_database_with_options(t->database, secondary);
    mouv_collection_t *users = mouv_database_get_collection(database, "users");
    mouv_collection_t *primary =
        mouv_collection_with_options(users, json(t, "{'readPreference': {'mode': 'primary'}}"));
    int rc = find_for(t, users, "{}"); /* the test's server has no secondary */
    CHECK(rc == MOUV_ETIMEDOUT || rc == MOUV_ESELECTION);
    CHECK_INT(find_for(t, users, "{'readPreference': 'primaryPreferred'}"), 0);
    CHECK_INT(find_for(t, primary, "{}"), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(users, NULL, NULL);
    rc = mouv_await_for(mouv_cursor_fetch(cursor), 300, &t->error);
    CHECK(rc == MOUV_ETIMEDOUT || rc == MOUV_ESELECTION);
    CHECK_INT(await(t, mouv_collection_insert_one(users, json(t, "{}"), NULL, NULL)), 1);
    return 0;
}

static int command_for(test_t *t, const char *command, const char *opts) {
    return mouv_await_for(
        mouv_database_command(t->database, json(t, command), opts ? json(t, opts) : NULL, NULL),
        300, &t->error);
}

CASE(a_command_goes_where_its_own_read_preference_says) {
    const char *unknown = "{'isThereSuchACommand': 1}"; /* nobody knows whether it writes */
    int rc = command_for(t, unknown, "{'readPreference': 'secondary'}");
    CHECK(rc == MOUV_ETIMEDOUT || rc == MOUV_ESELECTION);
    CHECK_INT(command_for(t, unknown, "{'readPreference': 'primaryPreferred'}"), MOUV_ESERVER);
    CHECK_INT(command_for(t, unknown, NULL), MOUV_ESERVER);
    return 0;
}

/* --- handles -------------------------------------------------------------------------------- */

CASE(handles_with_options_are_interned_and_know_where_they_are) {
    const bson_t *opts = json(t, "{'readConcern': {'level': 'majority'}}");
    mouv_database_t *database = mouv_database_with_options(t->database, opts);
    mouv_collection_t *users = mouv_database_get_collection(database, "users");
    CHECK(database != t->database && users != t->users);
    CHECK(mouv_database_with_options(t->database, opts) == database);
    CHECK(mouv_database_with_options(database, opts) == database);
    CHECK(mouv_database_with_options(database, NULL) == database);
    CHECK(mouv_database_with_options(t->database, NULL) == t->database);
    CHECK(mouv_collection_with_options(t->users, json(t, "{}")) == t->users);
    CHECK(mouv_collection_with_options(users, opts) == users);
    CHECK(mouv_client_get_database(t->client, t->database_name) == t->database);
    CHECK_STRING(mouv_database_name(database), t->database_name);
    CHECK(mouv_collection_database(users) == database);
    CHECK(mouv_database_client(database) == t->client);
    return 0;
}

CASE(bad_options_fail_at_the_operation) {
    static const char *const wrong[][2] = {
        {"{'readConcern': 'majority'}", "option 'readConcern': expected a document"},
        {"{'writeConcern': 1}", "option 'writeConcern'"},
        {"{'readPreference': 'sometimes'}", "option 'readPreference' makes no sense"},
        {"{'w': 1}", "there is no option 'w'"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        mouv_collection_t *users = mouv_collection_with_options(t->users, json(t, wrong[i][0]));
        CHECK(users != NULL);
        CHECK_INT(await(t, mouv_collection_find_one(users, NULL, NULL, NULL)), MOUV_EINVAL);
        CHECK_CONTAINS(t->error.message, wrong[i][1]);
        MOUV_AUTO_BULK mouv_bulk_t *bulk = mouv_collection_create_bulk(users, NULL);
        CHECK_INT(mouv_bulk_insert_one(bulk, json(t, "{}"), NULL, &t->error), MOUV_EINVAL);
    }
    CHECK_INT(await(t, mouv_collection_find_one(mouv_collection_with_options(NULL, NULL), NULL,
                                                NULL, NULL)),
              MOUV_EINVAL);
    CHECK(mouv_database_with_options(NULL, NULL) != NULL);
    return 0;
}

CASE(the_defaults_of_a_handle_can_be_asked_for) {
    mouv_client_t *client = mouv_client_new(
        "mongodb://h/?w=2&readConcernLevel=local&readPreference=nearest&timeoutMS=70", NULL, NULL);
    mouv_database_t *shop = mouv_client_get_database(client, "shop");
    mouv_database_t *own = mouv_database_with_options(
        shop, json(t, "{'timeoutMS': 5, 'readConcern': {'level': 'majority'}}"));
    mouv_collection_t *users = mouv_collection_with_options(
        mouv_database_get_collection(own, "users"), json(t, "{'readPreference': 'primary'}"));
    AUTO_BSON *all = mouv_database_defaults(shop), *less = mouv_database_defaults(own);
    AUTO_BSON *last = mouv_collection_defaults(users), *none = mouv_collection_defaults(t->users);
    CHECK_DOCUMENT(all,
                   "{'readConcern': {'level': 'local'}, 'writeConcern': {'w': 2}, "
                   "'readPreference': {'mode': 'nearest'}, 'timeoutMS': {'$numberLong': '70'}}");
    CHECK_DOCUMENT(less, "{'readConcern': {'level': 'majority'}, 'timeoutMS': 5, "
                         "'writeConcern': {'w': 2}, 'readPreference': {'mode': 'nearest'}}");
    CHECK_STRING(mouv_bson_utf8_or(last, "readPreference", ""), "primary");
    CHECK_STRING(mouv_bson_utf8_or(last, "readConcern.level", ""), "majority");
    CHECK(none && bson_empty(none));
    CHECK(mouv_database_with_options(shop, all) == mouv_database_with_options(shop, all));
    CHECK(mouv_database_defaults(NULL) == NULL && mouv_collection_defaults(NULL) == NULL);
    mouv_client_unref(client);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(call_before_collection_before_database),
        cmocka_unit_test(the_uri_comes_last),
        cmocka_unit_test(what_is_not_given_again_is_kept),
        cmocka_unit_test(cursors_bulks_and_administration_inherit_too),
        cmocka_unit_test(commands_of_the_user_inherit_nothing),
        cmocka_unit_test(an_inherited_write_concern_that_cannot_be_met_is_an_error),
        cmocka_unit_test(what_is_inherited_does_not_count_in_a_transaction),
        cmocka_unit_test(a_read_preference_is_inherited_and_overridden),
        cmocka_unit_test(a_command_goes_where_its_own_read_preference_says),
        cmocka_unit_test(handles_with_options_are_interned_and_know_where_they_are),
        cmocka_unit_test(the_defaults_of_a_handle_can_be_asked_for),
        cmocka_unit_test(bad_options_fail_at_the_operation),
    };
    return RUN_CASES(cases);
}
