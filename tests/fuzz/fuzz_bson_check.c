/*
 * Any bytes: what passes for a document leads libbson nowhere outside of it.
 */
#include "fuzz.h"

#include "../support/bson_walk.h"
#include "mongo/wire/bson_check.h"

static void check(const uint8_t *data, size_t size) {
    char why[FUZZ_WHY_BYTES] = "";
    if (mouv__bson_check(data, size, why, sizeof(why)))
        FUZZ_CHECK(bson_walk(data, size));
    else
        FUZZ_CHECK(why[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *copy = fuzz_copy(data, size);
    check(copy, size);
    fuzz_frame(copy, size);
    check(copy, size);
    free(copy);
    return 0;
}
