/*
 * How many answers of the primary a client gets before and while one secondary of three nodes is frozen.
 *
 * usage: pool SECONDS ASKER [ARGUMENT...], on $MONGODB_URI; run as ASKER [ARGUMENT...] URI. Half of the time nothing
 * is frozen. Prints one line of JSON.
 */
#include "scorecard/child.h"
#include "scorecard/nodes.h"

#include <poll.h>
#include <string.h>

enum { SLOT_MS = 500, WARM_MS = 2000 };

/* Answers in `ms`; `least`: in any slot of it. */
static long answers_in(int output, int64_t ms, long *least) {
    char bytes[65536];
    long all = 0;
    *least = -1;
    for (int64_t at = 0; at < ms; at += SLOT_MS) {
        long slot = 0;
        int64_t end = now_ms() + SLOT_MS;
        for (int64_t left = SLOT_MS; left > 0; left = end - now_ms()) {
            struct pollfd readable = {output, POLLIN, 0};
            if (poll(&readable, 1, (int)left) <= 0) continue;
            ssize_t size = read(output, bytes, sizeof bytes);
            if (size <= 0) fail("the asker", "has ended");
            for (ssize_t i = 0; i < size; i++) slot += bytes[i] == '\n';
        }
        all += slot;
        if (*least < 0 || slot < *least) *least = slot;
    }
    return all;
}

static void store_something(const char *uri) {
    bson_error_t error;
    bson_t *document = BCON_NEW("x", BCON_INT32(1));
    mongoc_client_t *client = mongoc_client_new(uri);
    mongoc_collection_t *users = mongoc_client_get_collection(client, "pool", "users");
    if (!mongoc_collection_insert_one(users, document, NULL, NULL, &error))
        fail("insert", error.message);
    bson_destroy(document);
    mongoc_collection_destroy(users);
    mongoc_client_destroy(client);
}

static node_t *any_secondary(void) {
    node_primary();
    for (int i = 0; i < node_count; i++)
        if (!node_is_primary(&nodes[i])) return &nodes[i];
    fail("no secondary", "one node alone");
}

int main(int argc, char **argv) {
    char uri[600];
    const char *given = getenv("MONGODB_URI");
    int input, output;
    long least, least_during;
    if (argc < 3 || !given) return 2;
    mongoc_init();
    signal(SIGPIPE, SIG_IGN);
    nodes_find(given);
    store_something(given);
    snprintf(uri, sizeof uri, "%s&maxPoolSize=20", given);
    char **words = calloc((size_t)argc, sizeof *words);
    memcpy(words, argv + 2, (size_t)(argc - 2) * sizeof *words);
    words[argc - 2] = uri;
    if (child_start(words, &input, &output) < 0) fail(words[0], "not started");
    int64_t half_ms = 500 * atoi(argv[1]);
    answers_in(output, WARM_MS, &least);
    long before = answers_in(output, half_ms, &least);
    pid_t frozen = node_freeze(any_secondary());
    long during = answers_in(output, half_ms, &least_during);
    kill(frozen, SIGCONT);
    close(input);
    printf("{\"before\": %.0f, \"during\": %.0f, \"least_during\": %.0f}\n",
           1000.0 * (double)before / (double)half_ms, 1000.0 * (double)during / (double)half_ms,
           1000.0 * (double)least_during / SLOT_MS);
    free(words);
    nodes_clear();
    mongoc_cleanup();
    return 0;
}
