/*
 * Monitoring events: order, copies, threads, the end, memory; and every one of the connection
 * pools' with all that it says.
 */
#include "../support/async_support.h"

#include "context/alloc.h"
#include "mongo/topology/events.h"

#define HOST "db.example:27017"

/* --- What is told: a word for each, and what the last ones said ----------------------------- */

typedef struct told {
    mouv_connection_pool_event_t pool;
    mouv_connection_pool_options_t options;
    bson_oid_t service_id;
    mouv_connection_event_t connection;
    mouv_pool_event_t operation;
    mouv_command_event_t command;
    mouv_heartbeat_event_t heartbeat;
    mouv_error_t error;
    char host[64], name[64], database[64], json[200];
    uv_thread_t thread;
    mouv__events_t *stopped; /* by the next one, if not NULL */
} told_t;

static told_t told;

static void keep_text(char *copy, const char *text) {
    snprintf(copy, 64, "%s", text ? text : "(null)");
}

static void keep_document(const bson_t *document) {
    char *text = document ? bson_as_relaxed_extended_json(document, NULL) : NULL;
    snprintf(told.json, sizeof told.json, "%s", text ? text : "NULL");
    bson_free(text);
}

static void keep_error(const mouv_error_t *error) {
    told.error = error ? *error : (mouv_error_t){0};
}

static void on_any(const char *name, const void *arg) {
    CHECK(arg == &told);
    CHECK(!mouv_in_coroutine());
    told.thread = uv_thread_self();
    if (told.stopped) mouv__events_stop(told.stopped);
    event("%s", name);
}

static void keep_pool(const char *name, const mouv_connection_pool_event_t *event, void *arg) {
    on_any(name, arg);
    told.pool = *event;
    if (event->options) told.options = *event->options;
    if (event->service_id) told.service_id = *event->service_id;
    keep_text(told.host, event->host);
}

static void keep_connection(const char *name, const mouv_connection_event_t *event, void *arg) {
    on_any(name, arg);
    told.connection = *event;
    keep_error(event->error);
    keep_text(told.host, event->host);
}

static void keep_operation(const char *name, const mouv_pool_event_t *event, void *arg) {
    on_any(name, arg);
    told.operation = *event;
    keep_text(told.name, event->operation);
    keep_text(told.database, event->database);
}

static void keep_command(const char *name, const mouv_command_event_t *event, void *arg) {
    on_any(name, arg);
    told.command = *event;
    if (event->service_id) told.service_id = *event->service_id;
    keep_error(event->error);
    keep_text(told.name, event->name);
    keep_text(told.database, event->database);
    keep_text(told.host, event->host);
    keep_document(event->command ? event->command : event->reply);
}

static void keep_heartbeat(const char *name, const mouv_heartbeat_event_t *event, void *arg) {
    on_any(name, arg);
    told.heartbeat = *event;
    keep_error(event->error);
    keep_text(told.host, event->host);
    keep_document(event->reply);
}

/* X(kind, callback, which of the above) */
#define SUBSCRIBED(X) \
    X(COMMAND_STARTED, command_started, command) \
    X(COMMAND_SUCCEEDED, command_succeeded, command) \
    X(COMMAND_FAILED, command_failed, command) \
    X(HEARTBEAT_STARTED, heartbeat_started, heartbeat) \
    X(HEARTBEAT_SUCCEEDED, heartbeat_succeeded, heartbeat) \
    X(HEARTBEAT_FAILED, heartbeat_failed, heartbeat) \
    X(OPERATION_QUEUED, operation_queued, operation) \
    X(CLIENT_CHECKED_OUT, client_checked_out, operation) \
    X(CLIENT_RETURNED, client_returned, operation) \
    X(OPERATION_KILLED, operation_killed, operation) \
    X(POOL_CREATED, pool_created, pool) \
    X(POOL_READY, pool_ready, pool) \
    X(POOL_CLEARED, pool_cleared, pool) \
    X(POOL_CLOSED, pool_closed, pool) \
    X(CONNECTION_CREATED, connection_created, connection) \
    X(CONNECTION_READY, connection_ready, connection) \
    X(CONNECTION_CLOSED, connection_closed, connection) \
    X(CONNECTION_CHECK_OUT_STARTED, connection_check_out_started, connection) \
    X(CONNECTION_CHECK_OUT_FAILED, connection_check_out_failed, connection) \
    X(CONNECTION_CHECKED_OUT, connection_checked_out, connection) \
    X(CONNECTION_CHECKED_IN, connection_checked_in, connection)

