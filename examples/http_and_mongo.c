/*
 * HTTP beside the database: several URLs and a query, all under way at once on one loop and under
 * one deadline. How libcurl becomes awaitable stands in http_client.h, for copying.
 *
 *     http_and_mongo [-t milliseconds] [-m mongodb://host] URL...
 */
#include <inttypes.h>
#include <unistd.h>

#include "http_client.h"

enum { URLS_MAX = 16 };

struct program {
    int64_t timeout_ms;
    const char *mongodb; /* NULL: no query */
    char **urls;
    size_t count;
};

static int fetch_all(struct program *program, struct http *http, mouv_client_t *client) {
    struct http_reply replies[URLS_MAX] = {{0}};
    mouv_future_t all[URLS_MAX + 1];
    mouv_error_t errors[URLS_MAX + 1], error;
    bson_t everything = BSON_INITIALIZER;
    int64_t visits = 0, began = mouv_now_ms();
    size_t n = program->count;

    for (size_t i = 0; i < n; i++) all[i] = http_get(http, program->urls[i], &replies[i]);
    if (client) {
        mouv_collection_t *coll = mouv_client_get_collection(client, "examples", "visits");
        all[n++] = mouv_collection_count_documents(coll, &everything, NULL, &visits);
    }
    /* Its result is the number of failures. When the time is up, all that is pending is cancelled.
     */
    int failed = mouv_await_for(mouv_gather_all(all, n, NULL, errors), program->timeout_ms, &error);

    for (size_t i = 0; i < program->count; i++) {
        const char *why = failed < 0 ? error.message : errors[i].message;
        if (replies[i].status > 0)
            printf("%s: %ld, %zu bytes\n", program->urls[i], replies[i].status,
                   replies[i].size_bytes);
        else
            printf("%s: %s\n", program->urls[i], why);
        free(replies[i].body);
    }
    if (client && failed >= 0 && errors[n - 1].code == 0)
        printf("examples.visits: %" PRId64 " documents\n", visits);
    else if (client)
        printf("examples.visits: %s\n", failed < 0 ? error.message : errors[n - 1].message);
    printf("together %.2f s\n", (double)(mouv_now_ms() - began) / 1000);
    bson_destroy(&everything);
    return failed;
}

static int main_task(void *arg) {
    struct program *program = arg;
    mouv_error_t error;
    mouv_client_t *client = NULL;
    struct http *http = http_new();
    if (!http) return MOUV_ENOMEM;
    if (program->mongodb && !(client = mouv_client_new(program->mongodb, NULL, &error))) {
        http_close(http);
        return mouv_fail_with(&error);
    }
    int failed = fetch_all(program, http, client);
    if (client) mouv_client_close(client, NULL);
    mouv_client_unref(client);
    http_close(http);
    return failed > 0 ? 1 : failed;
}

int main(int argc, char **argv) {
    struct program program = {.timeout_ms = 10000, .mongodb = getenv("MONGODB_URI")};
    int option;
    while ((option = getopt(argc, argv, "t:m:")) != -1) {
        if (option == 't') program.timeout_ms = atoll(optarg);
        if (option == 'm') program.mongodb = optarg;
        if (option == '?') return 2;
    }
    program.urls = argv + optind;
    program.count = (size_t)(argc - optind);
    if (program.count == 0 || program.count > URLS_MAX) {
        fprintf(stderr, "usage: http_and_mongo [-t milliseconds] [-m mongodb://host] URL...\n");
        return 2;
    }
    if (!program.mongodb) fprintf(stderr, "neither -m nor MONGODB_URI: without a query\n");
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int status = mouv_main(main_task, &program);
    curl_global_cleanup();
    return status;
}
