/* SPDX-License-Identifier: Apache-2.0 */
/* How an entry is written into the store, and read again. Pure. */
#include "core/control/registry/entry.h"
#include "core/control/registry/record.h"

enum entry_tag {
    ENTRY_TAG_NAME = 1,
    ENTRY_TAG_ID,
    ENTRY_TAG_DESCRIPTION,
    ENTRY_TAG_LIFE,
    ENTRY_TAG_INSTANCES,
    ENTRY_TAG_CREATED,
    ENTRY_TAG_MADE,
    ENTRY_TAG_SOURCE,
};

void entry_encode(const struct entry *entry, struct buffer *out_record)
{
    record_begin(out_record);
    record_add(out_record, ENTRY_TAG_NAME, bytes_of(entry->name));
    record_add(out_record, ENTRY_TAG_ID, spiffe_id_text(&entry->spiffe_id));
    record_add(out_record, ENTRY_TAG_DESCRIPTION, bytes_of(entry->description));
    record_add_number(out_record, ENTRY_TAG_LIFE, entry->max_life_s);
    record_add_number(out_record, ENTRY_TAG_INSTANCES, entry->max_instances);
    record_add_number(out_record, ENTRY_TAG_CREATED, entry->created_at);
    record_add_number(out_record, ENTRY_TAG_MADE, entry->made_revision);
    record_add_number(out_record, ENTRY_TAG_SOURCE, entry->source);
}

static enum status entry_decode_field(const struct record_field *field, struct entry *entry,
                                      struct failure *why)
{
    int64_t number = 0;

    switch (field->tag) {
    case ENTRY_TAG_NAME:
        return record_text(field, entry->name, sizeof entry->name, why);
    case ENTRY_TAG_ID:
        return spiffe_id_parse(field->content, &entry->spiffe_id, why);
    case ENTRY_TAG_DESCRIPTION:
        return record_text(field, entry->description, sizeof entry->description, why);
    case ENTRY_TAG_LIFE:
    case ENTRY_TAG_INSTANCES:
        TRY(record_number(field, &number, why));
        if (number < 0 || number > UINT32_MAX) {
            return fail(why, STATUS_PROTOCOL, "entry/record", "field %d is out of range",
                        field->tag);
        }
        *(field->tag == ENTRY_TAG_LIFE ? &entry->max_life_s : &entry->max_instances) =
            (uint32_t)number;
        return STATUS_OK;
    case ENTRY_TAG_CREATED:
        return record_number(field, &entry->created_at, why);
    case ENTRY_TAG_MADE:
        return record_number(field, &entry->made_revision, why);
    case ENTRY_TAG_SOURCE:
        TRY(record_number(field, &number, why));
        entry->source = number == ENTRY_OF_FILE ? ENTRY_OF_FILE : ENTRY_OF_OPERATOR;
        return STATUS_OK;
    default:
        return STATUS_OK; /* of a newer program */
    }
}

enum status entry_decode(struct bytes record, struct entry *out_entry, struct failure *why)
{
    struct entry entry = {0};
    struct record_field field = {0};
    struct bytes rest;
    enum status status;

    TRY(record_open(record, &rest, why));
    while ((status = record_next(&rest, &field, why)) == STATUS_OK) {
        TRY(entry_decode_field(&field, &entry, why));
    }
    if (status != STATUS_CLOSED) {
        return status;
    }
    if (entry.name[0] == '\0' || spiffe_id_path(&entry.spiffe_id).len == 0) {
        return fail(why, STATUS_PROTOCOL, "entry/record", "an entry without a name or an identity");
    }
    *out_entry = entry;
    return STATUS_OK;
}
