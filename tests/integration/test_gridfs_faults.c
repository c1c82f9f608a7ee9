/*
 * GridFS when things go wrong: what is broken in the database is told, and what a cancelled,
 * aborted or failed upload leaves is nothing.
 */
#include "support/gridfs_support.h"

/* --- What is broken -------------------------------------------------------------------------- */

CASE(a_missing_chunk_is_told) {
    CHECK_INT(read_broken(t, "fs.chunks", "{'n': 1}", NULL), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "ChunkMissing");
    CHECK_CONTAINS(t->error.message, "chunk 1 is missing");
    return 0;
}

CASE(a_missing_last_chunk_is_told) {
    CHECK_INT(read_broken(t, "fs.chunks", "{'n': 3}", NULL), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "ChunkMissing");
    return 0;
}

CASE(a_truncated_chunk_is_told) {
    const char *shorter = "{'$set': {'data': {'$binary': {'base64': 'bw==', 'subType': '00'}}}}";
    CHECK_INT(read_broken(t, "fs.chunks", "{'n': 1}", shorter), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "ChunkWrongSize");
    CHECK_CONTAINS(t->error.message, "chunk 1 has 1 bytes instead of 1000");
    return 0;
}

CASE(an_extra_chunk_is_told) {
    const char *data = "{'$set': {'data': {'$binary': {'base64': 'bw==', 'subType': '00'}}}}";
    CHECK_INT(read_broken(t, "fs.chunks", "{'files_id': 1, 'n': 4}", data), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "ExtraChunk");
    return 0;
}

CASE(a_files_document_without_sense_is_told) {
    CHECK_INT(read_broken(t, "fs.files", "{'_id': 1}", "{'$set': {'chunkSize': -1}}"),
              MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "FileCorrupt");
    return 0;
}

CASE(an_error_of_a_download_is_final) {
    uint8_t byte;
    bson_value_t none = int_id(9);
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    MOUV_AUTO_DOWNLOAD mouv_gridfs_download_t *download =
        mouv_gridfs_open_download_stream(bucket, &none);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(mouv_gridfs_download_read(download, &byte, 1, &t->error), MOUV_ESERVER);
        CHECK_STRING(t->error.code_name, "FileNotFound");
    }
    mouv_gridfs_download_close(download);
    mouv_gridfs_download_close(download);
    return 0;
}

/* --- Nothing is left ------------------------------------------------------------------------- */

typedef struct endless {
    test_t *t;
    mouv_gridfs_bucket_t *bucket;
    int64_t written;
    mouv_error_t error;
} endless_t;

static int upload_without_end(void *arg) {
    endless_t *endless = arg;
    static const uint8_t bytes[10 * CHUNK];
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *upload =
        mouv_gridfs_open_upload_stream(endless->bucket, "endless", NULL);
    for (;;) {
        int rc = mouv_gridfs_upload_write(upload, bytes, sizeof bytes, &endless->error);
        if (rc < 0) return rc;
        endless->written += (int64_t)sizeof bytes;
    }
}

CASE(a_cancelled_upload_leaves_nothing) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    for (int i = 0; i < 8; i++) { /* at various places */
        endless_t endless = {t, bucket, 0, {0}};
        mouv_future_t task = mouv_task(upload_without_end, &endless);
        while (endless.written < 200 * CHUNK) mouv_sleep_ms(1);
        mouv_sleep_ms(i);
        mouv_future_cancel(task);
        CHECK_INT(await(t, task), MOUV_ECANCELED);
        CHECK_INT(count(t, "fs.chunks", "{}"), 0);
        CHECK_INT(count(t, "fs.files", "{}"), 0);
    }
    return 0;
}

CASE(an_upload_over_its_time_leaves_nothing) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    endless_t endless = {t, bucket, 0, {0}};
    CHECK_INT(mouv_await_for(mouv_coro(upload_without_end, &endless), 300, &t->error),
              MOUV_ETIMEDOUT);
    CHECK(endless.written > 0);
    CHECK_INT(count(t, "fs.chunks", "{}"), 0);
    return 0;
}

static mouv_gridfs_upload_t *begun(test_t *t, mouv_gridfs_bucket_t *bucket) {
    static const uint8_t bytes[300 * CHUNK];
    mouv_gridfs_upload_t *upload = mouv_gridfs_open_upload_stream(bucket, "begun", NULL);
    mouv_gridfs_upload_write(upload, bytes, sizeof bytes, &t->error);
    return upload;
}

CASE(an_aborted_upload_leaves_nothing) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *upload = begun(t, bucket);
    CHECK_INT(count(t, "fs.chunks", "{}"), 256);
    CHECK_INT(mouv_gridfs_upload_abort(upload, &t->error), 0);
    CHECK_INT(count(t, "fs.chunks", "{}"), 0);
    CHECK_INT(mouv_gridfs_upload_write(upload, "x", 1, &t->error), MOUV_ESTATE);
    CHECK_INT(mouv_gridfs_upload_close(upload, &t->error), MOUV_ESTATE);
    CHECK_INT(mouv_gridfs_upload_abort(upload, &t->error), MOUV_ESTATE);
    CHECK_INT(count(t, "fs.files", "{}"), 0);
    return 0;
}

CASE(a_released_upload_leaves_nothing) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    mouv_gridfs_upload_unref(begun(t, bucket));
    int64_t left = -1;
    for (int i = 0; i < 100 && left != 0; i++) {
        mouv_sleep_ms(20);
        left = count(t, "fs.chunks", "{}");
    }
    CHECK_INT(left, 0);
    return 0;
}

