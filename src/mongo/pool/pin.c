/*
 * Pins.
 */
#include "mongo/pool/pin.h"

#include "context/alloc.h"
#include "mongo/base/client_ref.h"
#include "mongo/pool/pool.h"

struct mouv__pin {
    mouv__server_session_t *session; /* NULL once the client has closed */
    mouv__pin_t *next;               /* of the same session */
    mouv_client_t *client;
    mouv__pool_t *polls; /* where its stream is counted, also by its connection; or NULL */
    uint32_t server_id;
    uint32_t shares;
};

mouv__pin_t *mouv__pin_new(mouv_client_t *client, mouv__server_session_t *session,
                           uint32_t server_id) {
    mouv__pin_t *pin = mouv__alloc(sizeof(*pin));
    if (!pin) return NULL;
    pin->session = session;
    pin->client = client;
    mouv__client_hold(client);
    pin->server_id = server_id;
    pin->shares = 1;
    pin->next = session->keepers;
    session->keepers = pin;
    return pin;
}

mouv__pin_t *mouv__pin_new_for_polls(mouv__pool_t *pool, mouv__server_session_t *session,
                                     uint32_t server_id) {
    mouv__pin_t *pin = mouv__pin_new(pool->client, session, server_id);
    if (!pin) return NULL;
    pin->polls = pool;
    pool->streams++;
    if (session->connection) session->connection->streams++;
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

void mouv__pin_free(mouv__pin_t *pin) {
    if (!pin || --pin->shares > 0) return;
    mouv_client_t *client = pin->client;
    mouv__server_session_t *session = pin->session;
    if (pin->polls) pin->polls->streams--;
    if (session) {
        mouv__pin_t **link = &session->keepers;
        while (*link != pin) link = &(*link)->next;
        *link = pin->next;
        if (pin->polls && session->connection) session->connection->streams--;
        mouv__server_session_give_back(session, mouv__client_now_ns(client));
    }
    mouv__client_let_go(client);
    mouv__free(pin);
}

void mouv__pin_forget_all(mouv__session_store_t *store) {
    for (mouv__server_session_t *session = store->all; session; session = session->next) {
        for (mouv__pin_t *each = session->keepers; each; each = each->next) each->session = NULL;
        session->keepers = NULL;
    }
}
