/*
 * Connections: which idle one a checkout gets (idle.c), how they are set up (establish.c), what ties
 * sessions to them (pin.c).
 */
#include "pool_support.h"

/* --- idle ------------------------------------------------------------------------------------- */

FAKE_CASE(connection_used_last_is_used_first, fake_serving("RSPrimary")) {
    mouv__connection_t *made[3];
    connect_many(fake, 1, 3, made);
    customer_t first, second, third;
    customer_come(&first, fake, NULL, 1);
    CHECK(first.connection == made[2]);
    customer_come(&second, fake, NULL, 1);
    CHECK(second.connection == made[1]);
    customer_leave(&first);
    customer_come(&third, fake, NULL, 1);
    CHECK(third.connection == made[2]);
}

FAKE_CASE(connection_with_a_stream_is_for_its_stream_while_there_can_be_others,
          fake_new(&(fake_options_t){.connections = 2})) {
    fake_deploy(fake, "RSPrimary");
    mouv__connection_t *streaming = connect_one(fake, 1);
    mouv__pin_t *pins[2];
    pins[0] = mouv__pin_new_for_polls(fake_pool(fake), session_of(fake, streaming), 1);
    pins[1] = mouv__pin_new_for_polls(fake_pool(fake), session_of(fake, streaming), 1);
    customer_t customer, second;
    customer_come(&customer, fake, NULL, 1);
    CHECK(!customer.granted);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    mouv__connection_t *other = customer.connection;
    CHECK(other != streaming);
    customer_come(&second, fake, NULL, 1); /* there can be no more */
    CHECK(second.connection == streaming);
    customer_leave(&customer);
    customer_leave(&second);
    mouv__pin_t *one = mouv__pin_new_for_polls(fake_pool(fake), session_of(fake, other), 1);
    customer_come(&customer, fake, NULL, 1); /* streaming was used last, but has two */
    CHECK(customer.connection == other);
    customer_leave(&customer);
    mouv__pin_free(one);
    mouv__pin_free(pins[0]);
    mouv__pin_free(pins[1]);
}

FAKE_CASE(stream_keeps_off_connections_whose_sessions_are_kept,
          fake_new(&(fake_options_t){.connections = 3})) {
    fake_deploy(fake, "RSPrimary");
    mouv__connection_t *kept = connect_one(fake, 1);
    mouv__pin_t *pin = mouv__pin_new(fake_client(fake), session_of(fake, kept), 1);
    customer_t stream, other;
    customer_init(&stream, fake, NULL);
    stream.checkout.poll = true;
    customer_enter(&stream);
    CHECK(!stream.granted);
    customer_come(&other, fake, NULL, 1);
    CHECK(!other.granted); /* its turn comes after the stream's */
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(stream.granted && stream.connection != kept);
    CHECK(other.connection == kept);
    customer_leave(&other);
    customer_leave(&stream);
    mouv__pin_free(pin);
}

FAKE_CASE(idle_connection_to_another_server_is_connected_to_this_one_as_well,
          fake_new(&(fake_options_t){.connections = 2})) {
    fake_deploy(fake, "RSPrimary RSSecondary");
    mouv__connection_t *connection = connect_one(fake, 2);
    customer_t customer;
    customer_come(&customer, fake, NULL, 1);
    CHECK(fake_out(fake, FAKE_CONNECT, 0)->connection == connection);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(customer.connection == connection);
    CHECK(mouv__connection_is_ready(connection, 2));
    customer_leave(&customer);
    mouv__pin_t *pin = mouv__pin_new_for_polls(fake_pool(fake), session_of(fake, connection), 1);
    customer_t choosy;
    customer_come(&choosy, fake, NULL, 2);
    CHECK(!choosy.granted); /* a new one, as long as there can be one */
    CHECK(fake_out(fake, FAKE_CONNECT, 0)->connection != connection);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(choosy.granted);
    mouv__pin_free(pin);
    customer_leave(&choosy);
}

FAKE_CASE(connection_with_a_stream_is_connected_to_another_server_if_there_is_no_other,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary RSSecondary");
    mouv__connection_t *connection = connect_one(fake, 1);
    mouv__pin_t *pin = mouv__pin_new_for_polls(fake_pool(fake), session_of(fake, connection), 1);
    customer_t customer;
    customer_come(&customer, fake, NULL, 2);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(customer.connection == connection);
    customer_leave(&customer);
    mouv__pin_free(pin);
}

