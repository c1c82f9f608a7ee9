/*
 * The children of a group, from being let in to their last error. One that has ended is looked at a
 * tick later, as asyncio does: two that fail in the same tick are both heard.
 */
#include "async/combine/children.h"

#include <assert.h>
#include <string.h>

#include "async/loop/error.h"
#include "async/task/runtime.h"
#include "context/alloc.h"

static void children_set_phase(mouv__group_t *group, mouv__group_phase_t phase) {
    assert(phase > group->phase);
    group->phase = phase;
}

/* ---- lists ---- */

static void children_append(mouv__children_t *children, mouv__child_t *child) {
    mouv__list_push_back(&children->list, &child->link);
    children->count++;
}

static void children_free_child(mouv__child_t *child) {
    mouv__future_let_go(child->future);
    mouv__free(child);
}

static void children_free_all(mouv__children_t *children) {
    mouv__child_t *child;
    while ((child = MOUV__LIST_POP(&children->list, mouv__child_t, link)) != NULL)
        children_free_child(child);
    children->count = 0;
}

/* Out of the queue; the child is then the caller's. */
static mouv__future_t *children_dequeue(mouv__entrant_t *entrant) {
    mouv__list_remove(&entrant->group->entrants, &entrant->link);
    mouv__future_t *child = entrant->child;
    entrant->child = NULL;
    return child;
}

/* ---- its outcome ---- */

size_t mouv__children_count_errors(const mouv__group_t *group) {
    return group->failed.count + (group->refused.code != 0);
}

void mouv__children_get_error(const mouv__group_t *group, size_t index, mouv_error_t *error) {
    if (group->refused.code != 0 && index-- == 0) {
        *error = group->refused;
        return;
    }
    MOUV__LIST_EACH(&group->failed.list, const mouv__child_t, child, link) {
        if (index-- > 0) continue;
        mouv__future_error(child->future, error);
        return;
    }
}

/* The first error; but a write of unknown outcome must not hide behind another. */
static void children_get_main_error(const mouv__group_t *group, mouv_error_t *error) {
    mouv__children_get_error(group, 0, error);
    MOUV__LIST_EACH(&group->failed.list, const mouv__child_t, child, link) {
        if (child->future->code != MOUV_EUNKNOWN) continue;
        mouv__future_error(child->future, error);
        break;
    }
    size_t more = mouv__children_count_errors(group) - 1;
    if (more == 0) return;
    mouv__error_reword(error, "%.450s (and %zu more error%s)", error->message, more,
                       more == 1 ? "" : "s");
}

/* Errors go before a cancel; one by mouv_group_cancel() is no failure at all. */
static void children_conclude(mouv__group_t *group) {
    if (!group->joining || group->running.count > 0 || !mouv__list_is_empty(&group->entrants))
        return;
    if (group->phase == MOUV__GROUP_ENDED) return;
    mouv_error_t error;
    int code = group->future.asked ? MOUV_ECANCELED : 0;
    children_set_phase(group, MOUV__GROUP_ENDED);
    if (mouv__children_count_errors(group) > 0) {
        children_get_main_error(group, &error);
        mouv__future_complete(&group->future, error.code, &error);
    } else {
        mouv__future_complete(&group->future, code, NULL);
    }
}

/* ---- children ---- */

static void children_child_ended(mouv__child_t *child);

static void children_run_ended(mouv__ready_t *ready) {
    children_child_ended(mouv__container_of(ready, mouv__child_t, ready));
}

static void children_on_child(mouv__future_listener_t *listener, mouv__future_t *future) {
    mouv__child_t *child = (mouv__child_t *)listener;
    future->retrieved = true; /* from here on the group answers for it */
    child->ready.run = children_run_ended;
    mouv__runtime_ready(future->runtime, &child->ready);
}

/* Takes over the held reference to `future`, also on failure. 0 or MOUV_ENOMEM. */
int mouv__children_adopt(mouv__group_t *group, mouv__future_t *future) {
    mouv__child_t *child = mouv__alloc(sizeof *child);
    if (child == NULL) {
        mouv__future_discard(future);
        return MOUV_ENOMEM;
    }
    child->group = group;
    child->future = future;
    children_append(&group->running, child);
    mouv__future_hold(&group->future);
    mouv__future_start(future);
    mouv__future_shorten(future, group->limit_ns);
    child->listener.done = children_on_child;
    if (mouv__future_is_done(future))
        children_on_child(&child->listener, future);
    else
        mouv__future_listen(future, &child->listener);
    return 0;
}

/* Cancels a child that must not be added; the join waits for it all the same. */
void mouv__children_turn_away(mouv__group_t *group, mouv__future_t *future) {
    future->retrieved = true;
    mouv__future_cancel(future);
    if (mouv__future_is_done(future) || group->phase == MOUV__GROUP_ENDED)
        mouv__future_let_go(future);
    else
        mouv__children_adopt(group, future);
}

int mouv__children_refuse(const mouv__group_t *group, mouv_error_t *error) {
    return mouv_error_set(error, MOUV_ESTATE, "group: it %s",
                          group->phase == MOUV__GROUP_ENDED ? "has ended" : "is shutting down");
}

void mouv__children_stop(mouv__group_t *group) {
    if (group->phase != MOUV__GROUP_OPEN) return;
    children_set_phase(group, MOUV__GROUP_STOPPING);
    MOUV__LIST_EACH(&group->running.list, mouv__child_t, child, link)
        mouv__future_cancel(child->future);
    if (group->scope != NULL) mouv__scope_cancel(group->scope);
    mouv__entrant_t *entrant;
    while ((entrant = MOUV__LIST_FIRST(&group->entrants, mouv__entrant_t, link)) != NULL) {
        mouv__children_turn_away(group, children_dequeue(entrant));
        mouv_error_t error;
        mouv__future_complete(&entrant->future, mouv__children_refuse(group, &error), &error);
    }
}

