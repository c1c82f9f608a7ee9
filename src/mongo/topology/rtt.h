/*
 * Round trips as libmongoc's monitors find them: of each server the last ten, of which the least
 * counts. libmongoc gives a moving average alone, so what the newest one was is reckoned back from
 * that. Not locked; see listener.c.
 */
#ifndef MOUV_MONGO_TOPOLOGY_RTT_H
#define MOUV_MONGO_TOPOLOGY_RTT_H

#include <stdint.h>

/** Of each server. */
#define MOUV__RTT_SAMPLES 10

/** Servers beyond these are not followed. */
#define MOUV__RTT_SERVERS 16

typedef struct mouv__rtt_server {
    uint32_t id;        /**< 0: free */
    uint32_t count;     /**< of samples so far; 0: none since it was last lost */
    int64_t average_ms; /**< as it was last */
    int64_t samples_ms[MOUV__RTT_SAMPLES];
} mouv__rtt_server_t;

/** Zeroed: nothing is known. */
typedef struct mouv__rtt {
    mouv__rtt_server_t servers[MOUV__RTT_SERVERS];
} mouv__rtt_t;

/** A server has just answered; negative: it had been lost, and nothing is known of it yet. */
void mouv__rtt_note(mouv__rtt_t *rtt, uint32_t server_id, int64_t average_ms);

/** The least of all; 0: none is known. */
int64_t mouv__rtt_least_ms(const mouv__rtt_t *rtt);

#endif
