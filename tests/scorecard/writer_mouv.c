/*
 * Writes with mouv until its input ends; its output is the journal of its books, and at last how
 * long the slowest write took.
 *
 * usage: writer_mouv URI DATABASE TIMEOUT_MS [any]     any: each has from 1 ms to that, at random
 */
#include "support/ledger.h"

#include <poll.h>
#include <unistd.h>

enum { WRITERS_OF_A_KIND = 5, LOOK_MS = 20 };

typedef struct arguments {
    const char *uri, *database;
    int64_t timeout_ms;
    bool any_timeout;
} arguments_t;

static bool input_ended(void) {
    char byte;
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

static int write_until_told(void *arg) {
    const arguments_t *arguments = arg;
    mouv_error_t error;
    ledger_t ledger;
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(arguments->uri, NULL, &error);
    if (!client) return error.code;
    ledger_open(&ledger, client, arguments->database);
    ledger.books.journal = stdout;
    ledger.timeout_ms = arguments->timeout_ms;
    ledger.any_timeout = arguments->any_timeout;
    MOUV_GROUP(writers);
    ledger_start(&ledger, &writers, WRITERS_OF_A_KIND);
    while (!input_ended()) mouv_sleep_ms(LOOK_MS);
    ledger_stop(&ledger);
    mouv_group_join(&writers, NULL);
    printf("slowest %lld\n", (long long)ledger.longest_ms);
    ledger_close(&ledger);
    mouv_client_close(client, NULL);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    arguments_t arguments = {argv[1], argv[2], atoll(argv[3]), argc > 4};
    setvbuf(stdout, NULL, _IOLBF, 0);
    return mouv_main(write_until_told, &arguments);
}
