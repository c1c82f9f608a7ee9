/*
 * Overload: whose turn it is, what is refused, and how much comes of it.
 */
#include "operation_support.h"

#include "mongo/pool/pressure.h"

/* The collection of the one command that is out, or "". */
static const char *out_now(const fake_t *fake) {
    const fake_call_t *call = fake_out(fake, FAKE_SEND, 0);
    bson_iter_t at;
    return call && find(call->command, "find", &at) ? bson_iter_utf8(&at, NULL) : "";
}

static void answer(fake_t *fake) {
    fake_answer(fake_out(fake, FAKE_SEND, 0), "{'ok': 1}");
    fake_turn();
}

/* Quick, but no work: it says nothing of what the server takes. */
static void answer_error(fake_t *fake) {
    fake_answer(fake_out(fake, FAKE_SEND, 0), "{'ok': 0, 'code': 2}");
    fake_turn();
}

/* Its command must be out. */
static void answer_to(fake_t *fake, const char *name) {
    uint32_t n = 0;
    fake_call_t *call;
    bson_iter_t at;
    while ((call = fake_out(fake, FAKE_SEND, n++)) != NULL)
        if (find(call->command, "find", &at) && strcmp(bson_iter_utf8(&at, NULL), name) == 0) break;
    if (!CHECK(call != NULL)) return;
    fake_answer(call, "{'ok': 1}");
    fake_turn();
}

static mouv__operation_t *begin(fake_t *fake, const char *name, int64_t limit_ms) {
    char command[64];
    snprintf(command, sizeof command, "{'find': '%s'}", name);
    return operation_begin(fake, &find_row, command, limit_ms);
}

static mouv__operation_t *holder;

/* One connection, on which the holder runs; the controls' commands are answered at once. */
static fake_t *held(void) {
    fake_t *fake = fake_with(1, "RSPrimary");
    fake->auto_ms[FAKE_CONTROL] = 0;
    holder = begin(fake, "holder", 0);
    return fake;
}

/* Nothing waits at its end. */
#define HELD_CASE(name) \
    static void name##_held(fake_t *fake); \
    FAKE_CASE(name, held()) { \
        name##_held(fake); \
        CHECK_INT(fake_pool(fake)->waiting[MOUV__WAITING_PRESSED].count, 0); \
        operation_over(holder); \
    } \
    static void name##_held(fake_t *fake)

/* --- whose turn it is ------------------------------------------------------------------------- */

HELD_CASE(before_half_of_their_time_is_used_up_the_oldest_is_first) {
    mouv__operation_t *a = begin(fake, "a", 1000);
    mouv__operation_t *none = begin(fake, "none", 0);
    mouv__operation_t *b = begin(fake, "b", 1000);
    fake_pass_ms(499);
    answer(fake);
    CHECK_STRING(out_now(fake), "a");
    answer(fake);
    CHECK_STRING(out_now(fake), "none");
    answer(fake);
    CHECK_STRING(out_now(fake), "b");
    answer(fake);
    CHECK_ENDED(holder, 0);
    CHECK_ENDED(b, 0);
    operation_over(a), operation_over(none), operation_over(b);
}

HELD_CASE(under_pressure_the_newest_is_first_until_those_who_pressed_are_gone) {
    mouv__operation_t *a = begin(fake, "a", 1000);
    fake_pass_ms(400);
    mouv__operation_t *b = begin(fake, "b", 1000);
    fake_pass_ms(100);
    mouv__operation_t *c = begin(fake, "c", 1000);
    mouv__operation_t *d = begin(fake, "d", 1000);
    CHECK(mouv__pressure_is_on(fake_pool(fake), 1));
    answer(fake);
    CHECK_STRING(out_now(fake), "d");
    operation_cancel(a);
    CHECK(!mouv__pressure_is_on(fake_pool(fake), 1));
    answer(fake);
    CHECK_STRING(out_now(fake), "b");
    answer(fake);
    CHECK_STRING(out_now(fake), "c");
    answer(fake);
    operation_over(a), operation_over(b), operation_over(c), operation_over(d);
}

