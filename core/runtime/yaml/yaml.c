/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's events into a tree. The only file that includes libyaml; see yaml.h for what is refused.
 *
 * The event interface is used, never libyaml's own tree: that one resolves aliases and has no bounds.
 * Levels stand on a stack of fixed depth, so no input makes us recurse.
 */
#include "core/runtime/yaml/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "core/runtime/base/arena.h"
#include "core/runtime/base/map.h"
#include "core/runtime/base/memory.h"

enum { YAML_FEW_KEYS = 16, YAML_SHOWN = 40 };

struct yaml_file {
    struct arena arena;
    const char *name;
    const struct yaml_node *first; /* roots, linked by `next` */
    struct yaml_node *last;
    size_t count;
};

struct yaml_level {
    struct yaml_node *node;
    struct yaml_node *last; /* child added last */
    struct bytes key;       /* read, its value not yet; `at` NULL when none is waiting */
    uint32_t key_line;
};

struct yaml_reader {
    struct yaml_file *file;
    struct yaml_level levels[YAML_MAX_DEPTH];
    unsigned depth;
    size_t nodes;
    struct yaml_node *root; /* of the document being read */
};

void yaml_file_drop(struct yaml_file **file)
{
    if (*file != NULL) {
        arena_clear(&(*file)->arena);
        free(*file);
        *file = NULL;
    }
}

const char *yaml_file_name(const struct yaml_file *file)
{
    return file->name;
}

size_t yaml_file_count(const struct yaml_file *file)
{
    return file->count;
}

const struct yaml_node *yaml_file_document(const struct yaml_file *file, size_t index)
{
    const struct yaml_node *root = file->first;

    while (root != NULL && index > 0) {
        root = root->next;
        index--;
    }
    return root;
}

static enum status yaml_reader_fail(const struct yaml_reader *reader, const yaml_mark_t *mark,
                                    const char *reason, const char *what, struct failure *why)
{
    return fail(why, STATUS_CONFIG, reason, "%s:%zu:%zu: %s", reader->file->name, mark->line + 1,
                mark->column + 1, what);
}

/* yaml_reader_count keeps the bound on parts; keys count too. */
static enum status yaml_reader_count(struct yaml_reader *reader, const yaml_mark_t *mark,
                                     struct failure *why)
{
    if (++reader->nodes > YAML_MAX_NODES) {
        return fail(why, STATUS_LIMIT, "yaml/too-many", "%s:%zu: more than %zu keys and values",
                    reader->file->name, mark->line + 1, YAML_MAX_NODES);
    }
    return STATUS_OK;
}

/* yaml_reader_plain refuses what a value may carry besides itself. */
static enum status yaml_reader_plain(const struct yaml_reader *reader, const yaml_event_t *event,
                                     const yaml_char_t *anchor, const yaml_char_t *tag,
                                     struct failure *why)
{
    if (anchor != NULL) {
        return yaml_reader_fail(reader, &event->start_mark, "yaml/anchor",
                                "anchors (&name) are not accepted: write the value out", why);
    }
    if (tag != NULL) {
        return yaml_reader_fail(reader, &event->start_mark, "yaml/tag",
                                "tags (!name) are not accepted", why);
    }
    return STATUS_OK;
}

/* yaml_reader_add makes a node and hangs it where the reader stands. */
static enum status yaml_reader_add(struct yaml_reader *reader, enum yaml_kind kind,
                                   const yaml_event_t *event, struct yaml_node **out_node,
                                   struct failure *why)
{
    struct yaml_level *level = reader->depth > 0 ? &reader->levels[reader->depth - 1] : NULL;
    struct yaml_node *node;

    if (level != NULL && level->node->kind == YAML_MAPPING && level->key.at == NULL) {
        return yaml_reader_fail(reader, &event->start_mark, "yaml/key",
                                "a key must be a plain word", why);
    }
    TRY(yaml_reader_count(reader, &event->start_mark, why));
    node = arena_take(&reader->file->arena, 1, sizeof *node);
    node->kind = kind;
    node->line = (uint32_t)event->start_mark.line + 1;
    node->column = (uint32_t)event->start_mark.column + 1;
    node->key_line = node->line;
    node->file = reader->file;
    if (level == NULL) {
        reader->root = node;
    } else {
        if (level->node->kind == YAML_MAPPING) {
            node->key = level->key;
            node->key_line = level->key_line;
            level->key = (struct bytes){0};
        }
        if (level->last == NULL) {
            level->node->first = node;
        } else {
            level->last->next = node;
        }
        level->last = node;
        level->node->count++;
    }
    *out_node = node;
    return STATUS_OK;
}

