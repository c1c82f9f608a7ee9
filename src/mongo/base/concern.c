/*
 * Settings of handles, parsed once and shared by their operations.
 */
#include "mongo/base/concern.h"

#include <string.h>

#include "context/alloc.h"
#include "mongo/base/bson_view.h"
#include "mongo/base/client_ref.h"
#include "mongo/base/compat.h"
#include "mongo/base/timeout.h"

/* --- Read preference ------------------------------------------------------------------------ */

static const struct {
    const char *name;
    mongoc_read_mode_t mode;
} modes[] = {{"primary", MONGOC_READ_PRIMARY},
             {"primaryPreferred", MONGOC_READ_PRIMARY_PREFERRED},
             {"secondary", MONGOC_READ_SECONDARY},
             {"secondaryPreferred", MONGOC_READ_SECONDARY_PREFERRED},
             {"nearest", MONGOC_READ_NEAREST}};

static bool concern_parse_mode(const char *name, mongoc_read_mode_t *mode) {
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        *mode = modes[i].mode;
        if (name && strcmp(name, modes[i].name) == 0) return true;
    }
    return false;
}

/** {mode, tags, maxStalenessSeconds, hedge} as the server names them; false: it makes no sense. */
static bool concern_read_preference_document(mongoc_read_prefs_t *prefs, const bson_t *given) {
    bson_iter_t iter;
    bson_t view;
    mongoc_read_mode_t mode;
    const char *name = NULL;
    if (bson_iter_init_find(&iter, given, "mode")) name = bson_iter_utf8(&iter, NULL);
    if (!concern_parse_mode(name, &mode)) return false;
    mongoc_read_prefs_set_mode(prefs, mode);
    if (bson_iter_init_find(&iter, given, "maxStalenessSeconds")) {
        int64_t seconds = bson_iter_as_int64(&iter);
        if (seconds < MONGOC_NO_MAX_STALENESS) return false; /* libmongoc takes it for none */
        mongoc_read_prefs_set_max_staleness_seconds(prefs, seconds);
    }
    if (bson_iter_init_find(&iter, given, "tags")) {
        if (!BSON_ITER_HOLDS_ARRAY(&iter) || !mouv__bson_view_of(&iter, &view)) return false;
        mongoc_read_prefs_set_tags(prefs, &view);
    }
    if (bson_iter_init_find(&iter, given, "hedge")) {
        if (!BSON_ITER_HOLDS_DOCUMENT(&iter) || !mouv__bson_view_of(&iter, &view)) return false;
        mouv__read_prefs_set_hedge(prefs, &view);
    }
    return mongoc_read_prefs_is_valid(prefs);
}

mongoc_read_prefs_t *mouv__concern_parse_read_prefs(const mouv__view_t *given) {
    mongoc_read_mode_t mode = MONGOC_READ_PRIMARY;
    mongoc_read_prefs_t *prefs = mongoc_read_prefs_new(mode);
    bson_t document;
    bool good;
    if (given->type == BSON_TYPE_UTF8) {
        good = concern_parse_mode((const char *)given->data, &mode);
        mongoc_read_prefs_set_mode(prefs, mode);
    } else {
        good = bson_init_static(&document, given->data, given->length) &&
               concern_read_preference_document(prefs, &document);
    }
    if (good) return prefs;
    mongoc_read_prefs_destroy(prefs);
    return NULL;
}

/* --- Settings ------------------------------------------------------------------------------- */

static const char *const names[] = {"readConcern", "writeConcern", "readPreference", "timeoutMS"};

static bool concern_is_setting(const char *name) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) return true;
    }
    return false;
}

/** timeoutMS is the same number in either type. False: it is not BSON. */
static bool concern_append(bson_t *to, const bson_iter_t *setting) {
    int64_t ms = BSON_ITER_HOLDS_INT64(setting) ? bson_iter_int64(setting) : INT64_MAX;
    if (strcmp(bson_iter_key(setting), "timeoutMS") == 0 && ms >= 0 && ms <= INT32_MAX)
        return bson_append_int32(to, "timeoutMS", -1, (int32_t)ms);
    return bson_append_iter(to, NULL, -1, setting);
}

