/*
 * Letting in: who may send when.
 */
#include "pool_support.h"

/* --- turns ------------------------------------------------------------------------------------ */

FAKE_CASE(first_come_first_served_on_the_one_connection_there_is,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary");
    customer_t customers[3];
    customer_come(&customers[0], fake, "a", 0);
    customer_come(&customers[1], fake, "b", 0);
    customer_come(&customers[2], fake, "c", 0);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    CHECK_INT(mouv__pool_count_waiting(fake_pool(fake)), 3);
    CHECK_INT(mouv__pool_count_busy(fake_pool(fake)), 1);
    CHECK_STRING(events(), "");
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK_STRING(events(), "a");
    customer_leave(&customers[0]);
    CHECK_STRING(events(), "a b");
    CHECK_INT(mouv__pool_count_busy(fake_pool(fake)), 1);
    customer_leave(&customers[1]);
    CHECK_STRING(events(), "a b c");
    customer_leave(&customers[2]);
    CHECK_INT(fake_total(fake, FAKE_CONNECT), 1);
    CHECK_INT(mouv__pool_count_busy(fake_pool(fake)), 0);
}

FAKE_CASE(another_servers_turn_is_not_held_up, fake_new(&(fake_options_t){.connections = 3})) {
    fake_deploy(fake, "RSPrimary RSSecondary");
    customer_t held, waiting[60], other;
    customer_come(&held, fake, NULL, 2);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    for (int i = 0; i < 60; i++) customer_come(&waiting[i], fake, NULL, 1);
    customer_come(&other, fake, "other", 2);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 2);
    customer_leave(&held);
    CHECK_STRING(events(), "other");
    CHECK(!waiting[0].granted);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(waiting[0].granted && !waiting[1].granted);
    for (int i = 1; i < 60; i++) customer_withdraw(&waiting[i]);
}

FAKE_CASE(pinned_ones_go_before_new_ones_on_their_connection,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary");
    mouv__connection_t *connection = connect_one(fake, 1);
    mouv__server_session_t *session = session_of(fake, connection);
    customer_t first, fresh, pinned[2];
    customer_come(&first, fake, "first", 0);
    customer_come(&fresh, fake, "fresh", 0);
    customer_come_pinned(&pinned[0], fake, "pinned", session, 1);
    customer_come_pinned(&pinned[1], fake, "again", session, 1);
    CHECK_INT(mouv__pool_count_waiting(fake_pool(fake)), 3);
    customer_leave(&first);
    CHECK_STRING(events(), "first pinned");
    customer_leave(&pinned[0]);
    customer_leave(&pinned[1]);
    CHECK_STRING(events(), "first pinned again fresh");
    customer_leave(&fresh);
}

FAKE_CASE(pinned_one_goes_at_once_on_an_idle_connection, fake_serving("RSPrimary")) {
    mouv__connection_t *made[2];
    connect_many(fake, 1, 2, made);
    customer_t pinned;
    customer_come_pinned(&pinned, fake, "pinned", session_of(fake, made[0]), 1);
    CHECK(pinned.connection == made[0]);
    customer_leave(&pinned);
}

FAKE_CASE(session_with_a_kill_under_way_keeps_its_next_operation_waiting,
          fake_serving("RSPrimary")) {
    mouv__connection_t *connection = connect_one(fake, 1);
    mouv__server_session_t *session = session_of(fake, connection);
    mouv__server_session_t *unharmed = session_of(fake, connection);
    customer_t hit, other;
    mouv__server_session_kill(session);
    customer_come_pinned(&hit, fake, "hit", session, 1);
    CHECK(!hit.granted);
    customer_come_pinned(&other, fake, "other", unharmed, 1);
    CHECK_STRING(events(), "other");
    customer_leave(&other);
    CHECK(!hit.granted);
    mouv__server_session_killed(session, true, 0);
    mouv__pool_serve(fake_pool(fake), connection);
    CHECK(hit.granted);
    customer_leave(&hit);
}

FAKE_CASE(one_that_goes_no_more_or_does_not_send_leaves_the_connection_to_the_next,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary");
    customer_t first, late, back, last;
    customer_come(&first, fake, "first", 0);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    customer_come(&late, fake, "late", 0);
    customer_come(&back, fake, "back", 0);
    customer_come(&last, fake, "last", 0);
    late.refuses = true;
    back.turns_back = true;
    customer_leave(&first);
    CHECK_STRING(events(), "first back last");
    CHECK_INT(late.error.code, MOUV_ETIMEDOUT);
    CHECK(last.granted);
    CHECK_INT(mouv__pool_count_waiting(fake_pool(fake)), 0);
    customer_leave(&last);
}

/* --- polls ------------------------------------------------------------------------------------ */

FAKE_CASE(quarter_of_the_connections_is_left_free_of_polls,
          fake_new(&(fake_options_t){.connections = 4})) {
    fake_deploy(fake, "RSPrimary");
    mouv__connection_t *made[4];
    connect_many(fake, 1, 4, made);
    customer_t polls[4];
    mouv__pin_t *pins[4];
    for (int i = 0; i < 4; i++) {
        mouv__server_session_t *session = session_of(fake, made[i]);
        pins[i] = mouv__pin_new_for_polls(fake_pool(fake), session, 1);
        customer_poll(&polls[i], fake, NULL, session, 1);
    }
    for (int i = 0; i < 3; i++) CHECK(polls[i].granted);
    CHECK(!polls[3].granted);
    CHECK_INT(made[0]->state, MOUV__CONNECTION_POLLING);
    customer_t other;
    customer_come(&other, fake, NULL, 0);
    CHECK(other.connection == made[3]);
    customer_leave(&other);
    CHECK(!polls[3].granted);
    customer_leave(&polls[0]);
    CHECK(polls[3].granted);
    for (int i = 1; i < 4; i++) customer_leave(&polls[i]);
    CHECK_INT(fake_pool(fake)->polling, 0);
    for (int i = 0; i < 4; i++) mouv__pin_free(pins[i]);
}

