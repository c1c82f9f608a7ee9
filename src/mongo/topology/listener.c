/*
 * From libmongoc's monitor threads to the loop: snapshots of the topology, and of each host its
 * heartbeats. The callbacks run under libmongoc's topology lock and must not call it back.
 */
#include "mongo/topology/listener.h"

#include <stdio.h>
#include <string.h>

#include <uv.h>

#include "async/loop/line.h"
#include "context/alloc.h"
#include "mongo/topology/description.h"
#include "mongo/topology/events.h"
#include "mongo/topology/events_apm.h"

#define US_NS INT64_C(1000)

/* As if it had been looked at just now. */
#define ALWAYS UINT32_MAX

#define SAMPLES_MAX \
    (sizeof(((mouv__heartbeats_t *)0)->samples_ns) / \
     sizeof(((mouv__heartbeats_t *)0)->samples_ns[0]))

typedef struct host {
    char name[264];
    char text[256];                /* why its last heartbeat failed; empty: it went well */
    uint32_t id;                   /* in the last snapshot that had it; 0: none yet */
    bool known;                    /* in the last snapshot */
    bool lost;                     /* became Unknown since the snapshot that was last taken */
    bool there;                    /* in the last snapshot, of whatever kind */
    bool closed;                   /* the deployment has it no more */
    bool found;                    /* the URI, DNS or a member has named it, and it is watched */
    bool misnamed;                 /* of another replica set, or of none */
    uint32_t lasting;              /* the last look met what no waiting heals: which look; 0: not */
    bool marked;                   /* users were told that it is Unknown, not by its monitor */
    mouv__heartbeats_t heartbeats; /* since somebody looked */
} host_t;

struct mouv__listener {
    mouv__events_apm_t apm; /* first: the context of the callbacks; a share of the events */
    mouv__mail_t mail;      /* in the mailbox while `posted` */
    mouv__mailbox_t *mailbox;
    uv_mutex_t lock;
    uint32_t shares; /* atomic */
    bool posted;
    mouv__snapshot_t *newest;            /* until it is taken */
    char *set_name;                      /* the URI's replica set, or NULL */
    const char *hint_of;                 /* what a server may miss that hangs up at once */
    bool misnamed;                       /* some host is of another set, or of none */
    uint32_t looks;                      /* at any host, that met what no waiting heals */
    bson_oid_t id;                       /* libmongoc's of its topology */
    bool opened, ended;                  /* it was told that the topology is there, is no more */
    bool finds_hosts;                    /* the URI names none: mongodb+srv */
    const mouv__listener_guard_t *guard; /* or NULL; unchanged once monitors run */
    host_t *hosts;
    uint32_t host_count, host_room;
    void (*changed)(void *arg); /* loop thread; NULL once stopped */
    void *arg;
};

static _Thread_local bool guarded; /* what the guard of this monitor's check has returned */

mouv__listener_t *mouv__listener_ref(mouv__listener_t *listener) {
    __atomic_add_fetch(&listener->shares, 1, __ATOMIC_RELAXED);
    return listener;
}

void mouv__listener_unref(mouv__listener_t *listener) {
    if (__atomic_sub_fetch(&listener->shares, 1, __ATOMIC_ACQ_REL) > 0) return;
    mouv__mailbox_unref(listener->mailbox);
    if (listener->apm.events) mouv__events_unref(listener->apm.events);
    uv_mutex_destroy(&listener->lock);
    mouv__snapshot_free(listener->newest);
    bson_free(listener->set_name);
    mouv__free(listener->hosts);
    mouv__free(listener);
}

static mouv__listener_t *listener_of(mouv__mail_t *mail) {
    return mouv__container_of(mail, mouv__listener_t, mail);
}

static void listener_mail_deliver(mouv__mail_t *mail) {
    mouv__listener_t *listener = listener_of(mail);
    uv_mutex_lock(&listener->lock);
    listener->posted = false;
    uv_mutex_unlock(&listener->lock);
    if (listener->changed) listener->changed(listener->arg);
    mouv__listener_unref(listener);
}

