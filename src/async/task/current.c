/*
 * What code asks of the task that it runs in.
 */
#include "async/task/current.h"

#include "async/loop/state.h"
#include "async/task/task.h"

static bool current_is_on(uintptr_t low, size_t size) {
    return (uintptr_t)__builtin_frame_address(0) - low < size;
}

/* Apart from what every call does. A stack that is neither the task's nor the thread's is one of the
 * program's own, which the task has switched to. */
static __attribute__((noinline)) mouv__task_t *current_elsewhere(mouv_runtime_t *runtime) {
    mouv__stack_bounds_t *own = &runtime->thread_stack;
    if (own->size == 0) *own = mouv__stack_of_thread();
    if (!current_is_on(own->low, own->size)) return runtime->current;
    mouv__task_leave(runtime->current);
    return NULL;
}

mouv__task_t *mouv__current_task(void) {
    mouv_runtime_t *runtime = mouv__thread_runtime;
    mouv__task_t *task = runtime != NULL ? runtime->current : NULL;
    if (task == NULL || current_is_on((uintptr_t)task->stack->low, task->stack->size)) return task;
    return current_elsewhere(runtime);
}

mouv__future_t *mouv__current_task_future(void) {
    mouv__task_t *task = mouv__current_task();
    return task != NULL ? &task->future : NULL;
}

bool mouv__current_refused(void) {
    mouv__task_t *task = mouv__current_task();
    return task != NULL && mouv__task_refused(task);
}

bool mouv__current_timed_out(void) {
    const mouv__task_t *task = mouv__current_task();
    return task != NULL && mouv__task_timed_out(task);
}

int64_t mouv__current_deadline_ns(void) {
    mouv__task_t *task = mouv__current_task();
    return task != NULL ? mouv__task_deadline(task) : MOUV__NEVER;
}

/* ---- public ---- */

mouv_future_t mouv_current_task(void) {
    mouv__task_t *task = mouv__current_task();
    mouv_future_t none = {0};
    return task != NULL ? mouv__future_handle(&task->future) : none;
}

bool mouv_in_coroutine(void) {
    return mouv__current_task() != NULL;
}

bool mouv_cancelling(void) {
    mouv__task_t *task = mouv__current_task();
    return task != NULL && task->cancelled;
}

bool mouv_refused(void) {
    return mouv__current_refused();
}

bool mouv_uncancel(void) {
    mouv__task_t *task = mouv__current_task();
    if (task == NULL || !task->cancelled) return false;
    task->cancelled = false;
    task->future.asked = false;
    return true;
}

void mouv_at(const char *file, int line) {
    mouv__task_t *task = mouv__current_task();
    if (task == NULL) return;
    task->place_file = file;
    task->place_line = line;
}
