/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/signet/doors.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/signet/commands.h"
#include "core/runtime/base/memory.h"
#include "core/runtime/json/json.h"
#include "core/runtime/web/client.h"

void doors_clear(struct doors *doors)
{
    for (size_t i = 0; i < doors->count; i++) {
        free(doors->items[i].name);
        free(doors->items[i].address);
    }
    free(doors->items);
    *doors = (struct doors){0};
}

void doors_add(struct doors *doors, const char *name, const char *address, bool control)
{
    doors->items = memory_grow(doors->items, (doors->count + 1) * sizeof *doors->items);
    doors->items[doors->count++] = (struct door){
        .name = memory_text(name),
        .address = memory_text(address),
        .control = control,
    };
}

static int doors_order(const void *a, const void *b)
{
    return strcmp(((const struct door *)a)->name, ((const struct door *)b)->name);
}

/* doors_try adds FOLDER/NAME/admin.sock when that is a socket. */
static void doors_try(struct doors *doors, const char *folder, const char *name)
{
    char *address = memory_format("unix:%s/%s/admin.sock", folder, name);
    struct stat there;

    if (name[0] != '.' && stat(address + strlen("unix:"), &there) == 0 && S_ISSOCK(there.st_mode)) {
        doors_add(doors, name, address, strcmp(name, DOORS_CONTROL) == 0);
    }
    free(address);
}

enum status doors_find(const char *folder, struct doors *out_doors, struct failure *why)
{
    CLEARED(doors) doors = {0};
    DIR *open_folder = opendir(folder);

    if (open_folder == NULL && errno != ENOENT) {
        return fail_os(why, errno, "doors/folder", "%s cannot be read", folder);
    }
    for (const struct dirent *item; open_folder != NULL && doors.count <= DOORS_MAX;) {
        item = readdir(open_folder);
        if (item == NULL) {
            break;
        }
        doors_try(&doors, folder, item->d_name);
    }
    if (open_folder != NULL) {
        (void)closedir(open_folder);
    }
    if (doors.count > DOORS_MAX) {
        return fail(why, STATUS_LIMIT, "doors/too-many",
                    "more than %d sockets under %s: name one with --admin", DOORS_MAX, folder);
    }
    if (doors.count == 0) {
        return fail(why, STATUS_NOT_FOUND, "doors/none",
                    "no sidecar answers under %s: is signet-proxy running? try --admin unix:PATH",
                    folder);
    }
    qsort(doors.items, doors.count, sizeof *doors.items, doors_order);
    *out_doors = doors;
    doors = (struct doors){0};
    return STATUS_OK;
}

static bool doors_is_named(const struct doors_choice *choice, const char *name)
{
    for (size_t i = 0; i < choice->num_names; i++) {
        if (strcmp(choice->names[i], name) == 0) {
            return true;
        }
    }
    return choice->num_names == 0;
}

/* doors_keep drops what the command does not speak to. */
static void doors_keep(struct doors *doors, const struct doors_choice *choice, enum doors_kind kind)
{
    size_t kept = 0;

    for (size_t i = 0; i < doors->count; i++) {
        struct door *door = &doors->items[i];

        if (doors_is_named(choice, door->name) && !(kind == DOORS_SIDECARS && door->control)) {
            doors->items[kept++] = *door;
        } else {
            free(door->name);
            free(door->address);
        }
    }
    doors->count = kept;
}

