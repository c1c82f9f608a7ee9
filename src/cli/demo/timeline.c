/*
 * A small Gantt chart in text.
 */
#include "cli/demo/timeline.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

enum { WIDTH = 40 };

int64_t timeline_now_ns(void) {
    return (int64_t)uv_hrtime();
}

double timeline_ms(int64_t ns) {
    return (double)ns / 1e6;
}

const char *timeline_colour(FILE *out, const char *sequence) {
    const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM");
    if (!isatty(fileno(out)) || (refused && *refused)) return "";
    return terminal && strcmp(terminal, "dumb") != 0 ? sequence : "";
}

static int timeline_column(int64_t at_ns, int64_t scale_ns) {
    int64_t place = scale_ns > 0 ? at_ns * WIDTH / scale_ns : 0;
    return place < 0 ? 0 : place > WIDTH ? WIDTH : (int)place;
}

/* At least one mark, however short the span. */
static void timeline_draw_bar(char bar[WIDTH + 1], int64_t begin_ns, int64_t end_ns,
                              int64_t scale_ns) {
    int first = timeline_column(begin_ns, scale_ns), last = timeline_column(end_ns, scale_ns);
    if (first == WIDTH) first = WIDTH - 1;
    if (last <= first) last = first + 1;
    memset(bar, ' ', WIDTH);
    memset(bar + first, '#', (size_t)(last - first));
    bar[WIDTH] = '\0';
}

static int timeline_label_width(const struct timeline_span *spans, size_t count) {
    size_t width = 0;
    for (size_t i = 0; i < count; i++) {
        if (strlen(spans[i].label) > width) width = strlen(spans[i].label);
    }
    return (int)width;
}

void timeline_print(FILE *out, const struct timeline_span *spans, size_t count, int64_t origin_ns,
                    int64_t scale_ns) {
    const char *on = timeline_colour(out, "\033[36m"), *off = timeline_colour(out, "\033[0m");
    int width = timeline_label_width(spans, count);
    for (size_t i = 0; i < count; i++) {
        int64_t begin_ns = spans[i].begin_ns - origin_ns, end_ns = spans[i].end_ns - origin_ns;
        char bar[WIDTH + 1];
        timeline_draw_bar(bar, begin_ns, end_ns, scale_ns);
        fprintf(out, "  %-*s |%s%s%s| %7.1f to %7.1f ms  %s\n", width, spans[i].label, on, bar, off,
                timeline_ms(begin_ns), timeline_ms(end_ns), spans[i].note);
    }
}
