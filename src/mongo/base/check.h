/*
 * What mouv refuses before anything is sent: bad names, malformed BSON, updates without operators,
 * documents over the server's limit. Each returns 0, or MOUV_EINVAL with a message that names the
 * argument; which operation it was, its caller adds.
 */
#ifndef MOUV_MONGO_BASE_CHECK_H
#define MOUV_MONGO_BASE_CHECK_H

#include <stdbool.h>

#include <bson/bson.h>

#include <mouv/error.h>

/** maxBsonObjectSize of every server that mouv supports. */
#define MOUV__MAX_DOCUMENT_BYTES 16777216u

/** Documents inside each other, below the outermost one: the server stores 180 levels with that one,
 *  and takes 200 below a command. */
#define MOUV__MAX_STORED_DEPTH 179
#define MOUV__MAX_COMMAND_DEPTH 200

/** What is validated; `validate: false` or flags in opts replace it. libmongoc refuses empty keys as well, which
 *  servers store and give. */
#define MOUV__VALIDATE_DEFAULT ((unsigned)BSON_VALIDATE_UTF8 | BSON_VALIDATE_UTF8_ALLOW_NULL)

/** Of a database whose name has been checked. */
int mouv__check_collection_name(const char *database, const char *name, mouv_error_t *error);

/** Not NULL, well formed, UTF-8 where it must be, and within the limits of size and depth: what every
 *  document that the user gives goes through before anything else looks into it. */
int mouv__check_document(const bson_t *document, const char *argument, unsigned flags,
                         mouv_error_t *error);

/** The same of a document that is to be stored as it is. */
int mouv__check_stored(const bson_t *document, const char *argument, unsigned flags,
                       mouv_error_t *error);

/** A pipeline is an array, and every element of it a document. */
int mouv__check_stages(const bson_t *stages, mouv_error_t *error);

/** A write concern whose wtimeout, if it has one, is not negative. */
int mouv__check_write_concern(const bson_t *concern, const char *argument, mouv_error_t *error);

/** Update operators only, or a pipeline. */
int mouv__check_update(const bson_t *update, unsigned flags, mouv_error_t *error);

/** A document that does not begin with an operator. */
int mouv__check_replacement(const bson_t *replacement, unsigned flags, mouv_error_t *error);

/** Whether the keys are "0", "1", ... and the values documents; false for an empty document. */
bool mouv__check_is_pipeline(const bson_t *document);

#endif
