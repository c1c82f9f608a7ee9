/*
 * Server sessions: what a command is sent in, so that it can be killed and sent again. Kept by a
 * store: with threads each connection has one, as libmongoc knows a session by its client.
 *
 *   FREE, STALE --take--> IN_USE --give back--> FREE      it is good
 *                                           --> STALE     its connection was lost: begun anew
 *                                           --> PARKED    a killSessions for it is under way
 *                                           --> DOOMED    ... has had no answer, and may yet come
 *   PARKED --answered--> FREE, STALE, DOOMED
 *   DOOMED --25 minutes--> IN_USE, begun anew
 *
 * Loop thread.
 */
#ifndef MOUV_MONGO_TRANSPORT_SERVER_SESSION_H
#define MOUV_MONGO_TRANSPORT_SERVER_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <mongoc/mongoc.h>

#include "mongo/base/types.h"

/** The legal moves stand in one table in server_session.c. */
typedef enum mouv__server_session_state {
    MOUV__SERVER_SESSION_IN_USE,
    MOUV__SERVER_SESSION_FREE,
    MOUV__SERVER_SESSION_STALE,
    MOUV__SERVER_SESSION_PARKED,
    MOUV__SERVER_SESSION_DOOMED
} mouv__server_session_state_t;

/** What the specification has in one endSessions. */
#define MOUV__SESSIONS_ENDED_MAX 10000

struct mouv__server_session {
    mouv__server_session_t *next_free; /**< in the store's `free` or `doomed` */
    mouv__server_session_t *next;      /**< in the store's `all` */
    mouv__session_store_t *store;
    mouv__connection_t *connection; /**< that only can use it */
    mouv__pin_t *keepers;           /**< the cursors and the user's session that keep it */
    void *handle;                   /**< libmongoc's; NULL: it has not been begun */
    uint8_t lsid[16];               /**< set with `handle` */
    uint8_t state;                  /**< mouv__server_session_state_t */
    int64_t used_ns;                /**< when it was given back */
    uint32_t out;                   /**< exchanges that are under way in it */
    uint32_t kills;                 /**< killSessions for it that have not been answered */
    /* what became of it while it was in use */
    bool dirty;      /**< a connection was lost under it */
    bool dropped;    /**< ... with its command, so libmongoc drops it then */
    bool unanswered; /**< a killSessions for it had no answer */
    /* for the transport */
    bool renew; /**< it is to be begun anew */
};

struct mouv__session_store {
    mouv__connection_t *connection;
    mouv__server_session_t *all;
    mouv__server_session_t *free;   /**< the one given back last is first */
    mouv__server_session_t *doomed; /**< likewise */
    bool renews; /**< one that is no longer good is never seen again, so none is doomed */
};

void mouv__session_store_init(mouv__session_store_t *store, mouv__connection_t *connection);

/** Whether a cursor or a user's session keeps one of them. */
bool mouv__session_store_is_kept(const mouv__session_store_t *store);

/** Whether an operation, or whoever keeps one, has one of them. */
bool mouv__session_store_is_used(const mouv__session_store_t *store);

/** Frees all, and calls `end` for each first. Any thread that has the connection. */
void mouv__session_store_clear(mouv__session_store_t *store,
                               void (*end)(mouv__server_session_t *session));

/** Appends what servers know all that have begun by to an endSessions' array that has `count`
 *  already. How many it has then, at most MOUV__SESSIONS_ENDED_MAX. */
uint32_t mouv__session_store_append(const mouv__session_store_t *store, bson_t *to, uint32_t count);

/** One that may be used now, new if there is none. NULL: ENOMEM. */
mouv__server_session_t *mouv__server_session_take(mouv__session_store_t *store, int64_t now_ns);

/** Does nothing while somebody keeps it. */
void mouv__server_session_give_back(mouv__server_session_t *session, int64_t now_ns);

/** A killSessions for it has been sent; it has ended, with the server's answer or without. */
void mouv__server_session_kill(mouv__server_session_t *session);
void mouv__server_session_killed(mouv__server_session_t *session, bool answered, int64_t now_ns);

/** Appends what servers know it by: {id: its lsid}, under this key. */
void mouv__server_session_append(const mouv__server_session_t *session, bson_t *to, const char *key,
                                 int length);

/** The connection that it was used on is gone; `dropped`: with its command. */
void mouv__server_session_lost(mouv__server_session_t *session, bool dropped);

#endif
