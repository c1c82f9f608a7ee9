/*
 * The syntax check is our own because libbson's parser tells a byte and an internal state at best,
 * reads on after the first value's end and takes an array for a document.
 */
#include "cli/json.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "cli/cli.h"

enum { MOST_DEPTH = 90 }; /* libbson refuses 100 */

struct scan {
    const char *at, *end;
    int depth;
    const char *wrong; /* what is wrong at `at` */
};

static bool json_scan_value(struct scan *scan);

static bool json_wrong(struct scan *scan, const char *what) {
    scan->wrong = what;
    return false;
}

static void json_skip_space(struct scan *scan) {
    while (scan->at < scan->end && *scan->at && strchr(" \t\r\n", *scan->at)) scan->at++;
}

static bool json_accept(struct scan *scan, char c) {
    json_skip_space(scan);
    if (scan->at == scan->end || *scan->at != c) return false;
    scan->at++;
    return true;
}

static bool json_scan_escape(struct scan *scan) {
    if (scan->at == scan->end) return json_wrong(scan, "unfinished string");
    char c = *scan->at;
    if (c != 'u') {
        if (!c || !strchr("\"\\/bfnrt", c)) return json_wrong(scan, "unknown escape in a string");
        scan->at++;
        return true;
    }
    for (int i = 1; i <= 4; i++)
        if (scan->end - scan->at <= i || !isxdigit((unsigned char)scan->at[i]))
            return json_wrong(scan, "\\u wants four hexadecimal digits");
    scan->at += 5;
    return true;
}

static bool json_scan_string(struct scan *scan) {
    for (scan->at++; scan->at < scan->end; scan->at++) {
        if (*scan->at == '"') {
            scan->at++;
            return true;
        }
        if ((unsigned char)*scan->at < ' ')
            return json_wrong(scan, "control character in a string");
        if (*scan->at != '\\') continue;
        scan->at++;
        if (!json_scan_escape(scan)) return false;
        scan->at--;
    }
    return json_wrong(scan, "unfinished string");
}

static bool json_scan_digits(struct scan *scan) {
    const char *begin = scan->at;
    while (scan->at < scan->end && isdigit((unsigned char)*scan->at)) scan->at++;
    return scan->at > begin || json_wrong(scan, "expected a digit");
}

static bool json_at_one_of(const struct scan *scan, const char *set) {
    return scan->at < scan->end && *scan->at && strchr(set, *scan->at);
}

static bool json_scan_number(struct scan *scan) {
    if (*scan->at == '-') scan->at++;
    if (json_at_one_of(scan, "0"))
        scan->at++;
    else if (!json_scan_digits(scan))
        return false;
    if (json_at_one_of(scan, "0123456789"))
        return json_wrong(scan, "a number may not begin with 0");
    if (json_at_one_of(scan, ".")) {
        scan->at++;
        if (!json_scan_digits(scan)) return false;
    }
    if (!json_at_one_of(scan, "eE")) return true;
    scan->at++;
    if (json_at_one_of(scan, "+-")) scan->at++;
    return json_scan_digits(scan);
}

static bool json_scan_word(struct scan *scan) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(scan->end - scan->at) < length || memcmp(scan->at, words[i], length) != 0)
            continue;
        scan->at += length;
        return true;
    }
    return json_wrong(scan, "expected a value");
}

static bool json_scan_key(struct scan *scan) {
    json_skip_space(scan);
    if (!json_at_one_of(scan, "\"")) return json_wrong(scan, "expected a key in double quotes");
    if (!json_scan_string(scan)) return false;
    return json_accept(scan, ':') || json_wrong(scan, "expected ':'");
}

/* The members of an object or the elements of an array, after its opening bracket. */
static bool json_scan_members(struct scan *scan, bool object) {
    char close = object ? '}' : ']';
    scan->at++;
    if (json_accept(scan, close)) return true;
    if (++scan->depth > MOST_DEPTH) return json_wrong(scan, "nested too deeply");
    do {
        if (object && !json_scan_key(scan)) return false;
        if (!json_scan_value(scan)) return false;
    } while (json_accept(scan, ','));
    scan->depth--;
    if (json_accept(scan, close)) return true;
    return json_wrong(scan, object ? "expected ',' or '}'" : "expected ',' or ']'");
}

