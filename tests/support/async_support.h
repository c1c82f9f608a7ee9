/*
 * What the unit tests of the async layer share: the log is captured, an order of events recorded,
 * and checks inside coroutines are counted (cmocka's assertions jump, and no jump may leave a
 * coroutine's stack). A header only, so that a test program needs no other source.
 */
#ifndef MOUV_TEST_ASYNC_SUPPORT_H
#define MOUV_TEST_ASYNC_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include <mouv/mouv.h>

/* --- Checks ---------------------------------------------------------------------------------

   The words of support.h, usable on every stack: one that fails is told and counted, the case goes
   on and fails at its end. */

static int support_failures;

static inline bool support_check(bool ok, const char *what, const char *file, int line) {
    if (!ok) {
        support_failures++;
        fprintf(stderr, "%s:%d: check failed: %s\n", file, line, what);
    }
    return ok;
}

static inline void support_check_int(long long actual, long long expected, const char *what,
                                     const char *file, int line) {
    if (support_check(actual == expected, what, file, line)) return;
    fprintf(stderr, "    %lld (%s) != %lld (%s)\n", actual, mouv_error_name((int)actual), expected,
            mouv_error_name((int)expected));
}

static inline void support_check_string(const char *actual, const char *expected, const char *what,
                                        const char *file, int line) {
    if (support_check(actual && strcmp(actual, expected) == 0, what, file, line)) return;
    fprintf(stderr, "    \"%s\" != \"%s\"\n", actual ? actual : "(null)", expected);
}

static inline void support_check_contains(const char *text, const char *part, const char *what,
                                          const char *file, int line) {
    if (support_check(text && strstr(text, part), what, file, line)) return;
    fprintf(stderr, "    \"%s\" does not contain \"%s\"\n", text ? text : "(null)", part);
}

