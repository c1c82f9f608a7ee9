/*
 * GridFS: round trips around the edges of chunks, documents and indexes, memory, revisions, what
 * concerns files by id or name, twins, misuse.
 */
#include "support/gridfs_support.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* --- Round trips ----------------------------------------------------------------------------- */

CASE(every_size_around_the_chunks_comes_back) {
    static const size_t sizes[] = {0,
                                   1,
                                   CHUNK - 1,
                                   CHUNK,
                                   CHUNK + 1,
                                   2 * CHUNK,
                                   10 * CHUNK + 7,
                                   128 * CHUNK,
                                   128 * CHUNK + 1,
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
    CHECK_INT(
        await(t, mouv_collection_find_one(part(t, "pictures.files"), NULL,
                                          json(t, "{'projection': {'uploadDate': 0}}"), &file)),
        1);
    CHECK_DOCUMENT(file, "{'_id': 'c', 'length': {'$numberLong': '5'}, 'chunkSize': 4,"
                         " 'filename': 'cat', 'metadata': {'by': 'me'}}");
    CHECK_INT(await(t, mouv_collection_find_one(part(t, "pictures.chunks"), json(t, "{'n': 1}"),
                                                json(t, "{'projection': {'_id': 0}}"), &chunk)),
              1);
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
                           json(t, "{'unique': true, 'name': 'mine'}"), NULL, NULL)),
              0);
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

/** Its length in MiB: 64, or what the environment says. */
static int long_file_mib(void) {
    const char *given = getenv("MOUV_GRIDFS_MIB");
    int mib = given ? atoi(given) : 0;
    return mib > 0 ? mib : 64;
}

/** Whatever its length, the process grows by less than a hundred chunks. */
CASE(a_long_file_takes_little_memory) {
    enum { PART = 1 << 20, CHUNK_KIB = 255, CHUNKS_MAX = 100 };
    int parts = long_file_mib();
    long before = peak_kib();
    uint8_t *bytes = malloc(PART);
    bson_value_t id = int_id(1);
    int64_t total = 0;
    int rc = 0;
    mouv_gridfs_bucket_t *bucket = mouv_database_gridfs_bucket(t->database, NULL);
    mouv_gridfs_upload_t *upload =
        mouv_gridfs_open_upload_stream_with_id(bucket, &id, "long", NULL);
    for (int i = 0; i < parts && rc >= 0; i++) {
        memset(bytes, i, PART);
        rc = mouv_gridfs_upload_write(upload, bytes, PART, &t->error);
    }
    if (rc >= 0) rc = mouv_gridfs_upload_close(upload, &t->error);
    mouv_gridfs_upload_unref(upload);
    mouv_gridfs_download_t *download = mouv_gridfs_open_download_stream(bucket, &id);
    bool right = true;
    while (rc >= 0 && (rc = mouv_gridfs_download_read(download, bytes, PART, &t->error)) > 0) {
        right = right && bytes[0] == (uint8_t)(total / PART) &&
                bytes[rc - 1] == (uint8_t)((total + rc - 1) / PART);
        total += rc;
    }
    mouv_gridfs_download_unref(download);
    mouv_gridfs_bucket_unref(bucket);
    free(bytes);
    CHECK_INT(rc, 0);
    CHECK_INT(total, (int64_t)PART * parts);
    CHECK(right);
    long growth = peak_kib() - before;
    if (getenv("MOUV_GRIDFS_MIB")) fprintf(stderr, "%d MiB: peak grew by %ld KiB\n", parts, growth);
    if (memory_tells()) CHECK(growth < (long)CHUNKS_MAX * CHUNK_KIB);
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

CASE(by_name_every_revision_is_renamed_and_deleted) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    bson_value_t other = int_id(4);
    for (int i = 1; i <= 4; i++) CHECK_INT(store(t, bucket, i, 2500, 2500), 0);
    CHECK_INT(mouv_gridfs_rename(bucket, &other, "other", &t->error), 0);
    CHECK_INT(mouv_gridfs_rename_by_name(bucket, "a file", "the file", &t->error), 0);
    CHECK_INT(count(t, "fs.files", "{'filename': 'the file'}"), 3);
    CHECK_INT(mouv_gridfs_rename_by_name(bucket, "a file", "x", &t->error), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "FileNotFound");
    CHECK_CONTAINS(t->error.message, "'a file'");
    CHECK_INT(mouv_gridfs_delete_by_name(bucket, "the file", &t->error), 0);
    CHECK_INT(count(t, "fs.files", "{}"), 1);
    CHECK_INT(count(t, "fs.chunks", "{}"), 3);
    CHECK_INT(mouv_gridfs_delete_by_name(bucket, "the file", &t->error), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "FileNotFound");
    CHECK_INT(fetch(t, bucket, 4, 100000), 2500);
    CHECK_INT(mouv_gridfs_delete_by_name(bucket, NULL, &t->error), MOUV_EINVAL);
    CHECK_INT(mouv_gridfs_delete_by_name(bucket, "\xff", &t->error), MOUV_EINVAL);
    CHECK_INT(mouv_gridfs_rename_by_name(bucket, "other", NULL, &t->error), MOUV_EINVAL);
    CHECK_INT(mouv_gridfs_delete_by_name(NULL, "other", &t->error), MOUV_EINVAL);
    return 0;
}

