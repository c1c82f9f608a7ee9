/*
 * Round trips that are measured by a hello on a control connection.
 */
#include "pool_support.h"

static fake_t *with_servers(const char *types) {
    fake_t *fake = fake_new(NULL);
    fake_deploy(fake, types);
    fake_pass_ms(1); /* at 0 a time is "not yet" */
    return fake;
}

FAKE_CASE(first_hello_may_have_set_the_connection_up_and_two_more_count,
          with_servers("RSPrimary")) {
    mouv__measure_server(fake_pool(fake), 1);
    fake_call_t *hello = fake_named(fake, "hello");
    CHECK(hello && hello->control == MOUV__CONTROL_SELECT && hello->server_id == 1);
    CHECK(hello->exchange->quiet && hello->exchange->sets_up);
    CHECK_INT(hello->exchange->limit_ms, 10000);
    CHECK(fake_server(fake, 1)->measured_ns == mouv__client_now_ns(fake_client(fake)));
    mouv__measure_server(fake_pool(fake), 1); /* one at a time */
    CHECK_INT(fake_total(fake, FAKE_CONTROL), 1);
    fake_answer_after(hello, "{'ok': 1}", 90);
    CHECK_INT(fake_server(fake, 1)->rtt.count, 0);
    fake_answer_after(fake_named(fake, "hello"), "{'ok': 1}", 7);
    CHECK_INT(fake_server(fake, 1)->rtt.count, 1);
    fake_answer_after(fake_named(fake, "hello"), "{'ok': 1}", 5);
    CHECK_INT(mouv__rtt_least_ns(&fake_server(fake, 1)->rtt), 5 * MOUV__NS_PER_MS);
    CHECK(!fake_named(fake, "hello"));
    CHECK(!fake_pool(fake)->measurement);
    mouv__measure_server(fake_pool(fake), 1); /* now something is known */
    fake_answer(fake_named(fake, "hello"), "{'ok': 1}");
    fake_answer(fake_named(fake, "hello"), "{'ok': 1}");
    CHECK(!fake_named(fake, "hello"));
    CHECK_INT(fake_server(fake, 1)->rtt.count, 4);
}

FAKE_CASE(silent_server_is_not_measured, with_servers("RSPrimary")) {
    miss(fake, 1, 3);
    mouv__measure_server(fake_pool(fake), 1);
    CHECK(!fake_named(fake, "hello"));
    fake_pass_ms(20000);
    mouv__measure_due(fake_pool(fake));
    CHECK(!fake_named(fake, "hello"));
    CHECK(fake_named(fake, "ping"));
    CHECK_ONE_WARNING("only pings");
}

FAKE_CASE(hello_that_is_refused_counts_and_is_an_answer, with_servers("RSPrimary")) {
    miss(fake, 1, 1);
    mouv__measure_server(fake_pool(fake), 1);
    for (int i = 0; i < 3; i++)
        fake_answer(fake_named(fake, "hello"), "{'ok': 0, 'code': 13, 'errmsg': 'no'}");
    CHECK_INT(fake_server(fake, 1)->rtt.count, 2);
    CHECK_INT(mouv__server_pool_of(fake_pool(fake), 1)->breaker.state, MOUV__BREAKER_CLOSED);
}

FAKE_CASE(hello_without_an_answer_ends_it_and_the_connection_is_not_connected,
          with_servers("RSPrimary")) {
    mouv__measure_server(fake_pool(fake), 1);
    fake_answer(fake_named(fake, "hello"), "{'ok': 1}");
    mouv__connection_t *control = fake->transport.controls[MOUV__CONTROL_SELECT].connection;
    CHECK(mouv__connection_is_ready(control, 1));
    fake_lose(fake_named(fake, "hello"), true);
    CHECK(!mouv__connection_is_ready(control, 1));
    CHECK(!fake_named(fake, "hello"));
    CHECK_INT(fake_server(fake, 1)->rtt.count, 0);
}

FAKE_CASE(who_waits_for_the_control_connection_is_let_in_afterwards, with_servers("RSPrimary")) {
    mouv__measure_server(fake_pool(fake), 1);
    fake_deploy(fake, "Unknown");
    customer_t customer;
    customer_come(&customer, fake, NULL, 0);
    CHECK_INT(fake_count(fake, FAKE_SEEK), 0);
    fake_lose(fake_named(fake, "hello"), true);
    CHECK_INT(fake_count(fake, FAKE_SEEK), 1);
    customer_withdraw(&customer);
}