CORO_CASE(only_connection_may_poll_and_of_two_just_one) {
    fake_t *one = fake_new(&(fake_options_t){.connections = 1});
    CHECK_INT(fake_pool(one)->polling_max, 1);
    fake_free(one);
    fake_t *two = fake_new(&(fake_options_t){.connections = 2});
    CHECK_INT(fake_pool(two)->polling_max, 1);
    fake_free(two);
    fake_t *hundred = fake_new(&(fake_options_t){.connections = 100});
    CHECK_INT(fake_pool(hundred)->polling_max, 75);
    fake_free(hundred);
    return 0;
}

FAKE_CASE(poll_goes_behind_whatever_else_waits, fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary");
    mouv__connection_t *connection = connect_one(fake, 1);
    mouv__server_session_t *session = session_of(fake, connection);
    mouv__pin_t *pin = mouv__pin_new_for_polls(fake_pool(fake), session, 1);
    customer_t first, poll, fresh, pinned;
    customer_come(&first, fake, "first", 0);
    customer_poll(&poll, fake, "poll", session, 1);
    customer_come(&fresh, fake, "fresh", 0);
    customer_come_pinned(&pinned, fake, "pinned", session_of(fake, connection), 1);
    customer_leave(&first);
    customer_leave(&pinned);
    customer_leave(&fresh);
    CHECK_STRING(events(), "first pinned fresh poll");
    customer_leave(&poll);
    mouv__pin_free(pin);
}

FAKE_CASE(of_polls_that_wait_the_first_that_came_is_first,
          fake_new(&(fake_options_t){.connections = 4})) {
    fake_deploy(fake, "RSPrimary");
    mouv__connection_t *made[4];
    connect_many(fake, 1, 4, made);
    fake_pool(fake)->polling_max = 1;
    customer_t polls[3];
    mouv__pin_t *pins[3];
    static const int order[] = {3, 2, 0};
    for (int i = 0; i < 3; i++) {
        mouv__server_session_t *session = session_of(fake, made[order[i]]);
        pins[i] = mouv__pin_new_for_polls(fake_pool(fake), session, 1);
        customer_poll(&polls[i], fake, i == 0 ? "3" : i == 1 ? "2" : "0", session, 1);
    }
    customer_leave(&polls[0]);
    CHECK_STRING(events(), "3 2");
    customer_leave(&polls[1]);
    CHECK_STRING(events(), "3 2 0");
    customer_leave(&polls[2]);
    for (int i = 0; i < 3; i++) mouv__pin_free(pins[i]);
}

/* Two streams on a connection that may poll, one on a connection that may not yet. */
FAKE_CASE(a_connection_that_polls_does_not_keep_its_turn,
          fake_new(&(fake_options_t){.connections = 2})) {
    fake_deploy(fake, "RSPrimary");
    mouv__connection_t *made[2];
    connect_many(fake, 1, 2, made);
    CHECK_INT(fake_pool(fake)->polling_max, 1);
    static const char *const names[] = {"a", "b", "c"};
    customer_t polls[3];
    mouv__pin_t *pins[3];
    for (int i = 0; i < 3; i++) {
        mouv__server_session_t *session = session_of(fake, made[i == 1]);
        pins[i] = mouv__pin_new_for_polls(fake_pool(fake), session, 1);
        customer_poll(&polls[i], fake, names[i], session, 1);
    }
    customer_leave(&polls[0]);
    CHECK_STRING(events(), "a b");
    customer_leave(&polls[1]);
    CHECK_STRING(events(), "a b c");
    customer_leave(&polls[2]);
    for (int i = 0; i < 3; i++) mouv__pin_free(pins[i]);
}

/* It is tried again after a lost connection; no stream polls yet. */
FAKE_CASE(a_command_that_opens_a_stream_goes_on_its_sessions_connection_as_any_other,
          fake_new(&(fake_options_t){.connections = 2})) {
    fake_deploy(fake, "RSPrimary");
    mouv__connection_t *made[2];
    connect_many(fake, 1, 2, made);
    customer_t opens;
    customer_init(&opens, fake, "opens");
    opens.checkout.criteria.server_id = 1;
    opens.checkout.session = session_of(fake, made[1]);
    opens.checkout.poll = true;
    customer_enter(&opens);
    CHECK_STRING(events(), "opens");
    customer_leave(&opens);
}

/* --- ends that end others --------------------------------------------------------------------- */

static customer_t *sibling;

/* As a gather does with its other children. */
static void ends_sibling_failed(mouv__checkout_t *checkout, const mouv_error_t *error) {
    customer_failed(checkout, error);
    customer_withdraw(sibling);
}

static bool ends_sibling_admit(mouv__checkout_t *checkout) {
    mouv_error_t error = {0};
    mouv_error_set(&error, MOUV_ETIMEDOUT, "too late");
    mouv__pool_withdraw(checkout, &error);
    ends_sibling_failed(checkout, &error);
    return false;
}

static const mouv__checkout_ops_t ends_sibling_ops = {.admit = ends_sibling_admit,
                                                      .granted = customer_granted,
                                                      .failed = ends_sibling_failed,
                                                      .waits = customer_waits};

static void customers_come(customer_t customers[3], fake_t *fake) {
    static const char *const names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        customer_init(&customers[i], fake, names[i]);
        if (i == 0) customers[i].checkout.ops = &ends_sibling_ops;
        customer_enter(&customers[i]);
    }
    sibling = &customers[1];
}

FAKE_CASE(whoever_fails_while_it_selects_may_end_the_next,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "Unknown");
    customer_t customers[3];
    customers_come(customers, fake);
    mouv_error_t error = {0};
    mouv_error_set(&error, MOUV_ENETWORK, "lost");
    mouv__pool_fail_waiting(fake_pool(fake), &error);
    CHECK_STRING(events(), "!a !c");
}

