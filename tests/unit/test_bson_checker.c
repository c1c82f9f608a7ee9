/*
 * Checking a document that comes in parts: what is said is what is said of the whole.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bson_documents.h"
#include "mongo/wire/bson_check.h"

typedef struct said {
    mouv__bson_verdict_t verdict;
    char why[256];
    size_t eaten; /* bytes given until it was said */
} said_t;

static said_t say_of_whole(const uint8_t *data, size_t size) {
    said_t said = {.eaten = size};
    said.verdict = mouv__bson_check(data, size, said.why, sizeof(said.why)) ? MOUV__BSON_VALID
                                                                            : MOUV__BSON_BAD;
    return said;
}

/* Each part exactly as long as it is, so that a sanitizer sees a look beyond it. */
static mouv__bson_verdict_t feed(mouv__bson_checker_t *checker, const uint8_t *data, size_t size,
                                 said_t *said) {
    uint8_t *part = malloc(size + !size);
    memcpy(part, data, size);
    said->verdict = mouv__bson_checker_feed(checker, part, size, said->why, sizeof(said->why));
    said->eaten += size;
    free(part);
    return said->verdict;
}

/* Parts end at `first`, `second` and then after `step` bytes each. */
static said_t say_of_parts(const uint8_t *data, size_t size, size_t first, size_t second,
                           size_t step) {
    said_t said = {.eaten = 0};
    mouv__bson_checker_t checker;
    memset(&checker, 0xee, sizeof(checker));
    mouv__bson_checker_begin(&checker, size);
    if (feed(&checker, data, first, &said) != MOUV__BSON_GOES_ON) return said;
    if (feed(&checker, data + first, second - first, &said) != MOUV__BSON_GOES_ON) return said;
    for (size_t at = second; at < size; at += step) {
        size_t part = size - at < step ? size - at : step;
        if (feed(&checker, data + at, part, &said) != MOUV__BSON_GOES_ON) break;
    }
    return said;
}

static void assert_says_the_same(const uint8_t *data, size_t size, size_t first, size_t second,
                                 size_t step) {
    said_t whole = say_of_whole(data, size), parts = say_of_parts(data, size, first, second, step);
    if (parts.verdict != whole.verdict || strcmp(parts.why, whole.why) != 0)
        fail_msg("parted at %zu, %zu and then by %zu of %zu: %d '%s', as a whole: %d '%s'", first,
                 second, step, size, parts.verdict, parts.why, whole.verdict, whole.why);
}

static void assert_every_part_says_the_same(const uint8_t *data, size_t size) {
    for (size_t step = 1; step <= size; step++) assert_says_the_same(data, size, 0, 0, step);
    for (size_t first = 0; first <= size; first++)
        for (size_t second = first; second <= size; second++)
            assert_says_the_same(data, size, first, second, size);
}

/* --- Good and bad ---------------------------------------------------------------------------- */

static void a_good_document_is_valid_however_it_is_parted(void **state) {
    (void)state;
    bson_t *document = with_every_type();
    assert_int_equal(say_of_whole(bson_get_data(document), document->len).verdict,
                     MOUV__BSON_VALID);
    assert_every_part_says_the_same(bson_get_data(document), document->len);
    bson_destroy(document);
}

static void bad_documents_are_bad_at_the_same_place_however_they_are_parted(void **state) {
    (void)state;
    for (size_t i = 0; i < BAD_DOCUMENT_COUNT; i++)
        assert_every_part_says_the_same((const uint8_t *)bad_documents[i].bytes,
                                        bad_documents[i].size);
}

static void deep_documents_are_counted_across_parts(void **state) {
    (void)state;
    for (int depth = MOUV__BSON_DEPTH_MAX; depth <= MOUV__BSON_DEPTH_MAX + 1; depth++) {
        bson_t *document = nested(depth);
        for (size_t step = 1; step < 20; step++)
            assert_says_the_same(bson_get_data(document), document->len, 0, 0, step);
        bson_destroy(document);
    }
}

