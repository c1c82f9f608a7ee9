/*
 * insert, update, replace, delete: statements gathered into batches, each of which is one command,
 * and a tally of what the server answers to them.
 */
#include <mouv/collection.h>

#include <limits.h>
#include <string.h>

#include "context/alloc.h"
#include "mongo/check.h"
#include "mongo/client.h"
#include "mongo/command.h"
#include "mongo/reply.h"
#include "mongo/tally.h"

typedef struct mouv__write mouv__write_t;

/** One command: the statements [first, first + count). */
typedef struct batch {
    bson_t *command; /**< owned until it is sent */
    uint32_t first, count;
} batch_t;

/** A kind of write: its row, what its statements stand in, how its reply begins. */
typedef struct kind {
    mouv__row_t row;
    mouv__write_kind_t counts;
    const char *statements; /**< "documents" */
    void (*begin_reply)(const mouv__write_t *write, bson_t *reply);
} kind_t;

struct mouv__write {
    mouv__request_t request; /**< first */
    const kind_t *kind;
    batch_t *batches; /**< owned */
    uint32_t batch_count, sent;
    bool ordered;
    bool single; /**< insert_one: insertedId instead of insertedIds */
    bson_t *ids; /**< of an insert whose reply is wanted: {"<index>": _id}; owned */
    mouv__tally_t tally;
    mouv_error_t *first_error; /**< owned */
};

/** Batches in the making: `command` is what stands before the statements of each. */
typedef struct maker {
    mouv__command_t command;
    const kind_t *kind;
    batch_t *batches;
    uint32_t batch_count, statement_count;
    bool open; /**< `statements` is open in the last batch */
    bson_t statements;
    size_t size_hint; /**< bytes of the statements to come */
} maker_t;

/* --- Making batches ------------------------------------------------------------------------- */

static void make(maker_t *maker, const kind_t *kind, const mouv_collection_t *collection,
                 const bson_t *opts, size_t size_hint) {
    maker->kind = kind;
    maker->batches = NULL;
    maker->batch_count = maker->statement_count = 0;
    maker->open = false;
    maker->size_hint = size_hint;
    mouv__command_begin(&maker->command, &kind->row, collection, opts);
    mouv__command_bool(&maker->command, "ordered", maker->command.opts.ordered);
    mouv__command_end(&maker->command);
}

static bool failed(const maker_t *maker) {
    return mouv__command_failed(&maker->command);
}

static void close_batch(maker_t *maker) {
    if (!maker->open) return;
    bson_t *command = maker->batches[maker->batch_count - 1].command;
    bson_append_array_end(command, &maker->statements);
    maker->open = false;
    if (command->len > MOUV__COMMAND_SIZE_BYTES) {
        mouv__command_fail(&maker->command, MOUV_EINVAL,
                           "the command has %u bytes, more than the limit of %u", command->len,
                           (unsigned)MOUV__COMMAND_SIZE_BYTES);
    }
}

static bool open_batch(maker_t *maker) {
    const bson_t *prefix = maker->command.bson;
    uint32_t count = maker->batch_count;
    batch_t *batches = mouv__realloc(maker->batches, (count + 1) * sizeof *batches);
    if (!batches) {
        mouv__command_fail(&maker->command, MOUV_ENOMEM, "out of memory");
        return false;
    }
    size_t size = prefix->len + 64 + maker->size_hint;
    if (size > MOUV__COMMAND_SIZE_BYTES) size = MOUV__COMMAND_SIZE_BYTES;
    bson_t *command = bson_sized_new(size);
    bson_concat(command, prefix);
    bson_append_array_begin(command, maker->kind->statements, -1, &maker->statements);
    batches[count] = (batch_t){command, maker->statement_count, 0};
    maker->batches = batches;
    maker->batch_count++;
    maker->open = true;
    return true;
}

/** Makes room for a statement of about `size` bytes and gives its key; NULL: it has failed. */
static const char *next_key(maker_t *maker, size_t size, char *text, size_t text_size) {
    const char *key = NULL;
    if (failed(maker)) return NULL;
    if (maker->open) {
        const batch_t *batch = &maker->batches[maker->batch_count - 1];
        size_t full = (size_t)maker->statements.len + maker->command.bson->len + size + 64;
        if (batch->count == MOUV__BATCH_COUNT || full > MOUV__BATCH_SIZE_BYTES) close_batch(maker);
    }
    if (!maker->open && !open_batch(maker)) return NULL;
    batch_t *batch = &maker->batches[maker->batch_count - 1];
    bson_uint32_to_string(batch->count++, &key, text, text_size);
    maker->statement_count++;
    maker->size_hint -= size < maker->size_hint ? size : maker->size_hint;
    return key;
}

