/*
 * Customers of a pool: checkouts that a test makes and that write down what becomes of them. What a
 * granted one does with its connection is the test's affair; nothing is sent.
 */
#ifndef MOUV_TESTS_UNIT_POOL_SUPPORT_H
#define MOUV_TESTS_UNIT_POOL_SUPPORT_H

#include "../support/async_support.h"
#include "fake_transport.h"

#include "mongo/pool/breaker.h"
#include "mongo/pool/checkout.h"
#include "mongo/pool/establish.h"
#include "mongo/pool/idle.h"
#include "mongo/pool/measure.h"
#include "mongo/pool/pin.h"
#include "mongo/pool/queue.h"

typedef struct customer {
    mouv__checkout_t checkout; /* first */
    fake_t *fake;
    const char *name;               /* told by event() when something becomes of it */
    bool refuses, turns_back;       /* it goes no more when admitted; does not send when granted */
    bool granted, failed;           /* what became of it */
    uint32_t turn;                  /* granted: as the how-manieth of all */
    mouv__connection_t *connection; /* granted, not left yet */
    uint32_t waits;                 /* how often it was told that it waits for something else */
    mouv_error_t error;
    mouv__timer_t timer; /* of its wait, as an operation has it */
} customer_t;

static uint32_t customer_turns;

static inline customer_t *customer_of(mouv__checkout_t *checkout) {
    return (customer_t *)checkout;
}

static inline void customer_stop(customer_t *customer) {
    mouv__timer_stop(mouv__client_runtime(fake_client(customer->fake)), &customer->timer);
}

static inline bool customer_admit(mouv__checkout_t *checkout) {
    customer_t *customer = customer_of(checkout);
    if (!customer->refuses) return true;
    mouv_error_set(&customer->error, MOUV_ETIMEDOUT, "no time is left");
    customer_stop(customer);
    mouv__pool_withdraw(checkout, &customer->error);
    return false;
}

static inline bool customer_granted(mouv__checkout_t *checkout, mouv__connection_t *connection) {
    customer_t *customer = customer_of(checkout);
    customer_stop(customer);
    customer->turn = ++customer_turns;
    if (customer->name) event("%s", customer->name);
    if (customer->turns_back) return false;
    customer->granted = true;
    customer->connection = connection;
    return true;
}

static inline void customer_failed(mouv__checkout_t *checkout, const mouv_error_t *error) {
    customer_t *customer = customer_of(checkout);
    customer_stop(customer);
    customer->failed = true;
    customer->error = *error;
    if (customer->name) event("!%s", customer->name);
}

/* As an operation: it explains what it has waited for, and goes. */
static inline void customer_on_timer(mouv__timer_t *timer) {
    customer_t *customer = mouv__container_of(timer, customer_t, timer);
    mouv_error_t error = {0};
    mouv__checkout_explain(&customer->checkout, &error);
    mouv__pool_fail(&customer->checkout, &error);
}

static inline void customer_arm(customer_t *customer) {
    mouv_runtime_t *runtime = mouv__client_runtime(fake_client(customer->fake));
    if (customer->checkout.state == MOUV__CHECKOUT_NONE ||
        customer->checkout.wait_ns == MOUV__NEVER)
        mouv__timer_stop(runtime, &customer->timer);
    else
        mouv__timer_start(runtime, &customer->timer, customer->checkout.wait_ns, customer_on_timer);
}

static inline void customer_waits(mouv__checkout_t *checkout) {
    customer_of(checkout)->waits++;
    customer_arm(customer_of(checkout));
}

static const mouv__checkout_ops_t customer_ops = {.admit = customer_admit,
                                                  .granted = customer_granted,
                                                  .failed = customer_failed,
                                                  .waits = customer_waits};

/* Any server that takes writes. */
static inline void customer_init(customer_t *customer, fake_t *fake, const char *name) {
    *customer = (customer_t){.fake = fake, .name = name};
    customer->checkout.ops = &customer_ops;
    customer->checkout.criteria.write = true;
    customer->checkout.deadline_ns = MOUV__NEVER;
}

static inline void customer_enter(customer_t *customer) {
    customer->granted = customer->failed = false;
    mouv__pool_enter(fake_pool(customer->fake), &customer->checkout);
    customer_arm(customer);
}

/* Init and enter; `server_id` 0: any that takes writes. */
static inline void customer_come(customer_t *customer, fake_t *fake, const char *name,
                                 uint32_t server_id) {
    customer_init(customer, fake, name);
    customer->checkout.criteria.server_id = server_id;
    customer_enter(customer);
}

/* Gives its connection back, and whoever waits is let in, as after an operation. */
static inline void customer_leave(customer_t *customer) {
    mouv__connection_t *connection = customer->connection;
    if (!CHECK(connection)) return;
    customer->connection = NULL;
    mouv__pool_leave(fake_pool(customer->fake), connection, customer->checkout.server_id,
                     customer->checkout.operation_id);
    mouv__pool_pump(fake_pool(customer->fake));
}

static inline void customer_withdraw(customer_t *customer) {
    mouv_error_t error = {0};
    mouv_error_set(&error, MOUV_ECANCELED, "cancelled");
    customer_stop(customer);
    mouv__pool_withdraw(&customer->checkout, &error);
}

