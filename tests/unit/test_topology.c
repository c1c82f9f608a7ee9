/*
 * Choosing a server by the picture of the deployment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mongo/topology/topology.h"

#define SERVERS_MAX 4

/* A picture of servers with the ids 1, 2, ... */
static mouv__topology_t *picture(mouv__topology_kind_t kind, const mouv__server_kind_t *kinds,
                                 uint32_t count) {
    mouv__topology_t *topology =
        calloc(1, sizeof(*topology) + SERVERS_MAX * sizeof(topology->servers[0]));
    topology->kind = kind;
    topology->count = count;
    for (uint32_t i = 0; i < count; i++) {
        topology->servers[i].id = i + 1;
        topology->servers[i].kind = kinds[i];
    }
    return topology;
}

/* -1: none suits; 0: a worker chooses; else the id. */
static int choose(const mouv__topology_t *topology, bool write, int mode) {
    mongoc_read_prefs_t *prefs = mode ? mongoc_read_prefs_new((mongoc_read_mode_t)mode) : NULL;
    mouv__criteria_t wish = {.write = write, .read_prefs = prefs};
    uint32_t id = 0;
    bool found = mouv__topology_select(topology, &wish, &id);
    mongoc_read_prefs_destroy(prefs);
    return found ? (int)id : -1;
}

static const mouv__server_kind_t three[] = {MOUV__SERVER_SECONDARY, MOUV__SERVER_PRIMARY,
                                            MOUV__SERVER_SECONDARY};
static const mouv__server_kind_t headless[] = {MOUV__SERVER_SECONDARY, MOUV__SERVER_UNKNOWN};

static void nothing_suits_before_the_first_picture(void **state) {
    (void)state;
    assert_int_equal(choose(NULL, true, 0), -1);
}

static void write_goes_to_the_primary_whatever_the_read_preference(void **state) {
    (void)state;
    mouv__topology_t *set = picture(MOUV__TOPOLOGY_REPLICA_SET, three, 3);
    assert_int_equal(choose(set, true, 0), 2);
    assert_int_equal(choose(set, true, MONGOC_READ_SECONDARY), 2);
    free(set);
}

static void tags_leave_the_choice_to_a_worker(void **state) {
    (void)state;
    static const mouv__server_kind_t alone[] = {MOUV__SERVER_PRIMARY};
    mouv__topology_t *set = picture(MOUV__TOPOLOGY_REPLICA_SET, alone, 1);
    mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(MONGOC_READ_NEAREST);
    mouv__criteria_t wish = {.read_prefs = prefs};
    uint32_t id = 7;
    assert_true(mouv__topology_select(set, &wish, &id));
    assert_int_equal(id, 1);
    bson_t *tag = BCON_NEW("dc", BCON_UTF8("ny"));
    mongoc_read_prefs_add_tag(prefs, tag);
    assert_true(mouv__topology_select(set, &wish, &id));
    assert_int_equal(id, 0);
    bson_destroy(tag);
    mongoc_read_prefs_destroy(prefs);
    free(set);
}

static void read_follows_its_preference_in_a_replica_set(void **state) {
    (void)state;
    mouv__topology_t *set = picture(MOUV__TOPOLOGY_REPLICA_SET, three, 3);
    assert_int_equal(choose(set, false, 0), 2);
    assert_int_equal(choose(set, false, MONGOC_READ_PRIMARY_PREFERRED), 2);
    assert_int_equal(choose(set, false, MONGOC_READ_SECONDARY), 0);
    assert_int_equal(choose(set, false, MONGOC_READ_NEAREST), 0);
    free(set);
}

static void without_primary_only_reads_that_allow_it_go(void **state) {
    (void)state;
    mouv__topology_t *set = picture(MOUV__TOPOLOGY_REPLICA_SET, headless, 2);
    assert_int_equal(choose(set, true, 0), -1);
    assert_int_equal(choose(set, false, 0), -1);
    assert_int_equal(choose(set, false, MONGOC_READ_SECONDARY_PREFERRED), 0);
    assert_int_equal(choose(set, false, MONGOC_READ_PRIMARY_PREFERRED), 0);
    free(set);
}

