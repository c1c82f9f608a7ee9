/*
 * Limits: what timeoutMS makes of an operation, what goes out as maxTimeMS, how long a wait for the
 * server may take.
 */
#include "../support/async_support.h"

#include "async/task/runtime.h"
#include "mongo/base/client_ref.h"
#include "mongo/operation/limits.h"
#include "mongo/operation/state.h"

#include "topology_support.h"

#define MS_NS INT64_C(1000000)

/* --- a client without a transport's functions ------------------------------------------------- */

static mouv__client_ref_t ref;
static mouv__transport_t transport;
static mouv__pool_t pool;
static mouv__operations_t operations;
static mouv__operation_t *op;

static const mouv__operation_row_t find_row = {"find", MOUV__OP_MAX_TIME};
static const mouv__operation_row_t more_row = {"getMore", 0};
static const mouv__operation_row_t kill_row = {"killCursors", MOUV__OP_CLEANUP};

static mouv_client_t *the_client(void) {
    return (mouv_client_t *)&ref;
}

static void set_up(void) {
    bson_t *from = from_json("{'type': 'ReplicaSetWithPrimary', 'servers': [{'address': "
                             "'a.example:27017', 'type': 'RSPrimary', 'maxWireVersion': 17}]}");
    mouv__client_ref_init(the_client(), NULL, mouv__runtime());
    ref.operations = &operations;
    transport = (mouv__transport_t){.cuts = true};
    pool = (mouv__pool_t){
        .client = the_client(), .transport = &transport, .topology = topology_from(from)};
    operations = (mouv__operations_t){.client = the_client(), .pool = &pool};
    op = NULL;
    bson_destroy(from);
}

static void operation_end(void) {
    if (!op) return;
    bson_destroy(op->parts.command);
    free(op);
    op = NULL;
}

static void tear_down(void) {
    operation_end();
    mouv__topology_free(pool.topology);
}

/* A new one, for the server 1, in place of the one before. */
static void operation_is(const mouv__operation_row_t *row, const char *command) {
    operation_end();
    op = calloc(1, sizeof *op);
    op->client = the_client();
    op->operations = &operations;
    op->parts.row = row;
    op->parts.command = from_json(command);
    op->deadline_ns = MOUV__NEVER;
    op->checkout.server_id = 1;
}

static int64_t now_ns(void) {
    return mouv__client_now_ns(the_client());
}

static mouv__rtt_t *rtt(void) {
    return &pool.topology->servers[0]->rtt;
}

static void check_command(const char *expected) {
    bson_t *wanted = from_json(expected);
    char *got = bson_as_canonical_extended_json(op->parts.command, NULL);
    if (!CHECK(bson_equal(op->parts.command, wanted))) fprintf(stderr, "    %s\n", got);
    bson_free(got);
    bson_destroy(wanted);
}

static bool set(mouv_error_t *error) {
    *error = (mouv_error_t){0};
    return mouv__limits_set(op, error);
}

/* --- timeoutMS -------------------------------------------------------------------------------- */

