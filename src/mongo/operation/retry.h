/*
 * What an attempt came to, and whether there is another: the rules of the retryable reads and
 * retryable writes specifications, and of telling the truth about writes. Loop thread; no I/O.
 */
#ifndef MOUV_MONGO_OPERATION_RETRY_H
#define MOUV_MONGO_OPERATION_RETRY_H

#include "mongo/operation/operation.h"

/** Classifies the attempt that has come back into `error` (code 0: success), see error.h. */
void mouv__retry_outcome(mouv__operation_t *op, mouv_error_t *error);

/** Whether this failure allows a second attempt; if so the operation is made ready for it. If only a
 *  stop forbids it, `error` becomes that, with the failure as its cause. */
bool mouv__retry(mouv__operation_t *op, mouv_error_t *error);

/**
 * The last word on a failure, after every attempt: brings in the first attempt's error and what is
 * not known of a write.
 */
void mouv__retry_last_word(mouv__operation_t *op, mouv_error_t *error);

/** The error of an operation that was cancelled or has expired. */
void mouv__retry_stopped_error(const mouv__operation_t *op, mouv_error_t *error);

/** Gives a retryable write its txnNumber, where the deployment takes one. */
void mouv__retry_give_txn_number(mouv__operation_t *op);

#endif
