/*
 * mongodb+srv: servers and options out of DNS, and what is said when it does not give them. Run by
 * support/with-dns.
 */
/* test: executors */
#include "support/dns.h"
#include "support/mock_server.h"
#include "support/server.h"
#include "support/support.h"

#include <stdlib.h>
#include <sys/wait.h>

/* Longer than a case may take: whoever waits for it has not been told in time. */
#define FOR_EVER "serverSelectionTimeoutMS=600000"

#define HOST "a.cluster.mouv.test A 127.0.0.1\n"
#define SRV "_mongodb._tcp.cluster.mouv.test SRV %d a.cluster.mouv.test\n"

static mouv_client_t *client_of(test_t *t, const char *uri) {
    mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    if (!client) fprintf(stderr, "%s: %s\n", uri, t->error.message);
    return client;
}

/** Of the server that wants users. */
static int server_port(void) {
    return atoi(strrchr(test_uri(), ':') + 1);
}

/** Pings once with a client of its own; the error is in `t`. */
static int ping(test_t *t, const char *uri) {
    MOUV_AUTO_CLIENT mouv_client_t *client = client_of(t, uri);
    return await(t, mouv_client_ping(client));
}

/** What mouv_client_new() has to say. */
static int make(test_t *t, const char *uri) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    return client ? 0 : t->error.code;
}

static mock_server_t *start_mock(const char *hello) {
    mock_server_t *mock = mock_server_start(NULL);
    if (!mock) abort();
    if (hello) mock_server_reply(mock, "hello", hello);
    return mock;
}

#define HELLO(with) \
    "{" with ", 'ismaster': true, 'maxBsonObjectSize': 16777216, 'maxMessageSizeBytes': 48000000," \
    " 'maxWriteBatchSize': 100000, 'logicalSessionTimeoutMinutes': 30, 'minWireVersion': 0," \
    " 'maxWireVersion': 17, 'ok': 1.0}"

/* --- What DNS has ----------------------------------------------------------------------------- */

/* The users are admin's: without the TXT record the URI's database would be asked for root. */
BARE_CASE(servers_and_options_come_from_dns) {
    dns_records(HOST SRV "cluster.mouv.test TXT authSource=admin&replicaSet=mouv\n", server_port());
    MOUV_AUTO_CLIENT mouv_client_t *client =
        client_of(t, "mongodb+srv://root:secret@cluster.mouv.test/shop?tls=false");
    mouv_collection_t *users =
        mouv_database_get_collection(mouv_client_get_default_database(client, NULL), "users");
    CHECK_INT(await(t, mouv_collection_insert_one(users, json(t, "{'n': 1}"), NULL, NULL)), 1);
    CHECK_INT(await(t, mouv_collection_find_one(users, NULL, NULL, NULL)), 1);
    CHECK_INT(await(t, mouv_collection_drop(users, NULL)), 0);
    MOUV_AUTO_TOPOLOGY mouv_topology_description_t *topology =
        mouv_client_get_topology(client, &t->error);
    CHECK_STRING(topology->type, "ReplicaSetWithPrimary");
    CHECK_INT(topology->server_count, 1);
    CHECK_STRING(topology->servers[0].set_name, "mouv");
    return 0;
}

BARE_CASE(options_of_the_uri_go_before_those_of_dns) {
    dns_records(HOST SRV "cluster.mouv.test TXT authSource=admin&replicaSet=mouv\n", server_port());
    CHECK_INT(ping(t, "mongodb+srv://root:secret@cluster.mouv.test/?tls=false&authSource=shop"),
              MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "AuthenticationFailed");
    CHECK_INT(
        ping(t, "mongodb+srv://root:secret@cluster.mouv.test/?tls=false&replicaSet=rs7&" FOR_EVER),
        MOUV_ESELECTION);
    CHECK_CONTAINS(t->error.message, "belongs to the replica set 'mouv', the URI or its TXT record "
                                     "names 'rs7'");
    return 0;
}

