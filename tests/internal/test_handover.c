/*
 * The hand-over for the present libmongoc: it sets connections up and gives them up, and what it
 * was made to believe meanwhile does no harm to its picture. A release that changes what a stream
 * means to it that fails on purpose is seen here.
 */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "context/alloc.h"
#include "support/handover.h"
#include "support/mock_server.h"
#include "support/support.h"

/* The server's URI with more options, "&NAME=VALUE" or "". */
static const char *uri_with(const char *options) {
    static char uri[1000];
    snprintf(uri, sizeof(uri), "%s%s", test_uri(), options);
    char *at = *options ? strchr(uri + strlen(test_uri()), '&') : NULL;
    if (at && !strchr(test_uri(), '?')) *at = '?';
    return uri;
}

static void open_primary(place_t *place, const char *options) {
    place_open(place, uri_with(options));
    place_find_primary(place);
}

/* --- what is handed over ---------------------------------------------------------------------- */

static void a_connection_outlives_factory_client_and_pool(void **state) {
    (void)state;
    place_t place;
    open_primary(&place, "");
    mouv__handover_t made = place_connect(&place);
    place_close(&place);
    channel_is_whole(made.channel);
    handover_end(&made, false);
}

static void the_hello_is_the_servers_own(void **state) {
    (void)state;
    place_t place;
    open_primary(&place, "");
    mouv__handover_t made = place_connect(&place);
    assert_true(document_int(made.hello, "maxWireVersion") > 6);
    assert_true(document_int(made.hello, "maxMessageSizeBytes") >= 48000000);
    assert_true(document_int(made.hello, "connectionId") > 0);
    handover_end(&made, true);
    place_close(&place);
}

/* What the server knows of the connection with this id. */
static bson_t *current_op(mouv__channel_t *channel, int64_t connection) {
    return expect_ok(channel_ask(
        channel, document("{'aggregate': 1, '$db': 'admin', 'cursor': {}, 'pipeline': ["
                          " {'$currentOp': {'idleConnections': true, 'allUsers': true}},"
                          " {'$match': {'connectionId': %lld}}]}",
                          (long long)connection)));
}

static void the_server_sees_a_connection_of_libmongocs(void **state) {
    (void)state;
    place_t place;
    open_primary(&place, "&appName=handover");
    mouv__handover_t made = place_connect(&place);
    bson_t *seen = current_op(made.channel, document_int(made.hello, "connectionId"));
    assert_string_equal(document_text(seen, "cursor.firstBatch.0.appName"), "handover");
    assert_non_null(
        strstr(document_text(seen, "cursor.firstBatch.0.clientMetadata.driver.name"), "mongoc"));
    bson_destroy(seen);
    handover_end(&made, false);
    place_close(&place);
}

static void one_factory_makes_fifty_that_live_side_by_side(void **state) {
    (void)state;
    place_t place;
    open_primary(&place, "");
    place_makes_fifty(&place, "");
    place_close(&place);
}

static void a_second_factory_gets_along_with_what_the_first_has_left(void **state) {
    (void)state;
    place_t place;
    open_primary(&place, "");
    mouv__handover_t one = place_connect(&place);
    mouv__factory_free(place.factory);
    place.factory = mouv__factory_new(place.driver_pool);
    mouv__handover_t other = place_connect(&place);
    channel_ping(one.channel);
    channel_ping(other.channel);
    handover_end(&one, false);
    handover_end(&other, false);
    place_close(&place);
}

/* Each allocation fails once, of libmongoc's threads as well. */
static void without_memory_there_is_an_error_and_nothing_else(void **state) {
    (void)state;
    place_t place;
    int64_t n = 1;
    int failures = 0;
    open_primary(&place, "");
    for (bool reached = true; reached; n++) {
        mouv__handover_t made = {0};
        bson_error_t why = {0};
        __atomic_store_n(&mouv__alloc_fail_at, n, __ATOMIC_RELAXED);
        bool ok = mouv__factory_connect(place.factory, place.server_id, place.host, &made, &why);
        reached = __atomic_exchange_n(&mouv__alloc_fail_at, -1, __ATOMIC_RELAXED) == 0;
        assert_int_equal(made.channel != NULL, ok);
        assert_int_equal(made.hello != NULL, ok);
        if (ok) channel_ping(made.channel);
        if (!ok) assert_non_null(strstr(why.message, "memory"));
        failures += !ok;
        handover_end(&made, false);
    }
    assert_true(failures > 3);
    place_close(&place);
}

