/*
 * Pin: the session, and with it the connection and the server, that a cursor's getMores need.
 */
#include "mongo/pool/pin.h"
#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/operation/operation.h"

struct mouv__pin {
    mouv__server_session_t *session; /* NULL once the client has closed */
    mouv__pin_t *next;               /* of the same session */
    mouv_client_t *client;
    uint32_t server_id;
    uint32_t shares;
    bool polls; /* counted in the connection's `streams` */
};

mouv__pin_t *mouv__pin_new(mouv_client_t *client, mouv__server_session_t *session) {
    mouv__pin_t *pin = mouv__alloc(sizeof(*pin));
    if (!pin) return NULL;
    pin->session = session;
    pin->client = client;
    mouv__client_hold(client);
    pin->shares = 1;
    pin->next = session->keepers;
    session->keepers = pin;
    return pin;
}

mouv__pin_t *mouv__pin_for(mouv__operation_t *op) {
    mouv__pin_t *pin = mouv__pin_new(op->client, op->attempt.session);
    if (pin) pin->server_id = op->attempt.server_id;
    return pin;
}

mouv__pin_t *mouv__pin_for_polls(mouv__operation_t *op) {
    mouv__pin_t *pin = mouv__pin_for(op);
    if (!pin) return NULL;
    pin->polls = true;
    pin->session->connection->streams++;
    op->client->pool.streams++;
    return pin;
}

uint32_t mouv__pin_server_id(const mouv__pin_t *pin) {
    return pin->server_id;
}

mouv__server_session_t *mouv__pin_session(const mouv__pin_t *pin) {
    return pin->session;
}

void mouv__pin_hold(mouv__pin_t *pin) {
    pin->shares++;
}

static void pin_unlink_keeper(mouv__pin_t *pin) {
    mouv__pin_t **link = &pin->session->keepers;
    while (*link != pin) link = &(*link)->next;
    *link = pin->next;
}

void mouv__pin_free(mouv__pin_t *pin) {
    if (!pin || --pin->shares > 0) return;
    mouv_client_t *client = pin->client;
    if (pin->polls) client->pool.streams--;
    if (pin->session) {
        pin_unlink_keeper(pin);
        if (pin->polls) pin->session->connection->streams--;
        mouv__server_session_give_back(pin->session, mouv__client_now_ns(client));
    }
    mouv__client_let_go(client);
    mouv__free(pin);
}

void mouv__pin_forget_all(mouv__connection_t *connection) {
    for (mouv__server_session_t *session = connection->sessions; session; session = session->next) {
        for (mouv__pin_t *each = session->keepers; each; each = each->next) each->session = NULL;
        session->keepers = NULL;
    }
}
