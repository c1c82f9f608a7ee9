/*
 * Whether a file is one of MongoDB's unified test format: the format's JSON schema, on BSON.
 * libbson only; nothing here knows mouv.
 */
#ifndef MOUV_TESTS_SPEC_SCHEMA_H
#define MOUV_TESTS_SPEC_SCHEMA_H

#include <stdbool.h>

#include <bson/bson.h>

/** The newest version of the format that is known; 1.0 to this one are accepted. */
#define SPEC_SCHEMA_VERSION_MAJOR 1
#define SPEC_SCHEMA_VERSION_MINOR 28
#define SPEC_SCHEMA_VERSION "1.28"

/**
 * Whether `file` conforms to the schema and is of a known version. If not, `*why` says what is
 * wrong where, "tests[0].operations[1]: unknown key 'foo'", to be released with free(); else it is
 * left as it was.
 */
bool spec_schema_check(const bson_t *file, char **why);

#endif