/* --- Sending -------------------------------------------------------------------------------- */

static void release(mouv__operation_t *operation) {
    mouv__write_t *write = (mouv__write_t *)operation;
    for (uint32_t i = 0; i < write->batch_count; i++) bson_destroy(write->batches[i].command);
    mouv__free(write->batches);
    mouv__free(write->first_error);
    bson_destroy(write->ids);
    mouv__tally_clear(&write->tally);
    mouv__request_release(operation);
}

/** Why the server refused the command as a whole. */
static void append_failure(bson_t *reply, const bson_t *answer) {
    static const char *const fields[] = {"errmsg", "code", "codeName"};
    bson_iter_t field;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (bson_iter_init_find(&field, answer, fields[i]))
            bson_append_iter(reply, NULL, -1, &field);
    }
}

static bson_t *make_reply(const mouv__write_t *write, const bson_t *answer) {
    bson_t *reply = bson_new();
    write->kind->begin_reply(write, reply);
    mouv__tally_append_errors(&write->tally, reply);
    if (answer) append_failure(reply, answer);
    return reply;
}

/** What is told when it ends with an error: the first one, and what had been stored by then. */
static int end_failed(mouv__write_t *write, mouv_error_t *error) {
    if (write->first_error) *error = *write->first_error;
    bool nothing = error->code == MOUV_ETIMEDOUT || error->code == MOUV_ECANCELED ||
                   error->code == MOUV_EQUEUE || error->code == MOUV_ESELECTION;
    if (nothing && mouv__tally_changed(&write->tally)) {
        error->cause = error->code;
        error->code = MOUV_ESERVER; /* that code would promise that nothing is stored */
    }
    return error->code;
}

static void keep_first_error(mouv__write_t *write, const mouv_error_t *error) {
    if (write->first_error) return;
    write->first_error = mouv__alloc(sizeof *error);
    if (write->first_error) *write->first_error = *error;
}

static int64_t total(const mouv__write_t *write) {
    const mouv__tally_t *tally = &write->tally;
    return tally->inserted + tally->matched + tally->deleted;
}

static int finish(mouv__operation_t *operation, bson_t *reply, mouv_error_t *error) {
    mouv__write_t *write = (mouv__write_t *)operation;
    const batch_t *batch = &write->batches[write->sent];
    uint32_t errors = write->tally.error_count;
    bool taken = reply && mouv__reply_number(reply, "ok") == 1;
    if (reply) {
        mouv__tally_add(&write->tally, write->kind->counts, reply, batch->first, batch->count,
                        write->ordered);
    }
    if (error->code < 0) keep_first_error(write, error);
    bool stop = write->ordered && write->tally.error_count > errors;
    if (taken && !stop && write->sent + 1 < write->batch_count) {
        batch_t *next = &write->batches[++write->sent];
        mouv__operation_set_command(operation, next->command);
        next->command = NULL;
        return MOUV__AGAIN;
    }
    if ((reply || write->sent > 0) && write->request.output.to) {
        write->request.document = make_reply(write, reply);
    }
    if (write->first_error || error->code < 0) return end_failed(write, error);
    return total(write) > INT_MAX - 1 ? INT_MAX - 1 : (int)total(write);
}

static void clear(maker_t *maker, bson_t *ids) {
    for (uint32_t i = 0; i < maker->batch_count; i++) bson_destroy(maker->batches[i].command);
    mouv__free(maker->batches);
    bson_destroy(ids);
}

/** Sends what has been made. `ids` becomes the write's. */
static mouv_future_t send_batches(maker_t *maker, mouv__output_t reply, bson_t *ids, bool single,
                                  bool multi) {
    mouv_future_t future;
    close_batch(maker);
    mouv__request_t *request =
        mouv__command_request(&maker->command, reply, sizeof(mouv__write_t), &future);
    if (!request) {
        clear(maker, ids);
        return future;
    }
    mouv__write_t *write = (mouv__write_t *)request;
    mouv__operation_set_command(&request->operation, maker->batches[0].command);
    maker->batches[0].command = NULL;
    request->operation.finish = finish;
    request->operation.release = release;
    request->operation.multi = multi || maker->batch_count > 1;
    if (multi) request->operation.retryable = false;
    write->kind = maker->kind;
    write->batches = maker->batches;
    write->batch_count = maker->batch_count;
    write->ordered = maker->command.opts.ordered;
    write->single = single;
    write->ids = ids;
    return mouv__operation_start(&request->operation);
}

