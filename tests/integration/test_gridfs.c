/*
 * GridFS: round trips around the edges of chunks, revisions, what is broken in the database, what
 * a cancelled or aborted upload leaves (nothing), and files of the file system.
 */
#include "support/support.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CHUNK = 1000 };

/** A byte that differs from chunk to chunk, and within them. */
static uint8_t byte_at(size_t i) {
    return (uint8_t)(i * 31 + i / 251 + i / CHUNK * 7);
}

static mouv_gridfs_bucket_t *bucket_of(test_t *t) {
    return mouv_database_gridfs_bucket(t->database, json(t, "{'chunkSizeBytes': 1000}"));
}

static mouv_collection_t *part(test_t *t, const char *name) {
    return mouv_database_get_collection(t->database, name);
}

static int64_t count(test_t *t, const char *collection, const char *filter) {
    int64_t number = -1;
    await(t, mouv_collection_count_documents(part(t, collection), json(t, filter), NULL, &number));
    return number;
}

static bson_value_t int_id(int id) {
    bson_value_t value = {.value_type = BSON_TYPE_INT32};
    value.value.v_int32 = id;
    return value;
}

/** Stores `size` bytes under a number, written in parts of `step`. */
static int store(test_t *t, mouv_gridfs_bucket_t *bucket, int id, size_t size, size_t step) {
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

/** Reads a stream to its end in parts of `step`: how many bytes, -1 if wrong ones, or an error. */
static int64_t drain(test_t *t, mouv_gridfs_download_t *download, size_t step) {
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

static int64_t fetch(test_t *t, mouv_gridfs_bucket_t *bucket, int id, size_t step) {
    bson_value_t value = int_id(id);
    MOUV_AUTO_DOWNLOAD mouv_gridfs_download_t *download =
        mouv_gridfs_open_download_stream(bucket, &value);
    return drain(t, download, step);
}

/* --- Round trips ----------------------------------------------------------------------------- */

CASE(every_size_around_the_chunks_comes_back) {
    static const size_t sizes[] = {0,         1,         CHUNK - 1,   CHUNK,          CHUNK + 1,
                                   2 * CHUNK, 10 * CHUNK + 7, 128 * CHUNK, 128 * CHUNK + 1,
                                   300 * CHUNK + 5};
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char of_file[64];
        snprintf(of_file, sizeof of_file, "{'files_id': %d}", (int)i);
        CHECK_INT(store(t, bucket, (int)i, sizes[i], 4096), 0);
        CHECK_INT(count(t, "fs.chunks", of_file), (int64_t)((sizes[i] + CHUNK - 1) / CHUNK));
        CHECK_INT(fetch(t, bucket, (int)i, 100000), (int64_t)sizes[i]);
    }
    return 0;
}

CASE(small_parts_are_written_and_read) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    CHECK_INT(store(t, bucket, 1, 5 * CHUNK + 3, 7), 0);
    CHECK_INT(fetch(t, bucket, 1, 1), 5 * CHUNK + 3);
    CHECK_INT(fetch(t, bucket, 1, 13), 5 * CHUNK + 3);
    return 0;
}

