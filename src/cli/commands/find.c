/*
 * The commands that read: find, aggregate, count, distinct.
 */
#include "cli/commands/job.h"
#include "cli/commands/request.h"
#include "cli/json.h"

/* --- What they do ---------------------------------------------------------------------------- */

/* Prints what is at hand before it waits for more. */
static int find_print_batch(const struct cli_job *job, mouv_cursor_t *cursor, mouv_error_t *error) {
    const bson_t *document;
    while (mouv_cursor_next_buffered(cursor, &document) > 0) {
        int rc = mouv_cli_job_print(job, document, error);
        if (rc < 0) return rc;
    }
    return mouv_cli_output_flush(&job->run->output, error);
}

/* One more batch: 1, 0 at the end, or an error. */
static int find_print_next(const struct cli_job *job, mouv_cursor_t *cursor, mouv_error_t *error) {
    int rc = mouv_await(mouv_cursor_fetch(cursor), error);
    if (rc <= 0) return rc;
    rc = find_print_batch(job, cursor, error);
    return rc < 0 ? rc : 1;
}

/* Batches of 16 MiB, one for each of a thousand lines, would be in memory while a reader is slow. */
static int find_print_in_turn(const struct cli_job *job, mouv_cursor_t *cursor,
                              mouv_error_t *error) {
    mouv_semaphore_t *turns = job->run->turns;
    if (!turns) return find_print_next(job, cursor, error);
    int rc = mouv_await(mouv_semaphore_acquire_future(turns), error);
    if (rc < 0) return rc;
    rc = find_print_next(job, cursor, error);
    mouv_semaphore_release(turns);
    return rc;
}

/* Takes the cursor. */
static int find_print_cursor(const struct cli_job *job, mouv_cursor_t *cursor,
                             mouv_error_t *error) {
    int rc = find_print_next(job, cursor, error);
    while (rc > 0) rc = find_print_in_turn(job, cursor, error);
    mouv_cursor_unref(cursor);
    return rc;
}

/* The options of a call that makes a cursor; of many cursors none fetches ahead. */
static void find_add_prefetch(const struct cli_job *job, bson_t *opts) {
    if (job->run->turns && !bson_has_field(opts, "prefetch"))
        BSON_APPEND_BOOL(opts, "prefetch", false);
}

int mouv_cli_run_find(const struct cli_job *job, mouv_error_t *error) {
    mouv_collection_t *collection;
    bson_t filter;
    if (mouv_cli_job_collection(job, &collection, error) < 0) return error->code;
    if (mouv_cli_job_field(job, "filter", CLI_JSON_DOCUMENT, true, &filter, error) < 0)
        return error->code;
    bson_t *opts = mouv_cli_job_opts(job, "filter", NULL);
    find_add_prefetch(job, opts);
    mouv_cursor_t *cursor = mouv_collection_find(collection, &filter, opts);
    bson_destroy(opts);
    return find_print_cursor(job, cursor, error);
}

/* Takes the cursor. */
static int find_print_plan(const struct cli_job *job, mouv_cursor_t *cursor, mouv_error_t *error) {
    bson_t *plan = NULL;
    int rc = mouv_await(mouv_cursor_explain(cursor, NULL, &plan), error);
    if (rc >= 0) rc = mouv_cli_job_print(job, plan, error);
    bson_destroy(plan);
    mouv_cursor_unref(cursor);
    return rc;
}

int mouv_cli_run_aggregate(const struct cli_job *job, mouv_error_t *error) {
    mouv_collection_t *collection;
    bson_t pipeline;
    if (mouv_cli_job_collection(job, &collection, error) < 0) return error->code;
    if (mouv_cli_job_field(job, "pipeline", CLI_JSON_ARRAY, false, &pipeline, error) < 0)
        return error->code;
    bson_t *opts = mouv_cli_job_opts(job, "pipeline", "explain", NULL);
    find_add_prefetch(job, opts);
    mouv_cursor_t *cursor = mouv_collection_aggregate(collection, &pipeline, opts);
    bson_destroy(opts);
    return mouv_cli_job_flag(job, "explain") ? find_print_plan(job, cursor, error)
                                             : find_print_cursor(job, cursor, error);
}

static int find_print_count(const struct cli_job *job, int64_t count, mouv_error_t *error) {
    bson_t document = BSON_INITIALIZER;
    bson_iter_t iter;
    BSON_APPEND_INT64(&document, "n", count);
    bson_iter_init_find(&iter, &document, "n");
    int rc = mouv_cli_job_print_value(job, &iter, error);
    bson_destroy(&document);
    return rc;
}

int mouv_cli_run_count(const struct cli_job *job, mouv_error_t *error) {
    mouv_collection_t *collection;
    bson_t filter;
    int64_t count = 0;
    if (mouv_cli_job_collection(job, &collection, error) < 0) return error->code;
    if (mouv_cli_job_field(job, "filter", CLI_JSON_DOCUMENT, true, &filter, error) < 0)
        return error->code;
    bool estimated = mouv_cli_job_flag(job, "estimated");
    if (estimated && !bson_empty(&filter))
        return mouv_cli_fail(error, CLI_EUSAGE, "an estimated count takes no filter");
    bson_t *opts = mouv_cli_job_opts(job, "filter", "estimated", NULL);
    mouv_future_t counted =
        estimated ? mouv_collection_estimated_document_count(collection, opts, &count)
                  : mouv_collection_count_documents(collection, &filter, opts, &count);
    bson_destroy(opts);
    int rc = mouv_await(counted, error);
    return rc < 0 ? rc : find_print_count(job, count, error);
}

