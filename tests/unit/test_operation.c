/*
 * The life of an operation: what a cancel and a deadline make of it in each state, what its maker
 * is told, retries, refusals, the end of its client.
 */
#include "operation_support.h"

#include <mouv/debug.h>

#include "mongo/operation/attempt.h"

/* --- a maker ---------------------------------------------------------------------------------- */

static int again_after; /* so many times another command follows */
static bool keeps_reply;
static bson_t *kept;

static int say_finish(mouv__operation_t *op, bson_t *reply, mouv_error_t *error) {
    event("finish:%d%s", error->code, reply ? "+reply" : "");
    if (keeps_reply && reply) {
        kept = reply;
        op->attempt.exchange.reply = NULL;
    }
    if (again_after > 0 && error->code == 0) {
        again_after--;
        mouv__operation_set_command(op, from_json("{'insert': 'more', 'maxTimeMS': 900}"), NULL);
        return MOUV__AGAIN;
    }
    return error->code < 0 ? error->code : 42;
}

static void say_late(mouv__operation_t *op, bson_t *reply) {
    (void)op;
    event("late:%d", (int)number_in(reply, "n", -1));
}

static void say_deliver(mouv__operation_t *op, bool whole) {
    (void)op;
    event("deliver:%d", whole);
}

static void say_release(mouv__operation_t *op) {
    (void)op;
    event("release");
}

static mouv__operation_t *say_new(fake_t *fake, const mouv__operation_row_t *row,
                                  const char *command) {
    mouv__operation_t *op = operation_new(fake, row, command);
    op->finish = say_finish;
    op->late = say_late;
    op->deliver = say_deliver;
    op->release = say_release;
    return op;
}

static mouv__operation_t *say_begin(fake_t *fake, const mouv__operation_row_t *row,
                                    const char *command, int64_t deadline_ms) {
    events_clear();
    again_after = 0;
    keeps_reply = false;
    mouv__operation_t *op = say_new(fake, row, command);
    if (deadline_ms > 0) op->deadline_ns = now_ns(fake) + deadline_ms * MOUV__NS_PER_MS;
    mouv__operation_start(op);
    return op;
}

static fake_call_t *sent(const fake_t *fake) {
    return fake_out(fake, FAKE_SEND, 0);
}

/* --- it goes well ----------------------------------------------------------------------------- */

FAKE_CASE(it_goes_out_at_the_end_of_the_turn_and_comes_back, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = say_begin(fake, &find_row, FIND, 0);
    CHECK_INT(op->state, MOUV__OP_STARTED);
    CHECK(sent(fake) == NULL);
    fake_turn();
    CHECK_INT(op->state, MOUV__OP_RUNNING);
    CHECK_INT(fake->client.operations.running_count, 1);
    CHECK_STRING(sent(fake)->exchange->database, "shop");
    fake_answer(sent(fake), "{'ok': 1, 'n': 3}");
    CHECK_INT(op->state, MOUV__OP_SETTLED);
    CHECK_INT(fake->client.operations.running_count, 0);
    CHECK_ENDED(op, 42);
    CHECK_STRING(events(), "finish:0+reply");
    CHECK_INT(stats_of(fake)->started, 1);
    CHECK_INT(stats_of(fake)->completed, 1);
    CHECK_INT(stats_of(fake)->timeouts, 0);
    CHECK(stats_of(fake)->bytes_sent > 0 && stats_of(fake)->bytes_received > 0);
    operation_over(op);
    CHECK_STRING(events(), "finish:0+reply release");
    CHECK_INT(fake->client.ref.held, 0);
}

static int awaits_it(void *op) {
    return mouv_await(mouv_future_ref(mouv__future_handle(&((mouv__operation_t *)op)->future)),
                      NULL);
}

CORO_CASE(a_dump_names_it_by_its_command_and_collection_or_as_its_user_does) {
    static char dumped[2048];
    fake_t *fake = fake_with(1, "RSPrimary");
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    mouv_future_t task = mouv_task(awaits_it, op);
    for (int named = 0; named < 2; named++) {
        fake_turn();
        FILE *out = fmemopen(dumped, sizeof dumped, "w");
        mouv_dump_tasks(out);
        fclose(out);
        CHECK_CONTAINS(dumped, named ? "awaits slow one at " : "awaits find shop.users at ");
        mouv_future_set_name(mouv__future_handle(&op->future), "slow one");
    }
    fake_answer(fake_out(fake, FAKE_SEND, 0), "{'ok': 1}");
    fake_turn();
    CHECK(mouv_future_done(task));
    mouv_future_unref(task);
    operation_over(op);
    fake_free(fake);
    return 0;
}

FAKE_CASE(without_a_maker_the_code_is_as_it_came, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    fake_answer(sent(fake), "{'ok': 0, 'code': 2, 'errmsg': 'bad'}");
    CHECK_ENDED(op, MOUV_ESERVER);
    CHECK_STRING(operation_words(op), "bad");
    CHECK_STRING(op->future.error->operation, "find shop.users");
    operation_over(op);
}

