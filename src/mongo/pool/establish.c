/*
 * Making the pool, seeking a server, setting up connections: each a step on a worker.
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

static bool needs_primary(const mouv__operation_t *op) {
    if (!mouv__is_write(op)) return false;
    if (op->row->flags & MOUV__OP_GIVEN) return !op->read_prefs;
    return !(op->row->flags & MOUV__OP_READ_PREFERENCE) ||
           !mouv__topology_speaks(op->client->admission.topology, WIRE_VERSION_WRITING_AGGREGATE);
}

mouv__wish_t mouv__operation_wish(const mouv__operation_t *op) {
    mouv__wish_t wish = {.write = needs_primary(op)};
    if (wish.write) return wish;
    wish.read_prefs = op->read_prefs;
    if (!wish.read_prefs && (op->row->flags & MOUV__OP_READ_PREFERENCE))
        wish.read_prefs = mouv__default_read_prefs(op->defaults, op->client->pool);
    return wish;
}

static mouv__step_t *step_for(const mouv__operation_t *op) {
    mouv__step_t *step = mouv__alloc(sizeof(*step));
    if (!step) return NULL;
    mouv__wish_t wish = mouv__operation_wish(op);
    step->write = wish.write;
    if (wish.read_prefs) step->read_prefs = mongoc_read_prefs_copy(wish.read_prefs);
    return step;
}

/* --- the pool -------------------------------------------------------------------------------- */

static void prepare_run(mouv__job_t *job) {
    mouv__step_t *step = (mouv__step_t *)job;
    step->ok = mouv__pool_prepare(step->pool, &step->error) &&
               mouv__carrier_open(step->carrier, step->pool, &step->error);
}

static void prepare_ended(mouv__step_t *step) {
    mouv_client_t *client = step->client;
    client->admission.pool_state = step->ok ? MOUV__POOL_READY : MOUV__POOL_NONE;
    mouv__admission_leave_lane(client, &client->admission.selector);
    if (step->ok) {
        mouv__admission_reselect(client); /* the picture may have come before the pool was ready */
        return;
    }
    mouv_error_t error = {0};
    bool no_server = step->refused == 0 && step->error.domain != MONGOC_ERROR_COMMAND;
    mouv__step_error(step, &error);
    if (no_server) error.code = MOUV_ESELECTION;
    mouv__admission_fail_waiting(client, &error);
}

static void fail_without_memory(mouv_client_t *client) {
    mouv_error_t error = {0};
    mouv_error_set(&error, MOUV_ENOMEM, "no memory to connect");
    mouv__admission_fail_waiting(client, &error);
}

void mouv__prepare_pool(mouv_client_t *client) {
    mouv__step_t *step = mouv__alloc(sizeof(*step));
    if (!step) {
        fail_without_memory(client);
        return;
    }
    client->admission.pool_state = MOUV__POOL_PREPARING;
    mouv__step_submit(client, step, &client->admission.selector, prepare_run, prepare_ended, NULL);
}

/* --- server selection ------------------------------------------------------------------------ */

static void seek_run(mouv__job_t *job) {
    mouv__step_t *step = (mouv__step_t *)job;
    step->ok = mouv__carrier_open(step->carrier, step->pool, &step->error) &&
               mouv__step_select_server(step);
}

/* Success shows in the picture, failure in each operation's own time: nothing to do but go on. */
static void seek_ended(mouv__step_t *step) {
    mouv__admission_leave_lane(step->client, &step->client->admission.selector);
}

void mouv__seek_server(mouv_client_t *client, const mouv__operation_t *op) {
    mouv__step_t *step = step_for(op);
    if (!step) return;
    mouv__step_submit(client, step, &client->admission.selector, seek_run, seek_ended, NULL);
}

/* --- connections ----------------------------------------------------------------------------- */

/* What the way alone takes, a ping tells, once: commands tell it, too, but those of a client may
 * all be slow ones. With mouv's own streams connecting has told. */
