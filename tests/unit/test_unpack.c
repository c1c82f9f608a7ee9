/*
 * Compressed answers: small ones at once, large ones on a worker, which the test is; and what may
 * happen meanwhile.
 */
#include "loop_support.h"

#define PING "{'ping': 1}"
#define SMALL_BYTES 1000
#define LARGE_BYTES (300 * 1024)

typedef struct scene {
    rig_t *rig;
    line_t *line;
    trip_t trip;
    bson_t *document;
} scene_t;

/* A ping is out. */
static scene_t *scene_new(size_t size) {
    scene_t *scene = calloc(1, sizeof *scene);
    scene->rig = rig_new("socketTimeoutMS=1000");
    scene->line = line_new(scene->rig, "{}");
    scene->document = document_of(size);
    trip_begin(&scene->trip, scene->line, PING);
    message_free(line_take(scene->line));
    return scene;
}

static void scene_free(scene_t *scene) {
    bson_destroy(scene->document);
    trip_end(&scene->trip);
    rig_free(scene->rig);
    free(scene);
}

/* The noop compressor, which needs no library. */
static message_t scene_message(const scene_t *scene) {
    return message_pack(0, message_of(scene->trip.exchange.loop.request_id, scene->document));
}

static void scene_answer(scene_t *scene) {
    line_write_message(scene->line, scene_message(scene));
    turn();
}

static void check_answered(const scene_t *scene) {
    CHECK(scene->trip.done && scene->trip.exchange.ok);
    CHECK(scene->trip.exchange.reply && bson_equal(scene->trip.exchange.reply, scene->document));
    CHECK(line_is_open(scene->line));
}

/* --- where ------------------------------------------------------------------------------------ */

CORO_CASE(a_small_one_is_undone_at_once) {
    scene_t *scene = scene_new(SMALL_BYTES);
    scene_answer(scene);
    CHECK_INT(scene->rig->job_count, 0);
    check_answered(scene);
    scene_free(scene);
    return 0;
}

CORO_CASE(a_large_one_is_undone_on_a_worker) {
    scene_t *scene = scene_new(LARGE_BYTES);
    scene_answer(scene);
    CHECK_INT(scene->rig->job_count, 1);
    CHECK_INT(scene->rig->packed, 1); /* not one that connects */
    CHECK(!scene->trip.done);
    rig_work(scene->rig, true);
    check_answered(scene);
    scene_free(scene);
    return 0;
}

CORO_CASE(without_a_worker_the_loop_does_it) {
    scene_t *scene = scene_new(LARGE_BYTES);
    scene->rig->no_thread = true;
    scene_answer(scene);
    check_answered(scene);
    scene_free(scene);
    return 0;
}

CORO_CASE(the_connection_goes_on_afterwards) {
    scene_t *scene = scene_new(LARGE_BYTES);
    for (int i = 0; i < 3; i++) {
        scene_answer(scene);
        rig_work(scene->rig, true);
        check_answered(scene);
        trip_end(&scene->trip);
        trip_begin(&scene->trip, scene->line, PING);
        message_free(line_take(scene->line));
    }
    line_answer(scene->line, &scene->trip, "{'ok': 1}");
    turn();
    CHECK_DOCUMENT(scene->trip.exchange.reply, "{'ok': 1}");
    scene_free(scene);
    return 0;
}

#ifdef MOUV_HAVE_ZLIB
CORO_CASE(a_real_compressor_is_undone) {
    for (size_t size = SMALL_BYTES; size <= 8 * 1024 * 1024; size *= 30) {
        scene_t *scene = scene_new(size);
        message_t inside = message_of(scene->trip.exchange.loop.request_id, scene->document);
        line_write_message(scene->line, message_pack(2, inside));
        turn();
        if (scene->rig->job_count > 0) rig_work(scene->rig, true);
        check_answered(scene);
        scene_free(scene);
    }
    return 0;
}
#endif

/* --- what is wrong in it ---------------------------------------------------------------------- */

static void refuse(size_t size, size_t at, uint8_t byte, const char *why) {
    scene_t *scene = scene_new(size);
    message_t message = scene_message(scene);
    message.bytes[at < message.size ? at : message.size - 1] = byte;
    line_write_message(scene->line, message);
    turn();
    if (scene->rig->job_count > 0) rig_work(scene->rig, true);
    turn();
    CHECK_FAILED(scene->trip, MONGOC_ERROR_PROTOCOL, why);
    CHECK(!line_is_open(scene->line));
    CHECK_INT(scene->rig->job_count, 0);
    scene_free(scene);
}

