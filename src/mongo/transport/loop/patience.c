/*
 * Limits of waits.
 */
#include "mongo/transport/loop/patience.h"

#include "mongo/base/client_ref.h"

static void patience_on_timer(mouv__timer_t *timer);

/* Only as often as the first one's time comes: whoever goes before leaves the timer as it is. */
static void patience_arm(mouv__patience_t *patience) {
    const mouv__peer_t *first = MOUV__LIST_FIRST(&patience->waiting, mouv__peer_t, waiting);
    if (first && !mouv__timer_armed(&patience->timer))
        mouv__timer_start(mouv__client_runtime(patience->client), &patience->timer,
                          first->since_ns + patience->limit_ns, patience_on_timer);
}

static void patience_on_timer(mouv__timer_t *timer) {
    mouv__patience_t *patience = mouv__container_of(timer, mouv__patience_t, timer);
    mouv_client_t *client = patience->client;
    int64_t now_ns = mouv__client_now_ns(client);
    mouv__peer_t *peer;
    mouv__client_hold(client);
    while ((peer = MOUV__LIST_FIRST(&patience->waiting, mouv__peer_t, waiting)) != NULL &&
           peer->since_ns + patience->limit_ns <= now_ns) {
        mouv__list_remove(&patience->waiting, &peer->waiting);
        patience->over(peer);
    }
    patience_arm(patience);
    mouv__client_quiet(client);
    mouv__client_let_go(client);
}

static void patience_on_own(mouv__timer_t *timer) {
    mouv__peer_t *peer = mouv__container_of(timer, mouv__peer_t, timer);
    mouv_client_t *client = peer->peers->client;
    mouv__client_hold(client);
    peer->over(peer);
    mouv__client_quiet(client);
    mouv__client_let_go(client);
}

void mouv__patience_begin(mouv__patience_t *patience, mouv__peer_t *peer, int32_t limit_ms) {
    mouv__patience_end(patience, peer);
    if (limit_ms < 0) return;
    peer->since_ns = mouv__client_now_ns(patience->client);
    if (limit_ms > 0) {
        peer->over = patience->over;
        mouv__timer_start(mouv__client_runtime(patience->client), &peer->timer,
                          peer->since_ns + limit_ms * MOUV__NS_PER_MS, patience_on_own);
    } else if (patience->limit_ns > 0) {
        mouv__list_push_back(&patience->waiting, &peer->waiting);
        patience_arm(patience);
    }
}

void mouv__patience_end(mouv__patience_t *patience, mouv__peer_t *peer) {
    mouv__list_remove(&patience->waiting, &peer->waiting);
    if (mouv__timer_armed(&peer->timer))
        mouv__timer_stop(mouv__client_runtime(patience->client), &peer->timer);
}

void mouv__patience_close(mouv__patience_t *patience) {
    mouv__timer_stop(mouv__client_runtime(patience->client), &patience->timer);
}
