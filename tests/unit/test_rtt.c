/*
 * Round trips out of libmongoc's averages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mongo/topology/rtt.h"

/* What libmongoc makes of one more round trip. */
static int64_t average_of(int64_t former_ms, int64_t newest_ms) {
    return (int64_t)(0.2 * (double)newest_ms + 0.8 * (double)former_ms);
}

static int64_t note_all(mouv__rtt_t *rtt, int64_t average_ms, const int64_t *trips_ms,
                        size_t count) {
    for (size_t i = 0; i < count; i++) {
        average_ms = average_of(average_ms, trips_ms[i]);
        mouv__rtt_note(rtt, 1, average_ms);
    }
    return average_ms;
}

static void nothing_is_known_at_first(void **state) {
    (void)state;
    mouv__rtt_t rtt = {0};
    assert_int_equal(mouv__rtt_least_ms(&rtt), 0);
}

static void a_steady_one_is_what_it_is(void **state) {
    (void)state;
    static const int64_t trips_ms[] = {50, 50, 50, 50, 50, 50, 50};
    mouv__rtt_t rtt = {0};
    mouv__rtt_note(&rtt, 1, 58);
    note_all(&rtt, 58, trips_ms, 7);
    assert_true(mouv__rtt_least_ms(&rtt) >= 49 && mouv__rtt_least_ms(&rtt) <= 50);
}

static void a_slow_one_does_not_count_beside_quick_ones(void **state) {
    (void)state;
    static const int64_t trips_ms[] = {5000, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    mouv__rtt_t rtt = {0};
    mouv__rtt_note(&rtt, 1, 1);
    for (size_t i = 1; i <= 15; i++) {
        mouv__rtt_t seen = rtt;
        int64_t average_ms = note_all(&seen, 1, trips_ms, i);
        assert_true(mouv__rtt_least_ms(&seen) <= 5);
        if (i == 11) assert_true(average_ms > 50); /* and the average is still far off */
    }
}

static void ten_count(void **state) {
    (void)state;
    static const int64_t trips_ms[] = {900, 900, 900, 900, 900, 900, 900, 900, 900};
    mouv__rtt_t rtt = {0};
    mouv__rtt_note(&rtt, 1, 1);
    int64_t average_ms = note_all(&rtt, 1, trips_ms, 9);
    assert_int_equal(mouv__rtt_least_ms(&rtt), 1);
    note_all(&rtt, average_ms, trips_ms, 1);
    assert_true(mouv__rtt_least_ms(&rtt) > 100);
}

static void the_quickest_server_counts_until_it_is_lost(void **state) {
    (void)state;
    mouv__rtt_t rtt = {0};
    mouv__rtt_note(&rtt, 1, 80);
    mouv__rtt_note(&rtt, 7, 20);
    assert_int_equal(mouv__rtt_least_ms(&rtt), 20);
    mouv__rtt_note(&rtt, 7, -1);
    assert_int_equal(mouv__rtt_least_ms(&rtt), 80);
    for (uint32_t id = 8; id < 100; id++) mouv__rtt_note(&rtt, id, 10);
    assert_int_equal(mouv__rtt_least_ms(&rtt), 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_at_first),
        cmocka_unit_test(a_steady_one_is_what_it_is),
        cmocka_unit_test(a_slow_one_does_not_count_beside_quick_ones),
        cmocka_unit_test(ten_count),
        cmocka_unit_test(the_quickest_server_counts_until_it_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
