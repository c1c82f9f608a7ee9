/*
 * Error values inside.
 */
#ifndef MOUV_ASYNC_LOOP_ERROR_H
#define MOUV_ASYNC_LOOP_ERROR_H

#include <stdarg.h>

#include <mouv/error.h>

/** mouv_error_set() of an `error` that is not NULL. What is formatted may be its own texts. */
int mouv__error_vset(mouv_error_t *error, int code, const char *format, va_list args);

/** Another message for the same error; its own may be in it. */
void mouv__error_reword(mouv_error_t *error, const char *format, ...) MOUV_PRINTF(2, 3);

/** Fills `error` with what is known of a negative result: "coroutine 'hello' returned -7". */
void mouv__error_of_result(mouv_error_t *error, int rc, const char *kind, const char *fn_name);

#endif
