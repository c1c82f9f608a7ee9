/*
 * Round trips of one server: the average, and the least of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mongo/topology/rtt.h"
#include "topology_support.h"

#include "spec_folder.h"

#define MS_NS INT64_C(1000000)

static void nothing_is_known_at_first(void **state) {
    (void)state;
    mouv__rtt_t rtt = {0};
    assert_int_equal(mouv__rtt_average_ns(&rtt), -1);
    assert_int_equal(mouv__rtt_least_ns(&rtt), 0);
}

static void first_sample_is_the_average_and_the_second_a_fifth_of_it(void **state) {
    (void)state;
    mouv__rtt_t rtt = {0};
    mouv__rtt_add(&rtt, 10 * MS_NS);
    assert_int_equal(mouv__rtt_average_ns(&rtt), 10 * MS_NS);
    mouv__rtt_add(&rtt, 20 * MS_NS);
    assert_int_equal(mouv__rtt_average_ns(&rtt), 12 * MS_NS);
}

static void least_counts_from_the_second_sample_on(void **state) {
    (void)state;
    mouv__rtt_t rtt = {0};
    mouv__rtt_add(&rtt, 1500 * MS_NS);
    assert_int_equal(mouv__rtt_least_ns(&rtt), 0);
    mouv__rtt_add(&rtt, 2 * MS_NS);
    assert_int_equal(mouv__rtt_least_ns(&rtt), 2 * MS_NS);
    mouv__rtt_add(&rtt, 5000 * MS_NS);
    assert_int_equal(mouv__rtt_least_ns(&rtt), 2 * MS_NS);
}

static void least_is_that_of_the_last_ten(void **state) {
    (void)state;
    mouv__rtt_t rtt = {0};
    mouv__rtt_add(&rtt, 1);
    for (int i = 0; i < 9; i++) mouv__rtt_add(&rtt, 900);
    assert_int_equal(mouv__rtt_least_ns(&rtt), 1);
    mouv__rtt_add(&rtt, 900);
    assert_int_equal(mouv__rtt_least_ns(&rtt), 900);
}

static void libmongocs_average_counts_until_the_first_sample(void **state) {
    (void)state;
    mouv__rtt_t rtt = {0};
    mouv__rtt_guess(&rtt, -1);
    assert_int_equal(mouv__rtt_average_ns(&rtt), -1);
    mouv__rtt_guess(&rtt, 0);
    assert_int_equal(mouv__rtt_average_ns(&rtt), 0);
    mouv__rtt_guess(&rtt, 7);
    assert_int_equal(mouv__rtt_average_ns(&rtt), 7);
    assert_int_equal(mouv__rtt_least_ns(&rtt), 0);
    mouv__rtt_add(&rtt, 100);
    mouv__rtt_guess(&rtt, 7);
    assert_int_equal(mouv__rtt_average_ns(&rtt), 100);
}

static void nothing_is_known_of_a_server_that_was_lost(void **state) {
    (void)state;
    mouv__rtt_t rtt = {0};
    mouv__rtt_add(&rtt, 5);
    mouv__rtt_add(&rtt, 5);
    mouv__rtt_reset(&rtt);
    assert_int_equal(mouv__rtt_average_ns(&rtt), -1);
    assert_int_equal(mouv__rtt_least_ns(&rtt), 0);
    mouv__rtt_add(&rtt, 9);
    assert_int_equal(mouv__rtt_average_ns(&rtt), 9);
}

static void check_file(const char *path, const bson_t *file) {
    mouv__rtt_t rtt = {0};
    bson_iter_t at;
    if (find(file, "avg_rtt_ms", &at) && BSON_ITER_HOLDS_NUMBER(&at))
        mouv__rtt_add(&rtt, (int64_t)(bson_iter_as_double(&at) * 1e6));
    mouv__rtt_add(&rtt, (int64_t)(number_in(file, "new_rtt_ms", -1) * 1e6));
    double expected = number_in(file, "new_avg_rtt", -1), average = (double)rtt.average_ns / 1e6;
    if (average < expected - 1e-5 || average > expected + 1e-5)
        fail_msg("%s: %f, expected %f", path, average, expected);
}

static void specification(void **state) {
    (void)state;
    int files = spec_folder_run("server-selection-rtt", check_file);
    if (files == 0) skip();
    assert_true(files > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_at_first),
        cmocka_unit_test(first_sample_is_the_average_and_the_second_a_fifth_of_it),
        cmocka_unit_test(least_counts_from_the_second_sample_on),
        cmocka_unit_test(least_is_that_of_the_last_ten),
        cmocka_unit_test(libmongocs_average_counts_until_the_first_sample),
        cmocka_unit_test(nothing_is_known_of_a_server_that_was_lost),
        cmocka_unit_test(specification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
