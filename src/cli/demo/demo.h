/*
 * The parts of `mouv demo`: a shop's data, questions about it, a query that takes too long.
 */
#ifndef MOUV_CLI_DEMO_DEMO_H
#define MOUV_CLI_DEMO_DEMO_H

#include <bson/bson.h>
#include <mouv/mouv.h>

/* The sample database. */
struct shop {
    mouv_client_t *client;
    mouv_database_t *db;
    mouv_collection_t *users, *products, *orders;
    int64_t documents; /* of all three together */
    uint64_t seed;
};

/* All of these run in a coroutine and return 0 or a negative error. */

/* A coroutine; `arg` is a `struct shop *`. Makes its database, in place of what an earlier demo has
 * left, and refuses to touch any other. */
int demo_prepare(void *arg);

/* Fills the shop, several batches at once. */
int demo_load(const struct shop *shop);

/* Asks the same questions one after the other and then all at once, and prints both timelines. */
int demo_compare(const struct shop *shop);

/* Runs a query that takes too long under a deadline, while a ticker shows that the program goes on,
 * and asks the server what has become of the query. */
int demo_deadline(const struct shop *shop);

/* A document from JSON, written with ' for " so that it can be read in C. */
bson_t *demo_json(const char *text);

/* `AUTO_BSON bson_t *doc = ...;` destroys it at the end of its scope. */
#define AUTO_BSON __attribute__((cleanup(demo_drop_bson)))
void demo_drop_bson(bson_t **document);

#endif
