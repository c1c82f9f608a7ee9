/*
 * Users and passwords in URIs.
 */
#include "mongo/base/uri_user.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static int uri_user_refuse(char what, mouv_error_t *error) {
    return mouv_error_set(error, MOUV_EINVAL,
                          "'%c' in the URI's user or password must be percent-encoded: %%%02X",
                          what, (unsigned)what);
}

/* An @ that is in the value of an option is no end of a user. */
static bool uri_user_is_in_option(const char *options, const char *at) {
    const char *begin = options + 1;
    for (const char *next = begin; next < at; next++)
        if (*next == '&' || *next == ';') begin = next + 1;
    return memchr(begin, '=', (size_t)(at - begin)) != NULL;
}

/* Whether there is an @ behind a user's, or behind the hosts where there is no user, that is in no
 * option. */
static bool uri_user_has_more(const char *rest) {
    const char *options = strchr(rest, '?');
    for (const char *at = strchr(rest, '@'); at; at = strchr(at + 1, '@'))
        if (!options || at < options || !uri_user_is_in_option(options, at)) return true;
    return false;
}

static int uri_user_check_part(const char *text, const char *end, mouv_error_t *error) {
    for (; text < end; text++) {
        bool bare = *text == '%' && (end - text < 3 || !isxdigit((unsigned char)text[1]) ||
                                     !isxdigit((unsigned char)text[2]));
        if (bare || *text == ':' || *text == '?') return uri_user_refuse(*text, error);
    }
    return 0;
}

int mouv__uri_user_check(const char *uri, mouv_error_t *error) {
    const char *text = strstr(uri, "://");
    const char *at = text ? strchr(text, '@') : NULL;
    if (!at) return 0;
    text += strlen("://");
    size_t length = strcspn(text, "/");
    if (text + length < at) /* no user, or one with a / in it */
        return uri_user_has_more(text + length) ? uri_user_refuse('/', error) : 0;
    if (uri_user_has_more(at + 1)) return uri_user_refuse('@', error);
    const char *colon = memchr(text, ':', (size_t)(at - text));
    int rc = uri_user_check_part(text, colon ? colon : at, error);
    return rc < 0 || !colon ? rc : uri_user_check_part(colon + 1, at, error);
}

int mouv__uri_user_check_password(const mongoc_uri_t *uri, mouv_error_t *error) {
    static const char *const without[] = {"GSSAPI", "MONGODB-X509", "MONGODB-AWS", "MONGODB-OIDC"};
    const char *mechanism = mongoc_uri_get_auth_mechanism(uri);
    if (!mongoc_uri_get_username(uri) || mongoc_uri_get_password(uri)) return 0;
    for (size_t i = 0; mechanism && i < sizeof without / sizeof *without; i++)
        if (strcasecmp(mechanism, without[i]) == 0) return 0;
    return mouv_error_set(error, MOUV_EINVAL, "the URI has a user without a password");
}
