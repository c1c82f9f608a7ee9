/*
 * What an attempt came to, whether there is another, and the last word on writes: one table, out of
 * base/error.h and the specifications of retryable reads and writes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "context/alloc.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/error.h"
#include "mongo/operation/retry.h"
#include "mongo/operation/state.h"

#include "topology_support.h"

/* --- a client without a transport ------------------------------------------------------------- */

static mouv__client_ref_t client;
static mouv__pool_t pool;
static mouv__operations_t operations;

static mouv__topology_t *deployment(const char *type, const char *kind, int wire_version) {
    char json[200];
    snprintf(json, sizeof json,
             "{'type': '%s', 'servers': [{'address': 'a:1', 'type': '%s', 'maxWireVersion': %d}]}",
             type, kind, wire_version);
    bson_t *from = from_json(json);
    mouv__topology_t *topology = topology_from(from);
    bson_destroy(from);
    return topology;
}

static int set_up(void **state) {
    (void)state;
    client = (mouv__client_ref_t){.operations = &operations};
    pool = (mouv__pool_t){.client = (mouv_client_t *)&client,
                          .topology = deployment("ReplicaSetWithPrimary", "RSPrimary", 17)};
    operations = (mouv__operations_t){.client = (mouv_client_t *)&client,
                                      .pool = &pool,
                                      .retry_reads = true,
                                      .retry_writes = true};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    mouv__topology_free(pool.topology);
    return 0;
}

static const mouv__operation_row_t read_row = {"find", MOUV__OP_RETRYABLE};
static const mouv__operation_row_t write_row = {"insert", MOUV__OP_WRITE | MOUV__OP_RETRYABLE |
                                                              MOUV__OP_WRITE_CONCERN};

static mouv__operation_t *operation_new(const mouv__operation_row_t *row) {
    mouv__operation_t *op = calloc(1, sizeof *op);
    op->client = (mouv_client_t *)&client;
    op->operations = &operations;
    op->parts.row = row;
    op->parts.retryable = true;
    op->parts.command = BCON_NEW(row->name, BCON_UTF8("users"));
    op->checkout.server_id = 1;
    return op;
}

static void operation_free(mouv__operation_t *op) {
    bson_destroy(op->attempt.exchange.reply);
    bson_destroy(op->parts.command);
    mouv__free(op->first_error);
    free(op);
}

/* --- the table -------------------------------------------------------------------------------- */

enum {
    /* what it is; a READ is 0 */
    WRITE = 1 << 0,
    MULTI = 1 << 1,  /* of many documents */
    TXN = 1 << 2,    /* a command of a transaction */
    NUMBER = 1 << 3, /* it has a txnNumber */
    ONCE = 1 << 4,   /* not retryable */
    /* how it stands */
    STOPPED = 1 << 5,
    EXPIRED = 1 << 6 | STOPPED,
    ASKS = 1 << 7, /* is an inquiry's */
    SECOND = 1 << 8,
    TIMEOUT = 1 << 9,   /* timeoutMS is given */
    UNSURE = 1 << 10,   /* an earlier attempt may have been executed; it was lost */
    OLD = 1 << 11,      /* a server that gives no labels */
    NO_READS = 1 << 12, /* retryReads=false */
    /* what there is without an answer */
    UNSENT = 1 << 13,    /* withdrawn or never begun */
    UNREACHED = 1 << 14, /* given to no connection, as far as libmongoc has told */
    CUT = 1 << 15
};
#define W (WRITE | NUMBER)               /* a retryable write */
#define C (WRITE | NUMBER | TXN | MULTI) /* a commit: it stores */

typedef struct row {
    unsigned what;
    const char *reply; /* NULL: none */
    int domain, driver_code;
    /* expected */
    int outcome; /* after the attempt */
    bool again;
    int code, cause; /* the last word */
    bool maybe_stored;
} row_t;

#define NONE 0, 0
#define LOST NULL, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET
#define REFUSED NULL, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT
#define NO_NAME NULL, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_NAME_RESOLUTION
#define NOT_THERE NULL, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_NOT_ESTABLISHED
#define MALFORMED NULL, MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_INVALID_REPLY
#define NO_SERVER NULL, MONGOC_ERROR_SERVER_SELECTION, MONGOC_ERROR_SERVER_SELECTION_FAILURE
#define ARGUMENT NULL, MONGOC_ERROR_COMMAND, MONGOC_ERROR_COMMAND_INVALID_ARG

