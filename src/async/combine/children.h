/*
 * What lives on behind a group: a future with its children, their errors and those who wait for
 * room. The user's struct and the calls on it are in group.c.
 */
#ifndef MOUV_ASYNC_COMBINE_CHILDREN_H
#define MOUV_ASYNC_COMBINE_CHILDREN_H

#include <mouv/group.h>

#include "async/loop/future.h"
#include "async/task/scope.h"

typedef struct mouv__group mouv__group_t;
typedef struct mouv__child mouv__child_t;
typedef struct mouv__entrant mouv__entrant_t;

/** OPEN -> STOPPING (children cancelled, new ones refused) -> ENDED; or OPEN -> ENDED. */
typedef enum mouv__group_phase {
    MOUV__GROUP_OPEN,
    MOUV__GROUP_STOPPING,
    MOUV__GROUP_ENDED
} mouv__group_phase_t;

struct mouv__child {
    mouv__future_listener_t listener; /* first */
    mouv__ready_t ready;              /* it has ended */
    mouv__group_t *group;
    mouv__future_t *future;
    mouv__link_t link;
};

typedef struct mouv__children {
    mouv__list_t list;
    size_t count;
} mouv__children_t;

/** A future of mouv_group_add_future(): a child that waits for room. */
struct mouv__entrant {
    mouv__future_t future; /* first */
    mouv__group_t *group;
    mouv__future_t *child;
    mouv__link_t link;
};

struct mouv__group {
    mouv__future_t future; /* first */
    mouv__group_phase_t phase;
    mouv_scope_t *scope; /* around the body; NULL when that has ended, or is no coroutine */
    int64_t limit_ns;    /* the deadline that children inherit */
    size_t limit;        /* of running ones; 0: none */
    bool joining;
    bool abandoned;                         /* left without a join: moves no results */
    mouv__children_t running, failed, kept; /* kept: they have results to move */
    mouv__list_t entrants;
    mouv_error_t refused; /* a child that could not be added, the first error then; code 0: none */
};

/** The kind of its future. */
extern const mouv__future_ops_t mouv__children_ops;

/** Takes over the held reference to `future`, also on failure. 0 or MOUV_ENOMEM. */
int mouv__children_adopt(mouv__group_t *group, mouv__future_t *future);

/** Cancels a child that must not be added; the join waits for it all the same. */
void mouv__children_turn_away(mouv__group_t *group, mouv__future_t *future);

/** Fills `error` with why nothing can be added now; returns its code. */
int mouv__children_refuse(const mouv__group_t *group, mouv_error_t *error);

/** OPEN -> STOPPING. */
void mouv__children_stop(mouv__group_t *group);

/** Something could not be added: the join tells of it even if the caller does not look. */
int mouv__children_fail(mouv__group_t *group, const mouv_error_t *error);
int mouv__children_fail_for_memory(mouv__group_t *group);

bool mouv__children_has_room(const mouv__group_t *group);

/** Lets in those who wait while there is room. */
void mouv__children_admit(mouv__group_t *group);

/** A future that is done when `child` has been let in. Takes over the held reference to it. */
mouv_future_t mouv__children_queue_up(mouv__group_t *group, mouv__future_t *child);

/** From now on the group ends when no child is left. */
void mouv__children_begin_join(mouv__group_t *group);

size_t mouv__children_count_errors(const mouv__group_t *group);
void mouv__children_get_error(const mouv__group_t *group, size_t index, mouv_error_t *error);

#endif