FAKE_CASE(a_maker_may_keep_the_reply, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = say_begin(fake, &find_row, FIND, 0);
    fake_turn();
    keeps_reply = true;
    fake_answer(sent(fake), "{'ok': 1, 'n': 3}");
    operation_over(op);
    CHECK(kept && number_in(kept, "n", 0) == 3);
    bson_destroy(kept);
    kept = NULL;
}

FAKE_CASE(a_maker_may_ask_for_other_commands, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = say_begin(fake, &insert_row, INSERT, 0);
    fake_turn();
    again_after = 2;
    CHECK_INT(op->parts.txn_number, 1);
    fake_lose(sent(fake), true); /* what a retry leaves is not the next one's */
    fake_turn();
    CHECK_INT(op->parts.txn_number, 1);
    CHECK(op->maybe_stored && op->first_error);
    for (int i = 1; i <= 2; i++) {
        fake_answer(sent(fake), "{'ok': 1}");
        fake_turn();
        CHECK_INT(op->parts.txn_number, 1 + i);
        CHECK_INT(op->retries, 0);
        CHECK(!op->maybe_stored && !op->first_error);
        CHECK_INT(op->checkout.avoid_id, 0);
        check_document(sent(fake)->command, "{'insert': 'more'}");
        CHECK_INT(number_in(sent(fake)->fields, "maxTimeMS", 0), 900);
    }
    fake_answer(sent(fake), "{'ok': 1}");
    CHECK_ENDED(op, 42);
    CHECK_STRING(events(), "finish:0+reply finish:0+reply finish:0+reply");
    operation_over(op);
}

FAKE_CASE(a_cancel_between_two_commands_tells_the_maker_once_more, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = say_begin(fake, &insert_row, INSERT, 0);
    fake_turn();
    again_after = 1;
    operation_cancel(op);
    fake_answer(sent(fake), "{'ok': 1}"); /* stored all the same */
    fake_turn();
    CHECK_STRING(events(), "finish:0+reply finish:-20002");
    CHECK_ENDED(op, MOUV_ECANCELED);
    CHECK_INT(fake_total(fake, FAKE_SEND), 1);
    operation_over(op);
}

/* --- a cancel in each state ------------------------------------------------------------------- */

FAKE_CASE(a_cancel_before_the_turn_s_end_sends_nothing, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = say_begin(fake, &find_row, FIND, 0);
    mouv__future_cancel(&op->future);
    CHECK_ENDED(op, MOUV_ECANCELED);
    CHECK_STRING(operation_words(op), "cancelled");
    fake_turn();
    CHECK_INT(fake_total(fake, FAKE_SEND), 0);
    CHECK_INT(fake_total(fake, FAKE_CONNECT), 0);
    CHECK_INT(stats_of(fake)->cancels, 1);
    CHECK_STRING(events(), "finish:-20002");
    operation_over(op);
    CHECK_INT(fake->client.ref.held, 0);
}

FAKE_CASE(a_cancel_while_it_waits_tells_for_what, fake_with(1, "Unknown")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    CHECK_INT(op->state, MOUV__OP_WAITING);
    operation_cancel(op);
    CHECK_ENDED(op, MOUV_ECANCELED);
    CHECK_CONTAINS(operation_words(op), "cancelled before anything was sent: no suitable server");
    CHECK_INT(mouv__pool_count_waiting(fake_pool(fake)), 0);
    operation_over(op);

    fake_deploy(fake, "RSPrimary");
    mouv__operation_t *first = operation_begin(fake, &find_row, FIND, 0);
    op = operation_begin(fake, &find_row, FIND, 0);
    CHECK_INT(op->state, MOUV__OP_WAITING);
    operation_cancel(op);
    CHECK_CONTAINS(operation_words(op), "cancelled before anything was sent: 1 of 1 clients busy");
    operation_over(op);
    operation_over(first);
}

FAKE_CASE(a_read_that_is_out_is_left, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = say_begin(fake, &find_row, FIND, 0);
    fake_turn();
    operation_cancel(op);
    CHECK_INT(op->state, MOUV__OP_LATE);
    CHECK_ENDED(op, MOUV_ECANCELED);
    CHECK_INT(fake->client.operations.running_count, 1);
    fake_answer(sent(fake), "{'ok': 1, 'n': 7}");
    CHECK_STRING(events(), "finish:-20002 late:7");
    CHECK_INT(op->state, MOUV__OP_SETTLED);
    CHECK_INT(fake->client.operations.running_count, 0);
    operation_over(op);
    CHECK_INT(mouv__pool_count_busy(fake_pool(fake)), 1); /* the kill's */
}

FAKE_CASE(a_late_one_without_an_answer_has_nothing_to_close, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = say_begin(fake, &find_row, FIND, 0);
    fake_turn();
    operation_cancel(op);
    fake_lose(sent(fake), true);
    CHECK_STRING(events(), "finish:-20002");
    operation_over(op);
}

