/*
 * Answers that are not what the protocol says: the operation fails and says why, nothing else does.
 */
/* test: lock=mock-faults */
#include "support/garble.h"
#include "support/mock_case.h"

#include <uv.h>

/* --- One at a time --------------------------------------------------------------------------- */

typedef struct spot {
    size_t at;
    uint32_t value;
    const char *why;
} spot_t;

static size_t write_spot(void *arg, uint8_t *message, size_t size, size_t capacity) {
    const spot_t *spot = arg;
    (void)capacity;
    garble_put(message + spot->at, spot->value);
    return size;
}

static const spot_t spots[] = {
    {0, 5, "length of 5 bytes"},
    {0, 100000, "length of 100000 bytes around"},
    {0, 0x7fffffff, "length of 2147483647 bytes"},
    {8, 12345678, "answer to request 12345678"},
    {12, 9999, "opcode 9999"},
    {12, 2004, "opcode 2004"},
    {16, 2, "unknown flags 0x2"},
    {20, 0x01010101, "section of kind 1"},
    {21, 0x7fffffff, "around a document of 2147483647"},
    {24, 0x6b6f1500, "unknown type 0x15"},
    {12, 2012, "length of"}, /* what follows is no compressed message */
};

BARE_CASE(a_bad_answer_fails_its_read_and_says_why) {
    NEEDS_OWN_STREAMS(t);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(mock_server_uri(mock), NULL, NULL);
    mouv_client_stats_t stats;
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    for (size_t i = 0; i < sizeof spots / sizeof spots[0]; i++) {
        mock_server_script(
            mock, "ping",
            &(mock_script_t){.rewrite = write_spot, .rewrite_arg = (void *)&spots[i]});
        CHECK_INT(await(t, mouv_client_ping(client)), MOUV_ENETWORK);
        if (spots[i].at != 12 || spots[i].value != 2012)
            CHECK_CONTAINS(t->error.message, spots[i].why);
        CHECK_CONTAINS(t->error.message, "not valid");
        mock_server_script(mock, "ping", NULL);
        CHECK_INT(await(t, mouv_client_ping(client)), 0);
    }
    mouv_client_get_stats(client, &stats);
    CHECK_INT(stats.retries, 0);
    CHECK_INT(stats.late, 0);
    return 0;
}

BARE_CASE(a_bad_answer_to_a_write_leaves_its_outcome_unknown) {
    NEEDS_OWN_STREAMS(t);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(mock_server_uri(mock), NULL, NULL);
    const spot_t spot = {16, 0x8000, ""};
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    mock_server_script(mock, "insert",
                       &(mock_script_t){.rewrite = write_spot, .rewrite_arg = (void *)&spot});
    CHECK_INT(
        await(t, mouv_collection_insert_one(users_of(client), json(t, "{'a': 1}"), NULL, NULL)),
        MOUV_EUNKNOWN);
    CHECK_INT(t->error.cause, MOUV_ENETWORK);
    CHECK_CONTAINS(t->error.message, "unknown flags 0x8000");
    CHECK_INT(mock_server_count(mock, "insert"), 1);
    return 0;
}

BARE_CASE(other_connections_and_the_servers_standing_are_untouched) {
    NEEDS_OWN_STREAMS(t);
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(mock_server_uri(mock), NULL, NULL);
    const spot_t spot = {12, 1, ""};
    int64_t number;
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    mock_server_script(mock, "aggregate", &(mock_script_t){.delay_ms = 300});
    mouv_future_t slow = mouv_collection_count_documents(users_of(client), NULL, NULL, &number);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    uint64_t before = accepted(), resets = resets_become("ping", 0);
    mock_server_script(
        mock, "ping",
        &(mock_script_t){.rewrite = write_spot, .rewrite_arg = (void *)&spot, .times = 1});
    CHECK_INT(await(t, mouv_client_ping(client)), MOUV_ENETWORK);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK_INT(await(t, slow), 0);
    CHECK_INT(accepted(), before + 1);
    CHECK_INT(resets_become("ping", resets + 1), resets + 1);
    return 0;
}

/* --- Too early ------------------------------------------------------------------------------- */

static size_t first_bytes; /* of the answer that had been asked for */

/* The answer, and behind it the same to the next request. */
static size_t answer_twice(void *arg, uint8_t *message, size_t size, size_t capacity) {
    uint32_t request;
    (void)arg, (void)capacity;
    memcpy(&request, message + 8, sizeof request);
    memcpy(message + size, message, size);
    garble_put(message + size + 8, BSON_UINT32_FROM_LE(request) + 1);
    return 2 * size;
}

