/*
 * The end of a transport: endSessions, connections, what is still on workers. What libmongoc has
 * is not there, so its part takes no time.
 */
#include "loop_support.h"

#define SESSIONS "{'logicalSessionTimeoutMinutes': 30}"

static int ended;

static void on_ended(void *arg, const mouv_error_t *error) {
    rig_t *rig = arg;
    CHECK(error == NULL);
    CHECK(rig->loop != NULL);
    ended++;
}

/* One that has been used. */
static void add_session(rig_t *rig) {
    mouv__session_store_t *store = &rig->loop->transport.sessions;
    mouv__server_session_t *session = mouv__server_session_take(store, 1);
    session->handle = session->lsid;
    memset(session->lsid, 7, sizeof session->lsid);
    mouv__server_session_give_back(session, 1);
}

/* All lines' connections go with it. */
static void rig_close(rig_t *rig, bool unreachable) {
    mouv__transport_end_t end = {.unreachable = unreachable};
    end.connections = calloc(100, sizeof *end.connections);
    for (line_t *line = rig->lines; line; line = line->next)
        end.connections[end.count++] = &line->connection->connection;
    ended = 0;
    rig->loop->transport.ops->close(&rig->loop->transport, &end, on_ended, rig);
    turn();
}

/* It has ended: as its client does then. */
static void rig_free_closed(rig_t *rig) {
    CHECK_INT(ended, 1);
    rig->loop->transport.ops->free(&rig->loop->transport);
    rig->loop = NULL;
    turn();
    while (rig->job_count > 0) rig_work(rig, false); /* what comes back later than that */
    rig_free(rig);
}

CORO_CASE(connections_are_closed_and_then_it_is_over) {
    rig_t *rig = rig_new(NULL);
    line_t *a = line_new(rig, SESSIONS), *b = line_new(rig, SESSIONS);
    rig_close(rig, false);
    CHECK(line_sees_end(a));
    CHECK(line_sees_end(b));
    CHECK_INT(ended, 0);
    CHECK_INT(rig->job_count, 1); /* libmongoc's part */
    rig_work(rig, true);
    turn();
    rig_free_closed(rig);
    return 0;
}

CORO_CASE(sessions_are_ended_first) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, SESSIONS);
    add_session(rig);
    rig_close(rig, false);
    CHECK_INT(rig->job_count, 0);
    bson_t *asked = line_asked(line);
    CHECK_DOCUMENT(asked, "{'endSessions': [{'id': {'$binary': {'base64':"
                          " 'BwcHBwcHBwcHBwcHBwcHBw==', 'subType': '04'}}}], '$db': 'admin'}");
    bson_destroy(asked);
    line_write_message(line, message_from_json(1, "{'ok': 1}"));
    turn();
    CHECK(line_sees_end(line));
    rig_work(rig, true);
    turn();
    rig_free_closed(rig);
    return 0;
}

CORO_CASE(the_connection_that_goes_last_says_it) {
    rig_t *rig = rig_new(NULL);
    line_t *a = line_new(rig, SESSIONS), *b = line_new(rig, SESSIONS), *c = line_new(rig, "{}");
    b->connection->connection.goes_last = true; /* neither the first nor the last in the list */
    add_session(rig);
    rig_close(rig, false);
    bson_t *asked = line_asked(b);
    CHECK(asked != NULL);
    bson_destroy(asked);
    CHECK(!line_sees_end(a));
    CHECK(!line_sees_end(c));
    line_write_message(b, message_from_json(1, "{'ok': 1}"));
    turn();
    rig_work(rig, true);
    turn();
    rig_free_closed(rig);
    return 0;
}

CORO_CASE(an_unreachable_server_is_told_nothing) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, SESSIONS);
    add_session(rig);
    rig_close(rig, true);
    CHECK(line_sees_end(line));
    rig_work(rig, true);
    turn();
    rig_free_closed(rig);
    return 0;
}

CORO_CASE(a_silent_server_holds_it_up_for_a_moment) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, SESSIONS);
    add_session(rig);
    rig_close(rig, false);
    bson_destroy(line_asked(line));
    pass_ms(MOUV__GOODBYE_MS - 10);
    CHECK_INT(rig->job_count, 0);
    pass_ms(20);
    CHECK(line_sees_end(line));
    CHECK_INT(rig->job_count, 1);
    rig_work(rig, true);
    turn();
    rig_free_closed(rig);
    return 0;
}

/* The picture changes while the pool goes. */
static void end_with_news(const char *answer) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, SESSIONS);
    add_session(rig);
    rig_close(rig, false);
    bson_destroy(line_asked(line));
    if (answer)
        line_write_message(line, message_from_json(1, answer));
    else
        line_close(line);
    turn();
    CHECK(rig_is_marked(rig));
    CHECK_INT(rig->job_count, 1);
    rig_work(rig, true);
    turn();
    rig_free_closed(rig);
}

CORO_CASE(a_server_that_shuts_down_at_the_same_time_does_not_hold_it_up) {
    end_with_news("{'ok': 0, 'code': 91, 'errmsg': 'shutting down'}");
    return 0;
}
CORO_CASE(a_server_that_is_lost_at_the_end_does_not_either) {
    end_with_news(NULL);
    return 0;
}

CORO_CASE(what_is_abandoned_tells_nobody) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, SESSIONS);
    add_session(rig);
    rig_close(rig, false);
    bson_destroy(line_asked(line));
    rig->loop->transport.ops->abandon_jobs(&rig->loop->transport);
    turn();
    CHECK(line_sees_end(line));
    rig_work(rig, true);
    turn();
    CHECK_INT(ended, 0);
    ended = 1;
    rig_free_closed(rig);
    return 0;
}

CORO_CASE(one_that_was_never_opened_is_over_at_once) {
    rig_t *rig = rig_new(NULL);
    mouv__transport_end_t end = {.connections = calloc(10, sizeof *end.connections)};
    mouv__peers_close(&rig->loop->peers);
    while (!rig->emptied) turn();
    ended = 0;
    rig->loop->transport.ops->close(&rig->loop->transport, &end, on_ended, rig);
    rig_free_closed(rig);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(connections_are_closed_and_then_it_is_over),
        TEST(sessions_are_ended_first),
        TEST(the_connection_that_goes_last_says_it),
        TEST(an_unreachable_server_is_told_nothing),
        TEST(a_silent_server_holds_it_up_for_a_moment),
        TEST(a_server_that_shuts_down_at_the_same_time_does_not_hold_it_up),
        TEST(a_server_that_is_lost_at_the_end_does_not_either),
        TEST(what_is_abandoned_tells_nobody),
        TEST(one_that_was_never_opened_is_over_at_once),
    };
    return RUN_CASES(cases);
}
