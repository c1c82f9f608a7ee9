/*
 * Books of a load: what was told to whoever asked, against what is stored in the end. Documents are
 * inserted, and some deleted again; each counter is incremented by one task alone.
 */
#ifndef MOUV_BENCH_SOAK_BOOKS_H
#define MOUV_BENCH_SOAK_BOOKS_H

#include <mongoc/mongoc.h>
#include <mouv/mouv.h>

#include <stdio.h>
#include <stdlib.h>

/** What a write was reported to have come to. */
typedef enum outcome {
    REFUSED,      /**< nothing is stored */
    ACKNOWLEDGED, /**< it is stored, and stays */
    UNKNOWN,      /**< either */
} outcome_t;

enum { REFUSALS = 4 };

/** What must be found of a document. */
typedef enum { MUST_NOT_BE, MUST_BE, MAY_BE } due_t;

typedef struct books {
    uint8_t *documents; /* a due_t for each _id */
    size_t count, capacity;
    struct {
        int least, most, refused;
        char refusals[REFUSALS][160]; /* what the last ones said */
    } *counters;
    int counter_count;
    uint64_t outcomes[3];
    int wrong; /* discrepancies found so far; the first ones are printed */
} books_t;

/** Stored, but a majority has not confirmed it: it may be rolled back. */
static inline int is_unconfirmed(const mouv_error_t *error) {
    return error->code == MOUV_ESERVER && error->domain == MONGOC_ERROR_WRITE_CONCERN;
}

static inline outcome_t outcome_of(books_t *books, int rc, const mouv_error_t *error) {
    outcome_t outcome = rc >= 0                                                     ? ACKNOWLEDGED
                        : error->code == MOUV_EUNKNOWN || is_unconfirmed(error) ? UNKNOWN
                                                                                    : REFUSED;
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
    static const due_t due[] = {MUST_BE, MUST_NOT_BE, MAY_BE};
    books->documents[id] = (uint8_t)due[outcome];
}

/** `error`: of one that was refused. */
static inline void books_incremented(books_t *books, int counter, outcome_t outcome,
                                     const mouv_error_t *error) {
    books->counters[counter].least += outcome == ACKNOWLEDGED;
    books->counters[counter].most += outcome != REFUSED;
    if (outcome != REFUSED) return;
    char *text = books->counters[counter].refusals[books->counters[counter].refused++ % REFUSALS];
    snprintf(text, sizeof books->counters[counter].refusals[0], "%s %d %.120s",
             mouv_error_name(error->code), error->server_code, error->message);
}

static inline void books_open(books_t *books, int counters) {
    *books = (books_t){.counter_count = counters};
    books->counters = calloc((size_t)counters, sizeof *books->counters);
}

static inline void books_close(books_t *books) {
    free(books->documents);
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
        if (books->documents[id] == MUST_NOT_BE && stored[id])
            books_wrong(books, "document %zu was reported as not stored and is", id);
    }
    free(stored);
    return rc < 0 ? mouv_fail_with(&error) : 0;
}

static inline int books_check_counters(books_t *books, mouv_collection_t *collection) {
    mouv_error_t error;
    const bson_t *doc;
    int rc;
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(collection, NULL, NULL);
    while ((rc = mouv_cursor_next(cursor, &doc, &error)) > 0) {
        int64_t id = field(doc, "_id"), n = field(doc, "n");
        if (id < 0 || id >= books->counter_count) continue;
        if (n < books->counters[id].least || n > books->counters[id].most) {
            books_wrong(books, "counter %lld is %lld, not %d to %d", (long long)id, (long long)n,
                        books->counters[id].least, books->counters[id].most);
            for (int i = 0; i < REFUSALS; i++)
                if (*books->counters[id].refusals[i]) puts(books->counters[id].refusals[i]);
        }
    }
    return rc < 0 ? mouv_fail_with(&error) : 0;
}

#endif
