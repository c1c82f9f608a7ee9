/*
 * What happens in the child of a fork(); why, says docs/decisions/0012.
 */
#include "async/loop/fork.h"

#include <pthread.h>
#include <uv.h>

#include "async/loop/state.h"

static uint32_t number;
static _Thread_local bool orphaned;

static void fork_in_child(void) {
    number++;
    if (mouv__thread_runtime == NULL) return;
    mouv__thread_runtime->orphaned = true; /* the copy of it that the child has */
    mouv__thread_runtime = NULL;
    orphaned = true;
}

static void fork_watch(void) {
    pthread_atfork(NULL, NULL, fork_in_child);
}

void mouv__fork_watch(void) {
    static uv_once_t once = UV_ONCE_INIT;
    uv_once(&once, fork_watch);
}

uint32_t mouv__fork_number(void) {
    return number;
}

bool mouv__fork_orphaned(void) {
    return orphaned;
}

void mouv__fork_adopted(void) {
    orphaned = false;
}
