/*
 * A mongod of a test's own, with arguments that no shared server has. It dies with the test.
 */
#ifndef MOUV_TESTS_MONGOD_H
#define MOUV_TESTS_MONGOD_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct test_mongod {
    pid_t pid;
    int port;        /* on 127.0.0.1 */
    char folder[64]; /* data and log */
    char uri[128];   /* a direct connection */
} test_mongod_t;

/**
 * Starts $MOUV_MONGOD, else the one on PATH, with `arguments` (NULL-terminated) after where it
 * listens and stores. False: there is none. It may take a while until it answers.
 */
bool test_mongod_start(test_mongod_t *server, const char *const *arguments);

/** Kills it and removes its folder. */
void test_mongod_stop(test_mongod_t *server);

#endif