/** What is no setting; false: `given` is not BSON. */
static bool concern_append_others(bson_t *to, const bson_t *given) {
    bson_iter_t iter;
    if (!bson_iter_init(&iter, given)) return false;
    while (bson_iter_next(&iter))
        if (!concern_is_setting(bson_iter_key(&iter)) && !concern_append(to, &iter)) return false;
    return iter.err_off == 0;
}

/* In one order, so that equal settings are equal bytes. What is not BSON is for who reads it. */
bson_t *mouv__concern_merge(const bson_t *given, const mouv__concerns_t *below) {
    bson_t *merged = bson_new();
    bson_iter_t iter;
    bool good = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if ((given && bson_iter_init_find(&iter, given, names[i])) ||
            (below && bson_iter_init_find(&iter, below->settings, names[i])))
            good = concern_append(merged, &iter) && good;
    }
    if (!given || (good && concern_append_others(merged, given))) return merged;
    bson_destroy(merged);
    return bson_copy(given);
}

bool mouv__concern_are(const mouv__concerns_t *defaults, const bson_t *settings) {
    if (!settings || bson_empty(settings)) return defaults == NULL;
    return defaults && bson_equal(defaults->settings, settings);
}

/** {<name>: <the setting>}, or NULL if it is not given. */
static bson_t *concern_pick(const bson_t *settings, const char *name) {
    bson_iter_t iter;
    if (!bson_iter_init_find(&iter, settings, name)) return NULL;
    bson_t *picked = bson_new();
    bson_append_iter(picked, NULL, -1, &iter);
    return picked;
}

static int concern_check_names(const bson_t *settings, mouv_error_t *error) {
    bson_iter_t iter;
    bson_iter_init(&iter, settings);
    while (bson_iter_next(&iter)) {
        if (concern_is_setting(bson_iter_key(&iter))) continue;
        return mouv_error_set(error, MOUV_EINVAL, "with_options: there is no option '%.80s'",
                              bson_iter_key(&iter));
    }
    return 0;
}

static int concern_read_settings(mouv__concerns_t *defaults, mouv_error_t *error) {
    mouv__opts_t opts;
    int rc = mouv__opts_read(&opts, MOUV__FAMILY_PLAIN, defaults->settings, error);
    if (rc == 0) rc = concern_check_names(defaults->settings, error);
    if (rc < 0) return rc;
    defaults->read_concern = concern_pick(defaults->settings, "readConcern");
    defaults->write_concern = concern_pick(defaults->settings, "writeConcern");
    defaults->timeout_ms = opts.timeout_ms;
    if (!opts.read_preference.data) return 0;
    defaults->read_prefs = mouv__concern_parse_read_prefs(&opts.read_preference);
    if (defaults->read_prefs) return 0;
    return mouv_error_set(error, MOUV_EINVAL, "option 'readPreference' makes no sense");
}

/* --- Life ----------------------------------------------------------------------------------- */

mouv__concerns_t *mouv__concern_new(bson_t *settings, bool *nomem) {
    mouv_error_t error;
    bool empty = bson_empty(settings);
    mouv__concerns_t *defaults = empty ? NULL : mouv__alloc(sizeof *defaults);
    *nomem = !empty && !defaults;
    if (!defaults) {
        bson_destroy(settings);
        return NULL;
    }
    defaults->references = 1;
    defaults->settings = settings;
    defaults->timeout_ms = MOUV__TIMEOUT_UNSET;
    if (concern_read_settings(defaults, &error) == 0) return defaults;
    defaults->error = mouv__alloc(sizeof error);
    *nomem = !defaults->error;
    if (*nomem) {
        mouv__concern_unref(defaults);
        return NULL;
    }
    *defaults->error = error;
    return defaults;
}

mouv__concerns_t *mouv__concern_ref(mouv__concerns_t *defaults) {
    if (defaults) __atomic_add_fetch(&defaults->references, 1, __ATOMIC_RELAXED);
    return defaults;
}

