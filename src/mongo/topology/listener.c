/*
 * From libmongoc's monitor threads to the loop: snapshots of the topology and heartbeat errors. The
 * callbacks run under libmongoc's topology lock and must not call it back.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <uv.h>

#include "context/alloc.h"
#include "mongo/topology/description.h"
#include "mongo/topology/events_apm.h"
#include "mongo/topology/rtt.h"
#include "mongo/topology/topology.h"

/* Hosts whose last heartbeat error is kept. */
#define FAILURES_MAX 16

typedef struct failure {
    char host[264];
    char text[256]; /* empty: the last one went well */
    bool answered;  /* a heartbeat, since somebody looked */
} failure_t;

struct mouv__listener {
    mouv__mail_t mail; /* first; in the mailbox while `posted` */
    mouv__mailbox_t *mailbox;
    uv_mutex_t lock;
    uint32_t shares; /* atomic */
    bool posted;
    mouv__topology_t *newest;               /* until it is taken */
    mouv_topology_description_t *described; /* the newest; NULL: none yet */
    mouv_topology_description_t *seeds;     /* what the URI says; NULL: no pool yet */
    char *set_name;                         /* the URI's replica set, or NULL */
    const char *hint_of;                    /* what a server may miss that hangs up at once */
    bool misnamed;                          /* some host is of another set, or of none */
    failure_t failures[FAILURES_MAX];
    uint32_t failure_count;
    void (*changed)(void *arg); /* loop thread; NULL once stopped */
    void *arg;
    mouv__events_apm_t apm;    /* the context of libmongoc's callbacks; a share of events */
    mongoc_client_t *observer; /* tells what no event does; the pool's */
    mouv__rtt_t rtt;
    int64_t rtt_ms; /* atomic; the least of it */
};

mouv__listener_t *mouv__listener_ref(mouv__listener_t *listener) {
    __atomic_add_fetch(&listener->shares, 1, __ATOMIC_RELAXED);
    return listener;
}

void mouv__listener_unref(mouv__listener_t *listener) {
    if (__atomic_sub_fetch(&listener->shares, 1, __ATOMIC_ACQ_REL) > 0) return;
    mouv__mailbox_unref(listener->mailbox);
    if (listener->apm.events) mouv__events_unref(listener->apm.events);
    uv_mutex_destroy(&listener->lock);
    mouv__free(listener->newest);
    mouv_topology_description_unref(listener->described);
    mouv_topology_description_unref(listener->seeds);
    bson_free(listener->set_name);
    mouv__free(listener);
}

static void listener_mail_deliver(mouv__mail_t *mail) {
    mouv__listener_t *listener = (mouv__listener_t *)mail;
    uv_mutex_lock(&listener->lock);
    listener->posted = false;
    uv_mutex_unlock(&listener->lock);
    if (listener->changed) listener->changed(listener->arg);
    mouv__listener_unref(listener);
}

static void listener_mail_discard(mouv__mail_t *mail) {
    mouv__listener_unref((mouv__listener_t *)mail);
}

mouv__listener_t *mouv__listener_new(mouv__mailbox_t *mailbox, void (*changed)(void *arg),
                                     void *arg) {
    mouv__listener_t *listener = mouv__alloc(sizeof(*listener));
    if (!listener) return NULL;
    if (uv_mutex_init(&listener->lock) != 0) {
        mouv__free(listener);
        return NULL;
    }
    listener->mail =
        (mouv__mail_t){.deliver = listener_mail_deliver, .discard = listener_mail_discard};
    listener->mailbox = mouv__mailbox_ref(mailbox);
    listener->shares = 1;
    listener->changed = changed;
    listener->arg = arg;
    return listener;
}

void mouv__listener_stop(mouv__listener_t *listener) {
    listener->changed = NULL;
    listener->arg = NULL;
}

void mouv__listener_set_events(mouv__listener_t *listener, mouv__events_t *events) {
    listener->apm.events = mouv__events_ref(events);
}

mouv__events_t *mouv__listener_events(const mouv__listener_t *listener) {
    return listener->apm.events;
}

mouv__topology_t *mouv__listener_take(mouv__listener_t *listener) {
    uv_mutex_lock(&listener->lock);
    mouv__topology_t *newest = listener->newest;
    listener->newest = NULL;
    uv_mutex_unlock(&listener->lock);
    return newest;
}

static failure_t *listener_find_failure(mouv__listener_t *listener, const char *host) {
    for (uint32_t i = 0; i < listener->failure_count; i++)
        if (strcmp(listener->failures[i].host, host) == 0) return &listener->failures[i];
    return NULL;
}

