/*
 * The upload stream: bytes gather in a buffer of whole chunks, which is stored when it is full.
 *
 * Nothing is under way between two calls, so a stream can be undone at any of them. What is deleted
 * then is what this stream stored and nothing else: under an id that is taken, the chunks of the
 * file that has it stay.
 */
#include "mongo/gridfs/upload.h"

#include <string.h>

#include <bson/bson.h>
#include <uv.h>

#include <mouv/await.h>
#include <mouv/collection.h>
#include <mouv/scope.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/write.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/check.h"
#include "mongo/base/client_ref.h"
#include "mongo/gridfs/gridfs.h"

/** OPEN -> STORED by close; OPEN -> ENDED by abort and by every failure. */
typedef enum upload_state { OPEN, STORED, ENDED } upload_state_t;

struct mouv_gridfs_upload {
    mouv_gridfs_bucket_t *bucket; /* counted, or NULL */
    bson_value_t id;
    char *filename;
    bson_t *metadata;     /* or NULL */
    bson_t *legacy;       /* {contentType, aliases} as far as they were given, or NULL */
    mouv_error_t refused; /* what is wrong with the arguments, or 0 */
    upload_state_t state;
    bool busy;   /* a task is in a call */
    bool delays; /* the client closes: it waits for that task */
    mouv__client_hook_t hook;
    uint32_t references; /* the owner's, of calls and of futures */
    int64_t until_ms;    /* timeoutMS: the end of all of it, or MOUV_FOREVER */
    int32_t chunk_size;
    uint8_t *buffer; /* of at most `batch` chunks; grows as it fills */
    size_t used, capacity;
    uint32_t batch;
    int64_t length; /* of what has been stored */
    int32_t stored; /* chunks that are certainly there: n below this */
    uint32_t sent;  /* chunks of the batch whose outcome is not known (yet) */
    bson_oid_t sent_ids[MOUV__GRIDFS_BATCH_CHUNKS];
};

/* --- Opening --------------------------------------------------------------------------------- */

static void upload_on_client_close(mouv__client_hook_t *hook);

static void upload_refuse(mouv_gridfs_upload_t *upload, const char *what) {
    if (!upload->refused.code)
        mouv_error_set(&upload->refused, MOUV_EINVAL, "gridfs upload: %s", what);
}

/** Fields that files documents once had; what they must be is in the specification too. */
static void upload_read_legacy(mouv_gridfs_upload_t *upload, const bson_iter_t *option) {
    const char *key = bson_iter_key(option);
    bool is_type = strcmp(key, "contentType") == 0;
    bool good = is_type ? BSON_ITER_HOLDS_UTF8(option) : BSON_ITER_HOLDS_ARRAY(option);
    bson_iter_t alias;
    if (good && !is_type && bson_iter_recurse(option, &alias))
        while (good && bson_iter_next(&alias)) good = BSON_ITER_HOLDS_UTF8(&alias);
    if (!good) {
        upload_refuse(upload, is_type ? "option 'contentType': expected a string"
                                      : "option 'aliases': expected an array of strings");
        return;
    }
    if (!upload->legacy) upload->legacy = bson_new();
    bson_append_iter(upload->legacy, key, -1, option);
}

static void upload_read_option(mouv_gridfs_upload_t *upload, const bson_iter_t *option) {
    const char *key = bson_iter_key(option);
    if (strcmp(key, "_id") == 0) {
        if (upload->id.value_type == BSON_TYPE_EOD)
            bson_value_copy(bson_iter_value((bson_iter_t *)option), &upload->id);
    } else if (strcmp(key, "chunkSizeBytes") == 0) {
        mouv__gridfs_chunk_size(option, &upload->chunk_size, &upload->refused);
    } else if (strcmp(key, "metadata") == 0) {
        bson_t view;
        if (!BSON_ITER_HOLDS_DOCUMENT(option) || !mouv__bson_view_of(option, &view)) {
            upload_refuse(upload, "option 'metadata': expected a document");
            return;
        }
        bson_destroy(upload->metadata);
        upload->metadata = bson_copy(&view);
    } else if (strcmp(key, "contentType") == 0 || strcmp(key, "aliases") == 0) {
        upload_read_legacy(upload, option);
    } else if (strcmp(key, "disableMD5") == 0) {
        mouv__gridfs_no_md5(option, &upload->refused);
    } else if (strcmp(key, "timeoutMS") == 0) {
        int64_t timeout_ms = 0;
        if (mouv__gridfs_timeout(option, &timeout_ms, &upload->refused) == 0)
            upload->until_ms = mouv__gridfs_until_ms(timeout_ms);
    } else {
        upload_refuse(
            upload,
            "unknown option; there are '_id', 'chunkSizeBytes', 'metadata' and 'timeoutMS'");
    }
}

