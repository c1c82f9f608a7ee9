/*
 * A query of ten seconds under a deadline of one, beside a ticker; and what the server says of it.
 */
#include "cli/demo/demo.h"
#include "cli/demo/timeline.h"

#include <stdio.h>
#include <unistd.h>

enum {
    QUERY_MS = 10000, /* as long as the query would take; stands in SLOW_QUERY too */
    DEADLINE_MS = 1000,
    TICK_MS = 100,
    AFTER_MS = 300, /* the ticker goes on */
    GONE_LIMIT_MS = 5000,
    LATEST_END_MS = 2000
};
#define SLOW_QUERY "{'_id': 1, '$where': 'sleep(10000) || true'}"

/* --- the ticker ------------------------------------------------------------------------------ */

struct ticker {
    int64_t began_ns, worst_ns; /* how late the latest tick was */
    int count;
};

/* Until it is cancelled. */
static int demo_deadline_tick(void *arg) {
    struct ticker *ticker = arg;
    for (;;) {
        int64_t due_ns = timeline_now_ns() + (int64_t)TICK_MS * 1000000;
        int rc = mouv_sleep_ms(TICK_MS);
        if (rc < 0) return rc;
        int64_t now_ns = timeline_now_ns();
        if (now_ns - due_ns > ticker->worst_ns) ticker->worst_ns = now_ns - due_ns;
        ticker->count++;
        printf(" %.0f", timeline_ms(now_ns - ticker->began_ns));
        fflush(stdout);
    }
}

/* --- the server's view ----------------------------------------------------------------------- */

/* A name for one query of one process, to be found in $currentOp. */
static void demo_deadline_make_comment(char *comment, size_t size) {
    snprintf(comment, size, "mouv demo %ld %lld", (long)getpid(), (long long)timeline_now_ns());
}

/* How many operations with this comment the server is running: 0, 1, or a negative error. */
static int demo_deadline_count_running(const struct shop *shop, const char *comment) {
    AUTO_BSON bson_t *pipeline =
        BCON_NEW("pipeline", "[", "{", "$currentOp", "{", "}", "}", "{", "$match", "{",
                 "command.comment", BCON_UTF8(comment), "}", "}", "]");
    mouv_database_t *admin = mouv_client_get_database(shop->client, "admin");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_database_aggregate(admin, pipeline, NULL);
    const bson_t *operation;
    int rc, count = 0;
    while ((rc = mouv_cursor_next(cursor, &operation, NULL)) > 0) count++;
    return rc < 0 ? rc : count;
}

/* Looks at the query half-way to its deadline. */
struct look {
    const struct shop *shop;
    const char *comment;
    int running;
};

static int demo_deadline_look_half_way(void *arg) {
    struct look *look = arg;
    int rc = mouv_sleep_ms(DEADLINE_MS / 2);
    if (rc < 0) return rc;
    look->running = demo_deadline_count_running(look->shop, look->comment);
    return look->running < 0 ? look->running : 0;
}

/* Asks until the query has gone; `*gone_ns` is when the answer that says so was there. */
static int demo_deadline_wait_until_gone(const struct shop *shop, const char *comment,
                                         int64_t *gone_ns) {
    int64_t until_ns = timeline_now_ns() + (int64_t)GONE_LIMIT_MS * 1000000;
    for (;;) {
        int rc = demo_deadline_count_running(shop, comment);
        *gone_ns = timeline_now_ns();
        if (rc <= 0) return rc;
        if (*gone_ns > until_ns)
            return mouv_fail(MOUV_ESTATE, "the server still runs the query %d ms after its end",
                             GONE_LIMIT_MS);
        rc = mouv_sleep_ms(1);
        if (rc < 0) return rc;
    }
}

/* --- the query ------------------------------------------------------------------------------- */

