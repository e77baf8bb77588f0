/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A YAML file as a bounded tree that knows its lines: the border post of libyaml.
 *
 * Only what a person can see at a glance is accepted: mappings with plain keys, sequences, scalars.
 * Anchors, aliases, merge keys, tags and repeated keys are refused, and so is anything deeper, longer
 * or of more parts than the bounds below: what is read is what stands there, and its cost is known.
 * Every refusal says file, line and column; the getters add the key and what would be allowed.
 *
 * A scalar is text: "true", "8080" and "~" get a meaning only from the getter that is asked. Every
 * failure here is STATUS_CONFIG unless another status is named. Pure; one thread at a time for
 * parsing, any number of readers afterwards.
 *
 * Elsewhere: what the keys mean (trust/authz, sidecar/discovery).
 */
#ifndef SIGNET_CORE_RUNTIME_YAML_YAML_H
#define SIGNET_CORE_RUNTIME_YAML_YAML_H

#include <stdbool.h>
#include <stdint.h>

#include "core/runtime/base/bytes.h"

#define YAML_MAX_SIZE ((size_t)16 * 1024 * 1024) /* bytes of a file */
#define YAML_MAX_DEPTH 32                        /* mappings and sequences inside each other */
#define YAML_MAX_NODES ((size_t)1 << 19)         /* scalars, mappings and sequences of a file */
#define YAML_FILE_NAME_MAX 80                    /* bytes of a file's name that messages show */

enum yaml_kind {
    YAML_SCALAR,
    YAML_SEQUENCE,
    YAML_MAPPING,
};

struct yaml_file;

/* Lives as long as its file. Everything in it is read-only. */
struct yaml_node {
    enum yaml_kind kind;
    bool quoted;       /* a scalar in quotes or a block scalar: never "nothing" */
    uint32_t line;     /* from 1: where the value begins */
    uint32_t column;   /* from 1 */
    uint32_t count;    /* children of a sequence or mapping */
    struct bytes text; /* of a scalar; followed by a NUL that len does not count */
    struct bytes key;  /* own key when the parent is a mapping, else empty; NUL follows */
    uint32_t key_line; /* line of the key, or of the value without one */
    const struct yaml_node *first; /* first child, NULL when there is none */
    const struct yaml_node *next;  /* next child of the same parent */
    const struct yaml_file *file;  /* whose it is */
};

/* YAML_EACH visits the children of a node (NULL has none) in the order of the file. */
#define YAML_EACH(parent, child)                                                                   \
    for (const struct yaml_node *child = (parent) != NULL ? (parent)->first : NULL; child != NULL; \
         child = child->next)

/*
 * yaml_file_parse reads all documents of a file. Empty documents are left out.
 *
 *   name      shown in messages, copied: its last YAML_FILE_NAME_MAX bytes
 *   text      UTF-8; borrowed for the call
 *   out_file  on STATUS_OK, the caller must yaml_file_drop() it
 *
 * STATUS_CONFIG  "yaml/syntax", "yaml/anchor", "yaml/alias", "yaml/merge-key", "yaml/tag",
 *                "yaml/directive", "yaml/key" (not a scalar, or empty), "yaml/duplicate-key",
 *                "yaml/nul" (a NUL in a text)
 * STATUS_LIMIT   "yaml/too-large", "yaml/too-deep", "yaml/too-many"
 */
enum status yaml_file_parse(const char *name, struct bytes text, struct yaml_file **out_file,
                            struct failure *why) MUST_USE;

/* yaml_file_drop frees the file and all its nodes and sets *file to NULL; NULL is fine. */
void yaml_file_drop(struct yaml_file **file);

/* yaml_file_name is the name given to yaml_file_parse, cut to what messages show. */
const char *yaml_file_name(const struct yaml_file *file);

/* yaml_file_count is the number of documents; yaml_file_document the root of the index-th (from 0). */
size_t yaml_file_count(const struct yaml_file *file);
const struct yaml_node *yaml_file_document(const struct yaml_file *file, size_t index);

/* yaml_node_get is the value of `key` in a mapping, or NULL (also when `node` is no mapping, or NULL). */
const struct yaml_node *yaml_node_get(const struct yaml_node *node, const char *key);

/*
 * yaml_node_is_nothing: a scalar without quotes that is empty, "~" or "null". Nothing is never a
 * mapping, a list or a text to the getters below: a half-deleted line is an error, not a default.
 */
bool yaml_node_is_nothing(const struct yaml_node *node);

/*
 * yaml_node_fail fills `why` with "FILE:LINE:COLUMN: KEY: ..." (KEY where the node has one) and gives
 * STATUS_CONFIG back.
 */
enum status yaml_node_fail(struct failure *why, const struct yaml_node *node, const char *reason,
                           const char *format, ...) PRINTF_LIKE(4, 5);

/* yaml_node_check_kind refuses any other kind: "yaml/type". `node` is not NULL. */
enum status yaml_node_check_kind(const struct yaml_node *node, enum yaml_kind kind,
                                 struct failure *why) MUST_USE;

/*
 * yaml_node_check_keys refuses what is no mapping ("yaml/type") and any key that is not in `allowed`,
 * a list that ends with NULL ("yaml/unknown-key"); it names the allowed key that is nearest.
 */
enum status yaml_node_check_keys(const struct yaml_node *node, const char *const *allowed,
                                 struct failure *why) MUST_USE;

/* yaml_node_need is yaml_node_get for a key that must be there: "yaml/missing-key". */
enum status yaml_node_need(const struct yaml_node *node, const char *key,
                           const struct yaml_node **out_value, struct failure *why) MUST_USE;

/* yaml_node_text is a scalar's text, not empty, of at most `max` bytes: "yaml/type", "yaml/value". */
enum status yaml_node_text(const struct yaml_node *node, size_t max, struct bytes *out_text,
                           struct failure *why) MUST_USE;

/* yaml_node_number is a scalar in decimal between min and max: "yaml/type", "yaml/number". */
enum status yaml_node_number(const struct yaml_node *node, uint64_t min, uint64_t max,
                             uint64_t *out_number, struct failure *why) MUST_USE;

/*
 * yaml_node_choice is the index of a scalar in `words`, a list that ends with NULL: "yaml/type",
 * "yaml/value" with all the words.
 */
enum status yaml_node_choice(const struct yaml_node *node, const char *const *words,
                             unsigned *out_index, struct failure *why) MUST_USE;

#endif