/** More than are deleted at once; they need no chunks. */
CASE(by_name_very_many_are_deleted) {
    enum { MANY = 2100 };
    bson_t *documents[MANY];
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    for (int i = 0; i < MANY; i++) documents[i] = BCON_NEW("filename", BCON_UTF8("many"));
    int rc = await(t, mouv_collection_insert_many(
                          part(t, "fs.files"), (const bson_t *const *)documents, MANY, NULL, NULL));
    for (int i = 0; i < MANY; i++) bson_destroy(documents[i]);
    CHECK_INT(rc, MANY);
    CHECK_INT(mouv_gridfs_delete_by_name(bucket, "many", &t->error), 0);
    CHECK_INT(count(t, "fs.files", "{}"), 0);
    return 0;
}

CASE(fields_of_old_are_stored) {
    AUTO_BSON *file = NULL;
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = mouv_database_gridfs_bucket(
        t->database, json(t, "{'chunkSizeBytes': 4, 'disableMD5': true}"));
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *upload = mouv_gridfs_open_upload_stream(
        bucket, "f",
        json(t, "{'_id': 1, 'disableMD5': true, 'contentType': 'image/jpeg',"
                " 'aliases': ['g', 'h']}"));
    CHECK_INT(mouv_gridfs_upload_close(upload, &t->error), 0);
    CHECK_INT(
        await(t, mouv_collection_find_one(part(t, "fs.files"), NULL,
                                          json(t, "{'projection': {'uploadDate': 0}}"), &file)),
        1);
    CHECK_DOCUMENT(file, "{'_id': 1, 'length': {'$numberLong': '0'}, 'chunkSize': 4,"
                         " 'filename': 'f', 'contentType': 'image/jpeg', 'aliases': ['g', 'h']}");
    return 0;
}

CASE(delete_takes_chunks_without_a_file) {
    bson_value_t one = int_id(1);
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    CHECK_INT(store(t, bucket, 1, 2500, 100), 0);
    CHECK_INT(await(t, mouv_collection_delete_one(part(t, "fs.files"), json(t, "{'_id': 1}"), NULL,
                                                  NULL)),
              1);
    CHECK_INT(mouv_gridfs_delete(bucket, &one, &t->error), MOUV_ESERVER);
    CHECK_INT(count(t, "fs.chunks", "{}"), 0);
    return 0;
}

/* --- Twins and misuse ------------------------------------------------------------------------ */

CASE(twins_do_the_same) {
    bson_value_t id;
    uint8_t buffer[8];
    const bson_t *file = NULL;
    char path[64];
    snprintf(path, sizeof path, "/tmp/mouv_gridfs_%d", (int)getpid());
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
    CHECK_INT(await(t, mouv_gridfs_rename_future(bucket, stored, "first")), 0);
    CHECK_INT(await(t, mouv_gridfs_rename_by_name_future(bucket, "first", "g")), 0);
    CHECK_INT(await(t, mouv_gridfs_download_to_file_by_name_future(bucket, "g", 0, path)), 0);
    CHECK_INT(await(t, mouv_gridfs_download_to_file_future(bucket, stored, path)), 0);
    CHECK_INT(await(t, mouv_gridfs_upload_from_file_future(bucket, path, "h", NULL, &id)), 0);
    CHECK_INT(await(t, mouv_gridfs_delete_future(bucket, &id)), 0);
    CHECK_INT(await(t, mouv_gridfs_delete_future(bucket, &id)), MOUV_ESERVER);
    CHECK_STRING(t->error.code_name, "FileNotFound");
    CHECK_INT(await(t, mouv_gridfs_delete_by_name_future(bucket, "g")), 0);
    CHECK_INT(await(t, mouv_gridfs_delete_by_name_future(bucket, "g")), MOUV_ESERVER);
    CHECK_INT(await(t, mouv_gridfs_drop_future(bucket)), 0);
    unlink(path);
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

/* --- Released under a call ------------------------------------------------------------------- */

CASE(an_upload_released_under_a_write_is_undone_when_that_is_back) {
    static const uint8_t bytes[200 * CHUNK];
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    mouv_gridfs_upload_t *upload = mouv_gridfs_open_upload_stream(bucket, "f", NULL);
    mouv_future_t write = mouv_gridfs_upload_write_future(upload, bytes, sizeof bytes);
    mouv_sleep_ms(0);
    mouv_gridfs_upload_unref(upload);
    CHECK_INT(await(t, write), 0);
    while (count(t, "fs.chunks", "{}") > 0) mouv_sleep_ms(1);
    return 0;
}

CASE(an_upload_released_under_its_close_is_stored) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    mouv_gridfs_upload_t *upload = mouv_gridfs_open_upload_stream(bucket, "f", NULL);
    CHECK_INT(mouv_gridfs_upload_write(upload, "hello", 5, &t->error), 0);
    mouv_future_t close = mouv_gridfs_upload_close_future(upload);
    mouv_gridfs_upload_unref(upload);
    CHECK_INT(await(t, close), 0);
    CHECK_INT(count(t, "fs.files", "{}"), 1);
    return 0;
}

