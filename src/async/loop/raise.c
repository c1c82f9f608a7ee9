/*
 * Failing: the last error of the running body, and how calls set it.
 */
#include "async/loop/raise.h"

#include <stdarg.h>

#include "async/loop/error.h"
#include "async/loop/state.h"
#include "context/alloc.h"

/* Of an offloaded function, on its worker. */
static _Thread_local mouv__last_error_t *outside_of_tasks;

void mouv__raise_into(mouv__last_error_t *place) {
    outside_of_tasks = place;
}

int mouv__raise_error(const mouv_error_t *error) {
    const mouv_runtime_t *runtime = mouv__thread_runtime;
    mouv__last_error_t *last = runtime != NULL ? runtime->last_error : NULL;
    if (last == NULL) last = outside_of_tasks;
    if (last == NULL) return error->code;
    if (last->error == NULL) last->error = mouv__alloc(sizeof *error);
    if (last->error != NULL) *last->error = *error;
    last->means = 0;
    return error->code;
}

static void raise_text(mouv_error_t *error, int code, const char *format, va_list args) {
    mouv_error_t local;
    if (error == NULL) error = &local;
    mouv__error_vset(error, code, format, args);
    mouv__raise_error(error);
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
    return mouv__raise_error(error);
}
