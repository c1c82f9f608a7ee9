/*
 * Monitoring inside: events are written down on whatever thread they happen on and told on the loop
 * thread, in one order. What they say comes in as the plain views of monitor.h, whoever knows it:
 * libmongoc's callbacks (events_apm.h), a transport of mouv's own, the pool, operations.
 *
 * Without a subscription there is no mouv__events_t: every door takes NULL and does nothing.
 */
#ifndef MOUV_MONGO_TOPOLOGY_EVENTS_H
#define MOUV_MONGO_TOPOLOGY_EVENTS_H

#include <stdbool.h>

#include <mouv/monitor.h>
#include <mouv/runtime.h>

#include "mongo/topology/events_record.h"

typedef struct mouv__events mouv__events_t;

/** Loop thread of `runtime`: what `callbacks` (copied) are told of, with one share. NULL: ENOMEM. */
mouv__events_t *mouv__events_new(mouv_runtime_t *runtime, const mouv_monitor_t *callbacks,
                                 void *arg);

/** Any thread. */
mouv__events_t *mouv__events_ref(mouv__events_t *events);
void mouv__events_unref(mouv__events_t *events);

/** Any thread: whether somebody wants to be told, so that what must be worked out for it alone (a
 *  duration) is not without. NULL: no. */
bool mouv__events_wants(const mouv__events_t *events, mouv__event_kind_t kind);

/*
 * The doors. Any thread. `kind` is one of those that have such a view; `what` and all it points to
 * are copied. Nothing is told before the next tick, so they may be called with queues in any state.
 * What is not subscribed costs no memory; an event for which there is none is lost, it alone.
 */

/** `secret` (mouv__events_is_secret()): command and reply are told of as empty documents. */
void mouv__events_command(mouv__events_t *events, mouv__event_kind_t kind,
                          const mouv_command_event_t *what, bool secret);

/** CLIENT_RETURNED on the loop thread, before the operation settles: whether it is subscribed or
 *  not, what has been written down until now is told before the awaiter is woken. */
void mouv__events_operation(mouv__events_t *events, mouv__event_kind_t kind,
                            const mouv_pool_event_t *what);
void mouv__events_pool(mouv__events_t *events, mouv__event_kind_t kind,
                       const mouv_connection_pool_event_t *what);
void mouv__events_connection(mouv__events_t *events, mouv__event_kind_t kind,
                             const mouv_connection_event_t *what);
void mouv__events_heartbeat(mouv__events_t *events, mouv__event_kind_t kind,
                            const mouv_heartbeat_event_t *what);

/** A server has become Unknown by an operation's error, or (`lost` false) is what it was before again;
 *  the deployment with it, whose descriptions (NULL: ENOMEM) are taken. `id`: the topology's. */
void mouv__events_server_unknown(mouv__events_t *events, const bson_oid_t *id,
                                 const mouv_server_description_t *described, bool lost);
void mouv__events_topology(mouv__events_t *events, const bson_oid_t *id,
                           mouv_topology_description_t *previous,
                           mouv_topology_description_t *next);

/** The topology is there, or is no more (TOPOLOGY_OPENING, TOPOLOGY_CLOSED); a server is no more. */
void mouv__events_topology_life(mouv__events_t *events, mouv__event_kind_t kind,
                                const bson_oid_t *id);
void mouv__events_server_closed(mouv__events_t *events, const bson_oid_t *id, const char *host);

/** Whether a reply, or NULL, is the refusal that was expected: what was asked for is so already. 0: none. */
bool mouv__events_expects(int32_t code, const bson_t *reply);

/** A record that its maker has filled; takes it. NULL (ENOMEM) is fine. */
void mouv__events_add(mouv__events_t *events, mouv__events_record_t *record);

/** Whether a command (or its reply) may give secrets away, as the command monitoring specification
 *  lists them. */
bool mouv__events_is_secret(const char *name, const bson_t *command);

/** Loop thread: nothing is told any more, at once or after what is there. NULL is fine. */
void mouv__events_stop(mouv__events_t *events);
void mouv__events_finish(mouv__events_t *events);

/** Any thread: nothing more is taken. */
void mouv__events_end(mouv__events_t *events);

#endif
