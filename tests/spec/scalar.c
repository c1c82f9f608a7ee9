/*
 * Single BSON values: names of types, equality, text.
 */
#include "spec/scalar.h"

#include <math.h>
#include <string.h>

/* --- Types ---------------------------------------------------------------------------------- */

/** The aliases of the $type query operator. */
static const struct {
    const char *name;
    bson_type_t type;
} type_names[] = {
    {"double", BSON_TYPE_DOUBLE},
    {"string", BSON_TYPE_UTF8},
    {"object", BSON_TYPE_DOCUMENT},
    {"array", BSON_TYPE_ARRAY},
    {"binData", BSON_TYPE_BINARY},
    {"undefined", BSON_TYPE_UNDEFINED},
    {"objectId", BSON_TYPE_OID},
    {"bool", BSON_TYPE_BOOL},
    {"date", BSON_TYPE_DATE_TIME},
    {"null", BSON_TYPE_NULL},
    {"regex", BSON_TYPE_REGEX},
    {"dbPointer", BSON_TYPE_DBPOINTER},
    {"javascript", BSON_TYPE_CODE},
    {"symbol", BSON_TYPE_SYMBOL},
    {"javascriptWithScope", BSON_TYPE_CODEWSCOPE},
    {"int", BSON_TYPE_INT32},
    {"timestamp", BSON_TYPE_TIMESTAMP},
    {"long", BSON_TYPE_INT64},
    {"decimal", BSON_TYPE_DECIMAL128},
    {"minKey", BSON_TYPE_MINKEY},
    {"maxKey", BSON_TYPE_MAXKEY},
    {"number", BSON_TYPE_DOUBLE},
    {"number", BSON_TYPE_INT32},
    {"number", BSON_TYPE_INT64},
    {"number", BSON_TYPE_DECIMAL128},
};
#define TYPE_NAME_COUNT (sizeof type_names / sizeof *type_names)

bool spec_type_is_known(const char *name) {
    for (size_t i = 0; i < TYPE_NAME_COUNT; i++) {
        if (strcmp(type_names[i].name, name) == 0) return true;
    }
    return false;
}

bool spec_type_has_name(bson_type_t type, const char *name) {
    for (size_t i = 0; i < TYPE_NAME_COUNT; i++) {
        if (type_names[i].type == type && strcmp(type_names[i].name, name) == 0) return true;
    }
    return false;
}

/* --- Text ----------------------------------------------------------------------------------- */

#define TEXT_MAX 300

/* How many spaces libbson puts into an empty one depends on its version. */
static const char *empty_json(const bson_value_t *value) {
    bool empty =
        (value->value_type == BSON_TYPE_DOCUMENT || value->value_type == BSON_TYPE_ARRAY) &&
        value->value.v_doc.data_len == 5;
    return !empty ? NULL : value->value_type == BSON_TYPE_ARRAY ? "[ ]" : "{ }";
}

char *spec_value_json(const bson_value_t *value) {
    if (empty_json(value)) return bson_strdup(empty_json(value));
    /* libbson writes documents only: this one goes around the value and is cut off again. */
    static const char before[] = "{ \"\" : ", after[] = " }";
    bson_t document = BSON_INITIALIZER;
    size_t size = 0;
    char *json = NULL;
    if (bson_append_value(&document, "", 0, value)) {
        json = bson_as_relaxed_extended_json(&document, &size);
    }
    bson_destroy(&document);
    if (!json) return bson_strdup("(not valid UTF-8)");
    size -= sizeof before - 1 + sizeof after - 1;
    memmove(json, json + sizeof before - 1, size);
    if (size > TEXT_MAX) {
        size = TEXT_MAX;
        while (size > 0 && ((unsigned char)json[size] & 0xc0) == 0x80) size--;
        memcpy(json + size, "...", 3);
        size += 3;
    }
    json[size] = '\0';
    return json;
}

char *spec_value_text(const bson_value_t *value) {
    if (!value) return bson_strdup("nothing");
    const char *name = "unknown type";
    for (size_t i = 0; i < TYPE_NAME_COUNT; i++) {
        if (type_names[i].type == value->value_type) {
            name = type_names[i].name;
            break;
        }
    }
    char *json = spec_value_json(value);
    char *text = bson_strdup_printf("%s %s", name, json);
    bson_free(json);
    return text;
}

/* --- Numbers -------------------------------------------------------------------------------- */

static bool is_integer(const bson_value_t *value) {
    return value->value_type == BSON_TYPE_INT32 || value->value_type == BSON_TYPE_INT64;
}

static int64_t integer_of(const bson_value_t *value) {
    return value->value_type == BSON_TYPE_INT32 ? value->value.v_int32 : value->value.v_int64;
}

bool spec_is_number(const bson_value_t *value) {
    return value && (is_integer(value) || value->value_type == BSON_TYPE_DOUBLE);
}

static spec_order_t compare_doubles(double a, double b) {
    if (isnan(a) && isnan(b)) return SPEC_EQUAL;
    if (isnan(a) || isnan(b)) return SPEC_UNORDERED;
    if (a == b) return SPEC_EQUAL;
    return a < b ? SPEC_LESS : SPEC_GREATER;
}

static spec_order_t compare_integers(int64_t a, int64_t b) {
    if (a == b) return SPEC_EQUAL;
    return a < b ? SPEC_LESS : SPEC_GREATER;
}

