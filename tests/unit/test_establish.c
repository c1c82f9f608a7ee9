/*
 * Set-ups that hang: when they give up their place, to whom, and what becomes of them.
 */
#include "pool_support.h"

#define TWO "RSPrimary RSSecondary"

/* Two places, and both are for connections that are being set up to server 2. */
typedef struct scene {
    fake_t *fake;
    customer_t frozen[2], other;
} scene_t;

static void scene_begin(scene_t *scene, fake_t *fake) {
    scene->fake = fake;
    fake_deploy(fake, TWO);
    for (int i = 0; i < 2; i++) customer_come(&scene->frozen[i], fake, "frozen", 2);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 2);
    fake_turn();
    events_clear();
}

/* Somebody wants a connection to server 1. */
static void other_comes(scene_t *scene) {
    customer_come(&scene->other, scene->fake, "other", 1);
}

static fake_call_t *connecting_to(const scene_t *scene, uint32_t server_id) {
    fake_call_t *call = NULL;
    for (uint32_t i = 0; (call = fake_out(scene->fake, FAKE_CONNECT, i)) != NULL; i++)
        if (call->server_id == server_id) break;
    return call;
}

static uint32_t connecting(const scene_t *scene) {
    return mouv__server_pool_of(fake_pool(scene->fake), 2)->connecting;
}

/* Its connection is there, and it goes. */
static void check_other_goes(scene_t *scene) {
    fake_call_t *call = connecting_to(scene, 1);
    if (!CHECK(call != NULL)) return;
    CHECK_INT(fake_pool(scene->fake)->connection_count, 2);
    fake_connect_succeed(call);
    CHECK(scene->other.granted);
    customer_leave(&scene->other);
}

static void scene_end(scene_t *scene) {
    for (int i = 0; i < 2; i++)
        if (!scene->frozen[i].granted) customer_withdraw(&scene->frozen[i]);
    while (fake_count(scene->fake, FAKE_CONNECT) > 0)
        fake_connect_fail(fake_out(scene->fake, FAKE_CONNECT, 0), MOUV_ENETWORK, "too late");
    CHECK_INT(connecting(scene), 0);
    CHECK(mouv__list_is_empty(&fake_pool(scene->fake)->orphans));
}

/* --- when ------------------------------------------------------------------------------------- */

static void give_up_when_the_breaker_opens(fake_t *fake) {
    scene_t scene;
    scene_begin(&scene, fake);
    other_comes(&scene);
    CHECK(!connecting_to(&scene, 1));
    open_breaker(fake, 2);
    check_other_goes(&scene);
    CHECK_INT(connecting(&scene), 1);
    scene_end(&scene);
}

FAKE_CASE(one_gives_up_its_place_when_the_breaker_opens,
          fake_new(&(fake_options_t){.connections = 2})) {
    give_up_when_the_breaker_opens(fake);
}
FAKE_CASE(another_connection_may_take_it,
          fake_new(&(fake_options_t){.connections = 2, .replaces = true})) {
    give_up_when_the_breaker_opens(fake);
}

FAKE_CASE(who_comes_later_has_one_at_once, fake_new(&(fake_options_t){.connections = 2})) {
    scene_t scene;
    scene_begin(&scene, fake);
    open_breaker(fake, 2);
    CHECK(mouv__list_is_empty(&fake_pool(fake)->orphans)); /* nobody wanted it */
    other_comes(&scene);
    check_other_goes(&scene);
    scene_end(&scene);
}

FAKE_CASE(without_a_breaker_it_has_a_second, fake_new(&(fake_options_t){.connections = 2})) {
    scene_t scene;
    scene_begin(&scene, fake);
    fake_pass_ms(500);
    other_comes(&scene);
    fake_pass_ms(499);
    CHECK(!connecting_to(&scene, 1));
    fake_pass_ms(1);
    check_other_goes(&scene);
    scene_end(&scene);
}

FAKE_CASE(or_twice_the_time_of_the_last_one, fake_new(&(fake_options_t){.connections = 2})) {
    scene_t scene;
    scene_begin(&scene, fake);
    other_comes(&scene);
    fake_pass_ms(3000);
    check_other_goes(&scene);
    fake_connect_succeed(connecting_to(&scene, 2)); /* the orphan: nobody's */
    CHECK(!scene.frozen[0].granted && !scene.frozen[1].granted);
    fake_connect_succeed(connecting_to(&scene, 2));
    CHECK(scene.frozen[0].granted);
    fake_call_t *slow = connecting_to(&scene, 2); /* in the other's place */
    CHECK(slow != NULL);
    other_comes(&scene);
    fake_pass_ms(5999);
    CHECK(!scene.other.granted);
    fake_pass_ms(1);
    CHECK(scene.other.granted); /* that one was connected to its server, too */
    customer_leave(&scene.other);
    customer_leave(&scene.frozen[0]);
    scene_end(&scene);
}

