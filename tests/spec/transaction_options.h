/*
 * Options of transactions, as sessions and their operations have them.
 */
#ifndef MOUV_TESTS_SPEC_TRANSACTION_OPTIONS_H
#define MOUV_TESTS_SPEC_TRANSACTION_OPTIONS_H

#include <stdbool.h>

#include <bson/bson.h>
#include <mouv/mouv.h>

#include "spec/test.h"

/** mouv's options, and what they point to. */
typedef struct spec_transaction_options {
    mouv_transaction_opts_t opts;
    bson_t *read_concern, *write_concern;
} spec_transaction_options_t;

/** The timeoutMS at `key` as structs of mouv have it, where 0 means that none is given. */
int64_t spec_timeout(const bson_t *given, const char *key);

/** Reads {readConcern, writeConcern, readPreference, maxCommitTimeMS, timeoutMS}. */
bool spec_transaction_options_read(spec_test_t *test, const bson_t *given,
                                   spec_transaction_options_t *options);
void spec_transaction_options_clear(spec_transaction_options_t *options);

#endif