CORO_CASE(the_nearest_deadline_counts) {
    set_up();
    static const struct {
        int64_t given_ms, until_ms, before_ms; /* 0: none; -1: unset */
        int64_t expected_ms;                   /* 0: none */
        bool has;
    } cases[] = {
        {MOUV__TIMEOUT_UNSET, 0, 0, 0, false},
        {MOUV__TIMEOUT_UNSET, 0, 50, 50, false},
        {0, 0, 0, 0, true},
        {0, 0, 50, 50, true},
        {20, 0, 0, 20, true},
        {20, 0, 50, 20, true},
        {70, 0, 50, 50, true},
        {70, 30, 0, 30, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        operation_is(&find_row, "{'find': 'c'}");
        if (cases[i].before_ms) op->deadline_ns = now_ns() + cases[i].before_ms * MS_NS;
        mouv__timeout_t timeout = {cases[i].given_ms, cases[i].until_ms
                                                          ? now_ns() + cases[i].until_ms * MS_NS
                                                          : MOUV__NEVER};
        mouv__limits_set_timeout(op, timeout);
        CHECK_INT(op->parts.has_timeout, cases[i].has);
        CHECK_INT(op->deadline_ns,
                  cases[i].expected_ms ? now_ns() + cases[i].expected_ms * MS_NS : MOUV__NEVER);
    }
    tear_down();
    return 0;
}

CORO_CASE(clean_up_has_its_own) {
    set_up();
    operation_is(&kill_row, "{'killCursors': 'c'}");
    mouv__limits_set_cleanup_timeout(op, 0);
    mouv__limits_set_cleanup_timeout(op, -1);
    CHECK(!op->parts.has_timeout && !op->own_limit);
    CHECK_INT(op->deadline_ns, MOUV__NEVER);
    mouv__limits_set_cleanup_timeout(op, 40);
    CHECK(op->parts.has_timeout && op->own_limit);
    CHECK_INT(op->deadline_ns, now_ns() + 40 * MS_NS);
    CHECK_INT(op->limit_ns, op->deadline_ns);
    tear_down();
    return 0;
}

CORO_CASE(it_takes_the_place_of_max_time_and_wtimeout) {
    set_up();
    static const struct {
        bool has;
        const char *given, *expected;
    } cases[] = {
        {true, "{'insert': 'c', 'writeConcern': {'w': 2, 'wtimeout': 9, 'j': true}, 'x': 1}",
         "{'insert': 'c', 'x': 1, 'writeConcern': {'w': 2, 'j': true}}"},
        {true, "{'insert': 'c', 'writeConcern': {'w': 2}, 'x': 1}",
         "{'insert': 'c', 'writeConcern': {'w': 2}, 'x': 1}"},
        {true, "{'insert': 'c'}", "{'insert': 'c'}"},
        {false, "{'insert': 'c', 'writeConcern': {'wtimeout': 9}, 'x': 1}",
         "{'insert': 'c', 'writeConcern': {'wtimeout': 9}, 'x': 1}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        operation_is(&find_row, cases[i].given);
        op->parts.has_timeout = cases[i].has;
        op->user_max_time_ms = 33;
        mouv__limits_drop_old_timeouts(op);
        check_command(cases[i].expected);
        CHECK_INT(op->user_max_time_ms, cases[i].has ? 0 : 33);
    }
    tear_down();
    return 0;
}

/* --- maxTimeMS -------------------------------------------------------------------------------- */

CORO_CASE(what_is_sent_as_max_time) {
    set_up();
    static const struct {
        const char *label;
        const mouv__operation_row_t *row;
        int64_t deadline_ms, own_ms; /* 0: none */
        int32_t users_ms;
        int64_t rtt_ms; /* 0: not known */
        int32_t expected_ms;
    } cases[] = {
        {"nothing", &find_row, 0, 0, 0, 0, 0},
        {"the user's alone", &find_row, 0, 0, 30, 0, 30},
        {"the deadline", &find_row, 100, 0, 0, 0, 100},
        {"the user's is less", &find_row, 100, 0, 30, 0, 30},
        {"the user's is more", &find_row, 100, 0, 300, 0, 100},
        {"the user's is as much", &find_row, 100, 0, 100, 0, 100},
        {"a round trip less", &find_row, 100, 0, 0, 7, 93},
        {"not of the user's", &find_row, 100, 0, 93, 7, 93},
        {"a command that has none", &more_row, 100, 0, 0, 0, 0},
        {"... but its own limit", &more_row, 100, 60, 0, 7, 53},
        {"... which is for no deadline to say", &find_row, 100, 200, 0, 0, 200},
        {"... and not without it", &more_row, 0, 60, 0, 0, 60},
        {"more than fits", &find_row, INT64_C(5000000000), 0, 0, 0, INT32_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mouv_error_t error;
        operation_is(cases[i].row, "{'find': 'c'}");
        mouv__rtt_reset(rtt());
        for (int sample = 0; sample < 2 && cases[i].rtt_ms; sample++)
            mouv__rtt_add(rtt(), (cases[i].rtt_ms + sample) * MS_NS); /* the least counts */
        if (cases[i].deadline_ms) op->deadline_ns = now_ns() + cases[i].deadline_ms * MS_NS;
        if (cases[i].own_ms) {
            op->own_limit = true;
            op->limit_ns = now_ns() + cases[i].own_ms * MS_NS;
        }
        op->user_max_time_ms = cases[i].users_ms;
        CHECK(set(&error));
        if (op->attempt.max_time_ms != cases[i].expected_ms)
            fprintf(stderr, "    %s:\n", cases[i].label);
        CHECK_INT(op->attempt.max_time_ms, cases[i].expected_ms);
    }
    tear_down();
    return 0;
}

CORO_CASE(an_own_limit_of_never_sends_nothing) {
    set_up();
    mouv_error_t error;
    operation_is(&find_row, "{'find': 'c'}");
    op->own_limit = true;
    op->limit_ns = MOUV__NEVER;
    op->deadline_ns = now_ns() + 50 * MS_NS;
    CHECK(set(&error));
    CHECK_INT(op->attempt.max_time_ms, 0);
    tear_down();
    return 0;
}

CORO_CASE(what_would_be_late_is_refused_with_the_estimate_and_the_host) {
    set_up();
    mouv_error_t error;
    mouv__rtt_add(rtt(), 9 * MS_NS);
    mouv__rtt_add(rtt(), 4500000);
    operation_is(&find_row, "{'find': 'c'}");
    op->deadline_ns = now_ns() + 5 * MS_NS;
    CHECK(!set(&error));
    CHECK_INT(error.code, MOUV_ETIMEDOUT);
    CHECK_STRING(error.message, "5.0 ms are left, a round trip to a.example:27017 takes 4.5 ms");
    op->deadline_ns = now_ns() + 5500000; /* a millisecond for the server */
    CHECK(set(&error));
    CHECK_INT(op->attempt.max_time_ms, 1);
    op->parts.row = &more_row; /* which sends none, and would be as late */
    op->deadline_ns = now_ns() + 5 * MS_NS;
    CHECK(!set(&error));
    tear_down();
    return 0;
}

CORO_CASE(a_server_that_is_gone_has_no_round_trip) {
    set_up();
    mouv_error_t error;
    operation_is(&find_row, "{'find': 'c'}");
    op->checkout.server_id = 9;
    op->deadline_ns = now_ns() + MS_NS / 2;
    CHECK(!set(&error));
    CHECK_STRING(error.message, "0.5 ms are left, a round trip to it takes 0.0 ms");
    op->deadline_ns = now_ns() + MS_NS;
    CHECK(set(&error));
    tear_down();
    return 0;
}

/* --- one wait --------------------------------------------------------------------------------- */

CORO_CASE(how_long_one_wait_for_the_server_may_take) {
    set_up();
    enum { NO = 0, YES = 1 };
    static const struct {
        const char *label;
        const mouv__operation_row_t *row;
        bool cuts, timeout;
        int32_t socket_ms;
        int64_t deadline_ms; /* 0: none */
        int32_t expected_ms;
    } cases[] = {
        {"the URI's", &find_row, YES, NO, 0, 0, 0},
        {"the URI's, without cuts", &find_row, NO, NO, 900, 0, 0},
        {"timeoutMS=0 is none", &find_row, NO, YES, 900, 0, -1},
        {"clean-up", &kill_row, YES, NO, 0, 0, 5000},
        {"clean-up with timeoutMS=0", &kill_row, YES, YES, 0, 0, 5000},
        {"cuts end it", &find_row, YES, NO, 900, 100, 0},
        {"timeoutMS is in its place", &find_row, YES, YES, 900, 100, 300100},
        {"no cuts: a kill's time more", &find_row, NO, NO, 0, 100, 350},
        {"no cuts: not more than the URI's", &find_row, NO, NO, 200, 100, 200},
        {"no cuts: less than the URI's", &find_row, NO, NO, 900, 100, 350},
        {"no cuts, timeoutMS", &find_row, NO, YES, 200, 100, 350},
        {"clean-up with a deadline", &kill_row, YES, YES, 0, 100, 300100},
        {"more than fits", &find_row, NO, NO, 0, INT64_C(5000000000), INT32_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mouv_error_t error;
        operation_is(cases[i].row, "{'find': 'c'}");
        transport.cuts = cases[i].cuts;
        transport.socket_timeout_ms = cases[i].socket_ms;
        op->parts.has_timeout = cases[i].timeout;
        if (cases[i].deadline_ms) op->deadline_ns = now_ns() + cases[i].deadline_ms * MS_NS;
        CHECK(set(&error));
        if (op->attempt.exchange.limit_ms != cases[i].expected_ms)
            fprintf(stderr, "    %s:\n", cases[i].label);
        CHECK_INT(op->attempt.exchange.limit_ms, cases[i].expected_ms);
    }
    tear_down();
    return 0;
}

CORO_CASE(a_poll_may_wait_a_round_trip_less_than_there_is) {
    set_up();
    mouv__server_session_t session = {.state = MOUV__SERVER_SESSION_IN_USE};
    mouv__connection_t connection = {0};
    mouv__connection_init(&connection);
    session.store = &connection.sessions;
    mouv__rtt_add(rtt(), 3 * MS_NS);
    mouv__rtt_add(rtt(), 3 * MS_NS);
    mouv__pin_t *pin = mouv__pin_new(the_client(), &session, 1);
    mouv__pin_t *gone = mouv__pin_new(the_client(), &session, 9);
    int64_t until_ns = now_ns() + 50 * MS_NS;
    CHECK_INT(mouv__limits_poll_left_ms(the_client(), pin, until_ns), 47);
    CHECK_INT(mouv__limits_poll_left_ms(the_client(), gone, until_ns), 50);
    CHECK_INT(mouv__limits_poll_left_ms(the_client(), NULL, until_ns), 50);
    mouv__pin_free(pin);
    mouv__pin_free(gone);
    tear_down();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_nearest_deadline_counts),
        TEST(clean_up_has_its_own),
        TEST(it_takes_the_place_of_max_time_and_wtimeout),
        TEST(what_is_sent_as_max_time),
        TEST(an_own_limit_of_never_sends_nothing),
        TEST(what_would_be_late_is_refused_with_the_estimate_and_the_host),
        TEST(a_server_that_is_gone_has_no_round_trip),
        TEST(how_long_one_wait_for_the_server_may_take),
        TEST(a_poll_may_wait_a_round_trip_less_than_there_is),
    };
    return RUN_CASES(tests);
}
