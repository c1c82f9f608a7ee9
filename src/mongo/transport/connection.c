/*
 * Connections and their links to servers.
 */
#include "mongo/transport/connection.h"

#include <assert.h>

#include "context/alloc.h"

#define BIT(state) (1u << MOUV__CONNECTION_##state)

static const uint8_t may_follow[] = {
    [MOUV__CONNECTION_NEW] = BIT(SETTING_UP) | BIT(IN_USE),
    [MOUV__CONNECTION_SETTING_UP] = BIT(IDLE),
    [MOUV__CONNECTION_IDLE] = BIT(SETTING_UP) | BIT(IN_USE) | BIT(POLLING),
    [MOUV__CONNECTION_IN_USE] = BIT(IDLE) | BIT(KEPT),
    [MOUV__CONNECTION_POLLING] = BIT(IDLE) | BIT(KEPT),
    [MOUV__CONNECTION_KEPT] = BIT(IN_USE) | BIT(POLLING) | BIT(IDLE),
};

void mouv__connection_init(mouv__connection_t *connection) {
    connection->state = MOUV__CONNECTION_NEW;
    mouv__session_store_init(&connection->sessions, connection);
}

void mouv__connection_note_service(mouv__connection_t *connection, const bson_t *hello) {
    mouv__server_link_t *link = &connection->setting_up;
    bson_iter_t iter;
    link->balanced =
        hello && bson_iter_init_find(&iter, hello, "serviceId") && BSON_ITER_HOLDS_OID(&iter);
    if (link->balanced) bson_oid_copy(bson_iter_oid(&iter), &link->service_id);
}

void mouv__connection_move(mouv__connection_t *connection, mouv__connection_state_t state) {
    (void)may_follow; /* only assertions read it */
    assert(may_follow[connection->state] & (1u << state));
    connection->state = (uint8_t)state;
}

mouv__server_link_t *mouv__connection_link(const mouv__connection_t *connection,
                                           uint32_t server_id) {
    mouv__server_link_t *link = connection->links;
    while (link && link->server_id != server_id) link = link->next;
    return link;
}

bool mouv__connection_is_ready(const mouv__connection_t *connection, uint32_t server_id) {
    const mouv__server_link_t *link = mouv__connection_link(connection, server_id);
    return link && link->state == MOUV__LINK_READY;
}

mouv__server_link_t *mouv__connection_add_link(mouv__connection_t *connection, uint32_t server_id) {
    mouv__server_link_t *link = mouv__connection_link(connection, server_id);
    if (!link) {
        link = mouv__alloc(sizeof(*link));
        if (!link) return NULL;
        link->server_id = server_id;
        link->next = connection->links;
        connection->links = link;
    }
    link->state = MOUV__LINK_READY;
    return link;
}

void mouv__connection_drop_link(mouv__connection_t *connection, uint32_t server_id) {
    mouv__server_link_t **at = &connection->links;
    while (*at && (*at)->server_id != server_id) at = &(*at)->next;
    mouv__server_link_t *link = *at;
    if (!link) return;
    *at = link->next;
    mouv__free(link);
    if (connection->dropped) connection->dropped(connection, server_id);
}

void mouv__connection_note(mouv__connection_t *connection, uint32_t server_id, bool connected) {
    if (connected)
        mouv__connection_add_link(connection, server_id);
    else
        mouv__connection_drop_link(connection, server_id);
}

mouv__server_link_t *mouv__connection_find_link(const mouv__connection_t *connection,
                                                mouv__server_link_state_t state) {
    mouv__server_link_t *link = connection->links;
    while (link && link->state != state) link = link->next;
    return link;
}

void mouv__connection_clear(mouv__connection_t *connection) {
    while (connection->links) mouv__connection_drop_link(connection, connection->links->server_id);
}
