/*
 * Compressed requests.
 */
#include "mongo/transport/loop/pack.h"

#include "context/alloc.h"
#include "mongo/wire/op_compressed.h"

/* What takes the loop no more than one to two milliseconds (zlib, the slowest). */
#define AT_ONCE_BYTES (64 * 1024)

typedef struct packing {
    mouv__job_t job; /* first */
    mouv__message_t message;
    bson_t *extra; /* owned: the message's, as the peer may go before the worker is back */
    uint8_t compressor;
    int level;
    uint8_t *packed; /* owned; NULL: it goes out as it is */
    size_t size;     /* of that */
    /* loop thread */
    mouv__peer_t *peer;
    mouv__exchange_t *exchange;
    void (*then)(mouv__peer_t *peer);
} packing_t;

static void pack_free(packing_t *packing) {
    bson_destroy(packing->extra);
    mouv__free(packing->packed);
    mouv__free(packing);
}

/* Where there is no memory for it, it goes out as it is. */
static uint8_t *pack_message(const mouv__message_t *message, uint8_t compressor, int level,
                             size_t *size) {
    uint8_t *flat = mouv__alloc(message->size);
    uint8_t *packed = mouv__alloc(mouv__op_compressed_bound(compressor, message->size));
    *size = 0;
    if (flat && packed) {
        mouv__message_copy(message, 0, flat);
        *size = mouv__op_compressed_put(compressor, level, flat, message->size, packed);
    }
    mouv__free(flat);
    if (*size > 0) return packed;
    mouv__free(packed);
    return NULL;
}

/* --- on a worker ------------------------------------------------------------------------------ */

static void pack_run(mouv__job_t *job) {
    packing_t *packing = (packing_t *)job;
    packing->packed =
        pack_message(&packing->message, packing->compressor, packing->level, &packing->size);
}

static void pack_done(mouv__job_t *job) {
    packing_t *packing = (packing_t *)job;
    mouv__peer_t *peer = packing->peer;
    void (*then)(mouv__peer_t * peer) = packing->then;
    peer->packed = packing->packed;
    if (packing->packed) peer->size = packing->size;
    packing->packed = NULL;
    pack_free(packing);
    mouv__peer_resume(peer);
    then(peer);
}

/* It was abandoned, or the loop has gone: what the exchange has borrowed is not looked at now. */
static void pack_discard(mouv__job_t *job) {
    packing_t *packing = (packing_t *)job;
    mouv__exchange_t *exchange = packing->exchange;
    pack_free(packing);
    exchange->discard(exchange);
}

static packing_t *pack_new(const mouv__loop_t *loop, mouv__peer_t *peer) {
    packing_t *packing = mouv__alloc(sizeof(*packing));
    if (!packing) return NULL;
    packing->job = (mouv__job_t){.run = pack_run, .done = pack_done, .discard = pack_discard};
    packing->extra = bson_copy(&peer->extra);
    packing->message = peer->message;
    packing->message.content.extra = packing->extra;
    packing->compressor = (uint8_t)peer->hello.compressor;
    packing->level = loop->common.zlib_level;
    packing->peer = peer;
    packing->exchange = peer->exchange;
    return packing;
}

static bool pack_submit(mouv__loop_t *loop, mouv__peer_t *peer,
                        void (*packed)(mouv__peer_t *peer)) {
    packing_t *packing = pack_new(loop, peer);
    if (!packing) return false;
    packing->then = packed;
    if (loop->packers->submit(loop->packers, &packing->job) < 0) {
        pack_free(packing);
        return false;
    }
    peer->at = 0;
    peer->size = peer->message.size;
    mouv__peer_pause(peer, &packing->job);
    return true;
}

/* --- */

static bool pack_suits(const mouv__peer_t *peer) {
    bson_iter_t iter;
    return peer->hello.compressor >= 0 && bson_iter_init(&iter, peer->message.content.command) &&
           bson_iter_next(&iter) && mouv__op_compressed_suits(bson_iter_key(&iter));
}

/* Only endSessions cannot be abandoned with what it has borrowed. */
bool mouv__pack(mouv__loop_t *loop, mouv__peer_t *peer, void (*packed)(mouv__peer_t *peer)) {
    mouv__free(peer->packed);
    peer->packed = NULL;
    if (!pack_suits(peer)) return false;
    bool large = peer->message.size > AT_ONCE_BYTES;
    if (large && !peer->exchange->discard) return false; /* it could not wait for a worker */
    if (large && pack_submit(loop, peer, packed)) return true;
    peer->packed = pack_message(&peer->message, (uint8_t)peer->hello.compressor,
                                loop->common.zlib_level, &peer->size);
    return false;
}

bool mouv__pack_is_out(const mouv__peer_t *peer) {
    return peer->job && peer->job->run == pack_run;
}