CORO_CASE(what_is_not_on_the_wire_yet_is_withdrawn) {
    const mouv__operation_row_t *rows[] = {&find_row, &insert_row};
    for (int i = 0; i < 2; i++) {
        fake_t *fake = fake_with(1, "RSPrimary");
        fake->slow = true;
        mouv__operation_t *op = operation_begin(fake, rows[i], i ? INSERT : FIND, 0);
        operation_cancel(op);
        CHECK_ENDED(op, MOUV_ECANCELED);
        CHECK_STRING(operation_words(op), "cancelled");
        CHECK_INT(op->state, MOUV__OP_LATE);
        CHECK_INT(kills_of(fake), 0);
        fake_answer(sent(fake), "{'ok': 1}"); /* nothing comes of it */
        CHECK_INT(op->state, MOUV__OP_SETTLED);
        CHECK_INT(stats_of(fake)->bytes_sent, 0);
        operation_over(op);
        fake_free(fake);
    }
    return 0;
}

FAKE_CASE(a_write_that_is_out_is_waited_for_half_a_second, fake_with(1, "RSPrimary")) {
    fake->auto_ms[FAKE_CONTROL] = 0;
    fake->transport.cuts = false;
    mouv__operation_t *op = say_begin(fake, &many_row, MANY, 0);
    fake_turn();
    operation_cancel(op);
    CHECK_INT(op->state, MOUV__OP_STOPPING);
    CHECK_PENDING(op);
    fake_pass_ms(499);
    CHECK_PENDING(op);
    fake_pass_ms(1);
    CHECK_ENDED(op, MOUV_EUNKNOWN);
    CHECK_INT(operation_cause(op), MOUV_ECANCELED);
    CHECK_STRING(operation_words(op), "sent, but the outcome is unknown: cancelled");
    CHECK_INT(op->state, MOUV__OP_LATE);
    fake_answer(sent(fake), "{'ok': 1, 'n': 2}");
    CHECK_STRING(events(), "finish:-20007 late:2");
    operation_over(op);
}

CORO_CASE(a_stopped_write_s_answer_is_the_truth) {
    static const struct {
        const char *reply;
        int code;
    } cases[] = {{"{'ok': 1, 'n': 1}", 42},
                 {"{'ok': 0, 'code': 11601}", MOUV_ECANCELED},
                 {"{'ok': 0, 'code': 2}", MOUV_ESERVER}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_t *fake = fake_with(1, "RSPrimary");
        mouv__operation_t *op = say_begin(fake, &many_row, MANY, 0);
        fake_turn();
        operation_cancel(op);
        fake_pass_ms(40);
        fake_answer(sent(fake), cases[i].reply);
        CHECK_ENDED(op, cases[i].code);
        CHECK_INT(op->state, MOUV__OP_SETTLED);
        operation_over(op);
        fake_free(fake);
    }
    return 0;
}

/* --- a deadline in each state ----------------------------------------------------------------- */

FAKE_CASE(a_deadline_while_it_waits_for_a_server, fake_with(1, "Unknown")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 100);
    fake_pass_ms(101);
    CHECK_PENDING(op); /* its awaiter comes first */
    fake_pass_ms(1);
    CHECK_ENDED(op, MOUV_ETIMEDOUT);
    CHECK_CONTAINS(operation_words(op),
                   "timed out before anything was sent: no suitable server within");
    CHECK_INT(stats_of(fake)->timeouts, 1);
    CHECK_INT(stats_of(fake)->cancels, 0);
    operation_over(op);
}

FAKE_CASE(a_deadline_while_it_waits_for_a_connection, fake_with(1, "RSPrimary")) {
    mouv__operation_t *first = operation_begin(fake, &find_row, FIND, 0);
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 100);
    fake_pass_ms(102);
    CHECK_ENDED(op, MOUV_ETIMEDOUT);
    CHECK_STRING(operation_words(op), "timed out before anything was sent: 1 of 1 clients busy, 0 "
                                      "operations ahead; the oldest runs for 0.1 s");
    operation_over(op);
    operation_over(first);
}

FAKE_CASE(a_deadline_while_it_runs, fake_with(2, "RSPrimary")) {
    mouv__operation_t *read = operation_begin(fake, &find_row, FIND, 100);
    mouv__operation_t *write = operation_begin(fake, &many_row, MANY, 100);
    answer_hellos(fake);
    fake_pass_ms(101);
    CHECK_PENDING(read);
    fake_pass_ms(1);
    CHECK_ENDED(read, MOUV_ETIMEDOUT);
    CHECK_STRING(operation_words(read), "timed out");
    CHECK_PENDING(write);
    CHECK_INT(write->state, MOUV__OP_STOPPING);
    fake_answer(write->attempt.exchange.connection ? fake_call_of(&write->attempt.exchange) : NULL,
                "{'ok': 0, 'code': 11601}");
    CHECK_ENDED(write, MOUV_ETIMEDOUT);
    operation_over(read);
    operation_over(write);
}

