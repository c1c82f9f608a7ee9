/*
 * Setting a connection up as libmongoc's own initiator does, with the same options and errors, but
 * within connectTimeoutMS as a whole (for each address that a name has).
 */
#include "mongo/transport/driver/stream_connect.h"
#include "mongo/transport/driver/stream_checked.h"
#include "mongo/transport/driver/stream_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mongo/transport/driver/driver_pool.h"
#include "mongo/transport/workers/safepoint.h"

#define CONNECT_TIMEOUT_MS 10000 /* libmongoc's */

/* As libmongoc: keep-alive after two minutes of silence, given up after nine probes. */
#define KEEP_IDLE_S 120
#define KEEP_INTERVAL_S 10
#define KEEP_COUNT 9

const char *mouv__stream_connect_obstacle(const mongoc_uri_t *uri) {
    /* libmongoc keeps what the first two ask for to itself, Kerberos asks its own socket for a name
     */
    static const char *const options[] = {MONGOC_URI_TLSDISABLECERTIFICATEREVOCATIONCHECK,
                                          MONGOC_URI_TLSDISABLEOCSPENDPOINTCHECK};
    const char *mechanism = mongoc_uri_get_auth_mechanism(uri);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (mongoc_uri_get_option_as_bool(uri, options[i], false)) return options[i];
    return mechanism && strcmp(mechanism, "GSSAPI") == 0 ? "GSSAPI" : NULL;
}

bool mouv__stream_connect_suits(const mongoc_uri_t *uri) {
#if MONGOC_CHECK_VERSION(2, 0, 0)
    (void)uri; /* pooled clients refuse an initiator */
    return false;
#else
    return mouv__stream_connect_obstacle(uri) == NULL;
#endif
}

/* --- the socket ------------------------------------------------------------------------------ */

static void stream_connect_set_option(int fd, int level, int name, int value) {
    setsockopt(fd, level, name, &value, sizeof(value));
}

static void stream_connect_set_tcp_options(int fd) {
    stream_connect_set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    stream_connect_set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
    stream_connect_set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
#endif
#ifdef TCP_KEEPINTVL
    stream_connect_set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S);
    stream_connect_set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT);
#endif
}

static int stream_connect_open_socket(int family) {
    int fd = socket(family, SOCK_STREAM, 0);
    if (fd < 0) return -1;
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        close(fd);
        return -1;
    }
#ifdef SO_NOSIGPIPE
    stream_connect_set_option(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
    if (family != AF_UNIX) stream_connect_set_tcp_options(fd);
    return fd;
}

/* 0 or an errno. */
static int stream_connect_wait_until_connected(int fd, int64_t until_us) {
    struct pollfd one = {.fd = fd, .events = POLLOUT};
    int code = 0, count;
    socklen_t size = sizeof(code);
    bool had_left = mouv__safepoint_begin_wait();
    do {
        int64_t left_ms = (until_us - bson_get_monotonic_time()) / 1000;
        count = poll(&one, 1, left_ms > 0 ? (int)left_ms : 0);
    } while (count < 0 && errno == EINTR);
    mouv__safepoint_end_wait(had_left);
    if (count == 0) return ETIMEDOUT;
    if (count < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0) return errno;
    return code;
}

/* A connected socket, or -1 with `*code` an errno. */
static int stream_connect_connect_to(int family, const struct sockaddr *address, socklen_t size,
                                     int64_t until_us, int *code) {
    int fd = stream_connect_open_socket(family);
    if (fd < 0) {
        *code = errno;
        return -1;
    }
    *code = connect(fd, address, size) == 0 ? 0 : errno;
    if (*code == EINPROGRESS) *code = stream_connect_wait_until_connected(fd, until_us);
    if (*code == 0) return fd;
    close(fd);
    return -1;
}

/* --- names ----------------------------------------------------------------------------------- */

typedef struct attempt {
    const mouv__client_options_t *client_options;
    const mongoc_host_list_t *host;
    int32_t timeout_ms;
    int64_t until_us; /* of the address that was connected to */
    bson_error_t *error;
} attempt_t;

static void stream_connect_begin_attempt(attempt_t *attempt) {
    attempt->until_us = bson_get_monotonic_time() + attempt->timeout_ms * INT64_C(1000);
}

static int stream_connect_fail_to_connect(const attempt_t *attempt, int code) {
    bson_set_error(attempt->error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT,
                   "Failed to connect to target host: %s: %s", attempt->host->host_and_port,
                   strerror(code));
    return -1;
}

