/*
 * The specification's files on connection monitoring and pooling (MOUV_SPEC_TESTS_2 names their
 * folder's parent) against the pool: `ready` and `clear` are the server becoming known and Unknown,
 * `close` is the end of the client, what a fail point delays or fails is a connection being set up.
 * One that fails makes libmongoc forget what kind of server it is, which is this program's to do
 * here. Texts of errors are mouv's own, so of those only the kind is compared.
 */
#include "pool_support.h"
#include "spec_folder.h"

/* Files that do not run, each with its reason. */
static const struct {
    const char *file, *reason;
} exceptions[] = {
    {"pool-checkout-error-closed", "a closed client turns operations away before its pool"},
    {"pool-clear-ready", "who wants a server that is not known waits for it: no check out begins"},
    {"pool-ready", "who wants a server that is not known waits for it: no check out begins"},
    {"pool-clear-interrupting-pending-connections",
     "nothing is interrupted when a server is lost: each has its own limits"},
};

#define EVENTS_MAX 128
#define CUSTOMERS_MAX 32

typedef struct told {
    const char *type;
    int server_id, connection_id; /* -1: it has none */
    int64_t duration_us;          /* -1: it has none */
    const char *reason;
    bool has_host, has_options, interrupts;
    mouv_connection_pool_options_t options;
} told_t;

static struct run {
    const char *name;
    const bson_t *file;
    fake_t *fake;
    told_t told[EVENTS_MAX];
    int told_count;
    customer_t customers[CUSTOMERS_MAX];
    const char *labels[CUSTOMERS_MAX], *threads[CUSTOMERS_MAX];
    int customer_count;
    bool fails_connecting;
    int error; /* of the main thread, or of one that was waited for */
} run;

static int ran, excepted;

/* --- events ----------------------------------------------------------------------------------- */

static told_t *add(const char *type) {
    if (run.told_count == EVENTS_MAX) abort();
    run.told[run.told_count] = (told_t){.type = type, .connection_id = -1, .duration_us = -1};
    return &run.told[run.told_count++];
}

static void add_pool(const char *type, const mouv_connection_pool_event_t *event) {
    told_t *told = add(type);
    told->has_host = event->host != NULL;
    told->interrupts = event->interrupt_in_use;
    told->has_options = event->options != NULL;
    if (event->options) told->options = *event->options;
}

static void add_connection(const char *type, const mouv_connection_event_t *event) {
    static const char *const closed[] = {NULL, "stale", "idle", "error", "poolClosed"};
    static const char *const failed[] = {NULL, "poolClosed", "timeout", "connectionError"};
    told_t *told = add(type);
    told->has_host = event->host != NULL;
    told->connection_id = (int)event->connection_id;
    told->duration_us = event->duration_us;
    told->reason = event->closed_reason ? closed[event->closed_reason]
                                        : failed[event->check_out_failed_reason];
}

#define ADD_POOL(callback, type) \
    static void on_##callback(const mouv_connection_pool_event_t *event, void *arg) { \
        (void)arg; \
        add_pool(type, event); \
    }
#define ADD_CONNECTION(callback, type) \
    static void on_##callback(const mouv_connection_event_t *event, void *arg) { \
        (void)arg; \
        add_connection(type, event); \
    }
ADD_POOL(pool_created, "ConnectionPoolCreated")
ADD_POOL(pool_ready, "ConnectionPoolReady")
ADD_POOL(pool_cleared, "ConnectionPoolCleared")
ADD_POOL(pool_closed, "ConnectionPoolClosed")
ADD_CONNECTION(connection_created, "ConnectionCreated")
ADD_CONNECTION(connection_ready, "ConnectionReady")
ADD_CONNECTION(connection_closed, "ConnectionClosed")
ADD_CONNECTION(connection_check_out_started, "ConnectionCheckOutStarted")
ADD_CONNECTION(connection_check_out_failed, "ConnectionCheckOutFailed")
ADD_CONNECTION(connection_checked_out, "ConnectionCheckedOut")
ADD_CONNECTION(connection_checked_in, "ConnectionCheckedIn")

static const mouv_monitor_t recording = {
    .pool_created = on_pool_created,
    .pool_ready = on_pool_ready,
    .pool_cleared = on_pool_cleared,
    .pool_closed = on_pool_closed,
    .connection_created = on_connection_created,
    .connection_ready = on_connection_ready,
    .connection_closed = on_connection_closed,
    .connection_check_out_started = on_connection_check_out_started,
    .connection_check_out_failed = on_connection_check_out_failed,
    .connection_checked_out = on_connection_checked_out,
    .connection_checked_in = on_connection_checked_in,
};

static int count_told(const char *type) {
    int count = 0;
    fake_turn();
    for (int i = 0; i < run.told_count; i++) count += strcmp(run.told[i].type, type) == 0;
    return count;
}

/* --- fail points ------------------------------------------------------------------------------ */

