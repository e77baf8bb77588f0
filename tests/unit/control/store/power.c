/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/control/store/power.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/runtime/base/buffer.h"
#include "core/runtime/base/memory.h"

enum { POWER_FILES = 8, POWER_SECTOR = 512 };
#define POWER_IMAGE_MAX ((size_t)64 * 1024 * 1024)

enum power_kind { POWER_WRITE, POWER_TRUNCATE, POWER_REMOVE };

/* One change that no sync has followed yet. */
struct power_change {
    enum power_kind kind;
    size_t at; /* of a write; the new length of a truncation */
    struct buffer content;
};

/* What a disk holds. */
struct power_image {
    struct buffer content;
    bool exists;
};

struct power_disk {
    char *path; /* owned; NULL: not in use */
    struct power_image synced;
    struct power_change *changes; /* owned */
    size_t num_changes;
    size_t len;  /* as the program sees it */
    bool is_new; /* and its name not synced yet */
};

struct power_file {
    sqlite3_file base;
    struct power_disk *disk; /* NULL: a file that we do not look at */
    sqlite3_file *real;      /* right behind us */
};

static struct power_plan power_now;
static struct power_disk power_disks[POWER_FILES];
static sqlite3_vfs *power_below;
static size_t power_room = SIZE_MAX;
static long power_count;

static uint32_t power_draw(void)
{
    power_now.seed ^= power_now.seed << 13;
    power_now.seed ^= power_now.seed >> 17;
    power_now.seed ^= power_now.seed << 5;
    return power_now.seed;
}

/* --- images --------------------------------------------------------------------------------------- */

static void power_image_resize(struct power_image *image, size_t len)
{
    image->content.max = POWER_IMAGE_MAX;
    if (len > image->content.len) {
        size_t more = len - image->content.len;
        uint8_t *at = buffer_reserve(&image->content, more);

        memset(at, 0, more);
        buffer_commit(&image->content, more);
    }
    image->content.len = len;
}

static void power_image_apply(struct power_image *image, const struct power_change *change,
                              size_t len)
{
    if (change->kind == POWER_REMOVE) {
        power_image_resize(image, 0);
        image->exists = false;
        return;
    }
    image->exists = true;
    if (change->kind == POWER_TRUNCATE) {
        power_image_resize(image, change->at);
        return;
    }
    if (change->at + len > image->content.len) {
        power_image_resize(image, change->at + len);
    }
    if (len > 0) {
        memcpy(image->content.at + change->at, change->content.at, len);
    }
}

/* Brings the first `count` changes to the disk. */
static void power_settle(struct power_disk *disk, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        power_image_apply(&disk->synced, &disk->changes[i], disk->changes[i].content.len);
        buffer_clear(&disk->changes[i].content);
    }
    disk->num_changes -= count;
    if (count > 0) {
        memmove(disk->changes, disk->changes + count, disk->num_changes * sizeof *disk->changes);
    }
}

/* With the folder, every removal before is on the disk. */
static void power_settle_removals(void)
{
    for (size_t i = 0; i < POWER_FILES; i++) {
        size_t count = 0;

        for (size_t j = 0; power_disks[i].path != NULL && j < power_disks[i].num_changes; j++) {
            count = power_disks[i].changes[j].kind == POWER_REMOVE ? j + 1 : count;
        }
        power_settle(&power_disks[i], count);
    }
}

static void power_note(struct power_disk *disk, enum power_kind kind, size_t at,
                       struct bytes content)
{
    struct power_change *change;

    disk->changes = memory_grow(disk->changes, (disk->num_changes + 1) * sizeof *disk->changes);
    change = &disk->changes[disk->num_changes++];
    *change = (struct power_change){.kind = kind, .at = at};
    buffer_init(&change->content, content.len);
    if (buffer_add(&change->content, content) != STATUS_OK) {
        abort();
    }
}

