/*
 * From a command's body to an exit status. SIGPIPE is ignored meanwhile, so that a closed pipe is
 * seen as EPIPE and the server's cursor is closed before the process ends.
 */
#include "cli/run.h"
#include "cli/secret.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int run_body_task(void *arg) {
    struct cli_run *run = arg;
    const struct cli_common *common = run->common;
    mouv_error_t error;
    int rc = mouv_cli_output_init(&run->output, common->style, &error);
    if (rc == 0) rc = run->body(run, run->arg, &error);
    if (rc == 0) rc = mouv_cli_output_flush(&run->output, &error);
    return rc < 0 ? mouv_fail_with(&error) : 0;
}

static int run_body(struct cli_run *run, mouv_error_t *error) {
    int64_t timeout_ms = run->common->timeout_ms;
    if (timeout_ms > 0) return mouv_with_timeout(timeout_ms, run_body_task, run, error);
    return mouv_await(mouv_coro(run_body_task, run), error);
}

/* The deadline's own message says nothing that the user has not typed, but for a server that was
 * not found. */
static void run_name_deadline(const struct cli_run *run, mouv_error_t *error) {
    if (error->code != MOUV_ETIMEDOUT || run->common->timeout_ms == 0) return;
    char text[sizeof error->message];
    const char *why = strstr(error->message, "no suitable server");
    snprintf(text, sizeof text, "%s", why ? why : "");
    mouv_cli_fail(error, MOUV_ETIMEDOUT, "timed out after %g s%s%s", run->common->timeout_ms / 1e3,
                  why ? ": " : "", text);
}

/* In a container, say, where nothing listens on 127.0.0.1. */
static void run_name_default_server(const struct cli_run *run, mouv_error_t *error) {
    if (run->common->uri != mouv_cli_default_uri || !strstr(error->message, "no suitable server"))
        return;
    char text[sizeof error->message];
    snprintf(text, sizeof text, "%s", error->message);
    mouv_cli_fail(error, error->code, "MONGODB_URI is not set, and %s", text);
}

static int run_conclude(const struct cli_run *run, int rc, mouv_error_t *error) {
    if (run->output.broken == EPIPE) return CLI_FAILED; /* see run_end_as_cat() */
    if (run->output.broken) {
        mouv_cli_complain("write", "%s", strerror(run->output.broken));
        return CLI_FAILED;
    }
    if (rc >= 0) return run->status;
    error->code = rc;
    run_name_deadline(run, error);
    run_name_default_server(run, error);
    return mouv_cli_report(run->common->command, error);
}

/* The error is general ("invalid host string"), the reason has come as a warning. */
static int run_no_client(const struct cli_run *run, mouv_error_t *error) {
    static const char prefix[] = "mouv_client_new: ";
    char *why = error->message;
    mouv_cli_hide_password(run->common->uri, why, sizeof error->message);
    if (strncmp(why, prefix, sizeof prefix - 1) == 0) why += sizeof prefix - 1;
    mouv_cli_complain("uri", "%s%s%s%s", why, *run->remark ? " (" : "", run->remark,
                      *run->remark ? ")" : "");
    return CLI_USAGE;
}

/* What was begun is ended on the server too (cursors, cancelled queries), if that is quick. The
 * client's own close is not awaited: libmongoc's monitor takes half a second to end. */
static void run_end_quietly(mouv_client_t *client) {
    enum { LONGEST_MS = 500, STEP_MS = 2 };
    mouv_client_stats_t stats;
    mouv_scope_t shield;
    int rc = mouv_shield_begin(&shield, LONGEST_MS);
    for (mouv_client_get_stats(client, &stats); rc == 0 && stats.completed < stats.started;
         mouv_client_get_stats(client, &stats))
        rc = mouv_sleep_ms(STEP_MS);
    mouv_scope_leave(&shield);
    mouv_client_unref(client);
}

/* A line end after it (a secret written with echo) would become a part of the database's name. */
static int run_refuse_space(void) {
    mouv_cli_complain("uri", "there is a space or a line end in it");
    return CLI_USAGE;
}

static int run_main_task(void *arg) {
    struct cli_run *run = arg;
    if (run->common->uri[strcspn(run->common->uri, " \t\r\n\v\f")]) return run_refuse_space();
    mouv_error_t error = {0};
    mouv_client_opts_t opts = {.executor = run->common->executor};
    run->client = mouv_client_new(run->common->uri, &opts, &error);
    if (!run->client) return run_no_client(run, &error);
    if (*run->remark) mouv_cli_complain("warning", "%s", run->remark);
    int rc = run_body(run, &error);
    mouv_cli_input_close(&run->input);
    mouv_cli_output_close(&run->output);
    int status = run_conclude(run, rc, &error);
    run_end_quietly(run->client);
    return status;
}

/* Warnings of the library and of libmongoc; the password may stand in one about the URI. */
static void run_on_log(mouv_log_level_t level, const char *message, void *arg) {
    struct cli_run *run = arg;
    char text[1024];
    if (level < MOUV_LOG_WARNING) return;
    snprintf(text, sizeof text, "%s", message);
    mouv_cli_hide_password(run->common->uri, text, sizeof text);
    if (!run->client && level == MOUV_LOG_WARNING)
        snprintf(run->remark, sizeof run->remark, "%.*s", (int)sizeof run->remark - 1, text);
    else
        mouv_cli_complain(level == MOUV_LOG_WARNING ? "warning" : "error", "%s", text);
}

/* With the status of a death by SIGPIPE, but in order: libmongoc removes its counters from /dev/shm
 * at exit. Where the parent wanted SIGPIPE ignored, cat complains, and so do we. */
static int run_end_as_cat(const struct sigaction *inherited) {
    if (inherited->sa_handler == SIG_DFL) return 128 + SIGPIPE;
    mouv_cli_complain("write", "%s", strerror(EPIPE));
    return CLI_FAILED;
}

/* A terminal that goes away ends it in order, as SIGTERM does; unless nohup wanted it ignored. */
static void run_on_hangup(int number) {
    (void)number;
    kill(getpid(), SIGTERM);
}

static void run_catch_hangup(void) {
    struct sigaction inherited, hangup = {.sa_handler = run_on_hangup, .sa_flags = SA_RESTART};
    if (sigaction(SIGHUP, NULL, &inherited) == 0 && inherited.sa_handler == SIG_DFL)
        sigaction(SIGHUP, &hangup, NULL);
}

int mouv_cli_run(const struct cli_common *common, cli_body_t body, void *arg) {
    static struct cli_run run; /* handles in it outlive the tasks, the log hook the loop */
    static struct cli_common complete;
    struct sigaction inherited, ignore = {.sa_handler = SIG_IGN};
    complete = *common;
    complete.uri = mouv_cli_secret_complete(common->uri);
    run = (struct cli_run){.common = &complete, .body = body, .arg = arg};
    sigaction(SIGPIPE, &ignore, &inherited);
    run_catch_hangup();
    mouv_log_set_handler(run_on_log, &run);
    int status = mouv_main(run_main_task, &run);
    return run.output.broken == EPIPE ? run_end_as_cat(&inherited) : status;
}