/* --- compression ------------------------------------------------------------------------------ */

#ifdef MOUV_HAVE_ZLIB

/* An OP_MSG as OP_COMPRESSED; takes `message`. */
static uint8_t *compress_message(uint8_t *message, size_t *size) {
    uLongf room = compressBound(*size - MOUV__WIRE_HEADER_BYTES);
    uint8_t *made = calloc(1, 25 + room);
    mouv__op_msg_header_t header = mouv__op_msg_header(message);
    assert_int_equal(compress(made + 25, &room, message + MOUV__WIRE_HEADER_BYTES,
                              *size - MOUV__WIRE_HEADER_BYTES),
                     Z_OK);
    mouv__op_msg_header_t inside = {header.opcode, (int32_t)*size - MOUV__WIRE_HEADER_BYTES, 0, 0};
    uint8_t numbers[MOUV__WIRE_HEADER_BYTES];
    mouv__op_msg_put_header(&inside, numbers);
    memcpy(made + MOUV__WIRE_HEADER_BYTES, numbers, 8);
    made[24] = 2; /* zlib */
    *size = 25 + room;
    header.length = (int32_t)*size;
    header.opcode = MOUV__WIRE_COMPRESSED;
    mouv__op_msg_put_header(&header, made);
    free(message);
    return made;
}

static void compression_is_agreed_on_and_works_both_ways(void **state) {
    (void)state;
    place_t place;
    open_primary(&place, "&compressors=zlib");
    mouv__handover_t made = place_connect(&place);
    place_close(&place);
    if (strcmp(document_text(made.hello, "compression.0"), "zlib") != 0) {
        handover_end(&made, false);
        skip(); /* mongod without zlib */
    }
    bson_t *ping = document("{'ping': 1, '$db': 'admin'}");
    size_t size;
    uint8_t *message = compress_message(message_new(ping, 7, &size), &size);
    bool compressed = false;
    channel_send(made.channel, message, size);
    bson_destroy(expect_ok(message_read(made.channel, 7, &compressed)));
    assert_true(compressed);
    free(message);
    bson_destroy(ping);
    handover_end(&made, false);
}

#endif

static void without_compressors_none_is_agreed_on(void **state) {
    (void)state;
    place_t place;
    open_primary(&place, "");
    mouv__handover_t made = place_connect(&place);
    assert_string_equal(document_text(made.hello, "compression.0"), "");
    handover_end(&made, false);
    place_close(&place);
}

/* --- how it ends ------------------------------------------------------------------------------ */

static void closed(bool reset) {
    mock_server_t *mock = mock_server_start(NULL);
    mock_server_stats_t stats = {0};
    place_t place;
    place_open(&place, mock_server_uri(mock));
    place_find_primary(&place);
    mouv__handover_t made = place_connect(&place);
    channel_ping(made.channel);
    uint64_t pings = mock_server_count(mock, "ping");
    assert_int_equal(pings, 1); /* the one that fails on the shell is not sent */
    handover_end(&made, reset);
    for (int i = 0; i < HANDOVER_NEVER_MS && stats.reset + stats.ended == 0; i++) {
        uv_sleep(1);
        mock_server_get_stats(mock, &stats);
    }
    assert_int_equal(stats.reset, reset);
    assert_int_equal(stats.ended, !reset);
    place_close(&place);
    mock_server_stop(mock);
}

static void closing_with_reset_sends_a_rst(void **state) {
    (void)state;
    closed(true);
}

static void closing_without_reset_ends_it_in_order(void **state) {
    (void)state;
    closed(false);
}

static void a_server_that_closes_is_read_as_the_end(void **state) {
    (void)state;
    mock_server_t *mock = mock_server_start(NULL);
    mock_script_t script = {.silent = true, .then = MOCK_CLOSE};
    place_t place;
    place_open(&place, mock_server_uri(mock));
    place_find_primary(&place);
    mouv__handover_t made = place_connect(&place);
    mock_server_script(mock, "ping", &script);
    channel_ping_ends_it(made.channel);
    handover_end(&made, false);
    place_close(&place);
    mock_server_stop(mock);
}

