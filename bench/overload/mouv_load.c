/*
 * Requests at a fixed rate in mouv, a task each: how many are answered in time?
 *
 * usage: mouv_load find|insert|varying RATE URI; works in mouv_bench.overload
 */
#include <mouv/mouv.h>

#include "load.h"

static load_t load;
static outcome_t outcome;
static mouv_collection_t *docs;

static int request(void *arg) {
    double began_s = now_s();
    bson_t *body = load_filter(&load), *doc = NULL;
    mouv_future_t future = load.writes ? mouv_collection_insert_one(docs, body, NULL, NULL)
                                       : mouv_collection_find_one(docs, body, NULL, &doc);
    (void)arg;
    load_note(&load, &outcome, began_s, mouv_await_for(future, LIMIT_MS, NULL) >= 0);
    bson_destroy(body);
    bson_destroy(doc);
    return 0;
}

static int run(void *arg) {
    mouv_error_t error;
    mouv_client_t *client = mouv_client_new(load.uri, NULL, &error);
    (void)arg;
    if (!client) return fprintf(stderr, "mouv_load: %s\n", error.message), 1;
    docs = mouv_client_get_collection(client, "mouv_bench", "overload");
    for (load.began_s = now_s(); !load_is_over(&load); mouv_sleep_ms(2))
        while (load_begins(&load)) mouv_future_unref(mouv_task(request, NULL));
    mouv_sleep_ms(2 * LIMIT_MS);
    load_print(&outcome);
    mouv_client_close(client, NULL);
    mouv_client_unref(client);
    return 0;
}

int main(int argc, char **argv) {
    load = load_read(argc, argv);
    return mouv_main(run, NULL);
}
