/*
 * Indexes: createIndexes (no helper is common to all libmongoc releases), listIndexes, dropIndexes.
 */
#include <mouv/index.h>

#include <inttypes.h>
#include <string.h>

#include "mongo/api/client.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/check.h"
#include "mongo/command/command.h"
#include "mongo/command/reply.h"
#include "mongo/cursor/cursor.h"

/* --- Names ---------------------------------------------------------------------------------- */

/** "field_1" of one key, appended to `name`, which is freed; NULL: it makes no sense. */
static char *index_append_key(char *name, const bson_iter_t *key) {
    const char *field = bson_iter_key(key);
    const char *before = name ? name : "";
    const char *between = name ? "_" : "";
    char *longer = NULL;
    if (BSON_ITER_HOLDS_UTF8(key)) {
        longer = bson_strdup_printf("%s%s%s_%s", before, between, field, bson_iter_utf8(key, NULL));
    } else if (BSON_ITER_HOLDS_NUMBER(key)) {
        longer =
            bson_strdup_printf("%s%s%s_%" PRId64, before, between, field, bson_iter_as_int64(key));
    }
    bson_free(name);
    return longer;
}

char *mouv_index_name(const bson_t *keys) {
    bson_iter_t key;
    char *name = NULL;
    if (!keys || !bson_iter_init(&key, keys)) return NULL;
    while (bson_iter_next(&key)) {
        name = index_append_key(name, &key);
        if (!name) return NULL;
    }
    return name;
}

/** The model's own name, or one made of its keys; NULL: it has failed. */
static char *index_name_of(mouv__command_t *command, const mouv_index_model_t *model) {
    bson_iter_t iter;
    char *name = NULL;
    if (model->opts && bson_iter_init_find(&iter, model->opts, "name")) {
        if (BSON_ITER_HOLDS_UTF8(&iter)) name = bson_strdup(bson_iter_utf8(&iter, NULL));
        if (!name) mouv__command_fail(command, MOUV_EINVAL, "index 'name': expected a string");
        return name;
    }
    name = mouv_index_name(model->keys);
    if (!name) {
        mouv__command_fail(command, MOUV_EINVAL,
                           "'keys': expected fields with 1, -1 or the name of an index type");
    }
    return name;
}

/* --- Making --------------------------------------------------------------------------------- */

/** {key, name, <options>} */
static void index_append_index(bson_t *indexes, const char *at, const mouv_index_model_t *model,
                               const char *name) {
    bson_t index;
    bson_iter_t iter;
    bson_append_document_begin(indexes, at, -1, &index);
    bson_append_document(&index, "key", -1, model->keys);
    bson_append_utf8(&index, "name", -1, name, -1);
    if (model->opts && bson_iter_init(&iter, model->opts)) {
        while (bson_iter_next(&iter)) {
            if (strcmp(bson_iter_key(&iter), "name") == 0) continue;
            bson_append_iter(&index, NULL, -1, &iter);
        }
    }
    bson_append_document_end(indexes, &index);
}

/** Appends "indexes" and gives their names. */
static char **index_append_indexes(mouv__command_t *command, const mouv_index_model_t *models,
                                   size_t count) {
    char **names = bson_malloc0((count + 1) * sizeof *names);
    bson_t indexes = BSON_INITIALIZER;
    if (!models || count == 0) mouv__command_fail(command, MOUV_EINVAL, "'models' is empty");
    for (size_t i = 0; i < count && !mouv__command_failed(command); i++) {
        char text[16];
        const char *at;
        const mouv_index_model_t *model = &models[i];
        if (!mouv__command_checks(command, model->keys, "keys")) break;
        if (model->opts && !mouv__command_checks(command, model->opts, "index_opts")) break;
        names[i] = index_name_of(command, model);
        bson_uint32_to_string((uint32_t)i, &at, text, sizeof text);
        if (names[i]) index_append_index(&indexes, at, model, names[i]);
    }
    if (!mouv__command_failed(command)) bson_append_array(command->bson, "indexes", -1, &indexes);
    bson_destroy(&indexes);
    return names;
}

static mouv_future_t index_create(mouv_collection_t *collection, const mouv_index_model_t *models,
                                  size_t count, const bson_t *opts, mouv__output_t output) {
    static const mouv__row_t row = {{"createIndexes", MOUV__ADMIN}, MOUV__FAMILY_PLAIN, NULL};
    mouv__command_t command;
    mouv_future_t failed;
    mouv__command_begin(&command, &row, collection, opts);
    char **names = index_append_indexes(&command, models, count);
    mouv__request_t *request = mouv__command_request(&command, output, sizeof *request, &failed);
    if (!request) {
        bson_strfreev(names);
        return failed;
    }
    request->names = names;
    return mouv__operation_start(&request->operation);
}

