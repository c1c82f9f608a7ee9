/*
 * Jobs.
 */
#include "mongo/transport/loop/job.h"

#include <stdio.h>

#include "context/alloc.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/error.h"
#include "mongo/topology/app_error.h"

static mouv__background_place_t job_place(mouv__loop_t *loop, mouv__transport_ended_fn_t ended,
                                          void *arg) {
    return (mouv__background_place_t){.transport = &loop->transport,
                                      .list = &loop->background,
                                      .executor = loop->executor,
                                      .driver_pool = loop->driver_pool,
                                      .ended = ended,
                                      .arg = arg};
}

/* --- libmongoc's pool and its server selection ------------------------------------------------ */

typedef struct errand {
    mouv__background_t background; /* first */
    mouv__selector_t *selector;    /* the loop's, while it is out */
    bool write;
    mongoc_read_prefs_t *read_prefs; /* owned */
} errand_t;

static void job_errand_back(mouv__background_t *background) {
    mouv__loop_t *loop = mouv__loop_of(background->transport);
    errand_t *errand = (errand_t *)background;
    loop->selector = errand->selector;
    errand->selector = NULL;
    loop->transport.controls[MOUV__CONTROL_SELECT].busy = false;
}

static void job_errand_free(mouv__background_t *background, bool lost) {
    errand_t *errand = (errand_t *)background;
    if (lost) mouv__selector_free(errand->selector, background->driver_pool);
    mongoc_read_prefs_destroy(errand->read_prefs);
    mouv__free(errand);
}

static void job_open_run(mouv__job_t *job) {
    mouv__background_t *background = (mouv__background_t *)job;
    background->ok = mouv__driver_pool_prepare(background->driver_pool, &background->error) &&
                     mouv__selector_open(&((errand_t *)job)->selector, background->driver_pool,
                                         &background->error);
}

static void job_seek_run(mouv__job_t *job) {
    errand_t *errand = (errand_t *)job;
    mouv__background_t *background = &errand->background;
    background->ok =
        mouv__selector_open(&errand->selector, background->driver_pool, &background->error) &&
        mouv__selector_seek(errand->selector, errand->write, errand->read_prefs,
                            &background->error);
}

static errand_t *job_errand_new(mouv__loop_t *loop) {
    errand_t *errand = mouv__alloc(sizeof(*errand));
    if (!errand) return NULL;
    errand->background.back = job_errand_back;
    errand->background.free = job_errand_free;
    errand->selector = loop->selector;
    loop->selector = NULL;
    loop->transport.controls[MOUV__CONTROL_SELECT].busy = true;
    return errand;
}

int mouv__job_open(mouv__loop_t *loop, mouv__transport_ended_fn_t ended, void *arg) {
    mouv__background_place_t place = job_place(loop, ended, arg);
    errand_t *errand = job_errand_new(loop);
    if (!errand) return MOUV_ENOMEM;
    mouv__background_submit(&errand->background, &place, job_open_run);
    return 0;
}

int mouv__job_seek(mouv__loop_t *loop, bool write, const mongoc_read_prefs_t *read_prefs,
                   mouv__transport_ended_fn_t ended, void *arg) {
    mouv__background_place_t place = job_place(loop, ended, arg);
    errand_t *errand = job_errand_new(loop);
    if (!errand) return MOUV_ENOMEM;
    errand->write = write;
    if (read_prefs) errand->read_prefs = mongoc_read_prefs_copy(read_prefs);
    mouv__background_submit(&errand->background, &place, job_seek_run);
    return 0;
}

/* --- factories -------------------------------------------------------------------------------- */

static mouv__loop_factory_t *job_take_factory(mouv__loop_t *loop) {
    mouv__loop_factory_t *factory = MOUV__LIST_POP(&loop->factories, mouv__loop_factory_t, link);
    return factory ? factory : mouv__alloc(sizeof(*factory));
}

/* Once the end has begun it goes with its job. */
static void job_give_factory_back(mouv__loop_t *loop, mouv__loop_factory_t **factory) {
    if (!*factory || !loop->driver_pool) return;
    mouv__list_push_front(&loop->factories, &(*factory)->link);
    *factory = NULL;
}

static void job_free_factory(mouv__loop_factory_t *factory) {
    if (factory && factory->factory) mouv__factory_free(factory->factory);
    mouv__free(factory);
}

static bool job_open_factory(mouv__loop_factory_t *factory, mouv__background_t *background) {
    if (!factory->factory) factory->factory = mouv__factory_new(background->driver_pool);
    if (!factory->factory)
        bson_set_error(&background->error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT,
                       "out of memory");
    return factory->factory != NULL;
}

/* --- a connection ----------------------------------------------------------------------------- */

static void job_connect_run(mouv__job_t *job) {
    mouv__connecting_t *connecting = (mouv__connecting_t *)job;
    mouv__background_t *background = &connecting->background;
    background->ok =
        job_open_factory(connecting->factory, background) &&
        mouv__factory_connect(connecting->factory->factory, connecting->server_id, connecting->host,
                              &connecting->handover, &background->error);
}

