/*
 * A document in parts is judged as it is in one. The first eight bytes say how long the parts are.
 */
#include "fuzz.h"

#include <stdbool.h>

#include "mongo/wire/bson_check.h"

#define LENGTHS 8

static mouv__bson_verdict_t feed(mouv__bson_checker_t *checker, const uint8_t *data, size_t size,
                                 char *why) {
    uint8_t *part = fuzz_copy(data, size);
    mouv__bson_verdict_t verdict =
        mouv__bson_checker_feed(checker, part, size, why, FUZZ_WHY_BYTES);
    free(part);
    return verdict;
}

static void check(const uint8_t *lengths, const uint8_t *data, size_t size) {
    char whole_why[FUZZ_WHY_BYTES] = "", why[FUZZ_WHY_BYTES] = "";
    bool whole = mouv__bson_check(data, size, whole_why, sizeof(whole_why));
    mouv__bson_checker_t checker;
    mouv__bson_verdict_t verdict = MOUV__BSON_GOES_ON;
    mouv__bson_checker_begin(&checker, size);
    size_t at = 0;
    for (size_t i = 0; verdict == MOUV__BSON_GOES_ON; i++) {
        size_t part = lengths[i % LENGTHS];
        if (i % LENGTHS == LENGTHS - 1) part++; /* it must end */
        if (part > size - at) part = size - at;
        verdict = feed(&checker, data + at, part, why);
        at += part;
        if (at == size) FUZZ_CHECK(verdict != MOUV__BSON_GOES_ON);
    }
    FUZZ_CHECK(verdict == (whole ? MOUV__BSON_VALID : MOUV__BSON_BAD));
    FUZZ_CHECK(strcmp(why, whole_why) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < LENGTHS) return 0;
    uint8_t *copy = fuzz_copy(data + LENGTHS, size - LENGTHS);
    check(data, copy, size - LENGTHS);
    fuzz_frame(copy, size - LENGTHS);
    check(data, copy, size - LENGTHS);
    free(copy);
    return 0;
}
