/*
 * Load balancers and mongos, scripted.
 */
#include "support/mock_front.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "support/mock_replies.h"

enum { SEEN_MAX = 2000, ANSWERS_MAX = 32, REPLIES_MAX = 200 };

typedef struct seen {
    bson_t *command;
    uint64_t connection;
} seen_t;

typedef struct answer {
    char command[MOCK_NAME_MAX];
    bson_t *reply; /* NULL: the connection is closed */
    bool closes;   /* also with a reply */
    int left;      /* -1: always */
} answer_t;

struct mock_front {
    mock_server_t *server;
    mock_front_kind_t kind;
    char uri[80];
    uv_mutex_t mutex; /* of all below, which the server's thread uses */
    bson_t *hellos[2];
    seen_t seen[SEEN_MAX];
    int seen_count;
    bson_t *replies[REPLIES_MAX]; /* all that were ever said: the server may be sending one */
    int reply_count;
    answer_t answers[ANSWERS_MAX];
    int answer_count;
};

static bson_t *hello_of(mock_front_kind_t kind, int which) {
    static const char *const services[] = {"aaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbb"};
    char text[600], service[80] = "";
    if (kind == MOCK_BALANCER)
        snprintf(service, sizeof service, " 'serviceId': {'$oid': '%s'},", services[which]);
    snprintf(text, sizeof text,
             "{'helloOk': true, 'msg': 'isdbgrid', 'ismaster': true, 'isWritablePrimary': true,%s"
             " 'maxBsonObjectSize': 16777216, 'maxMessageSizeBytes': 48000000, 'connectionId': 1,"
             " 'maxWriteBatchSize': 100000, 'logicalSessionTimeoutMinutes': 30,"
             " 'minWireVersion': 0, 'maxWireVersion': 17, 'ok': 1.0}",
             service);
    return mock_json(text);
}

static void note(mock_front_t *front, const mock_request_t *request) {
    bson_t command;
    if (front->seen_count == SEEN_MAX) abort();
    if (!bson_init_static(&command, request->body, request->body_size)) abort();
    front->seen[front->seen_count++] =
        (seen_t){.command = bson_copy(&command), .connection = request->connection};
}

static answer_t *answer_to(mock_front_t *front, const char *command) {
    for (int i = 0; i < front->answer_count; i++)
        if (strcmp(front->answers[i].command, command) == 0) return &front->answers[i];
    return NULL;
}

static void choose(void *arg, const mock_request_t *request, mock_script_t *script) {
    mock_front_t *front = arg;
    uv_mutex_lock(&front->mutex);
    note(front, request);
    answer_t *answer = answer_to(front, request->command);
    if (strcmp(request->command, "hello") == 0)
        script->reply = front->hellos[(request->connection + 1) % 2];
    if (answer && answer->left != 0) {
        if (answer->left > 0) answer->left--;
        script->reply = answer->reply;
        script->silent = !answer->reply;
        script->then = answer->closes ? MOCK_CLOSE : MOCK_KEEP;
    }
    uv_mutex_unlock(&front->mutex);
}

mock_front_t *mock_front_start(mock_front_kind_t kind) {
    mock_front_t *front = calloc(1, sizeof *front);
    if (!front || uv_mutex_init(&front->mutex) != 0) abort();
    front->kind = kind;
    for (int i = 0; i < 2; i++) front->hellos[i] = hello_of(kind, i);
    front->server = mock_server_start(&(mock_server_opts_t){.choose = choose, .choose_arg = front});
    if (!front->server) abort();
    snprintf(front->uri, sizeof front->uri, "mongodb://127.0.0.1:%u/%s",
             (unsigned)mock_server_port(front->server),
             kind == MOCK_MONGOS ? "?" : "?loadBalanced=true");
    return front;
}

void mock_front_stop(mock_front_t *front) {
    mock_server_stop(front->server);
    for (int i = 0; i < 2; i++) bson_destroy(front->hellos[i]);
    for (int i = 0; i < front->seen_count; i++) bson_destroy(front->seen[i].command);
    uv_mutex_destroy(&front->mutex);
    for (int i = 0; i < front->reply_count; i++) bson_destroy(front->replies[i]);
    free(front);
}

mock_server_t *mock_front_server(mock_front_t *front) {
    return front->server;
}

const char *mock_front_uri(const mock_front_t *front) {
    return front->uri;
}

const bson_t *mock_front_hello(const mock_front_t *front) {
    return front->hellos[0];
}

static void set_answer(mock_front_t *front, const char *command, const char *json, int times,
                       bool closes) {
    bson_t *reply = json ? mock_json(json) : NULL;
    uv_mutex_lock(&front->mutex);
    answer_t *answer = answer_to(front, command);
    if (!answer && front->answer_count == ANSWERS_MAX) abort();
    if (!answer) answer = &front->answers[front->answer_count++];
    snprintf(answer->command, sizeof answer->command, "%s", command);
    if (front->reply_count == REPLIES_MAX) abort();
    if (reply) front->replies[front->reply_count++] = reply;
    answer->reply = reply;
    answer->closes = closes;
    answer->left = times > 0 ? times : -1;
    uv_mutex_unlock(&front->mutex);
}

void mock_front_answer(mock_front_t *front, const char *command, const char *json, int times) {
    set_answer(front, command, json, times, !json);
}

void mock_front_answer_and_close(mock_front_t *front, const char *command, const char *json) {
    set_answer(front, command, json, 0, true);
}

/* --- what has come ---------------------------------------------------------------------------- */

static bool is_named(const bson_t *command, const char *name) {
    bson_iter_t iter;
    return bson_iter_init(&iter, command) && bson_iter_next(&iter) &&
           strcmp(bson_iter_key(&iter), name) == 0;
}

/* Under the mutex. */
static const seen_t *find(const mock_front_t *front, const char *command, int n) {
    for (int i = 0; i < front->seen_count; i++)
        if (is_named(front->seen[i].command, command) && n-- == 0) return &front->seen[i];
    return NULL;
}

int mock_front_count(mock_front_t *front, const char *command) {
    int count = 0;
    uv_mutex_lock(&front->mutex);
    while (find(front, command, count)) count++;
    uv_mutex_unlock(&front->mutex);
    return count;
}

uint64_t mock_front_connection(mock_front_t *front, const char *command, int n) {
    uv_mutex_lock(&front->mutex);
    const seen_t *seen = find(front, command, n);
    uint64_t connection = seen ? seen->connection : 0;
    uv_mutex_unlock(&front->mutex);
    return connection;
}

bson_t *mock_front_command(mock_front_t *front, const char *command, int n) {
    uv_mutex_lock(&front->mutex);
    const seen_t *seen = find(front, command, n);
    bson_t *copy = seen ? bson_copy(seen->command) : NULL;
    uv_mutex_unlock(&front->mutex);
    return copy;
}