#define CHECK(condition) support_check((condition), #condition, __FILE__, __LINE__)
#define CHECK_INT(actual, expected) \
    support_check_int((actual), (expected), #actual " == " #expected, __FILE__, __LINE__)
#define CHECK_STRING(actual, expected) \
    support_check_string((actual), (expected), #actual, __FILE__, __LINE__)
#define CHECK_CONTAINS(text, part) support_check_contains((text), (part), #text, __FILE__, __LINE__)

/** A future whose handle is lost on purpose: what the compiler warns of. */
static inline void forget(mouv_future_t future) {
    (void)future;
}

/* --- Events: a string of words in the order in which they happened -------------------------- */

static char support_events[8192];

static inline MOUV_PRINTF(1, 2) void event(const char *format, ...) {
    size_t used = strlen(support_events);
    va_list args;
    va_start(args, format);
    if (used && used + 1 < sizeof support_events) support_events[used++] = ' ';
    vsnprintf(support_events + used, sizeof support_events - used, format, args);
    va_end(args);
}

static inline const char *events(void) {
    return support_events;
}

static inline void events_clear(void) {
    support_events[0] = '\0';
}

/* --- The log: captured from the first line of a case to its last ---------------------------- */

static char support_log[16384];
static int support_log_count;

static inline void support_on_log(mouv_log_level_t level, const char *message, void *arg) {
    (void)arg;
    if (level < MOUV_LOG_WARNING) return;
    size_t used = strlen(support_log);
    snprintf(support_log + used, sizeof support_log - used, "%s\n", message);
    support_log_count++;
}

/* Hands over the number of warnings since the last call; `text` (may be NULL) gets them all. */
static inline int take_log(const char **text) {
    static char taken[sizeof support_log];
    memcpy(taken, support_log, sizeof taken);
    int count = support_log_count;
    support_log[0] = '\0';
    support_log_count = 0;
    if (text) *text = taken;
    return count;
}

/* Checks that exactly one warning was given since the last look, with `part` in it. */
#define CHECK_ONE_WARNING(part) \
    do { \
        const char *warning_; \
        CHECK_INT(take_log(&warning_), 1); \
        CHECK_CONTAINS(warning_, (part)); \
    } while (0)
#define CHECK_NO_WARNING() \
    do { \
        const char *warning_; \
        int warnings_ = take_log(&warning_); \
        support_check_int(warnings_, 0, "no warning", __FILE__, __LINE__); \
        if (warnings_) fprintf(stderr, "    %s", warning_); \
    } while (0)

/* --- Time ----------------------------------------------------------------------------------- */

static bool support_virtual; /* the case is on the virtual clock, whose times are exact */

/* From here on the runtime's clock is virtual, and clock_ms() and took() go by it. */
static inline void use_virtual_clock(void) {
    support_virtual = mouv_clock_set_virtual() == 0;
}

static inline int64_t clock_ms(void) {
    return support_virtual ? mouv_now_ms() : (int64_t)(uv_hrtime() / 1000000);
}

/* How much later than asked things may be in real time: a busy machine is late at will. */
static inline int64_t slack_ms(void) {
    return 30 * 1000;
}

/* Whether `since` lies `ms` ago: exactly, and in real time at least that much (1 ms for the timers'
   rounding) and not much more. */
static inline bool took(int64_t since, int64_t ms) {
    int64_t real = clock_ms() - since;
    bool ok = support_virtual ? real == ms : real >= ms - 1 && real <= ms + slack_ms();
    if (!ok) fprintf(stderr, "    took %lld ms, not %lld\n", (long long)real, (long long)ms);
    return ok;
}

/* --- Bodies that many cases need ------------------------------------------------------------ */

static const mouv_future_t stale_zero = {0};
static const mouv_future_t stale_garbage = {0xdeadbeefcafef00du};
static const mouv_future_t stale_ones = {UINT64_MAX};

/* The body of a task that records its word and ends at once. */
static inline int say(void *word) {
    event("%s", (const char *)word);
    return 0;
}

/* Sleeps for *ms. */
static inline int sleeper(void *ms) {
    return mouv_sleep_ms(*(int64_t *)ms);
}

static inline int return_int(void *value) {
    return *(int *)value;
}

/* Fails with -5 and a text. */
static inline int fail_minus_5(void *text) {
    return mouv_fail(-5, "%s", (const char *)text);
}

/* Lets every ready task run `turns` times. */
static inline void yield(int turns) {
    while (turns-- > 0) mouv_sleep_ms(0);
}

/* Sleeps until others that slept less have gone on, too, and what follows from that has happened:
   after a pause of the machine all of them are late at once. */
static inline void pause_ms(int64_t ms) {
    mouv_sleep_ms(ms);
    yield(10);
}

/* --- Cases ---------------------------------------------------------------------------------- */

static inline int support_setup(void **state) {
    (void)state;
    support_failures = 0;
    support_virtual = false;
    events_clear();
    take_log(NULL);
    mouv_log_set_handler(support_on_log, NULL);
    return 0;
}

static inline int support_teardown(void **state) {
    (void)state;
    CHECK_NO_WARNING(); /* what a case expects it has taken */
    CHECK(mouv_runtime_current() == NULL);
    mouv_log_set_handler(NULL, NULL);
    return support_failures ? -1 : 0;
}

static inline void support_run(mouv_fn_t body, void *arg) {
    mouv_error_t error = {0};
    int rc = mouv_run(body, arg, &error);
    support_virtual = false;
    if (rc != 0) fprintf(stderr, "    mouv_run: %d: %s\n", rc, error.message);
    assert_int_equal(rc, 0);
    assert_int_equal(support_failures, 0);
}

/* Runs a body under mouv_run(); the case fails if a check in it did or if it did not return 0. */
static inline void run_body(mouv_fn_t body) {
    support_run(body, NULL);
}

static inline int support_on_virtual_clock(void *body) {
    use_virtual_clock();
    return (*(mouv_fn_t *)body)(NULL);
}

/* The same on the virtual clock. */
static inline void run_body_virtually(mouv_fn_t body) {
    support_run(support_on_virtual_clock, &body);
}

#define SUPPORT_CASE(name, run) \
    static int name##_body(void); \
    static int name##_coro(void *arg_) { \
        (void)arg_; \
        return name##_body(); \
    } \
    static void name(void **state) { \
        (void)state; \
        run(name##_coro); \
    } \
    static int name##_body(void)

/* A case that is one coroutine: CORO_CASE(name) { ...; return 0; }. Its clock is the virtual one:
   however slow the machine is, times pass in their order and a sleep takes what it was asked. */
#define CORO_CASE(name) SUPPORT_CASE(name, run_body_virtually)

/* The same on the real clock, for what that one knows nothing of: threads, signals, a uv_timer_t, a
   loop of the case's own; also what is about real time. */
#define REAL_CASE(name) SUPPORT_CASE(name, run_body)

#define TEST(name) cmocka_unit_test_setup_teardown(name, support_setup, support_teardown)
#define RUN_CASES(cases) cmocka_run_group_tests(cases, NULL, NULL)

#endif
