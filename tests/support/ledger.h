/*
 * A load of writes in coroutines that keeps books (books.h): inserts of one document, increments of
 * a counter each, transactions.
 */
#ifndef MOUV_TESTS_LEDGER_H
#define MOUV_TESTS_LEDGER_H

#include "support/books.h"
#include "support/support.h"

enum { LEDGER_WRITERS_MAX = 64 };

typedef struct ledger {
    mouv_client_t *client;
    mouv_collection_t *documents, *firsts, *seconds, *counters;
    int64_t timeout_ms; /* of each operation */
    bool any_timeout;   /* from 1 ms to that, at random */
    bool stopped;
    int writers;
    books_t books;
    int64_t longest_ms, longest_transaction_ms; /* any took */
    mouv_error_t last_error;
} ledger_t;

/** The load will be on that client and a database that books_prepare() has made, with
 *  LEDGER_WRITERS_MAX counters. */
void ledger_open(ledger_t *ledger, mouv_client_t *client, const char *database_name);
void ledger_close(ledger_t *ledger);

/** Adds `count` writers of each of the kinds to the group; they end after ledger_stop(). */
void ledger_start(ledger_t *ledger, mouv_group_t *group, int count);
void ledger_stop(ledger_t *ledger);

/** Waits until so many more writes are acknowledged; false if that takes longer than `limit_ms`. */
bool ledger_goes_on(ledger_t *ledger, uint64_t writes, int64_t limit_ms);

/** Compares the books with what is stored; complains as a CHECK does. */
int ledger_check(ledger_t *ledger, test_t *t);

#endif
