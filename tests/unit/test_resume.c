/*
 * Where a change stream goes on when its cursor has gone, and what it survives.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "mongo/cursor/resume.h"

enum { LABELS = 9, NO_LABELS = 8, NO_START_AT = 6 }; /* wire versions: 4.4, 4.2, 3.6 */

static mouv__resume_t resume_of(bson_t *given, bool whole_deployment) {
    mouv__resume_t resume = {0};
    mouv__opts_t opts;
    mouv_error_t error;
    assert_int_equal(
        mouv__opts_read(&opts, MOUV__FAMILY_CURSOR | MOUV__FAMILY_STREAM, given, &error), 0);
    mouv__resume_init(&resume, &opts, whole_deployment);
    bson_destroy(given);
    return resume;
}

/** The pipeline's first stage is {$changeStream: <expected>}. */
static void assert_stage(const mouv__resume_t *resume, bool first, bson_t *expected) {
    bson_t *pipeline = bson_new(),
           *whole = BCON_NEW("0", "{", "$changeStream", BCON_DOCUMENT(expected), "}");
    mouv__resume_append(resume, first, pipeline);
    char *is = bson_as_canonical_extended_json(pipeline, NULL);
    char *should = bson_as_canonical_extended_json(whole, NULL);
    assert_string_equal(is, should);
    bson_free(is);
    bson_free(should);
    bson_destroy(pipeline);
    bson_destroy(whole);
    bson_destroy(expected);
}

static bson_t *token(const char *name) {
    return BCON_NEW("_data", BCON_UTF8(name));
}

/** {<field>: {_data: name}} */
static bson_t *with_token(const char *field, const char *name) {
    return BCON_NEW(field, "{", "_data", BCON_UTF8(name), "}");
}

static bson_t *reply_with(const char *post_batch_token) {
    return BCON_NEW("cursor", "{", "postBatchResumeToken", "{", "_data",
                    BCON_UTF8(post_batch_token), "}", "}", "operationTime", BCON_TIMESTAMP(7, 1));
}

static bool take_event(mouv__resume_t *resume, const char *id, bson_t *reply) {
    bson_t *event = with_token("_id", id);
    bool taken = mouv__resume_take_event(resume, event, reply);
    bson_destroy(event);
    bson_destroy(reply);
    return taken;
}

static void take_empty(mouv__resume_t *resume, bson_t *reply, bool first, int32_t wire_version) {
    mouv__resume_take_empty(resume, reply, first, wire_version);
    bson_destroy(reply);
}

static void assert_token(const mouv__resume_t *resume, const char *name) {
    bson_t *expected = token(name);
    assert_non_null(resume->token);
    assert_true(bson_equal(resume->token, expected));
    bson_destroy(expected);
}

/* --- Where to go on -------------------------------------------------------------------------- */

static void a_stream_begins_as_its_options_say(void **state) {
    (void)state;
    mouv__resume_t resume = resume_of(
        BCON_NEW("fullDocument", "updateLookup", "startAtOperationTime", BCON_TIMESTAMP(5, 2)),
        true);
    assert_null(resume.token);
    assert_stage(&resume, true,
                 BCON_NEW("allChangesForCluster", BCON_BOOL(true), "fullDocument", "updateLookup",
                          "startAtOperationTime", BCON_TIMESTAMP(5, 2)));
    mouv__resume_clear(&resume);
}

static void refused_options_give_no_place(void **state) {
    (void)state;
    mouv__resume_t resume = {0};
    mouv__resume_init(&resume, NULL, true);
    assert_null(resume.token);
    assert_stage(&resume, true, bson_new());
    mouv__resume_clear(&resume);
}

static void a_given_token_counts_before_the_first_answer(void **state) {
    (void)state;
    static const char *const fields[] = {"resumeAfter", "startAfter"};
    for (size_t i = 0; i < 2; i++) {
        mouv__resume_t resume = resume_of(with_token(fields[i], "given"), false);
        assert_token(&resume, "given");
        assert_stage(&resume, true, with_token(fields[i], "given"));
        mouv__resume_clear(&resume);
    }
}

