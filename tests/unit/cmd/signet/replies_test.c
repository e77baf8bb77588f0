/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/replies.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/signet/certs.h"
#include "cmd/signet/connections.h"
#include "cmd/signet/control_plane.h"
#include "cmd/signet/entries.h"
#include "cmd/signet/proxies.h"
#include "cmd/signet/tokens.h"
#include "tests/support/suite.h"
#include "tests/unit/cmd/signet/printed.h"

SUITE(replies);

#define NOW INT64_C(1700000000)

static const char replies_status[] =
    "{\"program\":\"signet-proxy\",\"name\":\"web\",\"workload\":\"shop/web-1\","
    "\"identity\":\"spiffe://cluster.local/ns/shop/sa/web\",\"ready\":false,"
    "\"conditions\":[{\"name\":\"certificate\",\"value\":\"yes\",\"text\":\"in force\"},"
    "{\"name\":\"mesh\",\"value\":\"no\",\"text\":\"mesh.yaml:3: unknown key\"},"
    "{\"name\":\"inbound\",\"value\":\"unproved\",\"text\":\"no captured connection yet\"}],"
    "\"mesh\":{\"generation\":2,\"last_error\":{\"reason\":\"yaml/unknown-key\","
    "\"detail\":\"mesh.yaml:3: adresses\"},\"warnings\":[\"mesh.yaml:9: paths match nothing\"]},"
    "\"policy\":\"no AuthorizationPolicy: every mesh identity may call\","
    "\"ports\":[{\"port\":8080,\"mode\":\"strict\"},{\"port\":5432,\"mode\":\"permissive\"}],"
    "\"agent\":{\"state\":\"waiting\",\"next_renewal\":1700011520,\"not_after\":1700043200,"
    "\"outage_budget_s\":39600,\"last_error\":{\"reason\":\"agent/no-token\",\"detail\":\"gone\"}},"
    "\"drain\":\"running\",\"connections\":7,\"rss_bytes\":9000000,\"started_at\":1699990000,"
    "\"something_newer\":{\"x\":1}}";

Test(replies, a_status_is_one_row_and_a_sentence_for_each_thing_that_needs_a_person)
{
    struct reply_status status = {0};
    struct table table;
    CLEARED(buffer) notes = {.max = 4096};
    struct printed *printed = printed_begin();
    struct failure why = {0};

    cr_assert_eq(reply_status_parse(bytes_of(replies_status), &status, &why), STATUS_OK, "%s",
                 why.detail);
    table_init(&table, proxies_titles, PROXIES_COLUMNS);
    proxies_add_row(&table, &status, NOW);
    table_print(&table, printed->out, false);
    cr_assert_str_eq(
        printed_end(printed),
        "NAME  IDENTITY                               READY  NEXT RENEWAL   OUTAGE BUDGET  CONN"
        "  MODE                          POLICY\n"
        "web   spiffe://cluster.local/ns/shop/sa/web  no     in 3 h 12 min  11 h              7"
        "  8080 strict, 5432 permissive  no AuthorizationPolicy: every mesh identity may call\n");
    proxies_add_notes(&notes, &status);
    cr_assert(bytes_equal_text(
                  buffer_bytes(&notes),
                  "web: not ready, mesh: mesh.yaml:3: unknown key\n"
                  "web: not yet proved, inbound: no captured connection yet\n"
                  "web: the last renewal failed, agent/no-token: gone\n"
                  "web: the newest mesh is not in force, yaml/unknown-key: mesh.yaml:3: adresses\n"
                  "web: warning: mesh.yaml:9: paths match nothing\n"),
              "%.*s", (int)notes.len, (const char *)notes.at);
    printed_free(printed);
    table_clear(&table);
    reply_status_clear(&status);
}