/** Exact where a conversion to double would round. */
static spec_order_t compare_integer_to_double(int64_t a, double b) {
    if (isnan(b)) return SPEC_UNORDERED;
    if (b >= 0x1p63) return SPEC_LESS;
    if (b < -0x1p63) return SPEC_GREATER;
    double whole = trunc(b);
    spec_order_t order = compare_integers(a, (int64_t)whole);
    return order == SPEC_EQUAL ? compare_doubles(whole, b) : order;
}

static spec_order_t reversed(spec_order_t order) {
    if (order == SPEC_LESS) return SPEC_GREATER;
    return order == SPEC_GREATER ? SPEC_LESS : order;
}

spec_order_t spec_compare_numbers(const bson_value_t *a, const bson_value_t *b) {
    if (is_integer(a) && is_integer(b)) return compare_integers(integer_of(a), integer_of(b));
    if (is_integer(a)) return compare_integer_to_double(integer_of(a), b->value.v_double);
    if (is_integer(b)) return reversed(compare_integer_to_double(integer_of(b), a->value.v_double));
    return compare_doubles(a->value.v_double, b->value.v_double);
}

/* --- Equality ------------------------------------------------------------------------------- */

static bool same_bytes(const void *a, size_t a_size, const void *b, size_t b_size) {
    return a_size == b_size && (a_size == 0 || memcmp(a, b, a_size) == 0);
}

bool spec_same_code(const bson_value_t *a, const bson_value_t *b) {
    return same_bytes(a->value.v_codewscope.code, a->value.v_codewscope.code_len,
                      b->value.v_codewscope.code, b->value.v_codewscope.code_len);
}

bool spec_same_scalar(const bson_value_t *a, const bson_value_t *b) {
    switch (a->value_type) {
    case BSON_TYPE_DOUBLE:
        return compare_doubles(a->value.v_double, b->value.v_double) == SPEC_EQUAL;
    case BSON_TYPE_UTF8:
        return same_bytes(a->value.v_utf8.str, a->value.v_utf8.len, b->value.v_utf8.str,
                          b->value.v_utf8.len);
    case BSON_TYPE_BINARY:
        return a->value.v_binary.subtype == b->value.v_binary.subtype &&
               same_bytes(a->value.v_binary.data, a->value.v_binary.data_len,
                          b->value.v_binary.data, b->value.v_binary.data_len);
    case BSON_TYPE_OID:
        return bson_oid_equal(&a->value.v_oid, &b->value.v_oid);
    case BSON_TYPE_BOOL:
        return a->value.v_bool == b->value.v_bool;
    case BSON_TYPE_DATE_TIME:
        return a->value.v_datetime == b->value.v_datetime;
    case BSON_TYPE_REGEX:
        return strcmp(a->value.v_regex.regex, b->value.v_regex.regex) == 0 &&
               strcmp(a->value.v_regex.options, b->value.v_regex.options) == 0;
    case BSON_TYPE_DBPOINTER:
        return same_bytes(a->value.v_dbpointer.collection, a->value.v_dbpointer.collection_len,
                          b->value.v_dbpointer.collection, b->value.v_dbpointer.collection_len) &&
               bson_oid_equal(&a->value.v_dbpointer.oid, &b->value.v_dbpointer.oid);
    case BSON_TYPE_CODE:
        return same_bytes(a->value.v_code.code, a->value.v_code.code_len, b->value.v_code.code,
                          b->value.v_code.code_len);
    case BSON_TYPE_SYMBOL:
        return same_bytes(a->value.v_symbol.symbol, a->value.v_symbol.len, b->value.v_symbol.symbol,
                          b->value.v_symbol.len);
    case BSON_TYPE_INT32:
        return a->value.v_int32 == b->value.v_int32;
    case BSON_TYPE_TIMESTAMP:
        return a->value.v_timestamp.timestamp == b->value.v_timestamp.timestamp &&
               a->value.v_timestamp.increment == b->value.v_timestamp.increment;
    case BSON_TYPE_INT64:
        return a->value.v_int64 == b->value.v_int64;
    case BSON_TYPE_DECIMAL128:
        return a->value.v_decimal128.high == b->value.v_decimal128.high &&
               a->value.v_decimal128.low == b->value.v_decimal128.low;
    default: /* null, undefined, minKey, maxKey: the type is all there is */
        return true;
    }
}

/* --- Documents and bytes -------------------------------------------------------------------- */

static bson_value_t document_value(const uint8_t *data, uint32_t size) {
    bson_value_t value = {.value_type = BSON_TYPE_DOCUMENT};
    value.value.v_doc.data = (uint8_t *)data;
    value.value.v_doc.data_len = size;
    return value;
}

bson_value_t spec_document_value(const bson_t *document) {
    return document_value(bson_get_data(document), document->len);
}

bson_value_t spec_scope_value(const bson_value_t *value) {
    return document_value(value->value.v_codewscope.scope_data,
                          value->value.v_codewscope.scope_len);
}

void spec_view(const bson_value_t *value, bson_t *document) {
    if (!bson_init_static(document, value->value.v_doc.data, value->value.v_doc.data_len)) {
        bson_init(document); /* not BSON: as if nothing was in it */
    }
}

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

uint8_t *spec_hex_bytes(const char *digits, size_t *size) {
    size_t length = strlen(digits);
    if (length % 2) return NULL;
    uint8_t *bytes = bson_malloc(length / 2 + 1);
    for (size_t i = 0; i < length / 2; i++) {
        int high = digit_of(digits[2 * i]), low = digit_of(digits[2 * i + 1]);
        if (high < 0 || low < 0) {
            bson_free(bytes);
            return NULL;
        }
        bytes[i] = (uint8_t)(high * 16 + low);
    }
    *size = length / 2;
    return bytes;
}
