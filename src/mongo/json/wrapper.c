/*
 * A table of names, and a function for each shape. All members of a wrapper are counted, so that one
 * too many, or the same twice, is a mistake.
 */
#include "mongo/json/wrapper.h"

#include <string.h>

#include "mongo/json/scalar.h"

typedef bool (*wrapper_fn_t)(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                             const mouv__json_token_t *value);

struct mouv__wrapper {
    const char *name;
    uint8_t type;     /**< in BSON */
    uint32_t members; /**< how many */
    wrapper_fn_t write;
};

/* --- Members ---------------------------------------------------------------------------------- */

static bool wrapper_is(const mouv__json_token_t *key, const char *name) {
    return key->size == strlen(name) && memcmp(key->text, name, key->size) == 0;
}

static const mouv__json_token_t *wrapper_member(const mouv__json_token_t *tokens, uint32_t object,
                                                const char *name) {
    for (uint32_t i = object + 1; i < tokens[object].end; i = tokens[i + 1].end)
        if (wrapper_is(&tokens[i], name)) return &tokens[i + 1];
    return NULL;
}

static bool wrapper_wrong(const mouv__wrapped_t *wrapped, const mouv__json_token_t *at,
                          const mouv__wrapper_t *wrapper, const char *wanted) {
    return mouv__json_wrong(wrapped->fault, at->at, "%s: expected %s", wrapper->name, wanted);
}

static bool wrapper_wrong_members(const mouv__wrapped_t *wrapped, const mouv__wrapper_t *wrapper) {
    return mouv__json_wrong(wrapped->fault, wrapped->tokens[wrapped->object].at,
                            wrapper->members == 1 ? "%s: something stands beside it"
                                                  : "%s: a field is missing, or one too many",
                            wrapper->name);
}

/* A member of the object in `value`, which must have exactly two. */
static const mouv__json_token_t *wrapper_of_two(const mouv__wrapper_t *wrapper,
                                                mouv__wrapped_t *wrapped,
                                                const mouv__json_token_t *value, const char *name,
                                                mouv__json_kind_t kind, const char *wanted) {
    const mouv__json_token_t *found =
        value->kind == MOUV__JSON_OBJECT && value->size == 2
            ? wrapper_member(wrapped->tokens, (uint32_t)(value - wrapped->tokens), name)
            : NULL;
    if (found && found->kind == kind) return found;
    wrapper_wrong(wrapped, found ? found : value, wrapper, wanted);
    return NULL;
}

void mouv__element_begin(const mouv__element_t *element, uint8_t type) {
    mouv__bytes_byte(element->bytes, type);
    mouv__bytes_cstring(element->bytes, element->key, element->key_size);
}

static void wrapper_begin(const mouv__wrapper_t *wrapper, const mouv__wrapped_t *wrapped) {
    mouv__element_begin(&wrapped->to, wrapper->type);
}

/* --- Numbers ---------------------------------------------------------------------------------- */

static bool wrapper_is_string(const mouv__json_token_t *value) {
    return value->kind == MOUV__JSON_STRING;
}

static bool wrapper_write_int32(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                                const mouv__json_token_t *value) {
    int64_t number;
    if (!wrapper_is_string(value) || !mouv__scalar_int64(value->text, value->size, &number) ||
        number < INT32_MIN || number > INT32_MAX)
        return wrapper_wrong(wrapped, value, wrapper, "an integer of 32 bits, as a string");
    wrapper_begin(wrapper, wrapped);
    mouv__bytes_int32(wrapped->to.bytes, (int32_t)number);
    return true;
}

static bool wrapper_write_int64(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                                const mouv__json_token_t *value) {
    int64_t number;
    if (!wrapper_is_string(value) || !mouv__scalar_int64(value->text, value->size, &number))
        return wrapper_wrong(wrapped, value, wrapper, "an integer of 64 bits, as a string");
    wrapper_begin(wrapper, wrapped);
    mouv__bytes_int64(wrapped->to.bytes, number);
    return true;
}

static bool wrapper_write_double(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                                 const mouv__json_token_t *value) {
    double number;
    if (!wrapper_is_string(value) || !mouv__scalar_double(value->text, value->size, &number))
        return wrapper_wrong(wrapped, value, wrapper,
                             "a number, NaN, Infinity or -Infinity, as a string");
    wrapper_begin(wrapper, wrapped);
    mouv__bytes_double(wrapped->to.bytes, number);
    return true;
}

