/*
 * The pool: who may send when. Whoever wants a connection makes a checkout; it first waits for a
 * suitable server in the loop's picture of the deployment (SELECTING), then for a connection to it
 * (QUEUED), and is granted one: first come, first served, unless its server is under pressure (see
 * pressure.h). Connections are counted up to maxPoolSize; the one used last is used first; checkouts
 * that are pinned to a connection (getMore, a write's retry) go ahead of new ones on it.
 *
 * Polls, the getMores of change streams, wait on the server for up to a second and more. So each
 * stream gets a connection that nothing else is pinned to, while the number of connections allows
 * it; polls go behind whatever else waits, and among themselves in the order in which they came; and
 * a quarter of the connections, but not the only one, is left free of them.
 *
 * Behind a load balancer cursors and transactions keep their connections (pin.h): one that is kept
 * is in no list of idle ones, and only its pinned checkouts are let in. It counts as checked out.
 *
 * Loop thread; decision 0004.
 */
#ifndef MOUV_MONGO_POOL_POOL_H
#define MOUV_MONGO_POOL_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <mouv/client.h>

#include "async/loop/timer.h"
#include "mongo/base/types.h"
#include "mongo/pool/recheck.h"
#include "mongo/pool/server_pool.h"
#include "mongo/pool/upkeep.h"
#include "mongo/topology/events.h"
#include "mongo/topology/selection.h"
#include "mongo/transport/transport.h"

/** NONE -> SELECTING -> QUEUED -> NONE (granted, failed, withdrawn); QUEUED -> SELECTING. */
typedef enum mouv__checkout_state {
    MOUV__CHECKOUT_NONE,
    MOUV__CHECKOUT_SELECTING, /**< waits for a suitable server */
    MOUV__CHECKOUT_QUEUED     /**< waits for a connection */
} mouv__checkout_state_t;

/** What whoever wants a connection is told. */
typedef struct mouv__checkout_ops {
    /** Just before it is granted one: false if it goes no more; it has been withdrawn then. */
    bool (*admit)(mouv__checkout_t *checkout);
    /** It has this connection (NULL: a control one, for clean-up) and sends. False: it does not. */
    bool (*granted)(mouv__checkout_t *checkout, mouv__connection_t *connection);
    /** It has left the pool without one. */
    void (*failed)(mouv__checkout_t *checkout, const mouv_error_t *error);
    /** It waits for something else than before: its `wait_ns` is another. */
    void (*waits)(mouv__checkout_t *checkout);
} mouv__checkout_ops_t;

/** A request for a connection, embedded in whatever makes it. */
struct mouv__checkout {
    const mouv__checkout_ops_t *ops;
    mouv__pool_t *pool;
    /* --- what is asked for; set before mouv__pool_enter() --- */
    mouv__criteria_t criteria;       /**< `barred` and `avoided` are the pool's to fill in */
    mouv__server_session_t *session; /**< it must use, and so this one's connection; or NULL */
    uint32_t avoid_id;               /**< another server than this one, if there is one; 0: any */
    uint64_t operation_id;           /**< in events */
    bool poll;                       /**< of a change stream */
    bool poll_waits;                 /**< ... and it will wait on the server */
    bool cleanup;                    /**< on a control connection, whatever else waits */
    bool lasts;                      /**< clean-up that waits as others do: an abort */
    int64_t deadline_ns;             /**< its own, so the pool has none for it; MOUV__NEVER */
    bool one_limit;                  /**< serverSelectionTimeoutMS is for the connection as well */
    mouv__connection_t *kept;        /**< by a pin: it goes on this one and no other; or NULL */
    /* --- the pool's --- */
    mouv__link_t link;
    mouv__queue_t *queue; /**< it is in, or NULL */
    uint8_t state;        /**< mouv__checkout_state_t */
    uint8_t connects;     /**< connections that failed while it waited */
    uint32_t server_id;   /**< that it will go to; of one that was granted: has gone to */
    uint64_t order;       /**< of arrival, for "operations ahead" */
    uint32_t looks;       /**< the topology's when it came */
    int64_t entered_ns;   /**< when it began to wait */
    int64_t queued_ns;    /**< when it began to wait for a connection; 0: not yet */
    int64_t wait_ns;      /**< when its present wait is over; MOUV__NEVER */
    int64_t select_ns;    /**< until when it may wait for a server, in all */
    int64_t press_ns; /**< see pressure.h: when its half is over; MOUV__NEVER: is, or has none */
    bool presses;     /**< counted among those of its server */
};

/** Those that wait for any connection, each in the order of their arrival. */
typedef enum mouv__waiting {
    MOUV__WAITING_UNTIMED, /**< without a deadline */
    MOUV__WAITING_TIMED,
    MOUV__WAITING_PRESSED, /**< with one, and half of their time is over: see pressure.h */
    MOUV__WAITING_KINDS
} mouv__waiting_t;

/** NONE -> PREPARING -> READY; a failure leads back to NONE. */
typedef enum mouv__pool_state {
    MOUV__POOL_NONE,
    MOUV__POOL_PREPARING,
    MOUV__POOL_READY
} mouv__pool_state_t;

