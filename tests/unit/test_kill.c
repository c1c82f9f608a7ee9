/*
 * killSessions for operations that have been given up: who is in one command, when another follows,
 * and what becomes of the sessions.
 */
#include "operation_support.h"

#include "mongo/operation/kill.h"
#include "mongo/pool/breaker.h"

FAKE_CASE(one_kill_for_all_of_a_turn_and_a_server, fake_with(8, "RSPrimary RSSecondary")) {
    mouv__operation_t *ops[5];
    for (int i = 0; i < 5; i++) {
        ops[i] = operation_new(fake, &find_row, FIND);
        ops[i]->server_id = i < 3 ? 1 : 2;
        mouv__operation_start(ops[i]);
    }
    fake_turn();
    fake_pass_ms(1);
    CHECK_INT(fake_count(fake, FAKE_SEND), 5);
    for (int i = 0; i < 5; i++) mouv__future_cancel(&ops[i]->future);
    CHECK_INT(kills_of(fake), 0);
    fake_turn();
    fake_call_t *kill = kill_out(fake);
    CHECK_INT(kills_of(fake), 1); /* one at a time */
    CHECK_INT(kill->server_id, 2);
    CHECK_INT(victims_of(kill), 2);
    CHECK_INT(kill->control, MOUV__CONTROL_KILL);
    CHECK_INT(kill->exchange->limit_ms, 2000);
    CHECK(kill->exchange->call_id > 0);
    CHECK_STRING(kill->exchange->database, "admin");
    fake_answer(kill, "{'ok': 1}");
    fake_turn();
    kill = kill_out(fake);
    CHECK_INT(kills_of(fake), 2);
    CHECK_INT(kill->server_id, 1);
    CHECK_INT(victims_of(kill), 3);
    fake_answer(kill, "{'ok': 1}");
    fake_turn();
    CHECK_INT(kills_of(fake), 2);
    for (int i = 0; i < 5; i++) operation_over(ops[i]);
}

FAKE_CASE(a_kill_names_the_session, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    uint8_t lsid[16];
    memcpy(lsid, op->attempt.exchange.session->lsid, sizeof lsid);
    operation_cancel(op);
    bson_iter_t id;
    bson_subtype_t subtype;
    uint32_t length = 0;
    const uint8_t *bytes = NULL;
    if (CHECK(find(kill_out(fake)->command, "killSessions.0.id", &id)))
        bson_iter_binary(&id, &subtype, &length, &bytes);
    CHECK_INT(length, 16);
    CHECK(bytes && memcmp(bytes, lsid, 16) == 0);
    operation_over(op);
}

/* A server that answers kills, though the operation does not come back: it waits for its lock. */
FAKE_CASE(others_follow_at_growing_distances_six_in_all, fake_with(1, "RSPrimary")) {
    fake->transport.cuts = false; /* nothing else ends it */
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    operation_cancel(op);
    static const int64_t pauses[] = {10, 40, 160, 640, 2560};
    for (int i = 0; i < 5; i++) {
        CHECK_INT(kills_of(fake), i + 1);
        fake_answer(kill_out(fake), "{'ok': 1}");
        fake_pass_ms(pauses[i] - 1);
        CHECK_INT(kills_of(fake), i + 1);
        fake_pass_ms(1);
    }
    CHECK_INT(kills_of(fake), 6);
    fake_answer(kill_out(fake), "{'ok': 1}");
    fake_pass_ms(60000);
    CHECK_INT(kills_of(fake), 6);
    operation_over(op);
}

FAKE_CASE(what_is_back_is_not_killed_again, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    operation_cancel(op);
    fake_answer(kill_out(fake), "{'ok': 1}");
    fake_answer(fake_out(fake, FAKE_SEND, 0), "{'ok': 0, 'code': 11601}");
    fake_pass_ms(10000);
    CHECK_INT(kills_of(fake), 1);
    CHECK_INT(op->kill_state, MOUV__KILL_NONE);
    operation_over(op);
}

FAKE_CASE(what_comes_back_before_the_flush_is_not_killed, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    mouv__future_cancel(&op->future);
    fake_answer(fake_out(fake, FAKE_SEND, 0), "{'ok': 1}");
    fake_turn();
    CHECK_INT(kills_of(fake), 0);
    operation_over(op);
}

/* --- the session ------------------------------------------------------------------------------ */

