/*
 * Limits of time: timeoutMS of a client, of a handle and of a call, a scope around several calls,
 * and what the error says when time runs out. The slow query is a $where that sleeps on the server.
 *
 *     MONGODB_URI=mongodb://localhost timeouts
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mouv/mouv.h>

static void drop_bson(bson_t **document) {
    bson_destroy(*document);
}
#define AUTO_BSON MOUV_CLEANUP(drop_bson) bson_t

/* {timeoutMS: ms} */
static bson_t *limit(int64_t ms) {
    return BCON_NEW("timeoutMS", BCON_INT64(ms));
}

static void tell(const char *what, int rc, const mouv_error_t *error, int64_t began_ms) {
    int64_t took_ms = mouv_now_ms() - began_ms;
    if (rc >= 0)
        printf("%s: done\n", what);
    else if (mouv_error_is_timeout(error))
        printf("%s: no time left, and nothing goes on (%s)\n", what,
               took_ms < 900 ? "in time" : "late");
    else
        printf("%s: %s\n", what, error->message);
}

/* A query of one second. */
static mouv_future_t slow_query(mouv_collection_t *fruit, const bson_t *opts) {
    AUTO_BSON *filter = BCON_NEW("$where", BCON_UTF8("sleep(1000) || true"));
    return mouv_collection_find_one(fruit, filter, opts, NULL);
}

static int try_limits(mouv_collection_t *fruit) {
    mouv_error_t error;
    AUTO_BSON *handle = limit(200), *call = limit(10000), *none = limit(0);
    mouv_collection_t *quick = mouv_collection_with_options(fruit, handle);

    int64_t began_ms = mouv_now_ms();
    int rc = mouv_await(slow_query(quick, NULL), &error);
    tell("200 ms, the handle's", rc, &error, began_ms);

    began_ms = mouv_now_ms();
    rc = mouv_await(slow_query(quick, call), &error);
    tell("10 s, the call's own", rc, &error, began_ms);

    began_ms = mouv_now_ms();
    MOUV_TIMEOUT_SCOPE(scope, 300);
    rc = mouv_await(slow_query(quick, none), &error);
    rc = mouv_timeout_end(&scope, rc, &error); /* MOUV_ETIMEDOUT: Python's `except TimeoutError` */
    tell("300 ms, a scope's", rc, &error, began_ms);
    return 0;
}

/* The client's URI with timeoutMS: 5 s for everything that says nothing else. */
static mouv_client_t *client_of(const char *uri) {
    char text[1000];
    const char *given = uri ? uri : "mongodb://localhost";
    const char *between = strchr(given, '?') ? "&" : strchr(given + 10, '/') ? "?" : "/?";
    snprintf(text, sizeof text, "%s%stimeoutMS=5000", given, between);
    return mouv_client_new(text, NULL, NULL);
}

static int main_task(void *arg) {
    MOUV_AUTO_CLIENT mouv_client_t *client = client_of(arg);
    if (!client) return MOUV_EINVAL;
    mouv_collection_t *fruit = mouv_client_get_collection(client, "mouv_examples", "timeouts");
    AUTO_BSON *apple = BCON_NEW("_id", BCON_UTF8("apple"));
    int rc = mouv_await(mouv_collection_insert_one(fruit, apple, NULL, NULL), NULL);
    if (rc >= 0) rc = try_limits(fruit);
    mouv_await(mouv_collection_drop(fruit, NULL), NULL);
    return rc < 0 ? rc : 0;
}

int main(void) {
    return mouv_main(main_task, getenv("MONGODB_URI"));
}
