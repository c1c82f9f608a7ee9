/*
 * Requests that are to be compressed: small ones at once, large ones on a worker, which the test is;
 * and what may happen meanwhile.
 */
#include "loop_support.h"

#ifdef MOUV_HAVE_ZLIB
#define FIND "{'find': 'users'}"
#define PACKING "{'compression': ['zlib']}"

/* --- small ones ------------------------------------------------------------------------------- */

/* The document in a message that is to be compressed; the caller's. */
static bson_t *unpack(message_t message) {
    char why[256];
    mouv__op_msg_compressed_t inside;
    mouv__op_msg_header_t header = mouv__op_msg_header(message.bytes);
    if (!CHECK(header.opcode == MOUV__WIRE_COMPRESSED)) return NULL;
    CHECK(mouv__op_msg_check_compressed(&header, message.bytes + MOUV__WIRE_HEADER_BYTES, &inside,
                                        why, sizeof why));
    CHECK_INT(inside.header.opcode, MOUV__WIRE_MSG);
    size_t size = (size_t)inside.header.length - MOUV__WIRE_HEADER_BYTES;
    uint8_t *body = malloc(size);
    CHECK(mouv__compress_undo(inside.compressor, inside.data, inside.size, body, size, why,
                              sizeof why));
    bson_t *document = bson_new_from_data(body + 5, size - 5);
    free(body);
    return document;
}

CORO_CASE(what_is_agreed_on_is_compressed) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, PACKING);
    for (int i = 0; i < 2; i++) {
        trip_t trip;
        trip_begin(&trip, line, FIND);
        CHECK(trip.exchange.reached);
        message_t message = line_take(line);
        bson_t *asked = unpack(message);
        CHECK_DOCUMENT(asked, "{'find': 'users', '$db': 'shop'}");
        CHECK_INT(mouv__op_msg_header(message.bytes).request_id, trip.exchange.loop.request_id);
        line_answer(line, &trip, "{'ok': 1}"); /* a server need not */
        turn();
        CHECK(trip.done && trip.exchange.ok);
        bson_destroy(asked);
        message_free(message);
        trip_end(&trip);
    }
    rig_free(rig);
    return 0;
}

CORO_CASE(commands_with_secrets_are_never_compressed) {
    static const char *const never[] = {
        "{'hello': 1}",          "{'isMaster': 1}",        "{'ismaster': 1}",
        "{'saslStart': 1}",      "{'saslContinue': 1}",    "{'getnonce': 1}",
        "{'authenticate': 1}",   "{'createUser': 1}",      "{'updateUser': 1}",
        "{'copydbgetnonce': 1}", "{'copydbsaslstart': 1}", "{'copydb': 1}"};
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, PACKING);
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        trip_t trip;
        if (i % 2 == 1) { /* nothing is left of one before it that was */
            trip_begin(&trip, line, FIND);
            message_free(line_take(line));
            line_answer(line, &trip, "{'ok': 1}");
            turn();
            trip_end(&trip);
        }
        trip_begin(&trip, line, never[i]);
        message_t message = line_take(line);
        CHECK_INT(mouv__op_msg_header(message.bytes).opcode, MOUV__WIRE_MSG);
        line_answer(line, &trip, "{'ok': 1}");
        turn();
        CHECK(trip.done && trip.exchange.ok);
        message_free(message);
        trip_end(&trip);
    }
    rig_free(rig);
    return 0;
}

/* Then it goes out as it is. */
CORO_CASE(without_memory_nothing_is_compressed) {
    rig_t *rig = rig_new(NULL);
    line_t *line = line_new(rig, PACKING);
    for (int64_t n = 1; n <= 2; n++) {
        trip_t trip;
        trip_init(&trip, line, FIND);
        mouv__alloc_fail_at = n;
        trip_send(&trip, line);
        mouv__alloc_fail_at = -1;
        bson_t *asked = line_asked(line);
        CHECK_DOCUMENT(asked, "{'find': 'users', '$db': 'shop'}");
        line_answer(line, &trip, "{'ok': 1}");
        turn();
        bson_destroy(asked);
        trip_end(&trip);
    }
    rig_free(rig);
    return 0;
}

/* --- large ones ------------------------------------------------------------------------------- */

#define LARGE_BYTES (300 * 1024)

/* An insert that a worker is to compress. */
typedef struct scene {
    rig_t *rig;
    line_t *line;
    trip_t trip;
    bson_t *command; /* as the server is to get it */
} scene_t;

