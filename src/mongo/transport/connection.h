/*
 * What the pool and a transport share of a connection. With threads it is one of libmongoc's
 * clients, which may be connected to several servers and does one thing at a time; on the loop it
 * is one socket to one server.
 *
 *   NEW -> SETTING_UP -> IDLE <-> IN_USE, POLLING       a connection
 *   IN_USE, POLLING <-> KEPT -> IDLE                    one that is kept behind a load balancer
 *   READY -> CUT <-> HELD; CUT -> (set up anew) READY   its link to one server
 *   READY -> LOST -> (none)
 *
 * Loop thread.
 */
#ifndef MOUV_MONGO_TRANSPORT_CONNECTION_H
#define MOUV_MONGO_TRANSPORT_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

#include "context/list.h"
#include "mongo/base/types.h"
#include "mongo/transport/server_session.h"

/** The legal moves stand in one table in connection.c. */
typedef enum mouv__connection_state {
    MOUV__CONNECTION_NEW,        /**< has not been used yet */
    MOUV__CONNECTION_SETTING_UP, /**< is being connected to a server, or disconnected */
    MOUV__CONNECTION_IDLE,
    MOUV__CONNECTION_IN_USE,
    MOUV__CONNECTION_POLLING, /**< in use by a getMore that waits on the server */
    MOUV__CONNECTION_KEPT     /**< nothing runs on it; only those who keep it may use it */
} mouv__connection_state_t;

typedef enum mouv__server_link_state {
    MOUV__LINK_READY,
    MOUV__LINK_CUT,  /**< to be set up anew before anything is sent there on this connection */
    MOUV__LINK_HELD, /**< the same, once the server's breaker is closed */
    MOUV__LINK_LOST  /**< gone; told of once its connection is back */
} mouv__server_link_state_t;

/** Its being connected to one server. */
typedef struct mouv__server_link {
    struct mouv__server_link *next;
    uint32_t server_id;
    uint32_t generation; /**< of the server's pool, when it was set up */
    uint64_t number;     /**< of the server's connections, from 1; in events */
    uint8_t state;       /**< mouv__server_link_state_t */
    int64_t since_ns;    /**< when it became ready, or was last used */
    bool balanced;       /**< it leads through a load balancer, to this one behind it: */
    bson_oid_t service_id;
} mouv__server_link_t;

/** Checkouts in the order of their arrival (pool.h). */
typedef struct mouv__queue {
    mouv__list_t list;
    uint32_t count;
    struct mouv__walk *walks; /**< loops that are under way (pool/queue.h) */
} mouv__queue_t;

struct mouv__connection {
    mouv__link_t idle; /**< in the pool's list of those */
    mouv__server_link_t *links;
    mouv__session_store_t sessions; /**< with threads: those that only it can use */
    mouv__queue_t pinned;           /**< checkouts that only it can serve */
    mouv__list_t keepers;           /**< pins that keep it from all others (pool/pin.h) */
    uint64_t kept_since;            /**< the operation that it was checked out for then; or 0 */
    uint8_t state;                  /**< mouv__connection_state_t */
    uint32_t last_server_id;        /**< at the end of its client: where it is connected, or 0 */
    bool goes_last;                 /**< then: to where good-byes are said */
    mouv__server_link_t setting_up; /**< SETTING_UP: what is to become a link */
    void *owner;                    /**< the pool */
    /** The transport's, or NULL: there is no link to this server any more. */
    void (*dropped)(mouv__connection_t *connection, uint32_t server_id);
    uint32_t streams;   /**< change streams whose getMores only it can run */
    int64_t granted_ns; /**< in use: since when */
};

/** A new one, with no links. */
void mouv__connection_init(mouv__connection_t *connection);

/** Who has answered this hello on the connection that is being set up, if it is behind a load
 *  balancer. */
void mouv__connection_note_service(mouv__connection_t *connection, const bson_t *hello);

/** The next state; asserts that the table has the move. */
void mouv__connection_move(mouv__connection_t *connection, mouv__connection_state_t state);

static inline bool mouv__connection_is_busy(const mouv__connection_t *connection) {
    return connection->state != MOUV__CONNECTION_IDLE && connection->state != MOUV__CONNECTION_NEW;
}

/** Its link to this server, or NULL. */
mouv__server_link_t *mouv__connection_link(const mouv__connection_t *connection,
                                           uint32_t server_id);

/** Whether it can be used to send to this server now. */
bool mouv__connection_is_ready(const mouv__connection_t *connection, uint32_t server_id);

/** A link to this server, made if there is none; ready. NULL: ENOMEM. */
mouv__server_link_t *mouv__connection_add_link(mouv__connection_t *connection, uint32_t server_id);

/** What an exchange has told: it is connected there, or is not. */
void mouv__connection_note(mouv__connection_t *connection, uint32_t server_id, bool connected);

/** There is none any more. */
void mouv__connection_drop_link(mouv__connection_t *connection, uint32_t server_id);

/** The first link in this state, or NULL. */
mouv__server_link_t *mouv__connection_find_link(const mouv__connection_t *connection,
                                                mouv__server_link_state_t state);

/** Frees the links: before the connection goes. */
void mouv__connection_clear(mouv__connection_t *connection);

#endif
