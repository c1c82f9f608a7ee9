/*
 * Documents from templates. The template becomes JSON in which each placeholder is a marker, a
 * string that says which argument is meant; libbson reads that; then the document is copied with
 * the arguments in the markers' places. No argument is ever text of the JSON.
 */
#include <mouv/document.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "context/alloc.h"
#include "mongo/base/bson_view.h"

#define MOST_VALUES 64
#define MARKER "\001mouv:"
#define MARKER_JSON "\"\\u0001mouv:%d\""
#define MARKER_JSON_SIZE 24

typedef enum kind { UTF8, INT32, INT64, DOUBLE, BOOL, OID, DOCUMENT, ARRAY } kind_t;

/** How an argument is taken from the list, where its kind does not say. */
typedef enum width { AS_INT, AS_UNSIGNED, AS_LONG, AS_LONG_LONG, AS_SIZE } width_t;

/** All conversions; the first that matches counts. */
static const struct conversion {
    const char *text;
    kind_t kind;
    width_t width;
} conversions[] = {
    {"s", UTF8, 0},
    {"d", INT32, 0},
    {"i", INT32, 0},
    {"u", INT64, AS_UNSIGNED},
    {"lld", INT64, AS_LONG_LONG},
    {"lli", INT64, AS_LONG_LONG},
    {"ld", INT64, AS_LONG},
    {"li", INT64, AS_LONG},
    {"zu", INT64, AS_SIZE},
    {"hhd", BOOL, 0},
    {"lf", DOUBLE, 0},
    {"f", DOUBLE, 0},
    {"g", DOUBLE, 0},
    {"pO", OID, 0},
    {"pD", DOCUMENT, 0},
    {"pA", ARRAY, 0},
};

typedef struct value {
    kind_t kind;
    bool used;
    bool too_large;
    int64_t number; /**< of INT32, INT64, BOOL */
    double real;
    const void *pointer;
} value_t;

/** The template on its way to JSON. */
typedef struct scan {
    const char *format, *at;
    char *json;
    size_t length;
    size_t wanted;      /**< which byte of `json` is asked for */
    const char *origin; /**< where it comes from */
    char quote;         /**< of the string that `at` is in, or 0 */
    int depth;
    bool ended;
    const struct conversion *found[MOST_VALUES];
    int count;
    mouv_error_t *error;
} scan_t;

/* --- The template --------------------------------------------------------------------------- */

static int build_wrong(const scan_t *scan, const char *at, const char *why) {
    return mouv_error_set(scan->error, MOUV_EINVAL, "the template at byte %d, \"%.20s\": %s",
                          (int)(at - scan->format), at, why);
}

static void build_put(scan_t *scan, const char *text, size_t length) {
    if (scan->length <= scan->wanted && scan->wanted < scan->length + length)
        scan->origin = scan->at;
    memcpy(scan->json + scan->length, text, length);
    scan->length += length;
}

static const struct conversion *build_conversion_at(const char *text) {
    for (size_t i = 0; i < sizeof conversions / sizeof *conversions; i++) {
        if (strncmp(text, conversions[i].text, strlen(conversions[i].text)) == 0) {
            return &conversions[i];
        }
    }
    return NULL;
}

static int build_take_placeholder(scan_t *scan) {
    char marker[MARKER_JSON_SIZE];
    const struct conversion *conversion = build_conversion_at(scan->at + 1);
    if (!conversion) return build_wrong(scan, scan->at, "no such placeholder");
    if (scan->count == MOST_VALUES) return build_wrong(scan, scan->at, "more than 64 placeholders");
    int length = snprintf(marker, sizeof marker, MARKER_JSON, scan->count);
    build_put(scan, marker, (size_t)length);
    scan->found[scan->count++] = conversion;
    scan->at += 1 + strlen(conversion->text);
    return 0;
}

/** One character of a string, or two that belong together. */
static int build_take_in_string(scan_t *scan) {
    const char *at = scan->at;
    size_t length = 1;
    if (*at == scan->quote) {
        build_put(scan, "\"", 1);
        scan->quote = 0;
    } else if (*at == '"') {
        build_put(scan, "\\\"", 2);
    } else if (at[0] == '%') {
        if (at[1] != '%') return build_wrong(scan, at, "a placeholder inside of a string");
        build_put(scan, at, 1);
        length = 2;
    } else if (at[0] == '\\' && at[1] == '\'') {
        build_put(scan, "'", 1);
        length = 2;
    } else {
        length = at[0] == '\\' && at[1] ? 2 : 1;
        build_put(scan, at, length);
    }
    scan->at += length;
    return 0;
}

