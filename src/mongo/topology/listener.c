/*
 * From libmongoc's monitor threads to the loop: pictures of the topology and heartbeat errors. The
 * callbacks run under libmongoc's topology lock and must not call it back.
 */
#include <stdio.h>
#include <string.h>

#include <uv.h>

#include "context/alloc.h"
#include "mongo/topology/description.h"
#include "mongo/topology/events.h"
#include "mongo/topology/rtt.h"
#include "mongo/topology/topology.h"

/* Hosts whose last heartbeat error is kept. */
#define FAILURES_MAX 16

typedef struct failure {
    char host[264];
    char text[256]; /* empty: the last one went well */
    bool answered;  /* a heartbeat, since somebody looked */
} failure_t;

struct mouv__watch {
    mouv__mail_t mail; /* first; in the mailbox while `posted` */
    mouv__mailbox_t *mailbox;
    uv_mutex_t lock;
    uint32_t shares; /* atomic */
    bool posted;
    mouv__topology_t *newest;               /* until it is taken */
    mouv_topology_description_t *described; /* the newest; NULL: none yet */
    mouv_topology_description_t *seeds;     /* what the URI says; NULL: no pool yet */
    char *set_name;                         /* the URI's replica set, or NULL */
    const char *doubt;                      /* what a server may miss that hangs up at once */
    bool misnamed;                          /* some host is of another set, or of none */
    failure_t failures[FAILURES_MAX];
    uint32_t failure_count;
    void (*changed)(void *arg); /* loop thread; NULL once stopped */
    void *arg;
    mouv__monitor_t *monitor; /* a share; NULL: nobody listens */
    mongoc_client_t *looker;  /* tells what no event does; the pool's */
    mouv__rtt_t rtt;
    int64_t rtt_ms; /* atomic; the least of it */
};

mouv__watch_t *mouv__watch_ref(mouv__watch_t *watch) {
    __atomic_add_fetch(&watch->shares, 1, __ATOMIC_RELAXED);
    return watch;
}

void mouv__watch_unref(mouv__watch_t *watch) {
    if (__atomic_sub_fetch(&watch->shares, 1, __ATOMIC_ACQ_REL) > 0) return;
    mouv__mailbox_unref(watch->mailbox);
    if (watch->monitor) mouv__monitor_unref(watch->monitor);
    uv_mutex_destroy(&watch->lock);
    mouv__free(watch->newest);
    mouv_topology_description_unref(watch->described);
    mouv_topology_description_unref(watch->seeds);
    bson_free(watch->set_name);
    mouv__free(watch);
}

static void mail_deliver(mouv__mail_t *mail) {
    mouv__watch_t *watch = (mouv__watch_t *)mail;
    uv_mutex_lock(&watch->lock);
    watch->posted = false;
    uv_mutex_unlock(&watch->lock);
    if (watch->changed) watch->changed(watch->arg);
    mouv__watch_unref(watch);
}

static void mail_discard(mouv__mail_t *mail) {
    mouv__watch_unref((mouv__watch_t *)mail);
}

mouv__watch_t *mouv__watch_new(mouv__mailbox_t *mailbox, void (*changed)(void *arg), void *arg) {
    mouv__watch_t *watch = mouv__alloc(sizeof(*watch));
    if (!watch) return NULL;
    if (uv_mutex_init(&watch->lock) != 0) {
        mouv__free(watch);
        return NULL;
    }
    watch->mail = (mouv__mail_t){.deliver = mail_deliver, .discard = mail_discard};
    watch->mailbox = mouv__mailbox_ref(mailbox);
    watch->shares = 1;
    watch->changed = changed;
    watch->arg = arg;
    return watch;
}

void mouv__watch_stop(mouv__watch_t *watch) {
    watch->changed = NULL;
    watch->arg = NULL;
}

void mouv__watch_set_monitor(mouv__watch_t *watch, mouv__monitor_t *monitor) {
    watch->monitor = mouv__monitor_ref(monitor);
}

mouv__monitor_t *mouv__watch_monitor(const mouv__watch_t *watch) {
    return watch->monitor;
}

mouv__topology_t *mouv__watch_take(mouv__watch_t *watch) {
    uv_mutex_lock(&watch->lock);
    mouv__topology_t *newest = watch->newest;
    watch->newest = NULL;
    uv_mutex_unlock(&watch->lock);
    return newest;
}

static failure_t *find_failure(mouv__watch_t *watch, const char *host) {
    for (uint32_t i = 0; i < watch->failure_count; i++)
        if (strcmp(watch->failures[i].host, host) == 0) return &watch->failures[i];
    return NULL;
}