CASE(the_documents_are_as_specified) {
    AUTO_BSON *file = NULL;
    AUTO_BSON *chunk = NULL;
    int64_t date;
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = mouv_database_gridfs_bucket(
        t->database, json(t, "{'bucketName': 'pictures', 'writeConcern': {'w': 'majority'}}"));
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *upload = mouv_gridfs_open_upload_stream(
        bucket, "cat", json(t, "{'_id': 'c', 'chunkSizeBytes': 4, 'metadata': {'by': 'me'}}"));
    CHECK_INT(mouv_gridfs_upload_write(upload, "hello", 5, &t->error), 0);
    CHECK_INT(mouv_gridfs_upload_close(upload, &t->error), 0);
    CHECK_INT(await(t, mouv_collection_find_one(part(t, "pictures.files"), NULL,
                                                json(t, "{'projection': {'uploadDate': 0}}"),
                                                &file)), 1);
    CHECK_DOCUMENT(file, "{'_id': 'c', 'length': {'$numberLong': '5'}, 'chunkSize': 4,"
                         " 'filename': 'cat', 'metadata': {'by': 'me'}}");
    CHECK_INT(await(t, mouv_collection_find_one(part(t, "pictures.chunks"), json(t, "{'n': 1}"),
                                                json(t, "{'projection': {'_id': 0}}"), &chunk)), 1);
    CHECK_DOCUMENT(chunk, "{'files_id': 'c', 'n': 1,"
                          " 'data': {'$binary': {'base64': 'bw==', 'subType': '00'}}}");

    const bson_t *all;
    MOUV_AUTO_DOWNLOAD mouv_gridfs_download_t *download =
        mouv_gridfs_open_download_stream(bucket, mouv_gridfs_upload_id(upload));
    CHECK_INT(mouv_gridfs_download_length(download), -1);
    CHECK_INT(mouv_gridfs_download_file(download, &all, &t->error), 0);
    CHECK_INT(mouv_gridfs_download_length(download), 5);
    CHECK_INT(mouv_bson_get_date(all, "uploadDate", &date, &t->error), 0);
    CHECK(date > 1500000000000);
    return 0;
}

CASE(indexes_are_made_once) {
    AUTO_BSON *files = NULL;
    AUTO_BSON *chunks = NULL;
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    CHECK_INT(store(t, bucket, 1, 0, 1), 0);
    CHECK_INT(await(t, mouv_collection_index_information(part(t, "fs.files"), NULL, &files)), 0);
    CHECK_INT(await(t, mouv_collection_index_information(part(t, "fs.chunks"), NULL, &chunks)), 0);
    CHECK(mouv_bson_has(files, "filename_1_uploadDate_1"));
    CHECK(mouv_bson_has(chunks, "files_id_1_n_1.unique"));

    mouv_client_stats_t before, after; /* a bucket that has seen them: chunks and files document */
    mouv_client_get_stats(t->client, &before);
    CHECK_INT(store(t, bucket, 2, 10, 10), 0);
    mouv_client_get_stats(t->client, &after);
    CHECK_INT(after.started - before.started, 2);
    return 0;
}

CASE(indexes_of_another_driver_are_taken) {
    AUTO_BSON *chunks = NULL;
    CHECK_INT(await(t, mouv_collection_create_index(
                  part(t, "fs.chunks"), json(t, "{'files_id': 1.0, 'n': 1.0}"),
                  json(t, "{'unique': true, 'name': 'mine'}"), NULL, NULL)), 0);
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    CHECK_INT(store(t, bucket, 1, 10, 10), 0);
    CHECK_INT(await(t, mouv_collection_index_information(part(t, "fs.chunks"), NULL, &chunks)), 0);
    CHECK_INT(bson_count_keys(chunks), 2);
    return 0;
}

/** The most memory this process has had, in KiB. */
static long peak_kib(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : -1;
}

/** Not where freed memory is kept for a while: sanitizers, valgrind. */
static bool memory_tells(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;
#else
    return getenv("MOUV_TEST_SLOW") == NULL;
#endif
}

