/*
 * How long peers may be silent: in their order, on one timer.
 */
#include "loop_support.h"

#include "async/loop/state.h"

#define MANY 3000

static mouv__peer_t peers[MANY];
static mouv__patience_t patience;
static int64_t over_at_ms[MANY];
static int over_count, first_over, last_over;

/* Without sockets: patience knows of none. */
static void on_over(mouv__peer_t *peer) {
    int i = (int)(peer - peers);
    CHECK_INT(over_at_ms[i], 0);
    over_at_ms[i] = mouv_now_ms();
    if (over_count++ == 0) first_over = i;
    last_over = i;
    mouv__patience_end(&patience, peer); /* harmless */
}

static rig_t *patience_rig(int64_t limit_ms) {
    rig_t *rig = rig_new(NULL);
    memset(peers, 0, sizeof peers);
    memset(over_at_ms, 0, sizeof over_at_ms);
    over_count = 0;
    for (int i = 0; i < MANY; i++) peers[i].peers = &rig->loop->peers;
    patience = (mouv__patience_t){
        .client = rig_client(rig), .limit_ns = limit_ms * MOUV__NS_PER_MS, .over = on_over};
    return rig;
}

static void patience_rig_free(rig_t *rig) {
    mouv__patience_close(&patience);
    CHECK_INT(mouv__runtime()->timers.count, 0);
    rig_free(rig);
}

static void begin(int i, int32_t limit_ms) {
    mouv__patience_begin(&patience, &peers[i], limit_ms);
}

CORO_CASE(a_silent_one_is_over_when_its_time_is) {
    rig_t *rig = patience_rig(100);
    int64_t since = mouv_now_ms();
    begin(0, 0);
    pass_ms(99);
    CHECK_INT(over_count, 0);
    pass_ms(1);
    CHECK_INT(over_count, 1);
    CHECK_INT(over_at_ms[0], since + 100);
    pass_ms(300);
    CHECK_INT(over_count, 1);
    patience_rig_free(rig);
    return 0;
}

CORO_CASE(one_whose_wait_has_ended_is_never_over) {
    rig_t *rig = patience_rig(100);
    begin(0, 0);
    begin(1, 50);
    pass_ms(20);
    mouv__patience_end(&patience, &peers[0]);
    mouv__patience_end(&patience, &peers[1]);
    mouv__patience_end(&patience, &peers[1]);
    pass_ms(300);
    CHECK_INT(over_count, 0);
    patience_rig_free(rig);
    return 0;
}

/* 30 a ms: one timer, each when its time comes, in the order of their beginning. */
CORO_CASE(thousands_are_over_in_their_order_on_one_timer) {
    rig_t *rig = patience_rig(200);
    int64_t since[MANY / 30];
    for (int i = 0; i < MANY; i++) {
        if (i % 30 == 0) pass_ms(1);
        since[i / 30] = mouv_now_ms();
        begin(i, 0);
    }
    CHECK_INT(mouv__runtime()->timers.count, 1);
    pass_ms(300);
    CHECK_INT(over_count, MANY);
    CHECK_INT(first_over, 0);
    CHECK_INT(last_over, MANY - 1);
    for (int i = 0; i < MANY; i++) CHECK_INT(over_at_ms[i], since[i / 30] + 200);
    patience_rig_free(rig);
    return 0;
}

CORO_CASE(a_wait_that_begins_anew_goes_behind_the_others) {
    rig_t *rig = patience_rig(100);
    int64_t since = mouv_now_ms();
    for (int i = 0; i < 3; i++) begin(i, 0);
    pass_ms(60);
    begin(0, 0);
    pass_ms(60);
    CHECK_INT(over_count, 2);
    CHECK_INT(over_at_ms[1], since + 100);
    CHECK_INT(over_at_ms[2], since + 100);
    pass_ms(60);
    CHECK_INT(over_at_ms[0], since + 160);
    patience_rig_free(rig);
    return 0;
}

CORO_CASE(a_limit_of_its_own_holds_for_it_alone) {
    rig_t *rig = patience_rig(100);
    int64_t since = mouv_now_ms();
    begin(0, 30);
    begin(1, 500);
    begin(2, 0);
    pass_ms(600);
    CHECK_INT(over_at_ms[0], since + 30);
    CHECK_INT(over_at_ms[1], since + 500);
    CHECK_INT(over_at_ms[2], since + 100);
    patience_rig_free(rig);
    return 0;
}

/* From one kind of limit to another, and to none. */
CORO_CASE(only_the_last_beginning_counts) {
    rig_t *rig = patience_rig(100);
    int64_t since = mouv_now_ms();
    begin(0, 30);
    begin(0, 0);
    begin(1, 0);
    begin(1, 30);
    begin(2, 30);
    begin(2, -1);
    pass_ms(600);
    CHECK_INT(over_at_ms[0], since + 100);
    CHECK_INT(over_at_ms[1], since + 30);
    CHECK_INT(over_at_ms[2], 0);
    patience_rig_free(rig);
    return 0;
}

CORO_CASE(without_a_limit_nothing_is_ever_over) {
    rig_t *rig = patience_rig(0);
    begin(0, 0);
    begin(1, -1);
    CHECK_INT(mouv__runtime()->timers.count, 0);
    pass_ms(1000);
    CHECK_INT(over_count, 0);
    patience_rig_free(rig);
    return 0;
}

/* As a call does whose failure another one follows on the same peer. */
static void on_over_again(mouv__peer_t *peer) {
    over_count++;
    if (peer == &peers[0]) mouv__patience_end(&patience, &peers[1]);
    if (peer == &peers[0] && over_count < 3) begin(0, 0);
}

CORO_CASE(others_may_begin_and_end_while_one_is_over) {
    rig_t *rig = patience_rig(100);
    patience.over = on_over_again;
    for (int i = 0; i < 3; i++) begin(i, 0);
    pass_ms(100);
    CHECK_INT(over_count, 2);
    pass_ms(100);
    CHECK_INT(over_count, 3);
    pass_ms(500);
    CHECK_INT(over_count, 3);
    patience_rig_free(rig);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(a_silent_one_is_over_when_its_time_is),
        TEST(one_whose_wait_has_ended_is_never_over),
        TEST(thousands_are_over_in_their_order_on_one_timer),
        TEST(a_wait_that_begins_anew_goes_behind_the_others),
        TEST(a_limit_of_its_own_holds_for_it_alone),
        TEST(only_the_last_beginning_counts),
        TEST(without_a_limit_nothing_is_ever_over),
        TEST(others_may_begin_and_end_while_one_is_over),
    };
    return RUN_CASES(cases);
}