bool mouv__watch_take_heartbeat(mouv__watch_t *watch, const char *host) {
    uv_mutex_lock(&watch->lock);
    failure_t *failure = find_failure(watch, host);
    bool answered = failure && failure->answered;
    if (failure) failure->answered = false;
    uv_mutex_unlock(&watch->lock);
    return answered;
}

/* Under the lock: whether the mail is to be posted, once it is given up. */
static bool begin_post(mouv__watch_t *watch) {
    bool post = !watch->posted;
    watch->posted = true;
    return post;
}

static void post(mouv__watch_t *watch) {
    mouv__watch_ref(watch);
    mouv__mailbox_post(watch->mailbox, &watch->mail);
}

/* --- pictures -------------------------------------------------------------------------------- */

static mouv__topology_kind_t topology_kind(const char *name) {
    if (strcmp(name, "Single") == 0) return MOUV__TOPOLOGY_SINGLE;
    if (strncmp(name, "ReplicaSet", 10) == 0) return MOUV__TOPOLOGY_REPLICA_SET;
    if (strcmp(name, "Sharded") == 0) return MOUV__TOPOLOGY_SHARDED;
    if (strcmp(name, "LoadBalanced") == 0) return MOUV__TOPOLOGY_BALANCED;
    return MOUV__TOPOLOGY_UNKNOWN;
}

static mouv__server_kind_t server_kind(const char *name) {
    static const struct {
        const char *name;
        mouv__server_kind_t kind;
    } kinds[] = {
        {"Unknown", MOUV__SERVER_UNKNOWN},       {"PossiblePrimary", MOUV__SERVER_UNKNOWN},
        {"Standalone", MOUV__SERVER_STANDALONE}, {"Mongos", MOUV__SERVER_MONGOS},
        {"RSPrimary", MOUV__SERVER_PRIMARY},     {"RSSecondary", MOUV__SERVER_SECONDARY},
        {"LoadBalancer", MOUV__SERVER_BALANCER},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].name, name) == 0) return kinds[i].kind;
    return MOUV__SERVER_OTHER;
}

static void picture_server(mouv__server_t *server, const mongoc_server_description_t *description) {
    mongoc_server_description_t *sd =
        (mongoc_server_description_t *)description; /* 1.x: not const */
    bson_iter_t iter;
    server->id = mongoc_server_description_id(sd);
    server->kind = server_kind(mongoc_server_description_type(sd));
    snprintf(server->host, sizeof(server->host), "%s",
             mongoc_server_description_host(sd)->host_and_port);
    const bson_t *hello = mongoc_server_description_hello_response(sd);
    if (hello && bson_iter_init_find(&iter, hello, "maxWireVersion"))
        server->wire_version = (int32_t)bson_iter_as_int64(&iter);
}

static mouv__topology_t *picture(const mongoc_topology_description_t *description) {
    mongoc_topology_description_t *td = (mongoc_topology_description_t *)description;
    size_t count = 0;
    mongoc_server_description_t **servers = mongoc_topology_description_get_servers(td, &count);
    mouv__topology_t *topology =
        mouv__alloc(sizeof(*topology) + count * sizeof(topology->servers[0]));
    if (topology) {
        topology->kind = topology_kind(mongoc_topology_description_type(td));
        topology->count = (uint32_t)count;
        for (size_t i = 0; i < count; i++) picture_server(&topology->servers[i], servers[i]);
    }
    mongoc_server_descriptions_destroy_all(servers, count);
    return topology;
}

/**
 * Both views of the deployment; false: there was no memory for them for a while. They would be
 * missing for as long as nothing else changes, and this is a thread of libmongoc's, which may wait.
 */
static bool take_views(const mongoc_topology_description_t *now, mouv__topology_t **topology,
                       mouv_topology_description_t **described) {
    enum { TRIES = 100 };
    *topology = NULL;
    *described = NULL;
    for (int i = 0; i < TRIES; i++) {
        if (i > 0) uv_sleep(1);
        if (!*topology) *topology = picture(now);
        if (!*described) *described = mouv__describe_topology(now);
        if (*topology && *described) return true;
    }
    mouv__free(*topology);
    mouv_topology_description_unref(*described);
    return false;
}

static void on_topology_changed(const mongoc_apm_topology_changed_t *event) {
    mouv__watch_t *watch = mongoc_apm_topology_changed_get_context(event);
    if (watch->monitor) mouv__monitor_topology_changed(watch->monitor, event);
    const mongoc_topology_description_t *now =
        mongoc_apm_topology_changed_get_new_description(event);
    mouv__topology_t *topology;
    mouv_topology_description_t *described;
    if (!take_views(now, &topology, &described)) return; /* the next change tells */
    uv_mutex_lock(&watch->lock);
    topology->dead =
        watch->misnamed && topology->kind == MOUV__TOPOLOGY_REPLICA_SET && topology->count == 0;
    mouv__topology_t *older = watch->newest;
    mouv_topology_description_t *former = watch->described;
    watch->newest = topology;
    watch->described = described;
    bool is_first = begin_post(watch);
    uv_mutex_unlock(&watch->lock);
    mouv__free(older);
    mouv_topology_description_unref(former);
    if (is_first) post(watch);
}

