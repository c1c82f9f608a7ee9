/*
 * The table of options, and the two loops that read a user's document by it.
 */
#include "mongo/base/opts.h"

#include <stddef.h>
#include <string.h>

#include "mongo/base/bson_view.h"
#include "mongo/base/check.h"
#include "mongo/base/timeout.h"

/** What an option may be; bits, some options may be one of two. */
enum {
    NUMBER = 1 << 0,
    COUNT = 1 << 1,
    BOOL = 1 << 2,
    STRING = 1 << 3,
    DOCUMENT = 1 << 4,
    ARRAY = 1 << 5,
    ANY = 1 << 6,
    TIMESTAMP = 1 << 7
};

/** The type of the field of mouv__opts_t that an option is read into. */
typedef enum into { NOTHING, INTEGER, FLAG, VIEW } into_t;

typedef struct option {
    const char *name;
    unsigned expected; /**< what it may be */
    unsigned families; /**< mouv__family_t: which commands this row is about */
    mouv__place_t place;
    into_t into;
    size_t offset;
    const char *sent_as; /**< its name in the command, where that differs */
} option_t;

#define NAME_OR_DOC (STRING | DOCUMENT)
#define EVERY (~0u)
#define STATEMENTS MOUV__FAMILY_STATEMENTS
#define MODIFY MOUV__FAMILY_MODIFY
#define FIND MOUV__FAMILY_FIND
#define CURSOR MOUV__FAMILY_CURSOR
#define TALLY MOUV__FAMILY_COUNT
#define NAMES MOUV__FAMILY_NAMES
#define STREAM MOUV__FAMILY_STREAM
#define GIVEN MOUV__FAMILY_GIVEN
#define TOP MOUV__PLACE_TOP
#define STATEMENT MOUV__PLACE_STATEMENT
#define STAGE MOUV__PLACE_STAGE
#define START MOUV__PLACE_START
#define KEPT MOUV__PLACE_KEPT
#define PASSED_ON .into = NOTHING
#define PASSED_AS(name) .sent_as = (name)
#define NUMBER_TO(field) .into = INTEGER, .offset = offsetof(mouv__opts_t, field)
#define FLAG_TO(field) .into = FLAG, .offset = offsetof(mouv__opts_t, field)
#define VIEW_TO(field) .into = VIEW, .offset = offsetof(mouv__opts_t, field)

/*
 * The first row with an option's name and its command's family counts. Options that are not here go
 * to the top level as they are. Alphabetical by name.
 */
