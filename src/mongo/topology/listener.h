/*
 * Between libmongoc's monitors and the loop: they report on threads of their own, the loop gets what
 * is new by mail. Counted, as a monitor may report while the loop goes.
 */
#ifndef MOUV_MONGO_TOPOLOGY_LISTENER_H
#define MOUV_MONGO_TOPOLOGY_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include <mongoc/mongoc.h>

#include <mouv/topology.h>

#include "async/loop/mailbox.h"
#include "mongo/topology/server.h"
#include "mongo/topology/snapshot.h"

typedef struct mouv__listener mouv__listener_t;
typedef struct mouv__events mouv__events_t; /* see events.h */

/** Loop thread: `changed(arg)` is called there after each change and heartbeat. NULL: ENOMEM. */
mouv__listener_t *mouv__listener_new(mouv__mailbox_t *mailbox, void (*changed)(void *arg),
                                     void *arg);

/** Loop thread: `changed` is not called any more. */
void mouv__listener_stop(mouv__listener_t *listener);

/** Loop thread, before the pool is made: what the user wants to be told of. Takes a share. */
void mouv__listener_set_events(mouv__listener_t *listener, mouv__events_t *events);

/** Any thread: NULL if nothing is subscribed. */
mouv__events_t *mouv__listener_events(const mouv__listener_t *listener);

/** Any thread. */
mouv__listener_t *mouv__listener_ref(mouv__listener_t *listener);
void mouv__listener_unref(mouv__listener_t *listener);

/** What a monitor calls around a check for which it may have to connect; `end` gets what `begin` has
 *  returned. */
typedef struct mouv__listener_guard {
    bool (*begin)(void);
    void (*end)(bool begun);
} mouv__listener_guard_t;

/** A worker: makes a pool report to the listener; before its first client is popped. `guard`: stays;
 *  NULL: none. */
void mouv__listener_subscribe(mouv__listener_t *listener, const mongoc_uri_t *uri,
                              mongoc_client_pool_t *driver_pool,
                              const mouv__listener_guard_t *guard);

/** Loop thread: the newest snapshot since the last call, the caller's to free, or NULL. */
mouv__snapshot_t *mouv__listener_take(mouv__listener_t *listener);

/** Loop thread: whether the deployment has it still, if only as an Unknown one, which is in no
 *  snapshot. */
bool mouv__listener_has_server(mouv__listener_t *listener, const char *host, uint32_t id);

/** Loop thread: whether the deployment has it no more, though the last snapshot has it. */
bool mouv__listener_has_closed(mouv__listener_t *listener, const char *host, uint32_t id);

/** Any thread: 0, or each server that the deployment has met, when its monitor looked last, what no
 *  waiting heals (a certificate that does not verify, another replica set): the oldest of these
 *  looks, counted from 1. The name of a replica set counts as just looked at: libmongoc would be told
 *  of another one. `looks`: the newest. */
uint32_t mouv__listener_hopeless(mouv__listener_t *listener, uint32_t *looks);

/** Loop thread: what this host's monitor has heard since the last call; false: nothing new. */
bool mouv__listener_take_heartbeats(mouv__listener_t *listener, const char *host,
                                    mouv__heartbeats_t *heartbeats);

/** Loop thread: an operation's error has made this server, as it is described, Unknown, and users are
 *  told. False: nothing is done, as its monitor has said so by itself, which the loop has not taken
 *  over yet. */
bool mouv__listener_mark(mouv__listener_t *listener, const mouv_server_description_t *described,
                         const char *why);

/** Loop thread: it is again what it is described as. */
void mouv__listener_lift(mouv__listener_t *listener, const mouv_server_description_t *described);

/** Loop thread: users are told of this change of the deployment; takes both, which may be NULL:
 *  ENOMEM. */
void mouv__listener_tell(mouv__listener_t *listener, mouv_topology_description_t *previous,
                         mouv_topology_description_t *next);

/** Loop thread: the client has closed. Users are told of what libmongoc tells as its last thing, which
 *  nobody waits for; whoever comes second tells nothing. */
void mouv__listener_end(mouv__listener_t *listener);

/** Any thread: the last heartbeat error of each host that is not reachable in `described`, "; "
 *  between them; "" if none. */
void mouv__listener_errors(mouv__listener_t *listener, const mouv_topology_description_t *described,
                           char *text, size_t size);

/** Any thread: a copy that has these errors; NULL: ENOMEM. */
mouv_topology_description_t *mouv__listener_describe(mouv__listener_t *listener,
                                                     const mouv_topology_description_t *described);

#endif