static bool wrapper_write_decimal(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                                  const mouv__json_token_t *value) {
    bson_decimal128_t number;
    if (!wrapper_is_string(value) || !mouv__scalar_decimal(value->text, value->size, &number))
        return wrapper_wrong(wrapped, value, wrapper,
                             "a decimal number of at most 34 digits, as a string");
    wrapper_begin(wrapper, wrapped);
    mouv__bytes_int64(wrapped->to.bytes, (int64_t)number.low);
    mouv__bytes_int64(wrapped->to.bytes, (int64_t)number.high);
    return true;
}

static bool wrapper_write_timestamp(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                                    const mouv__json_token_t *value) {
    static const char wanted[] = "{\"t\": N, \"i\": N} with integers of 32 bits";
    static const char *const names[] = {"i", "t"}; /* as they lie in BSON */
    int64_t numbers[2];
    for (size_t i = 0; i < 2; i++) {
        const mouv__json_token_t *part =
            wrapper_of_two(wrapper, wrapped, value, names[i], MOUV__JSON_NUMBER, wanted);
        if (!part) return false;
        if (!mouv__scalar_int64(part->text, part->size, &numbers[i]) || numbers[i] < 0 ||
            numbers[i] > UINT32_MAX)
            return wrapper_wrong(wrapped, part, wrapper, wanted);
    }
    wrapper_begin(wrapper, wrapped);
    for (size_t i = 0; i < 2; i++)
        mouv__bytes_int32(wrapped->to.bytes, (int32_t)(uint32_t)numbers[i]);
    return true;
}

/* {"$date": "2024-02-29T13:05:06.789Z"} or {"$date": {"$numberLong": "1709211906789"}} */
static bool wrapper_write_date(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                               const mouv__json_token_t *value) {
    static const char wanted[] = "a date as a string, or {\"$numberLong\": \"MILLISECONDS\"}";
    const mouv__json_token_t *tokens = wrapped->tokens, *number = NULL;
    const char *why = NULL;
    int64_t ms = 0;
    if (value->kind == MOUV__JSON_OBJECT && value->size == 1)
        number = wrapper_member(tokens, (uint32_t)(value - tokens), "$numberLong");
    if (wrapper_is_string(value))
        why = mouv__scalar_date(value->text, value->size, &ms);
    else if (!number || !wrapper_is_string(number) ||
             !mouv__scalar_int64(number->text, number->size, &ms))
        return wrapper_wrong(wrapped, number ? number : value, wrapper, wanted);
    if (why) return mouv__json_wrong(wrapped->fault, value->at, "%s: %s", wrapper->name, why);
    wrapper_begin(wrapper, wrapped);
    mouv__bytes_int64(wrapped->to.bytes, ms);
    return true;
}

/* --- Bytes ------------------------------------------------------------------------------------ */

static bool wrapper_write_oid(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                              const mouv__json_token_t *value) {
    bson_oid_t oid;
    if (!wrapper_is_string(value) || !mouv__scalar_oid(value->text, value->size, &oid))
        return wrapper_wrong(wrapped, value, wrapper, "24 hexadecimal digits, as a string");
    wrapper_begin(wrapper, wrapped);
    mouv__bytes_put(wrapped->to.bytes, oid.bytes, sizeof oid.bytes);
    return true;
}

/* {"$dbPointer": {"$ref": "...", "$id": {"$oid": "..."}}} */
static bool wrapper_write_dbpointer(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                                    const mouv__json_token_t *value) {
    static const char wanted[] = "{\"$ref\": a string, \"$id\": an object id}";
    const mouv__json_token_t *ref =
        wrapper_of_two(wrapper, wrapped, value, "$ref", MOUV__JSON_STRING, wanted);
    const mouv__json_token_t *id =
        ref ? wrapper_of_two(wrapper, wrapped, value, "$id", MOUV__JSON_OBJECT, wanted) : NULL;
    if (!id) return false;
    const mouv__json_token_t *hex =
        id->size == 1 ? wrapper_member(wrapped->tokens, (uint32_t)(id - wrapped->tokens), "$oid")
                      : NULL;
    bson_oid_t oid;
    if (!hex || !wrapper_is_string(hex) || !mouv__scalar_oid(hex->text, hex->size, &oid))
        return wrapper_wrong(wrapped, hex ? hex : id, wrapper, wanted);
    wrapper_begin(wrapper, wrapped);
    mouv__bytes_string(wrapped->to.bytes, ref->text, ref->size);
    mouv__bytes_put(wrapped->to.bytes, oid.bytes, sizeof oid.bytes);
    return true;
}

