/*
 * Sessions: one operation at a time, what they add to commands, the times that they learn, and when
 * their server session goes back.
 */
#include "../support/async_support.h"

#include "context/alloc.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/error.h"
#include "mongo/pool/pin.h"
#include "mongo/session/session.h"
#include "mongo/transport/connection.h"

#include "topology_support.h"

/* --- a client without a transport ------------------------------------------------------------- */

static mouv__client_ref_t ref;
static mouv__connection_t connection;
static mouv__server_session_t *server_session;
static int closed;

static void on_close(mouv_client_t *client) {
    (void)client;
    closed++;
}

static void on_client(mouv_client_t *client) {
    (void)client;
}

static const mouv__client_ops_t client_ops = {on_close, on_client, on_client};

static mouv_client_t *the_client(void) {
    return (mouv_client_t *)&ref;
}

static void set_up(void) {
    mouv__client_ref_init(the_client(), &client_ops, mouv__runtime());
    connection = (mouv__connection_t){0};
    mouv__connection_init(&connection);
    server_session = mouv__server_session_take(&connection.sessions, 0);
    closed = 0;
}

static void no_end(mouv__server_session_t *session) {
    (void)session;
}

static void tear_down(void) {
    CHECK_INT(ref.held, 0);
    CHECK(mouv__list_is_empty(&ref.sessions));
    mouv__session_store_clear(&connection.sessions, no_end);
}

static mouv_session_t *session_new(int64_t number) {
    mouv_session_t *session = mouv__alloc(sizeof *session);
    session->client = mouv__client_keep_open(the_client());
    session->number = number;
    session->references = 1;
    session->causal = true;
    mouv__list_push_back(&ref.sessions, &session->link);
    return session;
}

/* --- parts of commands ------------------------------------------------------------------------ */

static const mouv__operation_row_t find_row = {"find", MOUV__OP_RETRYABLE | MOUV__OP_READ_CONCERN |
                                                           MOUV__OP_READ_PREFERENCE};
static const mouv__operation_row_t insert_row = {"insert", MOUV__OP_WRITE | MOUV__OP_RETRYABLE |
                                                               MOUV__OP_WRITE_CONCERN};
static const mouv__operation_row_t given_row = {"command", MOUV__OP_WRITE | MOUV__OP_GIVEN};
static const mouv__operation_row_t kill_row = {"killCursors", MOUV__OP_CLEANUP};

static mouv__parts_t parts_of(const mouv__operation_row_t *row, const char *command,
                              mouv_session_t *session) {
    mouv__parts_t parts = {.row = row, .command = from_json(command), .retryable = true};
    if (session) mouv__session_attach(session, &parts);
    return parts;
}

static void parts_end(mouv__parts_t *parts) {
    if (parts->session) mouv__session_end_operation(parts, true);
    if (parts->session) mouv__session_detach(parts);
    bson_destroy(parts->command);
    bson_destroy(parts->fields);
    bson_destroy(parts->cluster_time);
    mongoc_read_prefs_destroy(parts->read_prefs);
    *parts = (mouv__parts_t){0};
}

static void check_document(const bson_t *actual, const char *expected, const char *label) {
    bson_t *wanted = from_json(expected);
    char *got = bson_as_canonical_extended_json(actual, NULL);
    if (!CHECK(bson_equal(actual, wanted))) fprintf(stderr, "    %s: %s\n", label, got);
    bson_free(got);
    bson_destroy(wanted);
}

static int apply_again(mouv__parts_t *parts, bool again) {
    const mouv__session_place_t place = {.server_session = server_session, .server_id = 1};
    return mouv__session_apply_to(parts, &place, again);
}

static int apply(mouv__parts_t *parts) {
    return apply_again(parts, false);
}

static void observe(const mouv__parts_t *parts, const char *reply) {
    bson_t *document = from_json(reply);
    mouv__session_observe_reply(parts, document, false);
    bson_destroy(document);
}

/* --- finding and ending ----------------------------------------------------------------------- */

