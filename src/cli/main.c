/*
 * The program `mouv`: picks the command and hands over.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "cli/cli.h"
#include "cli/secret.h"

static const struct command {
    const char *name, *what;
    cli_command_fn_t run;
} commands[] = {
    {"ping", "measure the round trip to the server", mouv_cli_ping},
    {"find", "print the documents that match a filter", mouv_cli_find},
    {"aggregate", "run a pipeline and print its documents", mouv_cli_aggregate},
    {"count", "count the documents that match a filter", mouv_cli_count},
    {"distinct", "print the distinct values of a field", mouv_cli_distinct},
    {"insert", "insert documents", mouv_cli_insert},
    {"update", "change or replace documents", mouv_cli_update},
    {"delete", "delete documents", mouv_cli_delete},
    {"command", "run any database command", mouv_cli_command},
    {"query", "run a file of queries concurrently", mouv_cli_query},
    {"demo", "load sample data; queries in sequence, then at once", mouv_cli_demo},
    {"sandbox", "run a command with a private MongoDB server", mouv_cli_sandbox},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

/* --- A name that is none --------------------------------------------------------------------- */

static int main_least(int a, int b) {
    return a < b ? a : b;
}

/* How many letters must be changed, added or taken away (Levenshtein). */
static int main_distance(const char *a, const char *b) {
    enum { LONGEST = 32 };
    int row[LONGEST + 1], width = (int)strlen(b);
    if (strlen(a) > LONGEST || width > LONGEST) return LONGEST;
    for (int j = 0; j <= width; j++) row[j] = j;
    for (int i = 1; a[i - 1]; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= width; j++) {
            int replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = main_least(replaced, main_least(row[j], row[j - 1]) + 1);
        }
    }
    return row[width];
}

static const char *main_nearest(const char *name) {
    int best = 3;
    const char *found = NULL;
    for (int i = 0; i < COMMANDS; i++) {
        int d = main_distance(name, commands[i].name);
        if (d >= best) continue;
        best = d;
        found = commands[i].name;
    }
    return found;
}

static _Noreturn void main_refuse(const char *name) {
    const char *suggestion = main_nearest(name);
    mouv_cli_complain(name, "no such command%s%s%s", suggestion ? " (did you mean '" : "",
                      suggestion ? suggestion : "", suggestion ? "'?)" : "");
    fputs("Try 'mouv --help' for more information.\n", stderr);
    exit(CLI_USAGE);
}

/* --- What stands before the command ---------------------------------------------------------- */

struct start {
    struct cli_common common;
    int command; /* its index in argv; 0: none */
};

static error_t main_parse(int key, char *text, struct argp_state *state) {
    struct start *start = state->input;
    (void)text;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->child_inputs[1] = &start->common;
        return 0;
    case ARGP_KEY_ARG: /* the rest is the command's */
        start->command = state->next - 1;
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        mouv_cli_usage(state, "no command given");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* argp's filter: the list of commands comes from the table. */
static char *main_list_commands(int key, const char *text, void *input) {
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC) return (char *)text;
    char *list = NULL;
    size_t size;
    FILE *stream = open_memstream(&list, &size);
    if (!stream) return (char *)text;
    fputs("Commands:\n", stream);
    for (int i = 0; i < COMMANDS; i++)
        fprintf(stream, "  %-10s %s\n", commands[i].name, commands[i].what);
    fprintf(stream, "\n%s", text);
    fclose(stream);
    return list;
}

static void main_print_version(FILE *stream, struct argp_state *state) {
    (void)state;
    fprintf(stream, "mouv %s\nlibbson %s\nlibuv %s\n", mouv_version(), bson_get_version(),
            uv_version_string());
}

static int main_parse_start(int argc, char **argv, struct cli_common *common) {
    static const struct argp_child children[] = {
        {&mouv_cli_output_argp, 0, NULL, 0}, {&mouv_cli_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .parser = main_parse,
        .args_doc = "COMMAND [ARGUMENT...]",
        .doc = "Query MongoDB from the shell.\v"
               "'mouv COMMAND --help' tells the rest. Results are Extended JSON, one document a "
               "line.\n\nExit status: 0 done, 1 failed, 2 wrong usage, 124 timed out, 130 Ctrl-C.",
        .children = children,
        .help_filter = main_list_commands,
    };
    struct start start = {.common = *common};
    argp_err_exit_status = CLI_USAGE;
    argp_program_version_hook = main_print_version;
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &start) != 0) exit(CLI_USAGE);
    *common = start.common;
    return start.command;
}

/* --- The process ----------------------------------------------------------------------------- */

/* libmongoc keeps counters that nobody reads in /dev/shm/mongoc-PID, from its constructor on, and
 * warns on stderr where a killed process of this number has left its own. */
static void main_remove_stale_counters(void) {
    char path[32];
    snprintf(path, sizeof path, "/dev/shm/mongoc-%d", (int)getpid());
    unlink(path);
}

#ifdef __ELF__ /* before all constructors */
static void (*const main_before_constructors)(void)
    __attribute__((section(".preinit_array"), used)) = main_remove_stale_counters;
#endif

/* Closed descriptors 0 to 2 would be given to the next socket, and output written into it. */
static void main_fill_standard_descriptors(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        int useless = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", useless) < 0) exit(CLI_FAILED);
    }
}

/* What stdio holds back is lost without a word otherwise. */
static void main_close_stdout(void) {
    if (fclose(stdout) == 0) return;
    mouv_cli_complain("write", "%s", strerror(errno));
    _exit(CLI_FAILED);
}

static int main_run_command(int argc, char **argv, struct cli_common *common) {
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[0], commands[i].name) != 0) continue;
        char name[32];
        snprintf(name, sizeof name, "mouv: %s", argv[0]);
        common->command = commands[i].name;
        argv[0] = name;
        return commands[i].run(argc, argv, common);
    }
    main_refuse(argv[0]);
}

int main(int argc, char **argv) {
    const char *uri = getenv("MONGODB_URI");
    struct cli_common common = {.uri = uri && *uri ? uri : mouv_cli_default_uri};
    static char name[] = "mouv";
    main_fill_standard_descriptors();
    setenv("MONGOC_DISABLE_SHM", "1", 0); /* for children, and a libmongoc without constructor */
    atexit(main_close_stdout);
    argv = mouv_cli_secret_arguments(argc, argv);
    if (argc > 0) argv[0] = name;
    int command = main_parse_start(argc, argv, &common);
    return main_run_command(argc - command, argv + command, &common);
}