static void wrapper_put_binary(const mouv__wrapper_t *wrapper, const mouv__wrapped_t *wrapped,
                               uint8_t subtype, const uint8_t *data, size_t size) {
    bool old = subtype == BSON_SUBTYPE_BINARY_DEPRECATED; /* its length stands there twice */
    wrapper_begin(wrapper, wrapped);
    mouv__bytes_int32(wrapped->to.bytes, (int32_t)(old ? size + 4 : size));
    mouv__bytes_byte(wrapped->to.bytes, subtype);
    if (old) mouv__bytes_int32(wrapped->to.bytes, (int32_t)size);
    mouv__bytes_put(wrapped->to.bytes, data, size);
}

static bool wrapper_write_base64(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                                 const mouv__json_token_t *base64,
                                 const mouv__json_token_t *subtype) {
    uint8_t type;
    size_t length;
    if (!mouv__scalar_subtype(subtype->text, subtype->size, &type))
        return wrapper_wrong(wrapped, subtype, wrapper, "a type of two hexadecimal digits");
    uint8_t *data = bson_malloc(base64->size / 4 * 3 + 1);
    bool good = mouv__scalar_base64(base64->text, base64->size, data, &length);
    if (good)
        wrapper_put_binary(wrapper, wrapped, type, data, length);
    else
        wrapper_wrong(wrapped, base64, wrapper, "base64 with its padding");
    bson_free(data);
    return good;
}

/* {"$binary": {"base64": "...", "subType": "00"}}, or as it was: {"$binary": "...", "$type": "00"} */
static bool wrapper_write_binary(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                                 const mouv__json_token_t *value) {
    static const char wanted[] = "{\"base64\": a string, \"subType\": a string}";
    const mouv__json_token_t *old = wrapper_member(wrapped->tokens, wrapped->object, "$type");
    if (old && wrapper_is_string(old) && wrapper_is_string(value))
        return wrapper_write_base64(wrapper, wrapped, value, old);
    if (old) return wrapper_wrong(wrapped, old, wrapper, wanted);
    const mouv__json_token_t *base64 =
        wrapper_of_two(wrapper, wrapped, value, "base64", MOUV__JSON_STRING, wanted);
    const mouv__json_token_t *subtype =
        base64 ? wrapper_of_two(wrapper, wrapped, value, "subType", MOUV__JSON_STRING, wanted)
               : NULL;
    return subtype && wrapper_write_base64(wrapper, wrapped, base64, subtype);
}

static bool wrapper_write_uuid(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                               const mouv__json_token_t *value) {
    uint8_t uuid[16];
    if (!wrapper_is_string(value) || !mouv__scalar_uuid(value->text, value->size, uuid))
        return wrapper_wrong(wrapped, value, wrapper,
                             "a UUID such as 01234567-89ab-cdef-0123-456789abcdef");
    wrapper_put_binary(wrapper, wrapped, BSON_SUBTYPE_UUID, uuid, sizeof uuid);
    return true;
}

/* --- Text ------------------------------------------------------------------------------------- */

static bool wrapper_write_symbol(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                                 const mouv__json_token_t *value) {
    if (!wrapper_is_string(value)) return wrapper_wrong(wrapped, value, wrapper, "a string");
    wrapper_begin(wrapper, wrapped);
    mouv__bytes_string(wrapped->to.bytes, value->text, value->size);
    return true;
}

/* {"$code": "..."} or {"$code": "...", "$scope": {...}}: the scope is a document like others and may be
 * deep, so it is left to the reader. */
