/*
 * The commands that speak to the server as such: ping, command.
 */
#include <uv.h>

#include "cli/commands/job.h"
#include "cli/commands/request.h"
#include "cli/json.h"

/* --- command --------------------------------------------------------------------------------- */

int mouv_cli_run_command(const struct cli_job *job, mouv_error_t *error) {
    bson_t command, *reply = NULL;
    if (mouv_cli_job_field(job, "command", CLI_JSON_DOCUMENT, false, &command, error) < 0)
        return error->code;
    const char *db = mouv_cli_job_db(job);
    bson_t *opts = mouv_cli_job_opts(job, "command", NULL);
    int rc = mouv_await(
        mouv_database_command(mouv_client_get_database(job->run->client, db ? db : "admin"),
                              &command, opts, &reply),
        error);
    bson_destroy(opts);
    if (rc >= 0) rc = mouv_cli_job_print(job, reply, error);
    bson_destroy(reply);
    return rc;
}

static const struct argp_option command_options[] = {CLI_OPTION_OPTIONS, {0}};

static const struct cli_request_type command_type = {
    CLI_REQUEST_ARGP(command_options, "COMMAND",
                     "Run any database command as it is and print the server's reply. The database "
                     "is that of --db, else the URI's, else admin.\v"
                     "Examples:\n"
                     "  mouv command '{\"buildInfo\": 1}' | jq .version\n"
                     "  mouv command --db shop '{\"collStats\": \"users\"}' --pretty\n"),
    {{"command", CLI_JSON_DOCUMENT, false}},
    mouv_cli_run_command,
};

int mouv_cli_command(int argc, char **argv, const struct cli_common *common) {
    return mouv_cli_request(&command_type, argc, argv, common);
}

/* --- ping ------------------------------------------------------------------------------------ */

/* One ping, timed. */
static int command_ping(struct cli_run *run, double *ms, mouv_error_t *error) {
    uint64_t begin_ns = uv_hrtime();
    int rc = mouv_await(mouv_client_ping(run->client), error);
    *ms = (double)((uv_hrtime() - begin_ns) / 1000) / 1e3;
    return rc;
}

/* The first one also finds the server and connects to it, so it is told apart. */
static int command_ping_body(struct cli_run *run, void *arg, mouv_error_t *error) {
    bson_t result = BSON_INITIALIZER;
    double first_ms, second_ms;
    (void)arg;
    int rc = command_ping(run, &first_ms, error);
    if (rc >= 0) rc = command_ping(run, &second_ms, error);
    if (rc >= 0) {
        BSON_APPEND_INT32(&result, "ok", 1);
        BSON_APPEND_DOUBLE(&result, "roundTripMS", second_ms);
        BSON_APPEND_DOUBLE(&result, "withConnectMS", first_ms);
        rc = mouv_cli_output_document(&run->output, &result, error);
    }
    bson_destroy(&result);
    return rc;
}

static error_t command_parse_ping(int key, char *text, struct argp_state *state) {
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->input;
        return 0;
    case ARGP_KEY_ARG:
        mouv_cli_usage(state, "one argument too many: %s", text);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int mouv_cli_ping(int argc, char **argv, const struct cli_common *common) {
    static const struct argp_child children[] = {{&mouv_cli_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .parser = command_parse_ping,
        .children = children,
        .doc = "Measure the round trip to the server, in milliseconds.\v"
               "withConnectMS is the first one, which also finds the server, connects and logs "
               "in.\n\nExamples:\n"
               "  mouv ping --timeout 2 && echo up\n"
               "  mouv ping --uri mongodb://db.example.com/ | jq .roundTripMS\n",
    };
    struct cli_common mine = *common;
    mouv_cli_parse(&argp, argc, argv, &mine);
    return mouv_cli_run(&mine, command_ping_body, NULL);
}
