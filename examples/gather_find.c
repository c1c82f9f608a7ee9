/*
 * Three queries at once under one deadline: a user, the user's latest order, and a count.
 *
 *     MONGODB_URI=mongodb://localhost gather_find [user id]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <mouv/mouv.h>

#define DEADLINE_MS 1000

static void print_document(const char *title, const bson_t *doc) {
    char *json = doc ? bson_as_relaxed_extended_json(doc, NULL) : NULL;
    printf("%s: %s\n", title, json ? json : "not found");
    bson_free(json);
}

static int show_user(mouv_client_t *client, int id) {
    mouv_collection_t *users = mouv_client_get_collection(client, "shop", "users");
    mouv_collection_t *orders = mouv_client_get_collection(client, "shop", "orders");
    bson_t *by_id = BCON_NEW("_id", BCON_INT32(id));
    bson_t *by_user = BCON_NEW("user", BCON_INT32(id));
    bson_t *latest = BCON_NEW("sort", "{", "_id", BCON_INT32(-1), "}");
    bson_t *user = NULL, *order = NULL;
    int64_t count = 0;

    /* All three are sent when they are made; what they find is written when they are awaited. */
    mouv_future_t all = mouv_gather(mouv_collection_find_one(users, by_id, NULL, &user),
                                    mouv_collection_find_one(orders, by_user, latest, &order),
                                    mouv_collection_count_documents(orders, by_user, NULL, &count));
    int rc = mouv_await_for(all, DEADLINE_MS, NULL);
    if (rc >= 0) {
        print_document("user", user);
        print_document("latest order", order);
        printf("orders: %" PRId64 "\n", count);
    }

    bson_destroy(user); /* NULL is fine */
    bson_destroy(order);
    bson_destroy(by_id);
    bson_destroy(by_user);
    bson_destroy(latest);
    return rc; /* a failure is printed by mouv_main() */
}

static int main_task(void *arg) {
    const char *uri = getenv("MONGODB_URI");
    mouv_error_t error;
    mouv_client_t *client = mouv_client_new(uri ? uri : "mongodb://localhost", NULL, &error);
    if (!client) return mouv_fail_with(&error);

    int rc = show_user(client, *(int *)arg);
    mouv_client_close(client, NULL);
    mouv_client_unref(client);
    return rc;
}

int main(int argc, char **argv) {
    int id = argc > 1 ? atoi(argv[1]) : 1;
    return mouv_main(main_task, &id);
}
