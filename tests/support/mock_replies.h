/*
 * What the mock server knows of commands: a row each, with its canned reply, script and count.
 */
#ifndef MOUV_TESTS_MOCK_REPLIES_H
#define MOUV_TESTS_MOCK_REPLIES_H

#include "support/mock_server.h"

enum { MOCK_COMMANDS_MAX = 128, MOCK_NAME_MAX = 48 };

typedef struct mock_command {
    char name[MOCK_NAME_MAX];
    const bson_t *canned;
    bool counts_documents; /* the reply's first field, n, says how many were sent */
    bool scripted;
    mock_script_t script;
    uint64_t skipped, used; /* of the script */
    uint64_t count;
    uint64_t resets; /* of connections whose last command it was */
} mock_command_t;

typedef struct mock_commands {
    mock_command_t rows[MOCK_COMMANDS_MAX];
    size_t count;
    void *kept; /* what scripts point to, until the end */
} mock_commands_t;

/** Fills the table for a server on this port. */
void mock_commands_init(mock_commands_t *commands, uint16_t port);
void mock_commands_clear(mock_commands_t *commands);

/** The command's row, made if need be; the last one serves all others once the table is full. */
mock_command_t *mock_commands_get(mock_commands_t *commands, const char *name);

/** Copies the script and what it points to; NULL takes the old one away. */
void mock_command_set(mock_commands_t *commands, const char *name, const mock_script_t *script);

/** Whether the script has its say this time; counts. */
bool mock_command_takes_script(mock_command_t *command);

/** A document from Extended JSON with ' for "; aborts where that is wrong. To bson_destroy(). */
bson_t *mock_json(const char *text);

#endif
