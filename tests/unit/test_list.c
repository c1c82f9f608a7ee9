/*
 * The intrusive list: order, leaving from anywhere, loops whose body changes the list, heads that
 * move.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "context/alloc.h"
#include "context/list.h"

typedef struct letter {
    char name;
    mouv__link_t link; /* not first: the offset counts */
    mouv__link_t other;
} letter_t;

static letter_t a, b, c, d;
static mouv__list_t list, others;

static int begin(void **state) {
    (void)state;
    letter_t *all[] = {&a, &b, &c, &d};
    for (size_t i = 0; i < 4; i++) *all[i] = (letter_t){.name = (char)('a' + i)};
    list = others = (mouv__list_t){0};
    return 0;
}

static void add(letter_t *letter) {
    mouv__list_push_back(&list, &letter->link);
}

static void leave(letter_t *letter) {
    mouv__list_remove(&list, &letter->link);
}

/* Forwards, and backwards too. */
static void assert_is(const mouv__list_t *at, const char *names) {
    size_t length = strlen(names), i = 0;
    MOUV__LIST_EACH(at, const letter_t, letter, link) {
        assert_true(i < length);
        assert_int_equal(letter->name, names[i++]);
    }
    assert_int_equal(i, length);
    const letter_t *letter = MOUV__LIST_LAST(at, letter_t, link);
    for (; letter != NULL; letter = MOUV__LIST_PREV(at, letter, letter_t, link))
        assert_int_equal(letter->name, names[--i]);
    assert_int_equal(i, 0);
    assert_int_equal(mouv__list_is_empty(at), length == 0);
}

static void a_zeroed_list_is_empty(void **state) {
    (void)state;
    assert_is(&list, "");
    assert_null(MOUV__LIST_FIRST(&list, letter_t, link));
    assert_null(MOUV__LIST_LAST(&list, letter_t, link));
    assert_null(MOUV__LIST_POP(&list, letter_t, link));
}

static void both_ends_take_and_keep_the_order(void **state) {
    (void)state;
    add(&b);
    add(&c);
    mouv__list_push_front(&list, &a.link);
    assert_is(&list, "abc");
    mouv__list_t front = {0};
    mouv__list_push_front(&front, &d.link);
    assert_is(&front, "d");
}

static void one_is_put_behind_another_or_before_all(void **state) {
    (void)state;
    mouv__list_insert_after(&list, &b.link, NULL);
    mouv__list_insert_after(&list, &d.link, &b.link);
    mouv__list_insert_after(&list, &c.link, &b.link);
    mouv__list_insert_after(&list, &a.link, NULL);
    assert_is(&list, "abcd");
}

static void first_middle_last_and_only_one_can_leave(void **state) {
    (void)state;
    add(&a);
    add(&b);
    add(&c);
    add(&d);
    leave(&b);
    assert_is(&list, "acd");
    leave(&a);
    assert_is(&list, "cd");
    leave(&d);
    assert_is(&list, "c");
    leave(&c);
    assert_is(&list, "");
    add(&c);
    assert_is(&list, "c");
}

static void leaving_twice_or_without_being_in_does_nothing(void **state) {
    (void)state;
    leave(&a);
    assert_is(&list, "");
    add(&a);
    add(&b);
    leave(&a);
    assert_false(mouv__link_is_in_list(&a.link));
    assert_true(mouv__link_is_in_list(&b.link));
    leave(&a);
    assert_is(&list, "b");
}

static void the_only_one_knows_that_it_is_in(void **state) {
    (void)state;
    assert_false(mouv__link_is_in_list(&a.link));
    add(&a);
    assert_true(mouv__link_is_in_list(&a.link));
}

static void pop_gives_them_in_order_and_outside(void **state) {
    (void)state;
    add(&a);
    add(&b);
    assert_ptr_equal(MOUV__LIST_POP(&list, letter_t, link), &a);
    assert_false(mouv__link_is_in_list(&a.link));
    add(&a);
    assert_ptr_equal(MOUV__LIST_POP(&list, letter_t, link), &b);
    assert_ptr_equal(MOUV__LIST_POP(&list, letter_t, link), &a);
    assert_null(MOUV__LIST_POP(&list, letter_t, link));
}

static void a_list_that_is_shifted_gives_them_in_order_and_free_for_another(void **state) {
    (void)state;
    add(&a);
    add(&b);
    add(&c);
    const mouv__link_t *last = mouv__list_last(&list);
    assert_ptr_equal(mouv__list_shift(&list, last), &a.link);
    assert_false(mouv__link_is_in_list(&a.link));
    mouv__list_push_back(&others, &a.link);
    assert_ptr_equal(mouv__list_shift(&list, last), &b.link);
    assert_ptr_equal(mouv__list_shift(&list, last), &c.link);
    assert_null(mouv__list_shift(&list, last));
    assert_is(&list, "");
    assert_is(&others, "a");
}

