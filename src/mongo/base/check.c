/*
 * Checks of names and documents before they are sent.
 */
#include "mongo/base/check.h"

#include <string.h>

#include "mongo/base/bson_plain.h"
#include "mongo/base/bson_view.h"

#define MAX_NAMESPACE 255

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

/* A document that is open: the offsets, in the outermost one, at which it begins and of the field that
 * is being looked into. */
typedef struct check_open {
    uint32_t begin, field;
} check_open_t;

/* A walk over a document and all that are nested in it. It does not call itself: how deep a document
 * is must not cost stack, since coroutines have little of it. */
typedef struct check_walk {
    const uint8_t *data; /* of the outermost document */
    unsigned flags;
    int depth, most_depth; /* documents that are open around the one that `iter` is in */
    bson_iter_t iter;
    bson_iter_t top; /* where it is in the outermost one, if that is not `iter` */
    check_open_t open[MOUV__MAX_COMMAND_DEPTH];
} check_walk_t;

static const char *check_problem_of_text(const bson_iter_t *iter, bool may_have_nul) {
    uint32_t length;
    const char *text = bson_iter_type(iter) == BSON_TYPE_UTF8   ? bson_iter_utf8(iter, &length)
                       : bson_iter_type(iter) == BSON_TYPE_CODE ? bson_iter_code(iter, &length)
                                                                : bson_iter_symbol(iter, &length);
    if (bson_utf8_validate(text, length, may_have_nul)) return NULL;
    return bson_utf8_validate(text, length, true) ? "a string has a NUL" : "a string is not UTF-8";
}

/** Goes on with the first field of the document in this one. */
static const char *check_enter(check_walk_t *walk) {
    bson_iter_t child;
    if (walk->depth == walk->most_depth)
        return walk->most_depth == MOUV__MAX_STORED_DEPTH
                   ? "it is nested too deeply, beyond the 180 levels that the server stores,"
                   : "it is nested too deeply, beyond the 200 levels that the server takes,";
    if (!bson_iter_recurse(&walk->iter, &child)) return "corrupt";
    if (walk->depth == 0) walk->top = walk->iter;
    uint32_t begin = (uint32_t)(walk->iter.raw - walk->data);
    walk->open[walk->depth++] = (check_open_t){begin, bson_iter_offset(&walk->iter)};
    walk->iter = child;
    return NULL;
}

/** Goes on behind the field whose document has ended. */
static const char *check_leave(check_walk_t *walk) {
    check_open_t open = walk->open[--walk->depth];
    const uint8_t *data = walk->data + open.begin;
    uint32_t length;
    memcpy(&length, data, sizeof length);
    uint32_t key_length = (uint32_t)strlen((const char *)data + open.field + 1);
    return bson_iter_init_from_data_at_offset(&walk->iter, data, BSON_UINT32_FROM_LE(length),
                                              open.field, key_length)
               ? NULL
               : "corrupt";
}

static const char *check_problem_of_value(check_walk_t *walk) {
    switch (bson_iter_type(&walk->iter)) {
    case BSON_TYPE_UTF8:
    case BSON_TYPE_CODE:
    case BSON_TYPE_SYMBOL:
        if (!(walk->flags & BSON_VALIDATE_UTF8)) return NULL;
        return check_problem_of_text(&walk->iter, walk->flags & BSON_VALIDATE_UTF8_ALLOW_NULL);
    case BSON_TYPE_DOCUMENT:
    case BSON_TYPE_ARRAY:
        return check_enter(walk);
    default:
        return NULL;
    }
}

static bool check_key_is_utf8(const bson_iter_t *iter) {
    return bson_utf8_validate(bson_iter_key(iter), bson_iter_key_len(iter), false);
}

static const char *check_problem_of_field(check_walk_t *walk) {
    if (!*bson_iter_key(&walk->iter) && (walk->flags & BSON_VALIDATE_EMPTY_KEYS))
        return "a key is empty";
    if (!check_key_is_utf8(&walk->iter)) return "a key is not UTF-8";
    return check_problem_of_value(walk);
}

