/*
 * Where timeoutMS comes from, and when it is over.
 */
#include "mongo/base/timeout.h"

#include <mouv/await.h>

#include "mongo/base/client_ref.h"
#include "mongo/base/concern.h"

/* --- Where it is given ----------------------------------------------------------------------- */

int mouv__timeout_from_struct(int64_t given, const char *field, int64_t *timeout_ms,
                              mouv_error_t *error) {
    if (given < 0)
        return mouv_error_set(error, MOUV_EINVAL, "'%s': expected a number of 0 or more", field);
    *timeout_ms = given == MOUV_FOREVER ? 0 : given == 0 ? MOUV__TIMEOUT_UNSET : given;
    return 0;
}

int64_t mouv__timeout_inherited(const mouv_client_t *client, const mouv__concerns_t *defaults) {
    if (defaults && defaults->timeout_ms != MOUV__TIMEOUT_UNSET) return defaults->timeout_ms;
    return mouv__client_ref_of(client)->timeout_ms;
}

int64_t mouv__timeout_end_ns(const mouv_client_t *client, mouv__timeout_t timeout) {
    if (timeout.until_ns != MOUV__NEVER) return timeout.until_ns;
    return timeout.ms > 0 ? mouv__clock_deadline_in(mouv__client_runtime(client), timeout.ms)
                          : MOUV__NEVER;
}
