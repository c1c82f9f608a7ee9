/*
 * Sockets.
 */
#include "mongo/transport/loop/peer.h"

#include <errno.h>
#include <string.h>

#include "async/loop/fork.h"
#include "async/loop/runtime.h"
#include "context/alloc.h"
#include "mongo/base/client_ref.h"

#define BUFFER_BYTES (64 * 1024)

/* What all may read in one turn of the loop: checking it takes about a millisecond. */
#define READ_BYTES (1024 * 1024)

/* What one sends in one turn: TLS would make all of a message at once, and a server that reads as
 * fast would have it all in one go. */
#define WRITE_BYTES (1024 * 1024)

/* What goes into one sendmsg(). */
#define PIECES_MAX 64

/* --- losing it -------------------------------------------------------------------------------- */

static void peer_on_closed(uv_handle_t *handle) {
    mouv__peer_t *peer = (mouv__peer_t *)handle;
    mouv__peers_t *peers = peer->peers;
    mouv__incoming_clear(&peer->incoming);
    mouv__free(peer->packed);
    if (peer->has_extra) bson_destroy(&peer->extra);
    mouv__free(peer);
    peers->count--;
    if (peers->count == 0) peers->emptied(peers);
}

/* The program has closed it, with all of its loop's handles: nothing comes of it any more. */
static bool peer_was_walked(const mouv__peer_t *peer) {
    return uv_is_closing((const uv_handle_t *)&peer->poll);
}

void mouv__peer_close(mouv__peer_t *peer, bool reset) {
    if (!peer->channel) return;
    if (peer->job) peer->job->done = peer->job->discard; /* nobody waits for it */
    peer->job = NULL;
    mouv__list_remove(&peer->peers->hungry, &peer->hungry);
    if (peer->siblings) mouv__list_remove(peer->siblings, &peer->sibling);
    if (!peer_was_walked(peer)) uv_poll_stop(&peer->poll);
    mouv__channel_close(peer->channel, reset);
    peer->channel = NULL;
    mouv__runtime_close_handle((uv_handle_t *)&peer->poll, peer_on_closed);
}

static void peer_lose(mouv__peer_t *peer, const bson_error_t *why, bool reset) {
    mouv__peer_close(peer, reset);
    peer->peers->lost(peer, why);
}

/* As libmongoc says it. */
static void peer_lose_socket(mouv__peer_t *peer, int code) {
    bson_error_t why;
    bson_set_error(&why, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET,
                   "the connection to %s was lost: %s", peer->host,
                   code ? strerror(code) : "closed by the server");
    peer_lose(peer, &why, false);
}

void mouv__peer_refuse(mouv__peer_t *peer, const char *what) {
    bson_error_t why;
    bson_set_error(&why, MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_INVALID_REPLY,
                   "the server's answer is not valid: %s", what);
    peer_lose(peer, &why, true);
}

/* --- out -------------------------------------------------------------------------------------- */

bool mouv__peer_has_sent(const mouv__peer_t *peer) {
    return peer->at == peer->size && (!peer->channel || mouv__channel_unsent(peer->channel) == 0);
}

static size_t peer_cut_pieces(struct iovec *pieces, size_t count, size_t most) {
    size_t used = 0;
    for (; used < count && most > 0; used++) {
        if (pieces[used].iov_len > most) pieces[used].iov_len = most;
        most -= pieces[used].iov_len;
    }
    return used;
}

static size_t peer_pieces(mouv__peer_t *peer, struct iovec *pieces, size_t most) {
    size_t count = 1;
    if (peer->packed)
        pieces[0] = (struct iovec){peer->packed + peer->at, peer->size - peer->at};
    else
        count = mouv__message_pieces(&peer->message, peer->at, pieces, PIECES_MAX);
    return peer_cut_pieces(pieces, count, most);
}

/* What TLS has made of it and the socket has not taken: 1: nothing is left; 0; -1. */
static int peer_flush(mouv__peer_t *peer) {
    int rc = mouv__channel_unsent(peer->channel) > 0 ? mouv__channel_flush(peer->channel) : 0;
    return rc == 0 ? 1 : rc == MOUV__CHANNEL_AGAIN ? 0 : -1;
}

/* 1: all has gone out; 0: the rest goes when the socket is ready, or in the next turn; -1. */
static int peer_push(mouv__peer_t *peer) {
    struct iovec pieces[PIECES_MAX];
    size_t left = WRITE_BYTES;
    for (;;) {
        int rc = peer_flush(peer);
        if (rc <= 0 || peer->at == peer->size) return rc;
        if (left == 0) return 0;
        size_t count = peer_pieces(peer, pieces, left);
        ssize_t taken = mouv__channel_write(peer->channel, pieces, count);
        if (taken == MOUV__CHANNEL_AGAIN) return 0;
        if (taken < 0) return -1;
        peer->at += (size_t)taken;
        left -= (size_t)taken;
    }
}

