/*
 * The proxy itself, between a bare socket and a mock server: what each fault does to bytes.
 */
/* test: lock=mock-faults */
#include "support/bare_socket.h"
#include "support/mock_server.h"
#include "support/proxy.h"
#include "support/support.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static mock_server_t *mock;
static proxy_t *proxy;

static int start(void **state) {
    (void)state;
    mock = mock_server_start(NULL);
    proxy = mock ? proxy_start(mock_server_port(mock)) : NULL;
    return proxy ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    proxy_stop(proxy);
    mock_server_stop(mock);
    return 0;
}

enum { PATIENT_MS = 20000 };

static int dial(int64_t patience_ms) {
    int fd = bare_dial(proxy_port(proxy), patience_ms);
    assert_true(fd >= 0);
    return fd;
}

static ssize_t ask(int fd) {
    uint8_t reply[BARE_REPLY_BYTES];
    return bare_ask(fd, reply, sizeof reply);
}

static void without_a_fault_all_passes(void **state) {
    (void)state;
    int fd = dial(PATIENT_MS);
    for (int i = 0; i < 100; i++) assert_int_equal(ask(fd), BARE_REPLY_BYTES);
    assert_int_equal(proxy_open(proxy), 1);
    close(fd);
    for (int i = 0; i < 1000 && proxy_open(proxy) > 0; i++) usleep(10000);
    assert_int_equal(proxy_open(proxy), 0);
}

static void a_delay_is_kept_in_each_direction(void **state) {
    (void)state;
    int fd = dial(PATIENT_MS);
    proxy_set(proxy, PROXY_TO_SERVER, &(proxy_fault_t){.delay_ms = 30});
    proxy_set(proxy, PROXY_TO_CLIENT, &(proxy_fault_t){.delay_ms = 40});
    int64_t began = now_ms();
    assert_int_equal(ask(fd), BARE_REPLY_BYTES);
    assert_true(now_ms() - began >= 70);
    close(fd);
}

static void slices_come_one_by_one(void **state) {
    (void)state;
    int fd = dial(PATIENT_MS);
    proxy_set(proxy, PROXY_TO_CLIENT, &(proxy_fault_t){.slice_bytes = 8, .slice_ms = 10});
    int64_t began = now_ms();
    assert_int_equal(ask(fd), BARE_REPLY_BYTES); /* 8, 8, 8, 8, 6 */
    assert_true(now_ms() - began >= 40);
    close(fd);
}

static void what_was_held_passes_later(void **state) {
    (void)state;
    for (int direction = PROXY_TO_SERVER; direction <= PROXY_TO_CLIENT; direction++) {
        int fd = dial(200);
        uint64_t before = mock_server_count(mock, "ping");
        uint8_t reply[BARE_REPLY_BYTES];
        proxy_set(proxy, (proxy_direction_t)direction, &(proxy_fault_t){.hold = true});
        assert_int_equal(ask(fd), -1);
        assert_int_equal(mock_server_count(mock, "ping") - before, direction == PROXY_TO_CLIENT);
        proxy_set(proxy, (proxy_direction_t)direction, NULL);
        ssize_t size = -1;
        for (int i = 0; i < 100 && size < 0; i++)
            size = recv(fd, reply, BARE_REPLY_BYTES, MSG_WAITALL);
        assert_int_equal(size, BARE_REPLY_BYTES);
        close(fd);
    }
}

static void a_cut_comes_after_so_many_bytes(void **state) {
    (void)state;
    int fd = dial(PATIENT_MS);
    proxy_set(proxy, PROXY_TO_CLIENT, &(proxy_fault_t){.cut_at_bytes = BARE_REPLY_BYTES + 10});
    assert_int_equal(ask(fd), BARE_REPLY_BYTES);
    ssize_t size = ask(fd); /* a RST may overtake the last bytes */
    assert_true(size == 10 || (size == -1 && errno == ECONNRESET));
    close(fd);
}

static void an_end_in_order_comes_after_so_many_bytes(void **state) {
    (void)state;
    int fd = dial(PATIENT_MS);
    proxy_set(proxy, PROXY_TO_CLIENT,
              &(proxy_fault_t){.cut_at_bytes = BARE_REPLY_BYTES + 10, .in_order = true});
    assert_int_equal(ask(fd), BARE_REPLY_BYTES);
    assert_int_equal(ask(fd), 10);
    close(fd);
}

static void what_is_lost_never_passes(void **state) {
    (void)state;
    int fd = dial(200);
    uint64_t before = mock_server_count(mock, "ping");
    proxy_set(proxy, PROXY_TO_SERVER, &(proxy_fault_t){.lose = true});
    assert_int_equal(ask(fd), -1);
    proxy_set(proxy, PROXY_TO_SERVER, NULL);
    assert_int_equal(ask(fd), BARE_REPLY_BYTES);
    assert_int_equal(mock_server_count(mock, "ping") - before, 1);
    close(fd);
}

static void cutting_and_refusing_reset(void **state) {
    (void)state;
    int fd = dial(PATIENT_MS);
    assert_int_equal(ask(fd), BARE_REPLY_BYTES);
    proxy_refuse(proxy, true);
    proxy_cut(proxy);
    uint8_t byte;
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(fd);
    fd = dial(PATIENT_MS);
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(fd);
    proxy_refuse(proxy, false);
    fd = dial(PATIENT_MS);
    assert_int_equal(ask(fd), BARE_REPLY_BYTES);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void) {
    const struct CMUnitTest cases[] = {
        TEST(without_a_fault_all_passes),      TEST(a_delay_is_kept_in_each_direction),
        TEST(slices_come_one_by_one),          TEST(what_was_held_passes_later),
        TEST(a_cut_comes_after_so_many_bytes), TEST(cutting_and_refusing_reset),
        TEST(what_is_lost_never_passes),       TEST(an_end_in_order_comes_after_so_many_bytes),
    };
    return cmocka_run_group_tests(cases, NULL, NULL);
}
