/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the limits of this process stand: the folders of its control groups.
 * Source: cgroups(7); Documentation/admin-guide/cgroup-v2.rst of Linux.
 */
#ifndef SIGNET_CORE_RUNTIME_LOOP_CGROUP_H
#define SIGNET_CORE_RUNTIME_LOOP_CGROUP_H

/*
 * cgroup_each calls seen(folder, user) for the folder of our own group and of each of its parents, as a
 * limit of any of them holds: of version 2, also where it is mounted below "unified", and of version
 * 1's hierarchy of `controller` ("cpu", "memory"). A folder need not exist. Any thread.
 */
void cgroup_each(const char *controller, void (*seen)(const char *folder, void *user), void *user);

#endif