#define CODE(n) "{'ok': 0, 'code': " #n ", 'errmsg': 'no'}", NONE
#define CODE_LABELLED(n) "{'ok': 0, 'code': " #n ", 'errorLabels': ['RetryableWriteError']}", NONE
#define CODE_NO_WRITES(n) \
    "{'ok': 0, 'code': " #n ", 'errorLabels': ['RetryableWriteError', 'NoWritesPerformed']}", NONE
#define WRITE_ERROR(done, n) \
    "{'ok': 1, 'n': " #done ", 'writeErrors': [{'index': 0, 'code': " #n "}]}", NONE
#define CONCERN(done, n) \
    "{'ok': 1, 'n': " #done ", 'writeConcernError': {'code': " #n ", 'errmsg': 'no'}}", NONE
#define CONCERN_LABELLED(done, n) \
    "{'ok': 1, 'n': " #done ", 'writeConcernError': {'code': " #n "}, 'errorLabels': " \
    "['RetryableWriteError']}", \
        NONE

#define SERVER MOUV_ESERVER
#define NET MOUV_ENETWORK
#define UNKNOWN MOUV_EUNKNOWN
#define TIMED MOUV_ETIMEDOUT
#define CANCELED MOUV_ECANCELED

static const row_t table[] = {
    /* --- reads: what it came to ---- */
    {0, "{'ok': 1}", NONE, 0, false, 0, 0, false},
    {0, "{'ok': 1, 'writeErrors': [{'code': 1}]}", NONE, 0, false, 0, 0, false},
    {0, CODE(2), SERVER, false, SERVER, 0, false},
    {0, CODE(50), TIMED, false, TIMED, 0, false},
    {STOPPED, CODE(50), TIMED, false, TIMED, 0, false},
    {0, CODE(11601), SERVER, false, SERVER, 0, false}, /* somebody else's kill */
    {STOPPED, CODE(11601), CANCELED, false, CANCELED, 0, false},
    {EXPIRED, CODE(11601), TIMED, false, TIMED, 0, false},
    {0, NO_SERVER, MOUV_ESELECTION, false, MOUV_ESELECTION, 0, false},
    {0, ARGUMENT, MOUV_EINVAL, false, MOUV_EINVAL, 0, false},
    {STOPPED | CUT, LOST, CANCELED, false, CANCELED, 0, false},
    {EXPIRED | CUT, LOST, TIMED, false, TIMED, 0, false},
    {CUT, LOST, NET, true, NET, 0, false}, /* its primary was replaced */
    {STOPPED, LOST, NET, false, CANCELED, NET, false},
    {EXPIRED, LOST, NET, false, TIMED, NET, false},
    {EXPIRED | ONCE, LOST, NET, false, NET, 0, false}, /* it would not have been tried again */
    {EXPIRED, CODE(2), SERVER, false, SERVER, 0, false},
    /* ... whether it goes again ---- */
    {0, LOST, NET, true, NET, 0, false},
    {0, REFUSED, NET, true, NET, 0, false},
    {0, MALFORMED, NET, false, NET, 0, false},
    {0, CODE(6), SERVER, true, SERVER, 0, false},
    {0, CODE(7), SERVER, true, SERVER, 0, false},
    {0, CODE(89), SERVER, true, SERVER, 0, false},
    {0, CODE(91), SERVER, true, SERVER, 0, false},
    {0, CODE(134), SERVER, true, SERVER, 0, false},
    {0, CODE(189), SERVER, true, SERVER, 0, false},
    {0, CODE(262), SERVER, true, SERVER, 0, false},
    {0, CODE(9001), SERVER, true, SERVER, 0, false},
    {0, CODE(10107), SERVER, true, SERVER, 0, false},
    {0, CODE(11600), SERVER, true, SERVER, 0, false},
    {0, CODE(11602), SERVER, true, SERVER, 0, false},
    {0, CODE(13435), SERVER, true, SERVER, 0, false},
    {0, CODE(13436), SERVER, true, SERVER, 0, false},
    {0, CODE(43), SERVER, false, SERVER, 0, false},
    {ONCE, LOST, NET, false, NET, 0, false},
    {NO_READS, LOST, NET, false, NET, 0, false},
    {NO_READS, CODE(91), SERVER, false, SERVER, 0, false},
    {SECOND, LOST, NET, false, NET, 0, false},
    {SECOND, CODE(91), SERVER, false, SERVER, 0, false},
    {SECOND | TIMEOUT, LOST, NET, true, NET, 0, false},
    {SECOND | TIMEOUT, CODE(91), SERVER, true, SERVER, 0, false},
    {SECOND | TIMEOUT, CODE(2), SERVER, false, SERVER, 0, false},
    {STOPPED, CODE(91), SERVER, false, CANCELED, SERVER, false},
    {EXPIRED, CODE(91), SERVER, false, TIMED, SERVER, false},
    {STOPPED | TIMEOUT, CODE(91), SERVER, false, CANCELED, SERVER, false},
    {EXPIRED | SECOND, CODE(91), SERVER, false, SERVER, 0, false},
    {EXPIRED | SECOND | TIMEOUT, CODE(91), SERVER, false, TIMED, SERVER, false},

    /* --- writes: ok: 1 ---- */
    {W, "{'ok': 1, 'n': 1}", NONE, 0, false, 0, 0, false},
    {W, WRITE_ERROR(0, 11000), SERVER, false, SERVER, 0, false},
    {W, WRITE_ERROR(0, 50), TIMED, false, TIMED, 0, false},
    {W, WRITE_ERROR(1, 50), SERVER, false, SERVER, TIMED, false},
    {W, WRITE_ERROR(0, 11601), SERVER, false, SERVER, 0, false},
    {W | STOPPED, WRITE_ERROR(0, 11601), CANCELED, false, CANCELED, 0, false},
    {W | EXPIRED, WRITE_ERROR(0, 11601), TIMED, false, TIMED, 0, false},
    {W | STOPPED, WRITE_ERROR(1, 11601), SERVER, false, SERVER, CANCELED, false},
    {W | STOPPED, WRITE_ERROR(0, 50), TIMED, false, TIMED, 0, false},
    {W | ASKS, WRITE_ERROR(0, 11601), TIMED, false, TIMED, 0, false},
    {W | ASKS | STOPPED, WRITE_ERROR(0, 11601), CANCELED, false, CANCELED, 0, false},
    {W, CONCERN(1, 64), SERVER, false, UNKNOWN, TIMED, true},
    {W, CONCERN(0, 64), SERVER, false, SERVER, 0, true}, /* there was nothing to confirm */
    {W, CONCERN(1, 79), SERVER, false, SERVER, 0, true},
    {W, CONCERN(1, 100), SERVER, false, SERVER, 0, true},
    {W, CONCERN(1, 189), SERVER, false, UNKNOWN, SERVER, true},
    {W, CONCERN(1, 11600), SERVER, false, UNKNOWN, SERVER, true},
    {W, CONCERN(1, 11602), SERVER, false, UNKNOWN, SERVER, true},
    {W, CONCERN(1, 10107), SERVER, false, UNKNOWN, SERVER, true},
    {W | MULTI, CONCERN(2, 91), SERVER, false, UNKNOWN, SERVER, true},
    {WRITE, "{'ok': 1, 'writeConcernError': {'code': 91}}", NONE, SERVER, false, UNKNOWN, SERVER,
     true}, /* of a command, or of a findAndModify */
    {W, "{'ok': 1, 'lastErrorObject': {'n': 0}, 'value': null, 'writeConcernError': {'code': 91}}",
     NONE, SERVER, false, SERVER, 0, true},
    {W, "{'ok': 1, 'lastErrorObject': {'n': 1}, 'value': {}, 'writeConcernError': {'code': 91}}",
     NONE, SERVER, false, UNKNOWN, SERVER, true},
    {W, CONCERN(1, 50), UNKNOWN, false, UNKNOWN, TIMED, false},
    {W, CONCERN(0, 50), TIMED, false, TIMED, 0, false},
    {W | STOPPED, CONCERN(1, 11601), UNKNOWN, false, UNKNOWN, CANCELED, false},
    {W | EXPIRED, CONCERN(1, 11601), UNKNOWN, false, UNKNOWN, TIMED, false},
    {W | STOPPED, CONCERN(0, 11601), CANCELED, false, CANCELED, 0, false},
    {W, CONCERN(1, 11601), SERVER, false, UNKNOWN, SERVER, true}, /* somebody else's kill */
    {W, "{'ok': 1, 'writeConcernError': {'code': 50}}", NONE, UNKNOWN, false, UNKNOWN, TIMED,
     false},
    {WRITE,
     "{'ok': 1, 'numIndexesBefore': 2, 'numIndexesAfter': 2, 'writeConcernError': {'code': 50}}",
     NONE, TIMED, false, TIMED, 0, false},
    {W, CONCERN(1, 91), SERVER, false, UNKNOWN, SERVER, true},
    {W, CONCERN_LABELLED(1, 91), SERVER, true, UNKNOWN, SERVER, true},
    {W | OLD, CONCERN(1, 91), SERVER, true, UNKNOWN, SERVER, true},
    {W | OLD, CONCERN(1, 64), SERVER, false, UNKNOWN, TIMED, true},
    {WRITE, CONCERN_LABELLED(1, 91), SERVER, false, UNKNOWN, SERVER, true},

    /* ... ok: 0 ---- */
    {W, CODE(2), SERVER, false, SERVER, 0, false},
    {W, CODE(50), TIMED, false, TIMED, 0, false},
    {W, CODE(11601), SERVER, false, SERVER, 0, false},
    {W | STOPPED, CODE(11601), CANCELED, false, CANCELED, 0, false},
    {W | EXPIRED, CODE(11601), TIMED, false, TIMED, 0, false},
    {W | ASKS, CODE(11601), TIMED, false, TIMED, 0, false},
    {W, CODE(10107), SERVER, false, SERVER, 0, false}, /* no label */
    {W, CODE_LABELLED(10107), SERVER, true, SERVER, 0, false},
    {W | OLD, CODE(10107), SERVER, true, SERVER, 0, false},
    {W | OLD, CODE(2), SERVER, false, SERVER, 0, false},
    {WRITE, CODE_LABELLED(10107), SERVER, false, SERVER, 0, false}, /* no txnNumber */
    {W | ONCE, CODE_LABELLED(10107), SERVER, false, SERVER, 0, false},
    {W | STOPPED, CODE_LABELLED(10107), SERVER, false, CANCELED, SERVER, false},
    {W | EXPIRED, CODE_LABELLED(10107), SERVER, false, TIMED, SERVER, false},
    {W | EXPIRED, CODE_LABELLED(11602), SERVER, false, UNKNOWN, TIMED, true},
    {W | EXPIRED, CONCERN_LABELLED(1, 91), SERVER, false, UNKNOWN, SERVER, true},
    {C | EXPIRED, CODE_LABELLED(7), SERVER, false, UNKNOWN, TIMED, false},
    {W | SECOND, CODE_LABELLED(10107), SERVER, false, SERVER, 0, false},
    {W | SECOND | TIMEOUT, CODE_LABELLED(10107), SERVER, true, SERVER, 0, false},
    {W | NO_READS, CODE_LABELLED(10107), SERVER, true, SERVER, 0, false},
    /* ended by a change of the server's state, which does not say that nothing was done */
    {WRITE, CODE(11600), SERVER, false, UNKNOWN, SERVER, true},
    {WRITE, CODE(11602), SERVER, false, UNKNOWN, SERVER, true},
    {W, CODE_LABELLED(11602), SERVER, true, UNKNOWN, SERVER, true},
    {W, CODE_NO_WRITES(11602), SERVER, true, SERVER, 0, false},
    {TXN | WRITE | NUMBER, CODE(11602), SERVER, false, SERVER, 0, true},

    /* ... no answer ---- */
    {W, LOST, NET, true, UNKNOWN, NET, true},
    {WRITE, LOST, NET, false, UNKNOWN, NET, true},
    {W | ONCE, LOST, NET, false, UNKNOWN, NET, true},
    {W, REFUSED, NET, true, NET, 0, false},
    {W, NO_NAME, NET, true, NET, 0, false},
    {W, NOT_THERE, NET, true, NET, 0, false},
    {W | UNSENT, LOST, NET, true, NET, 0, false},
    {W | UNREACHED, LOST, NET, true, NET, 0, false},
    {W, MALFORMED, NET, false, UNKNOWN, NET, true},
    {W, NO_SERVER, MOUV_ESELECTION, false, MOUV_ESELECTION, 0, false},
    {W, ARGUMENT, MOUV_EINVAL, false, MOUV_EINVAL, 0, false},
    {W | STOPPED, LOST, NET, false, UNKNOWN, CANCELED, true},
    {W | EXPIRED, LOST, NET, false, UNKNOWN, TIMED, true},
    {W | STOPPED | CUT, LOST, CANCELED, false, UNKNOWN, CANCELED, true},
    {W | EXPIRED | CUT, LOST, TIMED, false, UNKNOWN, TIMED, true},
    {W | STOPPED | CUT | UNREACHED, LOST, CANCELED, false, CANCELED, 0, false},
    {W | CUT, LOST, NET, true, UNKNOWN, NET, true},

    /* ... of many documents ---- */
    {WRITE | MULTI, CODE(50), UNKNOWN, false, UNKNOWN, TIMED, false},
    {WRITE | MULTI | STOPPED, CODE(11601), UNKNOWN, false, UNKNOWN, CANCELED, false},
    {WRITE | MULTI | EXPIRED, CODE(11601), UNKNOWN, false, UNKNOWN, TIMED, false},
    {WRITE | MULTI, CODE(11601), SERVER, false, SERVER, 0, false},
    {WRITE | MULTI, LOST, NET, false, UNKNOWN, NET, true},
    {WRITE | MULTI | ONCE, CODE_LABELLED(91), SERVER, false, SERVER, 0, false},
    {MULTI, CODE(50), TIMED, false, TIMED, 0, false}, /* that is no write */

    /* ... in a transaction: nothing is stored before the commit ---- */
    {TXN | WRITE | NUMBER | ONCE, LOST, NET, false, NET, 0, true},
    {TXN | WRITE | NUMBER | ONCE | STOPPED | CUT, LOST, CANCELED, false, CANCELED, 0, true},
    {TXN | WRITE | NUMBER | ONCE, CODE(50), TIMED, false, TIMED, 0, false},
    {C, LOST, NET, true, UNKNOWN, NET, true},
    {C, CODE_LABELLED(91), SERVER, true, SERVER, 0, false},
    {C, CODE(50), UNKNOWN, false, UNKNOWN, TIMED, false},

    /* --- a second attempt, after one that may have been executed ---- */
    {W | SECOND | UNSURE, "{'ok': 1, 'n': 1}", NONE, 0, false, 0, 0, true},
    {W | SECOND | UNSURE, WRITE_ERROR(0, 11000), SERVER, false, SERVER, 0, true},
    {W | SECOND | UNSURE, CODE(2), SERVER, false, SERVER, 0, true},
    {W | SECOND | UNSURE, CONCERN(1, 91), SERVER, false, UNKNOWN, SERVER, true},
    {W | SECOND | UNSURE, CODE_LABELLED(10107), SERVER, false, UNKNOWN, SERVER, true},
    {W | SECOND | UNSURE, CODE_NO_WRITES(10107), SERVER, false, UNKNOWN, NET, true},
    {W | SECOND | UNSURE, NO_SERVER, MOUV_ESELECTION, false, UNKNOWN, NET, true},
    {W | SECOND | UNSURE, ARGUMENT, MOUV_EINVAL, false, UNKNOWN, NET, true},
    {W | SECOND | UNSURE, LOST, NET, false, UNKNOWN, NET, true},
    {W | SECOND | UNSURE, REFUSED, NET, false, UNKNOWN, NET, true},
    {W | SECOND | UNSURE, CODE(50), TIMED, false, UNKNOWN, TIMED, true},
    {W | SECOND | UNSURE | STOPPED | CUT | UNREACHED, LOST, CANCELED, false, UNKNOWN, CANCELED,
     true},
    {SECOND | UNSURE, NO_SERVER, MOUV_ESELECTION, false, UNKNOWN, NET, true},
};

