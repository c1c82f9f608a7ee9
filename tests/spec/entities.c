/*
 * Making entities from their definitions, finding them, and their end.
 */
#include "spec/entities.h"

#include <string.h>

#include "spec/call.h"
#include "spec/server.h"
#include "spec/thread.h"
#include "spec/transaction_options.h"
#include "spec/uri.h"
#include "spec/view.h"

/* --- The map --------------------------------------------------------------------------------- */

static const char *const kind_names[SPEC_KINDS] = {
    [SPEC_CLIENT] = "client",
    [SPEC_DATABASE] = "database",
    [SPEC_COLLECTION] = "collection",
    [SPEC_SESSION] = "session",
    [SPEC_BUCKET] = "bucket",
    [SPEC_CURSOR] = "cursor",
    [SPEC_CHANGE_STREAM] = "change stream",
    [SPEC_THREAD] = "thread",
    [SPEC_TOPOLOGY] = "topology description",
    [SPEC_VALUE] = "BSON value",
};

const char *spec_kind_name(spec_kind_t kind) {
    return kind_names[kind];
}

spec_entity_t *spec_entity_find(const spec_test_t *test, const char *id) {
    spec_entity_t *entity = test->entities;
    while (entity && strcmp(entity->id, id) != 0) entity = entity->next;
    return entity;
}

spec_entity_t *spec_entity(spec_test_t *test, const char *id) {
    spec_entity_t *entity = id ? spec_entity_find(test, id) : NULL;
    if (!entity) spec_fail(test, "there is no entity '%s'", id ? id : "?");
    return entity;
}

spec_entity_t *spec_entity_of(spec_test_t *test, const char *id, spec_kind_t kind) {
    spec_entity_t *entity = spec_entity(test, id);
    if (!entity || entity->kind == kind) return entity;
    spec_fail(test, "entity '%s' is a %s, no %s", id, kind_names[entity->kind], kind_names[kind]);
    return NULL;
}

spec_entity_t *spec_entity_add(spec_test_t *test, const char *id, spec_kind_t kind) {
    if (!id || spec_entity_find(test, id)) {
        spec_fail(test, "entity '%s' exists already", id ? id : "?");
        return NULL;
    }
    spec_entity_t *entity = bson_malloc0(sizeof *entity);
    entity->id = bson_strdup(id);
    entity->kind = kind;
    entity->next = test->entities;
    test->entities = entity;
    return entity;
}

bool spec_entity_add_value(spec_test_t *test, const char *id, const bson_value_t *value) {
    spec_entity_t *entity = spec_entity_add(test, id, SPEC_VALUE);
    if (entity) bson_value_copy(value, &entity->is.value);
    return entity != NULL;
}

void spec_entity_append(spec_entity_t *list, const bson_value_t *element) {
    bson_t array;
    AUTO_BSON *longer = bson_new();
    bson_init_static(&array, list->is.value.value.v_doc.data, list->is.value.value.v_doc.data_len);
    bson_concat(longer, &array);
    spec_append_element(longer, element);
    bson_value_t whole = spec_value_of(longer, true);
    bson_value_destroy(&list->is.value);
    bson_value_copy(&whole, &list->is.value);
}

/* --- Clients --------------------------------------------------------------------------------- */

/** An empty list for each of `storeEventsAsEntities`. */
static bool create_event_lists(spec_test_t *test, const bson_t *definition) {
    bson_t lists, list;
    bson_iter_t iter;
    AUTO_BSON *empty = bson_new();
    bson_value_t value = spec_value_of(empty, true);
    spec_document(definition, "storeEventsAsEntities", &lists);
    bson_iter_init(&iter, &lists);
    while (bson_iter_next(&iter)) {
        spec_document_at(&iter, &list);
        if (!spec_entity_add_value(test, spec_string(&list, "id"), &value)) return false;
    }
    return true;
}

static bool has_fail_points(const bson_t *definition) {
    bson_t operations, operation;
    bson_iter_t iter;
    spec_document(definition, "operations", &operations);
    bson_iter_init(&iter, &operations);
    while (bson_iter_next(&iter)) {
        spec_document_at(&iter, &operation);
        const char *name = spec_string(&operation, "name");
        if (name && strcmp(name, "failPoint") == 0) return true;
    }
    return false;
}

/** A server that a fail point has shaken off is looked for again soon. */
static bson_t *uri_options(const spec_test_t *test, const bson_t *definition) {
    bson_t given;
    spec_document(definition, "uriOptions", &given);
    bson_t *options = bson_copy(&given);
    if (has_fail_points(test->definition) && !spec_has(options, "heartbeatFrequencyMS")) {
        BSON_APPEND_INT32(options, "heartbeatFrequencyMS", 500);
    }
    return options;
}

static char *client_uri(spec_test_t *test, const bson_t *definition) {
    AUTO_BSON *options = uri_options(test, definition);
    spec_text_t *why = spec_text_new(NULL);
    bool multi = test->server->multi_uri && spec_bool(definition, "useMultipleMongoses", false);
    char *uri = spec_uri(multi ? test->server->multi_uri : test->server->uri, options, why);
    if (!uri) spec_fail(test, "%s", why->str);
    spec_text_free(why, true);
    return uri;
}

