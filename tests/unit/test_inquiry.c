/*
 * What became of a write that was stopped: fence, question, and sending again; what is told in each
 * case.
 */
#include "operation_support.h"

#include "mongo/base/bson_view.h"
#include "mongo/operation/inquiry.h"

#define THREE "{'insert': 'users', 'documents': [{'_id': 1}, {'_id': 2}, {'_id': 3}]}"
#define UPDATES "{'update': 'users', 'updates': [{'q': {}}, {'q': {}}]}"
#define DELETES "{'delete': 'users', 'deletes': [{'q': {}}, {'q': {}}]}"
#define MODIFY "{'findAndModify': 'users', 'query': {}}"

/* What its maker is told last. */
static struct { int calls, code, cause, n; /* n: -1 without a reply */ } told;

static int note_finish(mouv__operation_t *op, bson_t *reply, mouv_error_t *error) {
    (void)op;
    told.calls++;
    told.code = error->code;
    told.cause = error->cause;
    told.n = reply ? (int)number_in(reply, "n", -2) : -1;
    return error->code;
}

/* Kills are answered at once. */
static fake_t *fake_asked(const char *servers) {
    fake_t *fake = fake_with(1, servers);
    fake->auto_ms[FAKE_CONTROL] = 0;
    memset(&told, 0, sizeof told);
    return fake;
}

static mouv__operation_t *write_begin(fake_t *fake, const char *command, int64_t deadline_ms) {
    mouv__operation_t *op = operation_new(fake, &insert_row, command);
    op->finish = note_finish;
    if (deadline_ms > 0) op->deadline_ns = now_ns(fake) + deadline_ms * MOUV__NS_PER_MS;
    mouv__operation_start(op);
    fake_turn();
    return op;
}

static fake_call_t *sent(const fake_t *fake) {
    return fake_out(fake, FAKE_SEND, 0);
}

/* Stopped, killed, cut: what has become of it is not known. */
static void lose_it(mouv__operation_t *op) {
    operation_cancel(op);
    fake_pass_ms(250);
    CHECK(op->inquiry != NULL);
    CHECK_PENDING(op);
}

/* --- what is sent ----------------------------------------------------------------------------- */

FAKE_CASE(the_fence_is_a_transaction_with_the_write_s_own_number_and_session,
          fake_asked("RSPrimary")) {
    mouv__operation_t *op = write_begin(fake, THREE, 0);
    mouv__server_session_t *session = op->attempt.exchange.session;
    int64_t number = op->parts.txn_number;
    CHECK(number > 0 && !sent(fake)->exchange->quiet);
    lose_it(op);
    fake_call_t *fence = sent(fake);
    CHECK(fence->exchange->quiet);
    CHECK(fence->exchange->session == session);
    check_document(fence->command,
                   "{'delete': 'users', 'deletes': [{'q': {'$fence': 1}, 'limit': 1}]}");
    CHECK_INT(number_in(fence->fields, "txnNumber", 0), number);
    CHECK(bson_has_field(fence->fields, "startTransaction"));
    CHECK(bson_has_field(fence->fields, "autocommit"));
    CHECK(bson_has_field(fence->fields, "maxTimeMS"));
    fake_answer(fence, "{'ok': 0, 'code': 117}");
    fake_turn();
    fake_call_t *question = sent(fake);
    CHECK(question->exchange->quiet && question->exchange->session == session);
    check_document(question->command,
                   "{'delete': 'users', 'ordered': false, 'writeConcern': {'w': 1}, 'deletes': ["
                   "{'q': {'_id': {'$in': []}}, 'limit': 1}, {'q': {'_id': {'$in': []}}, 'limit': "
                   "1}, {'q': {'_id': {'$in': []}}, 'limit': 1}], 'stmtIds': [0, 1, 2]}");
    CHECK_INT(number_in(question->fields, "txnNumber", 0), number);
    CHECK(!bson_has_field(question->fields, "startTransaction"));
    fake_answer(question, "{'ok': 1, 'n': 0, 'retriedStmtIds': [0, 1, 2]}");
    fake_turn();
    fake_call_t *resent = sent(fake);
    check_document(resent->command, THREE);
    CHECK_INT(number_in(resent->fields, "txnNumber", 0), number);
    fake_answer(resent, "{'ok': 1, 'n': 3}");
    CHECK_ENDED(op, 0);
    CHECK_INT(told.n, 3);
    CHECK_INT(stats_of(fake)->retries, 0);
    operation_over(op);
}