/* No connection can be set up: the hello of each fails with `errorCode`. */
static void fail_connecting(void) {
    fake_call_t *connect = fake_out(run.fake, FAKE_CONNECT, 0);
    if (!run.fails_connecting || !connect) return;
    fake_connect_fail(connect, MOUV_ENETWORK, "the hello has failed");
    fake_deploy(run.fake, "Unknown");
}

/* Time passes, to the next look at what has come of it. */
static void step(int64_t ms) {
    fake_turn();
    fail_connecting();
    fake_pass_ms(ms);
}

/* --- operations ------------------------------------------------------------------------------- */

#define PATIENCE_MS 10000
#define STEP_MS 10

static bool complain(const char *what, const char *of) {
    fprintf(stderr, "    %s: %s %s\n", run.name, what, of ? of : "");
    return CHECK(!"as the file says");
}

static bool is_settled(const customer_t *customer) {
    return customer->granted || customer->failed;
}

static void settle(customer_t *customer) {
    for (int ms = 0; ms < PATIENCE_MS && !is_settled(customer); ms += STEP_MS) step(STEP_MS);
    if (!is_settled(customer)) complain("waits for ever:", "checkOut");
    if (customer->failed) run.error = customer->error.code;
}

static void check_out(const bson_t *operation) {
    if (run.customer_count == CUSTOMERS_MAX) abort();
    int n = run.customer_count++;
    run.labels[n] = text_in(operation, "label");
    run.threads[n] = text_in(operation, "thread");
    customer_come(&run.customers[n], run.fake, NULL, 1);
    if (!run.threads[n]) settle(&run.customers[n]);
}

static void check_in(const char *label) {
    for (int i = 0; i < run.customer_count; i++)
        if (run.labels[i] && strcmp(run.labels[i], label) == 0) {
            customer_leave(&run.customers[i]);
            return;
        }
    complain("no connection", label);
}

static void wait_for_thread(const char *name) {
    for (int i = 0; i < run.customer_count; i++)
        if (run.threads[i] && strcmp(run.threads[i], name) == 0) settle(&run.customers[i]);
}

static void wait_for_event(const bson_t *operation) {
    const char *type = text_in(operation, "event");
    int count = (int)number_in(operation, "count", 1);
    int64_t patience_ms = (int64_t)number_in(operation, "timeout", PATIENCE_MS);
    for (int64_t ms = 0; ms < patience_ms && count_told(type) < count; ms += STEP_MS) step(STEP_MS);
    if (count_told(type) < count) complain("did not come:", type);
}

static void operate(const bson_t *operation) {
    const char *name = text_in(operation, "name");
    if (strcmp(name, "ready") == 0)
        fake_deploy(run.fake, "RSPrimary");
    else if (strcmp(name, "clear") == 0)
        fake_deploy(run.fake, "Unknown");
    else if (strcmp(name, "close") == 0)
        fake_close_client(run.fake);
    else if (strcmp(name, "checkOut") == 0)
        check_out(operation);
    else if (strcmp(name, "checkIn") == 0)
        check_in(text_in(operation, "connection"));
    else if (strcmp(name, "wait") == 0)
        step((int64_t)number_in(operation, "ms", 0));
    else if (strcmp(name, "waitForThread") == 0)
        wait_for_thread(text_in(operation, "target"));
    else if (strcmp(name, "waitForEvent") == 0)
        wait_for_event(operation);
    else if (strcmp(name, "start") != 0) /* each thread has one check out, which begins by itself */
        complain("unknown operation", name);
}

/* --- what is expected ------------------------------------------------------------------------- */

static bool is_ignored(const char *type) {
    bson_t list;
    bson_iter_t iter;
    if (!document_in(run.file, "ignore", &list) || !bson_iter_init(&iter, &list)) return false;
    while (bson_iter_next(&iter))
        if (strcmp(bson_iter_utf8(&iter, NULL), type) == 0) return true;
    return false;
}

static bool has_options(const told_t *told, const bson_t *expected) {
    bson_t options;
    if (!told->has_options) return false;
    if (!document_in(expected, "options", &options)) return true; /* 42: any */
    return number_in(&options, "maxPoolSize", told->options.max_pool_size) ==
               told->options.max_pool_size &&
           number_in(&options, "minPoolSize", told->options.min_pool_size) ==
               told->options.min_pool_size &&
           number_in(&options, "maxIdleTimeMS", (double)told->options.max_idle_time_ms) ==
               (double)told->options.max_idle_time_ms;
}

