"""Commands of whoever made a mistake, or looks at one: ``amend``, ``retract``, ``history``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chains.commands.key_options import AuthorPasswordOption, IdentityOption, SignersOption, signing_authors
from chains.commands.terminal import (
    RECORDING,
    HomeOption,
    JsonOption,
    command_group,
    fail,
    find_entry,
    given,
    opened,
    read_at_most,
    reader_of,
    say,
    time_ms,
)

if TYPE_CHECKING:
    from anchor.proof.entry import Link, Relation
    from chains.client.signing import AuthorKey, Together
    from chains.corrections import Version
    from chains.home import Home

app = command_group()
EntryArgument = Annotated[str, typer.Argument(help="Entry hash in hex, or CHAIN:INDEX.")]
ReasonOption = Annotated[str, typer.Option(help="Why; it is content, which can be erased.")]


@app.command(rich_help_panel=RECORDING)
def amend(
    entry: EntryArgument,
    file: Annotated[Path, typer.Argument(help="What it should have been.")],
    reason: ReasonOption = "",
    media_type: Annotated[str | None, typer.Option(help="Media type (default: that of the entry).")] = None,
    sign: SignersOption = None,
    identity: IdentityOption = None,
    password_file: AuthorPasswordOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record what an entry should have been: a later entry of its chain that supersedes it.

    The entry itself stays what it was, and so do its receipts; new ones say that it was superseded. The reason is an
    entry of its own, to which the new one refers.
    """
    from anchor.proof.entry import Relation

    author = signing_authors(sign, identity, password_file)
    with opened(home) as found:
        stored = find_entry(found, entry)
        pen = _Pen(found, stored, author, identity)
        content = given(lambda: read_at_most(file, found.settings.limits.content_bytes + 1))
        links = [_link(Relation.SUPERSEDES, stored)]
        kind = stored.entry.media_type if media_type is None else media_type
        found.writer.check_content(pen.chain, content, kind, links)
        if reason:
            why = pen.write(reason.encode(), "text/plain", [_link(Relation.REFERS_TO, stored)])
            links.append(_link(Relation.REFERS_TO, why))
        written = pen.write(content, kind, links)
    _say(written, stored, "supersedes", as_json=as_json)


@app.command(rich_help_panel=RECORDING)
def retract(
    entry: EntryArgument,
    reason: ReasonOption = "",
    sign: SignersOption = None,
    identity: IdentityOption = None,
    password_file: AuthorPasswordOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Withdraw an entry: a later entry of its chain says so, with the reason as its content.

    The entry itself stays what it was, and so do its receipts; new ones say that it was retracted.
    """
    from anchor.proof.entry import Relation

    author = signing_authors(sign, identity, password_file)
    with opened(home) as found:
        stored = find_entry(found, entry)
        pen = _Pen(found, stored, author, identity)
        written = pen.write(reason.encode(), "text/plain", [_link(Relation.RETRACTS, stored)])
    _say(written, stored, "retracts", as_json=as_json)


@app.command(rich_help_panel=RECORDING)
def history(
    entry: EntryArgument,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", help="As it stood then: a date or time (ISO 8601; UTC unless it says more)."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what was said later of an entry, and which version stands."""
    from chains.corrections import history_of

    until_ms = None if as_of is None else time_ms(as_of, "--as-of")
    with opened(home) as found:
        stored = find_entry(found, entry)
        versions = history_of(reader_of(found), found.directory, stored)
    known = [each for each in versions if until_ms is None or each.is_sealed_by(until_ms)]
    if not known:
        fail(f"the entry was not sealed by {as_of}: nothing stood then")
    _show(known, as_json=as_json)


def _show(versions: "list[Version]", *, as_json: bool) -> None:
    from chains.corrections import standing

    current = standing(versions)
    rows = [each.to_json() | {"stands": each.stored is current} for each in versions]
    say(
        {"versions": rows, "stands": None if current is None else current.entry_hash.hex()},
        lambda: _lines(rows),
        as_json=as_json,
    )


def _lines(rows: list[dict[str, Any]]) -> list[str]:
    lines = []
    for row in rows:
        said = ", ".join(f"{each['relation']} {each['entry_hash'][:16]}" for each in row["says"]) or "recorded"
        sealed = row["sealed_at"] or "not sealed yet"
        mark = "  <- stands" if row["stands"] else ""
        lines.append(f"{row['leaf_index']:>8}  {row['entry_hash']}  {sealed:20}  {said}{mark}")
    return lines if any(row["stands"] for row in rows) else [*lines, "Nothing stands: it was retracted."]


def _link(relation: "Relation", stored: Any) -> "Link":
    from anchor.proof.entry import Link

    return Link(int(relation), stored.entry.chain_id, stored.entry_hash)


class _Pen:
    """Writes to the chain of an entry: as the author with this key, in the name of his identity, or as nobody."""

    def __init__(self, found: "Home", stored: Any, author: "AuthorKey | Together | None", identity: str | None) -> None:
        chain = found.chains.by_no(stored.chain_no)
        assert chain is not None, "the chain of a stored entry"
        self.chain = chain
        self._found = found
        self._author = author
        self._identity = None if identity is None else found.chains.named(identity).chain_id

    def write(self, content: bytes, media_type: str, links: "list[Link]") -> Any:
        """Append an entry; return it."""
        from chains.client.own_entry import Form
        from chains.intake import record_in_form

        found = self._found
        form = Form(media_type, (), tuple(links), found.writer.log_id, self._author, self._identity)
        (accepted,) = record_in_form(found.writer, self.chain, [content], found.clock(), form)
        return reader_of(found).row(accepted.seq)


def _say(written: Any, stored: Any, relation: str, *, as_json: bool) -> None:
    facts = {
        "entry_hash": written.entry_hash.hex(),
        "leaf_index": written.leaf_index,
        "relation": relation,
        "corrects": stored.entry_hash.hex(),
    }
    say(
        facts,
        lambda: [
            f"Entry {written.leaf_index} {relation} entry {stored.leaf_index} of its chain.",
            f"  {written.entry_hash.hex()}",
        ],
        as_json=as_json,
    )
