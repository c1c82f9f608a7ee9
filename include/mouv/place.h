/*
 * Where a program waits: each call that may suspend tells its file and line to dumps of tasks, by
 * mouv_at() (task.h).
 */
#ifndef MOUV_PLACE_H
#define MOUV_PLACE_H

/* before any of their names becomes a macro */
#include <mouv/await.h>
#include <mouv/change_stream.h>
#include <mouv/client.h>
#include <mouv/condition.h>
#include <mouv/cursor.h>
#include <mouv/event.h>
#include <mouv/gridfs.h>
#include <mouv/gridfs_file.h>
#include <mouv/group.h>
#include <mouv/lock.h>
#include <mouv/queue.h>
#include <mouv/semaphore.h>
#include <mouv/task.h>
#include <mouv/wait.h>

/* Each is a call of an inline function, which also `::mouv_await(...)` can be. */
#ifndef MOUV_INTERNAL
#define MOUV_PLACED(fn, arguments, ...) \
    static inline int fn##_at(const char *at_file, int at_line, __VA_ARGS__) { \
        mouv_at(at_file, at_line); \
        return fn arguments; \
    }
MOUV_PLACED(mouv_await, (future, error), mouv_future_t future, mouv_error_t *error)
MOUV_PLACED(mouv_await_for, (future, timeout_ms, error), mouv_future_t future, int64_t timeout_ms,
            mouv_error_t *error)
MOUV_PLACED(mouv_sleep_ms, (timeout_ms), int64_t timeout_ms)
MOUV_PLACED(mouv_wait, (futures, count, mode, timeout_ms, error), const mouv_future_t *futures,
            size_t count, mouv_wait_mode_t mode, int64_t timeout_ms, mouv_error_t *error)
MOUV_PLACED(mouv_as_completed_next, (it, future, error), mouv_as_completed_t *it,
            mouv_future_t *future, mouv_error_t *error)
MOUV_PLACED(mouv_group_join, (group, error), mouv_group_t *group, mouv_error_t *error)
MOUV_PLACED(mouv_group_add, (group, future), mouv_group_t *group, mouv_future_t future)
MOUV_PLACED(mouv_lock_acquire, (lock), mouv_lock_t *lock)
MOUV_PLACED(mouv_event_wait, (event), mouv_event_t *event)
MOUV_PLACED(mouv_condition_wait, (condition), mouv_condition_t *condition)
MOUV_PLACED(mouv_condition_wait_for, (condition, predicate, arg), mouv_condition_t *condition,
            mouv_predicate_t predicate, void *arg)
MOUV_PLACED(mouv_semaphore_acquire, (semaphore), mouv_semaphore_t *semaphore)
MOUV_PLACED(mouv_queue_put, (queue, item), mouv_queue_t *queue, void *item)
MOUV_PLACED(mouv_queue_get, (queue, item), mouv_queue_t *queue, void **item)
MOUV_PLACED(mouv_queue_join, (queue), mouv_queue_t *queue)
MOUV_PLACED(mouv_cursor_next, (cursor, doc, error), mouv_cursor_t *cursor, const bson_t **doc,
            mouv_error_t *error)
MOUV_PLACED(mouv_cursor_try_next, (cursor, doc, error), mouv_cursor_t *cursor, const bson_t **doc,
            mouv_error_t *error)
MOUV_PLACED(mouv_cursor_to_list, (cursor, limit, list, error), mouv_cursor_t *cursor, size_t limit,
            bson_t **list, mouv_error_t *error)
MOUV_PLACED(mouv_gridfs_delete, (bucket, id, error), mouv_gridfs_bucket_t *bucket,
            const bson_value_t *id, mouv_error_t *error)
MOUV_PLACED(mouv_gridfs_delete_by_name, (bucket, filename, error), mouv_gridfs_bucket_t *bucket,
            const char *filename, mouv_error_t *error)
MOUV_PLACED(mouv_gridfs_rename, (bucket, id, filename, error), mouv_gridfs_bucket_t *bucket,
            const bson_value_t *id, const char *filename, mouv_error_t *error)
MOUV_PLACED(mouv_gridfs_rename_by_name, (bucket, filename, new_filename, error),
            mouv_gridfs_bucket_t *bucket, const char *filename, const char *new_filename,
            mouv_error_t *error)
