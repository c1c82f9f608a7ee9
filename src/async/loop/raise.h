/*
 * Failing: how every call of mouv that fails in a coroutine leaves its error with the running task,
 * where its end and the scopes around find it. This file knows no task: whoever runs a body says
 * where its errors go meanwhile, a task in `last_error` of its runtime, the worker of an offloaded
 * function with mouv__raise_into().
 */
#ifndef MOUV_ASYNC_LOOP_RAISE_H
#define MOUV_ASYNC_LOOP_RAISE_H

#include <mouv/error.h>

/** What one body remembers of its errors; zero: nothing. Whoever embeds it frees `error`. */
typedef struct mouv__last_error {
    mouv_error_t *error; /* owned; NULL: none, or there was no memory for it */
    int means;           /* what an ECANCELED of the body stands for, by a scope or group that
                            ended since; 0: itself */
} mouv__last_error_t;

/** Where errors go on this thread outside of tasks; NULL: nowhere. */
void mouv__raise_into(mouv__last_error_t *place);

/** Makes `error` the last one of the running body; returns error->code. */
int mouv__raise_error(const mouv_error_t *error);

/** Fills `error` (nullable) with code and formatted text, records it for the running body and
 *  returns the code: how a suspending function fails. */
int mouv__raise(mouv_error_t *error, int code, const char *format, ...) MOUV_PRINTF(3, 4);

#endif
