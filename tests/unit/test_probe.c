/*
 * Probes: what is sent, what the answer says of the connection, and who frees them.
 */
#include "pool_support.h"

#include "mongo/pool/probe.h"

typedef struct thing {
    mouv__probe_t probe; /* first */
    int number;
} thing_t;

static mouv__probe_t *out;

static void thing_done(mouv__probe_t *probe) {
    event("%d:%s%s%s", ((thing_t *)probe)->number, probe->answered ? "answered" : "lost",
          probe->was_ready ? "-ready" : "", out ? "-out" : "");
}

static thing_t *thing_new(fake_t *fake, const char *name) {
    thing_t *thing = mouv__probe_new(fake_pool(fake), 1, sizeof *thing, name, thing_done);
    if (thing) thing->number = 7;
    return thing;
}

static fake_call_t *thing_send(fake_t *fake) {
    CHECK(mouv__probe_send(&thing_new(fake, "ping")->probe, MOUV__CONTROL_PING, &out));
    return fake_named(fake, "ping");
}

#define CHECK_DONE(expected) \
    do { \
        CHECK_STRING(events(), (expected)); \
        events_clear(); \
    } while (0)

CORO_CASE(command_is_quiet_on_admin_and_sets_its_connection_up) {
    fake_t *fake = fake_serving("RSPrimary");
    const fake_call_t *call = thing_send(fake);
    CHECK(call->control == MOUV__CONTROL_PING && call->server_id == 1);
    CHECK(out && call->exchange == &out->exchange);
    CHECK_STRING(call->exchange->database, "admin");
    CHECK_INT(call->exchange->limit_ms, 10000);
    CHECK(call->exchange->quiet && call->exchange->sets_up);
    CHECK_INT(number_in(call->command, "ping", 0), 1);
    fake_free(fake);
    CHECK_DONE("7:lost");
    return 0;
}

FAKE_CASE(answer_tells_whether_it_took_one_round_trip_and_connects, fake_serving("RSPrimary")) {
    fake_answer(thing_send(fake), "{'ok': 1}");
    CHECK(!out);
    CHECK_DONE("7:answered");
    CHECK(mouv__connection_is_ready(fake->transport.controls[MOUV__CONTROL_PING].connection, 1));
    fake_answer(thing_send(fake), "{'ok': 0, 'code': 13, 'errmsg': 'no'}");
    CHECK_DONE("7:answered-ready");
}

FAKE_CASE(without_an_answer_or_cut_its_connection_is_gone, fake_serving("RSPrimary")) {
    for (int cut = 0; cut < 2; cut++) {
        fake_answer(thing_send(fake), "{'ok': 1}");
        events_clear();
        fake_call_t *call = thing_send(fake);
        call->exchange->cut = cut;
        if (cut)
            fake_answer(call, "{'ok': 1}");
        else
            fake_lose(call, false);
        CHECK_DONE("7:lost-ready");
        CHECK(
            !mouv__connection_is_ready(fake->transport.controls[MOUV__CONTROL_PING].connection, 1));
    }
}

CORO_CASE(empty_one_is_its_makers_to_fill_in) {
    fake_t *fake = fake_serving("RSPrimary");
    thing_t *thing = thing_new(fake, NULL);
    CHECK(bson_empty(thing->probe.command));
    BSON_APPEND_INT32(thing->probe.command, "killSessions", 2);
    thing->probe.exchange.limit_ms = 5;
    CHECK(mouv__probe_send(&thing->probe, MOUV__CONTROL_KILL, &out));
    const fake_call_t *call = fake_named(fake, "killSessions");
    CHECK(call && call->control == MOUV__CONTROL_KILL);
    CHECK_INT(call->exchange->limit_ms, 5);
    fake_free(fake);
    events_clear();
    return 0;
}

CORO_CASE(without_memory_or_a_thread_there_is_none) {
    fake_t *fake = fake_serving("RSPrimary");
    mouv__alloc_fail_at = 1;
    CHECK(!thing_new(fake, "ping"));
    mouv__alloc_fail_at = -1;
    fake->refuse[FAKE_CONTROL] = 1;
    CHECK(!mouv__probe_send(&thing_new(fake, "ping")->probe, MOUV__CONTROL_PING, &out));
    CHECK(!out);
    fake_free(fake);
    CHECK_DONE("");
    return 0;
}

CORO_CASE(abandoned_one_frees_itself_and_tells_nobody) {
    fake_t *fake = fake_serving("RSPrimary");
    mouv__probe_abandon(&out);
    const fake_call_t *call = thing_send(fake);
    mouv__probe_abandon(&out);
    CHECK(!out && call->abandoned);
    fake_free(fake);
    CHECK_DONE("");
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(command_is_quiet_on_admin_and_sets_its_connection_up),
        TEST(answer_tells_whether_it_took_one_round_trip_and_connects),
        TEST(without_an_answer_or_cut_its_connection_is_gone),
        TEST(empty_one_is_its_makers_to_fill_in),
        TEST(without_memory_or_a_thread_there_is_none),
        TEST(abandoned_one_frees_itself_and_tells_nobody),
    };
    return RUN_CASES(cases);
}