/* --- for whom --------------------------------------------------------------------------------- */

FAKE_CASE(for_those_of_the_same_server_none_gives_up,
          fake_new(&(fake_options_t){.connections = 2})) {
    scene_t scene;
    customer_t more;
    scene_begin(&scene, fake);
    customer_come(&more, fake, "more", 2);
    fake_pass_ms(5000);
    CHECK(mouv__list_is_empty(&fake_pool(fake)->orphans));
    customer_withdraw(&more);
    scene_end(&scene);
}

FAKE_CASE(while_there_is_room_none_gives_up, fake_new(&(fake_options_t){.connections = 3})) {
    scene_t scene;
    scene_begin(&scene, fake);
    open_breaker(fake, 2);
    customer_come(&scene.other, fake, "other", 1);
    CHECK(mouv__list_is_empty(&fake_pool(fake)->orphans));
    fake_connect_succeed(connecting_to(&scene, 1));
    customer_leave(&scene.other);
    scene_end(&scene);
}

FAKE_CASE(only_as_many_give_up_as_are_wanted, fake_new(&(fake_options_t){.connections = 2})) {
    scene_t scene;
    scene_begin(&scene, fake);
    other_comes(&scene);
    open_breaker(fake, 2);
    fake_pass_ms(500);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 3);
    check_other_goes(&scene);
    scene_end(&scene);
}

/* A place that had a connection to who wants it is used as it is. */
FAKE_CASE(what_it_was_connected_to_it_is_still, fake_new(&(fake_options_t){.connections = 1})) {
    scene_t scene = {.fake = fake};
    fake_deploy(fake, TWO);
    mouv__connection_t *connection = connect_one(fake, 1);
    customer_come(&scene.frozen[0], fake, "frozen", 2);
    other_comes(&scene);
    CHECK(!scene.other.granted);
    fake_pass_ms(1000);
    CHECK(scene.other.granted && scene.other.connection == connection);
    CHECK_INT(fake_total(fake, FAKE_CONNECT), 2);
    customer_leave(&scene.other);
    customer_withdraw(&scene.frozen[0]);
    fake_connect_succeed(connecting_to(&scene, 2));
    CHECK(!mouv__connection_is_ready(connection, 2));
    CHECK(mouv__connection_is_ready(connection, 1));
}

FAKE_CASE(another_one_is_connected_to_nothing,
          fake_new(&(fake_options_t){.connections = 1, .replaces = true, .monitor = &telling})) {
    scene_t scene = {.fake = fake};
    fake_deploy(fake, TWO);
    connect_one(fake, 1);
    customer_come(&scene.frozen[0], fake, NULL, 2);
    fake_turn();
    events_clear();
    other_comes(&scene);
    fake_pass_ms(1000);
    CHECK_CONTAINS(events(), "closed-error:2.1 closed-error:1.1 created:1.2");
    fake_connect_succeed(connecting_to(&scene, 1));
    CHECK(scene.other.granted);
    customer_leave(&scene.other);
    customer_withdraw(&scene.frozen[0]);
    fake_connect_fail(connecting_to(&scene, 2), MOUV_ENETWORK, "too late");
}

/* --- what becomes of it ----------------------------------------------------------------------- */

FAKE_CASE(until_it_has_ended_no_other_is_begun, fake_new(&(fake_options_t){.connections = 1})) {
    scene_t scene = {.fake = fake};
    fake_deploy(fake, TWO);
    for (int i = 0; i < 2; i++) customer_come(&scene.frozen[i], fake, "frozen", 2);
    other_comes(&scene);
    fake_pass_ms(1000);
    fake_connect_succeed(connecting_to(&scene, 1));
    CHECK(scene.other.granted); /* and not one that has come before it */
    customer_leave(&scene.other);
    fake_pass_ms(5000);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1); /* though its place is free again */
    fake_connect_fail(connecting_to(&scene, 2), MOUV_ENETWORK, "too late");
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    CHECK_INT(fake_total(fake, FAKE_CONNECT), 3);
    scene_end(&scene);
}