FAKE_CASE(whoever_is_not_admitted_may_end_the_next, fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary");
    customer_t first, customers[3];
    connect_one(fake, 1);
    customer_come(&first, fake, "first", 1);
    customers_come(customers, fake);
    customer_leave(&first);
    CHECK_STRING(events(), "first !a c");
    customer_leave(&customers[2]);
}

/* Newest first; the oldest presses. */
FAKE_CASE(whoever_is_not_admitted_under_pressure_may_end_the_next,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary");
    static const char *const names[] = {"oldest", "next", "newest"};
    customer_t first, customers[3];
    connect_one(fake, 1);
    customer_come(&first, fake, "first", 1);
    for (int i = 0; i < 3; i++) {
        customer_init(&customers[i], fake, names[i]);
        customers[i].checkout.deadline_ns =
            mouv__client_now_ns(fake_client(fake)) + (i + 1) * 100 * MOUV__NS_PER_MS;
        if (i == 2) customers[i].checkout.ops = &ends_sibling_ops;
        customer_enter(&customers[i]);
    }
    sibling = &customers[1];
    fake_pass_ms(60);
    CHECK(mouv__pressure_rise(&customers[0].checkout));
    customer_leave(&first);
    CHECK_STRING(events(), "first !newest oldest");
    customer_leave(&customers[0]);
}

/* --- entering --------------------------------------------------------------------------------- */

FAKE_CASE(queue_is_limited_but_not_for_clean_up,
          fake_new(&(fake_options_t){.connections = 1, .queue_limit = 2})) {
    fake_deploy(fake, "RSPrimary");
    customer_t customers[3], cleanup;
    customer_come(&customers[0], fake, "a", 0);  /* waits for a connection */
    customer_come(&customers[1], fake, "b", 99); /* for a server */
    customer_come(&customers[2], fake, "c", 0);
    CHECK_STRING(events(), "!c");
    CHECK_INT(customers[2].error.code, MOUV_EQUEUE);
    CHECK_STRING(customers[2].error.message, "2 operations wait already");
    customer_init(&cleanup, fake, "cleanup");
    cleanup.checkout.cleanup = true;
    customer_enter(&cleanup);
    CHECK_STRING(events(), "!c cleanup");
    customer_withdraw(&customers[1]);
    customer_come(&customers[2], fake, "d", 0);
    CHECK(!customers[2].failed);
    customer_withdraw(&customers[0]);
    customer_withdraw(&customers[2]);
    CHECK_INT(mouv__pool_count_waiting(fake_pool(fake)), 0);
}

FAKE_CASE(max_staleness_that_cannot_be_kept_fails_on_entering_and_when_the_picture_comes,
          fake_new(&(fake_options_t){.unopened = true})) {
    mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(MONGOC_READ_SECONDARY);
    mongoc_read_prefs_set_max_staleness_seconds(prefs, 1);
    customer_t early, late;
    customer_init(&early, fake, "early");
    early.checkout.criteria = (mouv__criteria_t){.read_prefs = prefs};
    customer_enter(&early);
    CHECK(!early.failed);
    fake_pass_ms(1);
    fake_deploy(fake, "RSPrimary RSSecondary");
    CHECK_INT(early.error.code, MOUV_EINVAL);
    customer_init(&late, fake, "late");
    late.checkout.criteria = early.checkout.criteria;
    customer_enter(&late);
    CHECK_INT(late.error.code, MOUV_EINVAL);
    mongoc_read_prefs_destroy(prefs);
}

/* --- libmongoc's part ------------------------------------------------------------------------- */

FAKE_CASE(first_one_has_it_opened_and_goes_when_the_picture_comes,
          fake_new(&(fake_options_t){.unopened = true})) {
    customer_t first, second;
    customer_come(&first, fake, "first", 0);
    customer_come(&second, fake, "second", 0);
    CHECK_INT(fake_count(fake, FAKE_OPEN), 1);
    fake_pass_ms(1);
    CHECK_INT(fake_count(fake, FAKE_OPEN), 0);
    CHECK_INT(fake_count(fake, FAKE_SEEK), 1);
    CHECK(fake_out(fake, FAKE_SEEK, 0)->write);
    fake_deploy(fake, "RSPrimary");
    CHECK_INT(first.checkout.state, MOUV__CHECKOUT_QUEUED);
    CHECK(first.waits >= 2);
    fake_end(fake_out(fake, FAKE_SEEK, 0), NULL);
    CHECK_INT(fake_count(fake, FAKE_SEEK), 0);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 2);
    customer_withdraw(&first);
    customer_withdraw(&second);
}

FAKE_CASE(picture_that_comes_before_it_is_opened_is_looked_at_then,
          fake_new(&(fake_options_t){.unopened = true})) {
    customer_t first;
    customer_come(&first, fake, "first", 0);
    fake_deploy(fake, "RSPrimary");
    CHECK_INT(first.checkout.state, MOUV__CHECKOUT_SELECTING);
    fake_pass_ms(1);
    CHECK_INT(first.checkout.state, MOUV__CHECKOUT_QUEUED);
    customer_withdraw(&first);
}

FAKE_CASE(opening_that_fails_fails_who_waits_and_is_begun_anew_for_the_next,
          fake_new(&(fake_options_t){.unopened = true})) {
    customer_t first, second, third;
    fake->auto_ms[FAKE_OPEN] = -1;
    customer_come(&first, fake, "first", 0);
    fake_fail(fake_out(fake, FAKE_OPEN, 0), MOUV_ESELECTION, "no such name");
    CHECK_STRING(first.error.message, "no such name");
    fake->refuse[FAKE_OPEN] = 1;
    customer_come(&second, fake, "second", 0);
    CHECK_INT(second.error.code, MOUV_ENOMEM);
    customer_come(&third, fake, "third", 0);
    CHECK_INT(fake_count(fake, FAKE_OPEN), 1);
    customer_withdraw(&third);
}