static void upload_set_up(mouv_gridfs_upload_t *upload, const char *filename, const bson_t *opts) {
    bson_iter_t iter;
    if (!filename || !bson_utf8_validate(filename, strlen(filename), false)) {
        upload_refuse(upload, "'filename' is NULL or not UTF-8");
        return;
    }
    upload->chunk_size = upload->bucket->chunk_size;
    upload->until_ms = mouv__gridfs_until_ms(upload->bucket->timeout_ms);
    if (opts && mouv__check_stored(opts, "opts", MOUV__VALIDATE_DEFAULT, &upload->refused) == 0) {
        bson_iter_init(&iter, opts);
        while (bson_iter_next(&iter) && !upload->refused.code) upload_read_option(upload, &iter);
    }
    if (upload->id.value_type == BSON_TYPE_EOD) {
        upload->id.value_type = BSON_TYPE_OID;
        bson_oid_init(&upload->id.value.v_oid, NULL);
    }
    upload->batch = mouv__gridfs_batch(upload->chunk_size);
    upload->filename = mouv__gridfs_copy(filename);
    if (!upload->filename) mouv_error_set(&upload->refused, MOUV_ENOMEM, "gridfs upload");
}

static mouv_gridfs_upload_t *upload_open_upload(mouv_gridfs_bucket_t *bucket,
                                                const bson_value_t *id, const char *filename,
                                                const bson_t *opts) {
    mouv_gridfs_upload_t *upload = mouv__alloc(sizeof *upload);
    if (!upload) return NULL;
    upload->references = 1;
    upload->bucket = mouv_gridfs_bucket_ref(bucket);
    upload->hook.closes = upload_on_client_close;
    if (bucket && bucket->client) mouv__client_add_hook(bucket->client, &upload->hook);
    if (id) bson_value_copy(id, &upload->id);
    if (!bucket)
        upload_refuse(upload, "no bucket");
    else if (bucket->refused.code)
        upload->refused = bucket->refused;
    else
        upload_set_up(upload, filename, opts);
    return upload;
}

mouv_gridfs_upload_t *mouv_gridfs_open_upload_stream(mouv_gridfs_bucket_t *bucket,
                                                     const char *filename, const bson_t *opts) {
    return upload_open_upload(bucket, NULL, filename, opts);
}

mouv_gridfs_upload_t *mouv_gridfs_open_upload_stream_with_id(mouv_gridfs_bucket_t *bucket,
                                                             const bson_value_t *id,
                                                             const char *filename,
                                                             const bson_t *opts) {
    mouv_gridfs_upload_t *upload = upload_open_upload(bucket, id, filename, opts);
    if (upload && !id) upload_refuse(upload, "'id' is NULL");
    return upload;
}

const bson_value_t *mouv_gridfs_upload_id(const mouv_gridfs_upload_t *upload) {
    return upload ? &upload->id : NULL;
}

/* --- Undoing --------------------------------------------------------------------------------- */

/** {files_id, $or: [{n: {$lt: stored}}, {_id: {$in: sent}}]}: the unique index makes n ours. */
static bson_t *upload_own_chunks(const mouv_gridfs_upload_t *upload) {
    bson_t any, part, of, in;
    bson_t *filter = mouv__gridfs_by("files_id", &upload->id);
    mouv__append_array_begin(filter, "$or", &any);
    bson_append_document_begin(&any, "0", -1, &part);
    bson_append_document_begin(&part, "n", -1, &of);
    bson_append_int32(&of, "$lt", -1, upload->stored);
    bson_append_document_end(&part, &of);
    bson_append_document_end(&any, &part);
    bson_append_document_begin(&any, "1", -1, &part);
    bson_append_document_begin(&part, "_id", -1, &of);
    mouv__append_array_begin(&of, "$in", &in);
    for (uint32_t i = 0; i < upload->sent; i++) {
        char text[16];
        const char *key;
        bson_uint32_to_string(i, &key, text, sizeof text);
        bson_append_oid(&in, key, -1, &upload->sent_ids[i]);
    }
    bson_append_array_end(&of, &in);
    bson_append_document_end(&part, &of);
    bson_append_document_end(&any, &part);
    bson_append_array_end(filter, &any);
    return filter;
}

