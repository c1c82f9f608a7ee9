/*
 * Reads every value of a document as libbson's users do, so that a sanitizer sees where it leads.
 */
#ifndef MOUV_TESTS_BSON_WALK_H
#define MOUV_TESTS_BSON_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

/** True if libbson comes to the end of it without complaint. */
static inline bool bson_walk(const uint8_t *bytes, size_t size) {
    bson_t view;
    bson_iter_t iter, inner;
    if (!bson_init_static(&view, bytes, size) || !bson_iter_init(&iter, &view)) return false;
    while (bson_iter_next(&iter)) {
        bson_value_t copy;
        bson_value_copy(bson_iter_value(&iter), &copy);
        bson_value_destroy(&copy);
        uint32_t length = 0;
        const uint8_t *data = NULL;
        if (BSON_ITER_HOLDS_DOCUMENT(&iter)) bson_iter_document(&iter, &length, &data);
        if (BSON_ITER_HOLDS_ARRAY(&iter)) bson_iter_array(&iter, &length, &data);
        if (BSON_ITER_HOLDS_DOCUMENT(&iter) || BSON_ITER_HOLDS_ARRAY(&iter))
            if (!bson_iter_recurse(&iter, &inner) || !bson_walk(data, length)) return false;
    }
    return iter.err_off == 0;
}

#endif