static bool json_scan_value(struct scan *scan) {
    json_skip_space(scan);
    if (scan->at == scan->end) return json_wrong(scan, "expected a value");
    switch (*scan->at) {
    case '{':
        return json_scan_members(scan, true);
    case '[':
        return json_scan_members(scan, false);
    case '"':
        return json_scan_string(scan);
    default:
        break;
    }
    if (*scan->at == '-' || isdigit((unsigned char)*scan->at)) return json_scan_number(scan);
    return json_scan_word(scan);
}

static bool json_scan_text(struct scan *scan) {
    if (!json_scan_value(scan)) return false;
    json_skip_space(scan);
    return scan->at == scan->end || json_wrong(scan, "expected the end after the value");
}

/* "expected ':' at position 9 ("30}")" */
static int json_explain(const struct scan *scan, const char *text, mouv_error_t *error) {
    char near[24] = "at the end", where[64];
    int line = 1;
    const char *line_begin = text;
    for (const char *at = text; at < scan->at; at++) {
        if (*at != '\n') continue;
        line++;
        line_begin = at + 1;
    }
    if (line > 1)
        snprintf(where, sizeof where, "line %d, position %td", line, scan->at - line_begin + 1);
    else
        snprintf(where, sizeof where, "position %td", scan->at - text + 1);
    int rest = (int)(scan->end - scan->at < 12 ? scan->end - scan->at : 12);
    for (int i = 0; i < rest; i++)
        if ((unsigned char)scan->at[i] < ' ' || (unsigned char)scan->at[i] > '~') rest = i;
    if (rest > 0) snprintf(near, sizeof near, "before '%.*s'", rest, scan->at);
    if (scan->at < scan->end && rest == 0) near[0] = '\0';
    return mouv_cli_fail(error, CLI_EDATA, "%s at %s%s%s", scan->wrong, where, *near ? ", " : "",
                         near);
}

static unsigned json_kind_of(const char *text, size_t size_bytes) {
    struct scan scan = {.at = text, .end = text + size_bytes};
    json_skip_space(&scan);
    return json_at_one_of(&scan, "{")   ? CLI_JSON_DOCUMENT
           : json_at_one_of(&scan, "[") ? CLI_JSON_ARRAY
                                        : 0;
}

static const char *json_kind_name(char first) {
    if (first == '{') return "a document";
    if (first == '[') return "an array";
    if (first == '"') return "a string";
    if (first == 't' || first == 'f') return "true or false";
    return first == 'n' ? "null" : "a number";
}

static int json_refuse_kind(const char *text, size_t size_bytes, unsigned kinds,
                            mouv_error_t *error) {
    static const char *const wanted[] = {"", "a document", "an array", "a document or an array"};
    struct scan scan = {.at = text, .end = text + size_bytes};
    json_skip_space(&scan);
    return mouv_cli_fail(error, CLI_EDATA, "expected %s, not %s", wanted[kinds],
                         json_kind_name(*scan.at));
}

static bson_t *json_parse_document(const char *text, size_t size_bytes, mouv_error_t *error) {
    bson_error_t why;
    bson_t *document = bson_new_from_json((const uint8_t *)text, (ssize_t)size_bytes, &why);
    if (!document) mouv_cli_fail(error, CLI_EDATA, "%s", why.message);
    return document;
}

/* Inside a document, because what libbson makes of a bare array differs between its releases. */
static bson_t *json_parse_array(const char *text, size_t size_bytes, mouv_error_t *error) {
    char *wrapped = bson_strdup_printf("{\"a\":%.*s}", (int)size_bytes, text);
    bson_t *document = json_parse_document(wrapped, strlen(wrapped), error), *array = NULL;
    bson_iter_t iter;
    bson_free(wrapped);
    if (document && bson_iter_init_find(&iter, document, "a")) {
        const uint8_t *data;
        uint32_t length;
        bson_iter_array(&iter, &length, &data);
        array = bson_new_from_data(data, length);
    }
    if (document) bson_destroy(document);
    return array;
}

bson_t *mouv_cli_json_parse(const char *text, size_t size_bytes, unsigned kinds, bool *is_array,
                            mouv_error_t *error) {
    struct scan scan = {.at = text, .end = text + size_bytes};
    if (!json_scan_text(&scan)) {
        json_explain(&scan, text, error);
        return NULL;
    }
    unsigned kind = json_kind_of(text, size_bytes);
    if (!(kind & kinds)) {
        json_refuse_kind(text, size_bytes, kinds, error);
        return NULL;
    }
    if (is_array) *is_array = kind == CLI_JSON_ARRAY;
    return kind == CLI_JSON_ARRAY ? json_parse_array(text, size_bytes, error)
                                  : json_parse_document(text, size_bytes, error);
}
