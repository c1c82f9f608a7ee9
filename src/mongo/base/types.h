/*
 * The names of src/mongo/'s structs that more than one header mentions.
 */
#ifndef MOUV_MONGO_BASE_TYPES_H
#define MOUV_MONGO_BASE_TYPES_H

#include <stdint.h>

typedef struct mouv__operation mouv__operation_t;
typedef struct mouv__command mouv__command_t;
typedef struct mouv__handles mouv__handles_t;
typedef struct mouv__pin mouv__pin_t;
typedef struct mouv__concerns mouv__concerns_t;
typedef struct mouv__connection mouv__connection_t;
typedef struct mouv__server_session mouv__server_session_t;
typedef struct mouv__driver_pool mouv__driver_pool_t;
typedef struct mouv_session mouv_session_t; /* the user's, see session.h */

/** Operations in the order of their arrival, linked by prev and next; loop thread. */
typedef struct mouv__queue {
    mouv__operation_t *first, *last;
    uint32_t count;
} mouv__queue_t;

#endif
