/*
 * What the commands of the `mouv` program share: options, JSON in, JSON out, errors, exit statuses.
 */
#ifndef MOUV_CLI_CLI_H
#define MOUV_CLI_CLI_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bson/bson.h>
#include <mouv/mouv.h>

/* Failures of the program's own, beside the library's MOUV_E*. */
enum {
    CLI_EUSAGE = -2, /* an argument is wrong: exit status 2 */
    CLI_EDATA = -3,  /* what was read is wrong */
    CLI_EIO = -4,    /* reading or writing failed */
    CLI_ETOLD = -5   /* the user has been told already */
};

/* Exit statuses; 130 and 143 after Ctrl-C and SIGTERM come from mouv_main(). */
enum {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_TIMED_OUT = 124 /* as timeout(1) */
};

/* --- options.c: what every command understands --------------------------------------------- */

/* The shared options. A command gets what stood before its name (and in the environment), copies
 * it and lets the child parser below change the copy. Strings live as long as the process. */
struct cli_common {
    const char *command;      /* "find"; NULL before one is known */
    const char *uri;          /* --uri, $MONGODB_URI or mouv_cli_default_uri itself; never NULL */
    const char *db;           /* --db, or NULL */
    int64_t timeout_ms;       /* --timeout; 0 is none */
    mouv_executor_t executor; /* --executor */
    unsigned style;           /* MOUV_JSON_...: --canonical, --pretty, --lossy */
};

/* The server of those who name none. What is on this machine is found at once or not at all. */
extern const char mouv_cli_default_uri[];

/* Child parsers; their input is a `struct cli_common *`, set by the command's own parser at
 * ARGP_KEY_INIT (`state->child_inputs[i] = &common`). Every command takes the first, commands that
 * work with documents the second, too. */
extern const struct argp mouv_cli_common_argp;
extern const struct argp mouv_cli_output_argp;

/* argp_parse() for a command: `input` goes to the command's parser. Ends the process with CLI_USAGE
 * after a mistake and with CLI_OK after --help. */
void mouv_cli_parse(const struct argp *argp, int argc, char **argv, void *input);

/* Prints `mouv: COMMAND: text` and where to find help, and ends the process with CLI_USAGE. */
_Noreturn void mouv_cli_usage(const struct argp_state *state, const char *format, ...)
    MOUV_PRINTF(2, 3);

/* The value of an option as a number between `min` and `max`; anything else is a usage error that
 * names `option` ("--limit"). */
int64_t mouv_cli_number(const struct argp_state *state, const char *option, const char *text,
                        int64_t min, int64_t max);

/* --- error.c: `mouv: what: why` ------------------------------------------------------------- */

/* Prints one line, `mouv: what: why`. */
void mouv_cli_complain(const char *what, const char *format, ...) MOUV_PRINTF(2, 3);

/* Fills `error` with a failure of the program's own, CLI_E*, and returns its code. */
int mouv_cli_fail(mouv_error_t *error, int code, const char *format, ...) MOUV_PRINTF(3, 4);

/* Prints an error (the server's with code and name; a cancelled command says nothing) and returns
 * the exit status for it. `what` stands in front. */
int mouv_cli_report(const char *what, const mouv_error_t *error);

/* The exit status for an error. */
int mouv_cli_status(const mouv_error_t *error);

/* Keeps the password of `uri` out of `text`: where a part of it stands there, `text` becomes a
 * general remark. */
void mouv_cli_hide_password(const char *uri, char *text, size_t size_bytes);

/* --- The commands: one line in main.c's table each ------------------------------------------- */

/* `argv[0]` is the name in messages ("mouv: find"), the rest is the command's. Returns an exit
 * status. */
typedef int (*cli_command_fn_t)(int argc, char **argv, const struct cli_common *common);

int mouv_cli_find(int argc, char **argv, const struct cli_common *common);
int mouv_cli_aggregate(int argc, char **argv, const struct cli_common *common);
int mouv_cli_count(int argc, char **argv, const struct cli_common *common);
int mouv_cli_distinct(int argc, char **argv, const struct cli_common *common);
int mouv_cli_insert(int argc, char **argv, const struct cli_common *common);
int mouv_cli_update(int argc, char **argv, const struct cli_common *common);
int mouv_cli_delete(int argc, char **argv, const struct cli_common *common);
int mouv_cli_ping(int argc, char **argv, const struct cli_common *common);
int mouv_cli_command(int argc, char **argv, const struct cli_common *common);
int mouv_cli_query(int argc, char **argv, const struct cli_common *common);
int mouv_cli_demo(int argc, char **argv, const struct cli_common *common);
int mouv_cli_sandbox(int argc, char **argv, const struct cli_common *common);

#endif