typedef mouv_command_event_t command_event_t;
typedef mouv_heartbeat_event_t heartbeat_event_t;
typedef mouv_pool_event_t operation_event_t;
typedef mouv_connection_pool_event_t pool_event_t;
typedef mouv_connection_event_t connection_event_t;

#define CALLBACK(kind, callback, view) \
    static void on_##callback(const view##_event_t *event, void *arg) { \
        keep_##view(#callback, event, arg); \
    }
SUBSCRIBED(CALLBACK)

static const mouv_monitor_t everything = {
#define FIELD(kind, callback, view) .callback = on_##callback,
    SUBSCRIBED(FIELD)
#undef FIELD
};

/* --- Writing down --------------------------------------------------------------------------- */

static mouv__events_t *subscribe(const mouv_monitor_t *monitor) {
    memset(&told, 0, sizeof told);
    return mouv__events_new(mouv_runtime_current(), monitor, &told);
}

static void unsubscribe(mouv__events_t *subscription) {
    mouv__events_stop(subscription);
    mouv__events_unref(subscription);
}

static void write_pool(mouv__events_t *subscription, mouv__event_kind_t kind) {
    mouv_connection_pool_event_t what = {.host = HOST, .server_id = 3};
    mouv__events_pool(subscription, kind, &what);
}

static void write_connection(mouv__events_t *subscription, mouv__event_kind_t kind) {
    mouv_error_t error = {.code = MOUV_ENETWORK, .message = "broken"};
    mouv_connection_event_t what = {.host = HOST, .error = &error};
    mouv__events_connection(subscription, kind, &what);
}

static void write_operation(mouv__events_t *subscription, mouv__event_kind_t kind) {
    mouv_pool_event_t what = {.operation = "find", .database = "shop"};
    mouv__events_operation(subscription, kind, &what);
}

static void write_command(mouv__events_t *subscription, mouv__event_kind_t kind) {
    mouv_command_event_t what = {.name = "find", .database = "shop", .host = HOST};
    mouv__events_command(subscription, kind, &what, false);
}

static void write_heartbeat(mouv__events_t *subscription, mouv__event_kind_t kind) {
    mouv_heartbeat_event_t what = {.host = HOST};
    mouv__events_heartbeat(subscription, kind, &what);
}

static void write_everything(mouv__events_t *subscription) {
#define WRITE(kind, callback, view) write_##view(subscription, MOUV__EVENT_##kind);
    SUBSCRIBED(WRITE)
#undef WRITE
}

/* All of their words, in their order. */
static const char all_words[] =
    "command_started command_succeeded command_failed heartbeat_started heartbeat_succeeded "
    "heartbeat_failed operation_queued client_checked_out client_returned operation_killed "
    "pool_created pool_ready pool_cleared pool_closed connection_created connection_ready "
    "connection_closed connection_check_out_started connection_check_out_failed "
    "connection_checked_out connection_checked_in";

/* --- The pools ------------------------------------------------------------------------------ */

CORO_CASE(pool_created_has_the_options) {
    mouv__events_t *subscription = subscribe(&everything);
    mouv_connection_pool_options_t options = {.max_pool_size = 7,
                                              .min_pool_size = 2,
                                              .max_connecting = 3,
                                              .max_idle_time_ms = 500,
                                              .wait_queue_timeout_ms = 600};
    char host[] = HOST;
    mouv_connection_pool_event_t what = {.host = host, .server_id = 4, .options = &options};
    mouv__events_pool(subscription, MOUV__EVENT_POOL_CREATED, &what);
    memset(host, 'x', sizeof host - 1); /* a copy is told of */
    memset(&options, 0, sizeof options);
    yield(1);
    CHECK_STRING(events(), "pool_created");
    CHECK_STRING(told.host, HOST);
    CHECK_INT(told.pool.server_id, 4);
    CHECK(told.pool.options && told.pool.options != &options);
    CHECK_INT(told.options.max_pool_size, 7);
    CHECK_INT(told.options.min_pool_size, 2);
    CHECK_INT(told.options.max_connecting, 3);
    CHECK_INT(told.options.max_idle_time_ms, 500);
    CHECK_INT(told.options.wait_queue_timeout_ms, 600);
    CHECK(!told.pool.service_id && !told.pool.interrupt_in_use);
    unsubscribe(subscription);
    return 0;
}