static void the_server_is_told_all_that_was_given_first(void **state) {
    (void)state;
    mouv__resume_t resume = resume_of(BCON_NEW("resumeAfter", "{", "_data", "given", "}",
                                               "startAtOperationTime", BCON_TIMESTAMP(5, 2)),
                                      false);
    assert_stage(&resume, true,
                 BCON_NEW("resumeAfter", "{", "_data", "given", "}", "startAtOperationTime",
                          BCON_TIMESTAMP(5, 2)));
    assert_stage(&resume, false, with_token("resumeAfter", "given"));
    mouv__resume_clear(&resume);
}

static void an_event_within_a_batch_gives_its_own_token(void **state) {
    (void)state;
    mouv__resume_t resume = resume_of(bson_new(), false);
    assert_true(take_event(&resume, "event", NULL));
    assert_token(&resume, "event");
    assert_stage(&resume, false, with_token("resumeAfter", "event"));
    mouv__resume_clear(&resume);
}

static void the_last_event_of_a_batch_gives_the_batch_s_token(void **state) {
    (void)state;
    mouv__resume_t resume = resume_of(bson_new(), false);
    assert_true(take_event(&resume, "event", reply_with("batch")));
    assert_token(&resume, "batch");
    assert_true(take_event(&resume, "later", bson_new())); /* of a server that sends none */
    assert_token(&resume, "later");
    mouv__resume_clear(&resume);
}

static void an_event_without_a_token_is_refused(void **state) {
    (void)state;
    mouv__resume_t resume = resume_of(bson_new(), false);
    bson_t *none = bson_new(), *other = BCON_NEW("_id", BCON_INT32(1));
    assert_false(mouv__resume_take_event(&resume, none, NULL));
    assert_false(mouv__resume_take_event(&resume, other, NULL));
    assert_null(resume.token);
    assert_false(resume.returned);
    bson_destroy(none);
    bson_destroy(other);
    mouv__resume_clear(&resume);
}

static void start_after_is_kept_until_an_event_has_been_given_out(void **state) {
    (void)state;
    mouv__resume_t resume = resume_of(with_token("startAfter", "given"), false);
    take_empty(&resume, reply_with("batch"), true, LABELS);
    assert_stage(&resume, false, with_token("startAfter", "batch"));
    assert_true(take_event(&resume, "event", NULL));
    assert_stage(&resume, false, with_token("resumeAfter", "event"));
    mouv__resume_clear(&resume);
}

static void without_any_token_the_first_answer_s_time_counts(void **state) {
    (void)state;
    mouv__resume_t resume = resume_of(bson_new(), false);
    take_empty(&resume, BCON_NEW("operationTime", BCON_TIMESTAMP(7, 1)), false, LABELS);
    assert_stage(&resume, false, bson_new()); /* a getMore's is none */
    take_empty(&resume, BCON_NEW("operationTime", BCON_TIMESTAMP(7, 1)), true, NO_START_AT);
    assert_stage(&resume, false, bson_new()); /* nor one of a server that does not know it */
    take_empty(&resume, BCON_NEW("operationTime", BCON_TIMESTAMP(7, 1)), true, LABELS);
    take_empty(&resume, BCON_NEW("operationTime", BCON_TIMESTAMP(9, 1)), true, LABELS);
    assert_stage(&resume, false, BCON_NEW("startAtOperationTime", BCON_TIMESTAMP(7, 1)));
    mouv__resume_clear(&resume);
}

static void a_time_is_not_taken_where_there_is_a_token_or_a_place(void **state) {
    (void)state;
    mouv__resume_t resume = resume_of(bson_new(), false);
    take_empty(&resume, reply_with("batch"), true, LABELS);
    assert_stage(&resume, false, with_token("resumeAfter", "batch"));
    assert_true(bson_empty(resume.start));
    mouv__resume_clear(&resume);

    resume = resume_of(BCON_NEW("startAtOperationTime", BCON_TIMESTAMP(5, 2)), false);
    take_empty(&resume, BCON_NEW("operationTime", BCON_TIMESTAMP(7, 1)), true, LABELS);
    assert_stage(&resume, false, BCON_NEW("startAtOperationTime", BCON_TIMESTAMP(5, 2)));
    mouv__resume_clear(&resume);
}

/* --- What is survived ------------------------------------------------------------------------ */

typedef struct failure {
    int code;
    int32_t server_code;
    const char *label;
    bool expired;
    int32_t wire_version;
    bool survived;
} failure_t;

