/*
 * The tables of operations, one for each kind of entity, and how an operation is run and judged. A
 * new operation is one row, with the names of its arguments.
 */
#ifndef MOUV_TESTS_SPEC_OPERATIONS_H
#define MOUV_TESTS_SPEC_OPERATIONS_H

#include "spec/call.h"

/** Each ends with a row without a name. */
extern const spec_operation_t spec_client_operations[];
extern const spec_operation_t spec_database_operations[];
extern const spec_operation_t spec_collection_operations[];
extern const spec_operation_t spec_collection_writes[];
extern const spec_operation_t spec_index_operations[];
extern const spec_operation_t spec_session_operations[];
extern const spec_operation_t spec_bucket_operations[];
extern const spec_operation_t spec_cursor_operations[];
extern const spec_operation_t spec_change_stream_operations[];
extern const spec_operation_t spec_runner_operations[];
extern const spec_operation_t spec_thread_operations[];

/** What operations of all kinds that read may have. */
#define SPEC_COMMON_OPTIONS "comment maxTimeMS rawData session timeoutMS "

/** What createChangeStream may have beside its pipeline. */
#define SPEC_STREAM_OPTIONS \
    SPEC_COMMON_OPTIONS \
    "batchSize collation fullDocument fullDocumentBeforeChange maxAwaitTimeMS readConcern " \
    "readPreference resumeAfter showExpandedEvents startAfter startAtOperationTime"

/** Sees to it that the server has a cursor for the stream, which the call then has made. */
bool spec_open_stream(spec_call_t *call, mouv_change_stream_t *stream);

/** Sees to it that a cursor's first command has been answered; the call has made it then. */
bool spec_open_cursor(spec_call_t *call, mouv_cursor_t *cursor);

/** Runs the operation that a test describes and checks what it expects of it. */
bool spec_operation_run(spec_test_t *test, const bson_t *definition);

/**
 * The same, and the error of the operation, also of one that was expected, in `error` (code 0:
 * none): callbacks of withTransaction hand it on.
 */
bool spec_operation_run_with(spec_test_t *test, const bson_t *definition, mouv_error_t *error);

/** Ends loops (the operation `loop`) for good; may be called by a signal handler. */
void spec_loops_stop(void);

/** Runs all of an array until one fails. */
bool spec_operations_run(spec_test_t *test, const bson_t *definitions);

/** Whether an error is as `expected` (expectError) says. */
bool spec_error_check(spec_call_t *call, const bson_t *expected);

/** Whether the test's expectEvents are met. */
bool spec_events_check(spec_test_t *test);

/** How many events of a client match {commandStartedEvent: {...}}; below 0: no such event. */
int64_t spec_events_count(spec_test_t *test, const spec_events_t *events, const bson_t *expected);

/** Whether a result matches; of rows each document may have more fields than expected. */
bool spec_result_check(spec_call_t *call, const bson_value_t *expected);

/** Fails the test with `why` unless `actual` (NULL: nothing) matches. */
bool spec_match_or_fail(spec_test_t *test, const char *what, const bson_value_t *expected,
                        const bson_value_t *actual, bool root);

#endif
