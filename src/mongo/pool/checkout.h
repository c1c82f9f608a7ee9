/*
 * One checkout: the server that it goes to, what it waits for, and how it ends without a
 * connection. Loop thread.
 */
#ifndef MOUV_MONGO_POOL_CHECKOUT_H
#define MOUV_MONGO_POOL_CHECKOUT_H

#include "mongo/pool/pool.h"

/** It enters the pool. */
void mouv__checkout_begin(mouv__checkout_t *checkout, mouv__pool_t *pool);

/** The connection that only can serve it, or NULL. */
mouv__connection_t *mouv__checkout_pinned(const mouv__checkout_t *checkout);

/** Whether selecting a server would help it: not if it waits for a certain one. */
bool mouv__checkout_seeks(const mouv__checkout_t *checkout);

/** Whether a server that suits is known, which is then its `server_id`; if not, that which it waits
 *  for is, or 0. */
bool mouv__checkout_choose(mouv__checkout_t *checkout);

/** Whether waiting for a server is of no use: those that there are have been looked at since it came. */
bool mouv__checkout_is_hopeless(const mouv__checkout_t *checkout);

/** It has no server, or has one and waits for a connection to it. */
void mouv__checkout_select(mouv__checkout_t *checkout);
void mouv__checkout_queue(mouv__checkout_t *checkout);

/** Its deadline is an earlier one than before, or it has one now. */
void mouv__checkout_shorten(mouv__checkout_t *checkout, int64_t deadline_ns);

/** When it has to be looked at: its wait is over, or something else depends on how long it has
 *  waited. */
int64_t mouv__checkout_alarm_ns(const mouv__checkout_t *checkout);

/** That is now. True: its wait is over; else it goes on, and has another alarm. */
bool mouv__checkout_on_alarm(mouv__checkout_t *checkout);

/** It is granted a connection, and the connection is back. (Clean-up has none of the pool's.) */
void mouv__checkout_grant(mouv__checkout_t *checkout, const mouv__connection_t *connection);
void mouv__checkout_return(mouv__pool_t *pool, const mouv__connection_t *connection,
                           uint32_t server_id, uint64_t operation_id);

/** It leaves the pool. */
void mouv__checkout_end(mouv__checkout_t *checkout, const mouv_error_t *error);

/** Fills `error` with what it waits for: ESELECTION or EQUEUE; untouched if it does not wait. */
void mouv__checkout_explain(const mouv__checkout_t *checkout, mouv_error_t *error);

#endif
