"""Commands of whoever must destroy a content, or must see that nobody does: ``erase``, ``hold``, ``retention``."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from chains.commands.key_options import AuthorPasswordOption, IdentityOption, SignersOption, signing_authors
from chains.commands.terminal import (
    KEEPING,
    HomeOption,
    JsonOption,
    command_group,
    fail,
    find_entry,
    is_hash,
    opened,
    reader_of,
    say,
    usage,
)
from chains.counted import counted

if TYPE_CHECKING:
    from chains.chain import Chain
    from chains.erasing import Author, Finished
    from chains.home import Home
    from chains.reader import StoredEntry

app = command_group()
hold = command_group("Keep contents from being erased, and let them go again.")
app.add_typer(hold, name="hold", rich_help_panel=KEEPING)
_DAY_MS = 24 * 60 * 60 * 1000
ReasonOption = Annotated[
    str, typer.Option(help="Why: it stands in the chain for ever, so it must not name the person it is about.")
]
HeldArgument = Annotated[str, typer.Argument(metavar="CHAIN[:INDEX]", help="A chain, or one of its entries.")]


@app.command(rich_help_panel=KEEPING)
def erase(
    entry: Annotated[str | None, typer.Argument(help="Entry hash in hex, or CHAIN:INDEX.")] = None,
    reason: ReasonOption = "",
    subject: Annotated[
        str | None, typer.Option(help="Every entry that carries this keyed external id (64 hex digits).")
    ] = None,
    expired: Annotated[
        bool, typer.Option("--expired", help="Every content that its chain keeps no longer (`anchorline retention`).")
    ] = False,
    sign: SignersOption = None,
    identity: IdentityOption = None,
    password_file: AuthorPasswordOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Destroy the content and salt of entries; a later entry of their chain says when and why.

    The entries themselves stay, and so does every proof over them. What others hold, they hold; copies of the content
    keys that cannot be reached are named (docs/operate/erasure.md). --sign signs the entry that says so, repeated:
    several keys together; without it, the log says so alone, which a chain's policy allows.
    """
    if [entry is not None, subject is not None, expired].count(True) != 1:
        usage("expected one of ENTRY, --subject ID, --expired")
    if not reason:
        usage("--reason is needed: the receipts of what is erased show it")
    if subject is not None and not is_hash(subject):
        usage(f"--subject: expected a keyed external id of 64 lower-case hex digits, got {subject[:80]!r}")
    from chains.erasing import Author

    author = signing_authors(sign, identity, password_file)
    with opened(home) as found:
        signer = Author(author, None if identity is None else found.chains.named(identity).chain_id)
        found.finish_erasures()
        if entry is not None:
            facts = _erase_one(found, find_entry(found, entry), reason, signer)
        elif subject is not None:
            facts = _erase_subject(found, bytes.fromhex(subject), reason, signer)
        else:
            facts = _erase_expired(found, reason, signer)
    say(facts, lambda: _lines(facts), as_json=as_json)