FAKE_CASE(deployment_that_cannot_be_found_out_has_no_suitable_server,
          fake_new(&(fake_options_t){.unopened = true})) {
    customer_t customer;
    fake->auto_ms[FAKE_OPEN] = -1;
    customer_come(&customer, fake, NULL, 0);
    mouv_error_t error = {0};
    mouv_error_set(&error, MOUV_ENETWORK, "Failed to look up SRV record");
    error.domain = MONGOC_ERROR_STREAM;
    fake_end(fake_out(fake, FAKE_OPEN, 0), &error);
    CHECK_INT(customer.error.code, MOUV_ESELECTION);
    CHECK_STRING(customer.error.message, "Failed to look up SRV record");
}

FAKE_CASE(monitors_are_hurried_while_somebody_waits_for_any_server, fake_serving("Unknown")) {
    customer_t certain, any;
    customer_come(&certain, fake, NULL, 7);
    CHECK_INT(fake_total(fake, FAKE_SEEK), 0);
    customer_come(&any, fake, NULL, 0);
    CHECK_INT(fake_total(fake, FAKE_SEEK), 1);
    fake_fail(fake_out(fake, FAKE_SEEK, 0), MOUV_ESELECTION, "none");
    CHECK_INT(fake_total(fake, FAKE_SEEK), 2);
    customer_withdraw(&any);
    fake_end(fake_out(fake, FAKE_SEEK, 0), NULL);
    CHECK_INT(fake_total(fake, FAKE_SEEK), 2);
    customer_withdraw(&certain);
}

FAKE_CASE(deployment_that_is_dead_fails_everybody_at_once, fake_serving("Unknown")) {
    customer_t waiting, queued, next;
    customer_come(&waiting, fake, NULL, 0);
    fake->client.topology->dead = true;
    mouv__pool_look_again(fake_pool(fake));
    CHECK_INT(waiting.error.code, MOUV_ESELECTION);
    customer_come(&queued, fake, NULL, 0);
    CHECK_INT(queued.error.code, MOUV_ESELECTION);
    customer_come(&next, fake, NULL, 5);
    CHECK_INT(next.error.code, MOUV_ESELECTION);
}

FAKE_CASE(what_no_waiting_heals_fails_those_who_came_before_each_server_was_looked_at,
          fake_serving("Unknown")) {
    mouv__topology_t *topology = fake->client.topology;
    customer_t first, second, third;
    customer_come(&first, fake, "first", 0);
    topology->looks = topology->hopeless = 1;
    customer_come(&second, fake, "second", 0);
    mouv__pool_look_again(fake_pool(fake));
    CHECK_STRING(events(), "!first");
    CHECK_INT(first.error.code, MOUV_ESELECTION);
    CHECK_STRING(first.error.message, "no suitable server: a does not answer");
    topology->looks = 2;
    customer_come(&third, fake, "third", 0);
    topology->looks = 3;
    topology->hopeless = 2; /* of two servers one has not been looked at again */
    mouv__pool_look_again(fake_pool(fake));
    CHECK_STRING(events(), "!first !second");
    topology->hopeless = 0; /* one of them has answered, or is only silent */
    mouv__pool_look_again(fake_pool(fake));
    CHECK_STRING(events(), "!first !second");
    customer_withdraw(&third);
}

/* --- connections ------------------------------------------------------------------------------ */

FAKE_CASE(two_connections_are_set_up_at_once_to_each_server,
          fake_new(&(fake_options_t){.connections = 8})) {
    fake_deploy(fake, "RSPrimary RSSecondary");
    customer_t customers[8];
    customer_come(&customers[0], fake, NULL, 1);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    for (int i = 1; i < 4; i++) customer_come(&customers[i], fake, NULL, 1);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 2);
    for (int i = 4; i < 8; i++) customer_come(&customers[i], fake, NULL, 2);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 4);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 4);
    CHECK_INT(fake_out(fake, FAKE_CONNECT, 3)->server_id, 1);
    while (fake_count(fake, FAKE_CONNECT) > 0)
        fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK_INT(fake_total(fake, FAKE_CONNECT), 8);
    for (int i = 0; i < 8; i++) CHECK(customers[i].granted);
}

FAKE_CASE(no_more_connections_are_set_up_than_somebody_waits_for, fake_serving("RSPrimary")) {
    customer_t first, second;
    customer_come(&first, fake, NULL, 0);
    mouv__pool_pump(fake_pool(fake));
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    customer_withdraw(&first);
    customer_come(&second, fake, NULL, 0);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(second.granted);
    customer_leave(&second);
}

FAKE_CASE(third_failed_connection_fails_who_waits_for_one,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary RSSecondary");
    customer_t early, late, other;
    customer_come(&early, fake, NULL, 1);
    customer_come(&other, fake, NULL, 2);
    fake_connect_fail(fake_out(fake, FAKE_CONNECT, 0), MOUV_ENETWORK, "refused");
    CHECK(!early.failed);
    customer_come(&late, fake, NULL, 1);
    fake_connect_fail(fake_out(fake, FAKE_CONNECT, 0), MOUV_ESELECTION, "refused");
    CHECK(!early.failed);
    fake_connect_fail(fake_out(fake, FAKE_CONNECT, 0), MOUV_ENETWORK, "refused at last");
    CHECK_STRING(early.error.message, "refused at last");
    CHECK_INT(early.error.code, MOUV_ENETWORK);
    CHECK(!late.failed && !other.failed);
    customer_withdraw(&late);
    customer_withdraw(&other);
}

