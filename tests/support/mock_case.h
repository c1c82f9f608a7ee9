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

/** mock_server_resets(), once it has become at least `expected` or ten seconds are over: the server sees
 * what a client has done to a connection a little later. */
static inline uint64_t resets_become(const char *command, uint64_t expected) {
    for (int i = 0; i < 2000 && mock_server_resets(mock, command) < expected; i++) mouv_sleep_ms(5);
    return mock_server_resets(mock, command);
}

/** How many connections clients have made. */
static inline uint64_t accepted(void) {
    mock_server_stats_t stats;
    mock_server_get_stats(mock, &stats);
    return stats.accepted;
}

static inline mouv_collection_t *users_of(mouv_client_t *client) {
    return mouv_client_get_collection(client, "app", "users");
}

#define MOCK_TEST(name) cmocka_unit_test_setup_teardown(name, mock_case_start, mock_case_stop)

#endif
