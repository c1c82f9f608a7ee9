/*
 * Failing: what a task (or an offloaded function) remembers of its errors, and how calls set it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "async/task/task.h"
#include "context/alloc.h"

void mouv__error_of_result(mouv_error_t *error, int rc, const char *kind, const char *fn_name) {
    if (strcmp(mouv_error_name(rc), "user error") != 0)
        mouv_error_set(error, rc, "%s", mouv_error_message(rc));
    else
        mouv_error_set(error, rc, "%s '%s' returned %d", kind, fn_name, rc);
}

/* Where the errors of an offloaded function go, on its worker. */
static _Thread_local mouv_error_t **worker_error;

void mouv__record_on_worker(mouv_error_t **place) {
    worker_error = place;
}

int mouv__record_error(const mouv_error_t *error) {
    mouv__task_t *task = mouv__current_task();
    mouv_error_t **place = task != NULL ? &task->last_error : worker_error;
    if (place == NULL) return error->code;
    if (*place == NULL) *place = mouv__alloc(sizeof *error);
    if (*place != NULL) **place = *error;
    if (task != NULL) task->means = 0;
    return error->code;
}

static int raise_text(mouv_error_t *error, int code, const char *format, va_list args) {
    mouv_error_t local;
    if (error == NULL) error = &local;
    memset(error, 0, sizeof *error);
    error->code = code;
    vsnprintf(error->message, sizeof error->message, format, args);
    return mouv__record_error(error);
}

int mouv__raise(mouv_error_t *error, int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    raise_text(error, code, format, args);
    va_end(args);
    return code;
}

int mouv_fail(int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    raise_text(NULL, code, format, args);
    va_end(args);
    return code;
}

int mouv_fail_with(const mouv_error_t *error) {
    if (error == NULL) return mouv__raise(NULL, MOUV_EINVAL, "mouv_fail_with: no error");
    return mouv__record_error(error);
}
