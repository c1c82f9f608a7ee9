/*
 * What stands in front of shards: a load balancer behind which there are two servers, or a mongos.
 * A mock server that writes down what comes on which connection. What comes on the odd connections
 * of a balancer goes to its first server, what comes on the even ones to the second.
 */
#ifndef MOUV_TESTS_MOCK_FRONT_H
#define MOUV_TESTS_MOCK_FRONT_H

#include "support/mock_server.h"

typedef struct mock_front mock_front_t;

typedef enum mock_front_kind { MOCK_BALANCER, MOCK_MONGOS, MOCK_NO_BALANCER } mock_front_kind_t;

/** NO_BALANCER is spoken to as a balancer and is none: its hellos have no serviceId. */
mock_front_t *mock_front_start(mock_front_kind_t kind);
void mock_front_stop(mock_front_t *front);

mock_server_t *mock_front_server(mock_front_t *front);

/** "mongodb://127.0.0.1:PORT/?loadBalanced=true", for a mongos without the option. The text is the
 * front's. */
const char *mock_front_uri(const mock_front_t *front);

/** How hello is answered on its first connection; the front's. */
const bson_t *mock_front_hello(const mock_front_t *front);

/** From now on this command is so answered, at most so many times (0: always); `json` NULL: the
 * connection is closed instead. Replaces what was said of the command. */
void mock_front_answer(mock_front_t *front, const char *command, const char *json, int times);

/** From now on the connection is closed a moment after this command has been answered. */
void mock_front_answer_and_close(mock_front_t *front, const char *command, const char *json);

/** How many of these commands have come. */
int mock_front_count(mock_front_t *front, const char *command);

/** The connection that the command came on the n-th time, from 0; 0: it has not come so often. */
uint64_t mock_front_connection(mock_front_t *front, const char *command, int n);

/** The same command; the caller's. NULL: it has not come so often. */
bson_t *mock_front_command(mock_front_t *front, const char *command, int n);

#endif
