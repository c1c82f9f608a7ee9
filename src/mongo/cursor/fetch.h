/*
 * Waiting for the next batch. One future does all of it: it looks at its cursor on a tick of its
 * own, so a batch boundary lets the loop turn even if the batch is there; where no document is at
 * hand it has the owner send what comes next, and it looks again when that has come to something.
 * It knows neither cursors nor change streams: what they differ in stands in mouv__fetch_ops_t.
 *
 * Deadlines: the caller's scope (docs/decisions/0003); and of a cursor that polls timeoutMS, which
 * begins anew with each fetch, and once more when the first command has been answered. What runs
 * gets the deadline, too, but a poll that ends by itself before it may be late: its answer is then
 * the next fetch's. Such cursors need a timer besides: nothing runs where too little time is left
 * for another poll.
 *
 * A fetch holds its cursor; the cursor knows it (`fetch`) until it has settled. Loop thread.
 */
#ifndef MOUV_MONGO_CURSOR_FETCH_H
#define MOUV_MONGO_CURSOR_FETCH_H

#include <stddef.h>

#include "async/loop/timer.h"
#include "mongo/command/command.h"
#include "mongo/cursor/batch_cursor.h"

/** A poll is made to end so long before the deadline, which else would cost the cursor. */
#define MOUV__FETCH_MARGIN_MS 10

/** What is waited for. */
typedef enum mouv__fetch_wanted {
    MOUV__FETCH_ANY,  /**< that a document is at hand */
    MOUV__FETCH_TRY,  /**< likewise, but one getMore that brings none is an answer, too */
    MOUV__FETCH_LIST, /**< all documents that are left, or as many as are wanted */
    MOUV__FETCH_OPEN  /**< that the server has a cursor */
} mouv__fetch_wanted_t;

struct mouv__fetch {
    mouv__future_t future;
    mouv__batch_cursor_t *cursor; /**< counted */
    mouv__ready_t look;           /**< counts as a reference while it is queued */
    mouv__timer_t timer;          /**< at the deadline, of a cursor that polls */
    int64_t scope_ns;             /**< the caller's deadline */
    int64_t limit_ns;             /**< timeoutMS's, of a cursor that polls */
    int64_t deadline_ns;          /**< the nearer of the two */
    uint8_t wanted;               /**< mouv__fetch_wanted_t */
    bool opens;                   /**< the first command is under way */
    bool polled;                  /**< a command's result has been above 0: a getMore's answer */
    size_t limit, count;          /**< LIST: of documents to collect; 0: no limit */
    bson_t *list;                 /**< LIST: collected */
    mouv__output_t output;
};

struct mouv__fetch_ops {
    mouv__future_ops_t future; /**< MOUV__FETCH_FUTURE("change stream") */
    const char *argument;      /**< what the user's argument is called: "stream" */
    const char *prefix;        /**< of the functions: "mouv_change_stream" */
    /** Begins to read the batch that has arrived; false: none has. NULL: it is read already. */
    bool (*turn)(mouv__batch_cursor_t *cursor);
    /** The next document at hand, in `view`; false: there is none, or it is not one to give out. */
    bool (*take)(mouv__batch_cursor_t *cursor);
    /** Whether what there is is enough without a document; `turned`: a batch has just come. */
    bool (*is_answer)(const mouv__fetch_t *fetch, bool turned);
    /** Sends what comes next, unless there is no time for it: mouv__fetch_run(). Or settles. */
    void (*need)(mouv__fetch_t *fetch);
    /** A command has failed; `late`: a worker still has it. */
    void (*failed)(mouv__batch_cursor_t *cursor, const mouv_error_t *error, bool late);
};

/** Initializer of `future`. */
#define MOUV__FETCH_FUTURE(kind_) \
    { \
        .kind = kind_, .cancel = mouv__fetch_cancel, .shorten = mouv__fetch_shorten, \
        .deliver = mouv__fetch_deliver, .visit = mouv__fetch_visit, .release = mouv__fetch_release \
    }

void mouv__fetch_cancel(mouv__future_t *future);
void mouv__fetch_shorten(mouv__future_t *future, int64_t deadline_ns);
void mouv__fetch_deliver(mouv__future_t *future, bool whole);
bool mouv__fetch_visit(mouv__future_t *future, bool (*each)(mouv__future_t *child, void *arg),
                       void *arg);
void mouv__fetch_release(mouv__future_t *future);

/** A fetch of `cursor` (NULL: it fails so): its result is 1, for a LIST how many it are, or 0. */
mouv_future_t mouv__fetch_future(const mouv__fetch_ops_t *ops, mouv__batch_cursor_t *cursor,
                                 mouv__fetch_wanted_t wanted, size_t limit, mouv__output_t output);

/** Suspends where no document is at hand: 1 with `*doc` set, 0, or a negative code. */
int mouv__fetch_next(const mouv__fetch_ops_t *ops, mouv__batch_cursor_t *cursor,
                     mouv__fetch_wanted_t wanted, const bson_t **doc, mouv_error_t *error);

/** The same without suspending: 0 if none is at hand. */
int mouv__fetch_next_buffered(mouv__batch_cursor_t *cursor, const bson_t **doc);

/** A command of the cursor has been started as `handle`: what comes of it wakes who waits. */
void mouv__fetch_run(mouv__batch_cursor_t *cursor, mouv_future_t handle);

/** What runs has this deadline, too; a poll that ends by itself before it may be late. */
void mouv__fetch_shorten_running(mouv__batch_cursor_t *cursor, int64_t deadline_ns);

/** The state has changed: who waits, if anyone, looks again. */
void mouv__fetch_wake(mouv__batch_cursor_t *cursor);

/** Ends the wait so. */
void mouv__fetch_settle(mouv__fetch_t *fetch, int code, const mouv_error_t *error);

#endif