static enum status yaml_reader_open(struct yaml_reader *reader, enum yaml_kind kind,
                                    const yaml_event_t *event, struct failure *why)
{
    struct yaml_node *node;

    if (reader->depth == YAML_MAX_DEPTH) {
        return fail(why, STATUS_LIMIT, "yaml/too-deep", "%s:%zu:%zu: deeper than %d levels",
                    reader->file->name, event->start_mark.line + 1, event->start_mark.column + 1,
                    YAML_MAX_DEPTH);
    }
    TRY(yaml_reader_add(reader, kind, event, &node, why));
    reader->levels[reader->depth] = (struct yaml_level){.node = node};
    reader->depth++;
    return STATUS_OK;
}

static enum status yaml_reader_repeated(const struct yaml_node *first,
                                        const struct yaml_node *second, struct failure *why)
{
    return fail(why, STATUS_CONFIG, "yaml/duplicate-key",
                "%s:%u: key \"%.*s\" stands here again, first in line %u", second->file->name,
                second->key_line,
                (int)(second->key.len < YAML_SHOWN ? second->key.len : YAML_SHOWN),
                (const char *)second->key.at, first->key_line);
}

/* yaml_reader_check_unique compares all pairs of few keys, and hashes many: cost stays linear. */
static enum status yaml_reader_check_unique(const struct yaml_node *mapping, struct failure *why)
{
    CLEARED(map) seen = {0};

    if (mapping->count <= YAML_FEW_KEYS) {
        YAML_EACH(mapping, child) {
            for (const struct yaml_node *later = child->next; later != NULL; later = later->next) {
                if (bytes_equal(child->key, later->key)) {
                    return yaml_reader_repeated(child, later, why);
                }
            }
        }
        return STATUS_OK;
    }
    YAML_EACH(mapping, child) {
        const struct yaml_node *first = map_put(&seen, child->key, (void *)(uintptr_t)child);

        if (first != NULL) {
            return yaml_reader_repeated(first, child, why);
        }
    }
    return STATUS_OK;
}

static enum status yaml_reader_close(struct yaml_reader *reader, struct failure *why)
{
    const struct yaml_node *node = reader->levels[--reader->depth].node;

    return node->kind == YAML_MAPPING ? yaml_reader_check_unique(node, why) : STATUS_OK;
}

static enum status yaml_reader_key(struct yaml_reader *reader, const yaml_event_t *event,
                                   struct bytes text, bool quoted, struct failure *why)
{
    struct yaml_level *level = &reader->levels[reader->depth - 1];

    if (!quoted && bytes_equal_text(text, "<<")) {
        return yaml_reader_fail(reader, &event->start_mark, "yaml/merge-key",
                                "merge keys (<<) are not accepted: write the keys out", why);
    }
    if (text.len == 0) {
        return yaml_reader_fail(reader, &event->start_mark, "yaml/key", "a key is empty", why);
    }
    TRY(yaml_reader_count(reader, &event->start_mark, why));
    level->key = bytes_make(arena_text(&reader->file->arena, text), text.len);
    level->key_line = (uint32_t)event->start_mark.line + 1;
    return STATUS_OK;
}

static enum status yaml_reader_scalar(struct yaml_reader *reader, const yaml_event_t *event,
                                      struct failure *why)
{
    struct bytes text = bytes_make(event->data.scalar.value, event->data.scalar.length);
    bool quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    struct yaml_level *level = reader->depth > 0 ? &reader->levels[reader->depth - 1] : NULL;
    struct yaml_node *node;

    TRY(yaml_reader_plain(reader, event, event->data.scalar.anchor, event->data.scalar.tag, why));
    if (text.len > 0 && memchr(text.at, 0, text.len) != NULL) {
        return yaml_reader_fail(reader, &event->start_mark, "yaml/nul", "a text holds a NUL byte",
                                why);
    }
    if (level != NULL && level->node->kind == YAML_MAPPING && level->key.at == NULL) {
        return yaml_reader_key(reader, event, text, quoted, why);
    }
    TRY(yaml_reader_add(reader, YAML_SCALAR, event, &node, why));
    node->text = bytes_make(arena_text(&reader->file->arena, text), text.len);
    node->quoted = quoted;
    return STATUS_OK;
}

