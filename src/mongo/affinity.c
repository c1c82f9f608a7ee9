/*
 * Affinity: the session, and with it the carrier and the server, that a cursor's getMores need.
 */
#include "async/runtime.h"
#include "context/alloc.h"
#include "mongo/affinity.h"
#include "mongo/client.h"
#include "mongo/operation.h"

struct mouv__affinity {
    mouv__session_t *session; /* NULL once the client has closed */
    mouv_client_t *client;
    uint32_t server_id;
    uint32_t shares;
};

mouv__affinity_t *mouv__operation_keep_affinity(mouv__operation_t *op) {
    mouv__affinity_t *affinity = mouv__alloc(sizeof(*affinity));
    if (!affinity) return NULL;
    affinity->session = op->attempt.session;
    affinity->client = op->client;
    mouv__client_hold(op->client);
    affinity->server_id = op->attempt.server_id;
    affinity->shares = 1;
    affinity->session->affinity = affinity;
    return affinity;
}

uint32_t mouv__affinity_server_id(const mouv__affinity_t *affinity) {
    return affinity->server_id;
}

mouv__session_t *mouv__affinity_session(const mouv__affinity_t *affinity) {
    return affinity->session;
}

void mouv__affinity_hold(mouv__affinity_t *affinity) {
    affinity->shares++;
}

void mouv__affinity_free(mouv__affinity_t *affinity) {
    if (!affinity || --affinity->shares > 0) return;
    mouv_client_t *client = affinity->client;
    if (affinity->session) {
        affinity->session->affinity = NULL;
        mouv__session_give_back(affinity->session, mouv__now_ns(client->runtime));
    }
    mouv__client_let_go(client);
    mouv__free(affinity);
}

void mouv__affinity_forget_all(mouv__carrier_t *carrier) {
    for (mouv__session_t *session = carrier->sessions; session; session = session->next) {
        if (session->affinity) session->affinity->session = NULL;
        session->affinity = NULL;
    }
}
