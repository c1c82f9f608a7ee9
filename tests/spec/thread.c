/*
 * Threads of tests as tasks: one a thread that has something to do.
 */
#include "spec/thread.h"

#include <mouv/mouv.h>

#include "spec/operations.h"
#include "spec/view.h"

enum { JOIN_LIMIT_MS = 10000 };

struct spec_thread {
    spec_test_t *test;
    char *id;
    bson_t **operations;
    size_t count, next;
    bool running;
    mouv_future_t task; /**< while `running` or not yet awaited */
    bool has_task;
};

spec_thread_t *spec_thread_new(spec_test_t *test, const char *id) {
    spec_thread_t *thread = bson_malloc0(sizeof *thread);
    thread->test = test;
    thread->id = bson_strdup(id);
    return thread;
}

static int work(void *arg) {
    spec_thread_t *thread = arg;
    while (thread->next < thread->count && !thread->test->failed) {
        const bson_t *operation = thread->operations[thread->next++];
        if (spec_operation_run(thread->test, operation)) continue;
        spec_locate(thread->test, "%s, %s", thread->id, spec_string(operation, "name"));
    }
    thread->running = false;
    return 0;
}

void spec_thread_add(spec_thread_t *thread, const bson_t *operation) {
    thread->operations =
        bson_realloc(thread->operations, (thread->count + 1) * sizeof *thread->operations);
    thread->operations[thread->count++] = bson_copy(operation);
    if (thread->running) return;
    if (thread->has_task) mouv_future_unref(thread->task);
    thread->running = thread->has_task = true;
    thread->task = mouv_task(work, thread);
}

bool spec_thread_join(spec_thread_t *thread) {
    mouv_error_t error;
    if (!thread->has_task) return true;
    thread->has_task = false;
    if (mouv_await_for(thread->task, JOIN_LIMIT_MS, &error) < 0) {
        spec_fail(thread->test, "thread %s: %s", thread->id, error.message);
    }
    return !thread->test->failed;
}

void spec_thread_free(spec_thread_t *thread) {
    for (size_t i = 0; i < thread->count; i++) bson_destroy(thread->operations[i]);
    bson_free(thread->operations);
    bson_free(thread->id);
    bson_free(thread);
}
