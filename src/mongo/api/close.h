/*
 * The end of a client: DRAINING waits for what runs, DESTROYING for libmongoc's pool. A runtime
 * that closes does not wait for long: what is stuck is left behind and frees itself.
 */
#ifndef MOUV_MONGO_API_CLOSE_H
#define MOUV_MONGO_API_CLOSE_H

#include <stdbool.h>

#include <mouv/client.h>

/** Sets the memory aside that closing needs: 0 or MOUV_ENOMEM. Gives it back, if it is there. */
int mouv__close_reserve(mouv_client_t *client);
void mouv__close_unreserve(mouv_client_t *client);

/** Begins to close, harmless if it has begun; `leaving`: the runtime closes. */
void mouv__close_begin(mouv_client_t *client, bool leaving);

/** Something has ended: destroys a client that waited for just that. */
void mouv__close_quiet(mouv_client_t *client);

#endif