bool mouv__listener_take_heartbeat(mouv__listener_t *listener, const char *host) {
    uv_mutex_lock(&listener->lock);
    failure_t *failure = listener_find_failure(listener, host);
    bool answered = failure && failure->answered;
    if (failure) failure->answered = false;
    uv_mutex_unlock(&listener->lock);
    return answered;
}

/* Under the lock: whether the mail is to be posted, once it is given up. */
static bool listener_begin_post(mouv__listener_t *listener) {
    bool post = !listener->posted;
    listener->posted = true;
    return post;
}

static void listener_post(mouv__listener_t *listener) {
    mouv__listener_ref(listener);
    mouv__mailbox_post(listener->mailbox, &listener->mail);
}

/* --- snapshots -------------------------------------------------------------------------------- */

static mouv__topology_kind_t listener_topology_kind(const char *name) {
    if (strcmp(name, "Single") == 0) return MOUV__TOPOLOGY_SINGLE;
    if (strncmp(name, "ReplicaSet", 10) == 0) return MOUV__TOPOLOGY_REPLICA_SET;
    if (strcmp(name, "Sharded") == 0) return MOUV__TOPOLOGY_SHARDED;
    if (strcmp(name, "LoadBalanced") == 0) return MOUV__TOPOLOGY_BALANCED;
    return MOUV__TOPOLOGY_UNKNOWN;
}

static mouv__server_kind_t listener_server_kind(const char *name) {
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

static void listener_picture_server(mouv__server_t *server,
                                    const mongoc_server_description_t *description) {
    mongoc_server_description_t *sd =
        (mongoc_server_description_t *)description; /* 1.x: not const */
    bson_iter_t iter;
    server->id = mongoc_server_description_id(sd);
    server->kind = listener_server_kind(mongoc_server_description_type(sd));
    snprintf(server->host, sizeof(server->host), "%s",
             mongoc_server_description_host(sd)->host_and_port);
    const bson_t *hello = mongoc_server_description_hello_response(sd);
    if (hello && bson_iter_init_find(&iter, hello, "maxWireVersion"))
        server->wire_version = (int32_t)bson_iter_as_int64(&iter);
}

static mouv__topology_t *listener_picture(const mongoc_topology_description_t *description) {
    mongoc_topology_description_t *td = (mongoc_topology_description_t *)description;
    size_t count = 0;
    mongoc_server_description_t **servers = mongoc_topology_description_get_servers(td, &count);
    mouv__topology_t *topology =
        mouv__alloc(sizeof(*topology) + count * sizeof(topology->servers[0]));
    if (topology) {
        topology->kind = listener_topology_kind(mongoc_topology_description_type(td));
        topology->count = (uint32_t)count;
        for (size_t i = 0; i < count; i++)
            listener_picture_server(&topology->servers[i], servers[i]);
    }
    mongoc_server_descriptions_destroy_all(servers, count);
    return topology;
}

/**
 * Both views of the deployment; false: there was no memory for them for a while. They would be
 * missing for as long as nothing else changes, and this is a thread of libmongoc's, which may wait.
 */
static bool listener_take_views(const mongoc_topology_description_t *now,
                                mouv__topology_t **topology,
                                mouv_topology_description_t **described) {
    enum { TRIES = 100 };
    *topology = NULL;
    *described = NULL;
    for (int i = 0; i < TRIES; i++) {
        if (i > 0) uv_sleep(1);
        if (!*topology) *topology = listener_picture(now);
        if (!*described) *described = mouv__describe_topology(now);
        if (*topology && *described) return true;
    }
    mouv__free(*topology);
    mouv_topology_description_unref(*described);
    return false;
}

static mouv__listener_t *listener_of(void *apm) {
    return (mouv__listener_t *)((char *)apm - offsetof(mouv__listener_t, apm));
}

static void listener_on_topology_changed(const mongoc_apm_topology_changed_t *event) {
    mouv__listener_t *listener = listener_of(mongoc_apm_topology_changed_get_context(event));
    mouv__events_apm_topology_changed(listener->apm.events, event);
    const mongoc_topology_description_t *now =
        mongoc_apm_topology_changed_get_new_description(event);
    mouv__topology_t *topology;
    mouv_topology_description_t *described;
    if (!listener_take_views(now, &topology, &described)) return; /* the next change tells */
    uv_mutex_lock(&listener->lock);
    topology->dead =
        listener->misnamed && topology->kind == MOUV__TOPOLOGY_REPLICA_SET && topology->count == 0;
    mouv__topology_t *older = listener->newest;
    mouv_topology_description_t *former = listener->described;
    listener->newest = topology;
    listener->described = described;
    bool is_first = listener_begin_post(listener);
    uv_mutex_unlock(&listener->lock);
    mouv__free(older);
    mouv_topology_description_unref(former);
    if (is_first) listener_post(listener);
}

/* --- heartbeat errors ------------------------------------------------------------------------ */

static failure_t *listener_failure_of(mouv__listener_t *listener, const char *host) {
    failure_t *known = listener_find_failure(listener, host);
    if (known) return known;
    if (listener->failure_count < FAILURES_MAX) listener->failure_count++;
    failure_t *failure = &listener->failures[listener->failure_count - 1];
    snprintf(failure->host, sizeof(failure->host), "%s", host);
    return failure;
}

static const char *listener_hint(const mouv__listener_t *listener, const bson_error_t *error) {
    return strstr(error->message, "Failed to read 4 bytes") ? listener->hint_of : "";
}

/* A server that wants TLS hangs up on who begins without it, or comes with a wrong certificate. */
static const char *listener_hint_of(const mongoc_uri_t *uri) {
    if (!mongoc_uri_get_tls(uri)) return " (does it want TLS?)";
    return mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILE, NULL)
               ? " (does it accept the client's certificate?)"
               : " (does it want a client certificate?)";
}

