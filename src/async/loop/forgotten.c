/*
 * Debug mode: futures that nobody has awaited or released. What is warned of in every mode (a cold
 * coroutine, a failure that nobody has seen) is not told twice.
 */
#include "async/loop/forgotten.h"

#include "async/loop/debug.h"
#include "async/loop/log.h"
#include "async/loop/state.h"

/* A program that forgets one a second is not to fill its log at the end. */
#define LINES 10

static bool forgotten_is(const mouv__future_t *future) {
    if (future->owned == 0 || future->going || future->state == MOUV__COLD) return false;
    return future->code >= 0 || future->code == MOUV_ECANCELED || future->retrieved;
}

static void forgotten_tell(const mouv__future_t *future) {
    char what[160];
    mouv__future_describe(future, what, sizeof what);
    const char *maker = future->maker;
    mouv__log(MOUV_LOG_WARNING, "forgotten: %s%s%s: neither awaited nor released", what,
              maker != NULL ? ", made in " : "", maker != NULL ? maker : "");
}

void mouv__forgotten_report(mouv_runtime_t *runtime) {
    size_t forgotten = 0;
    if (!mouv__debug()) return;
    for (uint32_t i = 0; i < runtime->handles.count; i++) {
        const mouv__future_t *future = runtime->handles.slots[i].future;
        if (future != NULL && forgotten_is(future) && ++forgotten < LINES) forgotten_tell(future);
    }
    if (forgotten >= LINES)
        mouv__log(MOUV_LOG_WARNING, "forgotten: and %zu more", forgotten - (LINES - 1));
}