CORO_CASE(statements_of_a_sequence_are_asked_about_and_sent_again) {
    fake_t *fake = fake_asked("RSPrimary");
    mouv__operation_t *op = operation_new(fake, &insert_row, "{'insert': 'users'}");
    bson_t document = BSON_INITIALIZER;
    mouv__sequence_t *sequence = op->parts.sequence = mouv__sequence_new("documents", 0);
    for (int i = 0; i < 3; i++) CHECK(mouv__sequence_add(sequence, NULL, &document));
    op->finish = note_finish;
    mouv__operation_start(op);
    fake_turn();
    CHECK(sent(fake)->exchange->sequence == sequence);
    lose_it(op);
    CHECK(sent(fake)->exchange->sequence == NULL);
    fake_answer(sent(fake), "{'ok': 0, 'code': 117}");
    fake_turn();
    CHECK(sent(fake)->exchange->sequence == NULL);
    CHECK_INT(number_in(sent(fake)->command, "stmtIds.2", 0), 2);
    CHECK(!mouv__bson_view_find(sent(fake)->command, "stmtIds.3", &(bson_iter_t){0}));
    fake_answer(sent(fake), "{'ok': 1, 'n': 0, 'retriedStmtIds': [0, 1, 2]}");
    fake_turn();
    check_document(sent(fake)->command, "{'insert': 'users'}");
    CHECK(sent(fake)->exchange->sequence == sequence && sequence->count == 3);
    fake_answer(sent(fake), "{'ok': 1, 'n': 3}");
    CHECK_ENDED(op, 0);
    CHECK_INT(told.n, 3);
    operation_over(op);
    fake_free(fake);
    return 0;
}

/* What is still owned while a question is out goes with the operation. */
CORO_CASE(a_sequence_too_long_to_ask_about_and_one_left_in_an_inquiry_are_freed) {
    for (int count = 1000; count <= 1001; count++) {
        fake_t *fake = fake_asked("RSPrimary");
        mouv__operation_t *op = operation_new(fake, &insert_row, "{'insert': 'users'}");
        bson_t document = BSON_INITIALIZER;
        op->parts.sequence = mouv__sequence_new("documents", 0);
        for (int i = 0; i < count; i++) mouv__sequence_add(op->parts.sequence, NULL, &document);
        mouv__operation_start(op);
        fake_turn();
        operation_cancel(op);
        fake_pass_ms(250);
        CHECK_INT(op->inquiry != NULL, count == 1000);
        operation_over(op);
        fake_free(fake);
    }
    return 0;
}

/* --- what is told ----------------------------------------------------------------------------- */

#define BEGUN "{'ok': 1, 'n': 0, 'writeErrors': [{'index': 0, 'code': 2}]}"
#define REFUSED "{'ok': 0, 'code': 117}"
#define REFUSED_BEFORE "{'ok': 0, 'code': 50911}"
#define FORBIDDEN "{'ok': 0, 'code': 13}"
#define DONE(ids) "{'ok': 1, 'n': 0, 'retriedStmtIds': [" ids "]}"
#define NOTHING "{'ok': 1, 'n': 0}"
#define LOST "lost"
#define SILENCE "silence"

typedef struct asked {
    const char *label, *servers, *command;
    const char *answers[3];
    int code, cause, n;
} asked_t;

