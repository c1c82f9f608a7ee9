/*
 * Fields of documents, read with as little ado as tests want.
 */
#include "spec/view.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 1000 };

void spec_drop_bson(bson_t **document) {
    bson_destroy(*document);
}

void spec_drop_text(char **text) {
    bson_free(*text);
}

bool spec_has(const bson_t *document, const char *key) {
    bson_iter_t iter;
    return bson_iter_init_find(&iter, document, key);
}

static const uint8_t empty[] = {5, 0, 0, 0, 0};

bool spec_document_at(const bson_iter_t *iter, bson_t *view) {
    const uint8_t *data = empty;
    uint32_t length = sizeof empty;
    bool found = BSON_ITER_HOLDS_DOCUMENT(iter) || BSON_ITER_HOLDS_ARRAY(iter);
    if (BSON_ITER_HOLDS_DOCUMENT(iter)) {
        bson_iter_document(iter, &length, &data);
    } else if (found) {
        bson_iter_array(iter, &length, &data);
    }
    return bson_init_static(view, data, length) && found;
}

bool spec_document(const bson_t *document, const char *key, bson_t *view) {
    bson_iter_t iter;
    if (bson_iter_init_find(&iter, document, key)) return spec_document_at(&iter, view);
    return bson_init_static(view, empty, sizeof empty) && false;
}

const char *spec_string_at(const bson_iter_t *iter) {
    return BSON_ITER_HOLDS_UTF8(iter) ? bson_iter_utf8(iter, NULL) : NULL;
}

const char *spec_string(const bson_t *document, const char *key) {
    bson_iter_t iter;
    return bson_iter_init_find(&iter, document, key) ? spec_string_at(&iter) : NULL;
}

bool spec_bool(const bson_t *document, const char *key, bool fallback) {
    bson_iter_t iter;
    bool found = bson_iter_init_find(&iter, document, key) && BSON_ITER_HOLDS_BOOL(&iter);
    return found ? bson_iter_bool(&iter) : fallback;
}

int64_t spec_int(const bson_t *document, const char *key, int64_t fallback) {
    bson_iter_t iter;
    bool found = bson_iter_init_find(&iter, document, key) && BSON_ITER_HOLDS_NUMBER(&iter);
    return found ? bson_iter_as_int64(&iter) : fallback;
}

const bson_value_t *spec_value(const bson_t *document, const char *key, bson_iter_t *iter) {
    return bson_iter_init_find(iter, document, key) ? bson_iter_value(iter) : NULL;
}

bson_value_t spec_value_of(const bson_t *document, bool array) {
    bson_value_t value = {.value_type = array ? BSON_TYPE_ARRAY : BSON_TYPE_DOCUMENT};
    value.value.v_doc.data = (uint8_t *)bson_get_data(document);
    value.value.v_doc.data_len = document->len;
    return value;
}

const char *spec_single(const bson_t *document, bson_t *view) {
    bson_iter_t iter;
    if (bson_count_keys(document) != 1 || !bson_iter_init(&iter, document)) return NULL;
    bson_iter_next(&iter);
    return spec_document_at(&iter, view) ? bson_iter_key(&iter) : NULL;
}

bool spec_lists(const bson_t *strings, const char *string) {
    bson_iter_t iter;
    if (!strings || !bson_iter_init(&iter, strings)) return false;
    while (bson_iter_next(&iter)) {
        const char *each = spec_string_at(&iter);
        if (each && strcmp(each, string) == 0) return true;
    }
    return false;
}

bool spec_has_word(const char *words, const char *word) {
    size_t length = strlen(word);
    const char *at = words;
    while (at && (at = strstr(at, word))) {
        bool whole = (at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0');
        if (whole) return true;
        at += length;
    }
    return false;
}

char *spec_text(const bson_value_t *value) {
    AUTO_BSON *holder = bson_new();
    if (!value) return bson_strdup("nothing");
    bson_append_value(holder, "", 0, value);
    char *text = bson_as_relaxed_extended_json(holder, NULL);
    if (!text) return bson_strdup("(unreadable)");
    /* without the { "" : ... } around it */
    size_t length = strlen(text);
    char *inner = length > 9 ? bson_strndup(text + 7, length - 9) : bson_strdup(text);
    bson_free(text);
    if (strlen(inner) > TEXT_MAX) memcpy(inner + TEXT_MAX - 3, "...", 4);
    return inner;
}

void spec_append_element(bson_t *array, const bson_value_t *value) {
    char text[16];
    const char *key;
    bson_uint32_to_string(bson_count_keys(array), &key, text, sizeof text);
    bson_append_value(array, key, -1, value);
}

void spec_append_string(bson_t *array, const char *string) {
    char text[16];
    const char *key;
    bson_uint32_to_string(bson_count_keys(array), &key, text, sizeof text);
    bson_append_utf8(array, key, -1, string, -1);
}
