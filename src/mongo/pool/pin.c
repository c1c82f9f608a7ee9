/*
 * Affinity: the session, and with it the carrier and the server, that a cursor's getMores need.
 */
#include "mongo/pool/pin.h"
#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/client.h"
#include "mongo/operation/operation.h"

struct mouv__affinity {
    mouv__session_t *session; /* NULL once the client has closed */
    mouv__affinity_t *next;   /* of the same session */
    mouv_client_t *client;
    uint32_t server_id;
    uint32_t shares;
    bool polls; /* counted in the carrier's `streams` */
};

mouv__affinity_t *mouv__affinity_new(mouv_client_t *client, mouv__session_t *session) {
    mouv__affinity_t *affinity = mouv__alloc(sizeof(*affinity));
    if (!affinity) return NULL;
    affinity->session = session;
    affinity->client = client;
    mouv__client_hold(client);
    affinity->shares = 1;
    affinity->next = session->keepers;
    session->keepers = affinity;
    return affinity;
}

mouv__affinity_t *mouv__operation_keep_affinity(mouv__operation_t *op) {
    mouv__affinity_t *affinity = mouv__affinity_new(op->client, op->attempt.session);
    if (affinity) affinity->server_id = op->attempt.server_id;
    return affinity;
}

mouv__affinity_t *mouv__operation_keep_poll_affinity(mouv__operation_t *op) {
    mouv__affinity_t *affinity = mouv__operation_keep_affinity(op);
    if (!affinity) return NULL;
    affinity->polls = true;
    affinity->session->carrier->streams++;
    op->client->admission.streams++;
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

static void unlink_keeper(mouv__affinity_t *affinity) {
    mouv__affinity_t **link = &affinity->session->keepers;
    while (*link != affinity) link = &(*link)->next;
    *link = affinity->next;
}

void mouv__affinity_free(mouv__affinity_t *affinity) {
    if (!affinity || --affinity->shares > 0) return;
    mouv_client_t *client = affinity->client;
    if (affinity->polls) client->admission.streams--;
    if (affinity->session) {
        unlink_keeper(affinity);
        if (affinity->polls) affinity->session->carrier->streams--;
        mouv__session_give_back(affinity->session, mouv__now_ns(client->runtime));
    }
    mouv__client_let_go(client);
    mouv__free(affinity);
}

void mouv__affinity_forget_all(mouv__carrier_t *carrier) {
    for (mouv__session_t *session = carrier->sessions; session; session = session->next) {
        for (mouv__affinity_t *each = session->keepers; each; each = each->next)
            each->session = NULL;
        session->keepers = NULL;
    }
}
