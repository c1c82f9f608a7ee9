/*
 * The messages of MongoDB's wire protocol, as far as the mock server needs them.
 */
#ifndef MOUV_TESTS_MOCK_WIRE_H
#define MOUV_TESTS_MOCK_WIRE_H

#include "support/mock_server.h"

enum {
    MOCK_HEADER_BYTES = 16,
    MOCK_MESSAGE_MAX = 48000000 + 16384,
    MOCK_REPLY_OVERHEAD = 36 /* the most that stands before a reply's document */
};

/** A message taken apart. */
typedef struct mock_incoming {
    mock_request_t request;
    const uint8_t *end; /* of the message */
    int32_t id;
    bool legacy; /* OP_QUERY */
    bool no_reply;
} mock_incoming_t;

/** Little-endian, wherever it stands. */
int32_t mock_get_int32(const uint8_t *bytes);
void mock_put_int32(uint8_t *bytes, int32_t value);

/** The size of the message that begins here, 0 while that is not known, -1 if it is none. */
int64_t mock_message_size(const uint8_t *bytes, size_t available);

/** Takes a whole message apart; false if it is not well formed. */
bool mock_parse(const uint8_t *message, size_t size, mock_incoming_t *incoming);

/** How many documents an insert (updates an update, ...) brings. */
int32_t mock_count_documents(const mock_incoming_t *incoming);

/** Writes a reply with this document; returns its size, at most MOCK_REPLY_OVERHEAD more. */
size_t mock_compose(uint8_t *message, const mock_incoming_t *to, const bson_t *document);

/** Where the document begins in a composed reply. */
size_t mock_document_offset(const mock_incoming_t *to);

#endif
