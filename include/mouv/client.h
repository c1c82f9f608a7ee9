/*
 * mouv_client_t: one deployment, its pool of connections and the threads that talk to it. Options,
 * bad days, threads and forks: docs/clients.md.
 */
#ifndef MOUV_CLIENT_H
#define MOUV_CLIENT_H

#include <stdbool.h>

#include <bson/bson.h>

#include <mouv/base.h>
#include <mouv/error.h>
#include <mouv/future.h>

typedef struct mouv_client mouv_client_t;         /**< a deployment; opaque, counted */
typedef struct mouv_database mouv_database_t;     /**< its client's; opaque, see database.h */
typedef struct mouv_collection mouv_collection_t; /**< its client's; opaque, see collection.h */
typedef struct mouv_cursor mouv_cursor_t;         /**< opaque, see cursor.h */

/** How commands are carried. */
typedef enum mouv_executor {
    MOUV_EXECUTOR_DEFAULT, /**< $MOUV_EXECUTOR ("threads", "uvpool", "loop") if set, else threads */
    MOUV_EXECUTOR_THREADS, /**< libmongoc's blocking calls on threads of the client's own */
    /** ... in libuv's process-wide pool (UV_THREADPOOL_SIZE, 4 by default). libuv joins its threads
     *  at exit(), so a call that is stuck there holds it up where mouv does not see the wait: on
     *  libmongoc 2, and in the system's look-up of names. */
    MOUV_EXECUTOR_UVPOOL,
    /** By mouv itself, on the loop: libmongoc sets connections up (on a few threads) and watches
     *  the deployment. Less than half of the CPU, no thread for an operation. What libmongoc's own
     *  connections alone can do (GSSAPI, the tlsDisable... options of OCSP) goes by threads. */
    MOUV_EXECUTOR_LOOP
} mouv_executor_t;

/** The versioned API of the server, declared with every command (MongoDB 5.0 and later). */
typedef struct mouv_server_api {
    const char *version;     /**< "1"; NULL: none is declared, and the others must be false */
    bool strict;             /**< commands outside of it fail (MOUV_ESERVER, "APIStrictError") */
    bool deprecation_errors; /**< what it has deprecated fails ("APIDeprecationError") */
} mouv_server_api_t;

/** Options of mouv_client_new(); zero is the default of each. What the URI can say, the URI says.
 */
typedef struct mouv_client_opts {
    mouv_executor_t executor; /**< where libmongoc's blocking calls run */
    int64_t queue_wait_ms; /**< longest wait for a free client without a deadline; default 30,000,
                                or the URI's waitQueueTimeoutMS */
    uint32_t queue_limit;  /**< most operations that may wait; default 65,536 */
    int64_t close_wait_ms; /**< how long closing waits for operations that run before it stops them;
                                default 0: as long as they take */
    mouv_server_api_t server_api; /**< as of mongoc_server_api_t */
    const char *tls_ca_dir;   /**< authorities by their hash (openssl rehash), beside tlsCAFile */
    const char *tls_crl_file; /**< revoked certificates; both only with tls=true in the URI */
} mouv_client_opts_t;

MOUV_BEGIN_DECLS

/**
 * A client for a MongoDB URI. Does no I/O: looking up mongodb+srv names, connecting and
 * authenticating happen on a worker with the first operation. Every option of libmongoc's URI
 * works; maxPoolSize (100) limits the connections, and so the operations that run at once.
 * timeoutMS, which libmongoc has not, is mouv's own: the limit of every operation as a whole, with
 * its retries, unless a handle or a call has another (database.h); 0: none. See docs/timeouts.md.
 *
 * Context:   the thread of the runtime it will belong to; use from another thread, or in the child
 *            of a fork(), is refused with MOUV_ETHREAD. Never suspends.
 * Ownership: copies `uri` and `opts` (NULL: defaults). Release with mouv_client_unref().
 * Returns:   NULL on failure, with `error` filled.
 * Errors:    MOUV_EINVAL names what is wrong in the URI or `opts`; MOUV_ENOLOOP; MOUV_ENOMEM.
 * Like:      mongoc_client_pool_new(); Motor's AsyncIOMotorClient().
 */
MOUV_API mouv_client_t *mouv_client_new(const char *uri, const mouv_client_opts_t *opts,
                                        mouv_error_t *error);

/** Adds a reference and returns the client. */
MOUV_API mouv_client_t *mouv_client_ref(mouv_client_t *client);

/**
 * Gives a reference up; the last one closes the client in the background. Takes NULL, returns
 * NULL. Never suspends: this is what MOUV_AUTO_CLIENT calls.
 */
