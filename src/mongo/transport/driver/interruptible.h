/*
 * What a call on a carrier can be interrupted through, and what its connections report back. One a
 * carrier: the worker that has the carrier says whose call begins and ends, its connections
 * (stream.h) register the socket they use, and the loop interrupts by naming the call, so that it
 * never meets the next one. Counted, since libmongoc keeps connections for longer than mouv.
 *
 * A connection that is being set up is never interrupted: libmongoc would take the server for lost.
 * The call is then ended when its command is to be sent.
 */
#ifndef MOUV_MONGO_TRANSPORT_DRIVER_INTERRUPTIBLE_H
#define MOUV_MONGO_TRANSPORT_DRIVER_INTERRUPTIBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mongoc/mongoc.h>

typedef struct mouv__line mouv__line_t;

/** The socket of one connection; the stream's that it is part of. */
typedef struct mouv__socket {
    mouv__line_t *line; /**< a share */
    int fd;
    bool cut;             /**< atomic; interrupted: of no more use */
    bool writing;         /**< atomic; waits until it can send more */
    bool setting_up;      /**< no command has been sent yet */
    int64_t set_up_by_us; /**< then: the end of connectTimeoutMS, on libbson's clock */
} mouv__socket_t;

/** NULL: ENOMEM. */
mouv__line_t *mouv__line_new(void);

/** Any thread; NULL is fine. */
mouv__line_t *mouv__line_ref(mouv__line_t *line);
void mouv__line_unref(mouv__line_t *line);

/* --- A worker that has the carrier ------------------------------------------------------------ */

/** A call begins that `ticket` (not 0) names; each wait for the server takes at most `limit_ms`, in
 *  place of the URI's socketTimeoutMS (0: that; negative: no limit). */
void mouv__line_begin(mouv__line_t *line, uint64_t ticket, int32_t limit_ms);

/** It has ended: true if it was interrupted, even where it succeeded: the connection is cut. */
bool mouv__line_end(mouv__line_t *line);

/** Of the call that has ended: whether its command has been given to a connection. */
bool mouv__line_was_sent(const mouv__line_t *line);

/** ... whether it met a connection that an interrupt had cut after an earlier call was through. */
bool mouv__line_was_stale(const mouv__line_t *line);

/** Of the call that has ended: whether it has set a connection up, which is now ready. */
bool mouv__line_has_set_up(mouv__line_t *line);

/** If the server's answer was not to be read, replaces `error`, libmongoc's, by what was wrong. */
void mouv__line_explain(mouv__line_t *line, bson_error_t *error);

/* --- Any thread ------------------------------------------------------------------------------- */

/** Ends this call if it is the one under way: true, also where it is so already. */
bool mouv__line_interrupt(mouv__line_t *line, uint64_t ticket);

/* --- Its connections, on the worker ----------------------------------------------------------- */

/** The next wait is on this socket: false if it is cut. */
bool mouv__line_use(mouv__socket_t *socket);

/** A command, not one of the set-up's, is to be sent: false if the call has been interrupted. */
bool mouv__line_send(mouv__socket_t *socket);

/** How long a wait may take that libmongoc gives `timeout_ms` (negative: no limit). */
int32_t mouv__line_timeout(const mouv__socket_t *socket, int32_t timeout_ms);

/** Notes what was wrong with an answer. */
void mouv__line_fault(mouv__line_t *line, const char *what);

/** The socket is about to be closed: nobody will cut it any more. */
void mouv__line_leave(mouv__socket_t *socket);

#endif
