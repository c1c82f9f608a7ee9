/*
 * Breakers: servers that leave deadlines without any answer.
 */
#include "pool_support.h"

static mouv__breaker_t *breaker(fake_t *fake, uint32_t server_id) {
    return &mouv__server_pool_of(fake_pool(fake), server_id)->breaker;
}

FAKE_CASE(three_misses_in_a_row_send_a_ping, fake_serving("RSPrimary")) {
    miss(fake, 1, 2);
    CHECK_INT(breaker(fake, 1)->state, MOUV__BREAKER_MISSED);
    CHECK_INT(fake_total(fake, FAKE_CONTROL), 0);
    miss(fake, 1, 1);
    CHECK_INT(breaker(fake, 1)->state, MOUV__BREAKER_ASKED);
    fake_call_t *ping = fake_named(fake, "ping");
    CHECK(ping && ping->server_id == 1 && ping->control == MOUV__CONTROL_PING);
    CHECK(ping->exchange->quiet && ping->exchange->sets_up);
    CHECK_INT(ping->exchange->limit_ms, 10000);
    CHECK(!mouv__breaker_is_open(fake_pool(fake), 1));
}

FAKE_CASE(answer_in_between_begins_the_count_anew, fake_serving("RSPrimary")) {
    miss(fake, 1, 2);
    mouv__breaker_heard(fake_pool(fake), 1);
    CHECK_INT(breaker(fake, 1)->state, MOUV__BREAKER_CLOSED);
    CHECK_INT(fake_pool(fake)->breakers.missed, 0);
    miss(fake, 1, 2);
    CHECK_INT(breaker(fake, 1)->state, MOUV__BREAKER_MISSED);
    CHECK_INT(fake_pool(fake)->breakers.missed, 1);
}

FAKE_CASE(miss_counts_only_where_the_server_has_had_time_and_said_nothing_since,
          fake_serving("RSPrimary")) {
    fake_pass_ms(100);
    int64_t now_ns = mouv__client_now_ns(fake_client(fake));
    mouv__breaker_missed(fake_pool(fake), 1, now_ns - 9 * MOUV__NS_PER_MS);
    CHECK_INT(breaker(fake, 1)->misses, 0);
    mouv__breaker_missed(fake_pool(fake), 1, now_ns - 10 * MOUV__NS_PER_MS);
    CHECK_INT(breaker(fake, 1)->misses, 1);
    mouv__breaker_heard(fake_pool(fake), 1);
    mouv__breaker_missed(fake_pool(fake), 1, now_ns - 20 * MOUV__NS_PER_MS);
    CHECK_INT(breaker(fake, 1)->misses, 0);
    for (int i = 0; i < 3; i++) mouv__rtt_add(&fake_server(fake, 1)->rtt, 20 * MOUV__NS_PER_MS);
    fake_pass_ms(100);
    now_ns = mouv__client_now_ns(fake_client(fake));
    mouv__breaker_missed(fake_pool(fake), 1, now_ns - 79 * MOUV__NS_PER_MS);
    CHECK_INT(breaker(fake, 1)->misses, 0);
    mouv__breaker_missed(fake_pool(fake), 1, now_ns - 80 * MOUV__NS_PER_MS);
    CHECK_INT(breaker(fake, 1)->misses, 1);
    mouv__breaker_missed(fake_pool(fake), 99, 0); /* no such server */
}

FAKE_CASE(waits_that_one_moment_ends_are_one_miss, fake_serving("RSPrimary")) {
    fake_pass_ms(100);
    for (int i = 0; i < 5; i++) mouv__breaker_waited(fake_pool(fake), 1, 0);
    CHECK_INT(breaker(fake, 1)->misses, 1);
    fake_pass_ms(9);
    mouv__breaker_waited(fake_pool(fake), 1, 0);
    CHECK_INT(breaker(fake, 1)->misses, 1);
    fake_pass_ms(1);
    mouv__breaker_waited(fake_pool(fake), 1, 0);
    CHECK_INT(breaker(fake, 1)->misses, 2);
}

