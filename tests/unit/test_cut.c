/*
 * Cuts: how long an answer is waited for, what each costs, whose server was replaced.
 */
#include "operation_support.h"

#include "mongo/operation/cut.h"
#include "mongo/pool/breaker.h"

/* Its kills are answered at once, and nothing else comes. */
static void cancel_and_answer_kill(fake_t *fake, mouv__operation_t *op) {
    fake->auto_ms[FAKE_CONTROL] = 0;
    operation_cancel(op);
}

static bool is_cut(const mouv__operation_t *op) {
    return op->attempt.exchange.cut;
}

/* Checks that it is cut so many ms from now, and no sooner. */
#define CHECK_CUT_AFTER(op, ms) \
    do { \
        fake_pass_ms((ms)-1); \
        CHECK(!is_cut(op)); \
        fake_pass_ms(1); \
        CHECK(is_cut(op)); \
    } while (0)

FAKE_CASE(a_read_is_cut_after_fifty_milliseconds, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    cancel_and_answer_kill(fake, op);
    CHECK_ENDED(op, MOUV_ECANCELED);
    CHECK_CUT_AFTER(op, 50);
    CHECK_INT(stats_of(fake)->interrupts, 1);
    CHECK_INT(op->state, MOUV__OP_SETTLED);
    operation_over(op);
}

FAKE_CASE(what_is_back_in_time_is_not_cut, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    cancel_and_answer_kill(fake, op);
    fake_pass_ms(49);
    fake_answer(fake_out(fake, FAKE_SEND, 0), "{'ok': 0, 'code': 11601}");
    CHECK(!mouv__timer_armed(&fake->client.operations.cuts.timer));
    fake_pass_ms(1000);
    CHECK_INT(stats_of(fake)->interrupts, 0);
    operation_over(op);
}

FAKE_CASE(the_grace_is_four_round_trips_where_those_are_longer, fake_with(2, "RSPrimary")) {
    mouv__rtt_add(&fake_server(fake, 1)->rtt, 30 * MOUV__NS_PER_MS);
    mouv__rtt_add(&fake_server(fake, 1)->rtt, 30 * MOUV__NS_PER_MS);
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    cancel_and_answer_kill(fake, op);
    CHECK_CUT_AFTER(op, 120);
    mouv__operation_t *two = operation_begin(fake, &find_row, FIND, 0);
    mouv__server_pool_of(fake_pool(fake), 1)->kill_ns = 40 * MOUV__NS_PER_MS;
    operation_cancel(two);
    CHECK_CUT_AFTER(two, 160);
    operation_over(op);
    operation_over(two);
}

FAKE_CASE(a_transport_that_cannot_cut_is_not_asked_to,
          fake_new(&(fake_options_t){.cannot_cut = true})) {
    fake->auto_ms[FAKE_CONNECT] = 0;
    fake_deploy(fake, "RSPrimary");
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    cancel_and_answer_kill(fake, op);
    CHECK(mouv__list_is_empty(&fake->client.operations.cuts.list));
    fake_deploy(fake, "Unknown RSPrimary");
    CHECK(mouv__list_is_empty(&fake->client.operations.cuts.list));
    fake_pass_ms(2000);
    CHECK(!is_cut(op));
    operation_over(op);
}

FAKE_CASE(one_that_is_not_under_way_now_is_cut_five_milliseconds_later, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    fake_call_t *call = fake_out(fake, FAKE_SEND, 0);
    cancel_and_answer_kill(fake, op);
    call->cut = true; /* it would be refused */
    fake_pass_ms(50);
    CHECK_INT(stats_of(fake)->interrupts, 0);
    call->cut = false;
    CHECK_CUT_AFTER(op, 5);
    CHECK_INT(stats_of(fake)->interrupts, 1);
    operation_over(op);
}

/* --- who has more time ------------------------------------------------------------------------ */

FAKE_CASE(a_write_that_can_be_asked_about_has_a_quarter_of_a_second, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &insert_row, INSERT, 0);
    cancel_and_answer_kill(fake, op);
    CHECK_PENDING(op);
    fake_pass_ms(249);
    CHECK_INT(stats_of(fake)->interrupts, 0);
    fake_pass_ms(1);
    CHECK_INT(stats_of(fake)->interrupts, 1);
    CHECK_PENDING(op); /* it is asked */
    operation_over(op);
}

