/*
 * Processes found by a mark in their environment. Descendants inherit it, whichever process group
 * or session they move to, so none is missed (Jenkins finds what a build leaves behind likewise).
 */
#include "cli/sandbox/processes.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { SCAN_INTERVAL_MS = 20, KILL_LIMIT_MS = 5000 };

static bool processes_has_mark(const char *pid, const char *mark) {
    char path[300];
    snprintf(path, sizeof path, "/proc/%s/environ", pid);
    FILE *environment = fopen(path, "re");
    if (!environment) return false; /* gone, or somebody else's */
    char *variable = NULL;
    size_t size = 0;
    bool found = false;
    while (!found && getdelim(&variable, &size, '\0', environment) > 0)
        found = strcmp(variable, mark) == 0;
    free(variable);
    fclose(environment);
    return found;
}

/* Returns how many there are. */
static int processes_signal_marked(const char *mark, int signal) {
    DIR *proc = opendir("/proc");
    if (!proc) return 0;
    int count = 0;
    for (const struct dirent *entry; (entry = readdir(proc));) {
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid != getpid() && processes_has_mark(entry->d_name, mark) && kill(pid, signal) == 0)
            count++;
    }
    closedir(proc);
    return count;
}

static bool processes_gone_within(const char *mark, int64_t limit_ms) {
    const struct timespec pause = {.tv_nsec = SCAN_INTERVAL_MS * 1000 * 1000};
    for (int64_t waited_ms = 0; processes_signal_marked(mark, 0) > 0;
         waited_ms += SCAN_INTERVAL_MS) {
        if (waited_ms >= limit_ms) return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

void processes_end(const char *mark, int64_t grace_ms) {
    if (processes_signal_marked(mark, SIGTERM) == 0 || processes_gone_within(mark, grace_ms))
        return;
    for (int64_t waited_ms = 0; waited_ms < KILL_LIMIT_MS; waited_ms += SCAN_INTERVAL_MS) {
        if (processes_signal_marked(mark, SIGKILL) == 0 ||
            processes_gone_within(mark, SCAN_INTERVAL_MS))
            return;
    }
}
