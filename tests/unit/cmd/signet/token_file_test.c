/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/token_file.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/runtime/base/secret.h"
#include "tests/support/suite.h"

SUITE(token_file);

/* A folder of its own for each test; every test leaves it empty. */
static char folder[64];

static void token_file_folder(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/signet-token-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void token_file_path(char *out, size_t room, const char *name)
{
    (void)snprintf(out, room, "%s/%s", folder, name);
}

static size_t token_file_count(void)
{
    DIR *open_folder = opendir(folder);
    size_t count = 0;

    for (const struct dirent *item; (item = readdir(open_folder)) != NULL;) {
        count += strcmp(item->d_name, ".") != 0 && strcmp(item->d_name, "..") != 0;
    }
    (void)closedir(open_folder);
    return count;
}

static void token_file_done(const char *path)
{
    (void)unlink(path);
    cr_assert_eq(rmdir(folder), 0, "something was left behind");
}

Test(token_file, is_written_whole_with_mode_0600_whatever_the_umask_says)
{
    OWNED(token_file) *file = NULL;
    CLEARED(secret) read_back = {0};
    struct failure why = {0};
    char path[128];
    struct stat there;

    token_file_folder();
    token_file_path(path, sizeof path, "token");
    (void)umask(0);
    cr_assert_eq(token_file_open(path, (uid_t)-1, &file, &why), STATUS_OK, "%s", why.detail);
    cr_assert_neq(access(path, F_OK), 0, "the name appears with the content, not before");
    cr_assert_eq(token_file_commit(file, bytes_of("sgt_abc"), &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(lstat(path, &there), 0);
    cr_assert_eq(there.st_mode & 07777, 0600);
    cr_assert(S_ISREG(there.st_mode));
    cr_assert_eq(secret_read_file(path, 100, true, &read_back, &why), STATUS_OK, "%s", why.detail);
    cr_assert(bytes_equal_text(secret_bytes(&read_back), "sgt_abc"));
    cr_assert_eq(token_file_count(), 1);
    token_file_done(path);
}

Test(token_file, replaces_an_older_one_and_does_not_write_into_it)
{
    OWNED(token_file) *file = NULL;
    struct failure why = {0};
    char path[128], text[16] = {0};
    int old;

    token_file_folder();
    token_file_path(path, sizeof path, "token");
    old = open(path, O_RDWR | O_CREAT, 0644);
    cr_assert_eq(write(old, "old", 3), 3);
    cr_assert_eq(token_file_open(path, (uid_t)-1, &file, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(token_file_commit(file, bytes_of("new"), &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(pread(old, text, sizeof text, 0), 3, "who has the old file open sees no token");
    cr_assert_str_eq(text, "old");
    (void)close(old);
    token_file_done(path);
}

Test(token_file, leaves_nothing_when_it_is_not_committed)
{
    struct token_file *file = NULL;
    struct failure why = {0};
    char path[128];

    token_file_folder();
    token_file_path(path, sizeof path, "token");
    cr_assert_eq(token_file_open(path, (uid_t)-1, &file, &why), STATUS_OK, "%s", why.detail);
    cr_assert_eq(token_file_count(), 1);
    token_file_drop(&file);
    cr_assert_null(file);
    token_file_drop(&file);
    cr_assert_eq(token_file_count(), 0);
    token_file_done(path);
}

struct token_file_refusal {
    char path[40];
    char reason[32];
};

ParameterizedTestParameters(token_file, refuses_what_is_no_place_for_a_token)
{
    static struct token_file_refusal cases[] = {
        {"-", "token-file/standard-output"},
        {"/dev/stdout", "token-file/standard-output"},
        {"/dev/stderr", "token-file/standard-output"},
        {"/dev/tty", "token-file/standard-output"},
        {"/dev/fd/1", "token-file/standard-output"},
        {"/proc/self/fd/1", "token-file/standard-output"},
        {"/dev/null", "token-file/not-regular"},
        {"/tmp/", "token-file/no-name"},
        {"/tmp/..", "token-file/no-name"},
        {"/nowhere/at/all/token", "token-file/folder"},
    };

    return cr_make_param_array(struct token_file_refusal, cases, sizeof cases / sizeof cases[0]);
}

ParameterizedTest(struct token_file_refusal *given, token_file,
                  refuses_what_is_no_place_for_a_token)
{
    struct token_file *file = NULL;
    struct failure why = {0};

    cr_assert_neq(token_file_open(given->path, (uid_t)-1, &file, &why), STATUS_OK, "%s",
                  given->path);
    cr_assert_str_eq(why.reason, given->reason);
    cr_assert_null(file);
}

Test(token_file, follows_no_link)
{
    struct token_file *file = NULL;
    struct failure why = {0};
    char path[128], target[128];

    token_file_folder();
    token_file_path(path, sizeof path, "token");
    token_file_path(target, sizeof target, "elsewhere");
    cr_assert_eq(symlink(target, path), 0);
    cr_assert_eq(token_file_open(path, (uid_t)-1, &file, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "token-file/not-regular");
    cr_assert_neq(access(target, F_OK), 0);
    token_file_done(path);
}
