/*
 * Making the pool, seeking a server, setting up connections: each a background job on a worker.
 */
#include "mongo/pool/establish.h"

#include <uv.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/base/concern.h"
#include "mongo/base/error.h"
#include "mongo/operation/state.h"
#include "mongo/pool/queue.h"
#include "mongo/transport/threads/background.h"

/* Secondaries from this wire version on (5.0) have the primary write what an aggregate yields. */
#define WIRE_VERSION_WRITING_AGGREGATE 13

static bool establish_needs_primary(const mouv__operation_t *op) {
    if (!mouv__is_write(op)) return false;
    if (op->row->flags & MOUV__OP_GIVEN) return !op->read_prefs;
    return !(op->row->flags & MOUV__OP_READ_PREFERENCE) ||
           !mouv__topology_speaks(op->client->pool.topology, WIRE_VERSION_WRITING_AGGREGATE);
}

mouv__criteria_t mouv__operation_criteria(const mouv__operation_t *op) {
    mouv__criteria_t criteria = {.write = establish_needs_primary(op)};
    if (criteria.write) return criteria;
    criteria.read_prefs = op->read_prefs;
    if (!criteria.read_prefs && (op->row->flags & MOUV__OP_READ_PREFERENCE))
        criteria.read_prefs =
            mouv__concern_read_prefs(op->defaults, op->client->driver_pool->read_prefs);
    return criteria;
}

static mouv__background_t *establish_background_for(const mouv__operation_t *op) {
    mouv__background_t *background = mouv__alloc(sizeof(*background));
    if (!background) return NULL;
    mouv__criteria_t criteria = mouv__operation_criteria(op);
    background->write = criteria.write;
    if (criteria.read_prefs) background->read_prefs = mongoc_read_prefs_copy(criteria.read_prefs);
    return background;
}

/* --- the pool -------------------------------------------------------------------------------- */

static void establish_prepare_run(mouv__job_t *job) {
    mouv__background_t *background = (mouv__background_t *)job;
    background->ok =
        mouv__driver_pool_prepare(background->driver_pool, &background->error) &&
        mouv__connection_open(background->connection, background->driver_pool, &background->error);
}

static void establish_prepare_ended(mouv__background_t *background) {
    mouv_client_t *client = background->client;
    client->pool.driver_pool_state =
        background->ok ? MOUV__DRIVER_POOL_READY : MOUV__DRIVER_POOL_NONE;
    mouv__pool_leave_control(client, &client->pool.selector);
    if (background->ok) {
        mouv__pool_reselect(client); /* the snapshot may have come before the pool was ready */
        return;
    }
    mouv_error_t error = {0};
    bool no_server = background->refused == 0 && background->error.domain != MONGOC_ERROR_COMMAND;
    mouv__background_error(background, &error);
    if (no_server) error.code = MOUV_ESELECTION;
    mouv__pool_fail_waiting(client, &error);
}

static void establish_fail_without_memory(mouv_client_t *client) {
    mouv_error_t error = {0};
    mouv_error_set(&error, MOUV_ENOMEM, "no memory to connect");
    mouv__pool_fail_waiting(client, &error);
}

void mouv__prepare_pool(mouv_client_t *client) {
    mouv__background_t *background = mouv__alloc(sizeof(*background));
    if (!background) {
        establish_fail_without_memory(client);
        return;
    }
    client->pool.driver_pool_state = MOUV__DRIVER_POOL_PREPARING;
    mouv__background_submit(client, background, &client->pool.selector, establish_prepare_run,
                            establish_prepare_ended, NULL);
}

/* --- server selection ------------------------------------------------------------------------ */

static void establish_seek_run(mouv__job_t *job) {
    mouv__background_t *background = (mouv__background_t *)job;
    background->ok = mouv__connection_open(background->connection, background->driver_pool,
                                           &background->error) &&
                     mouv__background_select_server(background);
}

/* Success shows in the snapshot, failure in each operation's own time: nothing to do but go on. */
static void establish_seek_ended(mouv__background_t *background) {
    mouv__pool_leave_control(background->client, &background->client->pool.selector);
}

void mouv__seek_server(mouv_client_t *client, const mouv__operation_t *op) {
    mouv__background_t *background = establish_background_for(op);
    if (!background) return;
    mouv__background_submit(client, background, &client->pool.selector, establish_seek_run,
                            establish_seek_ended, NULL);
}

/* --- connections ----------------------------------------------------------------------------- */

