/*
 * The future inside: its states, what each kind of future brings along, and the calls with which
 * the rest of mouv makes, completes and listens to futures. Loop thread only.
 */
#ifndef MOUV_ASYNC_LOOP_FUTURE_H
#define MOUV_ASYNC_LOOP_FUTURE_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include <mouv/error.h>
#include <mouv/future.h>
#include <mouv/runtime.h>

#include "async/loop/local.h"
#include "async/loop/runtime.h"
#include "async/loop/timer.h"
#include "context/list.h"

typedef struct mouv__future mouv__future_t;
typedef struct mouv__future_listener mouv__future_listener_t;

/** COLD (a coroutine not started) -> PENDING -> DONE; see the table in future.c. */
typedef enum mouv__future_state { MOUV__COLD, MOUV__PENDING, MOUV__DONE } mouv__future_state_t;

#define MOUV__NAME_BYTES 32

/** What a kind of future tells of one of them. */
typedef struct mouv__description {
    char name[MOUV__NAME_BYTES]; /**< while the user has given it none */
    const char *fn_name,
        *file; /**< what runs in it, and where it was made; NULL: nothing to tell */
    int line;
} mouv__description_t;

/**
 * What one kind of future does. `kind` is mandatory; a NULL function means what its comment says.
 * All are called on the loop thread and none may suspend or run user code.
 */
typedef struct mouv__future_ops {
    /** For messages: "task", "gather", "operation". */
    const char *kind;
    /** Something outside the loop completes it (a worker, a server): a virtual clock, which else
     *  would jump to the next timer, runs at real speed while one is counted. */
    bool outside;
    /** A function of the program's runs in it, outside of tasks, which a cancel does not end. */
    bool runs_body;
    /** Only of kinds that can be cold: COLD -> PENDING, and everything begins. */
    void (*start)(mouv__future_t *future);
    /** Asked to stop, while pending (or cold), at most once; must lead to completion, now or later.
     *  NULL: completes with MOUV_ECANCELED at once. */
    void (*cancel)(mouv__future_t *future);
    /** Learns an (absolute) deadline of its awaiter; may come often. NULL: of no interest. */
    void (*shorten)(mouv__future_t *future, int64_t deadline_ns);
    /** Moves results to the user's outputs; done, exactly once. `whole` is false where what was
     *  awaited (a gather) failed although this part may not have: then only replies are given.
     *  NULL: has no outputs. */
    void (*deliver)(mouv__future_t *future, bool whole);
    /** The pending futures that this one waits for: calls `visit` on each until it returns true,
     *  and returns that. For cycle detection and dumps. NULL: none. */
    bool (*visit)(mouv__future_t *future, bool (*visit)(mouv__future_t *child, void *arg),
                  void *arg);
    /** Fills in (zeroed) what there is to tell. NULL: its name is `kind`, and that is all. */
    void (*describe)(const mouv__future_t *future, mouv__description_t *description);
    /** The last reference has gone: frees results and the object itself. NULL: mouv__free(). */
    void (*release)(mouv__future_t *future);
} mouv__future_ops_t;

/** Called once, inside the completion of a future; must only note it and schedule. */
struct mouv__future_listener {
    mouv__link_t link;
    void (*done)(mouv__future_listener_t *self, mouv__future_t *future);
};

static inline bool mouv__future_listener_listens(const mouv__future_listener_t *listener) {
    return mouv__link_is_in_list(&listener->link);
}

/** One of the user's callbacks, on the heap; it is freed once it has run. See callback.c. */
typedef struct mouv__callback {
    mouv__link_t link;
    mouv_future_fn_t fn;
    void *arg;
    mouv__locals_t *locals; /**< that it sees, those of who added it */
    bool consumes;          /**< of mouv_then: moves the results first and holds the future */
} mouv__callback_t;

/** A cancel at a time, which keeps the future in being and the loop alive. See cancel_after.c. */
typedef struct mouv__limit {
    mouv__timer_t timer;
    mouv__future_t *future;
} mouv__limit_t;

struct mouv__future {
    const mouv__future_ops_t *ops;
    mouv_runtime_t *runtime;
    uint64_t id;          /**< what the handle holds */
    uint32_t owned;       /**< references that users own */
    uint32_t held;        /**< references inside mouv: an awaiter, a parent, the runtime */
    uint8_t state;        /**< mouv__future_state_t */
    bool asked;           /**< cancel has been asked */
    bool retrieved;       /**< somebody has seen the failure */
    bool delivered;       /**< outputs have been moved */
    bool going;           /**< will be released; its handle is stale */
    bool counted;         /**< keeps the loop alive while pending */
    int code;             /**< result once done */
    mouv_error_t *error;  /**< owned; NULL: the standard text of `code` */
    char *name;           /**< owned; NULL: default */
    char *maker;          /**< owned; in debug mode the task that made it, if it is none itself */
    mouv__limit_t *limit; /**< owned; NULL: none */
    mouv__list_t listeners;
    mouv__list_t callbacks;
    mouv__link_t cancelling, ending; /**< among the chores, see future.c */
    mouv__ready_t ready;             /**< runs the callbacks */
};

