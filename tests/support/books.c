/*
 * Books.
 */
#include "support/books.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOLD_MAX = 20, TRIES = 5, PAUSE_US = 500000 };

/* What must be found of a document. */
typedef enum due { MAY_BE, MUST_NOT_BE, MUST_BE, MUST_STILL_BE } due_t;

typedef struct books_increment {
    uint8_t outcome;
    int stored; /* how often its number was found */
    char why[120];
} increment_t;

const char *const books_collections[] = {"documents", "firsts", "seconds", "counters", NULL};

/* --- writing them ----------------------------------------------------------------------------- */

void books_open(books_t *books, size_t counters) {
    *books = (books_t){.counter_count = counters};
    books->counters = calloc(counters + 1, sizeof *books->counters);
    if (!books->counters) abort();
}

void books_close(books_t *books) {
    free(books->documents.due);
    free(books->pairs.due);
    for (size_t i = 0; i < books->counter_count; i++) free(books->counters[i].increments);
    free(books->counters);
    *books = (books_t){0};
}

static void count(books_t *books, books_outcome_t outcome) {
    books->outcomes[outcome]++;
}

/* Room for `wanted` entries; new ones are 0. */
static void *room_for(void *entries, size_t wanted, size_t *capacity, size_t size) {
    size_t more = *capacity;
    if (wanted <= *capacity) return entries;
    while (more < wanted) more = more ? 2 * more : 1024;
    char *grown = realloc(entries, more * size);
    if (!grown) abort();
    memset(grown + *capacity * size, 0, (more - *capacity) * size);
    *capacity = more;
    return grown;
}

static void grow_page(books_page_t *page, size_t size) {
    page->due = room_for(page->due, size, &page->capacity, sizeof *page->due);
    if (size > page->count) page->count = size;
}

int books_begin(books_page_t *page) {
    grow_page(page, page->count + 1);
    return (int)page->count - 1;
}

void books_enter(books_t *books, books_page_t *page, int id, books_outcome_t outcome) {
    static const uint8_t due[] = {MAY_BE, MUST_NOT_BE, MUST_BE, MAY_BE};
    grow_page(page, (size_t)id + 1);
    page->due[id] = due[outcome];
    count(books, outcome);
    if (books->journal)
        fprintf(books->journal, "%s %d %d\n", page == &books->pairs ? "pair" : "document", id,
                outcome);
}

void books_enter_delete(books_t *books, int id, books_outcome_t outcome) {
    static const uint8_t due[] = {MAY_BE, MUST_STILL_BE, MUST_NOT_BE, MAY_BE};
    books->documents.due[id] = due[outcome];
    count(books, outcome);
    if (books->journal) fprintf(books->journal, "delete %d %d\n", id, outcome);
}

int books_next_increment(const books_t *books, int counter) {
    return (int)books->counters[counter].count;
}

void books_enter_increment(books_t *books, int index, int number, books_outcome_t outcome,
                           const char *why) {
    books_counter_t *counter = &books->counters[index];
    size_t size = (size_t)number + 1;
    counter->increments =
        room_for(counter->increments, size, &counter->capacity, sizeof *counter->increments);
    if (size > counter->count) counter->count = size;
    increment_t *increment = &counter->increments[number];
    increment->outcome = (uint8_t)outcome;
    snprintf(increment->why, sizeof increment->why, "%s", why ? why : "");
    for (char *c = increment->why; *c; c++)
        if (*c == '\n') *c = ' ';
    count(books, outcome);
    if (books->journal)
        fprintf(books->journal, "increment %d %d %d %s\n", index, number, outcome, increment->why);
}

static bool is_outcome(int outcome) {
    return outcome > BOOKS_OPEN && outcome < BOOKS_OUTCOMES;
}

static bool take_increment(books_t *books, const char *line) {
    int counter, number, outcome, length = 0;
    if (sscanf(line, "increment %d %d %d %n", &counter, &number, &outcome, &length) < 3)
        return false;
    if (counter < 0 || (size_t)counter >= books->counter_count || number < 0) return false;
    if (!is_outcome(outcome)) return false;
    books_enter_increment(books, counter, number, (books_outcome_t)outcome, line + length);
    return true;
}

