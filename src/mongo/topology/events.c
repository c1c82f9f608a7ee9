/*
 * Events: written down where they happen, told on the loop.
 *
 * Records wait in one list, under a lock. Who adds the first one from another thread posts the
 * events to the loop's mailbox, who adds one on the loop thread puts them into the ready queue; the
 * next tick then tells all that is there. A share is held for the mail and for the ready queue.
 */
#include "mongo/topology/events.h"

#include <strings.h>

#include <uv.h>

#include "async/loop/mailbox.h"
#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/base/bson_view.h"

struct mouv__events {
    mouv__mail_t mail;   /* first; in the mailbox while `posted` */
    mouv__ready_t ready; /* loop thread */
    mouv__mailbox_t *mailbox;
    mouv_runtime_t *runtime;
    mouv_monitor_t callbacks;
    uint64_t wanted; /* 1 << kind */
    void *arg;
    uv_mutex_t lock;
    uint32_t shares; /* atomic */
    bool posted;     /* under the lock, as what follows */
    bool stopped;
    mouv__events_record_t *first, *last;
    bool ended;     /* takes nothing more */
    bool finishing; /* loop thread: stops when all has been told */
};

bool mouv__events_wants(const mouv__events_t *events, mouv__event_kind_t kind) {
    return events && (events->wanted >> kind & 1);
}

/* --- telling, on the loop thread -------------------------------------------------------------- */

static mouv__events_record_t *events_take_first(mouv__events_t *events) {
    uv_mutex_lock(&events->lock);
    mouv__events_record_t *record = events->first;
    if (record) events->first = record->next;
    if (!events->first) events->last = NULL;
    uv_mutex_unlock(&events->lock);
    return record;
}

static void events_on_ready(mouv__ready_t *ready) {
    mouv__events_t *events = mouv__container_of(ready, mouv__events_t, ready);
    mouv__events_record_t *record;
    /* a callback may stop it: then none is left */
    while ((record = events_take_first(events)) != NULL) {
        mouv__events_record_tell(record, &events->callbacks, events->arg);
        mouv__events_record_free(record);
    }
    if (events->finishing) mouv__events_stop(events);
    mouv__events_unref(events);
}

static void events_schedule(mouv__events_t *events) {
    if (events->stopped || mouv__ready_is_queued(&events->ready)) return;
    mouv__events_ref(events);
    mouv__runtime_ready(events->runtime, &events->ready);
}

static void events_mail_deliver(mouv__mail_t *mail) {
    mouv__events_t *events = (mouv__events_t *)mail;
    uv_mutex_lock(&events->lock);
    events->posted = false;
    uv_mutex_unlock(&events->lock);
    events_schedule(events);
    mouv__events_unref(events);
}

static void events_mail_discard(mouv__mail_t *mail) {
    mouv__events_unref((mouv__events_t *)mail);
}

/* --- writing down ----------------------------------------------------------------------------- */

/* Whether the loop must be told by mail that there is something. */
static bool events_push(mouv__events_t *events, mouv__events_record_t *record, bool mail) {
    uv_mutex_lock(&events->lock);
    bool stopped = events->stopped || events->ended;
    bool post = mail && !stopped && !events->posted;
    if (!stopped) {
        if (events->last)
            events->last->next = record;
        else
            events->first = record;
        events->last = record;
    }
    if (post) events->posted = true;
    uv_mutex_unlock(&events->lock);
    if (stopped) mouv__events_record_free(record);
    return post;
}

static bool events_on_loop(const mouv__events_t *events) {
    return mouv__runtime() == events->runtime;
}

void mouv__events_add(mouv__events_t *events, mouv__events_record_t *record) {
    if (!record) return;
    bool on_loop = events_on_loop(events);
    if (events_push(events, record, !on_loop)) {
        mouv__events_ref(events);
        mouv__mailbox_post(events->mailbox, &events->mail);
    }
    if (on_loop) events_schedule(events);
}

void mouv__events_command(mouv__events_t *events, mouv__event_kind_t kind,
                          const mouv_command_event_t *what, bool secret) {
    if (!mouv__events_wants(events, kind)) return;
    mouv__events_add(events, mouv__events_record_command(kind, what, secret));
}

void mouv__events_operation(mouv__events_t *events, mouv__event_kind_t kind,
                            const mouv_pool_event_t *what) {
    if (!events) return;
    if (kind == MOUV__EVENT_CLIENT_RETURNED && events_on_loop(events)) events_schedule(events);
    if (!mouv__events_wants(events, kind)) return;
    mouv__events_add(events, mouv__events_record_operation(kind, what));
}

void mouv__events_pool(mouv__events_t *events, mouv__event_kind_t kind,
                       const mouv_connection_pool_event_t *what) {
    if (!mouv__events_wants(events, kind)) return;
    mouv__events_add(events, mouv__events_record_pool(kind, what));
}

