/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS between sidecars is mutual in both directions: a server that does not ask who we are is no
 * server of this mesh, unless the mesh says so of it.
 */
#include <string.h>

#include "tests/support/suite.h"
#include "tests/unit/trust/tls/duo.h"

SUITE(tls_mutual, .timeout = 30);

/* Our client against a server of the library alone, with a sound certificate. */
struct mutual {
    struct duo duo;
    struct duo_raw raw;
    struct test_ca *leaf;
    struct duo_end *ours;
};

static void mutual_shake(struct mutual *mutual, bool asks, bool takes_one_way)
{
    struct stream *far = NULL;
    struct bytes chain[2];

    duo_open_one(&mutual->duo, TLS_CLIENT, &far);
    mutual->ours = &mutual->duo.ends[0];
    mutual->leaf = test_ca_leaf(mutual->duo.root, DUO_SERVER_ID);
    if (takes_one_way) {
        tls_stream_take_one_way(mutual->ours->stream);
    }
    duo_raw_open(&mutual->raw, &mutual->duo, far,
                 &(struct duo_raw_manner){.as_server = true,
                                          .leaf = mutual->leaf,
                                          .chain = chain,
                                          .num_certs = test_ca_chain(mutual->leaf, chain, 2),
                                          .least = TLS1_3_VERSION,
                                          .most = TLS1_3_VERSION,
                                          .asks_nothing = !asks});
    duo_raw_begin(&mutual->raw);
    for (int i = 0; i < 20; i++) {
        duo_turn(&mutual->duo);
    }
    cr_assert_eq(mutual->ours->answers, 1);
}

static void mutual_close(struct mutual *mutual)
{
    duo_raw_close(&mutual->raw);
    test_ca_drop(&mutual->leaf);
    duo_close(&mutual->duo);
}

Test(tls_mutual, a_server_that_asks_for_no_certificate_is_refused_and_told)
{
    struct mutual mutual;

    mutual_shake(&mutual, false, false);
    cr_assert_eq(mutual.ours->status, STATUS_PROTOCOL);
    cr_assert_str_eq(mutual.ours->why.reason, "tls/not-mutual");
    cr_assert_not_null(strstr(mutual.ours->why.detail, DUO_SERVER_ID), "%s",
                       mutual.ours->why.detail);
    cr_assert_null(tls_stream_peer(mutual.ours->stream));
    cr_assert_eq(mutual.raw.alert, SSL_AD_HANDSHAKE_FAILURE, "alert %d", mutual.raw.alert);
    cr_assert_not(mutual.raw.up);
    mutual_close(&mutual);
}

Test(tls_mutual, a_server_that_asks_is_mutual)
{
    struct mutual mutual;

    mutual_shake(&mutual, true, false);
    cr_assert_eq(mutual.ours->status, STATUS_OK, "%s", mutual.ours->why.detail);
    cr_assert_not(tls_stream_peer(mutual.ours->stream)->one_way);
    cr_assert(mutual.raw.up);
    mutual_close(&mutual);
}

Test(tls_mutual, where_the_mesh_allows_it_one_way_is_taken_and_called_so)
{
    struct mutual mutual;

    mutual_shake(&mutual, false, true);
    cr_assert_eq(mutual.ours->status, STATUS_OK, "%s", mutual.ours->why.detail);
    cr_assert(tls_stream_peer(mutual.ours->stream)->one_way);
    cr_assert_str_eq(tls_stream_peer(mutual.ours->stream)->id, DUO_SERVER_ID);
    mutual_close(&mutual);
}

Test(tls_mutual, a_server_that_may_be_one_way_and_asks_all_the_same_is_mutual)
{
    struct mutual mutual;

    mutual_shake(&mutual, true, true);
    cr_assert_eq(mutual.ours->status, STATUS_OK, "%s", mutual.ours->why.detail);
    cr_assert_not(tls_stream_peer(mutual.ours->stream)->one_way);
    mutual_close(&mutual);
}
