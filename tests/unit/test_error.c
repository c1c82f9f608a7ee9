/* Errors: codes, names, values, and how one error stays whole across calls and tasks. */
#include <limits.h>

#include "../support/async_support.h"

#define LABEL "TransientTransactionError"

static const mouv_error_t rich = {.code = MOUV_ESERVER,
                                  .cause = MOUV_ENETWORK,
                                  .domain = 17,
                                  .server_code = 251,
                                  .code_name = "NoSuchTransaction",
                                  .operation = "find shop.users",
                                  .labels = "RetryableWriteError " LABEL,
                                  .message = "transaction 7 has been aborted"};

static void check_is_rich(const mouv_error_t *error) {
    CHECK_INT(error->code, rich.code);
    CHECK_INT(error->cause, rich.cause);
    CHECK_INT(error->domain, rich.domain);
    CHECK_INT(error->server_code, rich.server_code);
    CHECK_STRING(error->code_name, rich.code_name);
    CHECK_STRING(error->operation, rich.operation);
    CHECK_STRING(error->labels, rich.labels);
    CHECK_STRING(error->message, rich.message);
}

/* --- Codes ---------------------------------------------------------------------------------- */

static const struct {
    int code;
    const char *name, *message;
} codes[] = {
#define ROW(name, number, text) {MOUV_##name, "MOUV_" #name, text},
    MOUV_ERROR_MAP(ROW)
#undef ROW
};
#define CODES (sizeof codes / sizeof *codes)

static void every_code_has_its_name_and_its_message(void **state) {
    (void)state;
    for (size_t i = 0; i < CODES; i++) {
        assert_string_equal(mouv_error_name(codes[i].code), codes[i].name);
        assert_string_equal(mouv_error_message(codes[i].code), codes[i].message);
    }
}

static void codes_differ_and_lie_in_their_range(void **state) {
    (void)state;
    for (size_t i = 0; i < CODES; i++) {
        assert_true(-codes[i].code >= 20001 && -codes[i].code <= 20999);
        for (size_t j = 0; j < i; j++) assert_int_not_equal(codes[i].code, codes[j].code);
    }
}

static void zero_is_ok_and_other_numbers_are_user_errors(void **state) {
    (void)state;
    assert_string_equal(mouv_error_name(0), "MOUV_OK");
    const int users[] = {-1, -5, -20000, -20999, -21000, INT_MIN};
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        assert_string_equal(mouv_error_name(users[i]), "user error");
        assert_non_null(mouv_error_message(users[i]));
    }
}

static void version_is_that_of_the_header(void **state) {
    (void)state;
    assert_string_equal(mouv_version(), MOUV_VERSION);
}

/* --- mouv_error_set ------------------------------------------------------------------------- */

static void set_fills_returns_the_code_and_clears_other_fields(void **state) {
    (void)state;
    mouv_error_t error = rich;
    assert_int_equal(mouv_error_set(&error, -7, "no user %d of %s", 3, "us"), -7);
    mouv_error_t expected = {.code = -7, .message = "no user 3 of us"};
    assert_string_equal(error.message, expected.message);
    assert_int_equal(error.code, -7);
    assert_int_equal(error.cause, 0);
    assert_int_equal(error.domain, 0);
    assert_int_equal(error.server_code, 0);
    assert_string_equal(error.code_name, "");
    assert_string_equal(error.operation, "");
    assert_string_equal(error.labels, "");
}

static void set_accepts_null(void **state) {
    (void)state;
    assert_int_equal(mouv_error_set(NULL, MOUV_EINVAL, "%s", "unseen"), MOUV_EINVAL);
}

static void a_format_that_is_null_is_told(void **state) {
    (void)state;
    mouv_error_t error;
    const char *volatile none = NULL; /* or compilers refuse it */
    assert_int_equal(mouv_error_set(&error, MOUV_EINVAL, none), MOUV_EINVAL);
    assert_string_equal(error.message, "(no message)");
    assert_int_equal(mouv_fail(-5, none), -5);
}

