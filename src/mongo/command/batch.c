/*
 * Batches of statements: how they are made within the server's limits, sent one after the other and
 * added up.
 */
#include "mongo/command/batch.h"

#include <limits.h>
#include <string.h>

#include "context/alloc.h"
#include "mongo/base/answers.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/check.h"
#include "mongo/base/client_ref.h"
#include "mongo/command/reply.h"

/** What differs between the three commands. */
static const struct {
    const char *command;
    const char *statements; /**< what they stand in */
    const char *unwanted;   /**< an option that the others have and this one refuses */
} kinds[MOUV__WRITE_KINDS] = {
    [MOUV__WRITE_INSERT] = {"insert", "documents", "let"},
    [MOUV__WRITE_UPDATE] = {"update", "updates", ""},
    [MOUV__WRITE_DELETE] = {"delete", "deletes", "bypassDocumentValidation"},
};

/* What a message may have besides command and statements: lsid, $clusterTime, concerns, ... */
#define BESIDE_BYTES (16 * 1024)

/* --- Making batches ------------------------------------------------------------------------- */

static bool batch_goes_in_sequences(const mouv__command_t *command) {
    const mouv_client_t *client = command->database ? command->database->client : NULL;
    return client && !mouv__client_is_elsewhere(client) && mouv__client_is_open(client) &&
           mouv__client_ref_of(client)->operations->pool->transport->takes_sequences;
}

void mouv__batch_builder_begin(mouv__batch_builder_t *builder, const mouv__write_row_t *row,
                               const mouv_collection_t *collection, const bson_t *opts,
                               size_t size_hint) {
    builder->batches = NULL;
    builder->batch_count = builder->statement_count = 0;
    builder->multi = false;
    builder->size_hint = size_hint;
    for (int kind = 0; kind < MOUV__WRITE_KINDS; kind++) builder->open[kind].open = false;
    mouv__command_begin(&builder->command, &row->row, collection, opts);
    builder->ordered = builder->command.opts.ordered;
    mouv__command_bool(&builder->command, "ordered", builder->ordered);
    mouv__command_end(&builder->command);
    builder->sequences = batch_goes_in_sequences(&builder->command);
}

/** What the server takes as one document. */
static bool batch_check_size(mouv__batch_builder_t *builder, uint32_t size) {
    if (size <= MOUV__COMMAND_SIZE_BYTES) return true;
    mouv__command_fail(&builder->command, MOUV_EINVAL,
                       "the command has %u bytes, more than the limit of %u", size,
                       (unsigned)MOUV__COMMAND_SIZE_BYTES);
    return false;
}

static void batch_close_batch(mouv__batch_builder_t *builder, mouv__open_batch_t *open) {
    if (!open->open) return;
    open->open = false;
    if (builder->sequences) return;
    bson_t *command = builder->batches[open->batch].command;
    bson_append_array_end(command, &open->statements);
    batch_check_size(builder, command->len);
}

static void batch_close_all(mouv__batch_builder_t *builder) {
    for (int kind = 0; kind < MOUV__WRITE_KINDS; kind++)
        batch_close_batch(builder, &builder->open[kind]);
}

/** {<command>: <collection>, <what is the same in each>} */
static bson_t *batch_new_command(const mouv__batch_builder_t *builder, mouv__write_kind_t kind) {
    const bson_t *prefix = builder->command.bson;
    bson_iter_t iter;
    size_t size = prefix->len + 64 + (builder->sequences ? 0 : builder->size_hint);
    if (size > MOUV__COMMAND_SIZE_BYTES) size = MOUV__COMMAND_SIZE_BYTES;
    bson_t *command = bson_sized_new(size);
    bson_iter_init(&iter, prefix);
    if (bson_iter_next(&iter)) bson_append_iter(command, kinds[kind].command, -1, &iter);
    while (bson_iter_next(&iter)) {
        if (strcmp(bson_iter_key(&iter), kinds[kind].unwanted) == 0) continue;
        bson_append_iter(command, NULL, -1, &iter);
    }
    return command;
}

static bool batch_fail_for_memory(mouv__batch_builder_t *builder) {
    mouv__command_fail(&builder->command, MOUV_ENOMEM, "out of memory");
    return false;
}

/** Memory for one more, which is all zeros. NULL: it has failed. */
static mouv__batch_t *batch_add_batch(mouv__batch_builder_t *builder) {
    uint32_t count = builder->batch_count;
    mouv__batch_t *batches = mouv__realloc(builder->batches, (count + 1) * sizeof *batches);
    if (!batches) {
        batch_fail_for_memory(builder);
        return NULL;
    }
    batches[count] = (mouv__batch_t){0};
    builder->batches = batches;
    builder->batch_count++;
    return &batches[count];
}

