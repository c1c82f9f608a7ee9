/*
 * The mock server itself, as mouv and as a bare socket see it: each fault that a script can ask
 * for.
 */
/* test: lock=mock-faults */
#include "support/bare_socket.h"
#include "support/mock_case.h"

#include <unistd.h>

static int find_one(test_t *t, mouv_client_t *client) {
    return await(t, mouv_collection_find_one(users_of(client), NULL, NULL, NULL));
}

/* --- As it comes ---------------------------------------------------------------------------- */

BARE_CASE(canned_replies_satisfy_a_client) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(mock_server_uri(mock), NULL, NULL);
    const bson_t *documents[] = {json(t, "{'a': 1}"), json(t, "{'a': 2}"), json(t, "{'a': 3}")};
    AUTO_BSON *found = NULL;
    int64_t number = 0;
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK_INT(await(t, mouv_collection_insert_many(users_of(client), documents, 3, NULL, NULL)), 3);
    CHECK_INT(await(t, mouv_collection_find_one(users_of(client), NULL, NULL, &found)), 1);
    CHECK_DOCUMENT(found, "{'_id': 1, 'name': 'Ada', 'n': 1}");
    CHECK_INT(await(t, mouv_collection_count_documents(users_of(client), NULL, NULL, &number)), 0);
    CHECK_INT(number, 1);
    CHECK_INT(mock_server_count(mock, "insert"), 1);
    CHECK_INT(mock_server_count(mock, "find"), 1);
    return 0;
}

BARE_CASE(a_scripted_error_is_a_servers_error) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(mock_server_uri(mock), NULL, NULL);
    mock_server_reply(mock, "ping", "{'ok': 0, 'code': 13, 'errmsg': 'not today'}");
    CHECK_INT(await(t, mouv_client_ping(client)), MOUV_ESERVER);
    CHECK_INT(t->error.server_code, 13);
    CHECK_CONTAINS(t->error.message, "not today");
    mock_server_script(mock, "ping", NULL);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    return 0;
}

/** libmongoc does so by itself where it has the mechanism. */
BARE_CASE(a_connection_that_has_to_authenticate_anew_is_replaced) {
    if (!test_on_loop()) return test_skip(t, "on the loop");
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(mock_server_uri(mock), NULL, NULL);
    AUTO_BSON *refusal = BCON_NEW("ok", BCON_INT32(0), "code", BCON_INT32(391));
    CHECK_INT(find_one(t, client), 1);
    mock_server_stats_t before, after;
    mock_server_get_stats(mock, &before);
    mock_server_script(mock, "find", &(mock_script_t){.times = 1, .reply = refusal});
    CHECK_INT(find_one(t, client), 1);
    mock_server_get_stats(mock, &after);
    CHECK_INT(after.accepted, before.accepted + 1);
    mock_server_script(mock, "insert", &(mock_script_t){.reply = refusal});
    mouv_collection_t *users = mouv_client_get_collection(client, "app", "users");
    CHECK_INT(await(t, mouv_collection_insert_one(users, json(t, "{}"), NULL, NULL)),
              MOUV_ENETWORK);
    CHECK_CONTAINS(t->error.message, "authenticate anew");
    return 0;
}

BARE_CASE(a_script_can_begin_late_and_end) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(mock_server_uri(mock), NULL, NULL);
    AUTO_BSON *refusal = BCON_NEW("ok", BCON_INT32(0), "code", BCON_INT32(13));
    mock_server_script(mock, "find", &(mock_script_t){.skip = 1, .times = 2, .reply = refusal});
    const int expected[] = {1, MOUV_ESERVER, MOUV_ESERVER, 1};
    for (int i = 0; i < 4; i++) CHECK_INT(find_one(t, client), expected[i]);
    return 0;
}

/* --- Late and slow -------------------------------------------------------------------------- */

BARE_CASE(a_delay_is_kept) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(mock_server_uri(mock), NULL, NULL);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    mock_server_script(mock, "ping", &(mock_script_t){.delay_ms = 60});
    int64_t began = now_ms();
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK(now_ms() - began >= 60);
    return 0;
}

