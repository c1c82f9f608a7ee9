/*
 * Calls exit(0) while a hundred finds are under way, some milliseconds after they began.
 *
 * usage: exit_busy mouv|libmongoc URI MS
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mongoc/mongoc.h>
#include <mouv/mouv.h>

enum { FINDS = 100, THREADS = 40 };

static const char *uri;
static int after_ms;

static int with_mouv(void *arg) {
    (void)arg;
    mouv_client_t *client = mouv_client_new(uri, NULL, NULL);
    mouv_collection_t *users = mouv_client_get_collection(client, "app", "users");
    for (int i = 0; i < FINDS; i++)
        mouv_future_unref(mouv_collection_find_one(users, NULL, NULL, NULL));
    mouv_sleep_ms(after_ms);
    exit(0);
}

static void *find_for_ever(void *pool) {
    bson_t all = BSON_INITIALIZER;
    const bson_t *found;
    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    mongoc_collection_t *users = mongoc_client_get_collection(client, "app", "users");
    for (;;) {
        mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(users, &all, NULL, NULL);
        mongoc_cursor_next(cursor, &found);
        mongoc_cursor_destroy(cursor);
    }
    return NULL;
}

static void ignore(mongoc_log_level_t level, const char *domain, const char *text, void *arg) {
    (void)level, (void)domain, (void)text, (void)arg;
}

static _Noreturn void with_libmongoc(void) {
    pthread_t thread;
    mongoc_init();
    mongoc_log_set_handler(ignore, NULL);
    mongoc_client_pool_t *pool = mongoc_client_pool_new(mongoc_uri_new(uri));
    for (int i = 0; i < THREADS; i++) pthread_create(&thread, NULL, find_for_ever, pool);
    usleep((useconds_t)after_ms * 1000);
    exit(0);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    uri = argv[2];
    after_ms = atoi(argv[3]);
    if (strcmp(argv[1], "libmongoc") == 0) with_libmongoc();
    return mouv_main(with_mouv, NULL);
}
