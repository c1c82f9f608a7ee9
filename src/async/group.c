/*
 * The task group: children that end before it does, errors that are all kept.
 *
 * What lives on is a future of the kind "group", which completes when a join has been asked for and
 * no child is left; the user's struct has its handle. A child that has ended is looked at one tick
 * later, as asyncio does: two that fail in the same tick are both heard.
 */
#include <mouv/group.h>

#include <assert.h>
#include <string.h>

#include "async/scope.h"
#include "async/task.h"
#include "async/wait.h"
#include "context/alloc.h"

typedef struct group group_t;
typedef struct child child_t;
typedef struct entrant entrant_t;

/** OPEN -> STOPPING (children cancelled, new ones refused) -> ENDED; or OPEN -> ENDED. */
typedef enum phase { OPEN, STOPPING, ENDED } phase_t;

struct child {
    mouv__listener_t listener; /* first */
    mouv__ready_t ready;       /* it has ended */
    group_t *group;
    mouv__future_t *future;
    child_t *prev, *next;
};

typedef struct children {
    child_t *first, *last;
    size_t count;
} children_t;

/** A future of mouv_group_add_future(): a child that waits for room. */
struct entrant {
    mouv__future_t future; /* first */
    group_t *group;
    mouv__future_t *child;
    entrant_t *prev, *next;
};

struct group {
    mouv__future_t future; /* first */
    phase_t phase;
    mouv_scope_t *scope; /* around the body; NULL when that has ended, or is no coroutine */
    int64_t limit_ns;    /* the deadline that children inherit */
    size_t limit;        /* of running ones; 0: none */
    bool joining;
    bool abandoned; /* left without a join: moves no results */
    children_t running, failed, kept; /* kept: they have results to move */
    entrant_t *entrants, *last_entrant;
    mouv_error_t refused; /* a child that could not be added, the first error then; code 0: none */
};

static void set_phase(group_t *group, phase_t phase) {
    assert(phase > group->phase);
    group->phase = phase;
}

/* ---- lists ---- */

static void append(children_t *list, child_t *child) {
    child->prev = list->last;
    child->next = NULL;
    if (list->last != NULL)
        list->last->next = child;
    else
        list->first = child;
    list->last = child;
    list->count++;
}

static void take_out(children_t *list, child_t *child) {
    if (child->prev != NULL)
        child->prev->next = child->next;
    else
        list->first = child->next;
    if (child->next != NULL)
        child->next->prev = child->prev;
    else
        list->last = child->prev;
    list->count--;
}

static void free_child(child_t *child) {
    mouv__future_let_go(child->future);
    mouv__free(child);
}

static void free_children(children_t *list) {
    while (list->first != NULL) {
        child_t *child = list->first;
        take_out(list, child);
        free_child(child);
    }
}

static void enqueue(entrant_t *entrant) {
    group_t *group = entrant->group;
    entrant->prev = group->last_entrant;
    if (group->last_entrant != NULL)
        group->last_entrant->next = entrant;
    else
        group->entrants = entrant;
    group->last_entrant = entrant;
}

/* Out of the queue; the child is then the caller's. */
static mouv__future_t *dequeue(entrant_t *entrant) {
    group_t *group = entrant->group;
    mouv__future_t *child = entrant->child;
    if (entrant->prev != NULL)
        entrant->prev->next = entrant->next;
    else
        group->entrants = entrant->next;
    if (entrant->next != NULL)
        entrant->next->prev = entrant->prev;
    else
        group->last_entrant = entrant->prev;
    entrant->child = NULL;
    return child;
}

/* ---- its outcome ---- */

static size_t count_errors(const group_t *group) {
    return group->failed.count + (group->refused.code != 0);
}

static void get_error(const group_t *group, size_t index, mouv_error_t *error) {
    if (group->refused.code != 0 && index-- == 0) {
        *error = group->refused;
        return;
    }
    const child_t *child = group->failed.first;
    while (index-- > 0) child = child->next;
    mouv__future_error(child->future, error);
}

