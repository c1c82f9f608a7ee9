/*
 * Server selection: the specification's files (server-selection, -in-window, max-staleness), and
 * what they leave out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <strings.h>

#include <cmocka.h>

#include "mongo/topology/selection.h"
#include "topology_support.h"

#include "spec_folder.h"

/* --- the specification's files ---------------------------------------------------------------- */

static mongoc_read_prefs_t *prefs_of(const bson_t *from) {
    static const struct {
        const char *name;
        mongoc_read_mode_t mode;
    } modes[] = {{"Primary", MONGOC_READ_PRIMARY},
                 {"PrimaryPreferred", MONGOC_READ_PRIMARY_PREFERRED},
                 {"Secondary", MONGOC_READ_SECONDARY},
                 {"SecondaryPreferred", MONGOC_READ_SECONDARY_PREFERRED},
                 {"Nearest", MONGOC_READ_NEAREST}};
    const char *mode = text_in(from, "mode");
    mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(MONGOC_READ_PRIMARY);
    bson_t tags;
    bson_iter_t at;
    for (size_t i = 0; mode && i < sizeof modes / sizeof *modes; i++)
        if (strcasecmp(mode, modes[i].name) == 0) mongoc_read_prefs_set_mode(prefs, modes[i].mode);
    if (document_in(from, "tag_sets", &tags)) mongoc_read_prefs_set_tags(prefs, &tags);
    if (find(from, "maxStalenessSeconds", &at))
        mongoc_read_prefs_set_max_staleness_seconds(prefs, bson_iter_as_int64(&at));
    return prefs;
}

static bool is_candidate(const mouv__topology_t *topology, uint32_t count, const char *host) {
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(topology->snapshot->candidates[i]->host, host) == 0) return true;
    return false;
}

static void compare(const char *path, const char *what, const mouv__topology_t *topology,
                    uint32_t count, const bson_t *file) {
    bson_t list, server;
    bson_iter_t iter;
    uint32_t expected = 0;
    assert_true(document_in(file, what, &list) && bson_iter_init(&iter, &list));
    while (bson_iter_next(&iter) && document_at(&iter, &server)) {
        expected++;
        if (!is_candidate(topology, count, text_in(&server, "address")))
            fail_msg("%s: %s is not among %s", path, text_in(&server, "address"), what);
    }
    if (count != expected) fail_msg("%s: %u of %s, expected %u", path, count, what, expected);
}

static uint32_t ids_of(const mouv__topology_t *topology, const bson_t *list, uint32_t *ids) {
    bson_iter_t iter;
    bson_t server;
    uint32_t count = 0;
    bson_iter_init(&iter, list);
    while (bson_iter_next(&iter) && document_at(&iter, &server))
        ids[count++] = server_called(topology, text_in(&server, "address"))->id;
    return count;
}

static void check_selection(const char *path, const bson_t *file) {
    bson_t description, prefs, avoided;
    mouv_error_t error;
    uint32_t ids[SERVERS_MAX];
    const char *operation = text_in(file, "operation");
    assert_true(document_in(file, "topology_description", &description));
    mouv__topology_t *topology = topology_from(&description);
    topology->heartbeat_ms = (int64_t)number_in(file, "heartbeatFrequencyMS", 10000);
    mouv__criteria_t criteria = {.write = operation && strcmp(operation, "write") == 0};
    mongoc_read_prefs_t *owned =
        document_in(file, "read_preference", &prefs) ? prefs_of(&prefs) : NULL;
    criteria.read_prefs = owned;
    if (document_in(file, "deprioritized_servers", &avoided))
        criteria.avoided = (mouv__server_ids_t){ids, ids_of(topology, &avoided, ids)};
    int rc = mouv__selection_check(topology, &criteria, &error);
    bson_iter_t at;
    bool wrong = find(file, "error", &at) && bson_iter_as_bool(&at);
    if (wrong != (rc < 0)) fail_msg("%s: %d", path, rc);
    if (!wrong) {
        uint32_t count = mouv__selection_suitable(topology, &criteria);
        compare(path, "suitable_servers", topology, count, file);
        count = mouv__selection_near(topology, count);
        compare(path, "in_latency_window", topology, count, file);
    }
    mongoc_read_prefs_destroy(owned);
    mouv__topology_free(topology);
}

