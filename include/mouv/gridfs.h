/*
 * GridFS: files of any size in two collections, written and read as streams in bounded memory.
 *
 *     mouv_gridfs_bucket_t *bucket = mouv_database_gridfs_bucket(database, NULL);
 *     MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *upload =
 *         mouv_gridfs_open_upload_stream(bucket, "song.ogg", NULL);
 *     while ((size = next_part(part)) > 0) mouv_gridfs_upload_write(upload, part, size, &error);
 *     rc = mouv_gridfs_upload_close(upload, &error);       // the file exists from here on
 *
 * Whatever size a file has, a stream holds about 1 MiB (at least one chunk) of it, and twice that
 * while it talks to the server.
 *
 * What holds for all functions here:
 *
 * Context:   the client's thread. Those marked MOUV_SUSPENDS run in a coroutine; the others never
 *            suspend. A stream is one task's at a time: MOUV_ESTATE otherwise.
 * Errors:    as every operation (database.h). What the drivers know as errors of GridFS is
 *            MOUV_ESERVER with one of these as `code_name`: "FileNotFound" (also for a revision
 *            that is not there), "FileCorrupt" (a files document that makes no sense),
 *            "ChunkMissing", "ChunkWrongSize", "ExtraChunk".
 *            MOUV_ESTATE: the stream was closed or aborted, or has failed before.
 * `id`:      any BSON value; an ObjectId unless somebody chose another.
 *
 * Sessions and transactions are not for GridFS, as its specification says. timeoutMS (client.h) of
 * a bucket limits each call on it as a whole, and a stream from its making to its end.
 */
#ifndef MOUV_GRIDFS_H
#define MOUV_GRIDFS_H

#include <mouv/client.h>
#include <mouv/cursor.h>

typedef struct mouv_gridfs_bucket mouv_gridfs_bucket_t;     /**< files; opaque, counted */
typedef struct mouv_gridfs_upload mouv_gridfs_upload_t;     /**< one being written; opaque */
typedef struct mouv_gridfs_download mouv_gridfs_download_t; /**< one being read; opaque */

MOUV_BEGIN_DECLS

/* --- The bucket ------------------------------------------------------------------------------ */

/**
 * A bucket: the collections `<bucketName>.files` and `<bucketName>.chunks`. No I/O.
 *
 * `opts`:    bucketName ("fs"), chunkSizeBytes (261,120), readConcern, writeConcern,
 *            readPreference, timeoutMS; NULL: what the database has.
 * Ownership: copies `opts`. Release with mouv_gridfs_bucket_unref(); streams hold it.
 * Returns:   NULL only where memory runs out; what is wrong with the arguments shows in the first
 *            operation. Every function takes NULL for a bucket or stream, and fails.
 * Like:      mongoc_gridfs_bucket_new(); Motor's AsyncIOMotorGridFSBucket().
 */
MOUV_API mouv_gridfs_bucket_t *mouv_database_gridfs_bucket(mouv_database_t *database,
                                                           const bson_t *opts);

/** Adds a reference and returns the bucket. */
MOUV_API mouv_gridfs_bucket_t *mouv_gridfs_bucket_ref(mouv_gridfs_bucket_t *bucket);

/** Gives a reference up; calls that are under way have their own. Takes NULL, returns NULL. */
MOUV_API mouv_gridfs_bucket_t *mouv_gridfs_bucket_unref(mouv_gridfs_bucket_t *bucket);

/** What MOUV_AUTO_BUCKET calls. */
MOUV_API void mouv_gridfs_bucket_drop_ref(mouv_gridfs_bucket_t **bucket);

/**
 * A cursor over the files documents: {_id, length, chunkSize, uploadDate, filename, metadata}.
 * `opts` as mouv_collection_find() has them.
 */
MOUV_API mouv_cursor_t *mouv_gridfs_find(mouv_gridfs_bucket_t *bucket, const bson_t *filter,
                                         const bson_t *opts);

/**
 * Deletes a file: its document, then its chunks. The chunks go also if the caller is cancelled in
 * between (for at most 10 s), and if there is no such file, which is then "FileNotFound".
 */
MOUV_API MOUV_SUSPENDS int mouv_gridfs_delete(mouv_gridfs_bucket_t *bucket, const bson_value_t *id,
                                              mouv_error_t *error);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_gridfs_delete_future(mouv_gridfs_bucket_t *bucket,
                                                                   const bson_value_t *id);

