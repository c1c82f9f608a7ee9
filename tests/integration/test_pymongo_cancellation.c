/*
 * What PyMongo 4.13 promises of cancelled tasks (its test_async_cancellation.py,
 * test_async_loop_unblocked.py and test_interrupt_signal), case by case in the same situations.
 * Where mouv comes to something else docs/differences.md says so.
 */
/* test: own-server */
#include "support/support.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

/* PyMongo's cases sleep for 0.2 s on the server; nothing here waits for the end of so long a time.
 */
#define DELAY "{'$where': 'function() { sleep(30000); return true; }'}"

/* --- What the server does -------------------------------------------------------------------- */

/** How many finds on "users" it runs that sleep. */
static int sleeping(test_t *t) {
    return current_ops(t, "'localOps': true", "'command.filter.$where': {'$exists': true}");
}

/** sleeping(), once it has become `expected` or ten seconds are over. */
static int sleeping_become(test_t *t, int expected) {
    int found = sleeping(t);
    for (int64_t end = now_ms() + 10000; found != expected && found >= 0 && now_ms() < end;) {
        mouv_sleep_ms(10);
        found = sleeping(t);
    }
    return found;
}

/** Waits until so many of the client's operations are with a worker, or ten seconds are over. */
static bool in_flight_become(const mouv_client_t *client, uint64_t expected) {
    mouv_client_stats_t stats;
    for (int64_t end = now_ms() + 10000; now_ms() < end; mouv_sleep_ms(2)) {
        mouv_client_get_stats(client, &stats);
        if (stats.in_flight == expected && (expected > 0 || stats.busy + stats.late == 0))
            return true;
    }
    return false;
}

/* --- test_async_cancellation_closes_connection, test_interrupt_signal ------------------------- */

typedef struct seen {
    int64_t first, last; /* connections that a find was sent on */
} seen_t;

static void on_started(const mouv_command_event_t *event, void *arg) {
    seen_t *seen = arg;
    if (strcmp(event->name, "find") != 0) return;
    if (!seen->first) seen->first = event->connection_id;
    seen->last = event->connection_id;
}

static mouv_client_t *client_with_one_connection(seen_t *seen) {
    char uri[700];
    const mouv_monitor_t monitor = {.command_started = on_started};
    snprintf(uri, sizeof uri, "%s&maxPoolSize=1", test_uri());
    mouv_client_t *client = mouv_client_new(uri, NULL, NULL);
    mouv_client_set_monitor(client, &monitor, seen);
    return client;
}

/** PyMongo closes the connection; here the server has stopped and the connection is good. */
CASE(cancellation_leaves_the_connection_sane_or_replaced) {
    seen_t seen = {0};
    mouv_client_stats_t stats;
    AUTO_BSON *doc = NULL;
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with_one_connection(&seen);
    test_t other = *t;
    other.users = mouv_client_get_collection(client, t->database_name, "users");
    CHECK_INT(insert_numbered(t, 2), 0);
    mouv_future_t find = mouv_collection_find_one(other.users, json(t, DELAY), NULL, NULL);
    CHECK_INT(sleeping_become(t, 1), 1);
    mouv_future_cancel(find);
    CHECK_INT(await(t, find), MOUV_ECANCELED);
    CHECK(in_flight_become(client, 0));
    CHECK_INT(sleeping_become(t, 0), 0);
    CHECK_INT(await(t, mouv_collection_find_one(other.users, json(t, "{'_id': 1}"), NULL, &doc)),
              1);
    CHECK_DOCUMENT(doc, "{'_id': 1, 'n': 1}");
    mouv_client_get_stats(client, &stats);
    CHECK(seen.first > 0);
    CHECK(stats.interrupts > 0 || seen.last == seen.first);
    CHECK_INT(stats.clients, 1);
    mouv_client_close(client, NULL);
    return 0;
}

/** The reply of what was broken off is never another one's, however the two meet. */
CASE(a_find_after_an_interrupted_one_gets_its_own_reply) {
    seen_t seen = {0};
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with_one_connection(&seen);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    CHECK_INT(insert_numbered(t, 2), 0);
    const bson_t *short_sleep =
        json(t, "{'_id': 0, '$where': 'function() { sleep(20); return true; }'}");
    for (int i = 0; i < 40; i++) {
        AUTO_BSON *doc = NULL, *wrong = NULL;
        mouv_future_t find = mouv_collection_find_one(users, short_sleep, NULL, &wrong);
        mouv_sleep_ms(i);
        mouv_future_cancel(find);
        int rc = await(t, find);
        CHECK(rc == MOUV_ECANCELED || rc == 1);
        CHECK_INT(await(t, mouv_collection_find_one(users, json(t, "{'_id': 1}"), NULL, &doc)), 1);
        CHECK_DOCUMENT(doc, "{'_id': 1, 'n': 1}");
    }
    mouv_client_close(client, NULL);
    return 0;
}

/* --- test_async_cancellation_aborts_transaction ----------------------------------------------- */

