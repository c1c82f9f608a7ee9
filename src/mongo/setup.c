/*
 * The options of a client that no URI has: the server API.
 */
#include "mongo/setup.h"

#include "async/runtime.h"

static int read_server_api(mouv__setup_t *setup, const mouv_server_api_t *wanted,
                           mouv_error_t *error) {
    mongoc_server_api_version_t version;
    if (!wanted->version) {
        if (!wanted->strict && !wanted->deprecation_errors) return 0;
        return mouv__raise(error, MOUV_EINVAL,
                           "mouv_client_new: server_api has no version, only %s",
                           wanted->strict ? "strict" : "deprecation_errors");
    }
    if (!mongoc_server_api_version_from_string(wanted->version, &version))
        return mouv__raise(error, MOUV_EINVAL,
                           "mouv_client_new: server_api.version '%s' is unknown; there is \"1\"",
                           wanted->version);
    setup->server_api = mongoc_server_api_new(version);
    if (wanted->strict) mongoc_server_api_strict(setup->server_api, true);
    if (wanted->deprecation_errors) mongoc_server_api_deprecation_errors(setup->server_api, true);
    return 0;
}

int mouv__setup_init(mouv__setup_t *setup, const mouv_client_opts_t *opts, mouv_error_t *error) {
    *setup = (mouv__setup_t){0};
    return read_server_api(setup, &opts->server_api, error);
}

bool mouv__setup_apply(const mouv__setup_t *setup, mongoc_client_pool_t *clients,
                       bson_error_t *error) {
    return !setup->server_api ||
           mongoc_client_pool_set_server_api(clients, setup->server_api, error);
}

void mouv__setup_clear(mouv__setup_t *setup) {
    mongoc_server_api_destroy(setup->server_api);
    *setup = (mouv__setup_t){0};
}