HELD_CASE(short_limit_behind_a_long_one_makes_pressure_as_well) {
    mouv__operation_t *patient = begin(fake, "patient", 60000);
    mouv__operation_t *first = begin(fake, "first", 100);
    mouv__operation_t *second = begin(fake, "second", 100);
    fake_pass_ms(50);
    answer(fake);
    CHECK_STRING(out_now(fake), "second");
    answer(fake);
    answer(fake);
    CHECK_STRING(out_now(fake), "patient");
    answer(fake);
    operation_over(patient), operation_over(first), operation_over(second);
}

HELD_CASE(under_pressure_those_without_a_deadline_go_by_turns_the_oldest_first) {
    static const char *const names[] = {"n0", "n1", "n2"};
    static const char *const wanted[] = {"l1", "n0", "l0", "n1", "n2"};
    mouv__operation_t *none[3], *late[2];
    for (int i = 0; i < 3; i++) none[i] = begin(fake, names[i], 0);
    late[0] = begin(fake, "l0", 100);
    late[1] = begin(fake, "l1", 100);
    fake_pass_ms(60);
    fake_pool(fake)->untimed_turn = false;
    for (int i = 0; i < 5; i++) {
        answer(fake);
        CHECK_STRING(out_now(fake), wanted[i]);
    }
    answer(fake);
    for (int i = 0; i < 3; i++) operation_over(none[i]);
    operation_over(late[0]), operation_over(late[1]);
}

HELD_CASE(deadline_that_comes_later_takes_its_place_among_the_others) {
    mouv__operation_t *a = begin(fake, "a", 0);
    mouv__operation_t *b = begin(fake, "b", 900);
    mouv__future_shorten(&a->future, now_ns(fake) + 1000 * MOUV__NS_PER_MS);
    CHECK_INT(fake_pool(fake)->waiting[MOUV__WAITING_TIMED].count, 2);
    answer(fake);
    CHECK_STRING(out_now(fake), "a");
    mouv__future_shorten(&b->future, now_ns(fake) + 10 * MOUV__NS_PER_MS);
    fake_pass_ms(6);
    CHECK(mouv__pressure_is_on(fake_pool(fake), 1));
    answer(fake);
    answer(fake);
    CHECK(!mouv__pressure_is_on(fake_pool(fake), 1));
    operation_over(a), operation_over(b);
}

FAKE_CASE(pressure_on_one_server_is_none_on_another, fake_with(2, "RSPrimary RSSecondary")) {
    static const char *const names[] = {"h1", "h2", "a", "b", "c", "d"};
    static const uint32_t servers[] = {1, 2, 1, 2, 2, 1};
    mouv__operation_t *ops[6];
    fake->auto_ms[FAKE_CONTROL] = 0;
    for (uint32_t i = 0; i < 6; i++) {
        char command[64];
        snprintf(command, sizeof command, "{'find': '%s'}", names[i]);
        ops[i] = operation_new(fake, &find_row, command);
        ops[i]->server_id = servers[i];
        ops[i]->deadline_ns = now_ns(fake) + (servers[i] == 1 ? 100 : 1000) * MOUV__NS_PER_MS;
        mouv__operation_start(ops[i]);
        fake_turn();
    }
    fake_pass_ms(60);
    CHECK(mouv__pressure_is_on(fake_pool(fake), 1));
    CHECK(!mouv__pressure_is_on(fake_pool(fake), 2));
    static const char *const wanted[] = {"h1", "d", "a", "h2", "b", "c"};
    for (int i = 0; i < 6; i++) answer_to(fake, wanted[i]);
    for (int i = 0; i < 6; i++) operation_over(ops[i]);
}

/* --- what is refused -------------------------------------------------------------------------- */