/** 40 MB stand for 1 GB: the limit is below the length, and nothing here grows with that. */
CASE(a_long_file_takes_little_memory) {
    enum { PART = 1 << 20, PARTS = 40 };
    long before = peak_kib();
    uint8_t *bytes = malloc(PART);
    bson_value_t id = int_id(1);
    int64_t total = 0;
    int rc = 0;
    mouv_gridfs_bucket_t *bucket = mouv_database_gridfs_bucket(t->database, NULL);
    mouv_gridfs_upload_t *upload =
        mouv_gridfs_open_upload_stream_with_id(bucket, &id, "long", NULL);
    for (int i = 0; i < PARTS && rc >= 0; i++) {
        memset(bytes, i, PART);
        rc = mouv_gridfs_upload_write(upload, bytes, PART, &t->error);
    }
    if (rc >= 0) rc = mouv_gridfs_upload_close(upload, &t->error);
    mouv_gridfs_upload_unref(upload);
    mouv_gridfs_download_t *download = mouv_gridfs_open_download_stream(bucket, &id);
    bool right = true;
    while (rc >= 0 && (rc = mouv_gridfs_download_read(download, bytes, PART, &t->error)) > 0) {
        right = right && bytes[0] == total / PART && bytes[rc - 1] == (total + rc - 1) / PART;
        total += rc;
    }
    mouv_gridfs_download_unref(download);
    mouv_gridfs_bucket_unref(bucket);
    free(bytes);
    CHECK_INT(rc, 0);
    CHECK_INT(total, (int64_t)PART * PARTS);
    CHECK(right);
    if (memory_tells()) CHECK(peak_kib() - before < 24 * 1024);
    return 0;
}

/* --- Names and revisions --------------------------------------------------------------------- */

static int64_t length_of(test_t *t, mouv_gridfs_bucket_t *bucket, const char *name, int revision) {
    MOUV_AUTO_DOWNLOAD mouv_gridfs_download_t *download =
        mouv_gridfs_open_download_stream_by_name(bucket, name, revision);
    return drain(t, download, 512);
}

CASE(a_name_has_revisions) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    for (int i = 1; i <= 3; i++) {
        CHECK_INT(store(t, bucket, i, (size_t)i * 10, 100), 0);
        mouv_sleep_ms(2); /* upload dates have milliseconds */
    }
    CHECK_INT(length_of(t, bucket, "a file", 0), 10);
    CHECK_INT(length_of(t, bucket, "a file", 1), 20);
    CHECK_INT(length_of(t, bucket, "a file", 2), 30);
    CHECK_INT(length_of(t, bucket, "a file", -1), 30);
    CHECK_INT(length_of(t, bucket, "a file", -2), 20);
    CHECK_INT(length_of(t, bucket, "a file", -3), 10);
    CHECK_INT(length_of(t, bucket, "a file", 3), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "FileNotFound");
    CHECK_INT(length_of(t, bucket, "a file", INT32_MIN), MOUV_ESERVER);
    CHECK_INT(length_of(t, bucket, "another", 0), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "FileNotFound");
    return 0;
}

CASE(find_rename_delete_and_drop) {
    AUTO_BSON *list = NULL;
    bson_value_t one = int_id(1), two = int_id(2), none = int_id(9);
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    CHECK_INT(store(t, bucket, 1, 2500, 100), 0);
    CHECK_INT(store(t, bucket, 2, 2500, 100), 0);
    CHECK_INT(mouv_gridfs_rename(bucket, &two, "renamed", &t->error), 0);
    CHECK_INT(mouv_gridfs_rename(bucket, &none, "renamed", &t->error), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "FileNotFound");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor =
        mouv_gridfs_find(bucket, json(t, "{'filename': 'renamed'}"), NULL);
    CHECK_INT(mouv_cursor_to_list(cursor, 0, &list, &t->error), 1);
    CHECK_INT(length_of(t, bucket, "renamed", -1), 2500);

    CHECK_INT(mouv_gridfs_delete(bucket, &one, &t->error), 0);
    CHECK_INT(count(t, "fs.files", "{}"), 1);
    CHECK_INT(count(t, "fs.chunks", "{}"), 3);
    CHECK_INT(mouv_gridfs_delete(bucket, &one, &t->error), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "FileNotFound");
    CHECK_INT(fetch(t, bucket, 1, 100), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "FileNotFound");

    CHECK_INT(mouv_gridfs_drop(bucket, &t->error), 0);
    CHECK_INT(count(t, "fs.chunks", "{}"), 0);
    CHECK_INT(store(t, bucket, 1, 10, 10), 0); /* the indexes are made anew */
    AUTO_BSON *chunks = NULL;
    CHECK_INT(await(t, mouv_collection_index_information(part(t, "fs.chunks"), NULL, &chunks)), 0);
    CHECK(mouv_bson_has(chunks, "files_id_1_n_1"));
    return 0;
}

