/*
 * The twins of GridFS: each suspending function as a task of its own, with its arguments copied.
 */
#include "mongo/gridfs/gridfs.h"

#include <mouv/task.h>

#include "context/alloc.h"

/** The arguments of any of them. */
typedef struct call {
    mouv_gridfs_bucket_t *bucket; /* counted, or NULL */
    mouv_gridfs_upload_t *upload;
    mouv_gridfs_download_t *download;
    bson_value_t id; /* a copy; EOD: none was given */
    char *filename, *new_filename, *path;
    bson_t *opts;
    int revision;
    const void *data;
    void *buffer;
    size_t size;
    const bson_t **file;
    bson_value_t *new_id;
} call_t;

static void futures_release(mouv_future_t future, void *arg) {
    call_t *call = arg;
    (void)future;
    mouv_gridfs_bucket_unref(call->bucket);
    bson_value_destroy(&call->id);
    mouv__free(call->filename);
    mouv__free(call->new_filename);
    mouv__free(call->path);
    bson_destroy(call->opts);
    mouv__free(call);
}

static const bson_value_t *futures_id_of(const call_t *call) {
    return call->id.value_type == BSON_TYPE_EOD ? NULL : &call->id;
}

static mouv_future_t futures_no_memory(void) {
    mouv_error_t error;
    mouv_future_t future = mouv_future_new();
    mouv_error_set(&error, MOUV_ENOMEM, "gridfs: no memory for a task's arguments");
    mouv_future_set_error(future, &error);
    return future;
}

/** The task that runs `body`; what it was given is released when it is done, run or not. */
static mouv_future_t futures_start(mouv_fn_t body, const call_t *given,
                                   mouv_gridfs_bucket_t *bucket, const bson_value_t *id,
                                   const bson_t *opts) {
    call_t *call = mouv__alloc(sizeof *call);
    if (!call) return futures_no_memory();
    *call = *given;
    call->filename = mouv__gridfs_copy(given->filename);
    call->new_filename = mouv__gridfs_copy(given->new_filename);
    call->path = mouv__gridfs_copy(given->path);
    call->bucket = mouv_gridfs_bucket_ref(bucket);
    call->opts = opts ? bson_copy(opts) : NULL;
    if (id) bson_value_copy(id, &call->id);
    mouv_future_t task = mouv_task(body, call);
    /* Without memory for the callback it is lost: the task is about to use it. */
    if (mouv_future_add_done_callback(task, futures_release, call) < 0 && mouv_future_done(task))
        futures_release(task, call);
    return task;
}

/* --- The bucket ------------------------------------------------------------------------------ */

static int futures_delete_body(void *arg) {
    call_t *call = arg;
    return mouv_gridfs_delete(call->bucket, futures_id_of(call), NULL);
}

mouv_future_t mouv_gridfs_delete_future(mouv_gridfs_bucket_t *bucket, const bson_value_t *id) {
    return futures_start(futures_delete_body, &(call_t){0}, bucket, id, NULL);
}

static int futures_delete_by_name_body(void *arg) {
    call_t *call = arg;
    return mouv_gridfs_delete_by_name(call->bucket, call->filename, NULL);
}

mouv_future_t mouv_gridfs_delete_by_name_future(mouv_gridfs_bucket_t *bucket,
                                                const char *filename) {
    call_t call = {.filename = (char *)filename};
    return futures_start(futures_delete_by_name_body, &call, bucket, NULL, NULL);
}

static int futures_rename_by_name_body(void *arg) {
    call_t *call = arg;
    return mouv_gridfs_rename_by_name(call->bucket, call->filename, call->new_filename, NULL);
}

mouv_future_t mouv_gridfs_rename_by_name_future(mouv_gridfs_bucket_t *bucket, const char *filename,
                                                const char *new_filename) {
    call_t call = {.filename = (char *)filename, .new_filename = (char *)new_filename};
    return futures_start(futures_rename_by_name_body, &call, bucket, NULL, NULL);
}

static int futures_rename_body(void *arg) {
    call_t *call = arg;
    return mouv_gridfs_rename(call->bucket, futures_id_of(call), call->filename, NULL);
}

