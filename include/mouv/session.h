/*
 * Sessions and transactions.
 *
 *     MOUV_AUTO_SESSION mouv_session_t *session = mouv_client_start_session(client, NULL, &error);
 *     bson_t opts = BSON_INITIALIZER;
 *     mouv_session_append(session, &opts);              // for every operation that takes opts
 *     mouv_session_start_transaction(session, NULL, &error);
 *     mouv_await(mouv_collection_insert_one(orders, order, &opts, NULL), &error);
 *     mouv_await(mouv_session_commit_transaction(session), &error);
 *
 * A session is one task's at a time: an operation in it while another one runs is refused with
 * MOUV_ESTATE. It belongs to its client; opts of another client's session are MOUV_EINVAL. Cursors
 * in a session fetch nothing ahead. An operation that is cancelled or times out is ended on the
 * server by killing what the session does there: its transaction and its cursors end with it.
 */
#ifndef MOUV_SESSION_H
#define MOUV_SESSION_H

#include <stdbool.h>

#include <mouv/client.h>

/** Operations that belong together. Opaque. */
typedef struct mouv_session mouv_session_t;

/** Options of transactions; of each that is zero the session's counts, then the client's. */
typedef struct mouv_transaction_opts {
    const bson_t *read_concern;  /**< {level: "snapshot"}, sent with the first command */
    const bson_t *write_concern; /**< {w: "majority"}, sent with commit and abort; never w: 0 */
    const char *read_preference; /**< "primary": what the server demands; any other is refused by
                                      the reads of the transaction */
    int64_t max_commit_time_ms;  /**< limit of the commit on the server; none */
    int64_t retry_limit_ms;      /**< until when mouv_with_transaction() retries; 120,000; then it
                                      is MOUV_ETIMEDOUT, or a commit of unknown outcome */
    int64_t timeout_ms;          /**< timeoutMS of mouv_with_transaction(), see client.h; the
                                      session's; MOUV_FOREVER: none */
} mouv_transaction_opts_t;

/** Options of mouv_client_start_session(); zero is the default of each. */
typedef struct mouv_session_opts {
    int causal_consistency; /**< 1: on; -1: off; 0: on, unless `snapshot`: operations, but for
                                     mouv_database_command(), carry the last operationTime */
    bool snapshot;          /**< every read sees the data as of the first read; no transactions */
    int64_t default_timeout_ms; /**< timeoutMS of commit, abort, mouv_with_transaction() and of the
                                     abort at the end; the client's; MOUV_FOREVER: none */
    mouv_transaction_opts_t transaction; /**< of its transactions, where they have none */
} mouv_session_opts_t;

MOUV_BEGIN_DECLS

/**
 * A session; no I/O: it begins on a worker, with its first operation.
 *
 * Context:   the client's thread; never suspends.
 * Ownership: copies `opts` (NULL: defaults). Release with mouv_session_unref().
 * Returns:   NULL on failure, with `error` filled.
 * Errors:    MOUV_EINVAL (`opts`), MOUV_ECLOSED, MOUV_ETHREAD, MOUV_ENOMEM.
 * Like:      mongoc_client_start_session(); Motor's start_session().
 */
MOUV_API mouv_session_t *mouv_client_start_session(mouv_client_t *client,
                                                   const mouv_session_opts_t *opts,
                                                   mouv_error_t *error);

/**
 * Makes operations that get these opts use the session: appends a field `sessionId`.
 *
 * Like: mongoc_client_session_append().
 */
MOUV_API int mouv_session_append(const mouv_session_t *session, bson_t *opts);

/**
 * Ends the session: aborts its open transaction and gives its server session back, both in the
 * background. Never suspends and is not refused in a cancelled task; a second call is harmless.
 * Operations in it fail with MOUV_ECLOSED afterwards. Client close ends all sessions.
 */
MOUV_API void mouv_session_end(mouv_session_t *session);

/** Ends and releases; takes NULL, returns NULL. */
MOUV_API mouv_session_t *mouv_session_unref(mouv_session_t *session);

/** What MOUV_AUTO_SESSION calls. */
MOUV_API void mouv_session_drop(mouv_session_t **session);

/** The client that it belongs to; no reference is added. */
MOUV_API mouv_client_t *mouv_session_client(const mouv_session_t *session);

/** `{id: <UUID>}`, the server's name for it; NULL before the first operation. The session's own. */
MOUV_API const bson_t *mouv_session_lsid(const mouv_session_t *session);

/**
 * Whether its server session will not be used again once it ends: a connection was lost under it.
 *
 * Like: mongoc_client_session_get_dirty().
 */
MOUV_API bool mouv_session_is_dirty(const mouv_session_t *session);

/* --- Times: what makes operations follow others across sessions ------------------------------- */

/** The greatest $clusterTime seen, or NULL; valid until the session's next operation. */
MOUV_API const bson_t *mouv_session_cluster_time(const mouv_session_t *session);

/** The operationTime of the last operation; 0 and 0 before the first. Either output may be NULL. */
MOUV_API void mouv_session_operation_time(const mouv_session_t *session, uint32_t *timestamp,
                                          uint32_t *increment);

/** Times that another session saw: a lesser one than the session's own does nothing. MOUV_EINVAL:
 *  no document with a timestamp `clusterTime`. */
MOUV_API int mouv_session_advance_cluster_time(mouv_session_t *session, const bson_t *cluster_time);
MOUV_API void mouv_session_advance_operation_time(mouv_session_t *session, uint32_t timestamp,
                                                  uint32_t increment);

