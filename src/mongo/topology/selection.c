/*
 * Server selection: each step leaves what it lets through at the beginning of `candidates`.
 */
#include "mongo/topology/selection.h"

#include <string.h>

#include "mongo/base/error.h"

/* A secondary that is idle may be behind by so much. */
#define IDLE_WRITE_MS 10000

#define LEAST_STALENESS_S 90

/* Kinds as a set. */
#define KIND(kind) (1u << (kind))

/* One look over the servers: once without the avoided ones, then with them. */
typedef struct look {
    const mouv__topology_t *topology;
    const mouv__criteria_t *criteria;
    bool avoiding;
} look_t;

static mouv__server_t **selection_candidates(const mouv__topology_t *topology) {
    return topology->snapshot->candidates;
}

static bool selection_is_among(uint32_t id, const mouv__server_ids_t *ids) {
    for (uint32_t i = 0; i < ids->count; i++)
        if (ids->ids[i] == id) return true;
    return false;
}

static bool selection_may_be(const look_t *look, const mouv__server_t *server) {
    const mouv__criteria_t *criteria = look->criteria;
    if (criteria->server_id && server->id != criteria->server_id) return false;
    return !selection_is_among(server->id, &criteria->barred) &&
           !(look->avoiding && selection_is_among(server->id, &criteria->avoided));
}

static uint32_t selection_of_kinds(const look_t *look, unsigned kinds) {
    const mouv__topology_t *topology = look->topology;
    uint32_t count = 0;
    for (uint32_t i = 0; i < topology->count; i++) {
        mouv__server_t *server = topology->servers[i];
        if ((kinds & KIND(server->kind)) && selection_may_be(look, server))
            selection_candidates(topology)[count++] = server;
    }
    return count;
}

static mongoc_read_mode_t selection_mode(const mouv__criteria_t *criteria) {
    bool reads = !criteria->write && criteria->read_prefs;
    return reads ? mongoc_read_prefs_get_mode(criteria->read_prefs) : MONGOC_READ_PRIMARY;
}

/* --- staleness -------------------------------------------------------------------------------- */

static int64_t selection_max_staleness_s(const mouv__criteria_t *criteria) {
    bool reads = !criteria->write && criteria->read_prefs;
    return reads ? mongoc_read_prefs_get_max_staleness_seconds(criteria->read_prefs)
                 : MONGOC_NO_MAX_STALENESS;
}

int mouv__selection_check(const mouv__topology_t *topology, const mouv__criteria_t *criteria,
                          mouv_error_t *error) {
    int64_t staleness_s = selection_max_staleness_s(criteria);
    if (!topology || staleness_s == MONGOC_NO_MAX_STALENESS) return 0;
    if (selection_mode(criteria) == MONGOC_READ_PRIMARY)
        return mouv_error_set(error, MOUV_EINVAL,
                              "maxStalenessSeconds and the read preference 'primary'");
    if (topology->kind != MOUV__TOPOLOGY_REPLICA_SET) return 0;
    if (staleness_s < LEAST_STALENESS_S)
        return mouv_error_set(error, MOUV_EINVAL,
                              "maxStalenessSeconds is %lld, expected %d or more",
                              (long long)staleness_s, LEAST_STALENESS_S);
    if (staleness_s * 1000 < topology->heartbeat_ms + IDLE_WRITE_MS)
        return mouv_error_set(error, MOUV_EINVAL,
                              "maxStalenessSeconds is %lld, expected heartbeatFrequencyMS (%lld) "
                              "and %d s or more",
                              (long long)staleness_s, (long long)topology->heartbeat_ms,
                              IDLE_WRITE_MS / 1000);
    return 0;
}

