/*
 * The libmongoc pool behind a client: made on a worker, destroyed on a thread that may block, by
 * whoever gives up the last share of it.
 */
#include "mongo/transport/driver/driver_pool.h"

#include <assert.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/transport/driver/srv.h"
#include "mongo/transport/driver/stream_connect.h"
#include "mongo/transport/workers/safepoint.h"
#include "mongo/transport/workers/thread.h"
#include "mongo/wire/compress.h"

#define DESTROYER_STACK_BYTES (256 * 1024)
#define MONITOR_NAME "mouv-monitor"

/* What libmongoc appends by itself only in its helpers. */
static void driver_pool_read_defaults(mouv__driver_pool_t *driver_pool) {
    const mongoc_read_prefs_t *prefs = mongoc_uri_get_read_prefs_t(driver_pool->uri);
    if (prefs && mongoc_read_prefs_get_mode(prefs) != MONGOC_READ_PRIMARY)
        driver_pool->read_prefs = mongoc_read_prefs_copy(prefs);
    const mongoc_read_concern_t *read = mongoc_uri_get_read_concern(driver_pool->uri);
    if (read && !mongoc_read_concern_is_default(read)) {
        driver_pool->read_concern = bson_new();
        mongoc_read_concern_append((mongoc_read_concern_t *)read, driver_pool->read_concern);
    }
    const mongoc_write_concern_t *write = mongoc_uri_get_write_concern(driver_pool->uri);
    if (write && !mongoc_write_concern_is_default(write)) {
        driver_pool->write_concern = bson_new();
        mongoc_write_concern_append((mongoc_write_concern_t *)write, driver_pool->write_concern);
    }
}

/* Each call has a limit of its own, see mouv__driver_client_begin(); what libmongoc sends when its
 * pool is destroyed has that of the URI. */
static void driver_pool_limit_goodbye(mongoc_uri_t *uri) {
#if MONGOC_CHECK_VERSION(1, 27, 0)
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, MOUV__GOODBYE_MS);
#else
    (void)uri;
#endif
}

mouv__driver_pool_t *mouv__driver_pool_new(mongoc_uri_t *uri,
                                           mouv__client_options_t *client_options,
                                           mouv__listener_t *listener) {
    mouv__driver_pool_t *driver_pool = mouv__alloc(sizeof(*driver_pool));
    if (!driver_pool) {
        mongoc_uri_destroy(uri);
        mouv__client_options_clear(client_options);
        return NULL;
    }
    driver_pool->shares = 1;
    driver_pool->loop_thread = uv_thread_self();
    driver_pool->uri = uri;
    driver_pool->client_options = *client_options;
    *client_options = (mouv__client_options_t){0};
    driver_pool->listener = mouv__listener_ref(listener);
    driver_pool->connect_timeout_ms =
        mongoc_uri_get_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, 10000);
    driver_pool->socket_timeout_ms = mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS,
                                                                    MONGOC_DEFAULT_SOCKETTIMEOUTMS);
    driver_pool->own_streams = mouv__stream_connect_suits(uri);
    if (driver_pool->own_streams)
        mouv__compress_restrict(uri);
    else
        driver_pool_limit_goodbye(uri);
    driver_pool_read_defaults(driver_pool);
    return driver_pool;
}

mouv__driver_pool_t *mouv__driver_pool_ref(mouv__driver_pool_t *driver_pool) {
    __atomic_add_fetch(&driver_pool->shares, 1, __ATOMIC_RELAXED);
    return driver_pool;
}

static bool driver_pool_has_tls(const mouv__driver_pool_t *driver_pool) {
    return mongoc_uri_get_tls(driver_pool->uri);
}