FAKE_CASE(lasting_failure_fails_all_that_would_meet_it_at_once,
          fake_new(&(fake_options_t){.connections = 2})) {
    fake_deploy(fake, "RSPrimary RSSecondary");
    customer_t queued, other, any, certain;
    customer_come(&queued, fake, NULL, 1);
    customer_come(&other, fake, NULL, 2);
    customer_init(&any, fake, NULL);
    mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(MONGOC_READ_SECONDARY);
    bson_t *tags = from_json("{'dc': 'nowhere'}");
    mongoc_read_prefs_add_tag(prefs, tags);
    any.checkout.criteria = (mouv__criteria_t){.read_prefs = prefs};
    customer_enter(&any);
    customer_come(&certain, fake, NULL, 9);
    fake_connect_fail(fake_out(fake, FAKE_CONNECT, 0), MOUV_ESERVER, "wrong password");
    CHECK_STRING(queued.error.message, "wrong password");
    CHECK_STRING(any.error.message, "wrong password");
    CHECK(!other.failed && !certain.failed);
    customer_withdraw(&other);
    customer_withdraw(&certain);
    bson_destroy(tags);
    mongoc_read_prefs_destroy(prefs);
}

FAKE_CASE(failed_connection_harms_nobody_where_another_is_there,
          fake_new(&(fake_options_t){.connections = 2})) {
    fake_deploy(fake, "RSPrimary");
    customer_t first, second;
    customer_come(&first, fake, NULL, 0);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    customer_come(&second, fake, NULL, 0);
    fake_connect_fail(fake_out(fake, FAKE_CONNECT, 0), MOUV_ESERVER, "wrong password");
    CHECK(!second.failed);
    customer_leave(&first);
    CHECK(second.granted);
    customer_leave(&second);
}

FAKE_CASE(connection_that_was_cut_is_set_up_anew_before_anything_runs_on_it,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary");
    mouv__connection_t *connection = connect_one(fake, 1);
    customer_t first, fresh, pinned;
    customer_come(&first, fake, "first", 0);
    customer_come(&fresh, fake, "fresh", 0);
    customer_come_pinned(&pinned, fake, "pinned", session_of(fake, connection), 1);
    mouv__server_pool_cut_link(fake_pool(fake), connection, 1);
    customer_leave(&first);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    CHECK_INT(connection->state, MOUV__CONNECTION_SETTING_UP);
    CHECK_STRING(events(), "first");
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK_STRING(events(), "first pinned");
    customer_leave(&pinned);
    customer_leave(&fresh);
}

FAKE_CASE(several_that_were_cut_are_set_up_in_turn, fake_new(&(fake_options_t){.connections = 3})) {
    fake_deploy(fake, "RSPrimary");
    mouv__connection_t *made[3];
    connect_many(fake, 1, 3, made);
    customer_t customers[3];
    for (int i = 0; i < 3; i++) customer_come(&customers[i], fake, NULL, 0);
    for (int i = 0; i < 3; i++) {
        mouv__server_pool_cut_link(fake_pool(fake), customers[i].connection, 1);
        customer_leave(&customers[i]);
    }
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 2);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 2);
    CHECK_INT(fake_total(fake, FAKE_CONNECT), 6);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 0);
    CHECK(!fake_pool(fake)->reconnecting);
    for (int i = 0; i < 3; i++) CHECK(mouv__connection_is_ready(made[i], 1));
}

FAKE_CASE(connection_cut_under_a_lost_server_is_not_set_up_anew,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary RSSecondary");
    mouv__connection_t *connection = connect_one(fake, 2);
    customer_t first;
    customer_come(&first, fake, NULL, 2);
    fake_deploy(fake, "Unknown RSSecondary");
    mouv__server_pool_cut_link(fake_pool(fake), connection, 1);
    customer_leave(&first);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 0);
    CHECK(!mouv__connection_link(connection, 1));
    CHECK(mouv__connection_is_ready(connection, 2));
}

FAKE_CASE(connection_that_cannot_be_set_up_anew_for_want_of_memory_stays_idle,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary");
    mouv__connection_t *connection = connect_one(fake, 1);
    customer_t first, next;
    customer_come(&first, fake, NULL, 0);
    mouv__server_pool_cut_link(fake_pool(fake), connection, 1);
    fake->refuse[FAKE_CONNECT] = 1;
    customer_leave(&first);
    CHECK_INT(connection->state, MOUV__CONNECTION_IDLE);
    customer_come(&next, fake, NULL, 0);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(next.connection == connection);
    customer_leave(&next);
}

FAKE_CASE(cut_is_held_while_the_breaker_is_open_and_given_back_when_it_closes,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary RSSecondary");
    mouv__connection_t *connection = connect_one(fake, 1);
    customer_t first, other;
    customer_come(&first, fake, NULL, 1);
    open_breaker(fake, 1);
    mouv__server_pool_cut_link(fake_pool(fake), connection, 1);
    customer_leave(&first);
    CHECK_INT(connection->links->state, MOUV__LINK_HELD);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 0);
    customer_come(&other, fake, NULL, 2); /* may use it meanwhile */
    CHECK_INT(fake_out(fake, FAKE_CONNECT, 0)->server_id, 2);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(other.connection == connection);
    fake_answer(fake_named(fake, "ping"), "{'ok': 1}");
    fake_turn();
    CHECK_INT(mouv__connection_link(connection, 1)->state, MOUV__LINK_CUT);
    customer_leave(&other);
    CHECK_INT(fake_out(fake, FAKE_CONNECT, 0)->server_id, 1);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(mouv__connection_is_ready(connection, 1));
}

FAKE_CASE(idle_connection_is_set_up_anew_when_the_breaker_closes,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary");
    mouv__connection_t *connection = connect_one(fake, 1);
    customer_t first, pinned;
    customer_come(&first, fake, NULL, 1);
    open_breaker(fake, 1);
    mouv__server_pool_cut_link(fake_pool(fake), connection, 1);
    customer_leave(&first);
    customer_come_pinned(&pinned, fake, NULL, session_of(fake, connection), 1);
    CHECK_INT(pinned.checkout.state, MOUV__CHECKOUT_SELECTING);
    mouv__breaker_heard(fake_pool(fake), 1);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 0); /* not before the turn's end */
    fake_turn();
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    CHECK(!pinned.granted);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(pinned.granted);
    customer_leave(&pinned);
}

