/*
 * The tables, and the stand-ins.
 */
#include "mongo/command/handles.h"

#include <mouv/collection.h>
#include <mouv/database.h>

#include <string.h>

#include "context/alloc.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/concern.h"

/*
 * What constructors give for NULL, and when there is no memory for more: whatever is asked of them
 * fails. The unions have room for the empty name at the end.
 */
static union {
    mouv_database_t handle;
    char room[sizeof(mouv_database_t) + 1];
} no_database, unmade_database;

static union {
    mouv_collection_t handle;
    char room[sizeof(mouv_collection_t) + 1];
} no_collection = {.handle = {.database = &no_database.handle}},
  unmade_collection = {.handle = {.database = &unmade_database.handle}};

bool mouv__handles_is_unmade(const mouv_database_t *database) {
    return database == &unmade_database.handle;
}

/*
 * What they give on another thread, or in the child of a fork(): the tables are not to be touched
 * there. Operations find this client's runtime to be another than theirs.
 */
static mouv__client_ref_t foreign_client = {.runtime = (mouv_runtime_t *)&foreign_client};

static union {
    mouv_database_t handle;
    char room[sizeof(mouv_database_t) + 1];
} foreign_database = {.handle = {.client = (mouv_client_t *)&foreign_client}};

static union {
    mouv_collection_t handle;
    char room[sizeof(mouv_collection_t) + 1];
} foreign_collection = {.handle = {.database = &foreign_database.handle}};

/* --- Looking up ----------------------------------------------------------------------------- */

/* So many of one client are a mistake, since none ends before it. */
#define HANDLES_MANY 10000

/** What tells handles apart; `call` is who asks. */
typedef struct handles_key {
    const void *parent; /**< the client, or the database */
    const char *name;
    const bson_t *settings; /**< NULL, or empty: none */
    const char *call;
} handles_key_t;

static uint32_t handles_hash(const handles_key_t *key) {
    uint32_t hash = mouv__table_hash(0, &key->parent, sizeof key->parent);
    hash = mouv__table_hash(hash, key->name, strlen(key->name));
    if (!key->settings || bson_empty(key->settings)) return hash;
    return mouv__table_hash(hash, bson_get_data(key->settings), key->settings->len);
}

static void handles_warn_of_many(const mouv__client_ref_t *ref, const char *call) {
    if (ref->databases.count + ref->collections.count != HANDLES_MANY + 1) return;
    mouv__log(MOUV_LOG_WARNING,
              "%s: the client has more than %d handles, and none is released before it: a limit "
              "of one call belongs into its opts or into a scope",
              call, HANDLES_MANY);
}

/* --- Databases ------------------------------------------------------------------------------ */

/** Consumes a share of `defaults`. */
static mouv_database_t *handles_add_database(mouv_client_t *client, const handles_key_t *key,
                                             mouv__concerns_t *defaults) {
    mouv__client_ref_t *ref = mouv__client_ref_of(client);
    size_t size = strlen(key->name) + 1;
    mouv_database_t *database = mouv__alloc(sizeof(*database) + size);
    if (!database || !mouv__table_add(&ref->databases, &database->node, handles_hash(key))) {
        mouv__free(database);
        mouv__concern_unref(defaults);
        return &unmade_database.handle;
    }
    memcpy(database->name, key->name, size);
    database->client = client;
    database->defaults = defaults;
    handles_warn_of_many(ref, key->call);
    return database;
}

static mouv_database_t *handles_database_of(mouv__table_node_t *node) {
    return mouv__container_of(node, mouv_database_t, node);
}

static mouv_database_t *handles_find_database(const mouv_client_t *client,
                                              const handles_key_t *key) {
    const mouv__table_t *all = &mouv__client_ref_of(client)->databases;
    mouv__table_node_t *node = mouv__table_find(all, handles_hash(key));
    for (; node; node = mouv__table_find_next(node)) {
        mouv_database_t *each = handles_database_of(node);
        if (strcmp(each->name, key->name) == 0 && mouv__concern_are(each->defaults, key->settings))
            return each;
    }
    return NULL;
}

static mouv_database_t *handles_database(mouv_client_t *client, const char *name,
                                         const char *call) {
    if (!client) return &no_database.handle;
    if (mouv__client_is_elsewhere(client)) return &foreign_database.handle;
    handles_key_t key = {.parent = client, .name = name ? name : "", .call = call};
    mouv_database_t *found = handles_find_database(client, &key);
    return found ? found : handles_add_database(client, &key, NULL);
}

mouv_database_t *mouv_client_get_database(mouv_client_t *client, const char *name) {
    return handles_database(client, name, "mouv_client_get_database");
}

