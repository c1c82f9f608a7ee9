/*
 * Which answers and losses libmongoc's picture is told of: by a job, one at a time of each server.
 */
#include "loop_support.h"

#define PING "{'ping': 1}"

/* How many jobs an answer makes. */
static uint32_t jobs_of(const char *hello, const char *answer) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, hello);
    trip_t trip;
    trip_begin(&trip, line, PING);
    line_answer(line, &trip, answer);
    turn();
    CHECK(trip.done);
    uint32_t count = rig->job_count;
    trip_end(&trip);
    rig_free(rig);
    return count;
}

static bool changes(const char *answer) {
    return jobs_of("{}", answer) == 1;
}

static bool code_changes(int code) {
    char text[100];
    snprintf(text, sizeof text, "{'ok': 0, 'code': %d, 'errmsg': 'x'}", code);
    return changes(text);
}

CORO_CASE(no_primary_any_more_and_shutting_down_are_told) {
    static const int codes[] = {10107, 13435, 10058, 11600, 11602, 13436, 189, 91};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) CHECK(code_changes(codes[i]));
    return 0;
}

CORO_CASE(other_errors_are_not) {
    static const int codes[] = {0, 1, 11000, 43, 50, 6, 7, 89, 9001, 262};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) CHECK(!code_changes(codes[i]));
    CHECK(!changes("{'ok': 1}"));
    CHECK(!changes("{'ok': 1, 'code': 91}"));
    return 0;
}

CORO_CASE(the_text_counts_only_without_a_code) {
    CHECK(changes("{'ok': 0, 'errmsg': 'not master'}"));
    CHECK(changes("{'ok': 0, 'errmsg': 'not master or secondary'}"));
    CHECK(changes("{'ok': 0, 'errmsg': 'the node is recovering now'}"));
    CHECK(!changes("{'ok': 0, 'errmsg': 'not my master'}"));
    CHECK(!changes("{'ok': 0, 'errmsg': 1}"));
    CHECK(!changes("{'ok': 0, 'code': 1, 'errmsg': 'not master'}"));
    return 0;
}

CORO_CASE(so_does_a_write_concern_error) {
    CHECK(changes("{'ok': 1, 'writeConcernError': {'code': 91, 'errmsg': 'x'}}"));
    CHECK(!changes("{'ok': 1, 'writeConcernError': {'code': 64, 'errmsg': 'x'}}"));
    CHECK(!changes("{'ok': 1, 'writeConcernError': 91}"));
    CHECK(!changes("{'ok': 1, 'writeErrors': [{'index': 0, 'code': 91, 'errmsg': 'x'}]}"));
    return 0;
}

/* Behind it there are many servers. */
CORO_CASE(of_a_load_balancer_nothing_is_told) {
    static const char *const balanced = "{'serviceId': {'$oid': '0123456789abcdef01234567'}}";
    CHECK_INT(jobs_of(balanced, "{'ok': 0, 'code': 91, 'errmsg': 'x'}"), 0);
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, balanced);
    trip_t trip;
    trip_begin(&trip, line, PING);
    line_close(line);
    turn();
    CHECK_FAILED(trip, MONGOC_ERROR_STREAM, "was lost");
    CHECK_INT(rig->job_count, 0);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

CORO_CASE(while_one_is_told_of_the_same_server_no_other_is) {
    rig_t *rig = rig_new(NULL);
    for (int i = 0; i < 3; i++) {
        line_t *line = line_new(rig, "{}");
        trip_t trip;
        trip_begin(&trip, line, PING);
        line_answer(line, &trip, "{'ok': 0, 'code': 91, 'errmsg': 'x'}");
        turn();
        CHECK_INT(rig->job_count, 1);
        trip_end(&trip);
    }
    rig_work(rig, false);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_begin(&trip, line, PING);
    line_close(line);
    turn();
    CHECK_INT(rig->job_count, 1);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

/* For want of patience, or because it was no MongoDB that answered. */
CORO_CASE(cuts_silence_and_what_is_no_answer_are_not_told) {
    rig_t *rig = rig_new("socketTimeoutMS=10");
    line_t *lines[3];
    trip_t trips[3];
    for (int i = 0; i < 3; i++) {
        lines[i] = line_new(rig, "{}");
        trip_begin(&trips[i], lines[i], PING);
    }
    CHECK(trip_cut(&trips[0]));
    line_write(lines[1], "GET / HTTP/1.1\r\nHost: example.com\r\n", 35);
    turn();
    CHECK_FAILED(trips[1], MONGOC_ERROR_PROTOCOL, "opcode");
    pass_ms(10);
    CHECK_FAILED(trips[2], MONGOC_ERROR_STREAM, "silent");
    CHECK_INT(rig->job_count, 0);
    for (int i = 0; i < 3; i++) trip_end(&trips[i]);
    rig_free(rig);
    return 0;
}

/* The first is for remembering it: that it was told once is then told again. */
CORO_CASE(without_memory_nothing_is_told) {
    for (int64_t n = 1; n <= 3; n++) {
        rig_t *rig = rig_new(NULL);
        line_t *line = line_new(rig, "{}");
        trip_t trip;
        trip_begin(&trip, line, PING);
        line_answer(line, &trip, "{'ok': 0, 'code': 91, 'errmsg': 'x'}");
        mouv__alloc_fail_at = n;
        turn();
        CHECK_INT(mouv__alloc_fail_at, 0);
        mouv__alloc_fail_at = -1;
        CHECK(trip.done && trip.exchange.reply != NULL);
        CHECK_INT(rig->job_count, n == 1);
        if (n == 1) rig_work(rig, false);
        trip_end(&trip);
        rig_free(rig);
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(no_primary_any_more_and_shutting_down_are_told),
        TEST(other_errors_are_not),
        TEST(the_text_counts_only_without_a_code),
        TEST(so_does_a_write_concern_error),
        TEST(of_a_load_balancer_nothing_is_told),
        TEST(while_one_is_told_of_the_same_server_no_other_is),
        TEST(cuts_silence_and_what_is_no_answer_are_not_told),
        TEST(without_memory_nothing_is_told),
    };
    return RUN_CASES(cases);
}