static bool wrapper_write_code(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                               const mouv__json_token_t *value) {
    const mouv__json_token_t *tokens = wrapped->tokens,
                             *scope = wrapper_member(tokens, wrapped->object, "$scope");
    uint32_t members = tokens[wrapped->object].size;
    if (members > 2 || (members == 2 && !scope)) return wrapper_wrong_members(wrapped, wrapper);
    if (!wrapper_is_string(value)) return wrapper_wrong(wrapped, value, wrapper, "a string");
    if (!scope) return wrapper_write_symbol(wrapper, wrapped, value);
    uint32_t index = (uint32_t)(scope - tokens);
    if (scope->kind != MOUV__JSON_OBJECT || mouv__wrapper_find(tokens, index))
        return wrapper_wrong(wrapped, scope, wrapper, "a document as the $scope");
    mouv__element_begin(&wrapped->to, BSON_TYPE_CODEWSCOPE);
    wrapped->scope_at = mouv__bytes_reserve_length(wrapped->to.bytes);
    mouv__bytes_string(wrapped->to.bytes, value->text, value->size);
    wrapped->scope = index;
    return true;
}

/* The options in the order in which BSON wants them, each once. */
static bool wrapper_sort_options(const mouv__json_token_t *options, char sorted[8]) {
    static const char known[] = "ilmsux";
    size_t count = 0;
    for (uint32_t i = 0; i < options->size; i++)
        if (!options->text[i] || !strchr(known, options->text[i])) return false;
    for (const char *at = known; *at; at++)
        if (memchr(options->text, *at, options->size)) sorted[count++] = *at;
    sorted[count] = '\0';
    return true;
}

static bool wrapper_put_regex(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                              const mouv__json_token_t *pattern,
                              const mouv__json_token_t *options) {
    char sorted[8];
    if (!wrapper_sort_options(options, sorted))
        return wrapper_wrong(wrapped, options, wrapper, "options among i, l, m, s, u and x");
    const char *text = pattern->text;
    size_t size = pattern->size;
    if (pattern->kind == MOUV__JSON_MARK) {
        const bson_value_t *value = &wrapped->values[pattern->size];
        if (value->value_type != BSON_TYPE_UTF8)
            return wrapper_wrong(wrapped, pattern, wrapper, "a string");
        text = value->value.v_utf8.str;
        size = value->value.v_utf8.len;
    }
    if (memchr(text, '\0', size))
        return wrapper_wrong(wrapped, pattern, wrapper, "a pattern without U+0000");
    wrapper_begin(wrapper, wrapped);
    mouv__bytes_cstring(wrapped->to.bytes, text, size);
    mouv__bytes_cstring(wrapped->to.bytes, sorted, strlen(sorted));
    return true;
}

static bool wrapper_write_regex(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                                const mouv__json_token_t *value) {
    static const char wanted[] = "{\"pattern\": a string, \"options\": a string}";
    const mouv__json_token_t *pattern =
        wrapper_of_two(wrapper, wrapped, value, "pattern", MOUV__JSON_STRING, wanted);
    const mouv__json_token_t *options =
        pattern ? wrapper_of_two(wrapper, wrapped, value, "options", MOUV__JSON_STRING, wanted)
                : NULL;
    return options && wrapper_put_regex(wrapper, wrapped, pattern, options);
}

/* {"$regex": "...", "$options": "..."} and nothing else: see wrapper_is_old_regex(). */
static bool wrapper_write_old_regex(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                                    const mouv__json_token_t *value) {
    const mouv__json_token_t *options =
        wrapper_member(wrapped->tokens, wrapped->object, "$options");
    if (!wrapper_is_string(options)) return wrapper_wrong(wrapped, options, wrapper, "$options");
    return wrapper_put_regex(wrapper, wrapped, value, options);
}

/* --- Nothing but a name ----------------------------------------------------------------------- */

static bool wrapper_write_key(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                              const mouv__json_token_t *value) {
    if (value->kind != MOUV__JSON_NUMBER || value->size != 1 || *value->text != '1')
        return wrapper_wrong(wrapped, value, wrapper, "1");
    wrapper_begin(wrapper, wrapped);
    return true;
}

static bool wrapper_write_undefined(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped,
                                    const mouv__json_token_t *value) {
    if (value->kind != MOUV__JSON_TRUE) return wrapper_wrong(wrapped, value, wrapper, "true");
    wrapper_begin(wrapper, wrapped);
    return true;
}

