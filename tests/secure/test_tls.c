/*
 * TLS, authentication and compression against a server that insists on the first two, and what a
 * program is told where they fail. See tests/support/with-secure-server.
 */
#include <stdlib.h>

#include "support/support.h"

#define SOON "&serverSelectionTimeoutMS=1500"

/** "%h", "%e", "%w" and "%f" stand for the server, its bad doors and the folder of certificates. */
static const char *uri_of(const char *pattern) {
    static char uri[1000];
    size_t used = 0;
    for (; *pattern && used < sizeof uri - 1; pattern++) {
        const char *value = NULL;
        if (strncmp(pattern, "%h", 2) == 0) value = getenv("SECURE_HOST");
        if (strncmp(pattern, "%e", 2) == 0) value = getenv("SECURE_EXPIRED");
        if (strncmp(pattern, "%w", 2) == 0) value = getenv("SECURE_ELSEWHERE");
        if (strncmp(pattern, "%f", 2) == 0) value = getenv("SECURE_FOLDER");
        if (value)
            used += (size_t)snprintf(uri + used, sizeof uri - used, "%s", value), pattern++;
        else
            uri[used++] = *pattern;
    }
    uri[used < sizeof uri ? used : sizeof uri - 1] = '\0';
    return uri;
}

#define ROOT "mongodb://root:secret@"
#define TLS "/?tls=true&tlsCAFile=%f/ca.crt"
#define DIRECT "&directConnection=true"
#define X509 "&authMechanism=MONGODB-X509&tlsCertificateKeyFile=%f/"

/** One ping with a client of this URI. */
static int ping_with(test_t *t, const char *pattern, const mouv_client_opts_t *opts) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri_of(pattern), opts, &t->error);
    return client ? await(t, mouv_client_ping(client)) : t->error.code;
}

/** Who the server thinks this is: {user, db} of the first. */
static int asked_name(test_t *t, const char *pattern, char *name, size_t size) {
    AUTO_BSON *status = NULL;
    const char *user = "";
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri_of(pattern), NULL, &t->error);
    CHECK(client != NULL);
    mouv_database_t *admin = mouv_client_get_database(client, "admin");
    CHECK_INT(
        await(t, mouv_database_command(admin, json(t, "{'connectionStatus': 1}"), NULL, &status)),
        0);
    CHECK_INT(mouv_bson_get_utf8(status, "authInfo.authenticatedUsers.0.user", &user, NULL), 0);
    snprintf(name, size, "%s", user);
    return 0;
}

/* --- who goes in ------------------------------------------------------------------------------ */

CASE(every_mechanism_goes_in_as_its_user) {
    static const struct {
        const char *uri, *user;
    } ways[] = {
        {"mongodb://root:secret@%h" TLS, "root"},
        {"mongodb://old:secret@%h" TLS, "old"},
        {"mongodb://old:secret@%h" TLS "&authMechanism=SCRAM-SHA-1", "old"},
        {"mongodb://new:secret@%h" TLS "&authMechanism=SCRAM-SHA-256", "new"},
        {"mongodb://%h" TLS X509 "client.pem", "CN=ada,OU=people,O=mouv clients"},
        {"mongodb://%h" TLS X509 "locked.pem&tlsCertificateKeyFilePassword=sesame",
         "CN=ada,OU=people,O=mouv clients"},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        char user[100] = "";
        CHECK_INT(asked_name(t, ways[i].uri, user, sizeof user), 0);
        CHECK_STRING(user, ways[i].user);
    }
    return 0;
}

CASE(certificates_may_be_waved_through) {
    CHECK_INT(ping_with(t, ROOT "%e" TLS DIRECT "&tlsAllowInvalidCertificates=true", NULL), 0);
    CHECK_INT(ping_with(t, ROOT "%w" TLS DIRECT "&tlsAllowInvalidHostnames=true", NULL), 0);
    CHECK_INT(ping_with(t, ROOT "%w/?tls=true&tlsInsecure=true" DIRECT, NULL), 0);
    return 0;
}