static void check_event(const told_t *told, const bson_t *expected) {
    bson_iter_t iter;
    const char *type = text_in(expected, "type");
    if (strcmp(told->type, type) != 0) {
        complain(told->type, "came");
        complain(type, "was expected");
        return;
    }
    if (!bson_iter_init(&iter, expected)) return;
    while (bson_iter_next(&iter)) {
        const char *key = bson_iter_key(&iter);
        bool ok = true;
        if (strcmp(key, "connectionId") == 0)
            ok = bson_iter_as_int64(&iter) == 42 ? told->connection_id > 0
                                                 : told->connection_id == bson_iter_as_int64(&iter);
        else if (strcmp(key, "address") == 0)
            ok = told->has_host;
        else if (strcmp(key, "duration") == 0)
            ok = told->duration_us >= 0;
        else if (strcmp(key, "reason") == 0)
            ok = told->reason && strcmp(told->reason, bson_iter_utf8(&iter, NULL)) == 0;
        else if (strcmp(key, "interruptInUseConnections") == 0)
            ok = told->interrupts == bson_iter_as_bool(&iter);
        else if (strcmp(key, "options") == 0)
            ok = has_options(told, expected);
        else
            ok = strcmp(key, "type") == 0;
        if (!ok) complain(type, key);
    }
}

static void check_events(void) {
    bson_t list, expected;
    bson_iter_t iter;
    int at = 0;
    fake_turn();
    if (!document_in(run.file, "events", &list) || !bson_iter_init(&iter, &list)) abort();
    while (bson_iter_next(&iter) && document_at(&iter, &expected)) {
        while (at < run.told_count && is_ignored(run.told[at].type)) at++;
        if (at == run.told_count) {
            complain("did not come:", text_in(&expected, "type"));
            return;
        }
        check_event(&run.told[at++], &expected);
    }
}

static void check_error(void) {
    const char *type = text_in(run.file, "error.type");
    int expected = !type                                        ? 0
                   : strcmp(type, "WaitQueueTimeoutError") == 0 ? MOUV_EQUEUE
                                                                : MOUV_ECLOSED;
    CHECK_INT(run.error, expected);
}

/* --- files ------------------------------------------------------------------------------------ */

static bool has_operation(const char *name) {
    bson_t list, operation;
    bson_iter_t iter;
    if (!document_in(run.file, "operations", &list) || !bson_iter_init(&iter, &list)) return false;
    while (bson_iter_next(&iter) && document_at(&iter, &operation))
        if (strcmp(text_in(&operation, "name"), name) == 0) return true;
    return false;
}

static int run_body_of_file(void *arg) {
    (void)arg;
    bson_t list, operation;
    bson_iter_t iter;
    const bson_t *file = run.file;
    fake_options_t options = {
        .monitor = &recording,
        .connections = (uint32_t)number_in(file, "poolOptions.maxPoolSize", 100),
        .queue_wait_ms = (int64_t)number_in(file, "poolOptions.waitQueueTimeoutMS", 0),
        .told = {
            .max_pool_size = (uint32_t)number_in(file, "poolOptions.maxPoolSize", 100),
            .min_pool_size = (uint32_t)number_in(file, "poolOptions.minPoolSize", 0),
            .max_idle_time_ms = (int64_t)number_in(file, "poolOptions.maxIdleTimeMS", 0),
        }};
    run.fake = fake_new(&options);
    run.fails_connecting = number_in(file, "failPoint.data.errorCode", 0) != 0;
    run.fake->auto_ms[FAKE_CONNECT] =
        run.fails_connecting ? -1 : (int64_t)number_in(file, "failPoint.data.blockTimeMS", 0);
    if (!has_operation("ready")) fake_deploy(run.fake, "RSPrimary"); /* which creates it */
    if (!document_in(file, "operations", &list) || !bson_iter_init(&iter, &list)) abort();
    while (bson_iter_next(&iter) && document_at(&iter, &operation)) operate(&operation);
    check_events();
    check_error();
    for (int i = 0; i < run.customer_count; i++)
        if (!is_settled(&run.customers[i])) customer_withdraw(&run.customers[i]);
    fake_free(run.fake);
    return 0;
}

static void run_file(const char *path, const bson_t *file) {
    const char *name = strrchr(path, '/') + 1;
    for (size_t i = 0; i < sizeof exceptions / sizeof exceptions[0]; i++) {
        size_t length = strlen(exceptions[i].file);
        if (strncmp(name, exceptions[i].file, length) != 0 || strcmp(name + length, ".json") != 0)
            continue;
        printf("    not %s: %s\n", name, exceptions[i].reason);
        excepted++;
        return;
    }
    memset(&run, 0, sizeof run);
    run.name = name;
    run.file = file;
    run_body(run_body_of_file);
    printf("    %s\n", name);
    ran++;
}

static void specification_files(void **state) {
    (void)state;
    int files = spec_folder_run("connection-monitoring", run_file);
    if (files == 0) skip();
    assert_true(files > 0);
    assert_int_equal(excepted, sizeof exceptions / sizeof exceptions[0]); /* all still there */
    assert_int_equal(ran + excepted, files);
    assert_true(ran >= 14);
}

int main(void) {
    const struct CMUnitTest cases[] = {TEST(specification_files)};
    return RUN_CASES(cases);
}
