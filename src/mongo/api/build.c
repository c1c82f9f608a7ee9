/*
 * Documents from templates. The template becomes JSON in which each placeholder is a null that is
 * known by its place; the reader puts the arguments there. No argument is ever text of the JSON.
 */
#include <mouv/document.h>

#include <string.h>

#include "context/alloc.h"
#include "mongo/json/reader.h"
#include "mongo/json/text.h"

#define MOST_VALUES 64
#define MARK "null"

/** How an argument is taken from the list, where its kind does not say. */
typedef enum width {
    AS_INT,
    AS_UNSIGNED,
    AS_LONG,
    AS_LONG_LONG,
    AS_SIZE,
    AS_BYTES,
    AS_UUID
} width_t;

/** All conversions; the first that matches counts, so what begins with another stands before it. */
static const struct conversion {
    const char *text;
    bson_type_t type;
    width_t width;
} conversions[] = {
    {"s", BSON_TYPE_UTF8, 0},
    {"d", BSON_TYPE_INT32, 0},
    {"i", BSON_TYPE_INT32, 0},
    {"u", BSON_TYPE_INT64, AS_UNSIGNED},
    {"lldT", BSON_TYPE_DATE_TIME, AS_LONG_LONG},
    {"ldT", BSON_TYPE_DATE_TIME, AS_LONG},
    {"lld", BSON_TYPE_INT64, AS_LONG_LONG},
    {"lli", BSON_TYPE_INT64, AS_LONG_LONG},
    {"ld", BSON_TYPE_INT64, AS_LONG},
    {"li", BSON_TYPE_INT64, AS_LONG},
    {"zu", BSON_TYPE_INT64, AS_SIZE},
    {"hhd", BSON_TYPE_BOOL, 0},
    {"lf", BSON_TYPE_DOUBLE, 0},
    {"f", BSON_TYPE_DOUBLE, 0},
    {"g", BSON_TYPE_DOUBLE, 0},
    {"pO", BSON_TYPE_OID, 0},
    {"pD", BSON_TYPE_DOCUMENT, 0},
    {"pA", BSON_TYPE_ARRAY, 0},
    {"pN", BSON_TYPE_DECIMAL128, 0},
    {"pB", BSON_TYPE_BINARY, AS_BYTES},
    {"pU", BSON_TYPE_BINARY, AS_UUID},
    {"pS", BSON_TYPE_TIMESTAMP, 0},
};

/** In a struct, because a va_list that is a parameter is no longer one to pass on by its address. */
typedef struct arguments {
    va_list list;
} arguments_t;

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
    size_t marks[MOST_VALUES]; /**< where in `json` each one's null is */
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
    const struct conversion *conversion = build_conversion_at(scan->at + 1);
    if (!conversion) return build_wrong(scan, scan->at, "no such placeholder");
    if (scan->count == MOST_VALUES) return build_wrong(scan, scan->at, "more than 64 placeholders");
    scan->marks[scan->count] = scan->length;
    scan->found[scan->count++] = conversion;
    build_put(scan, MARK, strlen(MARK));
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

/* --- Arguments ------------------------------------------------------------------------------ */

static int build_refuse_value(const scan_t *scan, int index, const char *why) {
    return mouv_error_set(scan->error, MOUV_EINVAL, "argument %d (%%%s): %s", index + 1,
                          scan->found[index]->text, why);
}

/* One function, and a macro's worth of repetition: va_arg() does not travel. False: too large. */
static bool build_read_number(width_t width, int64_t *number, arguments_t *arguments) {
    switch (width) {
    case AS_INT:
        *number = va_arg(arguments->list, int);
        return true;
    case AS_UNSIGNED:
        *number = va_arg(arguments->list, unsigned);
        return true;
    case AS_LONG:
        *number = va_arg(arguments->list, long);
        return true;
    case AS_LONG_LONG:
        *number = va_arg(arguments->list, long long);
        return true;
    case AS_SIZE:
        *number = (int64_t)va_arg(arguments->list, size_t);
        return *number >= 0;
    case AS_BYTES:
    case AS_UUID:
        break; /* no numbers */
    }
    return false;
}

static const char *build_set_bytes(bson_value_t *value, const mouv_bson_bytes_t *bytes) {
    if (!bytes->data && bytes->size_bytes > 0) return "its 'data' is NULL";
    if (bytes->size_bytes > BSON_MAX_SIZE) return "it is too large";
    value->value.v_binary.subtype = (bson_subtype_t)bytes->subtype;
    value->value.v_binary.data = (uint8_t *)(bytes->data ? bytes->data : "");
    value->value.v_binary.data_len = (uint32_t)bytes->size_bytes;
    return NULL;
}

