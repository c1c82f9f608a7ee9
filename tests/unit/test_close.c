/*
 * The end of a client, on the fake transport: a real client, whose transport is the fake's and whose
 * picture of the deployment is the test's. Connections that it closes are freed at once, as a
 * worker may free them.
 */
#include "operation_support.h"

#include "mongo/api/client.h"
#include "mongo/api/close.h"

typedef struct closing {
    fake_t *fake;
    mouv_client_t *client;
    mouv__driver_pool_t *driver_pool; /* a share: that of the client's own transport is gone */
    bson_t *deployments[2];
} closing_t;

static mouv__transport_ops_t freeing_ops;

static void closing_free_connection(fake_t *fake, mouv__connection_t *connection) {
    fake_connection_t **at = &fake->connections;
    while (&(*at)->connection != connection) at = &(*at)->next;
    fake_connection_t *gone = *at;
    *at = gone->next;
    mouv__session_store_clear(&connection->sessions, fake_session_end);
    mouv__connection_clear(connection);
    free(gone);
}

static void closing_close(mouv__transport_t *transport, const mouv__transport_end_t *end,
                          mouv__transport_ended_fn_t ended, void *arg) {
    fake_t *fake = fake_of(transport);
    fake_close(transport, end, ended, arg);
    mouv__transport_end_t *given = &fake->calls[fake->call_count - 1]->end;
    while (given->count > 0) closing_free_connection(fake, given->connections[--given->count]);
}

static void closing_deploy(closing_t *closing, int which, const char *json) {
    closing->deployments[which] = from_json(json); /* whose strings the snapshot borrows */
    mouv__topology_apply(closing->client->topology, snapshot_from(closing->deployments[which]));
    mouv__pool_look_again(&closing->client->pool);
}

static closing_t closing_new(void) {
    closing_t closing = {.fake = fake_new(NULL)};
    fake_t *fake = closing.fake;
    mouv_client_t *client =
        mouv_client_new("mongodb://a.example/?maxPoolSize=1&directConnection=true", NULL, NULL);
    if (!client) abort();
    closing.client = client;
    closing.driver_pool = mouv__driver_pool_ref(client->driver_pool);
    client->pool.transport->ops->free(client->pool.transport);
    freeing_ops = fake_transport_ops;
    freeing_ops.close = closing_close;
    fake->transport.ops = &freeing_ops;
    fake->transport.client = client;
    fake->auto_ms[FAKE_CONNECT] = 0;
    client->pool.transport = &fake->transport;
    client->pool.state = MOUV__POOL_READY;
    closing_deploy(&closing, 0,
                   "{'type': 'Single', 'servers': [{'address': 'a', 'type': 'Standalone'}]}");
    fake_pass_ms(1);
    return closing;
}

static void closing_free(closing_t *closing) {
    mouv__driver_pool_unref(closing->driver_pool);
    closing->fake->transport.client = fake_client(closing->fake);
    fake_free(closing->fake);
    for (int i = 0; i < 2; i++) bson_destroy(closing->deployments[i]);
}

static mouv__operation_t *closing_begin(closing_t *closing, const mouv__operation_row_t *row,
                                        const char *command, mouv__pin_t *pin) {
    mouv_future_t failed;
    mouv__operation_t *op = mouv__operation_new(closing->client, row, "shop", NULL, 0, &failed);
    if (!op) abort();
    op->parts.command = from_json(command);
    op->parts.pin = pin;
    mouv__future_hold(&op->future);
    mouv__operation_start(op);
    fake_turn();
    return op;
}

/* A find is out on the only connection, whose awaiter leaves; killCursors waits for just that. */
CORO_CASE(last_cleanup_that_fails_inside_the_pump_leaves_the_connections_to_it) {
    closing_t closing = closing_new();
    fake_t *fake = closing.fake;
    mouv__operation_t *first = closing_begin(&closing, &find_row, FIND, NULL);
    mouv__pin_t *pin = mouv__operation_keep_pin(first);
    fake_answer(fake_out(fake, FAKE_SEND, 0), "{'ok': 1}");
    mouv__operation_t *find = closing_begin(&closing, &find_row, FIND, NULL);
    mouv__operation_t *kill = closing_begin(&closing, &kill_row, "{'killCursors': 'users'}", pin);
    CHECK_INT(fake_count(fake, FAKE_SEND), 1);
    CHECK_INT(kill->checkout.state, MOUV__CHECKOUT_QUEUED);
    mouv_future_t closed = mouv_client_close_future(closing.client);
    closing_deploy(&closing, 1, "{'type': 'Single', 'servers': []}");
    mouv__future_cancel(&find->future);
    fake_answer(fake_out(fake, FAKE_SEND, 0), "{'ok': 1}");
    CHECK_ENDED(kill, MOUV_ESELECTION);
    CHECK_INT(mouv__client_state(closing.client), MOUV__CLIENT_DRAINING);
    CHECK(!fake->closed); /* the pump was at work */
    mouv__pin_free(pin);
    operation_over(first);
    operation_over(find);
    operation_over(kill);
    fake_turn();
    CHECK(fake->closed);
    CHECK_INT(mouv__client_state(closing.client), MOUV__CLIENT_CLOSED);
    CHECK(mouv_future_done(closed));
    mouv_future_unref(closed);
    mouv_client_unref(closing.client);
    closing_free(&closing);
    return 0;
}