/* What the others' staleness is reckoned from: the primary, or else whoever has written last. */
static const mouv__server_t *selection_freshest(const mouv__topology_t *topology) {
    const mouv__server_t *freshest = NULL;
    for (uint32_t i = 0; i < topology->count; i++) {
        const mouv__server_t *server = topology->servers[i];
        if (server->kind == MOUV__SERVER_PRIMARY) return server;
        if (server->kind == MOUV__SERVER_SECONDARY &&
            (!freshest || server->last_write_ms > freshest->last_write_ms))
            freshest = server;
    }
    return freshest;
}

static int64_t selection_staleness_ms(const mouv__topology_t *topology,
                                      const mouv__server_t *freshest,
                                      const mouv__server_t *server) {
    int64_t behind_ms = freshest->last_write_ms - server->last_write_ms;
    /* what it has not told yet is no reason to leave it out */
    if (server->last_write_ms < 0 || freshest->last_write_ms < 0) return 0;
    if (freshest->kind == MOUV__SERVER_PRIMARY)
        behind_ms += server->updated_ms - freshest->updated_ms;
    return behind_ms + topology->heartbeat_ms;
}

static uint32_t selection_drop_stale(const look_t *look, uint32_t count) {
    const mouv__topology_t *topology = look->topology;
    mouv__server_t **candidates = selection_candidates(topology);
    int64_t most_ms = selection_max_staleness_s(look->criteria) * 1000;
    if (most_ms < 0) return count;
    const mouv__server_t *freshest = selection_freshest(topology);
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++) {
        mouv__server_t *server = candidates[i];
        if (server->kind != MOUV__SERVER_SECONDARY ||
            selection_staleness_ms(topology, freshest, server) <= most_ms)
            candidates[left++] = server;
    }
    return left;
}

/* --- tags ------------------------------------------------------------------------------------- */

static bool selection_has_tag(const mouv__server_t *server, const char *name, const char *value) {
    bson_t tags;
    bson_iter_t iter;
    return server->tags && bson_init_static(&tags, server->tags, server->tags_length) &&
           bson_iter_init_find(&iter, &tags, name) && BSON_ITER_HOLDS_UTF8(&iter) &&
           strcmp(bson_iter_utf8(&iter, NULL), value) == 0;
}

static bool selection_has_tags(const mouv__server_t *server, const bson_iter_t *set) {
    bson_iter_t tag;
    if (!bson_iter_recurse(set, &tag)) return false;
    while (bson_iter_next(&tag))
        if (!BSON_ITER_HOLDS_UTF8(&tag) ||
            !selection_has_tag(server, bson_iter_key(&tag), bson_iter_utf8(&tag, NULL)))
            return false;
    return true;
}

/* Those of the first set of tags that some have. */
static uint32_t selection_drop_untagged(const look_t *look, uint32_t count) {
    mouv__server_t **candidates = selection_candidates(look->topology);
    const bson_t *sets = mongoc_read_prefs_get_tags(look->criteria->read_prefs);
    bson_iter_t set;
    if (!sets || bson_empty(sets) || !bson_iter_init(&set, sets)) return count;
    while (bson_iter_next(&set)) {
        uint32_t left = 0;
        for (uint32_t i = 0; i < count; i++)
            if (selection_has_tags(candidates[i], &set)) candidates[left++] = candidates[i];
        if (left > 0) return left;
    }
    return 0;
}

/* --- suitable servers -------------------------------------------------------------------------- */

static uint32_t selection_matching(const look_t *look, unsigned kinds) {
    uint32_t count = selection_of_kinds(look, kinds);
    return selection_drop_untagged(look, selection_drop_stale(look, count));
}