Test(replies, what_a_sidecar_does_not_know_yet_is_a_dash)
{
    static const char young[] =
        "{\"name\":\"web\",\"workload\":null,\"identity\":null,\"ready\":false,\"conditions\":[],"
        "\"mesh\":null,\"policy\":\"no mesh is loaded: nobody may call\",\"ports\":[],"
        "\"agent\":null,\"drain\":\"running\",\"connections\":0}";
    struct reply_status status = {0};
    struct table table;
    CLEARED(buffer) notes = {.max = 4096};
    struct printed *printed = printed_begin();

    cr_assert_eq(reply_status_parse(bytes_of(young), &status, NULL), STATUS_OK);
    table_init(&table, proxies_titles, PROXIES_COLUMNS);
    proxies_add_row(&table, &status, NOW);
    table_print(&table, printed->out, false);
    cr_assert_str_eq(printed_end(printed),
                     "NAME  IDENTITY  READY  NEXT RENEWAL  OUTAGE BUDGET  CONN  MODE  POLICY\n"
                     "web   -         no     -             -                 0  -     "
                     "no mesh is loaded: nobody may call\n");
    proxies_add_notes(&notes, &status);
    cr_assert_eq(notes.len, 0);
    printed_free(printed);
    table_clear(&table);
    reply_status_clear(&status);
}

struct replies_refusal {
    char body[200];
    int status;
    char reason[24];
};

