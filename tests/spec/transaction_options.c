/*
 * From {readConcern, writeConcern, ...} to mouv_transaction_opts_t.
 */
#include "spec/transaction_options.h"

#include "spec/call.h"
#include "spec/view.h"

/** The field `name` of `opts` as a document of its own, or NULL. */
static bson_t *pick(const bson_t *opts, const char *name) {
    bson_t view;
    return spec_document(opts, name, &view) ? bson_copy(&view) : NULL;
}

int64_t spec_timeout(const bson_t *given, const char *key) {
    int64_t timeout_ms = spec_int(given, key, 0);
    return timeout_ms == 0 && spec_has(given, key) ? MOUV_FOREVER : timeout_ms;
}

bool spec_transaction_options_read(spec_test_t *test, const bson_t *given,
                                   spec_transaction_options_t *options) {
    bson_t concerns, preference;
    AUTO_BSON *written = bson_new();
    bson_iter_t iter;
    *options = (spec_transaction_options_t){
        .opts = {.max_commit_time_ms = spec_int(given, "maxCommitTimeMS", 0),
                 .timeout_ms = spec_timeout(given, "timeoutMS")}};
    if (bson_iter_init_find(&iter, given, "writeConcern")) {
        spec_append_option(test, &iter, written);
        options->write_concern = pick(written, "writeConcern");
    }
    if (spec_document(given, "readConcern", &concerns)) {
        options->read_concern = bson_copy(&concerns);
    }
    if (spec_document(given, "readPreference", &preference)) {
        options->opts.read_preference = spec_string(&preference, "mode");
    }
    options->opts.read_concern = options->read_concern;
    options->opts.write_concern = options->write_concern;
    return true;
}

void spec_transaction_options_clear(spec_transaction_options_t *options) {
    bson_destroy(options->read_concern);
    bson_destroy(options->write_concern);
}
