/*
 * A server at the other end of one socket: one message at a time goes out, one answer comes in. The
 * socket is watched for as long as it is open, so that a server that closes it is noticed at once.
 *
 *     mouv__peer_send()   -> sent() when the last byte has been taken
 *                         -> arrived() with the answer, or lost() without
 *
 * Of all peers of a transport together a turn of the loop reads so much (READ_BYTES): who has more
 * goes on in the next one. Loop thread.
 */
#ifndef MOUV_MONGO_TRANSPORT_LOOP_PEER_H
#define MOUV_MONGO_TRANSPORT_LOOP_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "async/loop/timer.h"
#include "context/list.h"
#include "mongo/transport/driver/channel.h"
#include "mongo/transport/loop/hello.h"
#include "mongo/transport/loop/incoming.h"
#include "mongo/transport/transport.h"
#include "mongo/wire/message.h"

/** What peers share: one a transport. */
typedef struct mouv__peers {
    mouv_client_t *client; /**< for its runtime */
    uv_loop_t *uv;
    uint32_t process;    /**< where they were made, see fork.h */
    uint32_t count;      /**< whose handles are not closed yet */
    uint8_t *buffer;     /**< into which answers are read whose length is not known */
    mouv__list_t hungry; /**< those that have more to read */
    size_t turn_bytes;   /**< what one turn may read: READ_BYTES */
    size_t left;         /**< what this one may read still */
    uint64_t turn;       /**< when that was full, by uv_now() */
    uv_idle_t next_turn; /**< active while somebody is hungry */
    bool open;           /**< next_turn is there */
    /* --- who has the exchanges --- */
    /** All of the message has been given to the socket. */
    void (*sent)(mouv__peer_t *peer);
    /** The answer is there: takes peer->incoming.reply. It may send the next message. */
    void (*arrived)(mouv__peer_t *peer);
    /** The connection has gone, `why` of bson_error_t's; the peer has been closed. */
    void (*lost)(mouv__peer_t *peer, const bson_error_t *why);
    /** An OP_COMPRESSED is there, in peer->incoming.packed. */
    void (*packed)(mouv__peer_t *peer);
    /** More of the message has gone, or of the answer come; not its end. */
    void (*progress)(mouv__peer_t *peer);
    /** No handle is left. */
    void (*emptied)(struct mouv__peers *peers);
} mouv__peers_t;

struct mouv__peer {
    uv_poll_t poll; /**< first */
    mouv__peers_t *peers;
    mouv__list_t *siblings; /**< its connection's, which it is in while it is open; or NULL */
    mouv__link_t sibling;
    mouv__connection_t *connection;
    uint32_t server_id;
    char host[264];
    mouv__hello_t hello;
    uint32_t generation;        /**< the server's when it was begun */
    mouv__channel_t *channel;   /**< NULL: closed */
    mouv__exchange_t *exchange; /**< under way; whoever sends sets it */
    bool leaves;                /**< it is to be closed when that is over */
    bool writes;                /**< waits until the socket takes more */
    mouv__link_t hungry;
    /* out */
    mouv__message_t message;
    bson_t extra;    /**< beside the command: $db, lsid, ... */
    bool has_extra;  /**< it is initialised */
    uint8_t *packed; /**< the message compressed, which is sent in its place; or NULL */
    size_t size;     /**< of what is sent */
    size_t at;       /**< sent of it */
    /* in */
    mouv__incoming_t incoming;
    mouv__job_t *job; /**< what a worker has of its exchange: it is not looked at meanwhile */
    /* the wait for the server (patience.h) */
    mouv__link_t waiting;
    mouv__timer_t timer;
    int64_t since_ns;
    void (*over)(mouv__peer_t *peer); /**< with a limit of its own: what then happens */
};

/** 0 or MOUV_ENOMEM. */
int mouv__peers_open(mouv__peers_t *peers, mouv_client_t *client);

/** All peers have been closed; `emptied` follows, now or later. */
void mouv__peers_close(mouv__peers_t *peers);

/** Watches a channel, which it owns; not on failure. NULL: no memory, or the descriptor cannot be
 *  watched. */
mouv__peer_t *mouv__peer_new(mouv__peers_t *peers, mouv__channel_t *channel);

/** Sends peer->message, or `packed`: as much as goes now, the rest later. 0; or -1 with `errno`:
 *  the connection has gone. */
int mouv__peer_send(mouv__peer_t *peer);

/** Reads what has come already, and does with it what a turn of the loop would. */
void mouv__peer_look(mouv__peer_t *peer);

/** Whether the server can have got the whole message. */
bool mouv__peer_has_sent(const mouv__peer_t *peer);

/** A worker has its exchange's message, or its answer: whatever else comes, the server's end too,
 *  waits until mouv__peer_resume(). If it is closed meanwhile the job is discarded. */
void mouv__peer_pause(mouv__peer_t *peer, mouv__job_t *job);
void mouv__peer_resume(mouv__peer_t *peer);

/** The bytes of what was packed: goes on as if they had come. May end in lost(). */
void mouv__peer_unpacked(mouv__peer_t *peer, int32_t opcode, const uint8_t *body, size_t size);

/** What came was no answer: closes it and says lost(). */
void mouv__peer_refuse(mouv__peer_t *peer, const char *why);

/** Ends the connection; its memory goes when libuv lets go of it. `reset`: with RST. */
void mouv__peer_close(mouv__peer_t *peer, bool reset);

static inline bool mouv__peer_is_open(const mouv__peer_t *peer) {
    return peer->channel != NULL;
}

#endif
