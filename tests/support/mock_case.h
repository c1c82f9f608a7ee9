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

/** A counter of the mock server's, once it has become at least `expected` or ten seconds are over: what a client
 * has done to a connection the server sees a little later. */
static inline uint64_t mock_becomes(uint64_t (*counter)(void), uint64_t expected) {
    for (int i = 0; i < 2000 && counter() < expected; i++) mouv_sleep_ms(5);
    return counter();
}

static inline mock_server_stats_t mock_stats(void) {
    mock_server_stats_t stats;
    mock_server_get_stats(mock, &stats);
    return stats;
}

/** Connections that clients have reset; those that they have made. */
static inline uint64_t mock_resets(void) {
    return mock_stats().reset;
}

static inline uint64_t mock_accepted(void) {
    return mock_stats().accepted;
}

static inline mouv_collection_t *users_of(mouv_client_t *client) {
    return mouv_client_get_collection(client, "app", "users");
}

#define MOCK_TEST(name) cmocka_unit_test_setup_teardown(name, mock_case_start, mock_case_stop)

#endif
