/*
 * The demo's questions to the shop, asked in sequence and gathered. Each is a coroutine that reads
 * like blocking code.
 */
#include "cli/demo/demo.h"
#include "cli/demo/timeline.h"

#include <stdio.h>
#include <string.h>

struct question {
    const struct shop *shop;
    char answer[64];
};

/* The server waits this long before it answers the questions marked with *. */
#define WAIT_MS "250"
#define SLOWLY "'$where': 'sleep(" WAIT_MS ") || true'"

/* --- the questions --------------------------------------------------------------------------- */

static int demo_queries_users_of_porto(struct question *question) {
    AUTO_BSON bson_t *filter = demo_json("{'city': 'Porto'}");
    AUTO_BSON bson_t *opts = demo_json("{'sort': {'name': 1}, 'batchSize': 250}");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_find(question->shop->users, filter, opts);
    const bson_t *user;
    int rc, count = 0;
    while ((rc = mouv_cursor_next(cursor, &user, NULL)) > 0) count++;
    snprintf(question->answer, sizeof question->answer, "%d users", count);
    return rc;
}

static int demo_queries_shipped_orders(struct question *question) {
    AUTO_BSON bson_t *filter = demo_json("{'status': 'shipped'}");
    int64_t count = 0;
    int rc = mouv_await(
        mouv_collection_count_documents(question->shop->orders, filter, NULL, &count), NULL);
    snprintf(question->answer, sizeof question->answer, "%lld orders", (long long)count);
    return rc;
}

static int demo_queries_cities(struct question *question) {
    AUTO_BSON bson_t *everybody = bson_new(), *values = NULL;
    int rc = mouv_await(
        mouv_collection_distinct(question->shop->users, "city", everybody, NULL, &values), NULL);
    snprintf(question->answer, sizeof question->answer, "%d cities",
             values ? (int)bson_count_keys(values) : 0);
    return rc;
}

static int demo_queries_find_id(struct question *question, mouv_collection_t *collection,
                                const char *filter_json, const char *opts_json) {
    AUTO_BSON bson_t *filter = demo_json(filter_json), *opts = demo_json(opts_json), *found = NULL;
    int rc = mouv_await(mouv_collection_find_one(collection, filter, opts, &found), NULL);
    bson_iter_t id;
    if (found && bson_iter_init_find(&id, found, "_id"))
        snprintf(question->answer, sizeof question->answer, "number %lld",
                 (long long)bson_iter_as_int64(&id));
    return rc;
}

static int demo_queries_newest_order(struct question *question) {
    return demo_queries_find_id(question, question->shop->orders, "{}",
                                "{'sort': {'placed': -1, '_id': 1}}");
}

static int demo_queries_slow_user(struct question *question) {
    return demo_queries_find_id(question, question->shop->users, "{'_id': 7, " SLOWLY "}", "{}");
}

static int demo_queries_slow_order(struct question *question) {
    return demo_queries_find_id(question, question->shop->orders, "{'_id': 42, " SLOWLY "}", "{}");
}

/* The number of groups, and the first one's _id. */
static int demo_queries_aggregate(struct question *question, const char *pipeline_json) {
    AUTO_BSON bson_t *pipeline = demo_json(pipeline_json);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_aggregate(question->shop->orders, pipeline, NULL);
    const bson_t *row;
    int rc, count = 0;
    char first[32] = "none";
    while ((rc = mouv_cursor_next(cursor, &row, NULL)) > 0) {
        bson_iter_t best;
        if (count++ == 0 && bson_iter_init_find(&best, row, "best"))
            snprintf(first, sizeof first, "%s", bson_iter_utf8(&best, NULL));
    }
    snprintf(question->answer, sizeof question->answer, "%d rows, first %s", count, first);
    return rc;
}

static int demo_queries_revenue_by_month(struct question *question) {
    return demo_queries_aggregate(
        question, "[{'$unwind': '$items'},"
                  " {'$group': {"
                  "   '_id': {'$dateToString': {'date': '$placed', 'format': '%Y-%m'}},"
                  "   'cents': {'$sum': {'$multiply': ['$items.cents', '$items.quantity']}}}},"
                  " {'$sort': {'cents': -1}}, {'$addFields': {'best': '$_id'}}]");
}

static int demo_queries_best_customers(struct question *question) {
    return demo_queries_aggregate(
        question, "[{'$group': {'_id': '$user', 'orders': {'$sum': 1}}},"
                  " {'$sort': {'orders': -1, '_id': 1}}, {'$limit': 10},"
                  " {'$lookup': {'from': 'users', 'localField': '_id', 'foreignField': '_id',"
                  "   'as': 'user'}},"
                  " {'$addFields': {'best': {'$arrayElemAt': ['$user.name', 0]}}}]");
}

