/*
 * Options of a URI that are mouv's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "context/alloc.h"
#include "mongo/base/uri_options.h"

static void own_options_are_taken_out_of_the_uri(void **state) {
    (void)state;
    static const struct {
        const char *uri, *rest;
        int64_t timeout_ms, min_pool_size, max_connecting;
    } cases[] = {
        {"mongodb://h", "mongodb://h", -1, -1, -1},
        {"mongodb://h/?tls=true", "mongodb://h/?tls=true", -1, -1, -1},
        {"mongodb://h/?timeoutMS=50", "mongodb://h/", 50, -1, -1},
        {"mongodb://h/?TIMEOUTms=0&tls=true", "mongodb://h/?tls=true", 0, -1, -1},
        {"mongodb://h/?tls=true;timeoutMS=7;w=1", "mongodb://h/?tls=true&w=1", 7, -1, -1},
        {"mongodb://h/?minPoolSize=3", "mongodb://h/", -1, 3, -1},
        {"mongodb://h/?w=1&minpoolsize=0&timeoutMS=9", "mongodb://h/?w=1", 9, 0, -1},
        {"mongodb://h/?maxConnecting=4&minPoolSize=1", "mongodb://h/", -1, 1, 4},
        {"mongodb://h/?minPoolSizes=3&timeout", "mongodb://h/?minPoolSizes=3&timeout", -1, -1, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mouv_error_t error;
        mouv__uri_options_t options;
        char *rest = mouv__uri_options_take(cases[i].uri, &options, &error);
        assert_non_null(rest);
        assert_string_equal(rest, cases[i].rest);
        assert_int_equal(options.timeout_ms, cases[i].timeout_ms);
        assert_int_equal(options.min_pool_size, cases[i].min_pool_size);
        assert_int_equal(options.max_connecting, cases[i].max_connecting);
        mouv__free(rest);
    }
}

static void what_is_no_number_is_refused_by_the_name_of_its_option(void **state) {
    (void)state;
    static const char *const uris[] = {"mongodb://h/?timeoutMS=",
                                       "mongodb://h/?timeoutMS=-1",
                                       "mongodb://h/?timeoutMS=5s",
                                       "mongodb://h/?timeoutMS= 5",
                                       "mongodb://h/?timeoutMS=99999999999999999999",
                                       "mongodb://h/?minPoolSize=-1",
                                       "mongodb://h/?minPoolSize=x"};
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
        mouv_error_t error = {0};
        mouv__uri_options_t options = {.timeout_ms = 17};
        assert_null(mouv__uri_options_take(uris[i], &options, &error));
        assert_int_equal(error.code, MOUV_EINVAL);
        assert_non_null(strstr(error.message, i < 5 ? "'timeoutMS'" : "'minPoolSize'"));
        assert_int_equal(options.timeout_ms, 17);
    }
}

static void negative_times_are_refused_whosever_they_are(void **state) {
    (void)state;
    static const char *const names[] = {"connectTimeoutMS",
                                        "heartbeatFrequencyMS",
                                        "localThresholdMS",
                                        "maxIdleTimeMS",
                                        "wTimeoutMS",
                                        "socketTimeoutMS",
                                        "waitQueueTimeoutMS",
                                        "socketCheckIntervalMS",
                                        "timeoutMS",
                                        "maxStalenessSeconds",
                                        "serverSelectionTimeoutMS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        mouv_error_t error = {0};
        mouv__uri_options_t options;
        char uri[120];
        snprintf(uri, sizeof uri, "mongodb://h/?w=1&%s=-2&tls=true", names[i]);
        assert_null(mouv__uri_options_take(uri, &options, &error));
        assert_int_equal(error.code, MOUV_EINVAL);
        assert_non_null(strstr(error.message, names[i]));
        assert_non_null(strstr(error.message, "got '-2'"));
    }
}

static void times_of_libmongoc_stay_in_the_uri(void **state) {
    (void)state;
    static const char uri[] =
        "mongodb://h/?maxStalenessSeconds=-1&connecttimeoutms=0&socketTimeoutMS=x";
    mouv_error_t error = {0};
    mouv__uri_options_t options;
    char *rest = mouv__uri_options_take(uri, &options, &error);
    assert_string_equal(rest, uri);
    mouv__free(rest);
}

static void without_memory_it_says_so(void **state) {
    (void)state;
    mouv_error_t error = {0};
    mouv__uri_options_t options;
    mouv__alloc_fail_at = 1;
    assert_null(mouv__uri_options_take("mongodb://h", &options, &error));
    mouv__alloc_fail_at = -1;
    assert_int_equal(error.code, MOUV_ENOMEM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_options_are_taken_out_of_the_uri),
        cmocka_unit_test(what_is_no_number_is_refused_by_the_name_of_its_option),
        cmocka_unit_test(negative_times_are_refused_whosever_they_are),
        cmocka_unit_test(times_of_libmongoc_stay_in_the_uri),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
