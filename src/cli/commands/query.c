/*
 * query: the lines of a file, carried out by a number of coroutines that take the next one each.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands/job.h"
#include "cli/json.h"

enum { DEFAULT_CONCURRENCY = 16, MOST_CONCURRENCY = 1000, TURNS = 4 };

static const struct verb {
    const char *name;
    cli_job_fn_t run;
} verbs[] = {
    {"find", mouv_cli_run_find},     {"aggregate", mouv_cli_run_aggregate},
    {"count", mouv_cli_run_count},   {"distinct", mouv_cli_run_distinct},
    {"insert", mouv_cli_run_insert}, {"update", mouv_cli_run_update},
    {"delete", mouv_cli_run_delete}, {"command", mouv_cli_run_command},
};

struct query {
    struct cli_common common;
    const char *path;
    int64_t concurrency;
    struct cli_run *run;
};

/* --- One line -------------------------------------------------------------------------------- */

struct line {
    struct cli_job job;
    cli_job_fn_t run;
};

static int query_line_task(void *arg) {
    const struct line *line = arg;
    mouv_error_t error;
    int rc = line->run(&line->job, &error);
    return rc < 0 ? mouv_fail_with(&error) : 0;
}

/* "timeoutMS" of the line; 0 is none. */
static int64_t query_line_timeout_ms(const struct cli_job *job) {
    bson_iter_t iter;
    return bson_iter_init_find(&iter, job->query, "timeoutMS") ? bson_iter_as_int64(&iter) : 0;
}

/* As query_line_task(), within the line's own time, whoever noticed its end: we or the server. */
static int query_run_in_time(struct line *line, int64_t timeout_ms, mouv_error_t *error) {
    int rc = mouv_with_timeout(timeout_ms, query_line_task, line, error);
    if (rc != MOUV_ETIMEDOUT) return rc;
    return mouv_cli_fail(error, rc, "timed out after %lld ms", (long long)timeout_ms);
}

static int query_run_line(const struct cli_job *job, mouv_error_t *error) {
    const char *name = mouv_cli_job_verb(job);
    int64_t timeout_ms = query_line_timeout_ms(job);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].name, name) != 0) continue;
        if (mouv_cli_job_check(job, error) < 0) return error->code;
        if (timeout_ms <= 0) return verbs[i].run(job, error);
        return query_run_in_time(&(struct line){*job, verbs[i].run}, timeout_ms, error);
    }
    return mouv_cli_fail(error, CLI_EDATA, "no such operation: \"%s\"", name);
}

static bool query_is_comment(const struct cli_piece *piece) {
    const char *at = piece->text, *end = at + piece->size_bytes;
    while (at < end && isspace((unsigned char)*at)) at++;
    return at == end || *at == '#' || (end - at >= 2 && at[0] == '/' && at[1] == '/');
}

/* Whether a line ended because the time of the whole run is up: its worker was cancelled, or the
 * server, which is told the deadline, was a moment faster. */
static bool query_is_out_of_time(const struct cli_job *job, const mouv_error_t *error) {
    if (job->run->common->timeout_ms == 0) return false;
    if (error->code == MOUV_ECANCELED || error->code == MOUV_EUNKNOWN)
        return mouv_time_left_ms() <= 0;
    return error->code == MOUV_ETIMEDOUT && query_line_timeout_ms(job) <= 0 &&
           !bson_has_field(job->query, "maxTimeMS");
}

/* Says what is wrong with a line, and that the whole has failed. Of a cancelled one nothing is
 * said, unless the time is up: then people want to know where. */
static void query_report_line(const struct cli_job *job, bool out_of_time, mouv_error_t *error) {
    char *place = bson_strdup_printf("%s:%lld", job->run->input.name, (long long)job->line);
    if (out_of_time) {
        error->code = MOUV_ETIMEDOUT;
        snprintf(error->message, sizeof error->message, "not finished in time");
    }
    mouv_cli_report(place, error);
    job->run->status = CLI_FAILED;
    bson_free(place);
}

/* Only what ends the whole run is an error: broken output, the end of the time, a cancel. */
static int query_take_line(struct cli_run *run, const struct cli_piece *piece,
                           mouv_error_t *error) {
    struct cli_job job = {run, NULL, piece->line};
    bson_t nothing = BSON_INITIALIZER;
    bson_t *query =
        mouv_cli_json_parse(piece->text, piece->size_bytes, CLI_JSON_DOCUMENT, NULL, error);
    job.query = query ? query : &nothing;
    int rc = query ? query_run_line(&job, error) : CLI_EDATA;
    if (rc < 0 && !run->output.broken) {
        bool out_of_time = query_is_out_of_time(&job, error);
        query_report_line(&job, out_of_time, error);
        if (rc != MOUV_ECANCELED && !out_of_time) rc = 0;
    }
    bson_destroy(query);
    return rc < 0 ? rc : 0;
}

