/*
 * A replica set is initiated, elected and given its user by talking to each node directly.
 */
#include "cli/sandbox/replica_set.h"
#include "cli/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bson/bson.h>
#include <mouv/mouv.h>

enum { START_LIMIT_MS = 60000, POLL_INTERVAL_MS = 10, HELLO_LIMIT_MS = 2000, NOBODY = -1 };

/* A set on its way up: one client a node, each bound to that node whatever role it has. */
struct rising {
    const struct replica_set *set;
    mouv_client_t *clients[REPLICA_SET_MAX];
    bson_t *hellos[REPLICA_SET_MAX]; /* each node's last answer, or NULL */
};

static mouv_database_t *replica_set_admin_of(const struct rising *rising, int node) {
    return mouv_client_get_database(rising->clients[node], "admin");
}

static int replica_set_connect_nodes(struct rising *rising) {
    mouv_error_t error;
    for (int i = 0; i < rising->set->count; i++) {
        char uri[80];
        snprintf(uri, sizeof uri, "mongodb://127.0.0.1:%u/?directConnection=true",
                 (unsigned)rising->set->ports[i]);
        rising->clients[i] = mouv_client_new(uri, NULL, &error);
        if (!rising->clients[i]) return mouv_fail_with(&error);
    }
    return 0;
}

/* Runs a command on one node for its effect. Takes `command`. */
static int replica_set_run(const struct rising *rising, int node, bson_t *command) {
    int rc = mouv_await(
        mouv_database_command(replica_set_admin_of(rising, node), command, NULL, NULL), NULL);
    bson_destroy(command);
    return rc;
}

/* --- initiate -------------------------------------------------------------------------------- */

static void replica_set_append_members(bson_t *config, const struct replica_set *set) {
    bson_t members = BSON_INITIALIZER;
    for (int i = 0; i < set->count; i++) {
        char key[12], host[32];
        snprintf(key, sizeof key, "%d", i);
        snprintf(host, sizeof host, "127.0.0.1:%u", (unsigned)set->ports[i]);
        bson_t *member = BCON_NEW("_id", BCON_INT32(i), "host", BCON_UTF8(host));
        bson_append_document(&members, key, -1, member);
        bson_destroy(member);
    }
    bson_append_array(config, "members", -1, &members);
    bson_destroy(&members);
}

/* Short intervals: elections of a set on one machine need not wait for slow networks. */
static int replica_set_initiate(const struct rising *rising) {
    bson_t *config =
        BCON_NEW("_id", BCON_UTF8(rising->set->name), "settings", "{", "electionTimeoutMillis",
                 BCON_INT32(1000), "heartbeatIntervalMillis", BCON_INT32(200), "}");
    replica_set_append_members(config, rising->set);
    bson_t *command = BCON_NEW("replSetInitiate", BCON_DOCUMENT(config));
    bson_destroy(config);
    return replica_set_run(rising, 0, command);
}

/* --- elect ----------------------------------------------------------------------------------- */

static void replica_set_forget_hellos(struct rising *rising) {
    for (int i = 0; i < rising->set->count; i++) {
        bson_destroy(rising->hellos[i]);
        rising->hellos[i] = NULL;
    }
}

/* Asks all nodes at once. One that does not answer is asked again in the next round. */
static void replica_set_ask_nodes(struct rising *rising) {
    mouv_future_t questions[REPLICA_SET_MAX];
    int codes[REPLICA_SET_MAX];
    bson_t *hello = BCON_NEW("hello", BCON_INT32(1));
    replica_set_forget_hellos(rising);
    for (int i = 0; i < rising->set->count; i++)
        questions[i] =
            mouv_database_command(replica_set_admin_of(rising, i), hello, NULL, &rising->hellos[i]);
    mouv_await_for(mouv_gather_all(questions, (size_t)rising->set->count, codes, NULL),
                   HELLO_LIMIT_MS, NULL);
    bson_destroy(hello);
}

static bool replica_set_says(const bson_t *hello, const char *field) {
    bson_iter_t iter;
    return hello && bson_iter_init_find(&iter, hello, field) && bson_iter_as_bool(&iter);
}

/* The primary's number once every other node is a secondary, else NOBODY. */
static int replica_set_elected(const struct rising *rising) {
    int primary = NOBODY, secondaries = 0;
    for (int i = 0; i < rising->set->count; i++) {
        if (replica_set_says(rising->hellos[i], "isWritablePrimary"))
            primary = i;
        else if (replica_set_says(rising->hellos[i], "secondary"))
            secondaries++;
    }
    return secondaries == rising->set->count - 1 ? primary : NOBODY;
}

static int replica_set_wait_for_primary(struct rising *rising) {
    for (;;) {
        replica_set_ask_nodes(rising);
        int primary = replica_set_elected(rising);
        if (primary != NOBODY) return primary;
        if (!rising->set->going(rising->set->arg)) return MOUV_ECANCELED;
        int rc = mouv_sleep_ms(POLL_INTERVAL_MS);
        if (rc < 0) return rc;
    }
}

/* --- the user -------------------------------------------------------------------------------- */

/* A server without users takes the first one from its own machine. */
static int replica_set_create_user(const struct rising *rising, int primary) {
    bson_t *command = BCON_NEW("createUser", BCON_UTF8(rising->set->user), "pwd",
                               BCON_UTF8(rising->set->password), "roles", "[", "{", "role",
                               BCON_UTF8("root"), "db", BCON_UTF8("admin"), "}", "]",
                               "writeConcern", "{", "w", BCON_UTF8("majority"), "}");
    return replica_set_run(rising, primary, command);
}

/* --- all of it ------------------------------------------------------------------------------- */

static int replica_set_rise(struct rising *rising) {
    int rc = replica_set_connect_nodes(rising);
    if (rc == 0) rc = replica_set_initiate(rising);
    if (rc >= 0) rc = replica_set_wait_for_primary(rising);
    if (rc >= 0 && rising->set->user) rc = replica_set_create_user(rising, rc);
    return rc < 0 ? rc : 0;
}

static int replica_set_begin(void *arg) {
    struct rising rising = {.set = arg};
    MOUV_TIMEOUT_SCOPE(limit, START_LIMIT_MS);
    int rc = replica_set_rise(&rising);
    replica_set_forget_hellos(&rising);
    for (int i = 0; i < rising.set->count; i++) mouv_client_unref(rising.clients[i]);
    return rc;
}

int replica_set_start(const struct replica_set *set, mouv_error_t *error) {
    return mouv_run(replica_set_begin, (void *)set, error);
}

/* --- its address ----------------------------------------------------------------------------- */

char *replica_set_uri(const struct replica_set *set) {
    char *uri = NULL;
    size_t size;
    FILE *out = open_memstream(&uri, &size);
    if (!out) return NULL;
    fputs("mongodb://", out);
    if (set->user) {
        mouv_cli_secret_put_escaped(out, set->user);
        fputc(':', out);
        mouv_cli_secret_put_escaped(out, set->password);
        fputc('@', out);
    }
    for (int i = 0; i < set->count; i++)
        fprintf(out, "%s127.0.0.1:%u", i ? "," : "", (unsigned)set->ports[i]);
    fprintf(out, "/?replicaSet=%s", set->name);
    fclose(out);
    return uri;
}