/* --- All of them ------------------------------------------------------------------------------ */

enum { OLD_REGEX, BINARY };
static const struct mouv__wrapper wrappers[] = {
    [OLD_REGEX] = {"$regex", BSON_TYPE_REGEX, 2, wrapper_write_old_regex},
    [BINARY] = {"$binary", BSON_TYPE_BINARY, 1, wrapper_write_binary},
    {"$oid", BSON_TYPE_OID, 1, wrapper_write_oid},
    {"$date", BSON_TYPE_DATE_TIME, 1, wrapper_write_date},
    {"$numberInt", BSON_TYPE_INT32, 1, wrapper_write_int32},
    {"$numberLong", BSON_TYPE_INT64, 1, wrapper_write_int64},
    {"$numberDouble", BSON_TYPE_DOUBLE, 1, wrapper_write_double},
    {"$numberDecimal", BSON_TYPE_DECIMAL128, 1, wrapper_write_decimal},
    {"$uuid", BSON_TYPE_BINARY, 1, wrapper_write_uuid},
    {"$timestamp", BSON_TYPE_TIMESTAMP, 1, wrapper_write_timestamp},
    {"$regularExpression", BSON_TYPE_REGEX, 1, wrapper_write_regex},
    {"$code", BSON_TYPE_CODE, 0, wrapper_write_code},
    {"$symbol", BSON_TYPE_SYMBOL, 1, wrapper_write_symbol},
    {"$dbPointer", BSON_TYPE_DBPOINTER, 1, wrapper_write_dbpointer},
    {"$minKey", BSON_TYPE_MINKEY, 1, wrapper_write_key},
    {"$maxKey", BSON_TYPE_MAXKEY, 1, wrapper_write_key},
    {"$undefined", BSON_TYPE_UNDEFINED, 1, wrapper_write_undefined},
};

/* As all of MongoDB's tools: a pattern and options, both strings, are a regular expression. With any other
 * operator beside them, or of a regular expression, they are operators, which the server puts together. */
static bool wrapper_is_old_regex(const mouv__json_token_t *tokens, uint32_t object) {
    const mouv__json_token_t *pattern = wrapper_member(tokens, object, "$regex"),
                             *options = wrapper_member(tokens, object, "$options");
    if (!pattern || !options || tokens[object].size != 2) return false;
    return (wrapper_is_string(pattern) || pattern->kind == MOUV__JSON_MARK) &&
           (wrapper_is_string(options) || options->kind == MOUV__JSON_MARK);
}

static const mouv__wrapper_t *wrapper_named(const mouv__json_token_t *key) {
    for (size_t i = BINARY; i < sizeof wrappers / sizeof *wrappers; i++)
        if (wrapper_is(key, wrappers[i].name)) return &wrappers[i];
    return NULL;
}

const mouv__wrapper_t *mouv__wrapper_find(const mouv__json_token_t *tokens, uint32_t index) {
    const mouv__wrapper_t *found = NULL;
    bool dollar = false;
    for (uint32_t i = index + 1; i < tokens[index].end && !found; i = tokens[i + 1].end) {
        if (tokens[i].size == 0 || tokens[i].text[0] != '$') continue;
        dollar = true;
        found = wrapper_named(&tokens[i]);
    }
    if (!found && dollar && wrapper_is_old_regex(tokens, index)) found = &wrappers[OLD_REGEX];
    return found;
}

bool mouv__wrapper_may_be_operators(const mouv__wrapper_t *wrapper) {
    return wrapper == &wrappers[OLD_REGEX];
}

bool mouv__wrapper_write(const mouv__wrapper_t *wrapper, mouv__wrapped_t *wrapped) {
    const mouv__json_token_t *tokens = wrapped->tokens;
    uint32_t members = wrapper->members;
    if (wrapper == &wrappers[BINARY] && wrapper_member(tokens, wrapped->object, "$type"))
        members = 2;
    if (members > 0 && tokens[wrapped->object].size != members)
        return wrapper_wrong_members(wrapped, wrapper);
    wrapped->scope = 0;
    return wrapper->write(wrapper, wrapped, wrapper_member(tokens, wrapped->object, wrapper->name));
}