static void scene_begin(scene_t *scene) {
    trip_init(&scene->trip, scene->line, "{'insert': 'users'}");
    bson_t *document = document_of(LARGE_BYTES);
    bson_concat((bson_t *)scene->trip.exchange.command, document);
    bson_destroy(document);
    bson_destroy(scene->command);
    scene->command = bson_copy(scene->trip.exchange.command);
    BSON_APPEND_UTF8(scene->command, "$db", "shop");
    trip_send(&scene->trip, scene->line);
}

static scene_t *scene_new(const char *options) {
    scene_t *scene = calloc(1, sizeof *scene);
    scene->rig = rig_new(options);
    scene->line = line_new(scene->rig, PACKING);
    scene_begin(scene);
    return scene;
}

static void scene_free(scene_t *scene) {
    bson_destroy(scene->command);
    trip_end(&scene->trip);
    rig_free(scene->rig);
    free(scene);
}

/* The server gets it, compressed or not, and answers. */
static void check_goes_out(scene_t *scene, bool compressed) {
    message_t message = line_take(scene->line);
    bson_t *asked = compressed ? unpack(message)
                               : bson_new_from_data(message.bytes + MESSAGE_HEAD_BYTES,
                                                    message.size - MESSAGE_HEAD_BYTES);
    CHECK(asked && bson_equal(asked, scene->command));
    CHECK(scene->trip.exchange.stage == MOUV__EXCHANGE_SENT);
    message_free(message);
    bson_destroy(asked);
    line_answer(scene->line, &scene->trip, "{'ok': 1}");
    turn();
    CHECK(scene->trip.done && scene->trip.exchange.ok && scene->trip.exchange.reached);
    CHECK(line_is_open(scene->line));
}

CORO_CASE(a_large_one_is_compressed_on_a_worker) {
    scene_t *scene = scene_new(NULL);
    for (int i = 0; i < 3; i++) {
        turn();
        CHECK_INT(scene->rig->job_count, 1);
        CHECK_INT(scene->rig->packed, i + 1); /* not one that connects */
        CHECK(scene->trip.exchange.stage == MOUV__EXCHANGE_PREPARING);
        rig_work(scene->rig, true);
        check_goes_out(scene, true);
        trip_end(&scene->trip);
        scene_begin(scene);
    }
    rig_work(scene->rig, true);
    scene_free(scene);
    return 0;
}

CORO_CASE(without_a_worker_the_loop_does_it) {
    rig_t *rig = rig_new(NULL);
    scene_t *scene = calloc(1, sizeof *scene);
    rig->no_thread = true;
    scene->rig = rig;
    scene->line = line_new(rig, PACKING);
    scene_begin(scene);
    check_goes_out(scene, true);
    scene_free(scene);
    return 0;
}

CORO_CASE(a_worker_without_memory_leaves_it_as_it_is) {
    scene_t *scene = scene_new(NULL);
    for (int64_t n = 1; n <= 2; n++) {
        mouv__alloc_fail_at = n;
        rig_work(scene->rig, true);
        mouv__alloc_fail_at = -1;
        check_goes_out(scene, false);
        trip_end(&scene->trip);
        scene_begin(scene);
    }
    rig_work(scene->rig, true);
    scene_free(scene);
    return 0;
}

CORO_CASE(a_slow_worker_is_no_silent_server_either) {
    scene_t *scene = scene_new("socketTimeoutMS=1000");
    pass_ms(2500);
    CHECK(!scene->trip.done);
    rig_work(scene->rig, true);
    check_goes_out(scene, true);
    scene_free(scene);
    return 0;
}

CORO_CASE(what_is_withdrawn_meanwhile_is_not_sent) {
    scene_t *scene = scene_new(NULL);
    CHECK(mouv__exchange_withdraw(&scene->trip.exchange));
    CHECK(!scene->trip.done); /* the worker reads its command */
    rig_work(scene->rig, true);
    turn();
    CHECK(scene->trip.done && !scene->trip.exchange.ok && !scene->trip.exchange.reached);
    CHECK(line_is_open(scene->line));
    trip_end(&scene->trip);
    scene_begin(scene);
    rig_work(scene->rig, true);
    check_goes_out(scene, true); /* and nothing before it */
    scene_free(scene);
    return 0;
}