static const asked_t table[] = {
    {"the fence begins", "RSPrimary", INSERT, {BEGUN}, MOUV_ECANCELED, 0, -1},
    {"not executed", "RSPrimary", INSERT, {REFUSED, NOTHING}, MOUV_ECANCELED, 0, -1},
    {"not executed, before 4.4",
     "RSPrimary",
     INSERT,
     {REFUSED_BEFORE, NOTHING},
     MOUV_ECANCELED,
     0,
     -1},
    {"none executed", "RSPrimary", INSERT, {REFUSED, DONE("")}, MOUV_ECANCELED, 0, -1},
    {"executed", "RSPrimary", INSERT, {REFUSED, DONE("0"), "{'ok': 1, 'n': 1}"}, 0, 0, 1},
    {"executed, its own error",
     "RSPrimary",
     INSERT,
     {REFUSED, DONE("0"), "{'ok': 1, 'n': 0, 'writeErrors': [{'code': 11000}]}"},
     MOUV_ESERVER,
     0,
     0},
    {"sent again in vain",
     "RSPrimary",
     INSERT,
     {REFUSED, DONE("0"), LOST},
     MOUV_EUNKNOWN,
     MOUV_ECANCELED,
     -1},
    {"sent again, refused",
     "RSPrimary",
     INSERT,
     {REFUSED, DONE("0"), "{'ok': 0, 'code': 91}"},
     MOUV_EUNKNOWN,
     MOUV_ECANCELED,
     -1},
    {"two of three inserts",
     "RSPrimary",
     THREE,
     {REFUSED, DONE("0, 1")},
     MOUV_ESERVER,
     MOUV_ECANCELED,
     2},
    {"one of two deletes",
     "RSPrimary",
     DELETES,
     {REFUSED, DONE("0")},
     MOUV_ESERVER,
     MOUV_ECANCELED,
     1},
    {"one of two updates",
     "RSPrimary",
     UPDATES,
     {REFUSED, DONE("0")},
     MOUV_EUNKNOWN,
     MOUV_ECANCELED,
     -1},
    {"both updates", "RSPrimary", UPDATES, {REFUSED, DONE("0, 1"), "{'ok': 1, 'n': 2}"}, 0, 0, 2},
    {"findAndModify", "RSPrimary", MODIFY, {REFUSED, DONE("0"), "{'ok': 1, 'n': 1}"}, 0, 0, 1},
    {"findAndModify, not executed", "RSPrimary", MODIFY, {REFUSED, NOTHING}, MOUV_ECANCELED, 0, -1},
    {"a fence in other words, not executed",
     "RSPrimary",
     INSERT,
     {FORBIDDEN, NOTHING},
     MOUV_EUNKNOWN,
     MOUV_ECANCELED,
     -1},
    {"a fence in other words, a part",
     "RSPrimary",
     THREE,
     {FORBIDDEN, DONE("0")},
     MOUV_EUNKNOWN,
     MOUV_ECANCELED,
     -1},
    {"a fence in other words, executed",
     "RSPrimary",
     INSERT,
     {FORBIDDEN, DONE("0"), "{'ok': 1, 'n': 1}"},
     0,
     0,
     1},
    {"the fence is lost", "RSPrimary", INSERT, {LOST}, MOUV_EUNKNOWN, MOUV_ECANCELED, -1},
    {"the fence is silent", "RSPrimary", INSERT, {SILENCE}, MOUV_EUNKNOWN, MOUV_ECANCELED, -1},
    {"the question is refused",
     "RSPrimary",
     INSERT,
     {REFUSED, FORBIDDEN},
     MOUV_EUNKNOWN,
     MOUV_ECANCELED,
     -1},
    {"the question is lost",
     "RSPrimary",
     INSERT,
     {REFUSED, LOST},
     MOUV_EUNKNOWN,
     MOUV_ECANCELED,
     -1},
    {"the question is silent",
     "RSPrimary",
     INSERT,
     {REFUSED, SILENCE},
     MOUV_EUNKNOWN,
     MOUV_ECANCELED,
     -1},
    {"sending again is silent",
     "RSPrimary",
     INSERT,
     {REFUSED, DONE("0"), SILENCE},
     MOUV_EUNKNOWN,
     MOUV_ECANCELED,
     -1},
    /* a mongos has no fence */
    {"mongos, not executed", "Mongos", INSERT, {NOTHING}, MOUV_EUNKNOWN, MOUV_ECANCELED, -1},
    {"mongos, executed", "Mongos", INSERT, {DONE("0"), "{'ok': 1, 'n': 1}"}, 0, 0, 1},
    {"mongos, a part", "Mongos", THREE, {DONE("0")}, MOUV_EUNKNOWN, MOUV_ECANCELED, -1},
};

/* False: it has ended without this answer. */
static bool answer(fake_t *fake, const char *with) {
    fake_call_t *call = sent(fake);
    if (!CHECK(call != NULL)) return false;
    if (strcmp(with, SILENCE) == 0)
        fake_pass_ms(252);
    else if (strcmp(with, LOST) == 0)
        fake_lose(call, true);
    else
        fake_answer(call, with);
    fake_turn();
    return true;
}

