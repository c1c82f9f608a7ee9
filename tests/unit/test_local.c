/* mouv_local_t: values of a task, copied when it is made. */
#include "../support/async_support.h"

#include "context/alloc.h"

static mouv_local_t name, other;

static int copies, destroyed;

static void *copy_text(void *text) {
    copies++;
    return strdup(text);
}

static void free_text(void *text) {
    destroyed++;
    free(text);
}

static mouv_local_t owned = MOUV_LOCAL_INIT(copy_text, free_text);
static mouv_local_t shared = MOUV_LOCAL_INIT(NULL, free_text);

static void set(const mouv_local_t *key, const char *text) {
    CHECK_INT(mouv_local_set(key, (void *)text), 0);
}

static void expect(const mouv_local_t *key, const char *text) {
    const char *value = mouv_local_get(key);
    if (text == NULL || value == NULL)
        CHECK(value == text);
    else
        CHECK_STRING(value, text);
}

static int say_name(void *arg) {
    (void)arg;
    const char *value = mouv_local_get(&name);
    event("%s", value ? value : "-");
    return 0;
}

static int rename_to(void *text) {
    say_name(NULL);
    set(&name, text);
    yield(1);
    return say_name(NULL);
}

static void await_ok(mouv_future_t future) {
    CHECK_INT(mouv_await(future, NULL), 0);
}

CORO_CASE(value_is_null_until_it_is_set) {
    expect(&name, NULL);
    set(&name, "a");
    set(&other, "b");
    expect(&name, "a");
    expect(&other, "b");
    set(&name, "c");
    expect(&name, "c");
    expect(&other, "b");
    set(&name, NULL);
    expect(&name, NULL);
    return 0;
}

CORO_CASE(task_begins_with_its_makers_values_as_they_were) {
    set(&name, "parent");
    mouv_future_t task = mouv_task(say_name, NULL);
    set(&name, "changed");
    await_ok(task);
    CHECK_STRING(events(), "parent");
    return 0;
}

CORO_CASE(what_a_task_sets_its_maker_and_its_siblings_do_not_see) {
    set(&name, "parent");
    await_ok(mouv_gather(mouv_task(rename_to, "a"), mouv_task(rename_to, "b")));
    expect(&name, "parent");
    CHECK_STRING(events(), "parent parent a b");
    return 0;
}

CORO_CASE(awaited_coroutine_shares_its_awaiters_values) {
    set(&name, "parent");
    await_ok(mouv_coro(rename_to, "inline"));
    expect(&name, "inline");
    CHECK_STRING(events(), "parent inline");
    return 0;
}

CORO_CASE(gathered_coroutine_begins_with_those_of_who_gathers_it) {
    set(&name, "made");
    mouv_future_t cold = mouv_coro(rename_to, "child");
    set(&name, "gathered");
    await_ok(mouv_gather(cold));
    expect(&name, "gathered");
    CHECK_STRING(events(), "gathered child");
    return 0;
}

static int nested(void *depth) {
    int *left = depth;
    const char *value = mouv_local_get(&name);
    event("%s", value);
    if (--*left == 0) return 0;
    return mouv_await(mouv_task(nested, left), NULL);
}

CORO_CASE(values_pass_down_through_generations) {
    int depth = 3;
    set(&name, "x");
    await_ok(mouv_task(nested, &depth));
    CHECK_STRING(events(), "x x x");
    return 0;
}

static int change_owned(void *arg) {
    (void)arg;
    char *text = mouv_local_get(&owned);
    CHECK_STRING(text, "one");
    text[0] = 'X';
    yield(1);
    CHECK_STRING(mouv_local_get(&owned), "Xne");
    return 0;
}

CORO_CASE(copied_value_is_the_tasks_own) {
    copies = destroyed = 0;
    set(&owned, strdup("one"));
    mouv_future_t task = mouv_task(change_owned, NULL);
    CHECK_INT(copies, 1);
    await_ok(task);
    CHECK_INT(destroyed, 1);
    expect(&owned, "one");
    set(&owned, strdup("two"));
    CHECK_INT(destroyed, 2);
    set(&owned, NULL);
    CHECK_INT(destroyed, 3);
    await_ok(mouv_task(say, "no copy of nothing"));
    CHECK_INT(copies, 1);
    return 0;
}