MOUV_PLACED(mouv_gridfs_drop, (bucket, error), mouv_gridfs_bucket_t *bucket, mouv_error_t *error)
MOUV_PLACED(mouv_gridfs_upload_write, (upload, data, size, error), mouv_gridfs_upload_t *upload,
            const void *data, size_t size, mouv_error_t *error)
MOUV_PLACED(mouv_gridfs_upload_close, (upload, error), mouv_gridfs_upload_t *upload,
            mouv_error_t *error)
MOUV_PLACED(mouv_gridfs_upload_abort, (upload, error), mouv_gridfs_upload_t *upload,
            mouv_error_t *error)
MOUV_PLACED(mouv_gridfs_download_file, (download, file, error), mouv_gridfs_download_t *download,
            const bson_t **file, mouv_error_t *error)
MOUV_PLACED(mouv_gridfs_download_read, (download, buffer, size, error),
            mouv_gridfs_download_t *download, void *buffer, size_t size, mouv_error_t *error)
MOUV_PLACED(mouv_gridfs_upload_from_file, (bucket, path, filename, opts, id, error),
            mouv_gridfs_bucket_t *bucket, const char *path, const char *filename,
            const bson_t *opts, bson_value_t *id, mouv_error_t *error)
MOUV_PLACED(mouv_gridfs_download_to_file, (bucket, id, path, error), mouv_gridfs_bucket_t *bucket,
            const bson_value_t *id, const char *path, mouv_error_t *error)
MOUV_PLACED(mouv_gridfs_download_to_file_by_name, (bucket, filename, revision, path, error),
            mouv_gridfs_bucket_t *bucket, const char *filename, int revision, const char *path,
            mouv_error_t *error)
MOUV_PLACED(mouv_change_stream_next, (stream, doc, error), mouv_change_stream_t *stream,
            const bson_t **doc, mouv_error_t *error)
MOUV_PLACED(mouv_change_stream_try_next, (stream, doc, error), mouv_change_stream_t *stream,
            const bson_t **doc, mouv_error_t *error)
MOUV_PLACED(mouv_client_close, (client, error), mouv_client_t *client, mouv_error_t *error)
#undef MOUV_PLACED

#define mouv_await(...) mouv_await_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_await_for(...) mouv_await_for_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_sleep_ms(...) mouv_sleep_ms_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_wait(...) mouv_wait_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_as_completed_next(...) mouv_as_completed_next_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_group_join(...) mouv_group_join_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_group_add(...) mouv_group_add_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_lock_acquire(...) mouv_lock_acquire_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_event_wait(...) mouv_event_wait_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_condition_wait(...) mouv_condition_wait_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_condition_wait_for(...) mouv_condition_wait_for_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_semaphore_acquire(...) mouv_semaphore_acquire_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_queue_put(...) mouv_queue_put_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_queue_get(...) mouv_queue_get_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_queue_join(...) mouv_queue_join_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_cursor_next(...) mouv_cursor_next_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_cursor_try_next(...) mouv_cursor_try_next_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_cursor_to_list(...) mouv_cursor_to_list_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_gridfs_delete(...) mouv_gridfs_delete_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_gridfs_delete_by_name(...) \
    mouv_gridfs_delete_by_name_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_gridfs_rename(...) mouv_gridfs_rename_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_gridfs_rename_by_name(...) \
    mouv_gridfs_rename_by_name_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_gridfs_drop(...) mouv_gridfs_drop_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_gridfs_upload_write(...) mouv_gridfs_upload_write_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_gridfs_upload_close(...) mouv_gridfs_upload_close_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_gridfs_upload_abort(...) mouv_gridfs_upload_abort_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_gridfs_download_file(...) mouv_gridfs_download_file_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_gridfs_download_read(...) mouv_gridfs_download_read_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_gridfs_upload_from_file(...) \
    mouv_gridfs_upload_from_file_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_gridfs_download_to_file(...) \
    mouv_gridfs_download_to_file_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_gridfs_download_to_file_by_name(...) \
    mouv_gridfs_download_to_file_by_name_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_change_stream_next(...) mouv_change_stream_next_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_change_stream_try_next(...) \
    mouv_change_stream_try_next_at(__FILE__, __LINE__, __VA_ARGS__)
#define mouv_client_close(...) mouv_client_close_at(__FILE__, __LINE__, __VA_ARGS__)
#endif

#endif