static void check_distribution(const char *path, const bson_t *file) {
    bson_t description, list, server, expected;
    bson_iter_t iter, at;
    uint32_t found[SERVERS_MAX + 1] = {0};
    assert_true(document_in(file, "topology_description", &description));
    mouv__topology_t *topology = topology_from(&description);
    assert_true(document_in(file, "mocked_topology_state", &list) && bson_iter_init(&iter, &list));
    while (bson_iter_next(&iter) && document_at(&iter, &server))
        server_called(topology, text_in(&server, "address"))->operations =
            (uint32_t)number_in(&server, "operation_count", 0);
    mongoc_read_prefs_t *nearest = mongoc_read_prefs_new(MONGOC_READ_NEAREST);
    mouv__criteria_t criteria = {.read_prefs = nearest};
    int iterations = (int)number_in(file, "iterations", 0);
    for (int i = 0; i < iterations; i++) found[mouv__selection_choose(topology, &criteria)->id]++;
    double tolerance = number_in(file, "outcome.tolerance", 0);
    assert_true(document_in(file, "outcome.expected_frequencies", &expected));
    bson_iter_init(&at, &expected);
    while (bson_iter_next(&at)) {
        const mouv__server_t *chosen = server_called(topology, bson_iter_key(&at));
        double wanted = bson_iter_as_double(&at), is = (double)found[chosen->id] / iterations;
        bool exact = wanted == 0 || wanted == 1;
        if (is < wanted - (exact ? 0 : tolerance) || is > wanted + (exact ? 0 : tolerance))
            fail_msg("%s: %s is chosen %f, expected %f", path, chosen->host, is, wanted);
    }
    mongoc_read_prefs_destroy(nearest);
    mouv__topology_free(topology);
}

static void run_folder(const char *name, void (*check)(const char *path, const bson_t *file)) {
    int files = spec_folder_run(name, check);
    if (files == 0) skip();
    assert_true(files > 0);
}

static void specification_of_server_selection(void **state) {
    (void)state;
    run_folder("server-selection", check_selection);
}

static void specification_of_max_staleness(void **state) {
    (void)state;
    run_folder("max-staleness", check_selection);
}

static void specification_of_the_choice_in_the_window(void **state) {
    (void)state;
    run_folder("server-selection-in-window", check_distribution);
}

/* --- cases of our own ------------------------------------------------------------------------- */

static const char set_of_three[] =
    "{'type': 'ReplicaSetWithPrimary', 'servers': ["
    "{'address': 'a', 'type': 'RSSecondary', 'avg_rtt_ms': 5, 'tags': {'dc': 'ny'}},"
    "{'address': 'b', 'type': 'RSPrimary', 'avg_rtt_ms': 5, 'tags': {'dc': 'ny'}},"
    "{'address': 'c', 'type': 'RSSecondary', 'avg_rtt_ms': 5, 'tags': {'dc': 'la'}}]}";

static const char headless[] = "{'type': 'ReplicaSetNoPrimary', 'servers': ["
                               "{'address': 'a', 'type': 'RSSecondary', 'avg_rtt_ms': 5},"
                               "{'address': 'b', 'type': 'Unknown'},"
                               "{'address': 'c', 'type': 'RSArbiter', 'avg_rtt_ms': 5}]}";

typedef struct fixture {
    bson_t *json;
    mouv__topology_t *topology;
    mongoc_read_prefs_t *prefs;
    mouv__criteria_t criteria;
} fixture_t;

/* `mode` 0: a write. */
static fixture_t fixture(const char *json, int mode) {
    fixture_t f = {.json = from_json(json)};
    f.topology = topology_from(f.json);
    if (mode) f.prefs = mongoc_read_prefs_new((mongoc_read_mode_t)mode);
    f.criteria = (mouv__criteria_t){.write = mode == 0, .read_prefs = f.prefs};
    return f;
}

static void fixture_clear(fixture_t *f) {
    mouv__topology_free(f->topology);
    mongoc_read_prefs_destroy(f->prefs);
    bson_destroy(f->json);
}

/* The suitable ones as a set of ids. */
static unsigned suitable(const fixture_t *f) {
    unsigned ids = 0;
    uint32_t count = mouv__selection_suitable(f->topology, &f->criteria);
    for (uint32_t i = 0; i < count; i++) ids |= 1u << f->topology->snapshot->candidates[i]->id;
    return ids;
}

#define A (1u << 1)
#define B (1u << 2)
#define C (1u << 3)

static void assert_suits(const char *json, int mode, unsigned expected) {
    fixture_t f = fixture(json, mode);
    assert_int_equal(suitable(&f), expected);
    fixture_clear(&f);
}

static void nothing_suits_before_the_first_snapshot(void **state) {
    (void)state;
    mouv__topology_t *topology = topology_with(NULL, NULL);
    mouv__criteria_t write = {.write = true}, fixed = {.server_id = 1};
    mouv_error_t error;
    assert_null(mouv__selection_choose(topology, &write));
    assert_null(mouv__selection_choose(topology, &fixed));
    assert_int_equal(mouv__selection_check(topology, &write, &error), 0);
    mouv__topology_free(topology);
}

