/*
 * Reading the fields of a query document, and printing with or without the line's number.
 */
#include "cli/commands/job.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "cli/json.h"

const char *mouv_cli_job_verb(const struct cli_job *job) {
    bson_iter_t iter;
    return bson_iter_init(&iter, job->query) && bson_iter_next(&iter) ? bson_iter_key(&iter) : "";
}

/* --- What the fields may be ------------------------------------------------------------------ */

enum { BOOL = 1, STRING = 2, WHOLE = 4, DOCUMENT = 8, ARRAY = 16, SIGNED = 32 };

/* Those that a command reads itself (filter, key, ...) it asks for by type. */
static const struct field_type {
    const char *name;
    unsigned kinds;
    const char *wrong;
} field_types[] = {
    {"many", BOOL, "neither true nor false"},
    {"replace", BOOL, "neither true nor false"},
    {"estimated", BOOL, "neither true nor false"},
    {"upsert", BOOL, "neither true nor false"},
    {"ordered", BOOL, "neither true nor false"},
    {"allowDiskUse", BOOL, "neither true nor false"},
    {"bypassDocumentValidation", BOOL, "neither true nor false"},
    {"validate", BOOL, "neither true nor false"},
    {"explain", BOOL, "neither true nor false"},
    {"db", STRING, "no string"},
    {"timeoutMS", WHOLE, "no whole number of milliseconds, 0 or more"},
    {"maxTimeMS", WHOLE, "no whole number of milliseconds, 0 or more"},
    {"skip", WHOLE, "no whole number, 0 or more"},
    {"limit", WHOLE | SIGNED, "no whole number"},
    {"batchSize", WHOLE, "no whole number, 0 or more"},
    {"sort", DOCUMENT, "no document"},
    {"projection", DOCUMENT, "no document"},
    {"collation", DOCUMENT, "no document"},
    {"let", DOCUMENT, "no document"},
    {"writeConcern", DOCUMENT, "no document"},
    {"readConcern", DOCUMENT, "no document"},
    {"arrayFilters", ARRAY, "no array"},
    {"hint", DOCUMENT | STRING, "neither keys nor the name of an index"},
};

static bool job_is_whole(const bson_iter_t *field, bool may_be_negative) {
    if (BSON_ITER_HOLDS_DOUBLE(field)) {
        double number = bson_iter_double(field);
        if (!(number > -9e15 && number < 9e15) || number != (double)(int64_t)number) return false;
    }
    return BSON_ITER_HOLDS_NUMBER(field) && (may_be_negative || bson_iter_as_int64(field) >= 0);
}

static bool job_is_of(const bson_iter_t *field, unsigned kinds) {
    return (kinds & BOOL && BSON_ITER_HOLDS_BOOL(field)) ||
           (kinds & STRING && BSON_ITER_HOLDS_UTF8(field)) ||
           (kinds & WHOLE && job_is_whole(field, kinds & SIGNED)) ||
           (kinds & DOCUMENT && BSON_ITER_HOLDS_DOCUMENT(field)) ||
           (kinds & ARRAY && BSON_ITER_HOLDS_ARRAY(field));
}

static int job_check_type(const bson_iter_t *field, mouv_error_t *error) {
    for (size_t i = 0; i < sizeof field_types / sizeof *field_types; i++)
        if (strcmp(field_types[i].name, bson_iter_key(field)) == 0 &&
            !job_is_of(field, field_types[i].kinds))
            return mouv_cli_fail(error, CLI_EUSAGE, "%s: %s", bson_iter_key(field),
                                 field_types[i].wrong);
    return 0;
}

int mouv_cli_job_check(const struct cli_job *job, mouv_error_t *error) {
    bson_iter_t field, first;
    if (!bson_iter_init(&field, job->query) || !bson_iter_next(&field)) return 0; /* the verb */
    while (bson_iter_next(&field)) {
        const char *key = bson_iter_key(&field);
        bson_iter_init_find(&first, job->query, key);
        if (bson_iter_offset(&first) != bson_iter_offset(&field))
            return mouv_cli_fail(error, CLI_EUSAGE, "%s: given twice", key);
        if (job_check_type(&field, error) < 0) return error->code;
    }
    return 0;
}

/* --- Fields ---------------------------------------------------------------------------------- */

static const char *job_given_db(const struct cli_job *job) {
    bson_iter_t iter;
    if (bson_iter_init_find(&iter, job->query, "db")) return bson_iter_utf8(&iter, NULL);
    return job->run->common->db;
}

const char *mouv_cli_job_db(const struct cli_job *job) {
    const char *db = job_given_db(job);
    if (!db) db = mouv_database_name(mouv_client_get_default_database(job->run->client, ""));
    return *db ? db : NULL;
}

int mouv_cli_job_collection(const struct cli_job *job, mouv_collection_t **collection,
                            mouv_error_t *error) {
    const char *name = mouv_cli_job_string(job, mouv_cli_job_verb(job), error);
    if (!name) return error->code;
    const char *dot = job_given_db(job) ? NULL : strchr(name, '.');
    const char *db = mouv_cli_job_db(job);
    if (!dot && !db)
        return mouv_cli_fail(error, CLI_EUSAGE,
                             "%s: no database (write DATABASE.COLLECTION, or name one with --db or "
                             "in the URI)",
                             name);
    char *prefix = dot ? bson_strndup(name, (size_t)(dot - name)) : NULL;
    *collection =
        mouv_client_get_collection(job->run->client, prefix ? prefix : db, dot ? dot + 1 : name);
    bson_free(prefix);
    return 0;
}

