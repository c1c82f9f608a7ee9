/*
 * Exchanges on the loop: how long they wait, how they are cut and abandoned, what is told of them,
 * what they tell of their server, and that no allocation whose failure matters goes unnoticed.
 */
#include "loop_support.h"

#include "mongo/topology/events.h"
#include "mongo/transport/loop/job.h"

#define PING "{'ping': 1}"
#define LARGE_BYTES (8 * 1024 * 1024)

static void trip_begin_large(trip_t *trip, line_t *line) {
    bson_t *command = BCON_NEW("insert", BCON_UTF8("users")), *document = document_of(LARGE_BYTES);
    BSON_APPEND_DOCUMENT(command, "a", document);
    bson_destroy(document);
    trip_init(trip, line, "{}");
    bson_destroy((bson_t *)trip->exchange.command);
    trip->exchange.command = command;
    trip_send(trip, line);
    turn();
}

/* --- patience --------------------------------------------------------------------------------- */

CORO_CASE(a_silent_server_is_waited_for_as_long_as_the_uri_says) {
    rig_t *rig = rig_new("socketTimeoutMS=1000");
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_begin(&trip, line, PING);
    pass_ms(999);
    CHECK(!trip.done);
    pass_ms(1);
    CHECK_FAILED(trip, MONGOC_ERROR_STREAM, "a:1 was silent for too long");
    CHECK(trip.exchange.reached && !trip.exchange.cut);
    CHECK(!line_is_open(line));
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

CORO_CASE(a_limit_of_its_own_cuts_it) {
    rig_t *rig = rig_new("socketTimeoutMS=1000");
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_init(&trip, line, PING);
    trip.exchange.limit_ms = 50;
    trip_send(&trip, line);
    pass_ms(49);
    CHECK(!trip.done);
    pass_ms(1);
    CHECK_FAILED(trip, MONGOC_ERROR_STREAM, "a:1 was silent for too long");
    CHECK(trip.exchange.reached && trip.exchange.cut);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

CORO_CASE(after_an_answer_nobody_waits) {
    rig_t *rig = rig_new("socketTimeoutMS=100");
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_begin(&trip, line, PING);
    line_answer(line, &trip, "{'ok': 1}");
    pass_ms(500);
    CHECK(trip.done && trip.exchange.ok);
    CHECK(line_is_open(line));
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

/* socketTimeoutMS is what one wait takes at most, and so is `limit_ms`. */
static void answer_slowly(int32_t limit_ms) {
    rig_t *rig = rig_new("socketTimeoutMS=100");
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    bson_t *document = document_of(100000);
    trip_init(&trip, line, PING);
    trip.exchange.limit_ms = limit_ms;
    trip_send(&trip, line);
    message_t message = message_of(trip.exchange.loop.request_id, document);
    for (size_t at = 0, size = 10; at < message.size; at += size, size = 20000) {
        if (size > message.size - at) size = message.size - at;
        pass_ms(60);
        CHECK(!trip.done);
        line_write(line, message.bytes + at, size);
    }
    turn();
    CHECK(trip.done && trip.exchange.ok && bson_equal(trip.exchange.reply, document));
    message_free(message);
    bson_destroy(document);
    trip_end(&trip);
    rig_free(rig);
}

CORO_CASE(an_answer_that_comes_slowly_but_steadily_is_waited_for) {
    answer_slowly(0);
    return 0;
}
CORO_CASE(one_with_a_limit_of_its_own_likewise) {
    answer_slowly(100);
    return 0;
}

CORO_CASE(an_answer_that_stops_in_the_middle_is_not_waited_for) {
    rig_t *rig = rig_new("socketTimeoutMS=100");
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_begin(&trip, line, PING);
    message_t message = message_from_json(trip.exchange.loop.request_id, "{'ok': 1, 'a': 'b'}");
    pass_ms(60);
    line_write(line, message.bytes, message.size - 1);
    pass_ms(99);
    CHECK(!trip.done);
    pass_ms(2);
    CHECK_FAILED(trip, MONGOC_ERROR_STREAM, "a:1 was silent for too long");
    message_free(message);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

CORO_CASE(a_command_that_goes_out_slowly_but_steadily_is_waited_for) {
    rig_t *rig = rig_new("socketTimeoutMS=100");
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    uint8_t *bytes = malloc(LARGE_BYTES);
    trip_begin_large(&trip, line);
    for (int i = 0; i < 8; i++) {
        pass_ms(60);
        CHECK(!trip.done && !trip.exchange.reached);
        CHECK(line_read(line, bytes, LARGE_BYTES / 10));
    }
    turn();
    pass_ms(101);
    CHECK_FAILED(trip, MONGOC_ERROR_STREAM, "a:1 was silent for too long");
    CHECK(!trip.exchange.reached);
    free(bytes);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

CORO_CASE(the_wait_for_an_answer_begins_with_the_last_byte_that_goes) {
    rig_t *rig = rig_new("socketTimeoutMS=100");
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_begin_large(&trip, line);
    pass_ms(90);
    message_free(line_take(line));
    turn();
    CHECK(trip.exchange.reached);
    pass_ms(90);
    CHECK(!trip.done);
    line_answer(line, &trip, "{'ok': 1}");
    turn();
    CHECK(trip.done && trip.exchange.ok);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

/* On the real clock, whose timers come before the sockets. */
static void be_busy_for(int32_t limit_ms, bool answered) {
    rig_t *rig = rig_new("socketTimeoutMS=20");
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_init(&trip, line, PING);
    trip.exchange.limit_ms = limit_ms;
    trip_send(&trip, line);
    if (answered) {
        message_t message = message_from_json(trip.exchange.loop.request_id, "{'ok': 1}");
        CHECK_INT(write(line->fd, message.bytes, message.size), message.size);
        message_free(message);
    }
    usleep(60 * 1000);
    for (int i = 0; i < 1000 && !trip.done; i++) turn();
    CHECK(trip.done && trip.exchange.ok == answered);
    CHECK(line_is_open(line) == answered);
    trip_end(&trip);
    rig_free(rig);
}

REAL_CASE(a_loop_that_was_busy_is_no_server_that_was_silent) {
    be_busy_for(0, true);
    be_busy_for(20, true);
    be_busy_for(0, false);
    be_busy_for(20, false);
    return 0;
}

/* --- cuts ------------------------------------------------------------------------------------- */

CORO_CASE(a_cut_ends_it_and_its_connection) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_begin(&trip, line, PING);
    turn();
    CHECK(trip_cut(&trip));
    CHECK(!trip.done);
    CHECK(!trip_cut(&trip)); /* it is over already */
    turn();
    CHECK_FAILED(trip, MONGOC_ERROR_STREAM, "a:1 has not answered in time");
    CHECK(trip.exchange.cut && trip.exchange.reached);
    CHECK(!line_is_open(line));
    CHECK_INT(rig->lost, 0);
    CHECK_INT(rig->job_count, 0);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

CORO_CASE(what_is_cut_with_unsent_bytes_has_not_reached_the_server) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_begin_large(&trip, line);
    CHECK(trip_cut(&trip));
    turn();
    CHECK_FAILED(trip, MONGOC_ERROR_STREAM, "a:1 has not answered in time");
    CHECK(trip.exchange.cut && !trip.exchange.reached);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

CORO_CASE(half_an_answer_goes_with_a_cut) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    bson_t *document = document_of(200000);
    trip_begin(&trip, line, PING);
    message_t message = message_of(trip.exchange.loop.request_id, document);
    line_write(line, message.bytes, 100000);
    turn();
    CHECK(trip_cut(&trip));
    turn();
    CHECK_FAILED(trip, MONGOC_ERROR_STREAM, "a:1 has not answered in time");
    message_free(message);
    bson_destroy(document);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

CORO_CASE(what_names_no_call_is_not_cut) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_init(&trip, line, PING);
    trip.exchange.call_id = 0;
    trip_send(&trip, line);
    CHECK(!trip_cut(&trip));
    line_answer(line, &trip, "{'ok': 1}");
    turn();
    CHECK(trip.done && trip.exchange.ok);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

/* --- unacknowledged --------------------------------------------------------------------------- */

CORO_CASE(an_unacknowledged_one_is_over_once_it_is_out) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_init(&trip, line, PING);
    trip.exchange.unacknowledged = true;
    trip_send(&trip, line);
    CHECK(!trip.done);
    turn();
    CHECK(trip.done && trip.exchange.ok && trip.exchange.reached);
    CHECK_DOCUMENT(trip.exchange.reply, "{'ok': 1}");
    message_t message = line_take(line);
    CHECK(message.size > MESSAGE_HEAD_BYTES && message.bytes[16] == MOUV__MESSAGE_MORE_TO_COME);
    message_free(message);
    CHECK(line_is_open(line));
    trip_end(&trip);
    trip_begin(&trip, line, PING);
    line_answer(line, &trip, "{'ok': 1, 'a': 2}");
    turn();
    CHECK_DOCUMENT(trip.exchange.reply, "{'ok': 1, 'a': 2}");
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

CORO_CASE(a_large_unacknowledged_one_waits_for_its_last_byte) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_begin_large(&trip, line);
    trip.exchange.unacknowledged = true; /* its message says otherwise, which nobody reads here */
    CHECK(!trip.done);
    message_free(line_take(line));
    turn();
    CHECK(trip.done && trip.exchange.ok && trip.exchange.reached);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

/* --- connections that are not to be used any more --------------------------------------------- */

static void drop_while_out(bool unacknowledged) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    mouv__connection_t *connection = &line->connection->connection;
    trip_t trip;
    trip_begin_large(&trip, line);
    trip.exchange.unacknowledged = unacknowledged;
    connection->dropped(connection, RIG_SERVER);
    CHECK(line_is_open(line));
    message_free(line_take(line));
    if (!unacknowledged) line_answer(line, &trip, "{'ok': 1}");
    turn();
    CHECK(trip.done && trip.exchange.ok);
    CHECK(!line_is_open(line));
    trip_end(&trip);
    rig_free(rig);
}

CORO_CASE(a_dropped_connection_is_closed_when_its_exchange_is_over) {
    drop_while_out(false);
    return 0;
}
CORO_CASE(a_dropped_connection_is_closed_when_all_is_sent_and_no_answer_comes) {
    drop_while_out(true);
    return 0;
}

CORO_CASE(a_dropped_connection_that_is_idle_is_closed_at_once) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    mouv__connection_t *connection = &line->connection->connection;
    connection->dropped(connection, RIG_SERVER + 1);
    CHECK(line_is_open(line));
    connection->dropped(connection, RIG_SERVER);
    CHECK(!line_is_open(line));
    rig_free(rig);
    return 0;
}

CORO_CASE(without_a_socket_to_the_server_nothing_is_sent) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    line_close(line);
    turn();
    trip_begin(&trip, line, PING);
    turn();
    CHECK_FAILED(trip, MONGOC_ERROR_STREAM, "the server has closed the connection");
    CHECK(!trip.exchange.reached && !trip.exchange.cut);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

/* --- abandoned -------------------------------------------------------------------------------- */

static void check_abandoned(rig_t *rig, trip_t *trip) {
    turn();
    CHECK(trip->discarded && !trip->done);
    trip_end(trip);
    pass_ms(500);
    rig_free(rig);
}

CORO_CASE(what_is_abandoned_while_it_is_sent_is_discarded) {
    rig_t *rig = rig_new("socketTimeoutMS=100");
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_begin_large(&trip, line);
    trip_abandon(&trip);
    CHECK(!line_is_open(line));
    check_abandoned(rig, &trip);
    return 0;
}

CORO_CASE(what_is_abandoned_while_its_answer_comes_is_discarded) {
    rig_t *rig = rig_new("socketTimeoutMS=100");
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    bson_t *document = document_of(200000);
    trip_begin(&trip, line, PING);
    message_t message = message_of(trip.exchange.loop.request_id, document);
    line_write(line, message.bytes, 100000);
    turn();
    trip_abandon(&trip);
    CHECK(!line_is_open(line));
    message_free(message);
    bson_destroy(document);
    check_abandoned(rig, &trip);
    return 0;
}

/* It has ended, and is to be told so on the next tick. */
CORO_CASE(what_is_abandoned_before_it_is_told_of_is_discarded) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_begin(&trip, line, PING);
    CHECK(trip_cut(&trip));
    trip_abandon(&trip);
    CHECK(!trip.discarded);
    check_abandoned(rig, &trip);
    return 0;
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_started(const mouv_command_event_t *told, void *arg) {
    (void)arg;
    event("%s:%s:%s:%d", told->name, told->database, told->host, (int)told->connection_id);
    CHECK(told->command != NULL);
}
static void on_succeeded(const mouv_command_event_t *told, void *arg) {
    (void)arg;
    event("+%s:%d", told->name, (int)(told->duration_us / 1000));
    CHECK(told->reply != NULL);
}
static void on_failed(const mouv_command_event_t *told, void *arg) {
    (void)arg;
    event("-%s:%s", told->name, told->error->message);
}

CORO_CASE(each_command_is_told_of) {
    static const mouv_monitor_t monitor = {.command_started = on_started,
                                           .command_succeeded = on_succeeded,
                                           .command_failed = on_failed};
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{'connectionId': 9}");
    trip_t trip;
    rig->client.events = mouv__events_new(mouv__runtime(), &monitor, NULL);
    trip_begin(&trip, line, PING);
    pass_ms(7);
    line_answer(line, &trip, "{'ok': 1}");
    turn();
    CHECK_STRING(events(), "ping:shop:a:1:9 +ping:7");
    CHECK_INT(trip.exchange.took_ns, 7 * MOUV__NS_PER_MS);
    trip_end(&trip);
    events_clear();
    trip_begin(&trip, line, PING);
    line_answer(line, &trip, "{'ok': 0, 'code': 1, 'errmsg': 'no!'}");
    turn();
    CHECK(trip.done && !trip.exchange.ok && trip.exchange.reply != NULL);
    CHECK_CONTAINS(events(), "-ping:");
    CHECK_CONTAINS(events(), "no!");
    trip_end(&trip);
    events_clear();
    trip_init(&trip, line, PING);
    trip.exchange.quiet = true;
    trip_send(&trip, line);
    line_answer(line, &trip, "{'ok': 1}");
    turn();
    CHECK_STRING(events(), "");
    trip_end(&trip);
    mouv__events_stop(rig->client.events);
    mouv__events_unref(rig->client.events);
    rig->client.events = NULL;
    rig_free(rig);
    return 0;
}

/* --- no memory -------------------------------------------------------------------------------- */

/* Whether all went well although the n-th allocation failed, if there were so many. */
static bool call_with_failure(const char *hello, int64_t n, bool *was_reached) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, hello);
    trip_t trip;
    mouv__server_session_t session = {0};
    bson_t *document = document_of(300000);
    trip_init(&trip, line, PING);
    trip.exchange.session = &session;
    mouv__alloc_fail_at = n;
    trip_send(&trip, line);
    message_t message = message_of(trip.exchange.loop.request_id, document);
    if (line->peer->hello.compressor >= 0)
        message = message_pack((uint8_t)line->peer->hello.compressor, message);
    line_write_message(line, message);
    turn();
    if (rig->job_count > 0) rig_work(rig, true);
    turn();
    *was_reached = mouv__alloc_fail_at == 0;
    mouv__alloc_fail_at = -1;
    CHECK(trip.done);
    bool ok = trip.exchange.ok;
    if (ok) CHECK(bson_equal(trip.exchange.reply, document));
    if (!ok) CHECK_CONTAINS(trip.exchange.error.message, "memory");
    if (!ok) CHECK(!line_is_open(line));
    bson_destroy(document);
    trip_end(&trip);
    rig_free(rig);
    return ok;
}

static void every_allocation_fails(const char *hello) {
    bool was_reached = false;
    int failures = 0;
    CHECK(call_with_failure(hello, -1, &was_reached)); /* the runtime has what it needs */
    was_reached = true;
    for (int64_t n = 1; was_reached && n < 100; n++)
        failures += !call_with_failure(hello, n, &was_reached);
    CHECK(!was_reached);
    CHECK(failures > 0);
}

CORO_CASE(every_allocation_of_a_call_may_fail) {
    every_allocation_fails("{'logicalSessionTimeoutMinutes': 30}");
    return 0;
}

#ifdef MOUV_HAVE_ZLIB
CORO_CASE(every_allocation_of_a_compressed_call_may_fail) {
    every_allocation_fails("{'logicalSessionTimeoutMinutes': 30, 'compression': ['zlib']}");
    return 0;
}
#endif

/* --- the picture ------------------------------------------------------------------------------ */

CORO_CASE(an_answer_that_says_not_primary_or_going_marks_the_server) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_begin(&trip, line, PING);
    line_answer(line, &trip, "{'ok': 0, 'code': 11000, 'errmsg': 'x'}");
    turn();
    CHECK(trip.done && !rig_is_marked(rig));
    trip_end(&trip);
    trip_begin(&trip, line, PING);
    line_answer(line, &trip, "{'ok': 0, 'code': 91, 'errmsg': 'x'}");
    turn();
    CHECK(trip.done && rig_is_marked(rig));
    CHECK_INT(rig->cleared, 1);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

CORO_CASE(of_connections_that_are_lost_together_one_marks_the_server) {
    rig_t *rig = rig_new(NULL);
    line_t *lines[3];
    trip_t trips[3];
    for (int i = 0; i < 3; i++) {
        lines[i] = line_new(rig, "{}");
        trip_begin(&trips[i], lines[i], PING);
    }
    for (int i = 0; i < 3; i++) line_close(lines[i]);
    turn();
    for (int i = 0; i < 3; i++) CHECK_FAILED(trips[i], MONGOC_ERROR_STREAM, "was lost");
    CHECK(rig_is_marked(rig));
    CHECK_INT(rig->cleared, 1);
    for (int i = 0; i < 3; i++) trip_end(&trips[i]);
    rig_free(rig);
    return 0;
}

/* Whoever sends does not find the picture changed under its hands: see rig_on_server_changed(). */
CORO_CASE(a_connection_that_is_lost_as_it_is_sent_on_marks_the_server_later) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    line_close(line);
    trip_begin(&trip, line, PING);
    CHECK(!trip.done && !rig_is_marked(rig));
    turn();
    CHECK_FAILED(trip, MONGOC_ERROR_STREAM, "was lost");
    CHECK(rig_is_marked(rig));
    CHECK_INT(rig->cleared, 1);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

/* For want of patience, or because it was no MongoDB that answered. */
CORO_CASE(cuts_silence_and_what_is_no_answer_mark_no_server) {
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
    CHECK(!rig_is_marked(rig));
    for (int i = 0; i < 3; i++) trip_end(&trips[i]);
    rig_free(rig);
    return 0;
}

static void on_connected(void *arg, const mouv_error_t *error) {
    *(bool *)arg = error == NULL;
}

/* Those that libmongoc's picture does not see. */
CORO_CASE(a_connection_that_cannot_be_made_marks_the_server_that_it_was_begun_to) {
    static const uint32_t domains[] = {MONGOC_ERROR_CLIENT, MONGOC_ERROR_STREAM};
    for (int stale = 0; stale < 2; stale++) {
        for (int i = 0; i < 2; i++) {
            rig_t *rig = rig_new(NULL);
            line_t *line = line_new(rig, "{}");
            mouv__server_t *server = mouv__topology_server(rig->topology, RIG_SERVER);
            bool connected = true;
            server->generation = 5;
            mouv__connecting_t *connecting = mouv__job_connect(
                rig->loop, line->connection, RIG_SERVER, on_connected, &connected);
            bson_set_error(&connecting->background.error, domains[i], 1, "no");
            CHECK_INT(connecting->generation, 5);
            server->generation += (uint32_t)stale;
            rig_work(rig, false);
            CHECK(!connected);
            CHECK_INT(rig_is_marked(rig), i == 1 && !stale && !mouv__factory_is_seen());
            rig_free(rig);
        }
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(a_silent_server_is_waited_for_as_long_as_the_uri_says),
        TEST(a_limit_of_its_own_cuts_it),
        TEST(after_an_answer_nobody_waits),
        TEST(an_answer_that_comes_slowly_but_steadily_is_waited_for),
        TEST(one_with_a_limit_of_its_own_likewise),
        TEST(an_answer_that_stops_in_the_middle_is_not_waited_for),
        TEST(a_command_that_goes_out_slowly_but_steadily_is_waited_for),
        TEST(the_wait_for_an_answer_begins_with_the_last_byte_that_goes),
        TEST(a_loop_that_was_busy_is_no_server_that_was_silent),
        TEST(a_cut_ends_it_and_its_connection),
        TEST(what_is_cut_with_unsent_bytes_has_not_reached_the_server),
        TEST(half_an_answer_goes_with_a_cut),
        TEST(what_names_no_call_is_not_cut),
        TEST(an_unacknowledged_one_is_over_once_it_is_out),
        TEST(a_large_unacknowledged_one_waits_for_its_last_byte),
        TEST(a_dropped_connection_is_closed_when_its_exchange_is_over),
        TEST(a_dropped_connection_is_closed_when_all_is_sent_and_no_answer_comes),
        TEST(a_dropped_connection_that_is_idle_is_closed_at_once),
        TEST(without_a_socket_to_the_server_nothing_is_sent),
        TEST(what_is_abandoned_while_it_is_sent_is_discarded),
        TEST(what_is_abandoned_while_its_answer_comes_is_discarded),
        TEST(what_is_abandoned_before_it_is_told_of_is_discarded),
        TEST(each_command_is_told_of),
        TEST(an_answer_that_says_not_primary_or_going_marks_the_server),
        TEST(of_connections_that_are_lost_together_one_marks_the_server),
        TEST(a_connection_that_is_lost_as_it_is_sent_on_marks_the_server_later),
        TEST(cuts_silence_and_what_is_no_answer_mark_no_server),
        TEST(a_connection_that_cannot_be_made_marks_the_server_that_it_was_begun_to),
        TEST(every_allocation_of_a_call_may_fail),
#ifdef MOUV_HAVE_ZLIB
        TEST(every_allocation_of_a_compressed_call_may_fail),
#endif
    };
    return RUN_CASES(cases);
}
