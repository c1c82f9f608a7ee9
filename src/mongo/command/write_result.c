/*
 * Adding up.
 */
#include "mongo/command/write_result.h"

#include <stdlib.h>
#include <string.h>

#include "mongo/base/bson_view.h"
#include "mongo/base/error.h"

/** One key of an array document that grows. */
typedef struct index_key {
    char text[16];
    const char *name;
} index_key_t;

static const char *write_result_key(index_key_t *into, uint32_t index) {
    bson_uint32_to_string(index, &into->name, into->text, sizeof into->text);
    return into->name;
}

static bson_t *write_result_some(bson_t **document) {
    if (!*document) *document = bson_new();
    return *document;
}

/** The index over all batches of what the server calls `position`. */
static uint32_t write_result_index_of(const mouv__span_t *span, int64_t position) {
    uint32_t at = (uint32_t)position;
    return span->indexes && at < span->count ? span->indexes[at] : span->first + at;
}

/** Copies a write error with its index counted over all batches, and the name of its code. */
static void write_result_add_write_error(mouv__write_result_t *write_result,
                                         const bson_iter_t *from, const mouv__span_t *span) {
    bson_iter_t field;
    bson_t error;
    index_key_t name;
    if (!bson_iter_recurse(from, &field)) return;
    bson_append_document_begin(write_result_some(&write_result->write_errors),
                               write_result_key(&name, write_result->error_count++), -1, &error);
    const char *code_name = "";
    bool named = false;
    while (bson_iter_next(&field)) {
        const char *key = bson_iter_key(&field);
        named = named || strcmp(key, "codeName") == 0;
        if (strcmp(key, "code") == 0)
            code_name = mouv__error_code_name((int32_t)bson_iter_as_int64(&field));
        if (strcmp(key, "index") == 0) {
            bson_append_int32(&error, "index", -1,
                              (int32_t)write_result_index_of(span, bson_iter_as_int64(&field)));
        } else {
            bson_append_iter(&error, NULL, -1, &field);
        }
    }
    if (*code_name && !named) BSON_APPEND_UTF8(&error, "codeName", code_name);
    bson_append_document_end(write_result->write_errors, &error);
}

static void write_result_add_write_errors(mouv__write_result_t *write_result, const bson_t *reply,
                                          const mouv__span_t *span) {
    bson_iter_t field, errors;
    if (!mouv__bson_view_find(reply, "writeErrors", &field) || !bson_iter_recurse(&field, &errors))
        return;
    while (bson_iter_next(&errors)) write_result_add_write_error(write_result, &errors, span);
}

static void write_result_add_upserted(mouv__write_result_t *write_result, const bson_t *reply,
                                      const mouv__span_t *span) {
    bson_iter_t field, list, id;
    if (!mouv__bson_view_find(reply, "upserted", &field) || !bson_iter_recurse(&field, &list))
        return;
    while (bson_iter_next(&list)) {
        bson_t view;
        index_key_t name;
        if (!mouv__bson_view_of(&list, &view) || !bson_iter_init_find(&id, &view, "_id")) continue;
        uint32_t index = write_result_index_of(span, mouv__bson_view_number(&view, "index"));
        bson_append_iter(write_result_some(&write_result->upserted_ids),
                         write_result_key(&name, index), -1, &id);
        write_result->upserted++;
    }
}

static void write_result_add_concern_error(mouv__write_result_t *write_result,
                                           const bson_t *reply) {
    bson_iter_t field;
    index_key_t name;
    if (!mouv__bson_view_find(reply, "writeConcernError", &field)) return;
    bson_append_iter(write_result_some(&write_result->concern_errors),
                     write_result_key(&name, write_result->concern_count++), -1, &field);
}

