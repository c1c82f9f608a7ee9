/*
 * What a client tells of itself: each command with its duration, what waits, what becomes of the
 * servers.
 *
 *     MONGODB_URI=mongodb://localhost monitor
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <mouv/mouv.h>

static void on_succeeded(const mouv_command_event_t *event, void *arg) {
    (void)arg;
    printf("  %s on %s: %" PRId64 " us\n", event->name, event->host, event->duration_us);
}

static void on_failed(const mouv_command_event_t *event, void *arg) {
    (void)arg;
    printf("  %s on %s failed: %s\n", event->name, event->host, event->error->message);
}

static void on_server_changed(const mouv_server_event_t *event, void *arg) {
    (void)arg;
    printf("  %s was %s, is %s\n", event->host, event->previous->type, event->next->type);
}

static void on_queued(const mouv_pool_event_t *event, void *arg) {
    int *waits = arg;
    ++*waits;
    printf("  %s waits for a %s\n", event->operation,
           event->waits_for == MOUV_WAITS_FOR_SERVER ? "server" : "client");
}

static const mouv_monitor_t monitor = {
    .command_succeeded = on_succeeded,
    .command_failed = on_failed,
    .server_changed = on_server_changed,
    .operation_queued = on_queued,
};

static int fail_once(mouv_client_t *client) {
    mouv_error_t error;
    bson_t *command = BCON_NEW("noSuchCommand", BCON_INT32(1));
    mouv_database_t *admin = mouv_client_get_database(client, "admin");
    int rc = mouv_await(mouv_database_command(admin, command, NULL, NULL), &error);
    bson_destroy(command);
    return rc == MOUV_ESERVER ? 0 : mouv_fail_with(&error);
}

static int main_task(void *arg) {
    const char *uri = getenv("MONGODB_URI");
    mouv_error_t error;
    int waits = 0;
    (void)arg;
    MOUV_AUTO_CLIENT mouv_client_t *client =
        mouv_client_new(uri ? uri : "mongodb://localhost", NULL, &error);
    if (!client) return mouv_fail_with(&error);
    int rc = mouv_client_set_monitor(client, &monitor, &waits);

    if (rc >= 0) printf("two pings at once\n");
    mouv_future_t pings[] = {mouv_client_ping(client), mouv_client_ping(client)};
    if (rc >= 0) rc = mouv_await(mouv_gather(pings[0], pings[1]), NULL);
    if (rc >= 0) printf("a command that does not exist\n");
    if (rc >= 0) rc = fail_once(client);
    mouv_client_close(client, NULL);
    printf("%d operation(s) had to wait\n", waits);
    return rc;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