static uint32_t selection_in_replica_set(const look_t *look) {
    const unsigned primary = KIND(MOUV__SERVER_PRIMARY), secondary = KIND(MOUV__SERVER_SECONDARY);
    uint32_t count;
    switch (selection_mode(look->criteria)) {
    case MONGOC_READ_SECONDARY:
        return selection_matching(look, secondary);
    case MONGOC_READ_NEAREST:
        return selection_matching(look, primary | secondary);
    case MONGOC_READ_SECONDARY_PREFERRED:
        count = selection_matching(look, secondary);
        return count > 0 ? count : selection_of_kinds(look, primary);
    case MONGOC_READ_PRIMARY_PREFERRED:
        count = selection_of_kinds(look, primary);
        return count > 0 ? count : selection_matching(look, secondary);
    case MONGOC_READ_PRIMARY:
    default:
        return selection_of_kinds(look, primary);
    }
}

static uint32_t selection_look(const look_t *look) {
    if (look->criteria->server_id) return selection_of_kinds(look, ~KIND(MOUV__SERVER_UNKNOWN));
    switch (look->topology->kind) {
    case MOUV__TOPOLOGY_SINGLE:
        return selection_of_kinds(look, ~KIND(MOUV__SERVER_UNKNOWN));
    case MOUV__TOPOLOGY_REPLICA_SET:
        return selection_in_replica_set(look);
    case MOUV__TOPOLOGY_SHARDED:
        return selection_of_kinds(look, KIND(MOUV__SERVER_MONGOS));
    case MOUV__TOPOLOGY_BALANCED:
        return selection_of_kinds(look, KIND(MOUV__SERVER_BALANCER));
    case MOUV__TOPOLOGY_UNKNOWN:
    default:
        return 0;
    }
}

uint32_t mouv__selection_suitable(const mouv__topology_t *topology,
                                  const mouv__criteria_t *criteria) {
    look_t look = {topology, criteria, criteria->avoided.count > 0};
    uint32_t count = selection_look(&look);
    if (count > 0 || !look.avoiding) return count;
    look.avoiding = false;
    return selection_look(&look);
}

bool mouv__selection_includes(const mouv__topology_t *topology, const mouv__criteria_t *criteria,
                              uint32_t server_id) {
    uint32_t count = mouv__selection_suitable(topology, criteria);
    for (uint32_t i = 0; i < count; i++)
        if (selection_candidates(topology)[i]->id == server_id) return true;
    return false;
}

/* --- one of them ------------------------------------------------------------------------------ */

/* One whose distance is not known is as near as any. */
uint32_t mouv__selection_near(const mouv__topology_t *topology, uint32_t count) {
    if (count < 2) return count;
    mouv__server_t **candidates = selection_candidates(topology);
    int64_t nearest_ns = INT64_MAX - topology->local_threshold_ns;
    for (uint32_t i = 0; i < count; i++) {
        int64_t average_ns = mouv__rtt_average_ns(&candidates[i]->rtt);
        if (average_ns >= 0 && average_ns < nearest_ns) nearest_ns = average_ns;
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++)
        if (mouv__rtt_average_ns(&candidates[i]->rtt) <= nearest_ns + topology->local_threshold_ns)
            candidates[left++] = candidates[i];
    return left;
}

/* splitmix64: any state will do, and a test can give it one. */
static uint32_t selection_random_below(mouv__topology_t *topology, uint32_t limit) {
    uint64_t x = topology->random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(((x ^ (x >> 31)) >> 32) * limit >> 32);
}

mouv__server_t *mouv__selection_of_two(mouv__topology_t *topology, uint32_t count) {
    if (count == 0) return NULL;
    mouv__server_t **candidates = selection_candidates(topology);
    if (count == 1) return candidates[0];
    uint32_t first = selection_random_below(topology, count);
    uint32_t second = selection_random_below(topology, count - 1);
    if (second >= first) second++;
    bool fewer = candidates[second]->operations < candidates[first]->operations;
    return candidates[fewer ? second : first];
}

mouv__server_t *mouv__selection_choose(mouv__topology_t *topology,
                                       const mouv__criteria_t *criteria) {
    uint32_t count = mouv__selection_suitable(topology, criteria);
    return mouv__selection_of_two(topology, mouv__selection_near(topology, count));
}
