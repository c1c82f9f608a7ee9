/*
 * insert: one document, an array of them, or a stream from standard input in batches.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands/job.h"
#include "cli/commands/request.h"
#include "cli/json.h"

enum { BATCH_DOCUMENTS = 1000, BATCH_BYTES = 4 << 20 };

/* Documents that go to the server in one call, and where each came from. */
struct batch {
    bson_t *documents[BATCH_DOCUMENTS];
    int64_t lines[BATCH_DOCUMENTS];
    size_t count, size_bytes;
};

struct stream {
    const struct cli_job *job;
    mouv_collection_t *collection;
    struct cli_input *input;
    const bson_t *opts;
    bool ordered;
    int64_t inserted;
    struct batch *batch;
};

static int64_t insert_inserted_count(const bson_t *reply) {
    bson_iter_t iter;
    return reply && bson_iter_init_find(&iter, reply, "insertedCount") ? bson_iter_as_int64(&iter)
                                                                       : 0;
}

static int insert_print_inserted(const struct cli_job *job, const bson_t *opts, int64_t inserted,
                                 mouv_error_t *error) {
    bson_t reply = BSON_INITIALIZER;
    BSON_APPEND_INT64(&reply, "insertedCount", inserted);
    int rc = mouv_cli_job_print_write(job, opts, 0, &reply, error);
    bson_destroy(&reply);
    return rc;
}

/* --- Refused documents ----------------------------------------------------------------------- */

/* Where the documents of a call come from. */
struct origin {
    const struct cli_job *job;
    const char *name;     /* "standard input" */
    const int64_t *lines; /* of each; NULL: they are the elements of an array */
    size_t count;
};

/* "insert: standard input:17", "queries:3: documents: element 2": the document at this index. */
static char *insert_name_place(const struct origin *origin, int64_t index) {
    const struct cli_job *job = origin->job;
    const struct cli_run *run = job->run;
    char *command = job->line ? bson_strdup_printf("%s:%lld", run->input.name, (long long)job->line)
                              : bson_strdup(run->common->command);
    char *place = index < 0 || index >= (int64_t)origin->count ? bson_strdup(command)
                  : origin->lines ? bson_strdup_printf("%s: %s:%lld", command, origin->name,
                                                       (long long)origin->lines[index])
                                  : bson_strdup_printf("%s: %s: element %lld", command,
                                                       origin->name, (long long)index);
    bson_free(command);
    return place;
}

static void insert_complain(const struct origin *origin, int64_t index, const mouv_error_t *error) {
    char *place = insert_name_place(origin, index);
    mouv_cli_report(place, error);
    origin->job->run->status = CLI_FAILED;
    bson_free(place);
}

/* Of an element of writeErrors. */
static void insert_complain_of(const struct origin *origin, bson_iter_t *fields) {
    mouv_error_t error;
    int64_t index = -1;
    int32_t code = 0;
    const char *message = "refused", *name = "";
    while (bson_iter_next(fields)) {
        const char *key = bson_iter_key(fields);
        if (strcmp(key, "index") == 0) index = bson_iter_as_int64(fields);
        if (strcmp(key, "code") == 0) code = (int32_t)bson_iter_as_int64(fields);
        if (strcmp(key, "codeName") == 0) name = bson_iter_utf8(fields, NULL);
        if (strcmp(key, "errmsg") == 0 && BSON_ITER_HOLDS_UTF8(fields))
            message = bson_iter_utf8(fields, NULL);
    }
    mouv_cli_fail(&error, MOUV_ESERVER, "%s", message);
    error.server_code = code;
    snprintf(error.code_name, sizeof error.code_name, "%s", name ? name : "");
    insert_complain(origin, index, &error);
}

/* Tells each document that the server refused; whether there were any. */
static bool insert_complain_of_all(const struct origin *origin, const bson_t *reply) {
    bson_iter_t iter, errors, fields;
    bool any = false;
    if (!reply || !bson_iter_init_find(&iter, reply, "writeErrors") ||
        !BSON_ITER_HOLDS_ARRAY(&iter) || !bson_iter_recurse(&iter, &errors))
        return false;
    while (bson_iter_next(&errors)) {
        if (!BSON_ITER_HOLDS_DOCUMENT(&errors) || !bson_iter_recurse(&errors, &fields)) continue;
        insert_complain_of(origin, &fields);
        any = true;
    }
    return any;
}

static int insert_stop(mouv_error_t *error) {
    return mouv_cli_fail(error, CLI_ETOLD, "stopped at a refused document");
}

/* --- The stream ------------------------------------------------------------------------------ */