static void listener_on_heartbeat_failed(const mongoc_apm_server_heartbeat_failed_t *event) {
    mouv__listener_t *listener = listener_of(mongoc_apm_server_heartbeat_failed_get_context(event));
    mouv__events_apm_heartbeat_failed(listener->apm.events, event);
    bson_error_t error = {0};
    mongoc_apm_server_heartbeat_failed_get_error(event, &error);
    if (!error.message[0]) return; /* a check that was broken off, to be begun anew */
    uv_mutex_lock(&listener->lock);
    failure_t *failure = listener_failure_of(
        listener, mongoc_apm_server_heartbeat_failed_get_host(event)->host_and_port);
    snprintf(failure->text, sizeof(failure->text), "%.230s%s", error.message,
             listener_hint(listener, &error));
    uv_mutex_unlock(&listener->lock);
}

/* libmongoc drops a member of another replica set without a word. */
static void listener_compare_set_name(mouv__listener_t *listener, const bson_t *hello,
                                      failure_t *failure) {
    bson_iter_t iter;
    bool named = bson_iter_init_find(&iter, hello, "setName") && BSON_ITER_HOLDS_UTF8(&iter);
    const char *name = named ? bson_iter_utf8(&iter, NULL) : NULL;
    if (!listener->set_name || (name && strcmp(name, listener->set_name) == 0)) return;
    listener->misnamed = true;
    if (!name)
        snprintf(failure->text, sizeof(failure->text),
                 "%.60s belongs to no replica set, the URI names '%.60s'", failure->host,
                 listener->set_name);
    else
        snprintf(failure->text, sizeof(failure->text),
                 "%.60s belongs to the replica set '%.60s', the URI names '%.60s'", failure->host,
                 name, listener->set_name);
}

/*
 * Under libmongoc's lock for events alone, so that its snapshot can be taken from it. The answer
 * that this is about is not in there yet: so what is counted is never the first, which set the
 * monitor's connection up.
 */
static void listener_note_rtt(mouv__listener_t *listener, const char *host) {
    size_t count = 0;
    if (!listener->observer) return;
    mongoc_server_description_t **servers =
        mongoc_client_get_server_descriptions(listener->observer, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(mongoc_server_description_host(servers[i])->host_and_port, host) != 0) continue;
        mouv__rtt_note(&listener->rtt, mongoc_server_description_id(servers[i]),
                       mongoc_server_description_round_trip_time(servers[i]));
    }
    mongoc_server_descriptions_destroy_all(servers, count);
    __atomic_store_n(&listener->rtt_ms, mouv__rtt_least_ms(&listener->rtt), __ATOMIC_RELAXED);
}

int64_t mouv__listener_rtt_ms(const mouv__listener_t *listener) {
    return __atomic_load_n(&listener->rtt_ms, __ATOMIC_RELAXED);
}

static void listener_on_heartbeat_succeeded(const mongoc_apm_server_heartbeat_succeeded_t *event) {
    mouv__listener_t *listener =
        listener_of(mongoc_apm_server_heartbeat_succeeded_get_context(event));
    mouv__events_apm_heartbeat_succeeded(listener->apm.events, event);
    const char *host = mongoc_apm_server_heartbeat_succeeded_get_host(event)->host_and_port;
    uv_mutex_lock(&listener->lock);
    failure_t *failure = listener_failure_of(listener, host);
    failure->text[0] = '\0';
    failure->answered = true;
    listener_compare_set_name(listener, mongoc_apm_server_heartbeat_succeeded_get_reply(event),
                              failure);
    listener_note_rtt(listener, host);
    bool is_first = listener_begin_post(listener);
    uv_mutex_unlock(&listener->lock);
    if (is_first) listener_post(listener);
}

