/*
 * Behind a load balancer: connections that pins keep from others, and errors that only the
 * connections to one server there have a part in.
 */
#include "pool_support.h"

static fake_t *balanced(uint32_t connections) {
    fake_t *fake = fake_new(&(fake_options_t){.connections = connections, .monitor = &telling});
    fake_deploy(fake, "LoadBalancer");
    fake_turn();
    events_clear();
    return fake;
}

static void come_by(customer_t *customer, fake_t *fake, uint64_t operation_id) {
    customer_init(customer, fake, NULL);
    customer->checkout.operation_id = operation_id;
    customer_enter(customer);
    if (fake_count(fake, FAKE_CONNECT) > 0) fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
}

/* One that a pin has kept a connection for. */
static void come_kept(customer_t *customer, fake_t *fake, const mouv__pin_t *pin) {
    customer_init(customer, fake, NULL);
    customer->checkout.session = mouv__pin_session(pin);
    customer->checkout.kept = mouv__pin_connection(pin);
    customer_enter(customer);
}

/* A pin of a session of its own that keeps a connection which is in use. */
static mouv__pin_t *keep(fake_t *fake, mouv__connection_t *connection, mouv__keeper_t keeper) {
    mouv__pin_t *pin = mouv__pin_new(fake_client(fake), session_of(fake, connection), 1);
    mouv__pin_keep_connection(pin, connection, keeper);
    return pin;
}

CORO_CASE(kept_connection_is_granted_only_to_those_that_it_is_kept_for) {
    fake_t *fake = balanced(2);
    customer_t first, own, other, third;
    come_by(&first, fake, 1);
    mouv__connection_t *connection = first.connection;
    mouv__pin_t *pin = keep(fake, connection, MOUV__KEEPER_CURSOR);
    customer_leave(&first);
    CHECK_INT(connection->state, MOUV__CONNECTION_KEPT);
    CHECK(mouv__connection_is_busy(connection));
    come_by(&other, fake, 2);
    CHECK(other.granted && other.connection != connection);
    come_by(&third, fake, 3);
    CHECK(!third.granted);
    come_kept(&own, fake, pin);
    CHECK(own.connection == connection);
    CHECK_INT(connection->state, MOUV__CONNECTION_IN_USE);
    customer_leave(&own);
    CHECK_INT(connection->state, MOUV__CONNECTION_KEPT);
    CHECK(!third.granted);
    mouv__pin_free(pin);
    CHECK(!third.granted); /* not from inside of whoever lets it go */
    fake_turn();
    CHECK(third.connection == connection);
    customer_leave(&third);
    customer_leave(&other);
    fake_free(fake);
    return 0;
}

CORO_CASE(kept_connection_is_checked_in_when_it_is_let_go_by_whom_it_was_checked_out_for) {
    fake_t *fake = balanced(1);
    customer_t first, own;
    come_by(&first, fake, 1);
    mouv__pin_t *pin = keep(fake, first.connection, MOUV__KEEPER_CURSOR);
    fake_turn();
    events_clear();
    customer_leave(&first);
    come_kept(&own, fake, pin);
    customer_leave(&own);
    CHECK_TOLD("");
    CHECK_INT(first.checkout.operation_id, 1);
    come_kept(&own, fake, pin);
    mouv__connection_t *connection = own.connection;
    CHECK_INT(connection->kept_since, 1);
    mouv__pin_let_connection_go(pin);
    CHECK(!mouv__pin_connection(pin) && !mouv__pin_is_lost(pin));
    CHECK_TOLD(""); /* it is in use */
    customer_leave(&own);
    CHECK_TOLD("in:1.1");
    CHECK_INT(connection->kept_since, 0);
    mouv__pin_let_connection_go(pin);
    mouv__pin_free(pin);
    CHECK_TOLD("");
    fake_free(fake);
    return 0;
}

CORO_CASE(connection_is_kept_until_the_last_lets_it_go) {
    fake_t *fake = balanced(1);
    customer_t first;
    come_by(&first, fake, 1);
    mouv__connection_t *connection = first.connection;
    mouv__pin_t *pins[] = {keep(fake, connection, MOUV__KEEPER_TRANSACTION),
                           keep(fake, connection, MOUV__KEEPER_CURSOR)};
    customer_leave(&first);
    uint32_t transactions, cursors;
    mouv__pin_count(fake_pool(fake), &transactions, &cursors);
    CHECK_INT(transactions, 1);
    CHECK_INT(cursors, 0);
    mouv__pin_free(pins[0]);
    CHECK_INT(connection->state, MOUV__CONNECTION_KEPT);
    mouv__pin_count(fake_pool(fake), &transactions, &cursors);
    CHECK_INT(transactions, 0);
    CHECK_INT(cursors, 1);
    mouv__pin_free(pins[1]);
    CHECK_INT(connection->state, MOUV__CONNECTION_IDLE);
    fake_free(fake);
    return 0;
}

