/*
 * The specification's files of one folder, each given to a function: below MOUV_SPEC_TESTS_2.
 */
#ifndef MOUV_TESTS_UNIT_SPEC_FOLDER_H
#define MOUV_TESTS_UNIT_SPEC_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bson/bson.h>

/* nftw() has no context. */
static void (*spec_folder_check)(const char *path, const bson_t *file);
static int spec_folder_files;

static int spec_folder_visit(const char *path, const struct stat *info, int type,
                             struct FTW *where) {
    (void)info;
    (void)where;
    size_t length = strlen(path);
    if (type != FTW_F || length < 5 || strcmp(path + length - 5, ".json") != 0) return 0;
    bson_error_t error;
    bson_json_reader_t *reader = bson_json_reader_new_from_file(path, &error);
    bson_t file = BSON_INITIALIZER;
    if (!reader || bson_json_reader_read(reader, &file, &error) < 1) {
        fprintf(stderr, "%s: %s\n", path, error.message);
        return 1;
    }
    spec_folder_check(path, &file);
    bson_destroy(&file);
    bson_json_reader_destroy(reader);
    spec_folder_files++;
    return 0;
}

/* How many files there were; 0: the folder is not there. -1: one could not be read. */
static int spec_folder_run(const char *name, void (*check)(const char *path, const bson_t *file)) {
    const char *root = getenv("MOUV_SPEC_TESTS_2");
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", root ? root : "", name);
    if (!root || access(path, R_OK) != 0) return 0;
    spec_folder_check = check;
    spec_folder_files = 0;
    return nftw(path, spec_folder_visit, 16, FTW_PHYS) == 0 ? spec_folder_files : -1;
}

#endif
