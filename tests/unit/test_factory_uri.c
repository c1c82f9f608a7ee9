/*
 * The URI of one host of a deployment: whose options, credentials and compressors it has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mongo/base/libmongoc.h"
#include "mongo/transport/driver/factory_uri.h"

static mongoc_uri_t *of(const char *text, const char *host) {
    bson_error_t error = {0};
    mouv__libmongoc_init();
    mongoc_uri_t *uri = mongoc_uri_new_with_error(text, &error);
    if (!uri) fail_msg("%s", error.message);
    mongoc_uri_t *made = mouv__factory_uri_new(uri, host, &error);
    if (!made) fail_msg("%s", error.message);
    mongoc_uri_destroy(uri);
    return made;
}

static void it_is_of_one_host_directly(void **state) {
    (void)state;
    mongoc_uri_t *made = of("mongodb://a,b:2,c/?replicaSet=set", "b:2");
    const mongoc_host_list_t *hosts = mongoc_uri_get_hosts(made);
    assert_string_equal(hosts->host_and_port, "b:2");
    assert_null(hosts->next);
    assert_null(mongoc_uri_get_replica_set(made));
    assert_true(mongoc_uri_get_option_as_bool(made, MONGOC_URI_DIRECTCONNECTION, false));
    mongoc_uri_destroy(made);
}

static void a_host_may_be_an_address_or_a_path(void **state) {
    (void)state;
    mongoc_uri_t *made = of("mongodb://a", "[::1]:27018");
    assert_string_equal(mongoc_uri_get_hosts(made)->host, "::1");
    assert_int_equal(mongoc_uri_get_hosts(made)->port, 27018);
    mongoc_uri_destroy(made);
    made = of("mongodb://a", "/tmp/some folder/mongodb-27017.sock");
    assert_string_equal(mongoc_uri_get_hosts(made)->host, "/tmp/some folder/mongodb-27017.sock");
    mongoc_uri_destroy(made);
}

static void a_host_that_is_none_is_an_error(void **state) {
    (void)state;
    static char path[1000] = "/";
    bson_error_t error = {0};
    mongoc_uri_t *uri = mongoc_uri_new("mongodb://a");
    memset(path + 1, '%', sizeof(path) - 2);
    assert_null(mouv__factory_uri_new(uri, path, &error));
    assert_int_equal(error.domain, MONGOC_ERROR_CLIENT);
    mongoc_uri_destroy(uri);
}

static void options_are_the_deployments(void **state) {
    (void)state;
    mongoc_uri_t *made = of("mongodb://a,b/?tls=true&tlsCAFile=ca.crt&connectTimeoutMS=123"
                            "&appName=it&tlsAllowInvalidHostnames=true&socketTimeoutMS=77",
                            "b");
    assert_true(mongoc_uri_get_tls(made));
    assert_string_equal(mongoc_uri_get_option_as_utf8(made, MONGOC_URI_TLSCAFILE, ""), "ca.crt");
    assert_int_equal(mongoc_uri_get_option_as_int32(made, MONGOC_URI_CONNECTTIMEOUTMS, 0), 123);
    assert_int_equal(mongoc_uri_get_option_as_int32(made, MONGOC_URI_SOCKETTIMEOUTMS, 0), 77);
    assert_string_equal(mongoc_uri_get_appname(made), "it");
    assert_true(mongoc_uri_get_option_as_bool(made, MONGOC_URI_TLSALLOWINVALIDHOSTNAMES, false));
    mongoc_uri_destroy(made);
}

static void a_load_balancer_stays_one(void **state) {
    (void)state;
    mongoc_uri_t *made = of("mongodb://a/?loadBalanced=true", "a:27017");
    assert_true(mongoc_uri_get_option_as_bool(made, MONGOC_URI_LOADBALANCED, false));
    assert_false(mongoc_uri_has_option(made, MONGOC_URI_DIRECTCONNECTION));
    mongoc_uri_destroy(made);
}

static void credentials_are_the_deployments(void **state) {
    (void)state;
    mongoc_uri_t *made =
        of("mongodb://ada%40x:s%2Fcret@a,b/db?authMechanism=SCRAM-SHA-256&authSource=elsewhere",
           "b:1");
    assert_string_equal(mongoc_uri_get_username(made), "ada@x");
    assert_string_equal(mongoc_uri_get_password(made), "s/cret");
    assert_string_equal(mongoc_uri_get_auth_mechanism(made), "SCRAM-SHA-256");
    assert_string_equal(mongoc_uri_get_auth_source(made), "elsewhere");
    mongoc_uri_destroy(made);
    made = of("mongodb://ada:secret@a,b/db", "b:1"); /* the database names where she is known */
    assert_string_equal(mongoc_uri_get_auth_source(made), "db");
    assert_null(mongoc_uri_get_auth_mechanism(made));
    mongoc_uri_destroy(made);
    made =
        of("mongodb://a,b/?authMechanism=MONGODB-X509&tlsCertificateKeyFile=x.pem&tls=true", "b:1");
    assert_null(mongoc_uri_get_username(made));
    assert_string_equal(mongoc_uri_get_auth_mechanism(made), "MONGODB-X509");
    assert_string_equal(mongoc_uri_get_auth_source(made), "$external");
    mongoc_uri_destroy(made);
    made = of("mongodb://a", "a:1");
    assert_null(mongoc_uri_get_username(made));
    assert_null(mongoc_uri_get_auth_mechanism(made));
    mongoc_uri_destroy(made);
}

static void a_mechanisms_properties_come_along(void **state) {
    (void)state;
    bson_t properties;
    bson_iter_t iter;
    mongoc_uri_t *made = of("mongodb://key:secret@a/?authMechanism=MONGODB-AWS&authSource=$external"
                            "&authMechanismProperties=AWS_SESSION_TOKEN:token",
                            "a:1");
    assert_true(mongoc_uri_get_mechanism_properties(made, &properties));
    assert_true(bson_iter_init_find_case(&iter, &properties, "AWS_SESSION_TOKEN"));
    assert_string_equal(bson_iter_utf8(&iter, NULL), "token");
    mongoc_uri_destroy(made);
}

static void compressors_come_along_in_their_order(void **state) {
    (void)state;
    bson_iter_t iter;
    mongoc_uri_t *made = of("mongodb://a,b/?compressors=zlib&zlibCompressionLevel=3", "b:1");
    assert_int_equal(mongoc_uri_get_option_as_int32(made, MONGOC_URI_ZLIBCOMPRESSIONLEVEL, 0), 3);
#ifdef MOUV_HAVE_ZLIB
    assert_true(bson_iter_init(&iter, mongoc_uri_get_compressors(made)));
    assert_true(bson_iter_next(&iter));
    assert_string_equal(bson_iter_key(&iter), "zlib");
    assert_false(bson_iter_next(&iter));
#else
    (void)iter;
#endif
    mongoc_uri_destroy(made);
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(it_is_of_one_host_directly),
        cmocka_unit_test(a_host_may_be_an_address_or_a_path),
        cmocka_unit_test(a_host_that_is_none_is_an_error),
        cmocka_unit_test(options_are_the_deployments),
        cmocka_unit_test(a_load_balancer_stays_one),
        cmocka_unit_test(credentials_are_the_deployments),
        cmocka_unit_test(a_mechanisms_properties_come_along),
        cmocka_unit_test(compressors_come_along_in_their_order),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