void mouv__concern_unref(mouv__concerns_t *defaults) {
    if (!defaults || __atomic_sub_fetch(&defaults->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    bson_destroy(defaults->settings);
    bson_destroy(defaults->read_concern);
    bson_destroy(defaults->write_concern);
    mongoc_read_prefs_destroy(defaults->read_prefs);
    mouv__free(defaults->error);
    mouv__free(defaults);
}

/* --- Reading them --------------------------------------------------------------------------- */

const bson_t *mouv__concern_read(const mouv__concerns_t *defaults, const bson_t *clients) {
    return defaults && defaults->read_concern ? defaults->read_concern : clients;
}

const bson_t *mouv__concern_write(const mouv__concerns_t *defaults, const bson_t *clients) {
    return defaults && defaults->write_concern ? defaults->write_concern : clients;
}

const mongoc_read_prefs_t *mouv__concern_read_prefs(const mouv__concerns_t *defaults,
                                                    const mongoc_read_prefs_t *clients) {
    return defaults && defaults->read_prefs ? defaults->read_prefs : clients;
}

void mouv__concern_append_read_prefs(bson_t *to, const char *key, mongoc_read_mode_t mode,
                                     const mongoc_read_prefs_t *prefs) {
    bson_t inside;
    bson_append_document_begin(to, key, -1, &inside);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (modes[i].mode == mode) BSON_APPEND_UTF8(&inside, "mode", modes[i].name);
    if (prefs && !bson_empty0(mongoc_read_prefs_get_tags(prefs)))
        BSON_APPEND_ARRAY(&inside, "tags", mongoc_read_prefs_get_tags(prefs));
    if (prefs && mongoc_read_prefs_get_max_staleness_seconds(prefs) > 0)
        BSON_APPEND_INT64(&inside, "maxStalenessSeconds",
                          mongoc_read_prefs_get_max_staleness_seconds(prefs));
    const bson_t *hedge =
        prefs && mode != MONGOC_READ_PRIMARY ? mouv__read_prefs_get_hedge(prefs) : NULL;
    if (hedge && !bson_empty(hedge)) BSON_APPEND_DOCUMENT(&inside, "hedge", hedge);
    bson_append_document_end(to, &inside);
}

bson_t *mouv__concern_describe(const mouv__concerns_t *defaults, const mouv_client_t *client) {
    const mouv__client_ref_t *ref = mouv__client_ref_of(client);
    bson_t *all = defaults ? bson_copy(defaults->settings) : bson_new();
    const mongoc_read_prefs_t *prefs = ref->read_prefs;
    if (ref->read_concern && !bson_has_field(all, "readConcern"))
        bson_concat(all, ref->read_concern);
    if (ref->write_concern && !bson_has_field(all, "writeConcern"))
        bson_concat(all, ref->write_concern);
    if (prefs && !bson_has_field(all, "readPreference"))
        mouv__concern_append_read_prefs(all, "readPreference", mongoc_read_prefs_get_mode(prefs),
                                        prefs);
    if (ref->timeout_ms != MOUV__TIMEOUT_UNSET && !bson_has_field(all, "timeoutMS"))
        BSON_APPEND_INT64(all, "timeoutMS", ref->timeout_ms);
    return all;
}

/* --- What is in them ------------------------------------------------------------------------ */

bool mouv__concern_is_unacknowledged(const bson_t *write_concern) {
    bson_iter_t w;
    return write_concern && bson_iter_init_find(&w, write_concern, "w") &&
           BSON_ITER_HOLDS_NUMBER(&w) && bson_iter_as_int64(&w) == 0;
}

void mouv__concern_append_untimed(bson_t *to, const bson_t *write_concern) {
    bson_t concern, *untimed = bson_new();
    if (mouv__bson_view_inside(write_concern, "writeConcern", &concern))
        bson_copy_to_excluding_noinit(&concern, untimed, "wtimeout", NULL);
    if (!bson_empty(untimed)) BSON_APPEND_DOCUMENT(to, "writeConcern", untimed);
    bson_destroy(untimed);
}
