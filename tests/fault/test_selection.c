/*
 * Server selection on a set of three nodes: who is read from, and whose way counts.
 */
#include "support/server.h"
#include "support/support.h"
#include "support/wire.h"

#define HOSTS_MAX 4

/* How many finds each host has had. */
typedef struct counts {
    char hosts[HOSTS_MAX][80];
    int finds[HOSTS_MAX];
    int count;
} counts_t;

static void on_started(const mouv_command_event_t *event, void *arg) {
    counts_t *counts = arg;
    int i = 0;
    if (strcmp(event->name, "find") != 0) return;
    while (i < counts->count && strcmp(counts->hosts[i], event->host) != 0) i++;
    if (i == HOSTS_MAX) abort();
    if (i == counts->count) {
        snprintf(counts->hosts[i], sizeof counts->hosts[i], "%s", event->host);
        counts->count++;
    }
    counts->finds[i]++;
}

static mouv_client_t *client_with(test_t *t, const char *options, const mouv_monitor_t *monitor,
                                  void *arg) {
    char uri[700];
    snprintf(uri, sizeof uri, "%s%s%s", test_uri(), strchr(test_uri(), '?') ? "&" : "/?", options);
    mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    if (!client || mouv_client_set_monitor(client, monitor, arg) < 0) abort();
    return client;
}

static int64_t round_trip_of(const mouv_client_t *client, const char *type) {
    MOUV_AUTO_TOPOLOGY mouv_topology_description_t *topology =
        mouv_client_get_topology(client, NULL);
    for (size_t i = 0; i < topology->server_count; i++)
        if (strcmp(topology->servers[i].type, type) == 0) return topology->servers[i].round_trip_ms;
    return -1;
}

/** Whether the client has come to know so many of this type. */
static bool knows_soon(const mouv_client_t *client, const char *type, int wanted) {
    for (int tries = 0; tries < 1000; tries++) {
        MOUV_AUTO_TOPOLOGY mouv_topology_description_t *topology =
            mouv_client_get_topology(client, NULL);
        int found = 0;
        for (size_t i = 0; i < topology->server_count; i++)
            found += strcmp(topology->servers[i].type, type) == 0;
        if (found == wanted) return true;
        mouv_sleep_ms(10);
    }
    return false;
}

CASE(reads_are_spread_over_the_secondaries) {
    enum { FINDS = 60 };
    static const mouv_monitor_t monitor = {.command_started = on_started};
    counts_t counts = {.count = 0};
    MOUV_AUTO_CLIENT mouv_client_t *client =
        client_with(t, "readPreference=secondary&localThresholdMS=10000", &monitor, &counts);
    mouv_collection_t *users = wire_users(t, client);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK(knows_soon(client, "RSSecondary", 2));
    for (int i = 0; i < FINDS; i++)
        CHECK(await(t, mouv_collection_find_one(users, NULL, NULL, NULL)) >= 0);
    CHECK_INT(counts.count, 2);
    CHECK_INT(counts.finds[0] + counts.finds[1], FINDS);
    CHECK(counts.finds[0] >= FINDS / 6 && counts.finds[1] >= FINDS / 6);
    return 0;
}

CASE(tags_that_nobody_has_and_staleness_that_cannot_be_kept_are_refused) {
    static const mouv_monitor_t monitor = {.command_started = on_started};
    counts_t counts = {.count = 0};
    MOUV_AUTO_CLIENT mouv_client_t *client = client_with(
        t, "serverSelectionTimeoutMS=2000&serverSelectionTryOnce=false", &monitor, &counts);
    mouv_collection_t *users = wire_users(t, client);
    const bson_t *fresh =
        json(t, "{'readPreference': {'mode': 'secondary', 'maxStalenessSeconds': 120}}");
    CHECK(await(t, mouv_collection_find_one(users, NULL, fresh, NULL)) >= 0);
    const bson_t *fresher =
        json(t, "{'readPreference': {'mode': 'secondary', 'maxStalenessSeconds': 95}}");
    CHECK(await(t, mouv_collection_find_one(users, NULL, fresher, NULL)) >= 0);
    MOUV_AUTO_CLIENT mouv_client_t *slow = client_with(
        t, "serverSelectionTimeoutMS=5000&heartbeatFrequencyMS=100000", &monitor, &counts);
    int rc = await(t, mouv_collection_find_one(wire_users(t, slow), NULL, fresher, NULL));
    CHECK_INT(rc, MOUV_EINVAL);
    CHECK(strstr(t->error.message, "heartbeatFrequencyMS"));
    const bson_t *nowhere =
        json(t, "{'readPreference': {'mode': 'secondary', 'tags': [{'dc': 'nowhere'}]}}");
    rc = await(t, mouv_collection_find_one(users, NULL, nowhere, NULL));
    CHECK_INT(rc, MOUV_ESELECTION);
    return 0;
}

#define FAR_PRIMARY "'appName': 'far primary', 'blockConnection': true, 'blockTimeMS': 100"

/* fail_commands() speaks to the primary. */
CASE(way_to_the_primary_is_not_that_to_a_near_secondary) {
    static wire_t wire;
    CHECK_INT(fail_commands(t, 1000000, "'hello', 'isMaster'", FAR_PRIMARY), 0);
    MOUV_AUTO_CLIENT mouv_client_t *client =
        wire_client(t, &wire, "appName=far%20primary&heartbeatFrequencyMS=500");
    mouv_collection_t *users = wire_users(t, client);
    const bson_t *secondary =
        json(t, "{'readPreference': {'mode': 'secondary'}, 'timeoutMS': 60000}");
    const bson_t *minute = json(t, "{'timeoutMS': 60000}"),
                 *short_time = json(t, "{'timeoutMS': 80}");
    const bson_t *document = json(t, "{}");
    int first = await(t, mouv_collection_insert_one(users, document, minute, NULL));
    mouv_sleep_ms(4000);
    int near = await(t, mouv_collection_find_one(users, NULL, secondary, NULL));
    int far = await(t, mouv_collection_insert_one(users, document, minute, NULL));
    int64_t near_ms = wire_max_time(&wire, "find"), far_ms = wire_max_time(&wire, "insert");
    int inserts = wire_sent(&wire, "insert");
    int refused = await(t, mouv_collection_insert_one(users, document, short_time, NULL));
    bool says_whose = strstr(t->error.message, " ms are left, a round trip to ") != NULL;
    int64_t primary_ms = round_trip_of(client, "RSPrimary");
    int64_t secondary_ms = round_trip_of(client, "RSSecondary");
    CHECK_INT(fail_no_more(t), 0);
    CHECK_INT(first, 1);
    CHECK(near >= 0);
    CHECK_INT(far, 1);
    CHECK_LIMIT(far_ms, 59900);
    CHECK_LIMIT(near_ms, 60000);
    CHECK(near_ms > far_ms);
    CHECK_INT(refused, MOUV_ETIMEDOUT);
    CHECK(says_whose);
    CHECK_INT(wire_sent(&wire, "insert"), inserts);
    CHECK(primary_ms >= 100);
    CHECK(secondary_ms >= 0 && secondary_ms < 100);
    return 0;
}

static int setup(void **state) {
    static const char *const options[] = {"--nodes", "3", NULL};
    (void)state;
    return test_group_setup_own(options);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(reads_are_spread_over_the_secondaries),
        cmocka_unit_test(tags_that_nobody_has_and_staleness_that_cannot_be_kept_are_refused),
        cmocka_unit_test(way_to_the_primary_is_not_that_to_a_near_secondary),
    };
    return cmocka_run_group_tests(cases, setup, test_group_teardown);
}