FAKE_CASE(a_deadline_may_come_nearer_but_not_go_away, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    int64_t at_ns = now_ns(fake);
    op->future.ops->shorten(&op->future, at_ns + 100 * MOUV__NS_PER_MS);
    op->future.ops->shorten(&op->future, at_ns + 200 * MOUV__NS_PER_MS);
    CHECK_INT(op->deadline_ns, at_ns + 100 * MOUV__NS_PER_MS);
    fake_pass_ms(102);
    CHECK_ENDED(op, MOUV_ETIMEDOUT);
    operation_over(op);
}

FAKE_CASE(a_cancel_by_the_scope_whose_deadline_it_has_counts_as_that, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 100);
    fake_pass_ms(100);
    operation_cancel(op);
    CHECK_ENDED(op, MOUV_ETIMEDOUT);
    CHECK_STRING(operation_words(op), "timed out");
    CHECK_INT(stats_of(fake)->cancels, 0);
    CHECK_INT(stats_of(fake)->timeouts, 1);
    operation_over(op);
}

FAKE_CASE(what_cannot_be_back_in_time_is_not_sent, fake_with(1, "RSPrimary")) {
    mouv__operation_t *first = operation_begin(fake, &find_row, FIND, 0);
    fake_answer(sent(fake), "{'ok': 1}");
    for (int i = 0; i < 2; i++) mouv__rtt_add(&fake_server(fake, 1)->rtt, 5 * MOUV__NS_PER_MS);
    mouv__operation_t *op = say_begin(fake, &find_row, FIND, 5);
    fake_turn();
    CHECK_ENDED(op, MOUV_ETIMEDOUT);
    CHECK_STRING(operation_words(op),
                 "timed out before anything was sent: 5.0 ms are left, a round "
                 "trip to a takes 5.0 ms");
    CHECK_INT(fake_total(fake, FAKE_SEND), 1);
    CHECK(fake_named(fake, "hello") != NULL); /* the estimate is measured anew */
    CHECK_STRING(events(), "finish:-20001");
    operation_over(op);
    operation_over(first);
}

FAKE_CASE(deadlines_that_were_missed_open_the_breaker_s_eyes, fake_with(1, "RSPrimary")) {
    mouv__server_pool_t *of = mouv__server_pool_of(fake_pool(fake), 1);
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 100);
    fake->auto_ms[FAKE_CONNECT] = -1;
    fake_pass_ms(102);
    CHECK_INT(of->breaker.misses, 0);
    fake_pass_ms(50); /* cut, and no byte had come */
    CHECK_INT(of->breaker.misses, 1);
    operation_over(op);
}

/* --- retries ---------------------------------------------------------------------------------- */

FAKE_CASE(a_retry_avoids_the_server_that_failed, fake_with(4, "Mongos Mongos")) {
    mouv__operation_t *op = say_begin(fake, &find_row, FIND, 0);
    fake_turn();
    uint32_t first = sent(fake)->server_id;
    mouv__server_session_t *session = op->attempt.exchange.session;
    fake_lose(sent(fake), true);
    fake_turn();
    CHECK_INT(op->retries, 1);
    CHECK(op->attempt.exchange.session == session); /* and so its connection */
    CHECK(sent(fake)->server_id != first);
    fake_answer(sent(fake), "{'ok': 1}");
    CHECK_ENDED(op, 42);
    CHECK_STRING(events(), "finish:0+reply");
    CHECK_INT(stats_of(fake)->retries, 1);
    operation_over(op);
}

FAKE_CASE(a_cancel_while_it_waits_to_retry, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &insert_row, INSERT, 0);
    mouv__server_session_t *session = op->attempt.exchange.session;
    fake_deploy(fake, "Unknown");
    fake_lose(sent(fake), true);
    fake_turn();
    CHECK_INT(op->state, MOUV__OP_WAITING);
    operation_cancel(op);
    CHECK_ENDED(op, MOUV_EUNKNOWN);
    CHECK_INT(operation_cause(op), MOUV_ECANCELED);
    CHECK_CONTAINS(operation_words(op), "cancelled while waiting to retry: no suitable server");
    CHECK_INT(session->state, MOUV__SERVER_SESSION_STALE); /* given back */
    operation_over(op);
}

FAKE_CASE(a_selection_that_fails_after_a_retry_tells_the_first_error, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    fake_deploy(fake, "Unknown");
    fake_lose(sent(fake), true);
    fake_pass_ms(29999);
    CHECK_PENDING(op);
    fake_pass_ms(1);
    CHECK_ENDED(op, MOUV_ENETWORK);
    operation_over(op);
}

