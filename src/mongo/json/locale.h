/*
 * libc's conversions of numbers, as in C whatever the program's locale is.
 */
#ifndef MOUV_MONGO_JSON_LOCALE_H
#define MOUV_MONGO_JSON_LOCALE_H

#include <locale.h>

/** Gives this thread the C locale; what it had, for mouv__locale_end(). They cost some nanoseconds. */
locale_t mouv__locale_begin(void);
void mouv__locale_end(locale_t before);

#endif
