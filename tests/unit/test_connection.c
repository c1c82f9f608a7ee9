/*
 * Connections: their links to servers, what an exchange tells of one, when they are busy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "context/alloc.h"
#include "mongo/transport/connection.h"

static mouv__connection_t connection;

static int set_up(void **state) {
    (void)state;
    connection = (mouv__connection_t){0};
    mouv__connection_init(&connection);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    mouv__connection_clear(&connection);
    assert_null(connection.links);
    return 0;
}

static void a_new_one_is_neither_busy_nor_connected(void **state) {
    (void)state;
    assert_int_equal(connection.state, MOUV__CONNECTION_NEW);
    assert_false(mouv__connection_is_busy(&connection));
    assert_false(mouv__connection_is_ready(&connection, 1));
    assert_null(mouv__connection_link(&connection, 1));
    assert_ptr_equal(connection.sessions.connection, &connection);
}

static void it_is_busy_while_it_is_set_up_and_in_use(void **state) {
    (void)state;
    static const struct {
        mouv__connection_state_t state;
        bool busy;
    } way[] = {{MOUV__CONNECTION_SETTING_UP, true}, {MOUV__CONNECTION_IDLE, false},
               {MOUV__CONNECTION_IN_USE, true},     {MOUV__CONNECTION_IDLE, false},
               {MOUV__CONNECTION_POLLING, true},    {MOUV__CONNECTION_KEPT, true},
               {MOUV__CONNECTION_IN_USE, true},     {MOUV__CONNECTION_KEPT, true},
               {MOUV__CONNECTION_POLLING, true},    {MOUV__CONNECTION_IDLE, false},
               {MOUV__CONNECTION_SETTING_UP, true}};
    for (size_t i = 0; i < sizeof way / sizeof *way; i++) {
        mouv__connection_move(&connection, way[i].state);
        assert_int_equal(connection.state, way[i].state);
        assert_int_equal(mouv__connection_is_busy(&connection), way[i].busy);
    }
}

static void a_hello_says_which_server_is_behind_a_balancer(void **state) {
    (void)state;
    bson_t *hello = BCON_NEW("ok", BCON_INT32(1)), *balanced = BCON_NEW("ok", BCON_INT32(1));
    bson_oid_t id;
    bson_oid_init_from_string(&id, "0123456789abcdef01234567");
    BSON_APPEND_OID(balanced, "serviceId", &id);
    mouv__connection_note_service(&connection, balanced);
    assert_true(connection.setting_up.balanced);
    assert_true(bson_oid_equal(&connection.setting_up.service_id, &id));
    mouv__connection_note_service(&connection, hello);
    assert_false(connection.setting_up.balanced);
    mouv__connection_note_service(&connection, NULL);
    assert_false(connection.setting_up.balanced);
    bson_destroy(hello);
    bson_destroy(balanced);
}

static void a_link_is_made_once_a_server(void **state) {
    (void)state;
    mouv__server_link_t *one = mouv__connection_add_link(&connection, 1);
    mouv__server_link_t *two = mouv__connection_add_link(&connection, 2);
    assert_true(one && two && one != two);
    assert_int_equal(two->server_id, 2);
    assert_ptr_equal(mouv__connection_link(&connection, 1), one);
    assert_ptr_equal(mouv__connection_link(&connection, 2), two);
    assert_ptr_equal(mouv__connection_add_link(&connection, 1), one);
    assert_true(mouv__connection_is_ready(&connection, 1));
}

static void a_link_that_was_cut_is_not_ready_until_it_is_added_anew(void **state) {
    (void)state;
    mouv__server_link_t *link = mouv__connection_add_link(&connection, 1);
    mouv__connection_add_link(&connection, 2);
    assert_null(mouv__connection_find_link(&connection, MOUV__LINK_CUT));
    link->state = MOUV__LINK_CUT;
    assert_false(mouv__connection_is_ready(&connection, 1));
    assert_ptr_equal(mouv__connection_find_link(&connection, MOUV__LINK_CUT), link);
    mouv__connection_add_link(&connection, 1);
    assert_true(mouv__connection_is_ready(&connection, 1));
}

static void dropping_takes_that_link_and_no_other(void **state) {
    (void)state;
    for (uint32_t id = 1; id <= 3; id++) mouv__connection_add_link(&connection, id);
    mouv__connection_drop_link(&connection, 2);
    mouv__connection_drop_link(&connection, 4); /* harmless */
    assert_true(mouv__connection_is_ready(&connection, 1));
    assert_false(mouv__connection_is_ready(&connection, 2));
    assert_true(mouv__connection_is_ready(&connection, 3));
}

static void an_exchange_tells_whether_it_is_connected(void **state) {
    (void)state;
    mouv__connection_note(&connection, 1, false);
    assert_null(connection.links);
    mouv__connection_note(&connection, 1, true);
    assert_true(mouv__connection_is_ready(&connection, 1));
    mouv__connection_note(&connection, 1, false);
    assert_null(connection.links);
}

static void without_memory_there_is_no_link(void **state) {
    (void)state;
    mouv__alloc_fail_at = 1;
    assert_null(mouv__connection_add_link(&connection, 1));
    mouv__alloc_fail_at = -1;
    assert_null(connection.links);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_new_one_is_neither_busy_nor_connected),
        CASE(it_is_busy_while_it_is_set_up_and_in_use),
        CASE(a_hello_says_which_server_is_behind_a_balancer),
        CASE(a_link_is_made_once_a_server),
        CASE(a_link_that_was_cut_is_not_ready_until_it_is_added_anew),
        CASE(dropping_takes_that_link_and_no_other),
        CASE(an_exchange_tells_whether_it_is_connected),
        CASE(without_memory_there_is_no_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
