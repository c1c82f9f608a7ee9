/*
 * The transport as a whole, as far as it needs no libmongoc: connections that are set up, control
 * connections, what comes back too late.
 */
#include "loop_support.h"

#include "mongo/transport/loop/job.h"

#define PING "{'ping': 1}"

/* A worker has set the connection up that is the oldest job: the server's end of it. */
static int set_up(rig_t *rig, const char *hello) {
    int ends[2];
    mouv__connecting_t *connecting =
        rig->job_count > 0 ? mouv__job_is_connect((mouv__background_t *)rig->jobs[0]) : NULL;
    if (!connecting || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) abort();
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    connecting->background.ok = true;
    connecting->handover.channel = channel_over(ends[0]);
    connecting->handover.hello = from_json(hello);
    rig_work(rig, false);
    turn();
    return ends[1];
}

/* The server answers at this end; the line is only whose case it is. */
static void answer_at(line_t *line, int fd, const trip_t *trip) {
    int own = line->fd;
    line->fd = fd;
    message_free(line_take(line));
    line_answer(line, trip, "{'ok': 1}");
    turn();
    line->fd = own;
}

static bool sees_end(int fd) {
    char byte;
    bool end = recv(fd, &byte, 1, 0) == 0;
    close(fd);
    return end;
}

/* --- connections ------------------------------------------------------------------------------ */

static int connected, failed;

static void on_connected(void *arg, const mouv_error_t *error) {
    CHECK(arg == &connected);
    if (error) failed++;
    if (!error) connected++;
}

static void begin_connect(line_t *line) {
    mouv__transport_t *transport = &line->rig->loop->transport;
    connected = failed = 0;
    CHECK_INT(transport->ops->connect(transport, &line->connection->connection, RIG_SERVER,
                                      on_connected, &connected),
              0);
    CHECK_INT(connected + failed, 0);
}

CORO_CASE(a_connection_that_is_set_up_replaces_the_one_before) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    begin_connect(line);
    int fd = set_up(rig, "{'setName': 'rs0', 'connectionId': 12}");
    CHECK_INT(connected, 1);
    CHECK(line_sees_end(line));
    CHECK_INT(rig->lost, 0);
    trip_begin(&trip, line, PING);
    CHECK_INT(trip.exchange.loop.peer->hello.connection_id, 12);
    CHECK(trip.exchange.loop.peer->hello.set_member);
    answer_at(line, fd, &trip);
    CHECK(trip.done && trip.exchange.ok);
    close(fd);
    trip_end(&trip);
    rig_free(rig);
    return 0;
}

CORO_CASE(one_that_cannot_be_set_up_leaves_the_one_before) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    begin_connect(line);
    rig_work(rig, false);
    CHECK_INT(failed, 1);
    CHECK(line_is_open(line));
    rig_free(rig);
    return 0;
}

CORO_CASE(without_a_thread_it_fails_later) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    rig->no_thread = true;
    begin_connect(line);
    turn();
    CHECK_INT(failed, 1);
    rig_free(rig);
    return 0;
}

CORO_CASE(without_memory_nothing_has_begun) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    mouv__transport_t *transport = &rig->loop->transport;
    for (int64_t n = 1; n <= 2; n++) {
        mouv__alloc_fail_at = n;
        CHECK_INT(transport->ops->connect(transport, &line->connection->connection, RIG_SERVER,
                                          on_connected, &connected),
                  MOUV_ENOMEM);
        mouv__alloc_fail_at = -1;
        CHECK_INT(rig->job_count, 0);
    }
    rig_free(rig);
    return 0;
}

/* And the connection that it was for is the transport's to end. */
CORO_CASE(a_set_up_that_is_abandoned_tells_nobody) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    begin_connect(line);
    rig->loop->transport.ops->abandon_jobs(&rig->loop->transport);
    CHECK(MOUV__LIST_FIRST(&rig->loop->left, mouv__loop_connection_t, left) == line->connection);
    CHECK(sees_end(set_up(rig, "{}")));
    CHECK_INT(connected + failed, 0);
    CHECK(line_is_open(line));
    rig_free(rig);
    return 0;
}

/* --- control connections ---------------------------------------------------------------------- */

