/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet-proxy/footprint.h"

#include <link.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Ticks between the wish and the act: by then gRPC's threads of that renewal have come to rest. */
enum { FOOTPRINT_DELAY = 3 };

static int footprint_countdown;

/*
 * The program's own read-only segments (code and constants), page by page from the file. Never RELRO or
 * data: those are written at start, and MADV_DONTNEED would undo it.
 */
static int footprint_drop_code(struct dl_phdr_info *object, size_t size, void *user)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)size;
    (void)user;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];

        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) == 0) {
            uintptr_t from = (object->dlpi_addr + segment->p_vaddr + page - 1) & ~(page - 1);
            uintptr_t to = (object->dlpi_addr + segment->p_vaddr + segment->p_memsz) & ~(page - 1);

            if (to > from) {
                (void)madvise((void *)from, to - from, MADV_DONTNEED);
            }
        }
    }
    return 1; /* the first object is the program; the shared libraries stay */
}

void footprint_shrink(void)
{
    footprint_countdown = FOOTPRINT_DELAY;
}

void footprint_shrink_due(void)
{
    if (footprint_countdown > 0 && --footprint_countdown == 0) {
        (void)malloc_trim(0);
        (void)dl_iterate_phdr(footprint_drop_code, NULL);
    }
}