/** Clean-up, which is refused by no cancel; a client that closes waits for it. */
static mouv_future_t upload_delete_own_chunks(mouv_gridfs_upload_t *upload) {
    bson_t *filter = upload_own_chunks(upload);
    mouv_future_t future = mouv__write_clean_up(upload->bucket->chunks, filter, NULL);
    bson_destroy(filter);
    upload->stored = 0;
    upload->sent = 0;
    return future;
}

/** Ends the stream and deletes what it stored, whatever has become of the task. */
static int upload_undo(mouv_gridfs_upload_t *upload, mouv_error_t *error) {
    upload->state = ENDED;
    if (upload->stored == 0 && upload->sent == 0) return 0;
    MOUV_SHIELD_SCOPE(shield, MOUV__GRIDFS_CLEANUP_MS);
    int rc = mouv_await(upload_delete_own_chunks(upload), error);
    return rc < 0 ? rc : 0;
}

static void upload_undo_in_background(mouv_gridfs_upload_t *upload) {
    if (upload->state != OPEN || upload->stored == 0) return;
    upload->state = ENDED;
    mouv_future_unref(upload_delete_own_chunks(upload));
}

/** Nobody can close the stream any more. A call that is under way fails, and undoes it then. */
static void upload_on_client_close(mouv__client_hook_t *hook) {
    mouv_gridfs_upload_t *upload = mouv__container_of(hook, mouv_gridfs_upload_t, hook);
    if (upload->state != OPEN) return;
    if (!upload->refused.code)
        mouv_error_set(&upload->refused, MOUV_ECLOSED, "gridfs upload: the client has been closed");
    if (!upload->busy) {
        upload_undo_in_background(upload);
        return;
    }
    upload->delays = true;
    mouv__client_delay_close(upload->bucket->client);
}

/** The stream has failed with `kept`: undone, and the caller is told why. */
static int upload_fail(mouv_gridfs_upload_t *upload, const mouv_error_t *kept,
                       mouv_error_t *error) {
    upload_undo(upload, NULL);
    return mouv__gridfs_give(kept, error);
}

/* --- Storing --------------------------------------------------------------------------------- */

/**
 * Waits for a write until its outcome is known. A cancel does not stop it, since what it stores
 * must be deleted after and not before; it gets a limit then.
 */
static int upload_await_write(mouv_future_t write, mouv_error_t *error) {
    int shielded = mouv_await(mouv_shield(mouv_future_ref(write)), NULL);
    MOUV_SHIELD_SCOPE(shield, MOUV__GRIDFS_CLEANUP_MS);
    int rc = mouv_await(write, error);
    if (shielded == MOUV_ENOMEM && rc == MOUV_ECANCELED) /* a shield that failed has cancelled it */
        rc = mouv__raise(error, MOUV_ENOMEM, "gridfs upload: no memory");
    return rc;
}

/** Begins a write that has no deadline of the caller's, for the same reason, but the stream's. */
static mouv_future_t upload_begin_write(const mouv_gridfs_upload_t *upload,
                                        mouv_collection_t *collection,
                                        const bson_t *const *documents, size_t count) {
    MOUV_SHIELD_SCOPE(shield, mouv__gridfs_left_ms(upload->until_ms, MOUV_FOREVER));
    return mouv_collection_insert_many(collection, documents, count, NULL, NULL);
}

static bson_t *upload_chunk(const mouv_gridfs_upload_t *upload, uint32_t index, size_t size) {
    bson_t *document = bson_new();
    bson_append_oid(document, "_id", -1, &upload->sent_ids[index]);
    bson_append_value(document, "files_id", -1, &upload->id);
    bson_append_int32(document, "n", -1, upload->stored + (int32_t)index);
    bson_append_binary(document, "data", -1, BSON_SUBTYPE_BINARY,
                       upload->buffer + (size_t)index * (size_t)upload->chunk_size, (uint32_t)size);
    return document;
}