CASE(authorities_may_be_a_folder) {
    char folder[600];
    snprintf(folder, sizeof folder, "%s/authorities", getenv("SECURE_FOLDER"));
    mouv_client_opts_t opts = {.tls_ca_dir = folder};
    CHECK_INT(ping_with(t, ROOT "%h/?tls=true" SOON, &opts), 0);
    CHECK_INT(ping_with(t, ROOT "%h/?tls=true" SOON, NULL), MOUV_ESELECTION);
    return 0;
}

/* --- who does not ----------------------------------------------------------------------------- */

CASE(a_wrong_password_fails_at_once_and_says_so) {
    static const char *const wrong[] = {
        "mongodb://root:guess@%h" TLS,
        "mongodb://nobody:secret@%h" TLS,
        "mongodb://root:secret@%h" TLS "&authSource=elsewhere",
        "mongodb://old:secret@%h" TLS "&authMechanism=SCRAM-SHA-256",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_INT(ping_with(t, wrong[i], NULL), MOUV_ESERVER);
        CHECK_STRING(t->error.code_name, "AuthenticationFailed");
        CHECK_CONTAINS(t->error.message, "uthentication");
    }
    return 0;
}

/** The `times` next connections of "victim" are cut as they authenticate. */
static int cut_authentication(test_t *t, int times) {
    char command[300];
    snprintf(command, sizeof command,
             "{'configureFailPoint': 'failCommand', 'mode': {'times': %d}, 'data': {'appName': "
             "'victim', 'failCommands': ['saslStart', 'saslContinue', 'authenticate'], "
             "'closeConnection': true}}",
             times);
    return set_fail_point(t, command);
}

CASE(a_connection_that_is_cut_as_it_authenticates_is_tried_again) {
    AUTO_BSON *found = NULL;
    MOUV_AUTO_CLIENT mouv_client_t *client =
        mouv_client_new(uri_of(ROOT "%h" TLS "&appName=victim"), NULL, &t->error);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    CHECK_INT(cut_authentication(t, 1), 0);
    CHECK_INT(await(t, mouv_collection_find_one(users, json(t, "{}"), NULL, &found)), 0);
    MOUV_AUTO_CLIENT mouv_client_t *other =
        mouv_client_new(uri_of(ROOT "%h" TLS "&appName=victim"), NULL, &t->error);
    users = mouv_client_get_collection(other, t->database_name, "users");
    CHECK_INT(cut_authentication(t, 1), 0);
    CHECK_INT(await(t, mouv_collection_insert_one(users, json(t, "{}"), NULL, NULL)), 1);
    return 0;
}

CASE(connections_that_are_always_cut_as_they_authenticate_are_the_network_s_fault) {
    MOUV_AUTO_CLIENT mouv_client_t *client =
        mouv_client_new(uri_of(ROOT "%h" TLS SOON "&appName=victim"), NULL, &t->error);
    CHECK_INT(cut_authentication(t, 100), 0);
    int rc = await(t, mouv_client_ping(client));
    CHECK(rc == MOUV_ENETWORK || rc == MOUV_ESELECTION);
    CHECK_STRING(t->error.code_name, "");
    return fail_no_more(t);
}

CASE(without_credentials_the_server_refuses_each_command) {
    AUTO_BSON *doc = NULL;
    MOUV_AUTO_CLIENT mouv_client_t *client =
        mouv_client_new(uri_of("mongodb://%h" TLS), NULL, &t->error);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    CHECK_INT(await(t, mouv_collection_find_one(users, json(t, "{}"), NULL, &doc)), MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 13);
    CHECK_STRING(t->error.code_name, "Unauthorized");
    return 0;
}