BARE_CASE(replica_set_that_dns_names_is_the_only_one_spoken_to) {
    dns_records(HOST SRV "cluster.mouv.test TXT authSource=admin&replicaSet=rs7\n", server_port());
    CHECK_INT(ping(t, "mongodb+srv://root:secret@cluster.mouv.test/?tls=false&" FOR_EVER),
              MOUV_ESELECTION);
    CHECK_CONTAINS(t->error.message, "names 'rs7'");
    mock_server_t *single = start_mock(HELLO("'helloOk': true"));
    dns_records(HOST SRV "cluster.mouv.test TXT replicaSet=rs7\n", mock_server_port(single));
    int rc = ping(t, "mongodb+srv://cluster.mouv.test/?tls=false&" FOR_EVER);
    uint64_t pings = mock_server_count(single, "ping");
    mock_server_stop(single);
    CHECK_INT(rc, MOUV_ESELECTION);
    CHECK_INT(pings, 0);
    CHECK_CONTAINS(t->error.message, "a.cluster.mouv.test");
    CHECK_CONTAINS(t->error.message, "belongs to no replica set");
    return 0;
}

BARE_CASE(load_balancer_comes_from_dns) {
    mock_server_t *balancer =
        start_mock(HELLO("'msg': 'isdbgrid', 'serviceId': {'$oid': '0123456789abcdef01234567'}"));
    dns_records(HOST SRV "cluster.mouv.test TXT loadBalanced=true\n", mock_server_port(balancer));
    MOUV_AUTO_CLIENT mouv_client_t *client =
        client_of(t, "mongodb+srv://cluster.mouv.test/?tls=false");
    int rc = await(t, mouv_client_ping(client));
    MOUV_AUTO_TOPOLOGY mouv_topology_description_t *topology =
        mouv_client_get_topology(client, NULL);
    mock_server_stop(balancer);
    CHECK_INT(rc, 0);
    CHECK_STRING(topology->type, "LoadBalanced");
    CHECK_INT(topology->server_count, 1);
    return 0;
}

BARE_CASE(service_has_the_name_that_the_uri_says) {
    mock_server_t *mock = start_mock(NULL);
    dns_records(HOST "_docs._tcp.cluster.mouv.test SRV %d a.cluster.mouv.test\n",
                mock_server_port(mock));
    int rc = ping(t, "mongodb+srv://cluster.mouv.test/?tls=false&srvServiceName=docs");
    int other = ping(t, "mongodb+srv://cluster.mouv.test/?tls=false&" FOR_EVER);
    mock_server_stop(mock);
    CHECK_INT(rc, 0);
    CHECK_INT(other, MOUV_ESELECTION);
    CHECK_CONTAINS(t->error.message, "_mongodb._tcp.cluster.mouv.test");
    return 0;
}

enum { MOCKS = 3 };

static uint64_t accepted(mock_server_t *mock) {
    mock_server_stats_t stats;
    mock_server_get_stats(mock, &stats);
    return stats.accepted;
}

BARE_CASE(hosts_are_no_more_than_the_uri_allows) {
    mock_server_t *mocks[MOCKS];
    int spoken_to = 0;
    for (int i = 0; i < MOCKS; i++) mocks[i] = start_mock(HELLO("'msg': 'isdbgrid'"));
    dns_records(HOST SRV SRV SRV, mock_server_port(mocks[0]), mock_server_port(mocks[1]),
                mock_server_port(mocks[2]));
    MOUV_AUTO_CLIENT mouv_client_t *client =
        client_of(t, "mongodb+srv://cluster.mouv.test/?tls=false&srvMaxHosts=1");
    int rc = await(t, mouv_client_ping(client));
    MOUV_AUTO_TOPOLOGY mouv_topology_description_t *topology =
        mouv_client_get_topology(client, NULL);
    for (int i = 0; i < MOCKS; i++) spoken_to += accepted(mocks[i]) > 0;
    for (int i = 0; i < MOCKS; i++) mock_server_stop(mocks[i]);
    CHECK_INT(rc, 0);
    CHECK_STRING(topology->type, "Sharded");
    CHECK_INT(topology->server_count, 1);
    CHECK_INT(spoken_to, 1);
    return 0;
}

BARE_CASE(tls_is_on_unless_the_uri_says_otherwise) {
    mock_server_t *mock = start_mock(NULL);
    dns_records(HOST SRV, mock_server_port(mock));
    int rc = ping(t, "mongodb+srv://cluster.mouv.test/?serverSelectionTimeoutMS=1000"
                     "&tlsInsecure=true&authMechanism=MONGODB-X509");
    uint64_t callers = accepted(mock), hellos = mock_server_count(mock, "hello");
    mock_server_stop(mock);
    CHECK_INT(rc, MOUV_ESELECTION);
    CHECK(callers > 0);
    CHECK_INT(hellos, 0); /* what came was no message of MongoDB's */
    mouv_client_opts_t opts = {.tls_ca_dir = "/nowhere"};
    MOUV_AUTO_CLIENT mouv_client_t *client =
        mouv_client_new("mongodb+srv://cluster.mouv.test/", &opts, &t->error);
    CHECK(client);
    CHECK_INT(await(t, mouv_client_ping(client)), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "/nowhere");
    return 0;
}

