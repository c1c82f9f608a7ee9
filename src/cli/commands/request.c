/*
 * One parser for the options of all data commands, and one table of how each becomes a field.
 */
#include "cli/commands/request.h"

#include <stdlib.h>
#include <string.h>

#include "cli/json.h"

static const struct field {
    int key;
    const char *name; /* in the query */
    unsigned as;
    int64_t min;
    const char *option;
} fields[] = {
    {CLI_OPT_SORT, "sort", CLI_JSON_DOCUMENT, 0, "--sort"},
    {CLI_OPT_PROJECTION, "projection", CLI_JSON_DOCUMENT, 0, "--projection"},
    {CLI_OPT_SKIP, "skip", CLI_AS_NUMBER, 0, "--skip"},
    {CLI_OPT_LIMIT, "limit", CLI_AS_NUMBER, 0, "--limit"},
    {CLI_OPT_BATCH_SIZE, "batchSize", CLI_AS_NUMBER, 1, "--batch-size"},
    {CLI_OPT_HINT, "hint", CLI_AS_HINT, 0, "--hint"},
    {CLI_OPT_ESTIMATED, "estimated", CLI_AS_TRUE, 0, "--estimated"},
    {CLI_OPT_MANY, "many", CLI_AS_TRUE, 0, "--many"},
    {CLI_OPT_UPSERT, "upsert", CLI_AS_TRUE, 0, "--upsert"},
    {CLI_OPT_REPLACE, "replace", CLI_AS_TRUE, 0, "--replace"},
    {CLI_OPT_ARRAY_FILTERS, "arrayFilters", CLI_JSON_ARRAY, 0, "--array-filters"},
    {CLI_OPT_UNORDERED, "ordered", CLI_AS_FALSE, 0, "--unordered"},
    {CLI_OPT_OPTIONS, NULL, CLI_AS_FIELDS, 0, "--options"},
};
enum { FIELDS = sizeof fields / sizeof *fields };

struct request {
    struct cli_common common;
    const struct cli_request_type *type;
    const char *arguments[CLI_MOST_ARGUMENTS];
    int count;
    const char *options[FIELDS]; /* the text, or "" of an option without one; NULL: not given */
    bool stdin_taken;
};

const struct argp_child mouv_cli_request_children[] = {
    {&mouv_cli_output_argp, 0, NULL, 0},
    {&mouv_cli_common_argp, 0, NULL, 0},
    {0},
};

static bool request_takes(const struct cli_request_type *type, int index) {
    return index < CLI_MOST_ARGUMENTS && type->arguments[index].field;
}

static void request_add_argument(struct request *request, char *text,
                                 const struct argp_state *state) {
    if (!request_takes(request->type, request->count))
        mouv_cli_usage(state, "one argument too many: %s", text);
    request->arguments[request->count++] = text;
}

static void request_check_arguments(const struct request *request, const struct argp_state *state) {
    if (!request_takes(request->type, request->count)) return;
    const struct cli_argument *next = &request->type->arguments[request->count];
    bool is_name = request->count == 0 && next->as == CLI_AS_TEXT;
    if (!next->optional) mouv_cli_usage(state, "%s: missing", is_name ? "collection" : next->field);
}