/* --- insert --------------------------------------------------------------------------------- */

static void begin_insert_reply(const mouv__write_t *write, bson_t *reply) {
    bson_t ids;
    bson_append_int32(reply, "insertedCount", -1, (int32_t)write->tally.inserted);
    if (!write->single) {
        bson_append_document_begin(reply, "insertedIds", -1, &ids);
        mouv__tally_append_done(&write->tally, write->ids, &ids);
        bson_append_document_end(reply, &ids);
    } else if (write->tally.inserted > 0) {
        bson_iter_t id;
        if (bson_iter_init(&id, write->ids) && bson_iter_next(&id)) {
            bson_append_iter(reply, "insertedId", -1, &id);
        }
    }
}

static const kind_t insert_kind = {{{"insert", MOUV__CHANGE}, MOUV__FAMILY_PLAIN, NULL},
                                   MOUV__WRITE_INSERT,
                                   "documents",
                                   begin_insert_reply};

/** Appends the document, with an _id in front if it has none; keeps that if `ids` is wanted. */
static void add_document(maker_t *maker, const bson_t *document, bson_t *ids) {
    char text[16], id_text[16];
    const char *id_key;
    bson_oid_t oid;
    bson_iter_t id;
    bson_uint32_to_string(maker->statement_count, &id_key, id_text, sizeof id_text);
    const char *key = next_key(maker, document->len + 24, text, sizeof text);
    if (!key) return;
    if (bson_iter_init_find(&id, document, "_id")) {
        bson_append_document(&maker->statements, key, -1, document);
        if (ids) bson_append_iter(ids, id_key, -1, &id);
        return;
    }
    bson_t child;
    bson_oid_init(&oid, NULL);
    bson_append_document_begin(&maker->statements, key, -1, &child);
    bson_append_oid(&child, "_id", -1, &oid);
    bson_concat(&child, document);
    bson_append_document_end(&maker->statements, &child);
    if (ids) bson_append_oid(ids, id_key, -1, &oid);
}

static mouv_future_t insert(mouv_collection_t *collection, const bson_t *const *documents,
                            size_t count, bool single, const bson_t *opts, bson_t **reply) {
    maker_t maker;
    mouv__output_t output = mouv__to_reply(reply);
    bson_t *ids = reply ? bson_new() : NULL;
    size_t size_hint = 0;
    for (size_t i = 0; documents && i < count; i++) {
        if (documents[i]) size_hint += documents[i]->len + 24;
    }
    make(&maker, &insert_kind, collection, opts, size_hint);
    if (!documents || count == 0) {
        mouv__command_fail(&maker.command, MOUV_EINVAL, "'documents' is empty");
    }
    for (size_t i = 0; i < count && !failed(&maker); i++) {
        char argument[32] = "document";
        if (!single) bson_snprintf(argument, sizeof argument, "documents[%zu]", i);
        unsigned flags = mouv__command_validation(&maker.command);
        if (mouv__check_document(documents[i], argument, flags, &maker.command.error) == 0) {
            add_document(&maker, documents[i], ids);
        }
    }
    return send_batches(&maker, output, ids, single, false);
}

mouv_future_t mouv_collection_insert_one(mouv_collection_t *collection, const bson_t *document,
                                         const bson_t *opts, bson_t **reply) {
    return insert(collection, &document, 1, true, opts, reply);
}

mouv_future_t mouv_collection_insert_many(mouv_collection_t *collection,
                                          const bson_t *const *documents, size_t count,
                                          const bson_t *opts, bson_t **reply) {
    return insert(collection, documents, count, false, opts, reply);
}

/* --- update, replace ------------------------------------------------------------------------ */

static void begin_update_reply(const mouv__write_t *write, bson_t *reply) {
    const mouv__tally_t *tally = &write->tally;
    bson_iter_t id;
    bson_append_int32(reply, "matchedCount", -1, (int32_t)tally->matched);
    bson_append_int32(reply, "modifiedCount", -1, (int32_t)tally->modified);
    bson_append_int32(reply, "upsertedCount", -1, (int32_t)tally->upserted);
    if (tally->upserted_ids && bson_iter_init(&id, tally->upserted_ids) && bson_iter_next(&id)) {
        bson_append_iter(reply, "upsertedId", -1, &id);
    }
}

