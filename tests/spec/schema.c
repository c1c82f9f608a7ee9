/*
 * Whether a file is one of MongoDB's unified test format.
 */
#include "spec/schema.h"

bool spec_schema_check(const bson_t *file, char **why) {
    (void)file, (void)why;
    return true;
}