static void insert_empty(struct batch *batch) {
    for (size_t i = 0; i < batch->count; i++) bson_destroy(batch->documents[i]);
    batch->count = batch->size_bytes = 0;
}

static struct origin insert_origin(const struct stream *stream, size_t first) {
    return (struct origin){stream->job, stream->input->name, stream->batch->lines + first,
                           stream->batch->count - first};
}

/* Sends a part of the batch. Refused documents end an ordered stream and are passed over otherwise. */
static int insert_send_part(struct stream *stream, size_t first, size_t count,
                            mouv_error_t *error) {
    bson_t *reply = NULL;
    const bson_t *const *documents = (const bson_t *const *)stream->batch->documents + first;
    int rc = mouv_await(
        mouv_collection_insert_many(stream->collection, documents, count, stream->opts, &reply),
        error);
    struct origin origin = insert_origin(stream, first);
    stream->inserted += insert_inserted_count(reply);
    if (rc < 0 && insert_complain_of_all(&origin, reply))
        rc = stream->ordered ? insert_stop(error) : 0;
    bson_destroy(reply);
    return rc < 0 ? rc : 0;
}

/* One document that is refused before anything is sent (it is too large, say) takes all of its batch
 * with it. Then each goes alone. */
static int insert_send_singly(struct stream *stream, mouv_error_t *error) {
    int rc = 0;
    for (size_t i = 0; i < stream->batch->count && rc == 0; i++) {
        rc = insert_send_part(stream, i, 1, error);
        if (rc != MOUV_EINVAL) continue;
        struct origin origin = insert_origin(stream, i);
        insert_complain(&origin, 0, error);
        rc = stream->ordered ? insert_stop(error) : 0;
    }
    return rc;
}

static int insert_send_batch(struct stream *stream, mouv_error_t *error) {
    struct batch *batch = stream->batch;
    if (batch->count == 0) return 0;
    int rc = insert_send_part(stream, 0, batch->count, error);
    if (rc == MOUV_EINVAL) rc = insert_send_singly(stream, error);
    insert_empty(batch);
    return rc;
}

static int insert_add_document(struct stream *stream, const struct cli_piece *piece,
                               mouv_error_t *error) {
    struct batch *batch = stream->batch;
    bson_t *document =
        mouv_cli_json_parse(piece->text, piece->size_bytes, CLI_JSON_DOCUMENT, NULL, error);
    if (!document) {
        mouv_error_t why = *error;
        return mouv_cli_fail(error, CLI_EDATA, "%s:%lld: %s", stream->input->name,
                             (long long)piece->line, why.message);
    }
    batch->documents[batch->count] = document;
    batch->lines[batch->count++] = piece->line;
    batch->size_bytes += document->len;
    return 0;
}

static bool insert_is_due(const struct stream *stream) {
    const struct batch *batch = stream->batch;
    return batch->count == BATCH_DOCUMENTS || batch->size_bytes >= BATCH_BYTES ||
           (batch->count > 0 && mouv_cli_input_idle(stream->input));
}

/* A bad document ends it; those before it are stored. */
static int insert_pump(struct stream *stream, mouv_error_t *error) {
    struct cli_piece piece;
    mouv_error_t later;
    int rc;
    while ((rc = mouv_cli_input_value(stream->input, &piece, error)) > 0) {
        rc = insert_add_document(stream, &piece, error);
        if (rc < 0) break;
        if (insert_is_due(stream) && (rc = insert_send_batch(stream, error)) < 0) return rc;
    }
    if (rc == 0) return insert_send_batch(stream, error);
    return rc == CLI_EDATA && insert_send_batch(stream, &later) < 0 ? (*error = later).code : rc;
}

static int insert_run_stream(struct stream *stream, mouv_error_t *error) {
    int rc = mouv_cli_input_open(stream->input, "-", error);
    if (rc < 0) return rc;
    stream->batch = calloc(1, sizeof *stream->batch);
    if (!stream->batch) return mouv_cli_fail(error, MOUV_ENOMEM, "out of memory");
    rc = insert_pump(stream, error);
    insert_empty(stream->batch);
    free(stream->batch);
    int printed =
        insert_print_inserted(stream->job, stream->opts, stream->inserted, rc < 0 ? NULL : error);
    return rc < 0 ? rc : printed;
}

/* --- What the query holds -------------------------------------------------------------------- */

