/*
 * The command line of `mouv sandbox`.
 */
#include "cli/sandbox/sandbox_options.h"

#include "cli/cli.h"
#include "cli/sandbox/replica_set.h"
#include "cli/secret.h"

#include <stdlib.h>
#include <string.h>

enum {
    OPTION_MONGOD = 256,
    OPTION_NODES,
    OPTION_SET_PARAMETER,
    OPTION_AUTH,
    OPTION_KEEP,
    OPTION_RESTART
};

static const struct argp_option argp_options[] = {
    {"mongod", OPTION_MONGOD, "PATH", 0, "The mongod to run, instead of looking for one", 0},
    {"nodes", OPTION_NODES, "N", 0, "Nodes of the replica set (1)", 0},
    {"set-parameter", OPTION_SET_PARAMETER, "NAME=VALUE", 0,
     "A server parameter; may be repeated. enableTestCommands=1 (failpoints) is the default", 0},
    {"auth", OPTION_AUTH, "USER:PASSWORD", OPTION_ARG_OPTIONAL,
     "Require authentication: a user with a random password, in MONGODB_URI, or this one", 0},
    {"keep", OPTION_KEEP, 0, 0, "Shut down in order and leave the data behind", 0},
    {"restart", OPTION_RESTART, 0, 0,
     "Start a node again, on its data and port, when it was killed or shut down", 0},
    {"verbose", 'v', 0, 0, "Say what happens when", 0},
    {0},
};

static void sandbox_options_add_parameter(struct sandbox_options *options, char *parameter,
                                          const struct argp_state *state) {
    size_t count = 0;
    while (options->parameters[count]) count++;
    if (!strchr(parameter, '='))
        mouv_cli_usage(state, "--set-parameter: NAME=VALUE is wanted, not '%s'", parameter);
    if (count == SANDBOX_PARAMETERS_MAX)
        mouv_cli_usage(state, "--set-parameter: at most %d", SANDBOX_PARAMETERS_MAX);
    options->parameters[count] = parameter;
}

static void sandbox_options_make_user(struct sandbox_options *options) {
    static char password[SECRET_RANDOM_SIZE];
    mouv_cli_secret_random(password);
    options->user = "sandbox";
    options->password = password;
}

/* USER:PASSWORD as a word of its own; a command behind a bare --auth has a -- before it. */
static char *sandbox_options_next_user(struct argp_state *state) {
    char *next = state->next < state->argc ? state->argv[state->next] : NULL;
    if (!next || *next == '-') return NULL;
    state->next++;
    return next;
}

static void sandbox_options_set_user(struct sandbox_options *options, char *text,
                                     struct argp_state *state) {
    if (!text) text = sandbox_options_next_user(state);
    if (!text) {
        sandbox_options_make_user(options);
        return;
    }
    char *colon = strchr(text, ':');
    if (!colon || colon == text || !colon[1])
        mouv_cli_usage(state, "--auth: USER:PASSWORD is wanted, or nothing before --");
    *colon = '\0';
    options->user = text;
    options->password = colon + 1;
}

static error_t sandbox_options_parse_option(int key, char *value, struct argp_state *state) {
    struct sandbox_options *options = state->input;
    switch (key) {
    case OPTION_MONGOD:
        options->mongod = value;
        break;
    case OPTION_NODES:
        options->nodes = (int)mouv_cli_number(state, "--nodes", value, 1, REPLICA_SET_MAX);
        break;
    case OPTION_SET_PARAMETER:
        sandbox_options_add_parameter(options, value, state);
        break;
    case OPTION_AUTH:
        sandbox_options_set_user(options, value, state);
        break;
    case OPTION_KEEP:
        options->keep = true;
        break;
    case OPTION_RESTART:
        options->restart = true;
        break;
    case 'v':
        options->verbose = true;
        break;
    case ARGP_KEY_ARGS:
        options->command = state->argv + state->next;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp argp = {
    .options = argp_options,
    .parser = sandbox_options_parse_option,
    .args_doc = "[-- COMMAND [ARGUMENT...]]",
    .doc = "Starts a private MongoDB (a replica set on this machine, with a temporary folder), "
           "runs COMMAND with its address in MONGODB_URI and exits with COMMAND's status. Without "
           "a command it prints the address and waits for Ctrl-C."
           "\v"
           "Nothing stays behind, however this ends: not the server, not its folder, not what "
           "COMMAND has started. The mongod is the one of --mongod, of $MOUV_MONGOD, on PATH, or "
           "the one that scripts/mongod has fetched. Its log is in the folder that COMMAND "
           "finds in $MOUV_SANDBOX.\n\n"
           "Example: mouv sandbox -- mouv demo",
};

void sandbox_options_parse(struct sandbox_options *options, int argc, char **argv) {
    *options = (struct sandbox_options){.nodes = 1, .command = argv + argc};
    mouv_cli_parse(&argp, argc, argv, options);
}
