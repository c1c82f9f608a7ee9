/*
 * A short program, for system calls that fail (scripts/scorecard syscalls): connects, inserts, finds, times
 * out, closes, with a limit for each. It ends with 0 if all went well, with 1 if an error was told.
 *
 * usage: few URI
 */
#include <stdio.h>
#include <stdlib.h>

#include <mongoc/mongoc.h>
#include <mouv/mouv.h>

enum { LIMIT_MS = 1000 };

static int tell(const char *what, int rc, const mouv_error_t *error) {
    if (rc >= 0) return 0;
    fprintf(stderr, "%s: %s: %s\n", what, mouv_error_name(rc), error->message);
    return 1;
}

static int few(void *uri) {
    mouv_error_t error = {0};
    bson_t *document = BCON_NEW("x", BCON_INT32(1)), *found = NULL;
    mouv_client_t *client = mouv_client_new(uri, NULL, &error);
    if (!client) return tell("client", error.code, &error);
    mouv_collection_t *users = mouv_client_get_collection(client, "few", "users");
    int bad = 0;
    int rc =
        mouv_await_for(mouv_collection_insert_one(users, document, NULL, NULL), LIMIT_MS, &error);
    bad |= tell("insert", rc, &error);
    rc = mouv_await_for(mouv_collection_find_one(users, document, NULL, &found), LIMIT_MS, &error);
    bad |= tell("find", rc, &error);
    bson_destroy(document);
    bson_destroy(found);
    MOUV_SHIELD_SCOPE(limit, 5 * LIMIT_MS);
    mouv_client_close(client, NULL);
    mouv_client_unref(client);
    return bad;
}

int main(int argc, char **argv) {
    mouv_error_t error = {0};
    if (argc != 2) return 2;
    int rc = mouv_run(few, argv[1], &error);
    if (rc < 0) tell("run", rc, &error);
    return rc != 0;
}