CORO_CASE(what_is_told_in_each_case) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const asked_t *asked = &table[i];
        int failures = support_failures;
        fake_t *fake = fake_asked(asked->servers);
        mouv__operation_t *op = write_begin(fake, asked->command, 0);
        lose_it(op);
        for (int n = 0; n < 3 && asked->answers[n]; n++) {
            CHECK_PENDING(op);
            if (!answer(fake, asked->answers[n])) break;
        }
        CHECK_ENDED(op, asked->code);
        CHECK_INT(told.calls, 1);
        CHECK_INT(told.code, asked->code);
        CHECK_INT(told.cause, asked->cause);
        CHECK_INT(told.n, asked->n);
        if (asked->code == MOUV_EUNKNOWN)
            CHECK_CONTAINS(operation_words(op), "the outcome is unknown");
        if (support_failures > failures) fprintf(stderr, "    %s\n", asked->label);
        operation_over(op);
        fake_free(fake);
    }
    return 0;
}

CORO_CASE(a_deadline_is_told_as_such) {
    static const struct {
        const char *answers[2];
        int code, cause;
    } cases[] = {{{BEGUN}, MOUV_ETIMEDOUT, 0},
                 {{LOST}, MOUV_EUNKNOWN, MOUV_ETIMEDOUT},
                 {{REFUSED, DONE("0")}, MOUV_ESERVER, MOUV_ETIMEDOUT}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_t *fake = fake_asked("RSPrimary");
        mouv__operation_t *op = write_begin(fake, THREE, 100);
        fake_pass_ms(102 + 250);
        CHECK(op->inquiry != NULL);
        for (int n = 0; n < 2 && cases[i].answers[n]; n++) answer(fake, cases[i].answers[n]);
        CHECK_ENDED(op, cases[i].code);
        CHECK_INT(told.cause, cases[i].cause);
        operation_over(op);
        fake_free(fake);
    }
    return 0;
}

/* --- what comes from the server itself -------------------------------------------------------- */