MOUV_API mouv_client_t *mouv_client_unref(mouv_client_t *client);

/**
 * Closes: new operations fail with MOUV_ECLOSED, queued ones are cancelled, running ones are waited
 * for (no longer than `close_wait_ms`: they are then cancelled, and what the server does not stop
 * is left behind), but polls, which are stopped. Cursors are killed on the server (their readers
 * get MOUV_ECLOSED), sessions are ended, connections closed; what libmongoc ends after that, its
 * monitors, goes behind the program's back. A second call waits for the same end. The pointer stays
 * valid until mouv_client_unref().
 *
 * Context: a coroutine. Errors: MOUV_ENOTCORO, MOUV_ECANCELED (the close itself goes on).
 */
MOUV_API MOUV_SUSPENDS int mouv_client_close(mouv_client_t *client, mouv_error_t *error);

/** The twin of mouv_client_close(). */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_client_close_future(mouv_client_t *client);

/**
 * A round trip to the server ({ping: 1} on admin).
 *
 * Context:  the client's thread; never suspends (await the future).
 * Errors:   as every operation: MOUV_ETIMEDOUT, MOUV_ECANCELED, MOUV_ESERVER, MOUV_ENETWORK,
 *           MOUV_ESELECTION, MOUV_EQUEUE, MOUV_ECLOSED, MOUV_ETHREAD, MOUV_ENOMEM.
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_client_ping(mouv_client_t *client);

/**
 * A handle to a database or collection: interned, valid as long as the client, nothing to release,
 * never NULL. A bad name fails at the operation. No I/O.
 */
MOUV_API mouv_database_t *mouv_client_get_database(mouv_client_t *client, const char *name);
MOUV_API mouv_collection_t *mouv_client_get_collection(mouv_client_t *client, const char *database,
                                                       const char *name);

/** The database named in the URI, or `fallback` ("test" if that is NULL too). */
MOUV_API mouv_database_t *mouv_client_get_default_database(mouv_client_t *client,
                                                           const char *fallback);

/**
 * The deployment's databases: `*databases` receives an array document of {name, sizeOnDisk, empty},
 * the caller's to destroy. `opts`: filter, nameOnly, authorizedDatabases, ...
 *
 * Like: mongoc_client_find_databases_with_opts(); Motor's list_databases().
 */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_client_list_databases(mouv_client_t *client,
                                                                    const bson_t *opts,
                                                                    bson_t **databases);

/** Only the names: a NULL-terminated list, release with bson_strfreev(). */
MOUV_API MOUV_CHECK_RESULT mouv_future_t mouv_client_list_database_names(mouv_client_t *client,
                                                                         const bson_t *opts,
                                                                         char ***names);

/** What mouv counts on this client since it was made; read on the client's thread. */
typedef struct mouv_client_stats {
    uint64_t started;    /**< operations begun */
    uint64_t completed;  /**< operations ended, in whichever way */
    uint64_t in_flight;  /**< on a worker now */
    uint64_t queued;     /**< waiting for a client or a server now */
    uint64_t late;       /**< given up by their awaiter, worker still busy with them */
    uint64_t clients;    /**< libmongoc clients in existence */
    uint64_t timeouts;   /**< operations that a deadline has ended, theirs or a scope's */
    uint64_t cancels;    /**< operations that were cancelled otherwise */
    uint64_t retries;    /**< attempts after the first */
    uint64_t interrupts; /**< connections cut because a kill had brought no answer, or because
                                  their server was silent and had been replaced as the primary */
    uint64_t abandoned;  /**< times that a worker was left in its call for another second, as the
                             budget of interrupts was spent */
    uint64_t circuits;   /**< times that a server got nothing but pings, as it had left several
                                  deadlines in a row, and a ping, without any answer */
    uint64_t busy;       /**< workers that have something to do now, operations or not */
    uint64_t bytes_sent; /**< of operations' commands, as BSON */
    uint64_t bytes_received; /**< of their replies */
    uint64_t backlog_us;     /**< how long servers will need for what waits for a connection now, by
                                  what they lately took: when to try again; 0: at once, or not known */
} mouv_client_stats_t;

/** Fills `*stats`. Context: the client's thread; never suspends. */
MOUV_API void mouv_client_get_stats(const mouv_client_t *client, mouv_client_stats_t *stats);

/** What MOUV_AUTO_CLIENT calls. */
MOUV_API void mouv_client_drop(mouv_client_t **client);

MOUV_END_DECLS

#ifdef MOUV_CLEANUP
/** A client whose reference is given up at the end of its block, also on early return. */
#define MOUV_AUTO_CLIENT MOUV_CLEANUP(mouv_client_drop)
#endif

#endif
