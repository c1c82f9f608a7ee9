/*
 * Errors of libmongoc and of the server, classified.
 */
#include "mongo/base/error.h"

#include <stdio.h>
#include <string.h>

#include "async/loop/error.h"
#include "async/loop/line.h"

static const struct {
    uint32_t domain;
    int code;
} classes[] = {
    {MONGOC_ERROR_STREAM, MOUV_ENETWORK},
    {MONGOC_ERROR_PROTOCOL, MOUV_ENETWORK},
    {MONGOC_ERROR_SERVER_SELECTION, MOUV_ESELECTION},
    {MONGOC_ERROR_SERVER, MOUV_ESERVER},
    {MONGOC_ERROR_QUERY, MOUV_ESERVER},
    {MONGOC_ERROR_WRITE_CONCERN, MOUV_ESERVER},
    {MONGOC_ERROR_COLLECTION, MOUV_ESERVER},
    {MONGOC_ERROR_SASL, MOUV_ESERVER},
    {MONGOC_ERROR_SCRAM, MOUV_ESERVER},
};

static bool error_is_of_authentication(const bson_error_t *driver) {
    return driver->domain == MONGOC_ERROR_CLIENT &&
           driver->code == MONGOC_ERROR_CLIENT_AUTHENTICATE;
}

/* What libmongoc puts before the errors of the connection, never before the server's. */
bool mouv__error_is_cut_authentication(const bson_error_t *driver) {
    static const char prefix[] = "Failed to send \"";
    return error_is_of_authentication(driver) &&
           strncmp(driver->message, prefix, sizeof(prefix) - 1) == 0;
}

static int error_class_of(const bson_error_t *driver) {
    if (error_is_of_authentication(driver)) return MOUV_ESERVER;
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        if (classes[i].domain == driver->domain) return classes[i].code;
    return MOUV_EINVAL;
}

void mouv__error_from_driver(mouv_error_t *error, const bson_error_t *driver) {
    bson_error_t cut = {.domain = MONGOC_ERROR_STREAM, .code = MONGOC_ERROR_STREAM_NOT_ESTABLISHED};
    if (mouv__error_is_cut_authentication(driver)) {
        memcpy(cut.message, driver->message, sizeof(cut.message));
        driver = &cut;
    }
    mouv_error_set(error, error_class_of(driver), "%s",
                   driver->message[0] ? driver->message : "libmongoc gave no reason");
    error->domain = driver->domain;
    error->server_code = (int32_t)driver->code;
    if (error_is_of_authentication(driver))
        snprintf(error->code_name, sizeof(error->code_name), "AuthenticationFailed");
}

/* --- labels ---------------------------------------------------------------------------------- */

void mouv__error_add_label(mouv_error_t *error, const char *label) {
    if (mouv_error_has_label(error, label)) return;
    size_t used = strlen(error->labels);
    if (used + 1 + strlen(label) + 1 > sizeof(error->labels)) return;
    mouv__line_format(error->labels + used, sizeof(error->labels) - used, "%s%s",
                      used > 0 ? " " : "", label);
}

static void error_add_labels(mouv_error_t *error, const bson_iter_t *at) {
    bson_iter_t labels;
    if (!BSON_ITER_HOLDS_ARRAY(at) || !bson_iter_recurse(at, &labels)) return;
    while (bson_iter_next(&labels))
        if (BSON_ITER_HOLDS_UTF8(&labels))
            mouv__error_add_label(error, bson_iter_utf8(&labels, NULL));
}

/* Copies the reply's, also those inside writeConcernError. */
static void error_take_labels(mouv_error_t *error, const bson_t *reply) {
    bson_iter_t iter, inner;
    if (bson_iter_init_find(&iter, reply, "errorLabels")) error_add_labels(error, &iter);
    if (bson_iter_init_find(&iter, reply, "writeConcernError") && BSON_ITER_HOLDS_DOCUMENT(&iter) &&
        bson_iter_recurse(&iter, &inner) && bson_iter_find(&inner, "errorLabels"))
        error_add_labels(error, &inner);
}