FAKE_CASE(its_session_is_parked_until_the_kill_is_answered, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    mouv__server_session_t *session = op->attempt.exchange.session;
    operation_cancel(op);
    CHECK_INT(session->kills, 1);
    fake_answer(fake_out(fake, FAKE_SEND, 0), "{'ok': 0, 'code': 11601}");
    CHECK_INT(session->state, MOUV__SERVER_SESSION_PARKED);
    mouv__operation_t *next = operation_begin(fake, &find_row, FIND, 0);
    CHECK(next->attempt.exchange.session != session);
    fake_answer(kill_out(fake), "{'ok': 1}");
    CHECK_INT(session->state, MOUV__SERVER_SESSION_FREE);
    operation_over(op);
    operation_over(next);
}

FAKE_CASE(a_session_whose_kill_had_no_answer_is_doomed, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    mouv__server_session_t *session = op->attempt.exchange.session;
    operation_cancel(op);
    fake_lose(kill_out(fake), true);
    fake_answer(fake_out(fake, FAKE_SEND, 0), "{'ok': 0, 'code': 11601}");
    CHECK_INT(session->state, MOUV__SERVER_SESSION_DOOMED);
    operation_over(op);
}

FAKE_CASE(a_pinned_operation_waits_for_the_kill_of_the_one_before, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    mouv__pin_t *pin = mouv__operation_keep_pin(op);
    operation_cancel(op);
    fake_answer(fake_out(fake, FAKE_SEND, 0), "{'ok': 0, 'code': 11601}");
    mouv__operation_t *more = operation_new(fake, &find_row, "{'getMore': 1}");
    more->parts.pin = pin;
    mouv__operation_start(more);
    fake_turn();
    CHECK_INT(fake_count(fake, FAKE_SEND), 0);
    fake_answer(kill_out(fake), "{'ok': 1}");
    fake_turn();
    CHECK_INT(fake_count(fake, FAKE_SEND), 1);
    CHECK(fake_out(fake, FAKE_SEND, 0)->exchange == &more->attempt.exchange);
    fake_answer(fake_out(fake, FAKE_SEND, 0), "{'ok': 1}");
    fake_turn();
    CHECK_ENDED(more, 0);
    mouv__pin_free(pin);
    operation_over(op);
    operation_over(more);
}

/* --- answers ---------------------------------------------------------------------------------- */

FAKE_CASE(a_server_that_refuses_kills_gets_no_other, fake_with(2, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    mouv__operation_t *two = operation_begin(fake, &find_row, FIND, 0);
    operation_cancel(op);
    fake_answer(kill_out(fake), "{'ok': 0, 'code': 13, 'errmsg': 'no'}");
    fake_turn();
    CHECK(fake->client.operations.kills.refused);
    CHECK(mouv__kill_is_refused(op));
    operation_cancel(two);
    fake_pass_ms(1000);
    CHECK_INT(kills_of(fake), 1);
    operation_over(op);
    operation_over(two);
}

FAKE_CASE(an_error_that_may_pass_is_no_refusal, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    operation_cancel(op);
    fake_answer(kill_out(fake), "{'ok': 0, 'code': 91, 'errmsg': 'no'}");
    CHECK(!fake->client.operations.kills.refused);
    fake_pass_ms(10);
    CHECK_INT(kills_of(fake), 2);
    operation_over(op);
}

FAKE_CASE(an_answer_counts_as_heard_and_tells_how_long_a_kill_takes, fake_with(2, "RSPrimary")) {
    mouv__server_pool_t *of = mouv__server_pool_of(fake_pool(fake), 1);
    for (int i = 0; i < 2; i++) {
        mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
        operation_cancel(op);
        fake_pass_ms(7);
        mouv__breaker_missed(fake_pool(fake), 1, now_ns(fake));
        fake_answer(kill_out(fake), "{'ok': 1}");
        CHECK_INT(of->breaker.misses, 0);
        /* the first has had to set its connection up */
        CHECK_INT(of->kill_ns, i == 0 ? 0 : 7 * MOUV__NS_PER_MS);
        fake_answer(fake_out(fake, FAKE_SEND, 0), "{'ok': 0, 'code': 11601}");
        operation_over(op);
    }
}

/* --- silence ---------------------------------------------------------------------------------- */

/* An operation whose kill is on the wire of a connection that is there; neither is answered. */
static mouv__operation_t *silent(fake_t *fake) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 1000);
    answer_hellos(fake);
    operation_cancel(op);
    CHECK(kill_out(fake) != NULL);
    return op;
}

