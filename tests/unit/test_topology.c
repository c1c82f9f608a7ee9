/*
 * The picture of the deployment: servers that last while snapshots come and go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "mongo/topology/topology.h"
#include "topology_support.h"

/* What was told, one line each. */
typedef struct told {
    char text[400];
} told_t;

static void note(void *arg, const char *what, const mouv__server_t *server, int was) {
    told_t *told = arg;
    size_t used = strlen(told->text);
    snprintf(told->text + used, sizeof told->text - used, "%s %s %d-%d;", what, server->host, was,
             (int)server->kind);
}

static void on_changed(void *arg, mouv__server_t *server, mouv__server_kind_t was) {
    note(arg, "changed", server, (int)was);
}

static void on_gone(void *arg, mouv__server_t *server) {
    note(arg, "gone", server, 0);
}

static void on_lost(void *arg, mouv__server_t *server) {
    note(arg, "lost", server, 0);
}

static const mouv__topology_ops_t ops = {.server_changed = on_changed,
                                         .server_lost = on_lost,
                                         .server_gone = on_gone,
                                         .server_heard = unheard};

static void apply(mouv__topology_t *topology, const char *json, bson_t **kept) {
    *kept = from_json(json);
    mouv__topology_apply(topology, snapshot_from(*kept));
}

static void server_that_is_dropped_is_gone_and_the_others_stay(void **state) {
    (void)state;
    told_t told = {""};
    bson_t *kept;
    mouv__topology_t *topology = topology_with(&ops, &told);
    apply(
        topology,
        "{'type': 'Sharded', 'servers': [{'address': 'a', 'type': 'Mongos', 'maxWireVersion': 13},"
        "{'address': 'b', 'type': 'Mongos', 'maxWireVersion': 14},"
        "{'address': 'c', 'type': 'Mongos', 'maxWireVersion': 15}]}",
        &kept);
    mouv__server_t *a = mouv__topology_server(topology, 1), *c = mouv__topology_server(topology, 3);
    mouv__server_t *held = mouv__server_ref(mouv__topology_server(topology, 2));
    told.text[0] = '\0';
    mouv__topology_drop(topology, 1);
    assert_string_equal(told.text, "gone b 0-0;");
    assert_int_equal(topology->count, 2);
    assert_int_equal(topology->snapshot->described->server_count, 2);
    assert_null(mouv__topology_server(topology, 2));
    assert_false(mouv__server_is_known(held));
    assert_ptr_equal(mouv__topology_server(topology, 1), a);
    assert_ptr_equal(mouv__topology_server(topology, 3), c);
    assert_string_equal(c->described->host, "c");
    assert_ptr_equal(c->described, &topology->snapshot->described->servers[1]);
    mouv__topology_drop(topology, 1);
    mouv__topology_drop(topology, 0);
    assert_int_equal(topology->count, 0);
    mouv__server_unref(held);
    mouv__topology_free(topology);
    bson_destroy(kept);
}

