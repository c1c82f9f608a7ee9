/*
 * A runtime as a guest of another loop, which watches a descriptor and a time and then pumps.
 *
 * libuv tells its poller of new descriptors in uv_run() alone, and polls nothing where nothing is alive: so
 * a pump goes on until a round in which mouv has done nothing (`stirred`), and keeps the loop alive
 * meanwhile, for mail that comes to a runtime with nothing to do. Descriptors of the program's own that
 * are not watched yet make uv_backend_timeout() 0.
 */
#include <mouv/runtime.h>

#include "async/loop/state.h"
#include "async/task/lifetime.h"

/* Of one pump; the host's turn comes before the rest. */
#define ROUNDS 16

int mouv_runtime_fd(const mouv_runtime_t *runtime) {
    return runtime != NULL ? uv_backend_fd(runtime->loop) : -1;
}

int mouv_runtime_timeout_ms(const mouv_runtime_t *runtime) {
    if (runtime == NULL || runtime != mouv__thread_runtime) return -1;
    if (runtime->stirred) return 0;
    uv_update_time(runtime->loop);
    return uv_loop_alive(runtime->loop) ? uv_backend_timeout(runtime->loop) : -1;
}

static void guest_run(mouv_runtime_t *runtime) {
    int rounds = 0;
    do {
        runtime->stirred = false;
        uv_run(runtime->loop, UV_RUN_NOWAIT);
    } while (!runtime->orphaned && !runtime->closed && ++rounds < ROUNDS && runtime->stirred);
}

int mouv_runtime_pump(mouv_runtime_t *runtime) {
    if (runtime == NULL || runtime != mouv__thread_runtime) return MOUV_EINVAL;
    if (runtime->goal != NULL || runtime->in_tick || runtime->pumped) return MOUV_ESTATE;
    uv_loop_t *loop = runtime->loop;
    runtime->pumped = true;
    mouv__runtime_keep(runtime);
    guest_run(runtime);
    if (runtime->orphaned) return MOUV_ETHREAD;
    bool stirred = runtime->stirred;
    mouv__runtime_unkeep(runtime);
    runtime->stirred = stirred;
    runtime->pumped = false;
    if (runtime->closed) mouv__lifetime_free(runtime);
    return uv_loop_alive(loop) ? 1 : 0;
}
