/*
 * A load of writes that keeps books: which were acknowledged, which were promised not to be stored,
 * which are of unknown outcome. Compared with what is stored in the end, nothing acknowledged may
 * be missing or doubled, and nothing else be there that was promised not to be.
 *
 * There are three kinds of writers: inserts of one document, increments of a counter each (a write
 * that is done twice shows), and transactions that insert a document into each of two collections.
 */
#ifndef MOUV_TESTS_LEDGER_H
#define MOUV_TESTS_LEDGER_H

#include "support/support.h"

enum { LEDGER_WRITERS_MAX = 64 };

/** What came of the documents 0, 1, 2, ... of one kind. */
typedef struct ledger_book {
    uint8_t *outcomes;
    size_t count, capacity;
} ledger_book_t;

typedef struct ledger {
    mouv_client_t *client;
    mouv_collection_t *singles, *firsts, *seconds, *counters;
    int64_t timeout_ms; /* of each operation */
    bool stopped;
    ledger_book_t inserted, committed;
    struct {
        int acknowledged, unknown;
    } increments[LEDGER_WRITERS_MAX];
    int writers;
    uint64_t acknowledged, unknown, refused;    /* by kind of outcome, all writers together */
    int64_t longest_ms, longest_transaction_ms; /* any took */
    mouv_error_t last_error;
} ledger_t;

/** Makes the collections of the database on that client, whose deployment must have a primary. */
int ledger_open(ledger_t *ledger, test_t *t, mouv_client_t *client);
void ledger_close(ledger_t *ledger);

/** Adds `count` writers of each of the kinds to the group; they end after ledger_stop(). */
void ledger_start(ledger_t *ledger, mouv_group_t *group, int count);
void ledger_stop(ledger_t *ledger);

/** Waits until so many more writes are acknowledged; false if that takes longer than `limit_ms`. */
bool ledger_goes_on(ledger_t *ledger, uint64_t writes, int64_t limit_ms);

/** Compares the books with what is stored; complains as a CHECK does. */
int ledger_check(ledger_t *ledger, test_t *t);

#endif