/* It waits for the monitors; with TLS it is in OpenSSL as well, which exit() is not to take down. */
static void driver_pool_destroy_clients(mouv__driver_pool_t *driver_pool) {
    if (driver_pool_has_tls(driver_pool)) {
        bool had_left = mouv__safepoint_begin_work();
        mouv__safepoint_ending(1);
        mongoc_client_pool_destroy(driver_pool->clients);
        mouv__safepoint_ending(-1);
        mouv__safepoint_end_work(had_left);
    } else {
        bool had_left = mouv__safepoint_begin_wait();
        mongoc_client_pool_destroy(driver_pool->clients);
        mouv__safepoint_end_wait(had_left);
    }
}

static void driver_pool_destroy(mouv__driver_pool_t *driver_pool) {
    if (driver_pool->clients) driver_pool_destroy_clients(driver_pool);
    mongoc_uri_destroy(driver_pool->uri);
    mouv__client_options_clear(&driver_pool->client_options);
    mongoc_read_prefs_destroy(driver_pool->read_prefs);
    bson_destroy(driver_pool->read_concern);
    bson_destroy(driver_pool->write_concern);
    mouv__listener_unref(driver_pool->listener);
    mouv__free(driver_pool);
}

/* Half a second, in which the program may end; only with TLS is it dangerous to go before. */
static void driver_pool_destroy_elsewhere(void *arg) {
    mouv__driver_pool_t *driver_pool = arg;
    bool told = driver_pool_has_tls(driver_pool);
    driver_pool_destroy(driver_pool);
    if (told)
        mouv__thread_ends(true);
    else
        mouv__thread_ends_late();
}

static bool driver_pool_start_destroyer(mouv__driver_pool_t *driver_pool) {
    return mouv__thread_start(driver_pool_destroy_elsewhere, driver_pool, DESTROYER_STACK_BYTES,
                              driver_pool_has_tls(driver_pool)) == 0;
}

void mouv__driver_pool_unref(mouv__driver_pool_t *driver_pool) {
    if (__atomic_sub_fetch(&driver_pool->shares, 1, __ATOMIC_ACQ_REL) > 0) return;
    uv_thread_t self = uv_thread_self();
    bool may_block = !driver_pool->clients || !uv_thread_equal(&self, &driver_pool->loop_thread);
    if (may_block || !driver_pool_start_destroyer(driver_pool)) driver_pool_destroy(driver_pool);
}

/* A monitor that connects with TLS is in OpenSSL, on streams of libmongoc's own. */
static const mouv__listener_guard_t of_tls = {.begin = mouv__safepoint_begin_work,
                                              .end = mouv__safepoint_end_work};

static bool driver_pool_make(mouv__driver_pool_t *driver_pool, const mongoc_uri_t *uri,
                             bson_error_t *error) {
    mongoc_client_pool_t *clients = mongoc_client_pool_new_with_error(uri, error);
    if (!clients) return false;
    if (!mouv__client_options_apply(&driver_pool->client_options, uri, clients, error)) {
        mongoc_client_pool_destroy(clients);
        return false;
    }
    mongoc_client_pool_set_error_api(clients, MONGOC_ERROR_API_VERSION_2);
    mouv__listener_subscribe(driver_pool->listener, uri, clients,
                             driver_pool_has_tls(driver_pool) ? &of_tls : NULL);
    driver_pool->clients = clients;
    return true;
}

/* The first one begins libmongoc's monitors, whose threads are called as the one that does it. */
mongoc_client_t *mouv__driver_pool_pop(const mouv__driver_pool_t *driver_pool) {
    mouv__thread_name_t before;
    mouv__thread_rename(MONITOR_NAME, &before);
    mongoc_client_t *client = mongoc_client_pool_try_pop(driver_pool->clients);
    mouv__thread_rename(before.text, NULL);
    return client;
}

bool mouv__driver_pool_prepare(mouv__driver_pool_t *driver_pool, bson_error_t *error) {
    assert(!driver_pool->clients);
    if (!mouv__client_options_check(&driver_pool->client_options, driver_pool->uri, error))
        return false;
    mongoc_uri_t *uri = mouv__srv_resolve(driver_pool->uri, error);
    bool made = uri && driver_pool_make(driver_pool, uri, error);
    mongoc_uri_destroy(uri);
    return made;
}
