/*
 * The futures of GridFS: each suspending function as a task of its own, with its arguments copied.
 * All of them stand in one table, at the end: a function and the arguments that it takes, in their
 * order, each of which is a field of call_t.
 *
 * A call belongs to its task, and is released by a callback when that is done, run or not. It has a
 * share in its bucket and stream; data, buffers and outputs are the caller's, and outlive the task.
 */
#include "mongo/gridfs/gridfs.h"

#include <mouv/task.h>

#include "context/alloc.h"
#include "mongo/gridfs/download.h"
#include "mongo/gridfs/upload.h"

#define TYPE_bucket mouv_gridfs_bucket_t *
#define TYPE_upload mouv_gridfs_upload_t *
#define TYPE_download mouv_gridfs_download_t *
#define TYPE_id const bson_value_t *
#define TYPE_filename const char *
#define TYPE_new_filename const char *
#define TYPE_path const char *
#define TYPE_opts const bson_t *
#define TYPE_revision int
#define TYPE_data const void *
#define TYPE_buffer void *
#define TYPE_size size_t
#define TYPE_file const bson_t **
#define TYPE_new_id bson_value_t *

#define PARAMETER(field) TYPE_##field field
#define GIVEN(field) .field = field
#define TAKEN(field) call->field

/** The arguments of any of them: bucket and streams are counted; id, strings and opts are copies. */
typedef struct call {
    PARAMETER(bucket);
    PARAMETER(upload);
    PARAMETER(download);
    PARAMETER(id);
    PARAMETER(filename);
    PARAMETER(new_filename);
    PARAMETER(path);
    PARAMETER(opts);
    PARAMETER(revision);
    PARAMETER(data);
    PARAMETER(buffer);
    PARAMETER(size);
    PARAMETER(file);
    PARAMETER(new_id);
    bson_value_t id_copy; /* what `id` points to; EOD: none was given */
} call_t;

static void futures_release(mouv_future_t future, void *arg) {
    call_t *call = arg;
    (void)future;
    mouv__gridfs_upload_let_go(call->upload);
    mouv__gridfs_download_let_go(call->download);
    mouv_gridfs_bucket_unref(call->bucket);
    bson_value_destroy(&call->id_copy);
    mouv__free((char *)call->filename);
    mouv__free((char *)call->new_filename);
    mouv__free((char *)call->path);
    bson_destroy((bson_t *)call->opts);
    mouv__free(call);
}

static mouv_future_t futures_no_memory(void) {
    mouv_error_t error;
    mouv_future_t future = mouv_future_new();
    mouv_error_set(&error, MOUV_ENOMEM, "gridfs: no memory for a task's arguments");
    mouv_future_set_error(future, &error);
    return future;
}

/** The task that runs `body`; what it was given is released when it is done, run or not. */
static mouv_future_t futures_start(mouv_fn_t body, const call_t *given) {
    call_t *call = mouv__alloc(sizeof *call);
    if (!call) return futures_no_memory();
    *call = *given;
    mouv__gridfs_upload_hold(call->upload);
    mouv__gridfs_download_hold(call->download);
    call->bucket = mouv_gridfs_bucket_ref(given->bucket);
    call->filename = mouv__gridfs_copy(given->filename);
    call->new_filename = mouv__gridfs_copy(given->new_filename);
    call->path = mouv__gridfs_copy(given->path);
    call->opts = given->opts ? bson_copy(given->opts) : NULL;
    if (given->id) bson_value_copy(given->id, &call->id_copy);
    call->id = call->id_copy.value_type == BSON_TYPE_EOD ? NULL : &call->id_copy;
    mouv_future_t task = mouv_task(body, call);
    if (mouv_future_add_done_callback(task, futures_release, call) < 0) {
        mouv_future_cancel(task); /* no memory: cancelled before it has begun, it never does */
        futures_release(task, call);
    }
    return task;
}

/* --- The table ------------------------------------------------------------------------------- */

#define EACH_1(what, a) what(a)
#define EACH_2(what, a, ...) what(a), EACH_1(what, __VA_ARGS__)
#define EACH_3(what, a, ...) what(a), EACH_2(what, __VA_ARGS__)
#define EACH_4(what, a, ...) what(a), EACH_3(what, __VA_ARGS__)
#define EACH_5(what, a, ...) what(a), EACH_4(what, __VA_ARGS__)

/** mouv_gridfs_<name>_future() of mouv_gridfs_<name>(): so many arguments, and `error` behind. */
#define FUTURE(name, count, ...) \
    static int futures_##name(void *arg) { \
        const call_t *call = arg; \
        return mouv_gridfs_##name(EACH_##count(TAKEN, __VA_ARGS__), NULL); \
    } \
    mouv_future_t mouv_gridfs_##name##_future(EACH_##count(PARAMETER, __VA_ARGS__)) { \
        return futures_start(futures_##name, &(call_t){EACH_##count(GIVEN, __VA_ARGS__)}); \
    }

/* clang-format off */
FUTURE(delete,                   2, bucket, id)
FUTURE(delete_by_name,           2, bucket, filename)
FUTURE(rename,                   3, bucket, id, filename)
FUTURE(rename_by_name,           3, bucket, filename, new_filename)
FUTURE(drop,                     1, bucket)
FUTURE(upload_write,             3, upload, data, size)
FUTURE(upload_close,             1, upload)
FUTURE(upload_abort,             1, upload)
FUTURE(download_file,            2, download, file)
FUTURE(download_read,            3, download, buffer, size)
FUTURE(upload_from_file,         5, bucket, path, filename, opts, new_id)
FUTURE(download_to_file,         3, bucket, id, path)
FUTURE(download_to_file_by_name, 4, bucket, filename, revision, path)
/* clang-format on */
