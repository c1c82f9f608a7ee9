/*
 * A mock server for each case of a program: MOCK_TEST() in the list of its cases.
 */
#ifndef MOUV_TESTS_MOCK_CASE_H
#define MOUV_TESTS_MOCK_CASE_H

#include "support/mock_server.h"
#include "support/support.h"

static mock_server_t *mock;

static inline int mock_case_start(void **state) {
    (void)state;
    mock = mock_server_start(NULL);
    return mock ? 0 : -1;
}

static inline int mock_case_stop(void **state) {
    (void)state;
    mock_server_stop(mock);
    return 0;
}

static inline mouv_collection_t *users_of(mouv_client_t *client) {
    return mouv_client_get_collection(client, "app", "users");
}

#define MOCK_TEST(name) cmocka_unit_test_setup_teardown(name, mock_case_start, mock_case_stop)

#endif