static bool measure(mouv__step_t *step) {
    if (__atomic_load_n(&step->pool->least_rtt_ns, __ATOMIC_RELAXED) > 0) return true;
    uint64_t began_ns = uv_hrtime();
    if (!mouv__step_ping(step)) return false;
    mouv__pool_note_rtt(step->pool, (int64_t)(uv_hrtime() - began_ns));
    return true;
}

static void connect_run(mouv__job_t *job) {
    mouv__step_t *step = (mouv__step_t *)job;
    step->ok = mouv__carrier_open(step->carrier, step->pool, &step->error) &&
               (step->server_id != 0 || mouv__step_select_server(step)) &&
               mouv__step_connect(step) && measure(step);
}

static bool any_connected(const mouv__admission_t *admission, uint32_t server_id) {
    uint64_t mask = server_id ? mouv__server_bit(server_id) : UINT64_MAX;
    for (uint32_t i = 0; i < admission->carrier_count; i++)
        if (admission->carriers[i]->connected & mask) return true;
    return false;
}

/* Fails those who wait for a connection to this server and have had too many failures. */
static void charge_ready(mouv__queue_t *ready, uint32_t server_id, bool lasting,
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
static void fail_selecting(mouv__queue_t *selecting, const mouv_error_t *error) {
    mouv__operation_t *next;
    for (mouv__operation_t *op = selecting->first; op; op = next) {
        next = op->next;
        if (!op->affinity && !op->server_id) mouv__operation_fail_waiting(op, error);
    }
}

/*
 * A connection could not be set up. Where others exist nobody is worse off. Else whoever waits for
 * this server has had one failure: a lasting one (wrong password) ends it, others the third time.
 * A failure makes libmongoc forget what kind of server it is, so most are back to SELECTING by now,
 * where the selection timeout bounds what is not lasting.
 */
static void charge_waiting(mouv_client_t *client, uint32_t server_id, const mouv_error_t *error) {
    mouv__admission_t *admission = &client->admission;
    if (any_connected(admission, server_id)) return;
    bool lasting = error->code != MOUV_ENETWORK && error->code != MOUV_ESELECTION;
    charge_ready(&admission->ready, server_id, lasting, error);
    if (lasting) fail_selecting(&admission->selecting, error);
}

typedef struct connect {
    mouv__step_t step; /* first */
    uint32_t asked_id; /* what the operations that wait have as their server id */
} connect_t;

static void connect_ended(mouv__step_t *step) {
    mouv_client_t *client = step->client;
    uint32_t asked_id = ((connect_t *)step)->asked_id;
    client->admission.connecting[asked_id % 64]--;
    if (step->ok) {
        step->carrier->connected |= mouv__server_bit(step->server_id);
        mouv__circuit_heard(client, step->server_id);
    }
    mouv__admission_leave(client, step->carrier);
    if (step->ok) return;
    mouv_error_t error = {0};
    mouv__step_error(step, &error);
    charge_waiting(client, asked_id, &error);
}

bool mouv__connect(mouv_client_t *client, mouv__carrier_t *carrier, uint32_t server_id,
                   const mouv__operation_t *op) {
    connect_t *connect = mouv__alloc(sizeof(*connect));
    if (!connect) {
        mouv__admission_leave(client, carrier);
        return any_connected(&client->admission, server_id);
    }
    mouv__wish_t wish = {0};
    if (op) wish = mouv__operation_wish(op);
    connect->asked_id = server_id;
    connect->step.carrier = carrier;
    connect->step.server_id = server_id;
    connect->step.write = wish.write;
    if (wish.read_prefs) connect->step.read_prefs = mongoc_read_prefs_copy(wish.read_prefs);
    client->admission.connecting[server_id % 64]++;
    mouv__step_submit(client, &connect->step, NULL, connect_run, connect_ended, NULL);
    return true;
}
