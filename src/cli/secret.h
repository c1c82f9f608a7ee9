/*
 * Passwords that the program is given: kept from other people's eyes on this machine.
 */
#ifndef MOUV_CLI_SECRET_H
#define MOUV_CLI_SECRET_H

#include <argp.h>
#include <stdio.h>

/* A copy of `argv` that lasts as long as the process. Where passwords stand in the original
 * (in URIs, in the --auth of sandbox), which anybody can read in the process list, they are
 * overwritten, and the user is told of better ways. */
char **mouv_cli_secret_arguments(int argc, char **argv);

/* The URI in a file: its first line. "-" is standard input. A file that cannot be read, or has none,
 * is a usage error. */
const char *mouv_cli_secret_uri_file(const struct argp_state *state, const char *path);

/* `uri`, or, where it has a user without a password and there is a terminal to ask on, a new one
 * with the password that was given there. */
const char *mouv_cli_secret_complete(const char *uri);

/* Random letters and digits, 130 bits of them; ends the process where there are none. */
enum { SECRET_RANDOM_SIZE = 27 };
void mouv_cli_secret_random(char text[SECRET_RANDOM_SIZE]);

/* Appends `text` to `uri`, an open_memstream() say, as a URI wants a user and a password. */
void mouv_cli_secret_put_escaped(FILE *out, const char *text);

#endif
