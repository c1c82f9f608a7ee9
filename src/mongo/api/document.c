/*
 * Fields by their path.
 */
#include <mouv/document.h>

#include <string.h>

#include "mongo/base/bson_view.h"

/* --- The path ------------------------------------------------------------------------------- */

/** Steps from the fields of `at` to the one named by [name, name + length). */
static bool document_step_to(bson_iter_t *at, const char *name, size_t length) {
    while (bson_iter_next(at)) {
        if (bson_iter_key_len(at) == length && memcmp(bson_iter_key(at), name, length) == 0) {
            return true;
        }
    }
    return false;
}

/** Finds the field, or says up to where the path goes. */
static int document_find(const bson_t *document, const char *path, bson_iter_t *field,
                         mouv_error_t *error) {
    if (!document || !path) {
        return mouv_error_set(error, MOUV_EINVAL, "the %s is NULL", document ? "path" : "document");
    }
    if (!bson_iter_init(field, document)) {
        return mouv_error_set(error, MOUV_EINVAL, "the document is corrupt");
    }
    const char *name = path;
    for (;;) {
        size_t length = strcspn(name, ".");
        int walked = (int)(name - path + (ptrdiff_t)length);
        if (!document_step_to(field, name, length)) {
            return mouv_error_set(error, MOUV_EINVAL, "no field '%.*s'", walked, path);
        }
        if (name[length] == '\0') return 0;
        bson_iter_t inside;
        if (!bson_iter_recurse(field, &inside)) {
            return mouv_error_set(error, MOUV_EINVAL, "no field '%s': '%.*s' is %s", path, walked,
                                  path, mouv__bson_view_type_name(bson_iter_type(field)));
        }
        *field = inside;
        name += length + 1;
    }
}

bool mouv_bson_has(const bson_t *document, const char *path) {
    bson_iter_t field;
    return document_find(document, path, &field, NULL) == 0;
}

/* --- Types ---------------------------------------------------------------------------------- */

static int document_refuse(const char *path, const char *expected, const bson_iter_t *field,
                           mouv_error_t *error) {
    return mouv_error_set(error, MOUV_EINVAL, "field '%s': expected %s, got %s", path, expected,
                          mouv__bson_view_type_name(bson_iter_type(field)));
}

/** 0, or that there is nowhere to put what is asked for. */
static int document_check_output(const void *value, mouv_error_t *error) {
    return value ? 0 : mouv_error_set(error, MOUV_EINVAL, "'value' is NULL");
}

/** Finds a field that must be of one type, for `value`. */
static int document_find_typed(const bson_t *document, const char *path, bson_type_t type,
                               bson_iter_t *field, const void *value, mouv_error_t *error) {
    if (document_check_output(value, error) < 0) return MOUV_EINVAL;
    int rc = document_find(document, path, field, error);
    if (rc < 0 || bson_iter_type(field) == type) return rc;
    return document_refuse(path, mouv__bson_view_type_name(type), field, error);
}

static int document_find_number(const bson_t *document, const char *path, bson_iter_t *field,
                                const void *value, mouv_error_t *error) {
    if (document_check_output(value, error) < 0) return MOUV_EINVAL;
    int rc = document_find(document, path, field, error);
    if (rc < 0 || BSON_ITER_HOLDS_NUMBER(field)) return rc;
    return document_refuse(path, "a number", field, error);
}

int mouv_bson_get_int64(const bson_t *document, const char *path, int64_t *value,
                        mouv_error_t *error) {
    bson_iter_t field;
    int rc = document_find_number(document, path, &field, value, error);
    if (rc < 0) return rc;
    if (BSON_ITER_HOLDS_DOUBLE(&field)) {
        double number = bson_iter_double(&field);
        bool fits = number >= -9223372036854775808.0 && number < 9223372036854775808.0;
        if (!fits || number != (double)(int64_t)number) {
            return mouv_error_set(error, MOUV_EINVAL, "field '%s': expected a whole number, got %g",
                                  path, number);
        }
    }
    *value = bson_iter_as_int64(&field);
    return 0;
}

int mouv_bson_get_int32(const bson_t *document, const char *path, int32_t *value,
                        mouv_error_t *error) {
    int64_t number = 0;
    if (document_check_output(value, error) < 0) return MOUV_EINVAL;
    int rc = mouv_bson_get_int64(document, path, &number, error);
    if (rc < 0) return rc;
    if (number < INT32_MIN || number > INT32_MAX) {
        return mouv_error_set(error, MOUV_EINVAL, "field '%s': %lld does not fit into 32 bits",
                              path, (long long)number);
    }
    *value = (int32_t)number;
    return 0;
}

