/*
 * The user and the password of a URI, looked at before libmongoc sees it: where something in them is
 * not percent-encoded it takes a part of them for something else (a host, a port, an option), looks
 * that up, and names it in its messages.
 */
#ifndef MOUV_MONGO_BASE_URI_USER_H
#define MOUV_MONGO_BASE_URI_USER_H

#include <mongoc/mongoc.h>

#include <mouv/error.h>

/** 0, or MOUV_EINVAL with a text that has nothing of them. */
int mouv__uri_user_check(const char *uri, mouv_error_t *error);

/** Whether there is a password if the mechanism wants one: libmongoc 1.23 dies without. As above. */
int mouv__uri_user_check_password(const mongoc_uri_t *uri, mouv_error_t *error);

#endif
