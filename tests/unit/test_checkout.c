/*
 * One checkout: its server, how long it waits, what it says of that, its events.
 */
#include "pool_support.h"

/* --- the server ------------------------------------------------------------------------------- */

static void reads(customer_t *customer, fake_t *fake, const mongoc_read_prefs_t *prefs) {
    customer_init(customer, fake, NULL);
    customer->checkout.criteria = (mouv__criteria_t){.read_prefs = prefs};
}

FAKE_CASE(who_waits_for_a_connection_stays_with_its_server_while_that_suits,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSSecondary RSSecondary");
    mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(MONGOC_READ_SECONDARY);
    customer_t customer;
    reads(&customer, fake, prefs);
    customer_enter(&customer);
    uint32_t chosen = customer.checkout.server_id, other = 3 - chosen;
    fake_server(fake, chosen)->operations = 100; /* the other one would be better now */
    for (int i = 0; i < 20; i++) mouv__checkout_choose(&customer.checkout);
    CHECK_INT(customer.checkout.server_id, chosen);
    fake_deploy(fake, chosen == 1 ? "Unknown RSSecondary" : "RSSecondary Unknown");
    CHECK_INT(customer.checkout.server_id, other);
    customer_withdraw(&customer);
    mongoc_read_prefs_destroy(prefs);
}

FAKE_CASE(retry_goes_to_another_server_if_there_is_one, fake_serving("RSSecondary RSSecondary")) {
    mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(MONGOC_READ_SECONDARY);
    for (uint32_t avoided = 1; avoided <= 2; avoided++) {
        customer_t customer;
        reads(&customer, fake, prefs);
        customer.checkout.avoid_id = avoided;
        customer_enter(&customer);
        CHECK_INT(customer.checkout.server_id, 3 - avoided);
        customer_withdraw(&customer);
    }
    fake_deploy(fake, "RSSecondary");
    customer_t customer;
    reads(&customer, fake, prefs);
    customer.checkout.avoid_id = 1;
    customer_enter(&customer);
    CHECK_INT(customer.checkout.server_id, 1);
    customer_withdraw(&customer);
    mongoc_read_prefs_destroy(prefs);
}

FAKE_CASE(retry_that_prefers_the_primary_does_not_leave_it, fake_serving("RSPrimary RSSecondary")) {
    mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(MONGOC_READ_PRIMARY_PREFERRED);
    customer_t customer;
    reads(&customer, fake, prefs);
    customer.checkout.avoid_id = 1;
    customer_enter(&customer);
    CHECK_INT(customer.checkout.server_id, 1);
    customer_withdraw(&customer);
    mongoc_read_prefs_destroy(prefs);
}

FAKE_CASE(who_has_no_server_at_all_seeks_one_while_another_is_silent,
          fake_serving("Unknown RSSecondary")) {
    open_breaker(fake, 2);
    customer_t customer;
    customer_come(&customer, fake, NULL, 0);
    CHECK_INT(customer.checkout.server_id, 0);
    CHECK(mouv__checkout_seeks(&customer.checkout));
    CHECK_INT(fake_total(fake, FAKE_SEEK), 1);
    customer_withdraw(&customer);
}

FAKE_CASE(silent_server_is_left_out_but_for_clean_up_that_has_little_time,
          fake_serving("RSSecondary RSSecondary")) {
    open_breaker(fake, 1);
    mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(MONGOC_READ_SECONDARY);
    for (int i = 0; i < 8; i++) {
        customer_t customer;
        reads(&customer, fake, prefs);
        customer_enter(&customer);
        CHECK_INT(customer.checkout.server_id, 2);
        customer_withdraw(&customer);
    }
    customer_t cleanup, lasts, certain;
    customer_init(&cleanup, fake, "cleanup");
    cleanup.checkout.cleanup = true;
    cleanup.checkout.criteria.server_id = 1;
    customer_enter(&cleanup);
    CHECK(cleanup.granted);
    customer_init(&lasts, fake, "lasts");
    lasts.checkout.cleanup = lasts.checkout.lasts = true;
    lasts.checkout.criteria.server_id = 1;
    customer_enter(&lasts);
    CHECK_INT(lasts.checkout.state, MOUV__CHECKOUT_SELECTING);
    customer_come(&certain, fake, NULL, 1);
    CHECK_INT(certain.checkout.state, MOUV__CHECKOUT_SELECTING);
    CHECK_INT(certain.checkout.server_id, 1);
    customer_withdraw(&lasts);
    customer_withdraw(&certain);
    mongoc_read_prefs_destroy(prefs);
}

