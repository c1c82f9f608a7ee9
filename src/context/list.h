/*
 * The one list of the library: doubly linked, through a link inside of what is in it, so that
 * joining and leaving need no memory and cannot fail. It is circular, and its head is one pointer:
 * a zeroed one is empty, and a head can be copied, moved and emptied as a value, as who works off
 * "all that is there now" does. Nothing here allocates, frees or locks.
 */
#ifndef MOUV_CONTEXT_LIST_H
#define MOUV_CONTEXT_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

/** The `type` whose `member` this points to; does not compile if it is no such pointer. */
#define mouv__container_of(pointer, type, member) \
    ((type *)((char *)(1 ? (pointer) : &((type *)0)->member) - offsetof(type, member)))

/** Embedded, zero-initialised, once for each list that it can be in at the same time. */
typedef struct mouv__link {
    struct mouv__link *prev, *next; /* NULL: in no list */
} mouv__link_t;

typedef struct mouv__list {
    mouv__link_t *first; /* NULL: empty; first->prev is the last one */
} mouv__list_t;

static inline bool mouv__link_is_in_list(const mouv__link_t *link) {
    return link->next != NULL;
}

static inline bool mouv__list_is_empty(const mouv__list_t *list) {
    return list->first == NULL;
}

/** `link` is in no list. */
static inline void mouv__list_push_back(mouv__list_t *list, mouv__link_t *link) {
    mouv__link_t *first = list->first;
    assert(link->next == NULL);
    if (first == NULL) {
        list->first = link->prev = link->next = link;
        return;
    }
    link->prev = first->prev;
    link->next = first;
    first->prev->next = link;
    first->prev = link;
}

static inline void mouv__list_push_front(mouv__list_t *list, mouv__link_t *link) {
    mouv__list_push_back(list, link);
    list->first = link;
}

/** Puts `link`, which is in no list, behind `after`, which is in `list`; NULL: to the front. */
static inline void mouv__list_insert_after(mouv__list_t *list, mouv__link_t *link,
                                           mouv__link_t *after) {
    if (after == NULL || after->next == list->first) {
        mouv__list_push_back(list, link);
        if (after == NULL) list->first = link;
        return;
    }
    link->prev = after;
    link->next = after->next;
    after->next->prev = link;
    after->next = link;
}

/** Takes `link` out of `list`, which must be the one it is in; nothing happens if it is in none. */
static inline void mouv__list_remove(mouv__list_t *list, mouv__link_t *link) {
    if (link->next == NULL) return;
    if (list->first == link) list->first = link->next != link ? link->next : NULL;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = NULL;
}

/** Takes the first one out; NULL if there is none. */
static inline mouv__link_t *mouv__list_pop_front(mouv__list_t *list) {
    mouv__link_t *link = list->first;
    if (link != NULL) mouv__list_remove(list, link);
    return link;
}

/**
 * As mouv__list_pop_front(), at half the price, for who works off a list to its end that nobody else
 * can reach: what is left is fit for nothing else. `last` is its last one at the beginning.
 */
static inline mouv__link_t *mouv__list_shift(mouv__list_t *list, const mouv__link_t *last) {
    mouv__link_t *link = list->first;
    if (link == NULL) return NULL;
    list->first = link != last ? link->next : NULL;
    link->prev = link->next = NULL;
    return link;
}

/** Takes all out, in their order: they are in the list that is returned, which may be put anywhere. */
static inline mouv__list_t mouv__list_take_all(mouv__list_t *list) {
    mouv__list_t all = *list;
    list->first = NULL;
    return all;
}

static inline mouv__link_t *mouv__list_last(const mouv__list_t *list) {
    return list->first != NULL ? list->first->prev : NULL;
}

/** The one after (before) `link`, which is in `list`; NULL at the end. */
static inline mouv__link_t *mouv__list_next(const mouv__list_t *list, const mouv__link_t *link) {
    return link->next != list->first ? link->next : NULL;
}

static inline mouv__link_t *mouv__list_prev(const mouv__list_t *list, const mouv__link_t *link) {
    return link != list->first ? link->prev : NULL;
}

/** As mouv__container_of(), but NULL stays NULL. */
#define MOUV__LIST_ITEM(link, type, member) \
    ((type *)mouv__link_owner((link), offsetof(type, member)))

static inline void *mouv__link_owner(mouv__link_t *link, size_t offset) {
    return link != NULL ? (char *)link - offset : NULL;
}

/* The first, last, next, previous item of a list of `type`, linked by `member`; NULL: none. */
#define MOUV__LIST_FIRST(list, type, member) MOUV__LIST_ITEM((list)->first, type, member)
#define MOUV__LIST_LAST(list, type, member) MOUV__LIST_ITEM(mouv__list_last(list), type, member)
#define MOUV__LIST_NEXT(list, item, type, member) \
    MOUV__LIST_ITEM(mouv__list_next((list), &(item)->member), type, member)
#define MOUV__LIST_PREV(list, item, type, member) \
    MOUV__LIST_ITEM(mouv__list_prev((list), &(item)->member), type, member)

/** Takes the first item out; NULL: none. */
#define MOUV__LIST_POP(list, type, member) MOUV__LIST_ITEM(mouv__list_pop_front(list), type, member)

/**
 * A loop over all items of a list, first to last. The body may take the current one out, free it or
 * put it elsewhere, and may add others; the one after it must stay where it is. (Where a body may
 * do more, work off the list: `while ((item = MOUV__LIST_POP(...)))`.)
 */
#define MOUV__LIST_EACH(list, type, item, member) \
    for (type *item = MOUV__LIST_FIRST(list, type, member), *item##_after; \
         item != NULL && ((item##_after = MOUV__LIST_NEXT(list, item, type, member)), true); \
         item = item##_after)

#endif
