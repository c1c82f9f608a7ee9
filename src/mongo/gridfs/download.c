/*
 * The download stream: the files document, then a cursor over the chunks in their order. The bytes
 * are copied once, from the cursor's batch to the reader; each chunk is checked before.
 */
#include "mongo/gridfs/download.h"

#include <limits.h>
#include <string.h>

#include <mouv/await.h>
#include <mouv/collection.h>
#include <mouv/document.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/gridfs/gridfs.h"

struct mouv_gridfs_download {
    mouv_gridfs_bucket_t *bucket; /* counted, or NULL */
    bson_t *filter, *opts;        /* what finds the file; `opts` NULL: by id */
    mouv_error_t failed;          /* refused arguments or what a call has failed with, or 0 */
    bool busy, closed;
    uint32_t references; /* the owner's, of calls and of futures */
    int64_t until_ms;    /* timeoutMS: the end of all of it, or MOUV_FOREVER */
    mouv_scope_t limit;  /* while `busy` */
    bson_t *file;        /* the files document, once fetched */
    int64_t length, chunk_size;
    int64_t position;      /* of what has been read */
    int64_t next;          /* the n of the next chunk */
    mouv_cursor_t *chunks; /* from the first read on */
    const uint8_t *data;   /* what is left of the chunk at hand, in the cursor's batch */
    size_t left;
    bool complete; /* there was no chunk behind the last one */
};

/* --- Opening --------------------------------------------------------------------------------- */

static mouv_gridfs_download_t *download_open_download(mouv_gridfs_bucket_t *bucket) {
    mouv_gridfs_download_t *download = mouv__alloc(sizeof *download);
    if (!download) return NULL;
    download->references = 1;
    download->bucket = mouv_gridfs_bucket_ref(bucket);
    if (!bucket)
        mouv_error_set(&download->failed, MOUV_EINVAL, "gridfs download: no bucket");
    else
        download->failed = bucket->refused;
    download->until_ms = mouv__gridfs_until_ms(bucket ? bucket->timeout_ms : 0);
    return download;
}

mouv_gridfs_download_t *mouv_gridfs_open_download_stream(mouv_gridfs_bucket_t *bucket,
                                                         const bson_value_t *id) {
    mouv_gridfs_download_t *download = download_open_download(bucket);
    if (!download) return NULL;
    if (id)
        download->filter = mouv__gridfs_by("_id", id);
    else
        mouv_error_set(&download->failed, MOUV_EINVAL, "gridfs download: 'id' is NULL");
    return download;
}

mouv_gridfs_download_t *mouv_gridfs_open_download_stream_by_name(mouv_gridfs_bucket_t *bucket,
                                                                 const char *filename,
                                                                 int revision) {
    mouv_gridfs_download_t *download = download_open_download(bucket);
    if (!download) return NULL;
    if (!filename) {
        mouv_error_set(&download->failed, MOUV_EINVAL, "gridfs download: 'filename' is NULL");
        return download;
    }
    int64_t skip = revision >= 0 ? revision : -(int64_t)revision - 1;
    download->filter = BCON_NEW("filename", BCON_UTF8(filename));
    download->opts = BCON_NEW("sort", "{", "uploadDate", BCON_INT32(revision >= 0 ? 1 : -1), "}",
                              "skip", BCON_INT64(skip));
    return download;
}

/* --- The files document ---------------------------------------------------------------------- */

static int download_read_file(mouv_gridfs_download_t *download, mouv_error_t *error) {
    mouv_error_t why;
    if (mouv_bson_get_int64(download->file, "length", &download->length, &why) < 0 ||
        mouv_bson_get_int64(download->file, "chunkSize", &download->chunk_size, &why) < 0)
        return mouv__gridfs_fail(error, "FileCorrupt", "files document: %s", why.message);
    if (download->length < 0 || (download->chunk_size <= 0 && download->length > 0))
        return mouv__gridfs_fail(error, "FileCorrupt", "a file of %lld bytes in chunks of %lld",
                                 (long long)download->length, (long long)download->chunk_size);
    return 0;
}

