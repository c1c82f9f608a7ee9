/*
 * Where a mongod is to be found.
 */
#include "cli/sandbox/mongod.h"

#include "cli/cli.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool mongod_find_is_program(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

static char *mongod_find_absolute(const char *path) {
    char *result = realpath(path, NULL);
    if (!result) mouv_cli_complain("sandbox", "%s: %s", path, strerror(errno));
    return result;
}

/* `what` names who asked for this path. */
static char *mongod_find_named(const char *path, const char *what) {
    if (mongod_find_is_program(path)) return mongod_find_absolute(path);
    mouv_cli_complain("sandbox", "%s: %s is no program that can be run", what, path);
    return NULL;
}

static bool mongod_find_on_path(char *found, size_t size) {
    const char *folder = getenv("PATH");
    while (folder && *folder) {
        int length = (int)strcspn(folder, ":");
        snprintf(found, size, "%.*s/mongod", length, folder);
        if (length > 0 && mongod_find_is_program(found)) return true;
        folder += length;
        folder += strspn(folder, ":");
    }
    return false;
}

static void mongod_find_cache_folder(char *path, size_t size) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (cache && *cache)
        snprintf(path, size, "%s/mouv", cache);
    else
        snprintf(path, size, "%s/.cache/mouv", home ? home : "");
}

/* The newest that scripts/mongod has put there: mongod-6.0.5/mongod. */
static bool mongod_find_in_cache(char *found, size_t size) {
    char folder[PATH_MAX - 32], pattern[PATH_MAX];
    mongod_find_cache_folder(folder, sizeof folder);
    snprintf(pattern, sizeof pattern, "%s/mongod-*/mongod", folder);
    glob_t matches;
    bool any = glob(pattern, 0, NULL, &matches) == 0;
    if (any) snprintf(found, size, "%s", matches.gl_pathv[matches.gl_pathc - 1]);
    globfree(&matches);
    return any && mongod_find_is_program(found);
}

static void mongod_find_complain_none(void) {
    char cache[PATH_MAX];
    mongod_find_cache_folder(cache, sizeof cache);
    mouv_cli_complain("sandbox", "no mongod found: not in --mongod, MOUV_MONGOD, PATH or %s",
                      cache);
    fprintf(stderr, "Let scripts/mongod of mouv's source tree fetch one, or install MongoDB, or "
                    "give its path with --mongod.\n");
}

char *mongod_find(const char *wanted) {
    const char *configured = getenv("MOUV_MONGOD");
    char found[PATH_MAX];
    if (wanted) return mongod_find_named(wanted, "--mongod");
    if (configured && *configured) return mongod_find_named(configured, "MOUV_MONGOD");
    if (mongod_find_on_path(found, sizeof found) || mongod_find_in_cache(found, sizeof found))
        return mongod_find_absolute(found);
    mongod_find_complain_none();
    return NULL;
}
