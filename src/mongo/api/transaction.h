/*
 * Transactions: what the end of a session makes of an open one.
 */
#ifndef MOUV_MONGO_API_TRANSACTION_H
#define MOUV_MONGO_API_TRANSACTION_H

#include <mouv/session.h>

/** The session ends: aborts for nobody what is open. */
void mouv__transaction_end(mouv_session_t *session);

#endif