bool books_take(books_t *books, const char *line) {
    char kind[16];
    int id, outcome;
    if (take_increment(books, line)) return true;
    if (sscanf(line, "%15s %d %d", kind, &id, &outcome) != 3) return false;
    if (id < 0 || !is_outcome(outcome)) return false;
    if (strcmp(kind, "document") == 0)
        books_enter(books, &books->documents, id, (books_outcome_t)outcome);
    else if (strcmp(kind, "pair") == 0)
        books_enter(books, &books->pairs, id, (books_outcome_t)outcome);
    else if (strcmp(kind, "delete") == 0 && (size_t)id < books->documents.count)
        books_enter_delete(books, id, (books_outcome_t)outcome);
    else
        return false;
    return true;
}

/* UnknownReplWriteConcern, CannotSatisfyWriteConcern: stored, and the program's mistake. */
static bool is_impossible_concern(const mouv_error_t *error) {
    if (error->domain != MONGOC_ERROR_WRITE_CONCERN) return false;
    return error->server_code == 79 || error->server_code == 100;
}

/* The label: the server could not say what became of a commit. */
books_outcome_t books_outcome(int rc, const mouv_error_t *error) {
    if (rc >= 0) return BOOKS_ACKNOWLEDGED;
    bool uncertain = error->code == MOUV_EUNKNOWN || is_impossible_concern(error) ||
                     mouv_error_has_label(error, "UnknownTransactionCommitResult");
    return uncertain ? BOOKS_UNKNOWN : BOOKS_REFUSED;
}

/* --- comparing them --------------------------------------------------------------------------- */

static int found(const books_t *books) {
    return books->lost + books->doubled + books->ghosts + books->torn;
}

