/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signet-proxy: the sidecar. Reads settings, assembles, runs, leaves.
 *
 * Exit codes: 0 drained and ended in order, or --check found nothing; 2 command line, settings, or a
 * mesh file that --check refuses; 3 identity files; 4 an address cannot be listened on.
 */
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cmd/signet-proxy/assemble.h"
#include "cmd/version.h"
#include "core/runtime/base/buffer.h"
#include "core/runtime/telemetry/log.h"
#include "core/runtime/telemetry/metrics.h"
#include "core/sidecar/discovery/decode.h"

#include "core/runtime/config/setting_table.inc"

static const struct setting_table main_table = SETTING_TABLE(
    proxy_settings, "signet-proxy", "SIGNET_PROXY_", "[--check FILE...]",
    "carries a workload's traffic in mutual TLS, with certificates that renew themselves");

/* Keys live in this memory: no core dump, no ptrace by others; and as many connections as allowed. */
static void main_prepare(void)
{
    const struct rlimit none = {0, 0};
    struct rlimit files;

    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)setrlimit(RLIMIT_CORE, &none);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int main_complain(const struct failure *why, enum sidecar_exit code)
{
    (void)fprintf(stderr, "signet-proxy: %s: %s\n", why->reason, why->detail);
    return (int)code;
}

static int main_print_help(void)
{
    CLEARED(buffer) text = {.max = (size_t)256 * 1024};

    if (setting_print_help(&main_table, &text) != STATUS_OK) {
        return (int)SIDECAR_EXIT_SETTINGS;
    }
    (void)printf("%.*s\n"
                 "Examples:\n"
                 "  signet-proxy --check mesh.yaml policies/\n"
                 "  signet-proxy --capture explicit --chain-file web.pem --key-file web.key \\\n"
                 "      --bundle-file ca.pem --outbound "
                 "127.0.0.1:9000=10.0.0.2:8443,peer=spiffe://DOMAIN/ns/NS/sa/API\n"
                 "\n"
                 "Exit codes: 0 in order; 2 command line, settings or mesh; 3 identity files; 4 "
                 "cannot listen.\n",
                 (int)text.len, (const char *)text.at);
    return (int)SIDECAR_EXIT_OK;
}

/* Judges one mesh or policy file, or a folder of them. */
static bool main_check_mesh(const char *path)
{
    CLEARED(warnings) warnings = {0};
    struct failure why = {0};
    enum status status = snapshot_check(path, &warnings, &why);

    for (size_t i = 0; i < warnings.count; i++) {
        (void)printf("warning: %s\n", warnings.lines[i]);
    }
    if (status != STATUS_OK) {
        (void)main_complain(&why, SIDECAR_EXIT_SETTINGS);
        return false;
    }
    (void)printf("%s: in order\n", path);
    return true;
}

/* --check with files judges these; without, the settings and the mesh that they name. */
static int main_check(const struct proxy_settings *settings, const struct setting_request *request)
{
    struct sidecar_config config = {.settings = settings, .table = &main_table, .request = request};
    struct sidecar_plan plan = {0};
    struct failure why = {0};
    bool good = true;

    for (int i = 0; i < request->num_positional; i++) {
        good = main_check_mesh(request->positional[i]) && good;
    }
    if (request->num_positional == 0) {
        if (sidecar_plan_make(&config, &plan, &why) != STATUS_OK) {
            return main_complain(&why, SIDECAR_EXIT_SETTINGS);
        }
        sidecar_plan_clear(&plan);
        (void)printf("settings: in order\n");
        good = settings->mesh == NULL || main_check_mesh(settings->mesh);
    }
    return (int)(good ? SIDECAR_EXIT_OK : SIDECAR_EXIT_SETTINGS);
}

static int main_serve(const struct proxy_settings *settings, const struct setting_request *request)
{
    struct sidecar_config config = {.settings = settings, .table = &main_table, .request = request};
    CLEARED(sidecar_plan) plan = {0};
    struct sidecar *sidecar = NULL;
    struct failure why = {0};
    enum sidecar_exit code = SIDECAR_EXIT_OK;

    log_set_format(strcmp(settings->log_format, "text") == 0 ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON);
    if (log_set_levels(settings->log_level, &why) != STATUS_OK ||
        sidecar_plan_make(&config, &plan, &why) != STATUS_OK) {
        return main_complain(&why, SIDECAR_EXIT_SETTINGS);
    }
    log_start_writer();
    if (sidecar_start(&config, &plan, &sidecar, &code, &why) != STATUS_OK) {
        log_stop_writer(LOG_STOP_MS);
        return main_complain(&why, code);
    }
    sidecar_run(sidecar);
    log_stop_writer(LOG_STOP_MS);
    metrics_clear();
    return (int)SIDECAR_EXIT_OK;
}

static int main_run(const struct proxy_settings *settings, const struct setting_request *request)
{
    struct failure why = {0};

    if (request->help) {
        return main_print_help();
    }
    if (request->version) {
        (void)printf("signet-proxy %s\n", SIGNET_VERSION);
        return (int)SIDECAR_EXIT_OK;
    }
    if (settings->check) {
        return main_check(settings, request);
    }
    if (request->num_positional > 0) {
        (void)fail(&why, STATUS_CONFIG, "settings/argument",
                   "%s is not a flag (files are judged with --check)", request->positional[0]);
        return main_complain(&why, SIDECAR_EXIT_SETTINGS);
    }
    return main_serve(settings, request);
}

int main(int argc, char **argv)
{
    struct proxy_settings settings = {0};
    struct setting_request request = {0};
    struct setting_input input = {.argc = argc, .argv = argv, .environment = environ};
    struct failure why = {0};
    int code;

    main_prepare();
    if (setting_load(&main_table, &input, &settings, &request, &why) != STATUS_OK) {
        return main_complain(&why, SIDECAR_EXIT_SETTINGS);
    }
    code = main_run(&settings, &request);
    setting_clear(&main_table, &settings);
    return code;
}
