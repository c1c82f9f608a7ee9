/*
 * An HTTP client for programs that use mouv: libcurl's multi-socket interface on mouv's loop, made
 * awaitable with public futures and nothing else. Copy this file; link with libcurl.
 *
 *     struct http_reply reply;
 *     int rc = mouv_await_for(http_get(http, "https://example.org", &reply), 1000, &error);
 *
 * It needs POSIX 2008: compile with -D_GNU_SOURCE or -D_POSIX_C_SOURCE=200809L.
 */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include <curl/curl.h>
#include <mouv/mouv.h>
#include <uv.h>

struct http_reply {
    long status;
    size_t size_bytes;
    char *body; /* ends with a NUL; the caller's to free() */
};

struct http {
    uv_timer_t timer; /* first: closing it frees the whole */
    CURLM *multi;
    LIST_HEAD(, transfer) transfers;
};

struct transfer {
    LIST_ENTRY(transfer) others;
    struct http *http;
    CURL *easy;
    mouv_future_t future; /* borrowed: if whoever owns it lets it go, nothing is delivered */
    struct http_reply got, *reply;
    FILE *body; /* writes to got.body */
    char why[CURL_ERROR_SIZE];
};

static void free_handle(uv_handle_t *handle) {
    free(handle);
}

static void end(struct transfer *transfer) {
    LIST_REMOVE(transfer, others);
    curl_multi_remove_handle(transfer->http->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    if (transfer->body) fclose(transfer->body);
    free(transfer->got.body);
    free(transfer);
}

/* Runs only if somebody cancels the future: deliver() completes it and takes this callback away. */
static void on_cancelled(mouv_future_t future, void *transfer) {
    (void)future;
    end(transfer);
}

static void deliver(struct transfer *transfer, CURLcode code) {
    mouv_error_t error;
    mouv_future_remove_done_callback(transfer->future, on_cancelled, transfer);
    if (code == CURLE_OK && fflush(transfer->body) != 0) code = CURLE_OUT_OF_MEMORY;
    if (code != CURLE_OK) {
        const char *why = transfer->why[0] ? transfer->why : curl_easy_strerror(code);
        mouv_error_set(&error, MOUV_ENETWORK, "%s", why);
        mouv_future_set_error(transfer->future, &error);
    } else if (!mouv_future_done(transfer->future)) { /* as it is when it was cancelled or let go */
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &transfer->got.status);
        fclose(transfer->body);
        transfer->body = NULL;
        *transfer->reply = transfer->got;
        transfer->got.body = NULL;
        mouv_future_set_result(transfer->future, 0);
    }
    end(transfer);
}

/* libcurl wants sockets watched and one timer set; what happens on either comes here. */
static void tell_curl(struct http *http, curl_socket_t fd, int events) {
    CURLMsg *message;
    int count;
    curl_multi_socket_action(http->multi, fd, events, &count);
    while ((message = curl_multi_info_read(http->multi, &count))) {
        struct transfer *transfer;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        deliver(transfer, message->data.result);
    }
}

static void on_socket(uv_poll_t *poll, int status, int events) {
    uv_os_fd_t fd;
    uv_fileno((uv_handle_t *)poll, &fd);
    int in = events & UV_READABLE ? CURL_CSELECT_IN : 0;
    int out = events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    tell_curl(poll->data, fd, status < 0 ? CURL_CSELECT_ERR : in | out);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known) {
    struct http *http = arg;
    uv_poll_t *poll = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (poll) uv_close((uv_handle_t *)poll, free_handle);
        return 0;
    }
    if (!poll) {
        if (!(poll = malloc(sizeof *poll))) return -1;
        if (uv_poll_init_socket(http->timer.loop, poll, fd) != 0) return free(poll), -1;
        poll->data = http;
        curl_multi_assign(http->multi, fd, poll);
    }
    int in = what & CURL_POLL_IN ? UV_READABLE : 0;
    int out = what & CURL_POLL_OUT ? UV_WRITABLE : 0;
    return uv_poll_start(poll, in | out, on_socket) == 0 ? 0 : -1;
}

static void on_time(uv_timer_t *timer) {
    tell_curl((struct http *)timer, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long timeout_ms, void *arg) {
    struct http *http = arg;
    (void)multi;
    if (timeout_ms < 0) return uv_timer_stop(&http->timer);
    uv_update_time(http->timer.loop);
    return uv_timer_start(&http->timer, on_time, (uint64_t)timeout_ms, 0);
}

/* A client on this thread's loop; NULL if out of memory. */
static struct http *http_new(void) {
    struct http *http = calloc(1, sizeof *http);
    if (!http || !(http->multi = curl_multi_init())) return free(http), NULL;
    uv_timer_init(mouv_runtime_loop(mouv_runtime_current()), &http->timer);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    return http;
}

/* Cancels what is still under way. The memory goes when the loop has turned. */
static void http_close(struct http *http) {
    struct transfer *transfer;
    while ((transfer = LIST_FIRST(&http->transfers))) {
        mouv_future_cancel(transfer->future);
        deliver(transfer, CURLE_ABORTED_BY_CALLBACK);
    }
    curl_multi_cleanup(http->multi);
    uv_close((uv_handle_t *)&http->timer, free_handle);
}

/*
 * A GET, under way at once. `*reply` must live until the future is done or let go, and is written
 * if the transfer succeeds, whatever its status; else MOUV_ENETWORK. A cancel or deadline ends it.
 */
static mouv_future_t http_get(struct http *http, const char *url, struct http_reply *reply) {
    mouv_future_t future = mouv_future_new();
    struct transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer) return mouv_future_set_result(future, MOUV_ENOMEM), future;
    transfer->http = http;
    transfer->future = future;
    transfer->reply = reply;
    transfer->easy = curl_easy_init();
    transfer->body = open_memstream(&transfer->got.body, &transfer->got.size_bytes);
    LIST_INSERT_HEAD(&http->transfers, transfer, others);
    curl_easy_setopt(transfer->easy, CURLOPT_URL, url);
    curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(transfer->easy, CURLOPT_ERRORBUFFER, transfer->why);
    curl_easy_setopt(transfer->easy, CURLOPT_WRITEDATA, transfer->body);
    curl_easy_setopt(transfer->easy, CURLOPT_NOSIGNAL, 1L);
    if (!transfer->body || mouv_future_add_done_callback(future, on_cancelled, transfer) != 0 ||
        curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK)
        deliver(transfer, CURLE_FAILED_INIT);
    return future;
}

#endif
