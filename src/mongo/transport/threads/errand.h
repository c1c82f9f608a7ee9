/*
 * What libmongoc's clients do that is no exchange (driver/background.h). Loop thread.
 */
#ifndef MOUV_MONGO_TRANSPORT_THREADS_ERRAND_H
#define MOUV_MONGO_TRANSPORT_THREADS_ERRAND_H

#include "mongo/transport/driver/background.h"

typedef struct mouv__errand mouv__errand_t;

/** 0, or MOUV_ENOMEM and nothing has begun. `connection` is a control's, which `ended` finds idle.
 */
int mouv__errand_open(const mouv__background_place_t *place, mouv__connection_t *connection);

int mouv__errand_seek(const mouv__background_place_t *place, mouv__connection_t *connection,
                      bool write, const mongoc_read_prefs_t *read_prefs);

/** Within connectTimeoutMS; sends a ping only where the connection was set up before. */
int mouv__errand_connect(const mouv__background_place_t *place, mouv__connection_t *connection,
                         uint32_t server_id);

/** The connect that is under way on this connection goes on for nobody: `ended` is called in place
 *  of what the place has, the connection is then IDLE in `spares`. False: there is none. */
bool mouv__errand_orphan(const mouv__background_place_t *place, mouv__connection_t *connection,
                         mouv__list_t *spares);

/** Closes the client's socket to this server. */
int mouv__errand_disconnect(const mouv__background_place_t *place, mouv__connection_t *connection,
                            uint32_t server_id);

/** The memory that the end needs, set aside at the beginning. NULL: ENOMEM. */
mouv__errand_t *mouv__errand_reserve(void);
void mouv__errand_unreserve(mouv__errand_t *reserve);

/** Ends connections, then gives up the share of libmongoc's pool that the place has; takes the
 *  reserve and the array. */
void mouv__errand_close(mouv__errand_t *reserve, const mouv__background_place_t *place,
                        const mouv__transport_end_t *end);

#endif
