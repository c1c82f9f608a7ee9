/*
 * What a write comes to that is stopped while the server waits for its confirmation: done, so its
 * outcome is never "nothing was stored", unless there was nothing to do.
 */
#include "support/support.h"

static int set_fail_point(test_t *t, const char *mode) {
    char text[128];
    snprintf(text, sizeof text,
             "{'configureFailPoint': 'hangBeforeWaitingForWriteConcern', 'mode': '%s'}", mode);
    mouv_database_t *admin = mouv_client_get_database(t->client, "admin");
    return mouv_await(mouv_database_command(admin, json(t, text), NULL, NULL), NULL);
}

/** Cancels `write` once the server waits to confirm it, and lets the server find that out. */
static int stopped_in_concern(test_t *t, mouv_future_t write) {
    mouv_sleep_ms(300);
    mouv_future_cancel(write);
    mouv_sleep_ms(100);
    int rc = set_fail_point(t, "off");
    return rc < 0 ? rc : await(t, write);
}

#define MAJORITY "'writeConcern': {'w': 'majority'}"

CASE(an_insert_is_stored_and_its_outcome_unknown) {
    int64_t count = 0;
    CHECK_INT(await(t, mouv_client_ping(t->client)), 0);
    CHECK_INT(set_fail_point(t, "alwaysOn"), 0);
    mouv_future_t insert =
        mouv_collection_insert_one(t->users, json(t, "{'_id': 1}"), json(t, "{" MAJORITY "}"), NULL);
    CHECK_INT(stopped_in_concern(t, insert), MOUV_EUNKNOWN);
    CHECK_INT(t->error.cause, MOUV_ECANCELED);
    CHECK_INT(t->error.server_code, 11601);
    CHECK_CONTAINS(t->error.message, "stored");
    CHECK_INT(await(t, mouv_collection_count_documents(t->users, NULL, NULL, &count)), 0);
    CHECK_INT(count, 1);
    return 0;
}

CASE(new_indexes_are_made_and_their_outcome_unknown) {
    AUTO_BSON *indexes = NULL;
    const bson_t *keys = json(t, "{'a': 1}"), *opts = json(t, "{" MAJORITY "}");
    CHECK_INT(insert_numbered(t, 1), 0);
    CHECK_INT(set_fail_point(t, "alwaysOn"), 0);
    mouv_future_t create = mouv_collection_create_index(t->users, keys, NULL, opts, NULL);
    CHECK_INT(stopped_in_concern(t, create), MOUV_EUNKNOWN);
    CHECK_INT(t->error.cause, MOUV_ECANCELED);
    CHECK_INT(await(t, mouv_collection_index_information(t->users, NULL, &indexes)), 0);
    CHECK(mouv_bson_has(indexes, "a_1"));
    return 0;
}

CASE(what_had_nothing_to_do_is_cancelled) {
    const bson_t *keys = json(t, "{'a': 1}"), *opts = json(t, "{" MAJORITY "}");
    CHECK_INT(insert_numbered(t, 1), 0);
    CHECK_INT(await(t, mouv_collection_create_index(t->users, keys, NULL, NULL, NULL)), 0);
    CHECK_INT(set_fail_point(t, "alwaysOn"), 0);
    mouv_future_t create = mouv_collection_create_index(t->users, keys, NULL, opts, NULL);
    CHECK_INT(stopped_in_concern(t, create), MOUV_ECANCELED);
    CHECK_INT(set_fail_point(t, "alwaysOn"), 0);
    mouv_future_t update =
        mouv_collection_update_one(t->users, json(t, "{'_id': 7}"),
                                   json(t, "{'$set': {'x': 1}}"), opts, NULL);
    CHECK_INT(stopped_in_concern(t, update), MOUV_ECANCELED);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(an_insert_is_stored_and_its_outcome_unknown),
        cmocka_unit_test(new_indexes_are_made_and_their_outcome_unknown),
        cmocka_unit_test(what_had_nothing_to_do_is_cancelled),
    };
    return RUN_CASES(cases);
}
