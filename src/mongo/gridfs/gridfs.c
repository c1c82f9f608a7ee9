/*
 * The bucket: its options, its indexes, and what concerns a file as a whole.
 */
#include "mongo/gridfs/gridfs.h"

#include <stdio.h>
#include <string.h>

#include <mongoc/mongoc.h>

#include <mouv/await.h>
#include <mouv/clock.h>
#include <mouv/collection.h>
#include <mouv/database.h>
#include <mouv/index.h>
#include <mouv/scope.h>
#include <mouv/task.h>

#include "async/loop/error.h"
#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/api/write.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/check.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/timeout.h"
#include "mongo/command/handles.h"

/* --- Errors ---------------------------------------------------------------------------------- */

/** What libmongoc has for these; one table, so that code and name cannot part. */
static const struct {
    const char *name;
    int32_t code;
} codes[] = {
    {"FileNotFound", MONGOC_ERROR_GRIDFS_BUCKET_FILE_NOT_FOUND},
    {"FileCorrupt", MONGOC_ERROR_GRIDFS_CORRUPT},
    {"ChunkMissing", MONGOC_ERROR_GRIDFS_CHUNK_MISSING},
    {"ChunkWrongSize", MONGOC_ERROR_GRIDFS_CORRUPT},
    {"ExtraChunk", MONGOC_ERROR_GRIDFS_CORRUPT},
};

int mouv__gridfs_fail(mouv_error_t *error, const char *code_name, const char *format, ...) {
    mouv_error_t made;
    va_list args;
    va_start(args, format);
    mouv__error_vset(&made, MOUV_ESERVER, format, args);
    va_end(args);
    made.domain = MONGOC_ERROR_GRIDFS;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        if (strcmp(codes[i].name, code_name) == 0) made.server_code = codes[i].code;
    }
    snprintf(made.code_name, sizeof made.code_name, "%s", code_name);
    snprintf(made.operation, sizeof made.operation, "gridfs");
    return mouv__gridfs_give(&made, error);
}

int mouv__gridfs_give(const mouv_error_t *kept, mouv_error_t *error) {
    if (error) *error = *kept;
    return mouv__raise_error(kept);
}

int mouv__gridfs_may(const mouv_gridfs_bucket_t *bucket, const char *call, mouv_error_t *error) {
    if (!mouv_in_coroutine())
        return mouv__raise(error, MOUV_ENOTCORO, "%s outside of a coroutine", call);
    if (!bucket) return mouv__raise(error, MOUV_EINVAL, "%s: no bucket", call);
    if (bucket->refused.code) return mouv__gridfs_give(&bucket->refused, error);
    return 0;
}

int mouv__gridfs_not_refused(mouv_error_t *error) {
    if (!mouv__current_refused()) return 0;
    return mouv__raise(error, MOUV_ECANCELED, "%s", mouv_error_message(MOUV_ECANCELED));
}

/* --- Time ------------------------------------------------------------------------------------ */

int64_t mouv__gridfs_until_ms(int64_t timeout_ms) {
    int64_t now_ms = mouv_now_ms();
    return timeout_ms > 0 && timeout_ms < MOUV_FOREVER - now_ms ? now_ms + timeout_ms
                                                                : MOUV_FOREVER;
}

int64_t mouv__gridfs_left_ms(int64_t until_ms, int64_t limit_ms) {
    int64_t left_ms = until_ms == MOUV_FOREVER ? MOUV_FOREVER : until_ms - mouv_now_ms();
    return left_ms < limit_ms ? left_ms : limit_ms;
}

void mouv__gridfs_begin(mouv_scope_t *scope, int64_t until_ms) {
    mouv_timeout_begin(scope, mouv__gridfs_left_ms(until_ms, MOUV_FOREVER));
}

int mouv__gridfs_timeout(const bson_iter_t *option, int64_t *timeout_ms, mouv_error_t *error) {
    bool number = BSON_ITER_HOLDS_NUMBER(option);
    if (!number || bson_iter_as_int64(option) < 0)
        return mouv__raise(error, MOUV_EINVAL,
                           "option 'timeoutMS': expected a number of 0 or more");
    *timeout_ms = bson_iter_as_int64(option);
    return 0;
}

/* --- The bucket ------------------------------------------------------------------------------ */

