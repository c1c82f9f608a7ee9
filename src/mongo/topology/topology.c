/*
 * The deployment: one picture, moved on by snapshots and heartbeats.
 */
#include "mongo/topology/topology.h"

#include <stdio.h>

#include <uv.h>

#include "async/loop/clock.h"
#include "context/alloc.h"
#include "mongo/topology/description.h"
#include "mongo/topology/events.h"

/* What the specifications say where the URI says nothing. */
#define LOCAL_THRESHOLD_MS 15
#define HEARTBEAT_MS 10000

mouv__topology_t *mouv__topology_new(const mongoc_uri_t *uri, const mouv__topology_ops_t *ops,
                                     void *arg) {
    mouv__topology_t *topology = mouv__alloc(sizeof(*topology));
    if (!topology) return NULL;
    topology->seeds = mouv__describe_seeds(uri);
    if (!topology->seeds) {
        mouv__free(topology);
        return NULL;
    }
    const char *srv_host = mongoc_uri_get_srv_hostname(uri);
    snprintf(topology->srv_host, sizeof(topology->srv_host), "%s", srv_host ? srv_host : "");
    topology->local_threshold_ns =
        MOUV__NS_PER_MS *
        mongoc_uri_get_option_as_int32(uri, MONGOC_URI_LOCALTHRESHOLDMS, LOCAL_THRESHOLD_MS);
    topology->heartbeat_ms =
        mongoc_uri_get_option_as_int32(uri, MONGOC_URI_HEARTBEATFREQUENCYMS, HEARTBEAT_MS);
    topology->random = uv_hrtime();
    topology->ops = ops;
    topology->arg = arg;
    return topology;
}

void mouv__topology_free(mouv__topology_t *topology) {
    if (!topology) return;
    for (uint32_t i = 0; i < topology->count; i++) mouv__server_leave(topology->servers[i]);
    for (uint32_t i = 0; i < topology->away_count; i++) mouv__server_unref(topology->away[i]);
    mouv__free(topology->away);
    mouv__snapshot_free(topology->snapshot);
    mouv_topology_description_unref(topology->seeds);
    mouv__free(topology);
}

static bool topology_has_kind(const mouv__topology_t *topology, mouv__server_kind_t kind) {
    for (uint32_t i = 0; i < topology->count; i++)
        if (topology->servers[i]->kind == kind) return true;
    return false;
}

/* --- servers that operations have marked ------------------------------------------------------ */

/* As users see it. */
static void topology_show(const mouv__server_t *server) {
    mouv__description_set_type(server->described, mouv__server_type_of(server->kind));
}

/* For an event; NULL: nobody wants it, or ENOMEM. */
static mouv_topology_description_t *topology_picture(const mouv__topology_t *topology) {
    mouv__listener_t *listener = topology->listener;
    bool wanted = listener &&
                  mouv__events_wants(mouv__listener_events(listener), MOUV__EVENT_TOPOLOGY_CHANGED);
    return wanted ? mouv__topology_describe(topology, listener) : NULL;
}

static void topology_tell(const mouv__topology_t *topology, mouv_topology_description_t *previous) {
    if (topology->listener)
        mouv__listener_tell(topology->listener, previous, topology_picture(topology));
}

bool mouv__topology_mark(mouv__topology_t *topology, mouv__server_t *server,
                         const mouv__topology_version_t *version, int64_t now_ms, const char *why) {
    if (mouv__server_is_marked(server)) {
        mouv__server_mark(server, version, now_ms);
        return true;
    }
    mouv_topology_description_t *previous = topology_picture(topology);
    if (topology->listener && !mouv__listener_mark(topology->listener, server->described, why)) {
        mouv_topology_description_unref(previous);
        return false;
    }
    mouv__server_mark(server, version, now_ms);
    topology->has_marks = true;
    topology_show(server);
    topology_tell(topology, previous);
    return true;
}

/* It is marked no more, but by a snapshot, of which libmongoc tells. */
static void topology_lift(mouv__topology_t *topology, mouv__server_t *server,
                          mouv_topology_description_t *previous) {
    topology_show(server);
    if (topology->listener) mouv__listener_lift(topology->listener, server->described);
    topology_tell(topology, previous);
    topology->ops->server_changed(topology->arg, server, MOUV__SERVER_UNKNOWN);
}

bool mouv__topology_hear(mouv__topology_t *topology, mouv__server_t *server, const bson_t *hello,
                         int64_t now_ms) {
    mouv__topology_version_t version = mouv__topology_version_of(hello);
    if (!mouv__server_is_marked(server)) return false;
    mouv_topology_description_t *previous = topology_picture(topology);
    bool lifted = mouv__server_hear(server, mouv__server_kind_in(hello), &version, now_ms);
    if (lifted)
        topology_lift(topology, server, previous);
    else
        mouv_topology_description_unref(previous);
    return lifted;
}

