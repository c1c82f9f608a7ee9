/*
 * GridFS from and to the file system: whole files, read and written by the loop's own uv_fs calls.
 * What holds for all of GridFS stands in gridfs.h.
 */
#ifndef MOUV_GRIDFS_FILE_H
#define MOUV_GRIDFS_FILE_H

#include <mouv/gridfs.h>

MOUV_BEGIN_DECLS

/**
 * Stores the file at `path` under `filename`. A cancel waits for the call that runs.
 *
 * `opts`:  `_id`, chunkSizeBytes, metadata, ... as mouv_gridfs_open_upload_stream() has them.
 * `id`:    may be NULL; receives the new file's id, release with bson_value_destroy(). Set on
 *          success only.
 * Errors:  MOUV_ESYSTEM with the path, and libuv's code as `cause`.
 */
MOUV_API MOUV_SUSPENDS int mouv_gridfs_upload_from_file(mouv_gridfs_bucket_t *bucket,
                                                        const char *path, const char *filename,
                                                        const bson_t *opts, bson_value_t *id,
                                                        mouv_error_t *error);

/** The twin; `id` must stay until the future is done. */
MOUV_API MOUV_CHECK_RESULT mouv_future_t
mouv_gridfs_upload_from_file_future(mouv_gridfs_bucket_t *bucket, const char *path,
                                    const char *filename, const bson_t *opts, bson_value_t *id);

/**
 * Writes a file to `path`, which is made or replaced once the file has been found. On failure a
 * file that was made is removed again; one that was there is left as far as it got.
 *
 * Errors: MOUV_ESYSTEM as above.
 */
MOUV_API MOUV_SUSPENDS int mouv_gridfs_download_to_file(mouv_gridfs_bucket_t *bucket,
                                                        const bson_value_t *id, const char *path,
                                                        mouv_error_t *error);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_gridfs_download_to_file_future(
    mouv_gridfs_bucket_t *bucket, const bson_value_t *id, const char *path);

/** The same by name and revision. */
MOUV_API MOUV_SUSPENDS int mouv_gridfs_download_to_file_by_name(mouv_gridfs_bucket_t *bucket,
                                                                const char *filename, int revision,
                                                                const char *path,
                                                                mouv_error_t *error);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_gridfs_download_to_file_by_name_future(
    mouv_gridfs_bucket_t *bucket, const char *filename, int revision, const char *path);

MOUV_END_DECLS

#endif