static void bring(mouv__operation_t *op, const row_t *row) {
    mouv__exchange_t *exchange = &op->attempt.exchange;
    exchange->reply = row->reply ? from_json(row->reply) : NULL;
    exchange->ok = exchange->reply && number_in(exchange->reply, "ok", 0) == 1;
    exchange->error.domain = (uint32_t)row->domain;
    exchange->error.code = (uint32_t)row->driver_code;
    exchange->stage = row->what & UNSENT ? MOUV__EXCHANGE_PREPARING : MOUV__EXCHANGE_SENT;
    exchange->reached = !(row->what & UNREACHED);
    exchange->cut = (row->what & CUT) != 0;
}

static mouv__operation_t *operation_as(const row_t *row) {
    mouv__operation_t *op = operation_new(row->what & WRITE ? &write_row : &read_row);
    op->parts.multi = (row->what & MULTI) != 0;
    op->parts.in_transaction = (row->what & TXN) != 0;
    op->parts.txn_number = row->what & NUMBER ? 7 : 0;
    op->parts.retryable = !(row->what & ONCE);
    op->parts.has_timeout = (row->what & TIMEOUT) != 0;
    op->stopped = (row->what & STOPPED) != 0;
    op->expired = (row->what & EXPIRED) == EXPIRED;
    op->inquiry = row->what & ASKS ? (struct mouv__inquiry *)op : NULL; /* that there is one */
    op->retries = row->what & SECOND ? 1 : 0;
    if (row->what & UNSURE) {
        op->maybe_stored = true;
        op->first_error = mouv__alloc(sizeof *op->first_error);
        mouv_error_set(op->first_error, MOUV_ENETWORK, "lost");
    }
    bring(op, row);
    return op;
}

