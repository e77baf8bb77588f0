/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the control plane says about itself, for people. Pure but for the printing.
 *
 * Source: core/control/serve/operators.h, which says what its replies hold.
 */
#ifndef SIGNET_CMD_SIGNET_CONTROL_PLANE_H
#define SIGNET_CMD_SIGNET_CONTROL_PLANE_H

#include <stdio.h>

#include "core/runtime/base/bytes.h"
#include "core/runtime/base/status.h"

/*
 * control_plane_is tells whether a GET /status reply came from a control plane and not from a sidecar,
 * and whether all is well with it. Errors: of json_read.
 */
enum status control_plane_is(struct bytes body, bool *out_is, bool *out_well,
                             struct failure *why) MUST_USE;

/*
 * control_plane_print writes its few lines to `out`; `now_s` is the present in Unix s. Errors: of
 * json_read and its getters; nothing was then printed.
 */
enum status control_plane_print(struct bytes body, int64_t now_s, FILE *out,
                                struct failure *why) MUST_USE;

#endif
