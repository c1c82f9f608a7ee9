/*
 * The same as writer_mouv with threads and libmongoc alone, whose only limits for an operation are
 * those of its sockets and of the selection of a server.
 *
 * usage: writer_libmongoc URI DATABASE TIMEOUT_MS
 */
#include "support/books.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WRITERS_OF_A_KIND = 5, COUNTERS = 64 };

static mongoc_client_pool_t *pool;
static const char *database;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of what follows */
static books_t books;
static int64_t slowest_us;
static bool stopped;

static bool is_stopped(void) {
    pthread_mutex_lock(&mutex);
    bool now = stopped;
    pthread_mutex_unlock(&mutex);
    return now;
}

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* That nothing is stored, libmongoc says where the server said so, and where there was none. A reply
 * that is labelled for a retry, or came in the write concern alone, is no such word. */
static books_outcome_t outcome_of(bool ok, const bson_error_t *error, const bson_t *reply) {
    if (ok) return BOOKS_ACKNOWLEDGED;
    if (mongoc_error_has_label(reply, "RetryableWriteError")) return BOOKS_UNKNOWN;
    if (mongoc_error_has_label(reply, "UnknownTransactionCommitResult")) return BOOKS_UNKNOWN;
    switch (error->domain) {
    case MONGOC_ERROR_SERVER_SELECTION:
    case MONGOC_ERROR_SERVER:
    case MONGOC_ERROR_COMMAND:
    case MONGOC_ERROR_QUERY:
        return BOOKS_REFUSED;
    default:
        return BOOKS_UNKNOWN;
    }
}

static void pause_after(bool ok, int64_t began_us) {
    int64_t took_us = now_us() - began_us;
    pthread_mutex_lock(&mutex);
    if (took_us > slowest_us) slowest_us = took_us;
    pthread_mutex_unlock(&mutex);
    usleep(ok ? 2000 : 20000);
}

static void insert_one(mongoc_client_t *client) {
    bson_error_t error = {0};
    bson_t reply;
    pthread_mutex_lock(&mutex);
    int id = books_begin(&books.documents);
    pthread_mutex_unlock(&mutex);
    bson_t *document = BCON_NEW("_id", BCON_INT32(id));
    mongoc_collection_t *documents = mongoc_client_get_collection(client, database, "documents");
    int64_t began_us = now_us();
    bool ok = mongoc_collection_insert_one(documents, document, NULL, &reply, &error);
    pthread_mutex_lock(&mutex);
    books_enter(&books, &books.documents, id, outcome_of(ok, &error, &reply));
    pthread_mutex_unlock(&mutex);
    pause_after(ok, began_us);
    mongoc_collection_destroy(documents);
    bson_destroy(document);
    bson_destroy(&reply);
}

static void increment(mongoc_client_t *client, int counter) {
    bson_error_t error = {0};
    bson_t reply;
    pthread_mutex_lock(&mutex);
    int number = books_next_increment(&books, counter);
    pthread_mutex_unlock(&mutex);
    bson_t *filter = BCON_NEW("_id", BCON_INT32(counter));
    bson_t *change = BCON_NEW("$inc", "{", "n", BCON_INT32(1), "}", "$push", "{", "numbers",
                              BCON_INT32(number), "}");
    mongoc_collection_t *counters = mongoc_client_get_collection(client, database, "counters");
    int64_t began_us = now_us();
    bool ok = mongoc_collection_update_one(counters, filter, change, NULL, &reply, &error);
    pthread_mutex_lock(&mutex);
    books_enter_increment(&books, counter, number, outcome_of(ok, &error, &reply), error.message);
    pthread_mutex_unlock(&mutex);
    pause_after(ok, began_us);
    mongoc_collection_destroy(counters);
    bson_destroy(filter);
    bson_destroy(change);
    bson_destroy(&reply);
}

/* The two halves of a transaction; `arg` is the document. */
static bool insert_pair(mongoc_client_session_t *session, void *arg, bson_t **reply,
                        bson_error_t *error) {
    bson_t opts = BSON_INITIALIZER;
    mongoc_client_t *client = mongoc_client_session_get_client(session);
    bool ok = mongoc_client_session_append(session, &opts, error);
    for (int half = 0; ok && half < 2; half++) {
        mongoc_collection_t *collection =
            mongoc_client_get_collection(client, database, half ? "seconds" : "firsts");
        bson_destroy(*reply);
        *reply = bson_new();
        bson_t own;
        ok = mongoc_collection_insert_one(collection, arg, &opts, &own, error);
        bson_concat(*reply, &own);
        bson_destroy(&own);
        mongoc_collection_destroy(collection);
    }
    bson_destroy(&opts);
    return ok;
}

static void commit_pair(mongoc_client_t *client) {
    bson_error_t error = {0};
    bson_t reply;
    mongoc_client_session_t *session = mongoc_client_start_session(client, NULL, &error);
    if (!session) return;
    pthread_mutex_lock(&mutex);
    int id = books_begin(&books.pairs);
    pthread_mutex_unlock(&mutex);
    bson_t *document = BCON_NEW("_id", BCON_INT32(id));
    bool ok = mongoc_client_session_with_transaction(session, insert_pair, NULL, document, &reply,
                                                     &error);
    pthread_mutex_lock(&mutex);
    books_enter(&books, &books.pairs, id, outcome_of(ok, &error, &reply));
    pthread_mutex_unlock(&mutex);
    usleep(ok ? 2000 : 20000);
    bson_destroy(document);
    bson_destroy(&reply);
    mongoc_client_session_destroy(session);
}

static void *writer(void *arg) {
    int number = *(int *)arg;
    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    while (!is_stopped()) {
        if (number < WRITERS_OF_A_KIND)
            insert_one(client);
        else if (number < 2 * WRITERS_OF_A_KIND)
            increment(client, number);
        else
            commit_pair(client);
    }
    mongoc_client_pool_push(pool, client);
    return NULL;
}

static void open_pool(const char *text, int32_t timeout_ms) {
    mongoc_uri_t *uri = mongoc_uri_new(text);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, timeout_ms);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, timeout_ms);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, timeout_ms);
    pool = mongoc_client_pool_new(uri);
    mongoc_client_pool_set_error_api(pool, MONGOC_ERROR_API_VERSION_2);
    mongoc_uri_destroy(uri);
}

static void ignore(mongoc_log_level_t level, const char *domain, const char *text, void *arg) {
    (void)level, (void)domain, (void)text, (void)arg;
}

int main(int argc, char **argv) {
    pthread_t threads[3 * WRITERS_OF_A_KIND];
    int numbers[3 * WRITERS_OF_A_KIND];
    char input[64];
    if (argc < 4) return 2;
    mongoc_init();
    mongoc_log_set_handler(ignore, NULL);
    database = argv[2];
    setvbuf(stdout, NULL, _IOLBF, 0);
    open_pool(argv[1], atoi(argv[3]));
    books_open(&books, COUNTERS);
    books.journal = stdout;
    for (int i = 0; i < 3 * WRITERS_OF_A_KIND; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, writer, &numbers[i]);
    }
    while (read(STDIN_FILENO, input, sizeof input) > 0) continue;
    pthread_mutex_lock(&mutex);
    stopped = true;
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < 3 * WRITERS_OF_A_KIND; i++) pthread_join(threads[i], NULL);
    printf("slowest %lld\n", (long long)slowest_us / 1000);
    books_close(&books);
    mongoc_client_pool_destroy(pool);
    mongoc_cleanup();
    return 0;
}
