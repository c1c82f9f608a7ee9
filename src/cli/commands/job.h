/*
 * A query document, {"find": "shop.users", "filter": {...}, "limit": 3}: what every command makes
 * of its command line and what each line of a query file is. And the functions that run one.
 */
#ifndef MOUV_CLI_COMMANDS_JOB_H
#define MOUV_CLI_COMMANDS_JOB_H

#include <bson/bson.h>
#include <mouv/mouv.h>

#include "cli/run.h"

struct cli_job {
    struct cli_run *run;
    const bson_t *query;
    int64_t line; /* of the query file; results are then tagged with it. 0: a command line */
};

/* Carries a query out and prints its results; in a coroutine. 0 or a negative error. */
typedef int (*cli_job_fn_t)(const struct cli_job *job, mouv_error_t *error);

int mouv_cli_run_find(const struct cli_job *job, mouv_error_t *error);
int mouv_cli_run_aggregate(const struct cli_job *job, mouv_error_t *error);
int mouv_cli_run_count(const struct cli_job *job, mouv_error_t *error);
int mouv_cli_run_distinct(const struct cli_job *job, mouv_error_t *error);
int mouv_cli_run_insert(const struct cli_job *job, mouv_error_t *error);
int mouv_cli_run_update(const struct cli_job *job, mouv_error_t *error);
int mouv_cli_run_delete(const struct cli_job *job, mouv_error_t *error);
int mouv_cli_run_command(const struct cli_job *job, mouv_error_t *error);

/* --- What they take from the query ---------------------------------------------------------- */

/* Whether each field has its type, and none stands there twice. 0, or CLI_EUSAGE naming the field: a
 * wrong one must not be left out, or what is meant for one document might reach all. */
int mouv_cli_job_check(const struct cli_job *job, mouv_error_t *error);

/* The first field's name: "find". */
const char *mouv_cli_job_verb(const struct cli_job *job);

/* The database: the query's "db", else --db, else the URI's; NULL if none is named. */
const char *mouv_cli_job_db(const struct cli_job *job);

/* The collection in the first field: "DATABASE.COLLECTION", or COLLECTION if a database is given
 * (--db and "db") or, where there is no dot, named in the URI. */
int mouv_cli_job_collection(const struct cli_job *job, mouv_collection_t **collection,
                            mouv_error_t *error);

/* A view of a field that is a document (or also an array, by `kinds` of json.h). A missing one is
 * empty if `optional`, else an error. */
int mouv_cli_job_field(const struct cli_job *job, const char *name, unsigned kinds, bool optional,
                       bson_t *view, mouv_error_t *error);

/* A field that is a string, or NULL with `error` filled. */
const char *mouv_cli_job_string(const struct cli_job *job, const char *name, mouv_error_t *error);

/* A field as true or false; missing is false. */
bool mouv_cli_job_flag(const struct cli_job *job, const char *name);

/* All other fields, for the library's `opts`: without the first, "db", "timeoutMS" and those named
 * here (NULL ends them). Release with bson_destroy(). */
bson_t *mouv_cli_job_opts(const struct cli_job *job, ...) __attribute__((sentinel));

/* --- What they print ------------------------------------------------------------------------ */

int mouv_cli_job_print(const struct cli_job *job, const bson_t *document, mouv_error_t *error);
int mouv_cli_job_print_value(const struct cli_job *job, const bson_iter_t *value,
                             mouv_error_t *error);

/* What came of a write that ended with `rc`: its reply; of one that failed the counts, if anything
 * was done; of one that nobody confirms that it is so. Gives `rc`, or why it cannot be printed. */
int mouv_cli_job_print_write(const struct cli_job *job, const bson_t *opts, int rc,
                             const bson_t *reply, mouv_error_t *error);

/* Whether the server says what came of a write: not with w: 0, by its options or the URI. */
bool mouv_cli_job_is_confirmed(const struct cli_job *job, const bson_t *opts);

#endif