static int download_fetch_file(mouv_gridfs_download_t *download, mouv_error_t *error) {
    if (download->file) return 0;
    int rc = mouv_await(mouv_collection_find_one(download->bucket->files, download->filter,
                                                 download->opts, &download->file),
                        error);
    if (rc < 0) return rc;
    if (download->closed)
        return mouv__raise(error, MOUV_ECLOSED, "gridfs download: the stream has been closed");
    if (rc == 0)
        return mouv__gridfs_fail(error, "FileNotFound", "no file with this %s in bucket '%s'",
                                 download->opts ? "name and revision" : "id",
                                 download->bucket->name);
    return download_read_file(download, error);
}

/* --- Chunks ---------------------------------------------------------------------------------- */

static int download_open_chunks(mouv_gridfs_download_t *download, mouv_error_t *error) {
    bson_iter_t id;
    if (download->chunks || download->length == 0) return 0;
    if (!bson_iter_init_find(&id, download->file, "_id"))
        return mouv__gridfs_fail(error, "FileCorrupt", "a files document without _id");
    uint32_t batch = mouv__gridfs_batch(download->chunk_size);
    bson_t *filter = mouv__gridfs_by("files_id", bson_iter_value(&id));
    bson_t *opts =
        BCON_NEW("sort", "{", "n", BCON_INT32(1), "}", "batchSize", BCON_INT32((int32_t)batch));
    if (download->until_ms != MOUV_FOREVER) BSON_APPEND_UTF8(opts, "timeoutMode", "cursorLifetime");
    download->chunks = mouv_collection_find(download->bucket->chunks, filter, opts);
    bson_destroy(filter);
    bson_destroy(opts);
    return 0;
}

static int download_get_data(const bson_t *document, const uint8_t **data, uint32_t *size) {
    bson_iter_t iter;
    bson_subtype_t subtype;
    if (!bson_iter_init_find(&iter, document, "data") || !BSON_ITER_HOLDS_BINARY(&iter)) return -1;
    bson_iter_binary(&iter, &subtype, size, data);
    return 0;
}

/** Takes the chunk if it is the one that comes next and as long as it has to be. */
static int download_take_chunk(mouv_gridfs_download_t *download, const bson_t *document,
                               mouv_error_t *error) {
    mouv_error_t why;
    int64_t n, wanted = download->length - download->position;
    uint32_t size;
    if (wanted > download->chunk_size) wanted = download->chunk_size;
    if (mouv_bson_get_int64(document, "n", &n, &why) < 0 ||
        download_get_data(document, &download->data, &size) < 0)
        return mouv__gridfs_fail(error, "FileCorrupt", "chunk %lld makes no sense",
                                 (long long)download->next);
    if (n != download->next)
        return mouv__gridfs_fail(error, "ChunkMissing", "chunk %lld is missing, %lld is there",
                                 (long long)download->next, (long long)n);
    if (size != wanted)
        return mouv__gridfs_fail(error, "ChunkWrongSize", "chunk %lld has %u bytes instead of %lld",
                                 (long long)n, size, (long long)wanted);
    download->left = size;
    download->next++;
    return 0;
}

static int download_next_chunk(mouv_gridfs_download_t *download, mouv_error_t *error) {
    const bson_t *document;
    int rc = mouv_cursor_next(download->chunks, &document, error);
    if (rc < 0) return rc;
    if (rc == 0)
        return mouv__gridfs_fail(error, "ChunkMissing", "chunk %lld is missing, and all behind it",
                                 (long long)download->next);
    return download_take_chunk(download, document, error);
}

/** Behind the last chunk there may be none but empty ones, as old drivers have written them. */
static int download_check_end(mouv_gridfs_download_t *download, mouv_error_t *error) {
    const bson_t *document;
    const uint8_t *data;
    uint32_t size;
    int rc = 0;
    if (download->complete) return 0;
    while (download->chunks && (rc = mouv_cursor_next(download->chunks, &document, error)) > 0) {
        if (download_get_data(document, &data, &size) < 0 || size > 0)
            return mouv__gridfs_fail(error, "ExtraChunk", "more chunks than %lld bytes need",
                                     (long long)download->length);
    }
    download->complete = rc == 0;
    return rc;
}

/* --- Reading --------------------------------------------------------------------------------- */

