/*
 * So many finds at once, and so many coroutines that each make one and wait for it, on a hundred
 * connections to a mock server.
 *
 * usage: scale FINDS COROUTINES; prints one line of JSON, exit status 1 if one of them failed
 */
#include "scorecard/process.h"
#include "support/mock_server.h"

#include <mouv/mouv.h>

typedef struct scale {
    const char *uri;
    mouv_collection_t *users;
    int finds, coroutines;
    long good;
    process_state_t most;
} scale_t;

static void look(scale_t *scale) {
    process_state_t now = process_look();
    if (now.descriptors > scale->most.descriptors) scale->most.descriptors = now.descriptors;
    if (now.threads > scale->most.threads) scale->most.threads = now.threads;
    if (now.resident_kb > scale->most.resident_kb) scale->most.resident_kb = now.resident_kb;
}

static int find(void *arg) {
    scale_t *scale = arg;
    int rc = mouv_await(mouv_collection_find_one(scale->users, NULL, NULL, NULL), NULL);
    scale->good += rc == 1;
    return rc;
}

static void find_all(scale_t *scale, mouv_future_t *futures) {
    for (int i = 0; i < scale->finds; i++)
        futures[i] = mouv_collection_find_one(scale->users, NULL, NULL, NULL);
    for (int i = 0; i < scale->finds; i++) {
        scale->good += mouv_await(futures[i], NULL) == 1;
        if (i == scale->finds / 2) look(scale);
    }
}

static void find_in_coroutines(scale_t *scale, mouv_future_t *futures) {
    for (int i = 0; i < scale->coroutines; i++) futures[i] = mouv_task(find, scale);
    for (int i = 0; i < scale->coroutines; i++) {
        mouv_await(futures[i], NULL);
        if (i == scale->coroutines / 2) look(scale);
    }
}

static int run(void *arg) {
    scale_t *scale = arg;
    mouv_client_t *client = mouv_client_new(scale->uri, NULL, NULL);
    int most = scale->finds > scale->coroutines ? scale->finds : scale->coroutines;
    mouv_future_t *futures = calloc((size_t)most, sizeof *futures);
    scale->users = mouv_client_get_collection(client, "app", "users");
    find_all(scale, futures);
    find_in_coroutines(scale, futures);
    free(futures);
    mouv_client_close(client, NULL);
    mouv_client_unref(client);
    return 0;
}

int main(int argc, char **argv) {
    mock_server_t *server = argc == 3 ? mock_server_start(NULL) : NULL;
    if (!server) return 2;
    scale_t scale = {mock_server_uri(server), NULL, atoi(argv[1]), atoi(argv[2]), 0, {0}};
    double began = now_ms();
    int rc = mouv_run(run, &scale, NULL);
    double took_ms = now_ms() - began;
    mock_server_stop(server);
    int left = (int)process_look().threads - 1;
    printf("{\"wanted\": %d, \"good\": %ld, \"ms\": %.0f, \"threads\": %ld, \"descriptors\": %ld, "
           "\"mib\": %ld, \"threads_left\": %d, \"status\": %d}\n",
           scale.finds + scale.coroutines, scale.good, took_ms, scale.most.threads,
           scale.most.descriptors, scale.most.resident_kb / 1024, left, rc);
    return rc != 0 || scale.good != scale.finds + scale.coroutines;
}