CASE(delete_takes_chunks_without_a_file) {
    bson_value_t one = int_id(1);
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    CHECK_INT(store(t, bucket, 1, 2500, 100), 0);
    CHECK_INT(await(t, mouv_collection_delete_one(part(t, "fs.files"), json(t, "{'_id': 1}"), NULL,
                                                  NULL)), 1);
    CHECK_INT(mouv_gridfs_delete(bucket, &one, &t->error), MOUV_ESERVER);
    CHECK_INT(count(t, "fs.chunks", "{}"), 0);
    return 0;
}

/* --- What is broken -------------------------------------------------------------------------- */

/** Stores 3.5 chunks, breaks them, and gives what reading says. */
static int64_t read_broken(test_t *t, const char *collection, const char *filter,
                           const char *update) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    if (store(t, bucket, 1, 3500, 1000) < 0) return -1;
    mouv_collection_t *broken = part(t, collection);
    int rc = await(t, update ? mouv_collection_update_one(broken, json(t, filter), json(t, update),
                                                          json(t, "{'upsert': true}"), NULL)
                             : mouv_collection_delete_one(broken, json(t, filter), NULL, NULL));
    return rc < 0 ? -1 : fetch(t, bucket, 1, 100000);
}

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

/* --- Files of the file system ---------------------------------------------------------------- */

typedef struct paths {
    char from[64], to[64];
} paths_t;

static paths_t paths(void) {
    paths_t made;
    snprintf(made.from, sizeof made.from, "/tmp/mouv_gridfs_%d_from", (int)getpid());
    snprintf(made.to, sizeof made.to, "/tmp/mouv_gridfs_%d_to", (int)getpid());
    unlink(made.from);
    unlink(made.to);
    return made;
}

static void write_file(const char *path, size_t size) {
    FILE *file = fopen(path, "wb");
    for (size_t i = 0; i < size; i++) fputc(byte_at(i), file);
    fclose(file);
}

/** The size of a file that has the right bytes, or -1. */
static int64_t read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    int64_t size = 0;
    int byte;
    if (!file) return -1;
    while ((byte = fgetc(file)) != EOF && byte == byte_at((size_t)size)) size++;
    fclose(file);
    return byte == EOF ? size : -1;
}

CASE(a_file_comes_back_as_a_file) {
    bson_value_t id;
    paths_t path = paths();
    write_file(path.from, 3000007);
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = mouv_database_gridfs_bucket(t->database, NULL);
    CHECK_INT(mouv_gridfs_upload_from_file(bucket, path.from, "f", NULL, &id, &t->error), 0);
    CHECK_INT(mouv_gridfs_download_to_file(bucket, &id, path.to, &t->error), 0);
    CHECK_INT(read_file(path.to), 3000007);
    write_file(path.from, 5); /* a shorter one over a longer one */
    CHECK_INT(mouv_gridfs_upload_from_file(bucket, path.from, "f", NULL, NULL, &t->error), 0);
    CHECK_INT(mouv_gridfs_download_to_file_by_name(bucket, "f", -1, path.to, &t->error), 0);
    CHECK_INT(read_file(path.to), 5);
    unlink(path.from);
    unlink(path.to);
    return 0;
}