static int build_take_outside(scan_t *scan) {
    char c = *scan->at;
    bool space = strchr(" \t\r\n", c) != NULL;
    if (scan->ended && !space)
        return build_wrong(scan, scan->at, "more after the end of the document");
    if (scan->depth == 0 && !space && c != '{' && c != '[') {
        return build_wrong(scan, scan->at, "a document begins with {, a pipeline with [");
    }
    if (c == '%') return build_take_placeholder(scan);
    if (c == '\'' || c == '"') scan->quote = c;
    if (c == '{' || c == '[') scan->depth++;
    if (c == '}' || c == ']') scan->ended = --scan->depth == 0;
    build_put(scan, scan->quote ? "\"" : scan->at, 1);
    scan->at++;
    return 0;
}

/** Writes JSON and finds the placeholders. `wanted`: a byte of JSON whose origin is to be found. */
static int build_run(scan_t *scan, size_t wanted) {
    int rc = 0;
    scan->at = scan->origin = scan->format;
    scan->wanted = wanted;
    scan->length = 0;
    scan->quote = 0;
    scan->depth = scan->count = 0;
    scan->ended = false;
    while (rc == 0 && *scan->at)
        rc = scan->quote ? build_take_in_string(scan) : build_take_outside(scan);
    scan->json[scan->length] = '\0';
    if (rc == 0 && scan->quote) return build_wrong(scan, scan->at, "a string does not end");
    if (rc == 0 && !scan->ended) return build_wrong(scan, scan->at, "the document does not end");
    return rc;
}

/** What libbson says about a byte of the JSON, said about the template. */
static int build_refuse_json(scan_t *scan, const bson_error_t *why) {
    const char *position = strstr(why->message, "position ");
    if (!position) {
        return mouv_error_set(scan->error, MOUV_EINVAL, "the template: %s", why->message);
    }
    build_run(scan, strtoul(position + strlen("position "), NULL, 10));
    return build_wrong(scan, scan->origin, "this is not JSON");
}

/* --- Arguments ------------------------------------------------------------------------------ */

static int build_refuse_value(const scan_t *scan, int index, const char *why) {
    return mouv_error_set(scan->error, MOUV_EINVAL, "argument %d (%%%s): %s", index + 1,
                          scan->found[index]->text, why);
}

/** Why the value cannot be used, or NULL. */
static const char *build_problem_of(const value_t *value) {
    if (value->too_large) return "it does not fit into int64";
    if (value->kind != UTF8 && value->kind < OID) return NULL;
    if (!value->pointer) return "it is NULL";
    if (value->kind != UTF8) return NULL;
    const char *text = value->pointer;
    return bson_utf8_validate(text, strlen(text), false) ? NULL : "it is not UTF-8";
}

/* One function, and a macro's worth of repetition: va_arg() does not travel. */
static int build_read_values(const scan_t *scan, value_t *values, va_list arguments) {
    int rc = 0;
    for (int i = 0; i < scan->count && rc == 0; i++) {
        value_t *value = &values[i];
        *value = (value_t){.kind = scan->found[i]->kind};
        if (value->kind == UTF8 || value->kind >= OID) {
            value->pointer = va_arg(arguments, const void *);
        } else if (value->kind == DOUBLE) {
            value->real = va_arg(arguments, double);
        } else {
            switch (scan->found[i]->width) {
            case AS_INT:
                value->number = va_arg(arguments, int);
                break;
            case AS_UNSIGNED:
                value->number = va_arg(arguments, unsigned);
                break;
            case AS_LONG:
                value->number = va_arg(arguments, long);
                break;
            case AS_LONG_LONG:
                value->number = va_arg(arguments, long long);
                break;
            case AS_SIZE:
                value->number = (int64_t)va_arg(arguments, size_t);
                value->too_large = value->number < 0;
                break;
            }
        }
        const char *problem = build_problem_of(value);
        if (problem) rc = build_refuse_value(scan, i, problem);
    }
    return rc;
}

/* --- The document --------------------------------------------------------------------------- */

/** The value whose marker `text` is, now used; NULL: it is none. */
static const value_t *build_value_of(value_t *values, int count, const char *text) {
    if (strncmp(text, MARKER, strlen(MARKER)) != 0) return NULL;
    int index = atoi(text + strlen(MARKER));
    if (index < 0 || index >= count || values[index].used) return NULL;
    values[index].used = true;
    return &values[index];
}

