/*
 * A task group, the way to run several things at once: the page needs three parts, all of them or
 * none. The second one fails, so the third is cancelled, and nothing is left running.
 */
#include <stdio.h>

#include <mouv/mouv.h>

struct part {
    const char *name;
    int64_t takes_ms;
    bool breaks;
};

static int load(void *arg) {
    const struct part *part = arg;
    if (mouv_sleep_ms(part->takes_ms) < 0) {
        printf("%s: cancelled\n", part->name);
        return MOUV_ECANCELED;
    }
    if (part->breaks) return mouv_fail(-1, "no %s today", part->name);
    printf("%s: loaded\n", part->name);
    return 0;
}

/* Returns when all parts are there, or when one is missing and the others have stopped. */
static int page(void *arg) {
    struct part *parts = arg;
    MOUV_GROUP(group);
    for (int i = 0; i < 3; i++) mouv_group_start(&group, load, &parts[i]);
    return mouv_group_join(&group, NULL);
}

/* At most two at once: starting the third waits until one has ended. */
static int in_turn(void *arg) {
    struct part *parts = arg;
    MOUV_GROUP(group);
    mouv_group_set_limit(&group, 2);
    for (int i = 0; i < 3; i++) {
        mouv_group_start(&group, load, &parts[i]);
        printf("%s: started\n", parts[i].name);
    }
    return mouv_group_join(&group, NULL);
}

static int main_task(void *arg) {
    struct part parts[] = {{"user", 20, false}, {"orders", 200, true}, {"mails", 60000, false}};
    mouv_error_t error;
    (void)arg;
    if (mouv_await_for(mouv_coro(page, parts), 5000, &error) < 0)
        printf("page: %s\n", error.message);
    parts[1].breaks = false;
    parts[2].takes_ms = 20;
    return mouv_await(mouv_coro(in_turn, parts), NULL);
}

int main(void) {
    return mouv_main(main_task, NULL);
}