FAKE_CASE(opens_after_patience_and_any_answer_closes_it, fake_serving("RSPrimary")) {
    miss(fake, 1, 3);
    fake_pass_ms(249);
    CHECK(!mouv__breaker_is_open(fake_pool(fake), 1));
    customer_t queued, customer;
    customer_come(&queued, fake, "queued", 0);
    fake_pass_ms(1);
    CHECK(mouv__breaker_is_open(fake_pool(fake), 1));
    CHECK_ONE_WARNING("a has not answered for 300 ms");
    CHECK_INT(mouv__client_stats(fake_client(fake))->circuits, 1);
    CHECK_INT(queued.checkout.state, MOUV__CHECKOUT_SELECTING); /* let go of at once */
    mouv_error_t error = {0};
    CHECK(mouv__breaker_explain(fake_pool(fake), 1, &error));
    CHECK_INT(error.code, MOUV_ESELECTION);
    customer_come(&customer, fake, "customer", 0);
    CHECK_INT(customer.checkout.state, MOUV__CHECKOUT_SELECTING);
    mouv__server_pool_of(fake_pool(fake), 1)->silent_until_ns = 5;
    mouv__breaker_heard(fake_pool(fake), 1);
    CHECK_INT(mouv__server_pool_of(fake_pool(fake), 1)->silent_until_ns, 0);
    CHECK(!mouv__breaker_is_open(fake_pool(fake), 1));
    CHECK(!mouv__breaker_explain(fake_pool(fake), 1, &error));
    CHECK_INT(customer.checkout.state, MOUV__CHECKOUT_SELECTING); /* not before the turn's end */
    fake_turn();
    CHECK_INT(customer.checkout.state, MOUV__CHECKOUT_QUEUED);
    CHECK_INT(queued.checkout.state, MOUV__CHECKOUT_QUEUED);
    customer_withdraw(&customer);
    customer_withdraw(&queued);
}

FAKE_CASE(patience_is_four_round_trips_if_those_are_longer, fake_serving("RSPrimary")) {
    for (int i = 0; i < 3; i++) mouv__rtt_add(&fake_server(fake, 1)->rtt, 100 * MOUV__NS_PER_MS);
    fake_pass_ms(500);
    for (int i = 0; i < 3; i++) mouv__breaker_missed(fake_pool(fake), 1, 1);
    fake_pass_ms(399);
    CHECK(!mouv__breaker_is_open(fake_pool(fake), 1));
    fake_pass_ms(1);
    CHECK(mouv__breaker_is_open(fake_pool(fake), 1));
    CHECK_ONE_WARNING("only pings");
}

FAKE_CASE(ping_that_is_answered_in_time_closes_it_and_is_a_round_trip, fake_serving("RSPrimary")) {
    miss(fake, 1, 3);
    fake_answer_after(fake_named(fake, "ping"), "{'ok': 1}", 7);
    CHECK_INT(breaker(fake, 1)->state, MOUV__BREAKER_CLOSED);
    CHECK_INT(fake_server(fake, 1)->rtt.count, 0); /* it contains the connection's set-up */
    miss(fake, 1, 3);
    fake_answer_after(fake_named(fake, "ping"), "{'ok': 1}", 7);
    CHECK_INT(fake_server(fake, 1)->rtt.count, 1);
    CHECK(!mouv__timer_armed(&fake_pool(fake)->breakers.timer));
    fake_pass_ms(1000);
    CHECK_INT(fake_total(fake, FAKE_CONTROL), 2);
}