/* What the way alone takes, a ping tells, once: commands tell it, too, but those of a client may
 * all be slow ones. With mouv's own streams connecting has told. */
static bool establish_measure(mouv__background_t *background) {
    if (__atomic_load_n(&background->driver_pool->least_rtt_ns, __ATOMIC_RELAXED) > 0) return true;
    uint64_t began_ns = uv_hrtime();
    if (!mouv__background_ping(background)) return false;
    mouv__driver_pool_note_rtt(background->driver_pool, (int64_t)(uv_hrtime() - began_ns));
    return true;
}

static void establish_connect_run(mouv__job_t *job) {
    mouv__background_t *background = (mouv__background_t *)job;
    background->ok = mouv__connection_open(background->connection, background->driver_pool,
                                           &background->error) &&
                     (background->server_id != 0 || mouv__background_select_server(background)) &&
                     mouv__background_connect(background) && establish_measure(background);
}

static bool establish_any_connected(const mouv__pool_t *pool, uint32_t server_id) {
    uint64_t mask = server_id ? mouv__server_bit(server_id) : UINT64_MAX;
    for (uint32_t i = 0; i < pool->connection_count; i++)
        if (pool->connections[i]->connected & mask) return true;
    return false;
}

/* Fails those who wait for a connection to this server and have had too many failures. */
static void establish_charge_ready(mouv__queue_t *ready, uint32_t server_id, bool lasting,
                                   const mouv_error_t *error) {
    mouv__operation_t *next;
    for (mouv__operation_t *op = ready->first; op; op = next) {
        next = op->next;
        if (op->attempt.server_id != server_id) continue;
        if (lasting || ++op->connects >= MOUV__CONNECTS_MAX)
            mouv__operation_fail_waiting(op, error);
    }
}

/* Credentials are the same for all servers, so whoever may use any server would fail as well. */
static void establish_fail_selecting(mouv__queue_t *selecting, const mouv_error_t *error) {
    mouv__operation_t *next;
    for (mouv__operation_t *op = selecting->first; op; op = next) {
        next = op->next;
        if (!op->pin && !op->server_id) mouv__operation_fail_waiting(op, error);
    }
}

/*
 * A connection could not be set up. Where others exist nobody is worse off. Else whoever waits for
 * this server has had one failure: a lasting one (wrong password) ends it, others the third time.
 * A failure makes libmongoc forget what kind of server it is, so most are back to SELECTING by now,
 * where the selection timeout bounds what is not lasting.
 */
static void establish_charge_waiting(mouv_client_t *client, uint32_t server_id,
                                     const mouv_error_t *error) {
    mouv__pool_t *pool = &client->pool;
    if (establish_any_connected(pool, server_id)) return;
    bool lasting = error->code != MOUV_ENETWORK && error->code != MOUV_ESELECTION;
    establish_charge_ready(&pool->ready, server_id, lasting, error);
    if (lasting) establish_fail_selecting(&pool->selecting, error);
}

typedef struct connect {
    mouv__background_t background; /* first */
    uint32_t asked_id;             /* what the operations that wait have as their server id */
} connect_t;

static void establish_connect_ended(mouv__background_t *background) {
    mouv_client_t *client = background->client;
    uint32_t asked_id = ((connect_t *)background)->asked_id;
    client->pool.connecting[asked_id % 64]--;
    if (background->ok) {
        background->connection->connected |= mouv__server_bit(background->server_id);
        mouv__breaker_heard(client, background->server_id);
    }
    mouv__pool_leave(client, background->connection);
    if (background->ok) return;
    mouv_error_t error = {0};
    mouv__background_error(background, &error);
    establish_charge_waiting(client, asked_id, &error);
}

bool mouv__connect(mouv_client_t *client, mouv__connection_t *connection, uint32_t server_id,
                   const mouv__operation_t *op) {
    connect_t *connect = mouv__alloc(sizeof(*connect));
    if (!connect) {
        mouv__pool_leave(client, connection);
        return establish_any_connected(&client->pool, server_id);
    }
    mouv__criteria_t criteria = {0};
    if (op) criteria = mouv__operation_criteria(op);
    connect->asked_id = server_id;
    connect->background.connection = connection;
    connect->background.server_id = server_id;
    connect->background.write = criteria.write;
    if (criteria.read_prefs)
        connect->background.read_prefs = mongoc_read_prefs_copy(criteria.read_prefs);
    client->pool.connecting[server_id % 64]++;
    mouv__background_submit(client, &connect->background, NULL, establish_connect_run,
                            establish_connect_ended, NULL);
    return true;
}
