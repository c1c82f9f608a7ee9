/*
 * Asks find after find, with a limit of two seconds each, and prints "answer" or "error" for each, or "junk":
 * a document was given that is none.
 *
 * usage: reader mouv|libmongoc URI
 */
#include "support/bson_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mongoc/mongoc.h>
#include <mouv/mouv.h>

enum { LIMIT_MS = 2000 };

static void tell(bool answered, const bson_t *found) {
    bool junk = answered && found && !bson_walk(bson_get_data(found), found->len);
    puts(junk ? "junk" : answered ? "answer" : "error");
    fflush(stdout);
}

static int with_mouv(void *uri) {
    mouv_client_t *client = mouv_client_new(uri, NULL, NULL);
    mouv_collection_t *users = mouv_client_get_collection(client, "app", "users");
    for (;;) {
        bson_t *found = NULL;
        int rc =
            mouv_await_for(mouv_collection_find_one(users, NULL, NULL, &found), LIMIT_MS, NULL);
        tell(rc >= 0, found);
        bson_destroy(found);
    }
    return 0;
}

static void ignore(mongoc_log_level_t level, const char *domain, const char *text, void *arg) {
    (void)level, (void)domain, (void)text, (void)arg;
}

static _Noreturn void with_libmongoc(const char *text) {
    bson_t all = BSON_INITIALIZER;
    mongoc_init();
    mongoc_log_set_handler(ignore, NULL);
    mongoc_uri_t *uri = mongoc_uri_new(text);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, LIMIT_MS);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, LIMIT_MS);
    mongoc_client_pool_t *pool = mongoc_client_pool_new(uri);
    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    mongoc_collection_t *users = mongoc_client_get_collection(client, "app", "users");
    for (;;) {
        const bson_t *next;
        bson_t *found = NULL;
        bson_error_t error;
        mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(users, &all, NULL, NULL);
        while (mongoc_cursor_next(cursor, &next))
            if (!found) found = bson_copy(next);
        tell(!mongoc_cursor_error(cursor, &error), found);
        bson_destroy(found);
        mongoc_cursor_destroy(cursor);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    if (strcmp(argv[1], "libmongoc") == 0) with_libmongoc(argv[2]);
    return mouv_main(with_mouv, argv[2]);
}
