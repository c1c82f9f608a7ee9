/*
 * The `opts` document of a call: checked against one table and split, by the same table, into what
 * mouv interprets and what goes to each place of the command. A new option is one row in opts.c.
 */
#ifndef MOUV_MONGO_BASE_OPTS_H
#define MOUV_MONGO_BASE_OPTS_H

#include <stdbool.h>
#include <stdint.h>

#include <bson/bson.h>

#include <mouv/error.h>

/** How a command wants its options; one bit each: a row of the table names several, a command too.
 */
typedef enum mouv__family {
    MOUV__FAMILY_PLAIN = 1 << 0,      /**< everything at the top level */
    MOUV__FAMILY_FIND = 1 << 1,       /**< find: limit and batchSize have rules of their own */
    MOUV__FAMILY_CURSOR = 1 << 2,     /**< batchSize inside {cursor: {}}: aggregate, list... */
    MOUV__FAMILY_STATEMENTS = 1 << 3, /**< some go inside each statement: update, delete */
    MOUV__FAMILY_MODIFY = 1 << 4,     /**< findAndModify, which has names of its own */
    MOUV__FAMILY_COUNT = 1 << 5,      /**< skip and limit become stages of a pipeline */
    MOUV__FAMILY_NAMES = 1 << 6,      /**< nameOnly is set already */
    MOUV__FAMILY_STREAM = 1 << 7,     /**< some go inside {$changeStream: {}} */
    MOUV__FAMILY_GIVEN = 1 << 8       /**< the user's own, for a cursor: some are about getMore */
} mouv__family_t;

/** Where an option is put. */
typedef enum mouv__place {
    MOUV__PLACE_TOP,       /**< the command's top level; also what the table does not know */
    MOUV__PLACE_STATEMENT, /**< each statement of an update or delete */
    MOUV__PLACE_STAGE,     /**< the stage {$changeStream: {}} */
    MOUV__PLACE_START,     /**< likewise, until the stream has a place of its own to go on from */
    MOUV__PLACE_KEPT       /**< nowhere: mouv acts on it */
} mouv__place_t;

/** A document or string where it stands in somebody else's; `data` NULL: not given. */
typedef struct mouv__view {
    const uint8_t *data;
    uint32_t length;
    bson_type_t type;
} mouv__view_t;

/** The options of one call. What is not given has the value that mouv__opts_read() begins with. */
typedef struct mouv__opts {
    const bson_t *given;  /**< borrowed for the length of the call; may be NULL */
    unsigned families;    /**< mouv__family_t */
    int64_t limit;        /**< 0: none; negative: one batch */
    int64_t skip;         /**< 0 */
    int64_t batch_size;   /**< -1: the server's */
    int64_t max_await_ms; /**< -1: none */
    int64_t session_id;   /**< of mouv_session_append(); 0: none */
    int64_t server_id;    /**< which server it must go to; 0: any that suits */
    int64_t timeout_ms;   /**< MOUV__TIMEOUT_UNSET */
    bool ordered;         /**< true */
    bool prefetch;        /**< true: a cursor fetches ahead */
    bool validate;        /**< true; false leaves out what is not structure */
    bool upsert, tailable, await_data, single_batch, return_new, exhaust, metadata;
    mouv__view_t read_preference; /**< "secondary", or {mode, tags, ...} */
    mouv__view_t return_document; /**< "before" or "after" */
    mouv__view_t timeout_mode;    /**< of cursors: "cursorLifetime" or "iteration" */
} mouv__opts_t;

/**
 * Checks and reads `given` (NULL: nothing). Returns 0 or MOUV_EINVAL, naming the option and what it
 * should be.
 */
int mouv__opts_read(mouv__opts_t *opts, unsigned families, const bson_t *given,
                    mouv_error_t *error);

/** Appends to `to` every given option that belongs at `place`. */
void mouv__opts_append(const mouv__opts_t *opts, mouv__place_t place, bson_t *to);

#endif
