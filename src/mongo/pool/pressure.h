/*
 * Overload. Without it, it is first come, first served. A checkout presses when it has waited for half
 * of the time that it can spare: of its own until its deadline, less what its server lately took.
 * While somebody presses, those with a deadline go newest first, since the oldest are those for whom
 * an answer comes too late, and by turns with those without one, the oldest of these first. What has
 * less time left than its server lately took is refused; but where nobody had enough for a moment one
 * goes all the same, so that what is known of the server cannot lock everybody out.
 *
 * Newest first has nothing to end it while callers come back as soon as they have failed: some are
 * always old. So it is first come, first served again once the server is known to need less than that
 * half for all who wait, and nothing has come too late; those who press are then last.
 *
 * Loop thread; decision 0025.
 */
#ifndef MOUV_MONGO_POOL_PRESSURE_H
#define MOUV_MONGO_POOL_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#include <mouv/error.h>

#include "mongo/base/types.h"

/** Of one server; in what the pool keeps of it. */
typedef struct mouv__pressure {
    uint32_t waiting;    /**< checkouts that press */
    int64_t half_ns;     /**< that the last of them had waited */
    int64_t admitted_ns; /**< when the last one was let through while somebody pressed */
} mouv__pressure_t;

/** It is among the TIMED now, or has another deadline there. */
void mouv__pressure_begin(mouv__checkout_t *checkout);

/** Looks whether its half is over, and puts it among those who press. False: it is not. */
bool mouv__pressure_rise(mouv__checkout_t *checkout);

/** One that presses waits no more. */
void mouv__pressure_end(mouv__checkout_t *checkout);

/** One that presses waits for a connection to this server now. */
void mouv__pressure_turn(mouv__checkout_t *checkout, uint32_t server_id);

/** Whether somebody presses who waits for this server. */
bool mouv__pressure_is_on(const mouv__pool_t *pool, uint32_t server_id);

/** Whether those whose server is under pressure go newest first. */
bool mouv__pressure_newest_first(const mouv__pool_t *pool);

/** How long servers will need for all that waits for a connection, by what they lately took; 0: not
 *  known. */
int64_t mouv__pressure_backlog_ns(const mouv__pool_t *pool);

/** Under pressure: whether it has time enough for its server, as far as is known. False, with the
 *  reason in `error`. */
bool mouv__pressure_admits(const mouv__checkout_t *checkout, mouv_error_t *error);

#endif