int mouv__gridfs_chunk_size(const bson_iter_t *option, int32_t *chunk_size, mouv_error_t *error) {
    /* A chunk's document has an id, the file's id and a number beside the data. */
    enum { ROOM_BYTES = 16 * 1024 };
    int64_t value = BSON_ITER_HOLDS_INT(option) ? bson_iter_as_int64(option) : 0;
    if (value <= 0 || value > (int64_t)MOUV__MAX_DOCUMENT_BYTES - ROOM_BYTES)
        return mouv__raise(error, MOUV_EINVAL,
                           "option 'chunkSizeBytes': expected a number of bytes above 0 that fits "
                           "into a document");
    *chunk_size = (int32_t)value;
    return 0;
}

int mouv__gridfs_no_md5(const bson_iter_t *option, mouv_error_t *error) {
    if (BSON_ITER_HOLDS_BOOL(option) && bson_iter_bool(option)) return 0;
    return mouv__raise(error, MOUV_EINVAL,
                       "option 'disableMD5': expected true, since MD5 sums are not made");
}

uint32_t mouv__gridfs_batch(int64_t chunk_size) {
    int64_t count = MOUV__GRIDFS_BATCH_BYTES / chunk_size;
    if (count > MOUV__GRIDFS_BATCH_CHUNKS) count = MOUV__GRIDFS_BATCH_CHUNKS;
    return count < 1 ? 1 : (uint32_t)count;
}

