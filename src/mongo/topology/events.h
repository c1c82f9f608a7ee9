/*
 * Monitoring inside: events are written down on whatever thread they happen on and told on the loop
 * thread, in one order. Commands and what concerns the topology come from libmongoc's callbacks,
 * which know what really went over the wire; the pool's events are mouv's own.
 *
 * Without a subscription there is no mouv__events_t: every hook is one look at a NULL pointer.
 */
#ifndef MOUV_MONGO_TOPOLOGY_EVENTS_H
#define MOUV_MONGO_TOPOLOGY_EVENTS_H

#include <mouv/monitor.h>

#include "mongo/operation/operation.h"
#include "mongo/topology/topology.h"

/** Loop thread: what `callbacks` (copied) are told of, with one share. NULL: ENOMEM. */
mouv__events_t *mouv__events_new(mouv_runtime_t *runtime, const mouv_monitor_t *callbacks,
                                 void *arg);

/** Any thread. */
mouv__events_t *mouv__events_ref(mouv__events_t *events);
void mouv__events_unref(mouv__events_t *events);

/** A worker: adds what is subscribed to libmongoc's callbacks; their context is a mouv__listener_t.
 *  */
void mouv__events_subscribe(const mouv__events_t *events, mongoc_apm_callbacks_t *callbacks);

/** What the listener needs for itself and passes on. Monitor threads. */
void mouv__events_topology_changed(mouv__events_t *events,
                                   const mongoc_apm_topology_changed_t *event);
void mouv__events_heartbeat_succeeded(mouv__events_t *events,
                                      const mongoc_apm_server_heartbeat_succeeded_t *event);
void mouv__events_heartbeat_failed(mouv__events_t *events,
                                   const mongoc_apm_server_heartbeat_failed_t *event);

/**
 * A worker: between these two calls its thread sends `command`; nothing else that libmongoc sends
 * is told of. `operation_id` is 0 for what is no operation. `monitor` may be NULL.
 */
void mouv__events_enter(mouv__events_t *events, uint64_t operation_id, const char *database,
                        const bson_t *command);
void mouv__events_leave(mouv__events_t *events);

/* The pool's events; loop thread; `op->client` has a monitor. Nothing is told before the next tick,
 * so these may be called with the queues in any state. */
void mouv__events_queued(const mouv__operation_t *op);
void mouv__events_checked_out(const mouv__operation_t *op);
void mouv__events_killed(const mouv__operation_t *op);

/** Its worker is back: this, and what the worker has written down, is told before the awaiter is
 *  woken. */
void mouv__events_returned(const mouv__operation_t *op);

/** Loop thread: nothing is told any more, at once or after what is there. NULL is fine. */
void mouv__events_stop(mouv__events_t *events);
void mouv__events_finish(mouv__events_t *events);

#endif