/** What is wrong in all of the document, or NULL; the walk is left where that is. */
static const char *check_problem_in(check_walk_t *walk) {
    const char *problem = NULL;
    while (!problem) {
        if (bson_iter_next(&walk->iter))
            problem = check_problem_of_field(walk);
        else if (walk->iter.err_off)
            problem = "a field does not end where it must";
        else if (walk->depth > 0)
            problem = check_leave(walk);
        else
            break;
    }
    return problem;
}

static int check_refuse(const check_walk_t *walk, const char *argument, const char *problem,
                        mouv_error_t *error) {
    const bson_iter_t *iter = walk->depth > 0 ? &walk->top : &walk->iter;
    bool named = iter->raw && !iter->err_off && *bson_iter_key(iter) && check_key_is_utf8(iter);
    return mouv_error_set(error, MOUV_EINVAL, "'%s' is no valid BSON: %s%s%.80s%s", argument,
                          problem, named ? " in '" : "", named ? bson_iter_key(iter) : "",
                          named ? "'" : "");
}

static int check_document(const bson_t *document, const char *argument, unsigned flags,
                          int most_depth, mouv_error_t *error) {
    if (!document) return mouv_error_set(error, MOUV_EINVAL, "'%s' is NULL", argument);
    if (document->len > MOUV__MAX_DOCUMENT_BYTES) {
        return mouv_error_set(error, MOUV_EINVAL, "'%s' has %u bytes, more than the limit of %u",
                              argument, document->len, MOUV__MAX_DOCUMENT_BYTES);
    }
    if (mouv__bson_plain(bson_get_data(document), document->len)) return 0;
    check_walk_t walk; /* its stack of open documents is not worth clearing */
    walk.data = bson_get_data(document);
    walk.flags = flags;
    walk.depth = 0;
    walk.most_depth = most_depth;
    walk.iter.raw = NULL;
    const char *problem =
        bson_iter_init(&walk.iter, document) ? check_problem_in(&walk) : "corrupt";
    return problem ? check_refuse(&walk, argument, problem, error) : 0;
}

int mouv__check_document(const bson_t *document, const char *argument, unsigned flags,
                         mouv_error_t *error) {
    return check_document(document, argument, flags, MOUV__MAX_COMMAND_DEPTH, error);
}

int mouv__check_stored(const bson_t *document, const char *argument, unsigned flags,
                       mouv_error_t *error) {
    return check_document(document, argument, flags, MOUV__MAX_STORED_DEPTH, error);
}

/* --- Shapes --------------------------------------------------------------------------------- */

int mouv__check_stages(const bson_t *stages, mouv_error_t *error) {
    bson_iter_t stage;
    if (!bson_iter_init(&stage, stages)) return 0;
    while (bson_iter_next(&stage)) {
        const char *key = bson_iter_key(&stage);
        if (*key == '\0' || key[strspn(key, "0123456789")] != '\0')
            return mouv_error_set(error, MOUV_EINVAL,
                                  "'pipeline': expected an array, got a document with '%.80s'",
                                  key);
        if (BSON_ITER_HOLDS_DOCUMENT(&stage)) continue;
        return mouv_error_set(
            error, MOUV_EINVAL, "'pipeline': stage %s: expected a document, got %s",
            bson_iter_key(&stage), mouv__bson_view_type_name(bson_iter_type(&stage)));
    }
    return 0;
}

int mouv__check_write_concern(const bson_t *concern, const char *argument, mouv_error_t *error) {
    if (mouv__bson_view_number(concern, "wtimeout") >= 0) return 0;
    return mouv_error_set(error, MOUV_EINVAL,
                          "'%s': 'wtimeout': expected a number of 0 or more, got a negative one",
                          argument);
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
    int rc = mouv__check_stored(replacement, "replacement", flags, error);
    bson_iter_t iter;
    if (rc < 0 || !bson_iter_init(&iter, replacement) || !bson_iter_next(&iter)) return rc;
    if (bson_iter_key(&iter)[0] != '$') return 0;
    return mouv_error_set(error, MOUV_EINVAL, "'replacement' has the operator '%.80s'",
                          bson_iter_key(&iter));
}