/* --- names of codes -------------------------------------------------------------------------- */

/* Write errors come without the name that the server has for their code. */
static const struct {
    int32_t code;
    const char *name;
} names[] = {
    {2, "BadValue"},
    {9, "FailedToParse"},
    {13, "Unauthorized"},
    {14, "TypeMismatch"},
    {15, "Overflow"},
    {18, "AuthenticationFailed"},
    {20, "IllegalOperation"},
    {28, "PathNotViable"},
    {40, "ConflictingUpdateOperators"},
    {50, "MaxTimeMSExpired"},
    {52, "DollarPrefixedFieldName"},
    {53, "InvalidIdField"},
    {54, "NotSingleValueField"},
    {55, "InvalidDBRef"},
    {56, "EmptyFieldName"},
    {57, "DottedFieldName"},
    {61, "ShardKeyNotFound"},
    {64, "WriteConcernTimeout"},
    {66, "ImmutableField"},
    {72, "InvalidOptions"},
    {79, "UnknownReplWriteConcern"},
    {91, "ShutdownInProgress"},
    {100, "UnsatisfiableWriteConcern"},
    {112, "WriteConflict"},
    {121, "DocumentValidationFailure"},
    {166, "CommandNotSupportedOnView"},
    {189, "PrimarySteppedDown"},
    {251, "NoSuchTransaction"},
    {10107, "NotWritablePrimary"},
    {10003, "CannotGrowDocumentInCappedNamespace"},
    {10334, "BSONObjectTooLarge"},
    {11000, "DuplicateKey"},
    {11600, "InterruptedAtShutdown"},
    {11601, "Interrupted"},
    {11602, "InterruptedDueToReplStateChange"},
    {13388, "StaleConfig"},
    {14031, "OutOfDiskSpace"},
    {17280, "KeyTooLong"},
};

const char *mouv__error_code_name(int32_t code) {
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].code == code) return names[i].name;
    return "";
}

/* --- documents with code, codeName, errmsg --------------------------------------------------- */

static void error_fill_server(mouv_error_t *error, bson_iter_t *fields, const char *fallback) {
    int32_t code = 0;
    const char *name = "", *text = NULL;
    while (bson_iter_next(fields)) {
        const char *key = bson_iter_key(fields);
        if (strcmp(key, "code") == 0 && BSON_ITER_HOLDS_NUMBER(fields))
            code = (int32_t)bson_iter_as_int64(fields);
        else if (strcmp(key, "codeName") == 0 && BSON_ITER_HOLDS_UTF8(fields))
            name = bson_iter_utf8(fields, NULL);
        else if ((strcmp(key, "errmsg") == 0 || strcmp(key, "$err") == 0) &&
                 BSON_ITER_HOLDS_UTF8(fields))
            text = bson_iter_utf8(fields, NULL);
    }
    mouv_error_set(error, MOUV_ESERVER, "%s", text && *text ? text : fallback);
    error->domain = MONGOC_ERROR_SERVER;
    error->server_code = code;
    mouv__line_format(error->code_name, sizeof(error->code_name), "%s",
                      *name ? name : mouv__error_code_name(code));
}

void mouv__error_from_reply(mouv_error_t *error, const bson_t *reply) {
    bson_iter_t fields;
    if (bson_iter_init(&fields, reply))
        error_fill_server(error, &fields, "the server gave no reason");
    else
        mouv_error_set(error, MOUV_ENETWORK, "the server's reply is not readable");
    error_take_labels(error, reply);
}

/* The first element of `writeErrors`. */
static bool error_first_write_error(const bson_iter_t *array, bson_iter_t *fields) {
    bson_iter_t each;
    return BSON_ITER_HOLDS_ARRAY(array) && bson_iter_recurse(array, &each) &&
           bson_iter_next(&each) && BSON_ITER_HOLDS_DOCUMENT(&each) &&
           bson_iter_recurse(&each, fields);
}