/* clang-format off */
static const option_t options[] = {
    /* name                      must be      in             goes to    and */
    {"allowDiskUse",             BOOL,        EVERY,         TOP,       PASSED_ON},
    {"allowPartialResults",      BOOL,        EVERY,         TOP,       PASSED_ON},
    {"arrayFilters",             ARRAY,       STATEMENTS,    STATEMENT, PASSED_ON},
    {"arrayFilters",             ARRAY,       EVERY,         TOP,       PASSED_ON},
    {"authorizedCollections",    BOOL,        EVERY,         TOP,       PASSED_ON},
    {"authorizedDatabases",      BOOL,        EVERY,         TOP,       PASSED_ON},
    {"awaitData",                BOOL,        GIVEN,         KEPT,      FLAG_TO(await_data)},
    {"awaitData",                BOOL,        EVERY,         TOP,       FLAG_TO(await_data)},
    {"batchSize",                COUNT,       FIND | CURSOR, KEPT,      NUMBER_TO(batch_size)},
    {"bypassDocumentValidation", BOOL,        EVERY,         TOP,       PASSED_ON},
    {"capped",                   BOOL,        EVERY,         TOP,       PASSED_ON},
    {"collation",                DOCUMENT,    STATEMENTS,    STATEMENT, PASSED_ON},
    {"collation",                DOCUMENT,    EVERY,         TOP,       PASSED_ON},
    {"comment",                  ANY,         GIVEN,         KEPT,      PASSED_ON},
    {"comment",                  ANY,         EVERY,         TOP,       PASSED_ON},
    {"dropTarget",               BOOL,        EVERY,         TOP,       PASSED_ON},
    {"exhaust",                  BOOL,        FIND | CURSOR, KEPT,      FLAG_TO(exhaust)},
    {"expireAfterSeconds",       NUMBER,      EVERY,         TOP,       PASSED_ON},
    {"fields",                   DOCUMENT,    MODIFY,        TOP,       PASSED_ON},
    {"filter",                   DOCUMENT,    EVERY,         TOP,       PASSED_ON},
    {"full",                     BOOL,        EVERY,         TOP,       PASSED_ON},
    {"fullDocument",             STRING,      STREAM,        STAGE,     PASSED_ON},
    {"fullDocumentBeforeChange", STRING,      STREAM,        STAGE,     PASSED_ON},
    {"hint",                     NAME_OR_DOC, STATEMENTS,    STATEMENT, PASSED_ON},
    {"hint",                     NAME_OR_DOC, EVERY,         TOP,       PASSED_ON},
    {"includeResultMetadata",    BOOL,        MODIFY,        KEPT,      FLAG_TO(metadata)},
    {"let",                      DOCUMENT,    EVERY,         TOP,       PASSED_ON},
    {"limit",                    NUMBER,      FIND | TALLY,  KEPT,      NUMBER_TO(limit)},
    {"max",                      ANY,         EVERY,         TOP,       PASSED_ON},
    {"maxAwaitTimeMS",           COUNT,       EVERY,         KEPT,      NUMBER_TO(max_await_ms)},
    {"maxTimeMS",                COUNT,       EVERY,         TOP,       PASSED_ON},
    {"min",                      DOCUMENT,    EVERY,         TOP,       PASSED_ON},
    {"nameOnly",                 BOOL,        NAMES,         KEPT,      PASSED_ON},
    {"nameOnly",                 BOOL,        EVERY,         TOP,       PASSED_ON},
    {"new",                      BOOL,        MODIFY,        KEPT,      FLAG_TO(return_new)},
    {"noCursorTimeout",          BOOL,        EVERY,         TOP,       PASSED_ON},
    {"ordered",                  BOOL,        EVERY,         KEPT,      FLAG_TO(ordered)},
    {"prefetch",                 BOOL,        FIND | CURSOR, KEPT,      FLAG_TO(prefetch)},
    {"projection",               DOCUMENT,    MODIFY,        TOP,       PASSED_AS("fields")},
    {"projection",               DOCUMENT,    EVERY,         TOP,       PASSED_ON},
    {"readConcern",              DOCUMENT,    EVERY,         TOP,       PASSED_ON},
    {"readPreference",           NAME_OR_DOC, EVERY,         KEPT,      VIEW_TO(read_preference)},
    {"resumeAfter",              DOCUMENT,    STREAM,        START,     PASSED_ON},
    {"returnDocument",           STRING,      MODIFY,        KEPT,      VIEW_TO(return_document)},
    {"returnKey",                BOOL,        EVERY,         TOP,       PASSED_ON},
    {"serverId",                 COUNT,       EVERY,         KEPT,      NUMBER_TO(server_id)},
    {"sessionId",                NUMBER,      EVERY,         KEPT,      NUMBER_TO(session_id)},
    {"showExpandedEvents",       BOOL,        STREAM,        STAGE,     PASSED_ON},
    {"showRecordId",             BOOL,        EVERY,         TOP,       PASSED_ON},
    {"singleBatch",              BOOL,        FIND,          KEPT,      FLAG_TO(single_batch)},
    {"size",                     COUNT,       EVERY,         TOP,       PASSED_ON},
    {"skip",                     COUNT,       TALLY,         KEPT,      NUMBER_TO(skip)},
    {"skip",                     COUNT,       EVERY,         TOP,       PASSED_ON},
    {"sort",                     DOCUMENT,    STATEMENTS,    STATEMENT, PASSED_ON},
    {"sort",                     DOCUMENT,    EVERY,         TOP,       PASSED_ON},
    {"startAfter",               DOCUMENT,    STREAM,        START,     PASSED_ON},
    {"startAtOperationTime",     TIMESTAMP,   STREAM,        START,     PASSED_ON},
    {"tailable",                 BOOL,        GIVEN,         KEPT,      FLAG_TO(tailable)},
    {"tailable",                 BOOL,        EVERY,         TOP,       FLAG_TO(tailable)},
    {"timeoutMS",                COUNT,       EVERY,         KEPT,      NUMBER_TO(timeout_ms)},
    {"timeoutMode",              STRING,      EVERY,         KEPT,      VIEW_TO(timeout_mode)},
    {"timeseries",               DOCUMENT,    EVERY,         TOP,       PASSED_ON},
    {"upsert",                   BOOL,        STATEMENTS,    STATEMENT, FLAG_TO(upsert)},
    {"upsert",                   BOOL,        EVERY,         TOP,       FLAG_TO(upsert)},
    {"validate",                 BOOL,        EVERY,         KEPT,      FLAG_TO(validate)},
    {"validationAction",         STRING,      EVERY,         TOP,       PASSED_ON},
    {"validationLevel",          STRING,      EVERY,         TOP,       PASSED_ON},
    {"validator",                DOCUMENT,    EVERY,         TOP,       PASSED_ON},
    {"verbosity",                STRING,      EVERY,         TOP,       PASSED_ON},
    {"viewOn",                   STRING,      EVERY,         TOP,       PASSED_ON},
    {"writeConcern",             DOCUMENT,    EVERY,         TOP,       PASSED_ON},
};
/* clang-format on */

