/*
 * The intrusive hash table: chains that are shared, growth, an allocation that fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "context/alloc.h"
#include "context/list.h"
#include "context/table.h"

enum { MANY = 1000 };

typedef struct number {
    int value;
    mouv__table_node_t node; /* not first: the offset counts */
} number_t;

static number_t numbers[MANY];
static mouv__table_t table;
static int cleared;

static int begin(void **state) {
    (void)state;
    table = (mouv__table_t){0};
    cleared = 0;
    for (int i = 0; i < MANY; i++) numbers[i] = (number_t){.value = i};
    return 0;
}

static void count(mouv__table_node_t *node) {
    mouv__container_of(node, number_t, node)->value = -1;
    cleared++;
}

/* Hashes that the whole table shares with every third number. */
static uint32_t hash_of(int value) {
    uint32_t third = (uint32_t)value / 3;
    return mouv__table_hash(7, &third, sizeof third);
}

static number_t *find(int value) {
    mouv__table_node_t *node = mouv__table_find(&table, hash_of(value));
    while (node && mouv__container_of(node, number_t, node)->value != value)
        node = mouv__table_find_next(node);
    return node ? mouv__container_of(node, number_t, node) : NULL;
}

static void a_zeroed_table_is_empty(void **state) {
    (void)state;
    assert_null(find(1));
    mouv__table_clear(&table, count);
    assert_int_equal(cleared, 0);
}

static void all_are_found_where_they_were_put(void **state) {
    (void)state;
    for (int i = 0; i < MANY; i++)
        assert_true(mouv__table_add(&table, &numbers[i].node, hash_of(i)));
    assert_int_equal(table.count, MANY);
    for (int i = 0; i < MANY; i++) assert_ptr_equal(find(i), &numbers[i]);
    assert_null(find(MANY + 3));
    mouv__table_clear(&table, count);
    assert_int_equal(cleared, MANY);
}

static void chains_stay_short(void **state) {
    (void)state;
    size_t longest = 0;
    for (int i = 0; i < MANY; i++)
        mouv__table_add(&table, &numbers[i].node, mouv__table_hash(0, &i, sizeof i));
    for (uint32_t i = 0; i < table.chain_count; i++) {
        size_t length = 0;
        for (const mouv__table_node_t *node = table.chains[i]; node; node = node->next) length++;
        if (length > longest) longest = length;
    }
    assert_in_range(longest, 1, 10);
    mouv__table_clear(&table, count);
}

static void without_memory_chains_only_get_longer(void **state) {
    (void)state;
    mouv__alloc_fail_at = 1;
    assert_false(mouv__table_add(&table, &numbers[0].node, hash_of(0)));
    assert_null(find(0));
    assert_true(mouv__table_add(&table, &numbers[0].node, hash_of(0)));
    for (int i = 1; i < MANY; i++) {
        mouv__alloc_fail_at = 1;
        assert_true(mouv__table_add(&table, &numbers[i].node, hash_of(i)));
    }
    mouv__alloc_fail_at = 0;
    for (int i = 0; i < MANY; i++) assert_ptr_equal(find(i), &numbers[i]);
    mouv__table_clear(&table, count);
}

static void a_cleared_table_can_be_filled_again(void **state) {
    (void)state;
    mouv__table_add(&table, &numbers[1].node, hash_of(1));
    mouv__table_clear(&table, count);
    assert_null(find(1));
    mouv__table_add(&table, &numbers[2].node, hash_of(2));
    assert_ptr_equal(find(2), &numbers[2]);
    mouv__table_clear(&table, count);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup(name, begin)
    const struct CMUnitTest tests[] = {
        CASE(a_zeroed_table_is_empty),
        CASE(all_are_found_where_they_were_put),
        CASE(chains_stay_short),
        CASE(without_memory_chains_only_get_longer),
        CASE(a_cleared_table_can_be_filled_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