static unsigned job_kind_of(const bson_iter_t *iter) {
    return BSON_ITER_HOLDS_DOCUMENT(iter) ? CLI_JSON_DOCUMENT
           : BSON_ITER_HOLDS_ARRAY(iter)  ? CLI_JSON_ARRAY
                                          : 0;
}

int mouv_cli_job_field(const struct cli_job *job, const char *name, unsigned kinds, bool optional,
                       bson_t *view, mouv_error_t *error) {
    static const char *const wanted[] = {"", "document", "array", "document or array"};
    bson_iter_t iter;
    bson_init(view);
    if (!bson_iter_init_find(&iter, job->query, name))
        return optional ? 0 : mouv_cli_fail(error, CLI_EUSAGE, "%s: missing", name);
    if (!(job_kind_of(&iter) & kinds))
        return mouv_cli_fail(error, CLI_EUSAGE, "%s: no %s", name, wanted[kinds]);
    bson_value_t const *value = bson_iter_value(&iter);
    if (!bson_init_static(view, value->value.v_doc.data, value->value.v_doc.data_len))
        return mouv_cli_fail(error, CLI_EUSAGE, "%s: broken", name);
    return 0;
}

const char *mouv_cli_job_string(const struct cli_job *job, const char *name, mouv_error_t *error) {
    bson_iter_t iter;
    if (bson_iter_init_find(&iter, job->query, name) && BSON_ITER_HOLDS_UTF8(&iter))
        return bson_iter_utf8(&iter, NULL);
    mouv_cli_fail(error, CLI_EUSAGE, "%s: no string", name);
    return NULL;
}

bool mouv_cli_job_flag(const struct cli_job *job, const char *name) {
    bson_iter_t iter;
    return bson_iter_init_find(&iter, job->query, name) && bson_iter_as_bool(&iter);
}

static bool job_is_named(const char *key, va_list names) {
    const char *name;
    while ((name = va_arg(names, const char *)) != NULL)
        if (strcmp(key, name) == 0) return true;
    return false;
}

/* Fields that are the program's, whatever the verb. */
static bool job_is_ours(const char *key) {
    return strcmp(key, "db") == 0 || strcmp(key, "timeoutMS") == 0;
}

bson_t *mouv_cli_job_opts(const struct cli_job *job, ...) {
    bson_t *opts = bson_new();
    bson_iter_t iter;
    if (!bson_iter_init(&iter, job->query) || !bson_iter_next(&iter)) return opts; /* the verb */
    while (bson_iter_next(&iter)) {
        const char *key = bson_iter_key(&iter);
        va_list names;
        va_start(names, job);
        if (!job_is_ours(key) && !job_is_named(key, names)) bson_append_iter(opts, NULL, -1, &iter);
        va_end(names);
    }
    return opts;
}

int mouv_cli_job_print(const struct cli_job *job, const bson_t *document, mouv_error_t *error) {
    if (!job->line) return mouv_cli_output_document(&job->run->output, document, error);
    bson_t tagged = BSON_INITIALIZER;
    BSON_APPEND_INT64(&tagged, "line", job->line);
    BSON_APPEND_DOCUMENT(&tagged, "result", document);
    int rc = mouv_cli_output_document(&job->run->output, &tagged, error);
    bson_destroy(&tagged);
    return rc;
}

int mouv_cli_job_print_value(const struct cli_job *job, const bson_iter_t *value,
                             mouv_error_t *error) {
    if (!job->line) return mouv_cli_output_value(&job->run->output, value, error);
    bson_t tagged = BSON_INITIALIZER;
    BSON_APPEND_INT64(&tagged, "line", job->line);
    bson_append_iter(&tagged, "result", -1, value);
    int rc = mouv_cli_output_document(&job->run->output, &tagged, error);
    bson_destroy(&tagged);
    return rc;
}

/* --- What came of a write -------------------------------------------------------------------- */

static bool job_uri_confirms(const char *uri) {
    const char *option = strchr(uri, '?');
    for (; option; option = strchr(option, '&'))
        if (strncasecmp(++option, "w=0", 3) == 0 && strchr("&", option[3])) return false;
    return true;
}

bool mouv_cli_job_is_confirmed(const struct cli_job *job, const bson_t *opts) {
    bson_iter_t iter, w;
    if (!bson_has_field(opts, "writeConcern")) return job_uri_confirms(job->run->common->uri);
    return !bson_iter_init(&iter, opts) ||
           !bson_iter_find_descendant(&iter, "writeConcern.w", &w) || !BSON_ITER_HOLDS_NUMBER(&w) ||
           bson_iter_as_int64(&w) != 0;
}

/* Copies the fields of a reply that count; their sum. */
static int64_t job_copy_counts(const bson_t *reply, bson_t *counts) {
    bson_iter_t iter;
    int64_t sum = 0;
    if (!reply || !bson_iter_init(&iter, reply)) return 0;
    while (bson_iter_next(&iter)) {
        if (!strstr(bson_iter_key(&iter), "Count")) continue;
        sum += bson_iter_as_int64(&iter);
        bson_append_iter(counts, NULL, -1, &iter);
    }
    return sum;
}

int mouv_cli_job_print_write(const struct cli_job *job, const bson_t *opts, int rc,
                             const bson_t *reply, mouv_error_t *error) {
    bson_t result = BSON_INITIALIZER;
    if (rc >= 0 && mouv_cli_job_is_confirmed(job, opts)) {
        rc = mouv_cli_job_print(job, reply, error);
    } else if (rc >= 0) {
        BSON_APPEND_BOOL(&result, "acknowledged", false);
        rc = mouv_cli_job_print(job, &result, error);
    } else if (job_copy_counts(reply, &result) > 0) {
        mouv_cli_job_print(job, &result, NULL);
    }
    bson_destroy(&result);
    return rc;
}
