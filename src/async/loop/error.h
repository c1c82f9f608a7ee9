/*
 * Error values inside.
 */
#ifndef MOUV_ASYNC_LOOP_ERROR_H
#define MOUV_ASYNC_LOOP_ERROR_H

#include <mouv/error.h>

/** Fills `error` with what is known of a negative result: "coroutine 'hello' returned -7". */
void mouv__error_of_result(mouv_error_t *error, int rc, const char *kind, const char *fn_name);

#endif