/* The server has taken so long for each of the last ones. */
static void has_taken(fake_t *fake, int64_t ms) {
    fake_server(fake, 1)->took = (mouv__took_t){0};
    for (int i = 0; i < MOUV__TOOK_LEAST_COUNT; i++)
        mouv__took_add(&fake_server(fake, 1)->took, ms * MOUV__NS_PER_MS, now_ns(fake));
}

HELD_CASE(what_cannot_be_answered_in_time_is_refused_and_told_why) {
    has_taken(fake, 50);
    mouv__operation_t *refused = begin(fake, "refused", 100);
    fake_pass_ms(70);
    mouv__operation_t *fresh = begin(fake, "fresh", 100);
    answer(fake);
    CHECK_STRING(out_now(fake), "fresh");
    has_taken(fake, 50);
    answer_error(fake);
    CHECK_ENDED(refused, MOUV_ETIMEDOUT);
    CHECK_STRING(
        operation_words(refused),
        "timed out before anything was sent: 30.0 ms are left after a wait of 70.0 ms, and "
        "a has lately taken at least 50.0 ms");
    CHECK_STRING(out_now(fake), "");
    operation_over(refused), operation_over(fresh);
}

FAKE_CASE(without_pressure_nothing_is_refused, fake_with(1, "RSPrimary")) {
    has_taken(fake, 5000);
    for (int i = 0; i < 20; i++) {
        mouv__operation_t *op = begin(fake, "op", 100);
        CHECK_STRING(out_now(fake), "op");
        fake_lose(fake_out(fake, FAKE_SEND, 0), false);
        fake_turn();
        if (fake_out(fake, FAKE_SEND, 0)) answer(fake);
        operation_over(op);
    }
}

/* One goes in spite of what is known if none has for a quarter of a second, and no other. */
HELD_CASE(what_is_known_is_put_to_the_test_where_nobody_has_time_enough) {
    has_taken(fake, 5000);
    mouv__operation_t *tried = begin(fake, "tried", 200);
    fake_pass_ms(1);
    answer_error(fake);
    CHECK_STRING(out_now(fake), "tried");
    fake_pass_ms(100);
    mouv__operation_t *soon = begin(fake, "soon", 200);
    fake_pass_ms(1);
    answer_error(fake);
    CHECK_ENDED(soon, MOUV_ETIMEDOUT);
    mouv__operation_t *block = begin(fake, "block", 0);
    mouv__operation_t *later = begin(fake, "later", 200);
    fake_pass_ms(149);
    answer_error(fake);
    CHECK_STRING(out_now(fake), "later");
    answer(fake);
    operation_over(tried), operation_over(soon), operation_over(block), operation_over(later);
}

/* Whoever comes has less time than the server took before, and now it takes none. */
HELD_CASE(server_that_was_slow_is_found_out_to_be_quick_again) {
    has_taken(fake, 5000);
    mouv__operation_t *ops[8];
    for (int i = 0; i < 8; i++) ops[i] = begin(fake, "x", 200);
    fake_pass_ms(1);
    CHECK(mouv__pressure_is_on(fake_pool(fake), 1));
    operation_cancel(holder); /* so that it says nothing of the server */
    for (int i = 0; i < 9; i++) {
        answer(fake);
        fake_pass_ms(1);
    }
    for (int i = 0; i < 8; i++) CHECK_ENDED(ops[i], 0);
    for (int i = 0; i < 8; i++) operation_over(ops[i]);
}

HELD_CASE(backlog_is_what_waits_by_what_the_server_took) {
    mouv__operation_t *ops[4];
    for (int i = 0; i < 4; i++) ops[i] = begin(fake, "x", i % 2 ? 0 : 1000);
    CHECK_INT(mouv__pressure_backlog_ns(fake_pool(fake)), 0); /* not known */
    has_taken(fake, 50);
    CHECK_INT(mouv__pressure_backlog_ns(fake_pool(fake)), 200 * MOUV__NS_PER_MS);
    for (int i = 0; i < 5; i++) answer(fake);
    CHECK_INT(mouv__pressure_backlog_ns(fake_pool(fake)), 0);
    for (int i = 0; i < 4; i++) operation_over(ops[i]);
}

