/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/serve/operators.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/runtime/base/clock.h"
#include "core/runtime/json/json.h"
#include "core/runtime/loop/worker.h"
#include "core/runtime/telemetry/metrics.h"
#include "tests/support/suite.h"
#include "tests/unit/control/serve/office.h"

SUITE(operators, .timeout = 60);

/* The operations without a socket: what the web server would call, with a caller of our choice. */
struct desk {
    struct office office;
    struct worker worker;
    struct own_identity *own;
    struct operators operators;
};

static enum status desk_unused(void *user, struct identity_set *set, struct failure *why)
{
    (void)user;
    (void)set;
    (void)why;
    return STATUS_OK;
}

static void desk_make(struct desk *desk)
{
    struct own_identity_plan plan = {.changed = desk_unused};
    struct operators_view view = {.version = "test",
                                  .config_text = bytes_of("leaf_life_s: 3600\n")};
    struct failure why = {0};

    office_make(&desk->office, 3600, clock_unix_s());
    desk->office.place.registry.life_floor_s = 120;
    worker_init_main(&desk->worker);
    plan.authority = desk->office.authority;
    plan.registry = &desk->office.place.registry;
    cr_assert_eq(own_identity_start(&desk->worker.loop, &plan, &desk->own, &why), STATUS_OK, "%s",
                 why.detail);
    view.issuer = desk->office.issuer;
    view.own = desk->own;
    operators_init(&desk->operators, &view);
}

static void desk_clear(struct desk *desk)
{
    own_identity_close(desk->own);
    worker_stop(&desk->worker);
    worker_run_main(&desk->worker);
    worker_clear(&desk->worker);
    office_clear(&desk->office);
    metrics_clear();
}

/* Who asks, and for what. */
struct desk_question {
    const char *method;
    const char *path;
    const char *body;
    bool is_unix;
    uid_t uid;
};

/* Gives the answer's status, and its body as a C string to free(). */
static unsigned desk_ask_as(struct desk *desk, const struct desk_question *question,
                            char **out_body)
{
    struct web_answer answer = {.status = 200, .content_type = "application/json"};

    buffer_init(&answer.body, WEB_ANSWER_MAX);
    for (size_t i = 0; i < OPERATORS_OPERATIONS; i++) {
        const struct web_route *route = &desk->operators.routes[i];
        size_t len = strlen(route->path);
        bool open = route->path[len - 1] == '*' && strlen(question->path) >= len - 1;
        struct web_request request = {.path = bytes_of(question->path),
                                      .rest = bytes_of(open ? question->path + len - 1 : ""),
                                      .body = bytes_of(question->body),
                                      .is_unix = question->is_unix,
                                      .peer_uid = question->uid};

        if (strcmp(route->method, question->method) == 0 &&
            (open ? strncmp(route->path, question->path, len - 1) == 0
                  : strcmp(route->path, question->path) == 0)) {
            route->respond(route->user, &request, &answer);
        }
    }
    *out_body = bytes_text(buffer_bytes(&answer.body));
    buffer_clear(&answer.body);
    return answer.status;
}

/* The same as our own user on the unix socket. */
static char *desk_ask(struct desk *desk, const char *method, const char *path, const char *body,
                      unsigned *out_status)
{
    struct desk_question question = {method, path, body, true, geteuid()};
    char *text = NULL;

    *out_status = desk_ask_as(desk, &question, &text);
    return text;
}

static void desk_expect(struct desk *desk, const char *method, const char *path, const char *body,
                        unsigned status, const char *holds)
{
    unsigned got = 0;
    char *text = desk_ask(desk, method, path, body, &got);

    cr_assert_eq(got, status, "%s %s: %u %s", method, path, got, text);
    cr_assert_not_null(strstr(text, holds), "%s %s: %s lacks %s", method, path, text, holds);
    free(text);
}

Test(operators, adds_lists_and_removes_entries)
{
    struct desk desk = {0};

    desk_make(&desk);
    desk_expect(&desk, "POST", "/entries",
                "{\"name\":\"web\",\"spiffe_id\":\"spiffe://cluster.local/ns/shop/sa/web\","
                "\"description\":\"front\",\"max_instances\":3}",
                200, "\"added\":\"web\"");
    desk_expect(&desk, "GET", "/entries", "", 200, "spiffe://cluster.local/ns/shop/sa/web");
    desk_expect(&desk, "GET", "/entries", "", 200, "\"max_instances\":3");
    desk_expect(&desk, "GET", "/status", "", 200, "\"entries\":1");
    desk_expect(&desk, "DELETE", "/entries/web", "", 200, "\"removed\":\"web\"");
    desk_expect(&desk, "DELETE", "/entries/web", "", 404, "entry/unknown");
    desk_expect(&desk, "GET", "/entries", "", 200, "\"entries\":[]");
    desk_clear(&desk);
}

