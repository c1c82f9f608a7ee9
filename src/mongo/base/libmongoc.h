/*
 * libmongoc, once a process: it is begun, and its log becomes mouv's.
 */
#ifndef MOUV_MONGO_BASE_LIBMONGOC_H
#define MOUV_MONGO_BASE_LIBMONGOC_H

#define MOUV__LIBMONGOC_LOG_SIZE 256

/** Any thread, before anything else of libmongoc. */
void mouv__libmongoc_init(void);

/** What libmongoc logs on this thread goes to `text` instead, the last line of it; NULL: no more.
 *  Where it says more than its errors do. */
void mouv__libmongoc_listen(char text[MOUV__LIBMONGOC_LOG_SIZE]);

#endif