/* --- servers come and go ---------------------------------------------------------------------- */

FAKE_CASE(who_waits_for_a_server_that_is_lost_waits_for_a_server_again,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary RSSecondary");
    mouv__connection_t *connection = connect_one(fake, 1);
    customer_t holder, fresh, pinned;
    customer_come(&holder, fake, NULL, 1);
    customer_come(&fresh, fake, "fresh", 0);
    customer_come_pinned(&pinned, fake, "pinned", session_of(fake, connection), 1);
    fake_deploy(fake, "Unknown RSSecondary");
    CHECK_INT(fresh.checkout.state, MOUV__CHECKOUT_SELECTING);
    customer_leave(&holder);
    CHECK_INT(pinned.checkout.state, MOUV__CHECKOUT_SELECTING);
    CHECK(!connection->links);
    fake_deploy(fake, "RSPrimary RSSecondary");
    CHECK_STRING(events(), "pinned"); /* its own connection, which libmongoc connects again */
    customer_leave(&pinned);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK_STRING(events(), "pinned fresh");
    customer_leave(&fresh);
}

FAKE_CASE(server_that_is_gone_takes_what_is_out_with_it_when_it_comes_back,
          fake_new(&(fake_options_t){.connections = 2})) {
    fake_deploy(fake, "RSPrimary RSSecondary");
    customer_t holder, waiter;
    customer_come(&holder, fake, NULL, 2);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    mouv__connection_t *connection = holder.connection;
    customer_come(&waiter, fake, NULL, 2);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    fake_deploy(fake, "RSPrimary");
    CHECK(!mouv__server_pool_of(fake_pool(fake), 2));
    CHECK_INT(waiter.checkout.state, MOUV__CHECKOUT_SELECTING);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    customer_leave(&holder);
    CHECK(!connection->links);
    CHECK_INT(mouv__pool_count_busy(fake_pool(fake)), 0);
    CHECK_INT(mouv__pool_count_waiting(fake_pool(fake)), 1);
    customer_withdraw(&waiter);
}

/* --- clean-up --------------------------------------------------------------------------------- */

static void cleanup_come(customer_t *customer, fake_t *fake, const char *name, uint32_t server_id,
                         bool lasts) {
    customer_init(customer, fake, name);
    customer->checkout.cleanup = true;
    customer->checkout.lasts = lasts;
    customer->checkout.criteria.server_id = server_id;
    customer_enter(customer);
}

FAKE_CASE(clean_up_goes_one_at_a_time_on_its_control_connection,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary");
    customer_t first, second;
    fake->transport.controls[MOUV__CONTROL_CLEANUP].busy = true;
    cleanup_come(&first, fake, "first", 1, false);
    cleanup_come(&second, fake, "second", 1, false);
    CHECK_INT(mouv__pool_count_waiting(fake_pool(fake)), 2);
    CHECK_INT(mouv__pool_count_busy(fake_pool(fake)), 1);
    fake->transport.controls[MOUV__CONTROL_CLEANUP].busy = false;
    first.refuses = true;
    mouv__pool_pump(fake_pool(fake));
    CHECK_STRING(events(), "second");
    CHECK(second.granted && !second.connection);
    CHECK_INT(fake_total(fake, FAKE_CONNECT), 0);
}

FAKE_CASE(clean_up_waits_a_moment_for_a_server_of_which_nothing_is_known,
          fake_serving("RSPrimary Unknown")) {
    customer_t cursor, abort_, late;
    cleanup_come(&cursor, fake, "cursor", 2, false);
    cleanup_come(&abort_, fake, "abort", 2, true);
    fake_pass_ms(1000);
    CHECK_STRING(events(), "");
    fake_deploy(fake, "RSPrimary RSSecondary");
    CHECK_STRING(events(), "cursor abort");
    fake_deploy(fake, "RSPrimary Unknown");
    cleanup_come(&late, fake, "late", 2, false);
    cleanup_come(&abort_, fake, "abort", 2, true);
    fake_pass_ms(2100);
    CHECK_STRING(events(), "cursor abort !late");
    CHECK_INT(late.error.code, MOUV_ESELECTION);
    CHECK_INT(abort_.checkout.state, MOUV__CHECKOUT_SELECTING);
    fake_deploy(fake, "RSPrimary RSSecondary");
    CHECK_STRING(events(), "cursor abort !late abort");
}

FAKE_CASE(clean_up_of_a_client_that_closes_fails_without_its_server,
          fake_serving("RSPrimary Unknown")) {
    customer_t cursor, abort_;
    mouv_error_t error = {0};
    cleanup_come(&cursor, fake, "cursor", 2, false);
    mouv__client_ref_move(fake_client(fake), MOUV__CLIENT_DRAINING);
    mouv__pool_fail_waiting(fake_pool(fake), &error);
    CHECK_STRING(events(), "!cursor");
    CHECK_STRING(cursor.error.message, "the server is not reachable");
    cleanup_come(&cursor, fake, "cursor", 2, false);
    cleanup_come(&abort_, fake, "abort", 2, true);
    CHECK_STRING(events(), "!cursor !cursor !abort");
}

/* --- the end ---------------------------------------------------------------------------------- */