/* --- establish -------------------------------------------------------------------------------- */

static void on_established(void *arg, const mouv_error_t *error) {
    mouv__connection_t *connection = arg;
    mouv__pool_t *pool = connection->owner;
    event("%u%s", mouv__establish_end(connection, error), error ? "-failed" : "");
    mouv__idle_push(pool, connection);
}

FAKE_CASE(there_are_so_many_connections_and_no_more,
          fake_new(&(fake_options_t){.connections = 2})) {
    mouv__connection_t *connection = mouv__establish_new(fake_pool(fake));
    CHECK(connection && connection->owner == fake_pool(fake));
    CHECK(fake_pool(fake)->connections[0] == connection);
    fake->refuse[FAKE_CONNECTION_NEW] = 1;
    CHECK(!mouv__establish_new(fake_pool(fake)));
    CHECK_INT(fake_pool(fake)->connection_count, 1);
    CHECK(mouv__establish_new(fake_pool(fake)));
    CHECK(!mouv__establish_new(fake_pool(fake)));
    CHECK_INT(fake_pool(fake)->connection_count, 2);
}

FAKE_CASE(connection_is_set_up_with_a_number_and_a_generation_and_counted_meanwhile,
          fake_new(&(fake_options_t){.monitor = &telling})) {
    fake_deploy(fake, "RSPrimary");
    fake_turn();
    events_clear();
    mouv__pool_t *pool = fake_pool(fake);
    mouv__server_pool_t *of = mouv__server_pool_of(pool, 1);
    mouv__connection_t *connection = mouv__establish_new(pool);
    CHECK_INT(mouv__establish_begin(connection, 9, on_established), MOUV_ENOMEM);
    fake->refuse[FAKE_CONNECT] = 1;
    CHECK_INT(mouv__establish_begin(connection, 1, on_established), MOUV_ENOMEM);
    CHECK_INT(of->connecting, 0);
    CHECK_INT(connection->state, MOUV__CONNECTION_NEW);
    CHECK_TOLD("");
    of->server->generation = 5;
    CHECK_INT(mouv__establish_begin(connection, 1, on_established), 0);
    CHECK_INT(of->connecting, 1);
    CHECK_INT(connection->state, MOUV__CONNECTION_SETTING_UP);
    CHECK(!mouv__establish_any(pool, 1));
    CHECK_TOLD("created:1.1");
    miss(fake, 1, 1);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK_TOLD("1 ready:1.1");
    CHECK_INT(of->connecting, 0);
    CHECK_INT(of->breaker.state, MOUV__BREAKER_CLOSED); /* a greeting is an answer */
    CHECK_INT(connection->links->generation, 5);
    CHECK(mouv__establish_any(pool, 1) && !mouv__establish_any(pool, 2));
}

FAKE_CASE(connection_that_cannot_be_set_up_is_told_closed_and_is_no_answer,
          fake_new(&(fake_options_t){.monitor = &telling})) {
    fake_deploy(fake, "RSPrimary");
    mouv__pool_t *pool = fake_pool(fake);
    mouv__connection_t *connection = mouv__establish_new(pool);
    mouv__establish_begin(connection, 1, on_established);
    miss(fake, 1, 1);
    events_clear();
    fake_connect_fail(fake_out(fake, FAKE_CONNECT, 0), MOUV_ENETWORK, "refused");
    CHECK_TOLD("1-failed closed-error:1.1");
    CHECK_INT(mouv__server_pool_of(pool, 1)->breaker.state, MOUV__BREAKER_MISSED);
    CHECK_INT(mouv__server_pool_of(pool, 1)->connecting, 0);
    CHECK(!connection->links);
    CHECK_INT(connection->state, MOUV__CONNECTION_IDLE);
}

FAKE_CASE(server_that_goes_meanwhile_leaves_no_link, fake_serving("RSPrimary RSSecondary")) {
    mouv__connection_t *connection = mouv__establish_new(fake_pool(fake));
    mouv__establish_begin(connection, 2, on_established);
    fake_deploy(fake, "RSPrimary");
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK_STRING(events(), "2");
    CHECK(!connection->links);
}

/* --- pins ------------------------------------------------------------------------------------- */