FAKE_CASE(a_kill_is_silent_once_it_is_on_the_wire_of_a_connection, fake_with(2, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    CHECK(!mouv__kill_is_silent(op));
    operation_cancel(op);
    CHECK(!mouv__kill_is_silent(op)); /* it may still be setting up its connection */
    fake_answer(kill_out(fake), "{'ok': 1}");
    fake_pass_ms(10);
    CHECK(mouv__kill_is_silent(op));
    CHECK(mouv__kill_thinks_silent(op));
    fake_answer(kill_out(fake), "{'ok': 1}");
    CHECK(!mouv__kill_is_silent(op));
    CHECK(!mouv__kill_thinks_silent(op));
    operation_over(op);
}

FAKE_CASE(a_silent_server_gets_no_other_kill_for_five_seconds, fake_with(4, "RSPrimary")) {
    mouv__operation_t *others[3];
    for (int i = 0; i < 3; i++) others[i] = operation_begin(fake, &find_row, FIND, 0);
    mouv__operation_t *op = silent(fake);
    fake->auto_ms[FAKE_CONNECT] = -1; /* a greeting would be heard */
    fake_pass_ms(50);                 /* the cut takes the kill along */
    CHECK(op->attempt.exchange.connection == NULL);
    CHECK(kill_out(fake) == NULL);
    CHECK_INT(kills_of(fake), 1);
    operation_cancel(others[0]);
    CHECK(mouv__kill_thinks_silent(others[0]));
    fake_pass_ms(4900);
    operation_cancel(others[1]);
    CHECK_INT(kills_of(fake), 1);
    fake_pass_ms(101);
    operation_cancel(others[2]);
    CHECK_INT(kills_of(fake), 2);
    operation_over(op);
    for (int i = 0; i < 3; i++) operation_over(others[i]);
}

FAKE_CASE(a_silent_server_that_is_heard_is_killed_on_again, fake_with(2, "RSPrimary")) {
    mouv__operation_t *op = silent(fake);
    fake_pass_ms(50);
    mouv__breaker_heard(fake_pool(fake), 1);
    mouv__operation_t *two = operation_begin(fake, &find_row, FIND, 0);
    operation_cancel(two);
    CHECK_INT(kills_of(fake), 2);
    operation_over(op);
    operation_over(two);
}

FAKE_CASE(those_killed_before_are_not_killed_again_while_it_is_silent, fake_with(2, "RSPrimary")) {
    mouv__operation_t *poll = operation_begin(fake, &find_row, FIND, 1000);
    answer_hellos(fake);
    fake->transport.cuts = false; /* this one is left alone */
    operation_cancel(poll);
    fake->transport.cuts = true;
    mouv__kill_drop(&fake->client.operations);
    fake_pass_ms(1000);
    CHECK_INT(kills_of(fake), 1);
    CHECK_INT(poll->kill_state, MOUV__KILL_KILLED);
    operation_over(poll);
}

/* --- the connection --------------------------------------------------------------------------- */

FAKE_CASE(the_connection_is_there_before_the_first_kill, fake_with(4, "RSPrimary RSSecondary")) {
    mouv__operation_t *none = operation_begin(fake, &find_row, FIND, 0);
    CHECK(fake_named(fake, "hello") == NULL); /* without a deadline nothing is expected */
    mouv__operation_t *one = operation_begin(fake, &find_row, FIND, 1000);
    fake_call_t *hello = NULL;
    for (uint32_t i = 0; fake_out(fake, FAKE_CONTROL, i); i++)
        if (fake_out(fake, FAKE_CONTROL, i)->control == MOUV__CONTROL_KILL)
            hello = fake_out(fake, FAKE_CONTROL, i);
    CHECK(hello && strcmp(hello->name, "hello") == 0);
    CHECK(hello->exchange->quiet && hello->exchange->sets_up);
    CHECK_INT(hello->exchange->limit_ms, fake->transport.connect_timeout_ms);
    operation_cancel(one);
    CHECK_INT(kills_of(fake), 0); /* it goes when the lane is free */
    fake_answer(hello, "{'ok': 1}");
    fake_turn();
    CHECK_INT(kills_of(fake), 1);
    CHECK(mouv__kill_is_silent(one));
    fake_answer(kill_out(fake), "{'ok': 1}");
    mouv__operation_t *two = operation_begin(fake, &find_row, FIND, 1000);
    for (uint32_t i = 0; fake_out(fake, FAKE_CONTROL, i); i++)
        CHECK(fake_out(fake, FAKE_CONTROL, i)->control != MOUV__CONTROL_KILL); /* once a server */
    operation_over(none);
    operation_over(one);
    operation_over(two);
}

FAKE_CASE(a_lane_that_could_not_be_connected_is_so_with_the_kill, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 1000);
    for (fake_call_t *call; (call = fake_named(fake, "hello")) != NULL;) fake_lose(call, false);
    operation_cancel(op);
    CHECK_INT(kills_of(fake), 1);
    CHECK(!mouv__kill_is_silent(op));
    operation_over(op);
}