static const struct {
    const char *label;
    int (*ask)(struct question *question);
} questions[] = {
    {"users of Porto, by name", demo_queries_users_of_porto},
    {"orders shipped", demo_queries_shipped_orders},
    {"cities, distinct", demo_queries_cities},
    {"newest order", demo_queries_newest_order},
    {"revenue by month", demo_queries_revenue_by_month},
    {"best customers", demo_queries_best_customers},
    {"one user *", demo_queries_slow_user},
    {"one order *", demo_queries_slow_order},
};
enum { COUNT = sizeof questions / sizeof questions[0] };

/* --- asking them ----------------------------------------------------------------------------- */

/* One question of a round, and when it was asked and answered. */
struct asked {
    struct question question;
    int (*ask)(struct question *question);
    struct timeline_span span;
};

struct round {
    struct asked asked[COUNT];
    int64_t began_ns, took_ns;
};

static int demo_queries_ask(void *arg) {
    struct asked *asked = arg;
    asked->span.begin_ns = timeline_now_ns();
    int rc = asked->ask(&asked->question);
    asked->span.end_ns = timeline_now_ns();
    return rc < 0 ? rc : 0;
}

static int demo_queries_in_sequence(struct asked *asked) {
    int rc = 0;
    for (size_t i = 0; i < COUNT && rc == 0; i++)
        rc = mouv_await(mouv_coro(demo_queries_ask, &asked[i]), NULL);
    return rc;
}

static int demo_queries_gathered(struct asked *asked) {
    mouv_future_t answers[COUNT];
    for (size_t i = 0; i < COUNT; i++) answers[i] = mouv_coro(demo_queries_ask, &asked[i]);
    return mouv_await(mouv_gather_array(answers, COUNT), NULL);
}

static int demo_queries_run_round(struct round *round, const struct shop *shop,
                                  int (*way)(struct asked *)) {
    for (size_t i = 0; i < COUNT; i++) {
        struct asked *asked = &round->asked[i];
        *asked = (struct asked){.question = {.shop = shop}, .ask = questions[i].ask};
        asked->span.label = questions[i].label;
        asked->span.note = asked->question.answer;
    }
    round->began_ns = timeline_now_ns();
    int rc = way(round->asked);
    round->took_ns = timeline_now_ns() - round->began_ns;
    return rc;
}

/* --- comparing ------------------------------------------------------------------------------- */

static void demo_queries_print_round(const struct round *round, const char *title,
                                     int64_t scale_ns) {
    struct timeline_span spans[COUNT];
    for (size_t i = 0; i < COUNT; i++) spans[i] = round->asked[i].span;
    printf("%s\n", title);
    timeline_print(stdout, spans, COUNT, round->began_ns, scale_ns);
    printf("  total %.1f ms\n\n", timeline_ms(round->took_ns));
    fflush(stdout);
}

static int demo_queries_check_same(const struct round *one, const struct round *other) {
    for (size_t i = 0; i < COUNT; i++) {
        const char *first = one->asked[i].question.answer, *then = other->asked[i].question.answer;
        if (strcmp(first, then) != 0)
            return mouv_fail(MOUV_ESTATE, "%s: in sequence '%s', gathered '%s'", questions[i].label,
                             first, then);
    }
    return 0;
}

static void demo_queries_print_verdict(const struct round *sequence, const struct round *gather) {
    printf("Gathered took %.1f ms, in sequence %.1f ms: %.1f times as fast, with the same answers."
           "\n* The server waits " WAIT_MS " ms in it (a sleep in JavaScript), as a busy or\n"
           "  distant one would; the rest is work that the server's processors share.\n"
           "  A first, unmeasured round has opened the connections.\n\n",
           timeline_ms(gather->took_ns), timeline_ms(sequence->took_ns),
           (double)sequence->took_ns / (double)gather->took_ns);
}

int demo_compare(const struct shop *shop) {
    struct round sequence, gather;
    int rc = demo_queries_run_round(
        &gather, shop, demo_queries_gathered); /* connections and caches, for both rounds */
    if (rc == 0) rc = demo_queries_run_round(&sequence, shop, demo_queries_in_sequence);
    if (rc < 0) return rc;
    demo_queries_print_round(
        &sequence,
        "In sequence, each question asked when the one before is answered:", sequence.took_ns);
    rc = demo_queries_run_round(&gather, shop, demo_queries_gathered);
    if (rc < 0) return rc;
    demo_queries_print_round(&gather, "Gathered, all asked at once:", sequence.took_ns);
    rc = demo_queries_check_same(&sequence, &gather);
    if (rc == 0) demo_queries_print_verdict(&sequence, &gather);
    return rc;
}
