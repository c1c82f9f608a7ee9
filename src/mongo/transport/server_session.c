/*
 * The life of server sessions.
 */
#include "mongo/transport/server_session.h"

#include <assert.h>

#include "context/alloc.h"

/* The server forgets a session after 30 minutes; libmongoc would not offer one in its last. */
#define IDLE_NS (25 * 60 * INT64_C(1000000000))

/* Doomed ones of a connection, about 1 KiB each. So many kills later the oldest has long been read. */
#define DOOMED_MAX 16

#define BIT(state) (1u << MOUV__SERVER_SESSION_##state)

static const uint8_t may_follow[] = {
    [MOUV__SERVER_SESSION_IN_USE] = BIT(FREE) | BIT(STALE) | BIT(PARKED) | BIT(DOOMED),
    [MOUV__SERVER_SESSION_FREE] = BIT(IN_USE),
    [MOUV__SERVER_SESSION_STALE] = BIT(IN_USE),
    [MOUV__SERVER_SESSION_PARKED] = BIT(FREE) | BIT(STALE) | BIT(DOOMED),
    [MOUV__SERVER_SESSION_DOOMED] = BIT(IN_USE),
};

static void server_session_move(mouv__server_session_t *session,
                                mouv__server_session_state_t state) {
    (void)may_follow; /* only assertions read it */
    assert(may_follow[session->state] & (1u << state));
    session->state = (uint8_t)state;
}

/* --- the store ------------------------------------------------------------------------------- */

void mouv__session_store_init(mouv__session_store_t *store, mouv__connection_t *connection) {
    *store = (mouv__session_store_t){.connection = connection};
}

bool mouv__session_store_is_kept(const mouv__session_store_t *store) {
    const mouv__server_session_t *session = store->all;
    while (session && !session->keepers) session = session->next;
    return session != NULL;
}

bool mouv__session_store_is_used(const mouv__session_store_t *store) {
    const mouv__server_session_t *session = store->all;
    while (session && session->state != MOUV__SERVER_SESSION_IN_USE &&
           session->state != MOUV__SERVER_SESSION_PARKED)
        session = session->next;
    return session != NULL;
}

uint32_t mouv__session_store_append(const mouv__session_store_t *store, bson_t *to,
                                    uint32_t count) {
    for (const mouv__server_session_t *session = store->all;
         session && count < MOUV__SESSIONS_ENDED_MAX; session = session->next) {
        char buffer[16];
        const char *key;
        if (!session->handle) continue;
        size_t length = bson_uint32_to_string(count++, &key, buffer, sizeof(buffer));
        mouv__server_session_append(session, to, key, (int)length);
    }
    return count;
}

void mouv__session_store_clear(mouv__session_store_t *store,
                               void (*end)(mouv__server_session_t *session)) {
    while (store->all) {
        mouv__server_session_t *session = store->all;
        store->all = session->next;
        end(session);
        mouv__free(session);
    }
    store->free = store->doomed = NULL;
}

static mouv__server_session_t *server_session_new(mouv__session_store_t *store) {
    mouv__server_session_t *session = mouv__alloc(sizeof(*session));
    if (!session) return NULL;
    session->state = MOUV__SERVER_SESSION_IN_USE;
    session->store = store;
    session->connection = store->connection;
    session->next = store->all;
    store->all = session;
    return session;
}

static bool server_session_is_idle(const mouv__server_session_t *session, int64_t now_ns) {
    return now_ns - session->used_ns > IDLE_NS;
}

static mouv__server_session_t *server_session_pull(mouv__server_session_t **link) {
    mouv__server_session_t *session = *link;
    if (session) *link = session->next_free;
    return session;
}

static void server_session_push(mouv__server_session_t **list, mouv__server_session_t *session) {
    session->next_free = *list;
    *list = session;
}

/* The oldest, if its time is over or there are too many. */
static mouv__server_session_t *server_session_take_doomed(mouv__session_store_t *store,
                                                          int64_t now_ns) {
    mouv__server_session_t **link = &store->doomed;
    uint32_t count = *link ? 1 : 0;
    for (; *link && (*link)->next_free; count++) link = &(*link)->next_free;
    bool take = *link && (count >= DOOMED_MAX || server_session_is_idle(*link, now_ns));
    return take ? server_session_pull(link) : NULL;
}

/* --- in use ---------------------------------------------------------------------------------- */

mouv__server_session_t *mouv__server_session_take(mouv__session_store_t *store, int64_t now_ns) {
    mouv__server_session_t *session = server_session_pull(&store->free);
    if (!session) session = server_session_take_doomed(store, now_ns);
    if (!session) return server_session_new(store);
    /* one that is no longer good is begun anew before it is used */
    session->renew = session->dirty || server_session_is_idle(session, now_ns);
    session->dirty = session->dropped = session->unanswered = false;
    server_session_move(session, MOUV__SERVER_SESSION_IN_USE);
    return session;
}

/*
 * A late killSessions must not meet the next operation: one under way is waited for (PARKED), and a
 * server that was frozen reads a kill long after its sender has gone (DOOMED). Were a doomed
 * session given up instead, libmongoc would offer it to whoever begins the next one; unless a
 * connection was lost with a command in it, which makes libmongoc drop it.
 */
static void server_session_put(mouv__server_session_t *session) {
    mouv__session_store_t *store = session->store;
    bool doomed = session->unanswered && !session->dropped && !store->renews;
    if (session->kills > 0) {
        server_session_move(session, MOUV__SERVER_SESSION_PARKED);
    } else if (doomed) {
        server_session_move(session, MOUV__SERVER_SESSION_DOOMED);
        server_session_push(&store->doomed, session);
    } else {
        server_session_move(session, session->dirty ? MOUV__SERVER_SESSION_STALE
                                                    : MOUV__SERVER_SESSION_FREE);
        server_session_push(&store->free, session);
    }
}

void mouv__server_session_give_back(mouv__server_session_t *session, int64_t now_ns) {
    if (session->keepers) return;
    session->used_ns = now_ns;
    server_session_put(session);
}

void mouv__server_session_lost(mouv__server_session_t *session, bool dropped) {
    session->dirty = true;
    session->dropped = dropped;
}

void mouv__server_session_kill(mouv__server_session_t *session) {
    session->kills++;
}

void mouv__server_session_killed(mouv__server_session_t *session, bool answered, int64_t now_ns) {
    if (!answered) session->dirty = session->unanswered = true;
    if (--session->kills > 0 || session->state != MOUV__SERVER_SESSION_PARKED) return;
    session->used_ns = now_ns;
    server_session_put(session);
}

void mouv__server_session_append(const mouv__server_session_t *session, bson_t *to, const char *key,
                                 int length) {
    bson_t lsid;
    bson_append_document_begin(to, key, length, &lsid);
    BSON_APPEND_BINARY(&lsid, "id", BSON_SUBTYPE_UUID, session->lsid, sizeof(session->lsid));
    bson_append_document_end(to, &lsid);
}
