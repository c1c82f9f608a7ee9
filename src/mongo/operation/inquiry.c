/*
 * Asking what became of a write.
 */
#include "mongo/operation/inquiry.h"

#include <string.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/error.h"
#include "mongo/operation/state.h"

/* A transaction cannot begin with the number of a retryable write; the second: before MongoDB 4.4.
 */
#define CODE_CONFLICTING_OPERATION 117
#define CODE_TRANSACTION_STATE 50911

/* Of a larger batch it is not known how far it got: the question would be as long as the answer. */
#define STATEMENTS_MAX 1000

/* What the attempt under way is. */
typedef enum stage { FENCE, QUESTION, RESEND } stage_t;

struct mouv__inquiry {
    bson_t *command;            /**< the write's own, while another stands in its place */
    mouv__sequence_t *sequence; /**< likewise; or NULL */
    mouv_error_t error;         /**< what is told if the server does not answer */
    int64_t deadline_ns;        /**< the write's */
    int statements;
    stage_t stage;
    bool counts;  /**< how many statements were executed is how many documents were changed */
    bool arrived; /**< the server is through with all that was sent of the write */
};

/* --- the question ---------------------------------------------------------------------------- */

static const struct {
    const char *command, *statements;
    bool counts;
} kinds[] = {{"insert", "documents", true},
             {"delete", "deletes", true},
             {"update", "updates", false},
             {"findAndModify", NULL, false}};

static int inquiry_count_values(const bson_t *command, const char *array) {
    bson_iter_t field, value;
    int count = 0;
    if (!array) return 1;
    if (!bson_iter_init_find(&field, command, array) || !bson_iter_recurse(&field, &value))
        return 0;
    while (count <= STATEMENTS_MAX && bson_iter_next(&value)) count++;
    return count;
}

/* Also those that a sequence has in place of the array. */
static int inquiry_count_statements(const bson_t *command, const mouv__sequence_t *sequence,
                                    const char *array) {
    if (!sequence) return inquiry_count_values(command, array);
    return sequence->count > STATEMENTS_MAX ? STATEMENTS_MAX + 1 : (int)sequence->count;
}

/* The collection, or NULL if the command is none that can be asked about. */
static const char *inquiry_read_command(const bson_t *command, const mouv__sequence_t *sequence,
                                        mouv__inquiry_t *inquiry) {
    bson_iter_t first;
    if (!bson_iter_init(&first, command) || !bson_iter_next(&first)) return NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(bson_iter_key(&first), kinds[i].command) != 0) continue;
        inquiry->counts = kinds[i].counts;
        inquiry->statements = inquiry_count_statements(command, sequence, kinds[i].statements);
        bool few = inquiry->statements >= 1 && inquiry->statements <= STATEMENTS_MAX;
        return few && BSON_ITER_HOLDS_UTF8(&first) ? bson_iter_utf8(&first, NULL) : NULL;
    }
    return NULL;
}

/* It fails, and with it the transaction that it begins. */
static bson_t *inquiry_fence(const char *collection) {
    return BCON_NEW("delete", BCON_UTF8(collection), "deletes", "[", "{", "q", "{", "$fence",
                    BCON_INT32(1), "}", "limit", BCON_INT32(1), "}", "]");
}

static bson_t *inquiry_question(const char *collection, int statements) {
    bson_t *command = BCON_NEW("delete", BCON_UTF8(collection), "ordered", BCON_BOOL(false),
                               "writeConcern", "{", "w", BCON_INT32(1), "}");
    bson_t *nothing =
        BCON_NEW("q", "{", "_id", "{", "$in", "[", "]", "}", "}", "limit", BCON_INT32(1));
    bson_t deletes, ids;
    const char *key;
    char buffer[16];
    mouv__append_array_begin(command, "deletes", &deletes);
    for (int i = 0; i < statements; i++) {
        size_t length = bson_uint32_to_string((uint32_t)i, &key, buffer, sizeof(buffer));
        bson_append_document(&deletes, key, (int)length, nothing);
    }
    bson_append_array_end(command, &deletes);
    mouv__append_array_begin(command, "stmtIds", &ids);
    for (int i = 0; i < statements; i++) {
        size_t length = bson_uint32_to_string((uint32_t)i, &key, buffer, sizeof(buffer));
        bson_append_int32(&ids, key, (int)length, i);
    }
    bson_append_array_end(command, &ids);
    bson_destroy(nothing);
    return command;
}

