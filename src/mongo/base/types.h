/*
 * The names of src/mongo/'s structs that more than one header mentions.
 */
#ifndef MOUV_MONGO_BASE_TYPES_H
#define MOUV_MONGO_BASE_TYPES_H

#include <stdint.h>

typedef struct mouv__operation mouv__operation_t;
typedef struct mouv__command mouv__command_t;
typedef struct mouv__pin mouv__pin_t;
typedef struct mouv__concerns mouv__concerns_t;
typedef struct mouv__connection mouv__connection_t;
typedef struct mouv__server_session mouv__server_session_t;
typedef struct mouv__driver_pool mouv__driver_pool_t;
typedef struct mouv__session_store mouv__session_store_t;
typedef struct mouv__pool mouv__pool_t;
typedef struct mouv__checkout mouv__checkout_t;
typedef struct mouv__probe mouv__probe_t;
typedef struct mouv__operations mouv__operations_t;
typedef struct mouv__events mouv__events_t;
typedef struct mouv_session mouv_session_t; /* the user's, see session.h */

#endif
