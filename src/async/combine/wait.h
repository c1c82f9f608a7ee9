/*
 * What waiting for borrowed futures needs: a hold on them that leaves the caller his reference.
 */
#ifndef MOUV_ASYNC_COMBINE_WAIT_H
#define MOUV_ASYNC_COMBINE_WAIT_H

#include <mouv/wait.h>

#include "async/loop/future.h"

/**
 * Holds what `futures[index]` stands for; the caller's reference stays his. Release with
 * mouv__future_let_go(). `*future` is NULL, and `*code` set, for one that failed from the start.
 * MOUV_EINVAL, with `who` and the index in the message, for an unusable handle.
 */
int mouv__wait_borrow(const char *who, const mouv_future_t *futures, size_t index,
                      mouv__future_t **future, int *code, mouv_error_t *error);

/** Awaits a future made for this await alone: it is cancelled if the await was refused. */
int mouv__wait_for_own(mouv_future_t own, mouv_error_t *error);

#endif
