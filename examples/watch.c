/*
 * Two tasks: one changes a stock list, the other one sees each change as it happens; the second
 * half of them through a new stream that goes on where the first one was.
 *
 *     MONGODB_URI=mongodb://localhost/?replicaSet=rs0 watch
 *
 * Change streams need a replica set; `mouv sandbox -- watch` starts one.
 */
#include <stdio.h>
#include <stdlib.h>

#include <mouv/mouv.h>

#define DELIVERIES 6

/** Counts apples up, one delivery each 100 ms. */
static int deliver(void *arg) {
    mouv_collection_t *stock = arg;
    bson_t *filter = BCON_NEW("_id", BCON_UTF8("apples"));
    bson_t *change = BCON_NEW("$inc", "{", "count", BCON_INT32(10), "}");
    bson_t *upsert = BCON_NEW("upsert", BCON_BOOL(true));
    int rc = 0;
    for (int i = 0; i < DELIVERIES && rc >= 0; i++) {
        rc = mouv_sleep_ms(100);
        if (rc < 0) break;
        rc = mouv_await(mouv_collection_update_one(stock, filter, change, upsert, NULL), NULL);
    }
    bson_destroy(filter);
    bson_destroy(change);
    bson_destroy(upsert);
    return rc;
}

static void print_event(const bson_t *event) {
    const char *type = "?";
    int64_t count = 0;
    if (mouv_bson_get_utf8(event, "operationType", &type, NULL) == 0 &&
        mouv_bson_get_int64(event, "fullDocument.count", &count, NULL) == 0) {
        printf("%s: %lld apples\n", type, (long long)count);
    }
}

/** Prints the next `count` events. */
static int print_events(mouv_change_stream_t *stream, int count) {
    const bson_t *event;
    int rc = 0;
    for (int i = 0; i < count; i++) {
        rc = mouv_change_stream_next(stream, &event, NULL);
        if (rc <= 0) return rc;
        print_event(event);
    }
    return rc;
}

/** Opts of a stream that looks documents up, after `token` (NULL: from now on). */
static bson_t *stream_opts(const bson_t *token) {
    bson_t *opts =
        BCON_NEW("fullDocument", BCON_UTF8("updateLookup"), "maxAwaitTimeMS", BCON_INT32(200));
    if (token) BSON_APPEND_DOCUMENT(opts, "resumeAfter", token);
    return opts;
}

static int watch(mouv_collection_t *stock) {
    const bson_t *event;
    bson_t *opts = stream_opts(NULL);
    mouv_change_stream_t *first = mouv_collection_watch(stock, NULL, opts);
    bson_destroy(opts);

    int rc = mouv_change_stream_try_next(first, &event, NULL); /* the stream begins here */
    mouv_future_t deliveries = mouv_task(deliver, stock);
    if (rc >= 0) rc = print_events(first, DELIVERIES / 2);

    opts = stream_opts(mouv_change_stream_resume_token(first));
    mouv_change_stream_unref(first);
    MOUV_AUTO_CHANGE_STREAM mouv_change_stream_t *second = mouv_collection_watch(stock, NULL, opts);
    bson_destroy(opts);
    if (rc >= 0) rc = print_events(second, DELIVERIES - DELIVERIES / 2);
    int delivered = mouv_await(deliveries, NULL);
    return rc < 0 ? rc : delivered < 0 ? delivered : 0;
}

static int main_task(void *arg) {
    const char *uri = getenv("MONGODB_URI");
    mouv_error_t error;
    mouv_client_t *client = mouv_client_new(uri ? uri : "mongodb://localhost", NULL, &error);
    (void)arg;
    if (!client) return mouv_fail_with(&error);

    mouv_collection_t *stock = mouv_client_get_collection(client, "mouv_examples", "stock");
    int rc = mouv_await(mouv_collection_drop(stock, NULL), NULL);
    if (rc >= 0) rc = watch(stock);
    mouv_client_close(client, NULL);
    mouv_client_unref(client);
    return rc;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