FAKE_CASE(who_waits_for_a_silent_server_does_not_hurry_the_monitors, fake_serving("RSPrimary")) {
    open_breaker(fake, 1);
    customer_t customer;
    customer_come(&customer, fake, NULL, 0);
    CHECK_INT(customer.checkout.server_id, 1); /* that is what it waits for */
    CHECK(!mouv__checkout_seeks(&customer.checkout));
    CHECK_INT(fake_total(fake, FAKE_SEEK), 0);
    customer_withdraw(&customer);
}

/* --- how long --------------------------------------------------------------------------------- */

FAKE_CASE(wait_for_a_server_is_bounded_and_explained,
          fake_new(&(fake_options_t){.selection_timeout_ms = 500})) {
    fake_deploy(fake, "Unknown");
    customer_t customer;
    customer_come(&customer, fake, NULL, 0);
    fake_pass_ms(499);
    CHECK(!customer.failed);
    fake_pass_ms(1);
    CHECK_INT(customer.error.code, MOUV_ESELECTION);
    CHECK_STRING(customer.error.message, "no suitable server within 500 ms: a does not answer");
    fake_deploy(fake, "RSSecondary");
    customer_come(&customer, fake, NULL, 0);
    fake_pass_ms(500);
    CHECK_STRING(customer.error.message,
                 "no suitable server within 500 ms: no server of the deployment takes this "
                 "operation now");
}

FAKE_CASE(wait_for_libmongoc_is_explained,
          fake_new(&(fake_options_t){.selection_timeout_ms = 500, .unopened = true})) {
    fake->auto_ms[FAKE_OPEN] = -1;
    mouv_topology_description_t *seeds = fake->client.topology->seeds;
    char *srv_host = fake->client.topology->srv_host;
    size_t count = seeds->server_count;
    seeds->server_count = 0; /* mongodb+srv */
    snprintf(srv_host, BSON_HOST_NAME_MAX, "cluster.mouv.test");
    customer_t customer;
    customer_come(&customer, fake, NULL, 0);
    fake_pass_ms(500);
    seeds->server_count = count;
    CHECK_STRING(customer.error.message, "no suitable server within 500 ms: DNS has not said yet "
                                         "which servers cluster.mouv.test has");
}

FAKE_CASE(dead_deployment_is_explained_without_a_time, fake_serving("Unknown")) {
    fake->client.topology->dead = true;
    customer_t customer;
    customer_come(&customer, fake, NULL, 0);
    CHECK_STRING(customer.error.message, "no suitable server: a does not answer");
}

FAKE_CASE(wait_for_a_silent_server_is_explained,
          fake_new(&(fake_options_t){.selection_timeout_ms = 500})) {
    fake_deploy(fake, "RSPrimary");
    open_breaker(fake, 1);
    customer_t customer;
    customer_come(&customer, fake, NULL, 0);
    fake_pass_ms(500);
    CHECK_STRING(customer.error.message,
                 "a has not answered for 800 ms; until it does only pings are sent");
}

