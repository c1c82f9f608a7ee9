/*
 * The mock server's table of commands.
 */
#include "support/mock_replies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- What is kept until the end ------------------------------------------------------------- */

typedef struct kept {
    struct kept *next;
    bson_t *document; /* or */
    void *bytes;
} kept_t;

static kept_t *keep(mock_commands_t *commands) {
    kept_t *kept = calloc(1, sizeof *kept);
    kept->next = commands->kept;
    commands->kept = kept;
    return kept;
}

static const bson_t *keep_document(mock_commands_t *commands, bson_t *document) {
    return keep(commands)->document = document;
}

static const void *keep_bytes(mock_commands_t *commands, const void *bytes, size_t size) {
    void *copy = malloc(size + 1);
    memcpy(copy, bytes, size);
    return keep(commands)->bytes = copy;
}

bson_t *mock_json(const char *text) {
    bson_error_t error;
    char *quoted = strdup(text);
    for (char *at = quoted; *at; at++) {
        if (*at == '\'') *at = '"';
    }
    bson_t *document = bson_new_from_json((const uint8_t *)quoted, -1, &error);
    free(quoted);
    if (document) return document;
    fprintf(stderr, "test is wrong: %s: %s\n", text, error.message);
    abort();
}

/* --- Canned replies ------------------------------------------------------------------------- */

static const struct canned {
    const char *name, *reply;
    bool counts_documents;
} canned[] = {
    /* the first row serves every command without one */
    {"*", "{'ok': 1.0}", false},
    {"insert", "{'n': {'$numberInt': '1'}, 'ok': 1.0}", true},
    {"update", "{'n': {'$numberInt': '1'}, 'nModified': {'$numberInt': '1'}, 'ok': 1.0}", true},
    {"delete", "{'n': {'$numberInt': '1'}, 'ok': 1.0}", true},
    {"find",
     "{'cursor': {'firstBatch': [{'_id': 1, 'name': 'Ada', 'n': 1}],"
     " 'id': {'$numberLong': '0'}, 'ns': 'mock.mock'}, 'ok': 1.0}",
     false},
    {"aggregate",
     "{'cursor': {'firstBatch': [{'_id': 1, 'n': 1}],"
     " 'id': {'$numberLong': '0'}, 'ns': 'mock.mock'}, 'ok': 1.0}",
     false},
    {"getMore",
     "{'cursor': {'nextBatch': [], 'id': {'$numberLong': '0'}, 'ns': 'mock.mock'}, 'ok': 1.0}",
     false},
    {"findAndModify",
     "{'value': {'_id': 1, 'name': 'Ada', 'n': 1},"
     " 'lastErrorObject': {'n': 1, 'updatedExisting': true}, 'ok': 1.0}",
     false},
    {"count", "{'n': 1, 'ok': 1.0}", false},
    {"distinct", "{'values': [1], 'ok': 1.0}", false},
    {"listCollections",
     "{'cursor': {'firstBatch': [], 'id': {'$numberLong': '0'}, 'ns': 'mock.$cmd'}, 'ok': 1.0}",
     false},
    {"listIndexes",
     "{'cursor': {'firstBatch': [], 'id': {'$numberLong': '0'}, 'ns': 'mock.mock'}, 'ok': 1.0}",
     false},
    {"listDatabases", "{'databases': [], 'totalSize': 0, 'ok': 1.0}", false},
    {"buildInfo", "{'version': '6.0.0', 'versionArray': [6, 0, 0, 0], 'ok': 1.0}", false},
};

/* No topologyVersion: monitors ask again at their own intervals and are never streamed to. */
static bson_t *hello(uint16_t port) {
    char text[1000];
    snprintf(text, sizeof text,
             "{'helloOk': true, 'ismaster': true, 'isWritablePrimary': true, 'secondary': false,"
             " 'setName': 'mock', 'setVersion': 1, 'hosts': ['127.0.0.1:%u'],"
             " 'primary': '127.0.0.1:%u', 'me': '127.0.0.1:%u',"
             " 'maxBsonObjectSize': 16777216, 'maxMessageSizeBytes': 48000000,"
             " 'maxWriteBatchSize': 100000, 'localTime': {'$date': {'$numberLong': '0'}},"
             " 'logicalSessionTimeoutMinutes': 30, 'connectionId': 1, 'minWireVersion': 0,"
             " 'maxWireVersion': 17, 'readOnly': false, 'ok': 1.0}",
             (unsigned)port, (unsigned)port, (unsigned)port);
    return mock_json(text);
}

/* --- The table ------------------------------------------------------------------------------ */

static mock_command_t *add(mock_commands_t *commands, const char *name, const bson_t *reply) {
    mock_command_t *command = &commands->rows[commands->count++];
    snprintf(command->name, sizeof command->name, "%s", name);
    command->canned = reply;
    return command;
}

void mock_commands_init(mock_commands_t *commands, uint16_t port) {
    memset(commands, 0, sizeof *commands);
    for (size_t i = 0; i < sizeof canned / sizeof canned[0]; i++) {
        const bson_t *reply = keep_document(commands, mock_json(canned[i].reply));
        add(commands, canned[i].name, reply)->counts_documents = canned[i].counts_documents;
    }
    add(commands, "hello", keep_document(commands, hello(port)));
}

void mock_commands_clear(mock_commands_t *commands) {
    for (kept_t *kept = commands->kept, *next; kept; kept = next) {
        next = kept->next;
        bson_destroy(kept->document);
        free(kept->bytes);
        free(kept);
    }
    commands->kept = NULL;
}

mock_command_t *mock_commands_get(mock_commands_t *commands, const char *name) {
    for (size_t i = 0; i < commands->count; i++) {
        if (strcmp(commands->rows[i].name, name) == 0) return &commands->rows[i];
    }
    if (commands->count == MOCK_COMMANDS_MAX) return &commands->rows[MOCK_COMMANDS_MAX - 1];
    return add(commands, name, commands->rows[0].canned);
}

void mock_command_set(mock_commands_t *commands, const char *name, const mock_script_t *script) {
    mock_command_t *command = mock_commands_get(commands, name);
    command->scripted = script != NULL;
    command->skipped = command->used = 0;
    if (!script) return;
    command->script = *script;
    if (script->reply) command->script.reply = keep_document(commands, bson_copy(script->reply));
    if (script->bytes)
        command->script.bytes = keep_bytes(commands, script->bytes, script->bytes_size);
}

bool mock_command_takes_script(mock_command_t *command) {
    if (!command->scripted) return false;
    if (command->skipped < command->script.skip) {
        command->skipped++;
        return false;
    }
    if (command->script.times && command->used == command->script.times) return false;
    command->used++;
    return true;
}
