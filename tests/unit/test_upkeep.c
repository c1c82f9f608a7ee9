/*
 * What is done in the background: minPoolSize, maxIdleTimeMS.
 */
#include "pool_support.h"

#define HEARTBEAT_MS 10000

/* What has been told so far is of no interest. */
static void forget_events(void) {
    fake_turn();
    events_clear();
}

static fake_t *with(const fake_options_t *options, const char *servers) {
    fake_t *fake = fake_new(options);
    fake_pass_ms(1); /* at 0 a time is "not yet" */
    fake_deploy(fake, servers);
    fake_turn();
    forget_events();
    return fake;
}

static bool is_waiting(const fake_t *fake) {
    return mouv__timer_armed(&fake->client.pool.upkeep.timer);
}

static uint32_t connected(const fake_t *fake, uint32_t server_id) {
    const mouv__pool_t *pool = &fake->client.pool;
    uint32_t count = 0;
    for (uint32_t i = 0; i < pool->connection_count; i++)
        count += mouv__connection_is_ready(pool->connections[i], server_id);
    return count;
}

static void succeed(fake_t *fake) {
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    fake_turn();
}

/* --- minPoolSize ------------------------------------------------------------------------------ */

CORO_CASE(known_server_gets_its_least_links_in_turns_of_two) {
    fake_t *fake = with(&(fake_options_t){.told = {.min_pool_size = 3}}, "Unknown");
    CHECK_INT(fake_total(fake, FAKE_CONNECT), 0);
    fake_deploy(fake, "RSPrimary");
    fake_turn();
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 2);
    succeed(fake);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 2);
    succeed(fake);
    succeed(fake);
    CHECK_INT(connected(fake, 1), 3);
    fake_pass_ms(10 * HEARTBEAT_MS);
    CHECK_INT(fake_total(fake, FAKE_CONNECT), 3);
    CHECK(!is_waiting(fake));
    fake_free(fake);
    return 0;
}

CORO_CASE(max_connecting_of_the_uri_counts) {
    fake_t *fake =
        with(&(fake_options_t){.told = {.min_pool_size = 3, .max_connecting = 1}}, "RSPrimary");
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    customer_t customer;
    customer_come(&customer, fake, NULL, 1);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    succeed(fake);
    CHECK(customer.granted);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    fake_free(fake);
    return 0;
}

CORO_CASE(what_fits_is_shared_and_no_connection_is_taken_from_operations) {
    fake_t *fake = with(&(fake_options_t){.connections = 3, .told = {.min_pool_size = 3}},
                        "RSPrimary RSSecondary RSArbiter Unknown");
    while (fake_count(fake, FAKE_CONNECT) > 0) succeed(fake);
    CHECK_INT(connected(fake, 1) + connected(fake, 2), 3);
    CHECK(connected(fake, 1) > 0 && connected(fake, 2) > 0);
    CHECK_INT(fake_pool(fake)->connection_count, 3);
    CHECK(!is_waiting(fake));
    fake_free(fake);
    return 0;
}

CORO_CASE(lost_server_is_left_alone_until_it_is_back) {
    fake_t *fake =
        with(&(fake_options_t){.monitor = &telling, .told = {.min_pool_size = 1}}, "RSPrimary");
    succeed(fake);
    CHECK_TOLD("ready:1.1");
    fake_deploy(fake, "Unknown");
    fake_pass_ms(10 * HEARTBEAT_MS);
    CHECK_TOLD("pool-cleared:1 closed-stale:1.1");
    fake_deploy(fake, "RSPrimary");
    fake_turn();
    succeed(fake);
    CHECK_TOLD("pool-ready:1 created:1.2 ready:1.2");
    CHECK_INT(fake_pool(fake)->connection_count, 1);
    fake_free(fake);
    return 0;
}

CORO_CASE(what_cannot_be_set_up_is_tried_again_a_heartbeat_later) {
    fake_t *fake =
        with(&(fake_options_t){.monitor = &telling, .told = {.min_pool_size = 1}}, "RSPrimary");
    fake_connect_fail(fake_out(fake, FAKE_CONNECT, 0), MOUV_ESERVER, "wrong password");
    CHECK_TOLD("closed-error:1.1");
    fake_pass_ms(HEARTBEAT_MS - 1);
    CHECK_TOLD("");
    CHECK(is_waiting(fake));
    fake_pass_ms(1);
    CHECK_TOLD("created:1.2");
    succeed(fake);
    CHECK(!is_waiting(fake));
    fake_free(fake);
    return 0;
}

