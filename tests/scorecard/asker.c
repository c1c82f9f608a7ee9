/*
 * Thirty askers of the primary and thirty of secondaries share a pool of twenty connections (to each server, or in
 * all: as the client counts), each with a limit of a second. Prints a line for each answer of the primary.
 *
 * usage: asker mouv|libmongoc URI, until its input ends
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mongoc/mongoc.h>
#include <mouv/mouv.h>

enum { OF_EACH = 30, LIMIT_MS = 1000, PAUSE_MS = 20 };

static void tell(void) {
    puts("answer");
    fflush(stdout);
}

/* --- mouv ------------------------------------------------------------------------------------- */

static mouv_collection_t *users;
static bson_t *secondary;

static int ask(void *arg) {
    bool of_primary = arg != NULL;
    for (;;) {
        mouv_future_t find =
            mouv_collection_find_one(users, NULL, of_primary ? NULL : secondary, NULL);
        if (mouv_await_for(find, LIMIT_MS, NULL) >= 0 && of_primary) tell();
        mouv_sleep_ms(PAUSE_MS);
    }
    return 0;
}

static int with_mouv(void *uri) {
    static int mark;
    mouv_client_t *client = mouv_client_new(uri, NULL, NULL);
    users = mouv_client_get_collection(client, "pool", "users");
    secondary = BCON_NEW("readPreference", "{", "mode", "secondary", "}");
    for (int i = 0; i < OF_EACH; i++) {
        mouv_future_unref(mouv_task(ask, NULL));
        mouv_future_unref(mouv_task(ask, &mark));
    }
    for (;;) mouv_sleep_ms(LIMIT_MS);
    return 0;
}

/* --- libmongoc -------------------------------------------------------------------------------- */

static mongoc_client_pool_t *pool;

static void *find_for_ever(void *arg) {
    bson_t all = BSON_INITIALIZER;
    bool of_primary = arg != NULL;
    mongoc_read_prefs_t *prefs =
        mongoc_read_prefs_new(of_primary ? MONGOC_READ_PRIMARY : MONGOC_READ_SECONDARY);
    for (;;) {
        const bson_t *found;
        bson_error_t error;
        mongoc_client_t *client = mongoc_client_pool_pop(pool);
        mongoc_collection_t *collection = mongoc_client_get_collection(client, "pool", "users");
        mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, &all, NULL, prefs);
        while (mongoc_cursor_next(cursor, &found)) continue;
        if (!mongoc_cursor_error(cursor, &error) && of_primary) tell();
        mongoc_cursor_destroy(cursor);
        mongoc_collection_destroy(collection);
        mongoc_client_pool_push(pool, client);
        usleep(PAUSE_MS * 1000);
    }
    return NULL;
}

static void ignore(mongoc_log_level_t level, const char *domain, const char *text, void *arg) {
    (void)level, (void)domain, (void)text, (void)arg;
}

static void with_libmongoc(const char *text) {
    static int mark;
    pthread_t thread;
    mongoc_init();
    mongoc_log_set_handler(ignore, NULL);
    mongoc_uri_t *uri = mongoc_uri_new(text);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, LIMIT_MS);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, LIMIT_MS);
    pool = mongoc_client_pool_new(uri);
    for (int i = 0; i < OF_EACH; i++) {
        pthread_create(&thread, NULL, find_for_ever, NULL);
        pthread_create(&thread, NULL, find_for_ever, &mark);
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

static void *end_with_input(void *arg) {
    char byte;
    (void)arg;
    while (read(STDIN_FILENO, &byte, 1) > 0) continue;
    _exit(0);
}

int main(int argc, char **argv) {
    pthread_t thread;
    if (argc != 3) return 2;
    if (strcmp(argv[1], "libmongoc") == 0) {
        with_libmongoc(argv[2]);
        end_with_input(NULL);
    }
    pthread_create(&thread, NULL, end_with_input, NULL);
    return mouv_main(with_mouv, argv[2]);
}