bool mouv__error_from_write_reply(mouv_error_t *error, const bson_t *reply, bool *in_concern) {
    bson_iter_t iter, fields;
    *in_concern = false;
    if (bson_iter_init_find(&iter, reply, "writeErrors") &&
        error_first_write_error(&iter, &fields)) {
        error_fill_server(error, &fields, "a write failed");
    } else if (bson_iter_init_find(&iter, reply, "writeConcernError") &&
               BSON_ITER_HOLDS_DOCUMENT(&iter) && bson_iter_recurse(&iter, &fields)) {
        *in_concern = true;
        error_fill_server(error, &fields, "the write concern was not satisfied");
        error->domain = MONGOC_ERROR_WRITE_CONCERN;
    } else {
        return false;
    }
    error_take_labels(error, reply);
    return true;
}

bool mouv__error_reply_did_something(const bson_t *reply) {
    static const char *const counts[] = {"n", "nModified", "nInserted", "nRemoved"};
    bson_iter_t iter;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        if (bson_iter_init_find(&iter, reply, counts[i]) && bson_iter_as_int64(&iter) > 0)
            return true;
    return bson_iter_init_find(&iter, reply, "upserted");
}

static int64_t error_count_in(const bson_t *reply, const char *path) {
    bson_iter_t iter, field;
    bool found = bson_iter_init(&iter, reply) && bson_iter_find_descendant(&iter, path, &field);
    return found ? bson_iter_as_int64(&field) : -1;
}

bool mouv__error_reply_did_nothing(const bson_t *reply) {
    if (error_count_in(reply, "n") == 0) return !mouv__error_reply_did_something(reply);
    if (error_count_in(reply, "lastErrorObject.n") == 0) return true; /* findAndModify */
    int64_t before = error_count_in(reply, "numIndexesBefore");
    return before >= 0 && before == error_count_in(reply, "numIndexesAfter");
}

/* --- codes ----------------------------------------------------------------------------------- */

static bool error_is_one_of(int32_t code, const int32_t *codes, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (codes[i] == code) return true;
    return false;
}

/* Not primary, recovering, shutting down. */
static const int32_t state_codes[] = {
    11600, /* InterruptedAtShutdown */
    11602, /* InterruptedDueToReplStateChange */
    10107, /* NotWritablePrimary */
    13435, /* NotPrimaryNoSecondaryOk */
    13436, /* NotPrimaryOrSecondary */
    189,   /* PrimarySteppedDown */
    91,    /* ShutdownInProgress */
};

static const int32_t other_retryable_codes[] = {
    7,    /* HostNotFound */
    6,    /* HostUnreachable */
    89,   /* NetworkTimeout */
    9001, /* SocketException */
    262,  /* ExceededTimeLimit */
    134,  /* ReadConcernMajorityNotAvailableYet */
};

bool mouv__error_code_is_retryable(int32_t code) {
    return error_is_one_of(code, state_codes, sizeof(state_codes) / sizeof(state_codes[0])) ||
           error_is_one_of(code, other_retryable_codes,
                           sizeof(other_retryable_codes) / sizeof(other_retryable_codes[0]));
}

bool mouv__error_code_is_half_way(int32_t code) {
    return code == 11600 || code == 11602;
}

bool mouv__error_code_refuses_concern(int32_t code) {
    enum { UNKNOWN_WRITE_CONCERN = 79, CANNOT_SATISFY_WRITE_CONCERN = 100 };
    return code == UNKNOWN_WRITE_CONCERN || code == CANNOT_SATISFY_WRITE_CONCERN;
}

int mouv__error_concern_cause(int32_t code) {
    enum { WRITE_CONCERN_TIMEOUT = 64 };
    return code == WRITE_CONCERN_TIMEOUT || code == MOUV__CODE_MAX_TIME_EXPIRED ? MOUV_ETIMEDOUT
                                                                                : MOUV_ESERVER;
}

void mouv__error_end(mouv_error_t *error, int code, const char *why) {
    mouv__error_reword(error, "%.250s; the last try: %s", why, error->message);
    error->cause = error->code;
    error->code = code;
}

bool mouv__error_is_shutdown(const mouv_error_t *error) {
    return error->code == MOUV_ESERVER && (error->server_code == 11600 || error->server_code == 91);
}