static void one_mongos_is_named_of_several_a_worker_chooses(void **state) {
    (void)state;
    const mouv__server_kind_t kinds[] = {MOUV__SERVER_UNKNOWN, MOUV__SERVER_MONGOS,
                                         MOUV__SERVER_MONGOS};
    mouv__topology_t *sharded = picture(MOUV__TOPOLOGY_SHARDED, kinds, 2);
    assert_int_equal(choose(sharded, true, 0), 2);
    sharded->count = 3;
    sharded->servers[2] = (mouv__server_t){.id = 3, .kind = MOUV__SERVER_MONGOS};
    assert_int_equal(choose(sharded, true, 0), 0);
    free(sharded);
}

/* As choose(), with the server of this id barred. */
static int pick(const mouv__topology_t *topology, int mode, uint32_t barred_id, uint32_t turn,
                const bson_t *tag) {
    mongoc_read_prefs_t *prefs = mongoc_read_prefs_new((mongoc_read_mode_t)mode);
    if (tag) mongoc_read_prefs_add_tag(prefs, tag);
    mouv__criteria_t wish = {.read_prefs = prefs, .barred = UINT64_C(1) << barred_id};
    uint32_t id = 0;
    bool found = mouv__topology_pick(topology, &wish, turn, &id);
    mongoc_read_prefs_destroy(prefs);
    return found ? (int)id : -1;
}

static void barred_server_is_left_out_and_another_one_picked(void **state) {
    (void)state;
    mouv__topology_t *set = picture(MOUV__TOPOLOGY_REPLICA_SET, three, 3);
    bson_t *tag = BCON_NEW("dc", BCON_UTF8("ny"));
    assert_int_equal(pick(set, MONGOC_READ_PRIMARY, 2, 0, NULL), -1);
    assert_int_equal(pick(set, MONGOC_READ_PRIMARY_PREFERRED, 2, 0, NULL), 1);
    assert_int_equal(pick(set, MONGOC_READ_PRIMARY_PREFERRED, 2, 1, NULL), 3);
    assert_int_equal(pick(set, MONGOC_READ_PRIMARY_PREFERRED, 1, 0, NULL), 2);
    assert_int_equal(pick(set, MONGOC_READ_SECONDARY, 1, 0, NULL), 3);
    assert_int_equal(pick(set, MONGOC_READ_SECONDARY, 1, 1, NULL), 3);
    assert_int_equal(pick(set, MONGOC_READ_NEAREST, 1, 0, NULL), 2);
    assert_int_equal(pick(set, MONGOC_READ_NEAREST, 1, 1, NULL), 3);
    assert_int_equal(pick(set, MONGOC_READ_SECONDARY, 1, 0, tag), 0);
    bson_destroy(tag);
    free(set);
}

static void standalone_takes_everything_but_no_txn_number(void **state) {
    (void)state;
    const mouv__server_kind_t kinds[] = {MOUV__SERVER_STANDALONE};
    mouv__topology_t *single = picture(MOUV__TOPOLOGY_SINGLE, kinds, 1);
    assert_int_equal(choose(single, true, 0), 1);
    assert_false(mouv__topology_retries_writes(single));
    single->servers[0].kind = MOUV__SERVER_PRIMARY; /* directConnection=true */
    assert_true(mouv__topology_retries_writes(single));
    single->servers[0].kind = MOUV__SERVER_UNKNOWN;
    assert_int_equal(choose(single, true, 0), -1);
    free(single);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_suits_before_the_first_picture),
        cmocka_unit_test(write_goes_to_the_primary_whatever_the_read_preference),
        cmocka_unit_test(read_follows_its_preference_in_a_replica_set),
        cmocka_unit_test(tags_leave_the_choice_to_a_worker),
        cmocka_unit_test(without_primary_only_reads_that_allow_it_go),
        cmocka_unit_test(one_mongos_is_named_of_several_a_worker_chooses),
        cmocka_unit_test(barred_server_is_left_out_and_another_one_picked),
        cmocka_unit_test(standalone_takes_everything_but_no_txn_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
