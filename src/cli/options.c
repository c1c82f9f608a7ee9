/*
 * The options that commands share, and how a mistake on the command line is answered.
 */
#include "cli/cli.h"
#include "cli/secret.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPT_CANONICAL = 0x100, OPT_PRETTY, OPT_LOSSY, OPT_EXECUTOR, OPT_URI_FILE };

const char mouv_cli_default_uri[] = "mongodb://127.0.0.1:27017/?serverSelectionTimeoutMS=5000";

static const struct argp_option common_options[] = {
    {"uri", 'u', "URI", 0, "The deployment (default: $MONGODB_URI, else mongodb://127.0.0.1:27017)",
     1},
    {"uri-file", OPT_URI_FILE, "FILE", 0,
     "Read it from the first line of a file; -: standard input", 1},
    {"executor", OPT_EXECUTOR, "NAME", 0,
     "What carries commands: threads, uvpool or loop (default: $MOUV_EXECUTOR, else threads)", 1},
    {"timeout", 't', "SECONDS", 0, "One deadline around everything, fractions allowed", 1},
    {0},
};

static const struct argp_option output_options[] = {
    {"db", 'd', "NAME", 0, "The database of collections that are named without one", 2},
    {"canonical", OPT_CANONICAL, NULL, 0, "Print canonical instead of relaxed Extended JSON", 2},
    {"pretty", OPT_PRETTY, NULL, 0, "Print documents indented, on several lines", 2},
    {"lossy", OPT_LOSSY, NULL, 0,
     "Print U+FFFD for bytes that are not UTF-8, instead of ending there", 2},
    {0},
};

_Noreturn void mouv_cli_usage(const struct argp_state *state, const char *format, ...) {
    va_list args;
    fprintf(stderr, "%s: ", state->argv[0]);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry '%s --help' for more information.\n", state->name);
    exit(CLI_USAGE);
}

int64_t mouv_cli_number(const struct argp_state *state, const char *option, const char *text,
                        int64_t min, int64_t max) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || value < min || value > max)
        mouv_cli_usage(state, "%s: not a number between %lld and %lld: %s", option, (long long)min,
                       (long long)max, text);
    return value;
}

/* Seconds, as people write them, in whole milliseconds; at least one. */
static int64_t options_parse_timeout(const struct argp_state *state, const char *text) {
    enum { MOST_SECONDS = 1000000000 };
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end || text[strspn(text, "0123456789.")] || seconds <= 0 ||
        seconds > MOST_SECONDS)
        mouv_cli_usage(state, "--timeout: not a number of seconds above 0: %s", text);
    int64_t ms = (int64_t)(seconds * 1000 + 0.5);
    return ms > 0 ? ms : 1;
}

static mouv_executor_t options_parse_executor(const struct argp_state *state, const char *text) {
    static const struct {
        const char *name;
        mouv_executor_t executor;
    } known[] = {{"threads", MOUV_EXECUTOR_THREADS},
                 {"uvpool", MOUV_EXECUTOR_UVPOOL},
                 {"loop", MOUV_EXECUTOR_LOOP}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(text, known[i].name) == 0) return known[i].executor;
    mouv_cli_usage(state, "--executor: not threads, uvpool or loop: %s", text);
}

static error_t options_parse_common(int key, char *text, struct argp_state *state) {
    struct cli_common *common = state->input;
    switch (key) {
    case 'u':
        common->uri = text;
        return 0;
    case OPT_URI_FILE:
        common->uri = mouv_cli_secret_uri_file(state, text);
        return 0;
    case OPT_EXECUTOR:
        common->executor = options_parse_executor(state, text);
        return 0;
    case 't':
        common->timeout_ms = options_parse_timeout(state, text);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t options_parse_output(int key, char *text, struct argp_state *state) {
    struct cli_common *common = state->input;
    switch (key) {
    case 'd':
        common->db = text;
        return 0;
    case OPT_CANONICAL:
        common->style |= MOUV_JSON_CANONICAL;
        return 0;
    case OPT_PRETTY:
        common->style |= MOUV_JSON_PRETTY;
        return 0;
    case OPT_LOSSY:
        common->style |= MOUV_JSON_LOSSY;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp mouv_cli_common_argp = {
    common_options, options_parse_common, NULL, NULL, NULL, NULL, NULL};
const struct argp mouv_cli_output_argp = {
    output_options, options_parse_output, NULL, NULL, NULL, NULL, NULL};

/* getopt() begins its messages with argv[0], "mouv: find"; in "Usage: mouv find" and "Try 'mouv
 * find --help'" argp wants another name and takes it from its own option. The copy stays, as argv
 * does: the commands point into it. */
static char **options_with_name(int argc, char **argv) {
    static char **longer __attribute__((used)); /* or a leak checker would complain */
    longer = bson_malloc(((size_t)argc + 2) * sizeof *longer);
    const char *command = strncmp(argv[0], "mouv: ", 6) == 0 ? argv[0] + 6 : argv[0];
    longer[0] = argv[0];
    longer[1] = bson_strdup_printf("--program-name=mouv %s", command);
    memcpy(longer + 2, argv + 1, (size_t)argc * sizeof *argv);
    return longer;
}

void mouv_cli_parse(const struct argp *argp, int argc, char **argv, void *input) {
    argp_err_exit_status = CLI_USAGE;
    error_t rc = argp_parse(argp, argc + 1, options_with_name(argc, argv), 0, NULL, input);
    if (!rc) return;
    fprintf(stderr, "%s: %s\n", argv[0], strerror(rc));
    exit(CLI_USAGE);
}
