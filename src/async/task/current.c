/*
 * What code asks of the task that it runs in.
 */
#include "async/task/current.h"

#include "async/loop/state.h"
#include "async/task/task.h"

mouv__task_t *mouv__current_task(void) {
    return mouv__thread_runtime != NULL ? mouv__thread_runtime->current : NULL;
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