mouv_future_t mouv_gridfs_rename_future(mouv_gridfs_bucket_t *bucket, const bson_value_t *id,
                                        const char *filename) {
    return futures_start(futures_rename_body, &(call_t){.filename = (char *)filename}, bucket, id,
                         NULL);
}

static int futures_drop_body(void *arg) {
    return mouv_gridfs_drop(((call_t *)arg)->bucket, NULL);
}

mouv_future_t mouv_gridfs_drop_future(mouv_gridfs_bucket_t *bucket) {
    return futures_start(futures_drop_body, &(call_t){0}, bucket, NULL, NULL);
}

/* --- Streams --------------------------------------------------------------------------------- */

static int futures_write_body(void *arg) {
    call_t *call = arg;
    return mouv_gridfs_upload_write(call->upload, call->data, call->size, NULL);
}

mouv_future_t mouv_gridfs_upload_write_future(mouv_gridfs_upload_t *upload, const void *data,
                                              size_t size) {
    call_t call = {.upload = upload, .data = data, .size = size};
    return futures_start(futures_write_body, &call, NULL, NULL, NULL);
}

static int futures_close_body(void *arg) {
    return mouv_gridfs_upload_close(((call_t *)arg)->upload, NULL);
}

mouv_future_t mouv_gridfs_upload_close_future(mouv_gridfs_upload_t *upload) {
    return futures_start(futures_close_body, &(call_t){.upload = upload}, NULL, NULL, NULL);
}

static int futures_abort_body(void *arg) {
    return mouv_gridfs_upload_abort(((call_t *)arg)->upload, NULL);
}

mouv_future_t mouv_gridfs_upload_abort_future(mouv_gridfs_upload_t *upload) {
    return futures_start(futures_abort_body, &(call_t){.upload = upload}, NULL, NULL, NULL);
}

static int futures_file_body(void *arg) {
    call_t *call = arg;
    return mouv_gridfs_download_file(call->download, call->file, NULL);
}

mouv_future_t mouv_gridfs_download_file_future(mouv_gridfs_download_t *download,
                                               const bson_t **file) {
    return futures_start(futures_file_body, &(call_t){.download = download, .file = file}, NULL,
                         NULL, NULL);
}

static int futures_read_body(void *arg) {
    call_t *call = arg;
    return mouv_gridfs_download_read(call->download, call->buffer, call->size, NULL);
}

mouv_future_t mouv_gridfs_download_read_future(mouv_gridfs_download_t *download, void *buffer,
                                               size_t size) {
    call_t call = {.download = download, .buffer = buffer, .size = size};
    return futures_start(futures_read_body, &call, NULL, NULL, NULL);
}

/* --- Whole files ----------------------------------------------------------------------------- */

static int futures_from_file_body(void *arg) {
    call_t *call = arg;
    return mouv_gridfs_upload_from_file(call->bucket, call->path, call->filename, call->opts,
                                        call->new_id, NULL);
}

mouv_future_t mouv_gridfs_upload_from_file_future(mouv_gridfs_bucket_t *bucket, const char *path,
                                                  const char *filename, const bson_t *opts,
                                                  bson_value_t *id) {
    call_t call = {.path = (char *)path, .filename = (char *)filename, .new_id = id};
    return futures_start(futures_from_file_body, &call, bucket, NULL, opts);
}

static int futures_to_file_body(void *arg) {
    call_t *call = arg;
    return mouv_gridfs_download_to_file(call->bucket, futures_id_of(call), call->path, NULL);
}

mouv_future_t mouv_gridfs_download_to_file_future(mouv_gridfs_bucket_t *bucket,
                                                  const bson_value_t *id, const char *path) {
    return futures_start(futures_to_file_body, &(call_t){.path = (char *)path}, bucket, id, NULL);
}

static int futures_to_file_by_name_body(void *arg) {
    call_t *call = arg;
    return mouv_gridfs_download_to_file_by_name(call->bucket, call->filename, call->revision,
                                                call->path, NULL);
}

mouv_future_t mouv_gridfs_download_to_file_by_name_future(mouv_gridfs_bucket_t *bucket,
                                                          const char *filename, int revision,
                                                          const char *path) {
    call_t call = {.filename = (char *)filename, .path = (char *)path, .revision = revision};
    return futures_start(futures_to_file_by_name_body, &call, bucket, NULL, NULL);
}
