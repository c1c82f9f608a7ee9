/*
 * Connections with TLS that libmongoc sets up and hands over: libmongoc's TLS goes on alone, on a
 * socket that does not block.
 */
/* test: internals */
#include <sys/socket.h>
#include <unistd.h>

#include "support/handover.h"
#include "support/proxy.h"
#include "support/support.h"

#define TLS "tls=true&tlsCAFile=%s/ca.crt"

/* `pattern` has "%s" for the server and for the folder of certificates, in this order. */
static void open_secure(place_t *place, const char *pattern) {
    char uri[1000];
    const char *folder = getenv("SECURE_FOLDER");
    snprintf(uri, sizeof(uri), pattern, getenv("SECURE_HOST"), folder, folder);
    place_open(place, uri);
    place_find_primary(place);
}

static void every_mechanism_is_handed_over_as_its_user(void **state) {
    (void)state;
    static const struct {
        const char *uri, *user;
    } ways[] = {
        {"mongodb://root:secret@%s/?" TLS, "root"},
        {"mongodb://old:secret@%s/?" TLS "&authMechanism=SCRAM-SHA-1", "old"},
        {"mongodb://new:secret@%s/?" TLS "&authMechanism=SCRAM-SHA-256", "new"},
        {"mongodb://%s/?" TLS "&authMechanism=MONGODB-X509&tlsCertificateKeyFile=%s/client.pem",
         "CN=ada,OU=people,O=mouv clients"},
    };
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        place_t place;
        open_secure(&place, ways[i].uri);
        mouv__handover_t made = place_connect(&place);
        place_close(&place);
        channel_is_of(made.channel, ways[i].user);
        channel_is_whole(made.channel);
        handover_end(&made, i % 2 == 0);
    }
}

static void one_factory_makes_fifty_that_live_side_by_side(void **state) {
    (void)state;
    place_t place;
    open_secure(&place, "mongodb://root:secret@%s/?" TLS);
    place_makes_fifty(&place, "root");
    place_close(&place);
}

/* --- what is refused -------------------------------------------------------------------------- */

static void expect_refusal(const char *pattern, const char *part) {
    char uri[1000];
    place_t place;
    mouv__handover_t made = {0};
    bson_error_t why = {0};
    const char *host = getenv(strstr(pattern, "expired") ? "SECURE_EXPIRED" : "SECURE_HOST");
    snprintf(uri, sizeof(uri), pattern, host, getenv("SECURE_FOLDER"));
    place_open(&place, uri);
    snprintf(place.host, sizeof(place.host), "%s", host);
    assert_false(mouv__factory_connect(place.factory, 1, place.host, &made, &why));
    if (!strstr(why.message, part)) fail_msg("'%s' says nothing of '%s'", why.message, part);
    place_close(&place);
}

static void a_certificate_that_has_expired_is_refused(void **state) {
    (void)state;
    expect_refusal("mongodb://root:secret@%s/?directConnection=true&appName=expired&" TLS,
                   "certificate");
}

static void a_wrong_password_is_refused(void **state) {
    (void)state;
    expect_refusal("mongodb://root:guess@%s/?directConnection=true&" TLS, "uthentication");
}

/* --- TLS on a socket that does not block ------------------------------------------------------ */

/* Many pings at once, answered in order: records end anywhere in what is received. */
static void answers_come_out_of_records_in_order(void **state) {
    (void)state;
    enum { COUNT = 2000 };
    place_t place;
    open_secure(&place, "mongodb://root:secret@%s/?" TLS);
    mouv__handover_t made = place_connect(&place);
    bson_t *ping = document("{'ping': 1, '$db': 'admin'}");
    for (int32_t i = 1; i <= COUNT; i++) message_send(made.channel, ping, i);
    for (int32_t i = 1; i <= COUNT; i++) {
        bool compressed;
        bson_destroy(expect_ok(message_read(made.channel, i, &compressed)));
    }
    bson_destroy(ping);
    handover_end(&made, false);
    place_close(&place);
}

/* Nobody reads while it writes: TLS takes all the same, and keeps what has not gone out. */
static void what_the_socket_does_not_take_is_kept(void **state) {
    (void)state;
    enum { COUNT = 400, TEXT = 100000 };
    place_t place;
    char *text = malloc(TEXT + 1);
    memset(text, 'x', TEXT);
    text[TEXT] = '\0';
    open_secure(&place, "mongodb://root:secret@%s/?" TLS);
    mouv__handover_t made = place_connect(&place);
    bson_t *ping = document("{'ping': 1, '$db': 'admin'}");
    bson_append_utf8(ping, "comment", -1, text, TEXT);
    for (int32_t i = 1; i <= COUNT; i++) {
        size_t size;
        uint8_t *message = message_new(ping, i, &size);
        struct iovec piece = {message, size};
        assert_int_equal(mouv__channel_write(made.channel, &piece, 1), size);
        free(message);
    }
    channel_flush(made.channel);
    for (int32_t i = 1; i <= COUNT; i++) {
        bool compressed;
        bson_destroy(expect_ok(message_read(made.channel, i, &compressed)));
    }
    free(text);
    bson_destroy(ping);
    handover_end(&made, false);
    place_close(&place);
}

