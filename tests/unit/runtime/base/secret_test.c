/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/runtime/base/secret.h"
#include "tests/support/suite.h"

SUITE(secret);

static void secret_test_file(char *path, const char *text, mode_t mode)
{
    int fd = mkstemp(path);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(fchmod(fd, mode), 0);
    close(fd);
}

Test(secret, reads_a_private_file_without_its_line_end)
{
    char path[] = "/tmp/secret_test_XXXXXX";
    CLEARED(secret) secret = {0};

    secret_test_file(path, "s3cret \r\n", 0600);
    cr_assert_eq(secret_read_file(path, 100, true, &secret, NULL), STATUS_OK);
    cr_assert(bytes_equal_text(secret_bytes(&secret), "s3cret"));
    unlink(path);
}

Test(secret, refuses_a_file_that_others_may_read)
{
    static const mode_t wrong[] = {0640, 0604, 0620, 0602, 0644};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char path[] = "/tmp/secret_test_XXXXXX";
        CLEARED(secret) secret = {0};
        struct failure why = {0};

        secret_test_file(path, "x", wrong[i]);
        cr_assert_eq(secret_read_file(path, 100, true, &secret, &why), STATUS_CONFIG);
        cr_assert_str_eq(why.reason, "secret/mode");
        cr_assert_eq(secret_read_file(path, 100, false, &secret, &why), STATUS_OK);
        unlink(path);
    }
}

/* Reads as another user, in a process of its own: the status. */
static int secret_test_as(uid_t user, gid_t group, const char *path, char reason[32])
{
    int ends[2];
    int how = -1;
    pid_t child;

    cr_assert_eq(pipe(ends), 0);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        struct secret secret = {0};
        struct failure why = {.reason = ""};
        enum status status = STATUS_LIMIT;

        if (setgroups(0, NULL) == 0 && setgid(group) == 0 && setuid(user) == 0) {
            status = secret_read_file(path, 100, true, &secret, &why);
        }
        (void)!write(ends[1], why.reason, strlen(why.reason) + 1);
        _exit((int)status);
    }
    cr_assert_eq(waitpid(child, &how, 0), child);
    (void)close(ends[1]);
    cr_assert_gt(read(ends[0], reason, 31), 0);
    (void)close(ends[0]);
    return WEXITSTATUS(how);
}

Test(secret, refuses_a_file_of_another_owner_and_takes_what_root_lends)
{
    char path[] = "/tmp/secret_test_XXXXXX";
    CLEARED(secret) secret = {0};
    struct failure why = {0};
    char reason[32] = "";

    if (geteuid() != 0) {
        cr_skip_test("only root can give a file away");
    }
    secret_test_file(path, "x", 0600);
    cr_assert_eq(chown(path, 1234, 1234), 0);
    cr_assert_eq(secret_read_file(path, 100, true, &secret, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "secret/owner");
    cr_assert_not_null(strstr(why.detail, "1234"), "%s", why.detail);
    cr_assert_eq(secret_test_as(1234, 1234, path, reason), STATUS_OK, "%s", reason);
    cr_assert_eq(chmod(path, 0640), 0);
    cr_assert_eq(secret_test_as(1234, 1234, path, reason), STATUS_CONFIG, "%s", reason);
    cr_assert_eq(chown(path, 0, 1234), 0);
    cr_assert_eq(secret_test_as(1234, 1234, path, reason), STATUS_OK, "%s", reason);
    cr_assert_eq(chmod(path, 0660), 0);
    cr_assert_eq(secret_test_as(1234, 1234, path, reason), STATUS_CONFIG, "%s", reason);
    cr_assert_str_eq(reason, "secret/mode");
    cr_assert_eq(chmod(path, 0644), 0);
    cr_assert_eq(secret_test_as(1234, 1234, path, reason), STATUS_CONFIG, "%s", reason);
    unlink(path);
}

Test(secret, refuses_missing_empty_long_and_folders)
{
    char empty[] = "/tmp/secret_test_XXXXXX";
    char text[] = "/tmp/secret_test_XXXXXX";
    CLEARED(secret) secret = {0};
    struct failure why = {0};

    secret_test_file(empty, "\n", 0600);
    secret_test_file(text, "12345", 0600);
    cr_assert_eq(secret_read_file("/tmp/secret_test_none", 9, true, &secret, &why),
                 STATUS_NOT_FOUND);
    cr_assert_str_eq(why.reason, "secret/no-file");
    cr_assert_eq(secret_read_file(empty, 9, true, &secret, &why), STATUS_CONFIG);
    cr_assert_str_eq(why.reason, "secret/empty");
    cr_assert_eq(secret_read_file(text, 4, true, &secret, &why), STATUS_LIMIT);
    cr_assert_str_eq(why.reason, "secret/too-long");
    cr_assert_neq(secret_read_file("/tmp", 9, true, &secret, &why), STATUS_OK);
    cr_assert_eq(secret.len, 0);
    unlink(empty);
    unlink(text);
}

Test(secret, set_replaces_and_clear_empties)
{
    struct secret secret = {0};

    secret_set(&secret, bytes_of("one"));
    secret_set(&secret, bytes_of("three"));
    cr_assert(bytes_equal_text(secret_bytes(&secret), "three"));
    cr_assert_eq(secret.at[5], 0);
    secret_clear(&secret);
    cr_assert_eq(secret_bytes(&secret).len, 0);
    secret_clear(&secret);
}