/* The first error; but a write of unknown outcome must not hide behind another. */
static void get_main_error(const group_t *group, mouv_error_t *error) {
    const child_t *child = group->failed.first;
    while (child != NULL && child->future->code != MOUV_EUNKNOWN) child = child->next;
    if (child != NULL)
        mouv__future_error(child->future, error);
    else
        get_error(group, 0, error);
    size_t more = count_errors(group) - 1;
    if (more == 0) return;
    mouv_error_t whole = *error;
    mouv_error_set(error, whole.code, "%.450s (and %zu more error%s)", whole.message, more,
                   more == 1 ? "" : "s");
    memcpy(whole.message, error->message, sizeof whole.message);
    *error = whole;
}

/* Errors go before a cancel; one by mouv_group_cancel() is no failure at all. */
static void conclude(group_t *group) {
    if (!group->joining || group->running.count > 0 || group->entrants != NULL) return;
    if (group->phase == ENDED) return;
    mouv_error_t error;
    int code = group->future.asked ? MOUV_ECANCELED : 0;
    set_phase(group, ENDED);
    if (count_errors(group) > 0) {
        get_main_error(group, &error);
        mouv__future_complete(&group->future, error.code, &error);
    } else {
        mouv__future_complete(&group->future, code, NULL);
    }
}

/* ---- children ---- */

static void child_ended(child_t *child);

static void run_ended(mouv__ready_t *ready) {
    child_ended((child_t *) ((char *) ready - offsetof(child_t, ready)));
}

static void on_child(mouv__listener_t *listener, mouv__future_t *future) {
    child_t *child = (child_t *) listener;
    future->retrieved = true; /* from here on the group answers for it */
    child->ready.run = run_ended;
    mouv__runtime_ready(future->runtime, &child->ready);
}

/* Takes over the held reference to `future`, also on failure. 0 or MOUV_ENOMEM. */
static int adopt(group_t *group, mouv__future_t *future) {
    child_t *child = mouv__alloc(sizeof *child);
    if (child == NULL) {
        future->retrieved = true;
        mouv__future_cancel(future);
        mouv__future_let_go(future);
        return MOUV_ENOMEM;
    }
    child->group = group;
    child->future = future;
    append(&group->running, child);
    mouv__future_hold(&group->future);
    mouv__future_start(future);
    mouv__future_shorten(future, group->limit_ns);
    child->listener.done = on_child;
    if (mouv__future_is_done(future))
        on_child(&child->listener, future);
    else
        mouv__future_listen(future, &child->listener);
    return 0;
}

/* Cancels a child that must not be added; the join waits for it all the same. */
static void turn_away(group_t *group, mouv__future_t *future) {
    future->retrieved = true;
    mouv__future_cancel(future);
    if (mouv__future_is_done(future) || group->phase == ENDED)
        mouv__future_let_go(future);
    else
        adopt(group, future);
}

static int refuse(const group_t *group, mouv_error_t *error) {
    return mouv_error_set(error, MOUV_ESTATE, "group: it %s",
                          group->phase == ENDED ? "has ended" : "is shutting down");
}

static void stop(group_t *group) {
    if (group->phase != OPEN) return;
    set_phase(group, STOPPING);
    for (child_t *child = group->running.first; child != NULL; child = child->next)
        mouv__future_cancel(child->future);
    if (group->scope != NULL) mouv__scope_cancel(group->scope);
    while (group->entrants != NULL) {
        entrant_t *entrant = group->entrants;
        turn_away(group, dequeue(entrant));
        mouv_error_t error;
        mouv__future_complete(&entrant->future, refuse(group, &error), &error);
    }
}

/* Something could not be added: the join tells of it even if the caller does not look. */
static int fail(group_t *group, const mouv_error_t *error) {
    if (group->phase == OPEN && error->code != MOUV_ECANCELED) {
        group->refused = *error;
        stop(group);
    }
    return mouv__record_error(error);
}