/* --- What DNS has not, or should not have ----------------------------------------------------- */

/** Whether a ping fails with this code, names each of the two, and keeps the password to itself. */
static int is_refused(test_t *t, int code, const char *one, const char *other) {
    CHECK_INT(ping(t, "mongodb+srv://ada:sesame@cluster.mouv.test/?tls=false&" FOR_EVER), code);
    CHECK_CONTAINS(t->error.message, one);
    CHECK_CONTAINS(t->error.message, other);
    CHECK(!strstr(t->error.message, "sesame"));
    return 0;
}

BARE_CASE(name_that_does_not_exist_is_told_at_once) {
    dns_records("%s", "");
    CHECK_INT(is_refused(t, MOUV_ESELECTION, "_mongodb._tcp.cluster.mouv.test", "unknown"), 0);
    dns_records("cluster.mouv.test A 127.0.0.1\n_mongodb._tcp.cluster.mouv.test A 127.0.0.1\n");
    CHECK_INT(is_refused(t, MOUV_ESELECTION, "_mongodb._tcp.cluster.mouv.test", "SRV"), 0);
    dns_records("_mongodb._tcp.cluster.mouv.test SERVFAIL\n");
    CHECK_INT(is_refused(t, MOUV_ESELECTION, "_mongodb._tcp.cluster.mouv.test", "temporary"), 0);
    return 0;
}

BARE_CASE(name_is_looked_up_again_by_the_next_operation) {
    mock_server_t *mock = start_mock(NULL);
    dns_records("%s", "");
    MOUV_AUTO_CLIENT mouv_client_t *client =
        client_of(t, "mongodb+srv://cluster.mouv.test/?tls=false");
    int before = await(t, mouv_client_ping(client));
    dns_records(HOST SRV, mock_server_port(mock));
    int after = await(t, mouv_client_ping(client));
    mock_server_stop(mock);
    CHECK_INT(before, MOUV_ESELECTION);
    CHECK_INT(after, 0);
    return 0;
}

BARE_CASE(host_outside_the_uris_domain_is_refused) {
    dns_records("_mongodb._tcp.cluster.mouv.test SRV 27017 a.elsewhere.test\n"
                "a.elsewhere.test A 127.0.0.1\n");
    CHECK_INT(is_refused(t, MOUV_ESELECTION, "a.elsewhere.test", "cluster.mouv.test"), 0);
    CHECK_INT(dns_asked("a.elsewhere.test"), 0);
    return 0;
}

BARE_CASE(options_that_dns_may_not_set_are_refused) {
    dns_records(HOST SRV "cluster.mouv.test TXT tls=false&authSource=admin\n", 27017);
    CHECK_INT(is_refused(t, MOUV_EINVAL, "cluster.mouv.test: ", "\"tls\" prohibited"), 0);
    dns_records(HOST SRV "cluster.mouv.test TXT readPreference=secondary\n", 27017);
    CHECK_INT(is_refused(t, MOUV_EINVAL, "cluster.mouv.test: ", "\"readPreference\" prohibited"),
              0);
    dns_records(HOST SRV "cluster.mouv.test TXT nonsense\n", 27017);
    CHECK_INT(is_refused(t, MOUV_EINVAL, "cluster.mouv.test: ", "\"nonsense\""), 0);
    dns_records(HOST SRV "cluster.mouv.test TXT authSource=a\ncluster.mouv.test TXT authSource=b\n",
                27017);
    CHECK_INT(is_refused(t, MOUV_ESELECTION, "cluster.mouv.test", "Multiple TXT records"), 0);
    dns_records(HOST SRV SRV "cluster.mouv.test TXT loadBalanced=true\n", 27017, 27018);
    CHECK_INT(is_refused(t, MOUV_EINVAL, "cluster.mouv.test: ", "loadbalanced"), 0);
    return 0;
}

