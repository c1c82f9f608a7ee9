/*
 * Affinity, the lower half's part; the rest is in operation.h.
 */
#ifndef MOUV_MONGO_AFFINITY_H
#define MOUV_MONGO_AFFINITY_H

#include "mongo/pool.h"

/** Loop thread: the carrier's sessions end soon; whoever keeps one learns it. */
void mouv__affinity_forget_all(mouv__carrier_t *carrier);

#endif
