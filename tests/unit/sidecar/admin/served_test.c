/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages behind a real server on a unix socket, and the tool asking: what a person at a terminal
 * gets, with exit codes.
 */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/signet/commands.h"
#include "cmd/signet/doors.h"
#include "core/runtime/json/json.h"
#include "core/runtime/loop/worker.h"
#include "core/runtime/web/server.h"
#include "tests/support/suite.h"
#include "tests/unit/sidecar/admin/fabricated.h"

static void served_redirect(void)
{
    cr_redirect_stdout();
    cr_redirect_stderr();
}

SUITE(served, .init = served_redirect, .timeout = 30);

/* A run folder with the sidecar "web" answering in it. */
struct served {
    struct worker worker;
    struct mail stop;
    struct fabricated *fabricated;
    struct web_route routes[PAGES_ROUTES];
    struct web_server *server;
    char folder[32];  /* the run folder */
    char place[48];   /* its "web" */
    char address[80]; /* the socket */
    pthread_barrier_t ready;
};

static void served_begin(struct worker *worker, void *user)
{
    struct served *served = user;
    const struct web_server_options options = {
        .address = served->address,
        .routes = served->routes,
        .num_routes = PAGES_ROUTES,
        .local_host_only = true,
    };
    struct failure why = {0};

    cr_assert_eq(web_server_start(worker, &options, &served->server, &why), STATUS_OK, "%s",
                 why.detail);
    (void)pthread_barrier_wait(&served->ready);
}

static void served_stop(struct mail *mail)
{
    struct served *served = (struct served *)(void *)((char *)mail - offsetof(struct served, stop));

    web_server_close(served->server);
    worker_stop(&served->worker);
}

static struct served *served_make(void)
{
    struct served *served = calloc(1, sizeof *served);

    (void)snprintf(served->folder, sizeof served->folder, "/tmp/signet-run-XXXXXX");
    cr_assert_not_null(mkdtemp(served->folder));
    (void)snprintf(served->place, sizeof served->place, "%s/web", served->folder);
    (void)snprintf(served->address, sizeof served->address, "unix:%s/admin.sock", served->place);
    cr_assert_eq(mkdir(served->place, 0755), 0);
    served->fabricated = fabricated_make();
    pages_routes(&served->fabricated->sources, served->routes);
    served->stop.deliver = served_stop;
    (void)pthread_barrier_init(&served->ready, NULL, 2);
    worker_start(&served->worker, 1, served_begin, served);
    (void)pthread_barrier_wait(&served->ready);
    return served;
}

static void served_free(struct served *served)
{
    mailbox_post(&served->worker.mailbox, &served->stop);
    worker_join(&served->worker);
    (void)pthread_barrier_destroy(&served->ready);
    fabricated_free(served->fabricated);
    cr_assert_eq(rmdir(served->place), 0, "the socket was left behind");
    cr_assert_eq(rmdir(served->folder), 0);
    free(served);
}

/* served_run runs a command as `signet NAME --run-folder FOLDER MORE…`. */
static int served_run(const struct served *served, int (*command)(int, char **), const char *first,
                      const char *second)
{
    char words[5][96] = {"x", "--run-folder", "", "", ""};
    char *arguments[6] = {words[0], words[1], words[2], words[3], words[4], NULL};

    (void)snprintf(words[2], sizeof words[2], "%s", served->folder);
    (void)snprintf(words[3], sizeof words[3], "%s", first == NULL ? "" : first);
    (void)snprintf(words[4], sizeof words[4], "%s", second == NULL ? "" : second);
    return command(first == NULL ? 3 : second == NULL ? 4 : 5, arguments);
}

/* served_output gives what was printed since the test began. */
static void served_output(char *out, size_t room)
{
    FILE *redirected = cr_get_redirected_stdout();
    size_t len;

    (void)fflush(stdout);
    len = fread(out, 1, room - 1, redirected);
    out[len] = '\0';
}

Test(served, status_finds_the_socket_and_says_ready)
{
    struct served *served = served_make();
    char text[8192];

    cr_assert_eq(served_run(served, proxies_command, NULL, NULL), VERDICT_OK);
    served_output(text, sizeof text);
    cr_assert_not_null(strstr(text, "spiffe://cluster.local/ns/shop/sa/web"), "%s", text);
    cr_assert_not_null(strstr(text, "8080 strict, 9090 permissive"), "%s", text);
    cr_assert_not_null(strstr(text, "11 h"), "%s", text);
    served_free(served);
}

