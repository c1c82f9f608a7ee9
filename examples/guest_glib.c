/*
 * A program on GLib's main loop, with mouv as its guest: a source that is asked before each wait.
 *
 *     guest_glib           (takes the server from MONGODB_URI)
 */
#include <stdio.h>
#include <stdlib.h>

#include <glib-unix.h>
#include <glib.h>
#include <mouv/mouv.h>
#include <uv.h>

/* --- the source, to copy --- */

typedef struct guest {
    GSource source; /* first */
    mouv_runtime_t *runtime;
    gpointer descriptor;
} guest_t;

static gboolean guest_prepare(GSource *source, gint *timeout_ms) {
    *timeout_ms = mouv_runtime_timeout_ms(((guest_t *)source)->runtime);
    return *timeout_ms == 0;
}

static gboolean guest_check(GSource *source) {
    const guest_t *guest = (const guest_t *)source;
    return g_source_query_unix_fd(source, guest->descriptor) != 0 ||
           mouv_runtime_timeout_ms(guest->runtime) == 0;
}

static gboolean guest_dispatch(GSource *source, GSourceFunc callback, gpointer data) {
    (void)callback, (void)data;
    mouv_runtime_pump(((guest_t *)source)->runtime);
    return G_SOURCE_CONTINUE;
}

static GSource *guest_source_new(mouv_runtime_t *runtime) {
    static GSourceFuncs functions = {
        .prepare = guest_prepare, .check = guest_check, .dispatch = guest_dispatch};
    GSource *source = g_source_new(&functions, sizeof(guest_t));
    guest_t *guest = (guest_t *)source;
    guest->runtime = runtime;
    guest->descriptor = g_source_add_unix_fd(source, mouv_runtime_fd(runtime), G_IO_IN);
    return source;
}

/* --- the program --- */

typedef struct program {
    uv_loop_t loop; /* mouv's place; nobody runs it */
    mouv_runtime_t *runtime;
    mouv_client_t *client;
    GMainLoop *main;
    GSource *guest;
    int ticks;
} program_t;

static void on_closed(mouv_runtime_t *runtime, void *arg) {
    program_t *program = arg;
    (void)runtime;
    g_source_destroy(program->guest); /* its runtime goes now */
    g_main_loop_quit(program->main);
}

static void on_ping(mouv_future_t ping, void *arg) {
    mouv_error_t error;
    (void)arg;
    int rc = mouv_future_result(ping, &error);
    printf("the server %s\n", rc < 0 ? error.message : "answers");
}

/* The program's own events. The third tick is its last. */
static gboolean on_tick(gpointer arg) {
    program_t *program = arg;
    printf("tick\n");
    if (++program->ticks == 1) mouv_then(mouv_client_ping(program->client), on_ping, NULL);
    if (program->ticks != 3) return G_SOURCE_CONTINUE;
    program->client = mouv_client_unref(program->client);
    mouv_runtime_close(program->runtime, on_closed, program);
    return G_SOURCE_REMOVE;
}

int main(void) {
    program_t program = {.main = g_main_loop_new(NULL, FALSE)};
    uv_loop_init(&program.loop);
    if (mouv_runtime_attach(&program.runtime, &program.loop) < 0) return 1;
    program.client = mouv_client_new(getenv("MONGODB_URI"), NULL, NULL);
    if (program.client == NULL) return 1;

    program.guest = guest_source_new(program.runtime);
    g_source_attach(program.guest, NULL);
    g_timeout_add(200, on_tick, &program);
    g_main_loop_run(program.main);
    g_source_unref(program.guest);
    g_main_loop_unref(program.main);
    return uv_loop_close(&program.loop);
}