FAKE_CASE(another_write_has_until_its_caller_is_told, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &many_row, MANY, 0);
    cancel_and_answer_kill(fake, op);
    fake_pass_ms(499);
    CHECK(!is_cut(op));
    CHECK_PENDING(op);
    fake_pass_ms(1);
    CHECK_ENDED(op, MOUV_EUNKNOWN);
    CHECK(is_cut(op));
    operation_over(op);
}

FAKE_CASE(a_write_whose_kill_is_silent_has_the_grace_alone, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &many_row, MANY, 10000);
    answer_hellos(fake);
    operation_cancel(op);
    fake->auto_ms[FAKE_CONNECT] = -1;
    CHECK(mouv__kill_is_silent(op));
    CHECK_CUT_AFTER(op, 50);
    CHECK_ENDED(op, MOUV_EUNKNOWN);
    CHECK(kill_out(fake) == NULL); /* which went with it */
    operation_over(op);
}

static mouv__operation_t *poll_begin(fake_t *fake, const char *command, mouv__pin_t **pin) {
    mouv__operation_t *first = operation_begin(fake, &find_row, FIND, 0);
    *pin = mouv__operation_keep_poll_pin(first);
    fake_answer(fake_out(fake, FAKE_SEND, 0), "{'ok': 1}");
    operation_over(first);
    mouv__operation_t *op = operation_new(fake, &poll_row, command);
    op->parts.pin = *pin;
    mouv__operation_start(op);
    fake_turn();
    return op;
}

/* No kill ends it before its own time. */
FAKE_CASE(a_poll_that_nobody_waits_for_is_cut_after_the_grace, fake_with(2, "RSPrimary")) {
    mouv__pin_t *pin;
    mouv__operation_t *op =
        poll_begin(fake, "{'getMore': 1, 'collection': 'c', 'maxTimeMS': 5000}", &pin);
    fake_pass_ms(100);
    cancel_and_answer_kill(fake, op);
    CHECK_ENDED(op, MOUV_ECANCELED);
    CHECK_CUT_AFTER(op, 50);
    mouv__pin_free(pin);
    operation_over(op);
}

FAKE_CASE(a_poll_that_comes_back_in_the_grace_is_not_cut, fake_with(2, "RSPrimary")) {
    mouv__pin_t *pin;
    mouv__operation_t *op = poll_begin(fake, "{'getMore': 1, 'collection': 'c'}", &pin);
    cancel_and_answer_kill(fake, op);
    fake_pass_ms(40);
    CHECK_INT(op->state, MOUV__OP_LATE);
    fake_answer(fake_out(fake, FAKE_SEND, 0), "{'ok': 1}");
    CHECK_INT(op->state, MOUV__OP_SETTLED);
    fake_pass_ms(1000);
    CHECK_INT(stats_of(fake)->interrupts, 0);
    mouv__pin_free(pin);
    operation_over(op);
}

/* --- a server that has too much to do --------------------------------------------------------- */

static void answer_find(fake_t *fake, mouv__operation_t *op) {
    uint32_t n = 0;
    fake_call_t *call;
    while ((call = fake_out(fake, FAKE_SEND, n++)) != NULL)
        if (call->exchange == &op->attempt.exchange) fake_answer(call, "{'ok': 1}");
    fake_turn();
    CHECK_ENDED(op, 0);
    operation_over(op);
}

