/*
 * Writers.
 */
#include "support/ledger.h"

typedef struct writer {
    ledger_t *ledger;
    int number;
} writer_t;

/* --- The books ------------------------------------------------------------------------------ */

/** Awaits the write; a writer that fails at once does not hurry. */
static books_outcome_t outcome_of(ledger_t *ledger, mouv_future_t write, int64_t *longest_ms,
                                  mouv_error_t *error) {
    *error = (mouv_error_t){0};
    int64_t began = now_ms();
    int64_t limit_ms = ledger->any_timeout ? 1 + rand() % ledger->timeout_ms : ledger->timeout_ms;
    int rc = mouv_await_for(write, limit_ms, error);
    int64_t took = now_ms() - began;
    if (took > *longest_ms) *longest_ms = took;
    if (rc < 0) ledger->last_error = *error;
    mouv_sleep_ms(rc < 0 ? 20 : 2);
    return books_outcome(rc, error);
}

/* --- The writers ---------------------------------------------------------------------------- */

static int insert(void *arg) {
    ledger_t *ledger = ((writer_t *)arg)->ledger;
    mouv_error_t error;
    while (!ledger->stopped) {
        int id = books_begin(&ledger->books.documents);
        AUTO_BSON *document = BCON_NEW("_id", BCON_INT32(id));
        books_outcome_t outcome =
            outcome_of(ledger, mouv_collection_insert_one(ledger->documents, document, NULL, NULL),
                       &ledger->longest_ms, &error);
        books_enter(&ledger->books, &ledger->books.documents, id, outcome);
    }
    return 0;
}

static int increment(void *arg) {
    const writer_t *writer = arg;
    ledger_t *ledger = writer->ledger;
    mouv_error_t error;
    AUTO_BSON *filter = BCON_NEW("_id", BCON_INT32(writer->number));
    while (!ledger->stopped) {
        int number = books_next_increment(&ledger->books, writer->number);
        AUTO_BSON *change = BCON_NEW("$inc", "{", "n", BCON_INT32(1), "}", "$push", "{", "numbers",
                                     BCON_INT32(number), "}");
        books_outcome_t outcome = outcome_of(
            ledger, mouv_collection_update_one(ledger->counters, filter, change, NULL, NULL),
            &ledger->longest_ms, &error);
        books_enter_increment(&ledger->books, writer->number, number, outcome, error.message);
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
    mouv_error_t error;
    int id = books_begin(&ledger->books.pairs);
    AUTO_BSON *document = BCON_NEW("_id", BCON_INT32(id)), *opts = bson_new();
    MOUV_AUTO_SESSION mouv_session_t *session =
        mouv_client_start_session(ledger->client, NULL, NULL);
    mouv_session_append(session, opts);
    pair_t pair = {ledger, document, opts};
    books_outcome_t outcome =
        outcome_of(ledger, mouv_with_transaction_future(session, insert_pair, &pair, NULL),
                   &ledger->longest_transaction_ms, &error);
    books_enter(&ledger->books, &ledger->books.pairs, id, outcome);
}

static int commit(void *arg) {
    ledger_t *ledger = ((writer_t *)arg)->ledger;
    while (!ledger->stopped) commit_one(ledger);
    return 0;
}

/* --- The load ------------------------------------------------------------------------------- */

void ledger_open(ledger_t *ledger, mouv_client_t *client, const char *database_name) {
    mouv_database_t *database = mouv_client_get_database(client, database_name);
    *ledger = (ledger_t){.client = client, .timeout_ms = 1000};
    books_open(&ledger->books, LEDGER_WRITERS_MAX);
    ledger->documents = mouv_database_get_collection(database, "documents");
    ledger->firsts = mouv_database_get_collection(database, "firsts");
    ledger->seconds = mouv_database_get_collection(database, "seconds");
    ledger->counters = mouv_database_get_collection(database, "counters");
}

void ledger_close(ledger_t *ledger) {
    books_close(&ledger->books);
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
    const uint64_t *acknowledged = &ledger->books.outcomes[BOOKS_ACKNOWLEDGED];
    uint64_t wanted = *acknowledged + writes;
    for (int64_t end = now_ms() + limit_ms; *acknowledged < wanted;) {
        if (now_ms() > end) return false;
        mouv_sleep_ms(10);
    }
    return true;
}

int ledger_check(ledger_t *ledger, test_t *t) {
    CHECK_INT(books_check(&ledger->books, test_uri(), t->database_name), 0);
    return 0;
}
