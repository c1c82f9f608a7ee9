/*
 * What integration tests share: a server, a case as a coroutine in a database of its own, checks
 * that work on a coroutine's stack (cmocka's jump away from it), documents from JSON.
 */
#ifndef MOUV_TESTS_SUPPORT_H
#define MOUV_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mongoc/mongoc.h>
#include <mouv/mouv.h>

/** One case: a client, its database and a collection in it, all fresh. */
typedef struct test {
    mouv_client_t *client;
    mouv_database_t *database;
    mouv_collection_t *users; /**< "users" */
    mouv_error_t error;       /**< of the last await_*() */
    char database_name[64];
    bson_t **documents; /**< of json(), destroyed at the end */
    size_t document_count;
    bool failed, skipped;
} test_t;

typedef int (*test_fn_t)(test_t *t);

/** The URI of the server that the tests use. */
const char *test_uri(void);

/** For cmocka_run_group_tests(): finds or starts a server; ends what it started. */
int test_group_setup(void **state);
int test_group_teardown(void **state);

/** A setup that always starts a server, with these options of server_start(). */
int test_group_setup_own(const char *const *options);

/** Whether mouv's connections are its own streams: libmongoc takes none since 2.0, so that nothing
 * can be interrupted or checked there (docs/silent-servers.md says what is instead). */
bool test_own_streams(void);

/** Whether clients of the default executor carry commands on the loop. */
static inline bool test_on_loop(void) {
    const char *executor = getenv("MOUV_EXECUTOR");
    return executor && strcmp(executor, "loop") == 0;
}

/** `count` if calls are interrupted, or connections reset, here; else 0. */
static inline int64_t if_own_streams(int64_t count) {
    return test_own_streams() ? count : 0;
}

/** Of a case: tells why and skips it, once its body has returned. */
int test_skip(test_t *t, const char *why);

/** The first line of a case that needs them. */
#define NEEDS_OWN_STREAMS(t) \
    do { \
        if (!test_own_streams()) \
            return test_skip((t), "libmongoc " MONGOC_VERSION_S " takes no streams of others"); \
    } while (0)

/** Runs the body as a coroutine with a fresh `test_t`, drops its database, fails for cmocka. */
void test_run_case(test_fn_t body);

/** The same without client and database: for cases that bring their own server. */
void test_run_bare_case(test_fn_t body);

/** CASE(name) { ... return 0; } defines the cmocka test `name`. */
#define CASE(name) TEST_CASE_WITH(test_run_case, name)
#define BARE_CASE(name) TEST_CASE_WITH(test_run_bare_case, name)

#define TEST_CASE_WITH(run, name) \
    static int name##_body(test_t *t); \
    static void name(void **state) { \
        (void)state; \
        run(name##_body); \
    } \
    static int name##_body(test_t *t)

#define RUN_CASES(cases) cmocka_run_group_tests(cases, test_group_setup, test_group_teardown)

/** A document from Extended JSON, with ' for "; lives as long as the case. */
const bson_t *json(test_t *t, const char *text);

/** `document`, destroyed when the case ends. */
const bson_t *keep(test_t *t, bson_t *document);

/** mouv_await() with the error kept in `t`. */
int await(test_t *t, mouv_future_t future);

/** Inserts {_id: 0..count-1, n: the same}; 0 on success. */
int insert_numbered(test_t *t, int count);

/** {sessionId} and what else is given (NULL: nothing); lives as long as the case. */
const bson_t *in(test_t *t, const mouv_session_t *session, const char *more);

/** Inserts a document into "users" in this session; 1 on success. */
int insert_in_session(test_t *t, const mouv_session_t *session, const char *document);

/** Sends a configureFailPoint, as JSON. Fail points are the server's, for all who use it: a file that
 *  calls this or what follows is marked "own-server" (tests/README.md). */
int set_fail_point(test_t *t, const char *command);

/** Makes the server's next `times` commands of these names ("'find', 'getMore'") fail or wait: what
 *  stands in a fail point's data. */
int fail_commands(test_t *t, int times, const char *names, const char *data);

/** No command fails any more. */
int fail_no_more(test_t *t);

/** Of the machine's clock, from any moment on. */
int64_t now_ms(void);

/** The client's counters, now. */
mouv_client_stats_t stats_of(const mouv_client_t *client);

/** Whether nothing runs and no connection is being set up, at most so many milliseconds later. After an
 * operation with a deadline the lane for kills is connected then, too. */
bool is_quiet_within(const mouv_client_t *client, int ms);

/** What runs on the server, in the case's collection "users", as a pipeline of $currentOp with
 * `options` and a $match of `with` too tells: how many; below 0 on failure. Both are parts of JSON.
 */
int current_ops(test_t *t, const char *options, const char *with);

/** How many cursors the server has open on the case's collection "users"; below 0 on failure. */
int open_cursors(test_t *t);

/** open_cursors(), once it has become `expected` or two seconds are over. */
int open_cursors_become(test_t *t, int expected);

/* Each check that fails says so and returns from the case. */
int test_failed(test_t *t, const char *file, int line, const char *format, ...) MOUV_PRINTF(4, 5);
int test_differs(test_t *t, const char *file, int line, const char *expression,
                 const bson_t *document, const char *expected);

#define CHECK(condition) \
    do { \
        if (!(condition)) return test_failed(t, __FILE__, __LINE__, "%s", #condition); \
    } while (0)

#define CHECK_INT(expression, expected) \
    do { \
        int64_t got_ = (expression), expected_ = (expected); \
        if (got_ != expected_) { \
            return test_failed(t, __FILE__, __LINE__, "%s is %lld, expected %lld", #expression, \
                               (long long)got_, (long long)expected_); \
        } \
    } while (0)

#define CHECK_STRING(expression, expected) \
    do { \
        const char *got_ = (expression); \
        if (!got_ || strcmp(got_, (expected)) != 0) { \
            return test_failed(t, __FILE__, __LINE__, "%s is '%s', expected '%s'", #expression, \
                               got_ ? got_ : "(null)", (expected)); \
        } \
    } while (0)

#define CHECK_CONTAINS(expression, part) \
    do { \
        const char *got_ = (expression); \
        if (!strstr(got_, (part))) { \
            return test_failed(t, __FILE__, __LINE__, "%s is '%s', expected '%s' in it", \
                               #expression, got_, (part)); \
        } \
    } while (0)

/** Compares a document with JSON, field by field, in order and with types. */
#define CHECK_DOCUMENT(document, expected) \
    do { \
        int rc_ = test_differs(t, __FILE__, __LINE__, #document, (document), (expected)); \
        if (rc_ != 0) return rc_; \
    } while (0)

/** A document that is destroyed at the end of its block. */
void test_drop_bson(bson_t **document);
#define AUTO_BSON MOUV_CLEANUP(test_drop_bson) bson_t

#endif
