/*
 * Standard output: Extended JSON, one document a line, every write checked.
 */
#ifndef MOUV_CLI_OUTPUT_H
#define MOUV_CLI_OUTPUT_H

#include <bson/bson.h>
#include <mouv/mouv.h>

#include "cli/ready.h"
#include "cli/text.h"

struct cli_output {
    struct cli_ready ready;
    unsigned style;       /* MOUV_JSON_... */
    struct cli_text text; /* what is still to be written */
    size_t written;       /* how much of it has been */
    int broken;           /* the errno of a failed write: nothing more is written */
};

/* In a coroutine. */
int mouv_cli_output_init(struct cli_output *output, unsigned style, mouv_error_t *error);

/* Appends one document, or one value of a document, and a newline; suspends while much is waiting
 * to be written. Errors: CLI_EIO, CLI_EDATA (text that is not UTF-8), MOUV_ECANCELED. */
int mouv_cli_output_document(struct cli_output *output, const bson_t *document,
                             mouv_error_t *error);
int mouv_cli_output_value(struct cli_output *output, const bson_iter_t *value, mouv_error_t *error);

/* Writes all that waits. */
int mouv_cli_output_flush(struct cli_output *output, mouv_error_t *error);

/* Writes what can be written without waiting, and closes. A second call is harmless; the storage
 * must live until the loop has ended. */
void mouv_cli_output_close(struct cli_output *output);

#endif