/** Deletes every file of this name with its chunks, as mouv_gridfs_delete() does one. */
MOUV_API MOUV_SUSPENDS int mouv_gridfs_delete_by_name(mouv_gridfs_bucket_t *bucket,
                                                      const char *filename, mouv_error_t *error);
MOUV_API MOUV_CHECK_RESULT mouv_future_t
mouv_gridfs_delete_by_name_future(mouv_gridfs_bucket_t *bucket, const char *filename);

/** Gives a file another name. Errors: "FileNotFound". */
MOUV_API MOUV_SUSPENDS int mouv_gridfs_rename(mouv_gridfs_bucket_t *bucket, const bson_value_t *id,
                                              const char *filename, mouv_error_t *error);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_gridfs_rename_future(mouv_gridfs_bucket_t *bucket,
                                                                   const bson_value_t *id,
                                                                   const char *filename);

/** Gives every file of one name another. Errors: "FileNotFound". */
MOUV_API MOUV_SUSPENDS int mouv_gridfs_rename_by_name(mouv_gridfs_bucket_t *bucket,
                                                      const char *filename,
                                                      const char *new_filename,
                                                      mouv_error_t *error);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_gridfs_rename_by_name_future(
    mouv_gridfs_bucket_t *bucket, const char *filename, const char *new_filename);

/** Drops the bucket's two collections: all of its files. */
MOUV_API MOUV_SUSPENDS int mouv_gridfs_drop(mouv_gridfs_bucket_t *bucket, mouv_error_t *error);
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_gridfs_drop_future(mouv_gridfs_bucket_t *bucket);

/* --- Uploads --------------------------------------------------------------------------------- */

/**
 * A stream that writes a new file; nothing is sent before the first chunks are full. The first
 * upload into an empty bucket makes its indexes. Files may share a name: each is a revision.
 *
 * A stream that fails, is aborted, or is released without mouv_gridfs_upload_close() leaves
 * nothing: the chunks that it has stored are deleted, also in a cancelled task, and before its client
 * has closed, which ends streams that are open. Only a server that cannot be reached for that (2 s),
 * or does not answer (5 s), keeps them, and they belong to no file.
 *
 * `opts`:    chunkSizeBytes, metadata (a document), timeoutMS; `_id` with the first function. For
 *            programs of old: contentType (a string) and aliases (an array of strings), which newer
 *            ones put into the metadata; disableMD5 (true: mouv never makes one; false is refused).
 * Ownership: copies all. Release with mouv_gridfs_upload_unref() or MOUV_AUTO_UPLOAD.
 * Returns:   NULL only where memory runs out; what is wrong shows in the first call.
 * Like:      mongoc_gridfs_bucket_open_upload_stream(); Motor's open_upload_stream().
 */
MOUV_API mouv_gridfs_upload_t *mouv_gridfs_open_upload_stream(mouv_gridfs_bucket_t *bucket,
                                                              const char *filename,
                                                              const bson_t *opts);
MOUV_API mouv_gridfs_upload_t *mouv_gridfs_open_upload_stream_with_id(mouv_gridfs_bucket_t *bucket,
                                                                      const bson_value_t *id,
                                                                      const char *filename,
                                                                      const bson_t *opts);

/** The file's id; the stream's own. NULL for NULL. */
MOUV_API const bson_value_t *mouv_gridfs_upload_id(const mouv_gridfs_upload_t *upload);

/**
 * Appends bytes: all of them (0), or the upload has failed and is undone. Suspends where chunks are
 * full. Twin: mouv_gridfs_upload_write_future(), which borrows `data` until it is done.
 */
MOUV_API MOUV_SUSPENDS int mouv_gridfs_upload_write(mouv_gridfs_upload_t *upload, const void *data,
                                                    size_t size, mouv_error_t *error);
MOUV_API MOUV_CHECK_RESULT mouv_future_t
mouv_gridfs_upload_write_future(mouv_gridfs_upload_t *upload, const void *data, size_t size);

/**
 * Stores what is left, then the files document: from here on the file can be found. A cancel that
 * comes while the document is on its way does not undo it: 0 says that the file is there.
 *
 * Errors: MOUV_EUNKNOWN: the files document was sent, its outcome is unknown, nothing is undone.
 */
MOUV_API MOUV_SUSPENDS int mouv_gridfs_upload_close(mouv_gridfs_upload_t *upload,
                                                    mouv_error_t *error);
MOUV_API MOUV_CHECK_RESULT mouv_future_t
mouv_gridfs_upload_close_future(mouv_gridfs_upload_t *upload);