FAKE_CASE(a_closed_client_retries_nothing, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    mouv__client_ref_move(fake_client(fake), MOUV__CLIENT_DRAINING);
    fake_lose(sent(fake), true);
    fake_turn();
    CHECK_ENDED(op, MOUV_ECANCELED);
    CHECK_INT(fake_total(fake, FAKE_SEND), 1);
    operation_over(op);
}

/* --- waiting too long, and refusals ----------------------------------------------------------- */

FAKE_CASE(a_wait_that_is_over_is_told_as_such, fake_with(1, "Unknown")) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    fake_pass_ms(30000);
    CHECK_ENDED(op, MOUV_ESELECTION);
    CHECK_CONTAINS(operation_words(op), "no suitable server within 30000 ms");
    operation_over(op);
    fake_deploy(fake, "RSPrimary");
    mouv__operation_t *first = operation_begin(fake, &find_row, FIND, 0);
    op = operation_begin(fake, &find_row, FIND, 0);
    fake_pass_ms(30000);
    CHECK_ENDED(op, MOUV_EQUEUE);
    operation_over(op);
    operation_over(first);
}

FAKE_CASE(a_wait_that_is_over_just_after_the_deadline_is_told_as_such,
          fake_new(&(fake_options_t){.selection_timeout_ms = 100})) {
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 99);
    fake_pass_ms(100); /* its own deadline comes 2 ms after its awaiter's */
    CHECK_ENDED(op, MOUV_ESELECTION);
    operation_over(op);
}

FAKE_CASE(what_the_pool_fails_is_told_so, fake_with(1, "Unknown")) {
    mouv__operation_t *op = say_begin(fake, &find_row, FIND, 0);
    mouv_error_t error;
    fake_turn();
    mouv_error_set(&error, MOUV_ECLOSED, "the end");
    mouv__pool_fail_waiting(fake_pool(fake), &error);
    CHECK_ENDED(op, MOUV_ECLOSED);
    CHECK_STRING(operation_words(op), "the end");
    CHECK_STRING(events(), "finish:-20011");
    operation_over(op);
}

FAKE_CASE(who_awaits_it_is_delivered_to, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = say_begin(fake, &find_row, FIND, 0);
    fake_turn();
    fake_answer(sent(fake), "{'ok': 1}");
    CHECK_STRING(events(), "finish:0+reply");
    CHECK_INT(mouv_await(mouv__future_handle(&op->future), NULL), 42);
    CHECK_STRING(events(), "finish:0+reply deliver:1");
    mouv__future_let_go(&op->future);
    CHECK_STRING(events(), "finish:0+reply deliver:1 release");
}

FAKE_CASE(what_the_transport_does_not_take_has_failed, fake_with(1, "RSPrimary")) {
    fake->refuse[FAKE_SEND] = 1;
    mouv__operation_t *op = say_begin(fake, &find_row, FIND, 0);
    fake_turn();
    CHECK_ENDED(op, MOUV_ENOMEM);
    CHECK_STRING(operation_words(op), "no thread or memory to run it");
    CHECK_INT(fake_server(fake, 1)->operations, 0);
    CHECK_INT(mouv__pool_count_busy(fake_pool(fake)), 0);
    CHECK_STRING(events(), "finish:-20009");
    operation_over(op);
}

FAKE_CASE(a_closed_client_takes_what_was_started_no_more, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = say_begin(fake, &find_row, FIND, 0);
    mouv__client_ref_move(fake_client(fake), MOUV__CLIENT_DRAINING);
    fake_turn();
    CHECK_ENDED(op, MOUV_ECLOSED);
    CHECK_STRING(operation_words(op), "the client has been closed");
    operation_over(op);
}

FAKE_CASE(a_pin_that_went_with_the_client_is_told, fake_with(1, "RSPrimary")) {
    mouv__operation_t *first = operation_begin(fake, &find_row, FIND, 0);
    mouv__pin_t *pin = mouv__operation_keep_pin(first);
    mouv__connection_t *connection = sent(fake)->connection;
    fake_answer(sent(fake), "{'ok': 1}");
    mouv__pin_forget_all(&connection->sessions);
    mouv__operation_t *op = operation_new(fake, &find_row, FIND);
    op->parts.pin = pin;
    mouv__operation_start(op);
    fake_turn();
    CHECK_ENDED(op, MOUV_ECLOSED);
    CHECK_STRING(operation_words(op), "its session has ended with the client");
    mouv__pin_free(pin);
    operation_over(op);
    operation_over(first);
}

/* --- making ----------------------------------------------------------------------------------- */

static int code_of(mouv_future_t future) {
    mouv_error_t error = {0};
    int code = mouv_await(future, &error);
    CHECK_INT(error.code, code);
    return code;
}

