/*
 * Whole files, between the bucket and the file system: uv_fs calls on the loop, awaited.
 */
#include "mongo/gridfs/gridfs.h"

#include <fcntl.h>

#include <uv.h>

#include <mouv/await.h>
#include <mouv/runtime.h>
#include <mouv/scope.h>

#include "async/task/runtime.h"
#include "context/alloc.h"

enum { BUFFER_BYTES = 256 * 1024 };

/* --- uv_fs calls, awaited -------------------------------------------------------------------- */

/** One call. It borrows from the coroutine's stack, so it is waited for also in a cancelled one. */
typedef struct fs_call {
    uv_fs_t request;
    uv_loop_t *loop;
    mouv_scope_t shield;
    mouv_future_t done;
} fs_call_t;

static bool file_fs_begin(fs_call_t *call) {
    if (mouv_shield_begin(&call->shield, MOUV_FOREVER) < 0) return false;
    call->loop = mouv_runtime_loop(mouv_runtime_current());
    call->done = mouv_future_new();
    call->request.data = call;
    if (!mouv_future_done(call->done)) return true;
    mouv_await(call->done, NULL);
    mouv_scope_leave(&call->shield);
    return false;
}

static void file_fs_done(uv_fs_t *request) {
    mouv_future_set_result(((fs_call_t *)request->data)->done, 0);
}

/** The call's result: a number, or libuv's negative code. */
static int64_t file_fs_end(fs_call_t *call, int begun) {
    if (begun < 0) mouv_future_set_result(call->done, 0);
    mouv_await(call->done, NULL);
    int64_t result = begun < 0 ? begun : call->request.result;
    if (begun >= 0) uv_fs_req_cleanup(&call->request);
    mouv_scope_leave(&call->shield);
    return result;
}

static int64_t file_fs_open(const char *path, int flags) {
    fs_call_t call;
    if (!file_fs_begin(&call)) return UV_ENOMEM;
    return file_fs_end(&call,
                       uv_fs_open(call.loop, &call.request, path, flags, 0666, file_fs_done));
}

static int64_t file_fs_close(uv_file file) {
    fs_call_t call;
    if (!file_fs_begin(&call)) return UV_ENOMEM;
    return file_fs_end(&call, uv_fs_close(call.loop, &call.request, file, file_fs_done));
}

static int64_t file_fs_unlink(const char *path) {
    fs_call_t call;
    if (!file_fs_begin(&call)) return UV_ENOMEM;
    return file_fs_end(&call, uv_fs_unlink(call.loop, &call.request, path, file_fs_done));
}

static int64_t file_fs_read(uv_file file, uint8_t *buffer, size_t size) {
    fs_call_t call;
    uv_buf_t bytes = uv_buf_init((char *)buffer, (unsigned)size);
    if (!file_fs_begin(&call)) return UV_ENOMEM;
    return file_fs_end(&call,
                       uv_fs_read(call.loop, &call.request, file, &bytes, 1, -1, file_fs_done));
}

/** All of it: 0, or a negative code. */
static int64_t file_fs_write(uv_file file, const uint8_t *buffer, size_t size) {
    while (size > 0) {
        fs_call_t call;
        uv_buf_t bytes = uv_buf_init((char *)buffer, (unsigned)size);
        if (!file_fs_begin(&call)) return UV_ENOMEM;
        int64_t written = file_fs_end(
            &call, uv_fs_write(call.loop, &call.request, file, &bytes, 1, -1, file_fs_done));
        if (written < 0) return written;
        buffer += written;
        size -= (size_t)written;
    }
    return 0;
}

static int file_fs_failed(mouv_error_t *error, const char *path, int64_t code) {
    mouv_error_t made;
    mouv_error_set(&made, MOUV_ESYSTEM, "%.400s: %s", path, uv_strerror((int)code));
    made.cause = (int)code;
    return mouv__gridfs_give(&made, error);
}

/* --- From a file ----------------------------------------------------------------------------- */

static int file_copy_in(mouv_gridfs_upload_t *upload, uv_file file, const char *path,
                        uint8_t *buffer, mouv_error_t *error) {
    int64_t size;
    while ((size = file_fs_read(file, buffer, BUFFER_BYTES)) > 0) {
        int rc = mouv_gridfs_upload_write(upload, buffer, (size_t)size, error);
        if (rc < 0) return rc;
    }
    if (size < 0) return file_fs_failed(error, path, size);
    return mouv_gridfs_upload_close(upload, error);
}

