/*
 * What the pool keeps of one server: ready, generation, links, and what is told of them.
 */
#include "pool_support.h"

static mouv__server_pool_t *of(fake_t *fake, uint32_t server_id) {
    return mouv__server_pool_of(fake_pool(fake), server_id);
}

static fake_t *monitored(uint32_t connections, const char *servers) {
    fake_t *fake = fake_new(&(fake_options_t){.connections = connections, .monitor = &telling});
    fake_deploy(fake, servers);
    fake_turn();
    events_clear();
    return fake;
}

static uint32_t told_max;

static void keep_options(const mouv_connection_pool_event_t *told, void *arg) {
    (void)arg;
    told_max = told->options ? told->options->max_pool_size : 0;
}

CORO_CASE(server_that_is_known_has_a_pool_which_is_told_with_its_options) {
    static const mouv_monitor_t created = {.pool_created = keep_options};
    fake_t *fake = fake_new(&(fake_options_t){.monitor = &created, .told = {.max_pool_size = 17}});
    fake_deploy(fake, "Unknown RSSecondary");
    fake_turn();
    CHECK(!of(fake, 1) && of(fake, 2)->ready);
    CHECK_INT(told_max, 17);
    fake_free(fake);
    return 0;
}

FAKE_CASE(ready_cleared_and_ready_again_are_told_once_each,
          fake_new(&(fake_options_t){.monitor = &telling})) {
    fake_deploy(fake, "Unknown");
    CHECK_TOLD("");
    fake_deploy(fake, "RSPrimary");
    CHECK_TOLD("pool:1 pool-ready:1");
    fake_deploy(fake, "RSSecondary"); /* of another kind, but known */
    CHECK_TOLD("");
    CHECK_INT(of(fake, 1)->server->generation, 0);
    fake_deploy(fake, "Unknown");
    CHECK_TOLD("pool-cleared:1");
    CHECK_INT(of(fake, 1)->server->generation, 1);
    mouv__server_pool_clear(fake_pool(fake), of(fake, 1));
    CHECK_TOLD("");
    CHECK_INT(of(fake, 1)->server->generation, 2);
    fake_deploy(fake, "RSPrimary");
    CHECK_TOLD("pool-ready:1");
    fake_deploy(fake, "");
    CHECK_TOLD("pool-closed:1");
    CHECK(!of(fake, 1));
}

FAKE_CASE(lost_server_takes_idle_links_at_once_and_others_when_they_come_back,
          monitored(2, "RSPrimary RSSecondary")) {
    mouv__connection_t *made[2];
    connect_many(fake, 1, 2, made);
    customer_t holder, other;
    customer_come(&holder, fake, NULL, 1);
    fake_turn();
    events_clear();
    fake_deploy(fake, "Unknown RSSecondary");
    mouv__connection_t *idle = holder.connection == made[0] ? made[1] : made[0];
    CHECK(!idle->links && holder.connection->links);
    fake_turn();
    CHECK_CONTAINS(events(), "pool-cleared:1 closed-stale:1");
    events_clear();
    mouv__connection_t *held = holder.connection;
    CHECK(!mouv__server_pool_has(fake_pool(fake), held->links));
    customer_come(&other, fake, NULL, 2);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(other.connection == idle);
    CHECK(mouv__server_pool_has(fake_pool(fake), idle->links));
    events_clear();
    customer_leave(&holder);
    CHECK(!held->links);
    fake_turn();
    CHECK_CONTAINS(events(), "closed-stale:1");
    customer_leave(&other);
    CHECK(idle->links);
}

FAKE_CASE(connection_that_is_set_up_while_its_server_is_lost_is_stale_when_ready,
          monitored(1, "RSPrimary")) {
    customer_t customer;
    customer_come(&customer, fake, NULL, 1);
    fake_deploy(fake, "Unknown");
    fake_deploy(fake, "RSPrimary");
    fake_turn();
    events_clear();
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(!customer.granted);
    CHECK_TOLD("ready:1.1 closed-stale:1.1 created:1.2");
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(customer.granted);
    customer_leave(&customer);
}

FAKE_CASE(server_that_goes_takes_all_its_links_with_it_in_use_or_not,
          monitored(2, "RSPrimary RSSecondary")) {
    connect_many(fake, 2, 2, NULL);
    customer_t holder;
    customer_come(&holder, fake, NULL, 2);
    fake_turn();
    events_clear();
    mouv__server_t *server = mouv__server_ref(of(fake, 2)->server);
    CHECK_INT(server->shares, 3);
    fake_deploy(fake, "RSPrimary");
    CHECK_INT(server->shares, 1);
    mouv__server_unref(server);
    CHECK(!holder.connection->links);
    CHECK_TOLD("closed-pool:2.1 pool-closed:2 closed-pool:2.2");
    customer_leave(&holder);
    CHECK_TOLD("");
    CHECK(of(fake, 1));
}

static int64_t told_us;

static void keep_duration(const mouv_connection_event_t *told, void *arg) {
    (void)arg;
    told_us = told->duration_us;
}

