/* Arguments with commas of their own: compound literals pass through every macro. */
#include <mouv/mouv.h>

typedef struct pair {
    int a, b;
} pair_t;

int use_all(mouv_fn_t fn, mouv_remote_t *remote);

int use_all(mouv_fn_t fn, mouv_remote_t *remote) {
    MOUV_GROUP(group);
    mouv_group_start(&group, fn, &(pair_t){1, 2});
    mouv_group_start_copy(&group, fn, &(pair_t){1, 2}, sizeof(pair_t));
    mouv_future_unref(mouv_group_task(&group, fn, &(pair_t){1, 2}));
    mouv_future_unref(mouv_group_task_copy(&group, fn, &(pair_t){1, 2}, sizeof(pair_t)));
    mouv_future_t all = mouv_gather(
        mouv_coro_copy(fn, &(pair_t){1, 2}, sizeof(pair_t)), mouv_coro(fn, &(pair_t){1, 2}),
        mouv_task(fn, &(pair_t){1, 2}), mouv_task_copy(fn, &(pair_t){1, 2}, sizeof(pair_t)),
        mouv_task_with(fn, NULL, &(mouv_task_opts_t){.name = "x", .stack_size = 65536}),
        mouv_offload(fn, &(pair_t){1, 2}), mouv_offload_detached(fn, &(pair_t){1, 2}, NULL),
        mouv_sleep_future(((pair_t){1, 2}).a));
    mouv_remote_task_unref(mouv_remote_task(remote, fn, &(pair_t){1, 2}));
    return mouv_await(all, &(mouv_error_t){.code = 0, .cause = 0}) +
           mouv_run_threadsafe(remote, fn, &(pair_t){1, 2}, NULL) +
           mouv_run_threadsafe_for(remote, fn, &(pair_t){1, 2}, 5, NULL) +
           mouv_group_join(&group, &(mouv_error_t){.code = 0, .cause = 0});
}