/* --- heartbeat errors ------------------------------------------------------------------------ */

static failure_t *failure_of(mouv__watch_t *watch, const char *host) {
    failure_t *known = find_failure(watch, host);
    if (known) return known;
    if (watch->failure_count < FAILURES_MAX) watch->failure_count++;
    failure_t *failure = &watch->failures[watch->failure_count - 1];
    snprintf(failure->host, sizeof(failure->host), "%s", host);
    return failure;
}

static const char *hint(const mouv__watch_t *watch, const bson_error_t *error) {
    return strstr(error->message, "Failed to read 4 bytes") ? watch->doubt : "";
}

/* A server that wants TLS hangs up on who begins without it, or comes with a wrong certificate. */
static const char *doubt(const mongoc_uri_t *uri) {
    if (!mongoc_uri_get_tls(uri)) return " (does it want TLS?)";
    return mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILE, NULL)
               ? " (does it accept the client's certificate?)"
               : " (does it want a client certificate?)";
}

static void on_heartbeat_failed(const mongoc_apm_server_heartbeat_failed_t *event) {
    mouv__watch_t *watch = mongoc_apm_server_heartbeat_failed_get_context(event);
    if (watch->monitor) mouv__monitor_heartbeat_failed(watch->monitor, event);
    bson_error_t error = {0};
    mongoc_apm_server_heartbeat_failed_get_error(event, &error);
    if (!error.message[0]) return; /* a check that was broken off, to be begun anew */
    uv_mutex_lock(&watch->lock);
    failure_t *failure =
        failure_of(watch, mongoc_apm_server_heartbeat_failed_get_host(event)->host_and_port);
    snprintf(failure->text, sizeof(failure->text), "%.230s%s", error.message, hint(watch, &error));
    uv_mutex_unlock(&watch->lock);
}

/* libmongoc drops a member of another replica set without a word. */
static void compare_set_name(mouv__watch_t *watch, const bson_t *hello, failure_t *failure) {
    bson_iter_t iter;
    bool named = bson_iter_init_find(&iter, hello, "setName") && BSON_ITER_HOLDS_UTF8(&iter);
    const char *name = named ? bson_iter_utf8(&iter, NULL) : NULL;
    if (!watch->set_name || (name && strcmp(name, watch->set_name) == 0)) return;
    watch->misnamed = true;
    if (!name)
        snprintf(failure->text, sizeof(failure->text),
                 "%.60s belongs to no replica set, the URI names '%.60s'", failure->host,
                 watch->set_name);
    else
        snprintf(failure->text, sizeof(failure->text),
                 "%.60s belongs to the replica set '%.60s', the URI names '%.60s'", failure->host,
                 name, watch->set_name);
}

/*
 * Under libmongoc's lock for events alone, so that its picture can be taken from it. The answer
 * that this is about is not in there yet: so what is counted is never the first, which set the
 * monitor's connection up.
 */
static void note_rtt(mouv__watch_t *watch, const char *host) {
    size_t count = 0;
    if (!watch->looker) return;
    mongoc_server_description_t **servers =
        mongoc_client_get_server_descriptions(watch->looker, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(mongoc_server_description_host(servers[i])->host_and_port, host) != 0) continue;
        mouv__rtt_note(&watch->rtt, mongoc_server_description_id(servers[i]),
                       mongoc_server_description_round_trip_time(servers[i]));
    }
    mongoc_server_descriptions_destroy_all(servers, count);
    __atomic_store_n(&watch->rtt_ms, mouv__rtt_least_ms(&watch->rtt), __ATOMIC_RELAXED);
}

int64_t mouv__watch_rtt_ms(const mouv__watch_t *watch) {
    return __atomic_load_n(&watch->rtt_ms, __ATOMIC_RELAXED);
}

static void on_heartbeat_succeeded(const mongoc_apm_server_heartbeat_succeeded_t *event) {
    mouv__watch_t *watch = mongoc_apm_server_heartbeat_succeeded_get_context(event);
    if (watch->monitor) mouv__monitor_heartbeat_succeeded(watch->monitor, event);
    const char *host = mongoc_apm_server_heartbeat_succeeded_get_host(event)->host_and_port;
    uv_mutex_lock(&watch->lock);
    failure_t *failure = failure_of(watch, host);
    failure->text[0] = '\0';
    failure->answered = true;
    compare_set_name(watch, mongoc_apm_server_heartbeat_succeeded_get_reply(event), failure);
    note_rtt(watch, host);
    bool is_first = begin_post(watch);
    uv_mutex_unlock(&watch->lock);
    if (is_first) post(watch);
}

