/*
 * Debug mode: futures that nobody has awaited or released.
 */
#ifndef MOUV_ASYNC_LOOP_FORGOTTEN_H
#define MOUV_ASYNC_LOOP_FORGOTTEN_H

#include <mouv/runtime.h>

/** The runtime's last act: names those that users still own, a few of them. */
void mouv__forgotten_report(mouv_runtime_t *runtime);

#endif
