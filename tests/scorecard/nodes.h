/*
 * The servers of a sandbox, as those who strike them see them: by libmongoc alone, each by itself.
 */
#ifndef MOUV_TESTS_SCORECARD_NODES_H
#define MOUV_TESTS_SCORECARD_NODES_H

#include "support/server.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <mongoc/mongoc.h>

enum { NODES_MAX = 7, RECOVERY_MS = 40000 };

typedef struct node {
    char uri[400];
    mongoc_client_t *client; /* NULL: to be made */
    pid_t pid;
} node_t;

static node_t nodes[NODES_MAX];
static int node_count;

static inline int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void sleep_ms(int64_t ms) {
    usleep((useconds_t)ms * 1000);
}

static inline _Noreturn void fail(const char *what, const char *why) {
    fprintf(stderr, "scorecard: %s: %s\n", what, why);
    exit(2);
}

static inline void nodes_find(const char *text) {
    mongoc_uri_t *uri = mongoc_uri_new(text);
    if (!uri) fail("the URI", text);
    const mongoc_host_list_t *host = mongoc_uri_get_hosts(uri);
    for (; host && node_count < NODES_MAX; host = host->next)
        snprintf(nodes[node_count++].uri, sizeof nodes->uri,
                 "mongodb://%s/?directConnection=true&serverSelectionTimeoutMS=1000&"
                 "socketTimeoutMS=5000",
                 host->host_and_port);
    mongoc_uri_destroy(uri);
}

/* A client that had an error is not asked again. */
static inline bool node_ask(node_t *node, bson_t *command, bson_t *reply) {
    bson_error_t error;
    if (!node->client) node->client = mongoc_client_new(node->uri);
    bool ok = mongoc_client_command_simple(node->client, "admin", command, NULL, reply, &error);
    bson_destroy(command);
    if (!ok && error.domain != MONGOC_ERROR_SERVER && error.domain != MONGOC_ERROR_QUERY) {
        mongoc_client_destroy(node->client);
        node->client = NULL;
    }
    return ok;
}

static inline bool node_is_primary(node_t *node) {
    bson_t reply;
    bson_iter_t iter;
    bool yes = node_ask(node, BCON_NEW("hello", BCON_INT32(1)), &reply) &&
               bson_iter_init_find(&iter, &reply, "isWritablePrimary") && bson_iter_bool(&iter);
    bson_destroy(&reply);
    return yes;
}

static inline pid_t node_pid(node_t *node) {
    bson_t reply;
    bson_iter_t iter;
    pid_t pid = -1;
    if (node_ask(node, BCON_NEW("serverStatus", BCON_INT32(1)), &reply) &&
        bson_iter_init_find(&iter, &reply, "pid"))
        pid = (pid_t)bson_iter_as_int64(&iter);
    bson_destroy(&reply);
    return pid;
}

static inline node_t *node_primary(void) {
    for (int64_t end = now_ms() + RECOVERY_MS; now_ms() < end; sleep_ms(50))
        for (int i = 0; i < node_count; i++)
            if (node_is_primary(&nodes[i])) return &nodes[i];
    fail("no primary", "within 40 s");
}

/* SIGSTOP; the process, which SIGCONT lets go on. */
static inline pid_t node_freeze(node_t *node) {
    pid_t pid = node_pid(node);
    if (pid <= 0 || !server_freeze(pid)) fail("SIGSTOP", "no such process");
    return pid;
}

static inline void nodes_clear(void) {
    for (int i = 0; i < node_count; i++) mongoc_client_destroy(nodes[i].client);
}

#endif