static void peer_on_poll(uv_poll_t *poll, int status, int events);

static void peer_start(mouv__peer_t *peer) {
    if (peer_was_walked(peer)) return;
    uv_poll_start(&peer->poll, UV_READABLE | (peer->writes ? UV_WRITABLE : 0), peer_on_poll);
}

static void peer_watch(mouv__peer_t *peer, bool writes) {
    if (peer->writes == writes) return;
    peer->writes = writes;
    peer_start(peer);
}

void mouv__peer_pause(mouv__peer_t *peer, mouv__job_t *job) {
    peer->job = job;
    mouv__list_remove(&peer->peers->hungry, &peer->hungry);
    if (!peer_was_walked(peer)) uv_poll_stop(&peer->poll);
}

void mouv__peer_resume(mouv__peer_t *peer) {
    peer->job = NULL;
    peer_start(peer);
}

int mouv__peer_send(mouv__peer_t *peer) {
    peer->at = 0;
    peer->size = peer->packed ? peer->size : peer->message.size;
    mouv__incoming_begin(&peer->incoming, peer->message.content.request_id);
    int rc = peer_push(peer);
    if (rc < 0) return -1;
    peer_watch(peer, rc == 0);
    if (rc > 0) peer->peers->sent(peer);
    return 0;
}

static void peer_go_on_sending(mouv__peer_t *peer) {
    int rc = peer_push(peer);
    if (rc < 0) {
        peer_lose_socket(peer, errno);
        return;
    }
    peer->peers->progress(peer);
    if (rc == 0) return;
    peer_watch(peer, false);
    if (peer->exchange) peer->peers->sent(peer);
}

/* --- in --------------------------------------------------------------------------------------- */

/* What has become of the answer: true if more of it is to be read. */
static bool peer_judge(mouv__peer_t *peer, mouv__incoming_state_t state) {
    switch (state) {
    case MOUV__INCOMING_MORE:
        peer->peers->progress(peer);
        return true;
    case MOUV__INCOMING_WHOLE:
        peer->peers->arrived(peer);
        break;
    case MOUV__INCOMING_PACKED:
        peer->peers->packed(peer);
        break;
    case MOUV__INCOMING_BAD:
        mouv__peer_refuse(peer, peer->incoming.why);
        break;
    case MOUV__INCOMING_NO_MEMORY:
        mouv__peer_refuse(peer, "there is no memory for it");
        break;
    }
    return false;
}

void mouv__peer_unpacked(mouv__peer_t *peer, int32_t opcode, const uint8_t *body, size_t size) {
    peer_judge(peer, mouv__incoming_unpacked(&peer->incoming, opcode, body, size));
}

/* Where libuv's time has not moved on it may be the same turn still. */
static size_t peer_allowance(mouv__peers_t *peers) {
    uint64_t now = uv_now(peers->uv);
    if (peers->turn != now) {
        peers->turn = now;
        peers->left = peers->turn_bytes;
    }
    return peers->left;
}

static void peer_on_next_turn(uv_idle_t *idle);

static void peer_wait_for_turn(mouv__peer_t *peer) {
    mouv__peers_t *peers = peer->peers;
    if (!mouv__link_is_in_list(&peer->hungry)) mouv__list_push_back(&peers->hungry, &peer->hungry);
    if (!uv_is_closing((uv_handle_t *)&peers->next_turn))
        uv_idle_start(&peers->next_turn, peer_on_next_turn);
}

/* Why nothing can come now but the end, or something of TLS's own; NULL: an answer is waited for.
 * Half of a command is not to be followed by another one. */
static const char *peer_unasked(const mouv__peer_t *peer) {
    if (!peer->exchange) return "nothing had been asked";
    return peer->at < peer->size ? "it came before all of the command had been sent" : NULL;
}

static ssize_t peer_read_some(mouv__peer_t *peer, size_t most, mouv__incoming_state_t *state) {
    mouv__peers_t *peers = peer->peers;
    size_t size = BUFFER_BYTES;
    uint8_t *room = peer->exchange ? mouv__incoming_room(&peer->incoming, &size) : NULL;
    if (size > most) size = most;
    ssize_t count = mouv__channel_read(peer->channel, room ? room : peers->buffer, size);
    if (count <= 0) return count;
    peers->left -= (size_t)count;
    if (peer_unasked(peer)) return count;
    *state = room ? mouv__incoming_arrived(&peer->incoming, (size_t)count)
                  : mouv__incoming_take(&peer->incoming, peers->buffer, (size_t)count);
    return count;
}

