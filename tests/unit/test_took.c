/*
 * What a server lately took.
 */
#include "../support/async_support.h"

#include "async/loop/clock.h"
#include "mongo/topology/took.h"

#define MS INT64_C(1000000)

#define WINDOW MOUV__TOOK_WINDOW_NS

CORO_CASE(least_and_mean_of_two_windows_count_from_the_third_on) {
    mouv__took_t took = {0};
    CHECK_INT(mouv__took_least_ns(&took, 0), 0);
    mouv__took_add(&took, 5 * MS, 1);
    mouv__took_add(&took, 7 * MS, 2);
    CHECK_INT(mouv__took_least_ns(&took, 2), 0);
    CHECK_INT(mouv__took_mean_ns(&took, 2), 0);
    mouv__took_add(&took, 9 * MS, WINDOW);
    CHECK_INT(mouv__took_least_ns(&took, WINDOW), 5 * MS);
    CHECK_INT(mouv__took_mean_ns(&took, WINDOW), 7 * MS);
    for (int i = 0; i < 3; i++) mouv__took_add(&took, 12 * MS, 2 * WINDOW);
    CHECK_INT(mouv__took_least_ns(&took, 2 * WINDOW), 9 * MS);
    return 0;
}

CORO_CASE(many_that_one_stall_has_held_up_do_not_hide_what_was_before) {
    mouv__took_t took = {0};
    for (int i = 0; i < 3; i++) mouv__took_add(&took, MS, WINDOW);
    for (int i = 0; i < 1000; i++) mouv__took_add(&took, 3000 * MS, 7 * WINDOW);
    CHECK_INT(mouv__took_least_ns(&took, 7 * WINDOW), MS);
    return 0;
}

CORO_CASE(one_quick_answer_is_enough) {
    mouv__took_t took = {0};
    for (int i = 0; i < 40; i++) mouv__took_add(&took, 5000 * MS, 1);
    mouv__took_add(&took, MS, 1);
    CHECK_INT(mouv__took_least_ns(&took, 1), MS);
    return 0;
}

CORO_CASE(what_took_too_long_is_told_for_two_windows) {
    mouv__took_t took = {0};
    mouv__took_add(&took, MS, 0);
    CHECK(!mouv__took_any_late(&took, 0));
    mouv__took_too_long(&took, 1);
    CHECK(mouv__took_any_late(&took, 1));
    mouv__took_add(&took, MS, WINDOW);
    CHECK(mouv__took_any_late(&took, WINDOW));
    mouv__took_add(&took, MS, 2 * WINDOW);
    CHECK(!mouv__took_any_late(&took, 2 * WINDOW));
    CHECK_INT(mouv__took_least_ns(&took, 2 * WINDOW), 0);
    return 0;
}

CORO_CASE(what_is_old_does_not_count) {
    mouv__took_t took = {0};
    for (int i = 0; i < 3; i++) mouv__took_add(&took, 5 * MS, 1);
    mouv__took_too_long(&took, 1);
    CHECK_INT(mouv__took_least_ns(&took, MOUV__TOOK_LASTS_NS), 5 * MS);
    CHECK_INT(mouv__took_least_ns(&took, MOUV__TOOK_LASTS_NS + 1), 0);
    CHECK(!mouv__took_any_late(&took, MOUV__TOOK_LASTS_NS + 1));
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(least_and_mean_of_two_windows_count_from_the_third_on),
        TEST(many_that_one_stall_has_held_up_do_not_hide_what_was_before),
        TEST(one_quick_answer_is_enough),
        TEST(what_took_too_long_is_told_for_two_windows),
        TEST(what_is_old_does_not_count),
    };
    return RUN_CASES(cases);
}
