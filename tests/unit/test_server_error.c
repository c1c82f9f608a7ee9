/*
 * Errors of libmongoc and replies of the server, classified.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mongo/base/error.h"

static mouv_error_t of_driver(uint32_t domain, uint32_t code) {
    bson_error_t driver;
    mouv_error_t error;
    bson_set_error(&driver, domain, code, "why");
    mouv__error_from_driver(&error, &driver);
    return error;
}

static void driver_domains_become_classes(void **state) {
    (void)state;
    assert_int_equal(of_driver(MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET).code,
                     MOUV_ENETWORK);
    assert_int_equal(of_driver(MONGOC_ERROR_SERVER_SELECTION, 1).code, MOUV_ESELECTION);
    assert_int_equal(of_driver(MONGOC_ERROR_SERVER, 26).code, MOUV_ESERVER);
    assert_int_equal(of_driver(MONGOC_ERROR_COMMAND, MONGOC_ERROR_COMMAND_INVALID_ARG).code,
                     MOUV_EINVAL);
    assert_int_equal(of_driver(MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_AUTHENTICATE).code,
                     MOUV_ESERVER);
}

static void connection_lost_while_it_authenticates_is_of_the_network(void **state) {
    (void)state;
    bson_error_t driver;
    mouv_error_t error;
    bson_set_error(&driver, MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_AUTHENTICATE,
                   "Failed to send \"saslStart\" command with database \"admin\": Failed to read");
    mouv__error_from_driver(&error, &driver);
    assert_int_equal(error.code, MOUV_ENETWORK);
    assert_int_equal(error.domain, MONGOC_ERROR_STREAM);
    assert_string_equal(error.code_name, "");
    assert_non_null(strstr(error.message, "saslStart"));
}

static void failed_reply_gives_code_name_text_and_labels(void **state) {
    (void)state;
    bson_t *reply =
        BCON_NEW("ok", BCON_DOUBLE(0), "code", BCON_INT32(10107), "codeName", "NotWritablePrimary",
                 "errmsg", "not primary", "errorLabels", "[", "RetryableWriteError", "]");
    mouv_error_t error;
    mouv__error_from_reply(&error, reply);
    assert_int_equal(error.code, MOUV_ESERVER);
    assert_int_equal(error.server_code, 10107);
    assert_string_equal(error.code_name, "NotWritablePrimary");
    assert_string_equal(error.message, "not primary");
    assert_true(mouv_error_has_label(&error, "RetryableWriteError"));
    assert_true(mouv__error_code_is_retryable(error.server_code));
    bson_destroy(reply);
}

static void failed_reply_without_reason_still_has_a_message(void **state) {
    (void)state;
    bson_t *reply = BCON_NEW("ok", BCON_INT32(0));
    mouv_error_t error;
    mouv__error_from_reply(&error, reply);
    assert_true(error.message[0] != '\0');
    bson_destroy(reply);
}

static void first_write_error_counts_before_the_write_concern(void **state) {
    (void)state;
    bson_t *reply = BCON_NEW("ok", BCON_INT32(1), "n", BCON_INT32(0), "writeErrors", "[", "{",
                             "index", BCON_INT32(0), "code", BCON_INT32(11000), "errmsg", "dup",
                             "}", "]", "writeConcernError", "{", "code", BCON_INT32(64), "}");
    mouv_error_t error;
    bool in_concern = true;
    assert_true(mouv__error_from_write_reply(&error, reply, &in_concern));
    assert_false(in_concern);
    assert_int_equal(error.server_code, 11000);
    assert_true(mouv_error_is_duplicate_key(&error));
    assert_false(mouv__error_reply_did_something(reply));
    bson_destroy(reply);
}

static void write_concern_error_is_told_apart_with_its_labels(void **state) {
    (void)state;
    bson_t *reply = BCON_NEW("ok", BCON_INT32(1), "n", BCON_INT32(1), "writeConcernError", "{",
                             "code", BCON_INT32(91), "errmsg", "shutting down", "errorLabels", "[",
                             "RetryableWriteError", "]", "}");
    mouv_error_t error;
    bool in_concern = false;
    assert_true(mouv__error_from_write_reply(&error, reply, &in_concern));
    assert_true(in_concern);
    assert_true(mouv_error_has_label(&error, "RetryableWriteError"));
    assert_true(mouv__error_reply_did_something(reply));
    bson_destroy(reply);
}

static void clean_reply_is_no_error(void **state) {
    (void)state;
    bson_t *reply = BCON_NEW("ok", BCON_INT32(1), "n", BCON_INT32(1));
    mouv_error_t error;
    bool in_concern;
    assert_false(mouv__error_from_write_reply(&error, reply, &in_concern));
    bson_destroy(reply);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(driver_domains_become_classes),
        cmocka_unit_test(connection_lost_while_it_authenticates_is_of_the_network),
        cmocka_unit_test(failed_reply_gives_code_name_text_and_labels),
        cmocka_unit_test(failed_reply_without_reason_still_has_a_message),
        cmocka_unit_test(first_write_error_counts_before_the_write_concern),
        cmocka_unit_test(write_concern_error_is_told_apart_with_its_labels),
        cmocka_unit_test(clean_reply_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
