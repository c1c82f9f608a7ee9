/*
 * The command line of `mouv sandbox`.
 */
#ifndef MOUV_CLI_SANDBOX_SANDBOX_OPTIONS_H
#define MOUV_CLI_SANDBOX_SANDBOX_OPTIONS_H

#include <stdbool.h>

enum { SANDBOX_PARAMETERS_MAX = 32 };

struct sandbox_options {
    char **command; /* ends with NULL; empty: print the URI and wait */
    const char *mongod;
    int nodes;
    char *parameters[SANDBOX_PARAMETERS_MAX + 1]; /* NAME=VALUE, ends with NULL */
    const char *user;                             /* NULL: no authentication */
    const char *password;
    bool keep;
    bool restart;
    bool verbose;
};

/* Ends the process after a mistake or --help. Strings live as long as the process. */
void sandbox_options_parse(struct sandbox_options *options, int argc, char **argv);

#endif