/* Until the socket, and what TLS holds of it, is empty. */
static void peer_read(mouv__peer_t *peer) {
    mouv__incoming_state_t state = MOUV__INCOMING_MORE;
    do {
        size_t most = peer_allowance(peer->peers);
        if (most == 0) {
            peer_wait_for_turn(peer);
            return;
        }
        const char *unasked = peer_unasked(peer);
        ssize_t count = peer_read_some(peer, most, &state);
        if (count == MOUV__CHANNEL_AGAIN) {
            if (mouv__channel_unsent(peer->channel) > 0) peer_watch(peer, true); /* TLS's own */
            return;
        }
        if (unasked && count > 0) {
            mouv__peer_refuse(peer, unasked);
            return;
        }
        if (count <= 0) {
            peer_lose_socket(peer, count == 0 ? 0 : errno);
            return;
        }
    } while (peer_judge(peer, state) && mouv__peer_is_open(peer));
}

void mouv__peer_look(mouv__peer_t *peer) {
    peer_read(peer);
    if (mouv__link_is_in_list(&peer->hungry)) peer->peers->progress(peer);
}

static void peer_on_next_turn(uv_idle_t *idle) {
    mouv__peers_t *peers = mouv__container_of(idle, mouv__peers_t, next_turn);
    uint32_t count = 0;
    uv_idle_stop(idle);
    peers->left = peers->turn_bytes;
    peers->turn = uv_now(peers->uv);
    MOUV__LIST_EACH(&peers->hungry, mouv__peer_t, each, hungry) count++;
    for (; count > 0 && peers->left > 0; count--) { /* who is hungry again waits behind others */
        mouv__peer_t *peer = MOUV__LIST_POP(&peers->hungry, mouv__peer_t, hungry);
        if (!peer) return;
        peer_read(peer);
    }
    if (!mouv__list_is_empty(&peers->hungry)) uv_idle_start(idle, peer_on_next_turn);
}

static void peer_on_poll(uv_poll_t *poll, int status, int events) {
    mouv__peer_t *peer = (mouv__peer_t *)poll;
    (void)status; /* an error shows in what is read: before it there may be an answer */
    if (!mouv__peer_is_open(peer)) return;
    if (peer->peers->process != mouv__fork_number()) {
        uv_stop(poll->loop); /* the answer is the parent's to read, and so is the epoll set */
        return;
    }
    if ((events & UV_WRITABLE) && peer->writes) peer_go_on_sending(peer);
    if (mouv__peer_is_open(peer) && (status < 0 || (events & UV_READABLE))) peer_read(peer);
    if (status < 0 && mouv__peer_is_open(peer) && !peer->job)
        peer_start(peer); /* libuv has ended the watch, the error comes behind the answer */
}

/* --- begin and end ---------------------------------------------------------------------------- */

mouv__peer_t *mouv__peer_new(mouv__peers_t *peers, mouv__channel_t *channel) {
    mouv__peer_t *peer = mouv__alloc(sizeof(*peer));
    if (!peer) return NULL;
    if (uv_poll_init(peers->uv, &peer->poll, mouv__channel_fd(channel)) != 0) {
        mouv__free(peer);
        return NULL;
    }
    peer->peers = peers;
    peers->count++;
    uv_unref((uv_handle_t *)&peer->poll);
    peer->channel = channel;
    if (uv_poll_start(&peer->poll, UV_READABLE, peer_on_poll) == 0) return peer;
    peer->channel = NULL;
    uv_close((uv_handle_t *)&peer->poll, peer_on_closed);
    return NULL;
}

int mouv__peers_open(mouv__peers_t *peers, mouv_client_t *client) {
    peers->client = client;
    peers->process = mouv__fork_number();
    peers->turn_bytes = READ_BYTES;
    peers->uv = mouv_runtime_loop(mouv__client_runtime(client));
    peers->buffer = mouv__alloc(BUFFER_BYTES);
    if (!peers->buffer) return MOUV_ENOMEM;
    uv_idle_init(peers->uv, &peers->next_turn);
    uv_unref((uv_handle_t *)&peers->next_turn);
    peers->count = 1; /* next_turn */
    peers->open = true;
    return 0;
}

static void peer_on_idle_closed(uv_handle_t *handle) {
    mouv__peers_t *peers = mouv__container_of((uv_idle_t *)handle, mouv__peers_t, next_turn);
    mouv__free(peers->buffer);
    peers->buffer = NULL;
    if (--peers->count == 0) peers->emptied(peers);
}

void mouv__peers_close(mouv__peers_t *peers) {
    if (!peers->open) return;
    peers->open = false;
    mouv__runtime_close_handle((uv_handle_t *)&peers->next_turn, peer_on_idle_closed);
}