@hold.command("set")
def set_hold(
    of: HeldArgument,
    reason: ReasonOption = "",
    sign: SignersOption = None,
    identity: IdentityOption = None,
    password_file: AuthorPasswordOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold a chain or an entry: nothing of it is erased until the hold is lifted. An entry of the chain says so.

    --sign signs that entry, repeated: several keys together.
    """
    _state(of, reason, "HOLD", (sign, identity, password_file), home, as_json=as_json)


@hold.command("lift")
def lift_hold(
    of: HeldArgument,
    reason: ReasonOption = "",
    sign: SignersOption = None,
    identity: IdentityOption = None,
    password_file: AuthorPasswordOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lift a hold; an entry of the chain says so. --sign signs it, repeated: several keys together."""
    _state(of, reason, "LIFT", (sign, identity, password_file), home, as_json=as_json)


@hold.command("list")
def list_holds(
    chain: Annotated[str, typer.Argument(help="Name or id of the chain.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the holds of a chain that stand."""
    from chains.erasure_entries import holds_of

    with opened(home) as found:
        holds = holds_of(reader_of(found), found.chains.named(chain))
    say(
        {"holds": [each.to_json() for each in holds]},
        lambda: [each.told() for each in holds] or ["Nothing is held."],
        as_json=as_json,
    )


@app.command(rich_help_panel=KEEPING)
def retention(
    chain: Annotated[str, typer.Argument(help="Name or id of the chain.")],
    keep_days: Annotated[
        int | None, typer.Option(min=0, help="Days for which contents are kept; `erase --expired` erases older ones.")
    ] = None,
    for_ever: Annotated[bool, typer.Option("--for-ever", help="Keep contents until somebody erases them.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show for how long a chain keeps contents, or set it."""
    from chains.access_notes import MACHINE
    from chains.retention import keep_ms, set_keep_ms

    if keep_days is not None and for_ever:
        usage("--keep-days and --for-ever contradict each other")
    with opened(home) as found:
        named = found.chains.named(chain)
        if keep_days is not None or for_ever:
            kept_ms = None if keep_days is None else keep_days * _DAY_MS
            set_keep_ms(found.engine, named, kept_ms, found.clock(), MACHINE)
        kept_ms = keep_ms(found.engine, named)
    days = None if kept_ms is None else kept_ms // _DAY_MS
    say(
        {"chain_id": named.chain_id.hex(), "keep_days": days},
        lambda: "Contents are kept until somebody erases them." if days is None else f"Contents are kept {days} days.",
        as_json=as_json,
    )


def _erase_one(found: "Home", stored: "StoredEntry", reason: str, author: "Author") -> dict[str, Any]:
    from anchor.proof.erasure import Scope
    from chains.access_notes import MACHINE
    from chains.chain import Gone
    from chains.erasure_entries import keeps_content

    chain = found.chains.by_no(stored.chain_no)
    assert chain is not None, "the chain of a stored entry"
    if not keeps_content(stored):
        found.erasing.tell_nothing(chain, Scope.ENTRY, found.clock(), MACHINE)
        if stored.gone is Gone.ERASED:
            fail(f"entry {stored.leaf_index} was erased already: `anchorline receipt` shows when and why")
        fail(f"nothing is kept here beside entry {stored.leaf_index}: only its commitment is known")
    return _facts([found.erasing.erase(chain, [stored], Scope.ENTRY, reason, found.clock(), author)])


def _erase_subject(found: "Home", subject: bytes, reason: str, author: "Author") -> dict[str, Any]:
    from anchor.proof.access_record import What
    from anchor.proof.entry import ExternalId, IdKind
    from anchor.proof.erasure import Scope
    from chains.taking import Taking

    by_chain: dict[int, list[StoredEntry]] = {}
    for stored in reader_of(found).by_external_id(ExternalId(IdKind.KEYED, subject)):
        by_chain.setdefault(stored.chain_no, []).append(stored)
    if not by_chain:
        taking = Taking(found)
        taking.take_all(What.ERASED, "subject: nothing was found")
        taking.note()
        fail("no entry here carries this external id")
    _check_none_held(found, by_chain)
    done: list[Finished] = []
    for chain_no, entries in by_chain.items():
        chain = found.chains.by_no(chain_no)
        assert chain is not None, "the chain of a stored entry"
        done.append(found.erasing.erase(chain, entries, Scope.SUBJECT, reason, found.clock(), author))
    return _facts(done)


def _check_none_held(found: "Home", by_chain: "dict[int, list[StoredEntry]]") -> None:
    """Refuse before anything is erased: half a subject is worse than none."""
    from chains.erasure_entries import held_by, holds_of

    for chain_no, entries in by_chain.items():
        chain = found.chains.by_no(chain_no)
        assert chain is not None, "the chain of a stored entry"
        holds = holds_of(reader_of(found), chain)
        for stored in entries:
            held = held_by(holds, stored)
            if held is not None:
                name = chain.name or chain.chain_id.hex()
                fail(f"nothing was erased: entry {stored.leaf_index} of {name}: {held.told()}")


def _erase_expired(found: "Home", reason: str, author: "Author") -> dict[str, Any]:
    from anchor.proof.erasure import Scope
    from chains.retention import expired_of, keep_ms

    done: list[Finished] = []
    held = 0
    for chain in [each for each in found.chains.all() if keep_ms(found.engine, each) is not None]:
        entries, held_here = expired_of(found.engine, reader_of(found), chain, found.clock())
        held += held_here
        done.append(found.erasing.erase(chain, entries, Scope.RETENTION, reason, found.clock(), author))
    return _facts(done) | {"held": held}


def _facts(done: "list[Finished]") -> dict[str, Any]:
    erased = [each for finished in done for each in finished.erased]
    unreached = {each.path: each for finished in done for each in finished.unreached}
    return {
        "erased": [entry_hash.hex() for each in erased for entry_hash in each.erased],
        "said_by": [{"entry_hash": each.entry_hash.hex(), "leaf_index": each.leaf_index} for each in erased],
        "unreached": [each.to_json() for each in unreached.values()],
        "warnings": [each.told() for each in unreached.values()],
    }


def _lines(facts: dict[str, Any]) -> list[str]:
    lines = [f"{counted(len(facts['erased']), 'entries')}: content and salt are destroyed."]
    lines += [f"  entry {each['leaf_index']} says so: {each['entry_hash']}" for each in facts["said_by"]]
    lines += [f"  WARNING: {warning}" for warning in facts["warnings"]]
    if facts.get("held"):
        lines.append(f"  {counted(facts['held'], 'entries')} are held, and were left as they are.")
    return lines


def _state(of: str, reason: str, act: str, signing: tuple[Any, ...], home: Any, *, as_json: bool) -> None:
    from anchor.proof.erasure import Act
    from chains.erasing import Author

    if not reason:
        usage("--reason is needed: it stands in the chain, and in the refusal of whoever would erase")
    sign, identity, password_file = signing
    author = signing_authors(sign, identity, password_file)
    with opened(home) as found:
        signer = Author(author, None if identity is None else found.chains.named(identity).chain_id)
        chain, stored = _held(found, of)
        written = found.erasing.hold(chain, stored, Act[act], reason, found.clock(), signer)
    facts = {
        "act": act.lower(),
        "chain_id": chain.chain_id.hex(),
        "of": None if stored is None else stored.entry_hash.hex(),
        "entry_hash": written.entry_hash.hex(),
        "leaf_index": written.leaf_index,
    }
    what = "The chain" if stored is None else f"Entry {stored.leaf_index}"
    said = "is held" if act == "HOLD" else "is held no longer"
    say(facts, lambda: f"{what} {said}; entry {written.leaf_index} of the chain says so.", as_json=as_json)


def _held(found: "Home", of: str) -> "tuple[Chain, StoredEntry | None]":
    """Return the chain that is meant, and the entry unless the whole chain is."""
    _, colon, index = of.rpartition(":")
    if not (colon and index.isdecimal()):
        return found.chains.named(of), None
    stored = find_entry(found, of)
    chain = found.chains.by_no(stored.chain_no)
    assert chain is not None, "the chain of a stored entry"
    return chain, stored
