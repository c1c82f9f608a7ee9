/*
 * An exponentially weighted moving average, and the least of a ring of samples.
 */
#include "mongo/topology/rtt.h"

/* A new sample's part of the average is one in so many: alpha = 0.2. */
#define WEIGHT 5

void mouv__rtt_add(mouv__rtt_t *rtt, int64_t sample_ns) {
    rtt->samples_ns[rtt->count % MOUV__RTT_SAMPLES] = sample_ns;
    rtt->average_ns = rtt->count == 0
                          ? sample_ns
                          : (sample_ns + (WEIGHT - 1) * rtt->average_ns + WEIGHT / 2) / WEIGHT;
    rtt->count++;
}

void mouv__rtt_guess(mouv__rtt_t *rtt, int64_t average_ns) {
    if (rtt->count > 0 || average_ns < 0) return;
    rtt->average_ns = average_ns;
    rtt->guessed = true;
}

void mouv__rtt_reset(mouv__rtt_t *rtt) {
    *rtt = (mouv__rtt_t){0};
}

int64_t mouv__rtt_average_ns(const mouv__rtt_t *rtt) {
    return rtt->count > 0 || rtt->guessed ? rtt->average_ns : -1;
}

int64_t mouv__rtt_least_ns(const mouv__rtt_t *rtt) {
    if (rtt->count < MOUV__RTT_SAMPLES_LEAST) return 0;
    int64_t least_ns = rtt->samples_ns[0];
    for (uint32_t i = 1; i < rtt->count && i < MOUV__RTT_SAMPLES; i++)
        if (rtt->samples_ns[i] < least_ns) least_ns = rtt->samples_ns[i];
    return least_ns;
}
