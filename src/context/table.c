/*
 * Chains, as many as there are nodes at least.
 */
#include "context/table.h"

#include "context/alloc.h"

#define CHAINS_LEAST 16

/* FNV-1a. */
uint32_t mouv__table_hash(uint32_t hash, const void *data, size_t size) {
    const unsigned char *byte = data;
    hash ^= 2166136261u;
    for (size_t i = 0; i < size; i++) hash = (hash ^ byte[i]) * 16777619u;
    return hash;
}

static mouv__table_node_t **table_chain(mouv__table_node_t **chains, uint32_t count,
                                        uint32_t hash) {
    hash *= 2654435769u; /* its upper bits depend on all of it */
    return &chains[(hash ^ hash >> 16) & (count - 1)];
}

static void table_link(mouv__table_node_t **chain, mouv__table_node_t *node) {
    node->next = *chain;
    *chain = node;
}

static bool table_grow(mouv__table_t *table) {
    uint32_t count = table->chain_count ? table->chain_count * 2 : CHAINS_LEAST;
    mouv__table_node_t **chains = mouv__alloc(count * sizeof(chains[0]));
    if (!chains) return false;
    for (uint32_t i = 0; i < table->chain_count; i++) {
        for (mouv__table_node_t *node = table->chains[i], *next; node; node = next) {
            next = node->next;
            table_link(table_chain(chains, count, node->hash), node);
        }
    }
    mouv__free(table->chains);
    table->chains = chains;
    table->chain_count = count;
    return true;
}

bool mouv__table_add(mouv__table_t *table, mouv__table_node_t *node, uint32_t hash) {
    bool full = table->count >= table->chain_count;
    if (full && !table_grow(table) && !table->chains) return false;
    node->hash = hash;
    table_link(table_chain(table->chains, table->chain_count, hash), node);
    table->count++;
    return true;
}

static mouv__table_node_t *table_skip(mouv__table_node_t *node, uint32_t hash) {
    while (node && node->hash != hash) node = node->next;
    return node;
}

mouv__table_node_t *mouv__table_find(const mouv__table_t *table, uint32_t hash) {
    if (!table->chains) return NULL;
    return table_skip(*table_chain(table->chains, table->chain_count, hash), hash);
}

mouv__table_node_t *mouv__table_find_next(const mouv__table_node_t *node) {
    return table_skip(node->next, node->hash);
}

void mouv__table_clear(mouv__table_t *table, void (*each)(mouv__table_node_t *node)) {
    for (uint32_t i = 0; i < table->chain_count; i++) {
        for (mouv__table_node_t *node = table->chains[i], *next; node; node = next) {
            next = node->next;
            each(node);
        }
    }
    mouv__free(table->chains);
    *table = (mouv__table_t){0};
}
