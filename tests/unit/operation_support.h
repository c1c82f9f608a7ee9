/*
 * Operations on the fake transport: how they are made, and what has become of them. Each test holds
 * the operations that it makes until operation_over().
 */
#ifndef MOUV_TESTS_UNIT_OPERATION_SUPPORT_H
#define MOUV_TESTS_UNIT_OPERATION_SUPPORT_H

#include "../support/async_support.h"
#include "fake_transport.h"

#include "mongo/operation/state.h"

static const mouv__operation_row_t find_row = {"find", MOUV__OP_RETRYABLE | MOUV__OP_MAX_TIME |
                                                           MOUV__OP_READ_PREFERENCE |
                                                           MOUV__OP_READ_CONCERN};
static const mouv__operation_row_t insert_row = {
    "insert", MOUV__OP_WRITE | MOUV__OP_RETRYABLE | MOUV__OP_MAX_TIME | MOUV__OP_WRITE_CONCERN};
static const mouv__operation_row_t many_row = {"update", MOUV__OP_WRITE | MOUV__OP_MAX_TIME};
static const mouv__operation_row_t poll_row = {"getMore", MOUV__OP_POLL};
static const mouv__operation_row_t kill_row = {"killCursors", MOUV__OP_CLEANUP};

#define FIND "{'find': 'users'}"
#define INSERT "{'insert': 'users', 'documents': [{'_id': 1}]}"
#define MANY "{'update': 'users', 'updates': []}"

/* Connections and what sets things up come at once; sends and kills are the test's to answer. */
static inline fake_t *fake_with(uint32_t connections, const char *servers) {
    fake_t *fake = fake_new(&(fake_options_t){.connections = connections});
    fake->auto_ms[FAKE_CONNECT] = 0;
    fake_deploy(fake, servers);
    fake_pass_ms(1); /* the clock's 0 is "never" here and there */
    return fake;
}

static inline mouv__operation_t *operation_new(fake_t *fake, const mouv__operation_row_t *row,
                                               const char *command) {
    mouv_future_t failed;
    mouv__operation_t *op = mouv__operation_new(fake_client(fake), row, "shop", NULL, 0, &failed);
    if (!op) abort();
    op->parts.command = from_json(command);
    mouv__future_hold(&op->future);
    return op;
}

static inline int64_t now_ns(const fake_t *fake) {
    return mouv__clock_now_ns(fake->client.ref.runtime);
}

/* 0: no deadline. */
static inline mouv__operation_t *operation_begin(fake_t *fake, const mouv__operation_row_t *row,
                                                 const char *command, int64_t deadline_ms) {
    mouv__operation_t *op = operation_new(fake, row, command);
    if (deadline_ms > 0) op->deadline_ns = now_ns(fake) + deadline_ms * MOUV__NS_PER_MS;
    mouv__operation_start(op);
    fake_turn();
    return op;
}

static inline bool operation_is_done(const mouv__operation_t *op) {
    return op->future.state == MOUV__DONE;
}

static inline const char *operation_words(const mouv__operation_t *op) {
    return op->future.error ? op->future.error->message : "";
}

static inline int operation_cause(const mouv__operation_t *op) {
    return op->future.error ? op->future.error->cause : 0;
}

static inline void operation_cancel(mouv__operation_t *op) {
    mouv__future_cancel(&op->future);
    fake_turn();
}

/* The test is through with it. */
static inline void operation_over(mouv__operation_t *op) {
    op->future.retrieved = true;
    mouv_future_unref(mouv__future_handle(&op->future));
    mouv__future_let_go(&op->future);
}

#define CHECK_ENDED(op, expected) \
    do { \
        CHECK(operation_is_done(op)); \
        CHECK_INT((op)->future.code, (expected)); \
    } while (0)
#define CHECK_PENDING(op) CHECK(!operation_is_done(op))

/* Answers every hello on the controls, so that their connections are there. */
static inline void answer_hellos(fake_t *fake) {
    for (fake_call_t *call; (call = fake_named(fake, "hello")) != NULL;) {
        fake_answer(call, "{'ok': 1}");
        fake_turn();
    }
}

/* How many sessions a killSessions names. */
static inline int victims_of(const fake_call_t *call) {
    bson_t list;
    bson_iter_t iter;
    int count = 0;
    if (!call || !document_in(call->command, "killSessions", &list) ||
        !bson_iter_init(&iter, &list))
        return -1;
    while (bson_iter_next(&iter)) count++;
    return count;
}

static inline fake_call_t *kill_out(fake_t *fake) {
    return fake_named(fake, "killSessions");
}

/* How many killSessions there were. */
static inline int kills_of(const fake_t *fake) {
    int count = 0;
    for (uint32_t i = 0; i < fake->call_count; i++)
        count += strcmp(fake->calls[i]->name, "killSessions") == 0;
    return count;
}

static inline void check_document(const bson_t *actual, const char *expected) {
    bson_t *wanted = from_json(expected);
    char *got = actual ? bson_as_canonical_extended_json(actual, NULL) : bson_strdup("none");
    if (!CHECK(actual && bson_equal(actual, wanted))) fprintf(stderr, "    %s\n", got);
    bson_free(got);
    bson_destroy(wanted);
}

static inline mouv_client_stats_t *stats_of(fake_t *fake) {
    return &fake->client.ref.stats;
}

#endif
