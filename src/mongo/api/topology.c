/*
 * The picture of the deployment that users get.
 */
#include <mouv/topology.h>

#include "async/task/runtime.h"
#include "mongo/api/client.h"

mouv_topology_description_t *mouv_client_get_topology(const mouv_client_t *client,
                                                      mouv_error_t *error) {
    mouv_error_t why = {0};
    if (mouv__client_check(client, &why) < 0) {
        mouv__raise(error, why.code, "mouv_client_get_topology: %s", why.message);
        return NULL;
    }
    mouv_topology_description_t *topology =
        mouv__topology_describe(client->pool.topology, client->driver_pool->listener);
    if (!topology)
        mouv__raise(error, MOUV_ENOMEM, "mouv_client_get_topology: %s",
                    mouv_error_message(MOUV_ENOMEM));
    return topology;
}