static int download_enter(mouv_gridfs_download_t *download, const char *call, mouv_error_t *error) {
    if (!download) return mouv__raise(error, MOUV_EINVAL, "%s: no stream", call);
    if (download->failed.code) return mouv__gridfs_give(&download->failed, error);
    int rc = mouv__gridfs_may(download->bucket, call, error);
    if (rc < 0) return rc;
    if (download->busy)
        return mouv__raise(error, MOUV_ESTATE, "%s: another task uses the stream", call);
    if (download->closed) return mouv__raise(error, MOUV_ESTATE, "%s: the stream is closed", call);
    download->busy = true;
    mouv__gridfs_download_hold(download);
    mouv__gridfs_begin(&download->limit, download->until_ms);
    return 0;
}

/** The outcome of a call; a failure ends the stream. */
static int download_leave(mouv_gridfs_download_t *download, int rc, mouv_error_t *kept,
                          mouv_error_t *error) {
    rc = mouv_timeout_end(&download->limit, rc, kept);
    download->busy = false;
    if (rc < 0) {
        download->failed = *kept;
        if (download->chunks) mouv_cursor_close(download->chunks);
        mouv__gridfs_give(kept, error);
    }
    mouv__gridfs_download_let_go(download);
    return rc;
}

static int download_fill(mouv_gridfs_download_t *download, uint8_t *buffer, size_t size,
                         mouv_error_t *error) {
    size_t done = 0;
    while (done < size && download->position < download->length) {
        if (download->left == 0) {
            int rc = download_next_chunk(download, error);
            if (rc < 0) return rc;
        }
        size_t part = size - done < download->left ? size - done : download->left;
        memcpy(buffer + done, download->data, part);
        download->data += part;
        download->left -= part;
        download->position += (int64_t)part;
        done += part;
    }
    if (download->position == download->length) {
        int rc = download_check_end(download, error);
        if (rc < 0) return rc;
    }
    return (int)done;
}

int mouv_gridfs_download_read(mouv_gridfs_download_t *download, void *buffer, size_t size,
                              mouv_error_t *error) {
    mouv_error_t kept;
    int rc = download_enter(download, "mouv_gridfs_download_read()", error);
    if (rc < 0) return rc;
    if (size > INT_MAX) size = INT_MAX;
    if (!buffer && size > 0)
        rc = mouv__raise(&kept, MOUV_EINVAL, "mouv_gridfs_download_read: 'buffer' is NULL");
    if (rc >= 0) rc = download_fetch_file(download, &kept);
    if (rc >= 0) rc = download_open_chunks(download, &kept);
    if (rc >= 0) rc = download_fill(download, buffer, size, &kept);
    return download_leave(download, rc, &kept, error);
}

int mouv_gridfs_download_file(mouv_gridfs_download_t *download, const bson_t **file,
                              mouv_error_t *error) {
    mouv_error_t kept;
    int rc = download_enter(download, "mouv_gridfs_download_file()", error);
    if (rc < 0) return rc;
    rc = download_fetch_file(download, &kept);
    if (rc >= 0 && file) *file = download->file;
    return download_leave(download, rc, &kept, error);
}

int64_t mouv_gridfs_download_length(const mouv_gridfs_download_t *download) {
    return download && download->file && !download->busy ? download->length : -1;
}

/* --- Closing --------------------------------------------------------------------------------- */

void mouv_gridfs_download_close(mouv_gridfs_download_t *download) {
    if (!download || download->closed) return;
    download->closed = true;
    if (download->chunks) mouv_cursor_close(download->chunks);
}

mouv_gridfs_download_t *mouv_gridfs_download_unref(mouv_gridfs_download_t *download) {
    mouv_gridfs_download_close(download);
    mouv__gridfs_download_let_go(download);
    return NULL;
}

void mouv__gridfs_download_hold(mouv_gridfs_download_t *download) {
    if (download) download->references++;
}

void mouv__gridfs_download_let_go(mouv_gridfs_download_t *download) {
    if (!download || --download->references > 0) return;
    mouv_cursor_unref(download->chunks);
    mouv_gridfs_bucket_unref(download->bucket);
    bson_destroy(download->filter);
    bson_destroy(download->opts);
    bson_destroy(download->file);
    mouv__free(download);
}

void mouv_gridfs_download_drop(mouv_gridfs_download_t **download) {
    if (download) *download = mouv_gridfs_download_unref(*download);
}