FAKE_CASE(failing_who_waits_spares_clean_up_which_has_an_end_of_its_own,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary Unknown");
    mouv__connection_t *connection = connect_one(fake, 1);
    customer_t holder, selecting, ready, pinned, cleanup, lasts;
    mouv_error_t error = {0};
    customer_come(&holder, fake, NULL, 1);
    customer_come(&selecting, fake, "selecting", 2);
    customer_come(&ready, fake, "ready", 1);
    customer_come_pinned(&pinned, fake, "pinned", session_of(fake, connection), 1);
    fake->transport.controls[MOUV__CONTROL_CLEANUP].busy = true;
    cleanup_come(&cleanup, fake, "cleanup", 1, false);
    cleanup_come(&lasts, fake, "lasts", 2, true);
    mouv_error_set(&error, MOUV_ECLOSED, "closed");
    mouv__pool_fail_waiting(fake_pool(fake), &error);
    CHECK_STRING(events(), "!selecting !ready !pinned");
    CHECK_INT(pinned.error.code, MOUV_ECLOSED);
    mouv__pool_fail_cleanup(fake_pool(fake));
    CHECK_STRING(events(), "!selecting !ready !pinned !lasts !cleanup");
    CHECK_INT(lasts.error.code, MOUV_ECANCELED);
    fake->transport.controls[MOUV__CONTROL_CLEANUP].busy = false;
    customer_leave(&holder);
}

FAKE_CASE(close_gives_idle_connections_to_the_transport_and_abandons_what_is_out,
          fake_new(&(fake_options_t){.connections = 4})) {
    fake_deploy(fake, "RSPrimary RSSecondary");
    mouv__connection_t *made[2], *second = connect_one(fake, 2);
    customer_t holder, waiter;
    customer_come(&holder, fake, NULL, 2);
    connect_many(fake, 1, 2, made);
    mouv__pin_t *pin = mouv__pin_new(fake_client(fake), session_of(fake, made[0]), 1);
    customer_come(&waiter, fake, NULL, 2);
    CHECK_INT(fake_count(fake, FAKE_CONNECT), 1);
    customer_withdraw(&waiter);
    fake->auto_ms[FAKE_CLOSE] = -1;
    fake_close_client(fake);
    fake_call_t *close = fake_out(fake, FAKE_CLOSE, 0);
    CHECK_INT(close->end.count, 1); /* the other two are in use, and being set up */
    CHECK(!close->end.unused && !close->end.unreachable);
    CHECK(made[0]->goes_last && made[1]->goes_last && !second->goes_last);
    CHECK(!mouv__pin_session(pin));
    CHECK(fake_out(fake, FAKE_CONNECT, 0)->abandoned);
    CHECK(!fake_pool(fake)->servers);
    mouv__pin_free(pin);
}

CORO_CASE(close_tells_when_nothing_was_opened_and_when_nobody_can_be_reached) {
    fake_t *unused = fake_new(&(fake_options_t){.unopened = true});
    fake_close_client(unused);
    CHECK(fake_nth(unused, FAKE_CLOSE, 0)->end.unused);
    CHECK(fake_nth(unused, FAKE_CLOSE, 0)->end.unreachable);
    fake_free(unused);
    fake_t *fake = fake_new(NULL);
    fake_deploy(fake, "RSSecondary RSSecondary");
    mouv__connection_t *connection = connect_one(fake, 2);
    fake_close_client(fake);
    CHECK(connection->goes_last); /* there is no primary to prefer */
    CHECK(!fake_nth(fake, FAKE_CLOSE, 0)->end.unreachable);
    fake_free(fake);
    return 0;
}

FAKE_CASE(closing_client_lets_nobody_in_and_looks_at_no_picture,
          fake_new(&(fake_options_t){.connections = 1})) {
    fake_deploy(fake, "RSPrimary");
    connect_one(fake, 1);
    customer_t holder, next;
    customer_come(&holder, fake, NULL, 1);
    customer_come(&next, fake, "next", 1);
    mouv__client_ref_move(fake_client(fake), MOUV__CLIENT_DRAINING);
    mouv__client_ref_move(fake_client(fake), MOUV__CLIENT_DESTROYING);
    customer_leave(&holder);
    CHECK(!next.granted);
    customer_withdraw(&next);
}

/* --- no memory -------------------------------------------------------------------------------- */

FAKE_CASE(no_memory_for_a_connection_fails_only_who_has_no_other_to_wait_for,
          fake_new(&(fake_options_t){.connections = 3})) {
    fake_deploy(fake, "RSPrimary");
    customer_t none, first, second, third;
    fake->refuse[FAKE_CONNECTION_NEW] = 1;
    customer_come(&none, fake, NULL, 0);
    CHECK_INT(none.error.code, MOUV_ENOMEM);
    CHECK_STRING(none.error.message, "no memory to connect");
    fake->refuse[FAKE_CONNECT] = 1;
    customer_come(&none, fake, NULL, 0);
    CHECK_INT(none.error.code, MOUV_ENOMEM);
    customer_come(&first, fake, NULL, 0);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    CHECK(first.granted);
    fake->refuse[FAKE_CONNECTION_NEW] = 1;
    customer_come(&second, fake, NULL, 0);
    CHECK(!second.failed);
    fake->refuse[FAKE_CONNECT] = 1;
    customer_come(&third, fake, NULL, 0);
    CHECK(!third.failed);
    customer_leave(&first);
    CHECK(second.granted);
    customer_leave(&second);
    CHECK(third.granted);
    customer_leave(&third);
}

