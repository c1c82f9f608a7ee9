/*
 * What a client says to the server, as its monitor tells it: which commands, with which limits.
 */
#ifndef MOUV_TESTS_WIRE_H
#define MOUV_TESTS_WIRE_H

#include "support/support.h"

#define WIRE_MAX 512

/** Of a command without maxTimeMS, and of one that has not been sent. */
#define WIRE_NONE (-1)
#define WIRE_NOT_SENT (-2)

typedef struct wire_command {
    char name[40];
    int64_t max_time_ms; /**< or WIRE_NONE */
    bool write_concern;  /**< it has one */
    int64_t wtimeout;    /**< in that; 0: none */
    char outcome;        /**< 's'ucceeded, 'f'ailed; 0: not yet */
    int began, ended;    /**< the how-manieth event told so; 0: not yet */
    int64_t request_id;
} wire_command_t;

typedef struct wire {
    wire_command_t commands[WIRE_MAX];
    int count;
    int events;
} wire_t;

/** A client on the case's server with more options in its URI ("" for none); `wire` is told. */
mouv_client_t *wire_client(test_t *t, wire_t *wire, const char *options);

/** "users" of the case's database on such a client. */
mouv_collection_t *wire_users(test_t *t, mouv_client_t *client);

/** How many commands of this name have been sent. */
int wire_sent(const wire_t *wire, const char *name);

/** The last command of this name, or NULL. */
const wire_command_t *wire_last(const wire_t *wire, const char *name);

/** Its maxTimeMS, WIRE_NONE or WIRE_NOT_SENT. */
int64_t wire_max_time(const wire_t *wire, const char *name);

/** wire_sent(), once it has become `expected` or five seconds are over. */
int wire_sent_become(const wire_t *wire, const char *name, int expected);

/** A maxTimeMS that comes of `limit` and of no lesser one; a slow machine takes its time. */
#define CHECK_LIMIT(expression, limit) \
    do { \
        int64_t ms_ = (expression); \
        if (ms_ > (limit) || ms_ < (limit)-9000 || ms_ < 1) { \
            return test_failed(t, __FILE__, __LINE__, "%s is %lld, expected just below %lld", \
                               #expression, (long long)ms_, (long long)(limit)); \
        } \
    } while (0)

#endif
