/*
 * Replies that are kept for errors: how many, how long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <mouv/reply.h>

#include "mongo/base/answers.h"

static mouv_error_t keep(const bson_t *reply) {
    mouv_error_t error = {.code = MOUV_ESERVER};
    mouv__answers_keep(&error, reply);
    return error;
}

static mouv_error_t keep_number(int number) {
    bson_t *reply = BCON_NEW("n", BCON_INT32(number));
    mouv_error_t error = keep(reply);
    bson_destroy(reply);
    return error;
}

/** The number in what is kept for the error; -1: nothing is. */
static int find_number(const mouv_error_t *error) {
    bson_t *reply = mouv_error_reply(error);
    bson_iter_t iter;
    int number = reply && bson_iter_init_find(&iter, reply, "n") ? bson_iter_int32(&iter) : -1;
    bson_destroy(reply);
    return number;
}

static void the_last_1024_are_kept(void **state) {
    (void)state;
    static mouv_error_t errors[3000];
    for (int i = 0; i < 3000; i++) errors[i] = keep_number(i);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(find_number(&errors[i]), i < 3000 - MOUV__ANSWERS_COUNT ? -1 : i);
}

static void a_copy_finds_the_same_and_an_error_set_anew_nothing(void **state) {
    (void)state;
    mouv_error_t error = keep_number(7), copy = error;
    assert_int_equal(find_number(&copy), 7);
    mouv_error_set(&error, MOUV_EINVAL, "another");
    assert_int_equal(find_number(&error), -1);
    assert_int_equal(find_number(&copy), 7);
}

static void what_is_kept_for_an_error_is_replaced(void **state) {
    (void)state;
    mouv_error_t error = keep_number(1), other = keep_number(2);
    bson_t *reply = BCON_NEW("n", BCON_INT32(3));
    mouv__answers_keep(&error, reply);
    bson_destroy(reply);
    assert_int_equal(find_number(&error), 3);
    assert_int_equal(find_number(&other), 2);
}

static void large_ones_drive_out_the_oldest_and_the_newest_is_kept_whatever_its_size(void **state) {
    (void)state;
    size_t size = MOUV__ANSWERS_BYTES + 1;
    char *text = calloc(1, size);
    mouv_error_t small = keep_number(1);
    for (int i = 0; i < 2; i++) {
        bson_t *reply = BCON_NEW("n", BCON_INT32(2));
        bson_append_binary(reply, "b", -1, BSON_SUBTYPE_BINARY, (uint8_t *)text, (uint32_t)size);
        mouv_error_t large = keep(reply), next;
        bson_destroy(reply);
        assert_int_equal(find_number(&small), -1);
        assert_int_equal(find_number(&large), 2);
        next = keep_number(3);
        assert_int_equal(find_number(&large), -1);
        assert_int_equal(find_number(&next), 3);
    }
    free(text);
}

static void details_are_the_part_that_has_the_errors_code(void **state) {
    (void)state;
    bson_t *reply = BCON_NEW("writeErrors", "[", "{", "code", BCON_INT32(11000), "n", BCON_INT32(1),
                             "}", "]", "writeConcernErrors", "[", "{", "code", BCON_INT32(64), "n",
                             BCON_INT32(2), "}", "]", "n", BCON_INT32(3));
    static const struct {
        int32_t code;
        int number;
    } each[] = {{11000, 1}, {64, 2}, {50, 3}};
    for (int i = 0; i < 3; i++) {
        mouv_error_t error = keep(reply);
        bson_iter_t iter;
        error.server_code = each[i].code;
        bson_t *details = mouv_error_details(&error);
        assert_true(bson_iter_init_find(&iter, details, "n"));
        assert_int_equal(bson_iter_int32(&iter), each[i].number);
        bson_destroy(details);
    }
    bson_destroy(reply);
    assert_null(mouv_error_details(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_1024_are_kept),
        cmocka_unit_test(a_copy_finds_the_same_and_an_error_set_anew_nothing),
        cmocka_unit_test(what_is_kept_for_an_error_is_replaced),
        cmocka_unit_test(large_ones_drive_out_the_oldest_and_the_newest_is_kept_whatever_its_size),
        cmocka_unit_test(details_are_the_part_that_has_the_errors_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
