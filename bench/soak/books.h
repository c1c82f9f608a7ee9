/*
 * Books of a load: what was told to whoever asked, against what is stored in the end. Documents are
 * inserted, and some deleted again; each counter is incremented by one task alone.
 */
#ifndef MOUV_BENCH_SOAK_BOOKS_H
#define MOUV_BENCH_SOAK_BOOKS_H

#include <mongoc/mongoc.h>
#include <mouv/mouv.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/** What a write was reported to have come to. */
typedef enum outcome {
    REFUSED,      /**< nothing is stored */
    ACKNOWLEDGED, /**< it is stored, and stays */
    UNKNOWN       /**< either */
} outcome_t;

/** What must be found of a document. */
typedef enum { MUST_NOT_BE, MUST_BE, MUST_STILL_BE, MAY_BE } due_t;

/** One increment, which also leaves its number in the counter's document. */
typedef struct increment {
    outcome_t outcome;
    int stored;     /* how often its number was found */
    char text[120]; /* its error */
} increment_t;

typedef struct counter {
    increment_t *increments;
    int count, capacity;
} counter_t;

typedef struct books {
    uint8_t *documents; /* a due_t for each _id */
    size_t count, capacity;
    counter_t *counters;
    int counter_count;
    uint64_t outcomes[3];
    int wrong; /* discrepancies found so far; the first ones are printed */
} books_t;

/** Stored, but a majority has not confirmed it: it may be rolled back. */
static inline int is_unconfirmed(const mouv_error_t *error) {
    return error->code == MOUV_ESERVER && error->domain == MONGOC_ERROR_WRITE_CONCERN;
}

static inline outcome_t outcome_of(books_t *books, int rc, const mouv_error_t *error) {
    outcome_t outcome = REFUSED;
    if (rc >= 0)
        outcome = ACKNOWLEDGED;
    else if (error->code == MOUV_EUNKNOWN || is_unconfirmed(error))
        outcome = UNKNOWN;
    books->outcomes[outcome]++;
    return outcome;
}

static inline MOUV_PRINTF(2, 3) void books_wrong(books_t *books, const char *format, ...) {
    va_list args;
    if (++books->wrong > 20) return;
    va_start(args, format);
    fputs("WRONG: ", stdout);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

/** A page for one more document. */
static inline int books_new_document(books_t *books) {
    if (books->count == books->capacity) {
        books->capacity = books->capacity ? 2 * books->capacity : 65536;
        books->documents = realloc(books->documents, books->capacity);
        if (!books->documents) abort();
    }
    books->documents[books->count] = MAY_BE; /* while it is under way */
    return (int)books->count++;
}

static inline void books_inserted(books_t *books, int id, outcome_t outcome) {
    static const due_t due[] = {MUST_NOT_BE, MUST_BE, MAY_BE};
    books->documents[id] = (uint8_t)due[outcome];
}

static inline void books_deleted(books_t *books, int id, outcome_t outcome) {
    static const due_t due[] = {MUST_STILL_BE, MUST_NOT_BE, MAY_BE};
    books->documents[id] = (uint8_t)due[outcome];
}

/** The number of the counter's next increment. */
static inline int books_new_increment(const books_t *books, int counter) {
    return books->counters[counter].count;
}

static inline void books_incremented(books_t *books, int index, outcome_t outcome,
                                     const mouv_error_t *error) {
    counter_t *counter = &books->counters[index];
    if (counter->count == counter->capacity) {
        counter->capacity = counter->capacity ? 2 * counter->capacity : 64;
        counter->increments =
            realloc(counter->increments, (size_t)counter->capacity * sizeof(increment_t));
        if (!counter->increments) abort();
    }
    increment_t *increment = &counter->increments[counter->count++];
    *increment = (increment_t){.outcome = outcome};
    if (outcome != ACKNOWLEDGED)
        snprintf(increment->text, sizeof increment->text, "%s %d %.90s",
                 mouv_error_name(error->code), error->server_code, error->message);
}

static inline void books_open(books_t *books, int counters) {
    *books = (books_t){.counter_count = counters};
    books->counters = calloc((size_t)counters, sizeof *books->counters);
}

static inline void books_close(books_t *books) {
    free(books->documents);
    for (int i = 0; i < books->counter_count; i++) free(books->counters[i].increments);
    free(books->counters);
}

/** A field of the document, or -1. */
static inline int64_t field(const bson_t *doc, const char *name) {
    bson_iter_t iter;
    return doc && bson_iter_init_find(&iter, doc, name) ? bson_iter_as_int64(&iter) : -1;
}

static inline int books_check_documents(books_t *books, mouv_collection_t *collection) {
    mouv_error_t error;
    const bson_t *doc;
    int rc;
    uint8_t *stored = calloc(books->count + 1, 1);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(collection, NULL, NULL);
    while ((rc = mouv_cursor_next(cursor, &doc, &error)) > 0) {
        int64_t id = field(doc, "_id");
        if (id < 0 || (size_t)id >= books->count) {
            books_wrong(books, "a document that nobody has inserted");
        } else {
            stored[id] = 1;
        }
    }
    for (size_t id = 0; rc == 0 && id < books->count; id++) {
        if (books->documents[id] == MUST_BE && !stored[id])
            books_wrong(books, "document %zu was acknowledged and is lost", id);
        if (books->documents[id] == MUST_STILL_BE && !stored[id])
            books_wrong(books, "document %zu was reported as not deleted and is gone", id);
        if (books->documents[id] == MUST_NOT_BE && stored[id])
            books_wrong(books, "document %zu was reported as not stored and is", id);
    }
    free(stored);
    return rc < 0 ? mouv_fail_with(&error) : 0;
}

/** Notes which increments the document has; `n` must agree. */
static inline void books_read_counter(books_t *books, int64_t id, const bson_t *doc) {
    counter_t *counter = &books->counters[id];
    bson_iter_t iter, number;
    int64_t n = 0;
    if (!bson_iter_init_find(&iter, doc, "numbers") || !bson_iter_recurse(&iter, &number)) return;
    for (; bson_iter_next(&number); n++) {
        int64_t i = bson_iter_as_int64(&number);
        if (i >= 0 && i < counter->count) counter->increments[i].stored++;
    }
    if (n != field(doc, "n"))
        books_wrong(books, "counter %lld is %lld after %lld increments", (long long)id,
                    (long long)field(doc, "n"), (long long)n);
}

static inline void books_check_counter(books_t *books, int id) {
    static const char *const names[] = {"reported as not stored", "acknowledged", "unknown"};
    for (int i = 0; i < books->counters[id].count; i++) {
        const increment_t *increment = &books->counters[id].increments[i];
        int least = increment->outcome == ACKNOWLEDGED, most = increment->outcome != REFUSED;
        if (increment->stored < least || increment->stored > most)
            books_wrong(books, "increment %d of counter %d was %s, and is stored %d times: %s", i,
                        id, names[increment->outcome], increment->stored, increment->text);
    }
}

static inline int books_check_counters(books_t *books, mouv_collection_t *collection) {
    mouv_error_t error;
    const bson_t *doc;
    int rc;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(collection, NULL, NULL);
    while ((rc = mouv_cursor_next(cursor, &doc, &error)) > 0) {
        int64_t id = field(doc, "_id");
        if (id >= 0 && id < books->counter_count) books_read_counter(books, id, doc);
    }
    for (int id = 0; rc == 0 && id < books->counter_count; id++) books_check_counter(books, id);
    return rc < 0 ? mouv_fail_with(&error) : 0;
}

#endif