static int delay_in_transaction(mouv_session_t *session, void *arg) {
    test_t *t = arg;
    int rc = insert_in_session(t, session, "{'_id': 'of the transaction'}");
    if (rc < 0) return rc;
    return mouv_await(
        mouv_collection_find_one(t->users, json(t, DELAY), in(t, session, NULL), NULL), NULL);
}

typedef struct transaction {
    test_t *t;
    mouv_session_t *session;
    int rc;
} transaction_t;

static int transaction_task(void *arg) {
    transaction_t *self = arg;
    self->rc = mouv_with_transaction(self->session, delay_in_transaction, self->t, NULL, NULL);
    return self->rc;
}

CASE(cancellation_aborts_the_transaction) {
    CHECK_INT(insert_numbered(t, 1), 0);
    MOUV_AUTO_SESSION mouv_session_t *session =
        mouv_client_start_session(t->client, NULL, &t->error);
    transaction_t transaction = {t, session, 0};
    mouv_future_t task = mouv_task(transaction_task, &transaction);
    CHECK_INT(sleeping_become(t, 1), 1);
    mouv_future_cancel(task);
    CHECK_INT(await(t, task), MOUV_ECANCELED);
    CHECK_INT(transaction.rc, MOUV_ECANCELED);
    CHECK(!mouv_session_in_transaction(session));
    CHECK_INT(mouv_session_transaction_state(session), MOUV_TRANSACTION_ABORTED);
    CHECK_INT(sleeping_become(t, 0), 0);
    /* Its lock is gone: nobody has to wait for what it has written, and the session is good. */
    CHECK_INT(await(t, mouv_collection_insert_one(
                           t->users, json(t, "{'_id': 'of the transaction'}"), NULL, NULL)),
              1);
    CHECK_INT(mouv_session_start_transaction(session, NULL, &t->error), 0);
    CHECK_INT(insert_in_session(t, session, "{'_id': 'of the next one'}"), 1);
    CHECK_INT(await(t, mouv_session_commit_transaction(session)), 0);
    return 0;
}

/* --- test_async_cancellation_closes_cursor -----------------------------------------------------
 */

/** Makes getMore wait on the server, as PyMongo's case does. */
static int block_get_more(test_t *t) {
    return fail_commands(t, 1, "'getMore'", "'blockConnection': true, 'blockTimeMS': 1000");
}

typedef struct reading {
    mouv_cursor_t *cursor;
    int rc; /* as the task saw it */
} reading_t;

static int read_next(void *arg) {
    reading_t *self = arg;
    const bson_t *doc;
    self->rc = mouv_cursor_next(self->cursor, &doc, NULL);
    return self->rc;
}

static int cancelled_while_reading(test_t *t, mouv_cursor_t *cursor) {
    const bson_t *doc;
    reading_t reading = {cursor, 0};
    mouv_future_t task = mouv_task(read_next, &reading);
    CHECK(in_flight_become(t->client, 1));
    mouv_sleep_ms(50);
    mouv_future_cancel(task);
    CHECK_INT(await(t, task), MOUV_ECANCELED);
    CHECK_INT(reading.rc, MOUV_ECANCELED);
    CHECK(!mouv_cursor_alive(cursor));
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error),
              MOUV_ECANCELED); /* it does not come back */
    CHECK_INT(fail_no_more(t), 0);
    CHECK_INT(open_cursors_become(t, 0), 0);
    return 0;
}

CASE(cancellation_closes_the_cursor) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 3), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_find(t->users, NULL, json(t, "{'batchSize': 1, 'prefetch': false}"));
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    CHECK_INT(open_cursors(t), 1);
    CHECK_INT(block_get_more(t), 0);
    return cancelled_while_reading(t, cursor);
}

/** The batch that was under way already when it was asked for. */
CASE(cancellation_closes_a_cursor_that_fetches_ahead) {
    const bson_t *doc;
    CHECK_INT(insert_numbered(t, 3), 0);
    CHECK_INT(block_get_more(t), 0);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_collection_find(t->users, NULL, json(t, "{'batchSize': 1}"));
    CHECK_INT(mouv_cursor_next(cursor, &doc, &t->error), 1);
    return cancelled_while_reading(t, cursor);
}

/* --- test_async_cancellation_closes_change_stream ----------------------------------------------
 */

typedef struct watching {
    test_t *t;
    mouv_change_stream_t *stream;
    mouv_event_t inserted;
    int rc;
} watching_t;

static int insert_and_watch(void *arg) {
    watching_t *self = arg;
    const bson_t *event;
    self->rc = insert_numbered(self->t, 2);
    if (self->rc < 0) return self->rc;
    mouv_event_set(&self->inserted);
    self->rc = mouv_change_stream_next(self->stream, &event, NULL);
    return self->rc;
}

/** Runs the task and cancels it as soon as it has inserted. */
static int cancelled_while_watching(watching_t *watching) {
    mouv_future_t task = mouv_task(insert_and_watch, watching);
    mouv_event_wait(&watching->inserted);
    mouv_future_cancel(task);
    return await(watching->t, task);
}

