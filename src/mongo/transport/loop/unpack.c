/*
 * Compressed answers.
 */
#include "mongo/transport/loop/unpack.h"

#include "context/alloc.h"
#include "mongo/wire/compress.h"

/* What takes the loop less than a millisecond. */
#define AT_ONCE_BYTES (256 * 1024)

typedef struct unpacking {
    mouv__job_t job; /* first */
    mouv__op_msg_compressed_t inside;
    uint8_t *packed; /* owned */
    uint8_t *body;   /* owned: of the message that was inside */
    bool ok;
    char why[256];
    mouv__peer_t *peer; /* loop thread */
} unpacking_t;

static size_t unpack_size(const unpacking_t *unpacking) {
    return (size_t)unpacking->inside.header.length - MOUV__WIRE_HEADER_BYTES;
}

static void unpack_free(unpacking_t *unpacking) {
    mouv__free(unpacking->packed);
    mouv__free(unpacking->body);
    mouv__free(unpacking);
}

static void unpack_run(mouv__job_t *job) {
    unpacking_t *unpacking = (unpacking_t *)job;
    unpacking->ok = mouv__compress_undo(
        unpacking->inside.compressor, unpacking->inside.data, unpacking->inside.size,
        unpacking->body, unpack_size(unpacking), unpacking->why, sizeof(unpacking->why));
}

static void unpack_finish(unpacking_t *unpacking) {
    mouv__peer_t *peer = unpacking->peer;
    if (unpacking->ok)
        mouv__peer_unpacked(peer, unpacking->inside.header.opcode, unpacking->body,
                            unpack_size(unpacking));
    else
        mouv__peer_refuse(peer, unpacking->why);
    unpack_free(unpacking);
}

static void unpack_done(mouv__job_t *job) {
    unpacking_t *unpacking = (unpacking_t *)job;
    mouv__peer_t *peer = unpacking->peer;
    mouv__peer_resume(peer);
    unpack_finish(unpacking);
}

static void unpack_discard(mouv__job_t *job) {
    unpack_free((unpacking_t *)job);
}

static unpacking_t *unpack_new(mouv__peer_t *peer, const mouv__op_msg_compressed_t *inside) {
    unpacking_t *unpacking = mouv__alloc(sizeof(*unpacking));
    if (!unpacking) return NULL;
    unpacking->inside = *inside;
    unpacking->peer = peer;
    unpacking->body = mouv__alloc(unpack_size(unpacking));
    if (!unpacking->body) {
        mouv__free(unpacking);
        return NULL;
    }
    unpacking->packed = peer->incoming.packed;
    peer->incoming.packed = peer->incoming.to = NULL;
    return unpacking;
}

void mouv__unpack(mouv__loop_t *loop, mouv__peer_t *peer) {
    mouv__incoming_t *incoming = &peer->incoming;
    mouv__op_msg_compressed_t inside;
    if (!mouv__op_msg_check_compressed(&incoming->header,
                                       incoming->packed + MOUV__WIRE_HEADER_BYTES, &inside,
                                       incoming->why, sizeof(incoming->why))) {
        mouv__peer_refuse(peer, incoming->why);
        return;
    }
    unpacking_t *unpacking = unpack_new(peer, &inside);
    if (!unpacking) {
        mouv__peer_refuse(peer, "there is no memory to uncompress it");
        return;
    }
    unpacking->job =
        (mouv__job_t){.run = unpack_run, .done = unpack_done, .discard = unpack_discard};
    if (unpack_size(unpacking) > AT_ONCE_BYTES &&
        loop->packers->submit(loop->packers, &unpacking->job) == 0) {
        mouv__peer_pause(peer, &unpacking->job);
        return;
    }
    unpack_run(&unpacking->job);
    unpack_finish(unpacking);
}
