/*
 * Reading the table of exceptions: file | test | reason, one a line.
 */
#include "spec/exceptions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bson/bson.h>

enum { COLUMNS = 3 };

/** Cuts a line at its bars and the blanks around them; the number of columns. */
static int split(char *line, char *columns[COLUMNS]) {
    int count = 0;
    while (line && count < COLUMNS) {
        char *bar = count < COLUMNS - 1 ? strstr(line, " | ") : NULL;
        char *next = bar ? bar + 3 : NULL;
        if (bar) *bar = '\0';
        line += strspn(line, " ");
        line[strcspn(line, "\r\n")] = '\0';
        for (size_t end = strlen(line); end > 0 && line[end - 1] == ' '; end--)
            line[end - 1] = '\0';
        columns[count++] = line;
        line = next;
    }
    return count;
}

static void add(spec_exceptions_t *exceptions, char *columns[COLUMNS], int number) {
    exceptions->list =
        bson_realloc(exceptions->list, (exceptions->count + 1) * sizeof *exceptions->list);
    exceptions->list[exceptions->count++] = (spec_exception_t){.file = bson_strdup(columns[0]),
                                                               .test = bson_strdup(columns[1]),
                                                               .reason = bson_strdup(columns[2]),
                                                               .line = number};
}

bool spec_exceptions_read(spec_exceptions_t *exceptions, const char *path) {
    char line[1000], *columns[COLUMNS];
    FILE *table = fopen(path, "r");
    if (!table) {
        fprintf(stderr, "%s cannot be read\n", path);
        return false;
    }
    bool ok = true;
    for (int number = 1; ok && fgets(line, sizeof line, table); number++) {
        if (line[0] == '#' || line[strspn(line, " \r\n")] == '\0') continue;
        ok = split(line, columns) == COLUMNS && columns[2][0];
        if (ok) add(exceptions, columns, number);
        if (!ok) fprintf(stderr, "%s:%d: expected 'file | test | reason'\n", path, number);
    }
    fclose(table);
    return ok;
}

void spec_exceptions_free(spec_exceptions_t *exceptions) {
    for (size_t i = 0; i < exceptions->count; i++) {
        bson_free(exceptions->list[i].file);
        bson_free(exceptions->list[i].test);
        bson_free(exceptions->list[i].reason);
    }
    bson_free(exceptions->list);
}

bool spec_exception_is_of(const spec_exception_t *exception, const char *file) {
    size_t length = strlen(file), tail = strlen(exception->file);
    if (length < tail || strcmp(file + length - tail, exception->file) != 0) return false;
    return length == tail || file[length - tail - 1] == '/';
}

spec_exception_t *spec_exception_find(const spec_exceptions_t *exceptions, const char *file,
                                      const char *test) {
    for (size_t i = 0; i < exceptions->count; i++) {
        spec_exception_t *each = &exceptions->list[i];
        bool named = strcmp(each->test, "*") == 0 || strcmp(each->test, test) == 0;
        if (named && spec_exception_is_of(each, file)) return each;
    }
    return NULL;
}
