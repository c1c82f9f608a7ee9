/*
 * What the deployment is, what a test may ask of it, and commands of the runner's own.
 */
#include "spec/server.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "spec/match.h"
#include "spec/view.h"

int spec_server_run(const spec_server_t *server, const char *database, bson_t *command,
                    bson_t **reply, mouv_error_t *error) {
    mouv_database_t *in = mouv_client_get_database(server->client, database);
    int rc = mouv_await(mouv_database_command(in, command, NULL, reply), error);
    bson_destroy(command);
    return rc;
}

/* --- What it is ----------------------------------------------------------------------------- */

static const char *topology_of(const spec_server_t *server, const bson_t *hello) {
    const char *message = spec_string(hello, "msg");
    if (strstr(server->uri, "loadBalanced=true")) return "load-balanced";
    if (message && strcmp(message, "isdbgrid") == 0) return "sharded";
    return spec_has(hello, "setName") ? "replicaset" : "single";
}

static int members_of(const bson_t *hello) {
    bson_t hosts;
    spec_document(hello, "hosts", &hosts);
    return bson_empty(&hosts) ? 1 : (int)bson_count_keys(&hosts);
}

static void read_version(spec_server_t *server, const bson_t *info) {
    bson_t parts;
    static const char *const keys[] = {"0", "1", "2"};
    spec_document(info, "versionArray", &parts);
    for (int i = 0; i < 3; i++) server->version[i] = (int)spec_int(&parts, keys[i], 0);
}

int spec_server_open(spec_server_t *server, const char *uri, mouv_error_t *error) {
    bson_t *info = NULL, *hello = NULL, *parameters = NULL;
    server->uri = bson_strdup(uri);
    server->multi_uri = getenv("MONGODB_MULTI_URI");
    server->auth = strchr(uri, '@') != NULL;
    server->client = mouv_client_new(uri, NULL, error);
    if (!server->client) return error->code;
    int rc = mouv_await(mouv_client_server_info(server->client, &info), error);
    if (rc >= 0) {
        rc = spec_server_run(server, "admin", BCON_NEW("hello", BCON_INT32(1)), &hello, error);
    }
    if (rc >= 0) {
        bson_t *command = BCON_NEW("getParameter", BCON_UTF8("*"));
        rc = spec_server_run(server, "admin", command, &parameters, error);
    }
    if (rc >= 0) {
        read_version(server, info);
        server->topology = topology_of(server, hello);
        server->members = members_of(hello);
        server->parameters = bson_copy(parameters);
    }
    bson_destroy(info);
    bson_destroy(hello);
    bson_destroy(parameters);
    return rc < 0 ? rc : 0;
}

void spec_server_close(spec_server_t *server) {
    if (server->client) mouv_client_close(server->client, NULL);
    server->client = mouv_client_unref(server->client);
    bson_destroy(server->parameters);
    bson_free(server->uri);
}

/* --- Requirements ---------------------------------------------------------------------------- */

/** Below 0, 0 or above 0, as this server's version is lower, equal or higher. */
static int compare_version(const spec_server_t *server, const char *text) {
    for (int i = 0; i < 3; i++) {
        char *end = (char *)text;
        int part = text && *text ? (int)strtol(text, &end, 10) : 0;
        if (server->version[i] != part) return server->version[i] < part ? -1 : 1;
        text = end && *end == '.' ? end + 1 : NULL;
    }
    return 0;
}

static bool has_topology(const spec_server_t *server, const bson_t *requirement) {
    bson_t topologies;
    if (!spec_document(requirement, "topologies", &topologies)) return true;
    if (spec_lists(&topologies, server->topology)) return true;
    return strcmp(server->topology, "sharded") == 0 &&
           spec_lists(&topologies, "sharded-replicaset");
}

/** The first of the wanted parameters that the server has not, or has otherwise; else NULL. */
static const char *other_parameter(const spec_server_t *server, const bson_t *requirement) {
    bson_t wanted;
    bson_iter_t iter, has;
    if (!spec_document(requirement, "serverParameters", &wanted)) return NULL;
    bson_iter_init(&iter, &wanted);
    while (bson_iter_next(&iter)) {
        const char *name = bson_iter_key(&iter);
        const bson_value_t *value = spec_value(server->parameters, name, &has);
        if (!value || !spec_match(bson_iter_value(&iter), value, true, NULL, NULL)) return name;
    }
    return NULL;
}

static bool has_mechanism(const spec_server_t *server, const char *mechanism) {
    bson_t mechanisms;
    bson_iter_t iter;
    spec_document(server->parameters, "authenticationMechanisms", &mechanisms);
    bson_iter_init(&iter, &mechanisms);
    while (bson_iter_next(&iter)) {
        const char *each = spec_string_at(&iter);
        if (each && strcasecmp(each, mechanism) == 0) return true;
    }
    return false;
}

/** NULL if the requirement is met, else what is not. mouv has no client-side encryption. */
static const char *unmet(const spec_server_t *server, const bson_t *requirement) {
    const char *lowest = spec_string(requirement, "minServerVersion");
    const char *highest = spec_string(requirement, "maxServerVersion");
    const char *serverless = spec_string(requirement, "serverless");
    const char *mechanism = spec_string(requirement, "authMechanism");
    bson_t encryption;
    if (lowest && compare_version(server, lowest) < 0) return "minServerVersion";
    if (highest && compare_version(server, highest) > 0) return "maxServerVersion";
    if (!has_topology(server, requirement)) return "topologies";
    if (serverless && strcmp(serverless, "require") == 0) return "serverless";
    if (spec_has(requirement, "auth") && spec_bool(requirement, "auth", false) != server->auth) {
        return "auth";
    }
    if (mechanism && !has_mechanism(server, mechanism)) return "authMechanism";
    if (spec_bool(requirement, "csfle", false) ||
        spec_document(requirement, "csfle", &encryption)) {
        return "csfle";
    }
    return other_parameter(server, requirement);
}

bool spec_server_meets(const spec_server_t *server, const bson_t *document, spec_text_t *why) {
    bson_t requirements, requirement;
    bson_iter_t iter;
    const char *missing = NULL;
    if (!spec_document(document, "runOnRequirements", &requirements)) return true;
    bson_iter_init(&iter, &requirements);
    while (bson_iter_next(&iter)) {
        spec_document_at(&iter, &requirement);
        missing = unmet(server, &requirement);
        if (!missing) return true;
    }
    spec_text_append(why, missing ? missing : "runOnRequirements");
    return false;
}

/* --- In order again -------------------------------------------------------------------------- */

void spec_server_kill_sessions(const spec_server_t *server) {
    bson_t *command = BCON_NEW("killAllSessions", "[", "]");
    /* Interrupted (it kills itself), Unauthorized: what can be done has been done */
    spec_server_run(server, "admin", command, NULL, NULL);
}

void spec_fail_points_clear(spec_test_t *test) {
    bson_iter_t iter;
    mouv_error_t error;
    bson_iter_init(&iter, test->fail_points);
    while (bson_iter_next(&iter)) {
        const char *name = spec_string_at(&iter);
        bson_t *off = BCON_NEW("configureFailPoint", BCON_UTF8(name), "mode", BCON_UTF8("off"));
        if (spec_server_run(test->server, "admin", off, NULL, &error) < 0) {
            spec_fail(test, "fail point %s cannot be switched off: %s", name, error.message);
        }
    }
}
