/*
 * The readers. Each gets the reply of a command that succeeded.
 */
#include "mongo/command/reply.h"

#include <string.h>

bool mouv__reply_find(const bson_t *reply, const char *path, bson_iter_t *field) {
    bson_iter_t iter;
    return bson_iter_init(&iter, reply) && bson_iter_find_descendant(&iter, path, field);
}

int64_t mouv__reply_number(const bson_t *reply, const char *path) {
    bson_iter_t field;
    return mouv__reply_find(reply, path, &field) ? bson_iter_as_int64(&field) : 0;
}

bool mouv__reply_view(const bson_iter_t *field, bson_t *view) {
    const uint8_t *data = NULL;
    uint32_t length = 0;
    if (BSON_ITER_HOLDS_DOCUMENT(field)) {
        bson_iter_document(field, &length, &data);
    } else if (BSON_ITER_HOLDS_ARRAY(field)) {
        bson_iter_array(field, &length, &data);
    }
    return data && bson_init_static(view, data, length);
}

/** Keeps a copy of the document or array at `path`; false if there is none. */
static bool reply_keep(mouv__request_t *request, const bson_t *reply, const char *path) {
    bson_iter_t field;
    bson_t view;
    if (!mouv__reply_find(reply, path, &field) || !mouv__reply_view(&field, &view)) return false;
    request->document = bson_copy(&view);
    return true;
}

int mouv__read_first(mouv__request_t *request, const bson_t *reply) {
    return reply_keep(request, reply, "cursor.firstBatch.0");
}

int mouv__read_first_options(mouv__request_t *request, const bson_t *reply) {
    return reply_keep(request, reply, "cursor.firstBatch.0.options");
}

int mouv__read_whole(mouv__request_t *request, const bson_t *reply) {
    request->document = bson_copy(reply);
    return 0;
}

int mouv__read_valid(mouv__request_t *request, const bson_t *reply) {
    bson_iter_t field;
    (void)request;
    return mouv__reply_find(reply, "valid", &field) && bson_iter_as_bool(&field);
}

int mouv__read_value(mouv__request_t *request, const bson_t *reply) {
    return reply_keep(request, reply, "value");
}

int mouv__read_values(mouv__request_t *request, const bson_t *reply) {
    return reply_keep(request, reply, "values") ? 0 : MOUV_ESERVER;
}

int mouv__read_databases(mouv__request_t *request, const bson_t *reply) {
    return reply_keep(request, reply, "databases") ? 0 : MOUV_ESERVER;
}

int mouv__read_database_names(mouv__request_t *request, const bson_t *reply) {
    bson_iter_t field;
    bson_t databases;
    if (!mouv__reply_find(reply, "databases", &field) || !mouv__reply_view(&field, &databases)) {
        return MOUV_ESERVER;
    }
    request->names = mouv__reply_names(&databases);
    return 0;
}

int mouv__read_count(mouv__request_t *request, const bson_t *reply) {
    request->number = mouv__reply_number(reply, "n");
    return 0;
}

int mouv__read_counted(mouv__request_t *request, const bson_t *reply) {
    request->number = mouv__reply_number(reply, "cursor.firstBatch.0.n");
    return 0;
}

char **mouv__reply_names(const bson_t *array) {
    char **names = bson_malloc0((bson_count_keys(array) + 1) * sizeof *names);
    bson_iter_t iter, name;
    size_t count = 0;
    if (!bson_iter_init(&iter, array)) return names;
    while (bson_iter_next(&iter)) {
        if (!bson_iter_recurse(&iter, &name) || !bson_iter_find(&name, "name")) continue;
        names[count++] = bson_strdup(bson_iter_utf8(&name, NULL));
    }
    return names;
}
