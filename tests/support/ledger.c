/*
 * Writers and their books.
 */
#include "support/ledger.h"

#include <stdlib.h>

#include <mongoc/mongoc.h>

typedef enum outcome { OPEN, ACKNOWLEDGED, UNKNOWN, REFUSED } outcome_t;

typedef struct writer {
    ledger_t *ledger;
    int number;
} writer_t;

/* --- The books ------------------------------------------------------------------------------ */

static int add_page(ledger_book_t *book) {
    if (book->count == book->capacity) {
        book->capacity = book->capacity ? 2 * book->capacity : 1024;
        book->outcomes = realloc(book->outcomes, book->capacity);
        if (!book->outcomes) abort();
    }
    book->outcomes[book->count] = OPEN;
    return (int)book->count++;
}

/** In the write concern alone: done, but it may be rolled back. The label: the server could not say
 *  what became of a commit. */
static bool is_uncertain(const mouv_error_t *error) {
    return error->code == MOUV_EUNKNOWN || error->domain == MONGOC_ERROR_WRITE_CONCERN ||
           mouv_error_has_label(error, "UnknownTransactionCommitResult");
}

static outcome_t outcome_of(int rc, const mouv_error_t *error) {
    if (rc >= 0) return ACKNOWLEDGED;
    return is_uncertain(error) ? UNKNOWN : REFUSED;
}

static void count(ledger_t *ledger, outcome_t outcome) {
    if (outcome == ACKNOWLEDGED) ledger->acknowledged++;
    if (outcome == UNKNOWN) ledger->unknown++;
    if (outcome == REFUSED) ledger->refused++;
}

/** Awaits the write and enters it; a writer that fails at once does not hurry. */
static outcome_t enter(ledger_t *ledger, mouv_future_t write, int64_t *longest_ms) {
    mouv_error_t error = {0};
    int64_t began = now_ms();
    int rc = mouv_await_for(write, ledger->timeout_ms, &error);
    int64_t took = now_ms() - began;
    outcome_t outcome = outcome_of(rc, &error);
    count(ledger, outcome);
    if (took > *longest_ms) *longest_ms = took;
    if (rc < 0) ledger->last_error = error;
    mouv_sleep_ms(rc < 0 ? 20 : 2);
    return outcome;
}

/* --- The writers ---------------------------------------------------------------------------- */

static int insert(void *arg) {
    ledger_t *ledger = ((writer_t *)arg)->ledger;
    while (!ledger->stopped) {
        int id = add_page(&ledger->inserted);
        AUTO_BSON *document = BCON_NEW("_id", BCON_INT32(id));
        ledger->inserted.outcomes[id] = (uint8_t)enter(
            ledger, mouv_collection_insert_one(ledger->singles, document, NULL, NULL),
            &ledger->longest_ms);
    }
    return 0;
}

static int increment(void *arg) {
    const writer_t *writer = arg;
    ledger_t *ledger = writer->ledger;
    AUTO_BSON *filter = BCON_NEW("_id", BCON_INT32(writer->number));
    AUTO_BSON *change = BCON_NEW("$inc", "{", "n", BCON_INT32(1), "}");
    while (!ledger->stopped) {
        outcome_t outcome =
            enter(ledger, mouv_collection_update_one(ledger->counters, filter, change, NULL, NULL),
                  &ledger->longest_ms);
        ledger->increments[writer->number].acknowledged += outcome == ACKNOWLEDGED;
        ledger->increments[writer->number].unknown += outcome == UNKNOWN;
    }
    return 0;
}

typedef struct pair {
    ledger_t *ledger;
    bson_t *document, *opts;
} pair_t;

static int insert_pair(mouv_session_t *session, void *arg) {
    const pair_t *pair = arg;
    (void)session;
    int rc = mouv_await(
        mouv_collection_insert_one(pair->ledger->firsts, pair->document, pair->opts, NULL), NULL);
    if (rc < 0) return rc;
    return mouv_await(
        mouv_collection_insert_one(pair->ledger->seconds, pair->document, pair->opts, NULL), NULL);
}

static void commit_one(ledger_t *ledger) {
    int id = add_page(&ledger->committed);
    AUTO_BSON *document = BCON_NEW("_id", BCON_INT32(id)), *opts = bson_new();
    MOUV_AUTO_SESSION mouv_session_t *session =
        mouv_client_start_session(ledger->client, NULL, NULL);
    mouv_session_append(session, opts);
    pair_t pair = {ledger, document, opts};
    ledger->committed.outcomes[id] =
        (uint8_t)enter(ledger, mouv_with_transaction_future(session, insert_pair, &pair, NULL),
                       &ledger->longest_transaction_ms);
}

static int commit(void *arg) {
    ledger_t *ledger = ((writer_t *)arg)->ledger;
    while (!ledger->stopped) commit_one(ledger);
    return 0;
}

/* --- The load ------------------------------------------------------------------------------- */