CORO_CASE(pool_cleared_has_the_service_and_whether_connections_in_use_are_cut) {
    mouv__events_t *subscription = subscribe(&everything);
    bson_oid_t service, expected;
    bson_oid_init_from_string(&expected, "0123456789abcdef01234567");
    service = expected;
    mouv_connection_pool_event_t what = {
        .host = HOST, .server_id = 4, .service_id = &service, .interrupt_in_use = true};
    mouv__events_pool(subscription, MOUV__EVENT_POOL_CLEARED, &what);
    memset(&service, 0, sizeof service);
    yield(1);
    CHECK_STRING(events(), "pool_cleared");
    CHECK(told.pool.service_id && bson_oid_equal(&told.service_id, &expected));
    CHECK(told.pool.interrupt_in_use);
    CHECK(!told.pool.options);
    unsubscribe(subscription);
    return 0;
}

CORO_CASE(pool_ready_and_closed_have_the_server) {
    static const mouv__event_kind_t kinds[] = {MOUV__EVENT_POOL_READY, MOUV__EVENT_POOL_CLOSED};
    mouv__events_t *subscription = subscribe(&everything);
    for (int i = 0; i < 2; i++) {
        memset(&told, 0, sizeof told);
        write_pool(subscription, kinds[i]);
        yield(1);
        CHECK_STRING(told.host, HOST);
        CHECK_INT(told.pool.server_id, 3);
        CHECK(!told.pool.options && !told.pool.service_id && !told.pool.interrupt_in_use);
    }
    CHECK_STRING(events(), "pool_ready pool_closed");
    unsubscribe(subscription);
    return 0;
}

/* --- Their connections ---------------------------------------------------------------------- */

CORO_CASE(every_connection_event_has_its_fields) {
    static const struct {
        mouv__event_kind_t kind;
        mouv_connection_event_t what;
        int error_code;
    } rows[] = {
        {MOUV__EVENT_CONNECTION_CREATED, {.connection_id = 1}, 0},
        {MOUV__EVENT_CONNECTION_READY, {.connection_id = 1, .duration_us = 12}, 0},
        {MOUV__EVENT_CONNECTION_CLOSED,
         {.connection_id = 2, .closed_reason = MOUV_CONNECTION_CLOSED_STALE},
         0},
        {MOUV__EVENT_CONNECTION_CLOSED,
         {.connection_id = 3, .closed_reason = MOUV_CONNECTION_CLOSED_ERROR},
         MOUV_ENETWORK},
        {MOUV__EVENT_CONNECTION_CHECK_OUT_STARTED, {.operation_id = 8}, 0},
        {MOUV__EVENT_CONNECTION_CHECK_OUT_FAILED,
         {.operation_id = 8,
          .check_out_failed_reason = MOUV_CHECK_OUT_FAILED_TIMEOUT,
          .duration_us = 34},
         MOUV_EQUEUE},
        {MOUV__EVENT_CONNECTION_CHECKED_OUT,
         {.connection_id = 1, .operation_id = 9, .duration_us = 56},
         0},
        {MOUV__EVENT_CONNECTION_CHECKED_IN, {.connection_id = 1, .operation_id = 9}, 0},
    };
    mouv__events_t *subscription = subscribe(&everything);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char host[] = HOST;
        mouv_error_t error = {.code = rows[i].error_code, .message = "why"};
        mouv_connection_event_t what = rows[i].what;
        what.host = host;
        what.server_id = 5;
        what.error = rows[i].error_code ? &error : NULL;
        memset(&told, 0, sizeof told);
        mouv__events_connection(subscription, rows[i].kind, &what);
        memset(host, 'x', sizeof host - 1); /* copies are told of */
        memset(&error, 0, sizeof error);
        yield(1);
        CHECK_STRING(told.host, HOST);
        CHECK_INT(told.connection.server_id, 5);
        CHECK_INT(told.connection.connection_id, rows[i].what.connection_id);
        CHECK_INT(told.connection.operation_id, rows[i].what.operation_id);
        CHECK_INT(told.connection.closed_reason, rows[i].what.closed_reason);
        CHECK_INT(told.connection.check_out_failed_reason, rows[i].what.check_out_failed_reason);
        CHECK_INT(told.connection.duration_us, rows[i].what.duration_us);
        CHECK((told.connection.error != NULL) == (rows[i].error_code != 0));
        CHECK_INT(told.error.code, rows[i].error_code);
        if (rows[i].error_code) CHECK_STRING(told.error.message, "why");
    }
    CHECK_STRING(events(),
                 "connection_created connection_ready connection_closed connection_closed "
                 "connection_check_out_started connection_check_out_failed "
                 "connection_checked_out connection_checked_in");
    unsubscribe(subscription);
    return 0;
}

