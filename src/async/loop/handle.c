/*
 * Slots for futures (docs/decisions/0001). An id is: 8 bits runtime number, 32 bits generation, 24 bits slot; number 0 is
 * for handles that carry nothing but an error code.
 */
#include "async/loop/handle.h"

#include <pthread.h>

#include "context/alloc.h"

#define SLOT_BITS 24
#define SLOT_MASK ((UINT64_C(1) << SLOT_BITS) - 1)
#define NUMBER_SHIFT 56
#define NUMBERS 256
#define CODE_BASE 20000
#define CODE_SPAN 1000

static pthread_mutex_t numbers_lock = PTHREAD_MUTEX_INITIALIZER;
static bool number_used[NUMBERS];
static uint32_t unused_generation[NUMBERS]; /* the first that no runtime of this number had */
static unsigned last_number;

static void handle_lock_numbers(void) {
    pthread_mutex_lock(&numbers_lock);
}

static void handle_unlock_numbers(void) {
    pthread_mutex_unlock(&numbers_lock);
}

/* A fork takes the lock, as that of the log. */
__attribute__((constructor)) static void handle_watch_forks(void) {
    pthread_atfork(handle_lock_numbers, handle_unlock_numbers, handle_unlock_numbers);
}

/* Numbers are given in turn, so that a handle of a closed runtime stays foreign for long; when its
 * number comes again, with generations that it has not had, it is stale. */
static uint8_t handle_take_number(uint32_t *first_generation) {
    uint8_t found = 0;
    handle_lock_numbers();
    for (unsigned i = 1; i < NUMBERS && found == 0; i++) {
        unsigned number = (last_number + i) % NUMBERS;
        if (number != 0 && !number_used[number]) found = (uint8_t)number;
    }
    if (found != 0) {
        number_used[found] = true;
        last_number = found;
        *first_generation = unused_generation[found];
    }
    handle_unlock_numbers();
    return found;
}

static void handle_give_number(const mouv__handles_t *handles) {
    uint32_t unused = handles->first_generation;
    for (uint32_t i = 0; i < handles->count; i++) {
        uint32_t had = handles->slots[i].generation - handles->first_generation;
        if (had >= unused - handles->first_generation) unused = handles->slots[i].generation + 1;
    }
    handle_lock_numbers();
    number_used[handles->runtime_number] = false;
    unused_generation[handles->runtime_number] = unused;
    handle_unlock_numbers();
}

int mouv__handles_open(mouv__handles_t *handles) {
    *handles = (mouv__handles_t){0};
    handles->runtime_number = handle_take_number(&handles->first_generation);
    return handles->runtime_number != 0 ? 0 : -1;
}

void mouv__handles_close(mouv__handles_t *handles) {
    handle_give_number(handles);
    mouv__free(handles->slots);
    *handles = (mouv__handles_t){0};
}

static bool handle_grow(mouv__handles_t *handles) {
    uint32_t capacity = handles->capacity == 0 ? 64 : handles->capacity * 2;
    if (capacity > SLOT_MASK) return false;
    mouv__slot_t *slots = mouv__realloc(handles->slots, capacity * sizeof *slots);
    if (slots == NULL) return false;
    handles->slots = slots;
    handles->capacity = capacity;
    return true;
}

static bool handle_take_slot(mouv__handles_t *handles, uint32_t *index) {
    if (handles->first_free != 0) {
        *index = handles->first_free - 1;
        handles->first_free = handles->slots[*index].next_free;
        return true;
    }
    if (handles->count == handles->capacity && !handle_grow(handles)) return false;
    *index = handles->count++;
    handles->slots[*index].generation = handles->first_generation;
    return true;
}

uint64_t mouv__handles_add(mouv__handles_t *handles, mouv__future_t *future) {
    uint32_t index;
    if (!handle_take_slot(handles, &index)) return 0;
    mouv__slot_t *slot = &handles->slots[index];
    slot->future = future;
    return (uint64_t)handles->runtime_number << NUMBER_SHIFT |
           (uint64_t)slot->generation << SLOT_BITS | index;
}

void mouv__handles_remove(mouv__handles_t *handles, uint64_t id) {
    uint32_t index = (uint32_t)(id & SLOT_MASK);
    mouv__slot_t *slot = &handles->slots[index];
    slot->future = NULL;
    slot->generation++;
    slot->next_free = handles->first_free;
    handles->first_free = index + 1;
}

mouv__handle_kind_t mouv__handles_find(const mouv__handles_t *handles, uint64_t id,
                                       mouv__future_t **future) {
    if (id == 0) return MOUV__HANDLE_NULL;
    uint64_t number = id >> NUMBER_SHIFT;
    if (number == 0) return id < CODE_SPAN ? MOUV__HANDLE_FAILED : MOUV__HANDLE_STALE;
    if (handles == NULL || number != handles->runtime_number) return MOUV__HANDLE_FOREIGN;
    uint32_t index = (uint32_t)(id & SLOT_MASK);
    if (index >= handles->count) return MOUV__HANDLE_STALE;
    const mouv__slot_t *slot = &handles->slots[index];
    if (slot->generation != (uint32_t)(id >> SLOT_BITS)) return MOUV__HANDLE_STALE;
    if (slot->future == NULL) return MOUV__HANDLE_STALE;
    *future = slot->future;
    return MOUV__HANDLE_LIVE;
}

uint64_t mouv__handle_of_failure(int code) {
    return (uint64_t)(-code - CODE_BASE);
}

int mouv__handle_failure(uint64_t id) {
    return -(int)id - CODE_BASE;
}
