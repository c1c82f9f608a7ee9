/*
 * The same in plain libmongoc: a thread each, a pool of clients, waitQueueTimeoutMS as the limit of
 * the wait for one and what is left as maxTimeMS.
 *
 * usage: plain_load find|insert|varying RATE URI; works in mouv_bench.overload
 */
#include <mongoc/mongoc.h>

#include <pthread.h>
#include <unistd.h>

#include "load.h"

static load_t load;
static outcome_t outcome;
static mongoc_client_pool_t *pool;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool find(mongoc_collection_t *docs, const bson_t *filter, int left_ms) {
    const bson_t *doc;
    bson_error_t error;
    bson_t *opts = BCON_NEW("limit", BCON_INT64(1), "maxTimeMS", BCON_INT64(left_ms));
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(docs, filter, opts, NULL);
    mongoc_cursor_next(cursor, &doc);
    bool good = !mongoc_cursor_error(cursor, &error);
    mongoc_cursor_destroy(cursor);
    bson_destroy(opts);
    return good;
}

static bool insert(mongoc_client_t *client, const bson_t *doc, int left_ms) {
    bson_error_t error;
    bson_t reply;
    bson_t *command = BCON_NEW("insert", "overload", "documents", "[", BCON_DOCUMENT(doc), "]",
                               "maxTimeMS", BCON_INT64(left_ms));
    bool good =
        mongoc_client_write_command_with_opts(client, "mouv_bench", command, NULL, &reply, &error);
    bson_destroy(&reply);
    bson_destroy(command);
    return good;
}

static bool ask(mongoc_client_t *client, const bson_t *body, int left_ms) {
    mongoc_collection_t *docs = mongoc_client_get_collection(client, "mouv_bench", "overload");
    bool good = load.writes ? insert(client, body, left_ms) : find(docs, body, left_ms);
    mongoc_collection_destroy(docs);
    return good;
}

static void *request(void *arg) {
    double began_s = now_s();
    bson_t *body = arg;
    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    int left_ms = LIMIT_MS - (int)((now_s() - began_s) * 1e3);
    bool good = client && left_ms > 0 && ask(client, body, left_ms);
    if (client) mongoc_client_pool_push(pool, client);
    pthread_mutex_lock(&lock);
    load_note(&load, &outcome, began_s, good);
    pthread_mutex_unlock(&lock);
    bson_destroy(body);
    return NULL;
}

static void begin(const pthread_attr_t *attributes) {
    pthread_t thread;
    bson_t *body = load_filter(&load);
    if (pthread_create(&thread, attributes, request, body) == 0) return;
    outcome.bad++;
    bson_destroy(body);
}

int main(int argc, char **argv) {
    pthread_attr_t attributes;
    load = load_read(argc, argv);
    mongoc_init();
    mongoc_uri_t *uri = mongoc_uri_new(load.uri);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_WAITQUEUETIMEOUTMS, LIMIT_MS);
    pool = mongoc_client_pool_new(uri);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    for (load.began_s = now_s(); !load_is_over(&load); usleep(2000))
        while (load_begins(&load)) begin(&attributes);
    usleep(2 * LIMIT_MS * 1000);
    pthread_mutex_lock(&lock);
    load_print(&outcome);
    return 0; /* with what still runs */
}
