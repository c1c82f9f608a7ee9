/*
 * Standard input or a file, read in a coroutine: by lines, by JSON values, or whole.
 */
#ifndef MOUV_CLI_INPUT_H
#define MOUV_CLI_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mouv/mouv.h>

#include "cli/ready.h"

enum { CLI_INPUT_LIMIT = 64 << 20 }; /* bytes of one line or value */

struct cli_input {
    const char *name; /* "standard input" or the path */
    struct cli_ready ready;
    char *data;
    size_t begin, used, capacity;
    bool ended;
    int64_t line;   /* of data[begin] */
    size_t scanned; /* how far the search for the end of a value has come, from `begin` */
    int depth;      /* ... and what it is in */
    bool in_string;
    bool begun;    /* a value or the bracket of an array has been seen */
    bool in_array; /* the values are the elements of one array */
    bool after_value, after_comma;
    bool marked; /* a byte order mark at the beginning has been passed over, or is none */
};

/* A piece of the input: a view, valid until its reader suspends or reads again. */
struct cli_piece {
    const char *text;
    size_t size_bytes;
    int64_t line; /* where it begins */
};

/* "-" is standard input. 0, or CLI_EIO. */
int mouv_cli_input_open(struct cli_input *input, const char *path, mouv_error_t *error);

/* Each: 1 with `*piece`, 0 at the end, or a negative error. Several tasks may read lines. */
int mouv_cli_input_line(struct cli_input *input, struct cli_piece *piece, mouv_error_t *error);
int mouv_cli_input_value(struct cli_input *input, struct cli_piece *piece, mouv_error_t *error);
int mouv_cli_input_all(struct cli_input *input, struct cli_piece *piece, mouv_error_t *error);

/* Whether the next value is not there yet and would have to be waited for. */
bool mouv_cli_input_idle(struct cli_input *input);

/* The storage itself must live until the loop has ended. A second call is harmless. */
void mouv_cli_input_close(struct cli_input *input);

#endif