static void listener_mail_discard(mouv__mail_t *mail) {
    mouv__listener_unref(listener_of(mail));
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

mouv__snapshot_t *mouv__listener_take(mouv__listener_t *listener) {
    uv_mutex_lock(&listener->lock);
    mouv__snapshot_t *newest = listener->newest;
    listener->newest = NULL;
    for (uint32_t i = 0; i < listener->host_count; i++) listener->hosts[i].lost = false;
    uv_mutex_unlock(&listener->lock);
    return newest;
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

/* --- hosts; under the lock ------------------------------------------------------------------ */

static host_t *listener_find_host(const mouv__listener_t *listener, const char *name) {
    for (uint32_t i = 0; i < listener->host_count; i++)
        if (strcmp(listener->hosts[i].name, name) == 0) return &listener->hosts[i];
    return NULL;
}

/* NULL: ENOMEM; the next heartbeat tries again. */
static host_t *listener_host_of(mouv__listener_t *listener, const char *name) {
    host_t *host = listener_find_host(listener, name);
    if (host) return host;
    if (listener->host_count == listener->host_room) {
        uint32_t room = 2 * listener->host_room + 4;
        host_t *hosts = mouv__realloc(listener->hosts, room * sizeof(*hosts));
        if (!hosts) return NULL;
        listener->hosts = hosts;
        listener->host_room = room;
    }
    host = &listener->hosts[listener->host_count++];
    *host = (host_t){0};
    snprintf(host->name, sizeof(host->name), "%s", name);
    return host;
}

/* What is measured of a server anew after it was lost does not count with what was before. */
static void listener_mark_lost(host_t *host) {
    host->lost = true;
    host->heartbeats.lost = true;
    host->heartbeats.count = 0;
}

static bool listener_remembers(host_t *host) {
    return host->there || host->misnamed || host->found || (host->id && !host->closed);
}

/* What each host is now: libmongoc lists none that is Unknown. Those that are gone are forgotten,
 * unless it says why. */
static void listener_compare_hosts(mouv__listener_t *listener, const mouv__snapshot_t *snapshot) {
    for (uint32_t i = 0; i < listener->host_count; i++) listener->hosts[i].there = false;
    for (uint32_t i = 0; i < snapshot->count; i++) {
        mouv__server_t *server = snapshot->servers[i];
        host_t *host = listener_host_of(listener, server->host);
        if (!host) continue;
        bool known = mouv__server_is_known(server);
        if (host->known && !known) listener_mark_lost(host);
        server->lost = host->lost;
        host->id = server->id;
        host->known = known;
        host->there = true;
        host->closed = false;
    }
    for (uint32_t i = 0; i < listener->host_count;) {
        host_t *host = &listener->hosts[i];
        if (host->known && !host->there) listener_mark_lost(host);
        host->known = host->known && host->there;
        if (listener_remembers(host))
            i++;
        else
            *host = listener->hosts[--listener->host_count];
    }
}

static void listener_add_sample(mouv__heartbeats_t *heartbeats, int64_t sample_ns) {
    if (heartbeats->count == SAMPLES_MAX) {
        heartbeats->count--;
        memmove(heartbeats->samples_ns, heartbeats->samples_ns + 1,
                heartbeats->count * sizeof(heartbeats->samples_ns[0]));
    }
    heartbeats->samples_ns[heartbeats->count++] = sample_ns;
}

bool mouv__listener_take_heartbeats(mouv__listener_t *listener, const char *host,
                                    mouv__heartbeats_t *heartbeats) {
    uv_mutex_lock(&listener->lock);
    host_t *known = listener_find_host(listener, host);
    bool news = known && (known->heartbeats.answered || known->heartbeats.lost);
    if (news) {
        *heartbeats = known->heartbeats;
        known->heartbeats = (mouv__heartbeats_t){0};
    }
    uv_mutex_unlock(&listener->lock);
    return news;
}

bool mouv__listener_has_server(mouv__listener_t *listener, const char *name, uint32_t id) {
    uv_mutex_lock(&listener->lock);
    const host_t *host = listener_find_host(listener, name);
    bool there = host && host->id == id && !host->closed;
    uv_mutex_unlock(&listener->lock);
    return there;
}

bool mouv__listener_has_closed(mouv__listener_t *listener, const char *name, uint32_t id) {
    uv_mutex_lock(&listener->lock);
    const host_t *host = listener_find_host(listener, name);
    bool closed = host && host->id == id && host->closed;
    uv_mutex_unlock(&listener->lock);
    return closed;
}

/* --- snapshots ------------------------------------------------------------------------------ */

/**
 * NULL: there was no memory for one for a while. It would be missing for as long as nothing else
 * changes, and this is a thread of libmongoc's, which may wait.
 */
static mouv__snapshot_t *listener_snapshot(const mongoc_topology_description_t *now) {
    enum { TRIES = 100 };
    mouv__snapshot_t *snapshot = mouv__snapshot_of(now);
    for (int i = 1; !snapshot && i < TRIES; i++) {
        uv_sleep(1);
        snapshot = mouv__snapshot_of(now);
    }
    return snapshot;
}

static void listener_on_topology_changed(const mongoc_apm_topology_changed_t *event) {
    mouv__listener_t *listener = mongoc_apm_topology_changed_get_context(event);
    if (listener->apm.events) mouv__events_apm_topology_changed(listener->apm.events, event);
    mouv__snapshot_t *snapshot =
        listener_snapshot(mongoc_apm_topology_changed_get_new_description(event));
    if (!snapshot) return; /* the next change tells */
    uv_mutex_lock(&listener->lock);
    mongoc_apm_topology_changed_get_topology_id(event, &listener->id);
    snapshot->dead =
        listener->misnamed && snapshot->kind == MOUV__TOPOLOGY_REPLICA_SET && snapshot->count == 0;
    listener_compare_hosts(listener, snapshot);
    mouv__snapshot_t *older = listener->newest;
    listener->newest = snapshot;
    bool is_first = listener_begin_post(listener);
    uv_mutex_unlock(&listener->lock);
    mouv__snapshot_free(older);
    if (is_first) listener_post(listener);
}

/* What users have been told of a server by an operation's error comes before what its monitor says. */
static void listener_on_server_changed(const mongoc_apm_server_changed_t *event) {
    mouv__listener_t *listener = mongoc_apm_server_changed_get_context(event);
    uv_mutex_lock(&listener->lock);
    host_t *host =
        listener_find_host(listener, mongoc_apm_server_changed_get_host(event)->host_and_port);
    mouv__events_apm_server_changed(listener->apm.events, event, host && host->marked);
    if (host) host->marked = false;
    uv_mutex_unlock(&listener->lock);
}

bool mouv__listener_mark(mouv__listener_t *listener, const mouv_server_description_t *described,
                         const char *why) {
    uv_mutex_lock(&listener->lock);
    host_t *host = listener_find_host(listener, described->host);
    bool news = host && host->known && !host->lost;
    if (news) {
        mouv__line_format(host->text, sizeof(host->text), "%s", why);
        mouv__events_server_unknown(listener->apm.events, &listener->id, described, true);
        host->marked = true;
    }
    uv_mutex_unlock(&listener->lock);
    return news;
}

void mouv__listener_lift(mouv__listener_t *listener, const mouv_server_description_t *described) {
    uv_mutex_lock(&listener->lock);
    host_t *host = listener_find_host(listener, described->host);
    if (host && host->marked) {
        host->text[0] = '\0';
        mouv__events_server_unknown(listener->apm.events, &listener->id, described, false);
        host->marked = false;
    }
    uv_mutex_unlock(&listener->lock);
}

void mouv__listener_tell(mouv__listener_t *listener, mouv_topology_description_t *previous,
                         mouv_topology_description_t *next) {
    uv_mutex_lock(&listener->lock);
    mouv__events_topology(listener->apm.events, &listener->id, previous, next);
    uv_mutex_unlock(&listener->lock);
}

static void listener_on_topology_opening(const mongoc_apm_topology_opening_t *event) {
    mouv__listener_t *listener = mongoc_apm_topology_opening_get_context(event);
    uv_mutex_lock(&listener->lock);
    mongoc_apm_topology_opening_get_topology_id(event, &listener->id);
    listener->opened = true;
    mouv__events_topology_life(listener->apm.events, MOUV__EVENT_TOPOLOGY_OPENING, &listener->id);
    uv_mutex_unlock(&listener->lock);
}

/* Under the lock. */
static void listener_close_host(mouv__listener_t *listener, host_t *host) {
    host->closed = true;
    host->found = false;
    host->lasting = 0;
    if (!listener->ended)
        mouv__events_server_closed(listener->apm.events, &listener->id, host->name);
}

void mouv__listener_end(mouv__listener_t *listener) {
    uv_mutex_lock(&listener->lock);
    for (uint32_t i = 0; i < listener->host_count; i++)
        if (listener->hosts[i].found) listener_close_host(listener, &listener->hosts[i]);
    if (listener->opened && !listener->ended)
        mouv__events_topology_life(listener->apm.events, MOUV__EVENT_TOPOLOGY_CLOSED,
                                   &listener->id);
    listener->ended = true;
    mouv__events_end(listener->apm.events); /* the end is the last thing that is told */
    uv_mutex_unlock(&listener->lock);
}

static void listener_on_topology_closed(const mongoc_apm_topology_closed_t *event) {
    mouv__listener_end(mongoc_apm_topology_closed_get_context(event));
}

/* libmongoc's snapshots have it only once it has answered. */
static void listener_on_server_opening(const mongoc_apm_server_opening_t *event) {
    mouv__listener_t *listener = mongoc_apm_server_opening_get_context(event);
    if (listener->apm.events) mouv__events_apm_server_opening(listener->apm.events, event);
    uv_mutex_lock(&listener->lock);
    host_t *host =
        listener_host_of(listener, mongoc_apm_server_opening_get_host(event)->host_and_port);
    if (host) host->found = true;
    uv_mutex_unlock(&listener->lock);
}

/* Before the snapshot without it; there is none if DNS has it no more. */
static void listener_on_server_closed(const mongoc_apm_server_closed_t *event) {
    mouv__listener_t *listener = mongoc_apm_server_closed_get_context(event);
    bool is_first = false;
    uv_mutex_lock(&listener->lock);
    host_t *host =
        listener_find_host(listener, mongoc_apm_server_closed_get_host(event)->host_and_port);
    if (host) {
        listener_close_host(listener, host);
        is_first = listener_begin_post(listener);
    }
    uv_mutex_unlock(&listener->lock);
    if (is_first) listener_post(listener);
}

/* --- heartbeats ----------------------------------------------------------------------------- */

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

/* One that is awaited has its connection. */
static void listener_on_heartbeat_started(const mongoc_apm_server_heartbeat_started_t *event) {
    const mouv__listener_t *listener = mongoc_apm_server_heartbeat_started_get_context(event);
    if (listener->apm.events) mouv__events_apm_heartbeat_started(listener->apm.events, event);
    bool awaited = mongoc_apm_server_heartbeat_started_get_awaited(event);
    if (listener->guard && !awaited) guarded = listener->guard->begin();
}

static void listener_end_check(const mouv__listener_t *listener, bool awaited) {
    if (listener->guard && !awaited) listener->guard->end(guarded);
}

/* What a host has said to TLS, or of its replica set, it will say again. Whether it will answer at
 * all, or has a name, time may tell. */
static bool listener_is_lasting(const bson_error_t *error) {
    return strstr(error->message, "certificate verify failed") != NULL;
}

uint32_t mouv__listener_hopeless(mouv__listener_t *listener, uint32_t *looks) {
    uint32_t count = 0, oldest = ALWAYS;
    uv_mutex_lock(&listener->lock);
    *looks = listener->looks;
    for (uint32_t i = 0; i < listener->host_count; i++) {
        const host_t *host = &listener->hosts[i];
        if (!host->found) continue;
        count++;
        if (host->lasting < oldest) oldest = host->lasting;
    }
    uv_mutex_unlock(&listener->lock);
    return count > 0 ? oldest : 0;
}

static void listener_on_heartbeat_failed(const mongoc_apm_server_heartbeat_failed_t *event) {
    mouv__listener_t *listener = mongoc_apm_server_heartbeat_failed_get_context(event);
    listener_end_check(listener, mongoc_apm_server_heartbeat_failed_get_awaited(event));
    if (listener->apm.events) mouv__events_apm_heartbeat_failed(listener->apm.events, event);
    bson_error_t error = {0};
    mongoc_apm_server_heartbeat_failed_get_error(event, &error);
    if (!error.message[0]) return; /* a check that was broken off, to be begun anew */
    bool is_first = false;
    uv_mutex_lock(&listener->lock);
    host_t *host = listener_host_of(
        listener, mongoc_apm_server_heartbeat_failed_get_host(event)->host_and_port);
    if (host) {
        mouv__line_format(host->text, sizeof(host->text), "%.230s%s", error.message,
                          listener_hint(listener, &error));
        host->lasting = listener_is_lasting(&error) ? ++listener->looks : 0;
        is_first = host->lasting && listener_begin_post(listener);
    }
    uv_mutex_unlock(&listener->lock);
    if (is_first) listener_post(listener);
}

/* libmongoc drops a member of another replica set without a word. */
static void listener_compare_set_name(mouv__listener_t *listener, const bson_t *hello,
                                      host_t *host) {
    bson_iter_t iter;
    bool named = bson_iter_init_find(&iter, hello, "setName") && BSON_ITER_HOLDS_UTF8(&iter);
    const char *name = named ? bson_iter_utf8(&iter, NULL) : NULL;
    host->misnamed = listener->set_name && (!name || strcmp(name, listener->set_name) != 0);
    if (!host->misnamed) return;
    listener->misnamed = true;
    const char *names = listener->finds_hosts ? "the URI or its TXT record" : "the URI";
    if (!name)
        mouv__line_format(host->text, sizeof(host->text),
                          "%.60s belongs to no replica set, %s names '%.60s'", host->name, names,
                          listener->set_name);
    else
        mouv__line_format(host->text, sizeof(host->text),
                          "%.60s belongs to the replica set '%.60s', %s names '%.60s'", host->name,
                          name, names, listener->set_name);
}

/* A member whose set has not been initiated yet. */
static bool listener_may_join(const bson_t *hello) {
    return mouv__server_kind_in(hello) == MOUV__SERVER_OTHER && !bson_has_field(hello, "setName");
}

static void listener_on_heartbeat_succeeded(const mongoc_apm_server_heartbeat_succeeded_t *event) {
    mouv__listener_t *listener = mongoc_apm_server_heartbeat_succeeded_get_context(event);
    listener_end_check(listener, mongoc_apm_server_heartbeat_succeeded_get_awaited(event));
    if (listener->apm.events) mouv__events_apm_heartbeat_succeeded(listener->apm.events, event);
    const bson_t *hello = mongoc_apm_server_heartbeat_succeeded_get_reply(event);
    bool is_first = false;
    uv_mutex_lock(&listener->lock);
    host_t *host = listener_host_of(
        listener, mongoc_apm_server_heartbeat_succeeded_get_host(event)->host_and_port);
    if (host) {
        host->text[0] = '\0';
        host->heartbeats.answered = true;
        host->heartbeats.updated_ms = bson_get_monotonic_time() / 1000;
        host->heartbeats.last_write_ms = mouv__server_last_write_ms(hello);
        host->heartbeats.kind = mouv__server_kind_in(hello);
        host->heartbeats.version = mouv__topology_version_of(hello);
        if (!mongoc_apm_server_heartbeat_succeeded_get_awaited(event))
            listener_add_sample(&host->heartbeats,
                                US_NS * mongoc_apm_server_heartbeat_succeeded_get_duration(event));
        listener_compare_set_name(listener, hello, host);
        host->lasting = host->misnamed && !listener_may_join(hello) ? ALWAYS : 0;
        is_first = listener_begin_post(listener);
    }
    uv_mutex_unlock(&listener->lock);
    if (is_first) listener_post(listener);
}

/* --- what the user is told ------------------------------------------------------------------- */

static bool listener_is_reachable(const mouv_topology_description_t *described, const char *host) {
    for (size_t i = 0; i < described->server_count; i++)
        if (strcmp(described->servers[i].host, host) == 0)
            return mouv__server_kind_of(described->servers[i].type) != MOUV__SERVER_UNKNOWN;
    return false;
}

/* libmongoc's text names the host in most releases and cases, with or without its port. */
static bool listener_names_host(const host_t *host) {
    char name[sizeof(host->name)];
    snprintf(name, sizeof(name), "%s", host->name);
    char *port = strrchr(name, ':');
    if (port) *port = '\0';
    return strstr(host->text, name) != NULL;
}

static const char *listener_error_of(void *arg, const char *name) {
    const host_t *host = listener_find_host(arg, name);
    return host && host->text[0] ? host->text : NULL;
}

static void listener_add(char *text, size_t size, size_t *used, const char *what, const char *how,
                         const char *where) {
    if (*used >= size) return;
    int written =
        snprintf(text + *used, size - *used, "%s%s%s%s", *used > 0 ? "; " : "", what, how, where);
    *used += written > 0 ? (size_t)written : 0;
}

void mouv__listener_errors(mouv__listener_t *listener, const mouv_topology_description_t *described,
                           char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    uv_mutex_lock(&listener->lock);
    for (uint32_t i = 0; i < listener->host_count; i++) {
        const host_t *host = &listener->hosts[i];
        if (host->found && !host->text[0] && described->server_count == 0)
            listener_add(text, size, &used, host->name, " does not answer", "");
        if (!host->text[0] || listener_is_reachable(described, host->name)) continue;
        bool named = listener_names_host(host);
        listener_add(text, size, &used, host->text, named ? "" : " on ", named ? "" : host->name);
    }
    for (size_t i = 0; i < described->server_count; i++) {
        const char *host = described->servers[i].host;
        if (!listener_error_of(listener, host) && !listener_is_reachable(described, host))
            listener_add(text, size, &used, host, " does not answer", "");
    }
    uv_mutex_unlock(&listener->lock);
}

/* Under the lock: the hosts that DNS has named, where nothing else is known. NULL: other than that,
 * or ENOMEM. */
static mouv_topology_description_t *
listener_describe_found(const mouv__listener_t *listener,
                        const mouv_topology_description_t *described) {
    if (!listener->finds_hosts || described->server_count > 0) return NULL;
    const char **names = mouv__alloc_array(0, listener->host_count, sizeof(*names));
    size_t count = 0;
    for (uint32_t i = 0; names && i < listener->host_count; i++)
        if (listener->hosts[i].found) names[count++] = listener->hosts[i].name;
    mouv_topology_description_t *view = names ? mouv__describe_unknown(names, count) : NULL;
    mouv__free(names);
    return view;
}

mouv_topology_description_t *mouv__listener_describe(mouv__listener_t *listener,
                                                     const mouv_topology_description_t *described) {
    uv_mutex_lock(&listener->lock);
    mouv_topology_description_t *found = listener_describe_found(listener, described);
    mouv_topology_description_t *copy =
        mouv__description_copy(found ? found : described, listener_error_of, listener);
    uv_mutex_unlock(&listener->lock);
    mouv_topology_description_unref(found);
    return copy;
}

void mouv__listener_subscribe(mouv__listener_t *listener, const mongoc_uri_t *uri,
                              mongoc_client_pool_t *driver_pool,
                              const mouv__listener_guard_t *guard) {
    uv_mutex_lock(&listener->lock);
    listener->guard = guard;
    listener->set_name = bson_strdup(mongoc_uri_get_replica_set(uri));
    listener->hint_of = listener_hint_of(uri);
    listener->finds_hosts = mongoc_uri_get_srv_hostname(uri) != NULL;
    uv_mutex_unlock(&listener->lock);
    mongoc_apm_callbacks_t *callbacks = mongoc_apm_callbacks_new();
    mongoc_apm_set_topology_opening_cb(callbacks, listener_on_topology_opening);
    mongoc_apm_set_topology_changed_cb(callbacks, listener_on_topology_changed);
    mongoc_apm_set_topology_closed_cb(callbacks, listener_on_topology_closed);
    mongoc_apm_set_server_opening_cb(callbacks, listener_on_server_opening);
    mongoc_apm_set_server_closed_cb(callbacks, listener_on_server_closed);
    mongoc_apm_set_server_heartbeat_started_cb(callbacks, listener_on_heartbeat_started);
    mongoc_apm_set_server_heartbeat_succeeded_cb(callbacks, listener_on_heartbeat_succeeded);
    mongoc_apm_set_server_heartbeat_failed_cb(callbacks, listener_on_heartbeat_failed);
    if (mouv__events_wants(listener->apm.events, MOUV__EVENT_SERVER_CHANGED))
        mongoc_apm_set_server_changed_cb(callbacks, listener_on_server_changed);
    if (listener->apm.events) mouv__events_apm_subscribe(listener->apm.events, callbacks);
    mongoc_client_pool_set_apm_callbacks(driver_pool, callbacks, listener);
    mongoc_apm_callbacks_destroy(callbacks);
}