struct mouv__pool {
    mouv_client_t *client;
    mouv__transport_t *transport; /**< owned */
    mouv__topology_t *topology;   /**< borrowed */
    mouv__listener_t *listener;   /**< borrowed: why servers cannot be reached */
    uint8_t state;                /**< mouv__pool_state_t: libmongoc's part of it */
    mouv__queue_t selecting, cleanup;
    mouv__queue_t waiting[MOUV__WAITING_KINDS]; /**< for any connection to their server */
    mouv__queue_t polls; /**< those that will wait on the server: behind the others */
    bool untimed_turn;   /**< newest first: of the two that go by turns */
    mouv__connection_t **connections;
    uint32_t connection_count, connection_max;
    uint32_t connecting_max;       /**< that are set up at once to one server */
    mouv__list_t idle;             /**< connections; the one used last is first */
    bool reconnecting;             /**< links that were cut wait to be set up anew */
    bool nobody_seeks;             /**< whoever is SELECTING waits for a certain server */
    uint32_t streams;              /**< change streams that are open */
    uint32_t polling, polling_max; /**< connections that poll; the most that may */
    uint64_t arrivals;
    mouv__server_pool_t *servers;
    /** Who waits may go now, or not any more: lets in whoever can; `again`: a server is back. */
    void (*changed)(mouv__pool_t *pool, bool again);
    /** Nobody keeps this connection any more, and nothing runs on it. */
    void (*released)(mouv__pool_t *pool, mouv__connection_t *connection);
    mouv__ready_t pumping; /**< after that; has a share of the client while it is queued */
    mouv__breakers_t breakers;
    mouv__list_t orphans;  /**< establish.h: set-ups that have given up their place */
    mouv__timer_t reclaim; /**< ... when one will have taken so long that it does */
    mouv__timer_t beside;  /**< beside.h */
    mouv__upkeep_t upkeep;
    mouv__probe_t *measurement; /**< that is out (measure.h), or NULL */
    uint64_t measured;          /**< so many have been sent */
    mouv__recheck_t recheck;
    /* options */
    mouv_connection_pool_options_t told; /**< in events */
    int64_t selection_timeout_ms;
    int64_t queue_wait_ms;
    uint32_t queue_limit;
};

typedef struct mouv__pool_options {
    int64_t selection_timeout_ms;
    int64_t queue_wait_ms; /**< what a checkout without a deadline waits for a connection */
    uint32_t queue_limit;  /**< checkouts that may wait at once */
    mouv_connection_pool_options_t told; /**< what events tell of them */
} mouv__pool_options_t;

/** Takes the transport, also on failure. 0 or MOUV_ENOMEM. */
int mouv__pool_init(mouv__pool_t *pool, mouv_client_t *client, mouv__transport_t *transport,
                    const mouv__pool_options_t *options);

/** Frees the transport; nothing may be out. */
void mouv__pool_clear(mouv__pool_t *pool);

/** The end: gives the idle connections to the transport, which ends them and then calls `ended`. */
void mouv__pool_close(mouv__pool_t *pool, mouv__transport_ended_fn_t ended, void *arg);

/* --- checkouts -------------------------------------------------------------------------------- */

/** It wants a connection. What comes of it may come at once, from inside this call. */
void mouv__pool_enter(mouv__pool_t *pool, mouv__checkout_t *checkout);

/** It does not any more, because of `error`. Harmless if it does not wait. */
void mouv__pool_withdraw(mouv__checkout_t *checkout, const mouv_error_t *error);

/** What was granted is free again; who is pinned to it is let in, others by mouv__pool_pump(). */
void mouv__pool_leave(mouv__pool_t *pool, mouv__connection_t *connection, uint32_t server_id,
                      uint64_t operation_id);

/** The client closes: ends every checkout that waits, but clean-up, which it waits for if its server
 *  is there. */
void mouv__pool_fail_waiting(mouv__pool_t *pool, const mouv_error_t *error);

/** Ends clean-up that waits: the runtime leaves it behind. */
void mouv__pool_fail_cleanup(mouv__pool_t *pool);

/* --- letting in ------------------------------------------------------------------------------- */

/** Lets in whoever can go. */
void mouv__pool_pump(mouv__pool_t *pool);

/** Lets in who is pinned to this connection. */
void mouv__pool_serve(mouv__pool_t *pool, mouv__connection_t *connection);

/** Lets in who is pinned to any connection. */
void mouv__pool_serve_all(mouv__pool_t *pool);

/** A server of the picture is of another kind than before, was Unknown for a while, or is there no
 *  more. */
void mouv__pool_server_changed(mouv__pool_t *pool, mouv__server_t *server);
void mouv__pool_server_lost(mouv__pool_t *pool, mouv__server_t *server);
void mouv__pool_server_gone(mouv__pool_t *pool, mouv__server_t *server);

/** The picture is another one: looks anew for a server for those that wait for one, and lets in
 *  whoever can go now. */
void mouv__pool_look_again(mouv__pool_t *pool);

/** Ends a checkout that waits. */
void mouv__pool_fail(mouv__checkout_t *checkout, const mouv_error_t *error);

/* --- figures ---------------------------------------------------------------------------------- */

/** Checkouts that wait; connections in use, the controls' too. */
uint32_t mouv__pool_count_waiting(const mouv__pool_t *pool);
uint32_t mouv__pool_count_busy(const mouv__pool_t *pool);

/** Whether nobody can have a connection now: none is idle, and there may be no more. */
bool mouv__pool_is_full(const mouv__pool_t *pool);

/** Connections that are made to this server, or were cut there and will be made anew. */
uint32_t mouv__pool_count_remade(const mouv__pool_t *pool, uint32_t server_id);

#endif