FAKE_CASE(server_that_is_silent_again_while_its_ping_is_out_is_given_up_by_that_one,
          fake_serving("RSPrimary")) {
    miss(fake, 1, 3);
    mouv__breaker_heard(fake_pool(fake), 1); /* by another way */
    CHECK_INT(breaker(fake, 1)->state, MOUV__BREAKER_CLOSED);
    miss(fake, 1, 3);
    fake_pass_ms(300);
    CHECK(mouv__breaker_is_open(fake_pool(fake), 1));
    CHECK_INT(fake_total(fake, FAKE_CONTROL), 1);
    CHECK_ONE_WARNING("only pings");
}

FAKE_CASE(ping_that_is_refused_is_an_answer_and_a_round_trip, fake_serving("RSPrimary")) {
    for (uint32_t i = 0; i < 2; i++) { /* the first sets its connection up */
        miss(fake, 1, 3);
        fake_answer(fake_named(fake, "ping"), "{'ok': 0, 'code': 13, 'errmsg': 'no'}");
        CHECK_INT(breaker(fake, 1)->state, MOUV__BREAKER_CLOSED);
        CHECK_INT(fake_server(fake, 1)->rtt.count, i);
    }
}

FAKE_CASE(ping_that_is_lost_is_sent_again_after_a_pause, fake_serving("RSPrimary")) {
    miss(fake, 1, 3);
    fake_lose(fake_named(fake, "ping"), true);
    CHECK(!fake_named(fake, "ping"));
    fake_pass_ms(250);
    CHECK(mouv__breaker_is_open(fake_pool(fake), 1));
    CHECK_ONE_WARNING("only pings");
    fake_pass_ms(249);
    CHECK(!fake_named(fake, "ping"));
    fake_pass_ms(1);
    CHECK(fake_named(fake, "ping"));
    fake_pass_ms(2000);
    CHECK_INT(fake_total(fake, FAKE_CONTROL), 2); /* one at a time */
    fake_answer(fake_named(fake, "ping"), "{'ok': 1}");
    CHECK_INT(breaker(fake, 1)->state, MOUV__BREAKER_CLOSED);
}

FAKE_CASE(servers_whose_ids_differ_by_64_have_breakers_of_their_own,
          fake_serving("RSSecondary RSSecondary#65")) {
    open_breaker(fake, 65);
    CHECK(!mouv__breaker_is_open(fake_pool(fake), 1));
    mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(MONGOC_READ_SECONDARY);
    for (int i = 0; i < 8; i++) {
        customer_t customer;
        customer_init(&customer, fake, NULL);
        customer.checkout.criteria = (mouv__criteria_t){.read_prefs = prefs};
        customer_enter(&customer);
        CHECK_INT(customer.checkout.server_id, 1);
        CHECK_INT(customer.checkout.state, MOUV__CHECKOUT_QUEUED);
        customer_withdraw(&customer);
    }
    mouv__breaker_heard(fake_pool(fake), 1);
    CHECK(mouv__breaker_is_open(fake_pool(fake), 65));
    mongoc_read_prefs_destroy(prefs);
}

FAKE_CASE(several_are_pinged_in_turn_and_open_each_in_its_own_time,
          fake_serving("RSPrimary RSSecondary")) {
    miss(fake, 1, 3);
    fake_pass_ms(100);
    miss(fake, 2, 3);
    CHECK_INT(fake_count(fake, FAKE_CONTROL), 1);
    CHECK_INT(breaker(fake, 2)->state, MOUV__BREAKER_ASKED);
    fake_pass_ms(1000);
    CHECK(mouv__breaker_is_open(fake_pool(fake), 1));
    CHECK(!mouv__breaker_is_open(fake_pool(fake), 2)); /* has not been asked yet */
    CHECK_ONE_WARNING("a has not answered");
    fake_lose(fake_named(fake, "ping"), true);
    CHECK_INT(fake_named(fake, "ping")->server_id, 2);
    fake_pass_ms(250);
    CHECK(mouv__breaker_is_open(fake_pool(fake), 2));
    CHECK_ONE_WARNING("b has not answered");
    mouv__breaker_heard(fake_pool(fake), 1);
    CHECK(!mouv__breaker_is_open(fake_pool(fake), 1));
    CHECK(mouv__breaker_is_open(fake_pool(fake), 2));
}

