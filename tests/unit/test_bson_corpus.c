/*
 * MongoDB's BSON corpus: BSON as bytes and as Extended JSON, through the check of answers, the reader of JSON and
 * templates. What must not be read is told apart by its kind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <mouv/json.h>

#include "mongo/base/bson_view.h"
#include "mongo/base/check.h"
#include "mongo/wire/bson_check.h"
#include "spec_folder.h"

static mouv_error_t error;

/* --- Fields of a case ------------------------------------------------------------------------- */

static const char *text_of(const bson_t *test, const char *key) {
    bson_iter_t iter;
    return bson_iter_init_find(&iter, test, key) ? bson_iter_utf8(&iter, NULL) : NULL;
}

static bool is_lossy(const bson_t *test) {
    bson_iter_t iter;
    return bson_iter_init_find(&iter, test, "lossy") && bson_iter_as_bool(&iter);
}

/* Of hexadecimal digits; the caller frees it. */
static uint8_t *bytes_of(const char *hex, size_t *size) {
    *size = strlen(hex) / 2;
    uint8_t *bytes = malloc(*size + 1);
    for (size_t i = 0; i < *size; i++) {
        unsigned byte = 0;
        sscanf(hex + 2 * i, "%2x", &byte);
        bytes[i] = (uint8_t)byte;
    }
    return bytes;
}

/* --- What a text is read as ------------------------------------------------------------------- */

static bson_t *read_text(const char *text) {
    bson_t *document;
    return mouv_bson_from_json(&document, text, strlen(text), &error) == 0 ? document : NULL;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
/* As a template, in which % is written %%. */
static bson_t *read_template(const char *text) {
    bson_t *document;
    char *template = malloc(2 * strlen(text) + 1), *to = template;
    for (const char *at = text; *at; at++) {
        if (*at == '%') *to++ = '%';
        *to++ = *at;
    }
    *to = '\0';
    int rc = mouv_bson_build(&document, &error, template);
    free(template);
    return rc == 0 ? document : NULL;
}
#pragma GCC diagnostic pop

static void assert_reads(const char *where, const char *text, const uint8_t *bytes, size_t size,
                         bool exactly) {
    bson_t *(*const ways[])(const char *) = {read_text, read_template};
    for (size_t i = 0; i < 2; i++) {
        bson_t *document = ways[i](text);
        if (!document) fail_msg("%s: %s: %s", where, text, error.message);
        if (exactly && (document->len != size || memcmp(bson_get_data(document), bytes, size) != 0))
            fail_msg("%s: %s is read as other bytes", where, text);
        bson_destroy(document);
    }
}

static void assert_refused(const char *where, const char *text) {
    bson_t *(*const ways[])(const char *) = {read_text, read_template};
    for (size_t i = 0; i < 2; i++) {
        bson_t *document = ways[i](text);
        if (document) fail_msg("%s: %s is taken", where, text);
        assert_int_equal(error.code, MOUV_EINVAL);
    }
}

/* --- The kinds of cases ----------------------------------------------------------------------- */

static int valid, decode_errors, parse_errors;

/* Bytes become text that is read as the same bytes, and as the text that stands in the file. */
static void check_written(const char *where, const uint8_t *bytes, size_t size, unsigned flags,
                          const char *expected) {
    bson_t document;
    char *json;
    assert_true(bson_init_static(&document, bytes, size));
    if (mouv_bson_to_json(&document, flags, &json, &error) < 0)
        fail_msg("%s: %s", where, error.message);
    bson_t *written = read_text(json), *wanted = read_text(expected);
    if (!written || !wanted || !bson_equal(written, wanted))
        fail_msg("%s: written as %s", where, json);
    bson_destroy(written);
    bson_destroy(wanted);
    bson_free(json);
}

static void check_valid(const char *where, const bson_t *test) {
    size_t size;
    char why[160];
    uint8_t *bytes = bytes_of(text_of(test, "canonical_bson"), &size);
    if (!mouv__bson_check(bytes, size, why, sizeof why)) fail_msg("%s: %s", where, why);
    assert_reads(where, text_of(test, "canonical_extjson"), bytes, size, !is_lossy(test));
    const char *degenerate = text_of(test, "degenerate_extjson");
    if (degenerate) assert_reads(where, degenerate, bytes, size, !is_lossy(test));
    const char *relaxed = text_of(test, "relaxed_extjson"); /* loses what type a number has */
    if (relaxed) assert_reads(where, relaxed, bytes, size, false);
    check_written(where, bytes, size, MOUV_JSON_CANONICAL, text_of(test, "canonical_extjson"));
    check_written(where, bytes, size, MOUV_JSON_PRETTY | MOUV_JSON_CANONICAL,
                  text_of(test, "canonical_extjson"));
    if (relaxed) check_written(where, bytes, size, MOUV_JSON_RELAXED, relaxed);
    free(bytes);
    valid++;
}

static void check_decode_error(const char *where, const bson_t *test) {
    size_t size;
    char why[160];
    bson_t document;
    uint8_t *bytes = bytes_of(text_of(test, "bson"), &size);
    /* What a server says is only looked at for its structure; text for its encoding where it is shown. */
    if (mouv__bson_check(bytes, size, why, sizeof why) &&
        bson_init_static(&document, bytes, size) &&
        mouv__check_document(&document, "it", MOUV__VALIDATE_DEFAULT, &error) == 0)
        fail_msg("%s is taken", where);
    free(bytes);
    decode_errors++;
}

static void check_parse_error(const char *where, const bson_t *test, bool decimal) {
    const char *text = text_of(test, "string");
    char *wrapped =
        bson_strdup_printf(decimal ? "{\"d\": {\"$numberDecimal\": \"%s\"}}" : "%s", text);
    assert_refused(where, wrapped);
    bson_free(wrapped);
    parse_errors++;
}

static void check_section(const char *path, const bson_t *file, const char *section) {
    bson_iter_t list, iter;
    bson_t test;
    bool decimal = strcmp(text_of(file, "bson_type"), "0x13") == 0;
    if (!bson_iter_init_find(&list, file, section) || !bson_iter_recurse(&list, &iter)) return;
    while (bson_iter_next(&iter)) {
        char where[512];
        assert_true(mouv__bson_view_of(&iter, &test));
        snprintf(where, sizeof where, "%s: %s", strrchr(path, '/') + 1,
                 text_of(&test, "description"));
        if (*section == 'v') check_valid(where, &test);
        if (*section == 'd') check_decode_error(where, &test);
        if (*section == 'p') check_parse_error(where, &test, decimal);
    }
}

static void check_file(const char *path, const bson_t *file) {
    check_section(path, file, "valid");
    check_section(path, file, "decodeErrors");
    check_section(path, file, "parseErrors");
}

static void corpus(void **state) {
    (void)state;
    int files = spec_folder_run("bson-corpus", check_file);
    if (files == 0) skip();
    assert_true(files > 0 && valid > 0 && decode_errors > 0 && parse_errors > 0);
    print_message("%d files: %d valid, %d decode errors, %d parse errors\n", files, valid,
                  decode_errors, parse_errors);
}

int main(void) {
    const struct CMUnitTest cases[] = {cmocka_unit_test(corpus)};
    return cmocka_run_group_tests(cases, NULL, NULL);
}