static mouv__peer_t *put_socket(line_t *line, mouv__loop_connection_t *connection) {
    mouv__peer_t *peer = line->peer;
    mouv__list_remove(peer->siblings, &peer->sibling);
    peer->siblings = &connection->peers;
    peer->connection = &connection->connection;
    mouv__list_push_front(peer->siblings, &peer->sibling);
    return peer;
}

static mouv__loop_connection_t *control_of(rig_t *rig) {
    mouv__transport_t *transport = &rig->loop->transport;
    return mouv__loop_connection_of(
        transport->ops->control_connection(transport, MOUV__CONTROL_PING));
}

static void send_control(rig_t *rig, trip_t *trip) {
    mouv__transport_t *transport = &rig->loop->transport;
    rig_inside = true;
    CHECK_INT(transport->ops->control(transport, MOUV__CONTROL_PING, &trip->exchange), 0);
    rig_inside = false;
    CHECK(transport->controls[MOUV__CONTROL_PING].busy);
}

/* The rig frees lines' connections alone. */
static void free_control(rig_t *rig) {
    mouv__goodbye_free_connection(rig->loop, control_of(rig));
    rig_free(rig);
}

CORO_CASE(a_control_connection_is_idle_again_after_its_exchange) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    mouv__loop_connection_t *control = control_of(rig);
    put_socket(line, control);
    trip_init(&trip, line, PING);
    send_control(rig, &trip);
    CHECK_INT(control->connection.state, MOUV__CONNECTION_IN_USE);
    line_answer(line, &trip, "{'ok': 1}");
    turn();
    CHECK(trip.done && trip.exchange.ok);
    CHECK(!rig->loop->transport.controls[MOUV__CONTROL_PING].busy);
    CHECK_INT(control->connection.state, MOUV__CONNECTION_IDLE);
    trip_end(&trip);
    free_control(rig);
    return 0;
}

CORO_CASE(a_control_connection_is_set_up_first) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_init(&trip, line, PING);
    send_control(rig, &trip);
    CHECK(trip.exchange.loop.connecting != NULL);
    int fd = set_up(rig, "{}");
    CHECK(trip.exchange.loop.connecting == NULL && trip.exchange.reached && !trip.done);
    answer_at(line, fd, &trip);
    CHECK(trip.done && trip.exchange.ok);
    CHECK(!rig->loop->transport.controls[MOUV__CONTROL_PING].busy);
    trip_end(&trip);
    trip_init(&trip, line, PING);
    send_control(rig, &trip); /* the next one finds it there */
    CHECK_INT(rig->job_count, 0);
    answer_at(line, fd, &trip);
    CHECK(trip.done && trip.exchange.ok);
    close(fd);
    trip_end(&trip);
    free_control(rig);
    return 0;
}

CORO_CASE(what_waits_for_a_set_up_fails_with_it) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_init(&trip, line, PING);
    send_control(rig, &trip);
    CHECK_INT(rig->job_count, 1);
    rig_work(rig, false); /* it could not be */
    turn();
    CHECK(trip.done && !trip.exchange.ok && !trip.exchange.reached);
    CHECK(!rig->loop->transport.controls[MOUV__CONTROL_PING].busy);
    trip_end(&trip);
    free_control(rig);
    return 0;
}

CORO_CASE(what_waits_for_a_set_up_can_be_cut) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_init(&trip, line, PING);
    send_control(rig, &trip);
    CHECK(trip_cut(&trip));
    CHECK(!trip_cut(&trip));
    turn();
    CHECK_FAILED(trip, MONGOC_ERROR_STREAM, "the connection was not there in time");
    CHECK(trip.exchange.cut && !trip.exchange.reached);
    CHECK_INT(rig->job_count, 1); /* it goes on, for the next one */
    trip_end(&trip);
    free_control(rig);
    return 0;
}

/* The next one waits for the set-up that is under way. */
CORO_CASE(a_set_up_that_nobody_waits_for_serves_the_next_one) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_init(&trip, line, PING);
    send_control(rig, &trip);
    CHECK(trip_cut(&trip));
    turn();
    trip_end(&trip);
    trip_init(&trip, line, PING);
    send_control(rig, &trip);
    CHECK_INT(rig->job_count, 1);
    rig_work(rig, false);
    turn();
    CHECK(trip.done);
    trip_end(&trip);
    free_control(rig);
    return 0;
}

