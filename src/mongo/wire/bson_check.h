/*
 * Whether bytes are a BSON document: libbson and libmongoc 1.x take the lengths in it on trust.
 */
#ifndef MOUV_MONGO_WIRE_BSON_CHECK_H
#define MOUV_MONGO_WIRE_BSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Documents inside each other. The server stores at most 180 and puts a few around them. */
#define MOUV__BSON_DEPTH_MAX 250

/**
 * True if exactly these bytes are one document: each length, type, terminator and nested document
 * of it. Text may be any bytes, as the server does not care either. Else `why` says what is wrong
 * and at which byte. Linear in `size`, never recursive. Any thread.
 */
bool mouv__bson_check(const uint8_t *data, size_t size, char *why, size_t why_size);

/* --- The same for a document that comes in parts ---------------------------------------------- */

/** The most that must lie together to be looked at: old binary data's two lengths and its kind. */
#define MOUV__BSON_TOKEN_BYTES 9

typedef enum mouv__bson_verdict {
    MOUV__BSON_GOES_ON, /**< it is good so far, and not all of it is there */
    MOUV__BSON_VALID,
    MOUV__BSON_BAD
} mouv__bson_verdict_t;

/** How far a check has come; the caller's, may be copied, holds nothing. About 1 KiB. */
typedef struct mouv__bson_checker {
    size_t size;       /**< of the document, as its receiver was told */
    size_t at;         /**< up to where it has been looked at */
    uint32_t skip;     /**< of the value that is being passed over: what is left of it */
    uint32_t code_end; /**< where the code with a scope that is being looked at must end */
    uint8_t state;     /**< what comes next */
    uint8_t type;      /**< of the last element */
    uint8_t depth;     /**< of the documents that are open */
    uint8_t wanted;    /**< bytes that must lie together for what comes next */
    uint8_t kept;      /**< bytes of it that are in `token` */
    uint8_t token[MOUV__BSON_TOKEN_BYTES];
    uint32_t ends[MOUV__BSON_DEPTH_MAX]; /**< where each open document's last byte is */
} mouv__bson_checker_t;

/** Begins with a document that must have `size` bytes. */
void mouv__bson_checker_begin(mouv__bson_checker_t *checker, size_t size);

/**
 * Looks at the next `size` bytes, never again at earlier ones: what it costs is bounded by them, so
 * a caller whose time is short gives less at once. In all no more than the document's size; nothing
 * after VALID or BAD. However the bytes are parted, the verdict, and with BAD what `why` says, are
 * those of mouv__bson_check(), as early as the bytes allow.
 */
mouv__bson_verdict_t mouv__bson_checker_feed(mouv__bson_checker_t *checker, const uint8_t *data,
                                             size_t size, char *why, size_t why_size);

#endif
