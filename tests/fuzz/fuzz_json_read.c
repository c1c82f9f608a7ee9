/*
 * Any text: what is taken for Extended JSON becomes a document that is one, and its own text is read
 * as the same document again; what is refused has a reason and a place.
 */
#include "fuzz.h"

#include "../support/bson_walk.h"
#include "mongo/json/reader.h"
#include "mongo/json/writer.h"
#include "mongo/wire/bson_check.h"

static void check_refusal(const mouv__json_fault_t *fault, const char *text, size_t size) {
    char place[64] = "";
    FUZZ_CHECK(fault->at <= size);
    FUZZ_CHECK(fault->why[0] != '\0');
    mouv__json_place(fault, text, size, place, sizeof place);
    FUZZ_CHECK(place[0] != '\0');
}

static void check_document(const bson_t *document) {
    char why[FUZZ_WHY_BYTES] = "";
    const uint8_t *data = bson_get_data(document);
    mouv__bytes_t text = {0};
    mouv__json_fault_t fault;
    FUZZ_CHECK(mouv__bson_check(data, document->len, why, sizeof why));
    FUZZ_CHECK(bson_walk(data, document->len));
    FUZZ_CHECK(mouv__json_write(&text, document, (mouv__json_style_t){.canonical = true}, why,
                                sizeof why));
    bson_t *again = mouv__json_read((const char *)text.data, text.size, NULL, NULL, &fault);
    FUZZ_CHECK(again != NULL);
    FUZZ_CHECK(bson_equal(document, again));
    bson_destroy(again);
    bson_free(text.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = (char *)fuzz_copy(data, size);
    mouv__json_fault_t fault = {.at = SIZE_MAX};
    bson_t *document = mouv__json_read(text, size, NULL, NULL, &fault);
    if (document)
        check_document(document);
    else
        check_refusal(&fault, text, size);
    bson_destroy(document);
    free(text);
    return 0;
}