static void servers_that_stay_keep_their_object_and_what_was_measured(void **state) {
    (void)state;
    told_t told = {""};
    bson_t *first, *second;
    mouv__topology_t *topology = topology_with(&ops, &told);
    apply(topology,
          "{'type': 'ReplicaSetWithPrimary', 'servers': ["
          "{'address': 'a', 'id': 1, 'type': 'RSPrimary', 'avg_rtt_ms': 7, 'maxWireVersion': 13},"
          "{'address': 'b', 'id': 2, 'type': 'RSSecondary'},"
          "{'address': 'c', 'id': 3, 'type': 'Unknown'}]}",
          &first);
    assert_string_equal(told.text, "changed a 0-3;changed b 0-4;");
    told.text[0] = '\0';
    mouv__server_t *a = mouv__topology_server(topology, 1), *c = mouv__topology_server(topology, 3);
    assert_int_equal(a->wire_version, 13);
    assert_int_equal(mouv__rtt_average_ns(&a->rtt), 7000000);
    mouv__rtt_add(&a->rtt, 50);
    a->operations = 4;
    apply(topology,
          "{'type': 'ReplicaSetWithPrimary', 'servers': ["
          "{'address': 'c', 'id': 3, 'type': 'RSPrimary', 'tags': {'dc': 'ny'}},"
          "{'address': 'a', 'id': 1, 'type': 'RSSecondary', 'avg_rtt_ms': 9, 'maxWireVersion': 17},"
          "{'address': 'd', 'id': 67, 'type': 'RSSecondary'}]}",
          &second);
    bson_destroy(first);
    assert_string_equal(told.text, "gone b 0-0;changed c 0-3;changed a 3-4;changed d 0-4;");
    assert_ptr_equal(mouv__topology_server(topology, 1), a);
    assert_ptr_equal(mouv__topology_server(topology, 3), c);
    assert_int_equal(a->operations, 4);
    assert_int_equal(a->wire_version, 17);
    assert_int_equal(mouv__rtt_average_ns(&a->rtt), 50);
    assert_non_null(c->tags);
    assert_null(mouv__topology_server(topology, 2));
    assert_string_equal(mouv__topology_server(topology, 67)->host, "d");
    assert_ptr_equal(a->described, &topology->snapshot->described->servers[1]);
    mouv__topology_free(topology);
    bson_destroy(second);
}

static void server_that_was_lost_for_a_while_is_told_of_as_lost_and_back(void **state) {
    (void)state;
    static const char json[] =
        "{'type': 'Single', 'servers': [{'address': 'a', 'id': 1, 'type': 'Standalone'}]}";
    told_t told = {""};
    bson_t *first, *kept = from_json(json);
    mouv__topology_t *topology = topology_with(&ops, &told);
    apply(topology, json, &first);
    told.text[0] = '\0';
    mouv__snapshot_t *second = snapshot_from(kept);
    second->servers[0]->lost = true;
    mouv__topology_apply(topology, second);
    assert_string_equal(told.text, "lost a 0-1;changed a 1-1;");
    mouv__topology_free(topology);
    bson_destroy(first);
    bson_destroy(kept);
}

static void server_that_is_held_outlives_the_deployment(void **state) {
    (void)state;
    told_t told = {""};
    bson_t *first, *second;
    mouv__topology_t *topology = topology_with(&ops, &told);
    apply(topology,
          "{'type': 'Sharded', 'servers': [{'address': 'a', 'type': 'Mongos', 'tags': {}}]}",
          &first);
    mouv__server_t *a = mouv__server_ref(topology->servers[0]);
    apply(topology, "{'type': 'Sharded', 'servers': []}", &second);
    assert_string_equal(a->host, "a");
    assert_false(mouv__server_is_known(a));
    assert_null(a->described);
    assert_null(a->tags);
    mouv__server_unref(a);
    mouv__topology_free(topology);
    bson_destroy(first);
    bson_destroy(second);
}

static void heartbeats_bring_samples_and_a_loss_drops_those_before(void **state) {
    (void)state;
    bson_t *json;
    mouv__topology_t *topology = topology_with(NULL, NULL);
    apply(topology,
          "{'type': 'Single', 'servers': [{'address': 'a', 'type': 'Standalone',"
          "'lastUpdateTime': 100, 'lastWrite': {'lastWriteDate': {'$numberLong': '5'}}}]}",
          &json);
    mouv__server_t *a = topology->servers[0];
    assert_int_equal(a->last_write_ms, 5);
    mouv__heartbeats_t beats = {.answered = true,
                                .count = 2,
                                .samples_ns = {10, 20},
                                .updated_ms = 200,
                                .last_write_ms = 6};
    mouv__server_note_heartbeats(a, &beats);
    assert_int_equal(mouv__rtt_least_ns(&a->rtt), 10);
    assert_int_equal(a->last_write_ms, 6);
    beats = (mouv__heartbeats_t){.lost = true, .count = 1, .samples_ns = {90}};
    mouv__server_note_heartbeats(a, &beats);
    assert_int_equal(mouv__rtt_average_ns(&a->rtt), 90);
    assert_int_equal(mouv__rtt_least_ns(&a->rtt), 0);
    assert_int_equal(a->last_write_ms, 6);
    /* a snapshot that was made before that heartbeat does not take it back */
    mouv__topology_apply(topology, snapshot_from(json));
    assert_int_equal(a->last_write_ms, 6);
    mouv__topology_free(topology);
    bson_destroy(json);
}