/* Whatever allocation fails, everybody is told and nothing is left behind. */
static bool sweep_once(int64_t nth) {
    fake_t *fake = fake_new(&(fake_options_t){.connections = 2, .monitor = &telling});
    customer_t customers[4];
    mouv__alloc_fail_at = nth;
    bson_t *from = from_json("{'type': 'ReplicaSetWithPrimary', 'servers': ["
                             "{'address': 'a', 'type': 'RSPrimary', 'avg_rtt_ms': 1}]}");
    fake->deployments[fake->deployment_count++] = from;
    int64_t kept = mouv__alloc_fail_at;
    mouv__alloc_fail_at = -1; /* the snapshot itself is another test's */
    mouv__snapshot_t *snapshot = snapshot_from(from);
    mouv__alloc_fail_at = kept;
    mouv__topology_apply(fake->client.topology, snapshot);
    mouv__pool_look_again(fake_pool(fake));
    for (int i = 0; i < 4; i++) customer_come(&customers[i], fake, NULL, 1);
    for (int i = 0; i < 2 && fake_count(fake, FAKE_CONNECT) > 0; i++)
        fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    miss(fake, 1, 3);
    fake_pass_ms(100);
    mouv__measure_server(fake_pool(fake), 1);
    bool reached = mouv__alloc_fail_at == 0;
    mouv__alloc_fail_at = -1;
    for (int round = 0; round < 8; round++) {
        while (fake_count(fake, FAKE_CONNECT) > 0)
            fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
        for (int i = 0; i < 4; i++)
            if (customers[i].connection) customer_leave(&customers[i]);
    }
    if (mouv__server_pool_of(fake_pool(fake), 1))
        for (int i = 0; i < 4; i++) CHECK(customers[i].granted != customers[i].failed);
    for (int i = 0; i < 4; i++) customer_withdraw(&customers[i]);
    CHECK_INT(mouv__pool_count_waiting(fake_pool(fake)), 0);
    fake_free(fake);
    take_log(NULL);
    events_clear();
    return reached;
}

CORO_CASE(whichever_allocation_fails_nobody_is_forgotten) {
    int64_t nth = 1;
    while (sweep_once(nth) && nth < 200) nth++;
    CHECK(nth > 4 && nth < 200);
    return 0;
}

FAKE_CASE(pool_that_cannot_be_made_frees_its_transport, fake_new(NULL)) {
    mouv__pool_t pool = {0};
    mouv__pool_options_t options = {0};
    mouv__alloc_fail_at = 1;
    CHECK_INT(mouv__pool_init(&pool, fake_client(fake), &fake->transport, &options), MOUV_ENOMEM);
    mouv__alloc_fail_at = -1;
    CHECK(fake->transport_freed);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(first_come_first_served_on_the_one_connection_there_is),
        TEST(another_servers_turn_is_not_held_up),
        TEST(pinned_ones_go_before_new_ones_on_their_connection),
        TEST(pinned_one_goes_at_once_on_an_idle_connection),
        TEST(session_with_a_kill_under_way_keeps_its_next_operation_waiting),
        TEST(one_that_goes_no_more_or_does_not_send_leaves_the_connection_to_the_next),
        TEST(quarter_of_the_connections_is_left_free_of_polls),
        TEST(only_connection_may_poll_and_of_two_just_one),
        TEST(poll_goes_behind_whatever_else_waits),
        TEST(of_polls_that_wait_the_first_that_came_is_first),
        TEST(a_connection_that_polls_does_not_keep_its_turn),
        TEST(a_command_that_opens_a_stream_goes_on_its_sessions_connection_as_any_other),
        TEST(whoever_fails_while_it_selects_may_end_the_next),
        TEST(whoever_is_not_admitted_may_end_the_next),
        TEST(whoever_is_not_admitted_under_pressure_may_end_the_next),
        TEST(queue_is_limited_but_not_for_clean_up),
        TEST(max_staleness_that_cannot_be_kept_fails_on_entering_and_when_the_picture_comes),
        TEST(first_one_has_it_opened_and_goes_when_the_picture_comes),
        TEST(picture_that_comes_before_it_is_opened_is_looked_at_then),
        TEST(opening_that_fails_fails_who_waits_and_is_begun_anew_for_the_next),
        TEST(deployment_that_cannot_be_found_out_has_no_suitable_server),
        TEST(monitors_are_hurried_while_somebody_waits_for_any_server),
        TEST(deployment_that_is_dead_fails_everybody_at_once),
        TEST(what_no_waiting_heals_fails_those_who_came_before_each_server_was_looked_at),
        TEST(two_connections_are_set_up_at_once_to_each_server),
        TEST(no_more_connections_are_set_up_than_somebody_waits_for),
        TEST(third_failed_connection_fails_who_waits_for_one),
        TEST(lasting_failure_fails_all_that_would_meet_it_at_once),
        TEST(failed_connection_harms_nobody_where_another_is_there),
        TEST(connection_that_was_cut_is_set_up_anew_before_anything_runs_on_it),
        TEST(several_that_were_cut_are_set_up_in_turn),
        TEST(connection_cut_under_a_lost_server_is_not_set_up_anew),
        TEST(connection_that_cannot_be_set_up_anew_for_want_of_memory_stays_idle),
        TEST(cut_is_held_while_the_breaker_is_open_and_given_back_when_it_closes),
        TEST(idle_connection_is_set_up_anew_when_the_breaker_closes),
        TEST(who_waits_for_a_server_that_is_lost_waits_for_a_server_again),
        TEST(server_that_is_gone_takes_what_is_out_with_it_when_it_comes_back),
        TEST(clean_up_goes_one_at_a_time_on_its_control_connection),
        TEST(clean_up_waits_a_moment_for_a_server_of_which_nothing_is_known),
        TEST(clean_up_of_a_client_that_closes_fails_without_its_server),
        TEST(failing_who_waits_spares_clean_up_which_has_an_end_of_its_own),
        TEST(close_gives_idle_connections_to_the_transport_and_abandons_what_is_out),
        TEST(close_tells_when_nothing_was_opened_and_when_nobody_can_be_reached),
        TEST(closing_client_lets_nobody_in_and_looks_at_no_picture),
        TEST(no_memory_for_a_connection_fails_only_who_has_no_other_to_wait_for),
        TEST(whichever_allocation_fails_nobody_is_forgotten),
        TEST(pool_that_cannot_be_made_frees_its_transport),
    };
    return RUN_CASES(cases);
}
