/*
 * mouv_client_t: made from a URI without any I/O, counted.
 */
#include "mongo/api/client.h"

#include <stdlib.h>
#include <string.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/close.h"
#include "mongo/base/libmongoc.h"
#include "mongo/base/timeout.h"
#include "mongo/base/uri_options.h"
#include "mongo/base/uri_user.h"
#include "mongo/command/handles.h"
#include "mongo/operation/operation.h"
#include "mongo/pool/establish.h"
#include "mongo/pool/measure.h"
#include "mongo/pool/pressure.h"
#include "mongo/topology/events.h"
#include "mongo/transport/driver/factory.h"
#include "mongo/transport/driver/stream_connect.h"
#include "mongo/transport/loop/loop.h"
#include "mongo/transport/threads/threads.h"

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

static int client_refuse_size(const char *option, int64_t value, int64_t min, int64_t max,
                              mouv_error_t *error) {
    return mouv__raise(error, MOUV_EINVAL,
                       "mouv_client_new: the URI's option '%s' is %lld, not %lld to %lld", option,
                       (long long)value, (long long)min, (long long)max);
}

/* And puts defaults where nothing is given. */
static int client_check_sizes(const mongoc_uri_t *uri, mouv__uri_options_t *options,
                              mouv_error_t *error) {
    int32_t max = client_max_pool_size(uri);
    if (max < 1 || max > POOL_SIZE_MAX)
        return client_refuse_size("maxPoolSize", max, 1, POOL_SIZE_MAX, error);
    if (options->min_pool_size == MOUV__URI_UNSET) options->min_pool_size = 0;
    if (options->min_pool_size > max)
        return client_refuse_size("minPoolSize", options->min_pool_size, 0, max, error);
    if (options->max_connecting == MOUV__URI_UNSET) options->max_connecting = MOUV__CONNECTING_MAX;
    if (options->max_connecting < 1 || options->max_connecting > POOL_SIZE_MAX)
        return client_refuse_size("maxConnecting", options->max_connecting, 1, POOL_SIZE_MAX,
                                  error);
    return 0;
}

static mongoc_uri_t *client_parse_uri(const char *text, mouv__uri_options_t *own,
                                      mouv_error_t *error) {
    mouv_error_t why = {0};
    if (!text) {
        mouv__raise(error, MOUV_EINVAL, "mouv_client_new: the URI is NULL");
        return NULL;
    }
    int rc = mouv__uri_user_check(text, &why);
    char *known = rc < 0 ? NULL : mouv__uri_options_take(text, own, &why);
    if (!known) {
        mouv__raise(error, why.code, "mouv_client_new: %s", why.message);
        return NULL;
    }
    mongoc_uri_t *uri = client_parse_known(known, error);
    mouv__free(known);
    if (!uri) return NULL;
    if (mouv__uri_user_check_password(uri, &why) < 0)
        mouv__raise(error, why.code, "mouv_client_new: %s", why.message);
    else if (client_check_sizes(uri, own, error) == 0)
        return uri;
    mongoc_uri_destroy(uri);
    return NULL;
}

/* The worker that sits in server selection comes back this often: it goes on where operations still
 * wait, and is free where their time is up. */
#define SELECTION_SLICE_MS 1000

/* What libmongoc must not do by itself, and room for the control connections and the listener. */
static void client_take_over(mouv_client_t *client, mongoc_uri_t *uri,
                             int64_t *selection_timeout_ms) {
    client->operations.retry_reads =
        mongoc_uri_get_option_as_bool(uri, MONGOC_URI_RETRYREADS, true);
    client->operations.retry_writes =
        mongoc_uri_get_option_as_bool(uri, MONGOC_URI_RETRYWRITES, true);
    *selection_timeout_ms =
        mongoc_uri_get_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 30000);
    if (*selection_timeout_ms > SELECTION_SLICE_MS)
        mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS,
                                       SELECTION_SLICE_MS);
    if (client->ref.timeout_ms != MOUV__TIMEOUT_UNSET) /* which takes the place of that */
        mongoc_uri_set_option_as_int32(uri, MONGOC_URI_SOCKETTIMEOUTMS,
                                       MONGOC_DEFAULT_SOCKETTIMEOUTMS);
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYREADS, false);
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYWRITES, false);
    mongoc_uri_set_option_as_int32(uri, MONGOC_URI_MAXPOOLSIZE,
                                   client_max_pool_size(uri) + MOUV__CONTROLS + 1 +
                                       MOUV__FACTORIES_MAX);
}

