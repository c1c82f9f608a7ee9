/*
 * A client that is nothing but a socket: one ping as it stands on the wire.
 */
#ifndef MOUV_TESTS_BARE_SOCKET_H
#define MOUV_TESTS_BARE_SOCKET_H

#include <stdint.h>
#include <sys/types.h>

/** {ping: 1} as OP_MSG, request 7, and what the mock server answers. */
enum { BARE_PING_BYTES = 36, BARE_REPLY_BYTES = 38 };
extern const uint8_t bare_ping[BARE_PING_BYTES];

/** Connects to 127.0.0.1; reading gives up with EAGAIN after `patience_ms`. -1 on failure. */
int bare_dial(uint16_t port, int64_t patience_ms);

/** Sends the ping and reads until `wanted` bytes are there or there are no more: how many, or -1.
 */
ssize_t bare_ask(int fd, uint8_t *reply, size_t wanted);

#endif
