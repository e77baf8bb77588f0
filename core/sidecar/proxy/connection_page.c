/* SPDX-License-Identifier: Apache-2.0 */
#include "core/sidecar/proxy/connection_page.h"

#include <string.h>

#include "core/runtime/json/writer.h"
#include "core/sidecar/proxy/connection.h"
#include "core/sidecar/proxy/record.h"

/* A page of the longest identities and rules. */
#define CONNECTION_PAGE_TEXTS_MAX                                                                  \
    (CONNECTION_PAGE_MOST * ((size_t)SPIFFE_ID_MAX + DECIDING_RULE_TEXT_MAX))

/* Where a text was put, and its length: 0 when there is none, or (it cannot be) no room for it. */
static size_t connection_page_keep(struct connection_page *page, const char *text, size_t *out_at)
{
    size_t len = text == NULL ? 0 : strlen(text);

    *out_at = page->texts.len;
    return len > 0 && buffer_add(&page->texts, bytes_make(text, len)) == STATUS_OK ? len : 0;
}

static void connection_page_copy(const struct connection *connection, struct connection_page *page)
{
    struct connection_view *view = &page->views[page->count++];
    uint64_t now_ms = worker_now_ms(connection->lane->worker);
    const struct tls_peer *peer = connection_peer(connection);

    *view = (struct connection_view){
        .id = connection->id,
        .state_ms = now_ms - connection->entered_ms,
        .age_ms = now_ms - connection->opened_ms,
        .received = connection->relay.way[0].bytes,
        .sent = connection->relay.way[1].bytes,
        .reason = connection->reason,
        .peer_ip = connection->peer_ip,
        .to_ip = connection->to_ip,
        .peer_port = connection->peer_port,
        .to_port = connection->to_port,
        .direction = connection->direction,
        .state = connection->state,
        .tls = connection->tls,
        .transport = record_transport_word(connection),
    };
    view->peer_len = connection_page_keep(page, peer == NULL ? NULL : peer->id, &view->peer_at);
    view->rule_len = connection_page_keep(
        page, connection->rule == NULL ? NULL : connection->rule->text, &view->rule_at);
}

void connection_page_fill(const struct lane *lane, uint32_t from, struct connection_page *page)
{
    const struct connection_slots *slots = &lane->table.slots;
    uint32_t at = from;

    buffer_init(&page->texts, CONNECTION_PAGE_TEXTS_MAX);
    page->own = lane->slot.current == NULL
                    ? NULL
                    : identity_set_ref(tls_context_identities(lane->slot.current));
    for (; at < slots->count && at - from < CONNECTION_PAGE_LOOKS && page->count < page->most;
         at++) {
        if (slots->at[at].connection != NULL) {
            connection_page_copy(slots->at[at].connection, page);
        }
    }
    page->next = at;
    page->more = at < slots->count;
}

static void connection_page_put(const struct connection_page *page,
                                const struct connection_view *view, struct json_writer *json)
{
    struct address from = address_of_ip(&view->peer_ip, view->peer_port);
    struct address to = address_of_ip(&view->to_ip, view->to_port);
    char text[ADDRESS_TEXT_MAX];

    json_open_object(json, NULL);
    json_put_uint(json, "id", view->id);
    json_put_text(json, "direction",
                  connection_direction_word((enum connection_direction)view->direction));
    json_put_text(json, "state", connection_state_word((enum connection_state)view->state));
    json_put_uint(json, "state_ms", view->state_ms);
    json_put_uint(json, "age_ms", view->age_ms);
    json_put_text(json, "transport", view->transport);
    json_put_text(json, "peer", address_print(&from, text));
    json_put_text(json, "destination", view->to_port == 0 ? NULL : address_print(&to, text));
    json_put_text(json, "local_identity",
                  view->tls && page->own != NULL ? svid_id(identity_set_svid(page->own))->text
                                                 : NULL);
    if (view->peer_len == 0) {
        json_put_null(json, "peer_identity");
    } else {
        json_put_bytes(json, "peer_identity",
                       bytes_make(page->texts.at + view->peer_at, view->peer_len));
    }
    json_put_uint(json, "received_bytes", view->received);
    json_put_uint(json, "sent_bytes", view->sent);
    json_put_text(json, "reason", view->reason);
    if (view->rule_len > 0) {
        json_put_bytes(json, "rule", bytes_make(page->texts.at + view->rule_at, view->rule_len));
    }
    json_close_object(json);
}

void connection_page_describe(const struct connection_page *page, struct json_writer *json)
{
    for (size_t i = 0; i < page->count; i++) {
        connection_page_put(page, &page->views[i], json);
    }
}

void connection_page_clear(struct connection_page *page)
{
    buffer_clear(&page->texts);
    identity_set_drop(&page->own);
    page->count = 0;
}
