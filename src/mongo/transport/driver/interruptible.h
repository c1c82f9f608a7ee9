/*
 * What a call on one of libmongoc's clients can be interrupted through. One for each client: the
 * worker that has it says whose call begins and ends, the client's streams (stream_connect.h)
 * register the socket that they use and report back, and the loop interrupts by naming the call, so
 * that it never meets the next one. Counted, since libmongoc keeps streams for longer than mouv.
 *
 * A socket that is being set up is never interrupted: libmongoc would take the server for lost. The
 * call is then ended when its command is to be sent.
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_INTERRUPTIBLE_H
#define MOUV_MONGO_TRANSPORT_DRIVER_INTERRUPTIBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mongoc/mongoc.h>

typedef struct mouv__interruptible mouv__interruptible_t;

/** The socket of one stream, which it is part of. */
typedef struct mouv__socket {
    mouv__interruptible_t *interruptible; /**< a share */
    int fd;
    bool cut;             /**< atomic; interrupted: of no more use */
    bool writing;         /**< atomic; waits until it can send more */
    bool setting_up;      /**< no command has been sent yet */
    int64_t set_up_by_us; /**< then: the end of connectTimeoutMS, on libbson's clock */
} mouv__socket_t;

/** NULL: ENOMEM. */
mouv__interruptible_t *mouv__interruptible_new(void);

/** Any thread; NULL is fine. */
mouv__interruptible_t *mouv__interruptible_ref(mouv__interruptible_t *interruptible);
void mouv__interruptible_unref(mouv__interruptible_t *interruptible);

/* --- A worker that has the client ------------------------------------------------------------- */

/** A call begins that `call_id` (0: none) names; each wait for the server takes at most `limit_ms`,
 *  in place of the URI's socketTimeoutMS (0: that; negative: no limit). */
void mouv__interruptible_begin(mouv__interruptible_t *interruptible, uint64_t call_id,
                               int32_t limit_ms);

/** It has ended: true if it was interrupted, even where it succeeded: the connection is cut. */
bool mouv__interruptible_end(mouv__interruptible_t *interruptible);

/** Of the call that has ended: whether its command has been given to a connection. */
bool mouv__interruptible_was_sent(const mouv__interruptible_t *interruptible);

/** ... whether it met a connection that an interrupt had cut after an earlier call was through. */
bool mouv__interruptible_was_stale(const mouv__interruptible_t *interruptible);

/** Of the call that has ended: whether it has set a connection up, which is now ready. */
bool mouv__interruptible_has_set_up(mouv__interruptible_t *interruptible);

/** If the server's answer was not to be read, replaces `error`, libmongoc's, by what was wrong. */
void mouv__interruptible_explain(mouv__interruptible_t *interruptible, bson_error_t *error);

/* --- Any thread ------------------------------------------------------------------------------- */

/** Ends this call if it is the one under way: true, also where it is so already. */
bool mouv__interruptible_interrupt(mouv__interruptible_t *interruptible, uint64_t call_id);

/* --- Its streams, on the worker --------------------------------------------------------------- */

/** The next wait is on this socket: false if it is cut. */
bool mouv__interruptible_use(mouv__socket_t *socket);

/** A command, not one of the set-up's, is to be sent: false if the call has been interrupted. */
bool mouv__interruptible_send(mouv__socket_t *socket);

/** How long a wait may take that libmongoc gives `timeout_ms` (negative: no limit). */
int32_t mouv__interruptible_timeout(const mouv__socket_t *socket, int32_t timeout_ms);

/** Notes what was wrong with an answer. */
void mouv__interruptible_fault(mouv__interruptible_t *interruptible, const char *what);

/** The socket is about to be closed: nobody will cut it any more. */
void mouv__interruptible_leave(mouv__socket_t *socket);

#endif