CASE(a_bad_certificate_is_named_with_its_host_and_reason) {
    static const struct {
        const char *uri, *host, *why, *when; /* at once; after some time it might be well */
    } days[] = {
        {ROOT "%e" TLS DIRECT, "SECURE_EXPIRED", "certificate has expired", "server: "},
        {ROOT "%w" TLS DIRECT, "SECURE_ELSEWHERE", "mismatch", "server: "},
        {ROOT "%h/?tls=true&tlsCAFile=%f/other-ca.crt", "SECURE_HOST", "verify failed", "server: "},
        {ROOT "%e,%w" TLS, "SECURE_ELSEWHERE", "certificate has expired", "server: "},
        {ROOT "%e,127.0.0.1:9" TLS SOON, "SECURE_EXPIRED", "certificate has expired", "within 15"},
        {ROOT "%h/?directConnection=true" SOON, "SECURE_HOST", "does it want TLS?", "within 15"},
    };
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        CHECK_INT(ping_with(t, days[i].uri, NULL), MOUV_ESELECTION);
        CHECK_CONTAINS(t->error.message, days[i].why);
        CHECK_CONTAINS(t->error.message, days[i].when);
        CHECK_CONTAINS(t->error.message, getenv(days[i].host));
    }
    return 0;
}

CASE(a_bad_certificate_is_told_again_once_it_has_been_looked_at_again) {
    MOUV_AUTO_CLIENT mouv_client_t *client =
        mouv_client_new(uri_of(ROOT "%e" TLS DIRECT), NULL, &t->error);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(await(t, mouv_client_ping(client)), MOUV_ESELECTION);
        CHECK_CONTAINS(t->error.message, "no suitable server: ");
    }
    return 0;
}

CASE(a_revoked_certificate_is_refused) {
    char list[600];
    snprintf(list, sizeof list, "%s/revoked.crl", getenv("SECURE_FOLDER"));
    mouv_client_opts_t opts = {.tls_crl_file = list};
    CHECK_INT(ping_with(t, ROOT "%h" TLS SOON, &opts), MOUV_ESELECTION);
    CHECK_CONTAINS(t->error.message, "revoked");
    return 0;
}

CASE(a_client_certificate_of_a_stranger_is_refused) {
    CHECK_INT(ping_with(t, "mongodb://%h" TLS SOON X509 "stranger.pem", NULL), MOUV_ESELECTION);
    CHECK_CONTAINS(t->error.message, "does it accept the client's certificate?");
    CHECK_CONTAINS(t->error.message, getenv("SECURE_HOST"));
    return 0;
}

CASE(files_that_cannot_be_used_fail_at_once_by_name) {
    static const struct {
        const char *uri, *what;
    } days[] = {
        {ROOT "%h/?tls=true&tlsCAFile=%f/none.crt", "tlsCAFile"},
        {ROOT "%h/?tls=true&tlsCAFile=%f/index.txt", "index.txt"},
        {ROOT "%h" TLS "&tlsCertificateKeyFile=%f/none.pem", "tlsCertificateKeyFile"},
        {ROOT "%h" TLS "&tlsCertificateKeyFile=%f/client.crt", "client.crt"},
        {ROOT "%h" TLS "&tlsCertificateKeyFile=%f/locked.pem&tlsCertificateKeyFilePassword=open",
         "wrong password"},
    };
    for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
        CHECK_INT(ping_with(t, days[i].uri, NULL), MOUV_EINVAL);
        CHECK_CONTAINS(t->error.message, days[i].what);
    }
    mouv_client_opts_t opts = {.tls_ca_dir = "/"};
    CHECK_INT(ping_with(t, ROOT "%h/", &opts), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "tls_ca_dir without tls=true");
    return 0;
}

/* --- compression ------------------------------------------------------------------------------ */

/** Bytes that the server has unpacked from, and packed for, its clients. */
static int read_counters(test_t *t, const char *compressor, int64_t *from, int64_t *to) {
    AUTO_BSON *status = NULL;
    char path[100];
    mouv_database_t *admin = mouv_client_get_database(t->client, "admin");
    CHECK_INT(await(t, mouv_database_command(admin, json(t, "{'serverStatus': 1}"), NULL, &status)),
              0);
    snprintf(path, sizeof path, "network.compression.%s.decompressor.bytesIn", compressor);
    CHECK_INT(mouv_bson_get_int64(status, path, from, NULL), 0);
    snprintf(path, sizeof path, "network.compression.%s.compressor.bytesOut", compressor);
    CHECK_INT(mouv_bson_get_int64(status, path, to, NULL), 0);
    return 0;
}

