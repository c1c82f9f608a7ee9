/*
 * What the tests of GridFS share: files of numbered bytes in chunks of 1,000.
 */
#ifndef MOUV_TESTS_GRIDFS_SUPPORT_H
#define MOUV_TESTS_GRIDFS_SUPPORT_H

#include "support/support.h"

enum { CHUNK = 1000 };

/** A byte that differs from chunk to chunk, and within them. */
uint8_t byte_at(size_t i);

/** "fs" with chunks of CHUNK bytes. */
mouv_gridfs_bucket_t *bucket_of(test_t *t);

/** A collection of the case's database: "fs.files", "fs.chunks". */
mouv_collection_t *part(test_t *t, const char *name);

int64_t count(test_t *t, const char *collection, const char *filter);

bson_value_t int_id(int id);

/** Stores `size` bytes under a number, as "a file", written in parts of `step`. */
int store(test_t *t, mouv_gridfs_bucket_t *bucket, int id, size_t size, size_t step);

/** Reads a stream to its end in parts of `step`: how many bytes, -1 if wrong ones, or an error. */
int64_t drain(test_t *t, mouv_gridfs_download_t *download, size_t step);

/** drain() of the file with this number. */
int64_t fetch(test_t *t, mouv_gridfs_bucket_t *bucket, int id, size_t step);

/**
 * Stores 3.5 chunks as number 1, breaks them (an update that inserts if need be; NULL: deletes) and
 * gives what reading says.
 */
int64_t read_broken(test_t *t, const char *collection, const char *filter, const char *update);

#endif
