/*
 * Changes of a server's state.
 */
#include "mongo/transport/loop/state_change.h"

#include <string.h>

#include "mongo/base/bson_view.h"
#include "mongo/transport/loop/job.h"

/* "not writable primary", "node is recovering", each with those of older servers. */
static bool state_change_is_code(int64_t code) {
    static const int64_t codes[] = {10107, 13435, 10058, 11600, 11602, 13436, 189, 91};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i] == code) return true;
    return false;
}

/* Only an error without a code is judged by its text. */
static bool state_change_is_in(const bson_t *error) {
    bson_iter_t iter;
    if (bson_iter_init_find(&iter, error, "code") && BSON_ITER_HOLDS_NUMBER(&iter))
        return state_change_is_code(bson_iter_as_int64(&iter));
    if (!bson_iter_init_find(&iter, error, "errmsg") || !BSON_ITER_HOLDS_UTF8(&iter)) return false;
    const char *text = bson_iter_utf8(&iter, NULL);
    return strstr(text, "not master") != NULL || strstr(text, "node is recovering") != NULL;
}

void mouv__state_change_answered(mouv__loop_t *loop, const mouv__peer_t *peer,
                                 const mouv__exchange_t *exchange) {
    bson_t concern;
    if (!exchange->reply || peer->hello.balanced) return;
    bool changed = !exchange->ok && state_change_is_in(exchange->reply);
    if (exchange->ok && mouv__bson_view_inside(exchange->reply, "writeConcernError", &concern))
        changed = state_change_is_in(&concern);
    if (changed) mouv__job_tell(loop, peer->server_id, exchange->reply);
}

void mouv__state_change_lost(mouv__loop_t *loop, const mouv__peer_t *peer) {
    if (!peer->hello.balanced) mouv__job_tell(loop, peer->server_id, NULL);
}