static void changed_documents_are_judged_the_same_in_parts(void **state) {
    (void)state;
    bson_t *document = with_every_type();
    uint8_t *copy = malloc(document->len);
    for (size_t at = 0; at < document->len; at++) {
        for (int change = 0; change < 10; change++) {
            memcpy(copy, bson_get_data(document), document->len);
            copy[at] = change < 8 ? copy[at] ^ (uint8_t)(1 << change) : change == 8 ? 0 : 0xff;
            for (size_t step = 1; step < 20; step += 3)
                assert_says_the_same(copy, document->len, 0, 0, step);
        }
    }
    free(copy);
    bson_destroy(document);
}

/* --- When it is said ------------------------------------------------------------------------- */

static void a_long_value_is_refused_before_its_bytes_come(void **state) {
    const uint8_t text[] = "\x64\0\0\0\2a\0\x63\0\0\0";    /* a string that ends behind it */
    const uint8_t document[] = "\x65\0\0\0";               /* one byte more than was told */
    const uint8_t inner[] = "\x64\0\0\0\3a\0\x5d\0\0\0\0"; /* by one byte too long */
    char why[256];
    mouv__bson_checker_t checker;
    (void)state;
    mouv__bson_checker_begin(&checker, 100);
    assert_int_equal(mouv__bson_checker_feed(&checker, text, 11, why, sizeof(why)), MOUV__BSON_BAD);
    assert_string_equal(why, "a string's length of 99 at byte 7 of a document");
    mouv__bson_checker_begin(&checker, 100);
    assert_int_equal(mouv__bson_checker_feed(&checker, document, 4, why, sizeof(why)),
                     MOUV__BSON_BAD);
    mouv__bson_checker_begin(&checker, 100);
    assert_int_equal(mouv__bson_checker_feed(&checker, inner, 11, why, sizeof(why)),
                     MOUV__BSON_BAD);
}

/* Its state is all there is: it can be put away and taken up again. */
static void a_check_may_be_copied_while_it_goes_on(void **state) {
    char why[256];
    mouv__bson_checker_t checker, copy;
    (void)state;
    bson_t *document = with_every_type();
    size_t half = document->len / 2;
    mouv__bson_checker_begin(&checker, document->len);
    for (size_t at = 0; at < document->len; at++) {
        copy = checker;
        mouv__bson_verdict_t verdict =
            mouv__bson_checker_feed(&checker, bson_get_data(document) + at, 1, why, sizeof(why));
        assert_int_equal(verdict, at + 1 < document->len ? MOUV__BSON_GOES_ON : MOUV__BSON_VALID);
        if (at < half) continue;
        assert_int_equal(mouv__bson_checker_feed(&copy, bson_get_data(document) + at,
                                                 document->len - at, why, sizeof(why)),
                         MOUV__BSON_VALID);
    }
    bson_destroy(document);
}

static void nothing_given_changes_nothing(void **state) {
    char why[256];
    mouv__bson_checker_t checker;
    (void)state;
    mouv__bson_checker_begin(&checker, 5);
    assert_int_equal(mouv__bson_checker_feed(&checker, NULL, 0, why, sizeof(why)),
                     MOUV__BSON_GOES_ON);
    assert_int_equal(mouv__bson_checker_feed(&checker, (const uint8_t *)"\5\0", 2, why, 256),
                     MOUV__BSON_GOES_ON);
    assert_int_equal(mouv__bson_checker_feed(&checker, NULL, 0, why, sizeof(why)),
                     MOUV__BSON_GOES_ON);
    assert_int_equal(mouv__bson_checker_feed(&checker, (const uint8_t *)"\0\0\0", 3, why, 256),
                     MOUV__BSON_VALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_document_is_valid_however_it_is_parted),
        cmocka_unit_test(bad_documents_are_bad_at_the_same_place_however_they_are_parted),
        cmocka_unit_test(deep_documents_are_counted_across_parts),
        cmocka_unit_test(changed_documents_are_judged_the_same_in_parts),
        cmocka_unit_test(a_long_value_is_refused_before_its_bytes_come),
        cmocka_unit_test(a_check_may_be_copied_while_it_goes_on),
        cmocka_unit_test(nothing_given_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
