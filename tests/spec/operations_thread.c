/*
 * Operations of the test runner that run other operations: on threads, and in loops.
 */
#include <signal.h>
#include <string.h>
#include <sys/time.h>

#include "spec/operations.h"
#include "spec/server.h"
#include "spec/thread.h"
#include "spec/view.h"

/* --- Threads --------------------------------------------------------------------------------- */

static spec_thread_t *thread_of(spec_call_t *call) {
    const char *id = spec_need_string(call, "thread");
    spec_entity_t *entity = id ? spec_entity_of(call->test, id, SPEC_THREAD) : NULL;
    return entity ? entity->is.thread : NULL;
}

static bool run_on_thread(spec_call_t *call) {
    bson_t operation;
    spec_thread_t *thread = thread_of(call);
    if (!thread || !spec_need_document(call, "operation", &operation)) return false;
    spec_thread_add(thread, &operation);
    return mouv_sleep_ms(0) == 0; /* it begins before the next operation does */
}

static bool wait_for_thread(spec_call_t *call) {
    spec_thread_t *thread = thread_of(call);
    return thread && spec_thread_join(thread);
}

/* --- loop ------------------------------------------------------------------------------------ */

/** Set by a signal: loops end after the iteration that is under way. */
static volatile sig_atomic_t no_more_loops;

void spec_loops_stop(void) {
    no_more_loops = 1;
}

/** What a loop keeps of its iterations. */
typedef struct loop {
    const char *errors, *failures;
    bson_t operations;
    int64_t iterations, successes;
} loop_t;

static bool make_list(spec_call_t *call, const char *id) {
    AUTO_BSON *empty = bson_new();
    bson_value_t value = spec_value_of(empty, true);
    spec_entity_t *entity = id ? spec_entity_find(call->test, id) : NULL;
    if (!id) return true;
    if (!entity) return spec_entity_add_value(call->test, id, &value);
    return (entity->kind == SPEC_VALUE && entity->is.value.value_type == BSON_TYPE_ARRAY) ||
           spec_fail(call->test, "entity '%s' is no array", id);
}

/** A failure of the test becomes an element of the list, and the test goes on. */
static void store_failure(spec_call_t *call, const char *id) {
    struct timeval now;
    gettimeofday(&now, NULL);
    AUTO_BSON *document = BCON_NEW("error", BCON_UTF8(call->test->why), "time",
                                   BCON_DOUBLE((double)now.tv_sec + (double)now.tv_usec / 1e6));
    bson_value_t value = spec_value_of(document, false);
    spec_entity_append(spec_entity_find(call->test, id), &value);
    call->test->failed = false;
}

/** Whether the loop goes on. */
static bool iterate(spec_call_t *call, loop_t *loop) {
    bson_iter_t iter;
    bson_t operation;
    loop->iterations++;
    bson_iter_init(&iter, &loop->operations);
    while (bson_iter_next(&iter)) {
        spec_document_at(&iter, &operation);
        if (!spec_operation_run(call->test, &operation)) break;
        loop->successes++;
    }
    const char *list = loop->failures ? loop->failures : loop->errors;
    if (!call->test->failed) return true;
    if (list) store_failure(call, list);
    return list != NULL;
}

static bool store_number(spec_call_t *call, const char *argument, int64_t number) {
    const char *id = spec_string(call->arguments, argument);
    bson_value_t value = {.value_type = BSON_TYPE_INT64, .value.v_int64 = number};
    return !id || spec_entity_add_value(call->test, id, &value);
}

/** No test ends a loop by itself: a signal does, or what it does goes wrong. */
static bool run_loop(spec_call_t *call) {
    loop_t loop = {.errors = spec_string(call->arguments, "storeErrorsAsEntity"),
                   .failures = spec_string(call->arguments, "storeFailuresAsEntity")};
    bool ok = spec_need_document(call, "operations", &loop.operations) &&
              make_list(call, loop.errors) && make_list(call, loop.failures);
    while (ok && !no_more_loops) ok = iterate(call, &loop);
    return ok && store_number(call, "storeSuccessesAsEntity", loop.successes) &&
           store_number(call, "storeIterationsAsEntity", loop.iterations);
}

#define LOOP_ARGUMENTS \
    "operations storeErrorsAsEntity storeFailuresAsEntity storeIterationsAsEntity " \
    "storeSuccessesAsEntity"

const spec_operation_t spec_thread_operations[] = {
    {"loop", run_loop, LOOP_ARGUMENTS, ""},
    {"runOnThread", run_on_thread, "thread operation", ""},
    {"waitForThread", wait_for_thread, "thread", ""},
    {NULL, NULL, NULL, NULL},
};
