/*
 * A TCP proxy on a port of 127.0.0.1 and a thread of its own, which does to each direction what bad
 * networks do: passes on late, in slices, not at all for a while, or cuts.
 *
 * Any thread may call these functions. A client comes to a node of a replica set through it with
 * directConnection=true; else it would go to the address that the node itself names.
 */
#ifndef MOUV_TESTS_PROXY_H
#define MOUV_TESTS_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct proxy proxy_t;

typedef enum proxy_direction { PROXY_TO_SERVER, PROXY_TO_CLIENT } proxy_direction_t;

/** What happens to the bytes of one direction, on every connection. Zero: they pass. */
typedef struct proxy_fault {
    bool hold;          /**< nothing passes; what was held passes once this is over */
    bool lose;          /**< nothing passes, and it never does */
    int64_t delay_ms;   /**< what has come together passes so much later */
    size_t slice_bytes; /**< in pieces of this size, */
    int64_t slice_ms;   /**< one after each so many milliseconds */
    uint64_t
        cut_at_bytes; /**< both sides get a RST once so many bytes of a connection have passed */
    bool in_order;    /**< or an end in order (FIN) instead */
} proxy_fault_t;

/** Starts one in front of 127.0.0.1:`server_port`. Returns NULL on failure. */
proxy_t *proxy_start(uint16_t server_port);

/** Cuts everything, joins the thread, frees all. Takes NULL. */
void proxy_stop(proxy_t *proxy);

/** "mongodb://127.0.0.1:PORT/?directConnection=true" */
const char *proxy_uri(const proxy_t *proxy);
uint16_t proxy_port(const proxy_t *proxy);

/** From now on, for connections there are and those to come; NULL: pass again. */
void proxy_set(proxy_t *proxy, proxy_direction_t direction, const proxy_fault_t *fault);

/** Gives both sides of every connection there is a RST. */
void proxy_cut(proxy_t *proxy);

/** While `refuse`, new connections get a RST at once. */
void proxy_refuse(proxy_t *proxy, bool refuse);

/** How many connections are open. */
int proxy_open(proxy_t *proxy);

#endif
