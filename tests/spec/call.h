/*
 * One operation of a test on its way: its arguments as mouv's options, and what it comes to. The
 * tables of operations are in operations.h.
 */
#ifndef MOUV_TESTS_SPEC_CALL_H
#define MOUV_TESTS_SPEC_CALL_H

#include <stdbool.h>

#include <bson/bson.h>
#include <mouv/mouv.h>

#include "spec/entities.h"
#include "spec/test.h"

typedef struct spec_call spec_call_t;

/**
 * Carries the operation out. False only if the runner could not (the test has failed then); an
 * error of the operation itself is an outcome.
 */
typedef bool (*spec_operation_fn_t)(spec_call_t *call);

typedef struct spec_operation {
    const char *name;
    spec_operation_fn_t run;
    const char *own;     /**< arguments that the function reads itself, separated by blanks */
    const char *options; /**< arguments that go to call->opts, likewise */
} spec_operation_t;

struct spec_call {
    spec_test_t *test;
    const spec_operation_t *operation;
    spec_entity_t *object;   /**< NULL: testRunner */
    const bson_t *arguments; /**< maybe empty */
    bson_t *opts;            /**< of arguments: as mouv's opts */

    /* --- what it came to --- */
    int rc; /**< negative: it failed with `error` */
    mouv_error_t error;
    bson_t *reply; /**< mouv's own account of a failed write, or NULL */
    bool has_result;
    bool rows;           /**< `result` is an array of root-level documents */
    bson_value_t result; /**< owned, if there is one */
    spec_entity_t made;  /**< a cursor or change stream, to be saved; kind SPEC_KINDS: none */
};

/* --- Arguments ------------------------------------------------------------------------------- */

/** Fills call->opts; fails the test for an argument that the operation does not know. */
bool spec_call_read(spec_call_t *call);

/** Appends one argument as mouv's opts have it: session, readPreference, writeConcern, ... */
bool spec_append_option(spec_test_t *test, const bson_iter_t *iter, bson_t *opts);

/** All fields of `given` likewise; a new document, NULL with the test failed. */
bson_t *spec_options(spec_test_t *test, const bson_t *given);

/* What an operation must have: false or NULL, and the test failed, where it has not. */
bool spec_need_document(spec_call_t *call, const char *name, bson_t *view);
const char *spec_need_string(spec_call_t *call, const char *name);
const bson_value_t *spec_need_value(spec_call_t *call, const char *name, bson_iter_t *iter);

/** The document of this name, or an empty one. */
const bson_t *spec_may_document(const spec_call_t *call, const char *name, bson_t *view);

/* --- Outcomes -------------------------------------------------------------------------------- */

/** Awaits: whether it succeeded. */
bool spec_await(spec_call_t *call, mouv_future_t future);

/** Notes an error of mouv that did not come with a future. */
void spec_failed(spec_call_t *call, const mouv_error_t *error);

/* Each notes a result; those that take a document or list free it. All return true. */
bool spec_result_value(spec_call_t *call, const bson_value_t *value);
bool spec_result_document(spec_call_t *call, bson_t *document);
bool spec_result_array(spec_call_t *call, bson_t *array);
bool spec_result_rows(spec_call_t *call, bson_t *array);
bool spec_result_int(spec_call_t *call, int64_t number);
bool spec_result_string(spec_call_t *call, const char *string);
bool spec_result_names(spec_call_t *call, char **names);

/** Notes the reply of a write that has been awaited, and takes it: as the result, or beside the
 *  error. */
bool spec_note_write(spec_call_t *call, bson_t *reply);

/** Awaits a write and notes its reply. */
bool spec_take_write(spec_call_t *call, mouv_future_t future, bson_t **reply);

/** Awaits a read of one document: the document or null. */
bool spec_take_document(spec_call_t *call, mouv_future_t future, bson_t **document);

/** All documents of a cursor, which it releases. */
bool spec_take_rows(spec_call_t *call, mouv_cursor_t *cursor);

void spec_call_clear(spec_call_t *call);

#endif
