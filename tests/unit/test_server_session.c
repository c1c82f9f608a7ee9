/*
 * The life of server sessions: who gets which, and what becomes of one that was killed or lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "context/alloc.h"
#include "mongo/transport/connection.h"
#include "mongo/transport/server_session.h"

#define MINUTE_NS (60 * INT64_C(1000000000))

static mouv__session_store_t store;
static mouv__connection_t connection;
static int ended;

static void count_end(mouv__server_session_t *session) {
    assert_non_null(session);
    ended++;
}

static int set_up(void **state) {
    (void)state;
    ended = 0;
    mouv__session_store_init(&store, &connection);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    mouv__session_store_clear(&store, count_end);
    return 0;
}

static mouv__server_session_t *take_at(int64_t now_ns) {
    mouv__server_session_t *session = mouv__server_session_take(&store, now_ns);
    assert_non_null(session);
    assert_int_equal(session->state, MOUV__SERVER_SESSION_IN_USE);
    return session;
}

static void a_new_one_belongs_to_its_store_and_connection(void **state) {
    (void)state;
    mouv__server_session_t *session = take_at(1);
    assert_ptr_equal(session->store, &store);
    assert_ptr_equal(session->connection, &connection);
    assert_ptr_equal(store.all, session);
    assert_false(session->renew);
}

static void the_one_given_back_last_is_taken_first(void **state) {
    (void)state;
    mouv__server_session_t *a = take_at(1), *b = take_at(1);
    assert_ptr_not_equal(a, b);
    mouv__server_session_give_back(b, 2);
    mouv__server_session_give_back(a, 3);
    assert_int_equal(a->state, MOUV__SERVER_SESSION_FREE);
    assert_int_equal(a->used_ns, 3);
    assert_ptr_equal(take_at(4), a);
    assert_false(a->renew);
    assert_ptr_equal(take_at(4), b);
    mouv__server_session_t *c = take_at(4);
    assert_true(c != a && c != b);
}

static void one_that_was_idle_for_more_than_25_minutes_is_begun_anew(void **state) {
    (void)state;
    mouv__server_session_t *session = take_at(0);
    mouv__server_session_give_back(session, 0);
    assert_ptr_equal(take_at(25 * MINUTE_NS), session);
    assert_false(session->renew);
    mouv__server_session_give_back(session, 0);
    assert_ptr_equal(take_at(25 * MINUTE_NS + 1), session);
    assert_true(session->renew);
    mouv__server_session_give_back(session, 0);
    assert_false(mouv__session_store_is_used(&store));
}

static void one_that_is_kept_is_not_given_back(void **state) {
    (void)state;
    mouv__server_session_t *session = take_at(0);
    int keeper;
    assert_false(mouv__session_store_is_kept(&store));
    assert_true(mouv__session_store_is_used(&store));
    session->keepers = (mouv__pin_t *)&keeper;
    assert_true(mouv__session_store_is_kept(&store));
    mouv__server_session_give_back(session, 7);
    assert_int_equal(session->state, MOUV__SERVER_SESSION_IN_USE);
    assert_int_equal(session->used_ns, 0);
    session->keepers = NULL;
    take_at(0); /* another, in front of it in `all` */
    session->keepers = (mouv__pin_t *)&keeper;
    assert_true(mouv__session_store_is_kept(&store));
}

/* --- what becomes of one ---------------------------------------------------------------------- */

/*
 * A word each: "kill", "back" (given back), "answered", "silent" (a kill's end), "lost" (its
 * connection, without its command), "dropped" (with it).
 */
static void happens(mouv__server_session_t *session, const char *word) {
    if (strcmp(word, "kill") == 0) mouv__server_session_kill(session);
    if (strcmp(word, "back") == 0) mouv__server_session_give_back(session, 10);
    if (strcmp(word, "answered") == 0) mouv__server_session_killed(session, true, 20);
    if (strcmp(word, "silent") == 0) mouv__server_session_killed(session, false, 20);
    if (strcmp(word, "lost") == 0) mouv__server_session_lost(session, false);
    if (strcmp(word, "dropped") == 0) mouv__server_session_lost(session, true);
}

typedef struct fate {
    const char *words[6];
    mouv__server_session_state_t expected;
    bool renewed; /* once it is taken again */
} fate_t;

