/* SPDX-License-Identifier: Apache-2.0 */
#include "core/redirect/apply.h"

#include <unistd.h>

#include "core/redirect/diagnose.h"
#include "core/redirect/iptables.h"
#include "core/redirect/nft.h"
#include "core/redirect/process.h"

#define APPLY_LIMIT_MS 20000
#define APPLY_NFT_TEXT_MAX (256 * 1024) /* bytes: a whole plan is under 32 KiB */

/* One family's programs; iptables keeps them apart. */
struct apply_family {
    enum plan_family family;
    const char *restore;
    const char *save;
    const char *single;
    const char *table; /* nft's words for what iptables-nft leaves behind */
};

static const struct apply_family apply_families[] = {
    {PLAN_IPV4, "iptables-restore", "iptables-save", "iptables", "ip"},
    {PLAN_IPV6, "ip6tables-restore", "ip6tables-save", "ip6tables", "ip6"},
};

/* What one family was before, and shall be. */
struct apply_change {
    const struct apply_family *of;
    struct process_result before; /* of iptables-save */
    struct buffer text;           /* for iptables-restore */
};

bool apply_backend_parse(struct bytes text, enum apply_backend *out_backend)
{
    for (enum apply_backend b = APPLY_AUTO; b <= APPLY_IPTABLES; b++) {
        if (bytes_equal_text(text, apply_backend_word(b))) {
            *out_backend = b;
            return true;
        }
    }
    return false;
}

const char *apply_backend_word(enum apply_backend backend)
{
    static const char *const words[] = {"auto", "nft", "iptables"};

    return words[backend];
}

static bool apply_has_program(const char *name)
{
    char path[PROCESS_PATH_MAX];

    return process_find(name, path);
}

/* The kernel shows this file when it has IPv6, be it switched off in this namespace or not. */
static bool apply_has_ipv6(void)
{
    return access("/proc/net/if_inet6", F_OK) == 0;
}

static enum status apply_nft_run(struct bytes text, bool dry_run, struct failure *why)
{
    static const char *const load[] = {"nft", "-f", "-", NULL};
    static const char *const judge[] = {"nft", "-c", "-f", "-", NULL};
    CLEARED(process_result) result = {0};

    TRY(process_run(dry_run ? judge : load, text, APPLY_LIMIT_MS, &result, why));
    return result.exit_code == 0 ? STATUS_OK : diagnose_nft(buffer_bytes(&result.err), why);
}

static enum status apply_nft_set(const struct plan *plan, bool dry_run, struct failure *why)
{
    CLEARED(buffer) text = {0};

    buffer_init(&text, APPLY_NFT_TEXT_MAX);
    TRY(nft_ruleset(plan, &text));
    return apply_nft_run(buffer_bytes(&text), dry_run, why);
}

/* A kernel without nf_tables, or a system without nft, holds no table of ours. */
static enum status apply_nft_remove(bool *out_was_there, struct failure *why)
{
    static const char *const list[] = {"nft", "list", "table", "inet", "signet", NULL};
    CLEARED(process_result) result = {0};
    enum status status;

    *out_was_there = false;
    if (!apply_has_program("nft")) {
        return STATUS_OK;
    }
    TRY(process_run(list, bytes_of(""), APPLY_LIMIT_MS, &result, why));
    if (result.exit_code != 0) {
        status = diagnose_nft(buffer_bytes(&result.err), why);
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    TRY(apply_nft_run(bytes_of(nft_removal()), false, why));
    *out_was_there = true;
    return STATUS_OK;
}

static enum status apply_iptables_save(const struct apply_family *of,
                                       struct process_result *out_saved, struct failure *why)
{
    const char *const argv[] = {of->save, "-t", "nat", NULL};

    TRY(process_run(argv, bytes_of(""), APPLY_LIMIT_MS, out_saved, why));
    if (out_saved->exit_code != 0) {
        return diagnose_iptables(of->save, buffer_bytes(&out_saved->err), why);
    }
    return STATUS_OK;
}

static enum status apply_iptables_restore(const struct apply_family *of, struct bytes text,
                                          bool dry_run, struct failure *why)
{
    const char *const argv[] = {of->restore, "--noflush", "--wait=5", dry_run ? "--test" : NULL,
                                NULL};
    CLEARED(process_result) result = {0};

    TRY(process_run(argv, text, APPLY_LIMIT_MS, &result, why));
    if (result.exit_code != 0) {
        return diagnose_iptables(of->restore, buffer_bytes(&result.err), why);
    }
    return STATUS_OK;
}

static enum status apply_change_prepare(struct apply_change *change, const struct plan *plan,
                                        struct failure *why)
{
    struct iptables_state state;