char *mouv__gridfs_copy(const char *text) {
    if (!text) return NULL;
    size_t size = strlen(text) + 1;
    char *copy = mouv__alloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

bson_t *mouv__gridfs_by(const char *field, const bson_value_t *value) {
    bson_t *document = bson_new();
    bson_append_value(document, field, -1, value);
    return document;
}

/** Takes bucketName, chunkSizeBytes and timeoutMS; everything else goes to `rest`, for the
 * collections. */
static int gridfs_read_opts(mouv_gridfs_bucket_t *bucket, const bson_t *opts, const char **name,
                            bson_t *rest) {
    bson_iter_t iter;
    if (!opts) return 0;
    if (mouv__check_document(opts, "opts", MOUV__VALIDATE_DEFAULT, &bucket->refused) < 0)
        return bucket->refused.code;
    bson_iter_init(&iter, opts);
    while (bson_iter_next(&iter)) {
        const char *key = bson_iter_key(&iter);
        if (strcmp(key, "bucketName") == 0) {
            if (!BSON_ITER_HOLDS_UTF8(&iter))
                return mouv_error_set(&bucket->refused, MOUV_EINVAL,
                                      "option 'bucketName': expected a string");
            *name = bson_iter_utf8(&iter, NULL);
        } else if (strcmp(key, "chunkSizeBytes") == 0) {
            int rc = mouv__gridfs_chunk_size(&iter, &bucket->chunk_size, &bucket->refused);
            if (rc < 0) return rc;
        } else if (strcmp(key, "disableMD5") == 0) {
            int rc = mouv__gridfs_no_md5(&iter, &bucket->refused);
            if (rc < 0) return rc;
        } else if (strcmp(key, "timeoutMS") == 0) {
            int rc = mouv__gridfs_timeout(&iter, &bucket->timeout_ms, &bucket->refused);
            if (rc < 0) return rc;
        } else {
            bson_append_iter(rest, NULL, -1, &iter);
        }
    }
    return 0;
}

static mouv_collection_t *gridfs_collection(mouv_database_t *database, const char *bucket,
                                            const char *name, const bson_t *opts) {
    char full[256];
    int size = snprintf(full, sizeof full, "%s.%s", bucket, name);
    if (size >= (int)sizeof full) return NULL;
    mouv_collection_t *plain = mouv_database_get_collection(database, full);
    return bson_empty(opts) ? plain : mouv_collection_with_options(plain, opts);
}

static void gridfs_set_up(mouv_gridfs_bucket_t *bucket, mouv_database_t *database,
                          const bson_t *opts) {
    const char *name = "fs";
    bson_t *rest = bson_new();
    bucket->timeout_ms = mouv__timeout_inherited(bucket->client, database->defaults);
    if (gridfs_read_opts(bucket, opts, &name, rest) == 0) {
        /* set, so that all acts as with one; the limit is a scope's, of the whole call or stream */
        if (bucket->timeout_ms != MOUV__TIMEOUT_UNSET) BSON_APPEND_INT64(rest, "timeoutMS", 0);
        bucket->name = mouv__gridfs_copy(name);
        bucket->files = gridfs_collection(database, name, "files", rest);
        bucket->chunks = gridfs_collection(database, name, "chunks", rest);
        if (!bucket->name)
            mouv_error_set(&bucket->refused, MOUV_ENOMEM, "gridfs bucket: no memory");
        else if (!bucket->files || !bucket->chunks)
            mouv_error_set(&bucket->refused, MOUV_EINVAL, "option 'bucketName': too long");
    }
    bson_destroy(rest);
}

mouv_gridfs_bucket_t *mouv_database_gridfs_bucket(mouv_database_t *database, const bson_t *opts) {
    mouv_gridfs_bucket_t *bucket = mouv__alloc(sizeof *bucket);
    if (!bucket) return NULL;
    bucket->references = 1;
    bucket->chunk_size = MOUV__GRIDFS_CHUNK_BYTES;
    mouv_client_t *client = mouv_database_client(database);
    if (client) {
        bucket->client = mouv__client_keep_open(client);
        gridfs_set_up(bucket, database, opts);
    } else {
        mouv_error_set(&bucket->refused, MOUV_EINVAL, "gridfs bucket: no database");
    }
    return bucket;
}

mouv_gridfs_bucket_t *mouv_gridfs_bucket_ref(mouv_gridfs_bucket_t *bucket) {
    if (bucket) bucket->references++;
    return bucket;
}

mouv_gridfs_bucket_t *mouv_gridfs_bucket_unref(mouv_gridfs_bucket_t *bucket) {
    if (!bucket || --bucket->references > 0) return NULL;
    mouv__client_may_close(bucket->client);
    mouv__free(bucket->name);
    mouv__free(bucket);
    return NULL;
}

void mouv_gridfs_bucket_drop_ref(mouv_gridfs_bucket_t **bucket) {
    if (bucket) *bucket = mouv_gridfs_bucket_unref(*bucket);
}

mouv_cursor_t *mouv_gridfs_find(mouv_gridfs_bucket_t *bucket, const bson_t *filter,
                                const bson_t *opts) {
    mouv_collection_t *files = bucket ? bucket->files : NULL;
    if (files && bucket->timeout_ms != MOUV__TIMEOUT_UNSET) {
        bson_t *timeout = BCON_NEW("timeoutMS", BCON_INT64(bucket->timeout_ms));
        files = mouv_collection_with_options(files, timeout);
        bson_destroy(timeout);
    }
    return mouv_collection_find(files, filter, opts);
}

/* --- Indexes --------------------------------------------------------------------------------- */

/** Equal keys, where 1 and 1.0 are the same: other drivers and shells have made such indexes. */
static bool gridfs_same_keys(const bson_t *keys, const bson_t *other) {
    bson_iter_t one, two;
    if (!bson_iter_init(&one, keys) || !bson_iter_init(&two, other)) return false;
    while (bson_iter_next(&one)) {
        if (!bson_iter_next(&two) || strcmp(bson_iter_key(&one), bson_iter_key(&two)) != 0 ||
            bson_iter_as_int64(&one) != bson_iter_as_int64(&two))
            return false;
    }
    return !bson_iter_next(&two);
}

static bool gridfs_has_index(const bson_t *indexes, const bson_t *keys) {
    bson_iter_t iter, key;
    if (!indexes || !bson_iter_init(&iter, indexes)) return false;
    while (bson_iter_next(&iter)) {
        bson_t view;
        if (BSON_ITER_HOLDS_DOCUMENT(&iter) && bson_iter_recurse(&iter, &key) &&
            bson_iter_find(&key, "key") && BSON_ITER_HOLDS_DOCUMENT(&key) &&
            mouv__bson_view_of(&key, &view) && gridfs_same_keys(keys, &view))
            return true;
    }
    return false;
}

static int gridfs_ensure_index(mouv_collection_t *of, const bson_t *keys, const bson_t *index_opts,
                               mouv_error_t *error) {
    bson_t *indexes = NULL;
    int rc = mouv_await(mouv_collection_index_information(of, NULL, &indexes), error);
    if (rc >= 0 && !gridfs_has_index(indexes, keys))
        rc = mouv_await(mouv_collection_create_index(of, keys, index_opts, NULL, NULL), error);
    bson_destroy(indexes);
    return rc;
}

static int gridfs_make_indexes(mouv_gridfs_bucket_t *bucket, mouv_error_t *error) {
    bson_t *by_name = BCON_NEW("filename", BCON_INT32(1), "uploadDate", BCON_INT32(1));
    bson_t *by_file = BCON_NEW("files_id", BCON_INT32(1), "n", BCON_INT32(1));
    bson_t *unique = BCON_NEW("unique", BCON_BOOL(true));
    int rc = gridfs_ensure_index(bucket->files, by_name, NULL, error);
    if (rc >= 0) rc = gridfs_ensure_index(bucket->chunks, by_file, unique, error);
    bson_destroy(by_name);
    bson_destroy(by_file);
    bson_destroy(unique);
    return rc;
}

int mouv__gridfs_ensure_indexes(mouv_gridfs_bucket_t *bucket, mouv_error_t *error) {
    if (bucket->indexed) return 0;
    bson_t *any = NULL;
    bson_t *opts = BCON_NEW("projection", "{", "_id", BCON_INT32(1), "}", "readPreference",
                            BCON_UTF8("primary"));
    int rc = mouv_await(mouv_collection_find_one(bucket->files, NULL, opts, &any), error);
    bson_destroy(opts);
    bson_destroy(any);
    if (rc == 0) rc = gridfs_make_indexes(bucket, error);
    if (rc < 0) {
        /* a stopped createIndexes may have been done (EUNKNOWN); for an upload it is the cancel */
        int refused = mouv__gridfs_not_refused(error);
        return refused < 0 ? refused : rc;
    }
    bucket->indexed = true;
    return 0;
}

/* --- delete, rename, drop -------------------------------------------------------------------- */

/** Begins a call within the bucket's timeoutMS, until `*until_ms`; it holds the bucket, which another
 * task may release meanwhile. */
static void gridfs_enter(mouv_gridfs_bucket_t *bucket, mouv_scope_t *limit, int64_t *until_ms) {
    *until_ms = mouv__gridfs_until_ms(bucket->timeout_ms);
    mouv_gridfs_bucket_ref(bucket);
    mouv__gridfs_begin(limit, *until_ms);
}

static int gridfs_leave(mouv_gridfs_bucket_t *bucket, mouv_scope_t *limit, int rc,
                        mouv_error_t *error) {
    rc = mouv_timeout_end(limit, rc, error);
    mouv_gridfs_bucket_unref(bucket);
    return rc < 0 ? rc : 0;
}

static int gridfs_not_found(const mouv_gridfs_bucket_t *bucket, mouv_error_t *error) {
    return mouv__gridfs_fail(error, "FileNotFound", "no file with this id in bucket '%s'",
                             bucket->name);
}

static int gridfs_no_such_name(const mouv_gridfs_bucket_t *bucket, const char *filename,
                               mouv_error_t *error) {
    return mouv__gridfs_fail(error, "FileNotFound", "no file '%.200s' in bucket '%s'", filename,
                             bucket->name);
}

/** What is left of files that are there no more: clean-up, until then at the most. */
static mouv_future_t gridfs_delete_chunks(mouv_gridfs_bucket_t *bucket, const bson_t *of_files,
                                          int64_t until_ms) {
    bson_t opts = BSON_INITIALIZER;
    if (until_ms != MOUV_FOREVER) {
        int64_t left_ms = mouv__gridfs_left_ms(until_ms, MOUV_FOREVER);
        BSON_APPEND_INT64(&opts, "timeoutMS", left_ms > 0 ? left_ms : 1);
    }
    mouv_future_t future = mouv__write_clean_up(bucket->chunks, of_files, &opts);
    bson_destroy(&opts);
    return future;
}

/** Deletes the files documents, then the chunks, for which a client that closes meanwhile waits: how
 *  many files there were, or a negative code. */
static int gridfs_delete_both(mouv_gridfs_bucket_t *bucket, mouv_future_t of_files,
                              const bson_t *chunks, int64_t until_ms, mouv_error_t *error) {
    mouv__client_delay_close(bucket->client);
    int deleted = mouv_await(of_files, error), rc = deleted;
    if (deleted >= 0) {
        MOUV_SHIELD_SCOPE(shield, mouv__gridfs_left_ms(until_ms, MOUV__GRIDFS_CLEANUP_MS));
        mouv_future_t rest = gridfs_delete_chunks(bucket, chunks, until_ms);
        rc = mouv_await(rest, error);
    }
    mouv__client_allow_close(bucket->client);
    return rc < 0 ? rc : deleted;
}

static int gridfs_delete_file(mouv_gridfs_bucket_t *bucket, const bson_value_t *id,
                              int64_t until_ms, mouv_error_t *error) {
    bson_t *by_id = mouv__gridfs_by("_id", id), *of_file = mouv__gridfs_by("files_id", id);
    mouv_future_t one = mouv_collection_delete_one(bucket->files, by_id, NULL, NULL);
    int rc = gridfs_delete_both(bucket, one, of_file, until_ms, error);
    bson_destroy(by_id);
    bson_destroy(of_file);
    return rc == 0 ? gridfs_not_found(bucket, error) : rc < 0 ? rc : 0;
}

int mouv_gridfs_delete(mouv_gridfs_bucket_t *bucket, const bson_value_t *id, mouv_error_t *error) {
    mouv_scope_t limit;
    int64_t until_ms;
    int rc = mouv__gridfs_may(bucket, "mouv_gridfs_delete()", error);
    if (rc < 0) return rc;
    if (!id) return mouv__raise(error, MOUV_EINVAL, "mouv_gridfs_delete: 'id' is NULL");
    gridfs_enter(bucket, &limit, &until_ms);
    rc = gridfs_delete_file(bucket, id, until_ms, error);
    return gridfs_leave(bucket, &limit, rc, error);
}

/** {field: {$in: [the _id of each document in `found`]}} */
static bson_t *gridfs_by_ids_of(const char *field, const bson_t *found) {
    bson_t *filter = bson_new(), in, ids;
    bson_iter_t each, id;
    bson_append_document_begin(filter, field, -1, &in);
    mouv__append_array_begin(&in, "$in", &ids);
    bson_iter_init(&each, found);
    while (bson_iter_next(&each)) {
        if (bson_iter_recurse(&each, &id) && bson_iter_find(&id, "_id"))
            bson_append_iter(&ids, bson_iter_key(&each), -1, &id);
    }
    bson_append_array_end(&in, &ids);
    bson_append_document_end(filter, &in);
    return filter;
}

static int gridfs_delete_found(mouv_gridfs_bucket_t *bucket, const bson_t *found, int64_t until_ms,
                               mouv_error_t *error) {
    bson_t *by_id = gridfs_by_ids_of("_id", found), *of_files = gridfs_by_ids_of("files_id", found);
    mouv_future_t many = mouv_collection_delete_many(bucket->files, by_id, NULL, NULL);
    int rc = gridfs_delete_both(bucket, many, of_files, until_ms, error);
    bson_destroy(by_id);
    bson_destroy(of_files);
    return rc;
}

/** Some files of this name, as a list of {_id}: how many, or a negative code. */
static int gridfs_find_by_name(mouv_gridfs_bucket_t *bucket, const char *filename, bson_t **found,
                               mouv_error_t *error) {
    bson_t *by_name = BCON_NEW("filename", BCON_UTF8(filename));
    bson_t *opts =
        BCON_NEW("projection", "{", "_id", BCON_INT32(1), "}", "limit",
                 BCON_INT32(MOUV__GRIDFS_BATCH_FILES), "readPreference", BCON_UTF8("primary"));
    mouv_cursor_t *cursor = mouv_collection_find(bucket->files, by_name, opts);
    bson_destroy(by_name);
    bson_destroy(opts);
    int count = mouv_cursor_to_list(cursor, 0, found, error);
    mouv_cursor_unref(cursor);
    return count;
}

/** 0, or what is wrong with a name that is looked for or given. */
static int gridfs_check_filename(const char *filename, const char *call, mouv_error_t *error) {
    if (filename && bson_utf8_validate(filename, strlen(filename), false)) return 0;
    return mouv__raise(error, MOUV_EINVAL, "%s: 'filename' is NULL or not UTF-8", call);
}

static int gridfs_delete_all(mouv_gridfs_bucket_t *bucket, const char *filename, int64_t until_ms,
                             mouv_error_t *error) {
    int count, total = 0, rc;
    do {
        bson_t *found = NULL;
        count = gridfs_find_by_name(bucket, filename, &found, error);
        rc = count > 0 ? gridfs_delete_found(bucket, found, until_ms, error) : count;
        bson_destroy(found);
        total += count;
    } while (rc >= 0 && count == MOUV__GRIDFS_BATCH_FILES);
    if (rc < 0) return rc;
    return total > 0 ? 0 : gridfs_no_such_name(bucket, filename, error);
}

int mouv_gridfs_delete_by_name(mouv_gridfs_bucket_t *bucket, const char *filename,
                               mouv_error_t *error) {
    const char *call = "mouv_gridfs_delete_by_name()";
    mouv_scope_t limit;
    int64_t until_ms;
    int rc = mouv__gridfs_may(bucket, call, error);
    if (rc >= 0) rc = gridfs_check_filename(filename, call, error);
    if (rc < 0) return rc;
    gridfs_enter(bucket, &limit, &until_ms);
    rc = gridfs_delete_all(bucket, filename, until_ms, error);
    return gridfs_leave(bucket, &limit, rc, error);
}

int mouv_gridfs_rename_by_name(mouv_gridfs_bucket_t *bucket, const char *filename,
                               const char *new_filename, mouv_error_t *error) {
    const char *call = "mouv_gridfs_rename_by_name()";
    mouv_scope_t limit;
    int64_t until_ms;
    int rc = mouv__gridfs_may(bucket, call, error);
    if (rc >= 0) rc = gridfs_check_filename(filename, call, error);
    if (rc >= 0) rc = gridfs_check_filename(new_filename, call, error);
    if (rc < 0) return rc;
    bson_t *by_name = BCON_NEW("filename", BCON_UTF8(filename));
    bson_t *change = BCON_NEW("$set", "{", "filename", BCON_UTF8(new_filename), "}");
    gridfs_enter(bucket, &limit, &until_ms);
    rc = mouv_await(mouv_collection_update_many(bucket->files, by_name, change, NULL, NULL), error);
    if (rc == 0) rc = gridfs_no_such_name(bucket, filename, error);
    bson_destroy(by_name);
    bson_destroy(change);
    return gridfs_leave(bucket, &limit, rc, error);
}

int mouv_gridfs_rename(mouv_gridfs_bucket_t *bucket, const bson_value_t *id, const char *filename,
                       mouv_error_t *error) {
    mouv_scope_t limit;
    int64_t until_ms;
    int rc = mouv__gridfs_may(bucket, "mouv_gridfs_rename()", error);
    if (rc < 0) return rc;
    if (!id || !filename)
        return mouv__raise(error, MOUV_EINVAL, "mouv_gridfs_rename: 'id' or 'filename' is NULL");
    bson_t *by_id = mouv__gridfs_by("_id", id);
    bson_t *change = BCON_NEW("$set", "{", "filename", BCON_UTF8(filename), "}");
    gridfs_enter(bucket, &limit, &until_ms);
    rc = mouv_await(mouv_collection_update_one(bucket->files, by_id, change, NULL, NULL), error);
    if (rc == 0) rc = gridfs_not_found(bucket, error);
    bson_destroy(by_id);
    bson_destroy(change);
    return gridfs_leave(bucket, &limit, rc, error);
}

int mouv_gridfs_drop(mouv_gridfs_bucket_t *bucket, mouv_error_t *error) {
    mouv_scope_t limit;
    int64_t until_ms;
    int rc = mouv__gridfs_may(bucket, "mouv_gridfs_drop()", error);
    if (rc < 0) return rc;
    bucket->indexed = false;
    gridfs_enter(bucket, &limit, &until_ms);
    rc = mouv_await(mouv_collection_drop(bucket->files, NULL), error);
    if (rc >= 0) rc = mouv_await(mouv_collection_drop(bucket->chunks, NULL), error);
    return gridfs_leave(bucket, &limit, rc, error);
}
