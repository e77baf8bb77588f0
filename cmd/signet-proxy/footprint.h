/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much memory an idle sidecar keeps. Start-up and each renewal run through megabytes of gRPC's code
 * and then need it no more for hours; these pages are given back to the system, which reads them
 * again from the program file if they are wanted.
 */
#ifndef SIGNET_CMD_SIGNET_PROXY_FOOTPRINT_H
#define SIGNET_CMD_SIGNET_PROXY_FOOTPRINT_H

/* footprint_shrink asks for the giving back, some seconds from now. Main thread. */
void footprint_shrink(void);

/* footprint_shrink_due does it when it is time; call it about once a second. Main thread. */
void footprint_shrink_due(void);

#endif