static bool is_reachable(const mouv__topology_t *topology, const char *host) {
    for (uint32_t i = 0; topology && i < topology->count; i++)
        if (strcmp(topology->servers[i].host, host) == 0)
            return topology->servers[i].kind != MOUV__SERVER_UNKNOWN;
    return false;
}

/* libmongoc's text names the host in most releases and cases, with or without its port. */
static bool names_host(const failure_t *failure) {
    char host[sizeof(failure->host)];
    snprintf(host, sizeof(host), "%s", failure->host);
    char *port = strrchr(host, ':');
    if (port) *port = '\0';
    return strstr(failure->text, host) != NULL;
}

static const char *error_of(void *arg, const char *host) {
    const failure_t *failure = find_failure(arg, host);
    return failure && failure->text[0] ? failure->text : NULL;
}

/* libmongoc's first picture has no servers yet. */
static const mouv_topology_description_t *newest_described(const mouv__watch_t *watch) {
    const mouv_topology_description_t *described = watch->described;
    return described && (described->server_count > 0 || watch->misnamed) ? described : watch->seeds;
}

static void add(char *text, size_t size, size_t *used, const char *what, const char *how,
                const char *where) {
    if (*used >= size) return;
    int written =
        snprintf(text + *used, size - *used, "%s%s%s%s", *used > 0 ? "; " : "", what, how, where);
    *used += written > 0 ? (size_t)written : 0;
}

void mouv__watch_errors(mouv__watch_t *watch, const mouv__topology_t *topology, char *text,
                        size_t size) {
    size_t used = 0;
    text[0] = '\0';
    uv_mutex_lock(&watch->lock);
    for (uint32_t i = 0; i < watch->failure_count; i++) {
        const failure_t *failure = &watch->failures[i];
        if (!failure->text[0] || is_reachable(topology, failure->host)) continue;
        bool named = names_host(failure);
        add(text, size, &used, failure->text, named ? "" : " on ", named ? "" : failure->host);
    }
    const mouv_topology_description_t *servers = newest_described(watch);
    for (size_t i = 0; servers && i < servers->server_count; i++) {
        const char *host = servers->servers[i].host;
        if (!error_of(watch, host) && !is_reachable(topology, host))
            add(text, size, &used, host, " does not answer", "");
    }
    uv_mutex_unlock(&watch->lock);
}

mouv_topology_description_t *mouv__watch_describe(mouv__watch_t *watch) {
    uv_mutex_lock(&watch->lock);
    const mouv_topology_description_t *servers = newest_described(watch);
    mouv_topology_description_t *copy =
        servers ? mouv__description_copy(servers, error_of, watch) : NULL;
    uv_mutex_unlock(&watch->lock);
    return copy;
}

void mouv__watch_pool(mouv__watch_t *watch, const mongoc_uri_t *uri, mongoc_client_pool_t *pool) {
    uv_mutex_lock(&watch->lock);
    watch->set_name = bson_strdup(mongoc_uri_get_replica_set(uri));
    watch->doubt = doubt(uri);
    watch->seeds = mouv__describe_seeds(uri);
    uv_mutex_unlock(&watch->lock);
    mongoc_apm_callbacks_t *callbacks = mongoc_apm_callbacks_new();
    mongoc_apm_set_topology_changed_cb(callbacks, on_topology_changed);
    mongoc_apm_set_server_heartbeat_succeeded_cb(callbacks, on_heartbeat_succeeded);
    mongoc_apm_set_server_heartbeat_failed_cb(callbacks, on_heartbeat_failed);
    if (watch->monitor) mouv__monitor_subscribe(watch->monitor, callbacks);
    mongoc_client_pool_set_apm_callbacks(pool, callbacks, watch);
    mongoc_apm_callbacks_destroy(callbacks);
    mongoc_client_t *looker = mongoc_client_pool_try_pop(pool);
    uv_mutex_lock(&watch->lock);
    watch->looker = looker;
    uv_mutex_unlock(&watch->lock);
}

void mouv__watch_leave(mouv__watch_t *watch, mongoc_client_pool_t *pool) {
    uv_mutex_lock(&watch->lock);
    mongoc_client_t *looker = watch->looker;
    watch->looker = NULL;
    uv_mutex_unlock(&watch->lock);
    if (looker) mongoc_client_pool_push(pool, looker);
}
