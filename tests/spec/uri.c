/*
 * Options into a URI, as text.
 */
#include "spec/uri.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "spec/view.h"

/* --- Values --------------------------------------------------------------------------------- */

static void append_escaped(spec_text_t *uri, const char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (isalnum(c) || strchr("-._~:,/", c)) {
            spec_text_append_c(uri, (char)c);
        } else {
            spec_text_append_printf(uri, "%%%02X", c);
        }
    }
}

static bool append_scalar(spec_text_t *uri, const bson_iter_t *iter) {
    if (BSON_ITER_HOLDS_UTF8(iter)) {
        append_escaped(uri, bson_iter_utf8(iter, NULL));
    } else if (BSON_ITER_HOLDS_BOOL(iter)) {
        spec_text_append(uri, bson_iter_bool(iter) ? "true" : "false");
    } else if (BSON_ITER_HOLDS_NUMBER(iter)) {
        spec_text_append_printf(uri, "%lld", (long long)bson_iter_as_int64(iter));
    } else {
        return false;
    }
    return true;
}

/** ["zlib", "snappy"] is zlib,snappy and {ENVIRONMENT: "test"} is ENVIRONMENT:test. */
static bool append_many(spec_text_t *uri, const bson_iter_t *iter) {
    bson_iter_t each;
    bson_iter_recurse(iter, &each);
    for (bool first = true; bson_iter_next(&each); first = false) {
        if (!first) spec_text_append_c(uri, ',');
        if (BSON_ITER_HOLDS_DOCUMENT(iter)) {
            spec_text_append_printf(uri, "%s:", bson_iter_key(&each));
        }
        if (!append_scalar(uri, &each)) return false;
    }
    return true;
}

static void separate(spec_text_t *uri) {
    char last = uri->len ? uri->str[uri->len - 1] : '/';
    if (last != '?' && last != '&') spec_text_append_c(uri, '&');
}

/** Each tag set is an option of its own. */
static bool append_tag_sets(spec_text_t *uri, const bson_iter_t *iter) {
    bson_iter_t each;
    bson_iter_recurse(iter, &each);
    while (bson_iter_next(&each)) {
        separate(uri);
        spec_text_append(uri, "readPreferenceTags=");
        if (!append_scalar(uri, &each)) return false;
    }
    return true;
}

static bool append_option(spec_text_t *uri, const bson_iter_t *iter) {
    bool many = BSON_ITER_HOLDS_ARRAY(iter) || BSON_ITER_HOLDS_DOCUMENT(iter);
    if (BSON_ITER_HOLDS_ARRAY(iter) && strcasecmp(bson_iter_key(iter), "readPreferenceTags") == 0) {
        return append_tag_sets(uri, iter);
    }
    separate(uri);
    spec_text_append_printf(uri, "%s=", bson_iter_key(iter));
    return many ? append_many(uri, iter) : append_scalar(uri, iter);
}

/* --- The whole ------------------------------------------------------------------------------ */

static bool is_given(const bson_t *options, const char *name, size_t length) {
    bson_iter_t iter;
    bson_iter_init(&iter, options);
    while (bson_iter_next(&iter)) {
        const char *key = bson_iter_key(&iter);
        if (strlen(key) == length && strncasecmp(key, name, length) == 0) return true;
    }
    return false;
}

/** Of the base's own options those that stay. */
static void keep_options(spec_text_t *uri, const char *query, const bson_t *options, bool alone) {
    while (*query) {
        size_t length = strcspn(query, "&"), name = strcspn(query, "=&");
        bool set = name == strlen("replicaSet") && strncasecmp(query, "replicaSet", name) == 0;
        if (!is_given(options, query, name) && !(set && alone)) {
            separate(uri);
            for (size_t i = 0; i < length; i++) spec_text_append_c(uri, query[i]);
        }
        query += length + (query[length] == '&');
    }
}

/** Up to the '?', which is added; with one host only, where asked for. */
static const char *keep_hosts(spec_text_t *uri, const char *base, bool alone) {
    const char *scheme = strstr(base, "://");
    const char *hosts = scheme ? scheme + 3 : base;
    const char *path = hosts + strcspn(hosts, "/?");
    const char *query = strchr(path, '?');
    const char *end = query ? query : path + strlen(path);
    size_t kept = (size_t)(path - base);
    const char *comma = alone ? memchr(hosts, ',', (size_t)(path - hosts)) : NULL;
    if (comma) kept = (size_t)(comma - base);
    for (size_t i = 0; i < kept; i++) spec_text_append_c(uri, base[i]);
    for (const char *at = path; at < end; at++) spec_text_append_c(uri, *at);
    if (path == end) spec_text_append_c(uri, '/');
    spec_text_append_c(uri, '?');
    return query ? query + 1 : "";
}

char *spec_uri(const char *base, const bson_t *options, spec_text_t *why) {
    spec_text_t *uri = spec_text_new(NULL);
    bson_iter_t iter;
    bool alone =
        spec_bool(options, "directConnection", false) || spec_bool(options, "loadBalanced", false);
    keep_options(uri, keep_hosts(uri, base, alone), options, alone);
    bson_iter_init(&iter, options);
    while (bson_iter_next(&iter)) {
        if (append_option(uri, &iter)) continue;
        spec_text_append_printf(why, "uriOptions.%s has a value that no URI can have",
                                bson_iter_key(&iter));
        spec_text_free(uri, true);
        return NULL;
    }
    return spec_text_free(uri, false);
}