ParameterizedTestParameters(replies, refuses_a_status_that_is_none)
{
    static struct replies_refusal cases[] = {
        {"", STATUS_PROTOCOL, "json/syntax"},
        {"<html>", STATUS_PROTOCOL, "json/syntax"},
        {"{\"name\":\"web\"", STATUS_PROTOCOL, "json/syntax"},
        {"[]", STATUS_PROTOCOL, "json/type"},
        {"{}", STATUS_NOT_FOUND, "json/missing"},
        {"{\"name\":null}", STATUS_NOT_FOUND, "json/missing"},
        {"{\"name\":1}", STATUS_PROTOCOL, "json/type"},
        {"{\"name\":\"a\",\"name\":\"b\"}", STATUS_PROTOCOL, "json/duplicate"},
        {"{\"name\":\"a\",\"ready\":\"yes\"}", STATUS_PROTOCOL, "json/type"},
        {"{\"name\":\"a\",\"ready\":true,\"conditions\":{}}", STATUS_PROTOCOL, "json/type"},
        {"{\"name\":\"a\",\"ready\":true,\"conditions\":[],\"policy\":\"p\",\"connections\":-1}",
         STATUS_LIMIT, "json/range"},
        {"{\"name\":\"a\",\"ready\":true,\"conditions\":[],\"policy\":\"p\",\"connections\":1,"
         "\"agent\":[]}",
         STATUS_PROTOCOL, "json/type"},
        {"{\"name\":\"a\",\"ready\":true,\"conditions\":[],\"policy\":\"p\",\"connections\":1,"
         "\"agent\":{\"last_error\":{\"detail\":\"x\"}}}",
         STATUS_NOT_FOUND, "json/missing"},
    };

    return cr_make_param_array(struct replies_refusal, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct replies_refusal *given, replies, refuses_a_status_that_is_none)
{
    struct reply_status status = {0};
    struct failure why = {0};

    cr_assert_eq((int)reply_status_parse(bytes_of(given->body), &status, &why), given->status,
                 "%s: %s", given->body, why.detail);
    cr_assert_str_eq(why.reason, given->reason, "%s", given->body);
    cr_assert_null(status.document);
}

Test(replies, a_mode_that_all_ports_share_is_said_once)
{
    static const char text[] =
        "{\"ports\":[{\"port\":1,\"mode\":\"strict\"},"
        "{\"port\":2,\"mode\":\"strict\"}],\"bad\":[{\"port\":1}],\"none\":[]}";
    OWNED(json_value) *top = NULL;
    const char *const names[] = {"ports", "bad", "none"};
    const char *const said[] = {"strict", "-", "-"};

    cr_assert_eq(json_read(bytes_of(text), 1000, &top, NULL), STATUS_OK);
    for (size_t i = 0; i < 3; i++) {
        const struct json_value *ports = NULL;
        char *mode;

        cr_assert_eq(json_get_array(top, names[i], &ports, NULL), STATUS_OK);
        mode = reply_mode(ports);
        cr_assert_str_eq(mode, said[i]);
        free(mode);
    }
}

static const char replies_certs[] =
    "{\"name\":\"web\",\"identity\":\"spiffe://cluster.local/ns/shop/sa/web\",\"source\":\"agent\","
    "\"next_renewal\":1700011520,\"outage_budget_s\":39600,\"last_error\":null,\"chain\":["
    "{\"uri\":\"spiffe://cluster.local/ns/shop/sa/web\",\"subject\":null,\"serial\":\"0a1b\","
    "\"issuer_key_id\":\"ffee\",\"not_before\":1699999700,\"not_after\":%s},"
    "{\"uri\":null,\"subject\":\"Signet intermediate\",\"serial\":\"02\","
    "\"issuer_key_id\":\"aabb\",\"not_before\":1699999700,\"not_after\":1701209600}],"
    "\"roots\":[{\"trust_domain\":\"cluster.local\",\"sha256\":\"00ff\",\"subject\":\"Signet "
    "root\","
    "\"serial\":\"01\",\"not_before\":1699999700,\"not_after\":2015360000}]}";

static bool replies_print_certs(const char *leaf_end, struct printed *printed)
{
    CLEARED(buffer) body = {.max = 4096};
    struct reply_certs certs = {0};
    struct failure why = {0};
    const char *end = strstr(replies_certs, "%s");
    bool good = false;

    cr_assert_eq(buffer_add(&body, bytes_make(replies_certs, (size_t)(end - replies_certs))),
                 STATUS_OK);
    cr_assert_eq(buffer_add_text(&body, leaf_end), STATUS_OK);
    cr_assert_eq(buffer_add_text(&body, end + 2), STATUS_OK);
    cr_assert_eq(reply_certs_parse(buffer_bytes(&body), &certs, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(certs_print("web", &certs, NOW, printed->out, &good, &why), STATUS_OK);
    reply_certs_clear(&certs);
    return good;
}

Test(replies, certs_show_chain_roots_next_renewal_and_outage_budget)
{
    struct printed *printed = printed_begin();

    cr_assert(replies_print_certs("1700043200", printed));
    cr_assert_str_eq(
        printed_end(printed),
        "web: spiffe://cluster.local/ns/shop/sa/web\n"
        "  next renewal   in 3 h 12 min (2023-11-15 01:25:20 UTC)\n"
        "  outage budget  11 h\n"
        "PLACE   NAME                                   SERIAL  ISSUER KEY  ENDS     NOT AFTER\n"
        "leaf    spiffe://cluster.local/ns/shop/sa/web  0a1b    ffee        in 12 h  "
        "2023-11-15 10:13:20 UTC\n"
        "issuer  Signet intermediate                    02      aabb        in 14 d  "
        "2023-11-28 22:13:20 UTC\n"
        "TRUST DOMAIN   NAME         SERIAL  SHA-256  ENDS       NOT AFTER\n"
        "cluster.local  Signet root  01      00ff     in 3650 d  "
        "2033-11-11 22:13:20 UTC\n");
    printed_free(printed);
}

Test(replies, a_leaf_that_has_ended_is_no_good)
{
    struct printed *printed = printed_begin();

    cr_assert_not(replies_print_certs("1699999999", printed));
    cr_assert_not_null(strstr(printed_end(printed), "1 s ago"));
    printed_free(printed);
}

static const char replies_connections[] =
    "{\"name\":\"api\",\"connections\":[{\"id\":12,\"direction\":\"inbound\","
    "\"transport\":\"mtls\",\"peer\":\"10.77.0.1:51000\",\"destination\":\"10.77.0.2:8080\","
    "\"local_identity\":\"spiffe://td/ns/shop/sa/api\",\"peer_identity\":\"spiffe://td/ns/shop/sa/"
    "web\","
    "\"state\":\"relay\",\"state_ms\":63000,\"age_ms\":64000,\"received_bytes\":1536,"
    "\"sent_bytes\":20971520,\"rule\":\"shop/api-allow rule 1, mesh.yaml:41\"},"
    "{\"id\":13,\"direction\":\"inbound\",\"peer\":\"10.77.0.9:40000\","
    "\"destination\":\"10.77.0.2:8080\",\"local_identity\":null,\"peer_identity\":null,"
    "\"state\":\"handshake\",\"state_ms\":20,\"age_ms\":21,\"received_bytes\":0,\"sent_bytes\":0,"
    "\"rule\":null}]}";

static size_t replies_count_connections(const char *peer, const char *state)
{
    const struct connections_filter filter = {peer, state};
    struct table table;
    struct failure why = {0};
    size_t count;

    table_init(&table, connections_titles, CONNECTIONS_COLUMNS);
    cr_assert_eq(connections_add(&table, "api", bytes_of(replies_connections), &filter, &why),
                 STATUS_OK, "%s", why.detail);
    count = table.num_rows;
    table_clear(&table);
    return count;
}

Test(replies, connections_are_filtered_by_peer_and_state)
{
    cr_assert_eq(replies_count_connections(NULL, NULL), 2);
    cr_assert_eq(replies_count_connections("/sa/web", NULL), 1);
    cr_assert_eq(replies_count_connections("10.77.0.9", NULL), 1);
    cr_assert_eq(replies_count_connections("10.77.0.2:8080", NULL), 2);
    cr_assert_eq(replies_count_connections(NULL, "handshake"), 1);
    cr_assert_eq(replies_count_connections(NULL, "hand"), 0);
    cr_assert_eq(replies_count_connections("/sa/web", "handshake"), 0);
}

Test(replies, a_connection_is_one_row)
{
    const struct connections_filter filter = {"/sa/web", NULL};
    struct table table;
    struct printed *printed = printed_begin();

    table_init(&table, connections_titles, CONNECTIONS_COLUMNS);
    cr_assert_eq(connections_add(&table, "api", bytes_of(replies_connections), &filter, NULL),
                 STATUS_OK);
    table_print(&table, printed->out, false);
    cr_assert_str_eq(
        printed_end(printed),
        "SIDECAR  ID  DIRECTION  TRANSPORT  PEER             DESTINATION     PEER IDENTITY         "
        "      "
        "STATE  FOR        AGE        RECEIVED    SENT  RULE\n"
        "api      12  inbound    mtls       10.77.0.1:51000  10.77.0.2:8080  "
        "spiffe://td/ns/shop/sa/web  "
        "relay  1 min 3 s  1 min 4 s   1.5 KiB  20 MiB  shop/api-allow rule 1, mesh.yaml:41\n");
    printed_free(printed);
    table_clear(&table);
}

Test(replies, a_connection_without_its_numbers_is_refused)
{
    const struct connections_filter filter = {0};
    struct table table;
    struct failure why = {0};

    table_init(&table, connections_titles, CONNECTIONS_COLUMNS);
    cr_assert_eq(connections_add(&table, "api",
                                 bytes_of("{\"connections\":[{\"id\":1,\"direction\":\"inbound\","
                                          "\"state\":\"relay\",\"state_ms\":-1}]}"),
                                 &filter, &why),
                 STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "json/range");
    cr_assert_eq(connections_add(&table, "api", bytes_of("{\"connections\":[7]}"), &filter, &why),
                 STATUS_PROTOCOL);
    cr_assert_eq(connections_add(&table, "api", bytes_of("{\"connections\":{}}"), &filter, &why),
                 STATUS_PROTOCOL);
    table_clear(&table);
}

static const char replies_control[] =
    "{\"program\":\"signet-control\",\"version\":\"0.1.0\",\"trust_domain\":\"cluster.local\","
    "\"id\":\"spiffe://cluster.local/ns/signet-system/sa/signet-control\",\"pid\":7,"
    "\"now\":1700000000,\"started_at\":1699996400,\"entries\":3,\"open_tokens\":1,"
    "\"open_token_uses\":4,\"issued\":40,"
    "\"refused\":2,\"demo_lifetimes\":true,\"leaf_life_s\":6,\"intermediate_life_s\":1209600,"
    "\"root_not_after\":2015360000,\"intermediate_not_after\":1701209600,"
    "\"intermediate_renew_at\":1700600000}";

Test(replies, the_control_plane_is_told_from_a_sidecar_and_says_demo_lifetimes_loudly)
{
    struct printed *printed = printed_begin();
    bool is = false;
    bool well = false;

    cr_assert_eq(control_plane_is(bytes_of(replies_control), &is, &well, NULL), STATUS_OK);
    cr_assert(is && well);
    cr_assert_eq(control_plane_is(bytes_of(replies_status), &is, &well, NULL), STATUS_OK);
    cr_assert_not(is);
    cr_assert_eq(control_plane_is(bytes_of("{}"), &is, &well, NULL), STATUS_NOT_FOUND);
    cr_assert_eq(control_plane_print(bytes_of(replies_control), NOW, printed->out, NULL),
                 STATUS_OK);
    cr_assert_str_eq(
        printed_end(printed),
        "\ncontrol plane spiffe://cluster.local/ns/signet-system/sa/signet-control, version 0.1.0, "
        "up 1 h\n"
        "  3 entries; 1 open tokens, good for 4 starts; 40 certificates issued, 2 refused\n"
        "  leaves live 6 s; intermediate renewed in 6 d 22 h, ends in 14 d; root ends in 3650 d\n"
        "  demo lifetimes are on: certificates may live for seconds, for demos only\n");
    printed_free(printed);
}

/* The reply of above, and a store that cannot be written. */
Test(replies, a_control_plane_whose_store_cannot_be_written_says_so_and_is_not_ready)
{
    struct printed *printed = printed_begin();
    char body[sizeof replies_control + 128];
    const char *text;
    bool is = false;
    bool well = true;

    (void)snprintf(body, sizeof body, "%.*s,\"store_refusal\":\"store/full: /d/signet.db\"}",
                   (int)sizeof replies_control - 2, replies_control);
    cr_assert_eq(control_plane_is(bytes_of(body), &is, &well, NULL), STATUS_OK);
    cr_assert(is && !well);
    cr_assert_eq(control_plane_print(bytes_of(body), NOW, printed->out, NULL), STATUS_OK);
    text = printed_end(printed);
    cr_assert_not_null(strstr(text, "  its store cannot be written: store/full: /d/signet.db\n"),
                       "%s", text);
    printed_free(printed);
    (void)snprintf(body, sizeof body, "%.*s,\"store_refusal\":null}",
                   (int)sizeof replies_control - 2, replies_control);
    cr_assert_eq(control_plane_is(bytes_of(body), &is, &well, NULL), STATUS_OK);
    cr_assert(well);
}

Test(replies, a_control_plane_whose_clock_jumped_says_so)
{
    struct printed *printed = printed_begin();
    char reply[1024];

    (void)snprintf(reply, sizeof reply,
                   "%.*s,\"clock_stepped_ms\":-3600000,\"clock_stepped_at\":1699999000,"
                   "\"clock_steady_s\":120}",
                   (int)(sizeof replies_control - 2), replies_control);
    cr_assert_eq(control_plane_print(bytes_of(reply), NOW, printed->out, NULL), STATUS_OK);
    cr_assert_not_null(strstr(printed_end(printed),
                              "  its clock jumped back by 1 h to 2023-11-14 21:56:40 UTC; it has "
                              "gone steadily for 2 min since\n"));
    printed_free(printed);
}

Test(replies, entries_are_rows_and_a_malformed_one_is_refused)
{
    static const char body[] =
        "{\"entries\":[{\"name\":\"web\",\"spiffe_id\":\"spiffe://td/ns/shop/sa/web\","
        "\"description\":\"\",\"max_life_s\":600,\"max_instances\":0,\"instances\":2,"
        "\"created_at\":1699999940}]}";
    struct table table;
    struct printed *printed = printed_begin();
    struct failure why = {0};

    table_init(&table, entries_titles, ENTRIES_COLUMNS);
    cr_assert_eq(entries_add(&table, bytes_of(body), NOW, &why), STATUS_OK, "%s", why.detail);
    table_print(&table, printed->out, false);
    cr_assert_str_eq(
        printed_end(printed),
        "NAME  IDENTITY                    LONGEST LIFE  INSTANCES  MOST  ADDED      DESCRIPTION\n"
        "web   spiffe://td/ns/shop/sa/web  10 min                2     -  1 min ago  -\n");
    printed_free(printed);
    cr_assert_eq(entries_add(&table, bytes_of("{\"entries\":[{\"name\":7}]}"), NOW, &why),
                 STATUS_PROTOCOL);
    cr_assert_eq(entries_add(&table, bytes_of("{}"), NOW, &why), STATUS_NOT_FOUND);
    table_clear(&table);
}

Test(replies, a_new_entry_is_asked_for_with_what_was_given_and_no_more)
{
    CLEARED(buffer) least = {.max = 1000};
    CLEARED(buffer) most = {.max = 1000};
    struct failure why = {0};
    struct entries_new entry = {.name = "web", .id = "spiffe://td/a\"b"};

    cr_assert_eq(entries_question(&entry, &least, &why), STATUS_OK);
    cr_assert(bytes_equal_text(buffer_bytes(&least),
                               "{\"name\":\"web\",\"spiffe_id\":\"spiffe://td/a\\\"b\"}"));
    entry.description = "the shop";
    entry.life = "10m";
    entry.instances = "3";
    cr_assert_eq(entries_question(&entry, &most, &why), STATUS_OK);
    cr_assert(
        bytes_equal_text(buffer_bytes(&most),
                         "{\"name\":\"web\",\"spiffe_id\":\"spiffe://td/a\\\"b\",\"description\":"
                         "\"the shop\",\"max_life_s\":600,\"max_instances\":3}"));
    entry.instances = "0";
    cr_assert_eq(entries_question(&entry, &most, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "entry/instances");
    entry.life = "soon";
    cr_assert_eq(entries_question(&entry, &most, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "words/span");
}

Test(replies, no_name_can_be_another_path)
{
    cr_assert(entries_name_ok("web-1.shop"));
    cr_assert_not(entries_name_ok(""));
    cr_assert_not(entries_name_ok(".."));
    cr_assert_not(entries_name_ok("a/b"));
    cr_assert_not(entries_name_ok("a?b"));
    cr_assert_not(entries_name_ok("a%2fb"));
    cr_assert_not(entries_name_ok("WEB"));
}

struct replies_token {
    char body[96];
    char reason[24]; /* "": it is taken */
};

ParameterizedTestParameters(replies, takes_a_token_or_refuses_without_quoting_it)
{
    static struct replies_token cases[] = {
        {"{\"token\":\"sgt_CANARY\",\"expires_at\":5}", ""},
        {"{\"expires_at\":5}", "json/missing"},
        {"{\"token\":\"\",\"expires_at\":5}", "token/form"},
        {"{\"token\":\"CANARY\\n\",\"expires_at\":5}", "token/form"},
        {"{\"token\":\"CAN ARY\",\"expires_at\":5}", "token/form"},
        {"{\"token\":[\"CANARY\"],\"expires_at\":5}", "json/type"},
        {"{\"token\":\"CANARY\"}", "json/missing"},
        {"{\"token\":\"CANARY\",\"expires_at\":-1}", "json/range"},
        {"{\"token\":\"CANARY\" \"CANARY\"}", "json/syntax"},
    };

    return cr_make_param_array(struct replies_token, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct replies_token *given, replies, takes_a_token_or_refuses_without_quoting_it)
{
    CLEARED(secret) token = {0};
    struct failure why = {0};
    int64_t expires_at = 0;
    enum status status = tokens_reply_parse(bytes_of(given->body), &token, &expires_at, &why);

    if (given->reason[0] == '\0') {
        cr_assert_eq(status, STATUS_OK, "%s", why.detail);
        cr_assert(bytes_equal_text(secret_bytes(&token), "sgt_CANARY"));
        cr_assert_eq(expires_at, 5);
        return;
    }
    cr_assert_neq(status, STATUS_OK, "%s", given->body);
    cr_assert_str_eq(why.reason, given->reason, "%s: %s", given->body, why.detail);
    cr_assert_null(strstr(why.detail, "CANARY"), "I21: %s", why.detail);
    cr_assert_eq(token.len, 0);
}

Test(replies, a_token_is_asked_for_with_what_was_given_and_no_more)
{
    static const struct {
        struct tokens_new wanted;
        const char *body; /* or the reason of a refusal */
    } cases[] = {
        {{.entry = "web"}, "{\"entry\":\"web\",\"life_s\":600}"},
        {{.entry = "web", .ttl = "30s"}, "{\"entry\":\"web\",\"life_s\":30}"},
        {{.entry = "web", .until = "30d", .uses = "5"},
         "{\"entry\":\"web\",\"life_s\":2592000,\"uses\":5}"},
        {{.entry = "web", .until = "2023-11-14T22:13:20Z"},
         "{\"entry\":\"web\",\"until\":1700000000}"},
        {{.entry = "web", .from = "10.9.8.7/8,fd00::/16,::1"},
         "{\"entry\":\"web\",\"life_s\":600,\"from\":[\"10.0.0.0/8\",\"fd00::/16\",\"::1\"]}"},
        {{.entry = "web", .ttl = "1h", .until = "1h"}, "token/life"},
        {{.entry = "web", .until = "2023-11-14"}, "token/until"},
        {{.entry = "web", .until = "2023-11-14T22:13"}, "token/until"},
        {{.entry = "web", .ttl = "2023-11-14T22:13:20Z"}, "words/span"},
        {{.entry = "web", .uses = "0"}, "token/uses"},
        {{.entry = "web", .uses = "10001"}, "token/uses"},
        {{.entry = "web", .uses = "many"}, "token/uses"},
        {{.entry = "web", .from = "10.0.0.0/8,"}, "token/from"},
        {{.entry = "web", .from = "shop"}, "token/from"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CLEARED(buffer) body = {.max = 1000};
        struct failure why = {0};

        if (tokens_question(&cases[i].wanted, &body, &why) == STATUS_OK) {
            cr_assert(bytes_equal_text(buffer_bytes(&body), cases[i].body), "%.*s", (int)body.len,
                      (const char *)body.at);
        } else {
            cr_assert_str_eq(why.reason, cases[i].body, "%s", why.detail);
        }
    }
}

Test(replies, a_refused_until_shows_the_forms_that_it_takes)
{
    static const char *const wrong[] = {"2027-06-30", "2027-06-30T00:00", "soon", ""};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const struct tokens_new wanted = {.entry = "web", .until = wrong[i]};
        CLEARED(buffer) body = {.max = 1000};
        struct failure why = {0};
        char said[160];

        (void)snprintf(said, sizeof said,
                       "--until must be a span from now on (30d, 12h) or a date with its time "
                       "(2027-06-30T00:00:00Z), not \"%s\"",
                       wrong[i]);
        cr_assert_eq(tokens_question(&wanted, &body, &why), STATUS_CONFIG);
        cr_assert_str_eq(why.detail, said);
    }
}

Test(replies, tokens_are_rows_that_say_how_many_uses_are_left)
{
    static const char body[] =
        "{\"tokens\":[{\"id\":\"5c01d5b2a4f3e697\",\"entry\":\"web\",\"state\":\"open\","
        "\"uses\":5,\"uses_left\":3,\"from\":[\"10.0.0.0/8\",\"fd00::/16\"],"
        "\"created_at\":1699999000,\"expires_at\":1700000060,\"used_at\":1699999940},"
        "{\"id\":\"0000000000000001\",\"entry\":\"api\",\"state\":\"open\",\"uses\":1,"
        "\"uses_left\":1,\"from\":[],\"created_at\":1699999000,\"expires_at\":1700000060,"
        "\"used_at\":null}]}";
    struct printed *printed = printed_begin();
    struct table table;
    struct failure why = {0};

    table_init(&table, tokens_titles, TOKENS_COLUMNS);
    cr_assert_eq(tokens_add(&table, bytes_of(body), NOW, &why), STATUS_OK, "%s", why.detail);
    table_print(&table, printed->out, false);
    cr_assert_str_eq(printed_end(printed),
                     "ID                ENTRY  STATE  USES LEFT  ENDS      LAST USED  FROM\n"
                     "5c01d5b2a4f3e697  web    open      3 of 5  in 1 min  1 min ago  10.0.0.0/8 "
                     "fd00::/16\n"
                     "0000000000000001  api    open      1 of 1  in 1 min  -          -\n");
    printed_free(printed);
    cr_assert_eq(tokens_add(&table, bytes_of("{\"tokens\":[{\"id\":7}]}"), NOW, &why),
                 STATUS_PROTOCOL);
    cr_assert_eq(tokens_add(&table, bytes_of("{}"), NOW, &why), STATUS_NOT_FOUND);
    table_clear(&table);
}
