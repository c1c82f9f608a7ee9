/*
 * What a server lately took for an operation: in the present window of half a second in which it has
 * done any, and in the one before. What has less time than the least of that cannot be answered in it;
 * the least, because operations differ: it speaks against nothing that any of the last ones would have
 * had time for. Windows, not so many samples: a hundred operations that one stall has held up come back
 * together. Loop thread; decision 0025.
 */
#ifndef MOUV_MONGO_TOPOLOGY_TOOK_H
#define MOUV_MONGO_TOPOLOGY_TOOK_H

#include <stdbool.h>
#include <stdint.h>

#define MOUV__TOOK_WINDOW_NS (INT64_C(500) * 1000000)

/** It counts from so many operations on, and each window for so long. */
#define MOUV__TOOK_LEAST_COUNT 3
#define MOUV__TOOK_LASTS_NS (INT64_C(10) * 1000000000)

typedef struct mouv__took_window {
    int64_t since_ns;
    int64_t least_ns, sum_ns; /**< of `count` that were done */
    uint32_t count;
    uint32_t late; /**< operations whose deadline came first */
} mouv__took_window_t;

/** Zeroed: nothing is known. */
typedef struct mouv__took {
    mouv__took_window_t now, before;
    int64_t last_ns; /**< when it had done the last one */
} mouv__took_t;

/** It has done what it was asked, in so much time from when it was given a connection. */
void mouv__took_add(mouv__took_t *took, int64_t sample_ns, int64_t now_ns);

/** The deadline of something that it was asked has come before its answer. */
void mouv__took_too_long(mouv__took_t *took, int64_t now_ns);

/** 0: too little is known. */
int64_t mouv__took_least_ns(const mouv__took_t *took, int64_t now_ns);
int64_t mouv__took_mean_ns(const mouv__took_t *took, int64_t now_ns);

/** Whether anything has taken too long. */
bool mouv__took_any_late(const mouv__took_t *took, int64_t now_ns);

#endif