    buffer_init(&change->text, IPTABLES_TEXT_MAX);
    TRY(apply_iptables_save(change->of, &change->before, why));
    state = iptables_state_read(buffer_bytes(&change->before.out));
    TRY(iptables_ruleset(plan, change->of->family, &state, &change->text));
    return apply_iptables_restore(change->of, buffer_bytes(&change->text), true, why);
}

/* Best effort: the failure that brought us here is the one to report. */
static void apply_change_undo(const struct apply_change *change)
{
    CLEARED(process_result) now = {0};
    CLEARED(buffer) text = {0};
    struct iptables_state state;

    buffer_init(&text, IPTABLES_TEXT_MAX);
    if (apply_iptables_save(change->of, &now, NULL) != STATUS_OK) {
        return;
    }
    state = iptables_state_read(buffer_bytes(&now.out));
    if (iptables_restoral(buffer_bytes(&change->before.out), &state, &text) == STATUS_OK) {
        (void)!apply_iptables_restore(change->of, buffer_bytes(&text), false, NULL);
    }
}

static enum status apply_changes_run(struct apply_change *changes, size_t num_changes,
                                     const struct plan *plan, bool dry_run, struct failure *why)
{
    for (size_t i = 0; i < num_changes; i++) {
        TRY(apply_change_prepare(&changes[i], plan, why));
    }
    for (size_t i = 0; !dry_run && i < num_changes; i++) {
        enum status status = apply_iptables_restore(changes[i].of,
                                                    buffer_bytes(&changes[i].text), false, why);

        if (status != STATUS_OK) {
            while (i-- > 0) {
                apply_change_undo(&changes[i]);
            }
            return status;
        }
    }
    return STATUS_OK;
}

static enum status apply_iptables_set(const struct plan *plan, bool dry_run, struct failure *why)
{
    struct apply_change changes[] = {{.of = &apply_families[0]}, {.of = &apply_families[1]}};
    size_t num_changes = apply_has_ipv6() ? 2 : 1;
    enum status status;

    for (size_t i = 0; i < num_changes; i++) {
        if (!apply_has_program(changes[i].of->restore)) {
            return fail(why, STATUS_NOT_FOUND, "redirect/tool",
                        "%s is not installed%s: install the package nftables or iptables",
                        changes[i].of->restore,
                        i == 0 ? "" : ", and IPv6 would pass beside the mesh");
        }
    }
    status = apply_changes_run(changes, num_changes, plan, dry_run, why);
    for (size_t i = 0; i < 2; i++) {
        process_result_clear(&changes[i].before);
        buffer_clear(&changes[i].text);
    }
    return status;
}

/*
 * iptables over nf_tables leaves the built-in chains that it made, and perhaps an empty table, which
 * iptables-save does not show but `nft list ruleset` does. Only what holds nothing goes: a chain with
 * a rule of somebody else's is refused, and the table goes when nothing at all is left in it.
 */
static void apply_iptables_tidy(const struct apply_family *of)
{
    const char *const argvs[][6] = {
        {of->single, "-t", "nat", "-X", "OUTPUT", NULL},
        {of->single, "-t", "nat", "-X", "PREROUTING", NULL},
    };
    const char *const list[] = {"nft", "list", "table", of->table, "nat", NULL};
    const char *const drop[] = {"nft", "delete", "table", of->table, "nat", NULL};
    CLEARED(process_result) listed = {0};

    for (size_t i = 0; i < 2; i++) {
        CLEARED(process_result) result = {0};

        (void)!process_run(argvs[i], bytes_of(""), APPLY_LIMIT_MS, &result, NULL);
    }
    if (process_run(list, bytes_of(""), APPLY_LIMIT_MS, &listed, NULL) == STATUS_OK &&
        listed.exit_code == 0 &&
        bytes_ends(bytes_trim(buffer_bytes(&listed.out)), bytes_of("nat {\n}"))) {
        CLEARED(process_result) result = {0};

        (void)!process_run(drop, bytes_of(""), APPLY_LIMIT_MS, &result, NULL);
    }
}

static enum status apply_iptables_remove_family(const struct apply_family *of, bool *out_was_there,
                                                struct failure *why)
{
    CLEARED(process_result) saved = {0};
    CLEARED(buffer) text = {0};
    struct iptables_state state;
    enum status status;