static error_t request_set_option(struct request *request, int key, const char *text,
                                  const struct argp_state *state) {
    for (int i = 0; i < FIELDS; i++) {
        if (fields[i].key != key) continue;
        if (fields[i].as == CLI_AS_NUMBER)
            mouv_cli_number(state, fields[i].option, text, fields[i].min, INT32_MAX);
        request->options[i] = text ? text : "";
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

error_t mouv_cli_parse_request(int key, char *text, struct argp_state *state) {
    struct request *request = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->child_inputs[1] = &request->common;
        return 0;
    case ARGP_KEY_ARG:
        request_add_argument(request, text, state);
        return 0;
    case ARGP_KEY_END:
        request_check_arguments(request, state);
        return 0;
    default:
        return request_set_option(request, key, text, state);
    }
}

/* --- The query, built in the coroutine because "-" reads standard input ---------------------- */

/* A mistake in what was typed: "filter: expected ':' at position 9". */
static int request_blame(mouv_error_t *error, const char *name) {
    if (error->code != CLI_EDATA && error->code != CLI_EIO) return error->code;
    mouv_error_t why = *error;
    return mouv_cli_fail(error, why.code == CLI_EDATA ? CLI_EUSAGE : CLI_EIO, "%s: %s", name,
                         why.message);
}

static int request_read_stdin(struct cli_run *run, struct request *request, struct cli_piece *piece,
                              mouv_error_t *error) {
    if (request->stdin_taken)
        return mouv_cli_fail(error, CLI_EDATA, "standard input can be read only once");
    request->stdin_taken = true;
    int rc = mouv_cli_input_open(&run->input, "-", error);
    return rc < 0 ? rc : mouv_cli_input_all(&run->input, piece, error);
}

static bson_t *request_parse_json(struct cli_run *run, struct request *request, const char *text,
                                  unsigned kinds, bool *is_array, mouv_error_t *error) {
    struct cli_piece piece = {text, strlen(text), 1};
    if (strcmp(text, "-") == 0 && request_read_stdin(run, request, &piece, error) < 0) return NULL;
    return mouv_cli_json_parse(piece.text, piece.size_bytes, kinds, is_array, error);
}

struct target {
    struct cli_run *run;
    struct request *request;
    bson_t *query;
};

static int request_append_json(const struct target *target, const char *name, const char *text,
                               unsigned as, mouv_error_t *error) {
    bool is_array = false;
    unsigned kinds = as & CLI_AS_JSON ? as & CLI_AS_JSON : CLI_JSON_DOCUMENT;
    bson_t *json = request_parse_json(target->run, target->request, text, kinds, &is_array, error);
    if (!json) return error->code;
    bool fits = as == CLI_AS_FIELDS ? bson_concat(target->query, json)
                : is_array          ? BSON_APPEND_ARRAY(target->query, name, json)
                                    : BSON_APPEND_DOCUMENT(target->query, name, json);
    bson_destroy(json);
    return fits ? 0 : mouv_cli_fail(error, CLI_EDATA, "too large");
}

/* Adds one argument to the query, as its table row says. */
static int request_append(const struct target *target, const char *name, const char *text,
                          unsigned as, mouv_error_t *error) {
    bson_t *query = target->query;
    if (as & CLI_AS_STREAM && strcmp(text, "-") == 0) {
        BSON_APPEND_NULL(query, name);
        return 0;
    }
    if (as == CLI_AS_HINT) as = *text == '{' ? CLI_JSON_DOCUMENT : CLI_AS_TEXT;
    switch (as) {
    case CLI_AS_TEXT:
        break;
    case CLI_AS_NUMBER:
        BSON_APPEND_INT64(query, name, strtoll(text, NULL, 10));
        return 0;
    case CLI_AS_TRUE:
        BSON_APPEND_BOOL(query, name, true);
        return 0;
    case CLI_AS_FALSE:
        BSON_APPEND_BOOL(query, name, false);
        return 0;
    default:
        return request_append_json(target, name, text, as, error);
    }
    if (!bson_utf8_validate(text, strlen(text), false))
        return mouv_cli_fail(error, CLI_EDATA, "not UTF-8");
    BSON_APPEND_UTF8(query, name, text);
    return 0;
}

static int request_build(const struct target *target, mouv_error_t *error) {
    const struct request *request = target->request;
    for (int i = 0; i < request->count; i++) {
        const struct cli_argument *argument = &request->type->arguments[i];
        if (request_append(target, argument->field, request->arguments[i], argument->as, error) < 0)
            return request_blame(error, argument->field);
    }
    for (int i = 0; i < FIELDS; i++) {
        if (!request->options[i]) continue;
        if (request_append(target, fields[i].name, request->options[i], fields[i].as, error) < 0)
            return request_blame(error, fields[i].option);
    }
    return 0;
}

static int request_body(struct cli_run *run, void *arg, mouv_error_t *error) {
    struct request *request = arg;
    bson_t query = BSON_INITIALIZER;
    struct cli_job job = {run, &query, 0};
    int rc = request_build(&(struct target){run, request, &query}, error);
    if (rc == 0) rc = mouv_cli_job_check(&job, error);
    if (rc == 0) rc = request->type->run(&job, error);
    bson_destroy(&query);
    return rc;
}

int mouv_cli_request(const struct cli_request_type *type, int argc, char **argv,
                     const struct cli_common *common) {
    struct request request = {.common = *common, .type = type};
    mouv_cli_parse(&type->argp, argc, argv, &request);
    return mouv_cli_run(&request.common, request_body, &request);
}