CORO_CASE(link_that_the_server_has_closed_is_replaced) {
    fake_t *fake = with(&(fake_options_t){.told = {.min_pool_size = 1}}, "RSPrimary");
    succeed(fake);
    mouv__pool_t *pool = fake_pool(fake);
    fake->transport.lost(&fake->transport, pool->connections[0], 1);
    fake_turn();
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    CHECK_INT(pool->connection_count, 1);
    fake_free(fake);
    return 0;
}

CORO_CASE(closing_ends_it) {
    fake_t *fake = with(&(fake_options_t){.told = {.min_pool_size = 1}}, "RSPrimary");
    fake_connect_fail(fake_out(fake, FAKE_CONNECT, 0), MOUV_ENETWORK, "refused");
    fake_turn();
    CHECK(is_waiting(fake));
    fake_close_client(fake);
    CHECK(!is_waiting(fake));
    fake_pass_ms(10 * HEARTBEAT_MS);
    CHECK_INT(fake_total(fake, FAKE_CONNECT), 1);
    fake_free(fake);
    return 0;
}

CORO_CASE(without_memory_for_a_connection_the_next_change_tries_again) {
    fake_t *fake = with(&(fake_options_t){.told = {.min_pool_size = 1}}, "Unknown");
    fake->refuse[FAKE_CONNECTION_NEW] = fake->refuse[FAKE_CONNECT] = 1;
    fake_deploy(fake, "RSPrimary");
    fake_turn();
    fake_deploy(fake, "RSPrimary");
    fake_turn();
    CHECK_INT(fake_total(fake, FAKE_CONNECT), 0);
    fake_deploy(fake, "RSPrimary");
    fake_turn();
    CHECK_INT(fake_total(fake, FAKE_CONNECT), 1);
    fake_free(fake);
    return 0;
}

/* --- maxIdleTimeMS ---------------------------------------------------------------------------- */

CORO_CASE(link_that_is_idle_for_too_long_is_closed_in_the_background) {
    fake_t *fake =
        with(&(fake_options_t){.monitor = &telling, .told = {.max_idle_time_ms = 50}}, "RSPrimary");
    CHECK(!is_waiting(fake));
    connect_one(fake, 1);
    forget_events();
    fake_pass_ms(49);
    CHECK_TOLD("");
    fake_pass_ms(1);
    CHECK_TOLD("closed-idle:1.1");
    CHECK(!is_waiting(fake)); /* nothing wakes an idle program */
    connect_one(fake, 1);
    CHECK_TOLD("wanted:1.0 created:1.2 ready:1.2 out:1.2 in:1.2");
    CHECK_INT(fake_pool(fake)->connection_count, 1);
    fake_free(fake);
    return 0;
}

CORO_CASE(link_that_is_used_is_idle_from_then_on) {
    fake_t *fake =
        with(&(fake_options_t){.monitor = &telling, .told = {.max_idle_time_ms = 50}}, "RSPrimary");
    connect_one(fake, 1);
    fake_pass_ms(40);
    customer_t customer;
    customer_come(&customer, fake, NULL, 1);
    forget_events();
    fake_pass_ms(200); /* in use */
    CHECK_TOLD("");
    customer_leave(&customer);
    forget_events();
    fake_pass_ms(49);
    CHECK_TOLD("");
    fake_pass_ms(1);
    CHECK_TOLD("closed-idle:1.1");
    fake_free(fake);
    return 0;
}

CORO_CASE(link_whose_time_is_up_is_not_checked_out_though_nothing_has_looked_yet) {
    fake_t *fake =
        with(&(fake_options_t){.monitor = &telling, .told = {.max_idle_time_ms = 50}}, "RSPrimary");
    connect_many(fake, 1, 2, NULL);
    forget_events();
    mouv_clock_advance_ms(50);
    customer_t customer;
    customer_come(&customer, fake, NULL, 1);
    CHECK(!customer.granted);
    succeed(fake);
    CHECK(customer.granted);
    CHECK_TOLD("wanted:1.0 closed-idle:1.2 closed-idle:1.1 created:1.3 ready:1.3 out:1.3");
    fake_free(fake);
    return 0;
}

