/*
 * Asking what became of a write.
 */
#include "mongo/probe.h"

#include <string.h>

#include "async/runtime.h"
#include "context/alloc.h"
#include "mongo/client.h"
#include "mongo/error.h"
#include "mongo/state.h"

/* Of a larger batch it is not known how far it got: the question would be as long as the answer. */
#define STATEMENTS_MAX 1000

struct mouv__probe {
    bson_t *command;     /**< the write's own, while the question stands in its place */
    mouv_error_t error;  /**< what is told if the server does not answer */
    int64_t deadline_ns; /**< the write's */
    int statements;
    bool counts; /**< how many statements were executed is how many documents were changed */
};

/* --- the question ---------------------------------------------------------------------------- */

static const struct {
    const char *command, *statements;
    bool counts;
} kinds[] = {{"insert", "documents", true},
             {"delete", "deletes", true},
             {"update", "updates", false},
             {"findAndModify", NULL, false}};

static int count_values(const bson_t *command, const char *array) {
    bson_iter_t field, value;
    int count = 0;
    if (!array) return 1;
    if (!bson_iter_init_find(&field, command, array) || !bson_iter_recurse(&field, &value))
        return 0;
    while (count <= STATEMENTS_MAX && bson_iter_next(&value)) count++;
    return count;
}

/* The collection, or NULL if the command is none that can be asked about. */
static const char *read_command(const bson_t *command, mouv__probe_t *probe) {
    bson_iter_t first;
    if (!bson_iter_init(&first, command) || !bson_iter_next(&first)) return NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(bson_iter_key(&first), kinds[i].command) != 0) continue;
        probe->counts = kinds[i].counts;
        probe->statements = count_values(command, kinds[i].statements);
        bool few = probe->statements >= 1 && probe->statements <= STATEMENTS_MAX;
        return few && BSON_ITER_HOLDS_UTF8(&first) ? bson_iter_utf8(&first, NULL) : NULL;
    }
    return NULL;
}

static bson_t *question(const char *collection, int statements) {
    bson_t *command = BCON_NEW("delete", BCON_UTF8(collection), "ordered", BCON_BOOL(false),
                               "writeConcern", "{", "w", BCON_INT32(1), "}");
    bson_t *nothing =
        BCON_NEW("q", "{", "_id", "{", "$in", "[", "]", "}", "}", "limit", BCON_INT32(1));
    bson_t deletes, ids;
    const char *key;
    char buffer[16];
    BSON_APPEND_ARRAY_BEGIN(command, "deletes", &deletes);
    for (int i = 0; i < statements; i++) {
        size_t length = bson_uint32_to_string((uint32_t)i, &key, buffer, sizeof(buffer));
        bson_append_document(&deletes, key, (int)length, nothing);
    }
    bson_append_array_end(command, &deletes);
    BSON_APPEND_ARRAY_BEGIN(command, "stmtIds", &ids);
    for (int i = 0; i < statements; i++) {
        size_t length = bson_uint32_to_string((uint32_t)i, &key, buffer, sizeof(buffer));
        bson_append_int32(&ids, key, (int)length, i);
    }
    bson_append_array_end(command, &ids);
    bson_destroy(nothing);
    return command;
}

/* --- whether to ask -------------------------------------------------------------------------- */

bool mouv__probe_is_possible(const mouv__operation_t *op) {
    return mouv__is_write(op) && op->attempt.txn_number > 0 &&
           !op->in_transaction && !op->probe && op->client->state == MOUV__CLIENT_OPEN;
}

/* Of maxTimeMS the server may say that it has passed when the write is stored already. */
static bool is_doubtful(const mouv__operation_t *op, const mouv_error_t *error) {
    if (error->code != MOUV_ETIMEDOUT && error->code != MOUV_ECANCELED &&
        error->code != MOUV_ENETWORK)
        return false;
    if (op->attempt.reply) return error->server_code == MOUV__CODE_MAX_TIME_EXPIRED;
    return op->stopped && op->maybe_stored &&
           !mouv__stopper_thinks_silent(&op->client->stopper, op);
}

