/*
 * A temporary folder that goes with everything in it.
 */
#ifndef MOUV_CLI_SANDBOX_TEMPDIR_H
#define MOUV_CLI_SANDBOX_TEMPDIR_H

#include <stddef.h>

/* Makes a folder in $TMPDIR or /tmp that only this user may enter, and stores its path. Returns 0,
 * or -1 with errno set; `path` then says where it should have been. */
int tempdir_make(char *path, size_t size);

/* Removes the folder and all that is in it. Returns 0 also if it is not there, or -1 with errno. */
int tempdir_remove(const char *path);

#endif
