/*
 * Kill first, cut second: the order of both, and what the end of an operation takes out of both.
 */
#include "operation_support.h"

#include "mongo/operation/stop.h"

FAKE_CASE(the_kill_goes_at_once_and_the_cut_waits, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    fake_call_t *call = fake_out(fake, FAKE_SEND, 0);
    int64_t began_ns = now_ns(fake);
    operation_cancel(op);
    CHECK_INT(kills_of(fake), 1);
    CHECK_INT(kill_out(fake)->at_ns, began_ns);
    CHECK(!call->cut);
    CHECK_INT(op->cut_ns, began_ns + 50 * MOUV__NS_PER_MS);
    fake_pass_ms(50);
    CHECK(call->cut);
    operation_over(op);
}

FAKE_CASE(adding_twice_is_once, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    operation_cancel(op);
    fake_pass_ms(20);
    int64_t at_ns = op->cut_ns;
    mouv__stop_add(op);
    fake_turn();
    CHECK_INT(kills_of(fake), 1);
    CHECK_INT(op->cut_ns, at_ns);
    operation_over(op);
}

FAKE_CASE(what_is_removed_is_neither_killed_nor_cut, fake_with(2, "RSPrimary")) {
    mouv__operation_t *waiting = operation_begin(fake, &find_row, FIND, 0);
    mouv__operation_t *killed = operation_begin(fake, &find_row, FIND, 0);
    operation_cancel(killed);
    fake_answer(kill_out(fake), "{'ok': 1}");
    mouv__stop_remove(killed);
    CHECK_INT(killed->kill_state, MOUV__KILL_NONE);
    CHECK_INT(killed->kills, 0);
    CHECK_INT(killed->cut_ns, 0);
    mouv__future_cancel(&waiting->future);
    CHECK_INT(waiting->kill_state, MOUV__KILL_WAITING);
    mouv__stop_remove(waiting);
    mouv__stop_remove(waiting); /* harmless */
    fake_pass_ms(1000);
    CHECK_INT(kills_of(fake), 1);
    CHECK_INT(stats_of(fake)->interrupts, 0);
    operation_over(waiting);
    operation_over(killed);
}

FAKE_CASE(where_kills_are_refused_the_cut_is_at_once, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    fake_call_t *call = fake_out(fake, FAKE_SEND, 0);
    fake->client.operations.kills.refused = true;
    operation_cancel(op);
    CHECK_INT(kills_of(fake), 0);
    CHECK(call->cut);
    operation_over(op);
}

FAKE_CASE(where_the_server_was_silent_lately_the_grace_is_waited_for, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    fake_call_t *call = fake_out(fake, FAKE_SEND, 0);
    mouv__server_pool_of(fake_pool(fake), 1)->silent_until_ns = now_ns(fake) + INT64_C(5000000000);
    operation_cancel(op);
    CHECK_INT(kills_of(fake), 0);
    fake_pass_ms(49);
    CHECK(!call->cut);
    fake_pass_ms(1);
    CHECK(call->cut);
    operation_over(op);
}

FAKE_CASE(an_end_stops_both, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    operation_cancel(op);
    fake_answer(kill_out(fake), "{'ok': 1}");
    mouv__operations_t *operations = &fake->client.operations;
    CHECK(mouv__timer_armed(&operations->kills.again));
    CHECK(mouv__timer_armed(&operations->cuts.timer));
    mouv__stop_close(operations);
    CHECK(!mouv__timer_armed(&operations->kills.again));
    CHECK(!mouv__timer_armed(&operations->cuts.timer));
    CHECK_INT(op->kill_state, MOUV__KILL_NONE);
    CHECK_INT(op->cut_ns, 0);
    operation_over(op);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_kill_goes_at_once_and_the_cut_waits),
        TEST(adding_twice_is_once),
        TEST(what_is_removed_is_neither_killed_nor_cut),
        TEST(where_kills_are_refused_the_cut_is_at_once),
        TEST(where_the_server_was_silent_lately_the_grace_is_waited_for),
        TEST(an_end_stops_both),
    };
    return RUN_CASES(tests);
}