/* A connection to this server is there and idle. */
static inline mouv__connection_t *connect_one(fake_t *fake, uint32_t server_id) {
    customer_t customer;
    customer_come(&customer, fake, NULL, server_id);
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    mouv__connection_t *connection = customer.connection;
    if (!connection) abort();
    customer_leave(&customer);
    return connection;
}

/* So many, all idle; in `made`, if that is not NULL. */
static inline void connect_many(fake_t *fake, uint32_t server_id, uint32_t count,
                                mouv__connection_t **made) {
    customer_t customers[16];
    if (count > 16) abort();
    for (uint32_t i = 0; i < count; i++) customer_come(&customers[i], fake, NULL, server_id);
    while (fake_count(fake, FAKE_CONNECT) > 0)
        fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    for (uint32_t i = 0; i < count; i++) {
        if (!customers[i].connection) abort();
        if (made) made[i] = customers[i].connection;
    }
    for (uint32_t i = 0; i < count; i++) customer_leave(&customers[i]);
}

/* A session of this connection, in use. */
static inline mouv__server_session_t *session_of(fake_t *fake, mouv__connection_t *connection) {
    return mouv__server_session_take(&connection->sessions, mouv__client_now_ns(fake_client(fake)));
}

/* One that only this session's connection can serve. */
static inline void customer_come_pinned(customer_t *customer, fake_t *fake, const char *name,
                                        mouv__server_session_t *session, uint32_t server_id) {
    customer_init(customer, fake, name);
    customer->checkout.criteria.server_id = server_id;
    customer->checkout.session = session;
    customer_enter(customer);
}

/* The getMore of a change stream that waits. */
static inline void customer_poll(customer_t *customer, fake_t *fake, const char *name,
                                 mouv__server_session_t *session, uint32_t server_id) {
    customer_init(customer, fake, name);
    customer->checkout.criteria.server_id = server_id;
    customer->checkout.session = session;
    customer->checkout.poll = customer->checkout.poll_waits = true;
    customer_enter(customer);
}

/* So many deadlines are missed there, each by something that was sent 50 ms ago. */
static inline void miss(fake_t *fake, uint32_t server_id, int count) {
    fake_pass_ms(50);
    int64_t began_ns = mouv__client_now_ns(fake_client(fake)) - 50 * MOUV__NS_PER_MS;
    while (count-- > 0) mouv__breaker_missed(fake_pool(fake), server_id, began_ns);
}

/* Its ping stays out. */
static inline void open_breaker(fake_t *fake, uint32_t server_id) {
    miss(fake, server_id, 3);
    fake_pass_ms(250);
    CHECK(mouv__breaker_is_open(fake_pool(fake), server_id));
    CHECK_ONE_WARNING("until it does only pings are sent");
}

/* --- events: one word each, like "ready:1.2" (server 1, its connection 2) ---------------------- */

static inline void on_pool(const char *word, const mouv_connection_pool_event_t *told) {
    event("%s:%u", word, told->server_id);
}

static inline void on_connection(const char *word, const mouv_connection_event_t *told) {
    static const char *const closed[] = {"", "-stale", "-idle", "-error", "-pool"};
    static const char *const failed[] = {"", "-closed", "-timeout", "-connection"};
    event("%s%s%s:%u.%d", word, closed[told->closed_reason], failed[told->check_out_failed_reason],
          told->server_id, (int)told->connection_id);
}

#define TELL_POOL(callback, word) \
    static inline void tell_##callback(const mouv_connection_pool_event_t *told, void *arg) { \
        (void)arg; \
        on_pool(word, told); \
    }
#define TELL_CONNECTION(callback, word) \
    static inline void tell_##callback(const mouv_connection_event_t *told, void *arg) { \
        (void)arg; \
        on_connection(word, told); \
    }
TELL_POOL(pool_created, "pool")
TELL_POOL(pool_ready, "pool-ready")
TELL_POOL(pool_cleared, "pool-cleared")
TELL_POOL(pool_closed, "pool-closed")
TELL_CONNECTION(connection_created, "created")
TELL_CONNECTION(connection_ready, "ready")
TELL_CONNECTION(connection_closed, "closed")
TELL_CONNECTION(connection_check_out_started, "wanted")
TELL_CONNECTION(connection_check_out_failed, "failed")
TELL_CONNECTION(connection_checked_out, "out")
TELL_CONNECTION(connection_checked_in, "in")

static const mouv_monitor_t telling = {
    .pool_created = tell_pool_created,
    .pool_ready = tell_pool_ready,
    .pool_cleared = tell_pool_cleared,
    .pool_closed = tell_pool_closed,
    .connection_created = tell_connection_created,
    .connection_ready = tell_connection_ready,
    .connection_closed = tell_connection_closed,
    .connection_check_out_started = tell_connection_check_out_started,
    .connection_check_out_failed = tell_connection_check_out_failed,
    .connection_checked_out = tell_connection_checked_out,
    .connection_checked_in = tell_connection_checked_in,
};

/* What was told since the last look. */
#define CHECK_TOLD(expected) \
    do { \
        fake_turn(); \
        CHECK_STRING(events(), (expected)); \
        events_clear(); \
    } while (0)

#endif
