/*
 * The commands that change what is stored: update, delete. Storing anew is in insert.c.
 */
#include "cli/commands/job.h"
#include "cli/commands/request.h"
#include "cli/json.h"

/* Takes the options. */
static int write_conclude(const struct cli_job *job, bson_t *opts, mouv_future_t written,
                          bson_t **reply, mouv_error_t *error) {
    int rc = mouv_await(written, error);
    rc = mouv_cli_job_print_write(job, opts, rc, *reply, error);
    bson_destroy(*reply);
    bson_destroy(opts);
    return rc;
}

typedef mouv_future_t (*update_fn_t)(mouv_collection_t *, const bson_t *, const bson_t *,
                                     const bson_t *, bson_t **);

static update_fn_t write_choose_update(const struct cli_job *job, mouv_error_t *error) {
    bool many = mouv_cli_job_flag(job, "many"), replace = mouv_cli_job_flag(job, "replace");
    if (many && replace) {
        mouv_cli_fail(error, CLI_EUSAGE, "many and replace exclude each other");
        return NULL;
    }
    return many      ? mouv_collection_update_many
           : replace ? mouv_collection_replace_one
                     : mouv_collection_update_one;
}

int mouv_cli_run_update(const struct cli_job *job, mouv_error_t *error) {
    mouv_collection_t *collection;
    bson_t filter, change, *reply = NULL;
    update_fn_t update = write_choose_update(job, error);
    if (!update || mouv_cli_job_collection(job, &collection, error) < 0) return error->code;
    if (mouv_cli_job_field(job, "filter", CLI_JSON_DOCUMENT, false, &filter, error) < 0 ||
        mouv_cli_job_field(job, "change", CLI_AS_JSON, false, &change, error) < 0)
        return error->code;
    bson_t *opts = mouv_cli_job_opts(job, "filter", "change", "many", "replace", NULL);
    mouv_future_t written = update(collection, &filter, &change, opts, &reply);
    return write_conclude(job, opts, written, &reply, error);
}

int mouv_cli_run_delete(const struct cli_job *job, mouv_error_t *error) {
    mouv_collection_t *collection;
    bson_t filter, *reply = NULL;
    if (mouv_cli_job_collection(job, &collection, error) < 0) return error->code;
    if (mouv_cli_job_field(job, "filter", CLI_JSON_DOCUMENT, false, &filter, error) < 0)
        return error->code;
    bson_t *opts = mouv_cli_job_opts(job, "filter", "many", NULL);
    mouv_future_t written = mouv_cli_job_flag(job, "many")
                                ? mouv_collection_delete_many(collection, &filter, opts, &reply)
                                : mouv_collection_delete_one(collection, &filter, opts, &reply);
    return write_conclude(job, opts, written, &reply, error);
}

/* --- Their command lines --------------------------------------------------------------------- */

static const struct argp_option update_options[] = {
    {"many", CLI_OPT_MANY, NULL, 0, "Every match instead of the first", 0},
    {"upsert", CLI_OPT_UPSERT, NULL, 0, "Insert a document if none matches", 0},
    {"replace", CLI_OPT_REPLACE, NULL, 0, "CHANGE is the whole new document", 0},
    {"array-filters", CLI_OPT_ARRAY_FILTERS, "JSON", 0, "Which elements $[name] means", 0},
    CLI_OPTION_HINT,
    CLI_OPTION_OPTIONS,
    {0},
};

static const struct cli_request_type update_type = {
    CLI_REQUEST_ARGP(update_options, "[DATABASE.]COLLECTION FILTER CHANGE",
                     "Change the first document that matches FILTER; CHANGE is a document of "
                     "operators or a pipeline. Prints what was matched and modified.\v"
                     "Examples:\n"
                     "  mouv update shop.users '{\"_id\": 7}' '{\"$inc\": {\"age\": 1}}'\n"
                     "  mouv update --many shop.users '{}' '{\"$set\": {\"new\": false}}'\n"),
    {{"update", CLI_AS_TEXT, false},
     {"filter", CLI_JSON_DOCUMENT, false},
     {"change", CLI_AS_JSON, false}},
    mouv_cli_run_update,
};

int mouv_cli_update(int argc, char **argv, const struct cli_common *common) {
    return mouv_cli_request(&update_type, argc, argv, common);
}

static const struct argp_option delete_options[] = {
    {"many", CLI_OPT_MANY, NULL, 0, "Every match instead of the first", 0},
    CLI_OPTION_HINT,
    CLI_OPTION_OPTIONS,
    {0},
};

static const struct cli_request_type delete_type = {
    CLI_REQUEST_ARGP(delete_options, "[DATABASE.]COLLECTION FILTER",
                     "Delete the first document that matches FILTER. Prints how many were.\v"
                     "Examples:\n"
                     "  mouv delete shop.users '{\"_id\": 7}'\n"
                     "  mouv delete --many shop.users '{\"age\": {\"$lt\": 18}}'\n"),
    {{"delete", CLI_AS_TEXT, false}, {"filter", CLI_JSON_DOCUMENT, false}},
    mouv_cli_run_delete,
};

int mouv_cli_delete(int argc, char **argv, const struct cli_common *common) {
    return mouv_cli_request(&delete_type, argc, argv, common);
}
