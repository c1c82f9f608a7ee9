// Exceptions in tasks: what is caught and what is on its way belongs to each task, also while others
// run; deep frames are left by them without a word of ASan's (see docs/cpp.md).
#include <mouv/mouv.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>

namespace {

int failures;

void check(bool good, const char *what) {
    if (good) return;
    failures++;
    std::fprintf(stderr, "%s\n", what);
}

struct Sleep {
    int64_t ms;
};

// Waits in a catch block, then throws on what it has caught.
int rethrows(void *arg) {
    auto own = "after " + std::to_string(static_cast<Sleep *>(arg)->ms);
    try {
        try {
            throw std::runtime_error(own);
        } catch (const std::exception &) {
            check(mouv_sleep_ms(static_cast<Sleep *>(arg)->ms) == 0, "the sleep failed");
            throw;
        }
    } catch (const std::exception &error) {
        check(own == error.what(), "another task's exception was thrown on");
    }
    return 0;
}

struct SleepsAtItsEnd {
    ~SleepsAtItsEnd() { mouv_sleep_ms(20); }
};

int unwinds(void *) {
    try {
        SleepsAtItsEnd sleeper;
        throw std::runtime_error("on its way");
    } catch (const std::exception &) {
        check(std::uncaught_exceptions() == 0, "caught, and still on its way");
    }
    return 0;
}

int has_no_exception(void *) {
    for (int i = 0; i < 4; i++) {
        mouv_sleep_ms(5);
        check(std::uncaught_exceptions() == 0, "another task's exception is on its way here");
        check(std::current_exception() == nullptr, "another task's exception is current here");
    }
    return 0;
}

__attribute__((noinline)) char deep(int depth) {
    char frame[300];
    std::memset(frame, depth, sizeof frame);
    if (depth == 0) throw std::runtime_error("from below");
    return static_cast<char>(deep(depth - 1) + frame[depth]);
}

int throws_from_below(void *) {
    for (int i = 0; i < 3; i++) {
        try {
            deep(20);
        } catch (const std::exception &) {
        }
        char frame[4096];
        std::memset(frame, i, sizeof frame);
        mouv_sleep_ms(1);
        check(frame[4000] == i, "the frame has changed");
    }
    return 0;
}

int main_task(void *) {
    static Sleep first = {10}, second = {20};
    mouv_future_t all = mouv_gather(mouv_task(rethrows, &first), mouv_task(rethrows, &second),
                                    mouv_task(unwinds, nullptr),
                                    mouv_task(has_no_exception, nullptr),
                                    mouv_task(throws_from_below, nullptr));
    return mouv_await(all, nullptr);
}

} // namespace

int main() {
    int rc = mouv_main(main_task, nullptr);
    return rc != 0 ? rc : failures > 0;
}