    *out_was_there = false;
    if (!apply_has_program(of->save) || !apply_has_program(of->restore)) {
        return STATUS_OK;
    }
    status = apply_iptables_save(of, &saved, why);
    if (status != STATUS_OK) {
        /* A kernel without this table holds no rule of ours. */
        return status == STATUS_NOT_FOUND ? STATUS_OK : status;
    }
    state = iptables_state_read(buffer_bytes(&saved.out));
    if (iptables_state_is_empty(&state)) {
        return STATUS_OK;
    }
    buffer_init(&text, IPTABLES_TEXT_MAX);
    TRY(iptables_removal(&state, &text));
    TRY(apply_iptables_restore(of, buffer_bytes(&text), false, why));
    *out_was_there = true;
    apply_iptables_tidy(of);
    return STATUS_OK;
}

static enum status apply_iptables_remove(bool *out_was_there, struct failure *why)
{
    bool ipv4 = false;
    bool ipv6 = false;

    TRY(apply_iptables_remove_family(&apply_families[0], &ipv4, why));
    TRY(apply_iptables_remove_family(&apply_families[1], &ipv6, why));
    *out_was_there = ipv4 || ipv6;
    return STATUS_OK;
}

static enum status apply_set_by(const struct plan *plan, enum apply_backend backend, bool dry_run,
                                struct apply_outcome *out_outcome, struct failure *why)
{
    struct apply_outcome outcome = {.backend = backend, .ipv6 = apply_has_ipv6()};

    if (backend == APPLY_NFT) {
        TRY(apply_nft_set(plan, dry_run, why));
    } else {
        TRY(apply_iptables_set(plan, dry_run, why));
    }
    /* Old rules of ours in the other backend would go on capturing by the old plan. */
    if (!dry_run && backend == APPLY_NFT) {
        TRY(apply_iptables_remove(&outcome.replaced_other, why));
    } else if (!dry_run) {
        TRY(apply_nft_remove(&outcome.replaced_other, why));
    }
    *out_outcome = outcome;
    return STATUS_OK;
}

enum status apply_set(const struct plan *plan, enum apply_backend wanted, bool dry_run,
                      struct apply_outcome *out_outcome, struct failure *why)
{
    bool has_nft = apply_has_program("nft");
    bool has_iptables = apply_has_program("iptables-restore");
    enum status status;

    if (!has_nft && wanted != APPLY_IPTABLES && (wanted == APPLY_NFT || !has_iptables)) {
        return fail(why, STATUS_NOT_FOUND, "redirect/tool",
                    wanted == APPLY_NFT ? "nft is not installed: install the package nftables"
                                        : "neither nft nor iptables-restore is installed: install "
                                          "the package nftables or iptables");
    }
    if (wanted == APPLY_IPTABLES || !has_nft) {
        return apply_set_by(plan, APPLY_IPTABLES, dry_run, out_outcome, why);
    }
    status = apply_set_by(plan, APPLY_NFT, dry_run, out_outcome, why);
    if (status == STATUS_NOT_FOUND && wanted == APPLY_AUTO && has_iptables) {
        return apply_set_by(plan, APPLY_IPTABLES, dry_run, out_outcome, why);
    }
    return status;
}

enum status apply_remove(bool *out_was_there, struct failure *why)
{
    bool in_nft = false;
    bool in_iptables = false;

    if (!apply_has_program("nft") && !apply_has_program("iptables-save")) {
        return fail(why, STATUS_NOT_FOUND, "redirect/tool",
                    "neither nft nor iptables is installed, so nobody can look: install the "
                    "package nftables or iptables");
    }
    TRY(apply_nft_remove(&in_nft, why));
    TRY(apply_iptables_remove(&in_iptables, why));
    *out_was_there = in_nft || in_iptables;
    return STATUS_OK;
}
