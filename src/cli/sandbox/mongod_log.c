/*
 * What the log of a mongod says about its end.
 */
#include "cli/sandbox/mongod.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAIL_LINES = 8 };

struct tail {
    char *lines[TAIL_LINES];
    size_t count; /* of all that were put in */
};

static void mongod_log_tail_put(struct tail *tail, const char *line) {
    char **place = &tail->lines[tail->count++ % TAIL_LINES];
    free(*place);
    *place = strdup(line);
}

static void mongod_log_tail_print(const struct tail *tail) {
    size_t first = tail->count > TAIL_LINES ? tail->count - TAIL_LINES : 0;
    for (size_t i = first; i < tail->count; i++) {
        const char *line = tail->lines[i % TAIL_LINES];
        if (line) fprintf(stderr, "  | %s", line);
    }
}

static void mongod_log_tail_clear(struct tail *tail) {
    for (size_t i = 0; i < TAIL_LINES; i++) free(tail->lines[i]);
}

/* mongod's log is one JSON document a line; what is none comes from the loader or from exec. */
static bool mongod_log_tells_why(const char *line) {
    return *line != '{' || strstr(line, "\"s\":\"F\"") || strstr(line, "\"s\":\"E\"");
}

static void mongod_log_hint(const char *program, const char *line) {
    if (strstr(line, "error while loading shared libraries"))
        fprintf(stderr,
                "A library is missing; `ldd %s` names it. On Debian: apt install libcurl4 "
                "libssl3\n",
                program);
}

void mongod_explain(const char *program, const char *directory, int node) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/node%d.log", directory, node);
    FILE *log = fopen(path, "re");
    if (!log) return;
    struct tail all = {.count = 0}, reasons = {.count = 0};
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, log) > 0) {
        mongod_log_tail_put(&all, line);
        if (mongod_log_tells_why(line)) mongod_log_tail_put(&reasons, line);
    }
    fclose(log);
    free(line);
    const struct tail *shown = reasons.count ? &reasons : &all;
    fprintf(stderr, "The last lines of its log:\n");
    mongod_log_tail_print(shown);
    for (size_t i = 0; i < TAIL_LINES && reasons.lines[i]; i++)
        mongod_log_hint(program, reasons.lines[i]);
    mongod_log_tail_clear(&all);
    mongod_log_tail_clear(&reasons);
}