BARE_CASE(uri_that_cannot_be_right_is_refused_without_dns) {
    dns_records("%s", "");
    CHECK_INT(make(t, "mongodb+srv://ada:sesame@one.mouv.test:27017/"), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "Port");
    CHECK_INT(make(t, "mongodb+srv://ada:sesame@one.mouv.test,two.mouv.test/"), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "Multiple");
    CHECK_INT(make(t, "mongodb+srv://ada:sesame@one.mouv.test/?directConnection=true"),
              MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "directConnection");
    CHECK_INT(make(t, "mongodb+srv://ada:sesame@one.mouv.test/?srvMaxHosts=1&replicaSet=rs0"),
              MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "srvmaxhosts");
    CHECK(!strstr(t->error.message, "sesame"));
    CHECK_INT(make(t, "mongodb://one.mouv.test/?srvServiceName=docs"), MOUV_EINVAL);
    CHECK_INT(dns_asked("_mongodb._tcp.one.mouv.test"), 0);
    return 0;
}

/* --- Hosts of which nothing is heard ---------------------------------------------------------- */

BARE_CASE(host_without_an_address_is_named) {
    dns_records("_mongodb._tcp.cluster.mouv.test SRV 27017 b.cluster.mouv.test\n");
    CHECK_INT(ping(t, "mongodb+srv://cluster.mouv.test/?tls=false&serverSelectionTimeoutMS=1000"),
              MOUV_ESELECTION);
    CHECK_CONTAINS(t->error.message, "Failed to resolve b.cluster.mouv.test");
    return 0;
}

BARE_CASE(host_that_is_silent_is_named_and_is_in_the_picture) {
    char host[64];
    mock_server_t *mock = start_mock(NULL);
    mock_server_script(mock, "hello", &(mock_script_t){.silent = true});
    dns_records(HOST SRV, mock_server_port(mock));
    snprintf(host, sizeof host, "a.cluster.mouv.test:%d", mock_server_port(mock));
    MOUV_AUTO_CLIENT mouv_client_t *client =
        client_of(t, "mongodb+srv://cluster.mouv.test/?tls=false&serverSelectionTimeoutMS=1000");
    MOUV_AUTO_TOPOLOGY mouv_topology_description_t *before = mouv_client_get_topology(client, NULL);
    int rc = await(t, mouv_client_ping(client));
    MOUV_AUTO_TOPOLOGY mouv_topology_description_t *topology =
        mouv_client_get_topology(client, NULL);
    mock_server_stop(mock);
    CHECK_INT(rc, MOUV_ESELECTION);
    CHECK_CONTAINS(t->error.message, host);
    CHECK_CONTAINS(t->error.message, "does not answer");
    CHECK_INT(before->server_count, 0);
    CHECK_INT(topology->server_count, 1);
    CHECK_STRING(topology->servers[0].host, host);
    CHECK_STRING(topology->servers[0].type, "Unknown");
    return 0;
}

/* --- DNS that is silent ----------------------------------------------------------------------- */

BARE_CASE(dns_that_is_silent_holds_up_nobody) {
    mock_server_t *mock = start_mock(NULL);
    dns_records(HOST SRV "_mongodb._tcp.mute.mouv.test SILENT\n", mock_server_port(mock));
    MOUV_AUTO_CLIENT mouv_client_t *client =
        client_of(t, "mongodb+srv://cluster.mouv.test/?tls=false");
    MOUV_AUTO_CLIENT mouv_client_t *mute =
        client_of(t, "mongodb+srv://mute.mouv.test/?tls=false&" FOR_EVER);
    mouv_future_t waiting = mouv_client_ping(mute);
    while (dns_asked("_mongodb._tcp.mute.mouv.test") == 0) mouv_sleep_ms(5);
    int rc = await(t, mouv_client_ping(client));
    bool waits = !mouv_future_done(waiting); /* two seconds have not gone by with that */
    mock_server_stop(mock);
    CHECK_INT(rc, 0);
    CHECK(waits);
    CHECK_INT(await(t, waiting), MOUV_ESELECTION);
    CHECK_CONTAINS(t->error.message, "_mongodb._tcp.mute.mouv.test");
    return 0;
}

static int ping_task(void *arg) {
    return mouv_await(mouv_client_ping(arg), NULL);
}