static void write_goes_to_the_primary_whatever_the_read_preference(void **state) {
    (void)state;
    fixture_t f = fixture(set_of_three, MONGOC_READ_SECONDARY);
    f.criteria.write = true;
    assert_int_equal(suitable(&f), B);
    fixture_clear(&f);
    assert_suits(headless, 0, 0);
}

static void read_follows_its_preference(void **state) {
    (void)state;
    assert_suits(set_of_three, MONGOC_READ_PRIMARY, B);
    assert_suits(set_of_three, MONGOC_READ_PRIMARY_PREFERRED, B);
    assert_suits(set_of_three, MONGOC_READ_SECONDARY, A | C);
    assert_suits(set_of_three, MONGOC_READ_SECONDARY_PREFERRED, A | C);
    assert_suits(set_of_three, MONGOC_READ_NEAREST, A | B | C);
    assert_suits(headless, MONGOC_READ_PRIMARY, 0);
    assert_suits(headless, MONGOC_READ_PRIMARY_PREFERRED, A);
    assert_suits(headless, MONGOC_READ_NEAREST, A);
}

static void first_set_of_tags_that_some_server_has_counts(void **state) {
    (void)state;
    fixture_t f = fixture(set_of_three, MONGOC_READ_NEAREST);
    bson_t *sets = from_json("{'0': {'dc': 'sf'}, '1': {'dc': 'la'}, '2': {}}");
    mongoc_read_prefs_set_tags(f.prefs, sets);
    assert_int_equal(suitable(&f), C);
    bson_destroy(sets);
    sets = from_json("{'0': {'dc': 'ny', 'rack': '1'}}");
    mongoc_read_prefs_set_tags(f.prefs, sets);
    assert_int_equal(suitable(&f), 0);
    bson_destroy(sets);
    fixture_clear(&f);
}

static void barred_server_is_never_chosen_and_an_avoided_one_only_at_need(void **state) {
    (void)state;
    static const uint32_t a[] = {1}, a_and_c[] = {3, 1};
    fixture_t f = fixture(set_of_three, MONGOC_READ_SECONDARY);
    f.criteria.barred = (mouv__server_ids_t){a, 1};
    assert_int_equal(suitable(&f), C);
    f.criteria.barred = (mouv__server_ids_t){a_and_c, 2};
    assert_int_equal(suitable(&f), 0);
    f.criteria.barred.count = 0;
    f.criteria.avoided = (mouv__server_ids_t){a, 1};
    assert_int_equal(suitable(&f), C);
    f.criteria.avoided = (mouv__server_ids_t){a_and_c, 2};
    assert_int_equal(suitable(&f), A | C);
    f.criteria.barred = (mouv__server_ids_t){a, 1};
    assert_int_equal(suitable(&f), C);
    fixture_clear(&f);
}

static void ids_that_differ_by_64_are_two_servers(void **state) {
    (void)state;
    static const uint32_t first[] = {1};
    fixture_t f = fixture("{'type': 'Sharded', 'servers': ["
                          "{'address': 'a', 'id': 1, 'type': 'Mongos', 'avg_rtt_ms': 5},"
                          "{'address': 'b', 'id': 65, 'type': 'Mongos', 'avg_rtt_ms': 5}]}",
                          0);
    f.criteria.barred = (mouv__server_ids_t){first, 1};
    assert_int_equal(mouv__selection_choose(f.topology, &f.criteria)->id, 65);
    fixture_clear(&f);
}

static void fixed_server_is_the_only_one_that_suits_while_it_is_known(void **state) {
    (void)state;
    fixture_t f = fixture(headless, 0);
    f.criteria.server_id = 1;
    assert_int_equal(suitable(&f), A);
    assert_true(mouv__selection_includes(f.topology, &f.criteria, 1));
    assert_false(mouv__selection_includes(f.topology, &f.criteria, 3));
    f.criteria.server_id = 2;
    assert_int_equal(suitable(&f), 0);
    f.criteria.server_id = 9;
    assert_int_equal(suitable(&f), 0);
    fixture_clear(&f);
}

static void single_server_takes_whatever_it_is(void **state) {
    (void)state;
    static const char arbiter[] = "{'type': 'Single', 'servers': ["
                                  "{'address': 'a', 'type': 'RSArbiter', 'avg_rtt_ms': 5}]}";
    static const char unknown[] = "{'type': 'Single', 'servers': ["
                                  "{'address': 'a', 'type': 'Unknown'}]}";
    assert_suits(arbiter, 0, A);
    assert_suits(arbiter, MONGOC_READ_SECONDARY, A);
    assert_suits(unknown, MONGOC_READ_NEAREST, 0);
}