static void servers_own_least_round_trip_is_what_is_left_out_of_the_time(void **state) {
    (void)state;
    bson_t *json;
    mouv__topology_t *topology = topology_with(NULL, NULL);
    apply(topology,
          "{'type': 'ReplicaSetWithPrimary', 'servers': ["
          "{'address': 'far', 'type': 'RSPrimary'}, {'address': 'near', 'type': 'RSSecondary'}]}",
          &json);
    for (int i = 0; i < 2; i++) {
        mouv__rtt_add(&topology->servers[0]->rtt, 80 * INT64_C(1000000));
        mouv__rtt_add(&topology->servers[1]->rtt, INT64_C(1000000));
    }
    int64_t until_ns = 100 * INT64_C(1000000);
    assert_int_equal(mouv__server_time_left_ms(topology->servers[0], 0, until_ns), 20);
    assert_int_equal(mouv__server_time_left_ms(topology->servers[1], 0, until_ns), 99);
    assert_int_equal(mouv__server_time_left_ms(NULL, 0, until_ns), 100);
    mouv__topology_free(topology);
    bson_destroy(json);
}

static bool retries_writes(const char *json) {
    bson_t *from = from_json(json);
    mouv__topology_t *topology = topology_from(from);
    bool retries = mouv__topology_retries_writes(topology);
    mouv__topology_free(topology);
    bson_destroy(from);
    return retries;
}

static void standalone_takes_no_txn_number(void **state) {
    (void)state;
    mouv__topology_t *nothing_yet = topology_with(NULL, NULL);
    assert_false(mouv__topology_retries_writes(nothing_yet));
    mouv__topology_free(nothing_yet);
    assert_false(
        retries_writes("{'type': 'Single', 'servers': [{'address': 'a', 'type': 'Standalone'}]}"));
    assert_true(
        retries_writes(/* directConnection=true */
                       "{'type': 'Single', 'servers': [{'address': 'a', 'type': 'RSPrimary'}]}"));
    assert_true(
        retries_writes("{'type': 'Sharded', 'servers': [{'address': 'a', 'type': 'Mongos'}]}"));
}

static void unknown_servers_do_not_lower_what_all_speak(void **state) {
    (void)state;
    bson_t *json;
    mouv__topology_t *topology = topology_with(NULL, NULL);
    apply(topology,
          "{'type': 'ReplicaSetWithPrimary', 'servers': ["
          "{'address': 'a', 'type': 'RSPrimary', 'maxWireVersion': 13},"
          "{'address': 'b', 'type': 'Unknown'}]}",
          &json);
    assert_true(mouv__topology_speaks(topology, 13));
    assert_false(mouv__topology_speaks(topology, 14));
    assert_true(mouv__topology_has_primary(topology));
    mouv__topology_free(topology);
    bson_destroy(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_that_is_dropped_is_gone_and_the_others_stay),
        cmocka_unit_test(servers_that_stay_keep_their_object_and_what_was_measured),
        cmocka_unit_test(server_that_was_lost_for_a_while_is_told_of_as_lost_and_back),
        cmocka_unit_test(server_that_is_held_outlives_the_deployment),
        cmocka_unit_test(heartbeats_bring_samples_and_a_loss_drops_those_before),
        cmocka_unit_test(servers_own_least_round_trip_is_what_is_left_out_of_the_time),
        cmocka_unit_test(standalone_takes_no_txn_number),
        cmocka_unit_test(unknown_servers_do_not_lower_what_all_speak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
