/*
 * Calls.
 */
#include "mongo/transport/loop/call.h"

#include <errno.h>
#include <string.h>

#include "mongo/base/client_ref.h"
#include "mongo/base/error.h"
#include "mongo/topology/app_error.h"
#include "mongo/topology/events.h"
#include "mongo/transport/loop/pack.h"
#include "mongo/transport/loop/unpack.h"

#define CODE_REAUTHENTICATE 391

static mouv__loop_t *call_loop(const mouv__peer_t *peer) {
    return mouv__container_of(peer->peers, mouv__loop_t, peers);
}

/* --- events ----------------------------------------------------------------------------------- */

static const char *call_name(const mouv__exchange_t *exchange) {
    bson_iter_t iter;
    return bson_iter_init(&iter, exchange->command) && bson_iter_next(&iter) ? bson_iter_key(&iter)
                                                                             : "";
}

static void call_tell(const mouv__peer_t *peer, const mouv__exchange_t *exchange,
                      mouv__event_kind_t kind, const mouv_error_t *error) {
    mouv__events_t *events = mouv__client_events(peer->peers->client);
    if (!events || exchange->quiet || !mouv__events_wants(events, kind)) return;
    const char *name = call_name(exchange);
    mouv_command_event_t what = {
        .name = name,
        .database = exchange->database,
        .host = peer->host,
        .request_id = exchange->loop.request_id,
        .operation_id = exchange->operation_id,
        .connection_id = peer->hello.connection_id,
        .server_id = exchange->server_id,
        .service_id = peer->hello.balanced ? &peer->hello.service_id : NULL,
        .error = error,
    };
    bson_t *command = NULL;
    if (kind == MOUV__EVENT_COMMAND_STARTED) {
        what.command = command = mouv__request_document(peer, exchange);
    } else {
        int64_t now_ns = mouv__client_now_ns(peer->peers->client);
        what.reply = exchange->reply;
        what.duration_us = (now_ns - exchange->loop.sent_ns) / 1000;
    }
    mouv__events_command(events, kind, &what, mouv__events_is_secret(name, exchange->command));
    bson_destroy(command);
}

static void call_tell_end(const mouv__peer_t *peer, const mouv__exchange_t *exchange) {
    mouv_error_t error = {0};
    if (!mouv__exchange_is_sent(exchange)) return; /* nor has its beginning been told */
    if (exchange->ok || mouv__events_expects(exchange->expected_code, exchange->reply)) {
        call_tell(peer, exchange, MOUV__EVENT_COMMAND_SUCCEEDED, NULL);
        return;
    }
    if (exchange->reply)
        mouv__error_from_reply(&error, exchange->reply);
    else
        mouv__error_from_driver(&error, &exchange->error);
    call_tell(peer, exchange, MOUV__EVENT_COMMAND_FAILED, &error);
}

/* --- the picture ------------------------------------------------------------------------------ */