CASE(paths_that_cannot_be_opened_are_told) {
    bson_value_t one = int_id(1), none = int_id(9);
    paths_t path = paths();
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    CHECK_INT(store(t, bucket, 1, 2500, 100), 0);
    CHECK_INT(mouv_gridfs_upload_from_file(bucket, path.from, "f", NULL, NULL, &t->error),
              MOUV_ESYSTEM);
    CHECK_CONTAINS(t->error.message, path.from);
    CHECK_INT(mouv_gridfs_upload_from_file(bucket, "/tmp", "f", NULL, NULL, &t->error),
              MOUV_ESYSTEM);
    CHECK_INT(mouv_gridfs_download_to_file(bucket, &one, "/nowhere/x", &t->error), MOUV_ESYSTEM);
    CHECK_INT(mouv_gridfs_download_to_file(bucket, &none, path.to, &t->error), MOUV_ESERVER);
    CHECK(access(path.to, F_OK) != 0);
    CHECK_INT(count(t, "fs.chunks", "{}"), 3);
    return 0;
}

CASE(a_download_that_fails_removes_what_it_made) {
    bson_value_t one = int_id(1);
    paths_t path = paths();
    CHECK_INT(read_broken(t, "fs.chunks", "{'n': 2}", NULL), MOUV_ESERVER);
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    CHECK_INT(mouv_gridfs_download_to_file(bucket, &one, path.to, &t->error), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "ChunkMissing");
    CHECK(access(path.to, F_OK) != 0);
    return 0;
}

CASE(a_cancelled_file_leaves_nothing) {
    paths_t path = paths();
    write_file(path.from, 3000000);
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    for (int ms = 1; ms < 60; ms += 7) {
        mouv_future_t future =
            mouv_gridfs_upload_from_file_future(bucket, path.from, "f", NULL, NULL);
        mouv_sleep_ms(ms);
        mouv_future_cancel(future);
        int rc = await(t, future);
        CHECK(rc == MOUV_ECANCELED || rc == 0);
        CHECK_INT(count(t, "fs.chunks", "{}"), 3000 * count(t, "fs.files", "{}"));
    }
    unlink(path.from);
    return 0;
}

/* --- Twins and misuse ------------------------------------------------------------------------ */

CASE(twins_do_the_same) {
    bson_value_t id;
    uint8_t buffer[8];
    const bson_t *file = NULL;
    paths_t path = paths();
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *upload =
        mouv_gridfs_open_upload_stream(bucket, "f", NULL);
    CHECK_INT(await(t, mouv_gridfs_upload_write_future(upload, "hello", 5)), 0);
    CHECK_INT(await(t, mouv_gridfs_upload_close_future(upload)), 0);
    CHECK_INT(await(t, mouv_gridfs_upload_abort_future(upload)), MOUV_ESTATE);
    MOUV_AUTO_DOWNLOAD mouv_gridfs_download_t *download =
        mouv_gridfs_open_download_stream_by_name(bucket, "f", -1);
    CHECK_INT(await(t, mouv_gridfs_download_file_future(download, &file)), 0);
    CHECK(mouv_bson_has(file, "length"));
    CHECK_INT(await(t, mouv_gridfs_download_read_future(download, buffer, sizeof buffer)), 5);
    CHECK(memcmp(buffer, "hello", 5) == 0);

    const bson_value_t *stored = mouv_gridfs_upload_id(upload);
    CHECK_INT(await(t, mouv_gridfs_rename_future(bucket, stored, "g")), 0);
    CHECK_INT(await(t, mouv_gridfs_download_to_file_by_name_future(bucket, "g", 0, path.to)), 0);
    CHECK_INT(await(t, mouv_gridfs_download_to_file_future(bucket, stored, path.to)), 0);
    CHECK_INT(await(t, mouv_gridfs_upload_from_file_future(bucket, path.to, "h", NULL, &id)), 0);
    CHECK_INT(await(t, mouv_gridfs_delete_future(bucket, &id)), 0);
    CHECK_INT(await(t, mouv_gridfs_delete_future(bucket, &id)), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "FileNotFound");
    CHECK_INT(await(t, mouv_gridfs_drop_future(bucket)), 0);
    unlink(path.to);
    return 0;
}

