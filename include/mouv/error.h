/*
 * Error codes and the value that carries one error whole: code, text, server code, labels, cause.
 */
#ifndef MOUV_ERROR_H
#define MOUV_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#include <mouv/base.h>

/**
 * X(name, code, message). mouv's codes lie between -20999 and -20001; any other negative number is
 * the user's own and passes through tasks, gather and timeouts unchanged.
 *
 * For a single write, ETIMEDOUT, ECANCELED, EQUEUE and ESELECTION promise that nothing was stored. A
 * write that was sent and not confirmed is EUNKNOWN, with the reason in `cause`. So is one that is
 * stored and whose confirmation failed (writeConcernError): a new primary may not have it. What the
 * server said stands in `server_code` and, as with every answer, in the reply. Codes 79 and 100,
 * "there is no such write concern", are ESERVER. Of several (a gather, a group, a task's body) the
 * code says why the whole ended, and promises nothing about those that had succeeded before:
 * mouv_gather_all() gives the code of each.
 */
#define MOUV_ERROR_MAP(X) \
    X(ETIMEDOUT, -20001, "timed out") \
    X(ECANCELED, -20002, "cancelled") \
    X(ESERVER, -20003, "the server reported an error") \
    X(ENETWORK, -20004, "the connection to the server failed") \
    X(ESELECTION, -20005, "no suitable server") \
    X(EQUEUE, -20006, "no client became free in time") \
    X(EUNKNOWN, -20007, "sent, but the outcome is unknown") \
    X(EINVAL, -20008, "invalid argument") \
    X(ENOMEM, -20009, "out of memory") \
    X(ENOTCORO, -20010, "await outside of a coroutine") \
    X(ECLOSED, -20011, "closed") \
    X(ESTATE, -20012, "invalid state") \
    X(ENOLOOP, -20013, "no running event loop") \
    X(EDEADLK, -20014, "task cannot await on itself") \
    X(ETHREAD, -20015, "used from a thread other than its own") \
    X(EAGAIN, -20016, "would have to wait") \
    X(ESHUTDOWN, -20017, "the queue has been shut down") \
    X(ESYSTEM, -20018, "the operating system reported an error")

enum {
#define MOUV_ERROR_ENUM(name, code, message) MOUV_##name = (code),
    MOUV_ERROR_MAP(MOUV_ERROR_ENUM)
#undef MOUV_ERROR_ENUM
        MOUV_OK = 0
};

/**
 * One error, whole. A plain value in the caller's storage, nothing to release; copy it freely.
 * Functions that take a `mouv_error_t *` take it last, accept NULL and fill it on failure only.
 */
typedef struct mouv_error {
    int code;            /**< MOUV_E*, or the negative number a task's body returned */
    int cause;           /**< why, where the code alone does not tell, see docs/timeouts.md; or 0 */
    uint32_t domain;     /**< libmongoc's error domain, or 0 */
    int32_t server_code; /**< the server's code (11000, ...) or libmongoc's within `domain`; or 0 */
    char code_name[64];  /**< the server's name for its code ("DuplicateKey"), or "" */
    char operation[88];  /**< what failed: "find shop.users"; "" of what is no operation */
    char labels[176];    /**< the server's error labels, separated by spaces; or "" */
    char message[504];   /**< one line for people; never empty on failure */
    uint64_t reply; /**< what mouv_error_reply() finds the server's reply by; 0: there is none */
} mouv_error_t;

MOUV_BEGIN_DECLS

/** The name of a code, "MOUV_ETIMEDOUT"; "MOUV_OK" for 0; "user error" for the rest. Any thread. */
MOUV_API const char *mouv_error_name(int code);

/** The standard text of a code, "timed out". Any thread. */
MOUV_API const char *mouv_error_message(int code);

/**
 * Fills `error` (may be NULL) with a code and a formatted message, of which it makes one line, and
 * returns the code. What is formatted may be in `error` itself ("loading users: %s", error.message);
 * what is too long is cut between two characters (UTF-8).
 * Any thread; never suspends. Other fields are cleared.
 */
MOUV_API int mouv_error_set(mouv_error_t *error, int code, const char *format, ...)
    MOUV_PRINTF(3, 4);

/** Whether `error` carries a label such as "TransientTransactionError". Any thread. */
MOUV_API bool mouv_error_has_label(const mouv_error_t *error, const char *label);

/**
 * Whether a limit ended it, whichever: MOUV_ETIMEDOUT, or a write that may be stored (MOUV_EUNKNOWN)
 * or is stored in part (MOUV_ESERVER) with that as its cause, or what is refused inside a scope whose
 * time is over (MOUV_ECANCELED, which the scope makes ETIMEDOUT at its end). The server's
 * MaxTimeMSExpired (50) is such an error wherever it comes: at the top, in writeErrors, in
 * writeConcernError. The rule stands in docs/timeouts.md. Any thread.
 *
 * Like: PyMongo's `PyMongoError.timeout`.
 */
MOUV_API bool mouv_error_is_timeout(const mouv_error_t *error);

/** Whether a unique index refused the write (codes 11000, 11001, 12582), without parsing text. */
MOUV_API bool mouv_error_is_duplicate_key(const mouv_error_t *error);

/**
 * Makes `code` (negative) with this message the current task's last error and returns it, so that
 * a body can end with `return mouv_fail(-5, "no user %d", id);` and its awaiter sees the message.
 *
 * Context: a coroutine or an offloaded function; elsewhere only the code is returned. Never
 *          suspends.
 * Like:    Python's `raise`.
 */
MOUV_API int mouv_fail(int code, const char *format, ...) MOUV_PRINTF(2, 3);

/** As mouv_fail(), with a whole error, for example one that was kept from an earlier await. */
MOUV_API int mouv_fail_with(const mouv_error_t *error);

MOUV_END_DECLS

#endif