static MOUV_PRINTF(3, 4) void note(const books_t *books, int *kind, const char *format, ...) {
    va_list args;
    (*kind)++;
    if (found(books) > TOLD_MAX) return;
    va_start(args, format);
    fputs("WRONG: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

static int64_t number_of(const bson_t *document, const char *name) {
    bson_iter_t iter;
    return bson_iter_init_find(&iter, document, name) ? bson_iter_as_int64(&iter) : -1;
}

/* Gives all of a collection to `take`. A server that has just come back is asked again. */
static int read_all(mongoc_client_t *client, const char *database, const char *name,
                    void (*take)(void *arg, const bson_t *document), void *arg) {
    bson_t all = BSON_INITIALIZER;
    bson_error_t error;
    const bson_t *document;
    mongoc_collection_t *collection = mongoc_client_get_collection(client, database, name);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, &all, NULL, NULL);
    while (mongoc_cursor_next(cursor, &document)) take(arg, document);
    bool failed = mongoc_cursor_error(cursor, &error);
    if (failed) fprintf(stderr, "%s.%s: %s\n", database, name, error.message);
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(collection);
    return failed ? -1 : 0;
}

typedef struct stored {
    books_t *books;
    const char *what;
    size_t count;
    uint8_t *ids;
} stored_t;

static void take_id(void *arg, const bson_t *document) {
    stored_t *stored = arg;
    int64_t id = number_of(document, "_id");
    if (id < 0 || (size_t)id >= stored->count)
        note(stored->books, &stored->books->ghosts, "one of the %s was inserted by nobody",
             stored->what);
    else
        stored->ids[id] = 1;
}

static int read_ids(stored_t *stored, mongoc_client_t *client, const char *database) {
    stored->ids = calloc(stored->count + 1, 1);
    if (!stored->ids) return -1;
    return read_all(client, database, stored->what, take_id, stored);
}

static void compare_page(books_t *books, const books_page_t *page, const stored_t *stored) {
    for (size_t id = 0; id < page->count; id++) {
        due_t due = page->due[id];
        if (due == MUST_BE && !stored->ids[id])
            note(books, &books->lost, "%s %zu was acknowledged and is lost", stored->what, id);
        if (due == MUST_STILL_BE && !stored->ids[id])
            note(books, &books->lost, "%s %zu was not to be deleted and is gone", stored->what, id);
        if (due == MUST_NOT_BE && stored->ids[id])
            note(books, &books->ghosts, "%s %zu was not to be stored and is", stored->what, id);
    }
}

static int check_documents(books_t *books, mongoc_client_t *client, const char *database) {
    stored_t stored = {.books = books, .what = "documents", .count = books->documents.count};
    int rc = read_ids(&stored, client, database);
    if (rc == 0) compare_page(books, &books->documents, &stored);
    free(stored.ids);
    return rc;
}

static int check_pairs(books_t *books, mongoc_client_t *client, const char *database) {
    stored_t first = {.books = books, .what = "firsts", .count = books->pairs.count};
    stored_t second = {.books = books, .what = "seconds", .count = books->pairs.count};
    int rc = read_ids(&first, client, database);
    if (rc == 0) rc = read_ids(&second, client, database);
    if (rc == 0) compare_page(books, &books->pairs, &first);
    for (size_t id = 0; rc == 0 && id < books->pairs.count; id++)
        if (first.ids[id] != second.ids[id])
            note(books, &books->torn, "of transaction %zu one half alone is stored", id);
    free(first.ids);
    free(second.ids);
    return rc;
}

/* Notes which increments the document has; `n` must agree. */
static void take_counter(void *arg, const bson_t *document) {
    books_t *books = arg;
    bson_iter_t iter, number;
    int64_t n = 0, id = number_of(document, "_id");
    if (id < 0 || (size_t)id >= books->counter_count) return;
    books_counter_t *counter = &books->counters[id];
    if (bson_iter_init_find(&iter, document, "numbers") && bson_iter_recurse(&iter, &number))
        for (; bson_iter_next(&number); n++) {
            int64_t i = bson_iter_as_int64(&number);
            if (i >= 0 && (size_t)i < counter->count) counter->increments[i].stored++;
        }
    if (n != number_of(document, "n"))
        note(books, &books->torn, "counter %lld is %lld after %lld increments", (long long)id,
             (long long)number_of(document, "n"), (long long)n);
}

static void compare_increment(books_t *books, size_t counter, size_t number) {
    const increment_t *increment = &books->counters[counter].increments[number];
    if (increment->outcome == BOOKS_ACKNOWLEDGED && increment->stored == 0)
        note(books, &books->lost, "increment %zu of counter %zu was acknowledged and is lost",
             number, counter);
    else if (increment->outcome == BOOKS_REFUSED && increment->stored > 0)
        note(books, &books->ghosts, "increment %zu of counter %zu was not to be stored and is: %s",
             number, counter, increment->why);
    else if (increment->stored > 1)
        note(books, &books->doubled, "increment %zu of counter %zu is stored %d times: %s", number,
             counter, increment->stored, increment->why);
}

static int check_counters(books_t *books, mongoc_client_t *client, const char *database) {
    for (size_t id = 0; id < books->counter_count; id++)
        for (size_t i = 0; i < books->counters[id].count; i++)
            books->counters[id].increments[i].stored = 0;
    int rc = read_all(client, database, "counters", take_counter, books);
    for (size_t id = 0; rc == 0 && id < books->counter_count; id++)
        for (size_t i = 0; i < books->counters[id].count; i++) compare_increment(books, id, i);
    return rc;
}

/* --- making them ------------------------------------------------------------------------------ */

static int prepare(mongoc_client_t *client, const char *name, size_t counters,
                   bson_error_t *error) {
    mongoc_database_t *database = mongoc_client_get_database(client, name);
    bool ok = mongoc_database_drop(database, error);
    for (const char *const *made = books_collections; ok && *made; made++) {
        mongoc_collection_t *collection =
            mongoc_database_create_collection(database, *made, NULL, error);
        ok = collection != NULL;
        mongoc_collection_destroy(collection);
    }
    mongoc_collection_t *all = mongoc_database_get_collection(database, "counters");
    for (size_t i = 0; ok && i < counters; i++) {
        bson_t *counter = BCON_NEW("_id", BCON_INT32((int32_t)i), "n", BCON_INT32(0));
        ok = mongoc_collection_insert_one(all, counter, NULL, NULL, error);
        bson_destroy(counter);
    }
    mongoc_collection_destroy(all);
    mongoc_database_destroy(database);
    return ok ? 0 : -1;
}

int books_prepare(const char *uri, const char *database, size_t counters) {
    bson_error_t error = {0};
    mongoc_client_t *client = mongoc_client_new(uri);
    int rc = client ? prepare(client, database, counters, &error) : -1;
    if (rc < 0) fprintf(stderr, "%s cannot be prepared: %s\n", database, error.message);
    mongoc_client_destroy(client);
    return rc;
}

int books_check(books_t *books, const char *uri, const char *database) {
    int rc = -1;
    for (int tries = 0; rc < 0 && tries < TRIES; tries++) {
        mongoc_client_t *client = mongoc_client_new(uri);
        if (!client) return -1;
        books->lost = books->doubled = books->ghosts = books->torn = 0;
        rc = check_documents(books, client, database);
        if (rc == 0) rc = check_pairs(books, client, database);
        if (rc == 0) rc = check_counters(books, client, database);
        mongoc_client_destroy(client);
        if (rc < 0) usleep(PAUSE_US);
    }
    return rc < 0 ? -1 : found(books);
}