bool mouv__probe_begin(mouv__operation_t *op, const mouv_error_t *error) {
    if (!mouv__probe_is_possible(op) || !is_doubtful(op, error)) return false;
    mouv__probe_t *probe = mouv__alloc(sizeof *probe);
    if (!probe) return false;
    const char *collection = read_command(op->command, probe);
    if (!collection) {
        mouv__free(probe);
        return false;
    }
    probe->error = *error;
    probe->deadline_ns = op->deadline_ns;
    probe->command = op->command;
    op->command = question(collection, probe->statements);
    op->probe = probe;
    op->maybe_stored = true; /* until there is an answer */
    op->user_max_time_ms = 0;
    op->deadline_ns = mouv__now_ns(op->client->runtime) + MOUV__PROBE_NS;
    if (op->own_limit) op->limit_ns = op->deadline_ns;
    return true;
}

/* --- the answer ------------------------------------------------------------------------------ */

static bool is_question(const mouv__probe_t *probe) {
    return probe->command != NULL;
}

static void restore_command(mouv__operation_t *op) {
    if (!is_question(op->probe)) return;
    bson_destroy(op->command);
    op->command = op->probe->command;
    op->probe->command = NULL;
}

static int count_executed(const bson_t *reply) {
    return count_values(reply, "retriedStmtIds");
}

/* The cause that a write names which was stopped half-way. */
static int stopped_code(const mouv__operation_t *op, const mouv_error_t *error) {
    if (error->code != MOUV_ENETWORK) return error->code;
    return op->expired ? MOUV_ETIMEDOUT : MOUV_ECANCELED;
}

static void tell_nothing_stored(mouv__operation_t *op, mouv_error_t *error) {
    mouv__probe_error(op, error);
    error->code = stopped_code(op, error);
    op->maybe_stored = false;
}

/* As if the server had been stopped there: the maker counts it, and nothing more is sent. */
static bson_t *tell_part(mouv__operation_t *op, int executed, mouv_error_t *error) {
    mouv__probe_error(op, error);
    error->cause = stopped_code(op, error);
    error->code = MOUV_ESERVER;
    op->maybe_stored = false;
    op->stopped = true;
    return BCON_NEW("ok", BCON_DOUBLE(1), "n", BCON_INT32(executed));
}

static mouv__probe_next_t question_back(mouv__operation_t *op, mouv_error_t *error,
                                        bson_t **reply) {
    const mouv__probe_t *probe = op->probe;
    int executed = op->attempt.ok ? count_executed(op->attempt.reply) : -1;
    if (executed == probe->statements) {
        restore_command(op);
        return MOUV__PROBE_AGAIN;
    }
    if (executed == 0)
        tell_nothing_stored(op, error);
    else if (executed > 0 && probe->counts)
        *reply = tell_part(op, executed, error);
    else
        mouv__probe_error(op, error);
    return MOUV__PROBE_ENDED;
}

mouv__probe_next_t mouv__probe_back(mouv__operation_t *op, mouv_error_t *error, bson_t **reply) {
    *reply = NULL;
    if (is_question(op->probe)) return question_back(op, error, reply);
    if (op->attempt.ok) return MOUV__PROBE_ANSWER;
    mouv__probe_error(op, error);
    return MOUV__PROBE_ENDED;
}

void mouv__probe_error(const mouv__operation_t *op, mouv_error_t *error) {
    *error = op->probe->error;
}

void mouv__probe_free(mouv__operation_t *op) {
    if (!op->probe) return;
    bson_destroy(op->probe->command); /* a worker may still read the question */
    mouv__free(op->probe);
    op->probe = NULL;
}

void mouv__probe_end(mouv__operation_t *op) {
    if (!op->probe) return;
    restore_command(op);
    op->deadline_ns = op->probe->deadline_ns;
    mouv__probe_free(op);
}
