/*
 * The lists, and the stand-ins.
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
 * What they give on another thread, or in the child of a fork(): the lists are not to be touched
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

/* --- Databases ------------------------------------------------------------------------------ */

/** Consumes a share of `defaults`. */
static mouv_database_t *handles_add_database(mouv_client_t *client, const char *name,
                                             mouv__concerns_t *defaults) {
    size_t size = strlen(name) + 1;
    mouv_database_t *database = mouv__alloc(sizeof(*database) + size);
    if (!database) {
        mouv__concern_unref(defaults);
        return &unmade_database.handle;
    }
    memcpy(database->name, name, size);
    mouv__client_ref_t *ref = mouv__client_ref_of(client);
    database->client = client;
    database->defaults = defaults;
    database->next = ref->databases;
    ref->databases = database;
    return database;
}

static mouv_database_t *handles_find_database(const mouv_client_t *client, const char *name,
                                              const bson_t *settings) {
    mouv_database_t *each = mouv__client_ref_of(client)->databases;
    while (each && (strcmp(each->name, name) != 0 || !mouv__concern_are(each->defaults, settings)))
        each = each->next;
    return each;
}

mouv_database_t *mouv_client_get_database(mouv_client_t *client, const char *name) {
    if (!client) return &no_database.handle;
    if (mouv__client_is_elsewhere(client)) return &foreign_database.handle;
    if (!name) name = "";
    mouv_database_t *found = handles_find_database(client, name, NULL);
    return found ? found : handles_add_database(client, name, NULL);
}

mouv_database_t *mouv_database_with_options(mouv_database_t *database, const bson_t *opts) {
    if (!database || !database->client) return database ? database : &no_database.handle;
    if (mouv__client_is_elsewhere(database->client)) return &foreign_database.handle;
    bool nomem;
    bson_t *settings = mouv__concern_merge(opts, database->defaults);
    mouv_database_t *found = handles_find_database(database->client, database->name, settings);
    if (found) {
        bson_destroy(settings);
        return found;
    }
    mouv__concerns_t *defaults = mouv__concern_new(settings, &nomem);
    return nomem ? &unmade_database.handle
                 : handles_add_database(database->client, database->name, defaults);
}

/* --- Collections ---------------------------------------------------------------------------- */

/** Consumes a share of `defaults`. */
static mouv_collection_t *handles_add_collection(mouv_database_t *database, const char *name,
                                                 mouv__concerns_t *defaults) {
    size_t size = strlen(name) + 1;
    mouv_collection_t *collection = mouv__alloc(sizeof(*collection) + size);
    if (!collection) {
        mouv__concern_unref(defaults);
        return &unmade_collection.handle;
    }
    memcpy(collection->name, name, size);
    collection->database = database;
    collection->defaults = defaults;
    collection->next = database->collections;
    database->collections = collection;
    return collection;
}

static mouv_collection_t *handles_find_collection(const mouv_database_t *database, const char *name,
                                                  const bson_t *settings) {
    mouv_collection_t *each = database->collections;
    while (each && (strcmp(each->name, name) != 0 || !mouv__concern_are(each->defaults, settings)))
        each = each->next;
    return each;
}

mouv_collection_t *mouv__handles_collection(mouv_database_t *database, const char *name) {
    if (database == &unmade_database.handle) return &unmade_collection.handle;
    if (!database || !database->client) return &no_collection.handle;
    if (mouv__client_is_elsewhere(database->client)) return &foreign_collection.handle;
    if (!name) name = "";
    mouv__concerns_t *defaults = database->defaults;
    mouv_collection_t *found =
        handles_find_collection(database, name, defaults ? defaults->settings : NULL);
    return found ? found : handles_add_collection(database, name, mouv__concern_ref(defaults));
}

mouv_collection_t *mouv_client_get_collection(mouv_client_t *client, const char *database,
                                              const char *name) {
    return mouv__handles_collection(mouv_client_get_database(client, database), name);
}

mouv_collection_t *mouv_collection_with_options(mouv_collection_t *collection, const bson_t *opts) {
    if (!collection || !collection->database || !collection->database->client) {
        return collection ? collection : &no_collection.handle;
    }
    if (mouv__client_is_elsewhere(collection->database->client)) return &foreign_collection.handle;
    bool nomem;
    bson_t *settings = mouv__concern_merge(opts, collection->defaults);
    mouv_collection_t *found =
        handles_find_collection(collection->database, collection->name, settings);
    if (found) {
        bson_destroy(settings);
        return found;
    }
    mouv__concerns_t *defaults = mouv__concern_new(settings, &nomem);
    return nomem ? &unmade_collection.handle
                 : handles_add_collection(collection->database, collection->name, defaults);
}

/* --- The end -------------------------------------------------------------------------------- */

static void handles_free_collections(mouv_database_t *database) {
    while (database->collections) {
        mouv_collection_t *collection = database->collections;
        database->collections = collection->next;
        mouv__concern_unref(collection->defaults);
        mouv__free(collection);
    }
}

void mouv__handles_clear(mouv_client_t *client) {
    mouv__client_ref_t *ref = mouv__client_ref_of(client);
    while (ref->databases) {
        mouv_database_t *database = ref->databases;
        ref->databases = database->next;
        handles_free_collections(database);
        mouv__concern_unref(database->defaults);
        mouv__free(database);
    }
}