/* --- The client goes, too -------------------------------------------------------------------- */

/** bucket_of() of a client of its own. */
static mouv_gridfs_bucket_t *others_bucket(test_t *t, mouv_client_t **client) {
    *client = mouv_client_new(test_uri(), NULL, &t->error);
    return mouv_database_gridfs_bucket(mouv_client_get_database(*client, t->database_name),
                                       json(t, "{'chunkSizeBytes': 1000}"));
}

CASE(an_upload_that_goes_with_its_client_leaves_nothing) {
    MOUV_AUTO_CLIENT mouv_client_t *client = NULL;
    mouv_gridfs_bucket_t *bucket = others_bucket(t, &client);
    mouv_gridfs_upload_t *upload = begun(t, bucket);
    CHECK_INT(count(t, "fs.chunks", "{}"), 256);
    mouv_gridfs_upload_unref(upload);
    mouv_gridfs_bucket_unref(bucket);
    CHECK_INT(mouv_client_close(client, &t->error), 0);
    CHECK_INT(count(t, "fs.chunks", "{}"), 0);
    return 0;
}

CASE(a_client_that_closes_undoes_its_uploads) {
    MOUV_AUTO_CLIENT mouv_client_t *client = NULL;
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = others_bucket(t, &client);
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *upload = begun(t, bucket);
    CHECK_INT(count(t, "fs.chunks", "{}"), 256);
    CHECK_INT(mouv_client_close(client, &t->error), 0);
    CHECK_INT(count(t, "fs.chunks", "{}"), 0);
    CHECK_INT(mouv_gridfs_upload_write(upload, "x", 1, &t->error), MOUV_ECLOSED);
    CHECK_INT(mouv_gridfs_upload_close(upload, &t->error), MOUV_ECLOSED);
    return 0;
}

CASE(an_upload_whose_client_closes_under_it_leaves_nothing) {
    for (int i = 0; i < 8; i++) { /* at various places */
        MOUV_AUTO_CLIENT mouv_client_t *client = NULL;
        MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = others_bucket(t, &client);
        endless_t endless = {t, bucket, 0, {0}};
        mouv_future_t task = mouv_task(upload_without_end, &endless);
        while (endless.written < 300 * CHUNK) mouv_sleep_ms(1);
        mouv_sleep_ms(i);
        CHECK_INT(mouv_client_close(client, &t->error), 0);
        CHECK_INT(count(t, "fs.chunks", "{}"), 0);
        int rc = await(t, task);
        CHECK(rc == MOUV_ECLOSED || rc == MOUV_ECANCELED);
    }
    return 0;
}

CASE(a_delete_whose_client_closes_deletes_all_or_nothing) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    for (int id = 0; id < 8; id++) { /* at various places */
        char of_file[40], by_id[40];
        bson_value_t value = int_id(id);
        MOUV_AUTO_CLIENT mouv_client_t *client = NULL;
        MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *other = others_bucket(t, &client);
        snprintf(of_file, sizeof of_file, "{'files_id': %d}", id);
        snprintf(by_id, sizeof by_id, "{'_id': %d}", id);
        CHECK_INT(store(t, bucket, id, 100 * CHUNK, 100 * CHUNK), 0);
        CHECK_INT(await(t, mouv_client_ping(client)), 0);
        mouv_future_t task = mouv_gridfs_delete_future(other, &value);
        for (int turns = 0; turns < 2 * id; turns++) mouv_sleep_ms(0);
        CHECK_INT(mouv_client_close(client, &t->error), 0);
        CHECK_INT(count(t, "fs.chunks", of_file), 100 * count(t, "fs.files", by_id));
        await(t, task);
    }
    return 0;
}

/* --- */

CASE(an_id_that_is_taken_leaves_its_file_alone) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    CHECK_INT(store(t, bucket, 1, 2500, 100), 0);
    CHECK_INT(store(t, bucket, 1, 9500, 100), MOUV_ESERVER);
    CHECK(mouv_error_is_duplicate_key(&t->error));
    CHECK_INT(fetch(t, bucket, 1, 512), 2500);
    CHECK_INT(store(t, bucket, 2, 0, 1), 0); /* one without chunks: told by the files document */
    CHECK_INT(store(t, bucket, 2, 9500, 100), MOUV_ESERVER);
    CHECK_INT(count(t, "fs.chunks", "{'files_id': 2}"), 0);
    CHECK_INT(fetch(t, bucket, 2, 512), 0);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_missing_chunk_is_told),
        cmocka_unit_test(a_missing_last_chunk_is_told),
        cmocka_unit_test(a_truncated_chunk_is_told),
        cmocka_unit_test(an_extra_chunk_is_told),
        cmocka_unit_test(a_files_document_without_sense_is_told),
        cmocka_unit_test(an_error_of_a_download_is_final),
        cmocka_unit_test(a_cancelled_upload_leaves_nothing),
        cmocka_unit_test(an_upload_over_its_time_leaves_nothing),
        cmocka_unit_test(an_aborted_upload_leaves_nothing),
        cmocka_unit_test(a_released_upload_leaves_nothing),
        cmocka_unit_test(an_upload_that_goes_with_its_client_leaves_nothing),
        cmocka_unit_test(a_client_that_closes_undoes_its_uploads),
        cmocka_unit_test(an_upload_whose_client_closes_under_it_leaves_nothing),
        cmocka_unit_test(a_delete_whose_client_closes_deletes_all_or_nothing),
        cmocka_unit_test(an_id_that_is_taken_leaves_its_file_alone),
    };
    return RUN_CASES(cases);
}