static mouv__sequence_t *batch_new_sequence(const mouv__batch_builder_t *builder,
                                            mouv__write_kind_t kind) {
    size_t size = builder->size_hint;
    if (size > MOUV__MESSAGE_SIZE_BYTES) size = MOUV__MESSAGE_SIZE_BYTES;
    return mouv__sequence_new(kinds[kind].statements, size);
}

static bool batch_open_batch(mouv__batch_builder_t *builder, mouv__write_kind_t kind) {
    mouv__open_batch_t *open = &builder->open[kind];
    mouv__batch_t *batch = batch_add_batch(builder);
    if (!batch) return false;
    batch->kind = kind;
    batch->span.first = builder->statement_count;
    batch->command = batch_new_command(builder, kind);
    if (!builder->sequences) {
        mouv__append_array_begin(batch->command, kinds[kind].statements, &open->statements);
    } else if (!(batch->sequence = batch_new_sequence(builder, kind))) {
        return batch_fail_for_memory(builder);
    }
    open->batch = builder->batch_count - 1;
    open->open = true;
    return true;
}

/** Remembers which statement of all the batch's next one is, where that is not a matter of course.
 */
static bool batch_note_index(mouv__batch_builder_t *builder, mouv__batch_t *batch) {
    uint32_t count = batch->span.count;
    if (builder->ordered) return true;
    if ((count & (count - 1)) == 0) { /* a power of two: full */
        size_t room = count ? 2 * (size_t)count : 1;
        uint32_t *indexes = mouv__realloc(batch->indexes, room * sizeof *indexes);
        if (!indexes) return batch_fail_for_memory(builder);
        batch->span.indexes = batch->indexes = indexes;
    }
    batch->indexes[count] = builder->statement_count;
    return true;
}

static bool batch_is_full(const mouv__batch_builder_t *builder, const mouv__open_batch_t *open,
                          size_t size) {
    const mouv__batch_t *batch = &builder->batches[open->batch];
    size_t most =
        builder->sequences ? MOUV__MESSAGE_SIZE_BYTES - BESIDE_BYTES : MOUV__BATCH_SIZE_BYTES - 64;
    size_t statements = builder->sequences ? batch->sequence->size : open->statements.len;
    return batch->span.count == MOUV__BATCH_COUNT ||
           statements + builder->command.bson->len + size > most;
}

/** A place for one statement. */
typedef struct slot {
    bson_t *statements; /**< the array to append it to, where its batch has no sequence */
    const char *key;    /**< under which name */
    mouv__batch_t *batch;
    char text[16];
} slot_t;

/** Finds room for a statement of about `size` bytes; false: it has failed. */
static bool batch_take_slot(mouv__batch_builder_t *builder, mouv__write_kind_t kind, size_t size,
                            slot_t *slot) {
    mouv__open_batch_t *open = &builder->open[kind];
    if (mouv__batch_builder_failed(builder)) return false;
    if (open->open && batch_is_full(builder, open, size)) batch_close_batch(builder, open);
    if (!open->open) {
        if (builder->ordered) batch_close_all(builder);
        if (!batch_open_batch(builder, kind)) return false;
    }
    slot->statements = &open->statements;
    slot->batch = &builder->batches[open->batch];
    if (!batch_note_index(builder, slot->batch)) return false;
    uint32_t index = slot->batch->span.count++;
    if (!builder->sequences)
        bson_uint32_to_string(index, &slot->key, slot->text, sizeof slot->text);
    builder->statement_count++;
    builder->size_hint -= size < builder->size_hint ? size : builder->size_hint;
    return true;
}

/* --- Statements ----------------------------------------------------------------------------- */

/** Adds {<head>, <tail>} to the batch's sequence. */
static void batch_add_to_sequence(mouv__batch_builder_t *builder, const mouv__batch_t *batch,
                                  const bson_t *head, const bson_t *tail) {
    if (batch_check_size(builder, tail->len) && !mouv__sequence_add(batch->sequence, head, tail))
        batch_fail_for_memory(builder);
}

static void batch_begin_statement(const slot_t *slot, bson_t *statement) {
    if (slot->batch->sequence)
        bson_init(statement);
    else
        bson_append_document_begin(slot->statements, slot->key, -1, statement);
}

static void batch_end_statement(mouv__batch_builder_t *builder, const slot_t *slot,
                                bson_t *statement) {
    if (!slot->batch->sequence) {
        bson_append_document_end(slot->statements, statement);
        return;
    }
    batch_add_to_sequence(builder, slot->batch, NULL, statement);
    bson_destroy(statement);
}

static void batch_add_document(mouv__batch_builder_t *builder, const slot_t *slot,
                               const bson_t *document) {
    if (slot->batch->sequence)
        batch_add_to_sequence(builder, slot->batch, NULL, document);
    else
        bson_append_document(slot->statements, slot->key, -1, document);
}

