/*
 * A buffer that is filled when the descriptor is ready and cut into pieces between suspensions.
 */
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

enum { CHUNK = 64 << 10 };
#define MARK "\xef\xbb\xbf"

int mouv_cli_input_open(struct cli_input *input, const char *path, mouv_error_t *error) {
    bool is_stdin = strcmp(path, "-") == 0;
    *input = (struct cli_input){.name = is_stdin ? "standard input" : path, .line = 1};
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return mouv_cli_fail(error, CLI_EIO, "%s: %s", path, strerror(errno));
    return mouv_cli_ready_init(&input->ready, fd, UV_READABLE, error);
}

void mouv_cli_input_close(struct cli_input *input) {
    if (!input->name) return;
    mouv_cli_ready_close(&input->ready);
    if (input->ready.fd > STDERR_FILENO) close(input->ready.fd);
    free(input->data);
    input->name = NULL;
    input->data = NULL;
}

/* Room for one more chunk: the pieces that were taken make way first. */
static int input_make_room(struct cli_input *input, mouv_error_t *error) {
    input->used -= input->begin;
    if (input->begin > 0) memmove(input->data, input->data + input->begin, input->used);
    input->begin = 0;
    if (input->capacity - input->used >= CHUNK) return 0;
    if (input->used > CLI_INPUT_LIMIT)
        return mouv_cli_fail(error, CLI_EDATA, "%s: longer than %d MiB", input->name,
                             CLI_INPUT_LIMIT >> 20);
    size_t capacity = input->capacity * 2 + CHUNK;
    char *data = realloc(input->data, capacity);
    if (!data) return mouv_cli_fail(error, MOUV_ENOMEM, "%s", mouv_error_message(MOUV_ENOMEM));
    input->data = data;
    input->capacity = capacity;
    return 0;
}

/* Files from Windows begin with a byte order mark, which is no text. */
static void input_skip_mark(struct cli_input *input) {
    if (input->marked || (input->used < sizeof MARK - 1 && !input->ended)) return;
    input->marked = true;
    if (input->used < sizeof MARK - 1 || memcmp(input->data, MARK, sizeof MARK - 1) != 0) return;
    input->begin = sizeof MARK - 1;
    input->scanned = 0;
}

static int input_read_chunk(struct cli_input *input, mouv_error_t *error) {
    int rc = input_make_room(input, error);
    if (rc < 0) return rc;
    ssize_t size = read(input->ready.fd, input->data + input->used, CHUNK);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) return 0;
    if (size < 0) return mouv_cli_fail(error, CLI_EIO, "%s: %s", input->name, strerror(errno));
    input->ended = size == 0;
    input->used += (size_t)size;
    input_skip_mark(input);
    return 0;
}

/* More data or the end; other tasks may have taken what came meanwhile. */
static int input_fill(struct cli_input *input, mouv_error_t *error) {
    if (!mouv_cli_ready_now(&input->ready)) return mouv_cli_ready_wait(&input->ready, error);
    return input_read_chunk(input, error);
}

/* Takes `size` bytes as a piece, and `extra` ones after it away. */
static int input_take(struct cli_input *input, size_t size, size_t extra, struct cli_piece *piece) {
    *piece = (struct cli_piece){input->data + input->begin, size, input->line};
    for (const char *at = piece->text; at < piece->text + size + extra; at++)
        input->line += *at == '\n';
    input->begin += size + extra;
    input->scanned = 0;
    return 1;
}

int mouv_cli_input_line(struct cli_input *input, struct cli_piece *piece, mouv_error_t *error) {
    for (;;) {
        size_t size = input->used - input->begin;
        const char *end = size ? memchr(input->data + input->begin, '\n', size) : NULL;
        if (end) return input_take(input, (size_t)(end - input->data) - input->begin, 1, piece);
        if (input->ended) return size ? input_take(input, size, 0, piece) : 0;
        int rc = input_fill(input, error);
        if (rc < 0) return rc;
    }
}

int mouv_cli_input_all(struct cli_input *input, struct cli_piece *piece, mouv_error_t *error) {
    while (!input->ended) {
        int rc = input_fill(input, error);
        if (rc < 0) return rc;
    }
    return input_take(input, input->used - input->begin, 0, piece);
}

static void input_drop(struct cli_input *input, size_t size) {
    struct cli_piece dropped;
    input_take(input, size, 0, &dropped);
}

/* Takes away what may stand between two values: space, and the punctuation of an array around
 * them. What does not belong there is left, to be refused as a value. */
static bool input_skip_one(struct cli_input *input) {
    switch (input->data[input->begin]) {
    case ' ':
    case '\t':
    case '\r':
    case '\n':
        break;
    case '[':
        if (input->begun) return false;
        input->begun = input->in_array = true;
        break;
    case ']':
        if (!input->in_array || input->after_comma) return false;
        input->in_array = false;
        break;
    case ',':
        if (!input->in_array || !input->after_value) return false;
        input->after_value = false;
        input->after_comma = true;
        break;
    default:
        return false;
    }
    input_drop(input, 1);
    return true;
}

static void input_skip_between(struct cli_input *input) {
    while (input->scanned == 0 && input->begin < input->used && input_skip_one(input)) continue;
}

bool mouv_cli_input_idle(struct cli_input *input) {
    input_skip_between(input);
    return input->begin == input->used && !input->ended && !mouv_cli_ready_now(&input->ready);
}

/* Whether the value that begins at `begin` ends with data[begin + scanned]. */
static bool input_step(struct cli_input *input, char c) {
    if (input->in_string) {
        if (c == '\\') input->scanned++;
        if (c == '"') input->in_string = false;
        return false;
    }
    if (c == '"') input->in_string = true;
    if (c == '{' || c == '[') input->depth++;
    if (c == '}' || c == ']') input->depth--;
    return input->depth == 0 && (c == '}' || c == ']');
}

/* Whether the data holds a whole value; a word that is none ends with its line. */
static bool input_find_end(struct cli_input *input) {
    const char *data = input->data + input->begin;
    size_t size = input->used - input->begin;
    for (; input->scanned < size; input->scanned++) {
        char c = data[input->scanned];
        if (input_step(input, c)) {
            input->scanned++;
            return true;
        }
        if (input->depth <= 0 && c == '\n') return true;
    }
    return false;
}

static int input_take_value(struct cli_input *input, struct cli_piece *piece) {
    size_t size = input->used - input->begin;
    input->depth = 0;
    input->in_string = false;
    input->begun = input->after_value = true;
    input->after_comma = false;
    return input_take(input, input->scanned < size ? input->scanned : size, 0, piece);
}

int mouv_cli_input_value(struct cli_input *input, struct cli_piece *piece, mouv_error_t *error) {
    for (;;) {
        input_skip_between(input);
        if (input->begin < input->used && input->in_array && input->after_value)
            return mouv_cli_fail(error, CLI_EDATA, "%s:%lld: expected ',' or ']'", input->name,
                                 (long long)input->line);
        if (input->begin < input->used && (input_find_end(input) || input->ended))
            return input_take_value(input, piece);
        if (input->ended && input->in_array)
            return mouv_cli_fail(error, CLI_EDATA, "%s:%lld: the array has no end", input->name,
                                 (long long)input->line);
        if (input->ended) return 0;
        int rc = input_fill(input, error);
        if (rc < 0) return rc;
    }
}