static void set_cuts_a_long_message(void **state) {
    (void)state;
    char text[2000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    mouv_error_t error;
    mouv_error_set(&error, -1, "%s", text);
    size_t length = strlen(error.message);
    assert_true(length >= 400 && length <= sizeof error.message - 1);
}

static void set_makes_one_line_of_a_message(void **state) {
    (void)state;
    mouv_error_t error;
    mouv_error_set(&error, MOUV_EINVAL, "cannot parse:\nan integer\r\n");
    CHECK_STRING(error.message, "cannot parse: an integer");
}

/* Words around an error's own: the usual "%s: %s". */
static void a_message_may_be_made_of_itself(void **state) {
    (void)state;
    mouv_error_t error = rich;
    mouv_error_set(&error, error.code, "%s: %s (%s)", error.operation, error.message,
                   error.code_name);
    CHECK_STRING(error.message,
                 "find shop.users: transaction 7 has been aborted (NoSuchTransaction)");
    CHECK_INT(error.code, MOUV_ESERVER);
    CHECK_INT(error.server_code, 0);
}

static void a_message_that_is_empty_is_told(void **state) {
    (void)state;
    mouv_error_t error;
    mouv_error_set(&error, -5, "\n");
    CHECK_STRING(error.message, "(no message)");
}

static void a_long_message_ends_with_a_whole_character(void **state) {
    (void)state;
    char text[1000] = "";
    mouv_error_t error;
    for (int i = 0; i < 300; i++) strcat(text, "\xe2\x82\xac");
    for (int shift = 0; shift < 3; shift++) {
        mouv_error_set(&error, -5, "%.*s%s", shift, "ab", text);
        assert_true(bson_utf8_validate(error.message, strlen(error.message), false));
        assert_in_range(strlen(error.message), sizeof error.message - 4, sizeof error.message - 1);
    }
}

static void a_server_s_longest_name_for_a_code_has_room(void **state) {
    (void)state;
    mouv_error_t error;
    assert_true(sizeof error.code_name >
                strlen("ReshardingCoordinatorServiceConflictingOperationInProgress"));
}

static int fails_with(void *text) {
    return mouv_fail(-5, "%s", (const char *)text);
}

CORO_CASE(mouv_fail_makes_one_line_of_whole_characters) {
    char text[1000] = "";
    mouv_error_t error;
    for (int i = 0; i < 300; i++) strcat(text, "\xe2\x82\xac");
    CHECK_INT(mouv_await(mouv_task(fails_with, text), &error), -5);
    CHECK(bson_utf8_validate(error.message, strlen(error.message), false));
    CHECK_INT(mouv_await(mouv_task(fails_with, (char *)"two\nlines\n"), &error), -5);
    CHECK_STRING(error.message, "two lines");
    return 0;
}

/* --- Labels and duplicate keys -------------------------------------------------------------- */

static void label_is_found_wherever_it_stands(void **state) {
    (void)state;
    mouv_error_t error = {.code = -1, .labels = "One Two Three"};
    assert_true(mouv_error_has_label(&error, "One"));
    assert_true(mouv_error_has_label(&error, "Two"));
    assert_true(mouv_error_has_label(&error, "Three"));
}

static void part_of_a_label_is_not_the_label(void **state) {
    (void)state;
    mouv_error_t error = {.code = -1, .labels = "OneTwo Three"};
    const char *parts[] = {"One", "Two", "Thre", "hree", "OneTwo Three", "one", "", " ", "Four"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        assert_false(mouv_error_has_label(&error, parts[i]));
}

static void label_of_nothing_is_false(void **state) {
    (void)state;
    mouv_error_t error = {0};
    assert_false(mouv_error_has_label(NULL, LABEL));
    assert_false(mouv_error_has_label(&error, LABEL));
    assert_false(mouv_error_has_label(&rich, NULL));
}

static void duplicate_key_is_told_by_three_codes(void **state) {
    (void)state;
    const int32_t yes[] = {11000, 11001, 12582}, no[] = {0, 251, 11002};
    for (size_t i = 0; i < 3; i++) {
        mouv_error_t error = {.code = MOUV_ESERVER, .server_code = yes[i]};
        assert_true(mouv_error_is_duplicate_key(&error));
        error.server_code = no[i];
        assert_false(mouv_error_is_duplicate_key(&error));
    }
    assert_false(mouv_error_is_duplicate_key(NULL));
}

static void a_timeout_is_told_by_code_or_by_cause(void **state) {
    (void)state;
    const struct {
        int code, cause;
        bool timeout;
    } errors[] = {
        {MOUV_ETIMEDOUT, 0, true},
        {MOUV_ETIMEDOUT, MOUV_ECANCELED, true},
        {MOUV_EUNKNOWN, MOUV_ETIMEDOUT, true},
        {MOUV_ESERVER, MOUV_ETIMEDOUT, true},
        {MOUV_EUNKNOWN, MOUV_ENETWORK, false},
        {MOUV_ESERVER, 0, false},
        {MOUV_ECANCELED, MOUV_ETIMEDOUT, true}, /* inside a scope whose time is over */
        {MOUV_ECANCELED, 0, false},
        {MOUV_ETIMEDOUT, MOUV_ESERVER, true},
        {MOUV_ESELECTION, 0, false},
        {0, 0, false},
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        mouv_error_t error = {.code = errors[i].code, .cause = errors[i].cause};
        assert_int_equal(mouv_error_is_timeout(&error), errors[i].timeout);
    }
    assert_false(mouv_error_is_timeout(NULL));
}

/* --- mouv_fail ------------------------------------------------------------------------------ */

static void fail_outside_a_coroutine_only_returns_the_code(void **state) {
    (void)state;
    assert_int_equal(mouv_fail(-5, "nobody %s", "listens"), -5);
    assert_int_equal(mouv_fail_with(&rich), rich.code);
}

static void fail_with_nothing_is_refused(void **state) {
    (void)state;
    assert_true(mouv_fail_with(NULL) < 0);
}

static int no_user(void *id) {
    return mouv_fail(-5, "no user %d", *(int *)id);
}

static int fail_rich(void *arg) {
    (void)arg;
    return mouv_fail_with(&rich);
}

static void check_no_user(int rc, const mouv_error_t *error) {
    CHECK_INT(rc, -5);
    CHECK_INT(error->code, -5);
    CHECK_STRING(error->message, "no user 7");
}

CORO_CASE(message_of_fail_reaches_the_awaiter_of_a_coroutine) {
    int id = 7;
    mouv_error_t error;
    check_no_user(mouv_await(mouv_coro(no_user, &id), &error), &error);
    return 0;
}

CORO_CASE(message_of_fail_reaches_the_awaiter_of_a_task) {
    int id = 7;
    mouv_error_t error;
    check_no_user(mouv_await(mouv_task(no_user, &id), &error), &error);
    return 0;
}

static void message_of_fail_reaches_the_caller_of_run(void **state) {
    (void)state;
    int id = 7;
    mouv_error_t error;
    check_no_user(mouv_run(no_user, &id, &error), &error);
}

CORO_CASE(whole_error_survives_fail_with) {
    mouv_error_t error;
    CHECK_INT(mouv_await(mouv_task(fail_rich, NULL), &error), MOUV_ESERVER);
    check_is_rich(&error);
    CHECK(mouv_error_has_label(&error, LABEL));
    return 0;
}

/* A body that awaits another with no error of its own in hand and returns the code. */
static int pass_on_from_task(void *arg) {
    int rc = mouv_await(mouv_task(fail_rich, arg), NULL);
    return rc;
}

static int pass_on_from_coro(void *arg) {
    return mouv_await(mouv_coro(pass_on_from_task, arg), NULL);
}

CORO_CASE(whole_error_survives_several_bodies_that_return_its_code) {
    mouv_error_t error;
    CHECK_INT(mouv_await(mouv_task(pass_on_from_coro, NULL), &error), MOUV_ESERVER);
    check_is_rich(&error);
    return 0;
}

CORO_CASE(whole_error_survives_gather) {
    mouv_error_t error;
    mouv_future_t all = mouv_gather(mouv_task(pass_on_from_coro, NULL));
    CHECK_INT(mouv_await(all, &error), MOUV_ESERVER);
    check_is_rich(&error);
    return 0;
}

CORO_CASE(whole_error_survives_wait_for_and_shield) {
    mouv_error_t error;
    mouv_future_t one = mouv_wait_for(mouv_task(fail_rich, NULL), 5000);
    CHECK_INT(mouv_await(one, &error), MOUV_ESERVER);
    check_is_rich(&error);
    memset(&error, 0, sizeof error);
    mouv_future_t two = mouv_shield(mouv_task(fail_rich, NULL));
    CHECK_INT(mouv_await_for(two, 5000, &error), MOUV_ESERVER);
    check_is_rich(&error);
    return 0;
}

static int other_error_afterwards(void *arg) {
    int rc = mouv_await(mouv_task(fail_rich, arg), NULL);
    mouv_fail(-6, "not this text");
    return rc;
}

CORO_CASE(last_error_of_another_code_is_not_taken) {
    mouv_error_t error = {0};
    CHECK_INT(mouv_await(mouv_task(other_error_afterwards, NULL), &error), MOUV_ESERVER);
    CHECK_INT(error.code, MOUV_ESERVER);
    CHECK(error.message[0] != '\0');
    CHECK(!strstr(error.message, "not this text"));
    return 0;
}

static int recovers(void *arg) {
    mouv_await(mouv_task(fail_rich, arg), NULL);
    return 0;
}

CORO_CASE(error_is_left_alone_on_success) {
    mouv_error_t error = {.code = 77, .message = "untouched"};
    CHECK_INT(mouv_await(mouv_task(recovers, NULL), &error), 0);
    CHECK_INT(error.code, 77);
    CHECK_STRING(error.message, "untouched");
    return 0;
}

static int bare_code(void *code) {
    return *(int *)code;
}

CORO_CASE(code_without_a_message_gets_one) {
    const int all[] = {-5, MOUV_EINVAL, INT_MIN, -20999};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int code = all[i];
        mouv_error_t error = {0};
        CHECK_INT(mouv_await(mouv_task(bare_code, &code), &error), code);
        CHECK_INT(error.code, code);
        CHECK(error.message[0] != '\0');
        CHECK_INT(error.server_code, 0);
        CHECK_STRING(error.labels, "");
    }
    return 0;
}

CORO_CASE(code_of_mouv_without_a_message_gets_its_standard_text) {
    int code = MOUV_ECLOSED;
    mouv_error_t error = {0};
    CHECK_INT(mouv_await(mouv_task(bare_code, &code), &error), MOUV_ECLOSED);
    CHECK_CONTAINS(error.message, mouv_error_message(MOUV_ECLOSED));
    return 0;
}

CORO_CASE(tasks_do_not_share_their_last_error) {
    int id = 7, code = -5;
    mouv_error_t first = {0}, second = {0};
    mouv_future_t a = mouv_task(no_user, &id), b = mouv_task(bare_code, &code);
    check_no_user(mouv_await(a, &first), &first);
    CHECK_INT(mouv_await(b, &second), -5);
    CHECK(!strstr(second.message, "no user"));
    return 0;
}

static int await_of_nothing(void *arg) {
    (void)arg;
    return mouv_await(stale_zero, NULL);
}

CORO_CASE(failed_call_of_mouv_is_the_last_error) {
    mouv_error_t direct = {0}, through = {0};
    CHECK_INT(mouv_await(stale_zero, &direct), MOUV_EINVAL);
    CHECK_INT(mouv_await(mouv_task(await_of_nothing, NULL), &through), MOUV_EINVAL);
    CHECK_STRING(through.message, direct.message);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(every_code_has_its_name_and_its_message),
        TEST(codes_differ_and_lie_in_their_range),
        TEST(zero_is_ok_and_other_numbers_are_user_errors),
        TEST(version_is_that_of_the_header),
        TEST(set_fills_returns_the_code_and_clears_other_fields),
        TEST(set_accepts_null),
        TEST(a_format_that_is_null_is_told),
        TEST(set_cuts_a_long_message),
        TEST(set_makes_one_line_of_a_message),
        TEST(a_message_may_be_made_of_itself),
        TEST(a_message_that_is_empty_is_told),
        TEST(a_long_message_ends_with_a_whole_character),
        TEST(a_server_s_longest_name_for_a_code_has_room),
        TEST(mouv_fail_makes_one_line_of_whole_characters),
        TEST(label_is_found_wherever_it_stands),
        TEST(part_of_a_label_is_not_the_label),
        TEST(label_of_nothing_is_false),
        TEST(duplicate_key_is_told_by_three_codes),
        TEST(a_timeout_is_told_by_code_or_by_cause),
        TEST(fail_outside_a_coroutine_only_returns_the_code),
        TEST(message_of_fail_reaches_the_awaiter_of_a_coroutine),
        TEST(message_of_fail_reaches_the_awaiter_of_a_task),
        TEST(message_of_fail_reaches_the_caller_of_run),
        TEST(whole_error_survives_fail_with),
        TEST(whole_error_survives_several_bodies_that_return_its_code),
        TEST(whole_error_survives_gather),
        TEST(whole_error_survives_wait_for_and_shield),
        TEST(last_error_of_another_code_is_not_taken),
        TEST(error_is_left_alone_on_success),
        TEST(code_without_a_message_gets_one),
        TEST(code_of_mouv_without_a_message_gets_its_standard_text),
        TEST(tasks_do_not_share_their_last_error),
        TEST(failed_call_of_mouv_is_the_last_error),
        TEST(fail_with_nothing_is_refused),
    };
    return RUN_CASES(cases);
}