static void batch_add_document_with_id(mouv__batch_builder_t *builder, const slot_t *slot,
                                       const bson_oid_t *oid, const bson_t *document) {
    bson_t child;
    batch_begin_statement(slot, &child);
    bson_append_oid(&child, "_id", 3, oid);
    if (slot->batch->sequence) {
        batch_add_to_sequence(builder, slot->batch, &child, document);
        bson_destroy(&child);
    } else {
        bson_concat(&child, document);
        bson_append_document_end(slot->statements, &child);
    }
}

/** Keeps the _id of the statement that was added last: what `id` is at or, NULL, `oid`. */
static void batch_note_id(const mouv__batch_builder_t *builder, bson_t *ids, const bson_iter_t *id,
                          const bson_oid_t *oid) {
    char text[16];
    const char *key;
    if (!ids) return;
    size_t length = bson_uint32_to_string(builder->statement_count - 1, &key, text, sizeof text);
    if (id)
        bson_append_iter(ids, key, (int)length, id);
    else
        bson_append_oid(ids, key, (int)length, oid);
}

void mouv__batch_builder_add_insert(mouv__batch_builder_t *builder, const bson_t *document,
                                    bson_t *ids) {
    slot_t slot;
    bson_oid_t oid;
    bson_iter_t id;
    if (!batch_take_slot(builder, MOUV__WRITE_INSERT, document->len + 24, &slot)) return;
    if (bson_iter_init_find(&id, document, "_id")) {
        batch_add_document(builder, &slot, document);
        batch_note_id(builder, ids, &id, NULL);
        return;
    }
    bson_oid_init(&oid, NULL);
    batch_add_document_with_id(builder, &slot, &oid, document);
    batch_note_id(builder, ids, NULL, &oid);
}

static size_t batch_weight(const mouv__opts_t *opts) {
    return opts->given ? opts->given->len + 64 : 64;
}

static void batch_note_multi(mouv__batch_builder_t *builder, mouv__batch_t *batch, bool multi) {
    if (multi) builder->multi = batch->multi = true;
}

void mouv__batch_builder_add_update(mouv__batch_builder_t *builder, const bson_t *filter,
                                    const bson_t *update, bool multi, const mouv__opts_t *opts) {
    slot_t slot;
    bson_t statement;
    size_t size = filter->len + update->len + batch_weight(opts);
    if (!batch_take_slot(builder, MOUV__WRITE_UPDATE, size, &slot)) return;
    batch_begin_statement(&slot, &statement);
    bson_append_document(&statement, "q", -1, filter);
    if (mouv__check_is_pipeline(update)) {
        bson_append_array(&statement, "u", -1, update);
    } else {
        bson_append_document(&statement, "u", -1, update);
    }
    if (multi) bson_append_bool(&statement, "multi", -1, true);
    mouv__opts_append(opts, MOUV__PLACE_STATEMENT, &statement);
    batch_end_statement(builder, &slot, &statement);
    batch_note_multi(builder, slot.batch, multi);
}

void mouv__batch_builder_add_delete(mouv__batch_builder_t *builder, const bson_t *filter,
                                    bool multi, const mouv__opts_t *opts) {
    slot_t slot;
    bson_t statement;
    if (!batch_take_slot(builder, MOUV__WRITE_DELETE, filter->len + batch_weight(opts), &slot))
        return;
    batch_begin_statement(&slot, &statement);
    bson_append_document(&statement, "q", -1, filter);
    bson_append_int32(&statement, "limit", -1, multi ? 0 : 1);
    mouv__opts_append(opts, MOUV__PLACE_STATEMENT, &statement);
    batch_end_statement(builder, &slot, &statement);
    batch_note_multi(builder, slot.batch, multi);
}

/* --- Sending -------------------------------------------------------------------------------- */

static void batch_free_batches(mouv__batch_t *batches, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        bson_destroy(batches[i].command);
        mouv__sequence_free(batches[i].sequence);
        mouv__free(batches[i].indexes);
    }
    mouv__free(batches);
}

static void batch_release(mouv__operation_t *operation) {
    mouv__write_t *write = (mouv__write_t *)operation;
    batch_free_batches(write->batches, write->batch_count);
    mouv__free(write->first_error);
    bson_destroy(write->ids);
    mouv__write_result_clear(&write->write_result);
    mouv__reply_release(operation);
}

/** `answer`: why the server refused the last command as a whole, if it did; or NULL. */
static bson_t *batch_make_reply(const mouv__write_t *write, const bson_t *answer) {
    static const char *const fields[] = {"errmsg", "code", "codeName"};
    bson_t *reply = bson_new();
    bson_iter_t field;
    ((const mouv__write_row_t *)write->request.operation.parts.row)->begin_reply(write, reply);
    mouv__write_result_append_errors(&write->write_result, reply);
    for (size_t i = 0; answer && i < sizeof fields / sizeof *fields; i++)
        if (bson_iter_init_find(&field, answer, fields[i]))
            bson_append_iter(reply, NULL, -1, &field);
    return reply;
}

