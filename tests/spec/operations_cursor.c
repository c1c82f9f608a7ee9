/*
 * Operations on cursors and change streams.
 */
#include "spec/operations.h"
#include "spec/view.h"

/** How long a cursor may have nothing to give. */
enum { PATIENCE_MS = 30000 };

/* --- Cursors --------------------------------------------------------------------------------- */

bool spec_open_cursor(spec_call_t *call, mouv_cursor_t *cursor) {
    if (!spec_await(call, mouv_cursor_try_fetch(cursor))) {
        mouv_cursor_unref(cursor);
        return true;
    }
    call->made =
        (spec_entity_t){.kind = SPEC_CURSOR, .client = call->object->client, .is.cursor = cursor};
    return true;
}

/** Awaits a fetch: whether it succeeded. */
static bool await_fetch(spec_call_t *call, mouv_future_t fetched) {
    if (spec_await(call, fetched)) return true;
    if (call->object->client) call->object->client->events->cursor_failed = true;
    return false;
}

/** One batch at most: whether it gave a document. */
static bool iterate(spec_call_t *call) {
    mouv_cursor_t *cursor = call->object->is.cursor;
    const bson_t *document = NULL;
    if (mouv_cursor_next_buffered(cursor, &document) == 0) {
        if (!await_fetch(call, mouv_cursor_try_fetch(cursor))) return false;
        mouv_cursor_next_buffered(cursor, &document);
    }
    return document && spec_result_document(call, bson_copy(document));
}

static bool iterate_once(spec_call_t *call) {
    iterate(call);
    return true;
}

/** As one call of the user's, of which timeoutMS counts: polls until there is something. */
static bool fetch(spec_call_t *call) {
    mouv_future_t fetched = mouv_cursor_fetch(call->object->is.cursor);
    int64_t deadline_ms = mouv_now_ms() + PATIENCE_MS;
    /* no scope: its deadline would be sent */
    while (!mouv_future_done(fetched) && mouv_now_ms() < deadline_ms) mouv_sleep_ms(1);
    if (!mouv_future_done(fetched)) mouv_future_cancel(fetched);
    return await_fetch(call, fetched);
}

static bool iterate_until_document(spec_call_t *call) {
    mouv_cursor_t *cursor = call->object->is.cursor;
    const bson_t *document = NULL;
    int64_t deadline_ms = mouv_now_ms() + PATIENCE_MS;
    while (mouv_cursor_next_buffered(cursor, &document) == 0) {
        if (!mouv_cursor_alive(cursor)) return spec_fail(call->test, "the cursor has ended");
        if (mouv_now_ms() > deadline_ms) return spec_fail(call->test, "the cursor gives nothing");
        if (!fetch(call)) return true;
    }
    return spec_result_document(call, bson_copy(document));
}

static bool close_cursor(spec_call_t *call) {
    if (spec_has(call->arguments, "timeoutMS")) {
        mouv_cursor_close_within(call->object->is.cursor,
                                 spec_int(call->arguments, "timeoutMS", 0));
    } else {
        mouv_cursor_close(call->object->is.cursor);
    }
    spec_client_settle(call->object->client);
    return true;
}

const spec_operation_t spec_cursor_operations[] = {
    {"close", close_cursor, "", "timeoutMS"},
    {"iterateOnce", iterate_once, "", ""},
    {"iterateUntilDocumentOrError", iterate_until_document, "", ""},
    {NULL, NULL, NULL, NULL},
};

/* --- Change streams -------------------------------------------------------------------------- */

bool spec_open_stream(spec_call_t *call, mouv_change_stream_t *stream) {
    if (!spec_await(call, mouv_change_stream_open(stream))) {
        mouv_change_stream_unref(stream);
        return true;
    }
    call->made = (spec_entity_t){
        .kind = SPEC_CHANGE_STREAM, .client = call->object->client, .is.change_stream = stream};
    return true;
}

static bool take_event(spec_call_t *call, bool once) {
    const bson_t *document = NULL;
    mouv_change_stream_t *stream = call->object->is.change_stream;
    mouv_error_t error;
    int rc = once ? mouv_change_stream_try_next(stream, &document, &error)
                  : mouv_change_stream_next(stream, &document, &error);
    if (rc < 0) spec_failed(call, &error);
    if (rc > 0) spec_result_document(call, bson_copy(document));
    return true;
}

static bool stream_once(spec_call_t *call) {
    return take_event(call, true);
}

static bool stream_until_document(spec_call_t *call) {
    return take_event(call, false);
}

static bool close_stream(spec_call_t *call) {
    mouv_change_stream_close(call->object->is.change_stream);
    spec_client_settle(call->object->client);
    return true;
}

const spec_operation_t spec_change_stream_operations[] = {
    {"close", close_stream, "", "timeoutMS"},
    {"iterateOnce", stream_once, "", ""},
    {"iterateUntilDocumentOrError", stream_until_document, "", ""},
    {NULL, NULL, NULL, NULL},
};
