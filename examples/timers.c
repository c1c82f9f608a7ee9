/*
 * Callbacks by time, without a coroutine: call_soon, call_later, call_at, and one cancelled.
 *
 *     timers
 */
#include <stdio.h>

#include <mouv/mouv.h>
#include <uv.h>

static void say(void *text) {
    printf("%s\n", (const char *)text);
}

static void finish(void *runtime) {
    printf("the end\n");
    mouv_runtime_close(runtime, NULL, NULL);
}

int main(void) {
    uv_loop_t *loop = uv_default_loop();
    mouv_runtime_t *runtime;
    mouv_handle_t never;
    if (mouv_runtime_attach(&runtime, loop) < 0) return 1;

    mouv_call_later(200, say, "0.2 s later", NULL);
    mouv_call_at(mouv_now_ms() + 100, say, "0.1 s later", NULL);
    mouv_call_soon(say, "soon", NULL);
    mouv_call_later(150, say, "never", &never);
    mouv_handle_cancel(never);
    mouv_call_later(300, finish, runtime, NULL);

    uv_run(loop, UV_RUN_DEFAULT);
    return uv_loop_close(loop) == 0 ? 0 : 1;
}
