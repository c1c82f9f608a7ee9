/*
 * Lines collect in a buffer. Where writing could block (a pipe into a pager), at most PIPE_BUF
 * bytes are written at a time, which poll() promises to have room for.
 */
#include "cli/output.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

enum { MUCH = 64 << 10 };

int mouv_cli_output_init(struct cli_output *output, unsigned style, mouv_error_t *error) {
    *output = (struct cli_output){.style = style};
    return mouv_cli_ready_init(&output->ready, STDOUT_FILENO, UV_WRITABLE, error);
}

/* One write; what went out is remembered, also if it was not all. */
static int output_write_some(struct cli_output *output, mouv_error_t *error) {
    size_t size = output->text.size - output->written;
    if (output->ready.pollable && size > PIPE_BUF) size = PIPE_BUF;
    ssize_t rc = write(output->ready.fd, output->text.data + output->written, size);
    if (rc < 0 && errno != EINTR && errno != EAGAIN) {
        output->broken = errno;
        return mouv_cli_fail(error, CLI_EIO, "%s", strerror(errno));
    }
    if (rc > 0) output->written += (size_t)rc;
    return 0;
}

static bool output_all_written(struct cli_output *output) {
    if (output->written < output->text.size) return false;
    output->text.size = 0;
    output->written = 0;
    return true;
}

int mouv_cli_output_flush(struct cli_output *output, mouv_error_t *error) {
    while (!output_all_written(output)) {
        int rc = output->broken ? mouv_cli_fail(error, CLI_EIO, "%s", strerror(output->broken))
                 : mouv_cli_ready_now(&output->ready) ? output_write_some(output, error)
                                                      : mouv_cli_ready_wait(&output->ready, error);
        if (rc < 0) return rc;
    }
    return 0;
}

void mouv_cli_output_close(struct cli_output *output) {
    while (!output->broken && !output_all_written(output) && mouv_cli_ready_now(&output->ready))
        output_write_some(output, NULL);
    mouv_cli_ready_close(&output->ready);
    mouv_cli_text_clear(&output->text);
}

/* --- Lines ----------------------------------------------------------------------------------- */

/* Takes the text. */
static int output_put_line(struct cli_output *output, char *json, mouv_error_t *error) {
    mouv_cli_text_append(&output->text, json, strlen(json));
    mouv_cli_text_char(&output->text, '\n', 1);
    bson_free(json);
    return output->text.size < MUCH ? 0 : mouv_cli_output_flush(output, error);
}

/* A document whose text is not UTF-8 ends it; which one it is, people want to know. */
static int output_refuse(const bson_t *document, mouv_error_t *error) {
    mouv_error_t why = *error;
    bson_iter_t iter;
    char *id = NULL;
    if (document && bson_iter_init_find(&iter, document, "_id") &&
        mouv_bson_value_to_json(&iter, MOUV_JSON_LOSSY, &id, NULL) < 0)
        id = NULL;
    mouv_cli_fail(error, CLI_EDATA, "%s%s%s cannot be shown: %s (--lossy shows it)",
                  document ? "a document" : "a value", id ? " with the _id " : "", id ? id : "",
                  why.message);
    bson_free(id);
    return error->code;
}

int mouv_cli_output_document(struct cli_output *output, const bson_t *document,
                             mouv_error_t *error) {
    char *json;
    int rc = mouv_bson_to_json(document, output->style, &json, error);
    return rc < 0 ? output_refuse(document, error) : output_put_line(output, json, error);
}

int mouv_cli_output_value(struct cli_output *output, const bson_iter_t *value,
                          mouv_error_t *error) {
    char *json;
    int rc = mouv_bson_value_to_json(value, output->style, &json, error);
    return rc < 0 ? output_refuse(NULL, error) : output_put_line(output, json, error);
}
