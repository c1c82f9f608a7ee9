/*
 * The round trips behind libmongoc's averages.
 */
#include "mongo/topology/rtt.h"

#include <stddef.h>

/* libmongoc's: average = newest / 5 + former * 4 / 5, in whole milliseconds, rounded down. */
#define WEIGHT 5

static mouv__rtt_server_t *rtt_server_of(mouv__rtt_t *rtt, uint32_t id) {
    for (size_t i = 0; i < MOUV__RTT_SERVERS; i++) {
        mouv__rtt_server_t *server = &rtt->servers[i];
        if (server->id == 0) server->id = id;
        if (server->id == id) return server;
    }
    return NULL;
}

/*
 * What the newest round trip was at most. It is never taken for more than the average, which is all
 * that rounding leaves of a steady one; but after one that was slow the average is long too high.
 */
static int64_t rtt_newest_ms(int64_t average_ms, int64_t former_ms) {
    int64_t most_ms = WEIGHT * average_ms - (WEIGHT - 1) * former_ms + (WEIGHT - 1);
    return most_ms > average_ms ? average_ms : most_ms > 0 ? most_ms : 0;
}

void mouv__rtt_note(mouv__rtt_t *rtt, uint32_t server_id, int64_t average_ms) {
    mouv__rtt_server_t *server = rtt_server_of(rtt, server_id);
    if (!server) return;
    if (average_ms < 0) {
        server->count = 0;
        return;
    }
    server->samples_ms[server->count % MOUV__RTT_SAMPLES] =
        server->count > 0 ? rtt_newest_ms(average_ms, server->average_ms) : average_ms;
    server->average_ms = average_ms;
    server->count++;
}

int64_t mouv__rtt_least_ms(const mouv__rtt_t *rtt) {
    int64_t least_ms = -1;
    for (size_t i = 0; i < MOUV__RTT_SERVERS; i++) {
        const mouv__rtt_server_t *server = &rtt->servers[i];
        for (uint32_t j = 0; j < server->count && j < MOUV__RTT_SAMPLES; j++)
            if (least_ms < 0 || server->samples_ms[j] < least_ms) least_ms = server->samples_ms[j];
    }
    return least_ms < 0 ? 0 : least_ms;
}
