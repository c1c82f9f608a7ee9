/*
 * Two tasks: one writes to a log of a hundred lines at most (a capped collection), the other one
 * follows it, as `tail -f` does: a tailable cursor waits at the end for more.
 *
 *     MONGODB_URI=mongodb://localhost tail
 */
#include <stdio.h>
#include <stdlib.h>

#include <mouv/mouv.h>

#define LINES 5

static int write_line(mouv_collection_t *log, const char *text) {
    bson_t *line = BCON_NEW("text", BCON_UTF8(text));
    int rc = mouv_await(mouv_collection_insert_one(log, line, NULL, NULL), NULL);
    bson_destroy(line);
    return rc;
}

static int write_lines(void *arg) {
    mouv_collection_t *log = arg;
    char text[32];
    int rc = 0;
    for (int i = 1; i <= LINES && rc >= 0; i++) {
        rc = mouv_sleep_ms(100);
        snprintf(text, sizeof text, "line %d", i);
        if (rc >= 0) rc = write_line(log, text);
    }
    return rc;
}

/** Prints lines until there has been none for half a second. */
static int follow(mouv_collection_t *log) {
    const bson_t *line;
    const char *text = "";
    int rc = 0;
    bson_t *opts = BCON_NEW("tailable", BCON_BOOL(true), "awaitData", BCON_BOOL(true),
                            "maxAwaitTimeMS", BCON_INT32(500));
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(log, NULL, opts);
    bson_destroy(opts);
    while ((rc = mouv_cursor_try_next(cursor, &line, NULL)) > 0) {
        if (mouv_bson_get_utf8(line, "text", &text, NULL) == 0) printf("%s\n", text);
    }
    const char *state = mouv_cursor_alive(cursor) ? "alive" : "dead";
    if (rc == 0) printf("silence, and the cursor is %s\n", state);
    return rc;
}

static int run(mouv_database_t *database) {
    mouv_collection_t *log = mouv_database_get_collection(database, "log");
    bson_t *opts =
        BCON_NEW("capped", BCON_BOOL(true), "size", BCON_INT32(65536), "max", BCON_INT32(100));
    int rc = mouv_await(mouv_collection_drop(log, NULL), NULL);
    if (rc >= 0) rc = mouv_await(mouv_database_create_collection(database, "log", opts), NULL);
    bson_destroy(opts);
    if (rc >= 0) rc = write_line(log, "begin"); /* a cursor over nothing would be dead at once */
    if (rc < 0) return rc;
    mouv_future_t writer = mouv_task(write_lines, log);
    rc = follow(log);
    int written = mouv_await(writer, NULL);
    return rc < 0 ? rc : written;
}

static int main_task(void *arg) {
    const char *uri = getenv("MONGODB_URI");
    mouv_error_t error;
    mouv_client_t *client = mouv_client_new(uri ? uri : "mongodb://localhost", NULL, &error);
    (void)arg;
    if (!client) return mouv_fail_with(&error);
    int rc = run(mouv_client_get_database(client, "mouv_examples"));
    mouv_client_close(client, NULL);
    mouv_client_unref(client);
    return rc;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