BARE_CASE(deadline_does_not_wait_for_dns) {
    dns_records("_mongodb._tcp.mute.mouv.test SILENT\n");
    MOUV_AUTO_CLIENT mouv_client_t *mute =
        client_of(t, "mongodb+srv://mute.mouv.test/?tls=false&" FOR_EVER);
    CHECK_INT(mouv_with_timeout(300, ping_task, mute, &t->error), MOUV_ETIMEDOUT);
    CHECK_CONTAINS(t->error.message, "DNS has not said yet which servers mute.mouv.test has");
    CHECK_INT(ping(t, "mongodb+srv://mute.mouv.test/?tls=false&serverSelectionTimeoutMS=300"),
              MOUV_ESELECTION);
    CHECK_CONTAINS(t->error.message, "within 300 ms: DNS has not said yet which servers "
                                     "mute.mouv.test has");
    return 0;
}

BARE_CASE(client_can_be_closed_while_dns_is_silent) {
    dns_records("_mongodb._tcp.mute.mouv.test SILENT\n");
    MOUV_AUTO_CLIENT mouv_client_t *mute =
        client_of(t, "mongodb+srv://mute.mouv.test/?tls=false&" FOR_EVER);
    mouv_future_t waiting = mouv_client_ping(mute);
    while (dns_asked("_mongodb._tcp.mute.mouv.test") == 0) mouv_sleep_ms(5);
    CHECK_INT(mouv_client_close(mute, &t->error), 0);
    CHECK_INT(await(t, waiting), MOUV_ECLOSED);
    return 0;
}

/* --- The program ------------------------------------------------------------------------------ */

/** What `mouv command` prints of a ping, in `text`; its exit status. */
static int run_ping(const char *uri, char *text, size_t size) {
    char line[400];
    snprintf(line, sizeof line, "'%s' command --uri '%s' --db admin '{\"ping\": 1}' 2>&1",
             getenv("MOUV"), uri);
    FILE *output = popen(line, "r");
    if (!output) abort();
    text[fread(text, 1, size - 1, output)] = '\0';
    int status = pclose(output);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

BARE_CASE(program_takes_such_a_uri_and_keeps_the_password_to_itself) {
    char text[600];
    mock_server_t *mock = start_mock(NULL);
    dns_records(HOST SRV, mock_server_port(mock));
    int status = run_ping("mongodb+srv://cluster.mouv.test/?tls=false", text, sizeof text);
    mock_server_stop(mock);
    CHECK_INT(status, 0);
    CHECK_CONTAINS(text, "ok");
    CHECK_INT(run_ping("mongodb+srv://ada:sesame@nowhere.mouv.test/", text, sizeof text), 1);
    CHECK_CONTAINS(text, "_mongodb._tcp.nowhere.mouv.test");
    CHECK(!strstr(text, "sesame"));
    return 0;
}

static int setup(void **state) {
    static const char *const options[] = {"--auth", "root:secret", NULL};
    (void)state;
    dns_setup();
    return test_group_setup_own(options);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(servers_and_options_come_from_dns),
        cmocka_unit_test(options_of_the_uri_go_before_those_of_dns),
        cmocka_unit_test(replica_set_that_dns_names_is_the_only_one_spoken_to),
        cmocka_unit_test(load_balancer_comes_from_dns),
        cmocka_unit_test(service_has_the_name_that_the_uri_says),
        cmocka_unit_test(hosts_are_no_more_than_the_uri_allows),
        cmocka_unit_test(tls_is_on_unless_the_uri_says_otherwise),
        cmocka_unit_test(name_that_does_not_exist_is_told_at_once),
        cmocka_unit_test(name_is_looked_up_again_by_the_next_operation),
        cmocka_unit_test(host_outside_the_uris_domain_is_refused),
        cmocka_unit_test(options_that_dns_may_not_set_are_refused),
        cmocka_unit_test(uri_that_cannot_be_right_is_refused_without_dns),
        cmocka_unit_test(host_without_an_address_is_named),
        cmocka_unit_test(host_that_is_silent_is_named_and_is_in_the_picture),
        cmocka_unit_test(dns_that_is_silent_holds_up_nobody),
        cmocka_unit_test(deadline_does_not_wait_for_dns),
        cmocka_unit_test(client_can_be_closed_while_dns_is_silent),
        cmocka_unit_test(program_takes_such_a_uri_and_keeps_the_password_to_itself),
    };
    return cmocka_run_group_tests(cases, setup, test_group_teardown);
}
