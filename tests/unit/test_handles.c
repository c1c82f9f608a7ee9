/*
 * Handles of databases and collections: told apart by name and settings, and by nothing else.
 */
#include "../support/async_support.h"

#include "../support/json.h"
#include "mongo/api/client.h"

static mouv_client_t *new_client(void) {
    return mouv_client_new("mongodb://a.example", NULL, NULL);
}

static mouv_collection_t *with(mouv_collection_t *collection, const char *json) {
    bson_t *opts = from_json(json);
    collection = mouv_collection_with_options(collection, opts);
    bson_destroy(opts);
    return collection;
}

CORO_CASE(the_same_name_gives_the_same_handle) {
    MOUV_AUTO_CLIENT mouv_client_t *client = new_client(), *other = new_client();
    mouv_database_t *shop = mouv_client_get_database(client, "shop");
    mouv_collection_t *orders = mouv_database_get_collection(shop, "orders");
    CHECK(mouv_client_get_database(client, "shop") == shop);
    CHECK(mouv_client_get_database(client, "mails") != shop);
    CHECK(mouv_client_get_database(other, "shop") != shop);
    CHECK(mouv_client_get_collection(client, "shop", "orders") == orders);
    CHECK(mouv_client_get_collection(client, "shop", "users") != orders);
    CHECK(mouv_client_get_collection(client, "mails", "orders") != orders);
    return 0;
}

CORO_CASE(equal_options_give_the_same_handle) {
    MOUV_AUTO_CLIENT mouv_client_t *client = new_client();
    mouv_collection_t *orders = mouv_client_get_collection(client, "shop", "orders");
    mouv_collection_t *safe = with(orders, "{'writeConcern': {'w': 2}, 'timeoutMS': 9}");
    CHECK(safe != orders);
    CHECK(with(orders, "{'timeoutMS': 9, 'writeConcern': {'w': 2}}") == safe);
    CHECK(with(with(orders, "{'timeoutMS': 9}"), "{'writeConcern': {'w': 2}}") == safe);
    CHECK(with(orders, "{'writeConcern': {'w': 2}}") != safe);
    CHECK(with(orders, "{}") == orders);
    CHECK(mouv_collection_with_options(safe, NULL) == safe);
    return 0;
}

CORO_CASE(a_database_is_told_apart_by_its_options_too) {
    MOUV_AUTO_CLIENT mouv_client_t *client = new_client();
    mouv_database_t *shop = mouv_client_get_database(client, "shop");
    bson_t *opts = from_json("{'readPreference': 'secondary'}");
    mouv_database_t *far = mouv_database_with_options(shop, opts);
    CHECK(far != shop);
    CHECK(mouv_database_with_options(shop, opts) == far);
    CHECK(mouv_database_with_options(far, NULL) == far);
    CHECK(mouv_database_get_collection(far, "orders") !=
          mouv_database_get_collection(shop, "orders"));
    bson_destroy(opts);
    return 0;
}

CORO_CASE(the_first_handle_beyond_ten_thousand_is_told_with_its_call) {
    MOUV_AUTO_CLIENT mouv_client_t *client = new_client();
    mouv_collection_t *orders = mouv_client_get_collection(client, "shop", "orders");
    const char *text;
    char opts[64];
    for (int i = 1; i <= 9998; i++) { /* the database and the collection are two */
        snprintf(opts, sizeof opts, "{'timeoutMS': %d}", i);
        with(orders, opts);
    }
    CHECK_NO_WARNING();
    with(orders, "{'timeoutMS': 1}");
    CHECK_NO_WARNING();
    with(orders, "{'timeoutMS': 100000}");
    CHECK_INT(take_log(&text), 1);
    CHECK_CONTAINS(text, "mouv_collection_with_options: the client has more than 10000 handles");
    mouv_client_get_database(client, "another");
    CHECK_NO_WARNING();
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(the_same_name_gives_the_same_handle),
        TEST(equal_options_give_the_same_handle),
        TEST(a_database_is_told_apart_by_its_options_too),
        TEST(the_first_handle_beyond_ten_thousand_is_told_with_its_call),
    };
    return RUN_CASES(cases);
}