/* --- what comes of it ------------------------------------------------------------------------- */

#define RUN_MS 2500
#define BEGIN_MS 500

typedef struct load {
    int per_s;       /* offered */
    int limit_ms;    /* that each has */
    int least, most; /* ms that the server takes, evenly between */
    bool untimed;    /* every fourth has no deadline */
    bool mixed;      /* every other one has eight times the limit */
    const mouv__operation_row_t *row;
} load_t;

static uint32_t chance;

static int between(int least, int most) {
    chance = chance * 1664525u + 1013904223u;
    return least + (int)((chance >> 8) % (uint32_t)(most - least + 1));
}

typedef struct request {
    mouv__operation_t *op;
    int begun_ms, limit_ms; /* 0: it will wait */
    bool over;
} request_t;

static request_t load_begin(fake_t *fake, const load_t *load, int number, int now_ms) {
    int limit_ms = load->mixed && number % 2 ? 8 * load->limit_ms : load->limit_ms;
    if (load->untimed && number % 4 == 0) limit_ms = 0;
    return (request_t){
        operation_begin(fake, load->row, load->row == &find_row ? FIND : INSERT, limit_ms), now_ms,
        limit_ms, false};
}

/* How many of those that have ended since the last look are done in time. */
static int load_count_good(request_t *requests, int count, int now_ms) {
    int good = 0;
    for (request_t *each = requests; each < requests + count; each++) {
        if (each->over || !operation_is_done(each->op)) continue;
        each->over = true;
        good += each->op->future.code == 0 &&
                (each->limit_ms == 0 || now_ms - each->begun_ms <= each->limit_ms);
    }
    return good;
}

static void load_end(request_t *requests, int count) {
    for (int i = 0; i < count; i++) mouv__future_cancel(&requests[i].op->future);
    fake_turn();
    for (int i = 0; i < count; i++) operation_over(requests[i].op);
}

/* Of a hundred operations that ten connections could do, how many are done in time? */
static int load_run(const load_t *load) {
    static request_t requests[4096];
    fake_t *fake = fake_with(10, "RSPrimary");
    int count = 0, good = 0;
    chance = 1;
    fake->auto_ms[FAKE_CONTROL] = 1;
    for (int ms = 0; ms < RUN_MS; ms++) {
        for (; count < ms * load->per_s / 1000; count++)
            requests[count] = load_begin(fake, load, count, ms);
        fake->auto_ms[FAKE_SEND] = between(load->least, load->most);
        fake_pass_ms(1);
        int more = load_count_good(requests, count, ms + 1);
        good += ms >= BEGIN_MS ? more : 0;
    }
    load_end(requests, count);
    fake_free(fake);
    return good * 100 * (load->least + load->most) / (20 * (RUN_MS - BEGIN_MS));
}

