/*
 * mongodb+srv: the records of a sharded cluster are looked up once a minute. The minute is libmongoc's
 * and cannot be made shorter, so its clock is moved: this program has functions of libbson's and of
 * the C library's own in their stead, which the libraries call as well. Run by support/with-dns.
 */
/* test: executors, no-tsan */
#include "support/dns.h"
#include "support/mock_server.h"
#include "support/support.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define LOOK_MS 20

/* What the C library's resolver has for a monitor's thread goes with that thread, which may outlast the program. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:res_context_send\n";
}

/* --- The clock -------------------------------------------------------------------------------- */

static int64_t ahead_us; /* atomic */

__attribute__((visibility("default"))) int64_t bson_get_monotonic_time(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000 +
           __atomic_load_n(&ahead_us, __ATOMIC_SEQ_CST);
}

typedef int (*timedwait_t)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);

/* The C library has an older one of that name, too. */
static timedwait_t find_timedwait(void) {
    timedwait_t found;
    void *address = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!address) address = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    if (!address) abort();
    memcpy(&found, &address, sizeof found); /* ISO C knows no conversion */
    return found;
}

static bool is_before(struct timespec one, struct timespec other) {
    return one.tv_sec < other.tv_sec || (one.tv_sec == other.tv_sec && one.tv_nsec < other.tv_nsec);
}

/* libmongoc waits until a time of day (libuv does not), and is woken for nothing now and then, as
 * any thread may be: it looks at the clock again. */
__attribute__((visibility("default"))) int
pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until) {
    static timedwait_t timedwait; /* atomic */
    struct timespec soon;
    timedwait_t wait = __atomic_load_n(&timedwait, __ATOMIC_ACQUIRE);
    if (!wait) __atomic_store_n(&timedwait, wait = find_timedwait(), __ATOMIC_RELEASE);
    clock_gettime(CLOCK_REALTIME, &soon);
    bool is_time_of_day = until->tv_sec > soon.tv_sec / 2;
    soon.tv_nsec += LOOK_MS * 1000000L;
    if (soon.tv_nsec >= 1000000000L) soon.tv_sec++, soon.tv_nsec -= 1000000000L;
    if (!is_time_of_day || is_before(*until, soon)) return wait(cond, mutex, until);
    int code = wait(cond, mutex, &soon);
    return code == ETIMEDOUT ? 0 : code;
}

static void pass_a_minute(void) {
    __atomic_add_fetch(&ahead_us, INT64_C(61000000), __ATOMIC_SEQ_CST);
}

/* --- Clusters --------------------------------------------------------------------------------- */

#define OPTIONS "tls=false&heartbeatFrequencyMS=500"
#define URI "mongodb+srv://cluster.mouv.test/?" OPTIONS
#define HOST "a.cluster.mouv.test A 127.0.0.1\n"
#define SRV "_mongodb._tcp.cluster.mouv.test SRV %d a.cluster.mouv.test\n"

static mock_server_t *start_mongos(void) {
    mock_server_t *mock = mock_server_start(NULL);
    if (!mock) abort();
    mock_server_reply(mock, "hello",
                      "{'helloOk': true, 'msg': 'isdbgrid', 'ismaster': true, 'ok': 1.0,"
                      " 'maxBsonObjectSize': 16777216, 'maxMessageSizeBytes': 48000000,"
                      " 'maxWriteBatchSize': 100000, 'logicalSessionTimeoutMinutes': 30,"
                      " 'minWireVersion': 0, 'maxWireVersion': 17}");
    return mock;
}

/** Whether these servers, and no others, are in the client's picture. */
static bool has_servers(const mouv_client_t *client, mock_server_t *const *mocks, size_t count) {
    MOUV_AUTO_TOPOLOGY mouv_topology_description_t *topology =
        mouv_client_get_topology(client, NULL);
    size_t found = 0;
    for (size_t i = 0; i < topology->server_count; i++) {
        const mouv_server_description_t *server = &topology->servers[i];
        int port = atoi(strrchr(server->host, ':') + 1);
        for (size_t j = 0; j < count; j++)
            found += mock_server_port(mocks[j]) == port && strcmp(server->type, "Mongos") == 0;
    }
    return found == count && topology->server_count == count;
}

/** The same, once it is so, or twenty seconds are over. */
static bool gets_servers(const mouv_client_t *client, mock_server_t *const *mocks, size_t count) {
    for (int i = 0; i < 4000 && !has_servers(client, mocks, count); i++) mouv_sleep_ms(5);
    return has_servers(client, mocks, count);
}