static int look_at_shared(void *arg) {
    (void)arg;
    yield(3);
    expect(&shared, "text");
    return 0;
}

CORO_CASE(shared_value_is_destroyed_when_the_last_has_let_it_go) {
    destroyed = 0;
    set(&shared, strdup("text"));
    mouv_future_t task = mouv_task(look_at_shared, NULL);
    set(&shared, NULL);
    CHECK_INT(destroyed, 0);
    await_ok(task);
    CHECK_INT(destroyed, 1);
    return 0;
}

CORO_CASE(values_of_a_task_that_never_ran_are_destroyed) {
    copies = destroyed = 0;
    set(&owned, strdup("text"));
    mouv_future_t task = mouv_task(say, "ran");
    mouv_future_cancel(task);
    CHECK_INT(mouv_await(task, NULL), MOUV_ECANCELED);
    CHECK_INT(copies, 1);
    CHECK_INT(destroyed, 1);
    return 0;
}

CORO_CASE(task_without_values_allocates_nothing_for_them) {
    mouv__alloc_fail_at = 2; /* the first is the task itself */
    mouv_future_t task = mouv_task(say, "ran");
    CHECK_INT(mouv__alloc_fail_at, 1);
    mouv__alloc_fail_at = -1;
    await_ok(task);
    set(&name, "x");
    mouv__alloc_fail_at = 2;
    task = mouv_task(say, "ran");
    CHECK_INT(mouv__alloc_fail_at, 1); /* plain values are shared */
    mouv__alloc_fail_at = -1;
    await_ok(task);
    return 0;
}

CORO_CASE(set_without_memory_keeps_the_old_value) {
    set(&name, "old");
    for (int n = 1; n <= 2; n++) {
        mouv__alloc_fail_at = n;
        int rc = mouv_local_set(&name, "new");
        mouv__alloc_fail_at = -1;
        CHECK_INT(rc, MOUV_ENOMEM);
        expect(&name, "old");
    }
    return 0;
}

CORO_CASE(task_whose_values_cannot_be_copied_does_not_run) {
    destroyed = 0;
    set(&name, "plain");
    set(&owned, strdup("text"));
    for (int n = 2; n <= 3; n++) {
        mouv__alloc_fail_at = n;
        mouv_future_t task = mouv_task(say, "ran");
        mouv__alloc_fail_at = -1;
        CHECK_INT(mouv_await(task, NULL), MOUV_ENOMEM);
    }
    CHECK_STRING(events(), "");
    return 0;
}

CORO_CASE(null_is_an_invalid_key) {
    CHECK_INT(mouv_local_set(NULL, "x"), MOUV_EINVAL);
    CHECK(mouv_local_get(NULL) == NULL);
    return 0;
}