/** The buffer's chunks are on their way; their ids are kept for the case that it fails. */
static mouv_future_t upload_begin_batch(mouv_gridfs_upload_t *upload) {
    bson_t *documents[MOUV__GRIDFS_BATCH_CHUNKS] = {0};
    size_t chunk_size = (size_t)upload->chunk_size, left = upload->used;
    uint32_t count = 0;
    for (; left > 0; count++) {
        size_t size = left < chunk_size ? left : chunk_size;
        bson_oid_init(&upload->sent_ids[count], NULL);
        documents[count] = upload_chunk(upload, count, size);
        left -= size;
    }
    upload->sent = count;
    mouv_future_t insert =
        upload_begin_write(upload, upload->bucket->chunks, (const bson_t *const *)documents, count);
    for (uint32_t i = 0; i < count; i++) bson_destroy(documents[i]);
    return insert;
}

/** What the write promises with this error. */
static bool upload_nothing_stored(int rc) {
    return rc == MOUV_ETIMEDOUT || rc == MOUV_ECANCELED || rc == MOUV_EQUEUE ||
           rc == MOUV_ESELECTION;
}

static int upload_store_batch(mouv_gridfs_upload_t *upload, mouv_error_t *error) {
    if (upload->used == 0) return 0;
    if (upload->stored > INT32_MAX - MOUV__GRIDFS_BATCH_CHUNKS)
        return mouv__raise(error, MOUV_EINVAL, "gridfs upload: too many chunks of %d bytes",
                           upload->chunk_size);
    int rc = mouv__gridfs_not_refused(error);
    if (rc >= 0) rc = mouv__gridfs_ensure_indexes(upload->bucket, error);
    if (rc >= 0) rc = upload_await_write(upload_begin_batch(upload), error);
    if (upload_nothing_stored(rc)) upload->sent = 0;
    if (rc < 0) return rc;
    upload->stored += (int32_t)upload->sent;
    upload->sent = 0;
    upload->length += (int64_t)upload->used;
    upload->used = 0;
    return 0;
}

/* --- Writing --------------------------------------------------------------------------------- */

static int upload_enter(mouv_gridfs_upload_t *upload, const char *call, mouv_error_t *error) {
    static const char *const states[] = {"open", "closed", "ended"};
    if (!upload) return mouv__raise(error, MOUV_EINVAL, "%s: no stream", call);
    if (upload->refused.code) return mouv__gridfs_give(&upload->refused, error);
    int rc = mouv__gridfs_may(upload->bucket, call, error);
    if (rc < 0) return rc;
    if (upload->busy)
        return mouv__raise(error, MOUV_ESTATE, "%s: another task uses the stream", call);
    if (upload->state != OPEN)
        return mouv__raise(error, MOUV_ESTATE, "%s: the stream is %s", call, states[upload->state]);
    upload->busy = true;
    mouv__gridfs_upload_hold(upload);
    return 0;
}

static int upload_leave(mouv_gridfs_upload_t *upload, int rc) {
    upload->busy = false;
    if (upload->delays) {
        upload_undo_in_background(upload);
        upload->delays = false;
        mouv__client_allow_close(upload->bucket->client);
    }
    mouv__gridfs_upload_let_go(upload);
    return rc;
}

/** Room for `size` bytes in the buffer, never more than a batch. */
static int upload_reserve(mouv_gridfs_upload_t *upload, size_t size, mouv_error_t *error) {
    size_t most = (size_t)upload->batch * (size_t)upload->chunk_size;
    if (size <= upload->capacity) return 0;
    size_t capacity = upload->capacity * 2;
    if (capacity < size) capacity = size;
    if (capacity > most) capacity = most;
    uint8_t *buffer = mouv__realloc(upload->buffer, capacity);
    if (!buffer) return mouv__raise(error, MOUV_ENOMEM, "gridfs upload: no memory for chunks");
    upload->buffer = buffer;
    upload->capacity = capacity;
    return 0;
}

static int upload_append(mouv_gridfs_upload_t *upload, const uint8_t *data, size_t size,
                         mouv_error_t *error) {
    size_t most = (size_t)upload->batch * (size_t)upload->chunk_size;
    int rc = 0;
    while (size > 0 && rc >= 0) {
        size_t part = size < most - upload->used ? size : most - upload->used;
        rc = upload_reserve(upload, upload->used + part, error);
        if (rc < 0) break;
        memcpy(upload->buffer + upload->used, data, part);
        upload->used += part;
        data += part;
        size -= part;
        if (upload->used == most) rc = upload_store_batch(upload, error);
    }
    return rc;
}