static enum status yaml_reader_end_document(struct yaml_reader *reader)
{
    struct yaml_node *root = TAKE(reader->root);
    struct yaml_file *file = reader->file;

    if (root == NULL || yaml_node_is_nothing(root)) {
        return STATUS_OK;
    }
    if (file->last == NULL) {
        file->first = root;
    } else {
        file->last->next = root;
    }
    file->last = root;
    file->count++;
    return STATUS_OK;
}

static enum status yaml_reader_take(struct yaml_reader *reader, const yaml_event_t *event,
                                    struct failure *why)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end) {
            return yaml_reader_fail(reader, &event->start_mark, "yaml/directive",
                                    "%TAG directives are not accepted", why);
        }
        return STATUS_OK;
    case YAML_DOCUMENT_END_EVENT:
        return yaml_reader_end_document(reader);
    case YAML_ALIAS_EVENT:
        return yaml_reader_fail(reader, &event->start_mark, "yaml/alias",
                                "aliases (*name) are not accepted; quote a text that begins with *",
                                why);
    case YAML_SCALAR_EVENT:
        return yaml_reader_scalar(reader, event, why);
    case YAML_SEQUENCE_START_EVENT:
        TRY(yaml_reader_plain(reader, event, event->data.sequence_start.anchor,
                              event->data.sequence_start.tag, why));
        return yaml_reader_open(reader, YAML_SEQUENCE, event, why);
    case YAML_MAPPING_START_EVENT:
        TRY(yaml_reader_plain(reader, event, event->data.mapping_start.anchor,
                              event->data.mapping_start.tag, why));
        return yaml_reader_open(reader, YAML_MAPPING, event, why);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return yaml_reader_close(reader, why);
    default: /* begin and end of the stream */
        return STATUS_OK;
    }
}

static enum status yaml_reader_syntax(const struct yaml_reader *reader, const yaml_parser_t *parser,
                                      struct failure *why)
{
    /* The decoder of characters gives no mark; the parser's own is then the line it had reached. */
    const yaml_mark_t *mark =
        parser->error == YAML_READER_ERROR ? &parser->mark : &parser->problem_mark;
    const char *problem = parser->problem != NULL ? parser->problem : "not YAML";

    if (parser->context != NULL) {
        return fail(why, STATUS_CONFIG, "yaml/syntax", "%s:%zu:%zu: %s, %s", reader->file->name,
                    mark->line + 1, mark->column + 1, parser->context, problem);
    }
    return yaml_reader_fail(reader, mark, "yaml/syntax", problem, why);
}

static enum status yaml_reader_run(struct yaml_reader *reader, yaml_parser_t *parser,
                                   struct failure *why)
{
    bool done = false;

    while (!done) {
        yaml_event_t event;
        enum status status;

        if (!yaml_parser_parse(parser, &event)) {
            if (parser->error == YAML_MEMORY_ERROR) {
                abort();
            }
            return yaml_reader_syntax(reader, parser, why);
        }
        done = event.type == YAML_STREAM_END_EVENT;
        status = yaml_reader_take(reader, &event, why);
        yaml_event_delete(&event);
        TRY(status);
    }
    return STATUS_OK;
}

/* yaml_file_show_name keeps the tail of a long path, where the file's own name is. */
static const char *yaml_file_show_name(struct arena *arena, const char *name)
{
    size_t len = strlen(name);

    return len <= YAML_FILE_NAME_MAX
               ? arena_text(arena, bytes_of(name))
               : arena_format(arena, "...%s", name + len - (YAML_FILE_NAME_MAX - 3));
}

enum status yaml_file_parse(const char *name, struct bytes text, struct yaml_file **out_file,
                            struct failure *why)
{
    OWNED(yaml_file) *file = memory_make(sizeof *file);
    struct yaml_reader reader = {.file = file};
    yaml_parser_t parser;
    enum status status;

    file->name = yaml_file_show_name(&file->arena, name);
    if (text.len > YAML_MAX_SIZE) {
        return fail(why, STATUS_LIMIT, "yaml/too-large", "%s: longer than %zu bytes", file->name,
                    YAML_MAX_SIZE);
    }
    if (!yaml_parser_initialize(&parser)) {
        abort();
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, text.at != NULL ? text.at : (const uint8_t *)"",
                                 text.len);
    status = yaml_reader_run(&reader, &parser, why);
    yaml_parser_delete(&parser);
    TRY(status);
    *out_file = TAKE(file);
    return STATUS_OK;
}
