/*
 * From libmongoc's errors and the server's replies to mouv_error_t. Pure functions.
 *
 *   what came back                              read         write
 *   ok: 0, code 50 (MaxTimeMSExpired)           ETIMEDOUT    ETIMEDOUT; of many documents: EUNKNOWN
 *   ok: 0, code 11601 (Interrupted), and mouv   (settled)    ECANCELED or ETIMEDOUT; of many
 *     had stopped it                                         documents: EUNKNOWN
 *   ok: 0, any other code                       ESERVER      ESERVER
 *   ok: 1, writeErrors, nothing done, code 50   -            as ok: 0
 *     or (stopped) 11601
 *   ok: 1, writeErrors otherwise                -            ESERVER
 *   ok: 1, writeConcernError code 50 or         -            EUNKNOWN, cause ETIMEDOUT or
 *     (stopped) 11601: stored                                ECANCELED; nothing done: as ok: 0
 *   ok: 1, writeConcernError 79 or 100: there   -            ESERVER
 *     is no such write concern
 *   ok: 1, other writeConcernError: stored,     -            EUNKNOWN, cause ETIMEDOUT (64) or
 *     not confirmed                                          ESERVER; nothing done: ESERVER
 *   connection lost                             ENETWORK     EUNKNOWN, cause ENETWORK, unless
 *                                                            nothing was sent
 *   connection lost while it authenticates      ENETWORK     ENETWORK
 *   no server                                   ESELECTION   ESELECTION
 *   libmongoc refuses the arguments             EINVAL       EINVAL
 *
 * (docs/decisions/0022 has the reasons. The EUNKNOWNs of the write column are decided in retry.c,
 * which knows of earlier attempts.)
 */
#ifndef MOUV_MONGO_BASE_ERROR_H
#define MOUV_MONGO_BASE_ERROR_H

#include <stdbool.h>

#include <mongoc/mongoc.h>

#include <mouv/error.h>

/** Fills `error` from libmongoc's; its code is one of the classes above. */
void mouv__error_from_driver(mouv_error_t *error, const bson_error_t *driver);

/** Whether a connection was lost while libmongoc authenticated on it: an error of authentication for
 *  libmongoc, for everybody else of the network. */
bool mouv__error_is_cut_authentication(const bson_error_t *driver);

/** Fills `error` from a reply with ok: 0, as ESERVER. */
void mouv__error_from_reply(mouv_error_t *error, const bson_t *reply);

/**
 * Looks for writeErrors and writeConcernError in a reply with ok: 1. True if there are any, with
 * `error` as ESERVER of the first; `*in_concern`: the writes were done, only their confirmation
 * failed.
 */
bool mouv__error_from_write_reply(mouv_error_t *error, const bson_t *reply, bool *in_concern);

/** Whether the reply says that something was done (n, nModified, upserted, ... not 0). */
bool mouv__error_reply_did_something(const bson_t *reply);

/** Whether the reply says that nothing had to be done; false where it does not tell. */
bool mouv__error_reply_did_nothing(const bson_t *reply);

/** The server's name for a code of its errors, of those that are usual; else "". */
const char *mouv__error_code_name(int32_t code);

/** Adds one label, unless it is there. */
void mouv__error_add_label(mouv_error_t *error, const char *label);

/** Whether the server's code is one that the retryable reads and writes specifications name. */
bool mouv__error_code_is_retryable(int32_t code);

/** Whether a change of the server's state has ended what it was doing, at whichever point: mongod
 *  looks for that once more when a write is stored already. */
bool mouv__error_code_is_half_way(int32_t code);

/** Whether a writeConcernError says that there is no such write concern: it would fail the same way
 *  each time, while with any other one the write is stored and its confirmation is missing. */
bool mouv__error_code_refuses_concern(int32_t code);

/** The cause of a write whose confirmation failed with this code. */
int mouv__error_concern_cause(int32_t code);

/** Makes of the error of a last try the one of the whole that ends with it: `code`, with this one as
 *  its cause, "<why>; the last try: ...". */
void mouv__error_end(mouv_error_t *error, int code, const char *why);

/** Whether the server has said that it shuts down. */
bool mouv__error_is_shutdown(const mouv_error_t *error);

#define MOUV__CODE_MAX_TIME_EXPIRED 50
#define MOUV__CODE_INTERRUPTED 11601
#define MOUV__CODE_NO_SUCH_TRANSACTION 251

#endif