static bool listener_is_reachable(const mouv__topology_t *topology, const char *host) {
    for (uint32_t i = 0; topology && i < topology->count; i++)
        if (strcmp(topology->servers[i].host, host) == 0)
            return topology->servers[i].kind != MOUV__SERVER_UNKNOWN;
    return false;
}

/* libmongoc's text names the host in most releases and cases, with or without its port. */
static bool listener_names_host(const failure_t *failure) {
    char host[sizeof(failure->host)];
    snprintf(host, sizeof(host), "%s", failure->host);
    char *port = strrchr(host, ':');
    if (port) *port = '\0';
    return strstr(failure->text, host) != NULL;
}

static const char *listener_error_of(void *arg, const char *host) {
    const failure_t *failure = listener_find_failure(arg, host);
    return failure && failure->text[0] ? failure->text : NULL;
}

/* libmongoc's first snapshot has no servers yet. */
static const mouv_topology_description_t *
listener_newest_described(const mouv__listener_t *listener) {
    const mouv_topology_description_t *described = listener->described;
    return described && (described->server_count > 0 || listener->misnamed) ? described
                                                                            : listener->seeds;
}

static void listener_add(char *text, size_t size, size_t *used, const char *what, const char *how,
                         const char *where) {
    if (*used >= size) return;
    int written =
        snprintf(text + *used, size - *used, "%s%s%s%s", *used > 0 ? "; " : "", what, how, where);
    *used += written > 0 ? (size_t)written : 0;
}

void mouv__listener_errors(mouv__listener_t *listener, const mouv__topology_t *topology, char *text,
                           size_t size) {
    size_t used = 0;
    text[0] = '\0';
    uv_mutex_lock(&listener->lock);
    for (uint32_t i = 0; i < listener->failure_count; i++) {
        const failure_t *failure = &listener->failures[i];
        if (!failure->text[0] || listener_is_reachable(topology, failure->host)) continue;
        bool named = listener_names_host(failure);
        listener_add(text, size, &used, failure->text, named ? "" : " on ",
                     named ? "" : failure->host);
    }
    const mouv_topology_description_t *servers = listener_newest_described(listener);
    for (size_t i = 0; servers && i < servers->server_count; i++) {
        const char *host = servers->servers[i].host;
        if (!listener_error_of(listener, host) && !listener_is_reachable(topology, host))
            listener_add(text, size, &used, host, " does not answer", "");
    }
    uv_mutex_unlock(&listener->lock);
}

mouv_topology_description_t *mouv__listener_describe(mouv__listener_t *listener) {
    uv_mutex_lock(&listener->lock);
    const mouv_topology_description_t *servers = listener_newest_described(listener);
    mouv_topology_description_t *copy =
        servers ? mouv__description_copy(servers, listener_error_of, listener) : NULL;
    uv_mutex_unlock(&listener->lock);
    return copy;
}

void mouv__listener_subscribe(mouv__listener_t *listener, const mongoc_uri_t *uri,
                              mongoc_client_pool_t *driver_pool) {
    uv_mutex_lock(&listener->lock);
    listener->set_name = bson_strdup(mongoc_uri_get_replica_set(uri));
    listener->hint_of = listener_hint_of(uri);
    listener->seeds = mouv__describe_seeds(uri);
    uv_mutex_unlock(&listener->lock);
    mongoc_apm_callbacks_t *callbacks = mongoc_apm_callbacks_new();
    mongoc_apm_set_topology_changed_cb(callbacks, listener_on_topology_changed);
    mongoc_apm_set_server_heartbeat_succeeded_cb(callbacks, listener_on_heartbeat_succeeded);
    mongoc_apm_set_server_heartbeat_failed_cb(callbacks, listener_on_heartbeat_failed);
    mouv__events_apm_subscribe(listener->apm.events, callbacks);
    mongoc_client_pool_set_apm_callbacks(driver_pool, callbacks, &listener->apm);
    mongoc_apm_callbacks_destroy(callbacks);
    mongoc_client_t *observer = mongoc_client_pool_try_pop(driver_pool);
    uv_mutex_lock(&listener->lock);
    listener->observer = observer;
    uv_mutex_unlock(&listener->lock);
}

void mouv__listener_leave(mouv__listener_t *listener, mongoc_client_pool_t *driver_pool) {
    uv_mutex_lock(&listener->lock);
    mongoc_client_t *observer = listener->observer;
    listener->observer = NULL;
    uv_mutex_unlock(&listener->lock);
    if (observer) mongoc_client_pool_push(driver_pool, observer);
}
