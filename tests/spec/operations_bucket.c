/*
 * Operations on a GridFS bucket.
 */
#include <string.h>

#include "spec/operations.h"
#include "spec/view.h"

/** The call's bucket, with the call's timeoutMS if it has one; a reference of the caller's. */
static mouv_gridfs_bucket_t *bucket_of(const spec_call_t *call) {
    const spec_bucket_t *bucket = &call->object->is.bucket;
    bson_iter_t limit;
    if (!bson_iter_init_find(&limit, call->arguments, "timeoutMS")) {
        return mouv_gridfs_bucket_ref(bucket->bucket);
    }
    AUTO_BSON *options = bson_new();
    bson_copy_to_excluding_noinit(bucket->options, options, "timeoutMS", NULL);
    bson_append_iter(options, NULL, -1, &limit);
    return mouv_database_gridfs_bucket(bucket->database, options);
}

/* --- upload ---------------------------------------------------------------------------------- */

static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/** The bytes of {$$hexBytes: "12AB"}, to be freed; NULL: malformed. */
static uint8_t *hex_bytes(const bson_t *source, size_t *size) {
    const char *text = spec_string(source, "$$hexBytes");
    if (!text || bson_count_keys(source) != 1 || strlen(text) % 2 != 0) return NULL;
    *size = strlen(text) / 2;
    uint8_t *bytes = bson_malloc(*size + 1);
    for (size_t i = 0; i < *size; i++) {
        int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            bson_free(bytes);
            return NULL;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return bytes;
}

static bool upload_into(spec_call_t *call, mouv_gridfs_upload_t *stream) {
    bson_t source;
    size_t size;
    if (!spec_need_document(call, "source", &source)) return false;
    uint8_t *bytes = hex_bytes(&source, &size);
    if (!bytes) return spec_fail(call->test, "source is no {$$hexBytes: \"...\"}");
    if (spec_await(call, mouv_gridfs_upload_write_future(stream, bytes, size)) &&
        spec_await(call, mouv_gridfs_upload_close_future(stream))) {
        spec_result_value(call, mouv_gridfs_upload_id(stream));
    }
    bson_free(bytes);
    return true;
}

static bool upload(spec_call_t *call) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(call);
    const char *name = spec_need_string(call, "filename");
    if (!name) return false;
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *stream =
        mouv_gridfs_open_upload_stream(bucket, name, call->opts);
    return upload_into(call, stream);
}

static bool upload_with_id(spec_call_t *call) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(call);
    bson_iter_t iter;
    const char *name = spec_need_string(call, "filename");
    const bson_value_t *id = name ? spec_need_value(call, "id", &iter) : NULL;
    if (!id) return false;
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *stream =
        mouv_gridfs_open_upload_stream_with_id(bucket, id, name, call->opts);
    return upload_into(call, stream);
}

/* --- download -------------------------------------------------------------------------------- */

/** All of a file, as one binary value. */
static bool download_from(spec_call_t *call, mouv_gridfs_download_t *stream) {
    enum { PART = 4096 };
    uint8_t *bytes = NULL;
    size_t size = 0;
    do {
        bytes = bson_realloc(bytes, size + PART);
        if (!spec_await(call, mouv_gridfs_download_read_future(stream, bytes + size, PART))) break;
        size += (size_t)call->rc;
    } while (call->rc > 0);
    if (call->rc >= 0) {
        bson_value_t value = {.value_type = BSON_TYPE_BINARY};
        value.value.v_binary.data = bytes;
        value.value.v_binary.data_len = (uint32_t)size;
        spec_result_value(call, &value);
    }
    bson_free(bytes);
    return true;
}

static bool download(spec_call_t *call) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(call);
    bson_iter_t iter;
    const bson_value_t *id = spec_need_value(call, "id", &iter);
    if (!id) return false;
    MOUV_AUTO_DOWNLOAD mouv_gridfs_download_t *stream =
        mouv_gridfs_open_download_stream(bucket, id);
    return download_from(call, stream);
}

static bool download_by_name(spec_call_t *call) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(call);
    const char *name = spec_need_string(call, "filename");
    if (!name) return false;
    int revision = (int)spec_int(call->arguments, "revision", -1);
    MOUV_AUTO_DOWNLOAD mouv_gridfs_download_t *stream =
        mouv_gridfs_open_download_stream_by_name(bucket, name, revision);
    return download_from(call, stream);
}

/* --- The files ------------------------------------------------------------------------------- */

static bool find(spec_call_t *call) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(call);
    bson_t filter;
    spec_may_document(call, "filter", &filter);
    return spec_take_rows(call, mouv_gridfs_find(bucket, &filter, call->opts));
}

static bool delete_file(spec_call_t *call) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(call);
    bson_iter_t iter;
    const bson_value_t *id = spec_need_value(call, "id", &iter);
    if (!id) return false;
    spec_await(call, mouv_gridfs_delete_future(bucket, id));
    return true;
}

static bool rename_file(spec_call_t *call) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(call);
    bson_iter_t iter;
    const bson_value_t *id = spec_need_value(call, "id", &iter);
    const char *name = id ? spec_need_string(call, "newFilename") : NULL;
    if (!name) return false;
    spec_await(call, mouv_gridfs_rename_future(bucket, id, name));
    return true;
}

static bool delete_by_name(spec_call_t *call) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(call);
    const char *name = spec_need_string(call, "filename");
    if (!name) return false;
    spec_await(call, mouv_gridfs_delete_by_name_future(bucket, name));
    return true;
}

static bool rename_by_name(spec_call_t *call) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(call);
    const char *name = spec_need_string(call, "filename");
    const char *to = name ? spec_need_string(call, "newFilename") : NULL;
    if (!to) return false;
    spec_await(call, mouv_gridfs_rename_by_name_future(bucket, name, to));
    return true;
}

static bool drop(spec_call_t *call) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(call);
    spec_await(call, mouv_gridfs_drop_future(bucket));
    return true;
}

#define FIND_OPTIONS \
    SPEC_COMMON_OPTIONS \
    "allowDiskUse batchSize collation hint limit noCursorTimeout projection skip sort timeoutMode"
#define UPLOAD_OPTIONS "aliases chunkSizeBytes contentType disableMD5 metadata timeoutMS"

const spec_operation_t spec_bucket_operations[] = {
    {"delete", delete_file, "id", "timeoutMS"},
    {"deleteByName", delete_by_name, "filename", "timeoutMS"},
    {"download", download, "id", "timeoutMS"},
    {"downloadByName", download_by_name, "filename revision", "timeoutMS"},
    {"drop", drop, "", "timeoutMS"},
    {"find", find, "filter", FIND_OPTIONS},
    {"rename", rename_file, "id newFilename", "timeoutMS"},
    {"renameByName", rename_by_name, "filename newFilename", "timeoutMS"},
    {"upload", upload, "filename source", UPLOAD_OPTIONS},
    {"uploadWithId", upload_with_id, "id filename source", UPLOAD_OPTIONS},
    {NULL, NULL, NULL, NULL},
};