/* With bytes left that cannot go out any more. */
static void closing_gives_up_what_is_kept(void **state) {
    (void)state;
    place_t place;
    size_t size = 1000000;
    uint8_t *bytes = calloc(1, size);
    open_secure(&place, "mongodb://root:secret@%s/?" TLS);
    for (int i = 0; i < 2; i++) {
        mouv__handover_t made = place_connect(&place);
        mouv__op_msg_header_t header = {48000000, 1, 0, MOUV__WIRE_MSG};
        mouv__op_msg_put_header(&header, bytes);
        struct iovec piece = {bytes, size};
        for (int n = 0; n < 20; n++)
            assert_int_equal(mouv__channel_write(made.channel, &piece, 1), size);
        handover_end(&made, i == 0);
    }
    free(bytes);
    place_close(&place);
}

static void expect_end(place_t *place) {
    mouv__handover_t made = place_connect(place);
    channel_do(made.channel,
               document("{'configureFailPoint': 'failCommand', 'mode': {'times': 1}, 'data':"
                        " {'failCommands': ['ping'], 'closeConnection': true}, '$db': 'admin'}"));
    channel_ping_ends_it(made.channel);
    handover_end(&made, false);
}

/* mongod just closes it; the door says goodbye in TLS before. */
static void a_server_that_closes_is_read_as_the_end(void **state) {
    (void)state;
    static const char *const variables[] = {"SECURE_HOST", "SECURE_ELSEWHERE"};
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        char uri[1000];
        place_t place;
        snprintf(
            uri, sizeof(uri),
            "mongodb://root:secret@%s/?directConnection=true&tlsAllowInvalidHostnames=true&" TLS,
            getenv(variables[i]), getenv("SECURE_FOLDER"));
        place_open(&place, uri);
        place_find_primary(&place);
        expect_end(&place);
        place_close(&place);
    }
}

static void what_is_no_tls_is_a_failure(void **state) {
    (void)state;
    char bytes[100];
    int ends[2];
    ssize_t got;
    place_t place;
    open_secure(&place, "mongodb://root:secret@%s/?" TLS);
    mouv__handover_t made = place_connect(&place);
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(dup2(ends[0], mouv__channel_fd(made.channel)), mouv__channel_fd(made.channel));
    assert_int_equal(write(ends[1], bytes, sizeof(bytes)), sizeof(bytes));
    while ((got = mouv__channel_read(made.channel, bytes, 1)) == MOUV__CHANNEL_AGAIN)
        channel_wait(made.channel, POLLIN);
    assert_int_equal(got, MOUV__CHANNEL_FAILED);
    assert_int_equal(errno, EPROTO);
    handover_end(&made, true);
    close(ends[0]);
    close(ends[1]);
    place_close(&place);
}

/* No record comes whole, most of its head does not. */
static void records_may_come_in_slices(void **state) {
    (void)state;
    proxy_fault_t fault = {.slice_bytes = 3};
    char uri[1000];
    place_t place;
    proxy_t *proxy = proxy_start((uint16_t)atoi(strchr(getenv("SECURE_HOST"), ':') + 1));
    snprintf(uri, sizeof(uri), "mongodb://root:secret@127.0.0.1:%u/?directConnection=true&" TLS,
             proxy_port(proxy), getenv("SECURE_FOLDER"));
    place_open(&place, uri);
    place_find_primary(&place);
    mouv__handover_t made = place_connect(&place);
    proxy_set(proxy, PROXY_TO_CLIENT, &fault);
    channel_finds_a_batch(made.channel);
    channel_is_of(made.channel, "root");
    handover_end(&made, false);
    proxy_set(proxy, PROXY_TO_CLIENT, NULL);
    place_close(&place);
    proxy_stop(proxy);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(every_mechanism_is_handed_over_as_its_user),
        cmocka_unit_test(one_factory_makes_fifty_that_live_side_by_side),
        cmocka_unit_test(a_certificate_that_has_expired_is_refused),
        cmocka_unit_test(a_wrong_password_is_refused),
        cmocka_unit_test(answers_come_out_of_records_in_order),
        cmocka_unit_test(what_the_socket_does_not_take_is_kept),
        cmocka_unit_test(closing_gives_up_what_is_kept),
        cmocka_unit_test(a_server_that_closes_is_read_as_the_end),
        cmocka_unit_test(what_is_no_tls_is_a_failure),
        cmocka_unit_test(records_may_come_in_slices),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