/**
 * Makes a future in `future` (zeroed, heap memory that ops->release frees) with one owned
 * reference. `held` may be raised by the caller afterwards. Returns 0 or MOUV_ENOMEM (the memory is
 * then still the caller's). A `counted` future keeps the loop alive, and itself in being, while it
 * is pending; all kinds are but those of mouv_future_new().
 */
int mouv__future_init(mouv__future_t *future, const mouv__future_ops_t *ops,
                      mouv_runtime_t *runtime, bool counted);

/** Counts a pending future: it keeps the loop alive and itself in being until it is done. */
void mouv__future_count(mouv__future_t *future);

/** Which state may follow which: [from][to]. */
extern const bool mouv__future_may_become[3][3];

/** For future.c, and for kinds that can be cold: COLD, before anybody has the handle, and PENDING
 *  again by ops->start. */
static inline void mouv__future_become(mouv__future_t *future, mouv__future_state_t state) {
    assert(mouv__future_may_become[future->state][state]);
    future->state = (uint8_t)state;
}

/** Its name, MOUV__NAME_BYTES at most. */
void mouv__future_name(const mouv__future_t *future, char *name);

/** "task 'Task-3' (hello at main.c:12)", for messages. */
void mouv__future_describe(const mouv__future_t *future, char *text, size_t size);

static inline mouv_future_t mouv__future_handle(const mouv__future_t *future) {
    mouv_future_t handle = {future->id};
    return handle;
}

/** A handle that has failed already; needs no memory where it carries a code alone. */
mouv_future_t mouv__future_failed(int code);
mouv_future_t mouv__future_failed_with(mouv_runtime_t *runtime, const mouv_error_t *error);

/** The future behind a handle of this thread's runtime, whatever its references; else NULL. */
mouv__future_t *mouv__future_peek(mouv_future_t handle);

/**
 * Turns one owned reference into a held one. NULL if the handle is stale, foreign, consumed or
 * failed from the start: then `*code` and `error` tell why. Release with mouv__future_let_go().
 */
mouv__future_t *mouv__future_consume(mouv_future_t handle, int *code, mouv_error_t *error);

/** The same of a future that is to come: NULL also if it is done, which `error` then tells of. */
mouv__future_t *mouv__future_consume_pending(mouv_future_t handle, mouv_error_t *error);

void mouv__future_hold(mouv__future_t *future);
void mouv__future_let_go(mouv__future_t *future);

/** Gives up what was consumed: nobody will see its outcome. Cancels it and lets it go. */
void mouv__future_discard(mouv__future_t *future);

/** PENDING -> DONE. Copies `error` (may be NULL). Wakes listeners, schedules callbacks. */
void mouv__future_complete(mouv__future_t *future, int code, const mouv_error_t *error);

/** Asks a pending (or cold) future to stop; true if this was the first time it was asked. */
bool mouv__future_cancel(mouv__future_t *future);

/** Takes mouv_future_cancel_after() back, if there was one. */
void mouv__future_unlimit(mouv__future_t *future);

void mouv__future_shorten(mouv__future_t *future, int64_t deadline_ns);
void mouv__future_deliver(mouv__future_t *future, bool whole);

/** The code, marking a failure as retrieved; fills `error` on failure. Only when done. */
int mouv__future_take(mouv__future_t *future, mouv_error_t *error);

/** Fills `error` (not NULL) with the failure of a done future; does not mark it. */
void mouv__future_error(const mouv__future_t *future, mouv_error_t *error);

void mouv__future_listen(mouv__future_t *future, mouv__future_listener_t *listener);
/** Harmless if it listens no more. */
void mouv__future_unlisten(mouv__future_t *future, mouv__future_listener_t *listener);

/** Frees a callback that will not run, or has. */
void mouv__future_free_callback(mouv__callback_t *callback);

/** The callbacks of a done future run on the next tick. */
void mouv__future_schedule_callbacks(mouv__future_t *future);

static inline bool mouv__future_is_done(const mouv__future_t *future) {
    return future->state == MOUV__DONE;
}

/** When the runtime closes: cancels all that is pending; lets go of all that users still own. */
void mouv__futures_cancel_all(mouv_runtime_t *runtime);
void mouv__futures_release_all(mouv_runtime_t *runtime);

/** Starts a cold coroutine as a task of its own; does nothing to any other future. */
void mouv__future_start(mouv__future_t *future);

#endif