static int fail_for_memory(group_t *group) {
    mouv_error_t error;
    mouv_error_set(&error, MOUV_ENOMEM, "group: no memory for a child");
    return fail(group, &error);
}

static bool has_room(const group_t *group) {
    return group->limit == 0 || group->running.count < group->limit;
}

static void admit(group_t *group) {
    while (group->entrants != NULL && has_room(group)) {
        entrant_t *entrant = group->entrants;
        int rc = adopt(group, dequeue(entrant));
        mouv__future_complete(&entrant->future, rc, NULL);
        if (rc != 0) fail_for_memory(group);
    }
}

static void child_ended(child_t *child) {
    group_t *group = child->group;
    mouv__future_t *future = child->future;
    take_out(&group->running, child);
    if (future->code < 0 && future->code != MOUV_ECANCELED) {
        append(&group->failed, child);
        stop(group);
    } else if (future->ops->deliver != NULL) {
        append(&group->kept, child);
    } else {
        free_child(child);
    }
    admit(group);
    conclude(group);
    mouv__future_let_go(&group->future);
}

/* ---- as a future ---- */

static void begin_join(group_t *group) {
    if (!group->joining && group->phase != ENDED) {
        group->joining = true;
        mouv__future_count(&group->future);
    }
    conclude(group);
}

static void cancel(mouv__future_t *future) {
    stop((group_t *) future);
    begin_join((group_t *) future);
}

static void shorten(mouv__future_t *future, int64_t deadline_ns) {
    group_t *group = (group_t *) future;
    if (deadline_ns < group->limit_ns) group->limit_ns = deadline_ns;
    for (child_t *child = group->running.first; child != NULL; child = child->next)
        mouv__future_shorten(child->future, deadline_ns);
}

static void deliver(mouv__future_t *future, bool whole) {
    group_t *group = (group_t *) future;
    if (group->abandoned) return;
    for (child_t *child = group->failed.first; child != NULL; child = child->next)
        mouv__future_deliver(child->future, false);
    for (child_t *child = group->kept.first; child != NULL; child = child->next)
        mouv__future_deliver(child->future, whole && child->future->code >= 0);
    free_children(&group->kept);
}

static bool visit(mouv__future_t *future, bool (*visit_child)(mouv__future_t *, void *),
                  void *arg) {
    group_t *group = (group_t *) future;
    for (child_t *child = group->running.first; child != NULL; child = child->next)
        if (!mouv__future_is_done(child->future) && visit_child(child->future, arg)) return true;
    return false;
}

static void release(mouv__future_t *future) {
    group_t *group = (group_t *) future;
    free_children(&group->failed);
    free_children(&group->kept);
    mouv__free(group);
}

static const mouv__future_ops_t group_ops = {
    .kind = "group",
    .cancel = cancel,
    .shorten = shorten,
    .deliver = deliver,
    .visit = visit,
    .release = release,
};

/* ---- entrants, as futures ---- */

static void cancel_entrant(mouv__future_t *future) {
    entrant_t *entrant = (entrant_t *) future;
    turn_away(entrant->group, dequeue(entrant));
    conclude(entrant->group);
    mouv__future_complete(future, MOUV_ECANCELED, NULL);
}

static void release_entrant(mouv__future_t *future) {
    mouv__future_let_go(&((entrant_t *) future)->group->future);
    mouv__free(future);
}

static const mouv__future_ops_t entrant_ops = {
    .kind = "group_add",
    .cancel = cancel_entrant,
    .release = release_entrant,
};

/* Takes over the held reference to `child`. */
static mouv_future_t queue_up(group_t *group, mouv__future_t *child) {
    entrant_t *entrant = mouv__alloc(sizeof *entrant);
    mouv_runtime_t *runtime = group->future.runtime;
    if (entrant == NULL || mouv__future_init(&entrant->future, &entrant_ops, runtime, true) != 0) {
        mouv__free(entrant);
        turn_away(group, child);
        return mouv__future_failed(fail_for_memory(group));
    }
    mouv_future_t handle = mouv__future_handle(&entrant->future);
    entrant->group = group;
    entrant->child = child;
    mouv__future_hold(&group->future);
    enqueue(entrant);
    admit(group);
    return handle;
}

