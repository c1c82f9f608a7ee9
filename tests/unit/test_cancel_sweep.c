/*
 * A program with every kind of await is cancelled at each of its suspensions: at each millisecond
 * of virtual time and, within one, at each turn of the ready queue. Always the body returns, so do
 * all bodies that it started, no future is left over, and nobody waits for ever.
 */
#include "../support/every_await.h"

#include "async/loop/state.h"

enum { TURNS = 8, LONGEST_MS = 60 };

static const step_t *current_step;
static bool step_returned;

static int runs_the_step(void *arg) {
    (void)arg;
    int rc = current_step->run();
    step_returned = true;
    return rc;
}

/* The whole program, in one go, which does not stop for errors. */
static int runs_every_step(void *arg) {
    (void)arg;
    int rc = 0;
    for (int i = 0; i < EVERY_AWAIT; i++) {
        int step = every_await[i].run();
        if (rc == 0) rc = step;
    }
    step_returned = true;
    return rc;
}

static int under_a_deadline(void *ms) {
    return mouv_with_timeout(*(int64_t *)ms, runs_the_step, NULL, NULL);
}

static uint32_t futures_alive(void) {
    const mouv__handles_t *handles = &mouv_runtime_current()->handles;
    uint32_t alive = 0;
    for (uint32_t i = 0; i < handles->count; i++) alive += handles->slots[i].future != NULL;
    return alive;
}

/* Takes the outcome; a task that never ends would hang the test, so it is named and all stops. */
static int outcome(mouv_future_t task, const char *name, int64_t ms, int turns) {
    if (mouv_wait(&task, 1, MOUV_ALL_COMPLETED, 1000 * 1000, NULL) != 1) {
        fprintf(stderr, "%s, at %d ms, turn %d: it never ends\n", name, (int)ms, turns);
        abort();
    }
    return mouv_await(task, NULL);
}

static void check_nothing_is_left(uint32_t alive_before, bool began) {
    mouv_sleep_ms(1000 * 1000);
    for (int i = 0; i < 2000 && futures_alive() != alive_before; i++) {
        uv_sleep(1); /* a worker that was left behind */
        mouv_sleep_ms(0);
    }
    CHECK_INT(futures_alive(), alive_before);
    CHECK_INT(bodies_open, 0);
    CHECK(step_returned || !began);
}

/* Whether the cancel came before its end. */
static bool cancel_at(mouv_fn_t body, const char *name, int64_t ms, int turns) {
    uint32_t alive = futures_alive();
    step_returned = false;
    mouv_future_t task = mouv_task(body, NULL);
    if (ms > 0) mouv_sleep_ms(ms);
    yield(turns);
    bool in_time = mouv_future_cancel(task);
    int rc = outcome(task, name, ms, turns);
    CHECK(rc == MOUV_ECANCELED || rc == 0);
    if (!in_time) CHECK_INT(rc, 0);
    check_nothing_is_left(alive, ms > 0 || turns > 0);
    if (support_failures)
        fprintf(stderr, "%s, cancelled at %d ms, turn %d: %s\n", name, (int)ms, turns,
                mouv_error_name(rc));
    return in_time;
}

static int sweeps_a_step(void *arg) {
    (void)arg;
    mouv_clock_set_virtual();
    cancel_at(runs_the_step, current_step->name, 1000, 0); /* warm, and not in time */
    CHECK(step_returned);
    int in_time = 0;
    for (int64_t ms = 0; ms < LONGEST_MS; ms++) {
        int before = in_time;
        for (int turns = 0; turns < TURNS && support_failures == 0; turns++)
            in_time += cancel_at(runs_the_step, current_step->name, ms, turns);
        if (in_time == before && ms > 0) break; /* it ends earlier than that */
    }
    CHECK(in_time > 0);
    return 0;
}

static void every_step_is_cancelled_at_every_suspension(void **state) {
    (void)state;
    for (int i = 0; i < EVERY_AWAIT; i++) {
        current_step = &every_await[i];
        assert_int_equal(mouv_run(sweeps_a_step, NULL, NULL), 0);
        assert_int_equal(support_failures, 0);
    }
    take_log(NULL);
}

static int sweeps_the_program(void *arg) {
    (void)arg;
    mouv_clock_set_virtual();
    int64_t began = mouv_now_ms();
    CHECK_INT(mouv_await(mouv_task(runs_every_step, NULL), NULL), 0);
    int64_t longest = mouv_now_ms() - began + 5;
    CHECK(longest > 100);
    for (int64_t ms = 0; ms < longest && support_failures == 0; ms += 3)
        cancel_at(runs_every_step, "the whole program", ms, (int)(ms % 4));
    return 0;
}

static void program_that_ignores_every_error_ends_after_a_cancel(void **state) {
    (void)state;
    assert_int_equal(mouv_run(sweeps_the_program, NULL, NULL), 0);
    take_log(NULL);
}

static int sweeps_deadlines(void *arg) {
    (void)arg;
    mouv_clock_set_virtual();
    for (int64_t ms = 0; ms < LONGEST_MS && support_failures == 0; ms++) {
        uint32_t alive = futures_alive();
        step_returned = false;
        int rc = outcome(mouv_task(under_a_deadline, &ms), current_step->name, ms, 0);
        CHECK(rc == MOUV_ETIMEDOUT || rc == 0);
        check_nothing_is_left(alive, true);
        if (support_failures)
            fprintf(stderr, "%s, limit %d ms: %s\n", current_step->name, (int)ms,
                    mouv_error_name(rc));
        if (rc == 0 && ms > 30) break;
    }
    return 0;
}

static void every_step_times_out_at_every_suspension(void **state) {
    (void)state;
    for (int i = 0; i < EVERY_AWAIT; i++) {
        current_step = &every_await[i];
        assert_int_equal(mouv_run(sweeps_deadlines, NULL, NULL), 0);
        assert_int_equal(support_failures, 0);
    }
    take_log(NULL);
}

static int ends_early(void *arg) {
    mouv_clock_set_virtual();
    mouv_future_unref(mouv_task(runs_every_step, NULL));
    return mouv_sleep_ms(*(int64_t *)arg);
}

static void runtime_closes_at_any_time_in_the_program(void **state) {
    (void)state;
    for (int64_t ms = 0; ms < 700; ms += 7) {
        step_returned = false;
        assert_int_equal(mouv_run(ends_early, &ms, NULL), 0);
        assert_int_equal(bodies_open, 0);
        assert_true(step_returned || ms == 0);
        take_log(NULL);
    }
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(every_step_is_cancelled_at_every_suspension),
        TEST(program_that_ignores_every_error_ends_after_a_cancel),
        TEST(every_step_times_out_at_every_suspension),
        TEST(runtime_closes_at_any_time_in_the_program),
    };
    return RUN_CASES(cases);
}