BARE_CASE(slow_bytes_all_come) {
    MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(mock_server_uri(mock), NULL, NULL);
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    /* 38 bytes: 16 of header, 5 of framing, 17 of {ok: 1.0} */
    mock_server_script(mock, "ping", &(mock_script_t){.slice_bytes = 5, .slice_ms = 5});
    int64_t began = now_ms();
    CHECK_INT(await(t, mouv_client_ping(client)), 0);
    CHECK(now_ms() - began >= 7 * 5);
    return 0;
}

BARE_CASE(silence_and_half_a_message_are_waited_for) {
    const mock_script_t scripts[] = {
        {.silent = true}, {.only_bytes = 20}, {.silent = true, .then = MOCK_MUTE}};
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(mock_server_uri(mock), NULL, NULL);
        mock_server_script(mock, "find", &scripts[i]);
        mouv_future_t find = mouv_collection_find_one(users_of(client), NULL, NULL, NULL);
        CHECK_INT(mouv_await_for(find, 100, &t->error), MOUV_ETIMEDOUT);
        /* nobody else can end the worker */
        mock_server_stop(mock);
        mock = mock_server_start(NULL);
        CHECK(mock != NULL);
    }
    return 0;
}

/* --- Cut ------------------------------------------------------------------------------------ */

BARE_CASE(a_cut_connection_fails_the_operation_once_it_is_cut_again) {
    const mock_script_t scripts[] = {{.silent = true, .then = MOCK_CLOSE},
                                     {.silent = true, .then = MOCK_RESET},
                                     {.only_bytes = 20, .then = MOCK_CLOSE},
                                     {.only_bytes = 20, .then = MOCK_RESET}};
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        MOUV_AUTO_CLIENT mouv_client_t *client = mouv_client_new(mock_server_uri(mock), NULL, NULL);
        mock_script_t script = scripts[i];
        mock_server_script(mock, "find", &script);
        CHECK_INT(find_one(t, client), MOUV_ENETWORK);
        uint64_t before = mock_server_count(mock, "find");
        script.times = 1;
        mock_server_script(mock, "find", &script);
        CHECK_INT(find_one(t, client), 1); /* the second attempt */
        CHECK_INT(mock_server_count(mock, "find") - before, 2);
    }
    return 0;
}

/* --- Exact bytes ---------------------------------------------------------------------------- */

enum { PATIENT_MS = 20000 };

static ssize_t ask(uint8_t *reply, size_t wanted) {
    int fd = bare_dial(mock_server_port(mock), PATIENT_MS);
    ssize_t size = bare_ask(fd, reply, wanted);
    close(fd);
    return size;
}

BARE_CASE(a_reply_is_a_whole_message) {
    uint8_t reply[100] = {0};
    CHECK_INT(ask(reply, BARE_REPLY_BYTES), BARE_REPLY_BYTES);
    CHECK_INT(reply[0], BARE_REPLY_BYTES);
    CHECK_INT(reply[8], 7); /* responseTo */
    CHECK(memcmp(reply + 12, bare_ping + 12, 4) == 0);
    return 0;
}

BARE_CASE(given_bytes_go_out_as_they_stand) {
    uint8_t reply[100] = {0};
    mock_server_script(mock, "ping",
                       &(mock_script_t){.bytes = "rubbish", .bytes_size = 7, .then = MOCK_CLOSE});
    CHECK_INT(ask(reply, sizeof reply), 7);
    CHECK(memcmp(reply, "rubbish", 7) == 0);
    return 0;
}

BARE_CASE(a_header_may_claim_what_it_likes) {
    uint8_t reply[100] = {0};
    mock_server_script(mock, "ping", &(mock_script_t){.claimed_size = 0x7fffffff});
    CHECK_INT(ask(reply, BARE_REPLY_BYTES), BARE_REPLY_BYTES);
    CHECK(memcmp(reply, (uint8_t[]){0xff, 0xff, 0xff, 0x7f}, 4) == 0);
    return 0;
}