static void a_load_balancers_service_is_in_the_hello(void **state) {
    (void)state;
    mock_server_t *mock = mock_server_start(NULL);
    place_t place;
    char uri[100];
    mock_server_reply(mock, "hello",
                      "{'ok': 1, 'isWritablePrimary': true, 'msg': 'isdbgrid', 'minWireVersion': 0,"
                      " 'maxWireVersion': 17, 'maxBsonObjectSize': 16777216,"
                      " 'maxMessageSizeBytes': 48000000, 'maxWriteBatchSize': 100000,"
                      " 'logicalSessionTimeoutMinutes': 30, 'connectionId': 1,"
                      " 'serviceId': {'$oid': '0123456789abcdef01234567'}}");
    snprintf(uri, sizeof(uri), "mongodb://127.0.0.1:%u/?loadBalanced=true", mock_server_port(mock));
    place_open(&place, uri);
    snprintf(place.host, sizeof(place.host), "127.0.0.1:%u", mock_server_port(mock));
    for (int i = 0; i < 2; i++) {
        bson_iter_t at;
        mouv__handover_t made = place_connect(&place);
        assert_true(document_find(made.hello, "serviceId", &at));
        channel_ping(made.channel);
        handover_end(&made, false);
    }
    place_close(&place);
    mock_server_stop(mock);
}

static void close_takes_null(void **state) {
    (void)state;
    mouv__channel_close(NULL, true);
    mouv__factory_free(NULL);
}

/* --- servers that are not there, or silent ---------------------------------------------------- */