static void errors_survived(void **state) {
    (void)state;
    static const char resumable[] = "ResumableChangeStreamError";
    static const failure_t failures[] = {
        {MOUV_ENETWORK, 0, NULL, false, LABELS, true},
        {MOUV_ESELECTION, 0, NULL, false, LABELS, true},
        {MOUV_ESERVER, MOUV__CODE_CURSOR_NOT_FOUND, NULL, false, LABELS, true},
        {MOUV_ESERVER, MOUV__CODE_CURSOR_NOT_FOUND, NULL, false, NO_LABELS, true},
        /* the label alone counts where servers give it, the code alone where they do not */
        {MOUV_ESERVER, 10107, resumable, false, LABELS, true},
        {MOUV_ESERVER, 1, resumable, false, LABELS, true},
        {MOUV_ESERVER, 10107, NULL, false, LABELS, false},
        {MOUV_ESERVER, 10107, NULL, false, NO_LABELS, true},
        {MOUV_ESERVER, 1, resumable, false, NO_LABELS, false},
        {MOUV_ESERVER, 280, NULL, false, LABELS, false}, /* ChangeStreamFatalError */
        {MOUV_ESERVER, 280, NULL, false, NO_LABELS, false},
        /* the server's time limit is an error of its own, ours is the caller's answer */
        {MOUV_ETIMEDOUT, 262, NULL, false, NO_LABELS, true},
        {MOUV_ETIMEDOUT, 50, resumable, false, LABELS, true},
        {MOUV_ETIMEDOUT, 50, NULL, false, LABELS, false},
        {MOUV_ETIMEDOUT, 262, NULL, true, NO_LABELS, false},
        {MOUV_ECANCELED, 0, NULL, false, LABELS, false},
        {MOUV_EQUEUE, 0, NULL, false, LABELS, false},
        {MOUV_ECLOSED, 0, NULL, false, LABELS, false},
        {MOUV_EINVAL, 0, NULL, false, LABELS, false},
    };
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        const failure_t *failure = &failures[i];
        mouv_error_t error;
        mouv_error_set(&error, failure->code, "why");
        error.server_code = failure->server_code;
        if (failure->label) snprintf(error.labels, sizeof error.labels, "%s", failure->label);
        if (mouv__resume_survives(&error, failure->expired, failure->wire_version) !=
            failure->survived)
            fail_msg("row %zu: code %d, server code %d", i, failure->code, failure->server_code);
    }
}

static void old_servers_codes_are_those_of_the_specification(void **state) {
    (void)state;
    static const int32_t codes[] = {6,   7,   43,   63,    89,    91,    133,   150,   189,
                                    234, 262, 9001, 10107, 11600, 11602, 13388, 13435, 13436};
    size_t next = 0;
    mouv_error_t error;
    mouv_error_set(&error, MOUV_ESERVER, "why");
    for (error.server_code = 0; error.server_code < 20000; error.server_code++) {
        bool expected = next < sizeof codes / sizeof *codes && codes[next] == error.server_code;
        assert_int_equal(mouv__resume_survives(&error, false, NO_LABELS), expected);
        if (expected) next++;
    }
    assert_int_equal(next, sizeof codes / sizeof *codes);
}

static void the_sixth_resume_in_a_row_is_one_too_many(void **state) {
    (void)state;
    mouv__resume_t resume = {0};
    for (int i = 0; i < 5; i++) assert_true(mouv__resume_again(&resume));
    assert_false(mouv__resume_again(&resume));
    resume.count = 0; /* a getMore has been answered */
    assert_true(mouv__resume_again(&resume));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_begins_as_its_options_say),
        cmocka_unit_test(refused_options_give_no_place),
        cmocka_unit_test(a_given_token_counts_before_the_first_answer),
        cmocka_unit_test(the_server_is_told_all_that_was_given_first),
        cmocka_unit_test(an_event_within_a_batch_gives_its_own_token),
        cmocka_unit_test(the_last_event_of_a_batch_gives_the_batch_s_token),
        cmocka_unit_test(an_event_without_a_token_is_refused),
        cmocka_unit_test(start_after_is_kept_until_an_event_has_been_given_out),
        cmocka_unit_test(without_any_token_the_first_answer_s_time_counts),
        cmocka_unit_test(a_time_is_not_taken_where_there_is_a_token_or_a_place),
        cmocka_unit_test(errors_survived),
        cmocka_unit_test(old_servers_codes_are_those_of_the_specification),
        cmocka_unit_test(the_sixth_resume_in_a_row_is_one_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
