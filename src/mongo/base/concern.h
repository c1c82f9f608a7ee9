/*
 * What operations take where their opts give nothing: read concern, write concern, read preference
 * and timeoutMS of the handle they are called on. A collection's come before its database's, those
 * before the client's, which are in the driver's pool. Settings are parsed once, when a handle is
 * made with them, and never change: handles and operations have shares, any thread may give up one,
 * the last frees. Settings that make no sense are kept with their error, which every operation of
 * that handle fails with: making a handle cannot fail.
 */
#ifndef MOUV_MONGO_BASE_CONCERN_H
#define MOUV_MONGO_BASE_CONCERN_H

#include <stdint.h>

#include <mongoc/mongoc.h>

#include <mouv/client.h>
#include <mouv/error.h>

#include "mongo/base/opts.h"
#include "mongo/base/types.h"

/** Never changes once made; counted, any thread may give up a share. */
struct mouv__concerns {
    uint32_t references;             /**< atomic */
    bson_t *settings;                /**< {readConcern, writeConcern, ...}; owned */
    bson_t *read_concern;            /**< {readConcern: ...}; owned; NULL: the client's */
    bson_t *write_concern;           /**< {writeConcern: ...}; likewise */
    mongoc_read_prefs_t *read_prefs; /**< likewise */
    int64_t timeout_ms;              /**< MOUV__TIMEOUT_UNSET: the client's */
    mouv_error_t *error;             /**< owned: what is wrong with the settings, or NULL */
};

/** `given` (may be NULL), and what it leaves out of `below` (may be NULL); in one order. */
bson_t *mouv__concern_merge(const bson_t *given, const mouv__concerns_t *below);

/** Whether `defaults` (may be NULL) were made of these settings; empty ones are none. */
bool mouv__concern_are(const mouv__concerns_t *defaults, const bson_t *settings);

/** Consumes `settings`. NULL for empty ones, with `*nomem` false, or where memory runs out. */
mouv__concerns_t *mouv__concern_new(bson_t *settings, bool *nomem);

/** Take and give NULL. */
mouv__concerns_t *mouv__concern_ref(mouv__concerns_t *defaults);
void mouv__concern_unref(mouv__concerns_t *defaults);

/* What an operation takes by default, without regard to its row's flags: the handle's, else the
 * client's; NULL: nothing. */
const bson_t *mouv__concern_read(const mouv__concerns_t *defaults, const bson_t *clients);
const bson_t *mouv__concern_write(const mouv__concerns_t *defaults, const bson_t *clients);
const mongoc_read_prefs_t *mouv__concern_read_prefs(const mouv__concerns_t *defaults,
                                                    const mongoc_read_prefs_t *clients);

/** "secondary", or {mode, tags, maxStalenessSeconds, hedge}; NULL: it makes no sense. */
mongoc_read_prefs_t *mouv__concern_parse_read_prefs(const mouv__view_t *given);

/** Appends {<key>: {mode, tags, ...}} with this mode; `prefs` may be NULL. */
void mouv__concern_append_read_prefs(bson_t *to, const char *key, mongoc_read_mode_t mode,
                                     const mongoc_read_prefs_t *prefs);

/** All that counts for a handle with these defaults (may be NULL), the client's among it. */
bson_t *mouv__concern_describe(const mouv__concerns_t *defaults, const mouv_client_t *client);

/** Whether a write concern is w: 0; NULL is fine. */
bool mouv__concern_is_unacknowledged(const bson_t *write_concern);

/** Appends {writeConcern: {...}} without its wtimeout, unless that was all there was. */
void mouv__concern_append_untimed(bson_t *to, const bson_t *write_concern);

#endif
