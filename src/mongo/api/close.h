/*
 * The end of a client. DRAINING: what waits has failed, what runs is waited for. DESTROYING: a
 * background job gives the connections back and ends libmongoc's pool, which blocks. CLOSED:
 * whoever waited is told, and the memory goes with the last reference.
 *
 * Two things cut it short (docs/decisions/0006): a runtime that closes, and close_wait_ms. What
 * runs is stopped then, and what does not come back soon is left behind: its worker frees what it
 * has when it returns. The memory that the end needs is set aside when the client is made, so
 * closing cannot fail. Loop thread, but for the job.
 */
#ifndef MOUV_MONGO_API_CLOSE_H
#define MOUV_MONGO_API_CLOSE_H

#include <stdbool.h>

#include <mouv/client.h>

/** Begins to close, harmless if it has begun; `leaving`: the runtime closes. */
void mouv__close_begin(mouv_client_t *client, bool leaving);

/** Something has ended: destroys a client that waited for just that. */
void mouv__close_quiet(mouv_client_t *client);

#endif