static int stream_connect_connect_tcp(attempt_t *attempt) {
    char port[8];
    struct addrinfo hints = {.ai_family = attempt->host->family, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int fd = -1, code = EADDRNOTAVAIL;
    snprintf(port, sizeof(port), "%u", (unsigned)attempt->host->port);
    bool had_left = mouv__safepoint_begin_wait();
    int rc = getaddrinfo(attempt->host->host, port, &hints, &found);
    mouv__safepoint_end_wait(had_left);
    if (rc != 0) {
        bson_set_error(attempt->error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_NAME_RESOLUTION,
                       "Failed to resolve %s: %s", attempt->host->host, gai_strerror(rc));
        return -1;
    }
    for (struct addrinfo *one = found; one && fd < 0; one = one->ai_next) {
        stream_connect_begin_attempt(attempt);
        fd = stream_connect_connect_to(one->ai_family, one->ai_addr, one->ai_addrlen,
                                       attempt->until_us, &code);
    }
    freeaddrinfo(found);
    return fd < 0 ? stream_connect_fail_to_connect(attempt, code) : fd;
}

static int stream_connect_connect_unix(attempt_t *attempt) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int code;
    stream_connect_begin_attempt(attempt);
    if (strlen(attempt->host->host) >= sizeof(address.sun_path))
        return stream_connect_fail_to_connect(attempt, ENAMETOOLONG);
    memcpy(address.sun_path, attempt->host->host, strlen(attempt->host->host));
    int fd = stream_connect_connect_to(AF_UNIX, (const struct sockaddr *)&address, sizeof(address),
                                       attempt->until_us, &code);
    return fd < 0 ? stream_connect_fail_to_connect(attempt, code) : fd;
}

/* --- TLS ------------------------------------------------------------------------------------- */

#ifdef MONGOC_ENABLE_SSL

static bool stream_connect_wants_tls(const mongoc_uri_t *uri) {
    const char *mechanism = mongoc_uri_get_auth_mechanism(uri);
    return mongoc_uri_get_tls(uri) || (mechanism && strcmp(mechanism, "MONGODB-X509") == 0);
}

/* A new SSL_CTX each: libmongoc has no public way to share one. Consumes `base`. */
static mongoc_stream_t *stream_connect_add_tls(const mongoc_uri_t *uri, mongoc_stream_t *base,
                                               const attempt_t *attempt) {
    mongoc_ssl_opt_t opts = mouv__client_options_tls(attempt->client_options, uri);
    mongoc_stream_t *stream =
        mongoc_stream_tls_new_with_hostname(base, attempt->host->host, &opts, 1);
    if (!stream) {
        mongoc_stream_destroy(base);
        bson_set_error(attempt->error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_SOCKET,
                       "Failed to initialize TLS: the certificate or CA file cannot be used");
        return NULL;
    }
    int64_t left_ms = (attempt->until_us - bson_get_monotonic_time()) / 1000;
    if (mongoc_stream_tls_handshake_block(stream, attempt->host->host,
                                          left_ms > 0 ? (int32_t)left_ms : 0, attempt->error))
        return stream;
    mongoc_stream_destroy(stream);
    return NULL;
}

#else

static bool stream_connect_wants_tls(const mongoc_uri_t *uri) {
    return mongoc_uri_get_tls(uri);
}

static mongoc_stream_t *stream_connect_add_tls(const mongoc_uri_t *uri, mongoc_stream_t *base,
                                               const attempt_t *attempt) {
    (void)uri;
    mongoc_stream_destroy(base);
    bson_set_error(attempt->error, MONGOC_ERROR_CLIENT, MONGOC_ERROR_CLIENT_NO_ACCEPTABLE_PEER,
                   "libmongoc was built without TLS");
    return NULL;
}

#endif

/* --- all of it ------------------------------------------------------------------------------- */

static mongoc_stream_t *stream_connect_no_memory(mongoc_stream_t *stream, bson_error_t *error) {
    mongoc_stream_destroy(stream);
    bson_set_error(error, MONGOC_ERROR_STREAM, MONGOC_ERROR_STREAM_CONNECT, "out of memory");
    return NULL;
}

/* What TLS is begun on. Consumes `stream`. */
static mongoc_stream_t *stream_connect_add_base(mongoc_stream_t *stream,
                                                mouv__stream_parts_t *parts, bson_error_t *error) {
    parts->tls = NULL;
    parts->base = mouv__stream_base_new(stream);
    return parts->base ? &parts->base->stream : stream_connect_no_memory(stream, error);
}

mongoc_stream_t *mouv__stream_connect(const mongoc_uri_t *uri, const mongoc_host_list_t *host,
                                      void *source, bson_error_t *error) {
    const mouv__stream_source_t *from = source;
    mouv__socket_t *socket;
    attempt_t attempt = {
        .client_options = &from->driver_pool->client_options, .host = host, .error = error};
    attempt.timeout_ms =
        mongoc_uri_get_option_as_int32(uri, MONGOC_URI_CONNECTTIMEOUTMS, CONNECT_TIMEOUT_MS);
    int fd = host->family == AF_UNIX ? stream_connect_connect_unix(&attempt)
                                     : stream_connect_connect_tcp(&attempt);
    if (fd < 0) return NULL;
    mongoc_stream_t *stream = mouv__stream_socket_new(from->interruptible, fd, &socket);
    if (!stream) {
        close(fd);
        return stream_connect_no_memory(NULL, error);
    }
    socket->setting_up = true;
    socket->set_up_by_us = attempt.until_us;
    if (from->parts) {
        from->parts->set_up_by_us = attempt.until_us;
        stream = stream_connect_add_base(stream, from->parts, error);
    }
    if (stream && stream_connect_wants_tls(uri)) {
        bool had_left = mouv__safepoint_begin_work();
        stream = stream_connect_add_tls(uri, stream, &attempt);
        mouv__safepoint_end_work(had_left);
        if (from->parts) from->parts->tls = stream;
    }
    if (!stream) return NULL;
    mongoc_stream_t *checked = mouv__stream_checked_new(stream, socket);
    return checked ? checked : stream_connect_no_memory(stream, error);
}