static void server_whose_distance_is_not_known_is_near(void **state) {
    (void)state;
    fixture_t f = fixture("{'type': 'Sharded', 'servers': ["
                          "{'address': 'a', 'type': 'Mongos', 'avg_rtt_ms': 100},"
                          "{'address': 'b', 'type': 'Mongos'},"
                          "{'address': 'c', 'type': 'Mongos', 'avg_rtt_ms': 116}]}",
                          0);
    uint32_t count = mouv__selection_suitable(f.topology, &f.criteria);
    assert_int_equal(count, 3);
    assert_int_equal(mouv__selection_near(f.topology, count), 2);
    assert_string_equal(f.topology->snapshot->candidates[1]->host, "b");
    f.topology->local_threshold_ns = 16 * INT64_C(1000000);
    count = mouv__selection_suitable(f.topology, &f.criteria);
    assert_int_equal(mouv__selection_near(f.topology, count), 3);
    fixture_clear(&f);
}

static void of_two_the_one_with_fewer_operations_is_chosen_else_each_by_turns(void **state) {
    (void)state;
    fixture_t f = fixture(set_of_three, MONGOC_READ_SECONDARY);
    f.topology->servers[0]->operations = 1;
    for (int i = 0; i < 50; i++)
        assert_int_equal(mouv__selection_choose(f.topology, &f.criteria)->id, 3);
    f.topology->servers[0]->operations = 0;
    int first = 0;
    for (int i = 0; i < 1000; i++)
        first += mouv__selection_choose(f.topology, &f.criteria)->id == 1;
    assert_true(first > 400 && first < 600);
    fixture_clear(&f);
}

static void staleness_that_cannot_be_kept_is_refused(void **state) {
    (void)state;
    mouv_error_t error;
    fixture_t f = fixture(set_of_three, MONGOC_READ_SECONDARY);
    assert_int_equal(mouv__selection_check(f.topology, &f.criteria, &error), 0);
    mongoc_read_prefs_set_max_staleness_seconds(f.prefs, 89);
    assert_int_equal(mouv__selection_check(f.topology, &f.criteria, &error), MOUV_EINVAL);
    assert_non_null(strstr(error.message, "89"));
    mongoc_read_prefs_set_max_staleness_seconds(f.prefs, 90);
    assert_int_equal(mouv__selection_check(f.topology, &f.criteria, &error), 0);
    f.topology->heartbeat_ms = 80001;
    assert_int_equal(mouv__selection_check(f.topology, &f.criteria, &error), MOUV_EINVAL);
    assert_non_null(strstr(error.message, "80001"));
    f.criteria.write = true;
    assert_int_equal(mouv__selection_check(f.topology, &f.criteria, &error), 0);
    f.criteria.write = false;
    mongoc_read_prefs_set_mode(f.prefs, MONGOC_READ_PRIMARY);
    assert_int_equal(mouv__selection_check(f.topology, &f.criteria, &error), MOUV_EINVAL);
    fixture_clear(&f);
}

static void server_that_has_not_told_its_last_write_is_not_stale(void **state) {
    (void)state;
    fixture_t f = fixture(set_of_three, MONGOC_READ_SECONDARY);
    mongoc_read_prefs_set_max_staleness_seconds(f.prefs, 90);
    assert_int_equal(suitable(&f), A | C);
    fixture_clear(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(specification_of_server_selection),
        cmocka_unit_test(specification_of_max_staleness),
        cmocka_unit_test(specification_of_the_choice_in_the_window),
        cmocka_unit_test(nothing_suits_before_the_first_snapshot),
        cmocka_unit_test(write_goes_to_the_primary_whatever_the_read_preference),
        cmocka_unit_test(read_follows_its_preference),
        cmocka_unit_test(first_set_of_tags_that_some_server_has_counts),
        cmocka_unit_test(barred_server_is_never_chosen_and_an_avoided_one_only_at_need),
        cmocka_unit_test(ids_that_differ_by_64_are_two_servers),
        cmocka_unit_test(fixed_server_is_the_only_one_that_suits_while_it_is_known),
        cmocka_unit_test(single_server_takes_whatever_it_is),
        cmocka_unit_test(server_whose_distance_is_not_known_is_near),
        cmocka_unit_test(of_two_the_one_with_fewer_operations_is_chosen_else_each_by_turns),
        cmocka_unit_test(staleness_that_cannot_be_kept_is_refused),
        cmocka_unit_test(server_that_has_not_told_its_last_write_is_not_stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