CORO_CASE(what_is_abandoned_while_it_waits_for_a_set_up_is_discarded) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_init(&trip, line, PING);
    send_control(rig, &trip);
    trip_abandon(&trip);
    CHECK(trip.discarded);
    CHECK(!rig->loop->transport.controls[MOUV__CONTROL_PING].busy);
    rig_work(rig, false);
    turn();
    CHECK(!trip.done);
    trip_end(&trip);
    free_control(rig);
    return 0;
}

CORO_CASE(what_is_withdrawn_while_it_waits_for_a_set_up_is_not_sent) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_init(&trip, line, PING);
    send_control(rig, &trip);
    CHECK(mouv__exchange_withdraw(&trip.exchange));
    int fd = set_up(rig, "{}");
    CHECK(trip.done && !trip.exchange.ok && !trip.exchange.reached);
    char byte;
    CHECK(recv(fd, &byte, 1, 0) < 0 && errno == EAGAIN);
    close(fd);
    trip_end(&trip);
    free_control(rig);
    return 0;
}

/* Once, if that is asked for: however its loss is noticed. */
static void lose_control(bool sets_up, bool while_sending) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    put_socket(line, control_of(rig));
    trip_init(&trip, line, PING);
    trip.exchange.sets_up = sets_up;
    if (while_sending) line_close(line);
    send_control(rig, &trip);
    if (!while_sending) {
        message_free(line_take(line));
        line_close(line);
    }
    turn();
    CHECK_INT(rig->job_count, sets_up);
    CHECK(trip.done == !sets_up);
    CHECK(rig_is_marked(rig) == !sets_up);
    while (rig->job_count > 0) rig_work(rig, false);
    turn();
    CHECK(trip.done && !trip.exchange.ok);
    CHECK_INT(rig->job_count, 0);
    trip_end(&trip);
    free_control(rig);
}

/* Its second connection is no better. */
CORO_CASE(one_that_is_lost_twice_fails) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, "{}");
    trip_t trip;
    trip_init(&trip, line, PING);
    trip.exchange.sets_up = true;
    send_control(rig, &trip);
    close(set_up(rig, "{}"));
    turn();
    CHECK(!trip.done);
    CHECK(!rig_is_marked(rig));
    close(set_up(rig, "{}"));
    turn();
    CHECK_FAILED(trip, MONGOC_ERROR_STREAM, "was lost");
    CHECK(rig_is_marked(rig));
    trip_end(&trip);
    free_control(rig);
    return 0;
}

CORO_CASE(a_lost_control_connection_is_set_up_again_once) {
    lose_control(true, false);
    return 0;
}
CORO_CASE(a_lost_control_connection_is_not_set_up_for_others) {
    lose_control(false, false);
    return 0;
}
CORO_CASE(one_that_is_lost_in_sending_is_set_up_again_once) {
    lose_control(true, true);
    return 0;
}
CORO_CASE(one_that_is_lost_in_sending_is_not_set_up_for_others) {
    lose_control(false, true);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(a_connection_that_is_set_up_replaces_the_one_before),
        TEST(one_that_cannot_be_set_up_leaves_the_one_before),
        TEST(without_a_thread_it_fails_later),
        TEST(without_memory_nothing_has_begun),
        TEST(a_set_up_that_is_abandoned_tells_nobody),
        TEST(a_control_connection_is_idle_again_after_its_exchange),
        TEST(a_control_connection_is_set_up_first),
        TEST(what_waits_for_a_set_up_can_be_cut),
        TEST(a_set_up_that_nobody_waits_for_serves_the_next_one),
        TEST(what_is_abandoned_while_it_waits_for_a_set_up_is_discarded),
        TEST(a_lost_control_connection_is_set_up_again_once),
        TEST(a_lost_control_connection_is_not_set_up_for_others),
        TEST(one_that_is_lost_in_sending_is_set_up_again_once),
        TEST(one_that_is_lost_in_sending_is_not_set_up_for_others),
        TEST(what_waits_for_a_set_up_fails_with_it),
        TEST(what_is_withdrawn_while_it_waits_for_a_set_up_is_not_sent),
        TEST(one_that_is_lost_twice_fails),
    };
    return RUN_CASES(cases);
}
