/*
 * The ends of users' sessions, which their client's is one of.
 */
#ifndef MOUV_MONGO_API_SESSION_H
#define MOUV_MONGO_API_SESSION_H

#include <mouv/client.h>

/** The client closes: ends all of its sessions. */
void mouv__session_end_all(mouv_client_t *client);

#endif