static int file_upload_open_file(mouv_gridfs_upload_t *upload, uv_file file, const char *path,
                                 mouv_error_t *error) {
    uint8_t *buffer = mouv__alloc(BUFFER_BYTES);
    mouv_error_t kept;
    int rc = buffer ? file_copy_in(upload, file, path, buffer, &kept)
                    : mouv__raise(&kept, MOUV_ENOMEM, "gridfs: no memory for a buffer");
    mouv__free(buffer);
    if (rc < 0) mouv_gridfs_upload_abort(upload, NULL); /* refused if it has ended by itself */
    return rc < 0 ? mouv__gridfs_give(&kept, error) : 0;
}

int mouv_gridfs_upload_from_file(mouv_gridfs_bucket_t *bucket, const char *path,
                                 const char *filename, const bson_t *opts, bson_value_t *id,
                                 mouv_error_t *error) {
    int rc = mouv__gridfs_may(bucket, "mouv_gridfs_upload_from_file()", error);
    if (rc < 0) return rc;
    if (!path) return mouv__raise(error, MOUV_EINVAL, "upload_from_file: 'path' is NULL");
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *upload =
        mouv_gridfs_open_upload_stream(bucket, filename, opts); /* holds the bucket */
    int64_t file = file_fs_open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return file_fs_failed(error, path, file);
    rc = file_upload_open_file(upload, (uv_file)file, path, error);
    file_fs_close((uv_file)file);
    if (rc >= 0 && id) bson_value_copy(mouv_gridfs_upload_id(upload), id);
    return rc;
}

/* --- To a file ------------------------------------------------------------------------------- */

static int file_copy_out(mouv_gridfs_download_t *download, uv_file file, const char *path,
                         mouv_error_t *error) {
    uint8_t *buffer = mouv__alloc(BUFFER_BYTES);
    if (!buffer) return mouv__raise(error, MOUV_ENOMEM, "gridfs: no memory for a buffer");
    int rc;
    while ((rc = mouv_gridfs_download_read(download, buffer, BUFFER_BYTES, error)) > 0) {
        int64_t written = file_fs_write(file, buffer, (size_t)rc);
        if (written < 0) {
            rc = file_fs_failed(error, path, written);
            break;
        }
    }
    mouv__free(buffer);
    return rc;
}

/** `*made` tells whether there was no such file before. */
static int64_t file_open_target(const char *path, bool *made) {
    int64_t file = file_fs_open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC);
    *made = file >= 0;
    return file == UV_EEXIST ? file_fs_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC) : file;
}

/** Consumes the stream. */
static int file_download_to_path(mouv_gridfs_download_t *given, const char *path,
                                 mouv_error_t *error) {
    MOUV_AUTO_DOWNLOAD mouv_gridfs_download_t *download = given;
    mouv_error_t kept;
    bool made;
    if (!path) return mouv__raise(error, MOUV_EINVAL, "download_to_file: 'path' is NULL");
    int rc = mouv_gridfs_download_file(download, NULL, error);
    if (rc < 0) return rc;
    int64_t file = file_open_target(path, &made);
    if (file < 0) return file_fs_failed(error, path, file);

    rc = file_copy_out(download, (uv_file)file, path, &kept);
    int64_t closed = file_fs_close((uv_file)file);
    if (rc >= 0 && closed < 0) rc = file_fs_failed(&kept, path, closed);
    if (rc >= 0) return 0;
    if (made) file_fs_unlink(path);
    return mouv__gridfs_give(&kept, error);
}

int mouv_gridfs_download_to_file(mouv_gridfs_bucket_t *bucket, const bson_value_t *id,
                                 const char *path, mouv_error_t *error) {
    int rc = mouv__gridfs_may(bucket, "mouv_gridfs_download_to_file()", error);
    if (rc < 0) return rc;
    return file_download_to_path(mouv_gridfs_open_download_stream(bucket, id), path, error);
}

int mouv_gridfs_download_to_file_by_name(mouv_gridfs_bucket_t *bucket, const char *filename,
                                         int revision, const char *path, mouv_error_t *error) {
    int rc = mouv__gridfs_may(bucket, "mouv_gridfs_download_to_file_by_name()", error);
    if (rc < 0) return rc;
    return file_download_to_path(
        mouv_gridfs_open_download_stream_by_name(bucket, filename, revision), path, error);
}