static void write_result_add_labels(mouv__write_result_t *write_result, const bson_t *reply) {
    bson_iter_t field;
    bson_t labels;
    if (!mouv__bson_view_find(reply, "errorLabels", &field) || !mouv__bson_view_of(&field, &labels))
        return;
    bson_destroy(write_result->labels);
    write_result->labels = bson_copy(&labels);
}

static void write_result_add_numbers(mouv__write_result_t *write_result, mouv__write_kind_t kind,
                                     const bson_t *reply, int64_t upserted) {
    int64_t n = mouv__bson_view_number(reply, "n");
    switch (kind) {
    case MOUV__WRITE_INSERT:
        write_result->inserted += n;
        return;
    case MOUV__WRITE_DELETE:
        write_result->deleted += n;
        return;
    case MOUV__WRITE_UPDATE:
        write_result->matched += n - upserted;
        write_result->modified += mouv__bson_view_number(reply, "nModified");
        return;
    }
}

static uint32_t write_result_last_error_index(const mouv__write_result_t *write_result) {
    char path[32];
    bson_snprintf(path, sizeof path, "%u.index", write_result->error_count - 1);
    return (uint32_t)mouv__bson_view_number(write_result->write_errors, path);
}

void mouv__write_result_add(mouv__write_result_t *write_result, mouv__write_kind_t kind,
                            const bson_t *reply, const mouv__span_t *span, bool ordered) {
    int64_t upserted = write_result->upserted;
    uint32_t errors = write_result->error_count;
    write_result_add_write_errors(write_result, reply, span);
    write_result_add_upserted(write_result, reply, span);
    write_result_add_concern_error(write_result, reply);
    write_result_add_labels(write_result, reply);
    write_result_add_numbers(write_result, kind, reply, write_result->upserted - upserted);
    if (kind != MOUV__WRITE_INSERT || mouv__bson_view_number(reply, "ok") != 1) return;
    bool cut = ordered && write_result->error_count > errors;
    write_result->tried +=
        cut ? write_result_last_error_index(write_result) + 1 - span->first : span->count;
}

static void write_result_append_array(bson_t *reply, const char *name, const bson_t *array) {
    if (array) bson_append_array(reply, name, -1, array);
}

void mouv__write_result_append_errors(const mouv__write_result_t *write_result, bson_t *reply) {
    write_result_append_array(reply, "writeErrors", write_result->write_errors);
    write_result_append_array(reply, "writeConcernErrors", write_result->concern_errors);
    write_result_append_array(reply, "errorLabels", write_result->labels);
}

/** The index of the write error that `errors` is at; UINT32_MAX past the last. */
static uint32_t write_result_error_index(const bson_iter_t *errors, bool there) {
    bson_t view;
    if (!there || !mouv__bson_view_of(errors, &view)) return UINT32_MAX;
    return (uint32_t)mouv__bson_view_number(&view, "index");
}

void mouv__write_result_append_done(const mouv__write_result_t *write_result, const bson_t *ids,
                                    bson_t *to) {
    bson_iter_t id, errors;
    bool there = write_result->write_errors &&
                 bson_iter_init(&errors, write_result->write_errors) && bson_iter_next(&errors);
    bson_iter_init(&id, ids);
    for (uint32_t i = 0; i < write_result->tried && bson_iter_next(&id); i++) {
        if (write_result_error_index(&errors, there) != strtoul(bson_iter_key(&id), NULL, 10)) {
            bson_append_iter(to, NULL, -1, &id);
        } else {
            there = bson_iter_next(&errors);
        }
    }
}

bool mouv__write_result_changed(const mouv__write_result_t *write_result) {
    return write_result->inserted || write_result->modified || write_result->upserted ||
           write_result->deleted;
}

void mouv__write_result_clear(mouv__write_result_t *write_result) {
    bson_destroy(write_result->upserted_ids);
    bson_destroy(write_result->write_errors);
    bson_destroy(write_result->concern_errors);
    bson_destroy(write_result->labels);
    *write_result = (mouv__write_result_t){0};
}
