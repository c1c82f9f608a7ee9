/*
 * Operations on a session.
 */
#include "spec/operations.h"
#include "spec/transaction_options.h"
#include "spec/view.h"

static bool start_transaction(spec_call_t *call) {
    spec_transaction_options_t options;
    mouv_error_t error;
    call->test->transactions = true;
    if (!spec_transaction_options_read(call->test, call->arguments, &options)) return false;
    mouv_session_t *session = call->object->is.session;
    if (mouv_session_start_transaction(session, &options.opts, &error) < 0) {
        spec_failed(call, &error);
    }
    spec_transaction_options_clear(&options);
    return true;
}

static bool commit_transaction(spec_call_t *call) {
    spec_await(call,
               mouv_session_commit_transaction_with_opts(call->object->is.session, call->opts));
    return true;
}

static bool abort_transaction(spec_call_t *call) {
    spec_await(call,
               mouv_session_abort_transaction_with_opts(call->object->is.session, call->opts));
    return true;
}

static bool end_session(spec_call_t *call) {
    mouv_session_end(call->object->is.session);
    spec_client_settle(call->object->client);
    return true;
}

/* --- withTransaction ------------------------------------------------------------------------- */

/** What a callback of the test returns when the runner itself is at its end. */
#define GIVEN_UP (-1)

typedef struct callback {
    spec_test_t *test;
    bson_t operations;
} callback_t;

/** Errors of its operations go on to mouv_with_transaction(), also those that were expected. */
static int run_callback(mouv_session_t *session, void *arg) {
    callback_t *callback = arg;
    bson_t operation;
    bson_iter_t iter;
    mouv_error_t error;
    (void)session;
    bson_iter_init(&iter, &callback->operations);
    for (int index = 0; bson_iter_next(&iter); index++) {
        spec_document_at(&iter, &operation);
        if (!spec_operation_run_with(callback->test, &operation, &error)) {
            spec_locate(callback->test, "operation %d (%s)", index,
                        spec_string(&operation, "name"));
            return GIVEN_UP;
        }
        if (error.code < 0) return mouv_fail_with(&error);
    }
    return 0;
}

static bool with_transaction(spec_call_t *call) {
    callback_t callback = {.test = call->test};
    spec_transaction_options_t options;
    mouv_error_t error;
    call->test->transactions = true;
    bool ok = spec_need_document(call, "callback", &callback.operations) &&
              spec_transaction_options_read(call->test, call->arguments, &options);
    if (ok) {
        int rc = mouv_with_transaction(call->object->is.session, run_callback, &callback,
                                       &options.opts, &error);
        if (rc < 0) spec_failed(call, &error);
        spec_transaction_options_clear(&options);
    }
    return ok && !call->test->failed;
}

#define TRANSACTION_ARGUMENTS "maxCommitTimeMS readConcern readPreference timeoutMS writeConcern "

const spec_operation_t spec_session_operations[] = {
    {"abortTransaction", abort_transaction, "", "timeoutMS"},
    {"commitTransaction", commit_transaction, "", "timeoutMS"},
    {"endSession", end_session, "", ""},
    {"startTransaction", start_transaction, TRANSACTION_ARGUMENTS, ""},
    {"withTransaction", with_transaction, TRANSACTION_ARGUMENTS "callback", ""},
    {NULL, NULL, NULL, NULL},
};