/* --- whether to ask -------------------------------------------------------------------------- */

bool mouv__inquiry_is_possible(const mouv__operation_t *op) {
    return mouv__is_write(op) && op->parts.txn_number > 0 && !op->parts.in_transaction &&
           !op->inquiry && mouv__client_is_open(op->client);
}

/* mongod looks at the clock, and for a kill, once more when the write is stored already. */
static bool inquiry_may_come_too_late(const mouv__operation_t *op, const mouv_error_t *error) {
    return error->server_code == MOUV__CODE_MAX_TIME_EXPIRED ||
           (op->stopped && error->server_code == MOUV__CODE_INTERRUPTED);
}

static bool inquiry_is_doubtful(const mouv__operation_t *op, const mouv_error_t *error) {
    if (error->code != MOUV_ETIMEDOUT && error->code != MOUV_ECANCELED &&
        error->code != MOUV_ENETWORK)
        return false;
    if (op->attempt.exchange.reply) return inquiry_may_come_too_late(op, error);
    return op->stopped && op->maybe_stored && !mouv__kill_thinks_silent(op);
}

/* A mongos would refuse the fence itself, and which shards the write went to is not known. */
static bool inquiry_can_fence(const mouv__operation_t *op) {
    const mouv__topology_t *topology = op->operations->pool->topology;
    const mouv__server_t *server = mouv__operation_server(op);
    return mouv__topology_is_replica_set(topology) ||
           (server && server->kind == MOUV__SERVER_PRIMARY);
}

static void inquiry_begin_fence(mouv__operation_t *op, const char *collection) {
    op->parts.command = inquiry_fence(collection);
    bson_destroy(op->parts.fields);
    op->parts.fields =
        BCON_NEW("startTransaction", BCON_BOOL(true), "autocommit", BCON_BOOL(false));
}

bool mouv__inquiry_begin(mouv__operation_t *op, const mouv_error_t *error) {
    if (!mouv__inquiry_is_possible(op) || !inquiry_is_doubtful(op, error)) return false;
    mouv__inquiry_t *inquiry = mouv__alloc(sizeof *inquiry);
    if (!inquiry) return false;
    const char *collection = inquiry_read_command(op->parts.command, op->parts.sequence, inquiry);
    if (!collection) {
        mouv__free(inquiry);
        return false;
    }
    inquiry->error = *error;
    inquiry->deadline_ns = op->deadline_ns;
    inquiry->command = op->parts.command;
    inquiry->sequence = op->parts.sequence;
    op->parts.sequence = NULL;
    inquiry->arrived = op->attempt.exchange.reply && op->retries == 0;
    inquiry->stage = op->attempt.exchange.reply || !inquiry_can_fence(op) ? QUESTION : FENCE;
    if (inquiry->stage == FENCE)
        inquiry_begin_fence(op, collection);
    else
        op->parts.command = inquiry_question(collection, inquiry->statements);
    op->inquiry = inquiry;
    op->maybe_stored = true; /* until there is an answer */
    op->user_max_time_ms = 0;
    op->deadline_ns = mouv__client_now_ns(op->client) + MOUV__INQUIRY_NS;
    if (op->own_limit) op->limit_ns = op->deadline_ns;
    return true;
}

/* --- the answer ------------------------------------------------------------------------------ */

static void inquiry_restore_command(mouv__operation_t *op) {
    bson_destroy(op->parts.command);
    op->parts.command = op->inquiry->command;
    op->parts.sequence = op->inquiry->sequence;
    op->inquiry->command = NULL;
    op->inquiry->sequence = NULL;
    op->inquiry->stage = RESEND;
}

static int inquiry_count_executed(const bson_t *reply) {
    return inquiry_count_values(reply, "retriedStmtIds");
}