static void base_values_are_where_tasks_begin(void **state) {
    uv_loop_t loop;
    mouv_runtime_t *runtime;
    (void)state;
    copies = destroyed = 0;
    assert_int_equal(mouv_local_set(&name, "x"), MOUV_ENOLOOP);
    assert_null(mouv_local_get(&name));
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(mouv_runtime_attach(&runtime, &loop), 0);
    assert_null(mouv_local_get(&name));
    assert_int_equal(mouv_local_set(&name, "base"), 0);
    assert_int_equal(mouv_local_set(&owned, strdup("base")), 0);
    assert_string_equal(mouv_local_get(&name), "base");
    mouv_future_t task = mouv_task(rename_to, "child");
    assert_int_equal(mouv_local_set(&name, "later"), 0);
    assert_int_equal(mouv_run_until(runtime, task, NULL), 0);
    assert_int_equal(mouv_run_until(runtime, mouv_coro(say_name, NULL), NULL), 0);
    assert_string_equal(events(), "base child later");
    assert_string_equal(mouv_local_get(&name), "later");
    mouv_runtime_close(runtime, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(copies, 2);
    assert_int_equal(destroyed, 3);
    assert_int_equal(support_failures, 0);
}

static int say_in_a_new_run(void *arg) {
    return say_name(arg);
}

static void each_runtime_begins_anew(void **state) {
    (void)state;
    assert_int_equal(mouv_run(say_in_a_new_run, NULL, NULL), 0);
    assert_string_equal(events(), "-");
}

/* --- Callbacks and offloaded functions ------------------------------------------------------- */

static void say_name_called(void *arg) {
    say_name(arg);
    set(&name, "of the callback");
    mouv_future_unref(mouv_task(say_name, NULL));
}

static void say_name_done(mouv_future_t future, void *arg) {
    (void)future;
    say_name_called(arg);
}

CORO_CASE(callbacks_see_the_values_of_who_asked_for_them_and_set_their_own) {
    mouv_future_t future = mouv_future_new();
    set(&name, "a");
    CHECK_INT(mouv_call_soon(say_name_called, NULL, NULL), 0);
    CHECK_INT(mouv_call_later(5, say_name_called, NULL, NULL), 0);
    set(&name, "b");
    CHECK_INT(mouv_future_add_done_callback(future, say_name_done, NULL), 0);
    set(&name, "c");
    yield(3);
    CHECK_STRING(events(), "a of the callback");
    mouv_future_set_result(future, 0);
    yield(3);
    CHECK_STRING(events(), "a of the callback b of the callback");
    pause_ms(10);
    CHECK_STRING(events(), "a of the callback b of the callback a of the callback");
    expect(&name, "c");
    mouv_future_unref(future);
    return 0;
}

CORO_CASE(values_of_callbacks_that_never_run_are_destroyed) {
    mouv_handle_t handle;
    mouv_future_t future = mouv_future_new();
    destroyed = 0;
    set(&shared, strdup("x"));
    CHECK_INT(mouv_call_later(1000, say_name_called, NULL, &handle), 0);
    CHECK_INT(mouv_future_add_done_callback(future, say_name_done, NULL), 0);
    CHECK_INT(mouv_future_add_done_callback(future, say_name_done, &handle), 0);
    set(&shared, NULL);
    CHECK_INT(destroyed, 0);
    CHECK(mouv_handle_cancel(handle));
    CHECK_INT(mouv_future_remove_done_callback(future, say_name_done, NULL), 1);
    CHECK_INT(destroyed, 0);
    mouv_future_unref(future);
    CHECK_INT(destroyed, 1);
    return 0;
}

static int looks_on_a_worker(void *arg) {
    snprintf(arg, 16, "%s", (const char *)mouv_local_get(&name));
    return mouv_local_set(&name, "w");
}

CORO_CASE(offloaded_function_sees_the_values_of_who_offloads_it) {
    char seen[16] = "";
    set(&name, "a");
    mouv_future_t future = mouv_offload(looks_on_a_worker, seen);
    set(&name, "b");
    CHECK_INT(mouv_await(future, NULL), MOUV_ENOLOOP);
    CHECK_STRING(seen, "a");
    expect(&name, "b");
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(value_is_null_until_it_is_set),
        TEST(task_begins_with_its_makers_values_as_they_were),
        TEST(what_a_task_sets_its_maker_and_its_siblings_do_not_see),
        TEST(awaited_coroutine_shares_its_awaiters_values),
        TEST(gathered_coroutine_begins_with_those_of_who_gathers_it),
        TEST(values_pass_down_through_generations),
        TEST(copied_value_is_the_tasks_own),
        TEST(shared_value_is_destroyed_when_the_last_has_let_it_go),
        TEST(values_of_a_task_that_never_ran_are_destroyed),
        TEST(task_without_values_allocates_nothing_for_them),
        TEST(set_without_memory_keeps_the_old_value),
        TEST(task_whose_values_cannot_be_copied_does_not_run),
        TEST(null_is_an_invalid_key),
        TEST(base_values_are_where_tasks_begin),
        TEST(each_runtime_begins_anew),
        TEST(callbacks_see_the_values_of_who_asked_for_them_and_set_their_own),
        TEST(values_of_callbacks_that_never_run_are_destroyed),
        TEST(offloaded_function_sees_the_values_of_who_offloads_it),
    };
    return RUN_CASES(cases);
}