static size_t append_one(void *arg, uint8_t *message, size_t size, size_t capacity) {
    if (capacity > size) message[size] = *(const uint8_t *)arg;
    return size + 1;
}

BARE_CASE(a_rewriter_has_the_last_word) {
    uint8_t reply[100] = {0}, extra = 42;
    mock_server_script(mock, "ping",
                       &(mock_script_t){.rewrite = append_one, .rewrite_arg = &extra});
    CHECK_INT(ask(reply, BARE_REPLY_BYTES + 1), BARE_REPLY_BYTES + 1);
    CHECK_INT(reply[BARE_REPLY_BYTES], 42);
    return 0;
}

/* --- Decided at each command ---------------------------------------------------------------- */

typedef struct batches {
    bson_t *more, *last;
    int left;
} batches_t;

static void choose_batch(void *arg, const mock_request_t *request, mock_script_t *script) {
    batches_t *batches = arg;
    bool find = strcmp(request->command, "find") == 0;
    if (find) script->reply = batches->more;
    if (strcmp(request->command, "getMore") == 0)
        script->reply = --batches->left > 0 ? batches->more : batches->last;
}

static bson_t *batch(const char *name, int64_t cursor) {
    return BCON_NEW("cursor", "{", name, "[", "{", "_id", BCON_INT32(1), "}", "]", "id",
                    BCON_INT64(cursor), "ns", BCON_UTF8("app.users"), "}", "ok", BCON_DOUBLE(1));
}

BARE_CASE(a_chooser_can_answer_batch_by_batch) {
    AUTO_BSON *list = NULL;
    bson_t *first = batch("firstBatch", 5), *last = batch("nextBatch", 0);
    batches_t batches = {first, last, 1};
    mock_server_t *chosen =
        mock_server_start(&(mock_server_opts_t){.choose = choose_batch, .choose_arg = &batches});
    mouv_client_t *client = mouv_client_new(mock_server_uri(chosen), NULL, NULL);
    mouv_cursor_t *cursor = mouv_collection_find(users_of(client), NULL, NULL);
    int found = mouv_cursor_to_list(cursor, 0, &list, &t->error);
    mouv_cursor_unref(cursor);
    mouv_client_close(client, NULL);
    mouv_client_unref(client);
    mock_server_stop(chosen);
    bson_destroy(first);
    bson_destroy(last);
    CHECK_INT(found, 2);
    return 0;
}

/* --- What it sees --------------------------------------------------------------------------- */

BARE_CASE(a_clients_reset_is_counted) {
    mock_server_stats_t stats = {0};
    uint8_t reply[100];
    CHECK_INT(ask(reply, 10), 10); /* closed with bytes unread: a RST */
    for (int i = 0; i < 500 && stats.open + (stats.reset == 0) > 0; i++) {
        mouv_sleep_ms(10);
        mock_server_get_stats(mock, &stats);
    }
    CHECK_INT(stats.accepted, 1);
    CHECK_INT(stats.reset, 1);
    CHECK_INT(stats.open, 0);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        MOCK_TEST(canned_replies_satisfy_a_client),
        MOCK_TEST(a_scripted_error_is_a_servers_error),
        MOCK_TEST(a_connection_that_has_to_authenticate_anew_is_replaced),
        MOCK_TEST(a_script_can_begin_late_and_end),
        MOCK_TEST(a_delay_is_kept),
        MOCK_TEST(slow_bytes_all_come),
        MOCK_TEST(silence_and_half_a_message_are_waited_for),
        MOCK_TEST(a_cut_connection_fails_the_operation_once_it_is_cut_again),
        MOCK_TEST(a_reply_is_a_whole_message),
        MOCK_TEST(given_bytes_go_out_as_they_stand),
        MOCK_TEST(a_header_may_claim_what_it_likes),
        MOCK_TEST(a_rewriter_has_the_last_word),
        MOCK_TEST(a_chooser_can_answer_batch_by_batch),
        MOCK_TEST(a_clients_reset_is_counted),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
