/*
 * When things began and ended, as text: one bar a thing, all on one scale.
 */
#ifndef MOUV_CLI_DEMO_TIMELINE_H
#define MOUV_CLI_DEMO_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct timeline_span {
    const char *label;
    const char *note; /* printed after the bar */
    int64_t begin_ns, end_ns;
};

/* A monotonic clock. */
int64_t timeline_now_ns(void);

double timeline_ms(int64_t ns);

/* Prints the spans as bars; `origin_ns` is the left edge, `scale_ns` the width. */
void timeline_print(FILE *out, const struct timeline_span *spans, size_t count, int64_t origin_ns,
                    int64_t scale_ns);

/* `sequence` (an escape sequence) if `out` is a terminal that wants colours, else "". */
const char *timeline_colour(FILE *out, const char *sequence);

#endif
