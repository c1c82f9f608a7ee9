/*
 * One C locale a process, made when it is first wanted, never freed.
 */
#include "mongo/json/locale.h"

#include <pthread.h>

static locale_t locale_c;

static void locale_make(void) {
    locale_c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

locale_t mouv__locale_begin(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, locale_make);
    return uselocale(locale_c);
}

void mouv__locale_end(locale_t before) {
    uselocale(before);
}
