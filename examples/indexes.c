/*
 * Indexes made, listed and explained: the same query before it has one and after.
 *
 *     MONGODB_URI=mongodb://localhost indexes
 */
#include <stdio.h>
#include <stdlib.h>

#include <mouv/mouv.h>

/** Prints how the server would find users by their town. */
static int print_plan(mouv_database_t *database, const char *title) {
    bson_t *command, *opts, *plan = NULL;
    mouv_error_t error;
    const char *stage = NULL;
    int rc = mouv_bson_build(&command, &error, "{'find': 'users', 'filter': {'town': %s}}", "Ulm");
    if (rc < 0) return mouv_fail_with(&error);
    opts = BCON_NEW("verbosity", "queryPlanner");

    rc = mouv_await(mouv_database_explain(database, command, opts, &plan), NULL);
    bool indexed = plan && mouv_bson_get_utf8(plan, "queryPlanner.winningPlan.inputStage.stage",
                                              &stage, NULL) == 0;
    if (rc >= 0) printf("%s: %s\n", title, indexed ? stage : "COLLSCAN");
    bson_destroy(command);
    bson_destroy(opts);
    bson_destroy(plan);
    return rc;
}

static int make_index(mouv_collection_t *users) {
    bson_t *keys = BCON_NEW("town", BCON_INT32(1), "name", BCON_INT32(1));
    char *name = NULL;
    int rc = mouv_await(mouv_collection_create_index(users, keys, NULL, NULL, &name), NULL);
    if (rc >= 0) printf("made: %s\n", name);
    bson_free(name);
    bson_destroy(keys);
    return rc;
}

static int print_indexes(mouv_collection_t *users) {
    bson_t *indexes = NULL;
    bson_iter_t each;
    int rc = mouv_await(mouv_collection_index_information(users, NULL, &indexes), NULL);
    if (rc >= 0 && bson_iter_init(&each, indexes)) {
        while (bson_iter_next(&each)) printf("there is: %s\n", bson_iter_key(&each));
    }
    bson_destroy(indexes);
    return rc;
}

static int main_task(void *arg) {
    const char *uri = getenv("MONGODB_URI");
    mouv_error_t error;
    mouv_client_t *client = mouv_client_new(uri ? uri : "mongodb://localhost", NULL, &error);
    (void)arg;
    if (!client) return mouv_fail_with(&error);

    mouv_database_t *database = mouv_client_get_database(client, "mouv_examples");
    mouv_collection_t *users = mouv_database_get_collection(database, "users");
    int rc = mouv_await(mouv_database_drop(database, NULL), NULL);
    if (rc >= 0) rc = mouv_await(mouv_database_create_collection(database, "users", NULL), NULL);
    if (rc >= 0) rc = print_plan(database, "before");
    if (rc >= 0) rc = make_index(users);
    if (rc >= 0) rc = print_plan(database, "after");
    if (rc >= 0) rc = print_indexes(users);
    mouv_client_close(client, NULL);
    mouv_client_unref(client);
    return rc;
}

int main(void) {
    return mouv_main(main_task, NULL);
}