FAKE_CASE(wait_for_a_connection_is_bounded_and_explained,
          fake_new(&(fake_options_t){.connections = 2, .queue_wait_ms = 700})) {
    fake_deploy(fake, "RSPrimary RSSecondary");
    connect_one(fake, 1);
    customer_t holder, connecting, first, second;
    customer_come(&holder, fake, NULL, 1);
    fake_pass_ms(800);
    customer_come(&connecting, fake, NULL, 2);
    customer_come(&first, fake, NULL, 1);
    customer_come(&second, fake, NULL, 1);
    mouv_error_t now = {0};
    mouv__checkout_explain(&second.checkout, &now);
    CHECK_STRING(now.message, "2 of 2 clients busy, 2 operations ahead; the oldest runs for 0.8 s");
    CHECK_INT(now.code, MOUV_EQUEUE);
    CHECK(first.checkout.wait_ns == mouv__client_now_ns(fake_client(fake)) + 700 * MOUV__NS_PER_MS);
    customer_arm(&first);
    customer_stop(&connecting);
    customer_stop(&second);
    fake_pass_ms(699);
    CHECK(!first.failed);
    fake_pass_ms(1);
    CHECK_STRING(first.error.message,
                 "2 of 2 clients busy, 1 operations ahead; the oldest runs for 1.5 s");
    customer_withdraw(&connecting);
    customer_withdraw(&second);
    mouv_error_t none = {0};
    mouv__checkout_explain(&second.checkout, &none);
    CHECK_INT(none.code, 0);
    customer_leave(&holder);
}

FAKE_CASE(deadline_of_its_own_takes_the_place_of_the_pools,
          fake_new(&(fake_options_t){
              .connections = 1, .queue_wait_ms = 700, .selection_timeout_ms = 400})) {
    fake_deploy(fake, "RSPrimary");
    customer_t own, one, other;
    customer_init(&own, fake, NULL);
    own.checkout.deadline_ns = 5000 * MOUV__NS_PER_MS;
    customer_enter(&own);
    CHECK(own.checkout.wait_ns == MOUV__NEVER);
    fake_pass_ms(100);
    customer_init(&one, fake, NULL);
    one.checkout.one_limit = true;
    one.checkout.deadline_ns = 5000 * MOUV__NS_PER_MS;
    customer_enter(&one);
    int64_t now_ns = mouv__client_now_ns(fake_client(fake));
    CHECK(one.checkout.wait_ns == now_ns + 400 * MOUV__NS_PER_MS);
    customer_come(&other, fake, NULL, 0);
    CHECK(other.checkout.wait_ns == now_ns + 700 * MOUV__NS_PER_MS);
    fake_deploy(fake, "Unknown"); /* what has been waited counts */
    fake_pass_ms(100);
    CHECK(own.checkout.wait_ns == own.checkout.select_ns);
    CHECK(own.checkout.select_ns == now_ns + 300 * MOUV__NS_PER_MS);
    customer_withdraw(&own);
    customer_withdraw(&one);
    customer_withdraw(&other);
}

FAKE_CASE(entering_again_begins_a_new_wait, fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary");
    customer_t customer;
    customer_come(&customer, fake, NULL, 0);
    fake_connect_fail(fake_out(fake, FAKE_CONNECT, 0), MOUV_ENETWORK, "refused");
    fake_connect_fail(fake_out(fake, FAKE_CONNECT, 0), MOUV_ENETWORK, "refused");
    CHECK_INT(customer.checkout.connects, 2);
    customer_withdraw(&customer);
    customer_withdraw(&customer); /* harmless */
    customer_enter(&customer);
    CHECK_INT(customer.checkout.connects, 0);
    fake_connect_fail(fake_out(fake, FAKE_CONNECT, 0), MOUV_ENETWORK, "refused");
    CHECK(!customer.failed);
    customer_withdraw(&customer);
}

/* --- events ----------------------------------------------------------------------------------- */

static int64_t told_us;
static uint64_t told_operation;
static int told_error;

static void keep(const mouv_connection_event_t *told, void *arg) {
    (void)arg;
    told_us = told->duration_us;
    told_operation = told->operation_id;
    told_error = told->error ? told->error->code : 0;
}

FAKE_CASE(its_life_is_told_with_times_and_reasons,
          fake_new(&(fake_options_t){.connections = 1, .monitor = &telling})) {
    fake_deploy(fake, "RSPrimary");
    CHECK_TOLD("pool:1 pool-ready:1");
    customer_t first, second;
    customer_come(&first, fake, NULL, 0);
    CHECK_TOLD("wanted:1.0 created:1.1");
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK_TOLD("ready:1.1 out:1.1");
    customer_come(&second, fake, NULL, 0);
    customer_withdraw(&second);
    CHECK_TOLD("wanted:1.0 failed-timeout:1.0");
    customer_come(&second, fake, NULL, 0);
    fake_deploy(fake, "Unknown");
    CHECK_TOLD("wanted:1.0 pool-cleared:1 failed-connection:1.0");
    customer_withdraw(&second);
    CHECK_TOLD("");
    customer_leave(&first);
    CHECK_TOLD("in:1.1 closed-stale:1.1");
    fake_deploy(fake, "RSPrimary");
    events_clear();
    customer_come(&second, fake, NULL, 0);
    mouv_error_t closed = {0};
    mouv_error_set(&closed, MOUV_ECLOSED, "closed");
    customer_stop(&second);
    mouv__pool_withdraw(&second.checkout, &closed);
    fake_turn();
    CHECK_CONTAINS(events(), "failed-closed:1.0");
}

