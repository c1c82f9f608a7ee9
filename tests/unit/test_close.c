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
        TEST(client_that_was_never_used_is_destroyed_at_once),
    };
    return RUN_CASES(tests);
}
