/*
 * The ready queue, and the counts that keep a runtime open and its loop alive.
 *
 * What is to happen "on the next tick" stands in `ready`. A tick takes the whole queue and runs it
 * in order (one round); what is queued meanwhile makes the next round, until nothing is ready, or
 * for about a millisecond: then the loop polls before it goes on. While something is ready an idle
 * handle keeps the poll from blocking. The queue owns nothing: whoever embeds a mouv__ready_t
 * keeps it in being while it is queued, most with a reference. All on the loop thread; other
 * threads come in by mail. In the child of a fork() the thread has no runtime any more
 * (docs/decisions/0012): whatever runs user code has to look, which mouv__runtime_run_ready() does.
 */
#include "async/loop/runtime.h"

#include <assert.h>

#include "async/loop/state.h"
#include "context/alloc.h"

/* What is ready runs for at most this long before the loop polls for I/O again. */
#define TICK_NS UINT64_C(1000000)
#define ROUNDS_PER_LOOK 8

_Thread_local mouv_runtime_t *mouv__thread_runtime;

/* Its handles close: nothing can start on it any more, as if it had gone. */
mouv_runtime_t *mouv__runtime(void) {
    mouv_runtime_t *runtime = mouv__thread_runtime;
    return runtime != NULL && runtime->phase != MOUV__CLOSING ? runtime : NULL;
}

mouv_runtime_t *mouv_runtime_current(void) {
    return mouv__runtime();
}

uv_loop_t *mouv_runtime_loop(mouv_runtime_t *runtime) {
    return runtime != NULL ? runtime->loop : NULL;
}

mouv__mailbox_t *mouv__runtime_mailbox(mouv_runtime_t *runtime) {
    return runtime->mailbox;
}

/* ---- the ready queue ---- */

void mouv__runtime_turn(mouv_runtime_t *runtime) {
    runtime->stirred = true;
    if (!runtime->in_tick && !uv_is_closing((uv_handle_t *)&runtime->idle))
        uv_idle_start(&runtime->idle, runtime->tick);
}

void mouv__runtime_ready(mouv_runtime_t *runtime, mouv__ready_t *ready) {
    bool first = mouv__list_is_empty(&runtime->ready);
    mouv__list_push_back(&runtime->ready, &ready->link);
    if (first) mouv__runtime_turn(runtime);
}

bool mouv__runtime_has_ready(const mouv_runtime_t *runtime) {
    return !mouv__list_is_empty(&runtime->ready) || !mouv__list_is_empty(&runtime->round);
}

/* All that is ready now; what becomes ready meanwhile is for the next round. A round that was not
 * finished, because the program runs the loop again in it or has jumped out of it, goes on here. */
static bool runtime_run_round(mouv_runtime_t *runtime) {
    mouv__link_t *link;
    if (mouv__list_is_empty(&runtime->round)) {
        runtime->round = mouv__list_take_all(&runtime->ready);
        runtime->round_last = mouv__list_last(&runtime->round);
    }
    while ((link = mouv__list_shift(&runtime->round, runtime->round_last)) != NULL) {
        mouv__ready_t *ready = mouv__container_of(link, mouv__ready_t, link);
        ready->run(ready); /* may free it, or fork: what else is ready is the parent's */
        if (runtime->orphaned) return false;
    }
    return true;
}

/* Rounds are run from here, not called one by one: the processor mispredicts every return that lies
 * between two switches, and a task may need but one step a round. */
bool mouv__runtime_run_ready(mouv_runtime_t *runtime) {
    uint64_t start = uv_hrtime();
    for (unsigned round = 1; mouv__runtime_has_ready(runtime); round++) {
        if (!runtime_run_round(runtime)) return false;
        if (round % ROUNDS_PER_LOOK == 0 && uv_hrtime() - start > TICK_NS) break;
    }
    return true;
}

/* ---- handles ---- */

/** A handle that the program has closed, as it may with all of its loop's (uv_walk()). */
typedef struct walked {
    uv_idle_t lap;
    bool second;
    uv_handle_t *handle;
    uv_close_cb closed;
} walked_t;

/* What is closed in one turn is so at its end, the last one first: after one more turn it is. */
static void runtime_on_lap(uv_handle_t *lap) {
    walked_t *walked = lap->data;
    if (!walked->second) {
        walked->second = true;
        uv_idle_init(lap->loop, &walked->lap);
        uv_close(lap, runtime_on_lap);
        return;
    }
    walked_t done = *walked;
    mouv__free(walked);
    done.closed(done.handle);
}

void mouv__runtime_close_handle(uv_handle_t *handle, uv_close_cb closed) {
    if (!uv_is_closing(handle)) {
        uv_close(handle, closed);
        return;
    }
    walked_t *walked = mouv__alloc(sizeof *walked);
    if (walked == NULL) return; /* it stays, and who waits for its end waits */
    *walked = (walked_t){.handle = handle, .closed = closed};
    uv_idle_init(handle->loop, &walked->lap);
    walked->lap.data = walked;
    uv_close((uv_handle_t *)&walked->lap, runtime_on_lap);
}

/* ---- what keeps it ---- */

void mouv__runtime_keep(mouv_runtime_t *runtime) {
    runtime->stirred = true;
    if (runtime->kept++ == 0) uv_ref((uv_handle_t *)&runtime->wake);
}

void mouv__runtime_unkeep(mouv_runtime_t *runtime) {
    assert(runtime->kept > 0);
    runtime->stirred = true;
    if (--runtime->kept == 0) uv_unref((uv_handle_t *)&runtime->wake);
}

void mouv__runtime_attach(mouv_runtime_t *runtime, mouv__attachment_t *attachment) {
    mouv__list_push_front(&runtime->attachments, &attachment->link);
}

void mouv__runtime_detach(mouv_runtime_t *runtime, mouv__attachment_t *attachment) {
    mouv__list_remove(&runtime->attachments, &attachment->link);
    if (runtime->phase != MOUV__OPEN) mouv__runtime_turn(runtime);
}