CORO_CASE(it_is_found_by_its_number) {
    set_up();
    mouv_error_t error = {0};
    mouv_session_t *one = session_new(1), *two = session_new(2);
    CHECK(mouv__session_find(the_client(), 1, &error) == one);
    CHECK(mouv__session_find(the_client(), 2, &error) == two);
    CHECK(mouv__session_find(the_client(), 3, &error) == NULL);
    CHECK_INT(error.code, MOUV_EINVAL);
    CHECK_CONTAINS(error.message, "no session of this client");
    mouv__session_let_go(one);
    CHECK(mouv__session_find(the_client(), 1, &error) == NULL);
    mouv__session_let_go(two);
    tear_down();
    return 0;
}

CORO_CASE(the_last_reference_lets_the_client_close) {
    set_up();
    mouv_session_t *session = session_new(1);
    ref.users = 0;
    mouv__session_hold(session);
    mouv__session_let_go(session);
    CHECK_INT(closed, 0);
    mouv__session_let_go(session);
    CHECK_INT(closed, 1);
    tear_down();
    return 0;
}

CORO_CASE(who_may_use_it) {
    set_up();
    mouv_error_t error = {0};
    CHECK_INT(mouv__session_check(NULL, &error), MOUV_EINVAL);
    mouv_session_t *session = session_new(1);
    CHECK_INT(mouv__session_check(session, &error), 0);
    session->ended = true;
    CHECK_INT(mouv__session_check(session, &error), MOUV_ECLOSED);
    CHECK_STRING(error.message, "the session has been ended");
    session->ended = false;
    ref.state = MOUV__CLIENT_DRAINING;
    CHECK_INT(mouv__session_check(session, &error), MOUV_ECLOSED);
    CHECK_STRING(error.message, "the client has been closed");
    ref.state = MOUV__CLIENT_OPEN;
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

CORO_CASE(the_server_session_goes_back_once_it_has_ended_and_is_unused) {
    set_up();
    mouv_session_t *session = session_new(1);
    mouv__parts_t parts = parts_of(&find_row, "{'find': 'c'}", session);
    mouv_error_t error;
    CHECK_INT(session->references, 2);
    CHECK_INT(session->operations, 1);
    CHECK_INT(mouv__session_begin_operation(&parts, &error), 0);
    CHECK(mouv__session_pinned(session, NULL) == NULL);
    CHECK_INT(apply(&parts), 0);
    CHECK(mouv__session_pinned(session, NULL) == server_session);
    mouv__session_unpin_if_unused(session); /* it has not ended */
    CHECK(session->pinned != NULL);
    session->ended = true;
    mouv__session_unpin_if_unused(session); /* an operation may still use it */
    CHECK(session->pinned != NULL);
    parts_end(&parts);
    CHECK(session->pinned == NULL);
    CHECK_INT(server_session->state, MOUV__SERVER_SESSION_FREE);
    CHECK_INT(session->references, 1);
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

CORO_CASE(letting_go_gives_the_server_session_back) {
    set_up();
    mouv_session_t *session = session_new(1);
    mouv__parts_t parts = parts_of(&find_row, "{'find': 'c'}", session);
    CHECK_INT(apply(&parts), 0);
    parts_end(&parts);
    CHECK_INT(server_session->state, MOUV__SERVER_SESSION_IN_USE);
    mouv__session_let_go(session);
    CHECK_INT(server_session->state, MOUV__SERVER_SESSION_FREE);
    tear_down();
    return 0;
}

CORO_CASE(a_server_session_that_went_with_the_client_is_lost) {
    set_up();
    mouv_session_t *session = session_new(1);
    bool lost = true;
    CHECK(mouv__session_pinned(session, &lost) == NULL);
    CHECK(!lost);
    mouv__parts_t parts = parts_of(&find_row, "{'find': 'c'}", session);
    CHECK_INT(apply(&parts), 0);
    CHECK(mouv__session_pinned(session, &lost) == server_session);
    CHECK(!lost);
    mouv__pin_forget_all(&connection.sessions);
    CHECK(mouv__session_pinned(session, &lost) == NULL);
    CHECK(lost);
    parts_end(&parts);
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

CORO_CASE(without_memory_it_has_no_pin) {
    set_up();
    mouv_session_t *session = session_new(1);
    mouv__parts_t parts = parts_of(&find_row, "{'find': 'c'}", session);
    mouv__alloc_fail_at = 1;
    CHECK_INT(apply(&parts), MOUV_ENOMEM);
    mouv__alloc_fail_at = -1;
    parts_end(&parts);
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

/* --- its operations --------------------------------------------------------------------------- */

CORO_CASE(one_operation_at_a_time) {
    set_up();
    mouv_session_t *session = session_new(1);
    mouv_error_t error = {0};
    mouv__parts_t one = parts_of(&find_row, "{'find': 'c'}", session);
    mouv__parts_t two = parts_of(&find_row, "{'find': 'c'}", session);
    CHECK_INT(mouv__session_begin_operation(&one, &error), 0);
    CHECK_INT(mouv__session_begin_operation(&two, &error), MOUV_ESTATE);
    CHECK_STRING(error.message, "another task is using the session");
    mouv__session_end_operation(&two, true); /* which never began */
    CHECK(session->current == &one);
    mouv__session_end_operation(&one, true);
    CHECK(session->current == NULL);
    CHECK_INT(mouv__session_begin_operation(&two, &error), 0);
    parts_end(&one);
    parts_end(&two);
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

CORO_CASE(clean_up_is_always_taken) {
    set_up();
    mouv_session_t *session = session_new(1);
    mouv_error_t error = {0};
    mouv__parts_t find = parts_of(&find_row, "{'find': 'c'}", session);
    mouv__parts_t kill = parts_of(&kill_row, "{'killCursors': 'c'}", session);
    CHECK_INT(mouv__session_begin_operation(&find, &error), 0);
    CHECK_INT(mouv__session_begin_operation(&kill, &error), 0);
    session->ended = true;
    CHECK_INT(mouv__session_begin_operation(&kill, &error), 0);
    CHECK_INT(mouv__session_begin_operation(&find, &error), MOUV_ECLOSED);
    session->current = NULL;
    parts_end(&find);
    parts_end(&kill);
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

CORO_CASE(which_writes_are_unacknowledged) {
    set_up();
    static const struct {
        const mouv__operation_row_t *row;
        const char *command, *clients; /* {writeConcern: ...} of the client's; or NULL */
        bool in_transaction, expected;
    } cases[] = {
        {&insert_row, "{'insert': 'c'}", NULL, false, false},
        {&insert_row, "{'insert': 'c', 'writeConcern': {'w': 0}}", NULL, false, true},
        {&insert_row, "{'insert': 'c', 'writeConcern': {'w': 1}}", NULL, false, false},
        {&insert_row, "{'insert': 'c'}", "{'writeConcern': {'w': 0}}", false, true},
        {&insert_row, "{'insert': 'c', 'writeConcern': {'w': 1}}", "{'writeConcern': {'w': 0}}",
         false, false},
        {&insert_row, "{'insert': 'c'}", "{'writeConcern': {'w': 0}}", true, false},
        {&find_row, "{'find': 'c', 'writeConcern': {'w': 0}}", NULL, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bson_t *clients = cases[i].clients ? from_json(cases[i].clients) : NULL;
        mouv__parts_t parts = parts_of(cases[i].row, cases[i].command, NULL);
        ref.write_concern = clients;
        parts.in_transaction = cases[i].in_transaction;
        CHECK_INT(mouv__session_is_unacknowledged(&parts, the_client()), cases[i].expected);
        parts_end(&parts);
        bson_destroy(clients);
    }
    tear_down();
    return 0;
}

CORO_CASE(an_unacknowledged_write_is_refused) {
    set_up();
    mouv_session_t *session = session_new(1);
    mouv_error_t error = {0};
    mouv__parts_t parts =
        parts_of(&insert_row, "{'insert': 'c', 'writeConcern': {'w': 0}}", session);
    CHECK_INT(mouv__session_begin_operation(&parts, &error), MOUV_EINVAL);
    CHECK_CONTAINS(error.message, "w: 0");
    CHECK(session->current == NULL);
    parts_end(&parts);
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

/* --- read concern ----------------------------------------------------------------------------- */

#define AT(t, i) "{'$timestamp': {'t': " #t ", 'i': " #i "}}"

enum { CAUSAL = 1, SNAPSHOT = 2, KNOWS = 4 /* a time */, GETMORE = 8, IN_TXN = 16, OPENS = 32 };

CORO_CASE(what_it_adds_to_the_read_concern) {
    set_up();
    static const struct {
        const char *label;
        unsigned how;
        const mouv__operation_row_t *row;
        const char *command, *clients, *transactions, *expected;
    } cases[] = {
        {"nothing is known", CAUSAL, &find_row, "{'find': 'c'}", NULL, NULL, "{'find': 'c'}"},
        {"causal", CAUSAL | KNOWS, &find_row, "{'find': 'c'}", NULL, NULL,
         "{'find': 'c', 'readConcern': {'afterClusterTime': " AT(7, 1) "}}"},
        {"not causal", KNOWS, &find_row, "{'find': 'c'}", NULL, NULL, "{'find': 'c'}"},
        {"its own level", CAUSAL | KNOWS, &find_row,
         "{'find': 'c', 'readConcern': {'level': 'local'}}", NULL, NULL,
         "{'find': 'c', 'readConcern': {'level': 'local', 'afterClusterTime': " AT(7, 1) "}}"},
        {"its own time", CAUSAL | KNOWS, &find_row,
         "{'find': 'c', 'readConcern': {'afterClusterTime': " AT(3, 1) "}}", NULL, NULL,
         "{'find': 'c', 'readConcern': {'afterClusterTime': " AT(7, 1) "}}"},
        {"an empty one is the server's", CAUSAL, &find_row, "{'find': 'c', 'readConcern': {}}",
         "{'readConcern': {'level': 'local'}}", NULL, "{'find': 'c', 'readConcern': {}}"},
        {"the client's level", CAUSAL | KNOWS, &find_row, "{'find': 'c'}",
         "{'readConcern': {'level': 'majority'}}", NULL,
         "{'find': 'c', 'readConcern': {'level': 'majority', 'afterClusterTime': " AT(7, 1) "}}"},
        {"a write", CAUSAL | KNOWS, &insert_row, "{'insert': 'c'}",
         "{'readConcern': {'level': 'majority'}}", NULL,
         "{'insert': 'c', 'readConcern': {'afterClusterTime': " AT(7, 1) "}}"},
        {"a write that knows nothing", CAUSAL, &insert_row, "{'insert': 'c'}",
         "{'readConcern': {'level': 'majority'}}", NULL, "{'insert': 'c'}"},
        {"a write again", CAUSAL | KNOWS, &insert_row,
         "{'insert': 'c', 'readConcern': {'afterClusterTime': " AT(3, 1) "}}", NULL, NULL,
         "{'insert': 'c', 'readConcern': {'afterClusterTime': " AT(7, 1) "}}"},
        {"a write, not causal", KNOWS, &insert_row, "{'insert': 'c'}", NULL, NULL,
         "{'insert': 'c'}"},
        {"the user's own command", CAUSAL | KNOWS, &given_row, "{'insert': 'c'}", NULL, NULL,
         "{'insert': 'c'}"},
        {"first of a snapshot", SNAPSHOT, &find_row, "{'find': 'c'}", NULL, NULL,
         "{'find': 'c', 'readConcern': {'level': 'snapshot'}}"},
        {"second of a snapshot", SNAPSHOT | KNOWS, &find_row,
         "{'find': 'c', 'readConcern': {'level': 'local'}}", NULL, NULL,
         "{'find': 'c', 'readConcern': {'level': 'snapshot', 'atClusterTime': " AT(8, 2) "}}"},
        {"a write in a snapshot", SNAPSHOT, &insert_row, "{'insert': 'c'}", NULL, NULL,
         "{'insert': 'c', 'readConcern': {'level': 'snapshot'}}"},
        {"clean-up in a snapshot", SNAPSHOT, &kill_row, "{'killCursors': 'c'}", NULL, NULL,
         "{'killCursors': 'c'}"},
        {"getMore in a snapshot", SNAPSHOT | GETMORE, &find_row, "{'getMore': 'c'}", NULL, NULL,
         "{'getMore': 'c'}"},
        {"first of a transaction", CAUSAL | KNOWS | IN_TXN, &insert_row, "{'insert': 'c'}", NULL,
         "{'level': 'majority'}",
         "{'insert': 'c', 'readConcern': {'level': 'majority', 'afterClusterTime': " AT(7, 1) "}}"},
        {"first of another", CAUSAL | IN_TXN, &insert_row, "{'insert': 'c'}", NULL, NULL,
         "{'insert': 'c'}"},
        {"second of a transaction", CAUSAL | KNOWS | IN_TXN | OPENS, &find_row, "{'find': 'c'}",
         NULL, "{'level': 'majority'}", "{'find': 'c'}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mouv_session_t *session = session_new(1);
        unsigned how = cases[i].how;
        bson_t *clients = cases[i].clients ? from_json(cases[i].clients) : NULL;
        ref.read_concern = clients;
        session->causal = (how & CAUSAL) != 0;
        session->snapshot = (how & SNAPSHOT) != 0;
        if (how & KNOWS) {
            session->operation_time[0] = 7, session->operation_time[1] = 1;
            session->snapshot_time[0] = 8, session->snapshot_time[1] = 2;
        }
        if (how & IN_TXN) session->transaction.state = MOUV__TRANSACTION_STARTING;
        if (how & OPENS) session->transaction.state = MOUV__TRANSACTION_OPEN;
        session->transaction.opts.read_concern =
            cases[i].transactions ? from_json(cases[i].transactions) : NULL;
        mouv__parts_t parts = parts_of(cases[i].row, cases[i].command, session);
        if (how & GETMORE) parts.pin = (mouv__pin_t *)&parts; /* that there is one */
        parts.in_transaction = (how & IN_TXN) != 0;
        CHECK_INT(apply(&parts), 0);
        check_document(parts.command, cases[i].expected, cases[i].label);
        parts_end(&parts);
        mouv__session_let_go(session);
        server_session = mouv__server_session_take(&connection.sessions, 0);
        bson_destroy(clients);
    }
    tear_down();
    return 0;
}

CORO_CASE(a_transaction_takes_the_client_s_next_number_with_its_first_command) {
    set_up();
    mouv_session_t *session = session_new(1);
    mouv_error_t error;
    ref.txn_number = 30;
    session->transaction.state = MOUV__TRANSACTION_STARTING;
    for (int i = 0; i < 2; i++) {
        mouv__parts_t parts = parts_of(&insert_row, "{'insert': 'c'}", session);
        CHECK_INT(mouv__session_begin_operation(&parts, &error), 0);
        CHECK(parts.in_transaction);
        CHECK_INT(apply(&parts), 0);
        CHECK_INT(parts.txn_number, 31);
        CHECK_INT(ref.txn_number, 31);
        check_document(parts.fields,
                       i == 0 ? "{'startTransaction': true, 'autocommit': false}"
                              : "{'autocommit': false}",
                       "fields");
        parts_end(&parts);
    }
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

CORO_CASE(a_first_command_that_was_not_sent_leaves_the_transaction_to_start) {
    set_up();
    mouv_session_t *session = session_new(1);
    mouv_error_t error;
    session->transaction.state = MOUV__TRANSACTION_STARTING;
    mouv__parts_t parts = parts_of(&insert_row, "{'insert': 'c'}", session);
    CHECK_INT(mouv__session_begin_operation(&parts, &error), 0);
    CHECK_INT(apply(&parts), 0);
    mouv__session_end_operation(&parts, false);
    CHECK_INT(session->transaction.state, MOUV__TRANSACTION_STARTING);
    parts_end(&parts);
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

CORO_CASE(a_commit_that_is_sent_again_has_majority) {
    set_up();
    mouv_session_t *session = session_new(1);
    mouv_error_t error;
    session->transaction.state = MOUV__TRANSACTION_OPEN;
    session->transaction.number = 4;
    mouv__parts_t parts =
        parts_of(&mouv__transaction_commit_row, "{'commitTransaction': 1}", session);
    parts.txn_number = 4;
    CHECK_INT(mouv__session_begin_operation(&parts, &error), 0);
    CHECK_INT(apply(&parts), 0);
    check_document(parts.fields, "{'autocommit': false}", "first");
    CHECK_INT(apply_again(&parts, true), 0);
    check_document(parts.fields,
                   "{'writeConcern': {'w': 'majority', 'wtimeout': 10000}, 'autocommit': false}",
                   "again");
    CHECK_INT(parts.txn_number, 4);
    parts_end(&parts);
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

/* --- a transaction's place -------------------------------------------------------------------- */

/* The first operation of a transaction, at a server where it is to stay. */
static void begin_at(mouv__parts_t *parts, mouv_session_t *session, uint32_t server_id,
                     bool binds) {
    const mouv__session_place_t place = {
        .server_session = server_session, .server_id = server_id, .binds = binds};
    mouv_error_t error;
    session->transaction.state = MOUV__TRANSACTION_STARTING;
    *parts = parts_of(&insert_row, "{'insert': 'c'}", session);
    CHECK_INT(mouv__session_begin_operation(parts, &error), 0);
    CHECK_INT(mouv__session_apply_to(parts, &place, false), 0);
}

CORO_CASE(a_transaction_is_bound_to_where_it_begins_until_the_session_does_something_else) {
    set_up();
    mouv_session_t *session = session_new(1);
    mouv_error_t error;
    mouv__parts_t parts;
    begin_at(&parts, session, 7, true);
    CHECK_INT(mouv__pin_server_id(mouv__session_bound(&parts)), 7);
    parts_end(&parts);
    mouv__parts_t more = parts_of(&insert_row, "{'insert': 'c'}", session);
    CHECK(!mouv__session_bound(&more)); /* it has not begun */
    CHECK_INT(mouv__session_begin_operation(&more, &error), 0);
    CHECK_INT(mouv__pin_server_id(mouv__session_bound(&more)), 7);
    parts_end(&more);
    session->transaction.state = MOUV__TRANSACTION_COMMITTED;
    CHECK(session->bound);
    mouv__parts_t other = parts_of(&insert_row, "{'insert': 'c'}", session);
    CHECK_INT(mouv__session_begin_operation(&other, &error), 0);
    CHECK(!session->bound);
    parts_end(&other);
    mouv__session_unbind(NULL);
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

CORO_CASE(a_transaction_that_any_server_may_go_on_with_is_not_bound) {
    set_up();
    mouv_session_t *session = session_new(1);
    mouv__parts_t parts;
    begin_at(&parts, session, 7, false);
    CHECK(!session->bound);
    parts_end(&parts);
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

CORO_CASE(a_first_command_that_was_not_sent_leaves_the_transaction_unbound) {
    set_up();
    mouv_session_t *session = session_new(1);
    mouv__parts_t parts;
    begin_at(&parts, session, 7, true);
    mouv__session_end_operation(&parts, false);
    CHECK(!session->bound);
    parts_end(&parts);
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

CORO_CASE(a_connection_is_kept_for_a_transaction_until_it_is_lost_or_may_be_tried_again) {
    set_up();
    mouv_session_t *session = session_new(1);
    const mouv__session_place_t place = {
        .server_session = server_session, .server_id = 1, .connection = &connection, .binds = true};
    mouv_error_t error = {.code = MOUV_ESERVER};
    session->transaction.state = MOUV__TRANSACTION_STARTING;
    mouv__parts_t parts = parts_of(&insert_row, "{'insert': 'c'}", session);
    CHECK_INT(mouv__session_begin_operation(&parts, &(mouv_error_t){0}), 0);
    CHECK_INT(mouv__session_apply_to(&parts, &place, false), 0);
    CHECK(mouv__pin_connection(mouv__session_bound(&parts)) == &connection);
    mouv__session_note_error(&parts, &error);
    CHECK(session->bound);
    mouv__error_add_label(&error, "TransientTransactionError");
    mouv__session_note_error(&parts, &error);
    CHECK(!session->bound);
    CHECK(mouv__list_is_empty(&connection.keepers));
    parts_end(&parts);
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

CORO_CASE(a_transaction_leaves_its_place) {
    static const struct {
        const mouv__operation_row_t *row;
        int code;
        const char *label;
        bool leaves;
    } cases[] = {
        {&insert_row, 0, NULL, false},
        {&insert_row, MOUV_ESERVER, NULL, false},
        {&insert_row, MOUV_ESERVER, "TransientTransactionError", true},
        {&mouv__transaction_commit_row, 0, NULL, false},
        {&mouv__transaction_commit_row, MOUV_ESERVER, "UnknownTransactionCommitResult", true},
        {&mouv__transaction_abort_row, 0, NULL, true},
        {&mouv__transaction_abort_row, MOUV_ENETWORK, NULL, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mouv__parts_t parts = {.row = cases[i].row, .in_transaction = true};
        mouv_error_t error = {.code = cases[i].code};
        if (cases[i].label) mouv__error_add_label(&error, cases[i].label);
        CHECK_INT(mouv__transaction_leaves_place(&parts, &error), cases[i].leaves);
        parts.in_transaction = false;
        CHECK(!mouv__transaction_leaves_place(&parts, &error));
    }
    return 0;
}

/* --- times ------------------------------------------------------------------------------------ */

CORO_CASE(what_the_user_knows_goes_to_the_deployment_first) {
    set_up();
    mouv_session_t *session = session_new(1);
    mouv__parts_t parts = parts_of(&find_row, "{'find': 'c'}", session);
    CHECK_INT(apply(&parts), 0);
    CHECK(parts.cluster_time == NULL);
    CHECK(!server_session->dirty);
    bson_t *time = from_json("{'clusterTime': " AT(5, 1) "}");
    CHECK(mouv__session_advance_cluster_time(session, time));
    session->advanced = true;
    for (int i = 0; i < 2; i++) {
        CHECK_INT(apply(&parts), 0);
        CHECK(bson_equal(parts.cluster_time, time));
        CHECK(server_session->dirty);
    }
    observe(&parts, "{'ok': 1, '$clusterTime': {'clusterTime': " AT(5, 1) "}}");
    CHECK(session->advanced);
    observe(&parts, "{'ok': 1, '$clusterTime': {'clusterTime': " AT(5, 2) "}}");
    CHECK(!session->advanced);
    bson_destroy(time);
    parts_end(&parts);
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

CORO_CASE(times_never_go_back) {
    set_up();
    mouv_session_t *session = session_new(1);
    static const struct {
        const char *time;
        bool news;
    } cluster_times[] = {
        {"{'clusterTime': " AT(5, 2) "}", true},
        {"{'clusterTime': " AT(5, 2) "}", false},
        {"{'clusterTime': " AT(5, 1) "}", false},
        {"{'clusterTime': " AT(4, 9) "}", false},
        {"{'clusterTime': " AT(5, 3) "}", true},
        {"{'clusterTime': " AT(6, 1) "}", true},
        {"{'clusterTime': 3}", false},
    };
    for (size_t i = 0; i < sizeof cluster_times / sizeof *cluster_times; i++) {
        bson_t *time = from_json(cluster_times[i].time);
        CHECK_INT(mouv__session_advance_cluster_time(session, time), cluster_times[i].news);
        bson_destroy(time);
    }
    check_document(session->cluster_time, "{'clusterTime': " AT(6, 1) "}", "cluster time");
    static const uint32_t times[][2] = {{5, 2}, {5, 1}, {4, 9}, {5, 4}, {5, 4}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        mouv__session_advance_operation_time(session, times[i]);
    CHECK_INT(session->operation_time[0], 5);
    CHECK_INT(session->operation_time[1], 4);
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

CORO_CASE(what_it_learns_of_answers) {
    set_up();
    mouv_session_t *session = session_new(1);
    mouv__parts_t parts = parts_of(&find_row, "{'find': 'c'}", session);
    mouv_error_t error;
    mouv__session_begin_operation(&parts, &error);
    CHECK_INT(apply(&parts), 0);
    mouv__session_observe_reply(&parts, NULL, false);
    CHECK(session->lsid == NULL); /* no worker has begun it */
    server_session->handle = &ref;
    memset(server_session->lsid, 0xab, sizeof server_session->lsid);
    mouv__session_observe_reply(&parts, NULL, false);
    bson_iter_t id;
    CHECK(session->lsid && bson_iter_init_find(&id, session->lsid, "id") &&
          BSON_ITER_HOLDS_BINARY(&id));
    observe(&parts, "{'ok': 1, 'operationTime': " AT(9, 3) ", 'cursor': {'atClusterTime': " AT(
                        8, 1) "}, 'recoveryToken': {'a': 1}}");
    CHECK_INT(session->operation_time[0], 9);
    CHECK_INT(session->operation_time[1], 3);
    CHECK_INT(session->snapshot_time[0], 0); /* it is no snapshot session */
    CHECK(session->transaction.recovery_token == NULL);
    server_session->handle = NULL;
    parts_end(&parts);
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

CORO_CASE(a_snapshot_is_of_its_first_read_s_time) {
    set_up();
    static const char *const replies[] = {"{'ok': 1, 'cursor': {'atClusterTime': " AT(8, 1) "}}",
                                          "{'ok': 1, 'atClusterTime': " AT(8, 1) "}"};
    for (int i = 0; i < 2; i++) {
        mouv_session_t *session = session_new(1);
        session->snapshot = true;
        mouv__parts_t parts = parts_of(&find_row, "{'find': 'c'}", session);
        observe(&parts, "{'ok': 0, 'code': 1}");
        observe(&parts, replies[i]);
        observe(&parts, "{'ok': 1, 'atClusterTime': " AT(9, 1) "}");
        CHECK_INT(session->snapshot_time[0], 8);
        CHECK_INT(session->snapshot_time[1], 1);
        parts_end(&parts);
        mouv__session_let_go(session);
    }
    tear_down();
    return 0;
}

CORO_CASE(a_transaction_learns_its_recovery_token_and_its_end) {
    set_up();
    mouv_session_t *session = session_new(1);
    mouv_error_t error;
    session->transaction.state = MOUV__TRANSACTION_STARTING;
    mouv__parts_t parts = parts_of(&insert_row, "{'insert': 'c'}", session);
    CHECK_INT(mouv__session_begin_operation(&parts, &error), 0);
    CHECK_INT(apply(&parts), 0);
    observe(&parts, "{'ok': 1, 'recoveryToken': {'a': 1}}");
    observe(&parts, "{'ok': 1, 'recoveryToken': {'a': 2}}");
    check_document(session->transaction.recovery_token, "{'recoveryToken': {'a': 2}}", "token");
    CHECK(!session->transaction.gone);
    observe(&parts, "{'ok': 0, 'code': 50}");
    CHECK(session->transaction.gone);
    mouv__session_end_operation(&parts, true);
    observe(&parts, "{'ok': 1, 'recoveryToken': {'a': 3}}"); /* late: the next may be under way */
    check_document(session->transaction.recovery_token, "{'recoveryToken': {'a': 2}}", "late");
    parts_end(&parts);
    mouv__session_let_go(session);
    tear_down();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_is_found_by_its_number),
        TEST(the_last_reference_lets_the_client_close),
        TEST(who_may_use_it),
        TEST(the_server_session_goes_back_once_it_has_ended_and_is_unused),
        TEST(letting_go_gives_the_server_session_back),
        TEST(a_server_session_that_went_with_the_client_is_lost),
        TEST(without_memory_it_has_no_pin),
        TEST(one_operation_at_a_time),
        TEST(clean_up_is_always_taken),
        TEST(which_writes_are_unacknowledged),
        TEST(an_unacknowledged_write_is_refused),
        TEST(what_it_adds_to_the_read_concern),
        TEST(a_transaction_takes_the_client_s_next_number_with_its_first_command),
        TEST(a_first_command_that_was_not_sent_leaves_the_transaction_to_start),
        TEST(a_commit_that_is_sent_again_has_majority),
        TEST(a_transaction_is_bound_to_where_it_begins_until_the_session_does_something_else),
        TEST(a_transaction_that_any_server_may_go_on_with_is_not_bound),
        TEST(a_first_command_that_was_not_sent_leaves_the_transaction_unbound),
        TEST(a_connection_is_kept_for_a_transaction_until_it_is_lost_or_may_be_tried_again),
        TEST(a_transaction_leaves_its_place),
        TEST(what_the_user_knows_goes_to_the_deployment_first),
        TEST(times_never_go_back),
        TEST(what_it_learns_of_answers),
        TEST(a_snapshot_is_of_its_first_read_s_time),
        TEST(a_transaction_learns_its_recovery_token_and_its_end),
    };
    return RUN_CASES(tests);
}