CORO_CASE(closed_for_idleness_below_the_least_is_replaced) {
    fake_t *fake = with(&(fake_options_t){.monitor = &telling,
                                          .told = {.min_pool_size = 1, .max_idle_time_ms = 50}},
                        "RSPrimary");
    succeed(fake);
    forget_events();
    fake_pass_ms(50);
    CHECK_TOLD("closed-idle:1.1 created:1.2");
    CHECK_INT(fake_pool(fake)->connection_count, 1);
    fake_free(fake);
    return 0;
}

CORO_CASE(connection_whose_socket_a_worker_closes_is_nobodys_meanwhile) {
    fake_t *fake = with(&(fake_options_t){.connections = 1,
                                          .disconnects = true,
                                          .monitor = &telling,
                                          .told = {.max_idle_time_ms = 50}},
                        "RSPrimary");
    mouv__connection_t *connection = connect_one(fake, 1);
    forget_events();
    fake_pass_ms(50);
    CHECK_TOLD("closed-idle:1.1");
    CHECK(fake_out(fake, FAKE_DISCONNECT, 0)->connection == connection);
    customer_t customer;
    customer_come(&customer, fake, NULL, 1);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 0);
    fake_end(fake_out(fake, FAKE_DISCONNECT, 0), NULL);
    succeed(fake);
    CHECK(customer.connection == connection);
    fake_free(fake);
    return 0;
}

CORO_CASE(connection_to_two_servers_is_closed_there_one_after_the_other) {
    fake_t *fake = with(&(fake_options_t){.connections = 1,
                                          .disconnects = true,
                                          .monitor = &telling,
                                          .told = {.max_idle_time_ms = 50}},
                        "RSPrimary RSSecondary");
    connect_one(fake, 1);
    connect_one(fake, 2);
    forget_events();
    fake_pass_ms(50);
    CHECK_INT(fake_count(fake, FAKE_DISCONNECT), 1);
    fake_end(fake_out(fake, FAKE_DISCONNECT, 0), NULL);
    fake_turn();
    CHECK_INT(fake_count(fake, FAKE_DISCONNECT), 1);
    fake_end(fake_out(fake, FAKE_DISCONNECT, 0), NULL);
    CHECK_TOLD("closed-idle:2.1 closed-idle:1.1");
    CHECK(!is_waiting(fake));
    fake_free(fake);
    return 0;
}

CORO_CASE(where_no_socket_can_be_closed_links_stay) {
    fake_t *fake = with(&(fake_options_t){.keeps_sockets = true,
                                          .monitor = &telling,
                                          .told = {.max_idle_time_ms = 50}},
                        "RSPrimary");
    connect_one(fake, 1);
    forget_events();
    fake_pass_ms(500);
    CHECK_TOLD("");
    fake_free(fake);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(known_server_gets_its_least_links_in_turns_of_two),
        TEST(max_connecting_of_the_uri_counts),
        TEST(what_fits_is_shared_and_no_connection_is_taken_from_operations),
        TEST(lost_server_is_left_alone_until_it_is_back),
        TEST(what_cannot_be_set_up_is_tried_again_a_heartbeat_later),
        TEST(link_that_the_server_has_closed_is_replaced),
        TEST(closing_ends_it),
        TEST(without_memory_for_a_connection_the_next_change_tries_again),
        TEST(link_that_is_idle_for_too_long_is_closed_in_the_background),
        TEST(link_that_is_used_is_idle_from_then_on),
        TEST(link_whose_time_is_up_is_not_checked_out_though_nothing_has_looked_yet),
        TEST(closed_for_idleness_below_the_least_is_replaced),
        TEST(connection_whose_socket_a_worker_closes_is_nobodys_meanwhile),
        TEST(connection_to_two_servers_is_closed_there_one_after_the_other),
        TEST(where_no_socket_can_be_closed_links_stay),
    };
    return RUN_CASES(cases);
}
