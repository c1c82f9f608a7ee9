/*
 * What became of a write that was stopped, where its answer is missing or does not tell: the server
 * is asked, once, and not for long. Loop thread.
 *
 * The fence comes first, as the write may still be on its way: a transaction with the write's own
 * lsid and txnNumber, which fails. If it begins, the server has not seen the write, and will not
 * execute it any more: nothing is stored, and that is told. If not, the question follows: a delete
 * of nothing with the write's own lsid, txnNumber and stmtIds is answered with those of its
 * statements that have been executed. None: nothing is stored. All: the write is sent again, which
 * only brings its answer.
 */
#ifndef MOUV_MONGO_OPERATION_INQUIRY_H
#define MOUV_MONGO_OPERATION_INQUIRY_H

#include "mongo/operation/operation.h"

/** How long asking may take in all. */
#define MOUV__INQUIRY_NS INT64_C(250000000)

typedef struct mouv__inquiry mouv__inquiry_t;

/** What follows once the inquiry's attempt is back. */
typedef enum mouv__inquiry_next {
    MOUV__INQUIRY_AGAIN,  /**< another attempt: the write's command once more */
    MOUV__INQUIRY_ANSWER, /**< the write's own answer has come: as if nothing had been asked */
    MOUV__INQUIRY_ENDED   /**< `error` and `reply` tell what is known */
} mouv__inquiry_next_t;

/** Whether a question can be asked of this write at all. */
bool mouv__inquiry_is_possible(const mouv__operation_t *op);

/** `op` has failed with `error`: if asking has a sense, op->parts.command becomes the question. */
bool mouv__inquiry_begin(mouv__operation_t *op, const mouv_error_t *error);

/**
 * The question, or the command sent again, is back; `error` is what that attempt came to and
 * becomes what is told of the write. ENDED: `*reply` (the caller's to destroy) says how far a write
 * of many documents has got, or is NULL.
 */
mouv__inquiry_next_t mouv__inquiry_back(mouv__operation_t *op, mouv_error_t *error, bson_t **reply);

/** What is told if it ends now. */
void mouv__inquiry_error(const mouv__operation_t *op, mouv_error_t *error);

/** The operation ends: frees what the inquiry owns. */
void mouv__inquiry_free(mouv__operation_t *op);

/** Another command has taken the write's place: puts the deadline back, if a question was asked. */
void mouv__inquiry_end(mouv__operation_t *op);

#endif
