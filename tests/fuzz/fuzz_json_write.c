/*
 * Any document: it has a text in each style, or none and a reason; the text is read again and then
 * written as the same one.
 */
#include "fuzz.h"

#include "mongo/json/reader.h"
#include "mongo/json/text.h"
#include "mongo/json/writer.h"

/* {"a": {"$date": "x"}}, stored as a document, cannot be told from a type's wrapper, and regular
 * expressions may be stored with options that nobody knows. */
static bool is_told_apart(const uint8_t *data, size_t size, const mouv__bytes_t *text) {
    static const char regex[] = "$regularExpression";
    return !memchr(data, '$', size) && !memmem(text->data, text->size, regex, sizeof regex - 1);
}

static void check_text(const bson_t *document, const mouv__bytes_t *text,
                       mouv__json_style_t style) {
    char why[FUZZ_WHY_BYTES] = "";
    mouv__bytes_t second = {0};
    mouv__json_fault_t fault;
    const char *json = (const char *)text->data;
    FUZZ_CHECK(mouv__json_utf8_length(json, text->size) == text->size);
    bson_t *again = mouv__json_read(json, text->size, NULL, NULL, &fault);
    bool too_deep = !again && strstr(fault.why, "deep"); /* what servers store is not */
    if (is_told_apart(bson_get_data(document), document->len, text) && !too_deep) {
        FUZZ_CHECK(again != NULL);
        FUZZ_CHECK(mouv__json_write(&second, again, style, why, sizeof why));
        FUZZ_CHECK(second.size == text->size && !memcmp(second.data, json, text->size));
    }
    bson_destroy(again);
    bson_free(second.data);
}

static void check(const bson_t *document, mouv__json_style_t style) {
    char why[FUZZ_WHY_BYTES] = "";
    mouv__bytes_t text = {0};
    if (mouv__json_write(&text, document, style, why, sizeof why))
        check_text(document, &text, style);
    else
        FUZZ_CHECK(why[0] != '\0');
    bson_free(text.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *copy = fuzz_copy(data, size);
    bson_t document;
    fuzz_frame(copy, size);
    if (size >= 5 && bson_init_static(&document, copy, size))
        for (int style = 0; style < 8; style++)
            check(&document, (mouv__json_style_t){style & 1, style & 2, style & 4});
    free(copy);
    return 0;
}
