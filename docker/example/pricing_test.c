/*
 * Its integration test: an order that is put into shop.orders gets its total within ten seconds.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <mouv/mouv.h>

/* Asks until there is a total; the deadline is the caller's. */
static int wait_for_total(mouv_collection_t *orders, const bson_t *by_id, int64_t *total) {
    for (;;) {
        bson_t *order = NULL;
        int rc = mouv_await(mouv_collection_find_one(orders, by_id, NULL, &order), NULL);
        bool priced = order && mouv_bson_get_int64(order, "total", total, NULL) == 0;
        bson_destroy(order);
        if (rc < 0 || priced) return rc;
        rc = mouv_sleep_ms(20);
        if (rc < 0) return rc;
    }
}

static int test(void *arg) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(arg, NULL, NULL);
    if (client == NULL) return MOUV_EINVAL;
    MOUV_TIMEOUT_SCOPE(limit, 10000);
    mouv_collection_t *orders = mouv_client_get_collection(client, "shop", "orders");
    bson_oid_t id;
    bson_oid_init(&id, NULL);
    bson_t *by_id = BCON_NEW("_id", BCON_OID(&id));
    bson_t *order =
        BCON_NEW("_id", BCON_OID(&id), "price", BCON_INT32(4), "quantity", BCON_INT32(3));
    int64_t total = 0;
    int rc = mouv_await(mouv_collection_insert_one(orders, order, NULL, NULL), NULL);
    if (rc >= 0) rc = wait_for_total(orders, by_id, &total);
    bson_destroy(order);
    bson_destroy(by_id);
    if (rc >= 0) printf("%s: 3 for 4 each is %" PRId64 "\n", total == 12 ? "ok" : "FAILED", total);
    return rc < 0 ? rc : total != 12;
}

int main(void) {
    return mouv_main(test, getenv("MONGODB_URI"));
}