/* A port of 127.0.0.1; `listens`: connections are taken, and nothing is ever said. */
static int open_port(bool listens, uint16_t *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    if (listens) assert_int_equal(listen(fd, 100), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* Fails; `why` says what libmongoc has said. */
static void fail_to_connect(place_t *place, bson_error_t *why) {
    mouv__handover_t made = {0};
    assert_false(mouv__factory_connect(place->factory, place->server_id, place->host, &made, why));
    assert_null(made.channel);
    assert_null(made.hello);
}

static void a_server_that_is_not_there_is_an_error_of_its_stream(void **state) {
    (void)state;
    uint16_t port;
    char uri[200];
    int fd = open_port(false, &port);
    place_t place;
    snprintf(uri, sizeof(uri), "mongodb://127.0.0.1:%u/?directConnection=true", port);
    place_open(&place, uri);
    snprintf(place.host, sizeof(place.host), "127.0.0.1:%u", port);
    for (int i = 0; i < 2; i++) {
        bson_error_t why = {0};
        fail_to_connect(&place, &why);
        assert_int_equal(why.domain, MONGOC_ERROR_STREAM);
        assert_non_null(strstr(why.message, "refused"));
    }
    place_close(&place);
    close(fd);
}

/* Within connectTimeoutMS, which socketTimeoutMS (five minutes) has no part in. */
static void expect_time_out(const char *uri, const char *host) {
    place_t place;
    bson_error_t why = {0};
    place_open(&place, uri);
    snprintf(place.host, sizeof(place.host), "%s", host);
    int64_t began = now_ms();
    fail_to_connect(&place, &why);
    assert_true(now_ms() - began < HANDOVER_NEVER_MS);
    place_close(&place);
}

static void a_server_that_says_nothing_is_given_up_after_connect_timeout(void **state) {
    (void)state;
    static const char *const patterns[] = {
        "mongodb://127.0.0.1:%u/?directConnection=true&connectTimeoutMS=300",
        "mongodb://127.0.0.1:%u/?directConnection=true&connectTimeoutMS=300&tls=true",
    };
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        uint16_t port;
        char uri[200], host[32];
        int fd = open_port(true, &port);
        snprintf(uri, sizeof(uri), patterns[i], port);
        snprintf(host, sizeof(host), "127.0.0.1:%u", port);
        expect_time_out(uri, host);
        close(fd);
    }
}

/* Says hello and is silent then. */
static void connect_timeout_covers_authentication(void **state) {
    (void)state;
    mock_server_t *mock = mock_server_start(NULL);
    mock_script_t silent = {.silent = true, .then = MOCK_MUTE};
    char uri[200], host[32];
    mock_server_script(mock, "saslStart", &silent);
    snprintf(host, sizeof(host), "127.0.0.1:%u", mock_server_port(mock));
    snprintf(uri, sizeof(uri),
             "mongodb://ada:secret@%s/?directConnection=true&connectTimeoutMS=300"
             "&authMechanism=SCRAM-SHA-256",
             host);
    expect_time_out(uri, host);
    assert_int_equal(mock_server_count(mock, "saslStart"), 1);
    mock_server_stop(mock);
}

static void an_answer_to_hello_that_is_none_is_refused(void **state) {
    (void)state;
    static const uint8_t garbage[64] = {64, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0};
    mock_server_t *mock = mock_server_start(NULL);
    mock_script_t script = {.bytes = garbage, .bytes_size = sizeof(garbage)};
    place_t place;
    bson_error_t why = {0};
    char uri[200];
    snprintf(uri, sizeof(uri), "mongodb://127.0.0.1:%u/?directConnection=true",
             mock_server_port(mock));
    mock_server_script(mock, "hello", &script);
    place_open(&place, uri);
    snprintf(place.host, sizeof(place.host), "127.0.0.1:%u", mock_server_port(mock));
    fail_to_connect(&place, &why);
    assert_non_null(strstr(why.message, "the server's answer is not valid"));
    place_close(&place);
    mock_server_stop(mock);
}

static void a_factory_goes_on_after_a_failure(void **state) {
    (void)state;
    mock_server_t *mock = mock_server_start(NULL);
    mock_script_t once = {.times = 1, .silent = true, .then = MOCK_CLOSE};
    place_t place;
    bson_error_t why = {0};
    place_open(&place, mock_server_uri(mock));
    place_find_primary(&place);
    mouv__handover_t made = place_connect(&place);
    handover_end(&made, false);
    mock_server_script(mock, "hello", &once);
    bool failed = !mouv__factory_connect(place.factory, place.server_id, place.host, &made, &why);
    if (!failed) handover_end(&made, false); /* a monitor's hello was the one */
    made = place_connect(&place);
    channel_ping(made.channel);
    handover_end(&made, false);
    place_close(&place);
    mock_server_stop(mock);
}

/* --- what libmongoc's picture learns ---------------------------------------------------------- */

#if !MONGOC_CHECK_VERSION(2, 0, 0)

/* Whether the picture has lost the server since the last call, and has it again. */
static bool was_lost(place_t *place, bool *there) {
    mouv__snapshot_t *snapshot = mouv__listener_take(place->listener);
    bool lost = snapshot && (snapshot->count == 0 || snapshot->servers[0]->lost);
    if (snapshot) *there = snapshot->count > 0;
    mouv__snapshot_free(snapshot);
    return lost;
}

static void expect_not_lost(place_t *place) {
    bool there;
    assert_false(was_lost(place, &there));
}

static void the_picture_is_quiet_about_hand_overs(void **state) {
    (void)state;
    place_t place;
    open_primary(&place, "");
    expect_not_lost(&place);
    for (int i = 0; i < 10; i++) {
        mouv__handover_t made = place_connect(&place);
        handover_end(&made, i % 2 == 0);
    }
    expect_not_lost(&place);
    place_close(&place);
}

#endif

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_connection_outlives_factory_client_and_pool),
        cmocka_unit_test(the_hello_is_the_servers_own),
        cmocka_unit_test(the_server_sees_a_connection_of_libmongocs),
        cmocka_unit_test(one_factory_makes_fifty_that_live_side_by_side),
        cmocka_unit_test(a_second_factory_gets_along_with_what_the_first_has_left),
        cmocka_unit_test(without_memory_there_is_an_error_and_nothing_else),
#ifdef MOUV_HAVE_ZLIB
        cmocka_unit_test(compression_is_agreed_on_and_works_both_ways),
#endif
        cmocka_unit_test(without_compressors_none_is_agreed_on),
        cmocka_unit_test(closing_with_reset_sends_a_rst),
        cmocka_unit_test(closing_without_reset_ends_it_in_order),
        cmocka_unit_test(a_server_that_closes_is_read_as_the_end),
        cmocka_unit_test(a_load_balancers_service_is_in_the_hello),
        cmocka_unit_test(close_takes_null),
        cmocka_unit_test(a_server_that_is_not_there_is_an_error_of_its_stream),
        cmocka_unit_test(a_server_that_says_nothing_is_given_up_after_connect_timeout),
        cmocka_unit_test(connect_timeout_covers_authentication),
        cmocka_unit_test(an_answer_to_hello_that_is_none_is_refused),
        cmocka_unit_test(a_factory_goes_on_after_a_failure),
#if !MONGOC_CHECK_VERSION(2, 0, 0)
        cmocka_unit_test(the_picture_is_quiet_about_hand_overs),
#endif
    };
    return cmocka_run_group_tests(cases, test_group_setup, test_group_teardown);
}
