/*
 * What tasks do with their stacks: the census, and the last words of one that overflows.
 */
#include "async/task/stacks.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include <mouv/debug.h>

#include "async/loop/state.h"
#include "async/task/task.h"
#include "context/alloc.h"

#define HANDLER_STACK_BYTES ((size_t)64 * 1024)

void mouv_stack_census(mouv_stack_census_t *census) {
    mouv_runtime_t *runtime = mouv__runtime();
    if (census == NULL) return;
    memset(census, 0, sizeof *census);
    if (runtime == NULL) return;
    MOUV__LIST_EACH(&runtime->tasks, mouv__task_t, task, link) {
        if (task->stack == NULL) continue;
        size_t touched = mouv__stack_high_water(task->stack);
        census->tasks++;
        census->reserved_bytes += task->stack->size;
        census->touched_bytes += touched;
        if (touched <= census->high_water_bytes) continue;
        census->high_water_bytes = touched;
        snprintf(census->deepest, sizeof census->deepest, "%.31s %.31s",
                 mouv_future_name(mouv__future_handle(&task->future)), task->fn_name);
    }
}

/* ---- overflow ---- */

/* Runs on the alternate stack, in a signal: nothing but write() and what was made before. */
static void stacks_put(const char *text) {
    size_t length = 0;
    while (text[length] != '\0') length++;
    if (write(STDERR_FILENO, text, length) < 0) return;
}

static void stacks_put_number(uint64_t number) {
    char digits[21];
    char *at = digits + sizeof digits - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    stacks_put(at);
}

static void stacks_say_whose(const mouv__task_t *task) {
    stacks_put("mouv: stack overflow in task 'Task-");
    stacks_put_number(task->number);
    stacks_put("' (");
    stacks_put(task->fn_name);
    stacks_put(" at ");
    stacks_put(task->file);
    stacks_put(":");
    stacks_put_number((uint64_t)task->line);
    stacks_put("): its stack of ");
    stacks_put_number(task->stack->size / 1024);
    stacks_put(" KiB is full; see mouv_task_opts_t.stack_size\n");
}

/* The stack pointer at the fault; NULL where this file does not know how to find it. */
static const char *stacks_pointer_of(const void *context) {
#if defined(__linux__) && defined(__x86_64__)
    return (const char *)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RSP];
#elif defined(__linux__) && defined(__aarch64__)
    return (const char *)((const ucontext_t *)context)->uc_mcontext.sp;
#else
    (void)context;
    return NULL;
#endif
}

/* A large frame steps over the guard: its fault is somewhere else, but the stack pointer is below. */
static bool stacks_has_left(const mouv__task_t *task, const char *pointer) {
    return task != NULL && task->stack != NULL && pointer != NULL &&
           pointer < (const char *)task->stack->low;
}

static void stacks_say(const char *address, const void *context) {
    mouv_runtime_t *runtime = mouv__thread_runtime;
    mouv__stack_t *stack = runtime != NULL ? mouv__stack_at(&runtime->stacks, address) : NULL;
    if (runtime != NULL && stacks_has_left(runtime->current, stacks_pointer_of(context)))
        stacks_say_whose(runtime->current);
    else if (stack != NULL && stack->user != NULL && address < (const char *)stack->low)
        stacks_say_whose(stack->user);
}

/* The process dies of it as it would without: a faulting instruction runs again, one that was sent
 * (kill(), raise()) is sent again, and comes when this returns. */
static void stacks_on_fault(int signum, siginfo_t *info, void *context) {
    bool sent = info->si_code <= 0;
    if (!sent) stacks_say(info->si_addr, context);
    signal(signum, SIG_DFL);
    if (sent) raise(signum);
}

/* The runtimes of the process that report, and what SIGSEGV did before the first of them. */
static unsigned reporting;
static struct sigaction action_before;

static bool stacks_handler_is_ours(const struct sigaction *now) {
    return (now->sa_flags & SA_SIGINFO) && now->sa_sigaction == stacks_on_fault;
}

static int stacks_install_handler(void) {
    struct sigaction now, action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    action.sa_sigaction = stacks_on_fault;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, NULL, &now) != 0) return MOUV_ESYSTEM;
    if (stacks_handler_is_ours(&now)) return 0;
    if (now.sa_handler != SIG_DFL) return MOUV_ESTATE;
    action_before = now;
    return sigaction(SIGSEGV, &action, NULL) == 0 ? 0 : MOUV_ESYSTEM;
}

/* One that the program has set meanwhile stays. */
static void stacks_remove_handler(void) {
    struct sigaction now;
    if (sigaction(SIGSEGV, NULL, &now) == 0 && stacks_handler_is_ours(&now))
        sigaction(SIGSEGV, &action_before, NULL);
}

/* A stack that the program has for its own handlers serves as well. */
static int stacks_have_alternate(mouv_runtime_t *runtime) {
    stack_t now;
    if (sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE)) return 0;
    runtime->fault_stack = mouv__alloc(HANDLER_STACK_BYTES);
    if (runtime->fault_stack == NULL) return MOUV_ENOMEM;
    stack_t stack = {.ss_sp = runtime->fault_stack, .ss_size = HANDLER_STACK_BYTES};
    return sigaltstack(&stack, NULL) == 0 ? 0 : MOUV_ESYSTEM;
}

int mouv_report_stack_overflow(void) {
    mouv_runtime_t *runtime = mouv__runtime();
    if (runtime == NULL) return MOUV_ENOLOOP;
    if (runtime->reports_overflow) return 0;
    int rc = stacks_install_handler();
    if (rc != 0) return rc;
    runtime->reports_overflow = true;
    __atomic_add_fetch(&reporting, 1, __ATOMIC_SEQ_CST);
    return stacks_have_alternate(runtime);
}

static void stacks_drop_alternate(mouv_runtime_t *runtime) {
    stack_t now, none = {.ss_flags = SS_DISABLE};
    if (runtime->fault_stack == NULL) return;
    if (sigaltstack(NULL, &now) == 0 && now.ss_sp == runtime->fault_stack) sigaltstack(&none, NULL);
    mouv__free(runtime->fault_stack);
    runtime->fault_stack = NULL;
}

void mouv__stacks_close(mouv_runtime_t *runtime) {
    stacks_drop_alternate(runtime);
    if (!runtime->reports_overflow) return;
    runtime->reports_overflow = false;
    if (__atomic_sub_fetch(&reporting, 1, __ATOMIC_SEQ_CST) > 0) return;
    stacks_remove_handler();
    /* another thread may have found it still there, just before */
    if (__atomic_load_n(&reporting, __ATOMIC_SEQ_CST) > 0) stacks_install_handler();
}