CORO_CASE(links_have_numbers_and_times) {
    static const mouv_monitor_t ready = {.connection_ready = keep_duration};
    fake_t *fake = fake_new(&(fake_options_t){.monitor = &ready});
    fake_deploy(fake, "RSPrimary RSSecondary");
    customer_t customer;
    customer_come(&customer, fake, NULL, 1);
    fake_pass_ms(6);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    fake_turn();
    CHECK_INT(told_us, 6000);
    const mouv__server_link_t *link = customer.connection->links;
    CHECK_INT(link->number, 1);
    CHECK(link->since_ns == mouv__client_now_ns(fake_client(fake)));
    CHECK_INT(mouv__server_pool_begin_link(fake_pool(fake), of(fake, 1)), 2);
    CHECK_INT(mouv__server_pool_begin_link(fake_pool(fake), of(fake, 2)), 1);
    customer_leave(&customer);
    fake_free(fake);
    return 0;
}

FAKE_CASE(answer_tells_that_libmongoc_has_connected_it, monitored(1, "RSPrimary RSSecondary")) {
    mouv__connection_t *connection = connect_one(fake, 1);
    fake_turn();
    events_clear();
    mouv__server_pool_note_link(fake_pool(fake), connection, 1);
    CHECK_TOLD("");
    mouv__server_pool_note_link(fake_pool(fake), connection, 2);
    CHECK_TOLD("created:2.1 ready:2.1");
    CHECK(mouv__connection_is_ready(connection, 2));
    mouv__server_pool_note_link(fake_pool(fake), connection, 9);
    CHECK(!mouv__connection_link(connection, 9));
    mouv__server_pool_drop_link(fake_pool(fake), connection, 2, MOUV_CONNECTION_CLOSED_ERROR);
    CHECK_TOLD("closed-error:2.1");
    mouv__server_pool_drop_link(fake_pool(fake), connection, 2, MOUV_CONNECTION_CLOSED_ERROR);
    CHECK_TOLD("");
    mouv__server_pool_cut_link(fake_pool(fake), connection, 1);
    CHECK_INT(connection->links->state, MOUV__LINK_CUT);
    mouv__server_pool_cut_link(fake_pool(fake), connection, 9);
    CHECK(!mouv__connection_link(connection, 9));
}

FAKE_CASE(patience_is_four_round_trips_or_kills_but_at_least_what_is_asked,
          fake_serving("RSPrimary")) {
    mouv__pool_t *pool = fake_pool(fake);
    CHECK_INT(mouv__server_pool_patience_ns(pool, 1, 50), 50);
    CHECK_INT(mouv__server_pool_patience_ns(pool, 9, 50), 50);
    mouv__rtt_add(&fake_server(fake, 1)->rtt, 30);
    mouv__rtt_add(&fake_server(fake, 1)->rtt, 20);
    CHECK_INT(mouv__server_pool_patience_ns(pool, 1, 50), 80);
    CHECK_INT(mouv__server_pool_patience_ns(pool, 1, 500), 500);
    of(fake, 1)->kill_ns = 40;
    CHECK_INT(mouv__server_pool_patience_ns(pool, 1, 50), 160);
}

FAKE_CASE(without_memory_a_server_stays_unused_and_a_link_unmade,
          fake_serving("Unknown RSSecondary")) {
    mouv__connection_t *connection = connect_one(fake, 2);
    mouv__server_t *server = fake_server(fake, 1);
    server->kind = MOUV__SERVER_PRIMARY;
    mouv__alloc_fail_at = 1;
    CHECK(!mouv__server_pool_ready(fake_pool(fake), server));
    mouv__alloc_fail_at = -1;
    CHECK(!of(fake, 1));
    CHECK(mouv__server_pool_ready(fake_pool(fake), server));
    mouv__server_link_t link = {.server_id = 1, .number = 1};
    mouv__alloc_fail_at = 1;
    CHECK(!mouv__server_pool_add_link(fake_pool(fake), connection, &link));
    mouv__alloc_fail_at = -1;
    CHECK(!mouv__connection_link(connection, 1));
    link.server_id = 9;
    CHECK(!mouv__server_pool_add_link(fake_pool(fake), connection, &link));
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(server_that_is_known_has_a_pool_which_is_told_with_its_options),
        TEST(ready_cleared_and_ready_again_are_told_once_each),
        TEST(lost_server_takes_idle_links_at_once_and_others_when_they_come_back),
        TEST(connection_that_is_set_up_while_its_server_is_lost_is_stale_when_ready),
        TEST(server_that_goes_takes_all_its_links_with_it_in_use_or_not),
        TEST(links_have_numbers_and_times),
        TEST(answer_tells_that_libmongoc_has_connected_it),
        TEST(patience_is_four_round_trips_or_kills_but_at_least_what_is_asked),
        TEST(without_memory_a_server_stays_unused_and_a_link_unmade),
    };
    return RUN_CASES(cases);
}
