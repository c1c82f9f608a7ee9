/*
 * Errors for people: one line on stderr, `mouv: what: why`, and the exit status that goes with it.
 */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void mouv_cli_complain(const char *what, const char *format, ...) {
    va_list args;
    flockfile(stderr); /* one line stays one line: log messages come from other threads */
    fprintf(stderr, "mouv: %s: ", what);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    funlockfile(stderr);
}

int mouv_cli_fail(mouv_error_t *error, int code, const char *format, ...) {
    char message[sizeof error->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return mouv_error_set(error, code, "%s", message);
}

int mouv_cli_status(const mouv_error_t *error) {
    if (error->code >= 0) return CLI_OK;
    if (error->code == CLI_EUSAGE || error->code == MOUV_EINVAL) return CLI_USAGE;
    return mouv_error_is_timeout(error) ? CLI_TIMED_OUT : CLI_FAILED;
}

/* "DuplicateKey (11000): ", unless the message says it already. */
static void error_describe_code(const mouv_error_t *error, char *text, size_t size_bytes) {
    char number[16];
    snprintf(number, sizeof number, "(%d)", error->server_code);
    text[0] = '\0';
    if (error->code != MOUV_ESERVER || !error->server_code || strstr(error->message, number))
        return;
    snprintf(text, size_bytes, "%s %s: ", *error->code_name ? error->code_name : "code", number);
}

static bool error_begins_with(const char *text, const char *word) {
    size_t length = strlen(word);
    return strncmp(text, word, length) == 0 && text[length] == ' ';
}

int mouv_cli_report(const char *what, const mouv_error_t *error) {
    char code[sizeof error->code_name + 20];
    if (error->code == MOUV_ECANCELED || error->code == CLI_ETOLD) return CLI_FAILED;
    const char *operation = error->operation;
    error_describe_code(error, code, sizeof code);
    if (error_begins_with(operation, what)) /* "find shop.users" says more than "find" */
        mouv_cli_complain(operation, "%s%s", code, error->message);
    else
        mouv_cli_complain(what, "%s%s%s%s", operation, *operation ? ": " : "", code,
                          error->message);
    return mouv_cli_status(error);
}

void mouv_cli_hide_password(const char *uri, char *text, size_t size_bytes) {
    const char *user = strstr(uri, "://"), *at = strrchr(uri, '@');
    if (!user || !at || at < user + 3) return;
    const char *colon = memchr(user + 3, ':', (size_t)(at - user - 3));
    for (const char *part = colon; part && part < at;) { /* parsers may have cut it anywhere */
        char piece[128];
        size_t length = strcspn(++part, "@:/?#,&");
        snprintf(piece, sizeof piece, "%.*s", (int)length, part);
        if (length && part < at && strstr(text, piece)) {
            snprintf(text, size_bytes, "cannot be parsed (is its password percent-encoded?)");
            return;
        }
        part += length;
    }
}
