"""Commands about identities: which keys an organisation has, ``identity new`` to ``identity object``."""

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chains.commands.key_options import author_key, identity_password, new_author_key
from chains.commands.terminal import (
    RECORDING,
    HomeOption,
    JsonOption,
    command_group,
    given,
    is_hash,
    opened,
    say,
    usage,
)

if TYPE_CHECKING:
    from anchor.proof.identity import Ending, Statement
    from anchor.proof.identity_history import History, KeySpan
    from chains.chain import Chain
    from chains.home import Home

app = command_group()
identity_app = command_group("Identities: an organisation's keys, stated on a chain of its own.")
app.add_typer(identity_app, name="identity", rich_help_panel=RECORDING)

Name = Annotated[str, typer.Argument(help="Name or chain id of the identity.")]
SignOption = Annotated[
    str,
    typer.Option(
        "--sign", metavar="KEY", help="A key of the identity that may change keys: its file, agent:NAME or pkcs11:URI."
    ),
]
KeyOption = Annotated[
    str,
    typer.Option(
        "--key",
        metavar="KEY",
        help="The new key: its file (mode 600) or pkcs11:URI, made where it does not exist; or agent:NAME.",
    ),
]
RecoveryOption = Annotated[
    list[str] | None,
    typer.Option("--recovery", metavar="KEY", help="File of a recovery key, repeatable; keep them elsewhere."),
]
OldOption = Annotated[
    str, typer.Option("--old", help="The key that ends: as --sign names it, or its public key in hex.")
]
ReasonOption = Annotated[
    str, typer.Option("--reason", help="Why a key ends: not-said, replaced, unused, lost or stolen.")
]
ExpiresOption = Annotated[str, typer.Option("--expires", help="Until when at the latest, e.g. 2027-12-31 (UTC).")]
PasswordFileOption = Annotated[
    Path | None, typer.Option("--password-file", help="File with the password of the key files (mode 600).")
]
NoPasswordOption = Annotated[
    bool, typer.Option("--no-password", help="New key files are not encrypted: whoever reads one can sign.")
]


@identity_app.command("new")
def identity_new(
    name: Annotated[str, typer.Argument(help="Your name for the identity here.")],
    key: KeyOption,
    did_web: Annotated[
        list[str] | None, typer.Option("--did-web", help="What it calls itself, e.g. did:web:acme.example; repeatable.")
    ] = None,
    recovery: RecoveryOption = None,
    threshold: Annotated[int, typer.Option(min=0, max=8, help="How many recovery keys are needed (default: all).")] = 0,
    wait_blocks: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Blocks that an announced recovery waits; 0: allow none.")
    ] = 2016,
    organisation: Annotated[str | None, typer.Option(help="Whose chain it is (default: the operator's).")] = None,
    password_file: PasswordFileOption = None,
    no_password: NoPasswordOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Begin an identity: a public chain that states its keys.

    Who loses the only key, and has no recovery keys, asks the operator to announce a recovery. It waits for so many
    blocks, and whoever has the old key can object.
    """
    from chains.access import Visibility
    from chains.identity_stating import Beginning, open_identity

    password = identity_password(password_file, no_password=no_password, is_new=True)
    with opened(home) as found:
        papers = [new_author_key(path, password) for path in recovery or []]
        beginning = Beginning(
            new_author_key(key, password), tuple(did_web or ()), papers, threshold or len(papers), wait_blocks
        )
        statement = given(lambda: beginning.statement(found.directory.log.log_id))
        owner = found.accounts.organisations.live(organisation) if organisation else None
        chain, _ = open_identity(
            *(found.writer, statement, name, found.clock()),
            note=lambda made: found.accounts.sharing.own(made, owner, Visibility.PUBLIC),
        )
        facts = _facts(found, chain)
    say(facts, lambda: _shown(facts), as_json=as_json)


@identity_app.command("show")
def identity_show(
    name: Name,
    did: Annotated[bool, typer.Option("--did", help="Name keys by their did:key, not in hex.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the keys of an identity: since which seal they count, and until which."""
    with opened(home) as found:
        chain = found.chains.named(name)
        facts = _facts(found, chain)
    say(facts, lambda: _shown(facts, "did" if did else "public_key"), as_json=as_json)