/** What is told when it ends with an error: the first one, and what had been stored by then. */
static int batch_end_failed(mouv__write_t *write, mouv_error_t *error) {
    if (write->first_error) *error = *write->first_error;
    bool nothing = error->code == MOUV_ETIMEDOUT || error->code == MOUV_ECANCELED ||
                   error->code == MOUV_EQUEUE || error->code == MOUV_ESELECTION;
    if (nothing && mouv__write_result_changed(&write->write_result)) {
        error->cause = error->code;
        error->code = MOUV_ESERVER; /* that code would promise that nothing is stored */
    }
    return error->code;
}

static void batch_keep_first_error(mouv__write_t *write, const mouv_error_t *error) {
    if (write->first_error) return;
    write->first_error = mouv__alloc(sizeof *error);
    if (write->first_error) *write->first_error = *error;
}

static int64_t batch_total(const mouv__write_t *write) {
    const mouv__write_result_t *write_result = &write->write_result;
    return write_result->inserted + write_result->matched + write_result->deleted;
}

static void batch_hand_over(mouv__operation_t *operation, mouv__batch_t *batch) {
    mouv__operation_set_command(operation, batch->command, batch->sequence);
    operation->parts.retryable = !batch->multi;
    batch->command = NULL;
    batch->sequence = NULL;
}

static int batch_finish(mouv__operation_t *operation, bson_t *reply, mouv_error_t *error) {
    mouv__write_t *write = (mouv__write_t *)operation;
    const mouv__batch_t *batch = &write->batches[write->sent];
    uint32_t errors = write->write_result.error_count;
    bool taken = reply && mouv__bson_view_number(reply, "ok") == 1;
    if (reply) {
        mouv__write_result_add(&write->write_result, batch->kind, reply, &batch->span,
                               write->ordered);
    }
    if (error->code < 0) batch_keep_first_error(write, error);
    bool stop = write->ordered && write->write_result.error_count > errors;
    if (taken && !stop && write->sent + 1 < write->batch_count) {
        batch_hand_over(operation, &write->batches[++write->sent]);
        return MOUV__AGAIN;
    }
    bool failed = write->first_error || error->code < 0;
    bool answered = reply || write->sent > 0;
    if (write->request.output.to || (failed && answered))
        write->request.document = batch_make_reply(write, reply);
    if (failed) {
        int code = batch_end_failed(write, error);
        if (answered) mouv__answers_keep(error, write->request.document);
        return code;
    }
    return batch_total(write) > INT_MAX - 1 ? INT_MAX - 1 : (int)batch_total(write);
}

/* --- The builder's end ---------------------------------------------------------------------- */

void mouv__batch_builder_clear(mouv__batch_builder_t *builder) {
    batch_free_batches(builder->batches, builder->batch_count);
    mouv__command_clear(&builder->command);
}

/** Without an order: all of a kind together, inserts first (mouv__write_result_append_done()). */
static void batch_sort_batches(mouv__batch_builder_t *builder) {
    for (uint32_t i = 1; i < builder->batch_count; i++) {
        mouv__batch_t batch = builder->batches[i];
        uint32_t at = i;
        for (; at > 0 && builder->batches[at - 1].kind > batch.kind; at--) {
            builder->batches[at] = builder->batches[at - 1];
        }
        builder->batches[at] = batch;
    }
}

mouv_future_t mouv__batch_builder_send(mouv__batch_builder_t *builder, mouv__output_t reply,
                                       bson_t *ids) {
    mouv_future_t future;
    batch_close_all(builder);
    if (!builder->ordered) batch_sort_batches(builder);
    mouv__request_t *request =
        mouv__command_request(&builder->command, reply, sizeof(mouv__write_t), &future);
    if (!request) {
        batch_free_batches(builder->batches, builder->batch_count);
        bson_destroy(ids);
        return future;
    }
    mouv__write_t *write = (mouv__write_t *)request;
    batch_hand_over(&request->operation, &builder->batches[0]);
    request->operation.finish = batch_finish;
    request->operation.release = batch_release;
    request->operation.parts.multi = builder->multi || builder->batch_count > 1;
    write->batches = builder->batches;
    write->batch_count = builder->batch_count;
    write->ordered = builder->ordered;
    write->ids = ids;
    if (builder->command.row->operation.flags & MOUV__OP_CLEANUP)
        mouv__future_count(&request->operation.future); /* unlike killCursors it holds the loop */
    return mouv__operation_start(&request->operation);
}
