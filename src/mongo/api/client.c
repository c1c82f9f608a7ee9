/*
 * mouv_client_t: made from a URI without any I/O, counted.
 */
#include "mongo/api/client.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "async/loop/fork.h"
#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/close.h"
#include "mongo/base/libmongoc.h"
#include "mongo/base/timeout.h"
#include "mongo/operation/operation.h"
#include "mongo/topology/events.h"

/* --- making ----------------------------------------------------------------------------------- */

static mongoc_uri_t *client_parse_known(const char *text, mouv_error_t *error) {
    bson_error_t why = {0};
    char log[MOUV__LIBMONGOC_LOG_SIZE];
    mouv__libmongoc_listen(log);
    mongoc_uri_t *uri = mongoc_uri_new_with_error(text, &why);
    mouv__libmongoc_listen(NULL);
    if (uri) {
        if (log[0]) mouv__log(MOUV_LOG_WARNING, "the URI: %s", log);
        return uri;
    }
    mouv__raise(error, MOUV_EINVAL, "mouv_client_new: %s%s%s", why.message, log[0] ? ": " : "",
                log);
    return NULL;
}

/* Each is a connection, and a thread. */
#define POOL_SIZE_MAX 100000

/* mongoc_uri_get_option_as_int32() takes a 0 for the default. */
static int32_t client_max_pool_size(const mongoc_uri_t *uri) {
    bson_iter_t option;
    bool given =
        bson_iter_init_find_case(&option, mongoc_uri_get_options(uri), MONGOC_URI_MAXPOOLSIZE);
    return given ? bson_iter_int32(&option) : 100;
}

static int client_check_pool_size(const mongoc_uri_t *uri, mouv_error_t *error) {
    int32_t size = client_max_pool_size(uri);
    if (size >= 1 && size <= POOL_SIZE_MAX) return 0;
    return mouv__raise(error, MOUV_EINVAL,
                       "mouv_client_new: the URI's option 'maxPoolSize' is %d, not 1 to %d",
                       (int)size, POOL_SIZE_MAX);
}

static mongoc_uri_t *client_parse_uri(const char *text, int64_t *timeout_ms, mouv_error_t *error) {
    mouv_error_t why = {0};
    if (!text) {
        mouv__raise(error, MOUV_EINVAL, "mouv_client_new: the URI is NULL");
        return NULL;
    }
    char *known = mouv__timeout_from_uri(text, timeout_ms, &why);
    if (!known) {
        mouv__raise(error, why.code, "mouv_client_new: %s", why.message);
        return NULL;
    }
    mongoc_uri_t *uri = client_parse_known(known, error);
    mouv__free(known);
    if (!uri || client_check_pool_size(uri, error) == 0) return uri;
    mongoc_uri_destroy(uri);
    return NULL;
}

/* The worker that sits in server selection comes back this often: it goes on where operations still
 * wait, and is free where their time is up. */
#define SELECTION_SLICE_MS 1000

/* What libmongoc must not do by itself, and room for the control connections and the listener. */
static void client_take_over(mouv_client_t *client, mongoc_uri_t *uri) {
    client->retry_reads = mongoc_uri_get_option_as_bool(uri, MONGOC_URI_RETRYREADS, true);
    client->retry_writes = mongoc_uri_get_option_as_bool(uri, MONGOC_URI_RETRYWRITES, true);
    client->selection_timeout_ms =
        mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 30000);
    if (client->selection_timeout_ms > SELECTION_SLICE_MS)
        mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS,
                                       SELECTION_SLICE_MS);
    if (client->ref.timeout_ms != MOUV__TIMEOUT_UNSET) /* which takes the place of that */
        mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS,
                                       MONGOC_DEFAULT_SOCKETTIMEOUTMS);
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYREADS, false);
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYWRITES, false);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_MAXPOOLSIZE,
                                   client_max_pool_size(uri) + MOUV__CONTROLS + 1);
}

static int64_t client_queue_wait_ms(const mouv_client_opts_t *opts, const mongoc_uri_t *uri) {
    if (opts->queue_wait_ms > 0) return opts->queue_wait_ms;
    int32_t wait = mongoc_uri_get_option_as_int32(uri, MONGOC_URI_WAITQUEUETIMEOUTMS, 0);
    return wait > 0 ? wait : 30000;
}

static void client_on_runtime_close(mouv__attachment_t *attachment) {
    mouv_client_t *client =
        (mouv_client_t *)((char *)attachment - offsetof(mouv_client_t, attachment));
    mouv__close_begin(client, true);
}

static void client_free(mouv_client_t *client) {
    mouv__handles_clear(&client->handles);
    mouv__free(client->default_database);
    if (client->events) mouv__events_unref(client->events);
    mouv__free(client);
}

static void client_begin_close(mouv_client_t *client) {
    mouv__close_begin(client, false);
}

static const mouv__client_ops_t client_ops = {
    .close = client_begin_close,
    .quiet = mouv__close_quiet,
    .free = client_free,
};

static int client_remember_database(mouv_client_t *client, const mongoc_uri_t *uri) {
    const char *name = mongoc_uri_get_database(uri);
    if (!name || !*name) return 0;
    size_t size = strlen(name) + 1;
    client->default_database = mouv__alloc(size);
    if (!client->default_database) return MOUV_ENOMEM;
    memcpy(client->default_database, name, size);
    return 0;
}

