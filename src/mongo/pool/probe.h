/*
 * Probes: small exchanges of mouv's own on a control connection. A ping asks whether a server is
 * there, a hello how far away it is or that a connection be made, killSessions ends operations.
 * What comes of each of them is its maker's business. Loop thread.
 *
 *     thing_t *thing = mouv__probe_new(pool, server_id, sizeof(*thing), "ping", thing_done);
 *     if (thing && mouv__probe_send(&thing->probe, MOUV__CONTROL_PING, &out)) ...
 *
 * `out` is it until it is back, or abandoned; it frees itself in any case.
 */
#ifndef MOUV_MONGO_POOL_PROBE_H
#define MOUV_MONGO_POOL_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "mongo/pool/pool.h"

/** First in what its maker keeps with it. Memory of its own: it may outlive the client. */
struct mouv__probe {
    mouv__exchange_t exchange; /* first */
    mouv__pool_t *pool;
    bson_t *command;
    mouv__probe_t **out; /**< where its maker has it */
    void (*done)(mouv__probe_t *probe);
    /* --- when it is back --- */
    bool answered;  /**< by anything, and its connection is still there */
    bool was_ready; /**< its connection, before: an answer took one round trip */
};

/** `size` bytes that begin with a probe {`name`: 1} on "admin", which no event tells of and which
 *  sets its connection up; `name` NULL: an empty one. The exchange's fields may be changed until it
 *  is sent. NULL: ENOMEM. */
void *mouv__probe_new(mouv__pool_t *pool, uint32_t server_id, size_t size, const char *name,
                      void (*done)(mouv__probe_t *probe));

/** On a control connection that is idle. False: there was no memory or thread for it; it is gone. */
bool mouv__probe_send(mouv__probe_t *probe, mouv__control_kind_t kind, mouv__probe_t **out);

/** It is not waited for. Harmless if none is out. */
void mouv__probe_abandon(mouv__probe_t **out);

#endif