CORO_CASE(an_answer_that_may_come_too_late_is_asked_about_without_a_fence) {
    static const struct {
        const char *reply;
        bool stopped;
        const char *answers[2];
        int code, cause;
    } cases[] = {
        {"{'ok': 0, 'code': 50}", false, {NOTHING}, MOUV_ETIMEDOUT, 0},
        {"{'ok': 0, 'code': 50}", false, {DONE("0"), "{'ok': 1, 'n': 1}"}, 0, 0},
        {"{'ok': 0, 'code': 50}", false, {LOST}, MOUV_ETIMEDOUT, 0},
        {"{'ok': 1, 'n': 0, 'writeErrors': [{'code': 50}]}", false, {NOTHING}, MOUV_ETIMEDOUT, 0},
        {"{'ok': 0, 'code': 11601}", true, {NOTHING}, MOUV_ECANCELED, 0},
        {"{'ok': 0, 'code': 11601}", true, {DONE("0"), "{'ok': 1, 'n': 1}"}, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_t *fake = fake_asked("RSPrimary");
        mouv__operation_t *op = write_begin(fake, INSERT, 0);
        if (cases[i].stopped) operation_cancel(op);
        fake_answer(sent(fake), cases[i].reply);
        fake_turn();
        if (CHECK(sent(fake) != NULL)) CHECK(bson_has_field(sent(fake)->command, "stmtIds"));
        for (int n = 0; n < 2 && cases[i].answers[n]; n++) answer(fake, cases[i].answers[n]);
        /* without an answer to the question it stays unknown */
        bool lost = strcmp(cases[i].answers[0], LOST) == 0;
        CHECK_ENDED(op, lost ? MOUV_EUNKNOWN : cases[i].code);
        operation_over(op);
        fake_free(fake);
    }
    return 0;
}

FAKE_CASE(after_a_retry_the_first_one_may_still_come, fake_asked("RSPrimary")) {
    mouv__operation_t *op = write_begin(fake, INSERT, 0);
    fake_lose(sent(fake), true);
    fake_turn();
    CHECK_INT(op->retries, 1);
    fake_answer(sent(fake), "{'ok': 0, 'code': 50}");
    fake_turn();
    answer(fake, NOTHING);
    CHECK_ENDED(op, MOUV_EUNKNOWN);
    operation_over(op);

    op = write_begin(fake, INSERT, 0);
    fake_lose(sent(fake), true);
    fake_turn();
    lose_it(op);
    answer(fake, REFUSED);
    answer(fake, NOTHING);
    CHECK_ENDED(op, MOUV_EUNKNOWN);
    operation_over(op);
}

/* --- what is not asked about ------------------------------------------------------------------ */

CORO_CASE(what_cannot_be_asked_about_is_unknown) {
    enum { PLAIN, TRANSACTION, NUMBERLESS, NO_MEMORY };
    static const struct {
        const char *label, *command;
        int how, code;
    } cases[] = {
        {"another command", "{'create': 'users'}", PLAIN, MOUV_EUNKNOWN},
        {"no statements", "{'insert': 'users', 'documents': []}", PLAIN, MOUV_EUNKNOWN},
        {"not an array", "{'insert': 'users', 'documents': 1}", PLAIN, MOUV_EUNKNOWN},
        {"no collection", "{'insert': 1, 'documents': [{}]}", PLAIN, MOUV_EUNKNOWN},
        {"in a transaction", INSERT, TRANSACTION, MOUV_ECANCELED},
        {"no txnNumber", INSERT, NUMBERLESS, MOUV_EUNKNOWN},
        {"no memory", INSERT, NO_MEMORY, MOUV_EUNKNOWN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int failures = support_failures;
        fake_t *fake = fake_asked("RSPrimary");
        fake->client.operations.retry_writes = cases[i].how != NUMBERLESS;
        mouv__operation_t *op = write_begin(fake, cases[i].command, 0);
        op->parts.in_transaction = cases[i].how == TRANSACTION;
        operation_cancel(op);
        op->attempt.exchange.cut = true;
        if (cases[i].how == NO_MEMORY) mouv__alloc_fail_at = 1;
        fake_lose(sent(fake), true);
        mouv__alloc_fail_at = -1;
        fake_turn();
        CHECK(sent(fake) == NULL);
        CHECK_ENDED(op, cases[i].code);
        if (support_failures > failures) fprintf(stderr, "    %s\n", cases[i].label);
        operation_over(op);
        fake_free(fake);
    }
    return 0;
}

CORO_CASE(a_batch_of_a_thousand_is_asked_about_and_no_larger_one) {
    for (int count = 1000; count <= 1001; count++) {
        fake_t *fake = fake_asked("RSPrimary");
        mouv__operation_t *op = operation_new(fake, &insert_row, "{'insert': 'users'}");
        bson_t documents = BSON_INITIALIZER, one = BSON_INITIALIZER;
        for (int i = 0; i < count; i++) {
            char key[16];
            snprintf(key, sizeof key, "%d", i);
            BSON_APPEND_DOCUMENT(&documents, key, &one);
        }
        BSON_APPEND_ARRAY(op->parts.command, "documents", &documents);
        mouv__operation_start(op);
        fake_turn();
        operation_cancel(op);
        fake_pass_ms(250);
        CHECK_INT(op->inquiry != NULL, count == 1000);
        bson_destroy(&documents);
        operation_over(op);
        fake_free(fake);
    }
    return 0;
}

FAKE_CASE(a_silent_server_is_not_asked, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = write_begin(fake, INSERT, 10000);
    answer_hellos(fake);
    fake->auto_ms[FAKE_CONNECT] = -1;
    operation_cancel(op);
    fake_pass_ms(50);
    CHECK_ENDED(op, MOUV_EUNKNOWN);
    CHECK(op->inquiry == NULL);
    operation_over(op);
}

FAKE_CASE(what_was_never_sent_is_not_asked_about, fake_asked("RSPrimary")) {
    mouv__operation_t *op = write_begin(fake, INSERT, 0);
    operation_cancel(op);
    op->attempt.exchange.cut = true;
    fake_lose(sent(fake), false);
    fake_turn();
    CHECK_ENDED(op, MOUV_ECANCELED);
    operation_over(op);
}

FAKE_CASE(an_answer_that_is_certain_is_not_asked_about, fake_asked("RSPrimary")) {
    mouv__operation_t *op = write_begin(fake, INSERT, 0);
    operation_cancel(op);
    fake_answer(sent(fake), "{'ok': 0, 'code': 2}");
    fake_turn();
    CHECK_ENDED(op, MOUV_ESERVER);
    operation_over(op);
    op = write_begin(fake, INSERT, 0);
    fake_answer(sent(fake), "{'ok': 0, 'code': 11601}"); /* somebody else's */
    fake_turn();
    CHECK_ENDED(op, MOUV_ESERVER);
    operation_over(op);
}

FAKE_CASE(a_question_that_could_not_be_back_in_time_is_not_sent, fake_asked("RSPrimary")) {
    mouv__operation_t *op = write_begin(fake, INSERT, 0);
    for (int i = 0; i < 2; i++) mouv__rtt_add(&fake_server(fake, 1)->rtt, INT64_C(250000000));
    fake_answer(sent(fake), "{'ok': 0, 'code': 50}");
    fake_turn();
    CHECK_ENDED(op, MOUV_EUNKNOWN);
    CHECK_INT(told.cause, MOUV_ETIMEDOUT);
    CHECK_INT(fake_total(fake, FAKE_SEND), 1);
    operation_over(op);
}

FAKE_CASE(a_question_that_finds_no_server_ends_with_its_time, fake_asked("RSPrimary")) {
    mouv__operation_t *op = write_begin(fake, INSERT, 0);
    fake_deploy(fake, "Unknown");
    operation_cancel(op);
    fake_lose(sent(fake), true); /* by itself, while it was stopped */
    fake_turn();
    CHECK(op->inquiry != NULL);
    CHECK(sent(fake) == NULL);
    fake_pass_ms(251);
    CHECK_PENDING(op);
    fake_pass_ms(1);
    CHECK_ENDED(op, MOUV_EUNKNOWN);
    CHECK_INT(told.cause, MOUV_ECANCELED);
    operation_over(op);
}

CORO_CASE(a_stopped_write_whose_connection_was_lost_is_asked_about) {
    static const int codes[] = {MOUV_ECANCELED, MOUV_ETIMEDOUT};
    for (int expired = 0; expired < 2; expired++) {
        fake_t *fake = fake_asked("RSPrimary");
        mouv__operation_t *op = write_begin(fake, INSERT, expired ? 100 : 0);
        if (expired)
            fake_pass_ms(103); /* the kill has been answered: the server is there */
        else
            operation_cancel(op);
        fake_lose(sent(fake), true);
        fake_turn();
        answer(fake, BEGUN);
        CHECK_ENDED(op, codes[expired]);
        operation_over(op);
        fake_free(fake);
    }
    return 0;
}

/* --- how long --------------------------------------------------------------------------------- */

FAKE_CASE(asking_takes_a_quarter_of_a_second_in_all, fake_asked("RSPrimary")) {
    mouv__operation_t *op = write_begin(fake, INSERT, 0);
    lose_it(op);
    int64_t began_ns = now_ns(fake);
    CHECK_INT(op->deadline_ns, began_ns + MOUV__INQUIRY_NS);
    fake_pass_ms(100);
    answer(fake, REFUSED);
    CHECK_INT(op->deadline_ns, began_ns + MOUV__INQUIRY_NS);
    fake_pass_ms(151);
    CHECK_PENDING(op);
    fake_pass_ms(1); /* 250 and the slack of 2 */
    CHECK_ENDED(op, MOUV_EUNKNOWN);
    operation_over(op);
}

FAKE_CASE(a_cancel_does_not_end_it, fake_asked("RSPrimary")) {
    mouv__operation_t *op = write_begin(fake, INSERT, 0);
    fake_answer(sent(fake), "{'ok': 0, 'code': 50}");
    fake_turn();
    CHECK(op->inquiry != NULL);
    operation_cancel(op);
    CHECK_PENDING(op);
    answer(fake, NOTHING);
    CHECK_ENDED(op, MOUV_ETIMEDOUT);
    operation_over(op);
}

FAKE_CASE(its_own_limit_is_the_question_s_as_well, fake_asked("RSPrimary")) {
    mouv__operation_t *op = operation_new(fake, &insert_row, INSERT);
    op->own_limit = true;
    op->limit_ns = now_ns(fake) + INT64_C(100000000000);
    op->user_max_time_ms = 7;
    mouv__operation_start(op);
    fake_turn();
    CHECK_INT(number_in(sent(fake)->fields, "maxTimeMS", 0), 7);
    fake_answer(sent(fake), "{'ok': 0, 'code': 50}");
    fake_turn();
    CHECK_INT(number_in(sent(fake)->fields, "maxTimeMS", 0), 250);
    answer(fake, NOTHING);
    operation_over(op);
}

/* --- afterwards ------------------------------------------------------------------------------- */

static int go_on_once(mouv__operation_t *op, bson_t *reply, mouv_error_t *error) {
    (void)reply;
    if (told.calls++ > 0) return error->code;
    *error = (mouv_error_t){0};
    mouv__operation_set_command(op, from_json("{'insert': 'users', 'documents': [{'_id': 9}]}"),
                                NULL);
    return MOUV__AGAIN;
}

FAKE_CASE(the_next_command_has_the_deadline_and_a_number_of_its_own, fake_asked("RSPrimary")) {
    mouv__operation_t *op = operation_new(fake, &insert_row, INSERT);
    int64_t deadline_ns = op->deadline_ns = now_ns(fake) + INT64_C(100000000000);
    op->finish = go_on_once;
    mouv__operation_start(op);
    fake_turn();
    int64_t number = op->parts.txn_number;
    fake_answer(sent(fake), "{'ok': 0, 'code': 50}");
    fake_turn();
    answer(fake, NOTHING);
    CHECK(op->inquiry == NULL);
    CHECK_INT(op->deadline_ns, deadline_ns);
    CHECK_INT(op->parts.txn_number, number + 1);
    CHECK(!op->maybe_stored);
    check_document(sent(fake)->command, "{'insert': 'users', 'documents': [{'_id': 9}]}");
    CHECK(!sent(fake)->exchange->quiet);
    fake_answer(sent(fake), "{'ok': 1}");
    CHECK_ENDED(op, 0);
    operation_over(op);
}

static int go_on_after_a_part(mouv__operation_t *op, bson_t *reply, mouv_error_t *error) {
    if (!reply) return error->code;
    told.calls++;
    mouv__operation_set_command(op, from_json(INSERT), NULL);
    return MOUV__AGAIN;
}

FAKE_CASE(after_a_part_no_other_command_is_sent, fake_asked("RSPrimary")) {
    mouv__operation_t *op = operation_new(fake, &insert_row, THREE);
    op->finish = go_on_after_a_part;
    mouv__operation_start(op);
    fake_turn();
    fake_answer(sent(fake), "{'ok': 0, 'code': 50}");
    fake_turn();
    answer(fake, DONE("0"));
    CHECK(sent(fake) == NULL);
    CHECK_INT(told.calls, 1);
    CHECK(operation_is_done(op));
    operation_over(op);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_fence_is_a_transaction_with_the_write_s_own_number_and_session),
        TEST(statements_of_a_sequence_are_asked_about_and_sent_again),
        TEST(a_sequence_too_long_to_ask_about_and_one_left_in_an_inquiry_are_freed),
        TEST(what_is_told_in_each_case),
        TEST(a_deadline_is_told_as_such),
        TEST(an_answer_that_may_come_too_late_is_asked_about_without_a_fence),
        TEST(after_a_retry_the_first_one_may_still_come),
        TEST(what_cannot_be_asked_about_is_unknown),
        TEST(a_batch_of_a_thousand_is_asked_about_and_no_larger_one),
        TEST(a_silent_server_is_not_asked),
        TEST(what_was_never_sent_is_not_asked_about),
        TEST(an_answer_that_is_certain_is_not_asked_about),
        TEST(a_question_that_could_not_be_back_in_time_is_not_sent),
        TEST(a_question_that_finds_no_server_ends_with_its_time),
        TEST(a_stopped_write_whose_connection_was_lost_is_asked_about),
        TEST(asking_takes_a_quarter_of_a_second_in_all),
        TEST(a_cancel_does_not_end_it),
        TEST(its_own_limit_is_the_question_s_as_well),
        TEST(the_next_command_has_the_deadline_and_a_number_of_its_own),
        TEST(after_a_part_no_other_command_is_sent),
    };
    return RUN_CASES(tests);
}
