/*
 * What users may see of the deployment and of what happens: events as they come, and the topology
 * as it was last seen.
 */
#include <mouv/monitor.h>
#include <mouv/topology.h>

#include "async/task/runtime.h"
#include "mongo/api/client.h"
#include "mongo/topology/description.h"
#include "mongo/topology/events.h"

int mouv_client_set_monitor(mouv_client_t *client, const mouv_monitor_t *callbacks, void *arg) {
    int rc = mouv__client_check(client, NULL);
    if (rc < 0) return rc;
    if (!callbacks) return MOUV_EINVAL;
    if (mouv__client_stats(client)->started > 0 || client->ref.events) return MOUV_ESTATE;
    client->ref.events = mouv__events_new(mouv__client_runtime(client), callbacks, arg);
    if (!client->ref.events) return MOUV_ENOMEM;
    mouv__listener_set_events(client->driver_pool->listener, client->ref.events);
    return 0;
}

mouv_topology_description_t *mouv_client_get_topology(const mouv_client_t *client,
                                                      mouv_error_t *error) {
    mouv_error_t why = {0};
    if (mouv__client_check(client, &why) < 0) {
        mouv__raise(error, why.code, "mouv_client_get_topology: %s", why.message);
        return NULL;
    }
    mouv_topology_description_t *topology =
        mouv__topology_describe(client->topology, client->driver_pool->listener);
    if (!topology)
        mouv__raise(error, MOUV_ENOMEM, "mouv_client_get_topology: %s",
                    mouv_error_message(MOUV_ENOMEM));
    return topology;
}
