"""The whole command line: every group of commands, put together.

The groups are the other files of this folder, ``front`` stands before them. ``cli`` runs it; documents and tests look
at its commands.
"""

from chains.commands import (
    accesses,
    accounts,
    anchoring,
    backing_up,
    beginning,
    certificates,
    configuring,
    correcting,
    disclosing,
    disputes,
    git,
    headers,
    identities,
    identity_cards,
    keeping,
    leaving,
    manifests,
    proving,
    publishing,
    recording,
    recovering,
    serving,
    sharing,
    telling,
    verifying,
    wallet,
)
from chains.commands.front import in_front_of

app = in_front_of(
    beginning,
    recording,
    identities,
    identity_cards,
    correcting,
    anchoring,
    serving,
    telling,
    proving,
    verifying,
    manifests,
    disclosing,
    certificates,
    disputes,
    git,
    headers,
    keeping,
    configuring,
    backing_up,
    recovering,
    wallet,
    accounts,
    sharing,
    leaving,
    accesses,
    publishing,
)