BARE_CASE(mongos_comes_and_goes_with_its_record) {
    mock_server_t *mocks[] = {start_mongos(), start_mongos()};
    int ports[] = {mock_server_port(mocks[0]), mock_server_port(mocks[1])};
    dns_records(HOST SRV, ports[0]);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(URI, NULL, &t->error);
    int first = await(t, mouv_client_ping(client));
    bool one = gets_servers(client, mocks, 1);
    dns_records(HOST SRV SRV, ports[0], ports[1]);
    pass_a_minute();
    bool both = gets_servers(client, mocks, 2);
    dns_records(HOST SRV, ports[1]);
    pass_a_minute();
    bool other = gets_servers(client, mocks + 1, 1);
    uint64_t pings = mock_server_count(mocks[1], "ping");
    int last = await(t, mouv_client_ping(client));
    uint64_t more_pings = mock_server_count(mocks[1], "ping");
    mock_server_stop(mocks[0]);
    mock_server_stop(mocks[1]);
    CHECK_INT(first, 0);
    CHECK(one);
    CHECK(both);
    CHECK(other);
    CHECK_INT(last, 0);
    CHECK(more_pings > pings);
    return 0;
}

/* --- Records that are gone -------------------------------------------------------------------- */

static int complaints; /* atomic; in any thread's log */

static void on_log(mouv_log_level_t level, const char *message, void *arg) {
    (void)arg;
    if (level >= MOUV_LOG_WARNING && strstr(message, "_mongodb._tcp.cluster.mouv.test"))
        __atomic_add_fetch(&complaints, 1, __ATOMIC_SEQ_CST);
}

static bool complains(void) {
    for (int i = 0; i < 4000 && __atomic_load_n(&complaints, __ATOMIC_SEQ_CST) == 0; i++)
        mouv_sleep_ms(5);
    return __atomic_load_n(&complaints, __ATOMIC_SEQ_CST) > 0;
}

BARE_CASE(servers_stay_while_dns_has_none_and_the_log_says_why) {
    mock_server_t *mock = start_mongos();
    dns_records(HOST SRV, mock_server_port(mock));
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(URI, NULL, &t->error);
    int first = await(t, mouv_client_ping(client));
    mouv_log_set_handler(on_log, NULL);
    dns_records(HOST);
    pass_a_minute();
    bool said = complains();
    mouv_log_set_handler(NULL, NULL);
    bool stays = gets_servers(client, &mock, 1);
    int last = await(t, mouv_client_ping(client));
    mock_server_stop(mock);
    CHECK_INT(first, 0);
    CHECK(said);
    CHECK(stays);
    CHECK_INT(last, 0);
    return 0;
}

/* --- Replica sets ----------------------------------------------------------------------------- */

BARE_CASE(replica_set_is_not_looked_up_again) {
    mock_server_t *mongos[] = {start_mongos(), start_mongos()}, *set = mock_server_start(NULL);
    int ports[] = {mock_server_port(mongos[0]), mock_server_port(mongos[1])};
    dns_records(HOST SRV "_mongodb._tcp.set.mouv.test SRV %d a.set.mouv.test\n"
                         "a.set.mouv.test A 127.0.0.1\n",
                ports[0], mock_server_port(set));
    MOUV_AUTO_CLIENT mouv_client_t *of_set =
        mouv_client_new("mongodb+srv://set.mouv.test/?" OPTIONS, NULL, &t->error);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(URI, NULL, &t->error);
    int rc = await(t, mouv_client_ping(of_set));
    if (rc == 0) rc = await(t, mouv_client_ping(client));
    int asked = dns_asked("_mongodb._tcp.set.mouv.test");
    dns_records(HOST SRV SRV, ports[0], ports[1]);
    pass_a_minute();
    bool both = gets_servers(client, mongos, 2); /* there the minute is over */
    dns_records(HOST SRV, ports[0]);
    pass_a_minute();
    bool one = gets_servers(client, mongos, 1);
    int asked_again = dns_asked("_mongodb._tcp.set.mouv.test");
    for (int i = 0; i < 2; i++) mock_server_stop(mongos[i]);
    mock_server_stop(set);
    CHECK_INT(rc, 0);
    CHECK(both);
    CHECK(one);
    CHECK(asked > 0);
    CHECK_INT(asked_again, asked);
    return 0;
}

static int setup(void **state) {
    (void)state;
    dns_setup();
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(mongos_comes_and_goes_with_its_record),
        cmocka_unit_test(servers_stay_while_dns_has_none_and_the_log_says_why),
        cmocka_unit_test(replica_set_is_not_looked_up_again),
    };
    return cmocka_run_group_tests(cases, setup, NULL);
}
