/*
 * Idle carriers.
 */
#include "mongo/pool/idle.h"

#include "mongo/api/client.h"
#include "mongo/operation/operation.h"
#include "mongo/pool/breaker.h"
#include "mongo/pool/establish.h"

/* --- the list -------------------------------------------------------------------------------- */

void mouv__idle_push(mouv__admission_t *admission, mouv__carrier_t *carrier) {
    carrier->prev = NULL;
    carrier->next = admission->idle;
    if (admission->idle) admission->idle->prev = carrier;
    admission->idle = carrier;
}

void mouv__idle_remove(mouv__admission_t *admission, mouv__carrier_t *carrier) {
    if (carrier->prev)
        carrier->prev->next = carrier->next;
    else
        admission->idle = carrier->next;
    if (carrier->next) carrier->next->prev = carrier->prev;
    carrier->prev = carrier->next = NULL;
}

static bool is_kept(const mouv__carrier_t *carrier) {
    const mouv__session_t *session = carrier->sessions;
    while (session && !session->keepers) session = session->next;
    return session != NULL;
}

/* A cursor or session on a carrier with a stream would wait for its polls. */
static bool suits(const mouv__carrier_t *carrier, const mouv__operation_t *op) {
    return carrier->streams == 0 && !((op->row->flags & MOUV__OP_POLL) && is_kept(carrier));
}

static bool may_grow(const mouv__admission_t *admission) {
    return admission->carrier_count < admission->carrier_max;
}

/* Its connection to this server (0: to any) was cut, and it waits for another one. */
static bool awaits_mending(const mouv__carrier_t *carrier, uint32_t server_id) {
    return carrier->mend_id && (server_id == 0 || carrier->mend_id == server_id);
}

mouv__carrier_t *mouv__idle_find(const mouv__admission_t *admission, const mouv__operation_t *op) {
    uint32_t server_id = op->attempt.server_id;
    uint64_t mask = server_id ? mouv__server_bit(server_id) : UINT64_MAX;
    mouv__carrier_t *best = NULL;
    for (mouv__carrier_t *carrier = admission->idle; carrier; carrier = carrier->next) {
        if (!(carrier->connected & mask) || awaits_mending(carrier, server_id)) continue;
        if (suits(carrier, op)) return carrier;
        if (!best || carrier->streams < best->streams) best = carrier;
    }
    return may_grow(admission) ? NULL : best;
}

/* --- other connections ----------------------------------------------------------------------- */

static mouv__carrier_t *new_carrier(mouv_client_t *client) {
    mouv__admission_t *admission = &client->admission;
    if (admission->carrier_count >= admission->carrier_max) return NULL;
    mouv__carrier_t *carrier = mouv__carrier_new(client->pool);
    if (!carrier) return NULL;
    admission->carriers[admission->carrier_count++] = carrier;
    return carrier;
}

bool mouv__idle_grow(mouv_client_t *client, const mouv__operation_t *op) {
    mouv__admission_t *admission = &client->admission;
    uint32_t server_id = op->attempt.server_id;
    uint8_t connecting = admission->connecting[server_id % 64];
    if (connecting >= MOUV__CONNECTING_MAX || connecting >= admission->ready.count) return true;
    mouv__carrier_t *carrier = admission->idle; /* not connected to it, or it would be used */
    bool choosy = may_grow(admission);
    while (carrier && ((choosy && !suits(carrier, op)) || (server_id == 0 && carrier->mend_id)))
        carrier = carrier->next;
    if (carrier)
        mouv__idle_remove(admission, carrier);
    else
        carrier = new_carrier(client);
    if (!carrier) return admission->carrier_count > 0;
    carrier->busy = true;
    if (carrier->mend_id == server_id) carrier->mend_id = 0;
    return mouv__connect(client, carrier, server_id, op);
}

void mouv__idle_mend(mouv_client_t *client, mouv__carrier_t *carrier) {
    mouv__admission_t *admission = &client->admission;
    uint32_t server_id = carrier->mend_id;
    const mouv__server_t *server = mouv__topology_server(admission->topology, server_id);
    bool there = server && server->kind != MOUV__SERVER_UNKNOWN;
    bool kept = mouv__circuit_keeps_cut(client, carrier, server_id);
    if (there && !kept && admission->connecting[server_id % 64] >= MOUV__CONNECTING_MAX) return;
    carrier->mend_id = 0;
    admission->mending = true; /* others may be waiting for their turn */
    if (kept || !there || client->state != MOUV__CLIENT_OPEN) return;
    mouv__idle_remove(admission, carrier);
    carrier->busy = true;
    mouv__connect(client, carrier, server_id, NULL);
}

void mouv__idle_mend_all(mouv_client_t *client) {
    client->admission.mending = false;
    for (mouv__carrier_t *carrier = client->admission.idle, *next; carrier; carrier = next) {
        next = carrier->next;
        if (!carrier->mend_id) continue;
        mouv__idle_mend(client, carrier);
        client->admission.mending = true;
    }
}

void mouv__idle_forget_lost(mouv__admission_t *admission) {
    uint64_t known = 0;
    for (uint32_t i = 0; i < admission->topology->count; i++)
        if (admission->topology->servers[i].kind != MOUV__SERVER_UNKNOWN)
            known |= mouv__server_bit(admission->topology->servers[i].id);
    for (uint32_t i = 0; i < admission->carrier_count; i++)
        admission->carriers[i]->connected &= known;
}
