/*
 * The deployment as the client sees it: before the first operation, and after one.
 *
 *     MONGODB_URI=mongodb://localhost topology
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <mouv/mouv.h>

static void print_server(const mouv_server_description_t *server) {
    printf("  %s: %s", server->host, server->type);
    if (server->set_name) printf(" of %s", server->set_name);
    if (server->round_trip_ms >= 0) printf(", %" PRId64 " ms away", server->round_trip_ms);
    if (server->error) printf(", %s", server->error);
    printf("\n");
}

static int print_topology(const mouv_client_t *client) {
    mouv_error_t error;
    MOUV_AUTO_TOPOLOGY mouv_topology_description_t *topology =
        mouv_client_get_topology(client, &error);
    if (!topology) return mouv_fail_with(&error);
    printf("%s\n", topology->type);
    for (size_t i = 0; i < topology->server_count; i++) print_server(&topology->servers[i]);
    return 0;
}

static int main_task(void *arg) {
    const char *uri = getenv("MONGODB_URI");
    mouv_error_t error;
    (void)arg;
    MOUV_AUTO_CLIENT mouv_client_t *client =
        mouv_client_new(uri ? uri : "mongodb://localhost", NULL, &error);
    if (!client) return mouv_fail_with(&error);
    int rc = print_topology(client);
    if (rc == 0) rc = mouv_await(mouv_client_ping(client), &error);
    int again = print_topology(client); /* after a failure it says which server was not reached */
    return rc < 0 ? rc : again;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
