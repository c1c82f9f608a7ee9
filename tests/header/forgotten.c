/* A future that is thrown away: a compiler is to warn of it. */
#include <mouv/mouv.h>

void forget(mouv_fn_t fn);

void forget(mouv_fn_t fn) {
    mouv_future_unref(mouv_task(fn, NULL)); /* fire and forget */
#ifdef FORGOTTEN
    FORGOTTEN;
#endif
}