void mouv__events_connection(mouv__events_t *events, mouv__event_kind_t kind,
                             const mouv_connection_event_t *what) {
    if (!mouv__events_wants(events, kind)) return;
    mouv__events_add(events, mouv__events_record_connection(kind, what));
}

void mouv__events_heartbeat(mouv__events_t *events, mouv__event_kind_t kind,
                            const mouv_heartbeat_event_t *what) {
    if (!mouv__events_wants(events, kind)) return;
    mouv__events_add(events, mouv__events_record_heartbeat(kind, what));
}

void mouv__events_server_unknown(mouv__events_t *events, const bson_oid_t *id,
                                 const mouv_server_description_t *described, bool lost) {
    if (!mouv__events_wants(events, MOUV__EVENT_SERVER_CHANGED)) return;
    mouv__events_add(events, mouv__events_record_server_unknown(id, described, lost));
}

void mouv__events_topology(mouv__events_t *events, const bson_oid_t *id,
                           mouv_topology_description_t *previous,
                           mouv_topology_description_t *next) {
    if (previous && next && mouv__events_wants(events, MOUV__EVENT_TOPOLOGY_CHANGED)) {
        mouv__events_add(events, mouv__events_record_topology(id, previous, next));
        return;
    }
    mouv_topology_description_unref(previous);
    mouv_topology_description_unref(next);
}

void mouv__events_topology_life(mouv__events_t *events, mouv__event_kind_t kind,
                                const bson_oid_t *id) {
    if (!mouv__events_wants(events, kind)) return;
    mouv__events_add(events, mouv__events_record_topology_life(kind, id));
}

void mouv__events_server_closed(mouv__events_t *events, const bson_oid_t *id, const char *host) {
    if (!mouv__events_wants(events, MOUV__EVENT_SERVER_CLOSED)) return;
    mouv__events_add(events, mouv__events_record_server_closed(id, host));
}

bool mouv__events_expects(int32_t code, const bson_t *reply) {
    return code != 0 && reply && mouv__bson_view_number(reply, "code") == code;
}

bool mouv__events_is_secret(const char *name, const bson_t *command) {
    static const char *const secret[] = {
        "authenticate", "saslStart",      "saslContinue",    "getnonce", "createUser",
        "updateUser",   "copydbgetnonce", "copydbsaslstart", "copydb",
    };
    for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
        if (strcasecmp(secret[i], name) == 0) return true;
    bool hello = strcasecmp(name, "hello") == 0 || strcasecmp(name, "isMaster") == 0;
    return hello && bson_has_field(command, "speculativeAuthenticate");
}

/* --- life ------------------------------------------------------------------------------------- */

static uint64_t events_wanted(const mouv_monitor_t *callbacks) {
    uint64_t wanted = 0;
#define WANTED(kind, callback, member) \
    if (callbacks->callback) wanted |= UINT64_C(1) << MOUV__EVENT_##kind;
    MOUV__EVENT_KINDS(WANTED)
#undef WANTED
    return wanted;
}

mouv__events_t *mouv__events_new(mouv_runtime_t *runtime, const mouv_monitor_t *callbacks,
                                 void *arg) {
    mouv__events_t *events = mouv__alloc(sizeof(*events));
    if (!events) return NULL;
    if (uv_mutex_init(&events->lock) != 0) {
        mouv__free(events);
        return NULL;
    }
    events->mail = (mouv__mail_t){.deliver = events_mail_deliver, .discard = events_mail_discard};
    events->ready.run = events_on_ready;
    events->mailbox = mouv__mailbox_ref(mouv__runtime_mailbox(runtime));
    events->runtime = runtime;
    events->callbacks = *callbacks;
    events->wanted = events_wanted(callbacks);
    events->arg = arg;
    events->shares = 1;
    return events;
}

mouv__events_t *mouv__events_ref(mouv__events_t *events) {
    __atomic_add_fetch(&events->shares, 1, __ATOMIC_RELAXED);
    return events;
}

static void events_free_records(mouv__events_record_t *record) {
    while (record) {
        mouv__events_record_t *next = record->next;
        mouv__events_record_free(record);
        record = next;
    }
}

void mouv__events_unref(mouv__events_t *events) {
    if (__atomic_sub_fetch(&events->shares, 1, __ATOMIC_ACQ_REL) > 0) return;
    events_free_records(events->first);
    mouv__mailbox_unref(events->mailbox);
    uv_mutex_destroy(&events->lock);
    mouv__free(events);
}

void mouv__events_stop(mouv__events_t *events) {
    if (!events) return;
    uv_mutex_lock(&events->lock);
    mouv__events_record_t *left = events->first;
    events->first = events->last = NULL;
    events->stopped = true;
    uv_mutex_unlock(&events->lock);
    events_free_records(left);
}

void mouv__events_end(mouv__events_t *events) {
    if (!events) return;
    uv_mutex_lock(&events->lock);
    events->ended = true;
    uv_mutex_unlock(&events->lock);
}

void mouv__events_finish(mouv__events_t *events) {
    if (!events) return;
    events->finishing = true;
    events_schedule(events);
}