static void next_and_prev_end_at_the_ends(void **state) {
    (void)state;
    add(&a);
    add(&b);
    assert_ptr_equal(MOUV__LIST_NEXT(&list, &a, letter_t, link), &b);
    assert_null(MOUV__LIST_NEXT(&list, &b, letter_t, link));
    assert_ptr_equal(MOUV__LIST_PREV(&list, &b, letter_t, link), &a);
    assert_null(MOUV__LIST_PREV(&list, &a, letter_t, link));
}

static void the_body_of_a_loop_may_take_the_current_one_out(void **state) {
    (void)state;
    add(&a);
    add(&b);
    add(&c);
    add(&d);
    MOUV__LIST_EACH(&list, letter_t, letter, link)
        if (letter == &a || letter == &c || letter == &d) leave(letter);
    assert_is(&list, "b");
    MOUV__LIST_EACH(&list, letter_t, letter, link) leave(letter);
    assert_is(&list, "");
}

static void the_body_of_a_loop_may_free_the_current_one(void **state) {
    (void)state;
    size_t seen = 0;
    for (size_t i = 0; i < 3; i++) {
        letter_t *letter = mouv__alloc(sizeof *letter);
        assert_non_null(letter);
        add(letter);
    }
    MOUV__LIST_EACH(&list, letter_t, letter, link) {
        leave(letter);
        mouv__free(letter);
        seen++;
    }
    assert_int_equal(seen, 3);
    assert_is(&list, "");
}

static void the_body_of_a_loop_may_move_the_current_one_to_another_list(void **state) {
    (void)state;
    add(&a);
    add(&b);
    add(&c);
    MOUV__LIST_EACH(&list, letter_t, letter, link) {
        if (letter == &b) continue;
        leave(letter);
        mouv__list_push_back(&others, &letter->link);
    }
    assert_is(&list, "b");
    assert_is(&others, "ac");
}

static void a_loop_can_be_left(void **state) {
    (void)state;
    const letter_t *found = NULL;
    add(&a);
    add(&b);
    MOUV__LIST_EACH(&list, const letter_t, letter, link) {
        found = letter;
        if (letter->name == 'a') break;
    }
    assert_ptr_equal(found, &a);
}

static void all_can_be_taken_and_the_list_is_filled_anew(void **state) {
    (void)state;
    add(&a);
    add(&b);
    mouv__list_t all = mouv__list_take_all(&list);
    assert_is(&list, "");
    add(&c);
    mouv__list_remove(&all, &a.link);
    assert_is(&all, "b");
    assert_is(&list, "c");
    mouv__list_t none = mouv__list_take_all(&others);
    assert_is(&none, "");
}

static void one_thing_is_in_as_many_lists_as_it_has_links(void **state) {
    (void)state;
    add(&a);
    mouv__list_push_back(&others, &a.other);
    leave(&a);
    assert_is(&list, "");
    assert_ptr_equal(MOUV__LIST_FIRST(&others, letter_t, other), &a);
}

static void a_member_leads_to_what_contains_it(void **state) {
    (void)state;
    mouv__link_t *link = &b.other;
    assert_ptr_equal(mouv__container_of(link, letter_t, other), &b);
    assert_ptr_equal(mouv__container_of(&b.name, letter_t, name), &b);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup(name, begin)
    const struct CMUnitTest tests[] = {
        CASE(a_zeroed_list_is_empty),
        CASE(both_ends_take_and_keep_the_order),
        CASE(one_is_put_behind_another_or_before_all),
        CASE(first_middle_last_and_only_one_can_leave),
        CASE(leaving_twice_or_without_being_in_does_nothing),
        CASE(the_only_one_knows_that_it_is_in),
        CASE(pop_gives_them_in_order_and_outside),
        CASE(a_list_that_is_shifted_gives_them_in_order_and_free_for_another),
        CASE(next_and_prev_end_at_the_ends),
        CASE(the_body_of_a_loop_may_take_the_current_one_out),
        CASE(the_body_of_a_loop_may_free_the_current_one),
        CASE(the_body_of_a_loop_may_move_the_current_one_to_another_list),
        CASE(a_loop_can_be_left),
        CASE(all_can_be_taken_and_the_list_is_filled_anew),
        CASE(one_thing_is_in_as_many_lists_as_it_has_links),
        CASE(a_member_leads_to_what_contains_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