FAKE_CASE(server_that_goes_meanwhile_is_measured_no_more, with_servers("RSPrimary RSSecondary")) {
    mouv__measure_server(fake_pool(fake), 2);
    fake_deploy(fake, "RSPrimary");
    fake_answer(fake_named(fake, "hello"), "{'ok': 1}");
    CHECK(!fake_named(fake, "hello"));
    mouv__measure_server(fake_pool(fake), 2);
    CHECK(!fake_named(fake, "hello"));
}

FAKE_CASE(only_what_is_unknown_is_measured_for_an_operation, with_servers("RSPrimary")) {
    mouv__rtt_add(&fake_server(fake, 1)->rtt, 5);
    mouv__measure_unknown(fake_pool(fake), 9);
    CHECK(!fake_named(fake, "hello"));
    mouv__measure_unknown(fake_pool(fake), 1);
    CHECK(fake_named(fake, "hello"));
    fake_lose(fake_named(fake, "hello"), false);
    mouv__rtt_add(&fake_server(fake, 1)->rtt, 5);
    mouv__measure_unknown(fake_pool(fake), 1);
    CHECK(!fake_named(fake, "hello"));
}

FAKE_CASE(server_measured_longest_ago_is_due_after_a_heartbeats_time,
          with_servers("RSPrimary RSSecondary RSArbiter")) {
    mouv__measure_due(fake_pool(fake));
    CHECK(!fake_named(fake, "hello"));
    CHECK(fake_server(fake, 1)->measured_ns > 0);
    fake_pass_ms(3000);
    fake_server(fake, 1)->measured_ns = mouv__client_now_ns(fake_client(fake));
    int64_t heartbeat_ms = fake->client.topology->heartbeat_ms;
    fake_pass_ms(heartbeat_ms - 3001);
    mouv__measure_due(fake_pool(fake));
    CHECK(!fake_named(fake, "hello"));
    fake_pass_ms(1);
    mouv__measure_due(fake_pool(fake));
    CHECK_INT(fake_named(fake, "hello")->server_id, 2);
    fake_lose(fake_named(fake, "hello"), false);
    fake_pass_ms(3000);
    mouv__client_ref_move(fake_client(fake), MOUV__CLIENT_DRAINING);
    mouv__measure_due(fake_pool(fake));
    CHECK(!fake_named(fake, "hello"));
}

FAKE_CASE(nothing_is_measured_before_libmongoc_is_there_or_without_memory,
          fake_new(&(fake_options_t){.unopened = true})) {
    fake_deploy(fake, "RSPrimary");
    mouv__measure_server(fake_pool(fake), 1);
    CHECK(!fake_named(fake, "hello"));
    fake_pool(fake)->state = MOUV__POOL_READY;
    mouv__alloc_fail_at = 1;
    mouv__measure_server(fake_pool(fake), 1);
    mouv__alloc_fail_at = -1;
    CHECK(!fake_named(fake, "hello"));
    fake->refuse[FAKE_CONTROL] = 1;
    mouv__measure_server(fake_pool(fake), 1);
    CHECK(!fake_named(fake, "hello"));
    CHECK(!fake_pool(fake)->measurement);
    mouv__measure_server(fake_pool(fake), 1);
    CHECK(fake_pool(fake)->measurement);
    fake->refuse[FAKE_CONTROL] = 1;
    fake_answer(fake_named(fake, "hello"), "{'ok': 1}"); /* the second cannot be sent */
    CHECK(!fake_pool(fake)->measurement);
}

FAKE_CASE(closing_client_leaves_its_measurement_behind, with_servers("RSPrimary")) {
    mouv__measure_close(fake_pool(fake));
    mouv__measure_server(fake_pool(fake), 1);
    fake_call_t *hello = fake_named(fake, "hello");
    fake_close_client(fake);
    CHECK(hello->abandoned);
    CHECK(!fake_pool(fake)->measurement);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(first_hello_may_have_set_the_connection_up_and_two_more_count),
        TEST(silent_server_is_not_measured),
        TEST(hello_that_is_refused_counts_and_is_an_answer),
        TEST(hello_without_an_answer_ends_it_and_the_connection_is_not_connected),
        TEST(who_waits_for_the_control_connection_is_let_in_afterwards),
        TEST(server_that_goes_meanwhile_is_measured_no_more),
        TEST(only_what_is_unknown_is_measured_for_an_operation),
        TEST(server_measured_longest_ago_is_due_after_a_heartbeats_time),
        TEST(nothing_is_measured_before_libmongoc_is_there_or_without_memory),
        TEST(closing_client_leaves_its_measurement_behind),
    };
    return RUN_CASES(cases);
}
