/*
 * The one file that knows yajl, whose calls become tokens. yajl gives numbers as text and strings
 * with their length, and says how far it has come, from which each token's beginning is found:
 * between two tokens there are spaces, a colon or a comma. Why yajl: decision 20.
 */
#include "mongo/json/tape.h"

#include <string.h>

#include <bson/bson.h>
#include <yajl/yajl_parse.h>

#include "mongo/json/text.h"

#define FIRST_TOKENS 64
#define WANTS_KEY "expected a key in double quotes"

typedef struct recorder {
    mouv__json_tape_t *tape;
    const char *text;
    size_t size, last; /**< where the last token ended */
    const mouv__json_marks_t *marks;
    size_t marks_met;
    char *unescaped_end;
    yajl_handle yajl;
    mouv__json_fault_t *fault;
    int depth;
    uint32_t open[MOUV__JSON_DEPTH_MAX];
} recorder_t;

/* --- Tokens ----------------------------------------------------------------------------------- */

static size_t tape_skip_between(const char *text, size_t at, size_t end) {
    while (at < end && text[at] && strchr(" \t\r\n,:", text[at])) at++;
    return at;
}

static mouv__json_token_t *tape_add(recorder_t *recorder, mouv__json_kind_t kind) {
    mouv__json_tape_t *tape = recorder->tape;
    if (tape->count == tape->capacity) {
        tape->capacity = tape->capacity ? tape->capacity * 2 : FIRST_TOKENS;
        tape->tokens = bson_realloc(tape->tokens, tape->capacity * sizeof *tape->tokens);
    }
    mouv__json_token_t *token = &tape->tokens[tape->count++];
    size_t at = tape_skip_between(recorder->text, recorder->last, recorder->size);
    recorder->last = yajl_get_bytes_consumed(recorder->yajl);
    *token = (mouv__json_token_t){.end = tape->count, .at = (uint32_t)at, .kind = kind};
    return token;
}

/* A value, no key: whatever it is in has one more. */
static mouv__json_token_t *tape_add_value(recorder_t *recorder, mouv__json_kind_t kind) {
    if (recorder->depth > 0) recorder->tape->tokens[recorder->open[recorder->depth - 1]].size++;
    return tape_add(recorder, kind);
}

static int tape_on_null(void *context) {
    recorder_t *recorder = context;
    const mouv__json_marks_t *marks = recorder->marks;
    mouv__json_token_t *token = tape_add_value(recorder, MOUV__JSON_NULL);
    if (!marks || recorder->marks_met == marks->count) return 1;
    if (marks->at[recorder->marks_met] != token->at) return 1;
    token->kind = MOUV__JSON_MARK;
    token->size = (uint32_t)recorder->marks_met++;
    return 1;
}

static int tape_on_boolean(void *context, int value) {
    tape_add_value(context, value ? MOUV__JSON_TRUE : MOUV__JSON_FALSE);
    return 1;
}

static int tape_on_number(void *context, const char *text, size_t size) {
    mouv__json_token_t *token = tape_add_value(context, MOUV__JSON_NUMBER);
    token->text = text;
    token->size = (uint32_t)size;
    return 1;
}

/* yajl gives a view of the text, or where there were escapes a buffer that it uses again. All that
 * is copied is no longer than what it is written as. */
static const char *tape_keep(recorder_t *recorder, const char *text, size_t size) {
    if (text >= recorder->text && text < recorder->text + recorder->size) return text;
    if (!recorder->tape->unescaped)
        recorder->unescaped_end = recorder->tape->unescaped = bson_malloc(recorder->size);
    char *kept = recorder->unescaped_end;
    memcpy(kept, text, size);
    recorder->unescaped_end += size;
    return kept;
}

static int tape_set_string(recorder_t *recorder, mouv__json_token_t *token, const void *text,
                           size_t size) {
    token->text = tape_keep(recorder, text, size);
    token->size = (uint32_t)size;
    return 1;
}

static int tape_on_string(void *context, const unsigned char *text, size_t size) {
    return tape_set_string(context, tape_add_value(context, MOUV__JSON_STRING), text, size);
}

static int tape_on_key(void *context, const unsigned char *text, size_t size) {
    return tape_set_string(context, tape_add(context, MOUV__JSON_STRING), text, size);
}

static int tape_open(recorder_t *recorder, mouv__json_kind_t kind) {
    const mouv__json_token_t *token = tape_add_value(recorder, kind);
    if (recorder->depth == MOUV__JSON_DEPTH_MAX)
        return mouv__json_wrong(recorder->fault, token->at, "nested too deeply");
    recorder->open[recorder->depth++] = recorder->tape->count - 1;
    return 1;
}

static int tape_on_close(void *context) {
    recorder_t *recorder = context;
    mouv__json_tape_t *tape = recorder->tape;
    tape->tokens[recorder->open[--recorder->depth]].end = tape->count;
    recorder->last = yajl_get_bytes_consumed(recorder->yajl);
    return 1;
}

static int tape_on_object(void *context) {
    return tape_open(context, MOUV__JSON_OBJECT);
}

static int tape_on_array(void *context) {
    return tape_open(context, MOUV__JSON_ARRAY);
}

/* --- Mistakes --------------------------------------------------------------------------------- */

/* Where a token begins that has no place there; yajl says where it ends, or a little before. */
static size_t tape_token_begin(const recorder_t *recorder, size_t consumed) {
    size_t at = tape_skip_between(recorder->text, recorder->last, recorder->size);
    return at < consumed || consumed <= recorder->last ? at : consumed - 1;
}