FAKE_CASE(a_lane_that_is_refused_is_free_again, fake_with(1, "RSPrimary")) {
    fake->refuse[FAKE_CONTROL] = 2; /* the measurement is another */
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 1000);
    CHECK(fake->client.operations.kills.out == NULL);
    operation_cancel(op);
    CHECK_INT(kills_of(fake), 1);
    operation_over(op);
}

/* --- failures --------------------------------------------------------------------------------- */

FAKE_CASE(a_kill_that_cannot_be_sent_is_sent_ten_milliseconds_later, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    mouv__server_session_t *session = op->attempt.exchange.session;
    fake->refuse[FAKE_CONTROL] = 1;
    operation_cancel(op);
    CHECK_INT(kills_of(fake), 0);
    CHECK_INT(session->kills, 0);
    CHECK_INT(op->kills, 0); /* it is none of the six */
    fake_pass_ms(9);
    CHECK_INT(kills_of(fake), 0);
    fake_pass_ms(1);
    CHECK_INT(kills_of(fake), 1);
    CHECK_INT(session->kills, 1);
    CHECK_INT(op->kills, 1);
    operation_over(op);
}

FAKE_CASE(a_kill_for_which_there_is_no_memory_is_sent_later, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    mouv__kills_t *kills = &fake->client.operations.kills;
    mouv__kill_add(op);
    mouv__alloc_fail_at = 1;
    kills->flush.run(&kills->flush);
    mouv__alloc_fail_at = -1;
    CHECK_INT(kills_of(fake), 0);
    fake_turn(); /* the flush that was queued */
    CHECK_INT(kills_of(fake), 1);
    operation_over(op);
}

FAKE_CASE(what_is_out_at_the_end_frees_itself, fake_with(2, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    mouv__operation_t *two = operation_begin(fake, &find_row, FIND, 0);
    operation_cancel(op);
    mouv__future_cancel(&two->future); /* this one waits for the flush */
    fake_close_client(fake);
    CHECK(fake->client.operations.kills.out == NULL);
    CHECK(mouv__list_is_empty(&fake->client.operations.kills.to_kill));
    CHECK(mouv__list_is_empty(&fake->client.operations.kills.killed));
    CHECK(kill_out(fake)->abandoned);
    operation_over(op);
    operation_over(two);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(one_kill_for_all_of_a_turn_and_a_server),
        TEST(a_kill_names_the_session),
        TEST(others_follow_at_growing_distances_six_in_all),
        TEST(what_is_back_is_not_killed_again),
        TEST(what_comes_back_before_the_flush_is_not_killed),
        TEST(its_session_is_parked_until_the_kill_is_answered),
        TEST(a_session_whose_kill_had_no_answer_is_doomed),
        TEST(a_pinned_operation_waits_for_the_kill_of_the_one_before),
        TEST(a_server_that_refuses_kills_gets_no_other),
        TEST(an_error_that_may_pass_is_no_refusal),
        TEST(an_answer_counts_as_heard_and_tells_how_long_a_kill_takes),
        TEST(a_kill_is_silent_once_it_is_on_the_wire_of_a_connection),
        TEST(a_silent_server_gets_no_other_kill_for_five_seconds),
        TEST(a_silent_server_that_is_heard_is_killed_on_again),
        TEST(those_killed_before_are_not_killed_again_while_it_is_silent),
        TEST(the_connection_is_there_before_the_first_kill),
        TEST(a_lane_that_could_not_be_connected_is_so_with_the_kill),
        TEST(a_lane_that_is_refused_is_free_again),
        TEST(a_kill_that_cannot_be_sent_is_sent_ten_milliseconds_later),
        TEST(a_kill_for_which_there_is_no_memory_is_sent_later),
        TEST(what_is_out_at_the_end_frees_itself),
    };
    return RUN_CASES(tests);
}
