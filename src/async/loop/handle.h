/*
 * The table behind future handles: slot and generation, so that a stale handle is recognised, and
 * the number of the runtime, so that a foreign one is.
 */
#ifndef MOUV_ASYNC_LOOP_HANDLE_H
#define MOUV_ASYNC_LOOP_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mouv__future mouv__future_t;

typedef struct mouv__slot {
    mouv__future_t *future; /* NULL: free */
    uint32_t generation;
    uint32_t next_free; /* index + 1 */
} mouv__slot_t;

typedef struct mouv__handles {
    mouv__slot_t *slots;
    uint32_t count, capacity;
    uint32_t first_free;       /* index + 1, 0: none */
    uint32_t first_generation; /* of a slot that has had none */
    uint8_t runtime_number;
} mouv__handles_t;

/** What a handle can turn out to be. */
typedef enum mouv__handle_kind {
    MOUV__HANDLE_NULL,
    MOUV__HANDLE_FAILED, /* carries a code, no slot */
    MOUV__HANDLE_LIVE,
    MOUV__HANDLE_STALE,
    MOUV__HANDLE_FOREIGN
} mouv__handle_kind_t;

/** 0, or -1 when 255 runtimes exist. */
int mouv__handles_open(mouv__handles_t *handles);
void mouv__handles_close(mouv__handles_t *handles);

/** A new id for `future`, 0 when out of memory. */
uint64_t mouv__handles_add(mouv__handles_t *handles, mouv__future_t *future);
void mouv__handles_remove(mouv__handles_t *handles, uint64_t id);

/** `handles` may be NULL: a thread without a runtime. Sets `*future` for LIVE. */
mouv__handle_kind_t mouv__handles_find(const mouv__handles_t *handles, uint64_t id,
                                       mouv__future_t **future);

uint64_t mouv__handle_of_failure(int code);
int mouv__handle_failure(uint64_t id);

#endif