mouv_database_t *mouv_database_with_options(mouv_database_t *database, const bson_t *opts) {
    if (!database || !database->client) return database ? database : &no_database.handle;
    if (mouv__client_is_elsewhere(database->client)) return &foreign_database.handle;
    bool nomem;
    bson_t *settings = mouv__concern_merge(opts, database->defaults);
    handles_key_t key = {database->client, database->name, settings, "mouv_database_with_options"};
    mouv_database_t *found = handles_find_database(database->client, &key);
    if (found) {
        bson_destroy(settings);
        return found;
    }
    mouv__concerns_t *defaults = mouv__concern_new(settings, &nomem);
    key.settings = defaults ? defaults->settings : NULL;
    return nomem ? &unmade_database.handle : handles_add_database(database->client, &key, defaults);
}

/* --- Collections ---------------------------------------------------------------------------- */

/** Consumes a share of `defaults`. */
static mouv_collection_t *handles_add_collection(mouv_database_t *database,
                                                 const handles_key_t *key,
                                                 mouv__concerns_t *defaults) {
    mouv__client_ref_t *ref = mouv__client_ref_of(database->client);
    size_t size = strlen(key->name) + 1;
    mouv_collection_t *collection = mouv__alloc(sizeof(*collection) + size);
    if (!collection || !mouv__table_add(&ref->collections, &collection->node, handles_hash(key))) {
        mouv__free(collection);
        mouv__concern_unref(defaults);
        return &unmade_collection.handle;
    }
    memcpy(collection->name, key->name, size);
    collection->database = database;
    collection->defaults = defaults;
    handles_warn_of_many(ref, key->call);
    return collection;
}

static mouv_collection_t *handles_collection_of(mouv__table_node_t *node) {
    return mouv__container_of(node, mouv_collection_t, node);
}

static mouv_collection_t *handles_find_collection(const mouv_database_t *database,
                                                  const handles_key_t *key) {
    const mouv__table_t *all = &mouv__client_ref_of(database->client)->collections;
    mouv__table_node_t *node = mouv__table_find(all, handles_hash(key));
    for (; node; node = mouv__table_find_next(node)) {
        mouv_collection_t *each = handles_collection_of(node);
        if (each->database == database && strcmp(each->name, key->name) == 0 &&
            mouv__concern_are(each->defaults, key->settings))
            return each;
    }
    return NULL;
}

mouv_collection_t *mouv__handles_collection(mouv_database_t *database, const char *name,
                                            const char *call) {
    if (database == &unmade_database.handle) return &unmade_collection.handle;
    if (!database || !database->client) return &no_collection.handle;
    if (mouv__client_is_elsewhere(database->client)) return &foreign_collection.handle;
    mouv__concerns_t *defaults = database->defaults;
    handles_key_t key = {database, name ? name : "", defaults ? defaults->settings : NULL, call};
    mouv_collection_t *found = handles_find_collection(database, &key);
    return found ? found : handles_add_collection(database, &key, mouv__concern_ref(defaults));
}

mouv_collection_t *mouv_client_get_collection(mouv_client_t *client, const char *database,
                                              const char *name) {
    const char *call = "mouv_client_get_collection";
    return mouv__handles_collection(handles_database(client, database, call), name, call);
}

mouv_collection_t *mouv_collection_with_options(mouv_collection_t *collection, const bson_t *opts) {
    if (!collection || !collection->database || !collection->database->client) {
        return collection ? collection : &no_collection.handle;
    }
    mouv_database_t *database = collection->database;
    if (mouv__client_is_elsewhere(database->client)) return &foreign_collection.handle;
    bool nomem;
    bson_t *settings = mouv__concern_merge(opts, collection->defaults);
    handles_key_t key = {database, collection->name, settings, "mouv_collection_with_options"};
    mouv_collection_t *found = handles_find_collection(database, &key);
    if (found) {
        bson_destroy(settings);
        return found;
    }
    mouv__concerns_t *defaults = mouv__concern_new(settings, &nomem);
    key.settings = defaults ? defaults->settings : NULL;
    return nomem ? &unmade_collection.handle : handles_add_collection(database, &key, defaults);
}

/* --- The end -------------------------------------------------------------------------------- */

static void handles_free_database(mouv__table_node_t *node) {
    mouv_database_t *database = handles_database_of(node);
    mouv__concern_unref(database->defaults);
    mouv__free(database);
}

static void handles_free_collection(mouv__table_node_t *node) {
    mouv_collection_t *collection = handles_collection_of(node);
    mouv__concern_unref(collection->defaults);
    mouv__free(collection);
}

void mouv__handles_clear(mouv_client_t *client) {
    mouv__client_ref_t *ref = mouv__client_ref_of(client);
    mouv__table_clear(&ref->collections, handles_free_collection);
    mouv__table_clear(&ref->databases, handles_free_database);
}