CORO_CASE(who_waits_in_vain_is_told_what_keeps_the_connections) {
    fake_t *fake = balanced(2);
    customer_t first, second, third;
    mouv_error_t error = {0};
    come_by(&first, fake, 1);
    come_by(&second, fake, 2);
    mouv__pin_t *pin = keep(fake, first.connection, MOUV__KEEPER_TRANSACTION);
    customer_leave(&first);
    come_by(&third, fake, 3);
    mouv__checkout_explain(&third.checkout, &error);
    CHECK_CONTAINS(error.message,
                   "maxPoolSize: 2, connections in use by cursors: 0, connections in use by "
                   "transactions: 1, connections in use by other operations: 1");
    customer_withdraw(&third);
    mouv__pin_free(pin);
    customer_leave(&second);
    fake_free(fake);
    return 0;
}

CORO_CASE(getmore_that_waits_is_in_nobodys_way_on_a_kept_connection) {
    fake_t *fake = balanced(2);
    customer_t first, poll, others[2];
    come_by(&first, fake, 1);
    mouv__pin_t *pin = keep(fake, first.connection, MOUV__KEEPER_CURSOR);
    customer_leave(&first);
    come_by(&others[0], fake, 2);
    come_by(&others[1], fake, 3); /* waits */
    customer_init(&poll, fake, NULL);
    poll.checkout.session = mouv__pin_session(pin);
    poll.checkout.kept = mouv__pin_connection(pin);
    poll.checkout.poll = poll.checkout.poll_waits = true;
    customer_enter(&poll);
    CHECK(poll.granted);
    CHECK_INT(poll.connection->state, MOUV__CONNECTION_POLLING);
    customer_leave(&poll);
    CHECK_INT(fake_pool(fake)->polling, 0);
    customer_leave(&others[0]);
    customer_leave(&others[1]);
    mouv__pin_free(pin);
    fake_free(fake);
    return 0;
}

/* --- errors ----------------------------------------------------------------------------------- */

static void lead_to(mouv__connection_t *connection, char service) {
    bson_oid_t *id = &connection->links->service_id;
    connection->links->balanced = true;
    memset(id->bytes, service, sizeof id->bytes);
}

CORO_CASE(error_clears_the_connections_to_its_server_alone) {
    fake_t *fake = balanced(4);
    mouv__connection_t *made[4];
    customer_t users[4];
    for (int i = 0; i < 4; i++) come_by(&users[i], fake, 1);
    for (int i = 0; i < 4; i++) lead_to(made[i] = users[i].connection, i % 2 ? 'b' : 'a');
    customer_leave(&users[2]);
    customer_leave(&users[3]);
    fake_turn();
    events_clear();
    mouv__server_pool_clear_service(fake_pool(fake), made[0], 1);
    CHECK_TOLD("pool-cleared:1 closed-stale:1.3");
    CHECK(made[0]->links && !made[2]->links && made[3]->links);
    mouv__server_pool_clear_service(fake_pool(fake), made[0], 1); /* it is stale */
    CHECK_TOLD("");
    mouv__server_pool_lose_link(made[0], 1);
    customer_leave(&users[0]);
    CHECK_TOLD("in:1.1 closed-error:1.1");
    mouv__server_pool_clear_service(fake_pool(fake), made[0], 1); /* it leads nowhere */
    CHECK_TOLD("");
    customer_leave(&users[1]);
    CHECK_TOLD("in:1.2");
    CHECK(made[1]->links);
    fake_free(fake);
    return 0;
}

CORO_CASE(lost_connection_is_kept_by_nobody) {
    fake_t *fake = balanced(1);
    customer_t first;
    come_by(&first, fake, 1);
    mouv__connection_t *connection = first.connection;
    mouv__pin_t *pins[] = {keep(fake, connection, MOUV__KEEPER_TRANSACTION),
                           keep(fake, connection, MOUV__KEEPER_CURSOR)};
    mouv__pin_lose_connection(connection);
    for (int i = 0; i < 2; i++) {
        CHECK(!mouv__pin_connection(pins[i]));
        CHECK(mouv__pin_is_lost(pins[i]));
    }
    customer_leave(&first);
    CHECK_INT(connection->state, MOUV__CONNECTION_IDLE);
    mouv__pin_free(pins[0]);
    mouv__pin_free(pins[1]);
    fake_free(fake);
    return 0;
}

CORO_CASE(close_takes_what_is_kept) {
    fake_t *fake = balanced(1);
    customer_t first;
    come_by(&first, fake, 1);
    mouv__connection_t *connection = first.connection;
    mouv__pin_t *pin = keep(fake, connection, MOUV__KEEPER_CURSOR);
    customer_leave(&first);
    fake_close_client(fake);
    fake_turn();
    CHECK(mouv__pin_is_lost(pin));
    CHECK(((fake_connection_t *)connection)->ended);
    mouv__pin_free(pin);
    fake_free(fake);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(kept_connection_is_granted_only_to_those_that_it_is_kept_for),
        TEST(kept_connection_is_checked_in_when_it_is_let_go_by_whom_it_was_checked_out_for),
        TEST(connection_is_kept_until_the_last_lets_it_go),
        TEST(who_waits_in_vain_is_told_what_keeps_the_connections),
        TEST(getmore_that_waits_is_in_nobodys_way_on_a_kept_connection),
        TEST(error_clears_the_connections_to_its_server_alone),
        TEST(lost_connection_is_kept_by_nobody),
        TEST(close_takes_what_is_kept),
    };
    return RUN_CASES(cases);
}
