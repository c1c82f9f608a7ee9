/*
 * The server's reply, by the error that was made of it.
 */
#include <mouv/reply.h>

#include "mongo/base/answers.h"
#include "mongo/base/bson_view.h"

bson_t *mouv_error_reply(const mouv_error_t *error) {
    return error ? mouv__answers_find(error) : NULL;
}

/** Whether the document at `path` has the error's code; `*view` is that document. */
static bool reply_is_of(const mouv_error_t *error, const bson_t *reply, const char *path,
                        bson_t *view) {
    bson_iter_t field;
    return mouv__bson_view_find(reply, path, &field) && mouv__bson_view_of(&field, view) &&
           mouv__bson_view_number(view, "code") == error->server_code;
}

bson_t *mouv_error_details(const mouv_error_t *error) {
    static const char *const places[] = {"writeErrors.0", "writeConcernErrors.0",
                                         "writeConcernError"};
    bson_t *reply = mouv_error_reply(error);
    for (size_t i = 0; reply && i < sizeof places / sizeof *places; i++) {
        bson_t view;
        if (!reply_is_of(error, reply, places[i], &view)) continue;
        bson_t *details = bson_copy(&view);
        bson_destroy(reply);
        return details;
    }
    return reply;
}
