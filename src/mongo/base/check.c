/*
 * Checks of names and documents before they are sent.
 */
#include "mongo/base/check.h"

#include <string.h>

#include "mongo/base/bson_plain.h"
#include "mongo/base/bson_view.h"

#define MAX_NAMESPACE 255
#define MAX_DEPTH 200 /* the server takes 180 */

int mouv__check_collection_name(const char *database, const char *name, mouv_error_t *error) {
    size_t length = name ? strlen(name) : 0;
    const char *why = NULL;
    if (length == 0) {
        why = "it is empty";
    } else if (strlen(database) + 1 + length > MAX_NAMESPACE) {
        why = "with its database it is longer than 255 bytes";
    } else if (strchr(name, '$')) {
        why = "it contains '$'";
    } else if (name[0] == '.' || name[length - 1] == '.' || strstr(name, "..")) {
        why = "a part of it between dots is empty";
    } else if (!bson_utf8_validate(name, length, false)) {
        why = "it is not UTF-8";
    }
    return !why ? 0
                : mouv_error_set(error, MOUV_EINVAL, "invalid collection name '%.80s': %s",
                                 name ? name : "", why);
}

/* --- Documents ------------------------------------------------------------------------------ */

/* bson_validate() of libbson 1.x stops without an error at the first string that is not UTF-8. */

static const char *check_problem_in(bson_iter_t *iter, unsigned flags, int depth);

static const char *check_problem_of_text(const bson_iter_t *iter, bool may_have_nul) {
    uint32_t length;
    const char *text = bson_iter_type(iter) == BSON_TYPE_UTF8   ? bson_iter_utf8(iter, &length)
                       : bson_iter_type(iter) == BSON_TYPE_CODE ? bson_iter_code(iter, &length)
                                                                : bson_iter_symbol(iter, &length);
    if (bson_utf8_validate(text, length, may_have_nul)) return NULL;
    return bson_utf8_validate(text, length, true) ? "a string has a NUL" : "a string is not UTF-8";
}

static const char *check_problem_of_value(const bson_iter_t *iter, unsigned flags, int depth) {
    bson_iter_t child;
    switch (bson_iter_type(iter)) {
    case BSON_TYPE_UTF8:
    case BSON_TYPE_CODE:
    case BSON_TYPE_SYMBOL:
        if (!(flags & BSON_VALIDATE_UTF8)) return NULL;
        return check_problem_of_text(iter, flags & BSON_VALIDATE_UTF8_ALLOW_NULL);
    case BSON_TYPE_DOCUMENT:
    case BSON_TYPE_ARRAY:
        if (depth >= MAX_DEPTH) return "it is nested too deeply";
        return bson_iter_recurse(iter, &child) ? check_problem_in(&child, flags, depth + 1)
                                               : "corrupt";
    default:
        return NULL;
    }
}

static bool check_key_is_utf8(const bson_iter_t *iter) {
    return bson_utf8_validate(bson_iter_key(iter), bson_iter_key_len(iter), false);
}

/** What is wrong in the document that `iter` is before the first field of; it is left at the one in
 *  which that is. NULL: nothing. */
static const char *check_problem_in(bson_iter_t *iter, unsigned flags, int depth) {
    while (bson_iter_next(iter)) {
        if (!*bson_iter_key(iter) && (flags & BSON_VALIDATE_EMPTY_KEYS)) return "a key is empty";
        if (!check_key_is_utf8(iter)) return "a key is not UTF-8";
        const char *problem = check_problem_of_value(iter, flags, depth);
        if (problem) return problem;
    }
    return iter->err_off ? "a field does not end where it must" : NULL;
}

int mouv__check_document(const bson_t *document, const char *argument, unsigned flags,
                         mouv_error_t *error) {
    if (!document) return mouv_error_set(error, MOUV_EINVAL, "'%s' is NULL", argument);
    if (document->len > MOUV__MAX_DOCUMENT_BYTES) {
        return mouv_error_set(error, MOUV_EINVAL, "'%s' has %u bytes, more than the limit of %u",
                              argument, document->len, MOUV__MAX_DOCUMENT_BYTES);
    }
    if (mouv__bson_plain(bson_get_data(document), document->len)) return 0;
    bson_iter_t iter = {.raw = NULL};
    const char *problem =
        bson_iter_init(&iter, document) ? check_problem_in(&iter, flags, 0) : "corrupt";
    if (!problem) return 0;
    bool named = iter.raw && !iter.err_off && *bson_iter_key(&iter) && check_key_is_utf8(&iter);
    return mouv_error_set(error, MOUV_EINVAL, "'%s' is no valid BSON: %s%s%.80s%s", argument,
                          problem, named ? " in '" : "", named ? bson_iter_key(&iter) : "",
                          named ? "'" : "");
}

/* --- Shapes --------------------------------------------------------------------------------- */

int mouv__check_stages(const bson_t *stages, mouv_error_t *error) {
    bson_iter_t stage;
    if (!bson_iter_init(&stage, stages)) return 0;
    while (bson_iter_next(&stage)) {
        if (BSON_ITER_HOLDS_DOCUMENT(&stage)) continue;
        return mouv_error_set(
            error, MOUV_EINVAL, "'pipeline': stage %s: expected a document, got %s",
            bson_iter_key(&stage), mouv__bson_view_type_name(bson_iter_type(&stage)));
    }
    return 0;
}

bool mouv__check_is_pipeline(const bson_t *document) {
    bson_iter_t stage;
    uint32_t count = 0;
    if (!bson_iter_init(&stage, document)) return false;
    for (; bson_iter_next(&stage); count++) {
        char text[16];
        const char *key = NULL;
        bson_uint32_to_string(count, &key, text, sizeof text);
        if (!BSON_ITER_HOLDS_DOCUMENT(&stage) || strcmp(key, bson_iter_key(&stage)) != 0) {
            return false;
        }
    }
    return count > 0;
}

int mouv__check_update(const bson_t *update, unsigned flags, mouv_error_t *error) {
    int rc = mouv__check_document(update, "update", flags, error);
    if (rc < 0 || mouv__check_is_pipeline(update)) return rc;
    if (bson_empty(update)) {
        return mouv_error_set(error, MOUV_EINVAL, "'update' is empty");
    }
    bson_iter_t iter;
    bson_iter_init(&iter, update);
    while (bson_iter_next(&iter)) {
        if (bson_iter_key(&iter)[0] == '$') continue;
        return mouv_error_set(error, MOUV_EINVAL,
                              "'update': '%.80s' is no operator; to replace whole documents "
                              "there is replace",
                              bson_iter_key(&iter));
    }
    return 0;
}

int mouv__check_replacement(const bson_t *replacement, unsigned flags, mouv_error_t *error) {
    int rc = mouv__check_document(replacement, "replacement", flags, error);
    bson_iter_t iter;
    if (rc < 0 || !bson_iter_init(&iter, replacement) || !bson_iter_next(&iter)) return rc;
    if (bson_iter_key(&iter)[0] != '$') return 0;
    return mouv_error_set(error, MOUV_EINVAL, "'replacement' has the operator '%.80s'",
                          bson_iter_key(&iter));
}