static int find_print_values(const struct cli_job *job, const bson_t *values, mouv_error_t *error) {
    bson_iter_t iter;
    bson_iter_init(&iter, values);
    while (bson_iter_next(&iter)) {
        int rc = mouv_cli_job_print_value(job, &iter, error);
        if (rc < 0) return rc;
    }
    return 0;
}

int mouv_cli_run_distinct(const struct cli_job *job, mouv_error_t *error) {
    mouv_collection_t *collection;
    bson_t filter, *values = NULL;
    if (mouv_cli_job_collection(job, &collection, error) < 0) return error->code;
    const char *key = mouv_cli_job_string(job, "key", error);
    if (!key) return error->code;
    if (mouv_cli_job_field(job, "filter", CLI_JSON_DOCUMENT, true, &filter, error) < 0)
        return error->code;
    bson_t *opts = mouv_cli_job_opts(job, "key", "filter", NULL);
    mouv_future_t found = mouv_collection_distinct(collection, key, &filter, opts, &values);
    bson_destroy(opts);
    int rc = mouv_await(found, error);
    if (rc >= 0) rc = find_print_values(job, values, error);
    bson_destroy(values);
    return rc;
}

/* --- Their command lines --------------------------------------------------------------------- */

static const struct argp_option find_options[] = {
    {"sort", CLI_OPT_SORT, "JSON", 0, "The order, for example '{\"age\": -1}'", 0},
    {"projection", CLI_OPT_PROJECTION, "JSON", 0, "The fields to show", 0},
    CLI_OPTION_SKIP,
    CLI_OPTION_LIMIT,
    CLI_OPTION_BATCH_SIZE,
    CLI_OPTION_HINT,
    CLI_OPTION_OPTIONS,
    {0},
};

static const struct cli_request_type find_type = {
    CLI_REQUEST_ARGP(find_options, "[DATABASE.]COLLECTION [FILTER]",
                     "Print the documents that match FILTER (Extended JSON; '-' reads standard "
                     "input; default: all), one a line.\v"
                     "Examples:\n"
                     "  mouv find shop.users '{\"age\": {\"$gt\": 30}}' --limit 3\n"
                     "  mouv find shop.users --sort '{\"age\": -1}' | jq .name\n"
                     "  echo '{\"city\": \"Berlin\"}' | mouv find shop.users - --pretty\n"),
    {{"find", CLI_AS_TEXT, false}, {"filter", CLI_JSON_DOCUMENT, true}},
    mouv_cli_run_find,
};

int mouv_cli_find(int argc, char **argv, const struct cli_common *common) {
    return mouv_cli_request(&find_type, argc, argv, common);
}

static const struct argp_option aggregate_options[] = {
    CLI_OPTION_BATCH_SIZE,
    CLI_OPTION_HINT,
    CLI_OPTION_OPTIONS,
    {0},
};

static const struct cli_request_type aggregate_type = {
    CLI_REQUEST_ARGP(aggregate_options, "[DATABASE.]COLLECTION PIPELINE",
                     "Run PIPELINE, an array of stages, and print its documents, one a line.\v"
                     "Examples:\n"
                     "  mouv aggregate shop.orders '[{\"$sortByCount\": \"$status\"}]'\n"
                     "  mouv aggregate shop.orders - <pipeline.json\n"),
    {{"aggregate", CLI_AS_TEXT, false}, {"pipeline", CLI_JSON_ARRAY, false}},
    mouv_cli_run_aggregate,
};

int mouv_cli_aggregate(int argc, char **argv, const struct cli_common *common) {
    return mouv_cli_request(&aggregate_type, argc, argv, common);
}

static const struct argp_option count_options[] = {
    {"estimated", CLI_OPT_ESTIMATED, NULL, 0, "Take the number from the collection's metadata", 0},
    CLI_OPTION_SKIP,
    CLI_OPTION_LIMIT,
    CLI_OPTION_HINT,
    CLI_OPTION_OPTIONS,
    {0},
};

static const struct cli_request_type count_type = {
    CLI_REQUEST_ARGP(count_options, "[DATABASE.]COLLECTION [FILTER]",
                     "Print the number of documents that match FILTER (default: all).\v"
                     "Examples:\n"
                     "  mouv count shop.users '{\"city\": \"Berlin\"}'\n"
                     "  mouv count --estimated shop.users\n"),
    {{"count", CLI_AS_TEXT, false}, {"filter", CLI_JSON_DOCUMENT, true}},
    mouv_cli_run_count,
};

int mouv_cli_count(int argc, char **argv, const struct cli_common *common) {
    return mouv_cli_request(&count_type, argc, argv, common);
}

static const struct argp_option distinct_options[] = {CLI_OPTION_OPTIONS, {0}};

static const struct cli_request_type distinct_type = {
    CLI_REQUEST_ARGP(distinct_options, "[DATABASE.]COLLECTION KEY [FILTER]",
                     "Print the distinct values of KEY in the documents that match FILTER, one a "
                     "line.\v"
                     "Examples:\n"
                     "  mouv distinct shop.users city\n"
                     "  mouv distinct shop.users address.zip '{\"city\": \"Berlin\"}'\n"),
    {{"distinct", CLI_AS_TEXT, false},
     {"key", CLI_AS_TEXT, false},
     {"filter", CLI_JSON_DOCUMENT, true}},
    mouv_cli_run_distinct,
};

int mouv_cli_distinct(int argc, char **argv, const struct cli_common *common) {
    return mouv_cli_request(&distinct_type, argc, argv, common);
}