static const option_t *opts_find_option(const char *name, unsigned families) {
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if ((options[i].families & families) && strcmp(options[i].name, name) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

/** A number without a fraction, as far as int64 goes. */
static bool opts_is_whole(const bson_iter_t *iter) {
    if (!BSON_ITER_HOLDS_DOUBLE(iter)) return true;
    double number = bson_iter_double(iter);
    return number >= -9007199254740992.0 && number <= 9007199254740992.0 &&
           number == (double)(int64_t)number;
}

static bool opts_fits(unsigned expected, const bson_iter_t *iter) {
    switch (bson_iter_type(iter)) {
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
    case BSON_TYPE_DOUBLE:
        if ((expected & COUNT) && opts_is_whole(iter)) return bson_iter_as_int64(iter) >= 0;
        return (expected & ANY) || ((expected & NUMBER) && opts_is_whole(iter));
    case BSON_TYPE_BOOL:
        return expected & (BOOL | ANY);
    case BSON_TYPE_UTF8:
        return expected & (STRING | ANY);
    case BSON_TYPE_DOCUMENT:
        return expected & (DOCUMENT | ANY);
    case BSON_TYPE_ARRAY:
        return expected & (ARRAY | ANY);
    case BSON_TYPE_TIMESTAMP:
        return expected & (TIMESTAMP | ANY);
    default:
        return expected & ANY;
    }
}

static const char *opts_expected_name(unsigned expected) {
    switch (expected) {
    case NUMBER:
        return "a number";
    case COUNT:
        return "a number of 0 or more";
    case BOOL:
        return "true or false";
    case STRING:
        return "a string";
    case DOCUMENT:
        return "a document";
    case ARRAY:
        return "an array";
    case TIMESTAMP:
        return "a timestamp";
    case STRING | DOCUMENT:
        return "a string or a document";
    default:
        return "a number or a document";
    }
}

static void opts_view_value(const bson_iter_t *iter, mouv__view_t *view) {
    view->type = bson_iter_type(iter);
    if (view->type == BSON_TYPE_UTF8) {
        view->data = (const uint8_t *)bson_iter_utf8(iter, &view->length);
    } else if (view->type == BSON_TYPE_ARRAY) {
        bson_iter_array(iter, &view->length, &view->data);
    } else {
        bson_iter_document(iter, &view->length, &view->data);
    }
}

static void opts_read_into(mouv__opts_t *opts, const option_t *option, const bson_iter_t *iter) {
    char *field = (char *)opts + option->offset;
    switch (option->into) {
    case NOTHING:
        return;
    case INTEGER:
        *(int64_t *)(void *)field = bson_iter_as_int64(iter);
        return;
    case FLAG:
        *(bool *)(void *)field = bson_iter_bool(iter);
        return;
    case VIEW:
        opts_view_value(iter, (mouv__view_t *)(void *)field);
        return;
    }
}

static int opts_refuse(const bson_iter_t *iter, const option_t *option, mouv_error_t *error) {
    const char *got = opts_fits(NUMBER, iter) && option->expected == COUNT ? "a negative one"
                      : (option->expected & (COUNT | NUMBER)) && !opts_is_whole(iter)
                          ? "one with a fraction or too great"
                          : mouv__bson_view_type_name(bson_iter_type(iter));
    return mouv_error_set(error, MOUV_EINVAL, "option '%s': expected %s, got %s",
                          bson_iter_key(iter), opts_expected_name(option->expected), got);
}

int mouv__opts_read(mouv__opts_t *opts, unsigned families, const bson_t *given,
                    mouv_error_t *error) {
    *opts = (mouv__opts_t){.given = given,
                           .families = families,
                           .batch_size = -1,
                           .max_await_ms = -1,
                           .timeout_ms = MOUV__TIMEOUT_UNSET,
                           .ordered = true,
                           .prefetch = true,
                           .validate = true};
    if (!given) return 0;
    int rc = mouv__check_document(given, "opts", BSON_VALIDATE_UTF8, error);
    if (rc < 0) return rc;
    bson_iter_t iter;
    bson_iter_init(&iter, given);
    while (bson_iter_next(&iter)) {
        const option_t *option = opts_find_option(bson_iter_key(&iter), families);
        if (!option) continue;
        if (!opts_fits(option->expected, &iter)) return opts_refuse(&iter, option, error);
        opts_read_into(opts, option, &iter);
        bson_t view;
        if (strcmp(option->name, "writeConcern") == 0 && mouv__bson_view_of(&iter, &view) &&
            mouv__check_write_concern(&view, "writeConcern", error) < 0)
            return MOUV_EINVAL;
    }
    if (!opts->exhaust) return 0;
    /* a cursor whose batches come unasked would have a connection to itself */
    return mouv_error_set(error, MOUV_EINVAL, "option 'exhaust': is not supported");
}

void mouv__opts_append(const mouv__opts_t *opts, mouv__place_t place, bson_t *to) {
    bson_iter_t iter;
    if (!opts->given || !bson_iter_init(&iter, opts->given)) return;
    while (bson_iter_next(&iter)) {
        const option_t *option = opts_find_option(bson_iter_key(&iter), opts->families);
        if ((option ? option->place : MOUV__PLACE_TOP) != place) continue;
        const char *name = option && option->sent_as ? option->sent_as : bson_iter_key(&iter);
        bson_append_iter(to, name, -1, &iter);
    }
}
