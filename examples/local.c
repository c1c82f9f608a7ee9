/*
 * Task-local values: each request has its id, which the log line deep inside knows without being
 * passed it.
 *
 *     local
 */
#include <stdio.h>

#include <mouv/mouv.h>

static mouv_local_t request_id; /* the key; its address is what counts */

static void log_line(const char *text) {
    const char *id = mouv_local_get(&request_id);
    printf("[%s] %s\n", id != NULL ? id : "-", text);
}

static int write_audit(void *arg) {
    (void)arg;
    mouv_sleep_ms(10);
    log_line("audited"); /* a task of its own, and still of this request */
    return 0;
}

static int compute(void *arg) {
    (void)arg;
    log_line("computes"); /* on a thread of libuv's pool */
    return 0;
}

static int handle(void *id) {
    int rc = mouv_local_set(&request_id, id);
    if (rc < 0) return rc;
    log_line("begins");
    mouv_future_t audit = mouv_task(write_audit, NULL); /* begins with our values */
    rc = mouv_await(mouv_offload(compute, NULL), NULL);
    if (rc < 0) return rc;
    mouv_sleep_ms(5);
    log_line("answers");
    return mouv_await(audit, NULL);
}

static int main_task(void *arg) {
    (void)arg;
    log_line("starts");
    int rc = mouv_await(mouv_gather(mouv_task(handle, "req-1"), mouv_task(handle, "req-2")), NULL);
    log_line("ends"); /* what they set is not seen here */
    return rc;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
