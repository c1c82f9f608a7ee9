/*
 * What the lower rooms may know of a client: whose thread it is on, whether it is open, who holds
 * it. A mouv_client_t begins with its reference (api/client.h), so its address is that of the
 * client; what the rooms below api/ call upward stands in three callbacks.
 *
 *   users     mouv_client_ref(): at 0 nothing is told any more
 *   open_for  sessions, cursors and the like; with both at 0 it closes
 *   held      inside mouv: unsettled operations, the close itself; with all at 0 it is freed
 *
 * All of it is the loop thread's, and counts are plain numbers. Who comes from another thread or
 * from the child of a fork() is told so (mouv__client_check()) or turned away (is_foreign) before a
 * count is touched; see docs/decisions/0012.
 */
#ifndef MOUV_MONGO_BASE_CLIENT_REF_H
#define MOUV_MONGO_BASE_CLIENT_REF_H

#include <stdbool.h>
#include <stdint.h>

#include <mongoc/mongoc.h>

#include <mouv/client.h>

#include "async/task/runtime.h"
#include "context/list.h"
#include "context/table.h"
#include "mongo/base/types.h"

/** Only forward. DRAINING waits for operations, DESTROYING for libmongoc's pool. */
typedef enum mouv__client_state {
    MOUV__CLIENT_OPEN,
    MOUV__CLIENT_DRAINING,
    MOUV__CLIENT_DESTROYING,
    MOUV__CLIENT_CLOSED
} mouv__client_state_t;

/** Embedded in what leaves something on the server that must not outlive the client. */
typedef struct mouv__client_hook {
    mouv__link_t link;
    /** The client begins to close: clean-up can begin, and is waited for. */
    void (*closes)(struct mouv__client_hook *hook);
} mouv__client_hook_t;

/** What api/ does for the rooms below it; loop thread. */
typedef struct mouv__client_ops {
    /** Nobody needs it open any more. */
    void (*close)(mouv_client_t *client);
    /** Something has ended: a closing client looks whether it was the last. */
    void (*quiet)(mouv_client_t *client);
    /** It is closed and nobody holds it. */
    void (*free)(mouv_client_t *client);
} mouv__client_ops_t;

typedef struct mouv__client_ref {
    const mouv__client_ops_t *ops;
    mouv_runtime_t *runtime; /**< NULL once it is closed */
    uint32_t users, open_for, held;
    uint32_t process;                     /**< where it was made, see fork.h */
    uint8_t state;                        /**< mouv__client_state_t */
    int64_t timeout_ms;                   /**< the URI's timeoutMS, see timeout.h */
    mouv__table_t databases, collections; /**< its handles, see handles.h */
    mouv__operations_t *operations;       /**< see operation.h */
    mouv__events_t *events;               /**< NULL: nothing is subscribed, see events.h */
    mouv__list_t sessions;                /**< the users', see session.h */
    mouv__list_t hooks;                   /**< mouv__client_hook_t */
    uint32_t delays;                      /**< mouv__client_delay_close() */
    int64_t txn_number;                   /**< the last one given out */
    /* the URI's; borrowed from libmongoc's part, NULL: the server's */
    const bson_t *read_concern, *write_concern; /**< {readConcern: {...}}, {writeConcern: {...}} */
    const mongoc_read_prefs_t *read_prefs;
    mouv_client_stats_t stats;
} mouv__client_ref_t;

static inline mouv__client_ref_t *mouv__client_ref_of(const mouv_client_t *client) {
    return (mouv__client_ref_t *)client;
}

static inline mouv_runtime_t *mouv__client_runtime(const mouv_client_t *client) {
    return mouv__client_ref_of(client)->runtime;
}

static inline int64_t mouv__client_now_ns(const mouv_client_t *client) {
    return mouv__clock_now_ns(mouv__client_runtime(client));
}

static inline mouv__client_state_t mouv__client_state(const mouv_client_t *client) {
    return (mouv__client_state_t)mouv__client_ref_of(client)->state;
}

static inline bool mouv__client_is_open(const mouv_client_t *client) {
    return mouv__client_state(client) == MOUV__CLIENT_OPEN;
}

/** Its figures, for whoever counts. */
static inline mouv_client_stats_t *mouv__client_stats(const mouv_client_t *client) {
    return &mouv__client_ref_of(client)->stats;
}

/** Who is told of what happens; NULL: nobody. */
static inline mouv__events_t *mouv__client_events(const mouv_client_t *client) {
    return mouv__client_ref_of(client)->events;
}

/** A client's beginning, with one user. */
void mouv__client_ref_init(mouv_client_t *client, const mouv__client_ops_t *ops,
                           mouv_runtime_t *runtime);

/** The next state; asserts that it is. */
void mouv__client_ref_move(mouv_client_t *client, mouv__client_state_t state);

/** 0, or why a new operation is refused: MOUV_EINVAL (NULL), ETHREAD, ECLOSED. */
int mouv__client_check(const mouv_client_t *client, mouv_error_t *error);

/** The same of clean-up, which begins while it drains as well. */
int mouv__client_check_cleanup(const mouv_client_t *client, mouv_error_t *error);

/** A hook of its own, until it is removed; in any state. Loop thread. */
void mouv__client_add_hook(mouv_client_t *client, mouv__client_hook_t *hook);
void mouv__client_remove_hook(mouv_client_t *client, mouv__client_hook_t *hook);

/** What will begin clean-up of its own accord is under way: closing waits until it has, in vain no
 *  longer than for operations. Loop thread. */
void mouv__client_delay_close(mouv_client_t *client);
void mouv__client_allow_close(mouv_client_t *client);

/** It begins to close: calls each. */
void mouv__client_call_hooks(mouv_client_t *client);

/** Whether this is not the client's thread, or not its process. One that is closed belongs to any
 *  thread. */
bool mouv__client_is_elsewhere(const mouv_client_t *client);

/** The same for what returns no error and then must do nothing: complains, but not in the child of
 * a fork(), where nobody can help it. */
bool mouv__client_is_foreign(const mouv_client_t *client, const char *function);

/** One user less: true if it was the last. */
bool mouv__client_ref_leave(mouv_client_t *client);

/** Closes it unless somebody needs it open. */
void mouv__client_close_if_unused(mouv_client_t *client);

/** One more, one less thing of its user's that needs it open. NULL is fine. Loop thread. */
mouv_client_t *mouv__client_keep_open(mouv_client_t *client);
void mouv__client_may_close(mouv_client_t *client);

/** One more, one less reason inside mouv not to free it. Loop thread. */
void mouv__client_hold(mouv_client_t *client);
void mouv__client_let_go(mouv_client_t *client);

/** Something has ended: a closing client looks whether it was the last. */
void mouv__client_quiet(mouv_client_t *client);

#endif
