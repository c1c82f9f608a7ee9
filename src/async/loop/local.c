/*
 * Task-local values. A set of them never changes once it is made, so that inheriting is counting;
 * setting one makes a new set. The values themselves are counted too, as several sets hold them. Workers
 * read sets, and the last to leave one may be the worker of a function whose runtime has gone.
 */
#include "async/loop/local.h"

#include "async/loop/raise.h"
#include "async/loop/state.h"
#include "context/alloc.h"

typedef struct value {
    size_t references;
    const mouv_local_t *key;
    void *value;
} value_t;

struct mouv__locals {
    size_t references;
    size_t count;
    value_t *values[];
};

/** The values outside of any task. They end with the runtime, as a client does. */
typedef struct base {
    mouv__attachment_t attachment; /* first */
    mouv_runtime_t *runtime;
    mouv__locals_t *locals;
} base_t;

static mouv__locals_t failed;

/* ---- values and sets ---- */

static value_t *local_make_value(const mouv_local_t *key, void *value) {
    value_t *made = mouv__alloc(sizeof *made);
    if (made != NULL) *made = (value_t){.references = 1, .key = key, .value = value};
    return made;
}

static value_t *local_share_value(value_t *value) {
    __atomic_add_fetch(&value->references, 1, __ATOMIC_RELAXED);
    return value;
}

static void local_drop_value(value_t *value) {
    if (__atomic_sub_fetch(&value->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    if (value->key->destroy != NULL && value->value != NULL) value->key->destroy(value->value);
    mouv__free(value);
}

static mouv__locals_t *local_make_set(size_t room) {
    mouv__locals_t *set = mouv__alloc(sizeof *set + room * sizeof set->values[0]);
    if (set != NULL) set->references = 1;
    return set;
}

bool mouv__locals_failed(const mouv__locals_t *locals) {
    return locals == &failed;
}

void mouv__locals_drop(mouv__locals_t *locals) {
    if (locals == NULL || locals == &failed) return;
    if (__atomic_sub_fetch(&locals->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    for (size_t i = 0; i < locals->count; i++) local_drop_value(locals->values[i]);
    mouv__free(locals);
}

static value_t *local_find(const mouv__locals_t *locals, const mouv_local_t *key) {
    for (size_t i = 0; locals != NULL && i < locals->count; i++)
        if (locals->values[i]->key == key) return locals->values[i];
    return NULL;
}

/* ---- inheriting ---- */

static bool local_has_copies(const mouv__locals_t *locals) {
    for (size_t i = 0; i < locals->count; i++)
        if (locals->values[i]->key->copy != NULL) return true;
    return false;
}

static value_t *local_inherit_value(value_t *value) {
    const mouv_local_t *key = value->key;
    if (key->copy == NULL || value->value == NULL) return local_share_value(value);
    value_t *made = local_make_value(key, NULL);
    if (made == NULL) return NULL;
    made->value = key->copy(value->value);
    return made;
}

static mouv__locals_t *local_copy_set(const mouv__locals_t *locals) {
    mouv__locals_t *set = local_make_set(locals->count);
    if (set == NULL) return &failed;
    for (size_t i = 0; i < locals->count; i++) {
        value_t *value = local_inherit_value(locals->values[i]);
        if (value == NULL) {
            mouv__locals_drop(set);
            return &failed;
        }
        set->values[set->count++] = value;
    }
    return set;
}

static void local_close_base(mouv__attachment_t *attachment) {
    base_t *base = (base_t *)attachment;
    mouv__runtime_detach(base->runtime, attachment);
    mouv__locals_drop(base->locals);
    mouv__free(base);
}

static base_t *local_find_base(const mouv_runtime_t *runtime) {
    MOUV__LIST_EACH(&runtime->attachments, mouv__attachment_t, attachment, link)
        if (attachment->close == local_close_base) return (base_t *)attachment;
    return NULL;
}

static mouv__locals_t *local_current(const mouv_runtime_t *runtime) {
    if (runtime->locals != NULL) return *runtime->locals;
    const base_t *base = local_find_base(runtime);
    return base != NULL ? base->locals : NULL;
}

mouv__locals_t *mouv__locals_inherit(mouv_runtime_t *runtime) {
    mouv__locals_t *locals = local_current(runtime);
    if (locals == NULL) return NULL;
    if (local_has_copies(locals)) return local_copy_set(locals);
    __atomic_add_fetch(&locals->references, 1, __ATOMIC_RELAXED);
    return locals;
}

mouv__locals_t **mouv__locals_enter(mouv_runtime_t *runtime, mouv__locals_t **locals) {
    mouv__locals_t **outer = runtime->locals;
    runtime->locals = locals;
    return outer;
}

static _Thread_local const mouv__locals_t *lent;

void mouv__locals_lend(const mouv__locals_t *locals) {
    lent = locals;
}

/* ---- public ---- */

void *mouv_local_get(const mouv_local_t *key) {
    mouv_runtime_t *runtime = mouv__runtime();
    const value_t *value = local_find(runtime != NULL ? local_current(runtime) : lent, key);
    return value != NULL ? value->value : NULL;
}

/* All of `locals` with `value` in the place of that of the same key, or added. */
static mouv__locals_t *local_replace(const mouv__locals_t *locals, value_t *value) {
    size_t count = locals != NULL ? locals->count : 0;
    mouv__locals_t *set = local_make_set(count + 1);
    if (set == NULL) return NULL;
    for (size_t i = 0; i < count; i++)
        if (locals->values[i]->key != value->key)
            set->values[set->count++] = local_share_value(locals->values[i]);
    set->values[set->count++] = value;
    return set;
}

static mouv__locals_t **local_place(mouv_runtime_t *runtime) {
    if (runtime->locals != NULL) return runtime->locals;
    base_t *base = local_find_base(runtime);
    if (base != NULL) return &base->locals;
    base = mouv__alloc(sizeof *base);
    if (base == NULL) return NULL;
    base->attachment.close = local_close_base;
    base->runtime = runtime;
    mouv__runtime_attach(runtime, &base->attachment);
    return &base->locals;
}

static int local_set_in(mouv__locals_t **locals, const mouv_local_t *key, void *value) {
    value_t *made = local_make_value(key, value);
    mouv__locals_t *set = made != NULL ? local_replace(*locals, made) : NULL;
    if (set == NULL) {
        mouv__free(made);
        return MOUV_ENOMEM;
    }
    mouv__locals_t *old = *locals;
    *locals = set;
    mouv__locals_drop(old);
    return 0;
}

int mouv_local_set(const mouv_local_t *key, void *value) {
    mouv_runtime_t *runtime = mouv__runtime();
    if (key == NULL) return mouv__raise(NULL, MOUV_EINVAL, "mouv_local_set: no key");
    if (runtime == NULL) return MOUV_ENOLOOP;
    if (runtime->locals == NULL && runtime->phase >= MOUV__DETACHING)
        return MOUV_ECLOSED; /* the base values have ended */
    mouv__locals_t **locals = local_place(runtime);
    int rc = locals != NULL ? local_set_in(locals, key, value) : MOUV_ENOMEM;
    return rc == 0 ? 0 : mouv__raise(NULL, rc, "mouv_local_set: no memory");
}