/* --- All of them ----------------------------------------------------------------------------- */

static int query_worker(void *arg) {
    const struct query *query = arg;
    struct cli_piece piece;
    mouv_error_t error;
    int rc;
    while ((rc = mouv_cli_input_line(&query->run->input, &piece, &error)) > 0) {
        if (query_is_comment(&piece)) continue;
        rc = query_take_line(query->run, &piece, &error);
        if (rc == 0) rc = mouv_cli_output_flush(&query->run->output, &error);
        if (rc < 0) break;
    }
    return rc < 0 ? mouv_fail_with(&error) : 0;
}

static int query_body(struct cli_run *run, void *arg, mouv_error_t *error) {
    struct query *query = arg;
    mouv_future_t workers[MOST_CONCURRENCY];
    size_t count = (size_t)query->concurrency;
    mouv_semaphore_t turns;
    query->run = run;
    if (mouv_cli_input_open(&run->input, query->path, error) < 0) return error->code;
    mouv_semaphore_init(&turns, TURNS);
    run->turns = &turns;
    for (size_t i = 0; i < count; i++) workers[i] = mouv_coro(query_worker, query);
    int rc = mouv_await(mouv_gather_array(workers, count), error);
    mouv_semaphore_clear(&turns);
    return rc;
}

/* --- The command line ------------------------------------------------------------------------ */

static const struct argp_option options[] = {
    {"concurrency", 'c', "N", 0, "How many lines are worked on at once (default 16)", 0},
    {0},
};

static error_t query_parse(int key, char *text, struct argp_state *state) {
    struct query *query = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->child_inputs[1] = &query->common;
        return 0;
    case 'c':
        query->concurrency = mouv_cli_number(state, "--concurrency", text, 1, MOST_CONCURRENCY);
        return 0;
    case ARGP_KEY_ARG:
        if (query->path) mouv_cli_usage(state, "one argument too many: %s", text);
        query->path = text;
        return 0;
    case ARGP_KEY_END:
        if (!query->path) mouv_cli_usage(state, "FILE: missing");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char doc[] =
    "Run the queries in FILE ('-' is standard input), one JSON document a line, concurrently. Each "
    "result is printed as it arrives, as {\"line\": NUMBER, \"result\": ...}. A line that fails is "
    "named on standard error and the others go on; the exit status is then 1.\v"
    "A line's first field is the operation; other fields are passed on as its options. Empty lines "
    "and lines that begin with # are skipped. Every line may have \"db\" and \"timeoutMS\".\n\n"
    "  {\"find\": \"shop.users\", \"filter\": {\"age\": 30}, \"limit\": 3}\n"
    "  {\"aggregate\": \"shop.orders\", \"pipeline\": [{\"$count\": \"n\"}]}\n"
    "  {\"count\": \"shop.users\", \"filter\": {\"age\": 30}}\n"
    "  {\"distinct\": \"shop.users\", \"key\": \"city\", \"filter\": {}}\n"
    "  {\"insert\": \"shop.users\", \"documents\": [{\"_id\": 7}]}\n"
    "  {\"update\": \"shop.users\", \"filter\": {\"_id\": 7},\n"
    "   \"change\": {\"$set\": {\"age\": 31}}, \"many\": false}\n"
    "  {\"delete\": \"shop.users\", \"filter\": {\"_id\": 7}, \"many\": false}\n"
    "  {\"command\": {\"dbStats\": 1}, \"db\": \"shop\"}\n\n"
    "Examples:\n"
    "  mouv query --concurrency 32 queries.jsonl\n"
    "  mouv query - <queries.jsonl | jq -c 'select(.line == 3).result'\n";

int mouv_cli_query(int argc, char **argv, const struct cli_common *common) {
    static const struct argp_child children[] = {
        {&mouv_cli_output_argp, 0, NULL, 0}, {&mouv_cli_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {options, query_parse, "FILE", doc, children, NULL, NULL};
    struct query query = {.common = *common, .concurrency = DEFAULT_CONCURRENCY};
    mouv_cli_parse(&argp, argc, argv, &query);
    return mouv_cli_run(&query.common, query_body, &query);
}