static size_t measure_answer(void *arg, uint8_t *message, size_t size, size_t capacity) {
    (void)arg, (void)message, (void)capacity;
    first_bytes = size;
    return size;
}

/* Of which a socket takes a part at once; its bytes are still to go when the answer comes. */
static mouv_future_t insert_megabytes(mouv_client_t *client, size_t count) {
    char *text = calloc(1, 1000001);
    memset(text, 'x', 1000000);
    bson_t *document = BCON_NEW("text", BCON_UTF8(text));
    const bson_t **documents = calloc(count, sizeof *documents);
    for (size_t i = 0; i < count; i++) documents[i] = document;
    mouv_future_t future =
        mouv_collection_insert_many(users_of(client), documents, count, NULL, NULL);
    free(documents);
    bson_destroy(document);
    free(text);
    return future;
}

BARE_CASE(an_answer_before_all_has_been_sent_is_refused) {
    mouv_client_opts_t opts = {.executor =
                                   MOUV_EXECUTOR_LOOP}; /* a worker reads when it has sent */
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(mock_server_uri(mock), &opts, NULL);
    mock_server_script(mock, "ping", &(mock_script_t){.rewrite = measure_answer});
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    mock_server_script(
        mock, "ping",
        &(mock_script_t){.rewrite = answer_twice, .slice_bytes = first_bytes, .slice_ms = 5});
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK_INT(await(t, insert_megabytes(client, 47)), MOUV_ENETWORK);
    CHECK_CONTAINS(t->error.message, "before all of the command had been sent");
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    return 0;
}

/* --- Many ------------------------------------------------------------------------------------ */

/* Where only the framing was changed, the result is the right one or none. Where the document was,
 * nobody can tell a value from another, but it is a result or an error and nothing else. */
static bool is_expected(int kind, int rc, const bson_t *found) {
    if (kind >= GARBLE_FRAMING)
        return rc == 0 || rc == 1 || rc == MOUV_ENETWORK || rc == MOUV_ESERVER;
    return rc == MOUV_ENETWORK || (rc == 1 && bson_has_field(found, "name"));
}

BARE_CASE(two_thousand_changed_answers_do_no_harm) {
    NEEDS_OWN_STREAMS(t);
    enum { COUNT = 2000 };
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(mock_server_uri(mock), NULL, NULL);
    garble_t garble = {0};
    int refused = 0;
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    mock_server_script(mock, "find",
                       &(mock_script_t){.rewrite = garble_answer, .rewrite_arg = &garble});
    for (int i = 0; i < COUNT; i++) {
        AUTO_BSON *found = NULL;
        int rc = mouv_await_for(mouv_collection_find_one(users_of(client), NULL, NULL, &found),
                                5000, &t->error);
        refused += rc == MOUV_ENETWORK;
        if (!is_expected(i % GARBLE_KINDS, rc, found))
            return test_failed(t, __FILE__, __LINE__, "round %d: %d", i, rc);
    }
    CHECK(refused > COUNT / 2);
    mock_server_script(mock, "find", NULL);
    CHECK_INT(await(t, mouv_collection_find_one(users_of(client), NULL, NULL, NULL)), 1);
    return 0;
}

BARE_CASE(answers_that_are_cut_short_fail) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(mock_server_uri(mock), NULL, NULL);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    for (size_t bytes = 1; bytes < 38; bytes += 9) {
        mock_server_script(mock, "ping", &(mock_script_t){.only_bytes = bytes, .then = MOCK_CLOSE});
        CHECK_INT(await(t, mouv_client_ping(client)), MOUV_ENETWORK);
        mock_server_script(mock, "ping", NULL);
        CHECK_INT(await(t, mouv_client_ping(client)), 0);
    }
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        MOCK_TEST(a_bad_answer_fails_its_read_and_says_why),
        MOCK_TEST(a_bad_answer_to_a_write_leaves_its_outcome_unknown),
        MOCK_TEST(other_connections_and_the_servers_standing_are_untouched),
        MOCK_TEST(an_answer_before_all_has_been_sent_is_refused),
        MOCK_TEST(two_thousand_changed_answers_do_no_harm),
        MOCK_TEST(answers_that_are_cut_short_fail),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
