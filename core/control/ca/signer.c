/* SPDX-License-Identifier: Apache-2.0 */
#include "core/control/ca/signer.h"

enum status signer_sign(struct signer *signer, struct bytes message, struct buffer *out_signature,
                        struct failure *why)
{
    return signer->kind->sign(signer, message, out_signature, why);
}

struct bytes signer_public_spki(const struct signer *signer)
{
    return signer->spki;
}

enum signature_algorithm signer_algorithm(const struct signer *signer)
{
    return signer->algorithm;
}

void signer_drop(struct signer **signer)
{
    struct signer *gone = TAKE(*signer);

    if (gone != NULL) {
        gone->kind->drop(gone);
    }
}
