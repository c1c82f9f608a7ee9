/*
 * The options of a client that no URI has (the server API, more of TLS), and TLS's files.
 */
#include "mongo/transport/driver/client_options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "async/task/runtime.h"
#include "context/alloc.h"
#include "mongo/base/libmongoc.h"

/* --- taking over ------------------------------------------------------------------------------ */

static int client_options_read_server_api(mouv__client_options_t *client_options,
                                          const mouv_server_api_t *wanted, mouv_error_t *error) {
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
    client_options->server_api = mongoc_server_api_new(version);
    if (wanted->strict) mongoc_server_api_strict(client_options->server_api, true);
    if (wanted->deprecation_errors)
        mongoc_server_api_deprecation_errors(client_options->server_api, true);
    return 0;
}

static char *client_options_copy_text(const char *text) {
    char *copy = mouv__alloc(strlen(text) + 1);
    if (copy) strcpy(copy, text);
    return copy;
}

static int client_options_read_tls(mouv__client_options_t *client_options,
                                   const mouv_client_opts_t *opts, const mongoc_uri_t *uri,
                                   mouv_error_t *error) {
    if (!opts->tls_ca_dir && !opts->tls_crl_file) return 0;
    if (!mongoc_uri_get_tls(uri))
        return mouv__raise(error, MOUV_EINVAL, "mouv_client_new: %s without tls=true in the URI",
                           opts->tls_ca_dir ? "tls_ca_dir" : "tls_crl_file");
    if (opts->tls_ca_dir) client_options->tls_ca_dir = client_options_copy_text(opts->tls_ca_dir);
    if (opts->tls_crl_file)
        client_options->tls_crl_file = client_options_copy_text(opts->tls_crl_file);
    if (!client_options->tls_ca_dir == !opts->tls_ca_dir &&
        !client_options->tls_crl_file == !opts->tls_crl_file)
        return 0;
    return mouv__raise(error, MOUV_ENOMEM, "mouv_client_new: %s", mouv_error_message(MOUV_ENOMEM));
}

int mouv__client_options_init(mouv__client_options_t *client_options,
                              const mouv_client_opts_t *opts, const mongoc_uri_t *uri,
                              mouv_error_t *error) {
    *client_options = (mouv__client_options_t){0};
    int rc = client_options_read_server_api(client_options, &opts->server_api, error);
    if (rc == 0) rc = client_options_read_tls(client_options, opts, uri, error);
    if (rc < 0) mouv__client_options_clear(client_options);
    return rc;
}

void mouv__client_options_clear(mouv__client_options_t *client_options) {
    mongoc_server_api_destroy(client_options->server_api);
    mouv__free(client_options->tls_ca_dir);
    mouv__free(client_options->tls_crl_file);
    *client_options = (mouv__client_options_t){0};
}

/* --- TLS -------------------------------------------------------------------------------------- */

static bool client_options_is_set(const mongoc_uri_t *uri, const char *option) {
    return mongoc_uri_get_option_as_bool(uri, option, false);
}

/* As libmongoc reads its URI, and what it has not. */
mongoc_ssl_opt_t mouv__client_options_tls(const mouv__client_options_t *client_options,
                                          const mongoc_uri_t *uri) {
    mongoc_ssl_opt_t tls = *mongoc_ssl_opt_get_default();
    bool insecure = client_options_is_set(uri, MONGOC_URI_TLSINSECURE);
    tls.pem_file = mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILE, NULL);
    tls.pem_pwd =
        mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCERTIFICATEKEYFILEPASSWORD, NULL);
    tls.ca_file = mongoc_uri_get_option_as_utf8(uri, MONGOC_URI_TLSCAFILE, NULL);
    tls.ca_dir = client_options->tls_ca_dir;
    tls.crl_file = client_options->tls_crl_file;
    tls.weak_cert_validation =
        insecure || client_options_is_set(uri, MONGOC_URI_TLSALLOWINVALIDCERTIFICATES);
    tls.allow_invalid_hostname =
        insecure || client_options_is_set(uri, MONGOC_URI_TLSALLOWINVALIDHOSTNAMES);
    return tls;
}

static bool client_options_can_read(const char *option, const char *path, bson_error_t *error) {
    FILE *file = path ? fopen(path, "re") : NULL;
    if (file) fclose(file);
    if (file || !path) return true;
    bson_set_error(error, MONGOC_ERROR_COMMAND, MONGOC_ERROR_COMMAND_INVALID_ARG,
                   "%s '%s' cannot be read: %s", option, path, strerror(errno));
    return false;
}

/* Sets a connection up that goes nowhere: libmongoc reads all files for it. */
static bool client_options_can_load(mongoc_ssl_opt_t *tls, bson_error_t *error) {
    char log[MOUV__LIBMONGOC_LOG_SIZE];
    mongoc_socket_t *socket = mongoc_socket_new(AF_INET, SOCK_STREAM, 0);
    if (!socket) return true; /* the first connection tells */
    mongoc_stream_t *plain = mongoc_stream_socket_new(socket);
    mouv__libmongoc_listen(log);
    mongoc_stream_t *stream = mongoc_stream_tls_new_with_hostname(plain, "", tls, 1);
    mouv__libmongoc_listen(NULL);
    mongoc_stream_destroy(stream ? stream : plain);
    if (stream) return true;
    bson_set_error(error, MONGOC_ERROR_COMMAND, MONGOC_ERROR_COMMAND_INVALID_ARG,
                   "TLS cannot be set up: %s%s", log[0] ? log : "libmongoc gave no reason",
                   tls->pem_pwd ? " (or a wrong password)" : "");
    return false;
}

bool mouv__client_options_check(const mouv__client_options_t *client_options,
                                const mongoc_uri_t *uri, bson_error_t *error) {
    if (!mongoc_uri_get_tls(uri)) return true;
    mongoc_ssl_opt_t tls = mouv__client_options_tls(client_options, uri);
    return client_options_can_read("tlsCAFile", tls.ca_file, error) &&
           client_options_can_read("tls_ca_dir", tls.ca_dir, error) &&
           client_options_can_read("tls_crl_file", tls.crl_file, error) &&
           client_options_can_read("tlsCertificateKeyFile", tls.pem_file, error) &&
           client_options_can_load(&tls, error);
}

bool mouv__client_options_apply(const mouv__client_options_t *client_options,
                                const mongoc_uri_t *uri, mongoc_client_pool_t *clients,
                                bson_error_t *error) {
    if (client_options->tls_ca_dir || client_options->tls_crl_file) {
        mongoc_ssl_opt_t tls = mouv__client_options_tls(client_options, uri);
        mongoc_client_pool_set_ssl_opts(clients, &tls);
    }
    return !client_options->server_api ||
           mongoc_client_pool_set_server_api(clients, client_options->server_api, error);
}