/* --- news ------------------------------------------------------------------------------------ */

static bool topology_has(const mouv__topology_t *topology, const mouv__server_t *server) {
    return mouv__topology_server(topology, server->id) == server;
}

static mouv__server_t *topology_find_away(const mouv__topology_t *topology, uint32_t id) {
    for (uint32_t i = 0; i < topology->away_count; i++)
        if (topology->away[i]->id == id) return topology->away[i];
    return NULL;
}

static void topology_update(const mouv__topology_t *topology, mouv__server_t *server,
                            const mouv__server_t *newer) {
    bool marked = mouv__server_is_marked(server);
    mouv__server_update(server, newer);
    if (!marked) return;
    topology_show(server);
    if (!mouv__server_is_marked(server) && topology->listener)
        mouv__listener_lift(topology->listener, server->described);
}

/* Servers that stay, or are back, take their new object's place in the snapshot. */
static void topology_keep_servers(const mouv__topology_t *topology, mouv__snapshot_t *snapshot) {
    for (uint32_t i = 0; i < snapshot->count; i++) {
        mouv__server_t *newer = snapshot->servers[i];
        mouv__server_t *server = mouv__topology_server(topology, newer->id);
        if (!server) server = topology_find_away(topology, newer->id);
        if (!server) continue;
        topology_update(topology, server, newer);
        snapshot->servers[i] = mouv__server_ref(server);
        mouv__server_unref(newer);
    }
}

/* Of one that is in no snapshot: whether it is Unknown, not gone. */
static bool topology_is_away(const mouv__topology_t *topology, const mouv__server_t *server) {
    return topology->listener &&
           mouv__listener_has_server(topology->listener, server->host, server->id);
}

static void topology_tell_changes(const mouv__topology_t *topology) {
    for (uint32_t i = 0; i < topology->count; i++) {
        mouv__server_t *server = topology->servers[i];
        mouv__server_kind_t was = server->former_kind;
        bool is_back = was != MOUV__SERVER_UNKNOWN && server->lost && mouv__server_is_known(server);
        server->former_kind = server->kind;
        if (is_back) topology->ops->server_lost(topology->arg, server);
        if (is_back || was != server->kind)
            topology->ops->server_changed(topology->arg, server, was);
    }
}

/* ENOMEM: as if the deployment had it no more. */
static bool topology_keep_away(mouv__topology_t *topology, mouv__server_t *server) {
    if (!topology_is_away(topology, server)) return false;
    if (topology->away_count == topology->away_room) {
        uint32_t room = 2 * topology->away_room + 4;
        mouv__server_t **away = mouv__realloc(topology->away, room * sizeof(*away));
        if (!away) return false;
        topology->away = away;
        topology->away_room = room;
    }
    topology->away[topology->away_count++] = mouv__server_ref(server);
    return true;
}

static void topology_release_gone(mouv__topology_t *topology, mouv__snapshot_t *former) {
    for (uint32_t i = 0; former && i < former->count; i++) {
        mouv__server_t *server = former->servers[i];
        if (topology_has(topology, server)) continue;
        mouv__server_kind_t was = server->kind;
        mouv__server_leave(server);
        if (topology_keep_away(topology, server))
            topology->ops->server_changed(topology->arg, server, was);
        else
            topology->ops->server_gone(topology->arg, server);
    }
    mouv__snapshot_free(former);
}

static void topology_release_away(mouv__topology_t *topology) {
    for (uint32_t i = 0; i < topology->away_count;) {
        mouv__server_t *server = topology->away[i];
        bool is_back = topology_has(topology, server);
        if (!is_back && topology_is_away(topology, server)) {
            i++;
            continue;
        }
        topology->away[i] = topology->away[--topology->away_count];
        if (!is_back) topology->ops->server_gone(topology->arg, server);
        mouv__server_unref(server);
    }
}

void mouv__topology_apply(mouv__topology_t *topology, mouv__snapshot_t *snapshot) {
    mouv__snapshot_t *former = topology->snapshot;
    topology_keep_servers(topology, snapshot);
    topology->snapshot = snapshot;
    topology->kind = snapshot->kind;
    topology->dead = snapshot->dead;
    topology->count = snapshot->count;
    topology->servers = snapshot->servers;
    topology_release_gone(topology, former);
    topology_release_away(topology);
    topology_tell_changes(topology);
}

void mouv__topology_drop(mouv__topology_t *topology, uint32_t i) {
    mouv__server_t *server = mouv__snapshot_remove(topology->snapshot, i);
    topology->count = topology->snapshot->count;
    mouv__server_leave(server);
    topology->ops->server_gone(topology->arg, server);
    mouv__server_unref(server);
}

/* libmongoc makes no new snapshot of servers that DNS has no more. */
static bool topology_drop_closed(mouv__topology_t *topology) {
    uint32_t before = topology->count;
    for (uint32_t i = topology->count; i-- > 0;) {
        const mouv__server_t *server = topology->servers[i];
        if (mouv__listener_has_closed(topology->listener, server->host, server->id))
            mouv__topology_drop(topology, i);
    }
    return topology->count < before;
}

