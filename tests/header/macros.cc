// A program that names the functions with ::, and passes lambdas and templates to the macros.
#include <mouv/mouv.h>

int wait_for(mouv_future_t future, mouv_cursor_t *cursor);

template <int A, int B> static int sum(void *) {
    return A + B;
}

int wait_for(mouv_future_t future, mouv_cursor_t *cursor) {
    mouv_error_t error;
    mouv_group_t group = MOUV_ZERO;
    const bson_t *doc;
    int (*function)(mouv_future_t, mouv_error_t *) = &::mouv_await;
    ::mouv_group_start(
        &group, [](void *) { return 0; }, nullptr);
    mouv_future_t task = mouv_task(
        [](void *) {
            int a = 1, b = 2;
            return a + b;
        },
        nullptr);
    mouv_future_t both = ::mouv_gather(::mouv_coro(sum<1, 2>, nullptr), task);
    return ::mouv_await(future, &error) + ::mouv_await_for(both, 10, nullptr) +
           ::mouv_sleep_ms(1) + ::mouv_cursor_next(cursor, &doc, &error) +
           function(::mouv_sleep_future(1), nullptr);
}
