/*
 * The mock server's thread: a libuv loop, its connections, and what a script makes of a reply.
 */
#include "support/mock_server.h"

#include "support/mock_replies.h"
#include "support/mock_wire.h"
#include "support/net_thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_BYTES = 8192, REWRITE_ROOM = 4096, COUNT_OFFSET = 4 + 1 + 2 };

typedef enum state {
    READING, /* for the next command */
    WAITING, /* until the reply may begin or go on */
    SENDING,
    MUTED,
    CLOSING
} state_t;

/** Bytes that grow and never shrink. */
typedef struct buffer {
    uint8_t *bytes;
    size_t capacity, size;
} buffer_t;

typedef struct connection {
    mock_server_t *server;
    struct connection *next, *previous;
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    int handles; /* not closed yet */
    state_t state;
    uint64_t number;
    mock_command_t *last; /* that has come; NULL: none yet */
    buffer_t input;
    mock_script_t script; /* of the reply under way */
    buffer_t output;
    size_t sent, sending;
} connection_t;

struct mock_server {
    net_thread_t net;
    mock_choose_fn choose;
    void *choose_arg;
    connection_t *connections;
    char uri[80];
    mock_commands_t commands; /* under the thread's mutex, as the statistics */
    mock_server_stats_t stats;
};

static void reserve(buffer_t *buffer, size_t capacity) {
    if (capacity <= buffer->capacity) return;
    while (buffer->capacity < capacity)
        buffer->capacity = buffer->capacity ? 2 * buffer->capacity : INPUT_BYTES;
    buffer->bytes = realloc(buffer->bytes, buffer->capacity);
    if (!buffer->bytes) abort();
}

static void count(mock_server_t *server, uint64_t *statistic, int change) {
    uv_mutex_lock(&server->net.mutex);
    *statistic += (uint64_t)change;
    uv_mutex_unlock(&server->net.mutex);
}

/* --- The end of a connection ---------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle) {
    connection_t *connection = handle->data;
    if (--connection->handles > 0) return;
    mock_server_t *server = connection->server;
    if (connection->next) connection->next->previous = connection->previous;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    count(server, &server->stats.open, -1);
    free(connection->input.bytes);
    free(connection->output.bytes);
    free(connection);
}

static void close_connection(connection_t *connection, bool reset) {
    if (connection->state == CLOSING) return;
    connection->state = CLOSING;
    uv_close((uv_handle_t *)&connection->timer, on_closed);
    if (!reset || uv_tcp_close_reset(&connection->tcp, on_closed) != 0)
        uv_close((uv_handle_t *)&connection->tcp, on_closed);
}

/* --- A reply -------------------------------------------------------------------------------- */

static void serve(connection_t *connection);
static void send_more(connection_t *connection);

/** All that the script wanted to be sent has gone. */
static void replied(connection_t *connection) {
    switch (connection->script.then) {
    case MOCK_KEEP:
        connection->state = READING;
        break;
    case MOCK_CLOSE:
        close_connection(connection, false);
        break;
    case MOCK_RESET:
        close_connection(connection, true);
        break;
    case MOCK_MUTE:
        connection->state = MUTED;
        break;
    }
}

static void on_timer(uv_timer_t *timer) {
    connection_t *connection = timer->data;
    send_more(connection);
    serve(connection);
}

/** Goes on after `ms`, never before: libuv's clock is up to a millisecond behind. */
static void wait_for(connection_t *connection, int64_t ms) {
    connection->state = WAITING;
    uv_update_time(&connection->server->net.loop);
    uv_timer_start(&connection->timer, on_timer, (uint64_t)ms + 1, 0);
}

/** These bytes have gone. */
static void sent(connection_t *connection, size_t bytes) {
    connection->sent += bytes;
    if (connection->sent < connection->output.size)
        wait_for(connection, connection->script.slice_ms);
    else
        replied(connection);
}

static void on_written(uv_write_t *write, int status) {
    connection_t *connection = write->data;
    if (connection->state == CLOSING) return;
    if (status < 0) {
        close_connection(connection, false);
        return;
    }
    sent(connection, connection->sending);
    serve(connection);
}

