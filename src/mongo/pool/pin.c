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
    mouv__connection_t *connection; /* that it keeps; or NULL */
    mouv__link_t keeper;            /* in that one's keepers */
    bool for_transaction;
    bool lost; /* it kept one that was lost */
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

/* --- connections that are kept ---------------------------------------------------------------- */

void mouv__pin_keep_connection(mouv__pin_t *pin, mouv__connection_t *connection,
                               mouv__keeper_t keeper) {
    pin->connection = connection;
    pin->for_transaction = keeper == MOUV__KEEPER_TRANSACTION;
    mouv__list_push_back(&connection->keepers, &pin->keeper);
}

mouv__connection_t *mouv__pin_connection(const mouv__pin_t *pin) {
    return pin->connection;
}

bool mouv__pin_is_lost(const mouv__pin_t *pin) {
    return pin->lost;
}

static mouv__connection_t *pin_leave_connection(mouv__pin_t *pin) {
    mouv__connection_t *connection = pin->connection;
    if (connection) mouv__list_remove(&connection->keepers, &pin->keeper);
    pin->connection = NULL;
    return connection;
}

void mouv__pin_let_connection_go(mouv__pin_t *pin) {
    mouv__connection_t *connection = pin_leave_connection(pin);
    if (!connection || connection->state != MOUV__CONNECTION_KEPT) return;
    mouv__pool_t *pool = connection->owner;
    if (mouv__list_is_empty(&connection->keepers)) pool->released(pool, connection);
}

void mouv__pin_lose_connection(mouv__connection_t *connection) {
    MOUV__LIST_EACH(&connection->keepers, mouv__pin_t, pin, keeper) {
        pin_leave_connection(pin);
        pin->lost = true;
    }
}

static bool pin_is_for_transaction(const mouv__connection_t *connection) {
    MOUV__LIST_EACH(&connection->keepers, mouv__pin_t, pin, keeper)
        if (pin->for_transaction) return true;
    return false;
}

void mouv__pin_count(const mouv__pool_t *pool, uint32_t *transactions, uint32_t *cursors) {
    *transactions = *cursors = 0;
    for (uint32_t i = 0; i < pool->connection_count; i++) {
        const mouv__connection_t *connection = pool->connections[i];
        if (mouv__list_is_empty(&connection->keepers)) continue;
        ++*(pin_is_for_transaction(connection) ? transactions : cursors);
    }
}

/* --- shares ----------------------------------------------------------------------------------- */

void mouv__pin_hold(mouv__pin_t *pin) {
    pin->shares++;
}

void mouv__pin_free(mouv__pin_t *pin) {
    if (!pin || --pin->shares > 0) return;
    mouv__pin_let_connection_go(pin);
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