/* The txnNumber is that of a retryable write which the server has begun, or has executed. */
static bool inquiry_has_begun(const mouv_error_t *error) {
    return error->server_code == CODE_CONFLICTING_OPERATION ||
           error->server_code == CODE_TRANSACTION_STATE;
}

/* The cause that a write names which was stopped half-way. */
static int inquiry_stopped_code(const mouv__operation_t *op, const mouv_error_t *error) {
    if (error->code != MOUV_ENETWORK) return error->code;
    return op->expired ? MOUV_ETIMEDOUT : MOUV_ECANCELED;
}

static void inquiry_tell_nothing_stored(mouv__operation_t *op, mouv_error_t *error) {
    mouv__inquiry_error(op, error);
    error->code = inquiry_stopped_code(op, error);
    op->maybe_stored = false;
}

/* As if the server had been stopped there: the maker counts it, and nothing more is sent. */
static bson_t *inquiry_tell_part(mouv__operation_t *op, int executed, mouv_error_t *error) {
    mouv__inquiry_error(op, error);
    error->cause = inquiry_stopped_code(op, error);
    error->code = MOUV_ESERVER;
    op->maybe_stored = false;
    op->stopped = true;
    return BCON_NEW("ok", BCON_DOUBLE(1), "n", BCON_INT32(executed));
}

/* Whatever was wrong with the delete, its transaction had begun, and has ended. */
static mouv__inquiry_next_t inquiry_fence_back(mouv__operation_t *op, mouv_error_t *error) {
    mouv__inquiry_t *inquiry = op->inquiry;
    bson_destroy(op->parts.fields);
    op->parts.fields = NULL;
    if (op->attempt.exchange.ok) {
        inquiry_tell_nothing_stored(op, error);
        return MOUV__INQUIRY_ENDED;
    }
    if (!op->attempt.exchange.reply) {
        mouv__inquiry_error(op, error);
        return MOUV__INQUIRY_ENDED;
    }
    inquiry->arrived = inquiry_has_begun(error) && op->retries == 0;
    inquiry->stage = QUESTION;
    bson_destroy(op->parts.command);
    op->parts.command = inquiry_question(
        inquiry_read_command(inquiry->command, inquiry->sequence, inquiry), inquiry->statements);
    return MOUV__INQUIRY_AGAIN;
}

static mouv__inquiry_next_t inquiry_question_back(mouv__operation_t *op, mouv_error_t *error,
                                                  bson_t **reply) {
    const mouv__inquiry_t *inquiry = op->inquiry;
    int executed =
        op->attempt.exchange.ok ? inquiry_count_executed(op->attempt.exchange.reply) : -1;
    if (executed == inquiry->statements) {
        inquiry_restore_command(op);
        return MOUV__INQUIRY_AGAIN;
    }
    if (executed == 0 && inquiry->arrived)
        inquiry_tell_nothing_stored(op, error);
    else if (executed > 0 && inquiry->arrived && inquiry->counts)
        *reply = inquiry_tell_part(op, executed, error);
    else
        mouv__inquiry_error(op, error);
    return MOUV__INQUIRY_ENDED;
}

mouv__inquiry_next_t mouv__inquiry_back(mouv__operation_t *op, mouv_error_t *error,
                                        bson_t **reply) {
    *reply = NULL;
    if (op->inquiry->stage == FENCE) return inquiry_fence_back(op, error);
    if (op->inquiry->stage == QUESTION) return inquiry_question_back(op, error, reply);
    if (op->attempt.exchange.ok) return MOUV__INQUIRY_ANSWER;
    mouv__inquiry_error(op, error);
    return MOUV__INQUIRY_ENDED;
}

void mouv__inquiry_error(const mouv__operation_t *op, mouv_error_t *error) {
    *error = op->inquiry->error;
}

void mouv__inquiry_free(mouv__operation_t *op) {
    if (!op->inquiry) return;
    bson_destroy(op->inquiry->command); /* the question may be out still */
    mouv__sequence_free(op->inquiry->sequence);
    mouv__free(op->inquiry);
    op->inquiry = NULL;
}

void mouv__inquiry_end(mouv__operation_t *op) {
    if (!op->inquiry) return;
    op->deadline_ns = op->inquiry->deadline_ns;
    mouv__inquiry_free(op);
}