static int32_t id_of_event(const bson_t *event) {
    bson_iter_t iter, id;
    if (!bson_iter_init(&iter, event)) return -1;
    return bson_iter_find_descendant(&iter, "documentKey._id", &id) ? bson_iter_int32(&id) : -1;
}

/** PyMongo closes the stream; here it is read on, and no event is lost. */
CASE(cancellation_leaves_the_change_stream_to_its_owner) {
    const bson_t *event;
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        mouv_collection_watch(t->users, NULL, json(t, "{'batchSize': 2}"));
    CHECK_INT(await(t, mouv_change_stream_open(stream)), 0);
    watching_t watching = {.t = t, .stream = stream};
    CHECK_INT(block_get_more(t), 0);
    CHECK_INT(cancelled_while_watching(&watching), MOUV_ECANCELED);
    CHECK_INT(watching.rc, MOUV_ECANCELED);
    CHECK(mouv_change_stream_alive(stream));
    for (int i = 0; i < 2; i++) {
        CHECK_INT(mouv_change_stream_next(stream, &event, &t->error), 1);
        CHECK_INT(id_of_event(event), i);
    }
    CHECK_INT(fail_no_more(t), 0);
    mouv_change_stream_close(stream);
    CHECK(!mouv_change_stream_alive(stream));
    CHECK_INT(open_cursors_become(t, 0), 0);
    return 0;
}

static int watch_as_owner(void *arg) {
    watching_t *self = arg;
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *stream =
        mouv_collection_watch(self->t->users, NULL, json(self->t, "{'batchSize': 2}"));
    self->stream = stream;
    self->rc = mouv_await(mouv_change_stream_open(stream), NULL);
    if (self->rc < 0) return self->rc;
    return insert_and_watch(self);
}

CASE(cancellation_closes_the_change_stream_of_its_own_task) {
    CHECK_INT(await(t, mouv_database_create_collection(t->database, "users", NULL)), 0);
    watching_t watching = {.t = t};
    CHECK_INT(block_get_more(t), 0);
    mouv_future_t task = mouv_task(watch_as_owner, &watching);
    CHECK_INT(mouv_event_wait(&watching.inserted), 0);
    mouv_future_cancel(task);
    CHECK_INT(await(t, task), MOUV_ECANCELED);
    CHECK_INT(fail_no_more(t), 0);
    CHECK_INT(open_cursors_become(t, 0), 0);
    return 0;
}

/* --- test_client_does_not_block_loop ------------------------------------------------------------
 */

/** A port where connections are made and nothing is ever said. */
static int silent_port(int *fd) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0 || bind(*fd, (struct sockaddr *)&address, size) != 0 || listen(*fd, 16) != 0)
        return -1;
    return getsockname(*fd, (struct sockaddr *)&address, &size) == 0 ? ntohs(address.sin_port) : -1;
}

typedef struct ticks {
    int count;
    int64_t longest_ms;
} ticks_t;

static int tick(void *arg) {
    ticks_t *ticks = arg;
    for (;;) {
        int64_t began = now_ms();
        int rc = mouv_sleep_ms(10);
        if (now_ms() - began > ticks->longest_ms) ticks->longest_ms = now_ms() - began;
        if (rc < 0) return rc;
        ticks->count++;
    }
}

BARE_CASE(a_client_without_a_server_does_not_block_the_loop) {
    char uri[200];
    int fd, port = silent_port(&fd);
    CHECK(port > 0);
    snprintf(uri, sizeof uri, "mongodb://127.0.0.1:%d/?serverSelectionTimeoutMS=500", port);
    mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    ticks_t ticks = {0};
    mouv_future_t task = mouv_task(tick, &ticks);
    int64_t began = now_ms();
    CHECK_INT(await(t, mouv_client_ping(client)), MOUV_ESELECTION);
    int64_t took_ms = now_ms() - began;
    CHECK(took_ms >= 499);
    CHECK(took_ms < 20000);
    mouv_future_cancel(task);
    CHECK_INT(await(t, task), MOUV_ECANCELED);
    CHECK(ticks.count >= 3);
    CHECK(ticks.longest_ms < 5000);
    mouv_client_unref(client);
    close(fd);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(cancellation_leaves_the_connection_sane_or_replaced),
        cmocka_unit_test(a_find_after_an_interrupted_one_gets_its_own_reply),
        cmocka_unit_test(cancellation_aborts_the_transaction),
        cmocka_unit_test(cancellation_closes_the_cursor),
        cmocka_unit_test(cancellation_closes_a_cursor_that_fetches_ahead),
        cmocka_unit_test(cancellation_leaves_the_change_stream_to_its_owner),
        cmocka_unit_test(cancellation_closes_the_change_stream_of_its_own_task),
        cmocka_unit_test(a_client_without_a_server_does_not_block_the_loop),
    };
    return RUN_CASES(cases);
}
