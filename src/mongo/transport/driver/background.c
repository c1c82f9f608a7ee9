/*
 * Jobs that are no exchanges.
 */
#include "mongo/transport/driver/background.h"

#include "mongo/base/client_ref.h"
#include "mongo/base/error.h"

static const mouv_error_t *background_error(const mouv__background_t *self, mouv_error_t *error) {
    if (self->ok) return NULL;
    if (self->refused == 0)
        mouv__error_from_driver(error, &self->error);
    else
        mouv_error_set(error, self->refused, "no thread or memory to connect");
    return error;
}

static void background_free(mouv__background_t *self, bool lost) {
    mouv__driver_pool_t *driver_pool = self->driver_pool;
    self->free(self, lost);
    if (driver_pool) mouv__driver_pool_unref(driver_pool);
}

static void background_done(mouv__job_t *job) {
    mouv__background_t *self = (mouv__background_t *)job;
    mouv_client_t *client = self->transport->client;
    mouv_error_t error = {0};
    mouv__client_hold(client);
    mouv__list_remove(self->list, &self->link);
    if (self->back) self->back(self);
    self->ended(self->arg, background_error(self, &error));
    background_free(self, false);
    mouv__client_quiet(client);
    mouv__client_let_go(client);
}

static void background_discard(mouv__job_t *job) {
    background_free((mouv__background_t *)job, true);
}

void mouv__background_submit(mouv__background_t *self, const mouv__background_place_t *place,
                             void (*run)(mouv__job_t *job)) {
    self->job = (mouv__job_t){.run = run, .done = background_done, .discard = background_discard};
    self->transport = place->transport;
    if (!self->driver_pool) self->driver_pool = mouv__driver_pool_ref(place->driver_pool);
    self->ended = place->ended;
    self->arg = place->arg;
    self->list = place->list;
    mouv__list_push_back(place->list, &self->link);
    self->refused = place->executor->submit(place->executor, &self->job);
    if (self->refused == 0) return;
    mouv_runtime_t *runtime = mouv__client_runtime(place->transport->client);
    mouv__executor_send_home(mouv__runtime_mailbox(runtime), &self->job);
}

void mouv__background_abandon_all(mouv__list_t *list) {
    mouv__background_t *self;
    while ((self = MOUV__LIST_POP(list, mouv__background_t, link)) != NULL)
        self->job.done = background_discard;
}
