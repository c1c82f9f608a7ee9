/*
 * The quick look at documents: what it says yes to is good, and what is usual is plain.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/json.h"
#include "mongo/base/bson_plain.h"
#include "mongo/wire/bson_check.h"

static bool is_plain(const bson_t *document) {
    return mouv__bson_plain(bson_get_data(document), document->len);
}

#define USUAL \
    "{'_id': {'$oid': '0123456789abcdef01234567'}, 'name': 'somebody of Porto', 'n':" \
    " 1, 'x': 1.5, 'long': {'$numberLong': '7'}, 'at': {'$date': {'$numberLong':" \
    " '5'}}, 'yes': true, 'none': null, 'empty': '', 'in': {'a': ['x', {}, []]}}"

static void usual_documents_are_plain(void **state) {
    (void)state;
    static const char *const cases[] = {"{}", "{'a': 1}", USUAL};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bson_t *document = from_json(cases[i]);
        assert_true(is_plain(document));
        bson_destroy(document);
    }
}

static void what_is_unusual_is_not(void **state) {
    (void)state;
    static const char *const cases[] = {
        "{'': 1}",
        "{'a': {'': 1}}",
        "{'\\u00e9': 1}",
        "{'a': '\\u00e9'}",
        "{'a': 'eight by\\u00e9'}",
        "{'a': 'eight bytes and \\u0000'}",
        "{'a': '\\u0000 and eight more bytes'}",
        "{'a': {'$numberDecimal': '1'}}",
        "{'a': {'$regularExpression': {'pattern': 'x', 'options': ''}}}",
        "{'a': {'$minKey': 1}}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bson_t *document = from_json(cases[i]);
        if (is_plain(document)) fail_msg("%s", cases[i]);
        bson_destroy(document);
    }
}

static void what_is_nested_deeply_is_not(void **state) {
    (void)state;
    bson_t *document = bson_new();
    for (int depth = 0; depth <= MOUV__BSON_PLAIN_DEPTH + 1; depth++) {
        assert_int_equal(is_plain(document), depth <= MOUV__BSON_PLAIN_DEPTH);
        bson_t *outer = bson_new();
        BSON_APPEND_DOCUMENT(outer, "a", document);
        bson_destroy(document);
        document = outer;
    }
    bson_destroy(document);
}

/* In memory of its own, so that a sanitizer sees what is read behind it. */
static void with_one_byte_changed(const bson_t *document, size_t at, uint8_t byte, size_t size) {
    char why[160];
    uint8_t *bytes = malloc(size);
    memcpy(bytes, bson_get_data(document), size);
    if (at < size) bytes[at] = byte;
    if (mouv__bson_plain(bytes, size)) assert_true(mouv__bson_check(bytes, size, why, sizeof why));
    free(bytes);
}

static void what_is_plain_is_bson_whatever_byte_is_changed(void **state) {
    (void)state;
    bson_t *document = from_json(USUAL);
    for (size_t at = 0; at < document->len; at++)
        for (unsigned byte = 0; byte < 256; byte++)
            with_one_byte_changed(document, at, (uint8_t)byte, document->len);
    for (size_t size = 1; size < document->len; size++) {
        assert_false(mouv__bson_plain(bson_get_data(document), size));
        for (unsigned byte = 0; byte < 256; byte++)
            with_one_byte_changed(document, 0, (uint8_t)byte, size);
    }
    bson_destroy(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usual_documents_are_plain),
        cmocka_unit_test(what_is_unusual_is_not),
        cmocka_unit_test(what_is_nested_deeply_is_not),
        cmocka_unit_test(what_is_plain_is_bson_whatever_byte_is_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