int mouv_gridfs_upload_write(mouv_gridfs_upload_t *upload, const void *data, size_t size,
                             mouv_error_t *error) {
    mouv_error_t kept;
    mouv_scope_t limit;
    int rc = upload_enter(upload, "mouv_gridfs_upload_write()", error);
    if (rc < 0) return rc;
    mouv__gridfs_begin(&limit, upload->until_ms);
    if (!data && size > 0)
        rc = mouv__raise(&kept, MOUV_EINVAL, "mouv_gridfs_upload_write: 'data' is NULL");
    else
        rc = upload_append(upload, data, size, &kept);
    rc = mouv_timeout_end(&limit, rc, &kept);
    if (rc < 0) rc = upload_fail(upload, &kept, error);
    return upload_leave(upload, rc);
}

/* --- Closing --------------------------------------------------------------------------------- */

static int64_t upload_now_since_1970_ms(void) {
    uv_timeval64_t now;
    return uv_gettimeofday(&now) == 0 ? now.tv_sec * 1000 + now.tv_usec / 1000 : 0;
}

static bson_t *upload_files_document(const mouv_gridfs_upload_t *upload) {
    bson_t *document = mouv__gridfs_by("_id", &upload->id);
    bson_append_int64(document, "length", -1, upload->length);
    bson_append_int32(document, "chunkSize", -1, upload->chunk_size);
    bson_append_date_time(document, "uploadDate", -1, upload_now_since_1970_ms());
    bson_append_utf8(document, "filename", -1, upload->filename, -1);
    if (upload->metadata) bson_append_document(document, "metadata", -1, upload->metadata);
    if (upload->legacy) bson_concat(document, upload->legacy);
    return document;
}

static int upload_store_file(mouv_gridfs_upload_t *upload, mouv_error_t *error) {
    int rc = mouv__gridfs_not_refused(error);
    if (rc >= 0) rc = mouv__gridfs_ensure_indexes(upload->bucket, error); /* of an empty file */
    if (rc < 0) return rc;
    const bson_t *document = upload_files_document(upload);
    rc = upload_await_write(upload_begin_write(upload, upload->bucket->files, &document, 1), error);
    bson_destroy((bson_t *)document);
    return rc < 0 ? rc : 0;
}

int mouv_gridfs_upload_close(mouv_gridfs_upload_t *upload, mouv_error_t *error) {
    mouv_error_t kept;
    mouv_scope_t limit;
    int rc = upload_enter(upload, "mouv_gridfs_upload_close()", error);
    if (rc < 0) return rc;
    mouv__gridfs_begin(&limit, upload->until_ms);
    rc = upload_store_batch(upload, &kept);
    if (rc >= 0) {
        rc = upload_store_file(upload, &kept);
        /* The file may be there: without its chunks it would be worse than orphans. */
        if (rc >= 0 || rc == MOUV_EUNKNOWN) upload->state = STORED;
    }
    rc = mouv_timeout_end(&limit, rc, &kept);
    if (rc < 0)
        rc = upload->state == STORED ? mouv__gridfs_give(&kept, error)
                                     : upload_fail(upload, &kept, error);
    return upload_leave(upload, rc);
}

int mouv_gridfs_upload_abort(mouv_gridfs_upload_t *upload, mouv_error_t *error) {
    int rc = upload_enter(upload, "mouv_gridfs_upload_abort()", error);
    if (rc < 0) return rc;
    rc = upload_undo(upload, error);
    return upload_leave(upload, rc);
}

mouv_gridfs_upload_t *mouv_gridfs_upload_unref(mouv_gridfs_upload_t *upload) {
    mouv__gridfs_upload_let_go(upload);
    return NULL;
}

void mouv__gridfs_upload_hold(mouv_gridfs_upload_t *upload) {
    if (upload) upload->references++;
}

void mouv__gridfs_upload_let_go(mouv_gridfs_upload_t *upload) {
    if (!upload || --upload->references > 0) return;
    upload_undo_in_background(upload);
    if (upload->bucket && upload->bucket->client)
        mouv__client_remove_hook(upload->bucket->client, &upload->hook);
    mouv_gridfs_bucket_unref(upload->bucket);
    bson_value_destroy(&upload->id);
    bson_destroy(upload->metadata);
    bson_destroy(upload->legacy);
    mouv__free(upload->filename);
    mouv__free(upload->buffer);
    mouv__free(upload);
}

void mouv_gridfs_upload_drop(mouv_gridfs_upload_t **upload) {
    if (upload) *upload = mouv_gridfs_upload_unref(*upload);
}
