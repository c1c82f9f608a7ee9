/*
 * A temporary folder: made for this user alone, removed with everything in it.
 */
#include "cli/sandbox/tempdir.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int tempdir_make(char *path, size_t size) {
    const char *parent = getenv("TMPDIR");
    if (!parent || !*parent) parent = "/tmp";
    int length = snprintf(path, size, "%s/mouv-sandbox-XXXXXX", parent);
    if (length < 0 || (size_t)length >= size) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return mkdtemp(path) ? 0 : -1;
}

static int tempdir_remove_entry(const char *path, const struct stat *status, int type,
                                struct FTW *place) {
    (void)status, (void)type, (void)place;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

static int tempdir_remove_once(const char *path) {
    int rc = nftw(path, tempdir_remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    return rc == 0 || errno == ENOENT ? 0 : -1;
}

/* Tried again for a while, for whoever had files open here may be dying at this moment. */
int tempdir_remove(const char *path) {
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    int rc = tempdir_remove_once(path);
    for (int attempt = 0; rc < 0 && errno == ENOTEMPTY && attempt < 50; attempt++) {
        nanosleep(&pause, NULL);
        rc = tempdir_remove_once(path);
    }
    return rc;
}