CASE(two_tasks_in_one_stream_are_refused) {
    static const uint8_t bytes[200 * CHUNK];
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *upload =
        mouv_gridfs_open_upload_stream(bucket, "f", NULL);
    mouv_future_t first = mouv_gridfs_upload_write_future(upload, bytes, sizeof bytes);
    mouv_future_t second = mouv_gridfs_upload_write_future(upload, bytes, sizeof bytes);
    CHECK_INT(await(t, second), MOUV_ESTATE);
    CHECK_INT(await(t, first), 0);
    CHECK_INT(mouv_gridfs_upload_close(upload, &t->error), 0);
    return 0;
}

/** What the first call says about the opts of a bucket and of an upload. */
static int refused(test_t *t, const char *bucket_opts, const char *opts) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket =
        mouv_database_gridfs_bucket(t->database, json(t, bucket_opts));
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *upload =
        mouv_gridfs_open_upload_stream(bucket, "f", json(t, opts));
    return mouv_gridfs_upload_close(upload, &t->error);
}

CASE(bad_arguments_show_in_the_first_call) {
    uint8_t byte;
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    CHECK_INT(refused(t, "{'chunkSizeBytes': 0}", "{}"), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "chunkSizeBytes");
    CHECK_INT(refused(t, "{'bucketName': 5}", "{}"), MOUV_EINVAL);
    CHECK_INT(refused(t, "{'nonsense': 5}", "{}"), MOUV_EINVAL);
    CHECK_INT(refused(t, "{}", "{'chunkSizeBytes': 20000000}"), MOUV_EINVAL);
    CHECK_INT(refused(t, "{}", "{'metadata': 5}"), MOUV_EINVAL);
    CHECK_INT(refused(t, "{}", "{'nonsense': 5}"), MOUV_EINVAL);
    CHECK_INT(refused(t, "{}", "{}"), 0);
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *nameless =
        mouv_gridfs_open_upload_stream(bucket, NULL, NULL);
    CHECK_INT(mouv_gridfs_upload_write(nameless, "x", 1, &t->error), MOUV_EINVAL);
    CHECK_INT(mouv_gridfs_upload_write(NULL, "x", 1, &t->error), MOUV_EINVAL);
    CHECK_INT(mouv_gridfs_download_read(NULL, &byte, 1, &t->error), MOUV_EINVAL);
    CHECK_INT(mouv_gridfs_delete(bucket, NULL, &t->error), MOUV_EINVAL);
    CHECK_INT(mouv_gridfs_rename(NULL, NULL, NULL, &t->error), MOUV_EINVAL);
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *nowhere = mouv_database_gridfs_bucket(NULL, NULL);
    CHECK_INT(mouv_gridfs_drop(nowhere, &t->error), MOUV_EINVAL);
    return 0;
}

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(every_size_around_the_chunks_comes_back),
        cmocka_unit_test(small_parts_are_written_and_read),
        cmocka_unit_test(the_documents_are_as_specified),
        cmocka_unit_test(indexes_are_made_once),
        cmocka_unit_test(indexes_of_another_driver_are_taken),
        cmocka_unit_test(a_long_file_takes_little_memory),
        cmocka_unit_test(a_name_has_revisions),
        cmocka_unit_test(find_rename_delete_and_drop),
        cmocka_unit_test(delete_takes_chunks_without_a_file),
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
        cmocka_unit_test(an_id_that_is_taken_leaves_its_file_alone),
        cmocka_unit_test(a_file_comes_back_as_a_file),
        cmocka_unit_test(paths_that_cannot_be_opened_are_told),
        cmocka_unit_test(a_download_that_fails_removes_what_it_made),
        cmocka_unit_test(a_cancelled_file_leaves_nothing),
        cmocka_unit_test(twins_do_the_same),
        cmocka_unit_test(two_tasks_in_one_stream_are_refused),
        cmocka_unit_test(bad_arguments_show_in_the_first_call),
    };
    return RUN_CASES(cases);
}
