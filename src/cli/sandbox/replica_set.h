/*
 * Turning mongods that listen into one replica set with a primary, through mouv itself.
 */
#ifndef MOUV_CLI_SANDBOX_REPLICA_SET_H
#define MOUV_CLI_SANDBOX_REPLICA_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mouv/error.h>

enum { REPLICA_SET_MAX = 7 };

struct replica_set {
    const char *name;
    uint16_t ports[REPLICA_SET_MAX]; /* of the nodes, on 127.0.0.1 */
    int count;
    const char *user; /* made once there is a primary; NULL: no users */
    const char *password;
    bool (*going)(void *arg); /* asked again and again: false gives up */
    void *arg;
};

/* Initiates the set and waits until one node is primary and all others are secondaries. Blocks;
 * runs an event loop of its own. Returns 0, or a negative code with `error` filled. */
int replica_set_start(const struct replica_set *set, mouv_error_t *error);

/* The URI for its users, to free(). */
char *replica_set_uri(const struct replica_set *set);

#endif