/* With the answer of an exchange (NULL: its connection was lost). */
static void call_note(mouv__loop_t *loop, const mouv__exchange_t *exchange, const bson_t *reply) {
    mouv__app_error_t error = {.server_id = exchange->server_id,
                               .generation = exchange->loop.generation,
                               .reply = reply,
                               .now_ms = bson_get_monotonic_time() / 1000};
    mouv__app_error(loop->topology, &error);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void call_finish(mouv__loop_t *loop, mouv__exchange_t *exchange) {
    mouv_client_t *client = loop->transport.client;
    mouv__client_hold(client);
    if (exchange->control >= 0) {
        loop->transport.controls[exchange->control].busy = false;
        mouv__connection_move(exchange->connection, MOUV__CONNECTION_IDLE);
    }
    exchange->done(exchange);
    mouv__client_quiet(client);
    mouv__client_let_go(client);
}

static void call_on_ready(mouv__ready_t *ready) {
    mouv__exchange_t *exchange = mouv__container_of(ready, mouv__exchange_t, loop.ready);
    mouv__loop_t *loop = mouv__loop_of(exchange->transport);
    if (exchange->loop.lost) call_note(loop, exchange, NULL);
    call_finish(loop, exchange);
}

/* On the next tick: whoever sends or cuts is not called back from within. */
static void call_finish_soon(mouv__loop_t *loop, mouv__exchange_t *exchange) {
    exchange->loop.ready.run = call_on_ready;
    mouv__runtime_ready(mouv__client_runtime(loop->transport.client), &exchange->loop.ready);
}

/* The peer is free for the next one. */
static mouv__exchange_t *call_detach(mouv__peer_t *peer) {
    mouv__loop_t *loop = call_loop(peer);
    mouv__exchange_t *exchange = peer->exchange;
    mouv__patience_end(&loop->patience, peer);
    peer->exchange = NULL;
    if (exchange) exchange->loop.peer = NULL;
    return exchange;
}

static void call_close_if_it_leaves(mouv__peer_t *peer) {
    if (peer->leaves) mouv__peer_close(peer, false);
}

void mouv__call_fail(mouv__loop_t *loop, mouv__exchange_t *exchange, const bson_error_t *error,
                     bool cut) {
    exchange->ok = false;
    exchange->cut = cut;
    exchange->error = *error;
    call_finish_soon(loop, exchange);
}

/* --- out -------------------------------------------------------------------------------------- */

static void call_on_sent(mouv__peer_t *peer) {
    mouv__exchange_t *exchange = peer->exchange;
    exchange->reached = true;
    if (!exchange->unacknowledged) return;
    call_detach(peer);
    exchange->ok = true;
    exchange->reply = BCON_NEW("ok", BCON_INT32(1));
    call_tell_end(peer, exchange);
    call_close_if_it_leaves(peer);
    call_finish_soon(call_loop(peer), exchange);
}

static void call_fail_to_send(mouv__loop_t *loop, mouv__peer_t *peer, int code) {
    mouv__exchange_t *exchange = call_detach(peer);
    bson_error_t error;
    bson_set_error(&error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET,
                   "the connection to %s was lost: %s", peer->host, strerror(code));
    exchange->reached = mouv__peer_has_sent(peer);
    mouv__peer_close(peer, false);
    exchange->error = error;
    call_tell_end(peer, exchange);
    if (loop->set_up_again(loop, exchange)) return;
    exchange->loop.lost = true; /* the picture does not change from within */
    mouv__call_fail(loop, exchange, &error, false);
}

static void call_go_out(mouv__loop_t *loop, mouv__peer_t *peer) {
    mouv__exchange_t *exchange = peer->exchange;
    exchange->stage = MOUV__EXCHANGE_SENT;
    exchange->loop.request_id = peer->message.content.request_id;
    exchange->loop.sent_ns = mouv__client_now_ns(loop->transport.client);
    call_tell(peer, exchange, MOUV__EVENT_COMMAND_STARTED, NULL);
    mouv__patience_begin(&loop->patience, peer, exchange->limit_ms);
    if (mouv__peer_send(peer) < 0) call_fail_to_send(loop, peer, errno);
}

/* A worker has compressed it. The server may have closed the connection meanwhile, so it is looked
 * at before half of a command goes where nobody is. */
static void call_on_compressed(mouv__peer_t *peer) {
    mouv__loop_t *loop = call_loop(peer);
    mouv__exchange_t *exchange = peer->exchange;
    if (exchange->stage == MOUV__EXCHANGE_WITHDRAWN) {
        call_detach(peer);
        call_close_if_it_leaves(peer);
        mouv__call_fail(loop, exchange, &(bson_error_t){0}, false);
        return;
    }
    mouv__peer_look(peer);
    if (mouv__peer_is_open(peer)) call_go_out(loop, peer);
}

void mouv__call_begin(mouv__loop_t *loop, mouv__peer_t *peer, mouv__exchange_t *exchange) {
    bson_error_t error = {0};
    if (!mouv__request_build(&loop->common, peer, exchange, &error)) {
        mouv__call_fail(loop, exchange, &error, false);
        return;
    }
    exchange->loop.peer = peer;
    exchange->loop.generation = peer->generation;
    peer->exchange = exchange;
    if (!mouv__pack(loop, peer, call_on_compressed)) call_go_out(loop, peer);
}

/* --- in --------------------------------------------------------------------------------------- */

static bool call_judge(mouv__exchange_t *exchange) {
    bson_iter_t ok;
    if (!bson_iter_init_find(&ok, exchange->reply, "ok")) {
        bson_set_error(&exchange->error, MONGOC_ERROR_PROTOCOL, MONGOC_ERROR_PROTOCOL_INVALID_REPLY,
                       "the server's answer is not valid: it has no field 'ok'");
        bson_destroy(exchange->reply);
        exchange->reply = NULL;
        return false;
    }
    return bson_iter_as_bool(&ok);
}

/* ReauthenticationRequired: nothing has been done. A new connection authenticates anew. */
static void call_leave_if_forgotten(mouv__peer_t *peer, mouv__exchange_t *exchange) {
    bson_iter_t code;
    if (exchange->ok || !exchange->reply || !bson_iter_init_find(&code, exchange->reply, "code") ||
        bson_iter_as_int64(&code) != CODE_REAUTHENTICATE)
        return;
    bson_set_error(&exchange->error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_NOT_ESTABLISHED,
                   "%s wants the connection to authenticate anew", peer->host);
    bson_destroy(exchange->reply);
    exchange->reply = NULL;
    exchange->reached = false;
    peer->leaves = true;
}

static void call_on_arrived(mouv__peer_t *peer) {
    mouv__loop_t *loop = call_loop(peer);
    mouv__exchange_t *exchange = call_detach(peer);
    exchange->took_ns = mouv__client_now_ns(loop->transport.client) - exchange->loop.sent_ns;
    exchange->reply = peer->incoming.reply;
    peer->incoming.reply = NULL;
    mouv__incoming_clear(&peer->incoming);
    exchange->reached = true;
    exchange->ok = call_judge(exchange);
    if (exchange->reply) mouv__request_note_cluster_time(&loop->common, exchange->reply);
    call_tell_end(peer, exchange);
    if (exchange->reply) call_note(loop, exchange, exchange->reply);
    call_leave_if_forgotten(peer, exchange);
    call_close_if_it_leaves(peer);
    call_finish(loop, exchange);
}

static void call_on_lost(mouv__peer_t *peer, const bson_error_t *why) {
    mouv__loop_t *loop = call_loop(peer);
    mouv__exchange_t *exchange = call_detach(peer);
    if (!exchange) {
        mouv_client_t *client = loop->transport.client;
        mouv__client_hold(client);
        loop->transport.lost(&loop->transport, peer->connection, peer->server_id);
        mouv__client_let_go(client);
        return;
    }
    exchange->reached = mouv__peer_has_sent(peer);
    exchange->error = *why;
    call_tell_end(peer, exchange);
    if (loop->set_up_again(loop, exchange)) return;
    if (why->domain == MONGOC_ERROR_STREAM) call_note(loop, exchange, NULL);
    call_finish(loop, exchange);
}

static void call_on_packed(mouv__peer_t *peer) {
    mouv__loop_t *loop = call_loop(peer);
    mouv__unpack(loop, peer);
    if (peer->job) mouv__patience_end(&loop->patience, peer); /* the server has done its part */
}

/* --- no more patience ------------------------------------------------------------------------- */

/* What has not gone out whole was not done there. */
static void call_cut_peer(mouv__loop_t *loop, mouv__peer_t *peer, const char *why, bool cut) {
    mouv__exchange_t *exchange = call_detach(peer);
    bson_error_t error;
    bson_set_error(&error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET, "%s %s", peer->host,
                   why);
    exchange->reached = mouv__peer_has_sent(peer);
    exchange->error = error;
    mouv__peer_close(peer, true);
    call_tell_end(peer, exchange);
    mouv__call_fail(loop, exchange, &error, cut);
}

/* A limit is for one wait, not for all of it. */
static void call_on_progress(mouv__peer_t *peer) {
    if (peer->exchange)
        mouv__patience_begin(&call_loop(peer)->patience, peer, peer->exchange->limit_ms);
}

/* A loop that was busy has timers that are over before it has looked at its sockets. */
static bool call_is_silent(mouv__peer_t *peer) {
    int64_t since_ns = peer->since_ns;
    int32_t request_id = peer->message.content.request_id;
    mouv__peer_look(peer);
    return peer->exchange && peer->since_ns == since_ns &&
           peer->message.content.request_id == request_id;
}

static void call_on_silence(mouv__peer_t *peer) {
    mouv__loop_t *loop = call_loop(peer);
    if (!call_is_silent(peer)) return;
    call_cut_peer(loop, peer, "was silent for too long", peer->exchange->limit_ms > 0);
}

void mouv__call_cut(mouv__loop_t *loop, mouv__exchange_t *exchange) {
    call_cut_peer(loop, exchange->loop.peer, "has not answered in time", true);
}

void mouv__call_listen(mouv__loop_t *loop) {
    loop->peers.sent = call_on_sent;
    loop->peers.arrived = call_on_arrived;
    loop->peers.lost = call_on_lost;
    loop->peers.packed = call_on_packed;
    loop->peers.progress = call_on_progress;
    loop->patience.over = call_on_silence;
}
