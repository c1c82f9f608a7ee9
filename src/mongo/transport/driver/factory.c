/*
 * A factory has a client of libmongoc's whose connections are ours, each in a shell
 * (stream_shell.h). libmongoc is asked to describe the handshake with a server: it connects and
 * authenticates for that, and sends no command. The shell is emptied then. Libmongoc keeps it, as a
 * connection of the server pool's present generation. Before the next connection to the same server
 * a ping has to fail on it: for libmongoc that is a call that took too long, after which it lets the
 * connection go and thinks no worse of the server.
 *
 * What is handed over has no part in any of this: it outlives factory, client and pool.
 */
#include "mongo/transport/driver/factory.h"

#include "context/alloc.h"
#include "mongo/transport/driver/factory_client.h"
#include "mongo/transport/driver/stream_connect.h"
#include "mongo/transport/driver/stream_shell.h"

struct mouv__factory {
    mouv__driver_pool_t *driver_pool; /* a share */
    mouv__interruptible_t *interruptible;
    mouv__factory_client_t client;
    mouv__stream_source_t source; /* what the client's connections are made of */
    mouv__stream_parts_t parts;   /* of the one that is being set up */
    mouv__shells_t shells;
    bool closing; /* no connection is to be made */
};

mouv__factory_t *mouv__factory_new(mouv__driver_pool_t *driver_pool) {
    mouv__factory_t *factory = mouv__alloc(sizeof(*factory));
    if (factory) factory->interruptible = mouv__interruptible_new();
    if (!factory || !factory->interruptible) {
        mouv__free(factory);
        return NULL;
    }
    factory->driver_pool = mouv__driver_pool_ref(driver_pool);
    factory->source = (mouv__stream_source_t){.interruptible = factory->interruptible,
                                              .driver_pool = driver_pool,
                                              .parts = &factory->parts};
    return factory;
}

/* A mongoc_stream_initiator_t. */
static mongoc_stream_t *factory_dial(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                                     void *arg, bson_error_t *error) {
    mouv__factory_t *factory = arg;
    mongoc_stream_t *checked = NULL;
    if (!factory->closing) {
        checked = mouv__stream_connect(uri, host, &factory->source, error);
        if (!checked) return NULL;
    }
    mongoc_stream_t *shell = mouv__stream_shell_new(&factory->shells, checked, &factory->parts);
    if (shell) return shell;
    mongoc_stream_destroy(checked);
    bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, "out of memory");
    return NULL;
}

/* A command, which libmongoc sends on the shell that it has for this server. */
static void factory_ping(mouv__factory_t *factory, uint32_t server_id) {
    bson_t *ping = BCON_NEW("ping", BCON_INT32(1));
    bson_error_t ignored;
    mongoc_client_command_simple_with_server_id(
        factory->client.client, "admin", ping, NULL,
        mouv__factory_client_server(&factory->client, server_id), NULL, &ignored);
    bson_destroy(ping);
}

static bool factory_open(mouv__factory_t *factory, const char *host_and_port, bson_error_t *error) {
    mouv__interruptible_begin(factory->interruptible, 0, 0);
    return mouv__factory_client_open(&factory->client, factory->driver_pool, host_and_port,
                                     factory_dial, factory, error);
}

/* --- connecting ------------------------------------------------------------------------------- */

static mongoc_server_description_t *factory_describe(mouv__factory_t *factory, uint32_t server_id,
                                                     bson_error_t *error) {
    return mongoc_client_get_handshake_description(
        factory->client.client, mouv__factory_client_server(&factory->client, server_id), NULL,
        error);
}

/* What the server has said to hello on a new connection, which is in a shell. Libmongoc may have an
 * emptied one from the last time, or another factory's, and believe in it until a ping fails. */
static mongoc_server_description_t *factory_shake_hands(mouv__factory_t *factory,
                                                        uint32_t server_id, bson_error_t *error) {
    mongoc_server_description_t *description = factory_describe(factory, server_id, error);
    if (description && !mouv__shells_are_full(&factory->shells)) {
        mongoc_server_description_destroy(description);
        factory_ping(factory, server_id);
        description = factory_describe(factory, server_id, error);
    }
    if (!description) mouv__interruptible_explain(factory->interruptible, error);
    return description;
}

bool mouv__factory_connect(mouv__factory_t *factory, uint32_t server_id, const char *host_and_port,
                           mouv__handover_t *handover, bson_error_t *error) {
    bson_error_t why = {.domain = MONGOC_ERROR_STREAM,
                        .code = MONGOC_ERROR_STREAM_CONNECT,
                        .message = "libmongoc has set no connection up"};
    mongoc_server_description_t *description = NULL;
    mouv__channel_t *channel = NULL;
    if (factory_open(factory, host_and_port, &why))
        description = factory_shake_hands(factory, server_id, &why);
    if (description) channel = mouv__shells_take(&factory->shells, &why);
    if (channel) {
        handover->channel = channel;
        handover->hello = bson_copy(mongoc_server_description_hello_response(description));
    } else {
        mouv__factory_client_fail(&factory->client);
        *error = why;
    }
    mongoc_server_description_destroy(description);
    return channel != NULL;
}

bool mouv__factory_is_seen(void) {
    return !MONGOC_CHECK_VERSION(2, 0, 0);
}

void mouv__factory_free(mouv__factory_t *factory) {
    if (!factory) return;
    mouv__shells_clear(&factory->shells);
    factory->closing = true;
    mouv__factory_client_close(&factory->client, factory->driver_pool);
    mouv__interruptible_unref(factory->interruptible);
    mouv__driver_pool_unref(factory->driver_pool);
    mouv__free(factory);
}
