/*
 * Monitoring inside: events are written down on whatever thread they happen on and told on the loop
 * thread, in one order. Commands and what concerns the topology come from libmongoc's callbacks,
 * which know what really went over the wire; the pool's events are mouv's own.
 *
 * Without a subscription there is no mouv__monitor_t: every hook is one look at a NULL pointer.
 */
#ifndef MOUV_MONGO_TOPOLOGY_EVENTS_H
#define MOUV_MONGO_TOPOLOGY_EVENTS_H

#include <mouv/monitor.h>

#include "mongo/operation/operation.h"
#include "mongo/topology/topology.h"

/** Any thread. */
mouv__monitor_t *mouv__monitor_ref(mouv__monitor_t *monitor);
void mouv__monitor_unref(mouv__monitor_t *monitor);

/** A worker: adds what is subscribed to libmongoc's callbacks; their context is a mouv__watch_t. */
void mouv__monitor_subscribe(const mouv__monitor_t *monitor, mongoc_apm_callbacks_t *callbacks);

/** What the watch needs for itself and passes on. Monitor threads. */
void mouv__monitor_topology_changed(mouv__monitor_t *monitor,
                                    const mongoc_apm_topology_changed_t *event);
void mouv__monitor_heartbeat_succeeded(mouv__monitor_t *monitor,
                                       const mongoc_apm_server_heartbeat_succeeded_t *event);
void mouv__monitor_heartbeat_failed(mouv__monitor_t *monitor,
                                    const mongoc_apm_server_heartbeat_failed_t *event);

/**
 * A worker: between these two calls its thread sends `command`; nothing else that libmongoc sends
 * is told of. `operation_id` is 0 for what is no operation. `monitor` may be NULL.
 */
void mouv__monitor_enter(mouv__monitor_t *monitor, uint64_t operation_id, const char *database,
                         const bson_t *command);
void mouv__monitor_leave(mouv__monitor_t *monitor);

/* The pool's events; loop thread; `op->client` has a monitor. Nothing is told before the next tick,
 * so these may be called with the queues in any state. */
void mouv__monitor_queued(const mouv__operation_t *op);
void mouv__monitor_checked_out(const mouv__operation_t *op);
void mouv__monitor_killed(const mouv__operation_t *op);

/** Its worker is back: this, and what the worker has written down, is told before the awaiter is
 *  woken. */
void mouv__monitor_returned(const mouv__operation_t *op);

/** Loop thread: nothing is told any more, at once or after what is there. NULL is fine. */
void mouv__monitor_stop(mouv__monitor_t *monitor);
void mouv__monitor_finish(mouv__monitor_t *monitor);

#endif
