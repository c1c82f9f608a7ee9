/*
 * What the C programs here share: sizes, time, memory, and printing the best round of a case.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

enum { GATHERED = 10000, ROUND_TRIPS = 50000, STORM = 100000, STORM_MS = 1000 };

struct bench_case {
    const char *name;
    double (*round)(void);
    int rounds;
};

static inline double each(uint64_t began, int count) {
    return (double)(uv_hrtime() - began) / count;
}

static inline double resident_bytes(void) {
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1) pages = 0;
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static inline int print_best(const struct bench_case *cases, const char *name) {
    while (cases->name && strcmp(cases->name, name) != 0) cases++;
    if (!cases->name) return 2;
    double best = 0;
    for (int i = 0; i < cases->rounds; i++) {
        double took = cases->round();
        if (i == 0 || took < best) best = took;
    }
    printf("%.1f\n", best);
    return best > 0 ? 0 : 1;
}

#endif