@identity_app.command("add-key")
def identity_add_key(
    name: Name,
    sign: SignOption,
    key: KeyOption,
    use: Annotated[str, typer.Option("--for", help="What the key may sign: entries, keys or both.")] = "entries",
    expires: ExpiresOption = "",
    password_file: PasswordFileOption = None,
    no_password: NoPasswordOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Register one more key."""
    from anchor.proof.identity import Purpose
    from chains.identity_stating import added

    purposes = {"entries": Purpose.ENTRIES, "keys": Purpose.KEYS, "both": Purpose.ENTRIES | Purpose.KEYS}
    if use not in purposes:
        usage(f"--for: expected entries, keys or both, got {use[:40]!r}")
    not_after_ms = _milliseconds(expires)
    password = identity_password(password_file, no_password=no_password)
    state(
        *(name, home),
        lambda history, _: added(
            *(history, author_key(sign, password), new_author_key(key, password)), purposes[use], not_after_ms
        ),
        as_json=as_json,
    )


@identity_app.command("rotate")
def identity_rotate(
    name: Name,
    sign: SignOption,
    old: OldOption,
    key: KeyOption,
    reason: ReasonOption = "replaced",
    expires: ExpiresOption = "",
    password_file: PasswordFileOption = None,
    no_password: NoPasswordOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a new key in the place of another, for the same purposes."""
    from chains.identity_stating import rotated

    ending, not_after_ms = ending_of(reason), _milliseconds(expires)
    password = identity_password(password_file, no_password=no_password)
    ended = _public_key(old, password)
    state(
        *(name, home),
        lambda history, _: rotated(
            *(history, author_key(sign, password), ended, new_author_key(key, password)), ending, not_after_ms
        ),
        as_json=as_json,
    )


@identity_app.command("revoke")
def identity_revoke(
    name: Name,
    sign: SignOption,
    old: OldOption,
    reason: ReasonOption = "not-said",
    password_file: PasswordFileOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a key. What it signed in an earlier seal stays valid."""
    from chains.identity_stating import revoked

    ending = ending_of(reason)
    password = identity_password(password_file)
    ended = _public_key(old, password)
    state(name, home, lambda history, _: revoked(history, author_key(sign, password), ended, ending), as_json=as_json)


@identity_app.command("recover")
def identity_recover(
    name: Name,
    key: KeyOption,
    recovery: RecoveryOption = None,
    announce: Annotated[
        bool, typer.Option("--announce", help="The log announces it, for who lost the only key: operators only.")
    ] = False,
    complete: Annotated[bool, typer.Option("--complete", help="Complete what was announced, after its wait.")] = False,
    reason: ReasonOption = "lost",
    password_file: PasswordFileOption = None,
    no_password: NoPasswordOption = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """End all keys and register a new one: with recovery keys at once, or announced by the log and after a wait."""
    from chains.identity_stating import announced, completed, recovered

    if [bool(recovery), announce, complete].count(True) != 1:
        usage("choose one: --recovery FILE (repeatable), --announce, or --complete")
    ending = ending_of(reason)
    password = identity_password(password_file, no_password=no_password, is_new=not complete)

    def stated(history: "History", found: "Home") -> "Statement":
        if recovery:
            papers = [author_key(path, password) for path in recovery]
            return recovered(history, papers, new_author_key(key, password), ending)
        if announce:
            return announced(history, found.writer.promise_key, new_author_key(key, password), ending)
        return completed(history, author_key(key, password))

    state(name, home, stated, as_json=as_json)


@identity_app.command("object")
def identity_object(
    name: Name,
    sign: Annotated[
        list[str],
        typer.Option("--sign", metavar="KEY", help="File of a key that may change keys, or of each recovery key."),
    ],
    password_file: PasswordFileOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a recovery void that the log announced."""
    from chains.identity_stating import objected

    password = identity_password(password_file)
    state(
        *(name, home),
        lambda history, _: objected(history, [author_key(path, password) for path in sign]),
        as_json=as_json,
    )


def state(
    name: str,
    home: Path | None,
    make: "Callable[[History, Home], Statement]",
    *,
    as_json: bool,
    certificates: bytes = b"",
) -> None:
    """Record a statement that is made of the identity's history, and show what it comes to.

    ``certificates`` is the content of one that binds them.
    """
    from chains.identity_stating import record_statement

    with opened(home) as found:
        chain = found.chains.named(name)
        writer = found.writer
        statement = make(writer.identities.current(chain, found.clock()), found)
        record_statement(writer, chain, statement, found.clock(), certificates)
        facts = _facts(found, chain)
    say(facts, lambda: _shown(facts), as_json=as_json)


def ending_of(reason: str) -> "Ending":
    """Return what --reason names."""
    from anchor.proof.identity import Ending

    names = {ending_name(item): item for item in Ending}
    if reason not in names:
        usage(f"--reason: expected one of {', '.join(names)}, got {reason[:40]!r}")
    return names[reason]


def ending_name(ending: "Ending") -> str:
    """Return how --reason names it, and what is shown."""
    return ending.name.lower().replace("_", "-")


def _milliseconds(day: str) -> int:
    """Return the beginning of a day, UTC, in Unix milliseconds."""
    from datetime import UTC

    from anchor.proof.identity import NEVER

    if not day:
        return NEVER
    try:
        return int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError:
        usage(f"--expires: expected a day like 2027-12-31, got {day[:40]!r}")


def _public_key(text: str, password: "Callable[[], str] | None") -> bytes:
    return bytes.fromhex(text) if is_hash(text) else author_key(text, password).public_key


def _facts(found: "Home", chain: "Chain") -> dict[str, Any]:
    from anchor.proof.errors import VerificationError

    identities = found.identities
    try:
        history = identities.current(chain, found.clock())
    except VerificationError as error:
        usage(str(error))
    next_seal = identities.next_place(found.clock()).seal_number
    pending = history.pending
    return {
        "name": chain.name or "",
        "chain_id": chain.chain_id.hex(),
        "names": list(history.names),
        "keys": [_key_facts(span, next_seal) for span in history.spans.values()],
        "recovery": [key.hex() for key in history.recovery],
        "threshold": history.threshold,
        "wait_blocks": history.wait_blocks,
        "certificates": _certificates(found, chain, history, next_seal),
        "announced": None
        if pending is None
        else {
            "keys": [key.public_key.hex() for key in pending.key_set.keys],
            "complete_from_block": pending.place.block_height + history.wait_blocks,
        },
    }


def _certificates(found: "Home", chain: "Chain", history: "History", next_seal: int) -> list[dict[str, Any]]:
    """Return the certificates that are, or were, bound; whose they are, only where they are kept here."""
    if not history.bindings:
        return []
    from chains.bound_certificates import names_of

    shown = found.identities.certificates(chain.chain_id, found.chains.size(chain))
    facts = []
    for binding in history.bindings:
        made: dict[str, Any] = {
            "sha256": binding.certificate_hash.hex(),
            "subject": None,
            "issuer": None,
            "since_seal": binding.since.seal_number,
            "until_seal": None if binding.until is None else binding.until.seal_number,
            "reason": None if binding.until is None else ending_name(binding.ending),
            "waits_for_seal": next_seal in (binding.since.seal_number, binding.until and binding.until.seal_number),
        }
        kept = () if shown is None else shown.of(binding.certificate_hash)
        facts.append(made | (names_of(kept[0]) if kept else {}))
    return facts


def _key_facts(span: "KeySpan", next_seal: int) -> dict[str, Any]:
    from anchor.proof.did import did_key
    from anchor.proof.identity import NEVER, Purpose

    return {
        "public_key": span.key.public_key.hex(),
        "did": did_key(span.key.public_key),
        "for": [purpose.name.lower() for purpose in Purpose if purpose in span.key.purposes and purpose.name],
        "not_after_ms": None if span.key.not_after_ms == NEVER else span.key.not_after_ms,
        "since_seal": span.since.seal_number,
        "until_seal": None if span.until is None else span.until.seal_number,
        "reason": None if span.until is None else ending_name(span.ending),
        "waits_for_seal": next_seal in (span.since.seal_number, span.until and span.until.seal_number),
    }


def _shown(facts: dict[str, Any], key_name: str = "public_key") -> Iterable[str]:
    from anchor.proof.times import utc

    yield f"Identity {facts['name']}: {facts['chain_id']}"
    for name in facts["names"]:
        yield f"  calls itself {name}"
    for key in facts["keys"]:
        until = "" if key["until_seal"] is None else f", ended in seal {key['until_seal']} ({key['reason']})"
        expires = "" if key["not_after_ms"] is None else f", until {utc(key['not_after_ms'])} at the latest"
        waits = "; waits for the next seal" if key["waits_for_seal"] else ""
        since = f"{' and '.join(key['for'])}, since seal {key['since_seal']}"
        yield f"  {key[key_name]}  {since}{until}{expires}{waits}"
    for item in facts["certificates"]:
        whose = "a certificate that is not kept here" if item["subject"] is None else f"{item['subject']}"
        until = "" if item["until_seal"] is None else f", unbound in seal {item['until_seal']} ({item['reason']})"
        waits = "; waits for the next seal" if item["waits_for_seal"] else ""
        yield f"  bound to {whose} (SHA-256 {item['sha256']}), since seal {item['since_seal']}{until}{waits}"
    if facts["recovery"]:
        yield f"  {facts['threshold']} of {len(facts['recovery'])} recovery keys replace all of them"
    if facts["announced"]:
        yield (
            f"  a recovery is announced: key {facts['announced']['keys'][0]} from block "
            f"{facts['announced']['complete_from_block']} on; whoever has a key can object"
        )