mouv_future_t mouv_collection_create_index(mouv_collection_t *collection, const bson_t *keys,
                                           const bson_t *index_opts, const bson_t *opts,
                                           char **name) {
    const mouv_index_model_t model = {keys, index_opts};
    return index_create(collection, &model, 1, opts, mouv__reply_to_name(name));
}

mouv_future_t mouv_collection_create_indexes(mouv_collection_t *collection,
                                             const mouv_index_model_t *models, size_t count,
                                             const bson_t *opts, char ***names) {
    return index_create(collection, models, count, opts, mouv__reply_to_names(names));
}

/* --- Listing -------------------------------------------------------------------------------- */

mouv_cursor_t *mouv_collection_list_indexes(mouv_collection_t *collection, const bson_t *opts) {
    static const mouv__row_t row = {{"listIndexes", MOUV__LIST}, MOUV__FAMILY_CURSOR, NULL};
    mouv__command_t command;
    mouv__command_begin(&command, &row, collection, opts);
    return mouv__cursor_empty_if_missing(mouv__cursor_new(&command));
}

/** "<name>": {<all but name and ns>} */
static void index_append_information(bson_t *to, const bson_iter_t *at) {
    bson_iter_t index;
    bson_t view, entry;
    if (!mouv__bson_view_of(at, &view) || !bson_iter_init_find(&index, &view, "name")) return;
    bson_append_document_begin(to, bson_iter_utf8(&index, NULL), -1, &entry);
    bson_iter_init(&index, &view);
    while (bson_iter_next(&index)) {
        const char *key = bson_iter_key(&index);
        if (strcmp(key, "name") != 0 && strcmp(key, "ns") != 0) {
            bson_append_iter(&entry, NULL, -1, &index);
        }
    }
    bson_append_document_end(to, &entry);
}

/** A collection has 64 indexes at most, which come in one batch. */
static int index_finish_information(mouv__operation_t *operation, bson_t *reply,
                                    mouv_error_t *error) {
    mouv__request_t *request = (mouv__request_t *)operation;
    bson_iter_t field, index;
    bool missing = error->code == MOUV_ESERVER && error->server_code == 26;
    if (error->code < 0 && !missing) return error->code;
    request->document = bson_new();
    if (missing) return 0;
    if (mouv__bson_view_find(reply, "cursor.firstBatch", &field) &&
        bson_iter_recurse(&field, &index)) {
        while (bson_iter_next(&index)) index_append_information(request->document, &index);
    }
    return 0;
}

mouv_future_t mouv_collection_index_information(mouv_collection_t *collection, const bson_t *opts,
                                                bson_t **indexes) {
    static const mouv__row_t row = {{"listIndexes", MOUV__LIST}, MOUV__FAMILY_PLAIN, NULL};
    mouv__command_t command;
    mouv_future_t failed;
    mouv__command_begin(&command, &row, collection, opts);
    mouv__request_t *request =
        mouv__command_request(&command, mouv__reply_to_value(indexes), sizeof *request, &failed);
    if (!request) return failed;
    request->operation.finish = index_finish_information;
    return mouv__operation_start(&request->operation);
}

/* --- Dropping ------------------------------------------------------------------------------- */

static mouv_future_t index_drop(mouv_collection_t *collection, const char *name, bool all,
                                const bson_t *opts) {
    static const mouv__row_t row = {{"dropIndexes", MOUV__ADMIN}, MOUV__FAMILY_PLAIN, NULL};
    mouv__command_t command;
    mouv__command_begin(&command, &row, collection, opts);
    if (!all && name && strcmp(name, "*") == 0) {
        mouv__command_fail(&command, MOUV_EINVAL, "'*': to drop all there is drop_indexes");
    }
    mouv__command_string(&command, "index", name);
    return mouv__command_send_to_drop(&command);
}

mouv_future_t mouv_collection_drop_index(mouv_collection_t *collection, const char *name,
                                         const bson_t *opts) {
    return index_drop(collection, name, false, opts);
}

mouv_future_t mouv_collection_drop_indexes(mouv_collection_t *collection, const bson_t *opts) {
    return index_drop(collection, "*", true, opts);
}