/* --- Commands and operations ---------------------------------------------------------------- */

CORO_CASE(a_command_may_be_nobody_elses_than_mouvs) {
    mouv__events_t *subscription = subscribe(&everything);
    bson_t *find = BCON_NEW("find", "users");
    bson_oid_t service;
    bson_oid_init_from_string(&service, "0123456789abcdef01234567");
    char name[] = "find", database[] = "shop";
    mouv_command_event_t what = {.name = name,
                                 .database = database,
                                 .host = HOST,
                                 .request_id = 1,
                                 .operation_id = 2,
                                 .connection_id = 3,
                                 .server_id = 4,
                                 .service_id = &service,
                                 .command = find};
    mouv__events_command(subscription, MOUV__EVENT_COMMAND_STARTED, &what, false);
    bson_destroy(find);
    memset(name, 'x', sizeof name - 1);
    memset(database, 'x', sizeof database - 1);
    yield(1);
    CHECK_STRING(events(), "command_started");
    CHECK_STRING(told.name, "find");
    CHECK_STRING(told.database, "shop");
    CHECK_STRING(told.host, HOST);
    CHECK_STRING(told.json, "{ \"find\" : \"users\" }");
    CHECK_INT(told.command.request_id, 1);
    CHECK_INT(told.command.operation_id, 2);
    CHECK_INT(told.command.connection_id, 3);
    CHECK_INT(told.command.server_id, 4);
    CHECK(bson_oid_equal(&told.service_id, &service));
    CHECK(!told.command.reply && !told.command.error);
    unsubscribe(subscription);
    return 0;
}

CORO_CASE(a_command_that_failed_has_reply_error_and_duration) {
    mouv__events_t *subscription = subscribe(&everything);
    bson_t *reply = BCON_NEW("ok", BCON_INT32(0));
    mouv_error_t error = {.code = MOUV_ESERVER, .server_code = 59, .message = "no such command"};
    mouv_command_event_t what = {.name = "x", .reply = reply, .error = &error, .duration_us = 77};
    mouv__events_command(subscription, MOUV__EVENT_COMMAND_FAILED, &what, false);
    bson_destroy(reply);
    memset(&error, 0, sizeof error);
    yield(1);
    CHECK_STRING(events(), "command_failed");
    CHECK_STRING(told.json, "{ \"ok\" : 0 }");
    CHECK_INT(told.error.code, MOUV_ESERVER);
    CHECK_INT(told.error.server_code, 59);
    CHECK_INT(told.command.duration_us, 77);
    unsubscribe(subscription);
    return 0;
}

