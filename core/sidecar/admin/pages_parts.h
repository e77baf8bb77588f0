/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces that more than one page writes. For the files of this folder only. */
#ifndef SIGNET_CORE_SIDECAR_ADMIN_PAGES_PARTS_H
#define SIGNET_CORE_SIDECAR_ADMIN_PAGES_PARTS_H

#include "core/runtime/json/writer.h"
#include "core/sidecar/admin/sources.h"

/* pages_end finishes an answer: what did not fit becomes an error answer. */
void pages_end(struct json_writer *json, struct web_answer *answer);

/* pages_put_moment writes Unix s, or null for 0 and less: not known. */
void pages_put_moment(struct json_writer *json, const char *name, int64_t at_s);

/* pages_put_failure writes {"reason","detail"}, or null when there is no reason. */
void pages_put_failure(struct json_writer *json, const char *name, const char *reason,
                       const char *detail);

/* pages_workload is this sidecar's workload in the mesh in force, or NULL. Borrowed from the mesh. */
const struct snapshot_workload *pages_workload(const struct admin_sources *sources);

/* pages_access appends the sentence of who may call, without a newline. */
void pages_access(const struct admin_sources *sources, struct buffer *out);

/* pages_put_ports writes "ports": the workload's declared ports, then explicit inbound listeners. */
void pages_put_ports(struct json_writer *json, const struct admin_sources *sources);

#endif