/* --- Transactions ----------------------------------------------------------------------------- */

/**
 * Begins a transaction: the operations that follow in this session are part of it. Nothing is sent
 * before the first of them. In it they may have no readConcern and no writeConcern of their own, no
 * read preference but primary, and are not retried. An error with the label
 * "TransientTransactionError" means: abort and begin anew.
 *
 * Context: the client's thread; never suspends.
 * Errors:  MOUV_ESTATE: a transaction is open, or another task uses the session; MOUV_EINVAL: bad
 *          `opts`, or a snapshot session; MOUV_ECLOSED; MOUV_ETHREAD; MOUV_ENOMEM.
 * Like:    mongoc_client_session_start_transaction(); Motor's start_transaction().
 */
MOUV_API int mouv_session_start_transaction(mouv_session_t *session,
                                            const mouv_transaction_opts_t *opts,
                                            mouv_error_t *error);

/**
 * Commits; retried once. After a commit a further call sends it again, with w: "majority": the way
 * to make sure after an error with the label "UnknownTransactionCommitResult". An empty transaction
 * sends nothing. A commit that was cancelled before it was sent leaves the transaction open.
 *
 * Errors: as every write (database.h); MOUV_ESTATE: no transaction, an aborted one, or another task
 *         uses the session.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_session_commit_transaction(mouv_session_t *session);

/** The same with `opts`: timeoutMS. (With one the commit is retried until the time is up, and
 *  max_commit_time_ms and wtimeout are ignored.) */
MOUV_API MOUV_CHECK_RESULT mouv_future_t
mouv_session_commit_transaction_with_opts(mouv_session_t *session, const bson_t *opts);

/**
 * Aborts. What the server or the network says to it is nobody's error: the future gives 0, after
 * 10 s at the latest. It is clean-up, as killCursors: not refused in a cancelled task and not
 * cancelled.
 *
 * Errors: MOUV_ESTATE: no transaction, one that has been committed or aborted, or another task uses
 *         the session.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_session_abort_transaction(mouv_session_t *session);

/** The same with `opts`: timeoutMS, in place of the 10 s. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t
mouv_session_abort_transaction_with_opts(mouv_session_t *session, const bson_t *opts);

/** Whether a transaction is open: started, and neither committed nor aborted. */
MOUV_API bool mouv_session_in_transaction(const mouv_session_t *session);

/** Where a session's transaction is. */
typedef enum mouv_transaction_state {
    MOUV_TRANSACTION_NONE,     /**< none was started, or other operations have come since */
    MOUV_TRANSACTION_STARTING, /**< nothing has been sent in it */
    MOUV_TRANSACTION_IN_PROGRESS,
    MOUV_TRANSACTION_COMMITTED,
    MOUV_TRANSACTION_ABORTED
} mouv_transaction_state_t;

/** Like: mongoc_client_session_get_transaction_state(). */
MOUV_API mouv_transaction_state_t mouv_session_transaction_state(const mouv_session_t *session);

/** What runs in a transaction: as a coroutine's body; may run several times. */
typedef int (*mouv_transaction_fn_t)(mouv_session_t *session, void *arg);

/**
 * Runs `fn(session, arg)` in a transaction and commits it: again from the start after an error
 * with the label TransientTransactionError, the commit alone after UnknownTransactionCommitResult,
 * until `retry_limit_ms` are over. `fn` returns the failure of its operations as it is, so that the
 * labels are seen; a negative result aborts. If `fn` itself commits or aborts, that stands. A failed
 * operation has ended the transaction on the server: a `fn` that goes on and returns 0 all the same
 * is run again until the limit, since its commit says TransientTransactionError; that error names
 * the operation.
 *
 * With a timeoutMS (`timeout_ms`, the session's, the client's) that is the limit of the whole: of
 * the operations in `session` (one of them with a timeoutMS of its own is MOUV_EINVAL; those
 * outside of `session` know nothing of it), of retries and of the commit. The abort has it anew.
 *
 * Context: a coroutine. If `fn` fails the transaction is aborted, which is waited for; where the
 *          time of a scope around is over, or the task is cancelled, for 100 ms at most: the abort
 *          then goes on behind the caller, and what comes next in the session waits for it.
 *          A session that is released meanwhile is held until the end; its operations fail.
 * Returns: what `fn` returned, or the error. Whatever ends the retries for want of time is
 *          MOUV_ETIMEDOUT with the last try's error as its cause and in its text (or MOUV_EUNKNOWN,
 *          where a commit may have been done): docs/timeouts.md.
 * Like:    mongoc_client_session_with_transaction(); Motor's with_transaction().
 */
MOUV_API MOUV_SUSPENDS int mouv_with_transaction(mouv_session_t *session, mouv_transaction_fn_t fn,
                                                 void *arg, const mouv_transaction_opts_t *opts,
                                                 mouv_error_t *error);

/** The twin of mouv_with_transaction(), a task; it holds `session`; `arg` and the documents in `opts`
 *  are borrowed until it has ended. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t
mouv_with_transaction_future(mouv_session_t *session, mouv_transaction_fn_t fn, void *arg,
                             const mouv_transaction_opts_t *opts);

MOUV_END_DECLS

#ifdef MOUV_CLEANUP
/** A session that is ended and released at the end of its block, also on early return. */
#define MOUV_AUTO_SESSION MOUV_CLEANUP(mouv_session_drop)
#endif

#endif