FAKE_CASE(server_that_is_lost_or_gone_has_no_breaker, fake_serving("RSPrimary RSSecondary")) {
    open_breaker(fake, 1);
    fake_deploy(fake, "Unknown RSSecondary");
    CHECK(!mouv__breaker_is_open(fake_pool(fake), 1));
    fake_lose(fake_named(fake, "ping"), true);
    open_breaker(fake, 2);
    fake_deploy(fake, "Unknown");
    CHECK_INT(fake_pool(fake)->breakers.open_count, 0);
    fake_answer(fake_named(fake, "ping"), "{'ok': 1}"); /* of a server that is gone */
}

FAKE_CASE(closing_client_pings_no_more_and_leaves_its_ping_behind, fake_serving("RSPrimary")) {
    miss(fake, 1, 3);
    fake_call_t *ping = fake_named(fake, "ping");
    mouv__client_ref_move(fake_client(fake), MOUV__CLIENT_DRAINING);
    miss(fake, 1, 3);
    CHECK_INT(breaker(fake, 1)->misses, 3);
    fake_pass_ms(1000);
    CHECK(!mouv__breaker_is_open(fake_pool(fake), 1));
    fake_close_client(fake);
    CHECK(ping->abandoned);
    CHECK(!mouv__timer_armed(&fake_pool(fake)->breakers.timer));
}

FAKE_CASE(without_memory_it_asks_later, fake_serving("RSPrimary")) {
    miss(fake, 1, 2);
    fake_pass_ms(50);
    mouv__alloc_fail_at = 1; /* the room to open */
    mouv__breaker_missed(fake_pool(fake), 1, 1);
    mouv__alloc_fail_at = -1;
    CHECK_INT(breaker(fake, 1)->state, MOUV__BREAKER_MISSED);
    mouv__alloc_fail_at = 2; /* the ping */
    mouv__breaker_missed(fake_pool(fake), 1, 1);
    mouv__alloc_fail_at = -1;
    CHECK_INT(breaker(fake, 1)->state, MOUV__BREAKER_ASKED);
    CHECK(!fake_named(fake, "ping"));
    fake->refuse[FAKE_CONTROL] = 1;
    fake_pass_ms(500);
    CHECK(!fake_named(fake, "ping"));
    CHECK(!mouv__breaker_is_open(fake_pool(fake), 1));
    fake_pass_ms(500);
    CHECK(fake_named(fake, "ping"));
    fake_pass_ms(250);
    CHECK(mouv__breaker_is_open(fake_pool(fake), 1));
    CHECK_ONE_WARNING("only pings");
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(three_misses_in_a_row_send_a_ping),
        TEST(answer_in_between_begins_the_count_anew),
        TEST(miss_counts_only_where_the_server_has_had_time_and_said_nothing_since),
        TEST(waits_that_one_moment_ends_are_one_miss),
        TEST(opens_after_patience_and_any_answer_closes_it),
        TEST(patience_is_four_round_trips_if_those_are_longer),
        TEST(ping_that_is_answered_in_time_closes_it_and_is_a_round_trip),
        TEST(server_that_is_silent_again_while_its_ping_is_out_is_given_up_by_that_one),
        TEST(ping_that_is_refused_is_an_answer_and_a_round_trip),
        TEST(ping_that_is_lost_is_sent_again_after_a_pause),
        TEST(servers_whose_ids_differ_by_64_have_breakers_of_their_own),
        TEST(several_are_pinged_in_turn_and_open_each_in_its_own_time),
        TEST(server_that_is_lost_or_gone_has_no_breaker),
        TEST(closing_client_pings_no_more_and_leaves_its_ping_behind),
        TEST(without_memory_it_asks_later),
    };
    return RUN_CASES(cases);
}
