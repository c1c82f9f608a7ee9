/*
 * What the C programs here share: the command line, a watch, the line that `run` reads.
 */
#ifndef BENCH_OVERLOAD_LOAD_H
#define BENCH_OVERLOAD_LOAD_H

#include <bson/bson.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Requests of the first two seconds do not count. */
enum { LIMIT_MS = 250, WARM_S = 2, COUNTED_S = 4 };

/** The command line: KIND RATE URI. */
typedef struct load {
    bool writes, varies;
    int per_s; /* requests, whatever becomes of those before */
    const char *uri;
    double began_s;
    long begun;
} load_t;

/** What became of those that count. */
typedef struct outcome {
    long good, bad;
} outcome_t;

static inline double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline load_t load_read(int argc, char **argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s find|insert|varying RATE URI\n", argv[0]);
        exit(2);
    }
    return (load_t){.writes = strcmp(argv[1], "insert") == 0,
                    .varies = strcmp(argv[1], "varying") == 0,
                    .per_s = atoi(argv[2]),
                    .uri = argv[3]};
}

static inline bool load_is_over(const load_t *load) {
    return now_s() - load->began_s >= WARM_S + COUNTED_S;
}

/** Whether one more is to be begun by now. */
static inline bool load_begins(load_t *load) {
    if ((double)load->begun >= (now_s() - load->began_s) * load->per_s) return false;
    load->begun++;
    return true;
}

/** What it asks for; where times vary the server itself takes 10 to 90 ms. */
static inline bson_t *load_filter(const load_t *load) {
    char text[64];
    if (!load->varies) return bson_new();
    snprintf(text, sizeof text, "sleep(%d) || true", 10 + rand() % 81);
    return BCON_NEW("$where", BCON_UTF8(text));
}

/** A request that began then has its answer now, or none. */
static inline void load_note(const load_t *load, outcome_t *outcome, double began_s, bool good) {
    double at_s = began_s - load->began_s;
    if (at_s < WARM_S || at_s >= WARM_S + COUNTED_S) return;
    if (good && now_s() - began_s <= (LIMIT_MS + 5) / 1e3)
        outcome->good++;
    else
        outcome->bad++;
}

static inline void load_print(const outcome_t *outcome) {
    printf("{\"good\": %.1f, \"bad\": %.1f}\n", (double)outcome->good / COUNTED_S,
           (double)outcome->bad / COUNTED_S);
}

#endif
