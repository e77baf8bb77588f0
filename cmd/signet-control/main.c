/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signet-control: the control plane. Reads settings, assembles, runs, leaves.
 *
 * Exit codes: 0 ended in order, or --check found nothing; 2 command line, settings, entries file or
 * passphrase file; 3 data folder; 4 an address cannot be listened on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/signet-control/assemble.h"
#include "cmd/version.h"
#include "core/runtime/base/buffer.h"
#include "core/runtime/telemetry/log.h"
#include "core/runtime/telemetry/metrics.h"

#include "core/runtime/config/setting_table.inc"

static const struct setting_table main_table =
    SETTING_TABLE(control_settings, "signet-control", "SIGNET_CONTROL_", "",
                  "gives the workloads of a mesh their certificates, and new ones in time");

/*
 * CA keys and tokens pass through this memory: no core, no ptrace by others, no file for others. And as
 * many connections as allowed, so that a thousand strangers do not keep the sidecars out.
 */
static void main_prepare(void)
{
    const struct rlimit none = {0, 0};
    struct rlimit files;

    (void)umask(0077);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)setrlimit(RLIMIT_CORE, &none);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int main_complain(const struct failure *why, enum control_exit code)
{
    (void)fprintf(stderr, "signet-control: %s: %s\n", why->reason, why->detail);
    return (int)code;
}

static int main_print_help(void)
{
    CLEARED(buffer) text = {.max = (size_t)256 * 1024};

    if (setting_print_help(&main_table, &text) != STATUS_OK) {
        return (int)CONTROL_EXIT_SETTINGS;
    }
    (void)printf(
        "%.*s\nExit codes: 0 in order; 2 command line, settings, entries or passphrase file; "
        "3 data folder; 4 cannot listen.\n",
        (int)text.len, (const char *)text.at);
    return (int)CONTROL_EXIT_OK;
}

static int main_check(const struct control_settings *settings)
{
    struct failure why = {0};
    enum control_exit code = CONTROL_EXIT_OK;

    if (control_check(settings, &code, &why) != STATUS_OK) {
        return main_complain(&why, code);
    }
    (void)printf("signet-control: settings, entries, data folder and addresses are in order\n");
    return (int)CONTROL_EXIT_OK;
}

static int main_begin_anew(const struct control_settings *settings)
{
    struct failure why = {0};
    enum control_exit code = CONTROL_EXIT_OK;
    char *said = NULL;

    if (control_begin_anew(settings, &said, &code, &why) != STATUS_OK) {
        return main_complain(&why, code);
    }
    (void)printf("signet-control: %s\n", said);
    free(said);
    return (int)CONTROL_EXIT_OK;
}

static int main_serve(const struct control_settings *settings)
{
    CLEARED(buffer) config_text = {.max = SETTING_FILE_MAX};
    struct control *control = NULL;
    struct failure why = {0};
    enum control_exit code = CONTROL_EXIT_OK;

    log_set_format(strcmp(settings->log_format, "text") == 0 ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON);
    if (log_set_levels(settings->log_level, &why) != STATUS_OK ||
        setting_print_values(&main_table, settings, &config_text) != STATUS_OK) {
        return main_complain(&why, CONTROL_EXIT_SETTINGS);
    }
    log_start_writer();
    if (control_start(settings, buffer_bytes(&config_text), &control, &code, &why) != STATUS_OK) {
        log_stop_writer(LOG_STOP_MS);
        return main_complain(&why, code);
    }
    control_run(control);
    log_stop_writer(LOG_STOP_MS);
    metrics_clear();
    return (int)CONTROL_EXIT_OK;
}

static int main_run(const struct control_settings *settings, const struct setting_request *request)
{
    struct failure why = {0};

    if (request->help) {
        return main_print_help();
    }
    if (request->version) {
        (void)printf("signet-control %s\n", SIGNET_VERSION);
        return (int)CONTROL_EXIT_OK;
    }
    if (request->num_positional > 0) {
        (void)fail(&why, STATUS_CONFIG, "settings/argument", "%s is not a flag",
                   request->positional[0]);
        return main_complain(&why, CONTROL_EXIT_SETTINGS);
    }
    if (settings->new_store || settings->new_authority) {
        return main_begin_anew(settings);
    }
    return settings->check ? main_check(settings) : main_serve(settings);
}

int main(int argc, char **argv)
{
    struct control_settings settings = {0};
    struct setting_request request = {0};
    struct setting_input input = {.argc = argc, .argv = argv, .environment = environ};
    struct failure why = {0};
    int code;

    main_prepare();
    if (setting_load(&main_table, &input, &settings, &request, &why) != STATUS_OK) {
        return main_complain(&why, CONTROL_EXIT_SETTINGS);
    }
    code = main_run(&settings, &request);
    setting_clear(&main_table, &settings);
    return code;
}
