/*
 * The libmongoc pool behind a client: made on a worker, destroyed on a thread that may block, by
 * whoever gives up the last share of it.
 */
#include "mongo/transport/driver/driver_pool.h"

#include <assert.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/transport/driver/stream.h"
#include "mongo/transport/workers/thread.h"
#include "mongo/wire/compress.h"

#define DESTROYER_STACK_BYTES (256 * 1024)

/* What libmongoc appends by itself only in its helpers. */
static void read_defaults(mouv__pool_t *pool) {
    const mongoc_read_prefs_t *prefs = mongoc_uri_get_read_prefs_t(pool->uri);
    if (prefs && mongoc_read_prefs_get_mode(prefs) != MONGOC_READ_PRIMARY)
        pool->read_prefs = mongoc_read_prefs_copy(prefs);
    const mongoc_read_concern_t *read = mongoc_uri_get_read_concern(pool->uri);
    if (read && !mongoc_read_concern_is_default(read)) {
        pool->read_concern = bson_new();
        mongoc_read_concern_append((mongoc_read_concern_t *)read, pool->read_concern);
    }
    const mongoc_write_concern_t *write = mongoc_uri_get_write_concern(pool->uri);
    if (write && !mongoc_write_concern_is_default(write)) {
        pool->write_concern = bson_new();
        mongoc_write_concern_append((mongoc_write_concern_t *)write, pool->write_concern);
    }
}

/* Each call has a limit of its own, see mouv__carrier_begin(); what libmongoc sends when its pool
 * is destroyed has that of the URI. */
static void limit_goodbye(mongoc_uri_t *uri) {
#if MONGOC_CHECK_VERSION(1, 27, 0)
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS, MOUV__GOODBYE_MS);
#else
    (void)uri;
#endif
}

mouv__pool_t *mouv__pool_new(mongoc_uri_t *uri, mouv__setup_t *setup, mouv__watch_t *watch) {
    mouv__pool_t *pool = mouv__alloc(sizeof(*pool));
    if (!pool) {
        mongoc_uri_destroy(uri);
        mouv__setup_clear(setup);
        return NULL;
    }
    pool->shares = 1;
    pool->loop_thread = uv_thread_self();
    pool->uri = uri;
    pool->setup = *setup;
    *setup = (mouv__setup_t){0};
    pool->watch = mouv__watch_ref(watch);
    pool->connect_timeout_ms =
        mongoc_uri_get_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, 10000);
    pool->socket_timeout_ms = mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS,
                                                             MONGOC_DEFAULT_SOCKETTIMEOUTMS);
    pool->own_streams = mouv__streams_suit(uri);
    if (pool->own_streams)
        mouv__uncompress_restrict(uri);
    else
        limit_goodbye(uri);
    read_defaults(pool);
    return pool;
}

mouv__pool_t *mouv__pool_ref(mouv__pool_t *pool) {
    __atomic_add_fetch(&pool->shares, 1, __ATOMIC_RELAXED);
    return pool;
}

static void pool_destroy(void *arg) {
    mouv__pool_t *pool = arg;
    mouv__pool_leave_watch(pool);
    if (pool->clients) mongoc_client_pool_destroy(pool->clients);
    mongoc_uri_destroy(pool->uri);
    mouv__setup_clear(&pool->setup);
    mongoc_read_prefs_destroy(pool->read_prefs);
    bson_destroy(pool->read_concern);
    bson_destroy(pool->write_concern);
    mouv__watch_unref(pool->watch);
    mouv__free(pool);
}

/* Half a second, in which the program may end; only with TLS is it dangerous to go before. */
static void destroy_elsewhere(void *arg) {
    mouv__pool_t *pool = arg;
    bool told = mongoc_uri_get_tls(pool->uri);
    pool_destroy(pool);
    if (told)
        mouv__thread_ends(true);
    else
        mouv__thread_ends_late();
}

static bool start_destroyer(mouv__pool_t *pool) {
    bool told = mongoc_uri_get_tls(pool->uri);
    return mouv__thread_start(destroy_elsewhere, pool, DESTROYER_STACK_BYTES, told) == 0;
}

void mouv__pool_unref(mouv__pool_t *pool) {
    if (__atomic_sub_fetch(&pool->shares, 1, __ATOMIC_ACQ_REL) > 0) return;
    uv_thread_t self = uv_thread_self();
    bool may_block = !pool->clients || !uv_thread_equal(&self, &pool->loop_thread);
    if (may_block || !start_destroyer(pool)) pool_destroy(pool);
}

bool mouv__pool_prepare(mouv__pool_t *pool, bson_error_t *error) {
    assert(!pool->clients);
    if (!mouv__setup_check(&pool->setup, pool->uri, error)) return false;
    mongoc_client_pool_t *clients = mongoc_client_pool_new_with_error(pool->uri, error);
    if (!clients) return false;
    if (!mouv__setup_apply(&pool->setup, pool->uri, clients, error)) {
        mongoc_client_pool_destroy(clients);
        return false;
    }
    mongoc_client_pool_set_error_api(clients, MONGOC_ERROR_API_VERSION_2);
    mouv__watch_pool(pool->watch, pool->uri, clients);
    pool->clients = clients;
    return true;
}

void mouv__pool_leave_watch(mouv__pool_t *pool) {
    if (pool->clients) mouv__watch_leave(pool->watch, pool->clients);
}

void mouv__pool_note_rtt(mouv__pool_t *pool, int64_t rtt_ns) {
    int64_t least = __atomic_load_n(&pool->least_rtt_ns, __ATOMIC_RELAXED);
    if (least == 0 || rtt_ns < least) /* a lost update of two at once does no harm */
        __atomic_store_n(&pool->least_rtt_ns, rtt_ns, __ATOMIC_RELAXED);
}
