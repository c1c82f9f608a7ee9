/*
 * What the files of GridFS share. All of it is coroutine code over the public operations.
 */
#ifndef MOUV_MONGO_GRIDFS_GRIDFS_H
#define MOUV_MONGO_GRIDFS_GRIDFS_H

#include <stdbool.h>

#include <mouv/gridfs_file.h>
#include <mouv/scope.h>

enum {
    MOUV__GRIDFS_CHUNK_BYTES = 255 * 1024,
    MOUV__GRIDFS_BATCH_BYTES = 1024 * 1024, /* what goes over the wire at once, in whole chunks */
    MOUV__GRIDFS_BATCH_CHUNKS = 128,        /* and at most so many */
    MOUV__GRIDFS_BATCH_FILES = 1000,        /* that are deleted at once */
    MOUV__GRIDFS_CLEANUP_MS = 10000         /* how long a cancelled task cleans up */
};

struct mouv_gridfs_bucket {
    mouv_client_t *client;             /* counted */
    mouv_collection_t *files, *chunks; /* NULL if `refused` */
    char *name;
    int32_t chunk_size;
    uint32_t references;
    int64_t timeout_ms;   /* timeoutMS, see timeout.h: its own or the database's */
    bool indexed;         /* they have been seen or made */
    mouv_error_t refused; /* what is wrong with the opts, or 0 */
};

/** The drivers' errors of GridFS: MOUV_ESERVER with this name. Gives MOUV_ESERVER. */
int mouv__gridfs_fail(mouv_error_t *error, const char *code_name, const char *format, ...)
    MOUV_PRINTF(3, 4);

/** A coroutine, a good bucket: 0. */
int mouv__gridfs_may(const mouv_gridfs_bucket_t *bucket, const char *call, mouv_error_t *error);

/** 0, or MOUV_ECANCELED where the caller's task or scope has been cancelled. */
int mouv__gridfs_not_refused(mouv_error_t *error);

/** When a call or stream that begins now is over: by mouv_now_ms(), or MOUV_FOREVER. */
int64_t mouv__gridfs_until_ms(int64_t timeout_ms);

/** Begins the scope of a call, until then; its end is mouv_timeout_end(). */
void mouv__gridfs_begin(mouv_scope_t *scope, int64_t until_ms);

/** What is left until then, at most `limit_ms`: for a shield against a cancel. */
int64_t mouv__gridfs_left_ms(int64_t until_ms, int64_t limit_ms);

/** timeoutMS in `opts`: 0, or MOUV_EINVAL. */
int mouv__gridfs_timeout(const bson_iter_t *option, int64_t *timeout_ms, mouv_error_t *error);

/** Records a kept error and gives it to `error`, which may be NULL. */
int mouv__gridfs_give(const mouv_error_t *kept, mouv_error_t *error);

/** Makes the indexes of an empty bucket. Suspends. */
int mouv__gridfs_ensure_indexes(mouv_gridfs_bucket_t *bucket, mouv_error_t *error);

/** `chunkSizeBytes` of opts: 0, or MOUV_EINVAL. */
int mouv__gridfs_chunk_size(const bson_iter_t *option, int32_t *chunk_size, mouv_error_t *error);

/** `disableMD5` of opts, which asks for what is so anyway: 0, or MOUV_EINVAL. */
int mouv__gridfs_no_md5(const bson_iter_t *option, mouv_error_t *error);

/** How many chunks of this size make a batch. */
uint32_t mouv__gridfs_batch(int64_t chunk_size);

/** {field: value} */
bson_t *mouv__gridfs_by(const char *field, const bson_value_t *value);

/** A copy on mouv's heap; NULL for NULL or without memory. */
char *mouv__gridfs_copy(const char *text);

#endif