CORO_CASE(what_is_wrong_inside_ends_the_connection) {
    static const size_t sizes[] = {SMALL_BYTES, LARGE_BYTES};
    for (int i = 0; i < 2; i++) {
        refuse(sizes[i], 16, 1, "a message with opcode");
        refuse(sizes[i], 17, 3, "a message with opcode");
        refuse(sizes[i], 20, 1, "cannot uncompress"); /* its size */
        refuse(sizes[i], 23, 0x7f, "a compressed message of");
        refuse(sizes[i], 24, 99, "compress");
        refuse(sizes[i], 25, 1, "unknown flags 0x1");
        refuse(sizes[i], 29, 1, "section of kind 1");
        refuse(sizes[i], SIZE_MAX, 1, "end with zero");
    }
    return 0;
}

/* --- meanwhile -------------------------------------------------------------------------------- */

CORO_CASE(a_cut_does_not_wait_for_the_worker) {
    scene_t *scene = scene_new(LARGE_BYTES);
    scene_answer(scene);
    CHECK(trip_cut(&scene->trip));
    turn();
    CHECK_FAILED(scene->trip, MONGOC_ERROR_STREAM, "has not answered in time");
    CHECK(scene->trip.exchange.cut && scene->trip.exchange.reached);
    CHECK(!line_is_open(scene->line));
    rig_work(scene->rig, true); /* and comes back to nobody */
    turn();
    scene_free(scene);
    return 0;
}

CORO_CASE(a_slow_worker_is_no_silent_server) {
    scene_t *scene = scene_new(LARGE_BYTES);
    scene_answer(scene);
    pass_ms(2500);
    CHECK(!scene->trip.done);
    rig_work(scene->rig, true);
    check_answered(scene);
    scene_free(scene);
    return 0;
}

CORO_CASE(what_is_abandoned_does_not_either) {
    scene_t *scene = scene_new(LARGE_BYTES);
    scene_answer(scene);
    trip_abandon(&scene->trip);
    CHECK(scene->trip.discarded);
    rig_work(scene->rig, true);
    turn();
    CHECK(!scene->trip.done);
    scene_free(scene);
    return 0;
}

/* Whatever the server does next, the answer is delivered first. */
static void check_delivered_before_the_end(scene_t *scene) {
    turn();
    CHECK(!scene->trip.done && line_is_open(scene->line));
    rig_work(scene->rig, true);
    check_answered(scene);
    turn();
    CHECK(!line_is_open(scene->line));
    CHECK_INT(scene->rig->lost, 1);
    scene_free(scene);
}

CORO_CASE(a_server_that_closes_meanwhile_has_answered) {
    scene_t *scene = scene_new(LARGE_BYTES);
    scene_answer(scene);
    line_close(scene->line);
    check_delivered_before_the_end(scene);
    return 0;
}

CORO_CASE(bytes_that_come_meanwhile_were_not_asked_for) {
    scene_t *scene = scene_new(LARGE_BYTES);
    scene_answer(scene);
    line_write(scene->line, "x", 1);
    check_delivered_before_the_end(scene);
    return 0;
}

/* --- no memory -------------------------------------------------------------------------------- */

CORO_CASE(every_allocation_may_fail) {
    int failures = 0;
    bool reached = true;
    scene_free(scene_new(SMALL_BYTES)); /* the runtime has what it needs */
    for (int64_t n = 1; reached; n++) {
        scene_t *scene = scene_new(SMALL_BYTES);
        mouv__alloc_fail_at = n;
        scene_answer(scene);
        reached = mouv__alloc_fail_at == 0;
        mouv__alloc_fail_at = -1;
        CHECK(scene->trip.done);
        if (scene->trip.exchange.ok) {
            check_answered(scene);
        } else {
            CHECK_FAILED(scene->trip, MONGOC_ERROR_PROTOCOL, "no memory");
            CHECK(!line_is_open(scene->line));
            failures++;
        }
        scene_free(scene);
    }
    CHECK(failures >= 3); /* the message, the job, the document */
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(a_small_one_is_undone_at_once),
        TEST(a_large_one_is_undone_on_a_worker),
        TEST(without_a_worker_the_loop_does_it),
        TEST(the_connection_goes_on_afterwards),
#ifdef MOUV_HAVE_ZLIB
        TEST(a_real_compressor_is_undone),
#endif
        TEST(what_is_wrong_inside_ends_the_connection),
        TEST(a_cut_does_not_wait_for_the_worker),
        TEST(a_slow_worker_is_no_silent_server),
        TEST(what_is_abandoned_does_not_either),
        TEST(a_server_that_closes_meanwhile_has_answered),
        TEST(bytes_that_come_meanwhile_were_not_asked_for),
        TEST(every_allocation_may_fail),
    };
    return RUN_CASES(cases);
}
