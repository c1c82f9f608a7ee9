/*
 * Servers that an operation's error has marked Unknown are asked what they are.
 */
#include "pool_support.h"

#include "mongo/pool/recheck.h"
#include "mongo/topology/app_error.h"

#define PRIMARY "{'ok': 1, 'isWritablePrimary': true, 'setName': 'rs'}"
#define SECONDARY "{'ok': 1, 'secondary': true, 'setName': 'rs'}"

/* It is lost, as far as a connection of its present generation can tell. */
static void lose(fake_t *fake, uint32_t server_id) {
    mouv__topology_t *topology = fake->client.topology;
    mouv__app_error_t error = {.server_id = server_id,
                               .generation = fake_server(fake, server_id)->generation,
                               .now_ms = bson_get_monotonic_time() / 1000 - 1};
    CHECK(mouv__app_error(topology, &error));
}

FAKE_CASE(a_marked_server_is_asked_at_once_and_who_waits_goes_on, fake_serving("RSPrimary")) {
    connect_one(fake, 1);
    lose(fake, 1);
    CHECK(!mouv__server_is_known(fake_server(fake, 1)));
    customer_t customer;
    customer_come(&customer, fake, NULL, 0);
    CHECK(!customer.granted);
    CHECK_INT(fake_count(fake, FAKE_SEEK), 0); /* libmongoc would have it at once */
    fake_call_t *hello = fake_named(fake, "hello");
    CHECK(hello && hello->control == MOUV__CONTROL_CHECK && hello->server_id == 1);
    CHECK(hello->exchange->quiet && hello->exchange->sets_up);
    mouv__pool_pump(fake_pool(fake)); /* one at a time */
    CHECK_INT(fake_total(fake, FAKE_CONTROL), 1);
    fake_answer(hello, PRIMARY);
    CHECK(mouv__server_is_known(fake_server(fake, 1)));
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0)); /* the old connection is stale */
    CHECK(customer.granted);
    customer_leave(&customer);
    CHECK(!fake->client.topology->has_marks);
}

FAKE_CASE(without_an_answer_it_is_asked_again_after_a_while, fake_serving("RSPrimary")) {
    lose(fake, 1);
    mouv__pool_pump(fake_pool(fake));
    fake_lose(fake_named(fake, "hello"), false);
    fake_pass_ms(499);
    CHECK(!fake_named(fake, "hello"));
    fake_pass_ms(1);
    CHECK(fake_named(fake, "hello"));
    fake_answer(fake_named(fake, "hello"), PRIMARY);
    CHECK(mouv__server_is_known(fake_server(fake, 1)));
    fake_pass_ms(1000);
    CHECK(!fake_named(fake, "hello"));
}

FAKE_CASE(if_it_is_something_else_now_its_monitor_has_the_word,
          fake_serving("RSPrimary RSSecondary")) {
    lose(fake, 1);
    mouv__pool_pump(fake_pool(fake));
    fake_answer(fake_named(fake, "hello"), SECONDARY);
    CHECK(!mouv__server_is_known(fake_server(fake, 1)));
    fake_pass_ms(500);
    CHECK(fake_named(fake, "hello"));
    fake_deploy(fake, "- RSPrimary"); /* libmongoc's snapshots have no Unknown one */
    fake_lose(fake_named(fake, "hello"), false);
    fake_pass_ms(1000);
    CHECK(!fake_named(fake, "hello"));
    CHECK(!fake->client.topology->has_marks);
}

FAKE_CASE(others_wait_for_their_turn, fake_serving("RSPrimary RSSecondary")) {
    lose(fake, 1);
    lose(fake, 2);
    mouv__pool_pump(fake_pool(fake));
    uint32_t first = fake_named(fake, "hello")->server_id;
    fake_lose(fake_named(fake, "hello"), false);
    CHECK_INT(fake_named(fake, "hello")->server_id, 3 - first);
    fake_answer(fake_named(fake, "hello"), first == 1 ? SECONDARY : PRIMARY);
    CHECK(mouv__server_is_known(fake_server(fake, 3 - first)));
    CHECK(!mouv__server_is_known(fake_server(fake, first)));
}

FAKE_CASE(without_memory_for_it_it_is_asked_later, fake_serving("RSPrimary")) {
    lose(fake, 1);
    fake->refuse[FAKE_CONTROL] = 1;
    mouv__pool_pump(fake_pool(fake));
    CHECK(!fake_named(fake, "hello"));
    fake_pass_ms(500);
    CHECK(fake_named(fake, "hello"));
}

FAKE_CASE(a_client_that_drains_asks_only_for_who_waits, fake_serving("RSPrimary")) {
    customer_t customer;
    lose(fake, 1);
    mouv__client_ref_move(fake_client(fake), MOUV__CLIENT_DRAINING);
    mouv__pool_pump(fake_pool(fake));
    CHECK(!fake_named(fake, "hello"));
    customer_come(&customer, fake, NULL, 0);
    CHECK(fake_named(fake, "hello"));
    customer_withdraw(&customer);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(a_marked_server_is_asked_at_once_and_who_waits_goes_on),
        TEST(without_an_answer_it_is_asked_again_after_a_while),
        TEST(if_it_is_something_else_now_its_monitor_has_the_word),
        TEST(others_wait_for_their_turn),
        TEST(without_memory_for_it_it_is_asked_later),
        TEST(a_client_that_drains_asks_only_for_who_waits),
    };
    return RUN_CASES(cases);
}