/* yajl's words, and ours; the first that fits counts. What is not here is said as yajl says it. */
static const struct complaint {
    const char *yajl, *ours;
    enum { AT_TOKEN, AT_BYTE, BEFORE_BYTE, AT_END } where;
} complaints[] = {
    {"premature EOF", "the text ends too early", AT_END},
    {"object key and value must be separated", "expected ':'", AT_TOKEN},
    {"invalid object key", WANTS_KEY, AT_TOKEN},
    {"after key and value", "expected ',' or '}'", AT_TOKEN},
    {"after array element", "expected ',' or ']'", AT_TOKEN},
    {"unallowed token", "expected a value", AT_TOKEN},
    {"trailing garbage", "expected the end after the value", AT_TOKEN},
    {"invalid string in json text", "expected a value", AT_TOKEN},
    {"invalid char in json text", "this is not JSON", BEFORE_BYTE},
    {"inside a string, '\\' occurs", "unknown escape in a string", AT_BYTE},
    {"invalid (non-hex) character", "\\u wants four hexadecimal digits", AT_BYTE},
    {"invalid character inside string", "control character in a string", AT_BYTE},
    {"malformed number", "expected a digit", AT_BYTE},
    {"", NULL, AT_BYTE},
};

static const struct complaint *tape_complaint(const char *words) {
    const struct complaint *row = complaints;
    while (!strstr(words, row->yajl)) row++;
    return row;
}

/* Unquoted keys, and those in single quotes, are what people write most. */
static bool tape_wants_key(const recorder_t *recorder, size_t at) {
    const char *text = recorder->text;
    if (recorder->depth == 0) return false;
    uint32_t inmost = recorder->open[recorder->depth - 1];
    while (at > 0 && text[at - 1] && strchr(" \t\r\n", text[at - 1])) at--;
    return recorder->tape->tokens[inmost].kind == MOUV__JSON_OBJECT && at > 0 &&
           (text[at - 1] == '{' || text[at - 1] == ',');
}

static bool tape_explain(const recorder_t *recorder, bool ended) {
    unsigned char *words = yajl_get_error(recorder->yajl, 0, NULL, 0);
    const struct complaint *row = tape_complaint((const char *)words);
    size_t at = ended ? recorder->size : yajl_get_bytes_consumed(recorder->yajl);
    if (row->where == AT_TOKEN) at = tape_token_begin(recorder, at);
    if (row->where == AT_END) at = recorder->size;
    if (row->where == BEFORE_BYTE && at > 0) at--;
    const char *why = row->ours ? row->ours : (const char *)words;
    if (row->where == BEFORE_BYTE && tape_wants_key(recorder, at)) why = WANTS_KEY;
    mouv__json_wrong(recorder->fault, at, "%.*s", (int)strcspn(why, "\n"), why);
    yajl_free_error(recorder->yajl, words);
    return false;
}

/* --- The text --------------------------------------------------------------------------------- */

static void *tape_yajl_malloc(void *context, size_t size) {
    (void)context;
    return bson_malloc(size);
}

static void *tape_yajl_realloc(void *context, void *memory, size_t size) {
    (void)context;
    return bson_realloc(memory, size);
}

static void tape_yajl_free(void *context, void *memory) {
    (void)context;
    bson_free(memory);
}

static bool tape_record(recorder_t *recorder) {
    yajl_status status =
        yajl_parse(recorder->yajl, (const unsigned char *)recorder->text, recorder->size);
    bool ended = status == yajl_status_ok;
    if (ended) status = yajl_complete_parse(recorder->yajl);
    if (status == yajl_status_client_canceled) return false;
    return status == yajl_status_ok || tape_explain(recorder, ended);
}

bool mouv__json_tape_read(mouv__json_tape_t *tape, const char *text, size_t size,
                          const mouv__json_marks_t *marks, mouv__json_fault_t *fault) {
    static const yajl_callbacks callbacks = {
        .yajl_null = tape_on_null,
        .yajl_boolean = tape_on_boolean,
        .yajl_number = tape_on_number,
        .yajl_string = tape_on_string,
        .yajl_start_map = tape_on_object,
        .yajl_map_key = tape_on_key,
        .yajl_end_map = tape_on_close,
        .yajl_start_array = tape_on_array,
        .yajl_end_array = tape_on_close,
    };
    static yajl_alloc_funcs memory = {tape_yajl_malloc, tape_yajl_realloc, tape_yajl_free, NULL};
    recorder_t recorder = {
        .tape = tape, .text = text, .size = size, .marks = marks, .fault = fault};
    *tape = (mouv__json_tape_t){0};
    if (size > INT32_MAX) return mouv__json_wrong(fault, 0, "longer than 2 GiB");
    if (!mouv__json_text_check(text, size, fault)) return false;
    recorder.yajl = yajl_alloc(&callbacks, &memory, &recorder);
    yajl_config(recorder.yajl, yajl_dont_validate_strings, 1); /* done already, and better */
    bool good = tape_record(&recorder);
    yajl_free(recorder.yajl);
    return good;
}

void mouv__json_tape_clear(mouv__json_tape_t *tape) {
    bson_free(tape->tokens);
    bson_free(tape->unescaped);
    *tape = (mouv__json_tape_t){0};
}

const char *mouv__json_kind_name(mouv__json_kind_t kind) {
    static const char *const names[] = {"null",     "false",    "true",       "a number",
                                        "a string", "an array", "a document", "a placeholder"};
    return names[kind];
}