CASE(a_call_whose_future_is_dropped_holds_its_stream) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    CHECK_INT(store(t, bucket, 1, 2 * CHUNK, CHUNK), 0);
    mouv_gridfs_upload_t *upload = mouv_gridfs_open_upload_stream(bucket, "f", NULL);
    mouv_future_unref(mouv_gridfs_upload_close_future(upload));
    mouv_gridfs_upload_unref(upload);
    while (count(t, "fs.files", "{}") < 2) mouv_sleep_ms(1);
    return 0;
}

typedef struct reading {
    mouv_gridfs_download_t *download;
    const bson_t *file;
    uint8_t buffer[4 * CHUNK];
} reading_t;

static int read_file(void *arg) {
    reading_t *reading = arg;
    return mouv_gridfs_download_file(reading->download, &reading->file, NULL);
}

static int read_bytes(void *arg) {
    reading_t *reading = arg;
    return mouv_gridfs_download_read(reading->download, reading->buffer, sizeof reading->buffer,
                                     NULL);
}

/** What a call on a download says that is released `ticks` turns after its begin. */
static int released_under(test_t *t, mouv_fn_t call, int ticks) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    bson_value_t id = int_id(1);
    static reading_t reading;
    reading.download = mouv_gridfs_open_download_stream(bucket, &id);
    mouv_future_t task = mouv_task(call, &reading);
    while (ticks-- > 0) mouv_sleep_ms(0);
    mouv_gridfs_download_unref(reading.download);
    return await(t, task);
}

CASE(a_download_released_under_a_call_ends_it) {
    MOUV_AUTO_BUCKET mouv_gridfs_bucket_t *bucket = bucket_of(t);
    CHECK_INT(store(t, bucket, 1, 3 * CHUNK, CHUNK), 0);
    CHECK_INT(released_under(t, read_file, 1), MOUV_ECLOSED);
    CHECK_INT(released_under(t, read_bytes, 1), MOUV_ECLOSED);
    /* also while the chunks are on their way, or after it: one of them is what comes then */
    for (int ticks = 2; ticks < 3000; ticks += ticks / 2) {
        int rc = released_under(t, read_bytes, ticks);
        CHECK(rc == MOUV_ECLOSED || rc == 3 * CHUNK);
    }
    return 0;
}

static int release_bucket(void *bucket) {
    mouv_gridfs_bucket_unref(bucket);
    return 0;
}

CASE(a_bucket_released_under_a_call_stays_until_that_is_back) {
    mouv_gridfs_bucket_t *bucket = bucket_of(t);
    CHECK_INT(store(t, bucket, 1, 2 * CHUNK, CHUNK), 0);
    bson_value_t id = int_id(1);
    mouv_future_t other = mouv_task(release_bucket, bucket);
    CHECK_INT(mouv_gridfs_delete(bucket, &id, &t->error), 0);
    CHECK_INT(await(t, other), 0);
    CHECK_INT(count(t, "fs.chunks", "{}"), 0);
    return 0;
}

/* --- Misuse ---------------------------------------------------------------------------------- */

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
    CHECK_INT(refused(t, "{}", "{'contentType': 5}"), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "option 'contentType': expected a string");
    CHECK_INT(refused(t, "{}", "{'aliases': ['a', 5]}"), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "option 'aliases': expected an array of strings");
    CHECK_INT(refused(t, "{}", "{'disableMD5': false}"), MOUV_EINVAL);
    CHECK_CONTAINS(t->error.message, "option 'disableMD5'");
    CHECK_INT(refused(t, "{'disableMD5': false}", "{}"), MOUV_EINVAL);
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
        cmocka_unit_test(by_name_every_revision_is_renamed_and_deleted),
        cmocka_unit_test(by_name_very_many_are_deleted),
        cmocka_unit_test(fields_of_old_are_stored),
        cmocka_unit_test(delete_takes_chunks_without_a_file),
        cmocka_unit_test(twins_do_the_same),
        cmocka_unit_test(two_tasks_in_one_stream_are_refused),
        cmocka_unit_test(an_upload_released_under_a_write_is_undone_when_that_is_back),
        cmocka_unit_test(an_upload_released_under_its_close_is_stored),
        cmocka_unit_test(a_call_whose_future_is_dropped_holds_its_stream),
        cmocka_unit_test(a_download_released_under_a_call_ends_it),
        cmocka_unit_test(a_bucket_released_under_a_call_stays_until_that_is_back),
        cmocka_unit_test(bad_arguments_show_in_the_first_call),
    };
    return RUN_CASES(cases);
}
