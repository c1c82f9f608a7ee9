/*
 * A server behind a bad network: the proxy delays, slices, holds or cuts, in each direction, in the
 * midst of writes.
 */
/* test: lock=faults */
#include "support/fault.h"
#include "support/proxy.h"

enum { STRIKE_MS = 1000 };

static proxy_t *proxy;

/** The fault of the case that runs. */
static proxy_direction_t direction;
static proxy_fault_t wrong;

static int strike(fault_t *fault) {
    (void)fault;
    proxy_set(proxy, direction, &wrong);
    mouv_sleep_ms(STRIKE_MS);
    proxy_set(proxy, direction, NULL);
    return 0;
}

static int run(test_t *t, const proxy_fault_t *fault, int64_t timeout_ms) {
    wrong = *fault;
    for (int i = PROXY_TO_SERVER; i <= PROXY_TO_CLIENT; i++) {
        direction = (proxy_direction_t)i;
        CHECK_INT(fault_run(t, &(fault_plan_t){.uri = proxy_uri(proxy),
                                               .strike = strike,
                                               .timeout_ms = timeout_ms}),
                  0);
    }
    return 0;
}

BARE_CASE(what_comes_late_comes) {
    return run(t, &(proxy_fault_t){.delay_ms = 30}, 1000);
}

BARE_CASE(what_comes_later_than_the_deadline) {
    return run(t, &(proxy_fault_t){.delay_ms = 400}, 200);
}

BARE_CASE(what_comes_in_slices_comes) {
    return run(t, &(proxy_fault_t){.slice_bytes = 40, .slice_ms = 1}, 1000);
}

BARE_CASE(what_is_held_for_a_while) {
    return run(t, &(proxy_fault_t){.hold = true}, 300);
}

BARE_CASE(what_is_cut_again_and_again) {
    return run(t, &(proxy_fault_t){.cut_at_bytes = 5000}, 1000);
}

static int cut_all(fault_t *fault) {
    (void)fault;
    for (int i = 0; i < 5; i++) {
        proxy_cut(proxy);
        mouv_sleep_ms(200);
    }
    return 0;
}

BARE_CASE(all_connections_cut_at_once) {
    return fault_run(t, &(fault_plan_t){.uri = proxy_uri(proxy), .strike = cut_all});
}

static int refuse_all(fault_t *fault) {
    (void)fault;
    proxy_refuse(proxy, true);
    proxy_cut(proxy);
    mouv_sleep_ms(STRIKE_MS);
    proxy_refuse(proxy, false);
    return 0;
}

BARE_CASE(nobody_there_for_a_while) {
    return fault_run(t, &(fault_plan_t){.uri = proxy_uri(proxy), .strike = refuse_all});
}

/* --- What arrives after all ------------------------------------------------------------------ */

enum { UNDER_WAY_MS = 1500, DEADLINE_MS = 300 };

/** How high the counter is once everything has arrived that was on its way. */
static int64_t count_at_last(test_t *t, mouv_collection_t *counters) {
    AUTO_BSON *counter = NULL, *all = bson_new();
    int64_t n;
    mouv_sleep_ms(UNDER_WAY_MS + 200);
    if (await(t, mouv_collection_find_one(counters, all, NULL, &counter)) != 1) return -1;
    return mouv_bson_get_int64(counter, "n", &n, &t->error) == 0 ? n : -1;
}

static mouv_future_t count_up(mouv_collection_t *counters) {
    AUTO_BSON *filter = BCON_NEW("_id", BCON_INT32(1));
    AUTO_BSON *change = BCON_NEW("$inc", "{", "n", BCON_INT32(1), "}");
    return mouv_collection_update_one(counters, filter, change, NULL, NULL);
}

/** The server is asked what became of the write while that is still on its way. */
BARE_CASE(write_that_is_overtaken_by_the_question_is_not_executed_later) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(proxy_uri(proxy), NULL, &t->error);
    mouv_database_t *database = mouv_client_get_database(client, t->database_name);
    mouv_collection_t *counters = mouv_database_get_collection(database, "counters");
    AUTO_BSON *counter = BCON_NEW("_id", BCON_INT32(1), "n", BCON_INT32(0));
    CHECK_INT(await(t, mouv_collection_insert_one(counters, counter, NULL, NULL)), 1);
    CHECK_INT(mouv_await_for(count_up(counters), 5000, &t->error), 1);

    proxy_set(proxy, PROXY_TO_SERVER, &(proxy_fault_t){.delay_ms = UNDER_WAY_MS});
    mouv_future_t late = mouv_wait_for(count_up(counters), DEADLINE_MS);
    mouv_sleep_ms(DEADLINE_MS / 3);
    proxy_set(proxy, PROXY_TO_SERVER, NULL);
    int rc = mouv_await(late, &t->error);
    CHECK(rc == MOUV_ETIMEDOUT || rc == MOUV_EUNKNOWN);
    int64_t n = count_at_last(t, counters);
    CHECK(n == 1 || (n == 2 && rc == MOUV_EUNKNOWN));
    return await(t, mouv_database_drop(database, NULL));
}

static int setup(void **state) {
    (void)state;
    int rc = test_group_setup_own(NULL);
    proxy = rc == 0 ? proxy_start(fault_port(test_uri())) : NULL;
    return proxy ? 0 : -1;
}

static int teardown(void **state) {
    proxy_stop(proxy);
    return test_group_teardown(state);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(what_comes_late_comes),
        cmocka_unit_test(what_comes_later_than_the_deadline),
        cmocka_unit_test(what_comes_in_slices_comes),
        cmocka_unit_test(what_is_held_for_a_while),
        cmocka_unit_test(what_is_cut_again_and_again),
        cmocka_unit_test(all_connections_cut_at_once),
        cmocka_unit_test(nobody_there_for_a_while),
        cmocka_unit_test(write_that_is_overtaken_by_the_question_is_not_executed_later),
    };
    return cmocka_run_group_tests(cases, setup, teardown);
}