FAKE_CASE(one_that_turns_to_another_server_is_told_of_at_both,
          fake_new(&(fake_options_t){.connections = 1, .monitor = &telling})) {
    fake_deploy(fake, "RSPrimary RSSecondary");
    events_clear();
    customer_t customer;
    customer_come(&customer, fake, NULL, 0);
    events_clear();
    fake_turn();
    events_clear();
    fake_deploy(fake, "RSSecondary RSPrimary");
    fake_turn();
    CHECK_CONTAINS(events(), "failed-connection:1.0 wanted:2.0");
    customer_withdraw(&customer);
}

CORO_CASE(operation_and_time_are_told_clean_up_is_not) {
    static const mouv_monitor_t out = {.connection_checked_out = keep,
                                       .connection_check_out_failed = keep};
    fake_t *fake = fake_new(&(fake_options_t){.connections = 1, .monitor = &out});
    fake_deploy(fake, "RSPrimary");
    connect_one(fake, 1);
    customer_t holder, customer, cleanup;
    customer_come(&holder, fake, NULL, 0);
    customer_init(&customer, fake, NULL);
    customer.checkout.operation_id = 77;
    customer_enter(&customer);
    fake_pass_ms(3);
    customer_leave(&holder);
    fake_turn();
    CHECK_INT(told_us, 3000);
    CHECK_INT(told_operation, 77);
    customer_leave(&customer);
    told_operation = 1;
    customer_init(&cleanup, fake, NULL);
    cleanup.checkout.cleanup = true;
    customer_enter(&cleanup);
    fake_turn();
    CHECK_INT(told_operation, 1);
    fake_free(fake);
    return 0;
}

CORO_CASE(failed_check_out_is_told_with_its_error) {
    static const mouv_monitor_t failed = {.connection_check_out_failed = keep};
    fake_t *fake = fake_new(&(fake_options_t){.connections = 1, .monitor = &failed});
    fake_deploy(fake, "RSPrimary");
    customer_t customer;
    customer_come(&customer, fake, NULL, 0);
    fake_connect_fail(fake_out(fake, FAKE_CONNECT, 0), MOUV_ESERVER, "wrong password");
    fake_turn();
    CHECK_INT(told_error, MOUV_ESERVER);
    fake_free(fake);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(who_waits_for_a_connection_stays_with_its_server_while_that_suits),
        TEST(retry_goes_to_another_server_if_there_is_one),
        TEST(retry_that_prefers_the_primary_does_not_leave_it),
        TEST(who_has_no_server_at_all_seeks_one_while_another_is_silent),
        TEST(silent_server_is_left_out_but_for_clean_up_that_has_little_time),
        TEST(who_waits_for_a_silent_server_does_not_hurry_the_monitors),
        TEST(wait_for_a_server_is_bounded_and_explained),
        TEST(wait_for_libmongoc_is_explained),
        TEST(dead_deployment_is_explained_without_a_time),
        TEST(wait_for_a_silent_server_is_explained),
        TEST(wait_for_a_connection_is_bounded_and_explained),
        TEST(deadline_of_its_own_takes_the_place_of_the_pools),
        TEST(entering_again_begins_a_new_wait),
        TEST(its_life_is_told_with_times_and_reasons),
        TEST(one_that_turns_to_another_server_is_told_of_at_both),
        TEST(operation_and_time_are_told_clean_up_is_not),
        TEST(failed_check_out_is_told_with_its_error),
    };
    return RUN_CASES(cases);
}
