/*
 * Snapshots: made and freed.
 */
#include "mongo/topology/snapshot.h"

#include <string.h>

#include "context/alloc.h"
#include "mongo/topology/description.h"

static mouv__topology_kind_t snapshot_kind_of(const char *type) {
    if (strcmp(type, "Single") == 0) return MOUV__TOPOLOGY_SINGLE;
    if (strncmp(type, "ReplicaSet", 10) == 0) return MOUV__TOPOLOGY_REPLICA_SET;
    if (strcmp(type, "Sharded") == 0) return MOUV__TOPOLOGY_SHARDED;
    return strcmp(type, "LoadBalanced") == 0 ? MOUV__TOPOLOGY_BALANCED : MOUV__TOPOLOGY_UNKNOWN;
}

static mouv__snapshot_t *snapshot_with_room(size_t count) {
    mouv__snapshot_t *snapshot =
        mouv__alloc_array(sizeof(*snapshot), 2 * count, sizeof(snapshot->room[0]));
    if (!snapshot) return NULL;
    snapshot->servers = snapshot->room;
    snapshot->candidates = snapshot->room + count;
    return snapshot;
}

mouv__snapshot_t *mouv__snapshot_new(mouv_topology_description_t *described, const uint32_t *ids,
                                     const int64_t *updated_ms) {
    mouv__snapshot_t *snapshot = snapshot_with_room(described->server_count);
    if (!snapshot) {
        mouv_topology_description_unref(described);
        return NULL;
    }
    snapshot->kind = snapshot_kind_of(described->type);
    snapshot->described = described;
    for (; snapshot->count < described->server_count; snapshot->count++) {
        uint32_t i = snapshot->count;
        snapshot->servers[i] = mouv__server_new(ids[i], &described->servers[i], updated_ms[i]);
        if (snapshot->servers[i]) continue;
        mouv__snapshot_free(snapshot);
        return NULL;
    }
    return snapshot;
}

mouv__snapshot_t *mouv__snapshot_of(const mongoc_topology_description_t *topology) {
    mongoc_topology_description_t *td = (mongoc_topology_description_t *)topology;
    mouv__snapshot_t *snapshot = NULL;
    mouv_topology_description_t *described = mouv__describe_topology(topology);
    size_t count = 0;
    mongoc_server_description_t **servers = mongoc_topology_description_get_servers(td, &count);
    uint32_t *ids = mouv__alloc_array(0, count, sizeof(*ids));
    int64_t *updated_ms = mouv__alloc_array(0, count, sizeof(*updated_ms));
    if (described && ids && updated_ms) {
        for (size_t i = 0; i < count; i++) {
            ids[i] = mongoc_server_description_id(servers[i]);
            updated_ms[i] = mongoc_server_description_last_update_time(servers[i]) / 1000;
        }
        snapshot = mouv__snapshot_new(described, ids, updated_ms);
    } else {
        mouv_topology_description_unref(described);
    }
    mouv__free(ids);
    mouv__free(updated_ms);
    mongoc_server_descriptions_destroy_all(servers, count);
    return snapshot;
}

mouv__server_t *mouv__snapshot_remove(mouv__snapshot_t *snapshot, uint32_t i) {
    mouv__server_t *removed = snapshot->servers[i];
    mouv__description_remove(snapshot->described, i);
    snapshot->count--;
    for (; i < snapshot->count; i++) {
        snapshot->servers[i] = snapshot->servers[i + 1];
        snapshot->servers[i]->described = &snapshot->described->servers[i];
    }
    return removed;
}

void mouv__snapshot_free(mouv__snapshot_t *snapshot) {
    if (!snapshot) return;
    for (uint32_t i = 0; i < snapshot->count; i++) mouv__server_unref(snapshot->servers[i]);
    mouv_topology_description_unref(snapshot->described);
    mouv__free(snapshot);
}