CORO_CASE(secrets_are_told_of_as_empty_documents) {
    mouv__events_t *subscription = subscribe(&everything);
    bson_t *command = BCON_NEW("saslStart", BCON_INT32(1), "payload", "hidden");
    bson_t *hello = BCON_NEW("hello", BCON_INT32(1));
    mouv_command_event_t what = {.name = "saslStart", .command = command};
    CHECK(mouv__events_is_secret("SASLSTART", command));
    CHECK(!mouv__events_is_secret("hello", hello));
    BSON_APPEND_INT32(hello, "speculativeAuthenticate", 1);
    CHECK(mouv__events_is_secret("hello", hello));
    CHECK(!mouv__events_is_secret("find", hello));
    mouv__events_command(subscription, MOUV__EVENT_COMMAND_STARTED, &what, true);
    yield(1);
    CHECK_STRING(told.json, "{ }");
    bson_destroy(command);
    bson_destroy(hello);
    unsubscribe(subscription);
    return 0;
}

CORO_CASE(operations_and_heartbeats_are_told_with_their_fields) {
    mouv__events_t *subscription = subscribe(&everything);
    mouv_pool_event_t queued = {.operation = "find",
                                .database = "shop",
                                .operation_id = 6,
                                .server_id = 7,
                                .waits_for = MOUV_WAITS_FOR_CLIENT,
                                .duration_us = 8};
    mouv_error_t error = {.code = MOUV_ENETWORK, .message = "refused"};
    mouv_heartbeat_event_t failed = {
        .host = HOST, .awaited = true, .duration_us = 9, .error = &error};
    mouv__events_operation(subscription, MOUV__EVENT_OPERATION_QUEUED, &queued);
    mouv__events_heartbeat(subscription, MOUV__EVENT_HEARTBEAT_FAILED, &failed);
    yield(1);
    CHECK_STRING(events(), "operation_queued heartbeat_failed");
    CHECK_STRING(told.name, "find");
    CHECK_STRING(told.database, "shop");
    CHECK_INT(told.operation.operation_id, 6);
    CHECK_INT(told.operation.server_id, 7);
    CHECK_INT(told.operation.waits_for, MOUV_WAITS_FOR_CLIENT);
    CHECK_INT(told.operation.duration_us, 8);
    CHECK_STRING(told.host, HOST);
    CHECK(told.heartbeat.awaited && !told.heartbeat.reply);
    CHECK_INT(told.heartbeat.duration_us, 9);
    CHECK_STRING(told.error.message, "refused");
    unsubscribe(subscription);
    return 0;
}

/* --- Order and threads ---------------------------------------------------------------------- */

CORO_CASE(events_are_told_on_the_next_tick_in_the_order_of_their_writing) {
    mouv__events_t *subscription = subscribe(&everything);
    write_everything(subscription);
    CHECK_STRING(events(), ""); /* not inside of whoever writes them down */
    yield(1);
    CHECK_STRING(events(), all_words);
    unsubscribe(subscription);
    return 0;
}

static void writes_everything(void *subscription) {
    write_everything(subscription);
}

static void on_other_thread(uv_thread_cb write, mouv__events_t *subscription) {
    uv_thread_t thread;
    CHECK(uv_thread_create(&thread, write, subscription) == 0);
    uv_thread_join(&thread);
}

/* Until something has been told. */
static void wait_for_events(void) {
    for (int i = 0; i < 1000 && events()[0] == '\0'; i++) mouv_sleep_ms(1);
}

REAL_CASE(what_other_threads_write_down_wakes_the_loop_and_is_told_there) {
    mouv__events_t *subscription = subscribe(&everything);
    uv_thread_t own = uv_thread_self();
    on_other_thread(writes_everything, subscription);
    CHECK_STRING(events(), "");
    wait_for_events();
    CHECK_STRING(events(), all_words);
    CHECK(uv_thread_equal(&told.thread, &own));
    unsubscribe(subscription);
    return 0;
}

static void writes_two_commands(void *subscription) {
    write_command(subscription, MOUV__EVENT_COMMAND_STARTED);
    write_command(subscription, MOUV__EVENT_COMMAND_SUCCEEDED);
}

