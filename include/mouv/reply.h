/*
 * What the server replied, of an operation that has failed: errInfo, keyValue, keyPattern and whatever else
 * an error's code and text do not tell.
 */
#ifndef MOUV_REPLY_H
#define MOUV_REPLY_H

#include <bson/bson.h>

#include <mouv/base.h>
#include <mouv/error.h>

MOUV_BEGIN_DECLS

/**
 * The reply with which the server refused the operation that this error is of, whatever operation: of
 * a command, find_one_and_..., find or another cursor, a transaction's end as it came; of insert, update,
 * delete and bulk the one that their `reply` gives. It goes with the error wherever that goes: through a
 * gather, a group, a task's body (mouv_fail_with()), a scope, a copy, to another thread.
 *
 * Context:   any thread; never suspends.
 * Ownership: a copy, the caller's to destroy (MOUV_AUTO_BSON).
 * Returns:   NULL where the server has not answered, or the error is not an operation's; and where the
 *            error is old: the replies of the process's last 1,024 errors are kept, those of 4 MiB
 *            together. Look where the error is handled.
 * Like:      the `reply` of libmongoc's functions, mongoc_cursor_error_document(); PyMongo's
 *            `OperationFailure.details`.
 */
MOUV_API bson_t *mouv_error_reply(const mouv_error_t *error);

/**
 * The part of it that is about this error, {code, errmsg, errInfo, keyPattern, keyValue, ...} in one place for
 * all operations: the entry of `writeErrors` or the `writeConcernError` that the error's `server_code` is from,
 * else the whole reply. Otherwise as mouv_error_reply().
 *
 * Like: PyMongo's `WriteError.details`.
 */
MOUV_API bson_t *mouv_error_details(const mouv_error_t *error);

MOUV_END_DECLS

#endif