/* Of the changes since the last sync some reached the disk, in any choice, and one may be torn. */
static void power_leave(struct power_disk *disk)
{
    const char *name = strrchr(disk->path, '/');
    uint32_t one_in = 1 + power_draw() % 4;
    char *path;
    int fd;

    for (size_t i = 0; i < disk->num_changes; i++) {
        const struct power_change *change = &disk->changes[i];
        size_t len = change->content.len;

        if (one_in == 4 || power_draw() % one_in != 0) {
            if (change->kind == POWER_REMOVE) {
                break; /* the old file comes back; what a new one of its name got is gone */
            }
            continue; /* 4: nothing of it did */
        }
        if (len > POWER_SECTOR && power_draw() % 4 == 0) {
            len = len / POWER_SECTOR / 2 * POWER_SECTOR;
        }
        power_image_apply(&disk->synced, change, len);
    }
    if (!disk->synced.exists) {
        return;
    }
    path = memory_format("%s%s", power_now.folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, disk->synced.content.at, disk->synced.content.len) !=
                      (ssize_t)disk->synced.content.len) {
        abort();
    }
    (void)close(fd);
    free(path);
}

/* Before each operation. */
static void power_step(void)
{
    if (++power_count != power_now.cut_at) {
        return;
    }
    for (size_t i = 0; i < POWER_FILES; i++) {
        if (power_disks[i].path != NULL) {
            power_leave(&power_disks[i]);
        }
    }
    _exit(0);
}

static struct power_disk *power_disk_of(const char *path)
{
    struct power_disk *unused = NULL;

    for (size_t i = 0; i < POWER_FILES; i++) {
        if (power_disks[i].path == NULL) {
            unused = unused == NULL ? &power_disks[i] : unused;
        } else if (strcmp(power_disks[i].path, path) == 0) {
            return &power_disks[i];
        }
    }
    if (unused == NULL) {
        abort();
    }
    unused->path = memory_text(path);
    unused->synced.content.max = POWER_IMAGE_MAX;
    unused->synced.exists = buffer_read_file(&unused->synced.content, path, NULL) == STATUS_OK;
    unused->len = unused->synced.content.len;
    return unused;
}

static size_t power_limit(void)
{
    return power_now.room != NULL ? *power_now.room : power_room;
}

/* --- SQLite's side of it -------------------------------------------------------------------------- */

static sqlite3_file *power_real(sqlite3_file *file)
{
    return ((struct power_file *)file)->real;
}

static int power_close(sqlite3_file *file)
{
    sqlite3_file *real = power_real(file);

    return real->pMethods != NULL ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int power_read(sqlite3_file *file, void *at, int len, sqlite3_int64 offset)
{
    return power_real(file)->pMethods->xRead(power_real(file), at, len, offset);
}

static int power_write(sqlite3_file *file, const void *at, int len, sqlite3_int64 offset)
{
    struct power_disk *disk = ((struct power_file *)file)->disk;
    size_t end = (size_t)offset + (size_t)len;

    if (disk != NULL) {
        power_step();
        if (end > disk->len && power_used() + (end - disk->len) > power_limit()) {
            return SQLITE_FULL;
        }
        disk->len = end > disk->len ? end : disk->len;
        power_note(disk, POWER_WRITE, (size_t)offset, bytes_make(at, (size_t)len));
    }
    return power_real(file)->pMethods->xWrite(power_real(file), at, len, offset);
}

static int power_truncate(sqlite3_file *file, sqlite3_int64 len)
{
    struct power_disk *disk = ((struct power_file *)file)->disk;

    if (disk != NULL) {
        power_step();
        disk->len = (size_t)len;
        power_note(disk, POWER_TRUNCATE, (size_t)len, (struct bytes){0});
    }
    return power_real(file)->pMethods->xTruncate(power_real(file), len);
}

static int power_sync_file(sqlite3_file *file, int flags)
{
    struct power_disk *disk = ((struct power_file *)file)->disk;

    (void)flags;
    if (disk != NULL) {
        power_step();
        if (!power_now.lies) {
            power_settle(disk, disk->num_changes);
        }
        if (!power_now.lies && disk->is_new) {
            power_settle_removals(); /* SQLite syncs the folder with a new journal or log */
            disk->is_new = false;
        }
    }
    return SQLITE_OK; /* the real file needs none: this process alone looks at it */
}

static int power_file_size(sqlite3_file *file, sqlite3_int64 *out_len)
{
    return power_real(file)->pMethods->xFileSize(power_real(file), out_len);
}

static int power_lock(sqlite3_file *file, int kind)
{
    return power_real(file)->pMethods->xLock(power_real(file), kind);
}

static int power_unlock(sqlite3_file *file, int kind)
{
    return power_real(file)->pMethods->xUnlock(power_real(file), kind);
}

static int power_check_lock(sqlite3_file *file, int *out_taken)
{
    return power_real(file)->pMethods->xCheckReservedLock(power_real(file), out_taken);
}

static int power_control(sqlite3_file *file, int operation, void *argument)
{
    return power_real(file)->pMethods->xFileControl(power_real(file), operation, argument);
}

static int power_sector(sqlite3_file *file)
{
    (void)file;
    return POWER_SECTOR;
}

static int power_traits(sqlite3_file *file)
{
    (void)file;
    return 0; /* promises nothing */
}

static int power_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
    return power_real(file)->pMethods->xShmMap(power_real(file), region, size, extend, out);
}