#define CHECK_GOODPUT(...) \
    do { \
        int percent = load_run(&(load_t){__VA_ARGS__}); \
        if (!CHECK(percent >= 95)) fprintf(stderr, "    %d %%: %s\n", percent, #__VA_ARGS__); \
    } while (0)

CORO_CASE(server_is_used_for_what_is_awaited_at_any_load) {
    static const int loads[] = {220, 300, 800};
    for (int i = 0; i < 3; i++)
        CHECK_GOODPUT(.per_s = loads[i], .limit_ms = 250, .least = 50, .most = 50,
                      .row = &find_row);
    return 0;
}

CORO_CASE(writes_and_times_that_vary_are_no_different) {
    CHECK_GOODPUT(.per_s = 220, .limit_ms = 250, .least = 50, .most = 50, .row = &insert_row);
    CHECK_GOODPUT(.per_s = 500, .limit_ms = 250, .least = 10, .most = 90, .row = &insert_row);
    CHECK_GOODPUT(.per_s = 220, .limit_ms = 250, .least = 10, .most = 90, .row = &find_row);
    return 0;
}

CORO_CASE(limits_that_differ_and_none_are_served_from_one_queue) {
    CHECK_GOODPUT(.per_s = 400, .limit_ms = 200, .least = 40, .most = 60, .row = &find_row,
                  .mixed = true);
    CHECK_GOODPUT(.per_s = 400, .limit_ms = 200, .least = 40, .most = 60, .row = &find_row,
                  .untimed = true);
    return 0;
}

CORO_CASE(limit_that_is_hardly_more_than_the_server_takes_is_enough) {
    CHECK_GOODPUT(.per_s = 220, .limit_ms = 250, .least = 50, .most = 200, .row = &find_row);
    CHECK_GOODPUT(.per_s = 100, .limit_ms = 250, .least = 50, .most = 200, .row = &find_row);
    CHECK_GOODPUT(.per_s = 90, .limit_ms = 250, .least = 50, .most = 200, .row = &find_row);
    CHECK_GOODPUT(.per_s = 400, .limit_ms = 75, .least = 50, .most = 50, .row = &find_row);
    return 0;
}

/* Callers who come back as soon as they have an answer, or none, on two connections, each for 5 ms.
 * They come one after another while the server stands still, so that some are always old. How many
 * fail when there has been time enough for all of them for a second? */
static int callers_fail(int callers) {
    static request_t requests[64];
    fake_t *fake = fake_with(2, "RSPrimary");
    const load_t load = {.limit_ms = 250, .row = &find_row};
    int failed = 0;
    fake->auto_ms[FAKE_CONTROL] = 1;
    for (int ms = 0; ms < 3000; ms++) {
        fake->auto_ms[FAKE_SEND] = ms < 500 ? 500 - ms : 5;
        for (int i = 0; i < callers && ms >= i * 250 / callers; i++) {
            bool began = ms > i * 250 / callers;
            if (began && !operation_is_done(requests[i].op)) continue;
            failed += began && ms >= 1500 && requests[i].op->future.code < 0;
            if (began) operation_over(requests[i].op);
            requests[i] = load_begin(fake, &load, 0, ms);
        }
        fake_pass_ms(1);
    }
    load_end(requests, callers);
    fake_free(fake);
    return failed;
}

CORO_CASE(callers_that_come_back_are_all_served_where_there_is_time_for_all) {
    for (int callers = 16; callers <= 48; callers += 8) CHECK_INT(callers_fail(callers), 0);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(before_half_of_their_time_is_used_up_the_oldest_is_first),
        TEST(under_pressure_the_newest_is_first_until_those_who_pressed_are_gone),
        TEST(short_limit_behind_a_long_one_makes_pressure_as_well),
        TEST(under_pressure_those_without_a_deadline_go_by_turns_the_oldest_first),
        TEST(deadline_that_comes_later_takes_its_place_among_the_others),
        TEST(pressure_on_one_server_is_none_on_another),
        TEST(what_cannot_be_answered_in_time_is_refused_and_told_why),
        TEST(without_pressure_nothing_is_refused),
        TEST(what_is_known_is_put_to_the_test_where_nobody_has_time_enough),
        TEST(server_that_was_slow_is_found_out_to_be_quick_again),
        TEST(backlog_is_what_waits_by_what_the_server_took),
        TEST(server_is_used_for_what_is_awaited_at_any_load),
        TEST(writes_and_times_that_vary_are_no_different),
        TEST(limits_that_differ_and_none_are_served_from_one_queue),
        TEST(callers_that_come_back_are_all_served_where_there_is_time_for_all),
        TEST(limit_that_is_hardly_more_than_the_server_takes_is_enough),
    };
    return RUN_CASES(cases);
}