/** Deletes what has been stored and ends the stream; not refused in a cancelled task (10 s). */
MOUV_API MOUV_SUSPENDS int mouv_gridfs_upload_abort(mouv_gridfs_upload_t *upload,
                                                    mouv_error_t *error);
MOUV_API MOUV_CHECK_RESULT mouv_future_t
mouv_gridfs_upload_abort_future(mouv_gridfs_upload_t *upload);

/**
 * Releases; one that is open is undone in the background. A call that is under way, also one whose
 * future nobody has any more, is finished first. Takes NULL, returns NULL.
 */
MOUV_API mouv_gridfs_upload_t *mouv_gridfs_upload_unref(mouv_gridfs_upload_t *upload);

/** What MOUV_AUTO_UPLOAD calls. */
MOUV_API void mouv_gridfs_upload_drop(mouv_gridfs_upload_t **upload);

/* --- Downloads ------------------------------------------------------------------------------- */

/**
 * A stream that reads a file; nothing is sent before the first read. By name, `revision` chooses
 * among files that share it: 0 is the oldest, 1 the next, -1 the newest, -2 the one before it.
 *
 * Ownership: copies all. Release with mouv_gridfs_download_unref() or MOUV_AUTO_DOWNLOAD.
 * Returns:   NULL only where memory runs out; what is wrong shows in the first call.
 * Like:      mongoc_gridfs_bucket_open_download_stream(); Motor's open_download_stream_by_name().
 */
MOUV_API mouv_gridfs_download_t *mouv_gridfs_open_download_stream(mouv_gridfs_bucket_t *bucket,
                                                                  const bson_value_t *id);
MOUV_API mouv_gridfs_download_t *
mouv_gridfs_open_download_stream_by_name(mouv_gridfs_bucket_t *bucket, const char *filename,
                                         int revision);

/**
 * The files document, fetched if need be: `*file` is the stream's own, valid until it is released.
 * The result is 0.
 */
MOUV_API MOUV_SUSPENDS int mouv_gridfs_download_file(mouv_gridfs_download_t *download,
                                                     const bson_t **file, mouv_error_t *error);
MOUV_API MOUV_CHECK_RESULT mouv_future_t
mouv_gridfs_download_file_future(mouv_gridfs_download_t *download, const bson_t **file);

/** The length in bytes, once the first of the calls around here has succeeded; else -1. */
MOUV_API int64_t mouv_gridfs_download_length(const mouv_gridfs_download_t *download);

/**
 * Reads the next bytes: `size` of them, or fewer where the file ends (0: it has ended). The next
 * chunks are fetched ahead meanwhile. An error is final, also MOUV_ECANCELED: the stream gives it
 * again. The twin borrows `buffer` until it is done.
 *
 * Returns: the number of bytes; at most INT_MAX are read at once.
 */
MOUV_API MOUV_SUSPENDS int mouv_gridfs_download_read(mouv_gridfs_download_t *download, void *buffer,
                                                     size_t size, mouv_error_t *error);
MOUV_API MOUV_CHECK_RESULT mouv_future_t
mouv_gridfs_download_read_future(mouv_gridfs_download_t *download, void *buffer, size_t size);

/**
 * Ends the stream early; further reads give MOUV_ESTATE, one that is under way MOUV_ECLOSED. A second
 * call is harmless.
 */
MOUV_API void mouv_gridfs_download_close(mouv_gridfs_download_t *download);

/** Closes and releases, also under a call of another task's; takes NULL, returns NULL. */
MOUV_API mouv_gridfs_download_t *mouv_gridfs_download_unref(mouv_gridfs_download_t *download);

/** What MOUV_AUTO_DOWNLOAD calls. */
MOUV_API void mouv_gridfs_download_drop(mouv_gridfs_download_t **download);

MOUV_END_DECLS

#ifdef MOUV_CLEANUP
/** A bucket whose reference is given up at the end of its block, also on early return. */
#define MOUV_AUTO_BUCKET MOUV_CLEANUP(mouv_gridfs_bucket_drop_ref)
/** An upload that is released at the end of its block; one that is open is undone. */
#define MOUV_AUTO_UPLOAD MOUV_CLEANUP(mouv_gridfs_upload_drop)
/** A download that is closed and released at the end of its block, also on early return. */
#define MOUV_AUTO_DOWNLOAD MOUV_CLEANUP(mouv_gridfs_download_drop)
#endif

#endif