static mouv_future_t demo_deadline_start_slow_query(const struct shop *shop, const char *comment) {
    AUTO_BSON bson_t *filter = demo_json(SLOW_QUERY);
    AUTO_BSON bson_t *opts = BCON_NEW("comment", BCON_UTF8(comment));
    return mouv_collection_find_one(shop->orders, filter, opts, NULL);
}

static int demo_deadline_check_timed_out(int rc, const mouv_error_t *error, double took_ms) {
    if (rc >= 0) return mouv_fail(MOUV_ESTATE, "the slow query ended after %.0f ms", took_ms);
    if (rc != MOUV_ETIMEDOUT) return mouv_fail_with(error);
    if (took_ms > LATEST_END_MS)
        return mouv_fail(MOUV_ESTATE, "the deadline of %d ms took %.0f ms", DEADLINE_MS, took_ms);
    return 0;
}

static void demo_deadline_print_outcome(const struct ticker *ticker, const struct look *look,
                                        double took_ms, double gone_ms) {
    printf("The query ended after %.1f ms: %s, %s.\n", took_ms, mouv_error_name(MOUV_ETIMEDOUT),
           mouv_error_message(MOUV_ETIMEDOUT));
    printf("Meanwhile the ticker ticked %d times, at most %.1f ms late.\n", ticker->count,
           timeline_ms(ticker->worst_ns));
    printf("$currentOp after %d ms: the server was%s running it; %.1f ms after its end: "
           "not any more.\n\n",
           DEADLINE_MS / 2, look->running ? "" : " not", gone_ms);
}

/* The query under its deadline, and the look at it, both joined. Returns the query's code. */
static int demo_deadline_run_query(struct look *look, mouv_error_t *error) {
    enum { QUERY, LOOK, COUNT };
    int codes[COUNT];
    mouv_error_t errors[COUNT];
    mouv_future_t both[COUNT] = {
        [QUERY] =
            mouv_wait_for(demo_deadline_start_slow_query(look->shop, look->comment), DEADLINE_MS),
        [LOOK] = mouv_coro(demo_deadline_look_half_way, look),
    };
    int rc = mouv_await(mouv_gather_all(both, COUNT, codes, errors), error);
    if (rc < 0) return rc;
    *error = errors[codes[LOOK] < 0 ? LOOK : QUERY];
    return codes[LOOK] < 0 ? codes[LOOK] : codes[QUERY];
}

static int demo_deadline_watch_query(struct ticker *ticker, struct look *look) {
    mouv_error_t error;
    int64_t began_ns = timeline_now_ns(), gone_ns = 0;
    int rc = demo_deadline_run_query(look, &error);
    int64_t ended_ns = timeline_now_ns();
    double took_ms = timeline_ms(ended_ns - began_ns);
    printf(" [query ended]");
    fflush(stdout);
    rc = demo_deadline_check_timed_out(rc, &error, took_ms);
    if (rc == 0) rc = demo_deadline_wait_until_gone(look->shop, look->comment, &gone_ns);
    if (rc == 0) rc = mouv_sleep_ms(AFTER_MS);
    printf("\n");
    if (rc == 0)
        demo_deadline_print_outcome(ticker, look, took_ms, timeline_ms(gone_ns - ended_ns));
    return rc;
}

int demo_deadline(const struct shop *shop) {
    char comment[64];
    demo_deadline_make_comment(comment, sizeof comment);
    printf("A query of %d ms under a deadline of %d ms; a ticker every %d ms:\n ", QUERY_MS,
           DEADLINE_MS, TICK_MS);
    fflush(stdout);

    struct ticker ticker = {.began_ns = timeline_now_ns()};
    struct look look = {.shop = shop, .comment = comment};
    mouv_future_t ticking = mouv_task(demo_deadline_tick, &ticker);
    int rc = demo_deadline_watch_query(&ticker, &look);
    mouv_future_cancel(ticking);
    mouv_await(ticking, NULL); /* it uses `ticker` until it has ended */
    return rc;
}
