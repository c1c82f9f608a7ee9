/*
 * Answers to hello.
 */
#include "mongo/transport/loop/hello.h"

#include <string.h>

#include "mongo/wire/compress.h"
#include "mongo/wire/op_msg.h"

static bool hello_find_number(const bson_t *reply, const char *name, int64_t *number) {
    bson_iter_t iter;
    if (!bson_iter_init_find(&iter, reply, name) || !BSON_ITER_HOLDS_NUMBER(&iter)) return false;
    *number = bson_iter_as_int64(&iter);
    return true;
}

static bool hello_is_mongos(const bson_t *reply) {
    bson_iter_t iter;
    return bson_iter_init_find(&iter, reply, "msg") && BSON_ITER_HOLDS_UTF8(&iter) &&
           strcmp(bson_iter_utf8(&iter, NULL), "isdbgrid") == 0;
}

mouv__hello_t mouv__hello_read(const bson_t *reply) {
    mouv__hello_t hello = {.message_max_bytes = MOUV__WIRE_MESSAGE_MAX_BYTES, .connection_id = -1};
    int64_t number;
    bson_iter_t iter;
    if (hello_find_number(reply, "maxMessageSizeBytes", &number) && number > 0 &&
        number < INT32_MAX)
        hello.message_max_bytes = (int32_t)number;
    hello_find_number(reply, "connectionId", &hello.connection_id);
    hello.set_member = bson_has_field(reply, "setName");
    hello.mongos = hello_is_mongos(reply);
    hello.sessions = hello_find_number(reply, "logicalSessionTimeoutMinutes", &number);
    hello.compressor = mouv__compress_agreed(reply);
    if (bson_iter_init_find(&iter, reply, "serviceId") && BSON_ITER_HOLDS_OID(&iter)) {
        hello.balanced = true;
        bson_oid_copy(bson_iter_oid(&iter), &hello.service_id);
    }
    return hello;
}
