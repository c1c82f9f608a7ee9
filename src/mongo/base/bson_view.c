/*
 * The views.
 */
#include "mongo/base/bson_view.h"

bool mouv__bson_view_find(const bson_t *reply, const char *path, bson_iter_t *field) {
    bson_iter_t iter;
    return bson_iter_init(&iter, reply) && bson_iter_find_descendant(&iter, path, field);
}

int64_t mouv__bson_view_number(const bson_t *reply, const char *path) {
    bson_iter_t field;
    return mouv__bson_view_find(reply, path, &field) ? bson_iter_as_int64(&field) : 0;
}

bool mouv__bson_view_of(const bson_iter_t *field, bson_t *view) {
    const uint8_t *data = NULL;
    uint32_t length = 0;
    if (BSON_ITER_HOLDS_DOCUMENT(field)) {
        bson_iter_document(field, &length, &data);
    } else if (BSON_ITER_HOLDS_ARRAY(field)) {
        bson_iter_array(field, &length, &data);
    }
    return data && bson_init_static(view, data, length);
}

bool mouv__bson_view_inside(const bson_t *outer, const char *name, bson_t *view) {
    bson_iter_t iter;
    return outer && bson_iter_init_find(&iter, outer, name) && mouv__bson_view_of(&iter, view);
}

bool mouv__bson_view_timestamp(const bson_t *document, const char *path, uint32_t time[2]) {
    bson_iter_t field;
    if (!mouv__bson_view_find(document, path, &field) || !BSON_ITER_HOLDS_TIMESTAMP(&field))
        return false;
    bson_iter_timestamp(&field, &time[0], &time[1]);
    return true;
}

bool mouv__bson_view_is_later(const uint32_t a[2], const uint32_t b[2]) {
    return a[0] > b[0] || (a[0] == b[0] && a[1] > b[1]);
}

bool mouv__bson_view_cluster_time_is_later(const bson_t *a, const bson_t *b) {
    uint32_t of_a[2], of_b[2];
    if (!a || !mouv__bson_view_timestamp(a, "clusterTime", of_a)) return false;
    return !b || !mouv__bson_view_timestamp(b, "clusterTime", of_b) ||
           mouv__bson_view_is_later(of_a, of_b);
}

char **mouv__bson_view_names(const bson_t *array) {
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

const char *mouv__bson_view_type_name(bson_type_t type) {
    switch (type) {
    case BSON_TYPE_DOUBLE:
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
        return "a number";
    case BSON_TYPE_UTF8:
        return "a string";
    case BSON_TYPE_DOCUMENT:
        return "a document";
    case BSON_TYPE_ARRAY:
        return "an array";
    case BSON_TYPE_BOOL:
        return "a boolean";
    case BSON_TYPE_NULL:
        return "null";
    case BSON_TYPE_OID:
        return "an object id";
    case BSON_TYPE_DATE_TIME:
        return "a date";
    case BSON_TYPE_TIMESTAMP:
        return "a timestamp";
    case BSON_TYPE_BINARY:
        return "binary data";
    default:
        return "a value of another type";
    }
}