Test(operators, a_token_says_how_often_and_from_where_and_what_is_left)
{
    struct desk desk = {0};
    CLEARED(secret) text = {0};
    struct token_order order = {
        .entry = bytes_of("web"), .life_s = 60, .now = clock_unix_s(), .uses = 5};
    struct attest_proof proof = {.key = digest_of(bytes_of("key")), .now = clock_unix_s()};
    struct attested attested;

    desk_make(&desk);
    place_add(&desk.office.place, "web", 0);
    desk_expect(&desk, "POST", "/tokens",
                "{\"entry\":\"web\",\"life_s\":31536000,\"uses\":3,"
                "\"from\":[\"10.0.0.0/8\",\"fd00::/16\"]}",
                200, "\"uses\":3");
    desk_expect(&desk, "GET", "/tokens", "", 200, "\"from\":[\"10.0.0.0/8\",\"fd00::/16\"]");
    desk_expect(&desk, "GET", "/status", "", 200, "\"open_tokens\":1,\"open_token_uses\":3");
    cr_assert_eq(token_create(&desk.office.place.registry, &order, &text, NULL, NULL), STATUS_OK);
    proof.token = secret_bytes(&text);
    cr_assert_eq(
        attest_join_token.attest(&desk.office.place.registry, &proof, &attested, NULL), STATUS_OK);
    desk_expect(&desk, "GET", "/tokens", "", 200, "\"uses\":5,\"uses_left\":4,\"from\":[]");
    desk_expect(&desk, "GET", "/status", "", 200, "\"open_tokens\":2,\"open_token_uses\":7");
    desk_expect(&desk, "GET", "/entries", "", 200, "\"source\":\"operator\"");
    desk_clear(&desk);
}

Test(operators, certs_show_every_link_and_status_whether_the_clock_may_be_believed)
{
    struct desk desk = {0};

    desk_make(&desk);
    desk_expect(&desk, "GET", "/certs", "", 200, "\"authority\":[{\"file\":\"root.pem\"");
    desk_expect(&desk, "GET", "/certs", "", 200, "{\"file\":\"intermediate.pem\"");
    desk_expect(&desk, "GET", "/certs", "", 200, "\"state\":\"valid\",\"signs\":true");
    desk_expect(&desk, "GET", "/status", "", 200, "\"clock_steady_s\":0");
    desk_clear(&desk);
}

struct operators_refusal {
    char path[16];
    char body[160];
    unsigned status;
    char reason[24];
};