/* Of an argument that is a pointer; why it cannot be used, or NULL. */
static const char *build_set_pointer(bson_value_t *value, width_t width, const void *pointer) {
    const mouv_bson_bytes_t uuid = {pointer, 16, BSON_SUBTYPE_UUID};
    size_t size;
    if (!pointer) return "it is NULL";
    switch (value->value_type) {
    case BSON_TYPE_OID:
        bson_oid_copy(pointer, &value->value.v_oid);
        return NULL;
    case BSON_TYPE_UTF8:
        size = strlen(pointer);
        value->value.v_utf8.str = (char *)pointer;
        value->value.v_utf8.len = (uint32_t)size;
        return mouv__json_utf8_length(pointer, size) < size ? "it is not UTF-8" : NULL;
    case BSON_TYPE_DECIMAL128:
        value->value.v_decimal128 = *(const bson_decimal128_t *)pointer;
        return NULL;
    case BSON_TYPE_TIMESTAMP:
        value->value.v_timestamp.timestamp = ((const mouv_bson_timestamp_t *)pointer)->seconds;
        value->value.v_timestamp.increment = ((const mouv_bson_timestamp_t *)pointer)->increment;
        return NULL;
    case BSON_TYPE_BINARY:
        return build_set_bytes(value, width == AS_UUID ? &uuid : pointer);
    default:
        value->value.v_doc.data = (uint8_t *)bson_get_data(pointer);
        value->value.v_doc.data_len = ((const bson_t *)pointer)->len;
        return NULL;
    }
}

/* The next argument; why it cannot be used, or NULL. */
static const char *build_read_value(const struct conversion *conversion, bson_value_t *value,
                                    arguments_t *arguments) {
    int64_t number;
    *value = (bson_value_t){.value_type = conversion->type};
    switch (conversion->type) {
    case BSON_TYPE_DOUBLE:
        value->value.v_double = va_arg(arguments->list, double);
        return NULL;
    case BSON_TYPE_INT32:
        value->value.v_int32 = va_arg(arguments->list, int);
        return NULL;
    case BSON_TYPE_BOOL:
        value->value.v_bool = va_arg(arguments->list, int) != 0;
        return NULL;
    case BSON_TYPE_INT64:
        if (!build_read_number(conversion->width, &number, arguments))
            return "it does not fit into int64";
        value->value.v_int64 = number;
        return NULL;
    case BSON_TYPE_DATE_TIME:
        build_read_number(conversion->width, &value->value.v_datetime, arguments);
        return NULL;
    default:
        return build_set_pointer(value, conversion->width, va_arg(arguments->list, const void *));
    }
}

/* --- The document --------------------------------------------------------------------------- */

/** What the reader says about a byte of the JSON, said about the template. */
static int build_refuse_json(scan_t *scan, const mouv__json_fault_t *fault) {
    for (int i = 0; i < scan->count; i++) {
        if (scan->marks[i] == fault->at)
            return build_refuse_value(scan, i, "no value can stand there");
    }
    build_run(scan, fault->at);
    return build_wrong(scan, scan->origin, fault->why);
}

static int build(bson_t **document, scan_t *scan, arguments_t *arguments) {
    bson_value_t values[MOST_VALUES];
    mouv__json_fault_t fault;
    int rc = build_run(scan, 0);
    for (int i = 0; i < scan->count && rc == 0; i++) {
        const char *problem = build_read_value(scan->found[i], &values[i], arguments);
        if (problem) rc = build_refuse_value(scan, i, problem);
    }
    if (rc < 0) return rc;
    const mouv__json_marks_t marks = {scan->marks, (size_t)scan->count};
    *document = mouv__json_read(scan->json, scan->length, &marks, values, &fault);
    return *document ? 0 : build_refuse_json(scan, &fault);
}

int mouv_bson_vbuild(bson_t **document, mouv_error_t *error, const char *format,
                     va_list arguments) {
    if (!document) return mouv_error_set(error, MOUV_EINVAL, "'document' is NULL");
    *document = NULL;
    if (!format) return mouv_error_set(error, MOUV_EINVAL, "the template is NULL");
    scan_t scan = {.format = format, .error = error};
    scan.json = mouv__alloc(2 * strlen(format) + 1); /* " becomes \", and %s null */
    if (!scan.json) return mouv_error_set(error, MOUV_ENOMEM, "out of memory");
    arguments_t copy;
    va_copy(copy.list, arguments);
    int rc = build(document, &scan, &copy);
    va_end(copy.list);
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
