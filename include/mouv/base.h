/*
 * The few macros that every mouv header needs: visibility, language linkage, attributes, version.
 */
#ifndef MOUV_BASE_H
#define MOUV_BASE_H

#include <stddef.h>
#include <stdint.h>

#define MOUV_VERSION_MAJOR 0
#define MOUV_VERSION_MINOR 1
#define MOUV_VERSION_PATCH 0
#define MOUV_VERSION "0.1.0"

#ifdef __cplusplus
#define MOUV_BEGIN_DECLS extern "C" {
#define MOUV_END_DECLS }
#else
#define MOUV_BEGIN_DECLS
#define MOUV_END_DECLS
#endif

#if defined(__GNUC__)
#define MOUV_API __attribute__((visibility("default")))
#define MOUV_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define MOUV_CLEANUP(fn) __attribute__((cleanup(fn)))
#else
#define MOUV_API
#define MOUV_PRINTF(fmt, args)
#endif

/*
 * Marks a function that may suspend the calling coroutine: other tasks run before it returns.
 * Outside a coroutine such a function fails with MOUV_ENOTCORO. Each has a twin that returns a
 * future instead, for programs without coroutines.
 */
#define MOUV_SUSPENDS

MOUV_BEGIN_DECLS

/** The body of a coroutine or task. A negative result is a failure, any other is its value. */
typedef int (*mouv_fn_t)(void *arg);

/** The version of the library that runs, for example "0.1.0". Any thread. */
MOUV_API const char *mouv_version(void);

MOUV_END_DECLS

#endif