/* A getMore that waits on the server, whose awaiter has left; `first` made its pin. */
static mouv__operation_t *closing_begin_poll(closing_t *closing, mouv__pin_t **pin) {
    mouv__operation_t *first = closing_begin(closing, &find_row, FIND, NULL);
    *pin = mouv__operation_keep_poll_pin(first);
    fake_answer(fake_out(closing->fake, FAKE_SEND, 0), "{'ok': 1}");
    operation_over(first);
    mouv__operation_t *poll = closing_begin(
        closing, &poll_row, "{'getMore': 1, 'collection': 'c', 'maxTimeMS': 60000}", *pin);
    mouv__future_cancel(&poll->future);
    CHECK_INT(poll->state, MOUV__OP_LATE);
    return poll;
}

/* Without a word, and without waiting for its time. */
static void closing_check_poll(bool cuts) {
    closing_t closing = closing_new();
    mouv__pin_t *pin;
    closing.fake->transport.cuts = cuts;
    mouv__operation_t *poll = closing_begin_poll(&closing, &pin);
    mouv_future_t closed = mouv_client_close_future(closing.client);
    fake_pass_ms(1);
    mouv__pin_free(pin);
    operation_over(poll);
    fake_pass_ms(1);
    CHECK(closing.fake->closed);
    CHECK(mouv_future_done(closed));
    CHECK_NO_WARNING();
    mouv_future_unref(closed);
    mouv_client_unref(closing.client);
    closing_free(&closing);
}

CORO_CASE(a_poll_that_nobody_waits_for_is_cut_at_once) {
    closing_check_poll(true);
    return 0;
}

CORO_CASE(a_poll_that_cannot_be_cut_is_left_behind_without_a_word) {
    closing_check_poll(false);
    return 0;
}

typedef struct hooked {
    mouv__client_hook_t hook;
    closing_t *closing;
    mouv__operation_t *cleanup;
} hooked_t;

static void hooked_closes(mouv__client_hook_t *hook) {
    hooked_t *hooked = (hooked_t *)hook;
    CHECK(mouv__client_is_open(hooked->closing->client));
    hooked->cleanup = closing_begin(hooked->closing, &kill_row, "{'killCursors': 'users'}", NULL);
}

CORO_CASE(what_its_hooks_begin_is_waited_for) {
    closing_t closing = closing_new();
    hooked_t hooked = {.hook.closes = hooked_closes, .closing = &closing};
    mouv__client_add_hook(closing.client, &hooked.hook);
    mouv_future_t closed = mouv_client_close_future(closing.client);
    fake_turn();
    CHECK(!closing.fake->closed);
    mouv__operation_t *late =
        closing_begin(&closing, &kill_row, "{'killCursors': 'orders'}", NULL); /* while it drains */
    fake_answer(fake_out(closing.fake, FAKE_CONTROL, 0), "{'ok': 1}");
    fake_turn();
    CHECK(!closing.fake->closed);
    fake_answer(fake_out(closing.fake, FAKE_CONTROL, 0), "{'ok': 1}");
    operation_over(hooked.cleanup);
    operation_over(late);
    fake_turn();
    CHECK(closing.fake->closed);
    CHECK(mouv_future_done(closed));
    mouv__client_remove_hook(closing.client, &hooked.hook);
    mouv_future_unref(closed);
    mouv_client_unref(closing.client);
    closing_free(&closing);
    return 0;
}

CORO_CASE(client_that_was_never_used_is_destroyed_at_once) {
    closing_t closing = closing_new();
    closing.client->pool.state = MOUV__POOL_NONE;
    mouv_client_unref(closing.client);
    CHECK(closing.fake->closed);
    fake_turn();
    closing_free(&closing);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(last_cleanup_that_fails_inside_the_pump_leaves_the_connections_to_it),
        TEST(a_poll_that_nobody_waits_for_is_cut_at_once),
        TEST(a_poll_that_cannot_be_cut_is_left_behind_without_a_word),
        TEST(what_its_hooks_begin_is_waited_for),
        TEST(client_that_was_never_used_is_destroyed_at_once),
    };
    return RUN_CASES(tests);
}
