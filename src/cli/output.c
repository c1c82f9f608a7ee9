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

int mouv_cli_output_init(struct cli_output *output, bool canonical, bool pretty,
                         mouv_error_t *error) {
    *output = (struct cli_output){.canonical = canonical, .pretty = pretty};
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

/* --- Pretty: libbson's one-line text, broken up ---------------------------------------------- */

struct printer {
    struct cli_text *out;
    size_t depth;
    size_t inline_depth; /* inside {"$oid": ...}, which stays on one line */
};

static void output_new_line(struct printer *printer) {
    mouv_cli_text_char(printer->out, '\n', 1);
    mouv_cli_text_char(printer->out, ' ', 2 * printer->depth);
}

static const char *output_skip_space(const char *at) {
    return at + strspn(at, " ");
}

/* After an opening bracket; returns where to go on. */
static const char *output_open_bracket(struct printer *printer, const char *at) {
    const char *next = output_skip_space(at + 1);
    mouv_cli_text_char(printer->out, *at, 1);
    if (*next == '}' || *next == ']') {
        mouv_cli_text_char(printer->out, *next, 1);
        return next + 1;
    }
    if (printer->inline_depth || strncmp(next, "\"$", 2) == 0) {
        printer->inline_depth++;
        mouv_cli_text_char(printer->out, ' ', 1);
        return next;
    }
    printer->depth++;
    output_new_line(printer);
    return next;
}

static const char *output_close_bracket(struct printer *printer, const char *at) {
    if (printer->inline_depth) {
        printer->inline_depth--;
        mouv_cli_text_char(printer->out, ' ', 1);
    } else {
        printer->depth--;
        output_new_line(printer);
    }
    mouv_cli_text_char(printer->out, *at, 1);
    return at + 1;
}

static const char *output_copy_string(struct printer *printer, const char *at) {
    const char *end = at + 1;
    while (*end && *end != '"') end += *end == '\\' ? 2 : 1;
    mouv_cli_text_append(printer->out, at, (size_t)(end + 1 - at));
    return end + 1;
}

static const char *output_separate(struct printer *printer, const char *at) {
    mouv_cli_text_char(printer->out, *at, 1);
    if (*at == ',' && !printer->inline_depth)
        output_new_line(printer);
    else
        mouv_cli_text_char(printer->out, ' ', 1);
    return at + 1;
}

static void output_print_pretty(struct cli_text *out, const char *json) {
    struct printer printer = {.out = out};
    for (const char *at = output_skip_space(json); *at; at = output_skip_space(at)) {
        if (*at == '{' || *at == '[')
            at = output_open_bracket(&printer, at);
        else if (*at == '}' || *at == ']')
            at = output_close_bracket(&printer, at);
        else if (*at == '"')
            at = output_copy_string(&printer, at);
        else if (*at == ':' || *at == ',')
            at = output_separate(&printer, at);
        else
            mouv_cli_text_char(out, *at++, 1);
    }
}

/* --- Numbers --------------------------------------------------------------------------------- */

/* libbson prints 1.1 as 1.1000000000000000888. The shortest text that reads back the same is as
 * true: all numbers outside strings with more than 17 digits are printed anew, in place. */
static void output_shorten_number(char *number, size_t size_bytes) {
    char text[32], saved = number[size_bytes];
    number[size_bytes] = '\0';
    double value = strtod(number, NULL);
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    if (!strpbrk(text, ".e")) strcat(text, ".0"); /* it stays a double */
    if (strlen(text) <= size_bytes) snprintf(number, size_bytes + 1, "%-*s", (int)size_bytes, text);
    number[size_bytes] = saved;
}

static char *output_end_of_string(char *at) {
    for (at++; *at && *at != '"'; at++)
        if (*at == '\\') at++;
    return at + 1;
}

static void output_shorten_numbers(char *json) {
    char *to = json;
    for (char *at = json, *end; *at; at = end) {
        end = *at == '"' ? output_end_of_string(at) : at + strspn(at, "-+.eE0123456789");
        if (end == at) end++;
        size_t size = (size_t)(end - at);
        if (*at != '"' && size > 17 && memchr(at, '.', size)) {
            output_shorten_number(at, size);
            while (at[size - 1] == ' ') size--;
        }
        memmove(to, at, size);
        to += size;
    }
    *to = '\0';
}

/* --- Lines ----------------------------------------------------------------------------------- */

static char *output_to_json(const struct cli_output *output, const bson_t *document) {
    if (output->canonical) return bson_as_canonical_extended_json(document, NULL);
    char *json = bson_as_relaxed_extended_json(document, NULL);
    if (json) output_shorten_numbers(json);
    return json;
}

static int output_put_line(struct cli_output *output, const char *json, mouv_error_t *error) {
    if (output->pretty)
        output_print_pretty(&output->text, json);
    else
        mouv_cli_text_append(&output->text, json, strlen(json));
    mouv_cli_text_char(&output->text, '\n', 1);
    return output->text.size < MUCH ? 0 : mouv_cli_output_flush(output, error);
}

int mouv_cli_output_document(struct cli_output *output, const bson_t *document,
                             mouv_error_t *error) {
    char *json = output_to_json(output, document);
    if (!json) return mouv_cli_fail(error, CLI_EDATA, "a document cannot be shown as JSON");
    int rc = output_put_line(output, json, error);
    bson_free(json);
    return rc;
}

/* Shown inside a document, whose text is then taken off: {"v" : VALUE }. */
int mouv_cli_output_value(struct cli_output *output, const bson_iter_t *value,
                          mouv_error_t *error) {
    bson_t document = BSON_INITIALIZER;
    bson_append_iter(&document, "v", 1, value);
    char *json = output_to_json(output, &document);
    bson_destroy(&document);
    if (!json) return mouv_cli_fail(error, CLI_EDATA, "a value cannot be shown as JSON");
    char *end = strrchr(json, '}');
    while (end[-1] == ' ') end--;
    *end = '\0';
    int rc = output_put_line(output, output_skip_space(strchr(json, ':') + 1), error);
    bson_free(json);
    return rc;
}
