/*
 * Error values: names, texts, labels. What a task remembers of its errors is in raise.c.
 */
#include "async/loop/error.h"
#include "async/loop/line.h"

#include <stdarg.h>
#include <string.h>

const char *mouv_version(void) {
    return MOUV_VERSION;
}

const char *mouv_error_name(int code) {
    switch (code) {
    case MOUV_OK:
        return "MOUV_OK";
#define CASE(name, code, message) \
    case (code): \
        return "MOUV_" #name;
        MOUV_ERROR_MAP(CASE)
#undef CASE
    default:
        return "user error";
    }
}

const char *mouv_error_message(int code) {
    switch (code) {
    case MOUV_OK:
        return "no error";
#define CASE(name, code, message) \
    case (code): \
        return message;
        MOUV_ERROR_MAP(CASE)
#undef CASE
    default:
        return "an error of the program's own";
    }
}

/* What is formatted may lie in the error itself. */
static void error_word(mouv_error_t *error, const char *format, va_list args) {
    char text[sizeof error->message];
    mouv__line_vformat(text, sizeof text, format ? format : "", args);
    strcpy(error->message, text[0] ? text : "(no message)");
}

int mouv__error_vset(mouv_error_t *error, int code, const char *format, va_list args) {
    mouv_error_t set = {.code = code};
    error_word(&set, format, args);
    *error = set;
    return code;
}

int mouv_error_set(mouv_error_t *error, int code, const char *format, ...) {
    if (error == NULL) return code;
    va_list args;
    va_start(args, format);
    mouv__error_vset(error, code, format, args);
    va_end(args);
    return code;
}

void mouv__error_reword(mouv_error_t *error, const char *format, ...) {
    va_list args;
    va_start(args, format);
    error_word(error, format, args);
    va_end(args);
}

void mouv__error_of_result(mouv_error_t *error, int rc, const char *kind, const char *fn_name) {
    if (strcmp(mouv_error_name(rc), "user error") != 0)
        mouv_error_set(error, rc, "%s", mouv_error_message(rc));
    else
        mouv_error_set(error, rc, "%s '%s' returned %d", kind, fn_name, rc);
}

bool mouv_error_has_label(const mouv_error_t *error, const char *label) {
    if (error == NULL || label == NULL || *label == '\0' || strchr(label, ' ') != NULL)
        return false;
    size_t length = strlen(label);
    for (const char *at = error->labels; (at = strstr(at, label)) != NULL; at += length) {
        bool starts = at == error->labels || at[-1] == ' ';
        bool ends = at[length] == ' ' || at[length] == '\0';
        if (starts && ends) return true;
    }
    return false;
}

bool mouv_error_is_timeout(const mouv_error_t *error) {
    if (error == NULL) return false;
    bool by_cause = error->code == MOUV_EUNKNOWN || error->code == MOUV_ESERVER ||
                    error->code == MOUV_ECANCELED;
    return error->code == MOUV_ETIMEDOUT || (by_cause && error->cause == MOUV_ETIMEDOUT);
}

bool mouv_error_is_duplicate_key(const mouv_error_t *error) {
    if (error == NULL || error->code != MOUV_ESERVER) return false;
    return error->server_code == 11000 || error->server_code == 11001 ||
           error->server_code == 12582;
}
