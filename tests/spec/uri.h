/*
 * The URI of a client entity: that of the server with the entity's own options.
 */
#ifndef MOUV_TESTS_SPEC_URI_H
#define MOUV_TESTS_SPEC_URI_H

#include <bson/bson.h>

#include "spec/text.h"

/**
 * `base` with `options` in place of what it says about the same; with directConnection only the
 * first host is left, and no replicaSet. The caller's to bson_free(); NULL with `why` for a value
 * that no URI can have.
 */
char *spec_uri(const char *base, const bson_t *options, spec_text_t *why);

#endif
