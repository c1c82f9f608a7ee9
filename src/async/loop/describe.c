/*
 * Names of futures, and how messages speak of them.
 */
#include <stdio.h>
#include <string.h>

#include "async/task/task.h"
#include "context/alloc.h"

#define NAME_BYTES 32

static void describe_copy_name(const mouv__future_t *future, char *name) {
    const mouv__task_t *task = mouv__task_of(future);
    if (future->name != NULL)
        snprintf(name, NAME_BYTES, "%s", future->name);
    else if (task != NULL && task->number != 0)
        snprintf(name, NAME_BYTES, "Task-%llu", (unsigned long long)task->number);
    else
        snprintf(name, NAME_BYTES, "%s", task != NULL ? task->fn_name : future->ops->kind);
}

void mouv__future_describe(const mouv__future_t *future, char *text, size_t size) {
    char name[NAME_BYTES];
    const mouv__task_t *task = mouv__task_of(future);
    describe_copy_name(future, name);
    if (task != NULL)
        snprintf(text, size, "task '%s' (%s at %s:%d)", name, task->fn_name, task->file,
                 task->line);
    else
        snprintf(text, size, "%s '%s'", future->ops->kind, name);
}

const char *mouv_future_name(mouv_future_t handle) {
    static _Thread_local char name[NAME_BYTES];
    const mouv__future_t *future = mouv__future_peek(handle);
    if (future == NULL) return "";
    describe_copy_name(future, name);
    return name;
}

void mouv_future_set_name(mouv_future_t handle, const char *name) {
    mouv__future_t *future = mouv__future_peek(handle);
    if (future == NULL || name == NULL) return;
    if (future->name == NULL) future->name = mouv__alloc(NAME_BYTES);
    if (future->name != NULL) snprintf(future->name, NAME_BYTES, "%s", name);
}