/** Sends what is left, or the next slice of it. */
static void send_more(connection_t *connection) {
    size_t size = connection->output.size - connection->sent;
    size_t slice = connection->script.slice_bytes;
    if (slice && slice < size) size = slice;
    if (size == 0) {
        replied(connection);
        return;
    }
    uv_stream_t *stream = (uv_stream_t *)&connection->tcp;
    char *bytes = (char *)connection->output.bytes + connection->sent;
    uv_buf_t piece = uv_buf_init(bytes, (unsigned)size);
    int written = uv_try_write(stream, &piece, 1);
    if (written == UV_EAGAIN) written = 0;
    if (written < 0) {
        close_connection(connection, false);
    } else if ((size_t)written == size) {
        sent(connection, size);
    } else {
        connection->state = SENDING;
        connection->sending = size;
        piece = uv_buf_init(bytes + written, (unsigned)(size - (size_t)written));
        if (uv_write(&connection->write, stream, &piece, 1, on_written) < 0)
            close_connection(connection, false);
    }
}

/* --- What a command is answered with -------------------------------------------------------- */

static void put_count(connection_t *connection, const mock_incoming_t *incoming) {
    uint8_t *document = connection->output.bytes + mock_document_offset(incoming);
    mock_put_int32(document + COUNT_OFFSET, mock_count_documents(incoming));
}

/** The whole reply, as the script and the canned reply of its command have it. */
static void compose(connection_t *connection, const mock_incoming_t *incoming,
                    const mock_command_t *command) {
    const mock_script_t *script = &connection->script;
    buffer_t *output = &connection->output;
    const bson_t *document = script->reply ? script->reply : command->canned;
    output->size = 0;
    if (script->silent) return;
    reserve(output, MOCK_REPLY_OVERHEAD + document->len + script->bytes_size + REWRITE_ROOM);
    if (script->bytes) {
        memcpy(output->bytes, script->bytes, script->bytes_size);
        output->size = script->bytes_size;
    } else {
        output->size = mock_compose(output->bytes, incoming, document);
        if (!script->reply && command->counts_documents) put_count(connection, incoming);
    }
    if (script->claimed_size) mock_put_int32(output->bytes, script->claimed_size);
    if (script->rewrite)
        output->size =
            script->rewrite(script->rewrite_arg, output->bytes, output->size, output->capacity);
    if (script->only_bytes && script->only_bytes < output->size) output->size = script->only_bytes;
}

/** The command's own script, or everybody's; false: there is none. */
static bool take_script(mock_server_t *server, mock_command_t *command, mock_script_t *script) {
    mock_command_t *all = mock_commands_get(&server->commands, "*");
    bool any = strcmp(command->name, "hello") != 0;
    if (any) all->count++;
    mock_command_t *source = command->scripted || !any ? command : all;
    if (!mock_command_takes_script(source)) return false;
    *script = source->script;
    return true;
}

static void answer(connection_t *connection, mock_incoming_t *incoming) {
    mock_server_t *server = connection->server;
    incoming->request.connection = connection->number;
    connection->script = (mock_script_t){0};
    uv_mutex_lock(&server->net.mutex);
    mock_command_t *command = mock_commands_get(&server->commands, incoming->request.command);
    command->count++;
    connection->last = command; /* a row stays where it is */
    bool scripted = take_script(server, command, &connection->script);
    uv_mutex_unlock(&server->net.mutex);
    if (!scripted && server->choose)
        server->choose(server->choose_arg, &incoming->request, &connection->script);
    if (incoming->no_reply) connection->script.silent = true;
    compose(connection, incoming, command);
    connection->sent = 0;
    if (connection->script.delay_ms > 0)
        wait_for(connection, connection->script.delay_ms);
    else
        send_more(connection);
}

/* --- What comes ----------------------------------------------------------------------------- */

static void refuse(connection_t *connection) {
    count(connection->server, &connection->server->stats.wrong, 1);
    close_connection(connection, true);
}

/** Answers the message that stands at `offset`; returns its size, or 0 if it is not there yet. */
static size_t serve_one(connection_t *connection, size_t offset) {
    const uint8_t *message = connection->input.bytes + offset;
    size_t available = connection->input.size - offset;
    mock_incoming_t incoming;
    int64_t size = mock_message_size(message, available);
    if (size >= 0 && (size == 0 || (size_t)size > available)) return 0;
    if (size < 0 || !mock_parse(message, (size_t)size, &incoming)) {
        refuse(connection);
        return 0;
    }
    answer(connection, &incoming);
    return (size_t)size;
}

