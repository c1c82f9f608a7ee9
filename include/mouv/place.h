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

/* A function-like macro is not expanded inside itself: each calls the function of its name. */
#ifndef MOUV_INTERNAL
#define MOUV_AT (mouv_at)(__FILE__, __LINE__)
#define mouv_await(...) (MOUV_AT, mouv_await(__VA_ARGS__))
#define mouv_await_for(...) (MOUV_AT, mouv_await_for(__VA_ARGS__))
#define mouv_sleep_ms(...) (MOUV_AT, mouv_sleep_ms(__VA_ARGS__))
#define mouv_wait(...) (MOUV_AT, mouv_wait(__VA_ARGS__))
#define mouv_as_completed_next(...) (MOUV_AT, mouv_as_completed_next(__VA_ARGS__))
#define mouv_group_join(...) (MOUV_AT, mouv_group_join(__VA_ARGS__))
#define mouv_group_add(...) (MOUV_AT, mouv_group_add(__VA_ARGS__))
#define mouv_lock_acquire(...) (MOUV_AT, mouv_lock_acquire(__VA_ARGS__))
#define mouv_event_wait(...) (MOUV_AT, mouv_event_wait(__VA_ARGS__))
#define mouv_condition_wait(...) (MOUV_AT, mouv_condition_wait(__VA_ARGS__))
#define mouv_condition_wait_for(...) (MOUV_AT, mouv_condition_wait_for(__VA_ARGS__))
#define mouv_semaphore_acquire(...) (MOUV_AT, mouv_semaphore_acquire(__VA_ARGS__))
#define mouv_queue_put(...) (MOUV_AT, mouv_queue_put(__VA_ARGS__))
#define mouv_queue_get(...) (MOUV_AT, mouv_queue_get(__VA_ARGS__))
#define mouv_queue_join(...) (MOUV_AT, mouv_queue_join(__VA_ARGS__))
#define mouv_cursor_next(...) (MOUV_AT, mouv_cursor_next(__VA_ARGS__))
#define mouv_cursor_try_next(...) (MOUV_AT, mouv_cursor_try_next(__VA_ARGS__))
#define mouv_cursor_to_list(...) (MOUV_AT, mouv_cursor_to_list(__VA_ARGS__))
#define mouv_gridfs_delete(...) (MOUV_AT, mouv_gridfs_delete(__VA_ARGS__))
#define mouv_gridfs_delete_by_name(...) (MOUV_AT, mouv_gridfs_delete_by_name(__VA_ARGS__))
#define mouv_gridfs_rename(...) (MOUV_AT, mouv_gridfs_rename(__VA_ARGS__))
#define mouv_gridfs_rename_by_name(...) (MOUV_AT, mouv_gridfs_rename_by_name(__VA_ARGS__))
#define mouv_gridfs_drop(...) (MOUV_AT, mouv_gridfs_drop(__VA_ARGS__))
#define mouv_gridfs_upload_write(...) (MOUV_AT, mouv_gridfs_upload_write(__VA_ARGS__))
#define mouv_gridfs_upload_close(...) (MOUV_AT, mouv_gridfs_upload_close(__VA_ARGS__))
#define mouv_gridfs_upload_abort(...) (MOUV_AT, mouv_gridfs_upload_abort(__VA_ARGS__))
#define mouv_gridfs_download_file(...) (MOUV_AT, mouv_gridfs_download_file(__VA_ARGS__))
#define mouv_gridfs_download_read(...) (MOUV_AT, mouv_gridfs_download_read(__VA_ARGS__))
#define mouv_gridfs_upload_from_file(...) (MOUV_AT, mouv_gridfs_upload_from_file(__VA_ARGS__))
#define mouv_gridfs_download_to_file(...) (MOUV_AT, mouv_gridfs_download_to_file(__VA_ARGS__))
#define mouv_gridfs_download_to_file_by_name(...) \
    (MOUV_AT, mouv_gridfs_download_to_file_by_name(__VA_ARGS__))
#define mouv_change_stream_next(...) (MOUV_AT, mouv_change_stream_next(__VA_ARGS__))
#define mouv_change_stream_try_next(...) (MOUV_AT, mouv_change_stream_try_next(__VA_ARGS__))
#define mouv_client_close(...) (MOUV_AT, mouv_client_close(__VA_ARGS__))
#endif

#endif
