/*
 * The few macros that every mouv header needs: visibility, language linkage, attributes, version.
 */
#ifndef MOUV_BASE_H
#define MOUV_BASE_H

#include <stddef.h>
#include <stdint.h>

#define MOUV_VERSION_MAJOR 0 /**< of the headers, as those that follow */
#define MOUV_VERSION_MINOR 1 /**< see MOUV_VERSION */
#define MOUV_VERSION_PATCH 0 /**< see MOUV_VERSION */

/** The version of these headers; that of the library: mouv_version(). */
#define MOUV_VERSION "0.1.0"

#ifdef __cplusplus
#define MOUV_BEGIN_DECLS extern "C" {
#define MOUV_END_DECLS }
#define MOUV_ZERO \
    {}
#else
/** The initialiser that makes all of a struct zero. */
#define MOUV_ZERO \
    { 0 }
#define MOUV_BEGIN_DECLS /**< declarations of C follow */
#define MOUV_END_DECLS   /**< the end of those */
#endif

#if defined(__GNUC__)
#ifdef MOUV_ARCHIVE /* being built: what it is linked into does not export it */
#define MOUV_API __attribute__((visibility("hidden")))
#else
/** Marks what the library exports. */
#define MOUV_API __attribute__((visibility("default")))
#endif

/** The compiler checks arguments against a format, as of printf(). */
#define MOUV_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/** The compiler warns where the result is not looked at. */
#define MOUV_CHECK_RESULT __attribute__((warn_unused_result))

/** Calls `fn(&variable)` at the end of a variable's block; not defined where compilers cannot. */
#define MOUV_CLEANUP(fn) __attribute__((cleanup(fn)))
#else
#define MOUV_API
#define MOUV_PRINTF(fmt, args)
#define MOUV_CHECK_RESULT
#endif

/** The first of a macro's arguments as text. Arguments that may hold commas (a compound literal, a
 *  lambda) are a macro's `...`, and are passed on as they are. */
#define MOUV_NAME_OF_FIRST(first, ...) #first
/** The second of them. */
#define MOUV_NAME_OF_SECOND(first, second, ...) #second

/**
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