static int use_compressor(test_t *t, const char *name) {
    enum { LENGTH = 200000 };
    char uri[700];
    int64_t from = 0, to = 0, from_then = 0, to_then = 0;
    AUTO_BSON *found = NULL;
    snprintf(uri, sizeof uri, "%s&compressors=%s", test_uri(), name);
    char *text = malloc(LENGTH + 1);
    memset(text, 'a', LENGTH);
    text[LENGTH] = '\0';
    AUTO_BSON *document = BCON_NEW("_id", BCON_UTF8(name), "text", BCON_UTF8(text));
    free(text);
    CHECK_INT(read_counters(t, name, &from_then, &to_then), 0);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(uri, NULL, &t->error);
    mouv_collection_t *users = mouv_client_get_collection(client, t->database_name, "users");
    CHECK_INT(await(t, mouv_collection_insert_one(users, document, NULL, NULL)), 1);
    CHECK_INT(await(t, mouv_collection_find_one(users, json(t, "{}"), NULL, &found)), 1);
    CHECK_INT(bson_compare(found, document), 0);
    CHECK_INT(read_counters(t, name, &from, &to), 0);
    CHECK(from > from_then && from - from_then < LENGTH / 4);
    CHECK(to > to_then && to - to_then < LENGTH / 4);
    CHECK_INT(await(t, mouv_collection_delete_many(users, json(t, "{}"), NULL, NULL)), 1);
    return 0;
}

CASE(each_compressor_is_in_use_both_ways) {
    CHECK_INT(use_compressor(t, "zlib"), 0);
    CHECK_INT(use_compressor(t, "zstd"), 0);
    CHECK_INT(use_compressor(t, "snappy"), 0);
    return 0;
}

/* --- over it all ------------------------------------------------------------------------------ */

CASE(the_topology_tells_why_a_server_is_not_reached) {
    MOUV_AUTO_CLIENT mouv_client_t *client =
        mouv_client_new(uri_of(ROOT "%e" TLS DIRECT SOON), NULL, &t->error);
    CHECK_INT(await(t, mouv_client_ping(client)), MOUV_ESELECTION);
    MOUV_AUTO_TOPOLOGY mouv_topology_description_t *topology =
        mouv_client_get_topology(client, &t->error);
    CHECK(topology != NULL);
    CHECK_INT(topology->server_count, 1);
    CHECK_STRING(topology->servers[0].host, getenv("SECURE_EXPIRED"));
    CHECK_STRING(topology->servers[0].type, "Unknown");
    CHECK_CONTAINS(topology->servers[0].error, "certificate has expired");
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(every_mechanism_goes_in_as_its_user),
        cmocka_unit_test(certificates_may_be_waved_through),
        cmocka_unit_test(authorities_may_be_a_folder),
        cmocka_unit_test(a_wrong_password_fails_at_once_and_says_so),
        cmocka_unit_test(a_connection_that_is_cut_as_it_authenticates_is_tried_again),
        cmocka_unit_test(
            connections_that_are_always_cut_as_they_authenticate_are_the_network_s_fault),
        cmocka_unit_test(without_credentials_the_server_refuses_each_command),
        cmocka_unit_test(a_bad_certificate_is_named_with_its_host_and_reason),
        cmocka_unit_test(a_bad_certificate_is_told_again_once_it_has_been_looked_at_again),
        cmocka_unit_test(a_revoked_certificate_is_refused),
        cmocka_unit_test(a_client_certificate_of_a_stranger_is_refused),
        cmocka_unit_test(files_that_cannot_be_used_fail_at_once_by_name),
        cmocka_unit_test(each_compressor_is_in_use_both_ways),
        cmocka_unit_test(the_topology_tells_why_a_server_is_not_reached),
    };
    return RUN_CASES(cases);
}
