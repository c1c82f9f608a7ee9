/*
 * The one hash table of the library: chains through a node inside of what is in it, which brings
 * its hash. It grows by itself; what is in it stays where it is. A zeroed one is empty. Who looks
 * compares what has the same hash itself.
 */
#ifndef MOUV_CONTEXT_TABLE_H
#define MOUV_CONTEXT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Embedded; its fields are the table's. */
typedef struct mouv__table_node {
    struct mouv__table_node *next; /* in its chain */
    uint32_t hash;
} mouv__table_node_t;

typedef struct mouv__table {
    mouv__table_node_t **chains; /* owned; NULL: empty */
    uint32_t chain_count;        /* a power of two */
    uint32_t count;
} mouv__table_t;

/** `hash` carried on over these bytes; the first one is any number. */
uint32_t mouv__table_hash(uint32_t hash, const void *data, size_t size);

/** False: there is no memory for the first chains. Later ones then only get longer. */
bool mouv__table_add(mouv__table_t *table, mouv__table_node_t *node, uint32_t hash);

/** One with this hash, and the next one that has the same; NULL: there is none. */
mouv__table_node_t *mouv__table_find(const mouv__table_t *table, uint32_t hash);
mouv__table_node_t *mouv__table_find_next(const mouv__table_node_t *node);

/** Calls `each` for all that is in it, which may free it, and empties it. */
void mouv__table_clear(mouv__table_t *table, void (*each)(mouv__table_node_t *node));

#endif
