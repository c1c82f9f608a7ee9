/*
 * The readers, each of which gets the reply of a command that succeeded, and the delivery.
 */
#include "mongo/command/reply.h"

#include "mongo/base/bson_view.h"

/* --- Where it goes -------------------------------------------------------------------------- */

mouv__output_t mouv__reply_to_nobody(void) {
    return (mouv__output_t){MOUV__TO_NOBODY, NULL};
}

mouv__output_t mouv__reply_to_reply(bson_t **to) {
    if (to) *to = NULL;
    return (mouv__output_t){MOUV__TO_REPLY, to};
}

mouv__output_t mouv__reply_to_value(bson_t **to) {
    if (to) *to = NULL;
    return (mouv__output_t){MOUV__TO_VALUE, to};
}

mouv__output_t mouv__reply_to_number(int64_t *to) {
    return (mouv__output_t){MOUV__TO_NUMBER, to};
}

mouv__output_t mouv__reply_to_names(char ***to) {
    if (to) *to = NULL;
    return (mouv__output_t){MOUV__TO_NAMES, to};
}

mouv__output_t mouv__reply_to_name(char **to) {
    if (to) *to = NULL;
    return (mouv__output_t){MOUV__TO_NAME, to};
}

static bson_t *reply_move(bson_t **document) {
    bson_t *taken = *document;
    *document = NULL;
    return taken;
}

void mouv__reply_deliver(mouv__operation_t *operation, bool whole) {
    mouv__request_t *request = (mouv__request_t *)operation;
    bool good = whole && operation->future.code >= 0;
    if (!request->output.to) return;
    switch (request->output.kind) {
    case MOUV__TO_NOBODY:
        return;
    case MOUV__TO_REPLY:
        *(bson_t **)request->output.to = reply_move(&request->document);
        return;
    case MOUV__TO_VALUE:
        if (good) *(bson_t **)request->output.to = reply_move(&request->document);
        return;
    case MOUV__TO_NUMBER:
        if (good) *(int64_t *)request->output.to = request->number;
        return;
    case MOUV__TO_NAMES:
        if (!good) return;
        *(char ***)request->output.to = request->names;
        request->names = NULL;
        return;
    case MOUV__TO_NAME:
        if (!good) return;
        *(char **)request->output.to = request->names[0];
        request->names[0] = NULL;
        return;
    }
}

void mouv__reply_release(mouv__operation_t *operation) {
    mouv__request_t *request = (mouv__request_t *)operation;
    bson_destroy(request->document);
    bson_strfreev(request->names);
}

bson_t *mouv__reply_take(mouv__operation_t *operation) {
    bson_t *reply = operation->attempt.exchange.reply;
    operation->attempt.exchange.reply = NULL;
    return reply;
}

/* --- Readers -------------------------------------------------------------------------------- */

/** Keeps a copy of the document or array at `path`; false if there is none. */
static bool reply_keep(mouv__request_t *request, const bson_t *reply, const char *path) {
    bson_iter_t field;
    bson_t view;
    if (!mouv__bson_view_find(reply, path, &field) || !mouv__bson_view_of(&field, &view))
        return false;
    request->document = bson_copy(&view);
    return true;
}

int mouv__reply_read_first(mouv__request_t *request, const bson_t *reply) {
    return reply_keep(request, reply, "cursor.firstBatch.0");
}

int mouv__reply_read_first_options(mouv__request_t *request, const bson_t *reply) {
    return reply_keep(request, reply, "cursor.firstBatch.0.options");
}

int mouv__reply_read_whole(mouv__request_t *request, const bson_t *reply) {
    request->document = bson_copy(reply);
    return 0;
}

int mouv__reply_read_valid(mouv__request_t *request, const bson_t *reply) {
    bson_iter_t field;
    (void)request;
    return mouv__bson_view_find(reply, "valid", &field) && bson_iter_as_bool(&field);
}

int mouv__reply_read_value(mouv__request_t *request, const bson_t *reply) {
    return reply_keep(request, reply, "value");
}

int mouv__reply_read_modified(mouv__request_t *request, const bson_t *reply) {
    bson_iter_t value;
    mouv__reply_read_whole(request, reply);
    return mouv__bson_view_find(reply, "value", &value) && BSON_ITER_HOLDS_DOCUMENT(&value);
}

int mouv__reply_read_values(mouv__request_t *request, const bson_t *reply) {
    return reply_keep(request, reply, "values") ? 0 : MOUV_ESERVER;
}

int mouv__reply_read_databases(mouv__request_t *request, const bson_t *reply) {
    return reply_keep(request, reply, "databases") ? 0 : MOUV_ESERVER;
}

int mouv__reply_read_database_names(mouv__request_t *request, const bson_t *reply) {
    bson_iter_t field;
    bson_t databases;
    if (!mouv__bson_view_find(reply, "databases", &field) ||
        !mouv__bson_view_of(&field, &databases)) {
        return MOUV_ESERVER;
    }
    request->names = mouv__bson_view_names(&databases);
    return 0;
}

int mouv__reply_read_count(mouv__request_t *request, const bson_t *reply) {
    request->number = mouv__bson_view_number(reply, "n");
    return 0;
}

int mouv__reply_read_counted(mouv__request_t *request, const bson_t *reply) {
    request->number = mouv__bson_view_number(reply, "cursor.firstBatch.0.n");
    return 0;
}
