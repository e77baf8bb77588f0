/* SPDX-License-Identifier: Apache-2.0 */
#include "core/runtime/loop/cgroup.h"

#include <stdio.h>
#include <string.h>

static void cgroup_along(const char *root, const char *group,
                         void (*seen)(const char *folder, void *user), void *user)
{
    char folder[512];
    size_t root_len = strlen(root);

    (void)snprintf(folder, sizeof folder, "%s%s", root, group);
    for (;;) {
        char *slash = strrchr(folder + root_len, '/');

        seen(folder, user);
        if (slash == NULL) {
            return;
        }
        *slash = '\0';
    }
}

void cgroup_each(const char *controller, void (*seen)(const char *folder, void *user), void *user)
{
    char line[320];
    char root[64];
    FILE *file = fopen("/proc/self/cgroup", "re");

    if (file == NULL) {
        return;
    }
    (void)snprintf(root, sizeof root, "/sys/fs/cgroup/%s", controller);
    while (fgets(line, sizeof line, file) != NULL) {
        char *controllers = strchr(line, ':');
        char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');

        if (group == NULL) {
            continue;
        }
        *group++ = '\0';
        group[strcspn(group, "\n")] = '\0';
        if (controllers[1] == '\0') {
            cgroup_along("/sys/fs/cgroup", group, seen, user);
            cgroup_along("/sys/fs/cgroup/unified", group, seen, user);
        } else if (strstr(controllers + 1, controller) != NULL) {
            cgroup_along(root, group, seen, user);
        }
    }
    (void)fclose(file);
}
