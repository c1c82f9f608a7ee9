/*
 * No coroutine at all: a plain libuv program on a loop of its own. Each future is given a callback
 * with mouv_then(), while a timer of the program's own goes on ticking.
 *
 *     MONGODB_URI=mongodb://localhost callbacks
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <mouv/mouv.h>
#include <uv.h>

struct program {
    mouv_runtime_t *runtime;
    mouv_client_t *client;
    mouv_collection_t *visits;
    uv_timer_t ticker;
    int64_t count;
    int status;
};

/* --- The end: first the client, then the runtime; the loop then runs dry by itself ------------ */

static void client_closed(mouv_future_t future, void *arg) {
    struct program *program = arg;
    (void)future;
    mouv_client_unref(program->client);
    mouv_runtime_close(program->runtime, NULL, NULL);
}

static void finish(struct program *program) {
    uv_close((uv_handle_t *)&program->ticker, NULL);
    mouv_then(mouv_client_close_future(program->client), client_closed, program);
}

/* Whether the operation failed; says why and ends the program then. */
static bool failed(struct program *program, mouv_future_t future) {
    mouv_error_t error;
    if (mouv_future_result(future, &error) >= 0) return false;
    fprintf(stderr, "callbacks: %s: %s\n", error.operation, error.message);
    program->status = 1;
    finish(program);
    return true;
}

/* --- One callback for each step ------------------------------------------------------------- */

static void counted(mouv_future_t future, void *arg) {
    struct program *program = arg;
    if (failed(program, future)) return;
    printf("%" PRId64 " visits so far\n", program->count);
    finish(program);
}

static void inserted(mouv_future_t future, void *arg) {
    struct program *program = arg;
    if (failed(program, future)) return;
    bson_t everything = BSON_INITIALIZER;
    mouv_future_t count =
        mouv_collection_count_documents(program->visits, &everything, NULL, &program->count);
    mouv_then(mouv_wait_for(count, 5000), counted, program);
    bson_destroy(&everything);
}

static void tick(uv_timer_t *timer) {
    (void)timer;
    printf("tick\n");
}

static void begin(struct program *program, uv_loop_t *loop) {
    uv_timer_init(loop, &program->ticker);
    uv_timer_start(&program->ticker, tick, 0, 100);

    bson_t *visit = BCON_NEW("when", BCON_DATE_TIME((int64_t)time(NULL) * 1000));
    program->visits = mouv_client_get_collection(program->client, "mouv_examples", "visits");
    mouv_future_t insert = mouv_collection_insert_one(program->visits, visit, NULL, NULL);
    mouv_then(mouv_wait_for(insert, 5000), inserted, program);
    bson_destroy(visit);
}

int main(void) {
    uv_loop_t *loop = uv_default_loop();
    const char *uri = getenv("MONGODB_URI");
    struct program program = {.status = 0};
    mouv_error_t error;

    int rc = mouv_runtime_attach(&program.runtime, loop);
    if (rc < 0) {
        fprintf(stderr, "callbacks: %s\n", mouv_error_message(rc));
        return 1;
    }
    program.client = mouv_client_new(uri ? uri : "mongodb://localhost", NULL, &error);
    if (program.client) {
        begin(&program, loop);
    } else {
        fprintf(stderr, "callbacks: %s\n", error.message);
        program.status = 1;
        mouv_runtime_close(program.runtime, NULL, NULL);
    }
    uv_run(loop, UV_RUN_DEFAULT);
    return uv_loop_close(loop) == 0 ? program.status : 1;
}
