/*
 * A server that an operation's error has marked Unknown (topology/app_error.h) is asked at once, by a
 * hello on a control connection, whether it is what it was; else, or without an answer, again after
 * minHeartbeatFrequencyMS, until its monitor has told what has become of it. Loop thread.
 */
#ifndef MOUV_MONGO_POOL_RECHECK_H
#define MOUV_MONGO_POOL_RECHECK_H

#include "mongo/base/types.h"

#include "async/loop/timer.h"

typedef struct mouv__recheck {
    mouv__probe_t *out;  /**< or NULL */
    mouv__timer_t timer; /**< of the next one */
} mouv__recheck_t;

/** Asks whoever is marked and whose time has come, one at a time. */
void mouv__recheck(mouv__pool_t *pool);

/** The client ends: what is out is not waited for. */
void mouv__recheck_close(mouv__pool_t *pool);

#endif