/** Answers what is there, as far as each reply can be sent at once. */
static void serve(connection_t *connection) {
    buffer_t *input = &connection->input;
    size_t done = 0, size = 1;
    while (connection->state == READING && size > 0) {
        size = serve_one(connection, done);
        done += size;
    }
    if (done == 0) return;
    memmove(input->bytes, input->bytes + done, input->size - done);
    input->size -= done;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *room) {
    (void)suggested;
    buffer_t *input = &((connection_t *)handle->data)->input;
    int64_t message = mock_message_size(input->bytes, input->size);
    reserve(input, message > (int64_t)input->size ? (size_t)message : input->size + INPUT_BYTES);
    *room =
        uv_buf_init((char *)input->bytes + input->size, (unsigned)(input->capacity - input->size));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *room) {
    (void)room;
    connection_t *connection = stream->data;
    mock_server_t *server = connection->server;
    if (size < 0) {
        count(server, size == UV_EOF ? &server->stats.ended : &server->stats.reset, 1);
        if (size != UV_EOF && connection->last) count(server, &connection->last->resets, 1);
        close_connection(connection, false);
        return;
    }
    connection->input.size += (size_t)size;
    if (connection->state == MUTED || connection->input.size > 2 * MOCK_MESSAGE_MAX)
        connection->input.size = 0; /* nobody will read it */
    serve(connection);
}

static void on_connection(uv_stream_t *listener, int status) {
    mock_server_t *server = listener->data;
    connection_t *connection = calloc(1, sizeof *connection);
    if (!connection || status < 0) abort();
    connection->server = server;
    connection->handles = 2;
    connection->tcp.data = connection->timer.data = connection->write.data = connection;
    reserve(&connection->input, INPUT_BYTES);
    uv_tcp_init(&server->net.loop, &connection->tcp);
    uv_timer_init(&server->net.loop, &connection->timer);
    connection->next = server->connections;
    if (connection->next) connection->next->previous = connection;
    server->connections = connection;
    uv_mutex_lock(&server->net.mutex);
    connection->number = ++server->stats.accepted;
    server->stats.open++;
    uv_mutex_unlock(&server->net.mutex);
    if (uv_accept(listener, (uv_stream_t *)&connection->tcp) < 0 ||
        uv_tcp_nodelay(&connection->tcp, 1) < 0 ||
        uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read) < 0)
        close_connection(connection, false);
}

/* --- The server ----------------------------------------------------------------------------- */

static void on_woken(void *owner, bool stopping) {
    mock_server_t *server = owner;
    for (connection_t *at = server->connections; stopping && at; at = at->next)
        close_connection(at, false);
}

static void prepare(void *owner) {
    mock_server_t *server = owner;
    mock_commands_init(&server->commands, server->net.port);
    snprintf(server->uri, sizeof server->uri, "mongodb://127.0.0.1:%u/?replicaSet=mock",
             (unsigned)server->net.port);
}

mock_server_t *mock_server_start(const mock_server_opts_t *opts) {
    const mock_server_opts_t none = {0};
    mock_server_t *server = calloc(1, sizeof *server);
    if (!server) return NULL;
    if (!opts) opts = &none;
    server->choose = opts->choose;
    server->choose_arg = opts->choose_arg;
    int rc = net_thread_start(&server->net, server, opts->port, on_connection, on_woken, prepare);
    if (rc == 0) return server;
    mock_commands_clear(&server->commands);
    free(server);
    errno = -rc;
    return NULL;
}

void mock_server_stop(mock_server_t *server) {
    if (!server) return;
    net_thread_stop(&server->net);
    mock_commands_clear(&server->commands);
    free(server);
}

const char *mock_server_uri(const mock_server_t *server) {
    return server->uri;
}

uint16_t mock_server_port(const mock_server_t *server) {
    return server->net.port;
}

void mock_server_script(mock_server_t *server, const char *command, const mock_script_t *script) {
    uv_mutex_lock(&server->net.mutex);
    mock_command_set(&server->commands, command, script);
    uv_mutex_unlock(&server->net.mutex);
}

void mock_server_reply(mock_server_t *server, const char *command, const char *json) {
    bson_t *reply = mock_json(json);
    mock_server_script(server, command, &(mock_script_t){.reply = reply});
    bson_destroy(reply);
}

uint64_t mock_server_count(mock_server_t *server, const char *command) {
    uv_mutex_lock(&server->net.mutex);
    uint64_t count_of_it = mock_commands_get(&server->commands, command)->count;
    uv_mutex_unlock(&server->net.mutex);
    return count_of_it;
}

uint64_t mock_server_resets(mock_server_t *server, const char *command) {
    uv_mutex_lock(&server->net.mutex);
    uint64_t resets = mock_commands_get(&server->commands, command)->resets;
    uv_mutex_unlock(&server->net.mutex);
    return resets;
}

void mock_server_get_stats(mock_server_t *server, mock_server_stats_t *stats) {
    uv_mutex_lock(&server->net.mutex);
    *stats = server->stats;
    uv_mutex_unlock(&server->net.mutex);
}