/* Something could not be added: the join tells of it even if the caller does not look. */
int mouv__children_fail(mouv__group_t *group, const mouv_error_t *error) {
    if (group->phase == MOUV__GROUP_OPEN && error->code != MOUV_ECANCELED) {
        group->refused = *error;
        mouv__children_stop(group);
    }
    return mouv__raise_error(error);
}

int mouv__children_fail_for_memory(mouv__group_t *group) {
    mouv_error_t error;
    mouv_error_set(&error, MOUV_ENOMEM, "group: no memory for a child");
    return mouv__children_fail(group, &error);
}

bool mouv__children_has_room(const mouv__group_t *group) {
    return group->limit == 0 || group->running.count < group->limit;
}

void mouv__children_admit(mouv__group_t *group) {
    while (!mouv__list_is_empty(&group->entrants) && mouv__children_has_room(group)) {
        mouv__entrant_t *entrant = MOUV__LIST_FIRST(&group->entrants, mouv__entrant_t, link);
        int rc = mouv__children_adopt(group, children_dequeue(entrant));
        mouv__future_complete(&entrant->future, rc, NULL);
        if (rc != 0) mouv__children_fail_for_memory(group);
    }
}

static void children_child_ended(mouv__child_t *child) {
    mouv__group_t *group = child->group;
    mouv__future_t *future = child->future;
    mouv__list_remove(&group->running.list, &child->link);
    group->running.count--;
    if (future->code < 0 && future->code != MOUV_ECANCELED) {
        children_append(&group->failed, child);
        mouv__children_stop(group);
    } else if (future->ops->deliver != NULL) {
        children_append(&group->kept, child);
    } else {
        children_free_child(child);
    }
    mouv__children_admit(group);
    children_conclude(group);
    mouv__future_let_go(&group->future);
}

/* ---- as a future ---- */

void mouv__children_begin_join(mouv__group_t *group) {
    if (!group->joining && group->phase != MOUV__GROUP_ENDED) {
        group->joining = true;
        mouv__future_count(&group->future);
    }
    children_conclude(group);
}

static void children_cancel(mouv__future_t *future) {
    mouv__children_stop((mouv__group_t *)future);
    mouv__children_begin_join((mouv__group_t *)future);
}

static void children_shorten(mouv__future_t *future, int64_t deadline_ns) {
    mouv__group_t *group = (mouv__group_t *)future;
    if (deadline_ns < group->limit_ns) group->limit_ns = deadline_ns;
    MOUV__LIST_EACH(&group->running.list, mouv__child_t, child, link)
        mouv__future_shorten(child->future, deadline_ns);
}

static void children_deliver(mouv__future_t *future, bool whole) {
    mouv__group_t *group = (mouv__group_t *)future;
    if (group->abandoned) return;
    MOUV__LIST_EACH(&group->failed.list, mouv__child_t, child, link)
        mouv__future_deliver(child->future, false);
    MOUV__LIST_EACH(&group->kept.list, mouv__child_t, child, link)
        mouv__future_deliver(child->future, whole && child->future->code >= 0);
    children_free_all(&group->kept);
}

static bool children_visit(mouv__future_t *future, bool (*visit_child)(mouv__future_t *, void *),
                           void *arg) {
    mouv__group_t *group = (mouv__group_t *)future;
    MOUV__LIST_EACH(&group->running.list, mouv__child_t, child, link)
        if (!mouv__future_is_done(child->future) && visit_child(child->future, arg)) return true;
    return false;
}

static void children_release(mouv__future_t *future) {
    mouv__group_t *group = (mouv__group_t *)future;
    children_free_all(&group->failed);
    children_free_all(&group->kept);
    mouv__free(group);
}

const mouv__future_ops_t mouv__children_ops = {
    .kind = "group",
    .cancel = children_cancel,
    .shorten = children_shorten,
    .deliver = children_deliver,
    .visit = children_visit,
    .release = children_release,
};

/* ---- entrants, as futures ---- */

static void children_cancel_entrant(mouv__future_t *future) {
    mouv__entrant_t *entrant = (mouv__entrant_t *)future;
    mouv__children_turn_away(entrant->group, children_dequeue(entrant));
    children_conclude(entrant->group);
    mouv__future_complete(future, MOUV_ECANCELED, NULL);
}

static void children_release_entrant(mouv__future_t *future) {
    mouv__future_let_go(&((mouv__entrant_t *)future)->group->future);
    mouv__free(future);
}

static const mouv__future_ops_t entrant_ops = {
    .kind = "group_add",
    .cancel = children_cancel_entrant,
    .release = children_release_entrant,
};

/* Takes over the held reference to `child`. */
mouv_future_t mouv__children_queue_up(mouv__group_t *group, mouv__future_t *child) {
    mouv__entrant_t *entrant = mouv__alloc(sizeof *entrant);
    mouv_runtime_t *runtime = group->future.runtime;
    if (entrant == NULL || mouv__future_init(&entrant->future, &entrant_ops, runtime, true) != 0) {
        mouv__free(entrant);
        mouv__children_turn_away(group, child);
        return mouv__future_failed(mouv__children_fail_for_memory(group));
    }
    mouv_future_t handle = mouv__future_handle(&entrant->future);
    entrant->group = group;
    entrant->child = child;
    mouv__future_hold(&group->future);
    mouv__list_push_back(&group->entrants, &entrant->link);
    mouv__children_admit(group);
    return handle;
}
