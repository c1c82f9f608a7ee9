/*
 * A file stored and fetched in bounded memory: this program itself goes into the bucket and comes
 * back, a stream is written line by line and read in small parts, and an upload that is given up
 * leaves nothing.
 *
 *     MONGODB_URI=mongodb://localhost gridfs
 */
#include <stdio.h>
#include <stdlib.h>

#include <mouv/mouv.h>

static int write_lines(mouv_gridfs_bucket_t *bucket) {
    mouv_error_t error;
    MOUV_AUTO_UPLOAD mouv_gridfs_upload_t *upload =
        mouv_gridfs_open_upload_stream(bucket, "lines.txt", NULL);
    for (int i = 1; i <= 1000; i++) {
        char line[32];
        int size = snprintf(line, sizeof line, "line %d\n", i);
        int rc = mouv_gridfs_upload_write(upload, line, (size_t)size, &error);
        if (rc < 0) return rc; /* nothing is left of it */
    }
    return mouv_gridfs_upload_close(upload, &error);
}

static int read_lines(mouv_gridfs_bucket_t *bucket) {
    mouv_error_t error;
    char part[16];
    MOUV_AUTO_DOWNLOAD mouv_gridfs_download_t *download =
        mouv_gridfs_open_download_stream_by_name(bucket, "lines.txt", -1); /* the newest */
    int rc = mouv_gridfs_download_read(download, part, sizeof part, &error);
    if (rc < 0) return rc;
    printf("lines.txt has %d bytes and begins with \"%.6s\"\n",
           (int)mouv_gridfs_download_length(download), part);
    return 0;
}

static int there_and_back(mouv_gridfs_bucket_t *bucket, const char *program) {
    mouv_error_t error;
    bson_value_t id;
    const char *copy = "/tmp/mouv_gridfs_copy";
    int rc = mouv_gridfs_upload_from_file(bucket, program, "a program", NULL, &id, &error);
    if (rc < 0) return rc;
    rc = mouv_gridfs_download_to_file(bucket, &id, copy, &error);
    if (rc >= 0) rc = mouv_gridfs_delete(bucket, &id, &error);
    if (rc >= 0) printf("stored, fetched and deleted %s\n", program);
    remove(copy);

    /* what is not there any more says so */
    if (rc >= 0 && mouv_gridfs_delete(bucket, &id, &error) < 0) printf("%s\n", error.code_name);
    bson_value_destroy(&id);
    return rc;
}

static int too_late(mouv_gridfs_bucket_t *bucket, const char *program) {
    mouv_error_t error;
    int rc = mouv_await_for(
        mouv_gridfs_upload_from_file_future(bucket, program, "late", NULL, NULL), 0, &error);
    printf("given up: %s\n", rc < 0 ? error.message : "it was in time");
    return 0;
}

static int use_bucket(mouv_gridfs_bucket_t *bucket, const char *program) {
    int rc = write_lines(bucket);
    if (rc >= 0) rc = read_lines(bucket);
    if (rc >= 0) rc = there_and_back(bucket, program);
    if (rc >= 0) rc = too_late(bucket, program);
    return rc < 0 ? rc : mouv_gridfs_drop(bucket, NULL);
}

static int main_task(void *program) {
    const char *uri = getenv("MONGODB_URI");
    mouv_error_t error;
    mouv_client_t *client = mouv_client_new(uri ? uri : "mongodb://localhost", NULL, &error);
    if (!client) return mouv_fail_with(&error);

    mouv_database_t *database = mouv_client_get_database(client, "mouv_examples");
    mouv_gridfs_bucket_t *bucket = mouv_database_gridfs_bucket(database, NULL);
    int rc = use_bucket(bucket, program);
    mouv_gridfs_bucket_unref(bucket);
    mouv_client_close(client, NULL);
    mouv_client_unref(client);
    return rc;
}

int main(int argc, char **argv) {
    (void)argc;
    return mouv_main(main_task, argv[0]);
}
