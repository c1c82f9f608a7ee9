/*
 * What a soak looks at: the clock, the process's descriptors, threads and memory, percentiles.
 */
#ifndef MOUV_TESTS_SCORECARD_PROCESS_H
#define MOUV_TESTS_SCORECARD_PROCESS_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/** What the process has. */
typedef struct process_state {
    long descriptors, threads, resident_kb;
} process_state_t;

static inline double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static inline process_state_t process_look(void) {
    process_state_t state = {0};
    char line[256];
    DIR *descriptors = opendir("/proc/self/fd");
    while (descriptors && readdir(descriptors)) state.descriptors++;
    if (descriptors) closedir(descriptors);
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status)) {
        sscanf(line, "Threads: %ld", &state.threads);
        sscanf(line, "VmRSS: %ld", &state.resident_kb);
    }
    if (status) fclose(status);
    return state;
}

static inline void process_print(const char *when, process_state_t state) {
    printf("%-24s %4ld descriptors %4ld threads %7ld KiB\n", when, state.descriptors, state.threads,
           state.resident_kb);
}

static inline int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

#endif