/* True if it is marked no more by that. */
static bool topology_take_heartbeats(mouv__topology_t *topology, mouv__server_t *server) {
    mouv__heartbeats_t heartbeats;
    if (!mouv__listener_take_heartbeats(topology->listener, server->host, &heartbeats))
        return false;
    mouv_topology_description_t *previous =
        mouv__server_is_marked(server) ? topology_picture(topology) : NULL;
    bool lifted = mouv__server_note_heartbeats(server, &heartbeats);
    if (lifted)
        topology_lift(topology, server, previous);
    else
        mouv_topology_description_unref(previous);
    if (heartbeats.answered) topology->ops->server_heard(topology->arg, server);
    return lifted;
}

static bool topology_lose_hope(mouv__topology_t *topology) {
    uint32_t before = topology->hopeless;
    topology->hopeless = mouv__listener_hopeless(topology->listener, &topology->looks);
    return topology->hopeless > before;
}

bool mouv__topology_is_hopeless(const mouv__topology_t *topology, uint32_t looks) {
    return topology->dead || topology->hopeless > looks;
}

bool mouv__topology_catch_up(mouv__topology_t *topology, mouv__listener_t *listener) {
    topology->listener = listener;
    mouv__snapshot_t *newest = mouv__listener_take(listener);
    if (newest) mouv__topology_apply(topology, newest);
    bool dropped = topology_drop_closed(topology);
    bool lifted = false;
    for (uint32_t i = 0; i < topology->count; i++)
        lifted = topology_take_heartbeats(topology, topology->servers[i]) || lifted;
    return topology_lose_hope(topology) || newest != NULL || dropped || lifted;
}

/* --- questions ------------------------------------------------------------------------------- */

mouv__server_t *mouv__topology_server(const mouv__topology_t *topology, uint32_t id) {
    for (uint32_t i = 0; topology && i < topology->count; i++)
        if (topology->servers[i]->id == id) return topology->servers[i];
    return NULL;
}

/* libmongoc's first snapshot has no servers yet. */
static const mouv_topology_description_t *topology_described(const mouv__topology_t *topology) {
    return topology->count > 0 || topology->dead ? topology->snapshot->described : topology->seeds;
}

mouv_topology_description_t *mouv__topology_describe(const mouv__topology_t *topology,
                                                     mouv__listener_t *listener) {
    mouv_topology_description_t *copy =
        mouv__listener_describe(listener, topology_described(topology));
    for (uint32_t i = 0; copy && i < topology->count; i++) {
        int64_t average_ns = mouv__rtt_average_ns(&topology->servers[i]->rtt);
        bool known = mouv__server_is_known(topology->servers[i]) && average_ns >= 0;
        mouv__description_set_round_trip(copy, i, known ? average_ns / MOUV__NS_PER_MS : -1);
        if (mouv__server_is_marked(topology->servers[i])) mouv__description_forget(copy, i);
    }
    if (copy && mouv__topology_is_replica_set(topology) && !mouv__topology_has_primary(topology))
        mouv__description_lose_primary(copy);
    return copy;
}

void mouv__topology_errors(const mouv__topology_t *topology, mouv__listener_t *listener, char *text,
                           size_t size) {
    mouv__listener_errors(listener, topology_described(topology), text, size);
}

bool mouv__topology_speaks(const mouv__topology_t *topology, int32_t wire_version) {
    for (uint32_t i = 0; topology && i < topology->count; i++) {
        const mouv__server_t *server = topology->servers[i];
        if (mouv__server_is_known(server) && server->wire_version < wire_version) return false;
    }
    return true;
}

bool mouv__topology_is_balanced(const mouv__topology_t *topology) {
    return topology && topology->kind == MOUV__TOPOLOGY_BALANCED;
}

bool mouv__topology_is_sharded(const mouv__topology_t *topology) {
    return topology && topology->kind == MOUV__TOPOLOGY_SHARDED;
}

bool mouv__topology_is_replica_set(const mouv__topology_t *topology) {
    return topology && topology->kind == MOUV__TOPOLOGY_REPLICA_SET;
}

bool mouv__topology_has_primary(const mouv__topology_t *topology) {
    return mouv__topology_is_replica_set(topology) &&
           topology_has_kind(topology, MOUV__SERVER_PRIMARY);
}

bool mouv__topology_retries_writes(const mouv__topology_t *topology) {
    if (!topology || !topology->snapshot) return false;
    if (topology->kind != MOUV__TOPOLOGY_SINGLE) return true;
    /* a direct connection to a member of a replica set or to a mongos */
    return topology_has_kind(topology, MOUV__SERVER_PRIMARY) ||
           topology_has_kind(topology, MOUV__SERVER_MONGOS);
}
