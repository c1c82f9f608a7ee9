/*
 * A scripted server: the primary of a replica set of one, on a port of 127.0.0.1 and a thread of
 * its own. It answers every command with a canned reply until a script says otherwise. Nothing is
 * allocated for a reply that is sent as it stands, so that benchmarks measure their client alone.
 *
 * Any thread may call these functions. A connection answers one command after another, in order.
 */
#ifndef MOUV_TESTS_MOCK_SERVER_H
#define MOUV_TESTS_MOCK_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bson/bson.h>

typedef struct mock_server mock_server_t;

/** A command as it came. The pointers are good during the call that gives them. */
typedef struct mock_request {
    const char *command; /**< its name; "hello" also for the older spellings of it */
    const uint8_t
        *body; /**< the command as BSON, without document sequences; see bson_init_static() */
    size_t body_size;
    const uint8_t *message; /**< all of it, with its header */
    size_t message_size;
    uint64_t connection; /**< number of the connection, from 1 */
} mock_request_t;

/** What becomes of the connection after the reply. */
typedef enum mock_then {
    MOCK_KEEP,  /**< it is there for the next command */
    MOCK_CLOSE, /**< closed in order (FIN) */
    MOCK_RESET, /**< closed with a RST */
    MOCK_MUTE   /**< left open; nothing is ever said on it again */
} mock_then_t;

/**
 * Changes the whole message of a reply, header included, before it goes out; returns its new size.
 * `capacity` leaves room for 4,096 bytes more. Called on the server's thread.
 */
typedef size_t (*mock_rewrite_fn)(void *arg, uint8_t *message, size_t size, size_t capacity);

/** How a command is answered. Zero is the canned reply, at once. */
typedef struct mock_script {
    uint64_t skip;       /**< so many of these commands are answered as usual first */
    uint64_t times;      /**< then so many as this script says; 0: all */
    int64_t delay_ms;    /**< before the first byte */
    const bson_t *reply; /**< instead of the canned one */
    const void *bytes;   /**< instead of a whole message: sent as they stand */
    size_t bytes_size;
    mock_rewrite_fn rewrite; /**< has the last word on the message, with `rewrite_arg` */
    void *rewrite_arg;
    int32_t claimed_size; /**< what the header says, whatever is sent; 0: the truth */
    size_t only_bytes;    /**< sends no more of the message than this; 0: all */
    size_t slice_bytes;   /**< sends so many bytes, then waits for `slice_ms`, then so many ... */
    int64_t slice_ms;
    bool silent; /**< sends nothing */
    mock_then_t then;
} mock_script_t;

/** Decides on a command that no script speaks for, on the server's thread. `script` comes as
 * zeroes; what it points to afterwards must stay valid until mock_server_stop(). */
typedef void (*mock_choose_fn)(void *arg, const mock_request_t *request, mock_script_t *script);

/** Options of mock_server_start(); zero is the default of each. */
typedef struct mock_server_opts {
    uint16_t port;         /**< 0: any that is free */
    mock_choose_fn choose; /**< asked with `choose_arg` */
    void *choose_arg;
} mock_server_opts_t;

/** Starts it; `opts` may be NULL. Returns NULL on failure, with errno set. */
mock_server_t *mock_server_start(const mock_server_opts_t *opts);

/** Closes everything, joins the thread, frees all. Takes NULL. */
void mock_server_stop(mock_server_t *server);

/** "mongodb://127.0.0.1:PORT/?replicaSet=mock" */
const char *mock_server_uri(const mock_server_t *server);
uint16_t mock_server_port(const mock_server_t *server);

/**
 * From now on `command` is answered as the script says ("*": every command that has none of its
 * own, except hello). Replaces the command's former script; NULL: the canned reply again. Copies
 * the script, its reply and its bytes.
 */
void mock_server_script(mock_server_t *server, const char *command, const mock_script_t *script);

/** Only another reply: mock_server_reply(mock, "ping", "{'ok': 0, 'code': 13}"); ' stands for ". */
void mock_server_reply(mock_server_t *server, const char *command, const char *json);

/** How many of these commands have come ("*": of all, except hello). */
uint64_t mock_server_count(mock_server_t *server, const char *command);

/** How many connections clients have reset whose last command was this one. */
uint64_t mock_server_resets(mock_server_t *server, const char *command);

/** What the server has seen of connections. */
typedef struct mock_server_stats {
    uint64_t accepted;
    uint64_t open;
    uint64_t ended; /**< by the client, in order */
    uint64_t reset; /**< by the client, with a RST */
    uint64_t wrong; /**< closed by the server, for what came was no message */
} mock_server_stats_t;

void mock_server_get_stats(mock_server_t *server, mock_server_stats_t *stats);

#endif