REAL_CASE(what_happens_on_two_threads_is_told_in_one_order) {
    mouv__events_t *subscription = subscribe(&everything);
    write_operation(subscription, MOUV__EVENT_CLIENT_CHECKED_OUT);
    on_other_thread(writes_two_commands, subscription);
    write_operation(subscription, MOUV__EVENT_CLIENT_RETURNED);
    wait_for_events();
    CHECK_STRING(events(), "client_checked_out command_started command_succeeded client_returned");
    unsubscribe(subscription);
    return 0;
}

static void awaiter(void *arg) {
    (void)arg;
    event("awaiter");
}

REAL_CASE(a_return_nobody_has_subscribed_to_still_has_the_rest_told_before_the_awaiter) {
    const mouv_monitor_t commands = {.command_started = on_command_started,
                                     .command_succeeded = on_command_succeeded};
    mouv__events_t *subscription = subscribe(&commands);
    on_other_thread(writes_two_commands, subscription);
    write_operation(subscription, MOUV__EVENT_CLIENT_RETURNED);
    mouv_call_soon(awaiter, NULL, NULL);
    yield(2);
    CHECK_STRING(events(), "command_started command_succeeded awaiter");
    unsubscribe(subscription);
    return 0;
}

/* --- The end -------------------------------------------------------------------------------- */

CORO_CASE(nothing_is_told_after_stop) {
    mouv__events_t *subscription = subscribe(&everything);
    write_everything(subscription);
    mouv__events_stop(subscription);
    write_everything(subscription);
    yield(3);
    CHECK_STRING(events(), "");
    mouv__events_stop(subscription);
    mouv__events_unref(subscription);
    return 0;
}

CORO_CASE(a_callback_that_stops_it_is_the_last) {
    mouv__events_t *subscription = subscribe(&everything);
    told.stopped = subscription;
    write_everything(subscription);
    yield(3);
    CHECK_STRING(events(), "command_started");
    mouv__events_unref(subscription);
    return 0;
}

CORO_CASE(finish_tells_the_rest_and_nothing_after_it) {
    mouv__events_t *subscription = subscribe(&everything);
    write_pool(subscription, MOUV__EVENT_POOL_CREATED);
    mouv__events_finish(subscription);
    write_pool(subscription, MOUV__EVENT_POOL_CLOSED); /* in the same tick */
    yield(1);
    CHECK_STRING(events(), "pool_created pool_closed");
    write_pool(subscription, MOUV__EVENT_POOL_READY);
    yield(3);
    CHECK_STRING(events(), "pool_created pool_closed");
    mouv__events_unref(subscription);
    return 0;
}

REAL_CASE(what_is_let_go_with_mail_under_way_ends_when_that_has_come) {
    mouv__events_t *subscription = subscribe(&everything);
    on_other_thread(writes_everything, subscription);
    unsubscribe(subscription);
    pause_ms(1);
    CHECK_STRING(events(), "");
    return 0;
}

static mouv__events_t *left;

static int leaves_a_subscription(void *arg) {
    (void)arg;
    left = subscribe(&everything);
    return 0;
}

static void a_thread_that_outlives_the_loop_may_write_down_but_nothing_is_told(void **state) {
    (void)state;
    run_body(leaves_a_subscription);
    on_other_thread(writes_everything, left);
    on_other_thread(writes_everything, left);
    CHECK_STRING(events(), "");
    mouv__events_unref(left);
}

/* --- What it costs -------------------------------------------------------------------------- */

#define FAR_AWAY INT64_C(1000000)

/* Allocations begin to be counted, and how many there have been. */
static void count_allocations(void) {
    __atomic_store_n(&mouv__alloc_fail_at, FAR_AWAY, __ATOMIC_RELAXED);
}

static int64_t allocations(void) {
    int64_t count = FAR_AWAY - __atomic_load_n(&mouv__alloc_fail_at, __ATOMIC_RELAXED);
    __atomic_store_n(&mouv__alloc_fail_at, -1, __ATOMIC_RELAXED);
    return count;
}

