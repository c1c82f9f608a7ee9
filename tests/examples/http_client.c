/*
 * What becomes of a transfer of examples/http_client.h: `http_client CASE URL` prints it. URL
 * answers after half a second.
 */
#include "../../examples/http_client.h"

#include <string.h>

enum { ANSWER_MS = 500 };

struct asked {
    const char *what, *url;
};

static void tell(const char *when, const struct http *http, const struct http_reply *reply) {
    printf("%s: %s, status %ld\n", when, LIST_EMPTY(&http->transfers) ? "ended" : "under way",
           reply->status);
}

/* A deadline ends the transfer, not only the wait. */
static void timeout(struct http *http, const char *url, struct http_reply *reply) {
    int rc = mouv_await_for(http_get(http, url, reply), 100, NULL);
    mouv_sleep_ms(0);
    tell(mouv_error_name(rc), http, reply);
}

static void cancel(struct http *http, const char *url, struct http_reply *reply) {
    mouv_future_t future = http_get(http, url, reply);
    mouv_sleep_ms(100);
    mouv_future_drop(&future);
    mouv_sleep_ms(0);
    tell("dropped", http, reply);
}

/* Given up without a cancel it runs on by itself and writes nowhere. */
static void let_go(struct http *http, const char *url, struct http_reply *reply) {
    mouv_future_unref(http_get(http, url, reply));
    mouv_sleep_ms(0);
    tell("let go", http, reply);
    while (!LIST_EMPTY(&http->transfers)) mouv_sleep_ms(10);
    tell("later", http, reply);
}

/* A gather that fails cancels its other transfers. */
static void gather(struct http *http, const char *url, struct http_reply *reply) {
    struct http_reply none = {0};
    int rc =
        mouv_await(mouv_gather(http_get(http, url, reply), http_get(http, "x://", &none)), NULL);
    tell(mouv_error_name(rc), http, reply);
}

/* Closing cancels; whoever awaits is told. */
static int await(void *future) {
    int rc = mouv_await(*(mouv_future_t *)future, NULL);
    printf("awaiter: %s\n", mouv_error_name(rc));
    return 0;
}

static int main_task(void *arg) {
    static const struct {
        const char *name;
        void (*run)(struct http *http, const char *url, struct http_reply *reply);
    } cases[] = {{"timeout", timeout}, {"cancel", cancel}, {"let_go", let_go}, {"gather", gather}};
    struct asked *asked = arg;
    struct http *http = http_new();
    struct http_reply reply = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(cases[i].name, asked->what) == 0) cases[i].run(http, asked->url, &reply);
    free(reply.body);
    mouv_future_t last = http_get(http, asked->url, &reply);
    mouv_future_t awaiter = mouv_task(await, &last);
    mouv_sleep_ms(50);
    http_close(http);
    return mouv_await(awaiter, NULL);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    struct asked asked = {argv[1], argv[2]};
    return mouv_main(main_task, &asked);
}