static bool doors_has(const struct doors *doors, const char *name)
{
    for (size_t i = 0; i < doors->count; i++) {
        if (strcmp(doors->items[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static enum status doors_choose(const struct doors_choice *choice, enum doors_kind kind,
                                struct doors *doors, struct failure *why)
{
    const char *folder = choice->folder == NULL ? DOORS_FOLDER : choice->folder;

    TRY(doors_find(folder, doors, why));
    doors_keep(doors, choice, kind);
    for (size_t i = 0; i < choice->num_names; i++) {
        if (!doors_has(doors, choice->names[i])) {
            return fail(why, STATUS_NOT_FOUND, "doors/none",
                        "no sidecar \"%s\" under %s: signet status lists those that are there",
                        choice->names[i], folder);
        }
    }
    if (doors->count == 0) {
        return fail(why, STATUS_NOT_FOUND, "doors/none",
                    "only the control plane answers under %s: is signet-proxy running? "
                    "try --admin unix:PATH",
                    folder);
    }
    return STATUS_OK;
}

bool doors_open(const struct doors_choice *choice, enum doors_kind kind, struct doors *out_doors,
                int *out_verdict)
{
    struct failure why = {0};

    if (choice->address != NULL) {
        doors_add(out_doors, choice->address, choice->address, false);
        return true;
    }
    if (doors_choose(choice, kind, out_doors, &why) == STATUS_OK) {
        return true;
    }
    (void)fprintf(stderr, "signet: %s\n", why.detail);
    *out_verdict = VERDICT_UNREACHABLE;
    return false;
}

bool doors_enter(const struct manual *manual, int count, char **arguments,
                 struct doors_choice *choice, struct doors *out_doors, int *out_verdict)
{
    struct manual_words words;
    bool entered;

    if (!manual_open(manual, count, arguments, &words, out_verdict)) {
        return false;
    }
    choice->names = words.operands;
    choice->num_names = words.num_operands;
    entered = doors_open(choice, DOORS_SIDECARS, out_doors, out_verdict);
    choice->names = NULL; /* they end here */
    choice->num_names = 0;
    return entered;
}

void doors_control(const struct doors_choice *choice, struct doors *out_doors)
{
    char *address;

    if (choice->address != NULL) {
        doors_add(out_doors, choice->address, choice->address, true);
        return;
    }
    address = memory_format("unix:%s/%s/admin.sock",
                            choice->folder == NULL ? DOORS_FOLDER : choice->folder, DOORS_CONTROL);
    doors_add(out_doors, DOORS_CONTROL, address, true);
    free(address);
}

/* What a person can do about a call that failed. */
static const char *door_remedy(const struct door *door, enum status status)
{
    switch (status) {
    case STATUS_NOT_FOUND:
        return door->control ? "is signet-control running? try --admin unix:PATH"
                             : "is signet-proxy running? try --admin unix:PATH";
    case STATUS_DENIED:
        return "ask as root, or as the user that the program runs as";
    case STATUS_CONFIG:
        return "an address is unix:PATH or 127.0.0.1:PORT";
    case STATUS_LIMIT:
        return "the program lives but does not answer in time: its log may say why";
    default:
        return "is it an admin address of Signet?";
    }
}

enum status door_ask(const struct door *door, const struct door_question *question,
                     unsigned *out_code, struct buffer *out_body, struct failure *why)
{
    const struct web_call call = {
        .address = door->address,
        .method = question->method,
        .target = question->path,
        .body = question->body,
        .limit_ms = DOORS_LIMIT_MS,
        .answer_max = DOORS_REPLY_MAX,
    };
    struct web_reply reply = {0};
    struct failure inner = {0};
    enum status status = web_client_call(&call, &reply, &inner);

    if (status != STATUS_OK) {
        /* Most failures name the address themselves. */
        bool named = strstr(inner.detail, door->address) != NULL;
        enum status said =
            fail(why, status, inner.reason, "%s%s%.140s: %s", named ? "" : door->address,
                 named ? "" : ": ", inner.detail, door_remedy(door, status));

        if (why != NULL) {
            why->os_error = inner.os_error;
        }
        return said;
    }
    *out_code = reply.status;
    *out_body = reply.body;
    return STATUS_OK;
}

enum status door_refusal(const struct door *door, unsigned code, struct bytes body,
                         struct failure *why)
{
    struct json_value *top = NULL;
    struct bytes reason = {0}, detail = {0};

    if (json_read(body, DOORS_REPLY_MAX, &top, NULL) == STATUS_OK) {
        (void)!json_get_text(top, "reason", 256, &reason, NULL);
        (void)!json_get_text(top, "detail", 4096, &detail, NULL);
    }
    if (reason.len == 0) {
        (void)fail(why, STATUS_DENIED, "door/refused", "%s answers with HTTP status %u",
                   door->address, code);
    } else {
        (void)fail(why, STATUS_DENIED, "door/refused", "%.*s (%.*s)", (int)detail.len,
                   detail.len > 0 ? (const char *)detail.at : "", (int)reason.len,
                   (const char *)reason.at);
    }
    json_value_drop(&top);
    return STATUS_DENIED;
}

enum status door_get(const struct door *door, const char *path, struct buffer *out_body,
                     struct failure *why)
{
    CLEARED(buffer) body = {0};
    unsigned code = 0;
    const struct door_question question = {.method = "GET", .path = path};

    TRY(door_ask(door, &question, &code, &body, why));
    if (code < 200 || code > 299) {
        return door_refusal(door, code, buffer_bytes(&body), why);
    }
    *out_body = body;
    body = (struct buffer){0};
    return STATUS_OK;
}

int doors_ask_control(const struct doors_choice *choice, const struct door_question *question,
                      struct buffer *out_body)
{
    CLEARED(doors) doors = {0};
    CLEARED(buffer) body = {0};
    struct failure why = {0};
    unsigned code = 0;

    doors_control(choice, &doors);
    if (door_ask(&doors.items[0], question, &code, &body, &why) != STATUS_OK) {
        (void)fprintf(stderr, "signet: %s\n", why.detail);
        return VERDICT_UNREACHABLE;
    }
    if (code < 200 || code > 299) {
        (void)!door_refusal(&doors.items[0], code, buffer_bytes(&body), &why);
        (void)fprintf(stderr, "signet: refused: %s\n", why.detail);
        return VERDICT_NO;
    }
    *out_body = body;
    body = (struct buffer){0};
    return VERDICT_OK;
}

int doors_visit(const struct doors *doors, const char *path, door_visit_fn visit, void *user)
{
    size_t num_failed = 0, num_silent = 0;

    for (size_t i = 0; i < doors->count; i++) {
        const struct door *door = &doors->items[i];
        CLEARED(buffer) body = {0};
        struct failure why = {0};
        enum status status = door_get(door, path, &body, &why);

        num_silent += status != STATUS_OK;
        if (status == STATUS_OK) {
            status = visit(user, door, buffer_bytes(&body), &why);
        }
        if (status != STATUS_OK) {
            num_failed++;
            (void)fprintf(stderr, "signet: %s: %s\n", door->name, why.detail);
        }
    }
    if (num_silent == doors->count) {
        return VERDICT_UNREACHABLE;
    }
    return num_failed == 0 ? VERDICT_OK : VERDICT_NO;
}