/* ---- the user's struct ---- */

static group_t *find(const mouv_group_t *group) {
    mouv__future_t *future = group != NULL ? mouv__future_peek(group->whole) : NULL;
    return future != NULL && future->ops == &group_ops ? (group_t *) future : NULL;
}

/* Why there is no group behind it. */
static int explain(const mouv_group_t *group, mouv_error_t *error) {
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
    group_t *made = mouv__alloc(sizeof *made);
    if (made == NULL || mouv__future_init(&made->future, &group_ops, runtime, false) != 0) {
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
    group_t *group = find(handle);
    if (group == NULL) return mouv__raise(NULL, explain(handle, &error), "%s", error.message);
    group->limit = limit;
    admit(group);
    return 0;
}

/* Consumes `future`. NULL if it is not to be added: then `*code` and `error` say why. */
static mouv__future_t *receive(group_t *group, mouv_future_t future, int *code,
                               mouv_error_t *error) {
    mouv__future_t *child = mouv__future_consume(future, code, error);
    if (child == NULL) {
        *code = fail(group, error);
        return NULL;
    }
    if (group->phase == OPEN && child != &group->future) return child;
    if (child == &group->future) {
        mouv__future_let_go(child);
        *code = mouv_error_set(error, MOUV_EDEADLK, "group: it cannot be a child of its own");
    } else {
        turn_away(group, child);
        *code = refuse(group, error);
    }
    return NULL;
}

static void discard(mouv_future_t handle) {
    int code;
    mouv__future_t *future = mouv__future_consume(handle, &code, NULL);
    if (future == NULL) return;
    future->retrieved = true;
    mouv__future_cancel(future);
    mouv__future_let_go(future);
}

mouv_future_t mouv_group_add_future(mouv_group_t *handle, mouv_future_t future) {
    int code;
    mouv_error_t error;
    group_t *group = find(handle);
    if (group == NULL) {
        discard(future);
        explain(handle, &error);
        return mouv__future_failed_with(mouv__runtime(), &error);
    }
    mouv__future_t *child = receive(group, future, &code, &error);
    if (child != NULL) return queue_up(group, child);
    return mouv__future_failed_with(group->future.runtime, &error);
}

/* Outside a coroutine nobody can wait for room. */
static int wait_for_room(group_t *group, mouv__future_t *child) {
    mouv_error_t error;
    if (mouv_in_coroutine()) return mouv__await_own(queue_up(group, child), NULL);
    turn_away(group, child);
    mouv_error_set(&error, MOUV_ENOTCORO, "group: it is full, and this is no coroutine");
    return fail(group, &error);
}

int mouv_group_add(mouv_group_t *handle, mouv_future_t future) {
    int code;
    mouv_error_t error;
    group_t *group = find(handle);
    if (group == NULL) {
        discard(future);
        explain(handle, &error);
        return mouv__record_error(&error);
    }
    mouv__future_t *child = receive(group, future, &code, &error);
    if (child == NULL) return mouv__record_error(&error);
    if (!has_room(group)) return wait_for_room(group, child);
    return adopt(group, child) == 0 ? 0 : fail_for_memory(group);
}

static int start(mouv_group_t *handle, mouv_fn_t fn, void *arg, const mouv_task_opts_t *opts,
                 const char *fn_name, const char *file, int line) {
    mouv_error_t error;
    const group_t *group = find(handle);
    if (group == NULL || group->phase != OPEN) {
        if (group == NULL)
            explain(handle, &error);
        else
            refuse(group, &error);
        return mouv__record_error(&error); /* not even made */
    }
    return mouv_group_add(handle, mouv__coro_with(fn, arg, opts, fn_name, file, line));
}

int mouv_group_start_at(mouv_group_t *group, mouv_fn_t fn, void *arg, const char *fn_name,
                        const char *file, int line) {
    return start(group, fn, arg, NULL, fn_name, file, line);
}

int mouv_group_start_copy_at(mouv_group_t *group, mouv_fn_t fn, const void *args, size_t size,
                             const char *fn_name, const char *file, int line) {
    mouv_task_opts_t opts = {.copy = args, .copy_size_bytes = size};
    return start(group, args != NULL ? fn : NULL, NULL, &opts, fn_name, file, line);
}

/* ---- its end ---- */

/* Only the task that began it has a body in it. */
static void end_body(group_t *group) {
    if (group->scope == NULL || group->scope->task != mouv__current_task()) return;
    mouv__scope_remove(group->scope);
    group->scope = NULL;
}

int mouv_group_join(mouv_group_t *handle, mouv_error_t *error) {
    mouv_error_t local;
    group_t *group = find(handle);
    if (error == NULL) error = &local;
    if (!mouv_in_coroutine())
        return mouv_error_set(error, MOUV_ENOTCORO, "mouv_group_join: outside of a coroutine");
    if (group == NULL) {
        explain(handle, error);
        return mouv__record_error(error);
    }
    end_body(group);
    begin_join(group);
    return mouv_await(mouv_future_ref(handle->whole), error);
}

mouv_future_t mouv_group_join_future(mouv_group_t *handle) {
    mouv_error_t error;
    group_t *group = find(handle);
    if (group == NULL) {
        explain(handle, &error);
        return mouv__future_failed_with(mouv__runtime(), &error);
    }
    end_body(group);
    begin_join(group);
    return mouv_future_ref(handle->whole);
}

bool mouv_group_cancel(mouv_group_t *handle) {
    group_t *group = find(handle);
    if (group == NULL || group->phase != OPEN) return false;
    stop(group);
    return true;
}

size_t mouv_group_error_count(const mouv_group_t *handle) {
    const group_t *group = find(handle);
    return group != NULL ? count_errors(group) : 0;
}

int mouv_group_error(const mouv_group_t *handle, size_t index, mouv_error_t *error) {
    mouv_error_t found;
    const group_t *group = find(handle);
    if (group == NULL || index >= count_errors(group)) return MOUV_EINVAL;
    get_error(group, index, &found);
    if (error != NULL) *error = found;
    return found.code;
}

/* ---- leaving it ---- */

/* Waits without a trace in what the task remembers: that belongs to the body that is returning. */
static void wait_for_children(mouv__task_t *task, group_t *group) {
    mouv_error_t *remembered = task->last_error;
    int means = task->means;
    bool retrieved = group->future.retrieved;
    task->last_error = NULL;
    mouv_await(mouv_future_ref(mouv__future_handle(&group->future)), NULL);
    mouv__free(task->last_error);
    task->last_error = remembered;
    task->means = means;
    group->future.retrieved = retrieved;
}

/* The body was refused: an ECANCELED that it returns stands for what the children failed with. */
static void pass_on(mouv__task_t *task, group_t *group) {
    const mouv_error_t *last = task->last_error;
    bool cancelled = last == NULL || last->code == MOUV_ECANCELED || last->code == task->means;
    if (!cancelled || group->future.retrieved || count_errors(group) == 0) return;
    mouv_error_t error;
    int code = mouv__future_take(&group->future, &error);
    mouv__record_error(&error);
    task->means = code;
}

void mouv_group_leave(mouv_group_t *handle) {
    group_t *group = find(handle);
    mouv__task_t *task = mouv__current_task();
    if (group == NULL) return;
    bool refused = task != NULL && (mouv__task_refused(task) || task->means != 0);
    if (group->scope != NULL) mouv__scope_remove(group->scope);
    group->scope = NULL;
    if (group->phase != ENDED) {
        group->abandoned = !group->joining;
        stop(group);
        begin_join(group);
        if (task != NULL) wait_for_children(task, group);
    }
    if (refused && group->phase == ENDED) pass_on(task, group);
    mouv_future_unref(handle->whole);
    handle->whole.id = 0;
}