ParameterizedTestParameters(operators, refuses)
{
    static struct operators_refusal cases[] = {
        {"/entries", "", 400, "json/syntax"},
        {"/entries", "[]", 400, "json/type"},
        {"/entries", "{\"name\":\"web\"}", 400, "json/missing"},
        {"/entries", "{\"name\":\"web\",\"name\":\"api\"}", 400, "json/duplicate"},
        {"/entries", "{\"name\":\"web\",\"spiffe_id\":\"spiffe://other/a\"}", 400,
         "entry/trust-domain"},
        {"/entries", "{\"name\":\"W\",\"spiffe_id\":\"spiffe://cluster.local/a\"}", 400,
         "entry/name"},
        {"/entries", "{\"name\":\"web\",\"spiffe_id\":\"spiffe://cluster.local/a\",\"x\":1}", 400,
         "json/unknown"},
        {"/tokens", "{\"entry\":\"nobody\"}", 404, "entry/unknown"},
        {"/tokens", "{\"entry\":\"web\",\"life_s\":0}", 400, "json/range"},
        {"/tokens", "{\"entry\":\"web\",\"life_s\":\"1\"}", 400, "json/type"},
        {"/tokens", "{\"entry\":\"web\",\"life_s\":31622401}", 400, "token/life"},
        {"/tokens", "{\"entry\":\"web\",\"uses\":0}", 400, "json/range"},
        {"/tokens", "{\"entry\":\"web\",\"uses\":10001}", 400, "json/range"},
        {"/tokens", "{\"entry\":\"web\",\"until\":1000}", 400, "token/life"},
        {"/tokens", "{\"entry\":\"web\",\"until\":99999999999}", 400, "token/life"},
        {"/tokens", "{\"entry\":\"web\",\"until\":1999999999,\"life_s\":1}", 400, "token/life"},
        {"/tokens", "{\"entry\":\"web\",\"from\":\"10.0.0.0/8\"}", 400, "json/type"},
        {"/tokens", "{\"entry\":\"web\",\"from\":[\"10.0.0.0/33\"]}", 400, "token/from"},
        {"/tokens", "{\"entry\":\"web\",\"from\":[7]}", 400, "token/from"},
        {"/entries",
         "{\"name\":\"web\",\"spiffe_id\":\"spiffe://cluster.local/a\",\"max_life_s\":119}",
         400, "max_life_s (--life)"},
        {"/entries",
         "{\"name\":\"web\",\"spiffe_id\":\"spiffe://cluster.local/ns/signet-system/x\"}",
         400, "entry/reserved"},
        {"/loglevel", "{\"levels\":\"loud\"}", 400, "log/level"},
    };
    return cr_make_param_array(struct operators_refusal, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct operators_refusal *given, operators, refuses)
{
    struct desk desk = {0};

    desk_make(&desk);
    desk_expect(&desk, "POST", given->path, given->body, given->status, given->reason);
    desk_clear(&desk);
}

/* Every operation of the table, as each caller: a new one without the rule fails here. */
Test(operators, I16_only_root_and_our_own_user_on_the_unix_socket)
{
    struct desk desk = {0};
    const struct {
        bool is_unix;
        uid_t uid;
        const char *refusal; /* NULL: let through */
    } callers[] = {{true, geteuid() + 1000, "admin/uid"},
                   {false, 0, "admin/not-local"},
                   {false, geteuid(), "admin/not-local"},
                   {true, 0, NULL},
                   {true, geteuid(), NULL}};

    desk_make(&desk);
    for (size_t i = 0; i < OPERATORS_OPERATIONS * 5; i++) {
        const struct web_route *route = &desk.operators.routes[i / 5];
        const char *refusal = callers[i % 5].refusal;
        struct desk_question question = {route->method, route->path, "{}", callers[i % 5].is_unix,
                                         callers[i % 5].uid};
        char *text = NULL;
        unsigned status = desk_ask_as(&desk, &question, &text);

        cr_assert_eq(status == 403, refusal != NULL, "%s %s: %s", route->method, route->path, text);
        cr_assert(refusal == NULL || strstr(text, refusal) != NULL, "%s", text);
        free(text);
    }
    desk_clear(&desk);
}

static void desk_expect_absent(struct desk *desk, const char *path, const char *canary)
{
    unsigned status = 0;
    char *text = desk_ask(desk, "GET", path, "", &status);

    cr_assert_eq(status, 200, "%s", path);
    cr_assert_null(strstr(text, canary), "%s shows %s", path, canary);
    free(text);
}

/* The whole token once, to whoever made it; then nowhere, and the passphrase never. */
Test(operators, I21_tokens_and_passphrase_are_in_no_page_metric_or_log_line)
{
    static const char *const pages[] = {"/status", "/entries", "/tokens",  "/certs",
                                        "/bundle", "/config",  "/loglevel"};
    struct desk desk = {0};
    CLEARED(buffer) metrics = {.max = (size_t)1 << 20};
    CLEARED(buffer) lines = {.max = (size_t)1 << 20};
    OWNED(json_value) *top = NULL;
    struct bytes token;
    unsigned status = 0;
    char log_path[96];
    char *canary;
    char *answer;
    int log;

    (void)snprintf(log_path, sizeof log_path, "/tmp/signet-operators-log-%d", (int)getpid());
    log = open(log_path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    cr_assert_geq(log, 0);
    log_set_output(log);
    cr_assert_eq(log_set_levels("debug", NULL), STATUS_OK);
    desk_make(&desk);
    desk_expect(&desk, "POST", "/entries",
                "{\"name\":\"web\",\"spiffe_id\":\"spiffe://cluster.local/ns/shop/sa/web\"}", 200,
                "added");
    answer = desk_ask(&desk, "POST", "/tokens", "{\"entry\":\"web\",\"life_s\":60}", &status);
    cr_assert_eq(status, 200);
    cr_assert_eq(json_read(bytes_of(answer), 4096, &top, NULL), STATUS_OK);
    cr_assert_eq(json_get_text(top, "token", 100, &token, NULL), STATUS_OK);
    canary = bytes_text(token);
    cr_assert_eq(strncmp(canary, "sgt_", 4), 0);
    desk_expect(&desk, "GET", "/tokens", "", 200, "\"state\":\"open\"");
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        desk_expect_absent(&desk, pages[i], canary + 4);
        desk_expect_absent(&desk, pages[i], OFFICE_PASSPHRASE);
    }
    cr_assert_eq(metrics_render(METRICS_CONTROL, &metrics, NULL), STATUS_OK);
    cr_assert_null(memmem(metrics.at, metrics.len, canary + 4, 43));
    cr_assert_eq(buffer_read_file(&lines, log_path, NULL), STATUS_OK);
    cr_assert_not_null(memmem(lines.at, lines.len, "token.created", 13));
    cr_assert_null(memmem(lines.at, lines.len, canary + 4, 43));
    cr_assert_null(memmem(lines.at, lines.len, OFFICE_PASSPHRASE, strlen(OFFICE_PASSPHRASE)));
    free(canary);
    free(answer);
    (void)unlink(log_path);
    desk_clear(&desk);
}

Test(operators, shows_certificates_bundle_settings_and_levels)
{
    struct desk desk = {0};

    desk_make(&desk);
    desk_expect(&desk, "GET", "/certs", "", 200,
                "spiffe://cluster.local/ns/signet-system/sa/signet-control");
    desk_expect(&desk, "GET", "/certs", "", 200, "\"sha256\"");
    desk_expect(&desk, "GET", "/bundle", "", 200, "-----BEGIN CERTIFICATE-----");
    desk_expect(&desk, "GET", "/config", "", 200, "leaf_life_s: 3600");
    desk_expect(&desk, "POST", "/loglevel", "{\"levels\":\"warn,control=debug\"}", 200,
                "control=debug");
    desk_clear(&desk);
}