/* The elements of an array as documents of their own, `*count` of them: all, unless one is none. */
static bson_t **insert_copy_elements(const bson_t *array, size_t *count, mouv_error_t *error) {
    bson_t **documents = bson_malloc0((bson_count_keys(array) + 1) * sizeof(bson_t *));
    bson_iter_t iter;
    *count = 0;
    for (bson_iter_init(&iter, array); bson_iter_next(&iter); (*count)++) {
        const bson_value_t *value = bson_iter_value(&iter);
        if (!BSON_ITER_HOLDS_DOCUMENT(&iter)) {
            mouv_cli_fail(error, CLI_EUSAGE, "documents: element %zu is no document", *count);
            break;
        }
        documents[*count] =
            bson_new_from_data(value->value.v_doc.data, value->value.v_doc.data_len);
    }
    return documents;
}

static int insert_documents(const struct cli_job *job, mouv_collection_t *collection,
                            const bson_t *const *documents, size_t count, const bson_t *opts,
                            mouv_error_t *error) {
    bson_t *reply = NULL;
    struct origin origin = {job, "documents", NULL, count};
    int rc =
        mouv_await(mouv_collection_insert_many(collection, documents, count, opts, &reply), error);
    if (rc < 0 && insert_complain_of_all(&origin, reply)) rc = insert_stop(error);
    rc = mouv_cli_job_print_write(job, opts, rc, reply, error);
    bson_destroy(reply);
    return rc;
}

/* None is no failure, as on standard input. */
static int insert_array(const struct cli_job *job, mouv_collection_t *collection,
                        const bson_t *array, const bson_t *opts, mouv_error_t *error) {
    size_t count;
    bson_t **documents = insert_copy_elements(array, &count, error);
    int rc = count < bson_count_keys(array) ? error->code
             : count == 0                   ? insert_print_inserted(job, opts, 0, error)
                          : insert_documents(job, collection, (const bson_t *const *)documents,
                                             count, opts, error);
    for (size_t i = 0; i < count; i++) bson_destroy(documents[i]);
    bson_free(documents);
    return rc;
}

static int insert_document(const struct cli_job *job, mouv_collection_t *collection,
                           const bson_t *document, const bson_t *opts, mouv_error_t *error) {
    bson_t *reply = NULL;
    int rc = mouv_await(mouv_collection_insert_one(collection, document, opts, &reply), error);
    rc = mouv_cli_job_print_write(job, opts, rc, reply, error);
    bson_destroy(reply);
    return rc;
}

static int insert_given(const struct cli_job *job, mouv_collection_t *collection,
                        const bson_t *opts, mouv_error_t *error) {
    bson_iter_t iter;
    bson_t view;
    if (bson_iter_init_find(&iter, job->query, "documents") && BSON_ITER_HOLDS_NULL(&iter) &&
        job->line == 0) {
        struct stream stream = {.job = job,
                                .collection = collection,
                                .input = &job->run->input,
                                .opts = opts,
                                .ordered = !bson_has_field(opts, "ordered")};
        return insert_run_stream(&stream, error);
    }
    if (mouv_cli_job_field(job, "documents", CLI_AS_JSON, false, &view, error) < 0)
        return error->code;
    return BSON_ITER_HOLDS_ARRAY(&iter) ? insert_array(job, collection, &view, opts, error)
                                        : insert_document(job, collection, &view, opts, error);
}

int mouv_cli_run_insert(const struct cli_job *job, mouv_error_t *error) {
    mouv_collection_t *collection;
    if (mouv_cli_job_collection(job, &collection, error) < 0) return error->code;
    bson_t *opts = mouv_cli_job_opts(job, "documents", NULL);
    int rc = insert_given(job, collection, opts, error);
    bson_destroy(opts);
    return rc;
}

/* --- The command line ------------------------------------------------------------------------ */

static const struct argp_option insert_options[] = {
    {"unordered", CLI_OPT_UNORDERED, NULL, 0, "Go on after a document that was refused", 0},
    CLI_OPTION_OPTIONS,
    {0},
};

static const struct cli_request_type insert_type = {
    CLI_REQUEST_ARGP(insert_options, "[DATABASE.]COLLECTION DOCUMENTS",
                     "Insert a document, an array of documents, or with '-' those on standard "
                     "input: one a line, or an array. Prints how many were inserted.\v"
                     "Examples:\n"
                     "  mouv insert shop.users '{\"_id\": 7, \"name\": \"Ada\"}'\n"
                     "  mouv find shop.users --canonical | mouv insert backup.users -\n"),
    {{"insert", CLI_AS_TEXT, false}, {"documents", CLI_AS_JSON | CLI_AS_STREAM, false}},
    mouv_cli_run_insert,
};

int mouv_cli_insert(int argc, char **argv, const struct cli_common *common) {
    return mouv_cli_request(&insert_type, argc, argv, common);
}