/* Consumes `uri` and `client_options`. */
static int client_init(mouv_client_t *client, mongoc_uri_t *uri,
                       mouv__client_options_t *client_options, const mouv_client_opts_t *opts) {
    uint32_t pool_size = (uint32_t)client_max_pool_size(uri);
    client->pool.queue_wait_ms = client_queue_wait_ms(opts, uri);
    client->close_wait_ms = opts->close_wait_ms > 0 ? opts->close_wait_ms : 0;
    mouv__listener_t *listener = mouv__listener_new(mouv__runtime_mailbox(client->ref.runtime),
                                                    mouv__pool_topology_changed, client);
    if (!listener || client_remember_database(client, uri) < 0) {
        if (listener) mouv__listener_unref(listener);
        mongoc_uri_destroy(uri);
        mouv__client_options_clear(client_options);
        return MOUV_ENOMEM;
    }
    client_take_over(client, uri);
    client->driver_pool = mouv__driver_pool_new(uri, client_options, listener);
    mouv__listener_unref(listener);
    if (!client->driver_pool) return MOUV_ENOMEM;
    if (mouv__pool_init(client, opts, pool_size) < 0) {
        mouv__driver_pool_unref(client->driver_pool);
        return MOUV_ENOMEM;
    }
    mouv__kill_init(&client->kills, client);
    mouv__cut_init(&client->cuts, client);
    mouv__breakers_init(&client->breakers, client);
    return 0;
}

static int client_check_opts(const mouv_client_opts_t *opts, mouv_error_t *error) {
    const char *bad = (unsigned)opts->executor > MOUV_EXECUTOR_UVPOOL ? "executor"
                      : opts->queue_wait_ms < 0                       ? "queue_wait_ms"
                      : opts->close_wait_ms < 0                       ? "close_wait_ms"
                                                                      : NULL;
    if (!bad) return 0;
    return mouv__raise(error, MOUV_EINVAL, "mouv_client_new: '%s' is out of range", bad);
}

mouv_client_t *mouv_client_new(const char *uri_text, const mouv_client_opts_t *opts,
                               mouv_error_t *error) {
    static const mouv_client_opts_t defaults;
    if (!opts) opts = &defaults;
    mouv_runtime_t *runtime = mouv__runtime();
    if (!runtime) {
        mouv__raise(error, MOUV_ENOLOOP, "mouv_client_new: this thread has no runtime");
        return NULL;
    }
    if (client_check_opts(opts, error) < 0) return NULL;
    mouv__libmongoc_init();
    mouv__client_options_t client_options;
    int64_t timeout_ms;
    mongoc_uri_t *uri = client_parse_uri(uri_text, &timeout_ms, error);
    if (!uri) return NULL;
    if (mouv__client_options_init(&client_options, opts, uri, error) < 0) {
        mongoc_uri_destroy(uri);
        return NULL;
    }
    mouv_client_t *client = mouv__alloc(sizeof(*client));
    if (client) {
        mouv__client_ref_init(client, &client_ops, runtime);
        client->ref.timeout_ms = timeout_ms;
        client->ref.handles = &client->handles;
    }
    if (!client || client_init(client, uri, &client_options, opts) < 0) {
        if (client) {
            client_free(client);
        } else {
            mongoc_uri_destroy(uri);
            mouv__client_options_clear(&client_options);
        }
        mouv__raise(error, MOUV_ENOMEM, "mouv_client_new: %s", mouv_error_message(MOUV_ENOMEM));
        return NULL;
    }
    client->attachment.close = client_on_runtime_close;
    mouv__runtime_attach(runtime, &client->attachment);
    return client;
}

/* --- references ------------------------------------------------------------------------------- */

mouv_client_t *mouv_client_ref(mouv_client_t *client) {
    if (client) client->ref.users++;
    return client;
}

mouv_client_t *mouv_client_unref(mouv_client_t *client) {
    if (!client || mouv__client_is_foreign(client, "mouv_client_unref")) return NULL;
    if (!mouv__client_ref_leave(client)) return NULL;
    mouv__events_stop(client->events); /* whatever it stays open for: who listens may be gone */
    mouv__client_close_if_unused(client);
    return NULL;
}

void mouv_client_drop(mouv_client_t **client) {
    *client = mouv_client_unref(*client);
}

/* --- what it knows ---------------------------------------------------------------------------- */

mouv_database_t *mouv_client_get_default_database(mouv_client_t *client, const char *fallback) {
    if (client && client->default_database)
        return mouv_client_get_database(client, client->default_database);
    return mouv_client_get_database(client, fallback ? fallback : "test");
}

void mouv_client_get_stats(const mouv_client_t *client, mouv_client_stats_t *stats) {
    if (!stats) return;
    memset(stats, 0, sizeof(*stats));
    if (!client) return;
    const mouv__pool_t *pool = &client->pool;
    *stats = *mouv__client_stats(client);
    stats->queued = pool->selecting.count + pool->ready.count + pool->cleanup.count;
    stats->clients = pool->connection_count;
    stats->busy = pool->selector.busy + pool->cleaner.busy + client->kills.control.busy +
                  client->breakers.control.busy;
    for (uint32_t i = 0; i < pool->connection_count; i++) {
        stats->queued += pool->connections[i]->pinned.count;
        stats->busy += pool->connections[i]->busy;
    }
    for (const mouv__operation_t *op = pool->running.first; op; op = op->next) {
        stats->in_flight++;
        stats->late += op->state == MOUV__OP_LATE;
    }
}
