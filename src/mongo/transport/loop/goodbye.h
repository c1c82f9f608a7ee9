/*
 * The end of a transport: endSessions, then every connection is closed, then libmongoc's part goes.
 * Loop thread.
 */
#ifndef MOUV_MONGO_TRANSPORT_LOOP_GOODBYE_H
#define MOUV_MONGO_TRANSPORT_LOOP_GOODBYE_H

#include "mongo/transport/loop/state.h"

typedef struct mouv__goodbye mouv__goodbye_t;

/** The memory for it, set aside at the beginning. NULL: ENOMEM. */
mouv__goodbye_t *mouv__goodbye_new(void);
void mouv__goodbye_free(mouv__goodbye_t *goodbye);

/** As the transport's close(). */
void mouv__goodbye(mouv__loop_t *loop, const mouv__transport_end_t *end,
                   mouv__transport_ended_fn_t ended, void *arg);

/** Nobody waits for it any more. */
void mouv__goodbye_abandon(mouv__loop_t *loop);

/** Closes a connection's sockets and frees it. */
void mouv__goodbye_free_connection(mouv__loop_t *loop, mouv__loop_connection_t *connection);

#endif