CORO_CASE(meanwhile_there_is_nothing_to_cut) {
    scene_t *scene = scene_new(NULL);
    CHECK(!trip_cut(&scene->trip));
    turn();
    CHECK(!scene->trip.done);
    rig_work(scene->rig, true);
    turn();
    CHECK(trip_cut(&scene->trip));
    turn();
    CHECK_FAILED(scene->trip, MONGOC_ERROR_STREAM, "has not answered in time");
    scene_free(scene);
    return 0;
}

CORO_CASE(what_is_abandoned_meanwhile_is_discarded_when_the_worker_is_back) {
    for (int runs = 0; runs < 2; runs++) {
        scene_t *scene = scene_new(NULL);
        trip_abandon(&scene->trip);
        turn();
        CHECK(!scene->trip.discarded && !line_is_open(scene->line));
        rig_work(scene->rig, runs);
        CHECK(scene->trip.discarded && !scene->trip.done);
        scene_free(scene);
    }
    return 0;
}

CORO_CASE(to_a_server_that_has_closed_meanwhile_nothing_is_sent) {
    scene_t *scene = scene_new(NULL);
    line_close(scene->line);
    turn();
    CHECK(!scene->trip.done);
    rig_work(scene->rig, true);
    turn();
    CHECK_FAILED(scene->trip, MONGOC_ERROR_STREAM, "closed by the server");
    CHECK(!scene->trip.exchange.reached);
    CHECK(scene->trip.exchange.stage == MOUV__EXCHANGE_PREPARING);
    CHECK(!line_is_open(scene->line));
    while (scene->rig->job_count > 0) rig_work(scene->rig, false); /* the picture is told */
    scene_free(scene);
    return 0;
}

CORO_CASE(a_dropped_connection_is_closed_after_it) {
    for (int withdrawn = 0; withdrawn < 2; withdrawn++) {
        scene_t *scene = scene_new(NULL);
        mouv__connection_t *connection = &scene->line->connection->connection;
        connection->dropped(connection, RIG_SERVER);
        if (withdrawn) mouv__exchange_withdraw(&scene->trip.exchange);
        CHECK(line_is_open(scene->line));
        rig_work(scene->rig, true);
        if (!withdrawn) {
            message_free(line_take(scene->line));
            line_answer(scene->line, &scene->trip, "{'ok': 1}");
        }
        turn();
        CHECK(scene->trip.done && scene->trip.exchange.ok == !withdrawn);
        CHECK(!line_is_open(scene->line));
        scene_free(scene);
    }
    return 0;
}

/* endSessions, which nobody waits for in the end. */
CORO_CASE(what_cannot_be_discarded_goes_as_it_is) {
    scene_t *scene = scene_new(NULL);
    rig_work(scene->rig, true);
    check_goes_out(scene, true);
    trip_end(&scene->trip);
    trip_init(&scene->trip, scene->line, "{'endSessions': 1}");
    bson_t *document = document_of(LARGE_BYTES);
    bson_concat((bson_t *)scene->trip.exchange.command, document);
    bson_destroy(document);
    scene->trip.exchange.discard = NULL;
    trip_send(&scene->trip, scene->line);
    CHECK_INT(scene->rig->job_count, 0);
    message_t message = line_take(scene->line);
    CHECK_INT(mouv__op_msg_header(message.bytes).opcode, MOUV__WIRE_MSG);
    message_free(message);
    line_answer(scene->line, &scene->trip, "{'ok': 1}");
    turn();
    CHECK(scene->trip.done);
    scene_free(scene);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(what_is_agreed_on_is_compressed),
        TEST(commands_with_secrets_are_never_compressed),
        TEST(without_memory_nothing_is_compressed),
        TEST(a_large_one_is_compressed_on_a_worker),
        TEST(without_a_worker_the_loop_does_it),
        TEST(a_worker_without_memory_leaves_it_as_it_is),
        TEST(a_slow_worker_is_no_silent_server_either),
        TEST(what_is_withdrawn_meanwhile_is_not_sent),
        TEST(meanwhile_there_is_nothing_to_cut),
        TEST(what_is_abandoned_meanwhile_is_discarded_when_the_worker_is_back),
        TEST(to_a_server_that_has_closed_meanwhile_nothing_is_sent),
        TEST(a_dropped_connection_is_closed_after_it),
        TEST(what_cannot_be_discarded_goes_as_it_is),
    };
    return RUN_CASES(cases);
}
#else
int main(void) {
    return 77;
}
#endif