FAKE_CASE(its_server_has_answered, fake_new(&(fake_options_t){.connections = 2})) {
    scene_t scene;
    scene_begin(&scene, fake);
    other_comes(&scene);
    open_breaker(fake, 2);
    check_other_goes(&scene);
    fake_connect_succeed(connecting_to(&scene, 2));
    CHECK(!mouv__breaker_is_open(fake_pool(fake), 2));
    fake_turn();
    scene_end(&scene);
}

FAKE_CASE(its_server_may_go_first, fake_new(&(fake_options_t){.connections = 2})) {
    scene_t scene;
    scene_begin(&scene, fake);
    other_comes(&scene);
    fake_pass_ms(1000);
    check_other_goes(&scene);
    fake_deploy(fake, "RSPrimary");
    while (fake_count(fake, FAKE_CONNECT) > 0)
        fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(mouv__list_is_empty(&fake_pool(fake)->orphans));
    for (int i = 0; i < 2; i++)
        if (scene.frozen[i].checkout.state != MOUV__CHECKOUT_NONE)
            customer_withdraw(&scene.frozen[i]);
}

FAKE_CASE(a_client_that_closes_waits_for_none, fake_new(&(fake_options_t){.connections = 2})) {
    scene_t scene;
    scene_begin(&scene, fake);
    other_comes(&scene);
    fake_pass_ms(1000);
    check_other_goes(&scene);
    for (int i = 0; i < 2; i++) customer_withdraw(&scene.frozen[i]);
}

/* --- where it cannot be ----------------------------------------------------------------------- */

FAKE_CASE(a_transport_that_cannot_keeps_it,
          fake_new(&(fake_options_t){.connections = 2, .cannot_orphan = true})) {
    scene_t scene;
    scene_begin(&scene, fake);
    other_comes(&scene);
    open_breaker(fake, 2);
    fake_pass_ms(5000);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 2);
    customer_withdraw(&scene.other);
    scene_end(&scene);
}

FAKE_CASE(without_memory_it_stays,
          fake_new(&(fake_options_t){.connections = 2, .replaces = true})) {
    scene_t scene;
    scene_begin(&scene, fake);
    other_comes(&scene);
    fake->refuse[FAKE_CONNECTION_NEW] = 2;
    fake_pass_ms(1500);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 2);
    CHECK(mouv__list_is_empty(&fake_pool(fake)->orphans));
    mouv__pool_pump(fake_pool(fake));
    check_other_goes(&scene);
    scene_end(&scene);
}

FAKE_CASE(whoever_is_pinned_to_it_keeps_it, fake_new(&(fake_options_t){.connections = 1})) {
    scene_t scene = {.fake = fake};
    customer_t pinned;
    fake_deploy(fake, TWO);
    mouv__server_session_t *session = session_of(fake, connect_one(fake, 1));
    customer_come(&scene.frozen[0], fake, "frozen", 2);
    customer_come_pinned(&pinned, fake, "pinned", session, 1);
    other_comes(&scene);
    fake_pass_ms(5000);
    CHECK(!scene.other.granted);
    fake_connect_fail(connecting_to(&scene, 2), MOUV_ENETWORK, "too late");
    CHECK(pinned.granted);
    customer_leave(&pinned); /* the oldest is next, and hangs */
    fake_pass_ms(1000);
    CHECK(scene.other.granted);
    customer_leave(&scene.other);
    mouv__server_session_give_back(session, 0);
    if (scene.frozen[0].checkout.state != MOUV__CHECKOUT_NONE) customer_withdraw(&scene.frozen[0]);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(one_gives_up_its_place_when_the_breaker_opens),
        TEST(another_connection_may_take_it),
        TEST(who_comes_later_has_one_at_once),
        TEST(without_a_breaker_it_has_a_second),
        TEST(or_twice_the_time_of_the_last_one),
        TEST(for_those_of_the_same_server_none_gives_up),
        TEST(while_there_is_room_none_gives_up),
        TEST(only_as_many_give_up_as_are_wanted),
        TEST(what_it_was_connected_to_it_is_still),
        TEST(another_one_is_connected_to_nothing),
        TEST(until_it_has_ended_no_other_is_begun),
        TEST(its_server_has_answered),
        TEST(its_server_may_go_first),
        TEST(a_client_that_closes_waits_for_none),
        TEST(a_transport_that_cannot_keeps_it),
        TEST(without_memory_it_stays),
        TEST(whoever_is_pinned_to_it_keeps_it),
    };
    return RUN_CASES(cases);
}
