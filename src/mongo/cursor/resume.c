/*
 * Tokens of change streams, and which errors they survive.
 */
#include "mongo/cursor/resume.h"

#include "mongo/base/bson_view.h"
#include "mongo/operation/operation.h"

/* Without an answer in between. */
#define RESUMES_MAX 5

/* Servers from this wire version on (4.0) know startAtOperationTime. */
#define WIRE_VERSION_START_AT 7

/* --- Where to go on -------------------------------------------------------------------------- */

static void resume_set_token(mouv__resume_t *resume, const bson_iter_t *field) {
    bson_t view;
    if (!mouv__bson_view_of(field, &view)) return;
    bson_destroy(resume->token);
    resume->token = bson_copy(&view);
}

void mouv__resume_init(mouv__resume_t *resume, const mouv__opts_t *opts, bool whole_deployment) {
    bson_iter_t field;
    resume->stage = bson_new();
    resume->start = bson_new();
    if (!opts) return;
    if (whole_deployment) bson_append_bool(resume->stage, "allChangesForCluster", -1, true);
    mouv__opts_append(opts, MOUV__PLACE_STAGE, resume->stage);
    mouv__opts_append(opts, MOUV__PLACE_START, resume->start);
    if (bson_iter_init_find(&field, resume->start, "startAfter") ||
        bson_iter_init_find(&field, resume->start, "resumeAfter"))
        resume_set_token(resume, &field);
}

void mouv__resume_clear(mouv__resume_t *resume) {
    bson_destroy(resume->stage);
    bson_destroy(resume->start);
    bson_destroy(resume->token);
}

void mouv__resume_append(const mouv__resume_t *resume, bool first, bson_t *pipeline) {
    bson_t outer, stage;
    bson_append_document_begin(pipeline, "0", -1, &outer);
    bson_append_document_begin(&outer, "$changeStream", -1, &stage);
    bson_concat(&stage, resume->stage);
    if (first || !resume->token) {
        bson_concat(&stage, resume->start);
    } else {
        bool after = !resume->returned && bson_has_field(resume->start, "startAfter");
        bson_append_document(&stage, after ? "startAfter" : "resumeAfter", -1, resume->token);
    }
    bson_append_document_end(&outer, &stage);
    bson_append_document_end(pipeline, &outer);
}

/** The batch has been read to its end: the server may know a later place than its last event's. */
static bool resume_set_token_after_batch(mouv__resume_t *resume, const bson_t *reply) {
    bson_iter_t field;
    if (!mouv__bson_view_find(reply, "cursor.postBatchResumeToken", &field)) return false;
    resume_set_token(resume, &field);
    return true;
}

bool mouv__resume_take_event(mouv__resume_t *resume, const bson_t *event, const bson_t *reply) {
    bson_iter_t id;
    if (!bson_iter_init_find(&id, event, "_id") || !BSON_ITER_HOLDS_DOCUMENT(&id)) return false;
    if (!reply || !resume_set_token_after_batch(resume, reply)) resume_set_token(resume, &id);
    resume->returned = true;
    return true;
}

void mouv__resume_take_empty(mouv__resume_t *resume, const bson_t *reply, bool first,
                             int32_t wire_version) {
    bson_iter_t time;
    if (resume_set_token_after_batch(resume, reply) || !first) return;
    /* Without events and tokens the stream can only go on from the time of its first answer. */
    if (bson_empty(resume->start) && wire_version >= WIRE_VERSION_START_AT &&
        bson_iter_init_find(&time, reply, "operationTime"))
        bson_append_iter(resume->start, "startAtOperationTime", -1, &time);
}

/* --- Whether to go on ------------------------------------------------------------------------ */

/** What servers before 4.4 mean by an error that a stream survives. */
static bool resume_is_old_resumable(int32_t code) {
    static const int32_t codes[] = {6,   7,    63,    89,    91,    133,   150,   189,  234,
                                    262, 9001, 10107, 11600, 11602, 13388, 13435, 13436};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i] == code) return true;
    return false;
}

bool mouv__resume_survives(const mouv_error_t *error, bool expired, int32_t wire_version) {
    if (error->code == MOUV_ENETWORK || error->code == MOUV_ESELECTION) return true;
    bool out_of_time = error->code == MOUV_ETIMEDOUT && !expired; /* the server's word */
    if (error->code != MOUV_ESERVER && !out_of_time) return false;
    if (error->server_code == MOUV__CODE_CURSOR_NOT_FOUND) return true;
    if (wire_version < MOUV__WIRE_VERSION_LABELS)
        return resume_is_old_resumable(error->server_code);
    return mouv_error_has_label(error, "ResumableChangeStreamError");
}

bool mouv__resume_again(mouv__resume_t *resume) {
    if (resume->count >= RESUMES_MAX) return false;
    resume->count++;
    return true;
}
