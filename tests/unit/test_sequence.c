/*
 * Documents one after the other, and the array that they stand for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/json.h"
#include "context/alloc.h"
#include "mongo/wire/sequence.h"

static void add(mouv__sequence_t *sequence, const char *head, const char *tail) {
    bson_t *first = head ? from_json(head) : NULL, *second = from_json(tail);
    assert_true(mouv__sequence_add(sequence, first, second));
    bson_destroy(first);
    bson_destroy(second);
}

static void documents_lie_one_after_the_other(void **state) {
    (void)state;
    bson_t *first = from_json("{'_id': 1}"), *second = from_json("{}");
    mouv__sequence_t *sequence = mouv__sequence_new("documents", 0);
    add(sequence, NULL, "{'_id': 1}");
    add(sequence, NULL, "{}");
    assert_int_equal(sequence->count, 2);
    assert_int_equal(sequence->size, first->len + second->len);
    assert_memory_equal(sequence->bytes, bson_get_data(first), first->len);
    assert_memory_equal(sequence->bytes + first->len, bson_get_data(second), second->len);
    mouv__sequence_free(sequence);
    bson_destroy(first);
    bson_destroy(second);
}

static void a_head_comes_before_the_rest(void **state) {
    (void)state;
    bson_t *wanted = from_json("{'_id': 1, 'a': 'x', 'b': 2}");
    mouv__sequence_t *sequence = mouv__sequence_new("documents", 0);
    add(sequence, "{'_id': 1}", "{'a': 'x', 'b': 2}");
    assert_int_equal(sequence->size, wanted->len);
    assert_memory_equal(sequence->bytes, bson_get_data(wanted), wanted->len);
    mouv__sequence_free(sequence);
    bson_destroy(wanted);
}

static void it_stands_for_an_array(void **state) {
    (void)state;
    bson_t *command = from_json("{'insert': 'users'}");
    mouv__sequence_t *sequence = mouv__sequence_new("documents", 0);
    for (int i = 0; i < 11; i++) add(sequence, NULL, i == 10 ? "{'last': true}" : "{}");
    mouv__sequence_append_to(sequence, command);
    assert_true(equals_json(command, "{'insert': 'users', 'documents': [{}, {}, {}, {}, {}, {}, {},"
                                     " {}, {}, {}, {'last': true}]}"));
    mouv__sequence_free(sequence);
    bson_destroy(command);
}

static void without_memory_nothing_changes(void **state) {
    (void)state;
    bson_t *document = bson_new();
    char text[300] = {0};
    memset(text, 'x', sizeof text - 1);
    BSON_APPEND_UTF8(document, "text", text);
    mouv__sequence_t *sequence = mouv__sequence_new("documents", 0);
    add(sequence, NULL, "{'_id': 1}");
    size_t size = sequence->size;
    mouv__alloc_fail_at = 1;
    assert_false(mouv__sequence_add(sequence, NULL, document));
    mouv__alloc_fail_at = -1;
    assert_int_equal(sequence->size, size);
    assert_int_equal(sequence->count, 1);
    assert_true(mouv__sequence_add(sequence, NULL, document));
    assert_int_equal(sequence->count, 2);
    mouv__sequence_free(sequence);
    for (int n = 1; n <= 2; n++) {
        mouv__alloc_fail_at = n;
        assert_null(mouv__sequence_new("documents", 0));
    }
    mouv__alloc_fail_at = -1;
    bson_destroy(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_lie_one_after_the_other),
        cmocka_unit_test(a_head_comes_before_the_rest),
        cmocka_unit_test(it_stands_for_an_array),
        cmocka_unit_test(without_memory_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
