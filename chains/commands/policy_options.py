"""What commands ask about policies: the policy itself, from a file and options, and whose keys sign a statement of it.

Input is the command line; ``policies``, ``drafting`` and ``chain create`` use it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anchor.proof.codec import HASH_SIZE, hash_from_hex
from anchor.proof.did import DID_KEY, key_of_did
from anchor.proof.errors import AnchorlineError
from anchor.proof.policy import NOBODY, Policy, Rule
from chains.client.policy_document import (
    ID_KINDS,
    MAX_DOCUMENT,
    WORDS,
    party_name,
    policy_to_json,
    read_policy,
    rule_of,
)
from chains.commands.key_options import author_key, identity_password
from chains.commands.terminal import fail, given, read_at_most, usage
from chains.policy_words import policy_words

if TYPE_CHECKING:
    from anchor.proof.policy import Party
    from chains.chain import Chain
    from chains.client.draft import Draft
    from chains.client.own_entry import OwnEntry
    from chains.client.signing import AuthorKey
    from chains.home import Home
    from chains.policy_history import StatedPolicy

_PARTY = "a key (did:key:z6Mk... or key:HEX) or an identity (its name or id)"
PolicyOption = Annotated[Path | None, typer.Option("--policy", help="File of a policy (docs/spec/policy.md).")]
AdminOption = Annotated[
    list[str] | None,
    typer.Option("--admin", metavar="PARTY", help=f"Who may change the policy, repeatable: {_PARTY}."),
]
AdminsNeededOption = Annotated[int | None, typer.Option(min=1, max=16, help="How many of them must sign (all).")]
WriterOption = Annotated[
    list[str] | None, typer.Option("--writer", metavar="PARTY", help="Who may write, repeatable; or: anybody.")
]
WritersNeededOption = Annotated[int | None, typer.Option(min=1, max=16, help="How many of them must sign (all).")]
CorrectorOption = Annotated[
    list[str] | None,
    typer.Option("--corrector", metavar="PARTY", help="Who may correct entries of others; or: nobody, anybody."),
]
CorrectorsNeededOption = Annotated[int | None, typer.Option(min=1, max=16, help="How many of them must sign (all).")]
MediaTypeOption = Annotated[
    list[str] | None, typer.Option("--only-type", help="Media type that an entry must have, repeatable; or: any.")
]
IdKindOption = Annotated[
    list[str] | None,
    typer.Option(
        "--need-id", help="External id that an entry must have: clear, hashed, keyed; only-keyed: no other; or: none."
    ),
]
ToSignOption = Annotated[
    list[str] | None,
    typer.Option(
        "--signer", metavar="PUBLIC_KEY", help="With --prepare: who is to sign it elsewhere (did:key or hex)."
    ),
]
PrepareOption = Annotated[
    Path | None,
    typer.Option(help="Record nothing yet: write a draft, which others sign (`draft sign`) and one submits."),
]
_UNLIMITED = {"any": (), "none": ()}


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """What a command line says of a policy: a file, and what takes the place of its parts; None: not said."""

    file: Path | None = None
    admins: Sequence[str] | None = None
    admins_needed: int | None = None
    writers: Sequence[str] | None = None
    writers_needed: int | None = None
    correctors: Sequence[str] | None = None
    correctors_needed: int | None = None
    media_types: Sequence[str] | None = None
    id_kinds: Sequence[str] | None = None

    @property
    def is_given(self) -> bool:
        """Whether anything is said."""
        return self != PolicyOptions()

    def policy(self, found: "Home", before: Policy | None, signers: Sequence[bytes]) -> Policy:
        """Return the policy that is meant: of the file or (where there is none) the one before, and the options.

        Where neither says who may change it, those who sign it may, all together. Ends the command where it is none.
        """
        named = partial(_identity, found)
        base = before
        if self.file is not None:
            path = self.file
            base = given(lambda: read_policy(read_at_most(path, MAX_DOCUMENT + 1), named))
        if base is None and not self.admins and not signers:
            usage("a policy needs somebody who may change it: name him with --admin, or the key that signs with --sign")
        base = base or Policy(Rule(1))
        by_signers = [f"key:{key.hex()}" for key in signers] if base.administrators == NOBODY else None
        return given(
            lambda: _checked(
                replace(
                    base,
                    administrators=_rule(base.administrators, self.admins or by_signers, self.admins_needed, named),
                    writers=_rule(base.writers, self.writers, self.writers_needed, named),
                    correctors=_rule(base.correctors, self.correctors, self.correctors_needed, named),
                    media_types=_media_types(base.media_types, self.media_types),
                    id_kinds=_id_kinds(base.id_kinds, self.id_kinds),
                )
            )
        )


def _checked(policy: Policy) -> Policy:
    return Policy.decode(policy.encode())


def _rule(before: Rule, texts: Sequence[str] | None, needed: int | None, named: Callable[[str], bytes]) -> Rule:
    if not texts:
        return before if needed is None else replace(before, threshold=needed)
    if len(texts) == 1 and texts[0] in WORDS:
        return WORDS[texts[0]]
    return rule_of(needed, texts, named)


def _media_types(before: tuple[str, ...], texts: Sequence[str] | None) -> tuple[str, ...]:
    return before if texts is None else tuple(sorted(set(texts) - _UNLIMITED.keys()))


def _id_kinds(before: tuple[int, ...], texts: Sequence[str] | None) -> tuple[int, ...]:
    if texts is None:
        return before
    wrong = sorted(set(texts) - ID_KINDS.keys() - _UNLIMITED.keys())
    if wrong:
        usage(f"--need-id: expected {', '.join(ID_KINDS)} or none, got {wrong[0][:40]!r}")
    return tuple(sorted({ID_KINDS[text] for text in texts if text in ID_KINDS}))


def _identity(found: "Home", name: str) -> bytes:
    return found.chains.named(name).chain_id


# --- who signs


@dataclass(frozen=True, slots=True)
class Signing:
    """Who signs a statement: keys at hand, public keys of those who sign elsewhere, and where a draft for them goes."""

    keys: Sequence["AuthorKey"]
    elsewhere: Sequence[bytes]
    prepare: Path | None

    @property
    def public_keys(self) -> list[bytes]:
        """All of them."""
        return [*(key.public_key for key in self.keys), *self.elsewhere]

    def draft(self, own: "OwnEntry", opens: dict[str, str] | None = None) -> "Draft":
        """Return the draft of an entry, signed by the keys at hand."""
        from chains.client.draft import Draft

        draft = Draft.of(own, self.public_keys, opens)
        for key in self.keys:
            draft = draft.signed_by(key)
        return draft


def signing_of(
    sign: Sequence[str] | None, signer: Sequence[str] | None, prepare: Path | None, password_file: Path | None
) -> Signing:
    """Return who signs, as the options say; end the command where nobody does, or nobody could."""
    if signer and prepare is None:
        usage("--signer names somebody who signs elsewhere: write the draft for him with --prepare FILE")
    if not sign and not signer:
        usage("nobody signs it: sign with --sign KEY, or write a draft with --prepare FILE --signer PUBLIC_KEY")
    password = identity_password(password_file)
    keys = [author_key(name, password) for name in sign or []]
    return Signing(keys, [given(partial(_public_key, text)) for text in signer or []], prepare)


def _public_key(text: str) -> bytes:
    if text.startswith(DID_KEY):
        return key_of_did(text)
    return hash_from_hex(text.removeprefix("key:"), "--signer", HASH_SIZE)


# --- what is shown


def party_called(found: "Home", party: "Party") -> str:
    """Return what a party is called here: an identity by its name too, where it has one."""
    chain = found.chains.by_id(party.value)
    name = party_name(party)
    return name if chain is None or chain.name is None else f"{chain.name} ({name})"


def policy_lines(found: "Home | None", policy: Policy) -> list[str]:
    """Return what a policy says, line by line."""
    words = policy_words(policy) if found is None else policy_words(policy, partial(party_called, found))
    return [f"  {question}: {answer}" for question, answer in words]


def stated_facts(told: "StatedPolicy") -> dict[str, Any]:
    """Return a policy that was stated, as ``--json`` has it."""
    return {
        "leaf_index": told.stated.index,
        "entry_hash": told.stated.entry_hash.hex(),
        "received_at_ms": told.received_at_ms,
        "sealed_at_ms": told.sealed_at_ms,
        "signed_by": [key.hex() for key in told.keys],
        "policy": policy_to_json(told.policy),
    }


def refuse_early(ask: Callable[[], object]) -> None:
    """Ask the writer's rules before anybody signs; end the command where they would refuse the entry."""
    try:
        ask()
    except AnchorlineError as error:
        fail(f"{error}; nothing was written")


def refuse_next_early(found: "Home", chain: "Chain", draft: "Draft") -> None:
    """Ask whether the policy of a chain lets a draft be its next entry, as if all had signed; else end the command."""
    found.lookup.keep_up(found.chains.next_seq())
    refuse_early(lambda: found.policies.check_next(chain, [draft.claimed], found.clock()))
