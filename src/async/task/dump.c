/*
 * The tree of tasks: who waits for whom, for what, and where.
 */
#include <mouv/debug.h>

#include <inttypes.h>
#include <string.h>

#include "async/loop/line.h"
#include "async/loop/state.h"
#include "async/task/coroutine.h"
#include "context/alloc.h"

#define DEPTH_MAX 40

size_t mouv_all_tasks(mouv_future_t *tasks, size_t capacity) {
    mouv_runtime_t *runtime = mouv__runtime();
    size_t count = 0;
    if (runtime == NULL) return 0;
    MOUV__LIST_EACH(&runtime->tasks, const mouv__task_t, task, link) {
        if (tasks != NULL && count < capacity) tasks[count] = mouv__future_handle(&task->future);
        count++;
    }
    return count;
}

/* ---- one line ---- */

#define NAME_SIZE 200

/* A name of the program's, or one with a collection's in it. */
static const char *dump_name_of(const mouv__future_t *future, char name[NAME_SIZE]) {
    mouv__line_format(name, NAME_SIZE, "%s", mouv_future_name(mouv__future_handle(future)));
    return name;
}

static void dump_print_wait(FILE *out, const mouv__task_t *task) {
    char name[NAME_SIZE];
    mouv_runtime_t *runtime = task->future.runtime;
    if (task == runtime->current) {
        fputs("running", out);
    } else if (task->state == MOUV__TASK_SLEEPING) {
        int64_t left = (task->timer.at_ns - mouv__clock_now_ns(runtime)) / 1000000;
        fprintf(out, "sleeps for %" PRId64 " ms more", left > 0 ? left : 0);
    } else if (task->state == MOUV__TASK_AWAITING && !mouv__future_is_done(task->awaiting)) {
        fprintf(out, "awaits %s", dump_name_of(task->awaiting, name));
    } else {
        fputs(task->state == MOUV__TASK_NEW ? "not started" : "ready", out);
        return;
    }
    if (task->place_file != NULL) fprintf(out, " at %s:%d", task->place_file, task->place_line);
}

static void dump_print_task(FILE *out, const mouv__task_t *task, int depth) {
    char name[NAME_SIZE];
    fprintf(out, "%*s%s %s (%s:%d): ", depth * 2, "", dump_name_of(&task->future, name),
            task->fn_name, task->file, task->line);
    dump_print_wait(out, task);
    fputs(task->cancelled ? ", cancelled\n" : "\n", out);
}

/* ---- the tree ---- */

typedef struct walk {
    FILE *out; /* NULL: only mark */
    int depth;
} walk_t;

static bool dump_visit_awaited(mouv__future_t *future, void *arg);

static void dump_visit_task(mouv__task_t *task, walk_t *walk) {
    if (walk->out != NULL) dump_print_task(walk->out, task, walk->depth);
    if (task->awaiting == NULL || walk->depth >= DEPTH_MAX) return;
    walk_t below = {walk->out, walk->depth + 1};
    dump_visit_awaited(task->awaiting, &below);
}

/* What stands between two tasks (a gather, a timeout) is passed through. */
static bool dump_visit_awaited(mouv__future_t *future, void *arg) {
    walk_t *walk = arg;
    mouv__task_t *task = mouv__coroutine_of(future);
    if (task == NULL) {
        if (future->ops->visit != NULL) future->ops->visit(future, dump_visit_awaited, arg);
    } else if (walk->out == NULL) {
        task->has_awaiter = true;
    } else {
        dump_visit_task(task, walk);
    }
    return false;
}

static void dump_mark_awaited(mouv_runtime_t *runtime) {
    walk_t mark = {NULL, 0};
    MOUV__LIST_EACH(&runtime->tasks, mouv__task_t, task, link) task->has_awaiter = false;
    MOUV__LIST_EACH(&runtime->tasks, mouv__task_t, task, link)
        if (task->awaiting != NULL) dump_visit_awaited(task->awaiting, &mark);
}

size_t mouv_dump_tasks(FILE *out) {
    mouv_runtime_t *runtime = mouv__runtime();
    if (runtime == NULL || out == NULL) return 0;
    dump_mark_awaited(runtime);
    MOUV__LIST_EACH(&runtime->tasks, mouv__task_t, task, link) {
        walk_t root = {out, 0};
        if (!task->has_awaiter) dump_visit_task(task, &root);
    }
    fflush(out);
    return mouv_all_tasks(NULL, 0);
}

/* ---- on a signal ---- */

typedef struct dumper {
    mouv__attachment_t attachment; /* first: it ends before the runtime */
    uv_signal_t signal;
    mouv_runtime_t *runtime;
} dumper_t;

static void dump_on_signal(uv_signal_t *signal, int signum) {
    (void)signal;
    (void)signum;
    mouv_dump_tasks(stderr);
}

static void dump_on_closed(uv_handle_t *handle) {
    dumper_t *dumper = handle->data;
    mouv__runtime_detach(dumper->runtime, &dumper->attachment);
    mouv__free(dumper);
}

static void dump_close_dumper(mouv__attachment_t *attachment) {
    dumper_t *dumper = (dumper_t *)attachment;
    mouv__runtime_close_handle((uv_handle_t *)&dumper->signal, dump_on_closed);
}

int mouv_dump_on_signal(int signum) {
    mouv_runtime_t *runtime = mouv__runtime();
    if (runtime == NULL) return MOUV_ENOLOOP;
    dumper_t *dumper = mouv__alloc(sizeof *dumper);
    if (dumper == NULL) return mouv__raise(NULL, MOUV_ENOMEM, "mouv_dump_on_signal: no memory");
    dumper->runtime = runtime;
    int rc = uv_signal_init(runtime->loop, &dumper->signal);
    if (rc != 0) {
        mouv__free(dumper);
        return mouv__raise(NULL, MOUV_ESYSTEM, "mouv_dump_on_signal: %s", uv_strerror(rc));
    }
    dumper->signal.data = dumper;
    dumper->attachment.close = dump_close_dumper;
    mouv__runtime_attach(runtime, &dumper->attachment);
    rc = uv_signal_start(&dumper->signal, dump_on_signal, signum);
    uv_unref((uv_handle_t *)&dumper->signal);
    if (rc == 0) return 0;
    dump_close_dumper(&dumper->attachment);
    return mouv__raise(NULL, rc == UV_EINVAL ? MOUV_EINVAL : MOUV_ESYSTEM,
                       "mouv_dump_on_signal: signal %d: %s", signum, uv_strerror(rc));
}