#define ROW_CHECK(actual, wanted) \
    if ((actual) != (wanted)) \
    fail_msg("row %zu (%s): %s is %d, not %d", i, row->reply ? row->reply : "lost", #actual, \
             (int)(actual), (int)(wanted))

static void outcomes_retries_and_last_words(void **state) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const row_t *row = &table[i];
        set_up(state);
        operations.retry_reads = !(row->what & NO_READS);
        if (row->what & OLD) {
            mouv__topology_free(pool.topology);
            pool.topology = deployment("ReplicaSetWithPrimary", "RSPrimary", 8);
        }
        mouv__operation_t *op = operation_as(row);
        mouv_error_t error = {0};
        unsigned before = op->retries;
        mouv__retry_outcome(op, &error);
        ROW_CHECK(error.code, row->outcome);
        bool again = error.code < 0 && mouv__retry(op, &error);
        ROW_CHECK(again, row->again);
        ROW_CHECK(op->retries, before + row->again);
        ROW_CHECK(client.stats.retries, row->again);
        ROW_CHECK(op->checkout.avoid_id, row->again);
        ROW_CHECK(op->maybe_stored, row->maybe_stored);
        if (again) ROW_CHECK(op->first_error->code, row->outcome);
        mouv__retry_last_word(op, &error); /* as if nothing better had come */
        ROW_CHECK(error.code, row->code);
        ROW_CHECK(error.cause, row->cause);
        if (error.code < 0) ROW_CHECK(error.message[0] != '\0', true);
        operation_free(op);
        tear_down(state);
    }
}

