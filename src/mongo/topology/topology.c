/*
 * Choosing by the snapshot of the deployment; pure functions.
 */
#include "mongo/topology/topology.h"

const mouv__server_t *mouv__topology_server(const mouv__topology_t *topology, uint32_t id) {
    for (uint32_t i = 0; topology && i < topology->count; i++)
        if (topology->servers[i].id == id) return &topology->servers[i];
    return NULL;
}

bool mouv__topology_speaks(const mouv__topology_t *topology, int32_t wire_version) {
    for (uint32_t i = 0; topology && i < topology->count; i++) {
        const mouv__server_t *server = &topology->servers[i];
        if (server->kind != MOUV__SERVER_UNKNOWN && server->wire_version < wire_version)
            return false;
    }
    return true;
}

static bool topology_is_barred(const mouv__server_t *server, const mouv__criteria_t *criteria) {
    return (criteria->barred & mouv__server_bit(server->id)) != 0;
}

/* How many servers are of a kind; `*id` is the last of them. */
static uint32_t topology_count_kind(const mouv__topology_t *topology,
                                    const mouv__criteria_t *criteria, mouv__server_kind_t kind,
                                    uint32_t *id) {
    uint32_t found = 0;
    for (uint32_t i = 0; i < topology->count; i++) {
        const mouv__server_t *server = &topology->servers[i];
        if (server->kind != kind || topology_is_barred(server, criteria)) continue;
        *id = server->id;
        found++;
    }
    return found;
}

bool mouv__topology_has_primary(const mouv__topology_t *topology) {
    const mouv__criteria_t any = {0};
    uint32_t id;
    return topology && topology->kind == MOUV__TOPOLOGY_REPLICA_SET &&
           topology_count_kind(topology, &any, MOUV__SERVER_PRIMARY, &id) > 0;
}

/* One of this kind is named, of several a worker chooses. */
static bool topology_select_kind(const mouv__topology_t *topology, const mouv__criteria_t *criteria,
                                 mouv__server_kind_t kind, uint32_t *id) {
    uint32_t found = topology_count_kind(topology, criteria, kind, id);
    if (found > 1) *id = 0;
    return found > 0;
}

static bool topology_has_tags(const mongoc_read_prefs_t *prefs) {
    const bson_t *tags = mongoc_read_prefs_get_tags(prefs);
    return tags && !bson_empty(tags);
}

static bool topology_select_replica(const mouv__topology_t *topology,
                                    const mouv__criteria_t *criteria, uint32_t *id) {
    mongoc_read_mode_t mode = MONGOC_READ_PRIMARY;
    if (!criteria->write && criteria->read_prefs)
        mode = mongoc_read_prefs_get_mode(criteria->read_prefs);
    uint32_t primary = 0, secondary = 0;
    bool has_primary = topology_count_kind(topology, criteria, MOUV__SERVER_PRIMARY, &primary) > 0;
    bool has_secondary =
        topology_count_kind(topology, criteria, MOUV__SERVER_SECONDARY, &secondary) > 0;
    /* Tags may rule a server out, so a worker asks libmongoc wherever that comes into question. */
    *id = 0;
    switch (mode) {
    case MONGOC_READ_SECONDARY:
        return has_secondary;
    case MONGOC_READ_NEAREST:
        if (!has_secondary && !topology_has_tags(criteria->read_prefs)) *id = primary;
        return has_primary || has_secondary;
    case MONGOC_READ_SECONDARY_PREFERRED:
        if (!has_secondary) *id = primary;
        return has_primary || has_secondary;
    case MONGOC_READ_PRIMARY_PREFERRED:
        *id = primary;
        return has_primary || has_secondary;
    case MONGOC_READ_PRIMARY:
    default:
        *id = primary;
        return has_primary;
    }
}

static bool topology_select_single(const mouv__topology_t *topology,
                                   const mouv__criteria_t *criteria, uint32_t *id) {
    for (uint32_t i = 0; i < topology->count; i++) {
        mouv__server_kind_t kind = topology->servers[i].kind;
        if (kind == MOUV__SERVER_UNKNOWN || topology_is_barred(&topology->servers[i], criteria))
            continue;
        *id = topology->servers[i].id;
        return true;
    }
    return false;
}

bool mouv__topology_select(const mouv__topology_t *topology, const mouv__criteria_t *criteria,
                           uint32_t *id) {
    *id = 0;
    if (!topology) return false;
    switch (topology->kind) {
    case MOUV__TOPOLOGY_SINGLE:
        return topology_select_single(topology, criteria, id);
    case MOUV__TOPOLOGY_REPLICA_SET:
        return topology_select_replica(topology, criteria, id);
    case MOUV__TOPOLOGY_SHARDED:
        return topology_select_kind(topology, criteria, MOUV__SERVER_MONGOS, id);
    case MOUV__TOPOLOGY_BALANCED:
        return topology_select_kind(topology, criteria, MOUV__SERVER_BALANCER, id);
    case MOUV__TOPOLOGY_UNKNOWN:
    default:
        return false;
    }
}

static bool topology_depends_on_more(const mongoc_read_prefs_t *prefs) {
    return prefs &&
           (topology_has_tags(prefs) || mongoc_read_prefs_get_max_staleness_seconds(prefs) > 0);
}

static bool topology_is_one_of_several(const mouv__server_t *server,
                                       const mouv__criteria_t *criteria) {
    if (topology_is_barred(server, criteria)) return false;
    if (server->kind == MOUV__SERVER_PRIMARY)
        return mongoc_read_prefs_get_mode(criteria->read_prefs) == MONGOC_READ_NEAREST;
    return server->kind == MOUV__SERVER_SECONDARY || server->kind == MOUV__SERVER_MONGOS;
}

static uint32_t topology_take_turn(const mouv__topology_t *topology,
                                   const mouv__criteria_t *criteria, uint32_t turn) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < topology->count; i++)
        count += topology_is_one_of_several(&topology->servers[i], criteria);
    for (uint32_t i = 0, nth = 0; count > 0 && i < topology->count; i++)
        if (topology_is_one_of_several(&topology->servers[i], criteria) && nth++ == turn % count)
            return topology->servers[i].id;
    return 0;
}

bool mouv__topology_pick(const mouv__topology_t *topology, const mouv__criteria_t *criteria,
                         uint32_t turn, uint32_t *id) {
    if (!mouv__topology_select(topology, criteria, id)) return false;
    if (*id == 0 && !topology_depends_on_more(criteria->read_prefs))
        *id = topology_take_turn(topology, criteria, turn);
    return true;
}

bool mouv__topology_retries_writes(const mouv__topology_t *topology) {
    if (!topology) return false;
    if (topology->kind != MOUV__TOPOLOGY_SINGLE) return true;
    /* a direct connection to a member of a replica set or to a mongos */
    for (uint32_t i = 0; i < topology->count; i++) {
        mouv__server_kind_t kind = topology->servers[i].kind;
        if (kind == MOUV__SERVER_PRIMARY || kind == MOUV__SERVER_MONGOS) return true;
    }
    return false;
}