static int64_t client_queue_wait_ms(const mouv_client_opts_t *opts, const mongoc_uri_t *uri) {
    if (opts->queue_wait_ms > 0) return opts->queue_wait_ms;
    int32_t wait = mongoc_uri_get_option_as_int32(uri, MONGOC_URI_WAITQUEUETIMEOUTMS, 0);
    return wait > 0 ? wait : 30000;
}

static int64_t client_max_idle_time_ms(const mongoc_uri_t *uri) {
    return mongoc_uri_get_option_as_int32(uri, MONGOC_URI_MAXIDLETIMEMS, 0);
}

static void client_on_runtime_close(mouv__attachment_t *attachment) {
    mouv_client_t *client = mouv__container_of(attachment, mouv_client_t, attachment);
    mouv__close_begin(client, true);
}

static void client_free(mouv_client_t *client) {
    if (client->pool.listener) mouv__listener_unref(client->pool.listener);
    mouv__topology_free(client->topology);
    mouv__handles_clear(client);
    mouv__free(client->default_database);
    if (client->ref.events) mouv__events_unref(client->ref.events);
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

/* --- the picture ------------------------------------------------------------------------------ */

static void client_server_changed(void *arg, mouv__server_t *server, mouv__server_kind_t was) {
    (void)was;
    mouv__pool_server_changed(&((mouv_client_t *)arg)->pool, server);
}

static void client_server_lost(void *arg, mouv__server_t *server) {
    mouv__pool_server_lost(&((mouv_client_t *)arg)->pool, server);
}

static void client_server_gone(void *arg, mouv__server_t *server) {
    mouv__pool_server_gone(&((mouv_client_t *)arg)->pool, server);
}

static void client_server_heard(void *arg, mouv__server_t *server) {
    mouv__breaker_heard(&((mouv_client_t *)arg)->pool, server->id);
}

static const mouv__topology_ops_t client_topology_ops = {
    .server_changed = client_server_changed,
    .server_lost = client_server_lost,
    .server_gone = client_server_gone,
    .server_heard = client_server_heard,
};

/* The monitors have news. */
static void client_on_news(void *arg) {
    mouv_client_t *client = arg;
    if (mouv__topology_catch_up(client->topology, client->driver_pool->listener)) {
        mouv__cut_topology_changed(&client->operations);
        mouv__pool_look_again(&client->pool);
    }
    mouv__measure_due(&client->pool);
}

/* --- its parts -------------------------------------------------------------------------------- */

static mouv_executor_t client_executor(mouv_executor_t executor, const mongoc_uri_t *uri) {
    static const char *const names[] = {"threads", "uvpool", "loop"};
    const char *name = getenv("MOUV_EXECUTOR");
    if (executor == MOUV_EXECUTOR_DEFAULT && name && *name) {
        size_t i = 0;
        while (i < 3 && strcmp(names[i], name) != 0) i++;
        executor = MOUV_EXECUTOR_THREADS + i % 3;
        if (i == 3)
            mouv__log(MOUV_LOG_WARNING,
                      "MOUV_EXECUTOR is '%s', none of threads, uvpool and loop: threads it is",
                      name);
    }
    const char *obstacle =
        executor == MOUV_EXECUTOR_LOOP ? mouv__stream_connect_obstacle(uri) : NULL;
    if (obstacle)
        mouv__log(MOUV_LOG_WARNING, "the executor is threads: %s is not possible with loop",
                  obstacle);
    return executor == MOUV_EXECUTOR_DEFAULT || obstacle ? MOUV_EXECUTOR_THREADS : executor;
}

static mouv__transport_t *client_new_transport(mouv_client_t *client, mouv_executor_t executor,
                                               uint32_t size) {
    executor = client_executor(executor, client->driver_pool->uri);
    if (executor == MOUV_EXECUTOR_LOOP)
        return mouv__loop_new(client, client->driver_pool, client->topology, size);
    return mouv__threads_new(client, client->driver_pool, executor == MOUV_EXECUTOR_UVPOOL, size);
}

static mouv__pool_options_t client_pool_options(const mongoc_uri_t *uri,
                                                const mouv__uri_options_t *own,
                                                const mouv_client_opts_t *opts) {
    int64_t queue_wait_ms = client_queue_wait_ms(opts, uri);
    return (mouv__pool_options_t){
        .queue_wait_ms = queue_wait_ms,
        .queue_limit = opts->queue_limit > 0 ? opts->queue_limit : 65536,
        .told = {.max_pool_size = (uint32_t)client_max_pool_size(uri),
                 .min_pool_size = (uint32_t)own->min_pool_size,
                 .max_connecting = (uint32_t)own->max_connecting,
                 .max_idle_time_ms = client_max_idle_time_ms(uri),
                 .wait_queue_timeout_ms = queue_wait_ms},
    };
}

static void client_leave_idle_time(const mouv__transport_t *transport,
                                   mouv__pool_options_t *options) {
    if (!transport->keeps_sockets || options->told.max_idle_time_ms == 0) return;
    options->told.max_idle_time_ms = 0;
    mouv__log(MOUV_LOG_WARNING,
              "maxIdleTimeMS does nothing: libmongoc %s keeps the sockets, on threads",
              mongoc_get_version());
}

/* What a client is made of, from below: libmongoc's part, the picture, the transport, the pool, the
 * operations. Consumes `uri` and `client_options`. What has been made is client_free()'s on
 * failure. */
static int client_init(mouv_client_t *client, mongoc_uri_t *uri,
                       mouv__client_options_t *client_options, const mouv__uri_options_t *own,
                       const mouv_client_opts_t *opts) {
    uint32_t size = (uint32_t)client_max_pool_size(uri);
    mouv__pool_options_t options = client_pool_options(uri, own, opts);
    mouv__listener_t *listener =
        mouv__listener_new(mouv__runtime_mailbox(client->ref.runtime), client_on_news, client);
    if (!listener || client_remember_database(client, uri) < 0) {
        if (listener) mouv__listener_unref(listener);
        mongoc_uri_destroy(uri);
        mouv__client_options_clear(client_options);
        return MOUV_ENOMEM;
    }
    client->close_wait_ms = opts->close_wait_ms > 0 ? opts->close_wait_ms : 0;
    client_take_over(client, uri, &options.selection_timeout_ms);
    client->driver_pool = mouv__driver_pool_new(uri, client_options, listener);
    mouv__listener_unref(listener);
    if (!client->driver_pool) return MOUV_ENOMEM;
    client->ref.read_concern = client->driver_pool->read_concern;
    client->ref.write_concern = client->driver_pool->write_concern;
    client->ref.read_prefs = client->driver_pool->read_prefs;
    client->topology = mouv__topology_new(client->driver_pool->uri, &client_topology_ops, client);
    mouv__transport_t *transport =
        client->topology ? client_new_transport(client, opts->executor, size) : NULL;
    if (!transport) {
        mouv__driver_pool_unref(client->driver_pool);
        return MOUV_ENOMEM;
    }
    client_leave_idle_time(transport, &options);
    client->pool.topology = client->topology;
    client->pool.listener = mouv__listener_ref(client->driver_pool->listener);
    mouv__operations_init(&client->operations, client, &client->pool);
    return mouv__pool_init(&client->pool, client, transport, &options);
}

static int client_check_opts(const mouv_client_opts_t *opts, mouv_error_t *error) {
    const char *bad = (unsigned)opts->executor > MOUV_EXECUTOR_LOOP ? "executor"
                      : opts->queue_wait_ms < 0                     ? "queue_wait_ms"
                      : opts->close_wait_ms < 0                     ? "close_wait_ms"
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
    mouv__uri_options_t own;
    mongoc_uri_t *uri = client_parse_uri(uri_text, &own, error);
    if (!uri) return NULL;
    if (mouv__client_options_init(&client_options, opts, uri, error) < 0) {
        mongoc_uri_destroy(uri);
        return NULL;
    }
    mouv_client_t *client = mouv__alloc(sizeof(*client));
    if (client) {
        mouv__client_ref_init(client, &client_ops, runtime);
        client->ref.timeout_ms = own.timeout_ms;
    }
    if (!client || client_init(client, uri, &client_options, &own, opts) < 0) {
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
    mouv__events_stop(client->ref.events); /* whatever it stays open for: who listens may be gone */
    mouv__client_close_if_unused(client);
    return NULL;
}

void mouv_client_drop(mouv_client_t **client) {
    if (client) *client = mouv_client_unref(*client);
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
    const mouv__operations_t *operations = &client->operations;
    *stats = *mouv__client_stats(client);
    stats->clients = client->pool.connection_count;
    if (client->pool.transport) {
        stats->queued = mouv__pool_count_waiting(&client->pool);
        stats->busy = mouv__pool_count_busy(&client->pool);
        stats->backlog_us = (uint64_t)mouv__pressure_backlog_ns(&client->pool) / 1000;
    }
    stats->in_flight = operations->running_count;
    MOUV__LIST_EACH(&operations->running, mouv__operation_t, op, running)
        stats->late += op->state == MOUV__OP_LATE;
}