static mouv__peer_t *job_make_peer(mouv__connecting_t *connecting) {
    mouv__peer_t *peer = mouv__peer_new(&connecting->loop->peers, connecting->handover.channel);
    if (!peer) return NULL;
    connecting->handover.channel = NULL;
    peer->connection = &connecting->connection->connection;
    peer->server_id = connecting->server_id;
    peer->generation = connecting->generation;
    peer->hello = mouv__hello_read(connecting->handover.hello);
    snprintf(peer->host, sizeof(peer->host), "%s", connecting->host);
    return peer;
}

/* In place of the one that its connection had to this server. */
static void job_add_peer(mouv__loop_connection_t *connection, mouv__peer_t *peer) {
    MOUV__LIST_EACH(&connection->peers, mouv__peer_t, old, sibling)
        if (old->server_id == peer->server_id && !old->exchange) mouv__peer_close(old, false);
    peer->siblings = &connection->peers;
    mouv__list_push_front(&connection->peers, &peer->sibling);
}

/* As of a connection that was lost: no server is known better for one that was not made. */
static void job_note_failure(const mouv__connecting_t *connecting) {
    const mouv__background_t *background = &connecting->background;
    mouv__app_error_t error = {.server_id = connecting->server_id,
                               .generation = connecting->generation,
                               .now_ms = bson_get_monotonic_time() / 1000};
    if (!mouv__factory_is_seen() && background->refused == 0 &&
        (background->error.domain == MONGOC_ERROR_STREAM ||
         mouv__error_is_cut_authentication(&background->error)))
        mouv__app_error(connecting->loop->topology, &error);
}

static void job_connect_back(mouv__background_t *background) {
    mouv__connecting_t *connecting = (mouv__connecting_t *)background;
    job_give_factory_back(connecting->loop, &connecting->factory);
    if (!background->ok) job_note_failure(connecting);
    if (!background->ok || !connecting->connection) return;
    mouv__peer_t *peer = job_make_peer(connecting);
    mouv__connection_note_service(&connecting->connection->connection, connecting->handover.hello);
    if (peer)
        job_add_peer(connecting->connection, peer);
    else
        bson_set_error(&background->error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT,
                       "the connection cannot be watched");
    background->ok = peer != NULL;
}

static void job_connect_free(mouv__background_t *background, bool lost) {
    mouv__connecting_t *connecting = (mouv__connecting_t *)background;
    (void)lost;
    mouv__channel_close(connecting->handover.channel, false);
    bson_destroy(connecting->handover.hello);
    job_free_factory(connecting->factory);
    mouv__free(connecting);
}

mouv__connecting_t *mouv__job_connect(mouv__loop_t *loop, mouv__loop_connection_t *connection,
                                      uint32_t server_id, mouv__transport_ended_fn_t ended,
                                      void *arg) {
    mouv__background_place_t place = job_place(loop, ended, arg);
    const mouv__server_t *server = mouv__topology_server(loop->topology, server_id);
    mouv__connecting_t *connecting = mouv__alloc(sizeof(*connecting));
    if (connecting) connecting->factory = job_take_factory(loop);
    if (!connecting || !connecting->factory) {
        mouv__free(connecting);
        return NULL;
    }
    connecting->background.back = job_connect_back;
    connecting->background.free = job_connect_free;
    connecting->loop = loop;
    connecting->connection = connection;
    connecting->server_id = server_id;
    connecting->generation = server ? server->generation : 0;
    snprintf(connecting->host, sizeof(connecting->host), "%s", server ? server->host : "");
    if (!arg) place.arg = connecting;
    mouv__background_submit(&connecting->background, &place, job_connect_run);
    return connecting;
}

mouv__connecting_t *mouv__job_is_connect(mouv__background_t *background) {
    return background->free == job_connect_free ? (mouv__connecting_t *)background : NULL;
}

/* --- the end ---------------------------------------------------------------------------------- */

struct mouv__ending {
    mouv__background_t background; /* first */
    mouv__selector_t *selector;
    mouv__list_t factories;
};

static void job_end_run(mouv__job_t *job) {
    mouv__ending_t *ending = (mouv__ending_t *)job;
    mouv__loop_factory_t *factory;
    while ((factory = MOUV__LIST_POP(&ending->factories, mouv__loop_factory_t, link)) != NULL)
        job_free_factory(factory);
    mouv__selector_free(ending->selector, ending->background.driver_pool);
    ending->selector = NULL;
    ending->background.ok = true; /* the pool goes behind everybody's back, see background.c */
}

static void job_end_free(mouv__background_t *background, bool lost) {
    (void)lost; /* it has run, or there was no thread: then it is all left behind */
    mouv__free(background);
}

mouv__ending_t *mouv__ending_new(void) {
    mouv__ending_t *ending = mouv__alloc(sizeof(*ending));
    if (ending) ending->background.free = job_end_free;
    return ending;
}

void mouv__ending_free(mouv__ending_t *ending) {
    mouv__free(ending);
}

void mouv__job_end(mouv__loop_t *loop, mouv__ending_t *ending, mouv__transport_ended_fn_t ended,
                   void *arg) {
    mouv__background_place_t place = job_place(loop, ended, arg);
    ending->selector = loop->selector;
    ending->factories = mouv__list_take_all(&loop->factories);
    ending->background.driver_pool = loop->driver_pool;
    loop->selector = NULL;
    loop->driver_pool = NULL;
    mouv__background_submit(&ending->background, &place, job_end_run);
}
