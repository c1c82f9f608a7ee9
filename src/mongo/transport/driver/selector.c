/*
 * Selectors.
 */
#include "mongo/transport/driver/selector.h"

#include "mongo/transport/workers/safepoint.h"

bool mouv__selector_open(mouv__selector_t **selector, const mouv__driver_pool_t *driver_pool,
                         bson_error_t *error) {
    if (!*selector) *selector = mouv__driver_pool_pop(driver_pool);
    if (!*selector)
        bson_set_error(error, MONGOC_ERROR_CLIENT, 0, "libmongoc's pool has no client left");
    return *selector != NULL;
}

bool mouv__selector_seek(mouv__selector_t *selector, bool write,
                         const mongoc_read_prefs_t *read_prefs, bson_error_t *error) {
    bool had_left = mouv__safepoint_begin_wait();
    mongoc_server_description_t *server =
        mongoc_client_select_server(selector, write, read_prefs, error);
    mouv__safepoint_end_wait(had_left);
    mongoc_server_description_destroy(server);
    return server != NULL;
}

void mouv__selector_free(mouv__selector_t *selector, const mouv__driver_pool_t *driver_pool) {
    if (selector) mongoc_client_pool_push(driver_pool->clients, selector);
}