/** What no client of mouv can be given; NULL: nothing of it is asked for. */
static const char *unsupported_of_client(const bson_t *definition) {
    if (spec_has(definition, "autoEncryptOpts")) return "autoEncryptOpts";
    return NULL;
}

static mouv_client_t *open_client(spec_test_t *test, const bson_t *definition, const char *uri) {
    bson_t api;
    mouv_error_t error;
    mouv_client_opts_t opts = {.executor = MOUV_EXECUTOR_DEFAULT};
    if (spec_document(definition, "serverApi", &api)) {
        opts.server_api.version = spec_string(&api, "version");
        opts.server_api.strict = spec_bool(&api, "strict", false);
        opts.server_api.deprecation_errors = spec_bool(&api, "deprecationErrors", false);
    }
    mouv_client_t *client = mouv_client_new(uri, &opts, &error);
    if (!client) spec_fail(test, "%s", error.message);
    return client;
}

static void forget(mouv_future_t future, void *arg) {
    (void)arg;
    mouv_future_result(future, NULL);
}

/** Who observes servers does so from the beginning; mouv connects with the first operation. */
static void begin_monitoring(spec_entity_t *entity, const bson_t *definition) {
    bson_t observed;
    bson_iter_t iter;
    spec_document(definition, "observeEvents", &observed);
    bson_iter_init(&iter, &observed);
    while (bson_iter_next(&iter)) {
        const char *type = spec_string_at(&iter), *class = type ? spec_event_class(type) : NULL;
        if (!class || strcmp(class, "sdam") != 0) continue;
        entity->events->ignore_first = true;
        mouv_then(mouv_client_ping(entity->is.client), forget, NULL);
        return;
    }
}

static bool create_client(spec_test_t *test, const bson_t *definition) {
    const char *unsupported = unsupported_of_client(definition);
    if (unsupported) return spec_unsupported(test, "%s", unsupported);
    AUTO_TEXT *uri = client_uri(test, definition);
    mouv_client_t *client = uri ? open_client(test, definition, uri) : NULL;
    if (!client) return false;
    spec_entity_t *entity = spec_entity_add(test, spec_string(definition, "id"), SPEC_CLIENT);
    if (!entity) {
        mouv_client_unref(client);
        return false;
    }
    entity->client = entity;
    entity->is.client = client;
    entity->events = spec_events_new(test, definition);
    if (!create_event_lists(test, definition)) return false;
    if (spec_events_listen(entity->events, client) < 0) return spec_fail(test, "no monitor");
    begin_monitoring(entity, definition);
    return true;
}

/* --- What belongs to clients ----------------------------------------------------------------- */

/** The entity that `key` of the definition names. */
static spec_entity_t *parent_of(spec_test_t *test, const bson_t *definition, const char *key,
                                spec_kind_t kind) {
    return spec_entity_of(test, spec_string(definition, key), kind);
}

static spec_entity_t *add_child(spec_test_t *test, const bson_t *definition, spec_kind_t kind,
                                const spec_entity_t *parent) {
    spec_entity_t *entity = spec_entity_add(test, spec_string(definition, "id"), kind);
    if (entity) entity->client = parent->client;
    return entity;
}

/** {readConcern, ...} of `key` as mouv's opts, maybe empty. */
static bson_t *options_of(spec_test_t *test, const bson_t *definition, const char *key) {
    bson_t given;
    spec_document(definition, key, &given);
    return spec_options(test, &given);
}

static bool create_database(spec_test_t *test, const bson_t *definition) {
    spec_entity_t *parent = parent_of(test, definition, "client", SPEC_CLIENT);
    if (!parent) return false;
    AUTO_BSON *options = options_of(test, definition, "databaseOptions");
    spec_entity_t *entity = options ? add_child(test, definition, SPEC_DATABASE, parent) : NULL;
    if (!entity) return false;
    const char *name = spec_string(definition, "databaseName");
    mouv_database_t *database = mouv_client_get_database(parent->is.client, name);
    entity->is.database =
        bson_empty(options) ? database : mouv_database_with_options(database, options);
    return true;
}

static bool create_collection(spec_test_t *test, const bson_t *definition) {
    spec_entity_t *parent = parent_of(test, definition, "database", SPEC_DATABASE);
    if (!parent) return false;
    AUTO_BSON *options = options_of(test, definition, "collectionOptions");
    spec_entity_t *entity = options ? add_child(test, definition, SPEC_COLLECTION, parent) : NULL;
    if (!entity) return false;
    const char *name = spec_string(definition, "collectionName");
    mouv_collection_t *collection = mouv_database_get_collection(parent->is.database, name);
    entity->is.collection =
        bson_empty(options) ? collection : mouv_collection_with_options(collection, options);
    return true;
}

