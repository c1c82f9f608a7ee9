/*
 * Files of numbered bytes, stored, read and broken.
 */
#include "support/gridfs_support.h"

#include <stdlib.h>

uint8_t byte_at(size_t i) {
    return (uint8_t)(i * 31 + i / 251 + i / CHUNK * 7);
}

mouv_gridfs_bucket_t *bucket_of(test_t *t) {
    return mouv_database_gridfs_bucket(t->database, json(t, "{'chunkSizeBytes': 1000}"));
}

mouv_collection_t *part(test_t *t, const char *name) {
    return mouv_database_get_collection(t->database, name);
}

int64_t count(test_t *t, const char *collection, const char *filter) {
    int64_t number = -1;
    await(t, mouv_collection_count_documents(part(t, collection), json(t, filter), NULL, &number));
    return number;
}

bson_value_t int_id(int id) {
    bson_value_t value = {.value_type = BSON_TYPE_INT32};
    value.value.v_int32 = id;
    return value;
}

int store(test_t *t, mouv_gridfs_bucket_t *bucket, int id, size_t size, size_t step) {
    bson_value_t value = int_id(id);
    uint8_t *bytes = malloc(size + 1);
    for (size_t i = 0; i < size; i++) bytes[i] = byte_at(i);
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *upload =
        mouv_gridfs_open_upload_stream_with_id(bucket, &value, "a file", NULL);
    int rc = 0;
    for (size_t at = 0; at < size && rc >= 0; at += step) {
        size_t some = size - at < step ? size - at : step;
        rc = mouv_gridfs_upload_write(upload, bytes + at, some, &t->error);
    }
    free(bytes);
    return rc < 0 ? rc : mouv_gridfs_upload_close(upload, &t->error);
}

int64_t drain(test_t *t, mouv_gridfs_download_t *download, size_t step) {
    uint8_t *buffer = malloc(step);
    int64_t size = 0;
    int rc;
    bool right = true;
    while ((rc = mouv_gridfs_download_read(download, buffer, step, &t->error)) > 0) {
        for (size_t i = 0; i < (size_t)rc; i++)
            right = right && buffer[i] == byte_at((size_t)size + i);
        size += rc;
    }
    free(buffer);
    return rc < 0 ? rc : right ? size : -1;
}

int64_t fetch(test_t *t, mouv_gridfs_bucket_t *bucket, int id, size_t step) {
    bson_value_t value = int_id(id);
    MOUV_AUTO_DOWNLOAD mouv_gridfs_download_t *download =
        mouv_gridfs_open_download_stream(bucket, &value);
    return drain(t, download, step);
}

int64_t read_broken(test_t *t, const char *collection, const char *filter, const char *update) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    if (store(t, bucket, 1, 3500, 1000) < 0) return -1;
    mouv_collection_t *broken = part(t, collection);
    int rc = await(t, update ? mouv_collection_update_one(broken, json(t, filter), json(t, update),
                                                          json(t, "{'upsert': true}"), NULL)
                             : mouv_collection_delete_one(broken, json(t, filter), NULL, NULL));
    return rc < 0 ? -1 : fetch(t, bucket, 1, 100000);
}
