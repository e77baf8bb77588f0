/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs of the mesh count and say of themselves. */
#include <stdio.h>
#include <string.h>

#include "cmd/signet/demo_mesh.h"
#include "cmd/signet/replies.h"
#include "core/runtime/web/client.h"

#define DEMO_MEASURE_LIMIT_MS 3000u

enum status demo_mesh_leaf(const struct demo_mesh *mesh, enum demo_net_place place,
                           struct demo_leaf *out_leaf, struct failure *why)
{
    CLEARED(buffer) body = {0};
    CLEARED(reply_certs) certs = {0};
    struct reply_certificate leaf;

    TRY(demo_mesh_ask(mesh, place, "/certs", &body, why));
    TRY(reply_certs_parse(buffer_bytes(&body), &certs, why));
    TRY(reply_certificate_parse(json_at(certs.chain, 0), &leaf, why));
    (void)snprintf(out_leaf->serial, sizeof out_leaf->serial, "%.*s", (int)leaf.serial.len,
                   (const char *)leaf.serial.at);
    out_leaf->not_after = leaf.not_after;
    out_leaf->next_renewal = certs.next_renewal;
    return STATUS_OK;
}

uint64_t demo_mesh_sum(struct bytes page, const char *name, const char *label)
{
    uint64_t sum = 0;

    while (page.len > 0) {
        struct bytes line = bytes_trim(bytes_split(&page, '\n'));
        struct bytes rest = bytes_skip(line, strlen(name));
        struct bytes number = rest;
        uint64_t count = 0;

        if (!bytes_starts(line, bytes_of(name)) || rest.len == 0 ||
            (rest.at[0] != '{' && rest.at[0] != ' ') ||
            memmem(rest.at, rest.len, label, strlen(label)) == NULL) {
            continue;
        }
        while (rest.len > 0) {
            number = bytes_split(&rest, ' ');
        }
        if (bytes_to_number(number, UINT64_MAX, &count)) {
            sum += count;
        }
    }
    return sum;
}

enum status demo_mesh_count(const struct demo_mesh *mesh, enum demo_net_place place,
                            const char *name, const char *label, uint64_t *out_sum,
                            struct failure *why)
{
    char address[32];
    const struct web_call call = {
        .address = address,
        .method = "GET",
        .target = "/metrics",
        .limit_ms = DEMO_MEASURE_LIMIT_MS,
    };
    CLEARED(web_reply) reply = {0};

    (void)snprintf(address, sizeof address, "%s:%d", mesh->net.places[place].address,
                   place == DEMO_NET_CONTROL ? 15014 : 15020);
    TRY(web_client_call(&call, &reply, why));
    *out_sum = demo_mesh_sum(buffer_bytes(&reply.body), name, label);
    return STATUS_OK;
}

/* "server accepts handled requests\n 16 16 31 \n" */
static bool demo_measure_read_app(struct bytes page, struct demo_app_counts *out_counts)
{
    static const char before[] = "requests\n";
    const uint8_t *at = memmem(page.at, page.len, before, sizeof before - 1);
    struct bytes rest;
    uint64_t handled = 0;

    if (at == NULL) {
        return false;
    }
    rest = bytes_trim(bytes_skip(page, (size_t)(at - page.at) + sizeof before - 1));
    return bytes_to_number(bytes_split(&rest, ' '), UINT64_MAX, &out_counts->accepts) &&
           bytes_to_number(bytes_split(&rest, ' '), UINT64_MAX, &handled) &&
           bytes_to_number(bytes_trim(bytes_split(&rest, '\n')), UINT64_MAX, &out_counts->requests);
}

enum status demo_mesh_app_counts(struct demo_app_counts *out_counts, struct failure *why)
{
    const struct web_call call = {
        .address = "unix:" DEMO_STATE "/app/status.sock",
        .method = "GET",
        .target = "/",
        .limit_ms = DEMO_MEASURE_LIMIT_MS,
    };
    CLEARED(web_reply) reply = {0};

    TRY(web_client_call(&call, &reply, why));
    if (!demo_measure_read_app(buffer_bytes(&reply.body), out_counts)) {
        return fail(why, STATUS_PROTOCOL, "demo/app", "nginx's counters cannot be read");
    }
    return STATUS_OK;
}