int mouv_bson_get_double(const bson_t *document, const char *path, double *value,
                         mouv_error_t *error) {
    bson_iter_t field;
    int rc = document_find_number(document, path, &field, value, error);
    if (rc < 0) return rc;
    *value = BSON_ITER_HOLDS_DOUBLE(&field) ? bson_iter_double(&field)
                                            : (double)bson_iter_as_int64(&field);
    return 0;
}

int mouv_bson_get_bool(const bson_t *document, const char *path, bool *value, mouv_error_t *error) {
    bson_iter_t field;
    int rc = document_find_typed(document, path, BSON_TYPE_BOOL, &field, value, error);
    if (rc == 0) *value = bson_iter_bool(&field);
    return rc;
}

int mouv_bson_get_utf8(const bson_t *document, const char *path, const char **value,
                       mouv_error_t *error) {
    bson_iter_t field;
    uint32_t length;
    int rc = document_find_typed(document, path, BSON_TYPE_UTF8, &field, value, error);
    if (rc < 0) return rc;
    const char *text = bson_iter_utf8(&field, &length);
    if (strlen(text) != length) {
        return mouv_error_set(error, MOUV_EINVAL, "field '%s': the string has a NUL byte", path);
    }
    *value = text;
    return 0;
}

int mouv_bson_get_oid(const bson_t *document, const char *path, bson_oid_t *value,
                      mouv_error_t *error) {
    bson_iter_t field;
    int rc = document_find_typed(document, path, BSON_TYPE_OID, &field, value, error);
    if (rc == 0) bson_oid_copy(bson_iter_oid(&field), value);
    return rc;
}

int mouv_bson_get_date(const bson_t *document, const char *path, int64_t *value,
                       mouv_error_t *error) {
    bson_iter_t field;
    int rc = document_find_typed(document, path, BSON_TYPE_DATE_TIME, &field, value, error);
    if (rc == 0) *value = bson_iter_date_time(&field);
    return rc;
}

static int document_get_view(const bson_t *document, const char *path, bson_type_t type,
                             bson_t *value, mouv_error_t *error) {
    bson_iter_t field;
    int rc = document_find_typed(document, path, type, &field, value, error);
    if (rc < 0 || mouv__bson_view_of(&field, value)) return rc;
    return mouv_error_set(error, MOUV_EINVAL, "field '%s' is corrupt", path);
}

int mouv_bson_get_document(const bson_t *document, const char *path, bson_t *value,
                           mouv_error_t *error) {
    return document_get_view(document, path, BSON_TYPE_DOCUMENT, value, error);
}

int mouv_bson_get_array(const bson_t *document, const char *path, bson_t *value,
                        mouv_error_t *error) {
    return document_get_view(document, path, BSON_TYPE_ARRAY, value, error);
}

/* --- What may be missing -------------------------------------------------------------------- */

/* The reader leaves the value as it is where it refuses; without an error no text is made. */
#define DOCUMENT_OR(name, type) \
    type mouv_bson_##name##_or(const bson_t *document, const char *path, type fallback) { \
        type value = fallback; \
        return mouv_bson_get_##name(document, path, &value, NULL) == 0 ? value : fallback; \
    }
DOCUMENT_OR(int64, int64_t)
DOCUMENT_OR(int32, int32_t)
DOCUMENT_OR(double, double)
DOCUMENT_OR(bool, bool)
DOCUMENT_OR(date, int64_t)
DOCUMENT_OR(utf8, const char *)
#undef DOCUMENT_OR

bool mouv_bson_each(const bson_t *document, const char *path, bson_iter_t *each) {
    static const bson_t nothing = BSON_INITIALIZER;
    bson_iter_t field;
    bool found = document_find(document, path, &field, NULL) == 0;
    if (found && bson_iter_recurse(&field, each)) return true;
    bson_iter_init(each, &nothing);
    return false;
}

bool mouv_bson_next(bson_iter_t *each, bson_t *view) {
    while (bson_iter_next(each))
        if (mouv__bson_view_of(each, view)) return true;
    return false;
}

/* --- The end -------------------------------------------------------------------------------- */

void mouv_bson_drop(bson_t **document) {
    if (document) bson_destroy(*document);
}
