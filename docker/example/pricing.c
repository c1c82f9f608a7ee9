/*
 * A service: gives every new order of shop.orders its total, one after another, until SIGTERM.
 */
#include <stdlib.h>

#include <mouv/mouv.h>

static int price_orders(void *arg) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(arg, NULL, NULL);
    if (client == NULL) return MOUV_EINVAL; /* what is wrong with the URI goes with the code */
    mouv_collection_t *orders = mouv_client_get_collection(client, "shop", "orders");
    bson_t *unpriced = BCON_NEW("total", "{", "$exists", BCON_BOOL(false), "}");
    bson_t *price = BCON_NEW("0", "{", "$set", "{", "total", "{", "$multiply", "[",
                             BCON_UTF8("$price"), BCON_UTF8("$quantity"), "]", "}", "}", "}");
    int rc = 0;
    while (rc >= 0) {
        bson_t *order = NULL;
        rc = mouv_await(mouv_collection_find_one_and_update(orders, unpriced, price, NULL, &order),
                        NULL);
        if (rc >= 0 && order == NULL) rc = mouv_sleep_ms(50); /* none is new */
        bson_destroy(order);
    }
    bson_destroy(price);
    bson_destroy(unpriced);
    return rc; /* mouv_main() says what went wrong; cancelled by SIGTERM it says nothing */
}

int main(void) {
    return mouv_main(price_orders, getenv("MONGODB_URI"));
}
