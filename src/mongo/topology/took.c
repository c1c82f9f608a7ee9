/*
 * Two windows, one after the other.
 */
#include "mongo/topology/took.h"

static mouv__took_window_t *took_window(mouv__took_t *took, int64_t now_ns) {
    if (now_ns - took->now.since_ns >= MOUV__TOOK_WINDOW_NS) {
        took->before = took->now;
        took->now = (mouv__took_window_t){.since_ns = now_ns, .least_ns = INT64_MAX};
    }
    return &took->now;
}

void mouv__took_add(mouv__took_t *took, int64_t sample_ns, int64_t now_ns) {
    mouv__took_window_t *window = took_window(took, now_ns);
    if (sample_ns < window->least_ns || window->count == 0) window->least_ns = sample_ns;
    window->sum_ns += sample_ns;
    window->count++;
    took->last_ns = now_ns;
}

void mouv__took_too_long(mouv__took_t *took, int64_t now_ns) {
    took_window(took, now_ns)->late++;
}

/* Both in one, as far as they still count. */
static mouv__took_window_t took_sum(const mouv__took_t *took, int64_t now_ns) {
    mouv__took_window_t sum = {.least_ns = INT64_MAX};
    const mouv__took_window_t *windows[] = {&took->now, &took->before};
    for (int i = 0; i < 2; i++) {
        const mouv__took_window_t *window = windows[i];
        if (now_ns - window->since_ns > MOUV__TOOK_LASTS_NS) continue;
        sum.late += window->late;
        sum.count += window->count;
        sum.sum_ns += window->sum_ns;
        if (window->count > 0 && window->least_ns < sum.least_ns) sum.least_ns = window->least_ns;
    }
    return sum;
}

int64_t mouv__took_least_ns(const mouv__took_t *took, int64_t now_ns) {
    mouv__took_window_t sum = took_sum(took, now_ns);
    return sum.count < MOUV__TOOK_LEAST_COUNT ? 0 : sum.least_ns;
}

int64_t mouv__took_mean_ns(const mouv__took_t *took, int64_t now_ns) {
    mouv__took_window_t sum = took_sum(took, now_ns);
    return sum.count < MOUV__TOOK_LEAST_COUNT ? 0 : sum.sum_ns / sum.count;
}

bool mouv__took_any_late(const mouv__took_t *took, int64_t now_ns) {
    return took_sum(took, now_ns).late > 0;
}
