/*
 * References to a client, and who may use it from where.
 */
#include "mongo/base/client_ref.h"

#include <assert.h>

#include "async/loop/fork.h"

void mouv__client_ref_init(mouv_client_t *client, const mouv__client_ops_t *ops,
                           mouv_runtime_t *runtime) {
    *mouv__client_ref_of(client) = (mouv__client_ref_t){
        .ops = ops, .runtime = runtime, .users = 1, .process = mouv__fork_number()};
}

void mouv__client_ref_move(mouv_client_t *client, mouv__client_state_t state) {
    assert(state == mouv__client_state(client) + 1u);
    mouv__client_ref_of(client)->state = (uint8_t)state;
}

/* In the states up to `last`. */
static int client_ref_check(const mouv_client_t *client, mouv__client_state_t last,
                            mouv_error_t *error) {
    if (!client) return mouv_error_set(error, MOUV_EINVAL, "the client is NULL");
    const mouv__client_ref_t *ref = mouv__client_ref_of(client);
    if (ref->process != mouv__fork_number())
        return mouv_error_set(error, MOUV_ETHREAD,
                              "the client belongs to the process that made it, this is a child: "
                              "it makes its own after fork()");
    if (ref->state > last) return mouv_error_set(error, MOUV_ECLOSED, "the client has been closed");
    if (mouv__runtime() != ref->runtime)
        return mouv_error_set(error, MOUV_ETHREAD, "the client belongs to another thread");
    return 0;
}

int mouv__client_check(const mouv_client_t *client, mouv_error_t *error) {
    return client_ref_check(client, MOUV__CLIENT_OPEN, error);
}

int mouv__client_check_cleanup(const mouv_client_t *client, mouv_error_t *error) {
    return client_ref_check(client, MOUV__CLIENT_DRAINING, error);
}

void mouv__client_add_hook(mouv_client_t *client, mouv__client_hook_t *hook) {
    mouv__list_push_back(&mouv__client_ref_of(client)->hooks, &hook->link);
}

void mouv__client_remove_hook(mouv_client_t *client, mouv__client_hook_t *hook) {
    mouv__list_remove(&mouv__client_ref_of(client)->hooks, &hook->link);
}

void mouv__client_delay_close(mouv_client_t *client) {
    mouv__client_ref_of(client)->delays++;
}

void mouv__client_allow_close(mouv_client_t *client) {
    mouv__client_ref_of(client)->delays--;
    mouv__client_quiet(client);
}

void mouv__client_call_hooks(mouv_client_t *client) {
    MOUV__LIST_EACH(&mouv__client_ref_of(client)->hooks, mouv__client_hook_t, hook, link)
        hook->closes(hook);
}

bool mouv__client_is_elsewhere(const mouv_client_t *client) {
    const mouv__client_ref_t *ref = mouv__client_ref_of(client);
    return ref->process != mouv__fork_number() || (ref->runtime && mouv__runtime() != ref->runtime);
}

bool mouv__client_is_foreign(const mouv_client_t *client, const char *function) {
    if (!mouv__client_is_elsewhere(client)) return false;
    if (mouv__client_ref_of(client)->process == mouv__fork_number())
        mouv__log(MOUV_LOG_ERROR, "%s: its client belongs to another thread; nothing is done",
                  function);
    return true;
}

static void client_ref_free_if_unused(mouv_client_t *client) {
    const mouv__client_ref_t *ref = mouv__client_ref_of(client);
    if (ref->users == 0 && ref->open_for == 0 && ref->held == 0 &&
        ref->state == MOUV__CLIENT_CLOSED)
        ref->ops->free(client);
}

bool mouv__client_ref_leave(mouv_client_t *client) {
    mouv__client_ref_t *ref = mouv__client_ref_of(client);
    if (ref->users > 0) ref->users--;
    return ref->users == 0;
}

void mouv__client_close_if_unused(mouv_client_t *client) {
    const mouv__client_ref_t *ref = mouv__client_ref_of(client);
    if (ref->users > 0 || ref->open_for > 0) return;
    mouv__client_hold(client);
    ref->ops->close(client);
    mouv__client_let_go(client);
}

mouv_client_t *mouv__client_keep_open(mouv_client_t *client) {
    if (client) mouv__client_ref_of(client)->open_for++;
    return client;
}

void mouv__client_may_close(mouv_client_t *client) {
    if (!client || mouv__client_is_foreign(client, "mouv_client_unref")) return;
    mouv__client_ref_of(client)->open_for--;
    mouv__client_close_if_unused(client);
}

void mouv__client_hold(mouv_client_t *client) {
    mouv__client_ref_of(client)->held++;
}

void mouv__client_let_go(mouv_client_t *client) {
    mouv__client_ref_of(client)->held--;
    client_ref_free_if_unused(client);
}

void mouv__client_quiet(mouv_client_t *client) {
    if (mouv__client_is_open(client)) return;
    mouv__client_ref_of(client)->ops->quiet(client);
}