FAKE_CASE(a_server_that_answers_others_has_a_second_while_there_is_room,
          fake_with(2, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    mouv__operation_t *other = operation_begin(fake, &find_row, FIND, 0);
    cancel_and_answer_kill(fake, op);
    fake_pass_ms(10);
    answer_find(fake, other);
    CHECK_CUT_AFTER(op, 990);
    operation_over(op);
}

FAKE_CASE(a_server_that_answered_others_only_before_has_no_more_time, fake_with(2, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    mouv__operation_t *other = operation_begin(fake, &find_row, FIND, 0);
    answer_find(fake, other);
    fake_pass_ms(10);
    cancel_and_answer_kill(fake, op);
    CHECK_CUT_AFTER(op, 50);
    operation_over(op);
}

FAKE_CASE(where_others_need_the_connection_it_is_cut, fake_with(2, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    mouv__operation_t *other = operation_begin(fake, &find_row, FIND, 0);
    cancel_and_answer_kill(fake, op);
    fake_pass_ms(10);
    answer_find(fake, other);
    mouv__operation_t *third = operation_begin(fake, &find_row, FIND, 0);
    CHECK_CUT_AFTER(op, 40);
    operation_over(op), operation_over(third);
}

FAKE_CASE(one_connection_in_four_is_made_anew_at_a_time, fake_with(4, "RSPrimary")) {
    mouv__operation_t *ops[5];
    for (int i = 0; i < 4; i++) ops[i] = operation_begin(fake, &find_row, FIND, 0);
    cancel_and_answer_kill(fake, ops[0]);
    operation_cancel(ops[1]);
    fake_pass_ms(10);
    answer_find(fake, ops[3]);
    ops[4] = operation_begin(fake, &find_row, FIND, 0);
    fake->auto_ms[FAKE_CONNECT] = -1;
    fake_pass_ms(40);
    CHECK_INT(is_cut(ops[0]) + is_cut(ops[1]), 1);
    fake_pass_ms(1000);
    CHECK_INT(is_cut(ops[0]) + is_cut(ops[1]), 1);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    fake_pass_ms(5);
    CHECK_INT(is_cut(ops[0]) + is_cut(ops[1]), 2);
    operation_over(ops[0]), operation_over(ops[1]), operation_over(ops[2]), operation_over(ops[4]);
}

/* --- refused kills ---------------------------------------------------------------------------- */

FAKE_CASE(refused_kills_hurry_those_that_wait_and_those_to_come, fake_with(2, "RSPrimary")) {
    mouv__operation_t *one = operation_begin(fake, &find_row, FIND, 0);
    mouv__operation_t *two = operation_begin(fake, &find_row, FIND, 0);
    operation_cancel(one);
    fake_answer(kill_out(fake), "{'ok': 0, 'code': 13}");
    fake_turn();
    CHECK(is_cut(one));
    CHECK(!is_cut(two));
    operation_cancel(two);
    CHECK(is_cut(two));
    operation_over(one);
    operation_over(two);
}

/* --- the budget ------------------------------------------------------------------------------- */

CORO_CASE(five_hundred_at_once_then_one_for_each_price) {
    enum { ALL = 503 };
    static mouv__operation_t *ops[ALL];
    fake_t *fake = fake_with(ALL, "RSPrimary");
    fake->transport.cut_price_ns = 10 * MOUV__NS_PER_MS;
    for (int i = 0; i < ALL; i++) {
        ops[i] = operation_new(fake, &find_row, FIND);
        mouv__operation_start(ops[i]);
    }
    fake_turn();
    while (fake_count(fake, FAKE_SEND) < ALL) fake_pass_ms(1);
    fake->auto_ms[FAKE_CONNECT] = -1;
    for (int i = 0; i < ALL; i++) mouv__future_cancel(&ops[i]->future);
    fake_turn();
    fake_pass_ms(49);
    CHECK_INT(stats_of(fake)->interrupts, 0);
    fake_pass_ms(1);
    CHECK_INT(stats_of(fake)->interrupts, 500);
    CHECK_INT(stats_of(fake)->abandoned, 3);
    fake_pass_ms(999);
    CHECK_INT(stats_of(fake)->interrupts, 500);
    fake_pass_ms(1); /* looked at again, when a hundred have been earned */
    CHECK_INT(stats_of(fake)->interrupts, 503);
    CHECK_INT(stats_of(fake)->abandoned, 3);
    for (int i = 0; i < ALL; i++) operation_over(ops[i]);
    fake_free(fake);
    return 0;
}

FAKE_CASE(what_is_not_spent_is_not_saved, fake_with(3, "RSPrimary")) {
    fake->transport.cut_price_ns = 2000 * MOUV__NS_PER_MS;
    mouv__operation_t *ops[3];
    for (int i = 0; i < 3; i++) ops[i] = operation_begin(fake, &find_row, FIND, 0);
    fake->auto_ms[FAKE_CONNECT] = -1;
    /* all has been spent but one */
    fake->client.operations.cuts.spent_ns = now_ns(fake) - 2000 * MOUV__NS_PER_MS + 50000000;
    for (int i = 0; i < 3; i++) mouv__future_cancel(&ops[i]->future);
    fake_turn();
    fake_pass_ms(50);
    CHECK_INT(stats_of(fake)->interrupts, 1);
    CHECK_INT(stats_of(fake)->abandoned, 2);
    fake_pass_ms(1000); /* half of the price */
    CHECK_INT(stats_of(fake)->interrupts, 1);
    CHECK_INT(stats_of(fake)->abandoned, 4);
    fake_pass_ms(1000);
    CHECK_INT(stats_of(fake)->interrupts, 2);
    CHECK_INT(stats_of(fake)->abandoned, 5);
    for (int i = 0; i < 3; i++) operation_over(ops[i]);
}

/* --- a primary that was replaced -------------------------------------------------------------- */

FAKE_CASE(what_runs_on_a_replaced_primary_is_cut_after_a_second_and_retried,
          fake_with(2, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &insert_row, INSERT, 0);
    fake_call_t *call = fake_out(fake, FAKE_SEND, 0);
    fake_deploy(fake, "Unknown RSPrimary");
    fake_pass_ms(999);
    CHECK(!call->cut);
    fake_pass_ms(1);
    CHECK(call->cut);
    CHECK_INT(stats_of(fake)->interrupts, 1);
    CHECK_INT(kills_of(fake), 0);
    CHECK_PENDING(op);
    fake_call_t *again = fake_out(fake, FAKE_SEND, 0);
    CHECK(again != NULL && again != call);
    CHECK_INT(again->server_id, 2);
    fake_answer(again, "{'ok': 1, 'n': 1}");
    CHECK_ENDED(op, 0);
    operation_over(op);
}

FAKE_CASE(one_that_is_back_within_the_second_is_let_be, fake_with(2, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &insert_row, INSERT, 0);
    fake_deploy(fake, "Unknown RSPrimary");
    CHECK(op->watched);
    fake_pass_ms(500);
    fake_deploy(fake, "RSSecondary RSPrimary");
    fake_pass_ms(1000);
    CHECK_INT(stats_of(fake)->interrupts, 0);
    CHECK(!op->watched);
    CHECK(mouv__list_is_empty(&fake->client.operations.cuts.list));
    operation_over(op);
}

FAKE_CASE(without_another_primary_nothing_is_cut, fake_with(2, "RSPrimary RSSecondary")) {
    mouv__operation_t *op = operation_begin(fake, &insert_row, INSERT, 0);
    fake_deploy(fake, "Unknown RSSecondary");
    CHECK(!op->watched);
    fake_pass_ms(2000);
    CHECK_INT(stats_of(fake)->interrupts, 0);
    operation_over(op);
}

FAKE_CASE(what_runs_on_the_others_is_not_watched, fake_with(2, "RSPrimary RSSecondary")) {
    mouv__operation_t *op = operation_new(fake, &find_row, FIND);
    op->server_id = 2;
    mouv__operation_start(op);
    fake_turn();
    fake_deploy(fake, "Unknown RSPrimary");
    CHECK(!op->watched);
    operation_over(op);
}

FAKE_CASE(one_that_was_watched_and_is_given_up_has_its_grace, fake_with(2, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    fake_deploy(fake, "Unknown RSPrimary");
    fake_pass_ms(500);
    cancel_and_answer_kill(fake, op);
    CHECK(!op->watched);
    CHECK_CUT_AFTER(op, 50);
    operation_over(op);
}

FAKE_CASE(what_was_not_given_to_its_connection_yet_is_watched_on, fake_with(2, "RSPrimary")) {
    fake->slow = true;
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    fake_deploy(fake, "Unknown RSPrimary");
    fake_pass_ms(1000);
    CHECK(op->watched);
    CHECK_INT(stats_of(fake)->interrupts, 0);
    fake_sent(fake_out(fake, FAKE_SEND, 0));
    fake_pass_ms(1000);
    CHECK_INT(stats_of(fake)->interrupts, 1);
    operation_over(op);
}

FAKE_CASE(refused_kills_do_not_hurry_what_was_not_given_up, fake_with(2, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    fake_deploy(fake, "Unknown RSPrimary");
    mouv__cut_hurry(&fake->client.operations);
    fake_pass_ms(999);
    CHECK_INT(stats_of(fake)->interrupts, 0);
    fake_pass_ms(1);
    CHECK_INT(stats_of(fake)->interrupts, 1);
    operation_over(op);
}

/* --- afterwards ------------------------------------------------------------------------------- */

FAKE_CASE(its_connection_is_set_up_anew_before_anything_else_runs_on_it,
          fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    mouv__server_session_t *session = op->attempt.exchange.session;
    fake->auto_ms[FAKE_CONNECT] = -1;
    cancel_and_answer_kill(fake, op);
    fake_pass_ms(50);
    CHECK_INT(session->state, MOUV__SERVER_SESSION_STALE);
    mouv__operation_t *next = operation_begin(fake, &find_row, FIND, 0);
    CHECK_INT(fake_count(fake, FAKE_SEND), 0);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    fake_turn();
    CHECK_INT(fake_count(fake, FAKE_SEND), 1);
    CHECK(next->attempt.exchange.session == session);
    operation_over(op);
    operation_over(next);
}

FAKE_CASE(nothing_is_cut_once_the_client_has_ended, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    operation_cancel(op);
    mouv__cut_close(&fake->client.operations);
    CHECK(mouv__list_is_empty(&fake->client.operations.cuts.list));
    CHECK(!mouv__timer_armed(&fake->client.operations.cuts.timer));
    mouv__cut_remove(op); /* harmless */
    fake_pass_ms(1000);
    CHECK_INT(stats_of(fake)->interrupts, 0);
    operation_over(op);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_read_is_cut_after_fifty_milliseconds),
        TEST(what_is_back_in_time_is_not_cut),
        TEST(the_grace_is_four_round_trips_where_those_are_longer),
        TEST(a_transport_that_cannot_cut_is_not_asked_to),
        TEST(one_that_is_not_under_way_now_is_cut_five_milliseconds_later),
        TEST(a_write_that_can_be_asked_about_has_a_quarter_of_a_second),
        TEST(another_write_has_until_its_caller_is_told),
        TEST(a_write_whose_kill_is_silent_has_the_grace_alone),
        TEST(a_poll_that_nobody_waits_for_is_cut_after_the_grace),
        TEST(a_poll_that_comes_back_in_the_grace_is_not_cut),
        TEST(a_server_that_answers_others_has_a_second_while_there_is_room),
        TEST(a_server_that_answered_others_only_before_has_no_more_time),
        TEST(where_others_need_the_connection_it_is_cut),
        TEST(one_connection_in_four_is_made_anew_at_a_time),
        TEST(refused_kills_hurry_those_that_wait_and_those_to_come),
        TEST(five_hundred_at_once_then_one_for_each_price),
        TEST(what_is_not_spent_is_not_saved),
        TEST(what_runs_on_a_replaced_primary_is_cut_after_a_second_and_retried),
        TEST(one_that_is_back_within_the_second_is_let_be),
        TEST(without_another_primary_nothing_is_cut),
        TEST(what_runs_on_the_others_is_not_watched),
        TEST(one_that_was_watched_and_is_given_up_has_its_grace),
        TEST(what_was_not_given_to_its_connection_yet_is_watched_on),
        TEST(refused_kills_do_not_hurry_what_was_not_given_up),
        TEST(its_connection_is_set_up_anew_before_anything_else_runs_on_it),
        TEST(nothing_is_cut_once_the_client_has_ended),
    };
    return RUN_CASES(tests);
}