FAKE_CASE(pin_keeps_its_session_and_its_client_until_the_last_share_is_given_up,
          fake_serving("RSPrimary")) {
    mouv__connection_t *connection = connect_one(fake, 1);
    mouv__server_session_t *session = session_of(fake, connection);
    uint32_t held = fake->client.ref.held;
    mouv__pin_t *pin = mouv__pin_new(fake_client(fake), session, 42);
    CHECK_INT(mouv__pin_server_id(pin), 42);
    CHECK(mouv__pin_session(pin) == session);
    CHECK_INT(fake->client.ref.held, held + 1);
    mouv__server_session_give_back(session, 0);
    CHECK_INT(session->state, MOUV__SERVER_SESSION_IN_USE);
    CHECK(mouv__session_store_is_kept(&connection->sessions));
    mouv__pin_hold(pin);
    mouv__pin_free(pin);
    CHECK_INT(session->state, MOUV__SERVER_SESSION_IN_USE);
    mouv__pin_free(pin);
    CHECK_INT(session->state, MOUV__SERVER_SESSION_FREE);
    CHECK_INT(fake->client.ref.held, held);
    mouv__pin_free(NULL);
}

FAKE_CASE(session_with_several_pins_goes_back_with_the_last, fake_serving("RSPrimary")) {
    mouv__connection_t *connection = connect_one(fake, 1);
    mouv__server_session_t *session = session_of(fake, connection);
    mouv__pin_t *pins[3];
    for (int i = 0; i < 3; i++) pins[i] = mouv__pin_new(fake_client(fake), session, 1);
    mouv__pin_free(pins[1]);
    mouv__pin_free(pins[2]);
    CHECK_INT(session->state, MOUV__SERVER_SESSION_IN_USE);
    mouv__pin_free(pins[0]);
    CHECK_INT(session->state, MOUV__SERVER_SESSION_FREE);
}

FAKE_CASE(streams_are_counted_by_pool_and_connection, fake_serving("RSPrimary")) {
    mouv__connection_t *connection = connect_one(fake, 1);
    mouv__pin_t *plain = mouv__pin_new(fake_client(fake), session_of(fake, connection), 1);
    CHECK_INT(connection->streams, 0);
    mouv__pin_t *pin = mouv__pin_new_for_polls(fake_pool(fake), session_of(fake, connection), 1);
    CHECK_INT(connection->streams, 1);
    CHECK_INT(fake_pool(fake)->streams, 1);
    mouv__pin_free(pin);
    CHECK_INT(connection->streams, 0);
    CHECK_INT(fake_pool(fake)->streams, 0);
    mouv__pin_free(plain);
    mouv__server_session_t *session = session_of(fake, connection);
    mouv__alloc_fail_at = 1;
    CHECK(!mouv__pin_new_for_polls(fake_pool(fake), session, 1));
    mouv__alloc_fail_at = -1;
    CHECK_INT(fake_pool(fake)->streams, 0);
}

FAKE_CASE(pins_of_sessions_that_end_know_it, fake_serving("RSPrimary")) {
    mouv__connection_t *connection = connect_one(fake, 1);
    mouv__server_session_t *session = session_of(fake, connection);
    mouv__pin_t *first = mouv__pin_new(fake_client(fake), session, 1);
    mouv__pin_t *second = mouv__pin_new_for_polls(fake_pool(fake), session, 1);
    mouv__pin_forget_all(&connection->sessions);
    CHECK(!mouv__pin_session(first) && !mouv__pin_session(second));
    CHECK(!session->keepers);
    mouv__pin_free(first);
    mouv__pin_free(second);
    CHECK_INT(fake_pool(fake)->streams, 0);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(connection_used_last_is_used_first),
        TEST(connection_with_a_stream_is_for_its_stream_while_there_can_be_others),
        TEST(stream_keeps_off_connections_whose_sessions_are_kept),
        TEST(idle_connection_to_another_server_is_connected_to_this_one_as_well),
        TEST(connection_with_a_stream_is_connected_to_another_server_if_there_is_no_other),
        TEST(there_are_so_many_connections_and_no_more),
        TEST(connection_is_set_up_with_a_number_and_a_generation_and_counted_meanwhile),
        TEST(connection_that_cannot_be_set_up_is_told_closed_and_is_no_answer),
        TEST(server_that_goes_meanwhile_leaves_no_link),
        TEST(pin_keeps_its_session_and_its_client_until_the_last_share_is_given_up),
        TEST(session_with_several_pins_goes_back_with_the_last),
        TEST(streams_are_counted_by_pool_and_connection),
        TEST(pins_of_sessions_that_end_know_it),
    };
    return RUN_CASES(cases);
}