static const kind_t update_kind = {{{"update", MOUV__CHANGE}, MOUV__FAMILY_STATEMENTS, NULL},
                                   MOUV__WRITE_UPDATE,
                                   "updates",
                                   begin_update_reply};

/** {q, u, multi, <options>} */
static void add_update(maker_t *maker, const bson_t *filter, const bson_t *update, bool multi) {
    char text[16];
    bson_t statement;
    const char *key = next_key(maker, filter->len + update->len, text, sizeof text);
    if (!key) return;
    bson_append_document_begin(&maker->statements, key, -1, &statement);
    bson_append_document(&statement, "q", -1, filter);
    if (mouv__is_pipeline(update)) {
        bson_append_array(&statement, "u", -1, update);
    } else {
        bson_append_document(&statement, "u", -1, update);
    }
    if (multi) bson_append_bool(&statement, "multi", -1, true);
    mouv__opts_append(&maker->command.opts, MOUV__PLACE_STATEMENT, &statement);
    bson_append_document_end(&maker->statements, &statement);
}

typedef int (*check_t)(const bson_t *document, unsigned flags, mouv_error_t *error);

static mouv_future_t update_with(mouv_collection_t *collection, const bson_t *filter,
                                 const bson_t *update, check_t check, bool multi,
                                 const bson_t *opts, bson_t **reply) {
    maker_t maker;
    mouv__output_t output = mouv__to_reply(reply);
    make(&maker, &update_kind, collection, opts,
         (filter && update) ? filter->len + update->len : 0);
    if (mouv__command_checks(&maker.command, filter, "filter") &&
        check(update, mouv__command_validation(&maker.command), &maker.command.error) == 0) {
        add_update(&maker, filter, update, multi);
    }
    return send_batches(&maker, output, NULL, true, multi);
}

mouv_future_t mouv_collection_update_one(mouv_collection_t *collection, const bson_t *filter,
                                         const bson_t *update, const bson_t *opts, bson_t **reply) {
    return update_with(collection, filter, update, mouv__check_update, false, opts, reply);
}

mouv_future_t mouv_collection_update_many(mouv_collection_t *collection, const bson_t *filter,
                                          const bson_t *update, const bson_t *opts,
                                          bson_t **reply) {
    return update_with(collection, filter, update, mouv__check_update, true, opts, reply);
}

mouv_future_t mouv_collection_replace_one(mouv_collection_t *collection, const bson_t *filter,
                                          const bson_t *replacement, const bson_t *opts,
                                          bson_t **reply) {
    return update_with(collection, filter, replacement, mouv__check_replacement, false, opts,
                       reply);
}

/* --- delete --------------------------------------------------------------------------------- */

static void begin_delete_reply(const mouv__write_t *write, bson_t *reply) {
    bson_append_int32(reply, "deletedCount", -1, (int32_t)write->tally.deleted);
}

static const kind_t delete_kind = {{{"delete", MOUV__CHANGE}, MOUV__FAMILY_STATEMENTS, NULL},
                                   MOUV__WRITE_DELETE,
                                   "deletes",
                                   begin_delete_reply};

/** {q, limit, <options>} */
static void add_delete(maker_t *maker, const bson_t *filter, bool multi) {
    char text[16];
    bson_t statement;
    const char *key = next_key(maker, filter->len, text, sizeof text);
    if (!key) return;
    bson_append_document_begin(&maker->statements, key, -1, &statement);
    bson_append_document(&statement, "q", -1, filter);
    bson_append_int32(&statement, "limit", -1, multi ? 0 : 1);
    mouv__opts_append(&maker->command.opts, MOUV__PLACE_STATEMENT, &statement);
    bson_append_document_end(&maker->statements, &statement);
}

static mouv_future_t delete_with(mouv_collection_t *collection, const bson_t *filter, bool multi,
                                 const bson_t *opts, bson_t **reply) {
    maker_t maker;
    mouv__output_t output = mouv__to_reply(reply);
    make(&maker, &delete_kind, collection, opts, filter ? filter->len : 0);
    if (mouv__command_checks(&maker.command, filter, "filter")) add_delete(&maker, filter, multi);
    return send_batches(&maker, output, NULL, true, multi);
}

mouv_future_t mouv_collection_delete_one(mouv_collection_t *collection, const bson_t *filter,
                                         const bson_t *opts, bson_t **reply) {
    return delete_with(collection, filter, false, opts, reply);
}

mouv_future_t mouv_collection_delete_many(mouv_collection_t *collection, const bson_t *filter,
                                          const bson_t *opts, bson_t **reply) {
    return delete_with(collection, filter, true, opts, reply);
}
