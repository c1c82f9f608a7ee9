/*
 * The task group: children that end before it does, errors that are all kept. Behind the user's
 * struct is a future (children.h), which completes when a join has been asked for and no child is
 * left; the struct has its handle.
 */
#include <mouv/group.h>

#include "async/combine/children.h"
#include "async/combine/wait.h"
#include "async/task/coroutine.h"
#include "async/task/current.h"
#include "async/task/scope.h"
#include "context/alloc.h"

/* ---- the user's struct ---- */

static mouv__group_t *group_find(const mouv_group_t *group) {
    mouv__future_t *future = group != NULL ? mouv__future_peek(group->whole) : NULL;
    return future != NULL && future->ops == &mouv__children_ops ? (mouv__group_t *)future : NULL;
}

/* Why there is no group behind it. */
static int group_explain(const mouv_group_t *group, mouv_error_t *error) {
    int code = group != NULL && group->whole.id != 0 ? mouv_future_result(group->whole, error) : 0;
    if (code < 0 && code != MOUV_EINVAL) return code;
    return mouv_error_set(error, MOUV_EINVAL, "group: %s",
                          group == NULL ? "NULL" : "it has not been begun, or has been left");
}

int mouv_group_begin(mouv_group_t *group) {
    mouv_runtime_t *runtime = mouv__runtime();
    if (group == NULL) return mouv__raise(NULL, MOUV_EINVAL, "group: NULL");
    *group = (mouv_group_t){.whole = mouv__future_failed(MOUV_ENOLOOP)};
    if (runtime == NULL) return MOUV_ENOLOOP;
    mouv__group_t *made = mouv__alloc(sizeof *made);
    if (made == NULL ||
        mouv__future_init(&made->future, &mouv__children_ops, runtime, false) != 0) {
        mouv__free(made);
        group->whole = mouv__future_failed(MOUV_ENOMEM);
        return mouv__raise(NULL, MOUV_ENOMEM, "group: out of memory");
    }
    group->whole = mouv__future_handle(&made->future);
    made->limit_ns = mouv__current_deadline_ns();
    mouv__scope_begin(&group->scope);
    if (mouv__current_task() != NULL) made->scope = &group->scope;
    return 0;
}

int mouv_group_set_limit(mouv_group_t *handle, size_t limit) {
    mouv_error_t error;
    mouv__group_t *group = group_find(handle);
    if (group == NULL) return mouv__raise(NULL, group_explain(handle, &error), "%s", error.message);
    group->limit = limit;
    mouv__children_admit(group);
    return 0;
}

/* Consumes `future`. NULL if it is not to be added: then `*code` and `error` say why. */
static mouv__future_t *group_receive(mouv__group_t *group, mouv_future_t future, int *code,
                                     mouv_error_t *error) {
    mouv__future_t *child = mouv__future_consume(future, code, error);
    if (child == NULL) {
        *code = mouv__children_fail(group, error);
        return NULL;
    }
    if (group->phase == MOUV__GROUP_OPEN && child != &group->future) return child;
    if (child == &group->future) {
        mouv__future_let_go(child);
        *code = mouv_error_set(error, MOUV_EDEADLK, "group: it cannot be a child of its own");
    } else {
        mouv__children_turn_away(group, child);
        *code = mouv__children_refuse(group, error);
    }
    return NULL;
}

static void group_discard(mouv_future_t handle) {
    int code;
    mouv__future_t *future = mouv__future_consume(handle, &code, NULL);
    if (future == NULL) return;
    mouv__future_discard(future);
}

mouv_future_t mouv_group_add_future(mouv_group_t *handle, mouv_future_t future) {
    int code;
    mouv_error_t error;
    mouv__group_t *group = group_find(handle);
    if (group == NULL) {
        group_discard(future);
        group_explain(handle, &error);
        return mouv__future_failed_with(mouv__runtime(), &error);
    }
    mouv__future_t *child = group_receive(group, future, &code, &error);
    if (child != NULL) return mouv__children_queue_up(group, child);
    return mouv__future_failed_with(group->future.runtime, &error);
}