int ledger_open(ledger_t *ledger, test_t *t, mouv_client_t *client) {
    mouv_database_t *database = mouv_client_get_database(client, t->database_name);
    *ledger = (ledger_t){.client = client, .timeout_ms = 1000};
    ledger->singles = mouv_database_get_collection(database, "singles");
    ledger->firsts = mouv_database_get_collection(database, "firsts");
    ledger->seconds = mouv_database_get_collection(database, "seconds");
    ledger->counters = mouv_database_get_collection(database, "counters");
    const char *const names[] = {"singles", "firsts", "seconds", "counters"};
    for (int i = 0; i < 4; i++)
        CHECK_INT(await(t, mouv_database_create_collection(database, names[i], NULL)), 0);
    for (int i = 0; i < LEDGER_WRITERS_MAX; i++) {
        AUTO_BSON *counter = BCON_NEW("_id", BCON_INT32(i), "n", BCON_INT32(0));
        CHECK_INT(await(t, mouv_collection_insert_one(ledger->counters, counter, NULL, NULL)), 1);
    }
    return 0;
}

void ledger_close(ledger_t *ledger) {
    free(ledger->inserted.outcomes);
    free(ledger->committed.outcomes);
    ledger->inserted.outcomes = ledger->committed.outcomes = NULL;
}

static void start_kind(ledger_t *ledger, mouv_group_t *group, mouv_fn_t body, int count) {
    for (int i = 0; i < count && ledger->writers < LEDGER_WRITERS_MAX; i++) {
        writer_t writer = {ledger, ledger->writers++};
        mouv_group_start_copy(group, body, &writer, sizeof writer);
    }
}

void ledger_start(ledger_t *ledger, mouv_group_t *group, int count) {
    start_kind(ledger, group, insert, count);
    start_kind(ledger, group, increment, count);
    start_kind(ledger, group, commit, count);
}

void ledger_stop(ledger_t *ledger) {
    ledger->stopped = true;
}

bool ledger_goes_on(ledger_t *ledger, uint64_t writes, int64_t limit_ms) {
    uint64_t wanted = ledger->acknowledged + writes;
    for (int64_t end = now_ms() + limit_ms; ledger->acknowledged < wanted;) {
        if (now_ms() > end) return false;
        mouv_sleep_ms(10);
    }
    return true;
}

/* --- The check ------------------------------------------------------------------------------ */

/** Which of the ids 0..count-1 are stored: an array to free(), or NULL. */
static uint8_t *stored_ids(test_t *t, mouv_collection_t *collection, size_t count) {
    uint8_t *stored = calloc(count + 1, 1);
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(collection, NULL, NULL);
    const bson_t *document;
    bson_iter_t iter;
    int rc = -1;
    while (stored && (rc = mouv_cursor_next(cursor, &document, &t->error)) > 0) {
        if (!bson_iter_init_find(&iter, document, "_id")) continue;
        size_t id = (size_t)bson_iter_as_int64(&iter);
        if (id < count) stored[id] = 1;
    }
    if (rc == 0) return stored;
    free(stored);
    return NULL;
}

static int check_id(test_t *t, const char *what, size_t id, uint8_t outcome, bool stored) {
    if (outcome == ACKNOWLEDGED && !stored)
        return test_failed(t, __FILE__, __LINE__, "%s %zu was acknowledged and is lost", what, id);
    if (outcome == REFUSED && stored)
        return test_failed(t, __FILE__, __LINE__, "%s %zu was refused and is stored", what, id);
    return 0;
}

static int check_book(test_t *t, const char *what, const ledger_book_t *book,
                      mouv_collection_t *collection) {
    uint8_t *stored = stored_ids(t, collection, book->count);
    CHECK(stored != NULL);
    for (size_t id = 0; id < book->count; id++)
        check_id(t, what, id, book->outcomes[id], stored[id]);
    free(stored);
    return 0;
}

static int check_halves(test_t *t, const ledger_t *ledger) {
    uint8_t *firsts = stored_ids(t, ledger->firsts, ledger->committed.count);
    uint8_t *seconds = stored_ids(t, ledger->seconds, ledger->committed.count);
    bool same = firsts && seconds && memcmp(firsts, seconds, ledger->committed.count) == 0;
    free(firsts);
    free(seconds);
    CHECK(same);
    return 0;
}

static int check_counter(test_t *t, const ledger_t *ledger, int number) {
    AUTO_BSON *filter = BCON_NEW("_id", BCON_INT32(number)), *counter = NULL;
    bson_iter_t iter;
    CHECK_INT(await(t, mouv_collection_find_one(ledger->counters, filter, NULL, &counter)), 1);
    CHECK(bson_iter_init_find(&iter, counter, "n"));
    int n = (int)bson_iter_as_int64(&iter);
    int least = ledger->increments[number].acknowledged;
    int most = least + ledger->increments[number].unknown;
    if (n >= least && n <= most) return 0;
    return test_failed(t, __FILE__, __LINE__, "counter %d is %d, not %d to %d", number, n, least,
                       most);
}

int ledger_check(ledger_t *ledger, test_t *t) {
    int rc = check_book(t, "insert", &ledger->inserted, ledger->singles);
    if (rc == 0) rc = check_book(t, "transaction", &ledger->committed, ledger->firsts);
    if (rc == 0) rc = check_halves(t, ledger);
    for (int i = 0; i < ledger->writers && rc == 0; i++) rc = check_counter(t, ledger, i);
    return rc;
}