CORO_CASE(what_is_not_subscribed_costs_no_allocation) {
    static const mouv_monitor_t nothing;
    mouv__events_t *subscription = subscribe(&nothing);
    count_allocations();
    write_everything(subscription);
    CHECK_INT(allocations(), 0);
    count_allocations();
    write_everything(NULL);
    CHECK_INT(allocations(), 0);
    CHECK(!mouv__events_wants(NULL, MOUV__EVENT_POOL_CREATED));
    CHECK(!mouv__events_wants(subscription, MOUV__EVENT_POOL_CREATED));
    mouv__events_stop(NULL);
    mouv__events_finish(NULL);
    yield(1);
    CHECK_STRING(events(), "");
    unsubscribe(subscription);
    return 0;
}

CORO_CASE(one_subscription_costs_one_allocation_an_event_and_none_for_the_others) {
    const mouv_monitor_t created = {.pool_created = on_pool_created};
    mouv__events_t *subscription = subscribe(&created);
    count_allocations();
    write_everything(subscription);
    CHECK_INT(allocations(), 1);
    CHECK(mouv__events_wants(subscription, MOUV__EVENT_POOL_CREATED));
    CHECK(!mouv__events_wants(subscription, MOUV__EVENT_POOL_CLOSED));
    yield(1);
    CHECK_STRING(events(), "pool_created");
    unsubscribe(subscription);
    return 0;
}

/* Of an event with an error, the record and the error are allocated: one of them fails. */
CORO_CASE(without_memory_one_event_is_lost_or_its_error_and_nothing_else) {
    static const char *const expected[] = {"pool_ready pool_closed",
                                           "pool_ready connection_check_out_failed pool_closed"};
    mouv__events_t *subscription = subscribe(&everything);
    for (int n = 0; n < 2; n++) {
        events_clear();
        write_pool(subscription, MOUV__EVENT_POOL_READY);
        __atomic_store_n(&mouv__alloc_fail_at, n + 1, __ATOMIC_RELAXED);
        write_connection(subscription, MOUV__EVENT_CONNECTION_CHECK_OUT_FAILED);
        CHECK_INT(mouv__alloc_fail_at, 0);
        __atomic_store_n(&mouv__alloc_fail_at, -1, __ATOMIC_RELAXED);
        write_pool(subscription, MOUV__EVENT_POOL_CLOSED);
        yield(1);
        CHECK_STRING(events(), expected[n]);
    }
    CHECK_INT(told.error.code, MOUV_ENOMEM);
    CHECK_CONTAINS(told.error.message, "no memory");
    unsubscribe(subscription);
    return 0;
}

CORO_CASE(without_memory_there_is_no_subscription) {
    mouv__alloc_fail_at = 1;
    CHECK(subscribe(&everything) == NULL);
    mouv__alloc_fail_at = -1;
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(pool_created_has_the_options),
        TEST(pool_cleared_has_the_service_and_whether_connections_in_use_are_cut),
        TEST(pool_ready_and_closed_have_the_server),
        TEST(every_connection_event_has_its_fields),
        TEST(a_command_may_be_nobody_elses_than_mouvs),
        TEST(a_command_that_failed_has_reply_error_and_duration),
        TEST(secrets_are_told_of_as_empty_documents),
        TEST(operations_and_heartbeats_are_told_with_their_fields),
        TEST(events_are_told_on_the_next_tick_in_the_order_of_their_writing),
        TEST(what_other_threads_write_down_wakes_the_loop_and_is_told_there),
        TEST(what_happens_on_two_threads_is_told_in_one_order),
        TEST(a_return_nobody_has_subscribed_to_still_has_the_rest_told_before_the_awaiter),
        TEST(nothing_is_told_after_stop),
        TEST(a_callback_that_stops_it_is_the_last),
        TEST(finish_tells_the_rest_and_nothing_after_it),
        TEST(what_is_let_go_with_mail_under_way_ends_when_that_has_come),
        TEST(a_thread_that_outlives_the_loop_may_write_down_but_nothing_is_told),
        TEST(without_memory_there_is_no_subscription),
        TEST(what_is_not_subscribed_costs_no_allocation),
        TEST(one_subscription_costs_one_allocation_an_event_and_none_for_the_others),
        TEST(without_memory_one_event_is_lost_or_its_error_and_nothing_else),
    };
    return RUN_CASES(cases);
}
