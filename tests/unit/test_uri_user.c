/* Users and passwords in URIs: what must be percent-encoded, and what is no part of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mongo/base/uri_user.h"

static void what_is_not_encoded_is_refused_by_its_character_alone(void **state) {
    (void)state;
    static const struct {
        const char *uri, *what;
    } cases[] = {
        {"mongodb://ann:s3cr@t@h/", "'@'"},
        {"mongodb://ann:s3cr@t,h/", NULL}, /* a host, for all that is known */
        {"mongodb://a@nn:s3cret@h", "'@'"},
        {"mongodb+srv://ann:s3cr@t@h.x.y/db?tls=true", "'@'"},
        {"mongodb://ann:s3cr@t@h/?appName=a@b", "'@'"},
        {"mongodb://ann:s3/cret@h/", "'/'"},
        {"mongodb://ann:12/cret@h/?tls=true", "'/'"},
        {"mongodb://ann:12/s?cret@h", "'/'"},
        {"mongodb://ann:s3@cr/et@h", "'@'"},
        {"mongodb://ann:s3@cr/e?t@h", "'@'"},
        {"mongodb://ann:s3:cret@h/", "':'"},
        {"mongodb://ann:s3?cret@h/", "'?'"},
        {"mongodb://ann:s3?timeoutMS=cret@h/", "'?'"},
        {"mongodb://ann:s3%zzcret@h/", "'%'"},
        {"mongodb://ann:s3cret%4@h/", "'%'"},
        {"mongodb://an%n:s3cret@h/", "'%'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mouv_error_t error = {0};
        int rc = mouv__uri_user_check(cases[i].uri, &error);
        if (!cases[i].what) {
            assert_int_equal(rc, 0);
            continue;
        }
        assert_int_equal(rc, MOUV_EINVAL);
        assert_non_null(strstr(error.message, cases[i].what));
        assert_non_null(strstr(error.message, "must be percent-encoded"));
        assert_null(strstr(error.message, "s3"));
        assert_null(strstr(error.message, "cret"));
    }
}

static void what_is_encoded_or_elsewhere_is_taken(void **state) {
    (void)state;
    static const char *const uris[] = {"mongodb://h",
                                       "mongodb://h/?appName=a@b",
                                       "mongodb://h:1,i:2/db?appName=a@b&w=1",
                                       "mongodb://ann:s%40%3A%2F%3F%25@h/db?appName=a@b",
                                       "mongodb://ann:s#[]!$&'()*+,;=@h/",
                                       "mongodb://ann:@h/",
                                       "mongodb://ann@h",
                                       "mongodb://ann:s@%2Ftmp%2Fmongodb-1.sock/db",
                                       "mongodb://ann:s@h?appName=a@b",
                                       "ann:s@h",
                                       "://",
                                       ""};
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
        mouv_error_t error = {0};
        assert_int_equal(mouv__uri_user_check(uris[i], &error), 0);
    }
}

static void a_user_needs_a_password_but_for_some_mechanisms(void **state) {
    (void)state;
    static const struct {
        const char *uri;
        int rc;
    } cases[] = {
        {"mongodb://h/", 0},
        {"mongodb://ann:s@h/", 0},
        {"mongodb://ann@h/", MOUV_EINVAL},
        {"mongodb://ann@h/?authMechanism=SCRAM-SHA-256", MOUV_EINVAL},
        {"mongodb://ann@h/?authMechanism=PLAIN", MOUV_EINVAL},
        {"mongodb://ann@h/?authMechanism=MONGODB-X509&tls=true", 0},
        {"mongodb://ann%40X@h/?authMechanism=GSSAPI&authSource=$external", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mouv_error_t error = {0};
        mongoc_uri_t *uri = mongoc_uri_new(cases[i].uri);
        if (!uri) continue; /* libmongoc refuses it by itself */
        assert_int_equal(mouv__uri_user_check_password(uri, &error), cases[i].rc);
        mongoc_uri_destroy(uri);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_encoded_is_refused_by_its_character_alone),
        cmocka_unit_test(what_is_encoded_or_elsewhere_is_taken),
        cmocka_unit_test(a_user_needs_a_password_but_for_some_mechanisms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