static void fates(void **state) {
    static const fate_t table[] = {
        {{"back"}, MOUV__SERVER_SESSION_FREE, false},
        {{"lost", "back"}, MOUV__SERVER_SESSION_STALE, true},
        {{"dropped", "back"}, MOUV__SERVER_SESSION_STALE, true},
        {{"kill", "answered", "back"}, MOUV__SERVER_SESSION_FREE, false},
        {{"kill", "back"}, MOUV__SERVER_SESSION_PARKED, false},
        {{"kill", "kill", "answered", "back"}, MOUV__SERVER_SESSION_PARKED, false},
        {{"kill", "back", "answered"}, MOUV__SERVER_SESSION_FREE, false},
        {{"kill", "kill", "back", "answered"}, MOUV__SERVER_SESSION_PARKED, false},
        {{"kill", "kill", "back", "answered", "answered"}, MOUV__SERVER_SESSION_FREE, false},
        {{"kill", "lost", "back", "answered"}, MOUV__SERVER_SESSION_STALE, true},
        {{"kill", "silent", "back"}, MOUV__SERVER_SESSION_DOOMED, true},
        {{"kill", "back", "silent"}, MOUV__SERVER_SESSION_DOOMED, true},
        {{"kill", "lost", "back", "silent"}, MOUV__SERVER_SESSION_DOOMED, true},
        {{"kill", "silent", "dropped", "back"}, MOUV__SERVER_SESSION_STALE, true},
        {{"kill", "dropped", "back", "silent"}, MOUV__SERVER_SESSION_STALE, true},
        {{"kill", "silent", "kill", "answered", "back"}, MOUV__SERVER_SESSION_DOOMED, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        set_up(state);
        mouv__server_session_t *session = take_at(0);
        for (int word = 0; word < 6 && table[i].words[word]; word++)
            happens(session, table[i].words[word]);
        if (session->state != table[i].expected) fail_msg("row %zu: %d", i, session->state);
        bool parked = table[i].expected == MOUV__SERVER_SESSION_PARKED;
        bool doomed = table[i].expected == MOUV__SERVER_SESSION_DOOMED;
        if ((store.free == session) != (!parked && !doomed)) fail_msg("row %zu: free", i);
        if ((store.doomed == session) != doomed) fail_msg("row %zu: doomed", i);
        if (!parked) {
            mouv__server_session_t *taken = take_at(20 + (doomed ? 26 * MINUTE_NS : 0));
            if (taken != session || taken->renew != table[i].renewed) fail_msg("row %zu: taken", i);
            if (taken->dirty || taken->dropped || taken->unanswered) fail_msg("row %zu: dirt", i);
        }
        tear_down(state);
    }
}

static void a_kill_s_end_is_when_a_parked_one_was_used_last(void **state) {
    (void)state;
    mouv__server_session_t *session = take_at(0);
    mouv__server_session_kill(session);
    mouv__server_session_give_back(session, 10);
    mouv__server_session_killed(session, true, 30 * MINUTE_NS);
    assert_ptr_equal(take_at(31 * MINUTE_NS), session);
    assert_false(session->renew);
}

static mouv__server_session_t *doom(mouv__server_session_t *session, int64_t now_ns) {
    mouv__server_session_kill(session);
    mouv__server_session_killed(session, false, now_ns);
    mouv__server_session_give_back(session, now_ns);
    assert_int_equal(session->state, MOUV__SERVER_SESSION_DOOMED);
    return session;
}

static void a_doomed_one_is_taken_after_25_minutes_the_oldest_first(void **state) {
    (void)state;
    mouv__server_session_t *a = take_at(0), *b = take_at(0), *c = take_at(0);
    doom(a, 1 * MINUTE_NS);
    doom(b, 2 * MINUTE_NS);
    assert_true(take_at(26 * MINUTE_NS) != a); /* 25 minutes exactly */
    mouv__server_session_give_back(c, 26 * MINUTE_NS);
    assert_ptr_equal(take_at(30 * MINUTE_NS), c); /* free ones come first */
    assert_ptr_equal(take_at(30 * MINUTE_NS), a);
    assert_true(a->renew);
    assert_ptr_equal(take_at(30 * MINUTE_NS), b);
    assert_null(store.doomed);
}

static void doomed_ones_are_bounded_the_oldest_goes_first(void **state) {
    (void)state;
    mouv__server_session_t *first = doom(take_at(0), 0);
    for (int i = 1; i < 1000; i++) doom(take_at(i), i);
    int count = 0;
    for (mouv__server_session_t *s = store.all; s; s = s->next) count++;
    assert_int_equal(count, 16);
    mouv__server_session_t *again = take_at(1000);
    assert_true(again->renew);
    assert_true(first->state == MOUV__SERVER_SESSION_DOOMED || again == first);
}

static void clearing_ends_each_one_once(void **state) {
    (void)state;
    take_at(0);
    mouv__server_session_give_back(take_at(0), 0);
    doom(take_at(0), 0);
    take_at(0);
    mouv__session_store_clear(&store, count_end);
    assert_int_equal(ended, 3);
    assert_null(store.all);
    assert_null(store.free);
    assert_null(store.doomed);
}

static void without_memory_there_is_none(void **state) {
    (void)state;
    mouv__alloc_fail_at = 1;
    assert_null(mouv__server_session_take(&store, 0));
    mouv__alloc_fail_at = -1;
    assert_null(store.all);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_new_one_belongs_to_its_store_and_connection),
        CASE(the_one_given_back_last_is_taken_first),
        CASE(one_that_was_idle_for_more_than_25_minutes_is_begun_anew),
        CASE(one_that_is_kept_is_not_given_back),
        cmocka_unit_test(fates),
        CASE(a_kill_s_end_is_when_a_parked_one_was_used_last),
        CASE(a_doomed_one_is_taken_after_25_minutes_the_oldest_first),
        CASE(doomed_ones_are_bounded_the_oldest_goes_first),
        CASE(clearing_ends_each_one_once),
        CASE(without_memory_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