static int power_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return power_real(file)->pMethods->xShmLock(power_real(file), offset, count, flags);
}

static void power_shm_barrier(sqlite3_file *file)
{
    power_real(file)->pMethods->xShmBarrier(power_real(file));
}

static int power_shm_unmap(sqlite3_file *file, int remove)
{
    return power_real(file)->pMethods->xShmUnmap(power_real(file), remove);
}

static const sqlite3_io_methods power_methods = {
    .iVersion = 2,
    .xClose = power_close,
    .xRead = power_read,
    .xWrite = power_write,
    .xTruncate = power_truncate,
    .xSync = power_sync_file,
    .xFileSize = power_file_size,
    .xLock = power_lock,
    .xUnlock = power_unlock,
    .xCheckReservedLock = power_check_lock,
    .xFileControl = power_control,
    .xSectorSize = power_sector,
    .xDeviceCharacteristics = power_traits,
    .xShmMap = power_shm_map,
    .xShmLock = power_shm_lock,
    .xShmBarrier = power_shm_barrier,
    .xShmUnmap = power_shm_unmap,
};

static int power_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags,
                      int *out_flags)
{
    struct power_file *mine = (struct power_file *)file;
    int watched = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL;
    int code;

    (void)vfs;
    mine->real = (sqlite3_file *)(mine + 1);
    mine->disk = path != NULL && (flags & watched) != 0 ? power_disk_of(path) : NULL;
    if (mine->disk != NULL && (flags & SQLITE_OPEN_CREATE) != 0 && access(path, F_OK) != 0) {
        mine->disk->is_new = true;
    }
    code = power_below->xOpen(power_below, path, mine->real, flags, out_flags);
    mine->base.pMethods = mine->real->pMethods != NULL ? &power_methods : NULL;
    return code;
}

static int power_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    struct power_disk *disk = power_disk_of(path);

    (void)vfs;
    power_step();
    disk->len = 0;
    power_note(disk, POWER_REMOVE, 0, (struct bytes){0});
    if (sync_folder != 0 && !power_now.lies) {
        power_settle_removals();
    }
    return power_below->xDelete(power_below, path, sync_folder);
}

void power_install(const struct power_plan *plan)
{
    static sqlite3_vfs vfs;

    power_now = *plan;
    power_now.seed = power_now.seed != 0 ? power_now.seed : 1;
    power_below = sqlite3_vfs_find(NULL);
    vfs = *power_below;
    vfs.zName = "power";
    vfs.pNext = NULL;
    vfs.szOsFile = (int)sizeof(struct power_file) + power_below->szOsFile;
    vfs.xOpen = power_open;
    vfs.xDelete = power_delete;
    (void)sqlite3_vfs_register(&vfs, 1);
}

long power_operations(void)
{
    return power_count;
}

size_t power_unsynced(void)
{
    size_t bytes = 0;

    for (size_t i = 0; i < POWER_FILES; i++) {
        for (size_t j = 0; power_disks[i].path != NULL && j < power_disks[i].num_changes; j++) {
            bytes += power_disks[i].changes[j].content.len;
        }
    }
    return bytes;
}

void power_set_room(size_t room)
{
    power_room = room;
}

size_t power_used(void)
{
    size_t used = 0;

    for (size_t i = 0; i < POWER_FILES; i++) {
        used += power_disks[i].path != NULL ? power_disks[i].len : 0;
    }
    return used;
}
