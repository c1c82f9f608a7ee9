/*
 * A stock list brought up to date in one bulk: inserts, updates, an upsert, a delete, and what the
 * server says to each, also to the one that fails.
 *
 *     MONGODB_URI=mongodb://localhost bulk
 */
#include <stdio.h>
#include <stdlib.h>

#include <mouv/mouv.h>

static void print_document(const char *title, const bson_t *doc) {
    char *json = doc ? bson_as_relaxed_extended_json(doc, NULL) : NULL;
    printf("%s: %s\n", title, json ? json : "none");
    bson_free(json);
}

/** Adds {_id: name, count} as a model. */
static int add_item(mouv_bulk_t *bulk, const char *name, int count) {
    bson_t *item = BCON_NEW("_id", BCON_UTF8(name), "count", BCON_INT32(count));
    int rc = mouv_bulk_insert_one(bulk, item, NULL, NULL);
    bson_destroy(item);
    return rc;
}

/** Adds "this many more of it, and if there is none so far, a new one". */
static int add_delivery(mouv_bulk_t *bulk, const char *name, int more) {
    bson_t *filter = BCON_NEW("_id", BCON_UTF8(name));
    bson_t *change = BCON_NEW("$inc", "{", "count", BCON_INT32(more), "}");
    bson_t *upsert = BCON_NEW("upsert", BCON_BOOL(true));
    int rc = mouv_bulk_update_one(bulk, filter, change, upsert, NULL);
    bson_destroy(filter);
    bson_destroy(change);
    bson_destroy(upsert);
    return rc;
}

static int add_sold_out(mouv_bulk_t *bulk) {
    bson_t *filter = BCON_NEW("count", "{", "$lte", BCON_INT32(0), "}");
    int rc = mouv_bulk_delete_many(bulk, filter, NULL, NULL);
    bson_destroy(filter);
    return rc;
}

static int update_stock(mouv_collection_t *stock) {
    bson_t *opts = BCON_NEW("ordered", BCON_BOOL(false));
    bson_t *reply = NULL;
    mouv_error_t error;
    MOUV_AUTO_BULK mouv_bulk_t *bulk = mouv_collection_create_bulk(stock, opts);
    bson_destroy(opts);

    add_item(bulk, "apples", 5);
    add_item(bulk, "pears", 0);
    add_item(bulk, "apples", 9); /* a duplicate */
    add_delivery(bulk, "apples", 10);
    add_delivery(bulk, "plums", 3);
    add_sold_out(bulk);

    int rc = mouv_await(mouv_bulk_execute(bulk, &reply), &error);
    print_document("result", reply);
    bson_destroy(reply);
    if (rc < 0 && mouv_error_is_duplicate_key(&error)) {
        printf("as expected: %s\n", error.message);
        return 0;
    }
    return rc;
}

static int main_task(void *arg) {
    const char *uri = getenv("MONGODB_URI");
    mouv_error_t error;
    mouv_client_t *client = mouv_client_new(uri ? uri : "mongodb://localhost", NULL, &error);
    (void)arg;
    if (!client) return mouv_fail_with(&error);

    mouv_collection_t *stock = mouv_client_get_collection(client, "mouv_examples", "stock");
    int rc = mouv_await(mouv_collection_drop(stock, NULL), NULL);
    if (rc >= 0) rc = update_stock(stock);
    mouv_client_close(client, NULL);
    mouv_client_unref(client);
    return rc;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