FAKE_CASE(names_of_databases, fake_with(1, "RSPrimary")) {
    static const struct {
        const char *name;
        bool good;
    } names[] = {
        {"shop", true},
        {"$external", true},
        {"", false},
        {NULL, false},
        {"a b", false},
        {"a.b", false},
        {"a/b", false},
        {"a\\b", false},
        {"a\"b", false},
        {"a$b", false},
        {"\xff", false},
        {"123456789012345678901234567890123456789012345678901234567890123", true},
        {"1234567890123456789012345678901234567890123456789012345678901234", false},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        mouv_future_t failed;
        mouv__operation_t *op =
            mouv__operation_new(fake_client(fake), &find_row, names[i].name, NULL, 0, &failed);
        if (CHECK((op != NULL) == names[i].good) && op)
            failed = mouv__operation_refuse(op, MOUV_EINVAL, "not %s", "today");
        CHECK_INT(code_of(failed), MOUV_EINVAL);
    }
    CHECK_INT(fake->client.ref.held, 0);
}

FAKE_CASE(who_may_not_make_one, fake_with(1, "RSPrimary")) {
    mouv_future_t failed;
    CHECK(!mouv__operation_new(NULL, &find_row, "shop", NULL, 0, &failed));
    CHECK_INT(code_of(failed), MOUV_EINVAL);
    mouv__client_ref_move(fake_client(fake), MOUV__CLIENT_DRAINING);
    CHECK(!mouv__operation_new(fake_client(fake), &find_row, "shop", NULL, 0, &failed));
    CHECK_INT(code_of(failed), MOUV_ECLOSED);
}

static int make_when_cancelled(void *arg) {
    fake_t *fake = arg;
    mouv_future_t failed;
    mouv_sleep_ms(0);
    CHECK(!mouv__operation_new(fake_client(fake), &find_row, "shop", NULL, 0, &failed));
    CHECK_INT(code_of(failed), MOUV_ECANCELED);
    mouv__operation_t *op =
        mouv__operation_new(fake_client(fake), &kill_row, "shop", NULL, 0, &failed);
    CHECK(op != NULL); /* clean-up is never refused */
    if (op) mouv_future_unref(mouv__operation_refuse(op, MOUV_ECANCELED, "enough"));
    event("ran");
    return 0;
}

FAKE_CASE(a_cancelled_task_makes_nothing_but_clean_up, fake_with(1, "RSPrimary")) {
    mouv_future_t task = mouv_task_with(make_when_cancelled, fake, NULL);
    mouv_sleep_ms(0);
    mouv_future_cancel(task);
    mouv_await(task, NULL);
    CHECK_STRING(events(), "ran");
}

FAKE_CASE(without_memory_none_is_made, fake_with(1, "RSPrimary")) {
    for (int n = 1; n < 10; n++) {
        mouv_future_t failed = {0};
        mouv__alloc_fail_at = n;
        mouv__operation_t *op =
            mouv__operation_new(fake_client(fake), &find_row, "shop", NULL, 0, &failed);
        bool reached = mouv__alloc_fail_at == 0;
        mouv__alloc_fail_at = -1;
        if (op) mouv_future_unref(mouv__operation_refuse(op, MOUV_ECANCELED, "enough"));
        CHECK_INT(op == NULL, reached);
        if (!reached) break;
        CHECK_INT(code_of(failed), MOUV_ENOMEM);
    }
    CHECK_INT(fake->client.ref.held, 0);
}

/* Each allocation on the way there and back. Some only cost what can be done without. */
CORO_CASE(without_memory_it_fails_or_goes_well_and_nothing_is_left) {
    for (int n = 1; n < 200; n++) {
        fake_t *fake = fake_with(1, "RSPrimary");
        mouv__operation_t *op = operation_new(fake, &insert_row, INSERT);
        op->deadline_ns = now_ns(fake) + INT64_C(1000000000);
        mouv__alloc_fail_at = n;
        mouv__operation_start(op);
        fake_turn();
        if (sent(fake)) fake_lose(sent(fake), true);
        fake_turn();
        if (sent(fake)) fake_answer(sent(fake), "{'ok': 1}");
        fake_turn();
        bool reached = mouv__alloc_fail_at == 0;
        mouv__alloc_fail_at = -1;
        fake_pass_ms(2000);
        CHECK(operation_is_done(op));
        CHECK(op->future.code == 0 || op->future.code == MOUV_ENOMEM ||
              op->future.code == MOUV_ETIMEDOUT || op->future.code == MOUV_EUNKNOWN);
        CHECK_INT(fake_server(fake, 1)->operations, 0);
        CHECK_INT(fake->client.operations.running_count, 0);
        operation_over(op);
        fake_free(fake);
        take_log(NULL);
        if (!reached) {
            CHECK(n > 3);
            break;
        }
    }
    return 0;
}

