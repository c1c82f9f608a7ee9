/*
 * Adding up.
 */
#include "mongo/command/write_result.h"

#include <stdlib.h>
#include <string.h>

#include "mongo/command/reply.h"

/** One key of an array document that grows. */
typedef struct index_key {
    char text[16];
    const char *name;
} index_key_t;

static const char *key(index_key_t *into, uint32_t index) {
    bson_uint32_to_string(index, &into->name, into->text, sizeof into->text);
    return into->name;
}

static bson_t *some(bson_t **document) {
    if (!*document) *document = bson_new();
    return *document;
}

/** The index over all batches of what the server calls `position`. */
static uint32_t index_of(const mouv__span_t *span, int64_t position) {
    uint32_t at = (uint32_t)position;
    return span->indexes && at < span->count ? span->indexes[at] : span->first + at;
}

/** Copies a write error with its index counted over all batches. */
static void add_write_error(mouv__tally_t *tally, const bson_iter_t *from,
                            const mouv__span_t *span) {
    bson_iter_t field;
    bson_t error;
    index_key_t name;
    if (!bson_iter_recurse(from, &field)) return;
    bson_append_document_begin(some(&tally->write_errors), key(&name, tally->error_count++), -1,
                               &error);
    while (bson_iter_next(&field)) {
        if (strcmp(bson_iter_key(&field), "index") == 0) {
            bson_append_int32(&error, "index", -1,
                              (int32_t)index_of(span, bson_iter_as_int64(&field)));
        } else {
            bson_append_iter(&error, NULL, -1, &field);
        }
    }
    bson_append_document_end(tally->write_errors, &error);
}

static void add_write_errors(mouv__tally_t *tally, const bson_t *reply, const mouv__span_t *span) {
    bson_iter_t field, errors;
    if (!mouv__reply_find(reply, "writeErrors", &field) || !bson_iter_recurse(&field, &errors))
        return;
    while (bson_iter_next(&errors)) add_write_error(tally, &errors, span);
}

static void add_upserted(mouv__tally_t *tally, const bson_t *reply, const mouv__span_t *span) {
    bson_iter_t field, list, id;
    if (!mouv__reply_find(reply, "upserted", &field) || !bson_iter_recurse(&field, &list)) return;
    while (bson_iter_next(&list)) {
        bson_t view;
        index_key_t name;
        if (!mouv__reply_view(&list, &view) || !bson_iter_init_find(&id, &view, "_id")) continue;
        uint32_t index = index_of(span, mouv__reply_number(&view, "index"));
        bson_append_iter(some(&tally->upserted_ids), key(&name, index), -1, &id);
        tally->upserted++;
    }
}

static void add_concern_error(mouv__tally_t *tally, const bson_t *reply) {
    bson_iter_t field;
    index_key_t name;
    if (!mouv__reply_find(reply, "writeConcernError", &field)) return;
    bson_append_iter(some(&tally->concern_errors), key(&name, tally->concern_count++), -1, &field);
}

static void add_labels(mouv__tally_t *tally, const bson_t *reply) {
    bson_iter_t field;
    bson_t labels;
    if (!mouv__reply_find(reply, "errorLabels", &field) || !mouv__reply_view(&field, &labels))
        return;
    bson_destroy(tally->labels);
    tally->labels = bson_copy(&labels);
}

static void add_numbers(mouv__tally_t *tally, mouv__write_kind_t kind, const bson_t *reply,
                        int64_t upserted) {
    int64_t n = mouv__reply_number(reply, "n");
    switch (kind) {
    case MOUV__WRITE_INSERT:
        tally->inserted += n;
        return;
    case MOUV__WRITE_DELETE:
        tally->deleted += n;
        return;
    case MOUV__WRITE_UPDATE:
        tally->matched += n - upserted;
        tally->modified += mouv__reply_number(reply, "nModified");
        return;
    }
}

static uint32_t last_error_index(const mouv__tally_t *tally) {
    char path[32];
    bson_snprintf(path, sizeof path, "%u.index", tally->error_count - 1);
    return (uint32_t)mouv__reply_number(tally->write_errors, path);
}

void mouv__tally_add(mouv__tally_t *tally, mouv__write_kind_t kind, const bson_t *reply,
                     const mouv__span_t *span, bool ordered) {
    int64_t upserted = tally->upserted;
    uint32_t errors = tally->error_count;
    add_write_errors(tally, reply, span);
    add_upserted(tally, reply, span);
    add_concern_error(tally, reply);
    add_labels(tally, reply);
    add_numbers(tally, kind, reply, tally->upserted - upserted);
    if (kind != MOUV__WRITE_INSERT || mouv__reply_number(reply, "ok") != 1) return;
    bool cut = ordered && tally->error_count > errors;
    tally->tried += cut ? last_error_index(tally) + 1 - span->first : span->count;
}

static void append_array(bson_t *reply, const char *name, const bson_t *array) {
    if (array) bson_append_array(reply, name, -1, array);
}

void mouv__tally_append_errors(const mouv__tally_t *tally, bson_t *reply) {
    append_array(reply, "writeErrors", tally->write_errors);
    append_array(reply, "writeConcernErrors", tally->concern_errors);
    append_array(reply, "errorLabels", tally->labels);
}

/** The index of the write error that `errors` is at; UINT32_MAX past the last. */
static uint32_t error_index(const bson_iter_t *errors, bool there) {
    bson_t view;
    if (!there || !mouv__reply_view(errors, &view)) return UINT32_MAX;
    return (uint32_t)mouv__reply_number(&view, "index");
}

void mouv__tally_append_done(const mouv__tally_t *tally, const bson_t *ids, bson_t *to) {
    bson_iter_t id, errors;
    bool there = tally->write_errors && bson_iter_init(&errors, tally->write_errors) &&
                 bson_iter_next(&errors);
    bson_iter_init(&id, ids);
    for (uint32_t i = 0; i < tally->tried && bson_iter_next(&id); i++) {
        if (error_index(&errors, there) != strtoul(bson_iter_key(&id), NULL, 10)) {
            bson_append_iter(to, NULL, -1, &id);
        } else {
            there = bson_iter_next(&errors);
        }
    }
}

bool mouv__tally_changed(const mouv__tally_t *tally) {
    return tally->inserted || tally->modified || tally->upserted || tally->deleted;
}

void mouv__tally_clear(mouv__tally_t *tally) {
    bson_destroy(tally->upserted_ids);
    bson_destroy(tally->write_errors);
    bson_destroy(tally->concern_errors);
    bson_destroy(tally->labels);
    *tally = (mouv__tally_t){0};
}
