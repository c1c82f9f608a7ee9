/*
 * New connections beside the ping that a silent server has left without an answer.
 */
#include "pool_support.h"

static mouv__server_pool_t *server_pool(fake_t *fake) {
    return mouv__server_pool_of(fake_pool(fake), 1);
}

FAKE_CASE(one_is_set_up_as_soon_as_the_ping_is_silent_and_its_greeting_closes_the_breaker,
          fake_serving("RSPrimary")) {
    miss(fake, 1, 3);
    fake_pass_ms(249);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 0);
    fake_pass_ms(1);
    CHECK_ONE_WARNING("until it does only pings are sent");
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    customer_t customer;
    customer_come(&customer, fake, "customer", 0);
    CHECK(!customer.granted);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(!mouv__breaker_is_open(fake_pool(fake), 1));
    fake_turn();
    CHECK(customer.granted);
    CHECK_INT(fake_total(fake, FAKE_CONNECT), 1);
    customer_leave(&customer);
}

FAKE_CASE(what_hangs_for_a_second_goes_on_for_nobody_and_there_is_another,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary");
    open_breaker(fake, 1);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    fake_pass_ms(999);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    fake_pass_ms(1);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 2);
    CHECK_INT(server_pool(fake)->orphans, 1);
    CHECK_INT(fake_pool(fake)->connection_count, 1);
    fake_pass_ms(60000); /* each has a worker: at last there are no more */
    CHECK_INT(server_pool(fake)->orphans, 12);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 13);
    fake_connect_fail(fake_out(fake, FAKE_CONNECT, 0), MOUV_ENETWORK, "too late");
    fake_pass_ms(1000);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 13);
    while (fake_count(fake, FAKE_CONNECT) > 1)
        fake_connect_fail(fake_out(fake, FAKE_CONNECT, 0), MOUV_ENETWORK, "too late");
    CHECK_INT(server_pool(fake)->orphans, 0);
}

FAKE_CASE(once_it_has_answered_what_hangs_holds_up_no_other_set_up,
          fake_new(&(fake_options_t){.connections = 4})) {
    fake_deploy(fake, "RSPrimary");
    open_breaker(fake, 1);
    fake_pass_ms(3000);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 4);
    fake_pass_ms(1);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 3));
    CHECK_INT(server_pool(fake)->orphans, 3);
    customer_t customers[3];
    for (int i = 0; i < 3; i++) customer_come(&customers[i], fake, NULL, 0);
    fake_turn();
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 5); /* two beside those three */
    while (fake_count(fake, FAKE_CONNECT) > 3)
        fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 3));
    for (int i = 0; i < 3; i++) customer_leave(&customers[i]);
    while (fake_count(fake, FAKE_CONNECT) > 0)
        fake_connect_fail(fake_out(fake, FAKE_CONNECT, 0), MOUV_ENETWORK, "too late");
    CHECK_INT(server_pool(fake)->connecting, 0);
}

FAKE_CASE(what_hangs_though_its_server_has_answered_since_gives_its_turn_up,
          fake_serving("RSPrimary")) {
    customer_t customers[3];
    for (int i = 0; i < 3; i++) customer_come(&customers[i], fake, NULL, 0);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 2);
    fake_pass_ms(1500); /* the server may be silent */
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 2);
    mouv__breaker_heard(fake_pool(fake), 1);
    fake_pass_ms(1000);
    CHECK_INT(server_pool(fake)->orphans, 0); /* nobody looks */
    mouv__pool_pump(fake_pool(fake));
    CHECK_INT(server_pool(fake)->orphans, 2);
    mouv__pool_pump(fake_pool(fake));
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 4);
    fake_pass_ms(5000); /* nothing since those were begun */
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 4);
    while (fake_count(fake, FAKE_CONNECT) > 2)
        fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 2));
    for (int i = 0; i < 2; i++) customer_leave(&customers[i]);
    customer_leave(&customers[2]);
    while (fake_count(fake, FAKE_CONNECT) > 0)
        fake_connect_fail(fake_out(fake, FAKE_CONNECT, 0), MOUV_ENETWORK, "too late");
}

FAKE_CASE(connections_that_are_there_are_kept, fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary");
    mouv__connection_t *connection = connect_one(fake, 1);
    open_breaker(fake, 1);
    fake_pass_ms(5000);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 0); /* the only place is taken, by one that may do */
    CHECK(mouv__connection_is_ready(connection, 1));
}

FAKE_CASE(one_that_was_cut_has_a_place, fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary");
    mouv__connection_t *connection = connect_one(fake, 1);
    customer_t customer;
    customer_come(&customer, fake, NULL, 0);
    open_breaker(fake, 1);
    mouv__server_pool_cut_link(fake_pool(fake), connection, 1);
    customer_leave(&customer);
    fake_pass_ms(1000);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(mouv__connection_is_ready(connection, 1));
    CHECK(!mouv__breaker_is_open(fake_pool(fake), 1));
}

FAKE_CASE(a_transport_that_cannot_let_go_has_no_more_than_it_may_connect_at_once,
          fake_new(&(fake_options_t){.connections = 4, .cannot_orphan = true})) {
    fake_deploy(fake, "RSPrimary");
    open_breaker(fake, 1);
    fake_pass_ms(5000);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 2);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(one_is_set_up_as_soon_as_the_ping_is_silent_and_its_greeting_closes_the_breaker),
        TEST(what_hangs_for_a_second_goes_on_for_nobody_and_there_is_another),
        TEST(once_it_has_answered_what_hangs_holds_up_no_other_set_up),
        TEST(what_hangs_though_its_server_has_answered_since_gives_its_turn_up),
        TEST(connections_that_are_there_are_kept),
        TEST(one_that_was_cut_has_a_place),
        TEST(a_transport_that_cannot_let_go_has_no_more_than_it_may_connect_at_once),
    };
    return RUN_CASES(cases);
}