static bool create_session(spec_test_t *test, const bson_t *definition) {
    spec_transaction_options_t transaction;
    bson_t options, defaults;
    mouv_error_t error;
    spec_entity_t *parent = parent_of(test, definition, "client", SPEC_CLIENT);
    if (!parent) return false;
    spec_document(definition, "sessionOptions", &options);
    spec_document(&options, "defaultTransactionOptions", &defaults);
    if (!spec_transaction_options_read(test, &defaults, &transaction)) return false;
    mouv_session_opts_t opts = {.snapshot = spec_bool(&options, "snapshot", false),
                                .default_timeout_ms = spec_timeout(&options, "defaultTimeoutMS"),
                                .transaction = transaction.opts};
    if (spec_has(&options, "causalConsistency")) {
        opts.causal_consistency = spec_bool(&options, "causalConsistency", true) ? 1 : -1;
    }
    mouv_session_t *session = mouv_client_start_session(parent->is.client, &opts, &error);
    spec_transaction_options_clear(&transaction);
    if (!session) return spec_fail(test, "session: %s", error.message);
    spec_entity_t *entity = add_child(test, definition, SPEC_SESSION, parent);
    if (entity) {
        entity->is.session = session;
    } else {
        mouv_session_unref(session);
    }
    return entity != NULL;
}

static bool create_bucket(spec_test_t *test, const bson_t *definition) {
    spec_entity_t *parent = parent_of(test, definition, "database", SPEC_DATABASE);
    if (!parent) return false;
    AUTO_BSON *options = options_of(test, definition, "bucketOptions");
    spec_entity_t *entity = options ? add_child(test, definition, SPEC_BUCKET, parent) : NULL;
    if (!entity) return false;
    entity->is.bucket = (spec_bucket_t){mouv_database_gridfs_bucket(parent->is.database, options),
                                        parent->is.database, bson_copy(options)};
    return true;
}

static bool create_thread(spec_test_t *test, const bson_t *definition) {
    spec_entity_t *entity = spec_entity_add(test, spec_string(definition, "id"), SPEC_THREAD);
    if (!entity) return false;
    entity->is.thread = spec_thread_new(test, entity->id);
    return true;
}

/* --- Definitions ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    bool (*create)(spec_test_t *test, const bson_t *definition);
} creators[] = {
    {"client", create_client},   {"database", create_database}, {"collection", create_collection},
    {"session", create_session}, {"bucket", create_bucket},     {"thread", create_thread},
};

static bool create(spec_test_t *test, const bson_t *definition) {
    bson_t inner;
    const char *kind = spec_single(definition, &inner);
    for (size_t i = 0; kind && i < sizeof creators / sizeof *creators; i++) {
        if (strcmp(creators[i].name, kind) == 0) return creators[i].create(test, &inner);
    }
    return spec_unsupported(test, "kind of entity: %s", kind ? kind : "?");
}

bool spec_entities_create(spec_test_t *test, const bson_t *definitions) {
    bson_t definition;
    bson_iter_t iter;
    bson_iter_init(&iter, definitions);
    while (bson_iter_next(&iter)) {
        spec_document_at(&iter, &definition);
        if (!create(test, &definition)) return false;
    }
    return true;
}

void spec_client_settle(const spec_entity_t *client) {
    enum { LIMIT_MS = 1000 };
    mouv_client_stats_t stats;
    int64_t deadline_ms = mouv_now_ms() + LIMIT_MS;
    if (!client) return;
    do {
        mouv_sleep_ms(1);
        mouv_client_get_stats(client->is.client, &stats);
    } while (stats.in_flight + stats.queued > 0 && mouv_now_ms() < deadline_ms);
}

/* --- The end --------------------------------------------------------------------------------- */

static void end(spec_entity_t *entity) {
    switch (entity->kind) {
    case SPEC_CLIENT:
        mouv_client_unref(entity->is.client);
        spec_events_free(entity->events);
        return;
    case SPEC_SESSION:
        mouv_session_unref(entity->is.session);
        return;
    case SPEC_BUCKET:
        mouv_gridfs_bucket_unref(entity->is.bucket.bucket);
        bson_destroy(entity->is.bucket.options);
        return;
    case SPEC_CURSOR:
        mouv_cursor_unref(entity->is.cursor);
        return;
    case SPEC_CHANGE_STREAM:
        mouv_change_stream_unref(entity->is.change_stream);
        return;
    case SPEC_THREAD:
        spec_thread_free(entity->is.thread);
        return;
    case SPEC_VALUE:
        bson_value_destroy(&entity->is.value);
        return;
    default: /* belongs to its client */
        return;
    }
}

/** The newest first; clients after all that is theirs. Threads have ended by now. */
void spec_entities_clear(spec_test_t *test) {
    for (int clients = 0; clients < 2; clients++) {
        for (spec_entity_t *each = test->entities; each; each = each->next) {
            if ((each->kind == SPEC_CLIENT) == (clients == 1)) end(each);
        }
    }
    while (test->entities) {
        spec_entity_t *entity = test->entities;
        test->entities = entity->next;
        bson_free(entity->id);
        bson_free(entity);
    }
}