CORO_CASE(the_user_s_max_time_leaves_the_command) {
    static const struct {
        const mouv__operation_row_t *row;
        const char *command, *expected;
        int max_time_ms;
    } cases[] = {
        {&find_row, "{'find': 'c', 'maxTimeMS': 70, 'x': 1}", "{'find': 'c', 'x': 1}", 70},
        {&find_row, "{'find': 'c', 'maxTimeMS': 0}", "{'find': 'c', 'maxTimeMS': 0}", 0},
        {&find_row, "{'find': 'c', 'maxTimeMS': 'x'}", "{'find': 'c', 'maxTimeMS': 'x'}", 0},
        {&find_row, "{'find': 'c', 'maxTimeMS': 3000000000}",
         "{'find': 'c', 'maxTimeMS': 3000000000}", 0},
        {&poll_row, "{'getMore': 1, 'maxTimeMS': 70}", "{'getMore': 1, 'maxTimeMS': 70}", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_t *fake = fake_with(1, "RSPrimary");
        mouv__operation_t *op = operation_begin(fake, cases[i].row, cases[i].command, 0);
        check_document(sent(fake)->command, cases[i].expected);
        CHECK_INT(op->user_max_time_ms, cases[i].max_time_ms);
        operation_over(op);
        fake_free(fake);
    }
    return 0;
}

FAKE_CASE(what_it_is_called, fake_with(1, "RSPrimary")) {
    static const struct {
        const char *command, *text;
    } cases[] = {{"{'find': 'users'}", "find shop.users"},
                 {"{'getMore': 7, 'collection': 'users'}", "find shop.users"},
                 {"{'ping': 1}", "find shop"},
                 {"{}", "find shop"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[88];
        mouv__operation_t *op = operation_new(fake, &find_row, cases[i].command);
        mouv__operation_text(op, text, sizeof text);
        CHECK_STRING(text, cases[i].text);
        mouv_error_t error;
        CHECK_INT(mouv__operation_fail(op, &error, MOUV_EINVAL, "no %d", 5), MOUV_EINVAL);
        CHECK_STRING(error.message, "no 5");
        CHECK_STRING(error.operation, cases[i].text);
        mouv__operation_refuse(op, MOUV_EINVAL, "no");
        operation_over(op);
    }
}

/* --- clean-up --------------------------------------------------------------------------------- */

FAKE_CASE(clean_up_goes_on_its_own_connection_and_is_not_cancelled, fake_with(1, "RSPrimary")) {
    mouv__operation_t *op = operation_new(fake, &kill_row, "{'killCursors': 'c'}");
    op->server_id = 1;
    mouv__future_hold(&op->future);
    mouv__operation_start_detached(op);
    CHECK_INT(fake->client.operations.cleanups, 1);
    fake_turn();
    fake_call_t *call = fake_out(fake, FAKE_CONTROL, 0);
    CHECK(call && call->control == MOUV__CONTROL_CLEANUP);
    operation_cancel(op);
    op->future.ops->shorten(&op->future, 1);
    CHECK_INT(op->deadline_ns, MOUV__NEVER);
    CHECK_PENDING(op);
    fake_answer(call, "{'ok': 0, 'code': 43}"); /* nobody's failure */
    CHECK(mouv__connection_is_ready(call->connection, 1));
    CHECK_ENDED(op, MOUV_ESERVER);
    CHECK_INT(fake->client.operations.cleanups, 0);
    mouv__future_let_go(&op->future);
    mouv__future_let_go(&op->future);
    fake_turn();
    CHECK_NO_WARNING();
}

/* --- all of a client -------------------------------------------------------------------------- */

FAKE_CASE(a_stop_cancels_all_that_run, fake_with(3, "RSPrimary")) {
    mouv__operation_t *ops[3];
    for (int i = 0; i < 3; i++) ops[i] = operation_begin(fake, &find_row, FIND, 0);
    mouv__operations_stop(&fake->client.operations);
    fake_turn();
    for (int i = 0; i < 3; i++) {
        CHECK_ENDED(ops[i], MOUV_ECANCELED);
        operation_over(ops[i]);
    }
}

CORO_CASE(what_is_left_behind_is_told_and_frees_itself) {
    fake_t *fake = fake_with(4, "RSPrimary");
    mouv__operation_t *running = say_begin(fake, &find_row, FIND, 0);
    fake_turn();
    mouv__operation_t *late = operation_begin(fake, &find_row, FIND, 0);
    mouv__operation_t *stopping = operation_begin(fake, &many_row, MANY, 0);
    operation_cancel(late);
    operation_cancel(stopping);
    mouv__operations_leave_behind(&fake->client.operations);
    CHECK_ENDED(running, MOUV_ECANCELED);
    CHECK_ENDED(late, MOUV_ECANCELED);
    CHECK_ENDED(stopping, MOUV_EUNKNOWN);
    CHECK_INT(fake->client.operations.running_count, 0);
    CHECK_STRING(events(), "finish:-20002");
    for (uint32_t i = 0; fake_out(fake, FAKE_SEND, i); i++)
        CHECK(fake_out(fake, FAKE_SEND, i)->abandoned);
    CHECK_INT(running->memory, 2);
    operation_over(running);
    operation_over(late);
    operation_over(stopping);
    CHECK_STRING(events(), "finish:-20002 release");
    CHECK_INT(fake->client.ref.held, 0);
    fake_free(fake); /* what is out comes back to nobody */
    return 0;
}

/* --- events ----------------------------------------------------------------------------------- */

static void on_queued(const mouv_pool_event_t *told, void *arg) {
    (void)arg;
    event("queued:%s:%s:%d", told->operation, told->database, told->waits_for);
}

static void on_out(const mouv_pool_event_t *told, void *arg) {
    (void)arg;
    event("out:%u:%d", told->server_id, (int)(told->duration_us / 1000));
}

static void on_returned(const mouv_pool_event_t *told, void *arg) {
    (void)arg;
    event("returned:%d:%d", (int)told->operation_id, (int)(told->duration_us / 1000));
}

static void on_killed(const mouv_pool_event_t *told, void *arg) {
    (void)arg;
    event("killed:%s", told->operation);
}

CORO_CASE(events_tell_of_its_way) {
    static const mouv_monitor_t monitor = {.operation_queued = on_queued,
                                           .client_checked_out = on_out,
                                           .client_returned = on_returned,
                                           .operation_killed = on_killed};
    fake_t *fake = fake_new(&(fake_options_t){.connections = 1, .monitor = &monitor});
    mouv__operation_t *op = operation_begin(fake, &find_row, FIND, 0);
    fake_pass_ms(3);
    fake_deploy(fake, "RSPrimary");
    fake_connect_succeed(fake_out(fake, FAKE_CONNECT, 0));
    fake_turn();
    mouv__operation_t *next = operation_begin(fake, &find_row, FIND, 0);
    fake_pass_ms(4);
    operation_cancel(op);
    fake_answer(sent(fake), "{'ok': 1}");
    fake_turn();
    char expected[200];
    snprintf(expected, sizeof expected,
             "queued:find:shop:%d out:1:3 queued:find:shop:%d killed:find returned:1:4 out:1:4",
             MOUV_WAITS_FOR_SERVER, MOUV_WAITS_FOR_CLIENT);
    CHECK_STRING(events(), expected);
    operation_over(op);
    operation_over(next);
    fake_free(fake);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_goes_out_at_the_end_of_the_turn_and_comes_back),
        TEST(a_dump_names_it_by_its_command_and_collection_or_as_its_user_does),
        TEST(without_a_maker_the_code_is_as_it_came),
        TEST(a_maker_may_keep_the_reply),
        TEST(a_maker_may_ask_for_other_commands),
        TEST(a_cancel_between_two_commands_tells_the_maker_once_more),
        TEST(a_cancel_before_the_turn_s_end_sends_nothing),
        TEST(a_cancel_while_it_waits_tells_for_what),
        TEST(a_read_that_is_out_is_left),
        TEST(a_late_one_without_an_answer_has_nothing_to_close),
        TEST(what_is_not_on_the_wire_yet_is_withdrawn),
        TEST(a_write_that_is_out_is_waited_for_half_a_second),
        TEST(a_stopped_write_s_answer_is_the_truth),
        TEST(a_deadline_while_it_waits_for_a_server),
        TEST(a_deadline_while_it_waits_for_a_connection),
        TEST(a_deadline_while_it_runs),
        TEST(a_deadline_may_come_nearer_but_not_go_away),
        TEST(a_cancel_by_the_scope_whose_deadline_it_has_counts_as_that),
        TEST(what_cannot_be_back_in_time_is_not_sent),
        TEST(deadlines_that_were_missed_open_the_breaker_s_eyes),
        TEST(a_retry_avoids_the_server_that_failed),
        TEST(a_cancel_while_it_waits_to_retry),
        TEST(a_selection_that_fails_after_a_retry_tells_the_first_error),
        TEST(a_closed_client_retries_nothing),
        TEST(a_wait_that_is_over_is_told_as_such),
        TEST(a_wait_that_is_over_just_after_the_deadline_is_told_as_such),
        TEST(what_the_pool_fails_is_told_so),
        TEST(who_awaits_it_is_delivered_to),
        TEST(what_the_transport_does_not_take_has_failed),
        TEST(a_closed_client_takes_what_was_started_no_more),
        TEST(a_pin_that_went_with_the_client_is_told),
        TEST(names_of_databases),
        TEST(who_may_not_make_one),
        TEST(a_cancelled_task_makes_nothing_but_clean_up),
        TEST(without_memory_none_is_made),
        TEST(without_memory_it_fails_or_goes_well_and_nothing_is_left),
        TEST(the_user_s_max_time_leaves_the_command),
        TEST(what_it_is_called),
        TEST(clean_up_goes_on_its_own_connection_and_is_not_cancelled),
        TEST(a_stop_cancels_all_that_run),
        TEST(what_is_left_behind_is_told_and_frees_itself),
        TEST(events_tell_of_its_way),
    };
    return RUN_CASES(tests);
}
