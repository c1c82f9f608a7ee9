/*
 * Collections as tests want them before, and expect them after.
 */
#include <string.h>

#include "spec/match.h"
#include "spec/server.h"
#include "spec/view.h"

static mouv_collection_t *collection_of(spec_test_t *test, const bson_t *data, const char *opts) {
    const char *database = spec_string(data, "databaseName");
    const char *name = spec_string(data, "collectionName");
    AUTO_BSON *settings = bson_new_from_json((const uint8_t *)opts, -1, NULL);
    return mouv_collection_with_options(
        mouv_client_get_collection(test->server->client, database, name), settings);
}

/* --- initialData ----------------------------------------------------------------------------- */

static int create(mouv_collection_t *collection, const bson_t *options, mouv_error_t *error) {
    return mouv_await(mouv_database_create_collection(mouv_collection_database(collection),
                                                      mouv_collection_name(collection), options),
                      error);
}

static int insert(mouv_collection_t *collection, const bson_t *documents, mouv_error_t *error) {
    mouv_bulk_t *bulk = mouv_collection_create_bulk(collection, NULL);
    AUTO_BSON *as_they_are = BCON_NEW("validate", BCON_BOOL(false));
    bson_t document;
    bson_iter_t iter;
    bson_iter_init(&iter, documents);
    while (bson_iter_next(&iter)) {
        spec_document_at(&iter, &document);
        mouv_bulk_insert_one(bulk, &document, as_they_are, NULL);
    }
    int rc = mouv_await(mouv_bulk_execute(bulk, NULL), error);
    mouv_bulk_unref(bulk);
    return rc;
}

static int load(spec_test_t *test, const bson_t *data, mouv_error_t *error) {
    mouv_collection_t *collection =
        collection_of(test, data, "{\"writeConcern\": {\"w\": \"majority\"}}");
    bson_t options, documents;
    bool has_options = spec_document(data, "createOptions", &options);
    spec_document(data, "documents", &documents);
    int rc = mouv_await(mouv_collection_drop(collection, NULL), error);
    if (rc >= 0 && (has_options || bson_empty(&documents)))
        rc = create(collection, &options, error);
    if (rc >= 0 && !bson_empty(&documents)) rc = insert(collection, &documents, error);
    return rc;
}

bool spec_data_load(spec_test_t *test) {
    bson_t all, data;
    bson_iter_t iter;
    mouv_error_t error;
    if (!spec_document(test->file, "initialData", &all)) return true;
    bson_iter_init(&iter, &all);
    while (bson_iter_next(&iter)) {
        spec_document_at(&iter, &data);
        if (load(test, &data, &error) >= 0) continue;
        return spec_fail(test, "initialData of %s: %s", spec_string(&data, "collectionName"),
                         error.message);
    }
    return true;
}

/* --- outcome --------------------------------------------------------------------------------- */

static bool check(spec_test_t *test, const bson_t *data) {
    mouv_collection_t *collection = collection_of(
        test, data, "{\"readConcern\": {\"level\": \"local\"}, \"readPreference\": \"primary\"}");
    AUTO_BSON *by_id = BCON_NEW("sort", "{", "_id", BCON_INT32(1), "}");
    MOUV_AUTO_CURSOR mouv_cursor_t *cursor = mouv_collection_find(collection, NULL, by_id);
    mouv_error_t error;
    bson_t *found = NULL, documents;
    spec_document(data, "documents", &documents);
    if (mouv_cursor_to_list(cursor, 0, &found, &error) < 0) {
        return spec_fail(test, "outcome of %s: %s", mouv_collection_name(collection),
                         error.message);
    }
    spec_text_t *why = spec_text_new(NULL);
    if (!spec_match_exactly(&documents, found, why)) {
        bson_value_t actual = spec_value_of(found, true);
        AUTO_TEXT *text = spec_text(&actual);
        spec_fail(test, "outcome of %s: %s; found %s", mouv_collection_name(collection), why->str,
                  text);
    }
    spec_text_free(why, true);
    bson_destroy(found);
    return !test->failed;
}

bool spec_data_check(spec_test_t *test) {
    bson_t all, data;
    bson_iter_t iter;
    if (!spec_document(test->definition, "outcome", &all)) return true;
    bson_iter_init(&iter, &all);
    while (bson_iter_next(&iter)) {
        spec_document_at(&iter, &data);
        if (!check(test, &data)) return false;
    }
    return true;
}
