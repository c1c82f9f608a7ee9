/*
 * Round trips of one server, averaged as the specification of server selection says; the least of
 * the last ten is what the way takes at least, which is left out of maxTimeMS. Loop thread.
 */
#ifndef MOUV_MONGO_TOPOLOGY_RTT_H
#define MOUV_MONGO_TOPOLOGY_RTT_H

#include <stdbool.h>
#include <stdint.h>

/** The least of so many counts. */
#define MOUV__RTT_SAMPLES 10

/** It counts from so many on: the first sample has a connection set up in it. */
#define MOUV__RTT_SAMPLES_LEAST 2

/** Zeroed: nothing is known. */
typedef struct mouv__rtt {
    uint32_t count; /**< of samples since it was last reset */
    bool guessed;   /**< without one: the average is libmongoc's */
    int64_t average_ns;
    int64_t samples_ns[MOUV__RTT_SAMPLES]; /**< the last ones, in a ring */
} mouv__rtt_t;

/** One more: a heartbeat that was not awaited, or a ping of mouv's own. */
void mouv__rtt_add(mouv__rtt_t *rtt, int64_t sample_ns);

/** libmongoc's average, which counts until there is a sample; negative: it has none. */
void mouv__rtt_guess(mouv__rtt_t *rtt, int64_t average_ns);

/** The server was lost: nothing is known any more. */
void mouv__rtt_reset(mouv__rtt_t *rtt);

/** -1: none is known. */
int64_t mouv__rtt_average_ns(const mouv__rtt_t *rtt);

/** 0 before the second sample. */
int64_t mouv__rtt_least_ns(const mouv__rtt_t *rtt);

#endif
