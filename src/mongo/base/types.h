/*
 * The names of src/mongo/'s structs that more than one header mentions.
 */
#ifndef MOUV_MONGO_BASE_TYPES_H
#define MOUV_MONGO_BASE_TYPES_H

#include <stdint.h>

typedef struct mouv__operation mouv__operation_t;
typedef struct mouv__command mouv__command_t;
typedef struct mouv__affinity mouv__affinity_t;
typedef struct mouv__defaults mouv__defaults_t;
typedef struct mouv__carrier mouv__carrier_t;
typedef struct mouv__session mouv__session_t;
typedef struct mouv__pool mouv__pool_t;
typedef struct mouv_session mouv_session_t; /* the user's, see session.h */

/** Operations in the order of their arrival, linked by prev and next; loop thread. */
typedef struct mouv__queue {
    mouv__operation_t *first, *last;
    uint32_t count;
} mouv__queue_t;

#endif
