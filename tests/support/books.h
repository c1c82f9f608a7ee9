/*
 * The books of a load of writes: what whoever asked was told, against what is stored in the end.
 * Nothing acknowledged may be missing or doubled, and nothing be there that was promised not to be.
 *
 * There are three kinds of writes, each into collections of its own: documents (inserted, and some
 * deleted again), pairs (a transaction inserts a document into each of two collections), and
 * increments of a counter, which leave their numbers in its document and are made by one writer, so
 * that one that is lost, doubled or stored against a promise has a name.
 *
 * It knows nothing of the client that writes. One thread at a time.
 */
#ifndef MOUV_TESTS_BOOKS_H
#define MOUV_TESTS_BOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <mongoc/mongoc.h>
#include <mouv/mouv.h>

/** What a write was reported to have come to. */
typedef enum books_outcome {
    BOOKS_OPEN,         /**< not yet */
    BOOKS_REFUSED,      /**< nothing is stored */
    BOOKS_ACKNOWLEDGED, /**< it is stored, and stays */
    BOOKS_UNKNOWN,      /**< either */
    BOOKS_OUTCOMES
} books_outcome_t;

/** Documents or pairs: what must be found of each _id. */
typedef struct books_page {
    uint8_t *due;
    size_t count, capacity;
} books_page_t;

typedef struct books_counter {
    struct books_increment *increments;
    size_t count, capacity;
} books_counter_t;

typedef struct books {
    books_page_t documents, pairs;
    books_counter_t *counters;
    size_t counter_count;
    uint64_t outcomes[BOOKS_OUTCOMES];
    FILE *journal; /**< unless NULL, each entry is written there, as a line for books_take() */
    /* found by books_check(); the first ones are printed */
    int lost, doubled; /**< of what was acknowledged */
    int ghosts;        /**< stored, though it was reported as not stored; or by nobody */
    int torn;          /**< halves of transactions */
} books_t;

/** The names of the collections, NULL at the end. */
extern const char *const books_collections[];

void books_open(books_t *books, size_t counters);
void books_close(books_t *books);

/** The _id of the next document, or pair. */
int books_begin(books_page_t *page);

/** What the write of that document or pair came to; pages grow as they must. */
void books_enter(books_t *books, books_page_t *page, int id, books_outcome_t outcome);

/** The same of the deletion of a document that is acknowledged. */
void books_enter_delete(books_t *books, int id, books_outcome_t outcome);

/** The number of that counter's next increment, and what it came to; `why` (may be NULL) is told
 *  beside what is wrong with it. Its document is {_id, n, numbers: [...]}. */
int books_next_increment(const books_t *books, int counter);
void books_enter_increment(books_t *books, int counter, int number, books_outcome_t outcome,
                           const char *why);

/** Enters a line of another process's journal: "document ID OUTCOME", "delete ID OUTCOME", "pair ID
 *  OUTCOME" or "increment COUNTER NUMBER OUTCOME WHY", outcomes as numbers. False: it is none. */
bool books_take(books_t *books, const char *line);

/** What a result of mouv's says of a write. */
books_outcome_t books_outcome(int rc, const mouv_error_t *error);

/** Makes the collections, and so many counters, in a database that it drops first; by libmongoc alone;
 *  blocks. 0, or -1, which is said on stderr. */
int books_prepare(const char *uri, const char *database, size_t counters);

/** Compares them with that database, by libmongoc alone; blocks. The number of discrepancies, or -1:
 *  it cannot be read, which is said on stderr. */
int books_check(books_t *books, const char *uri, const char *database);

#endif