/* Outside a coroutine nobody can wait for room. */
static int group_wait_for_room(mouv__group_t *group, mouv__future_t *child, mouv_error_t *error) {
    if (mouv_in_coroutine())
        return mouv__wait_for_own(mouv__children_queue_up(group, child), error);
    mouv__children_turn_away(group, child);
    mouv_error_set(error, MOUV_ENOTCORO, "group: it is full, and this is no coroutine");
    return mouv__children_fail(group, error);
}

static int group_add(mouv_group_t *handle, mouv_future_t future, mouv_error_t *error) {
    int code;
    mouv__group_t *group = group_find(handle);
    if (group == NULL) {
        group_discard(future);
        group_explain(handle, error);
        return mouv__raise_error(error);
    }
    mouv__future_t *child = group_receive(group, future, &code, error);
    if (child == NULL) return mouv__raise_error(error);
    if (!mouv__children_has_room(group)) return group_wait_for_room(group, child, error);
    if (mouv__children_adopt(group, child) == 0) return 0;
    mouv_error_set(error, MOUV_ENOMEM, "%s", mouv_error_message(MOUV_ENOMEM));
    return mouv__children_fail_for_memory(group);
}

int mouv_group_add(mouv_group_t *group, mouv_future_t future) {
    mouv_error_t error;
    return group_add(group, future, &error);
}

/* 0, or why a child is not even made. */
static int group_may_start(const mouv_group_t *handle, mouv_error_t *error) {
    const mouv__group_t *group = group_find(handle);
    if (group != NULL && group->phase == MOUV__GROUP_OPEN) return 0;
    if (group == NULL)
        group_explain(handle, error);
    else
        mouv__children_refuse(group, error);
    return mouv__raise_error(error);
}

static int group_start(mouv_group_t *group, mouv_fn_t fn, void *arg, const mouv_task_opts_t *opts,
                       const char *fn_name, const char *file, int line) {
    mouv_error_t error;
    int rc = group_may_start(group, &error);
    if (rc != 0) return rc;
    return group_add(group, mouv__coroutine_with(fn, arg, opts, fn_name, file, line), &error);
}

int mouv_group_start_at(mouv_group_t *group, mouv_fn_t fn, void *arg, const char *fn_name,
                        const char *file, int line) {
    return group_start(group, fn, arg, NULL, fn_name, file, line);
}

int mouv_group_start_copy_at(mouv_group_t *group, mouv_fn_t fn, const void *args, size_t size,
                             const char *fn_name, const char *file, int line) {
    mouv_task_opts_t opts = {.copy = args, .copy_size_bytes = size};
    return group_start(group, args != NULL ? fn : NULL, NULL, &opts, fn_name, file, line);
}

static mouv_future_t group_task(mouv_group_t *group, mouv_fn_t fn, void *arg,
                                const mouv_task_opts_t *opts, const char *fn_name, const char *file,
                                int line) {
    mouv_error_t error;
    if (group_may_start(group, &error) != 0)
        return mouv__future_failed_with(mouv__runtime(), &error);
    mouv_future_t child = mouv__coroutine_with(fn, arg, opts, fn_name, file, line);
    mouv_future_t callers = mouv_future_ref(child);
    if (group_add(group, child, &error) == 0) return callers;
    mouv_future_unref(callers);
    return mouv__future_failed_with(mouv__runtime(), &error);
}

mouv_future_t mouv_group_task_at(mouv_group_t *group, mouv_fn_t fn, void *arg, const char *fn_name,
                                 const char *file, int line) {
    return group_task(group, fn, arg, NULL, fn_name, file, line);
}

mouv_future_t mouv_group_task_copy_at(mouv_group_t *group, mouv_fn_t fn, const void *args,
                                      size_t size, const char *fn_name, const char *file,
                                      int line) {
    mouv_task_opts_t opts = {.copy = args, .copy_size_bytes = size};
    return group_task(group, args != NULL ? fn : NULL, NULL, &opts, fn_name, file, line);
}

