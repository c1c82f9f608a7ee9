/*
 * GridFS from and to files of the file system.
 */
#include "support/gridfs_support.h"

#include <unistd.h>

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

int main(void) {
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(a_file_comes_back_as_a_file),
        cmocka_unit_test(paths_that_cannot_be_opened_are_told),
        cmocka_unit_test(a_download_that_fails_removes_what_it_made),
        cmocka_unit_test(a_cancelled_file_leaves_nothing),
    };
    return RUN_CASES(cases);
}