/* --- labels ----------------------------------------------------------------------------------- */

static void what_may_be_retried_is_labelled(void **state) {
    static const struct {
        row_t row;
        bool labelled;
    } cases[] = {
        {{.what = W, LOST}, true},
        {{.what = W, REFUSED}, true},
        {{.what = 0, LOST}, false},
        {{.what = WRITE, LOST}, false}, /* it had no txnNumber */
        {{.what = TXN | WRITE | NUMBER, LOST}, false},
        {{.what = C, LOST}, true},
        {{.what = W, CODE(10107)}, false}, /* such servers label it themselves */
        {{.what = W | OLD, CODE(10107)}, true},
        {{.what = W, CODE(2)}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const row_t *row = &cases[i].row;
        set_up(state);
        if (row->what & OLD) {
            mouv__topology_free(pool.topology);
            pool.topology = deployment("ReplicaSetWithPrimary", "RSPrimary", 8);
        }
        mouv__operation_t *op = operation_as(row);
        mouv_error_t error = {0};
        mouv__retry_outcome(op, &error);
        mouv__retry_last_word(op, &error);
        ROW_CHECK(mouv_error_has_label(&error, "RetryableWriteError"), cases[i].labelled);
        operation_free(op);
        tear_down(state);
    }
}

/* --- words ------------------------------------------------------------------------------------ */

static void messages_say_why_it_is_not_known(void **state) {
    (void)state;
    static const struct {
        row_t row;
        const char *message;
    } cases[] = {
        {{.what = WRITE | MULTI, CODE(50)},
         "stopped on the server, some of it may have been done: no"},
        {{.what = W, CONCERN(1, 50)}, "stored, but its confirmation was not waited for: no"},
        {{.what = W, CONCERN(1, 91)}, "stored, but its confirmation failed: no"},
        {{.what = W | STOPPED | CUT, LOST}, "sent, but the outcome is unknown: cancelled"},
        {{.what = W | EXPIRED | CUT, LOST}, "sent, but the outcome is unknown: timed out"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mouv__operation_t *op = operation_as(&cases[i].row);
        mouv_error_t error = {0};
        mouv__retry_outcome(op, &error);
        mouv__retry_last_word(op, &error);
        assert_string_equal(error.message, cases[i].message);
        operation_free(op);
    }
}

static void success_has_no_last_word(void **state) {
    (void)state;
    mouv__operation_t *op = operation_as(&(row_t){.what = W | UNSURE | SECOND});
    mouv_error_t error = {0};
    mouv__retry_last_word(op, &error);
    assert_int_equal(error.code, 0);
    assert_string_equal(error.labels, "");
    operation_free(op);
}

static void an_unknown_outcome_keeps_its_first_reason(void **state) {
    (void)state;
    mouv__operation_t *op = operation_as(&(row_t){.what = WRITE | MULTI, CODE(50)});
    mouv_error_t error = {0};
    mouv__retry_outcome(op, &error);
    op->maybe_stored = true;
    mouv__retry_last_word(op, &error);
    assert_int_equal(error.cause, MOUV_ETIMEDOUT);
    assert_null(strstr(error.message, "the outcome is unknown"));
    operation_free(op);
}

static void what_was_stored_once_is_not_refused_the_second_time(void **state) {
    (void)state;
    mouv__operation_t *op = operation_as(&(row_t){.what = W, CONCERN_LABELLED(1, 91)});
    mouv_error_t error = {0};
    mouv__retry_outcome(op, &error);
    assert_true(mouv__retry(op, &error));
    error = (mouv_error_t){.code = MOUV_ESERVER, .domain = MONGOC_ERROR_SERVER, .server_code = 13};
    mouv__retry_last_word(op, &error);
    assert_int_equal(error.code, MOUV_EUNKNOWN);
    assert_int_equal(error.server_code, 91);
    operation_free(op);
}

static void a_queue_that_was_full_does_not_hide_the_first_error(void **state) {
    (void)state;
    mouv__operation_t *op = operation_as(&(row_t){.what = W | UNSURE | SECOND});
    mouv_error_t error = {.code = MOUV_EQUEUE};
    mouv__retry_last_word(op, &error);
    assert_int_equal(error.code, MOUV_EUNKNOWN);
    assert_int_equal(error.cause, MOUV_ENETWORK);
    operation_free(op);
}

/* --- the rest --------------------------------------------------------------------------------- */

static void without_memory_it_is_retried_all_the_same(void **state) {
    (void)state;
    mouv__operation_t *op = operation_as(&(row_t){.what = W, LOST});
    mouv_error_t error = {0};
    mouv__retry_outcome(op, &error);
    mouv__alloc_fail_at = 1;
    bool again = mouv__retry(op, &error);
    mouv__alloc_fail_at = -1;
    assert_true(again);
    assert_null(op->first_error);
    mouv__retry_last_word(op, &error);
    assert_int_equal(error.code, MOUV_EUNKNOWN);
    operation_free(op);
}

static void attempts_are_counted_up_to_255(void **state) {
    (void)state;
    mouv__operation_t *op = operation_as(&(row_t){.what = TIMEOUT, LOST});
    mouv_error_t error = {0};
    mouv__retry_outcome(op, &error);
    for (int i = 0; i < 300; i++) assert_true(mouv__retry(op, &error));
    assert_int_equal(op->retries, 255);
    assert_int_equal(client.stats.retries, 300);
    operation_free(op);
}

static void a_stop_is_told_by_its_reason(void **state) {
    (void)state;
    mouv__operation_t *op = operation_as(&(row_t){.what = STOPPED});
    mouv_error_t error = {0};
    mouv__retry_stopped_error(op, &error);
    assert_int_equal(error.code, MOUV_ECANCELED);
    assert_string_equal(error.message, "cancelled");
    op->expired = true;
    mouv__retry_stopped_error(op, &error);
    assert_int_equal(error.code, MOUV_ETIMEDOUT);
    assert_string_equal(error.message, "timed out");
    operation_free(op);
}

/* --- txnNumber -------------------------------------------------------------------------------- */

typedef struct number_row {
    const char *type, *kind; /* NULL: no snapshot has come */
    unsigned what;
    bool retry_writes;
    const char *concern; /* in the command */
    bool given;
} number_row_t;

static void who_gets_a_txn_number(void **state) {
    static const number_row_t rows[] = {
        {"ReplicaSetWithPrimary", "RSPrimary", WRITE, true, NULL, true},
        {"Sharded", "Mongos", WRITE, true, NULL, true},
        {"LoadBalanced", "LoadBalancer", WRITE, true, NULL, true},
        {"Single", "RSPrimary", WRITE, true, NULL, true},
        {"Single", "Mongos", WRITE, true, NULL, true},
        {"Single", "Standalone", WRITE, true, NULL, false},
        {"Single", "RSSecondary", WRITE, true, NULL, false},
        {NULL, NULL, WRITE, true, NULL, false},
        {"ReplicaSetWithPrimary", "RSPrimary", 0, true, NULL, false},
        {"ReplicaSetWithPrimary", "RSPrimary", WRITE | ONCE, true, NULL, false},
        {"ReplicaSetWithPrimary", "RSPrimary", WRITE, false, NULL, false},
        {"ReplicaSetWithPrimary", "RSPrimary", WRITE, true, "{'w': 0}", false},
        {"ReplicaSetWithPrimary", "RSPrimary", WRITE, true, "{'w': 1}", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const number_row_t *row = &rows[i];
        set_up(state);
        mouv__topology_free(pool.topology);
        pool.topology =
            row->type ? deployment(row->type, row->kind, 17) : topology_with(NULL, NULL);
        operations.retry_writes = row->retry_writes;
        client.txn_number = 41;
        mouv__operation_t *op = operation_as(&(row_t){.what = row->what});
        if (row->concern) {
            bson_t *concern = from_json(row->concern);
            BSON_APPEND_DOCUMENT(op->parts.command, "writeConcern", concern);
            bson_destroy(concern);
        }
        mouv__retry_give_txn_number(op);
        int64_t expected = row->given ? 42 : 0;
        if (op->parts.txn_number != expected || client.txn_number != 41 + row->given)
            fail_msg("row %zu: txnNumber %d", i, (int)op->parts.txn_number);
        operation_free(op);
        tear_down(state);
    }
}

static void a_retry_keeps_its_number(void **state) {
    (void)state;
    mouv__operation_t *op = operation_as(&(row_t){.what = WRITE});
    mouv__retry_give_txn_number(op);
    mouv__retry_give_txn_number(op);
    assert_int_equal(op->parts.txn_number, 1);
    assert_int_equal(client.txn_number, 1);
    operation_free(op);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcomes_retries_and_last_words),
        cmocka_unit_test(what_may_be_retried_is_labelled),
        CASE(messages_say_why_it_is_not_known),
        CASE(success_has_no_last_word),
        CASE(an_unknown_outcome_keeps_its_first_reason),
        CASE(what_was_stored_once_is_not_refused_the_second_time),
        CASE(a_queue_that_was_full_does_not_hide_the_first_error),
        CASE(without_memory_it_is_retried_all_the_same),
        CASE(attempts_are_counted_up_to_255),
        CASE(a_stop_is_told_by_its_reason),
        cmocka_unit_test(who_gets_a_txn_number),
        CASE(a_retry_keeps_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
