/* The same pair as Python's documentation has it, with the time of day at both ends. */
#include <stdio.h>
#include <time.h>

#include <mouv/mouv.h>

struct say {
    int64_t delay_ms;
    const char *what;
};

static int say_after(void *arg) {
    struct say *say = arg;
    mouv_sleep_ms(say->delay_ms);
    printf("%s\n", say->what);
    return 0;
}

static void print_time(const char *word) {
    char text[16];
    time_t now = time(NULL);
    strftime(text, sizeof text, "%X", localtime(&now));
    printf("%s at %s\n", word, text);
}

static int in_sequence(void *arg) {
    (void)arg;
    struct say hello = {1000, "hello"}, world = {2000, "world"};
    print_time("started");
    mouv_await(mouv_coro(say_after, &hello), NULL);
    mouv_await(mouv_coro(say_after, &world), NULL);
    print_time("finished");
    return 0;
}

static int as_tasks(void *arg) {
    (void)arg;
    struct say hello = {1000, "hello"}, world = {2000, "world"};
    mouv_future_t a = mouv_task(say_after, &hello);
    mouv_future_t b = mouv_task(say_after, &world);
    print_time("started");
    mouv_await(a, NULL);
    mouv_await(b, NULL);
    print_time("finished");
    return 0;
}

int main(void) {
    int status = mouv_main(in_sequence, NULL);
    return status ? status : mouv_main(as_tasks, NULL);
}