Test(served, status_is_1_when_a_condition_does_not_hold_and_names_it)
{
    struct served *served = served_make();
    char text[8192];

    health_set(&served->fabricated->health, "policy", HEALTH_NO, "mesh.yaml:3: adresses");
    cr_assert_eq(served_run(served, proxies_command, NULL, NULL), VERDICT_NO);
    served_output(text, sizeof text);
    cr_assert_not_null(strstr(text, "web: not ready, policy: mesh.yaml:3: adresses"), "%s", text);
    served_free(served);
}

Test(served, status_is_1_when_one_of_two_has_died)
{
    struct served *served = served_make();
    char dead[64], socket_path[96], text[8192];

    (void)snprintf(dead, sizeof dead, "%s/api", served->folder);
    (void)snprintf(socket_path, sizeof socket_path, "%s/admin.sock", dead);
    cr_assert_eq(mkdir(dead, 0755), 0);
    /* A socket nobody listens on is what a killed process leaves. */
    cr_assert_eq(mknod(socket_path, S_IFSOCK | 0600, 0), 0);
    cr_assert_eq(served_run(served, proxies_command, NULL, NULL), VERDICT_NO);
    served_output(text, sizeof text);
    cr_assert_not_null(strstr(text, "api: no answer"), "%s", text);
    cr_assert_not_null(strstr(text, "is signet-proxy running?"), "%s", text);
    cr_assert_eq(unlink(socket_path), 0);
    cr_assert_eq(rmdir(dead), 0);
    served_free(served);
}

Test(served, status_as_json_is_one_document_with_every_sidecar)
{
    struct served *served = served_make();
    OWNED(json_value) *top = NULL;
    const struct json_value *sidecars = NULL;
    struct failure why = {0};
    static char text[65536];

    cr_assert_eq(served_run(served, proxies_command, "--json", NULL), VERDICT_OK);
    served_output(text, sizeof text);
    cr_assert_eq(json_read(bytes_of(text), sizeof text, &top, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(json_get_array(top, "sidecars", &sidecars, &why), STATUS_OK);
    cr_assert_eq(json_count(sidecars), 1);
    served_free(served);
}

Test(served, certs_and_conn_answer_for_a_named_sidecar)
{
    struct served *served = served_make();
    static char text[65536];

    cr_assert_eq(served_run(served, certs_command, "web", NULL), VERDICT_OK);
    cr_assert_eq(served_run(served, connections_command, "web", NULL), VERDICT_OK);
    served_output(text, sizeof text);
    cr_assert_not_null(strstr(text, "outage budget  11 h"), "%s", text);
    cr_assert_not_null(strstr(text, "10.77.0.1:51000"), "%s", text);
    served_free(served);
}

Test(served, a_sidecar_that_is_not_there_is_3_and_a_wrong_flag_is_2)
{
    struct served *served = served_make();

    cr_assert_eq(served_run(served, certs_command, "nobody", NULL), VERDICT_UNREACHABLE);
    cr_assert_eq(served_run(served, certs_command, "--jsn", NULL), VERDICT_USAGE);
    cr_assert_eq(served_run(served, entries_command, NULL, NULL), VERDICT_USAGE);
    cr_assert_eq(served_run(served, connections_command, "--json", "--state=relay"), VERDICT_USAGE);
    served_free(served);
}

Test(served, an_empty_run_folder_is_3_with_the_remedy)
{
    char folder[] = "/tmp/signet-none-XXXXXX";
    char *arguments[] = {(char[]){"status"}, (char[]){"--run-folder"}, folder, NULL};

    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(proxies_command(3, arguments), VERDICT_UNREACHABLE);
    cr_assert_eq(rmdir(folder), 0);
    (void)fflush(stderr);
    char text[512] = {0};
    FILE *printed = cr_get_redirected_stderr();
    (void)!fread(text, 1, sizeof text - 1, printed);
    cr_assert_not_null(strstr(text, "no sidecar answers under /tmp/signet-none-"), "%s", text);
    cr_assert_not_null(strstr(text, "try --admin unix:PATH"), "%s", text);
}

Test(served, a_page_that_is_not_there_is_a_refusal_in_the_servers_words)
{
    struct served *served = served_make();
    CLEARED(buffer) body = {0};
    struct failure why = {0};
    const struct door door = {.name = served->place, .address = served->address};

    cr_assert_eq(door_get(&door, "/nothing", &body, &why), STATUS_DENIED);
    cr_assert_str_eq(why.reason, "door/refused");
    served_free(served);
}
