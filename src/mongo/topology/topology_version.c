/*
 * topologyVersion.
 */
#include "mongo/topology/topology_version.h"

#include "mongo/base/bson_view.h"

mouv__topology_version_t mouv__topology_version_of(const bson_t *reply) {
    mouv__topology_version_t version = {0};
    bson_t document;
    bson_iter_t process, counter;
    if (!reply || !mouv__bson_view_inside(reply, "topologyVersion", &document)) return version;
    version.known =
        bson_iter_init_find(&process, &document, "processId") && BSON_ITER_HOLDS_OID(&process) &&
        bson_iter_init_find(&counter, &document, "counter") && BSON_ITER_HOLDS_NUMBER(&counter);
    if (!version.known) return version;
    bson_oid_copy(bson_iter_oid(&process), &version.process);
    version.counter = bson_iter_as_int64(&counter);
    return version;
}

int mouv__topology_version_compare(const mouv__topology_version_t *older,
                                   const mouv__topology_version_t *newer) {
    if (!older->known || !newer->known || !bson_oid_equal(&older->process, &newer->process))
        return -1;
    return (older->counter > newer->counter) - (older->counter < newer->counter);
}