/* ---- its end ---- */

/* Only the task that began it has a body in it. */
static void group_end_body(mouv__group_t *group) {
    if (group->scope == NULL || group->scope->task != mouv__current_task()) return;
    mouv__scope_remove(group->scope);
    group->scope = NULL;
}

int mouv_group_join(mouv_group_t *handle, mouv_error_t *error) {
    mouv_error_t local;
    mouv__group_t *group = group_find(handle);
    if (error == NULL) error = &local;
    if (!mouv_in_coroutine())
        return mouv_error_set(error, MOUV_ENOTCORO, "mouv_group_join: outside of a coroutine");
    if (group == NULL) {
        group_explain(handle, error);
        return mouv__raise_error(error);
    }
    group_end_body(group);
    mouv__children_begin_join(group);
    return mouv_await(mouv_future_ref(handle->whole), error);
}

mouv_future_t mouv_group_join_future(mouv_group_t *handle) {
    mouv_error_t error;
    mouv__group_t *group = group_find(handle);
    if (group == NULL) {
        group_explain(handle, &error);
        return mouv__future_failed_with(mouv__runtime(), &error);
    }
    group_end_body(group);
    mouv__children_begin_join(group);
    return mouv_future_ref(handle->whole);
}

bool mouv_group_cancel(mouv_group_t *handle) {
    mouv__group_t *group = group_find(handle);
    if (group == NULL || group->phase != MOUV__GROUP_OPEN) return false;
    mouv__children_stop(group);
    return true;
}

size_t mouv_group_error_count(const mouv_group_t *handle) {
    const mouv__group_t *group = group_find(handle);
    return group != NULL ? mouv__children_count_errors(group) : 0;
}

int mouv_group_error(const mouv_group_t *handle, size_t index, mouv_error_t *error) {
    mouv_error_t found;
    const mouv__group_t *group = group_find(handle);
    if (group == NULL || index >= mouv__children_count_errors(group)) return MOUV_EINVAL;
    mouv__children_get_error(group, index, &found);
    if (error != NULL) *error = found;
    return found.code;
}

/* ---- leaving it ---- */

/* Waits without a trace in what the task remembers: that belongs to the body that is returning. */
static void group_wait_for_children(mouv__task_t *task, mouv__group_t *group) {
    mouv__last_error_t remembered = task->last;
    bool retrieved = group->future.retrieved;
    task->last.error = NULL;
    mouv_await(mouv_future_ref(mouv__future_handle(&group->future)), NULL);
    mouv__free(task->last.error);
    task->last = remembered;
    group->future.retrieved = retrieved;
}

/* The body was refused: an ECANCELED that it returns stands for what the children failed with. */
static void group_pass_on(mouv__task_t *task, mouv__group_t *group) {
    const mouv_error_t *last = task->last.error;
    bool cancelled = last == NULL || last->code == MOUV_ECANCELED || last->code == task->last.means;
    if (!cancelled || group->future.retrieved || mouv__children_count_errors(group) == 0) return;
    mouv_error_t error;
    int code = mouv__future_take(&group->future, &error);
    mouv__raise_error(&error);
    task->last.means = code;
}

void mouv_group_leave(mouv_group_t *handle) {
    mouv__group_t *group = group_find(handle);
    mouv__task_t *task = mouv__current_task();
    if (group == NULL) return;
    bool refused = task != NULL && (mouv__task_refused(task) || task->last.means != 0);
    if (group->scope != NULL) mouv__scope_remove(group->scope);
    group->scope = NULL;
    if (group->phase != MOUV__GROUP_ENDED) {
        group->abandoned = !group->joining;
        mouv__children_stop(group);
        mouv__children_begin_join(group);
        if (task != NULL) group_wait_for_children(task, group);
    }
    if (refused && group->phase == MOUV__GROUP_ENDED) group_pass_on(task, group);
    mouv_future_unref(handle->whole);
    handle->whole.id = 0;
}
