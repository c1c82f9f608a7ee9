/*
 * Changes of a server's state.
 */
#include "mongo/transport/loop/state_change.h"

#include <string.h>

#include "context/alloc.h"
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

/* What connections meet that are older than the last change is no news, as the specification has it:
 * they are of an older generation. */
static bool state_change_is_news(mouv__loop_t *loop, const mouv__peer_t *peer) {
    mouv__loop_change_t *change = loop->changes;
    while (change && change->server_id != peer->server_id) change = change->next;
    if (change && peer->number <= change->number) return false;
    if (!change) change = mouv__alloc(sizeof(*change));
    if (!change) return true;
    if (change->server_id == 0) {
        change->next = loop->changes;
        loop->changes = change;
    }
    change->server_id = peer->server_id;
    change->number = loop->numbers;
    return true;
}

static void state_change_tell(mouv__loop_t *loop, const mouv__peer_t *peer, const bson_t *reply) {
    if (!peer->hello.balanced && state_change_is_news(loop, peer))
        mouv__job_tell(loop, peer->server_id, reply);
}

void mouv__state_change_forget(mouv__loop_t *loop) {
    while (loop->changes) {
        mouv__loop_change_t *change = loop->changes;
        loop->changes = change->next;
        mouv__free(change);
    }
}

void mouv__state_change_answered(mouv__loop_t *loop, const mouv__peer_t *peer,
                                 const mouv__exchange_t *exchange) {
    bson_t concern;
    if (!exchange->reply) return;
    bool changed = !exchange->ok && state_change_is_in(exchange->reply);
    if (exchange->ok && mouv__bson_view_inside(exchange->reply, "writeConcernError", &concern))
        changed = state_change_is_in(&concern);
    if (changed) state_change_tell(loop, peer, exchange->reply);
}

void mouv__state_change_lost(mouv__loop_t *loop, const mouv__peer_t *peer) {
    state_change_tell(loop, peer, NULL);
}