static void build_append_value(bson_t *to, const char *key, const value_t *value) {
    switch (value->kind) {
    case UTF8:
        bson_append_utf8(to, key, -1, value->pointer, -1);
        return;
    case INT32:
        bson_append_int32(to, key, -1, (int32_t)value->number);
        return;
    case INT64:
        bson_append_int64(to, key, -1, value->number);
        return;
    case DOUBLE:
        bson_append_double(to, key, -1, value->real);
        return;
    case BOOL:
        bson_append_bool(to, key, -1, value->number != 0);
        return;
    case OID:
        bson_append_oid(to, key, -1, value->pointer);
        return;
    case DOCUMENT:
        bson_append_document(to, key, -1, value->pointer);
        return;
    case ARRAY:
        bson_append_array(to, key, -1, value->pointer);
        return;
    }
}

static void build_fill(bson_t *to, bson_iter_t *from, value_t *values, int count);

static void build_fill_field(bson_t *to, const bson_iter_t *field, value_t *values, int count) {
    const char *key = bson_iter_key(field), *options;
    const value_t *value;
    bson_iter_t inside;
    bson_t child;
    if (BSON_ITER_HOLDS_UTF8(field) &&
        (value = build_value_of(values, count, bson_iter_utf8(field, NULL))) != NULL) {
        build_append_value(to, key, value);
    } else if (BSON_ITER_HOLDS_REGEX(field) &&
               (value = build_value_of(values, count, bson_iter_regex(field, &options))) != NULL &&
               value->kind == UTF8) {
        bson_append_regex(to, key, -1, value->pointer, options);
    } else if (BSON_ITER_HOLDS_DOCUMENT(field) && bson_iter_recurse(field, &inside)) {
        bson_append_document_begin(to, key, -1, &child);
        build_fill(&child, &inside, values, count);
        bson_append_document_end(to, &child);
    } else if (BSON_ITER_HOLDS_ARRAY(field) && bson_iter_recurse(field, &inside)) {
        mouv__append_array_begin(to, key, &child);
        build_fill(&child, &inside, values, count);
        bson_append_array_end(to, &child);
    } else {
        bson_append_iter(to, NULL, -1, field);
    }
}

/** Appends the fields of `from` with the values in the markers' places. */
static void build_fill(bson_t *to, bson_iter_t *from, value_t *values, int count) {
    while (bson_iter_next(from)) build_fill_field(to, from, values, count);
}

static int build_check_all_used(const scan_t *scan, const value_t *values) {
    for (int i = 0; i < scan->count; i++) {
        if (!values[i].used) return build_refuse_value(scan, i, "no value can stand there");
    }
    return 0;
}

static int build(bson_t **document, scan_t *scan, va_list arguments) {
    value_t values[MOST_VALUES];
    bson_error_t why;
    bson_iter_t iter;
    int rc = build_run(scan, 0);
    if (rc == 0) rc = build_read_values(scan, values, arguments);
    if (rc < 0) return rc;
    bson_t *parsed = bson_new_from_json((const uint8_t *)scan->json, (ssize_t)scan->length, &why);
    if (!parsed) return build_refuse_json(scan, &why);
    bson_t *filled = bson_new();
    if (bson_iter_init(&iter, parsed)) build_fill(filled, &iter, values, scan->count);
    bson_destroy(parsed);
    rc = build_check_all_used(scan, values);
    if (rc == 0) {
        *document = filled;
    } else {
        bson_destroy(filled);
    }
    return rc;
}

int mouv_bson_vbuild(bson_t **document, mouv_error_t *error, const char *format,
                     va_list arguments) {
    *document = NULL;
    if (!format) return mouv_error_set(error, MOUV_EINVAL, "the template is NULL");
    scan_t scan = {.format = format, .error = error};
    scan.json = mouv__alloc(strlen(format) / 2 * MARKER_JSON_SIZE + MARKER_JSON_SIZE);
    if (!scan.json) return mouv_error_set(error, MOUV_ENOMEM, "out of memory");
    int rc = build(document, &scan, arguments);
    mouv__free(scan.json);
    return rc;
}

int mouv_bson_build(bson_t **document, mouv_error_t *error, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int rc = mouv_bson_vbuild(document, error, format, arguments);
    va_end(arguments);
    return rc;
}
