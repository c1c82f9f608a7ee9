/*
 * Kill first, cut second.
 */
#include "mongo/operation/stop.h"

#include "mongo/operation/cut.h"
#include "mongo/operation/kill.h"

void mouv__stop_init(mouv__operations_t *operations) {
    mouv__kill_init(operations, mouv__cut_hurry);
    mouv__cut_init(operations);
}

/* Where a server refuses kills nothing is to be waited for; where it has been silent lately, the
 * grace is waited for all the same. */
void mouv__stop_add(mouv__operation_t *op) {
    mouv__kill_add(op);
    mouv__cut_add(op, mouv__kill_is_refused(op));
}

void mouv__stop_remove(mouv__operation_t *op) {
    mouv__kill_remove(op);
    mouv__cut_remove(op);
}

void mouv__stop_hurry_polls(mouv__operations_t *operations) {
    mouv__cut_hurry_polls(operations);
}

void mouv__stop_close(mouv__operations_t *operations) {
    mouv__kill_close(operations);
    mouv__cut_close(operations);
}
