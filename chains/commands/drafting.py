"""Commands of those who sign an entry together: ``draft show``, ``draft sign``, ``draft submit``.

A draft is a file that goes from one to the next (``chains.client.draft``); ``--prepare`` of ``add``, ``cosign``,
``chain create``, ``chain close`` and ``policy change`` makes one.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chains.commands.key_options import AuthorPasswordOption, author_key, identity_password
from chains.commands.policy_options import policy_lines
from chains.commands.terminal import (
    RECORDING,
    HomeOption,
    JsonOption,
    command_group,
    given,
    opened,
    read_at_most,
    say,
)

if TYPE_CHECKING:
    from chains.chain import Chain
    from chains.client.draft import Draft
    from chains.home import Home
    from chains.work import Accepted, Submission

app = command_group()
draft_app = command_group("Drafts: entries that several keys sign, one after the other, before one submits them.")
app.add_typer(draft_app, name="draft", rich_help_panel=RECORDING)
DraftArgument = Annotated[Path, typer.Argument(help="File of the draft.")]


@draft_app.command("show")
def draft_show(file: DraftArgument, as_json: JsonOption = False) -> None:
    """Show what a draft says, and who signed it so far. Read it before you sign; no log is needed."""
    draft = given(partial(_read, file))
    say(_facts(draft), lambda: _lines(draft), as_json=as_json)


@draft_app.command("sign")
def draft_sign(
    file: DraftArgument,
    sign: Annotated[str, typer.Option(metavar="KEY", help="Your key: its file, agent:NAME or pkcs11:URI.")],
    password_file: AuthorPasswordOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add your signature to a draft; the file holds it from then on. No log is needed."""
    from chains.files import write_file

    draft = given(partial(_read, file))
    signed = given(lambda: draft.signed_by(author_key(sign, identity_password(password_file))))
    write_file(file, signed.encode())
    say(_facts(signed), lambda: _lines(signed), as_json=as_json)


@draft_app.command("submit")
def draft_submit(
    files: Annotated[list[Path], typer.Argument(help="The draft; or copies of it that were signed apart.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record the entry of a draft that all have signed."""
    drafts = [given(partial(_read, file)) for file in files]
    draft = drafts[0]
    for other in drafts[1:]:
        draft = given(partial(draft.joined, other))
    with opened(home) as found:
        _, accepted = record(found, draft)
    facts = {
        "chain_id": draft.entry.chain_id.hex(),
        "leaf_index": accepted.leaf_index,
        "entry_hash": accepted.entry_hash.hex(),
    }
    name = (draft.opens or {}).get("name")
    text = f"Recorded as entry {accepted.leaf_index} of chain {facts['chain_id']}."
    opens = f"Chain {name}: {facts['chain_id']}"
    say(facts, lambda: text if draft.opens is None else opens, as_json=as_json)


def prepared(draft: "Draft", path: Path, lines: Iterable[str], *, as_json: bool) -> None:
    """Write a new draft to its file and say what is to be done with it."""
    from chains.files import write_file

    write_file(path, draft.encode())
    lacking = [key.hex() for key in draft.lacking]
    told = [f"{path} is to be signed by these keys (`anchorline draft sign`):", *(f"  {key}" for key in lacking)]
    if not lacking:
        told = [f"{path} has all its signatures: `anchorline draft submit` records it."]
    say(_facts(draft) | {"draft": str(path)}, lambda: [*told, "It says:", *lines], as_json=as_json)


def record(found: "Home", draft: "Draft") -> "tuple[Chain, Accepted]":
    """Record the entry of a draft: on its chain, or as the first of the chain that it opens."""
    from chains.work import Submission

    own = draft.finished()
    submission = Submission(own.raw, own.salt, content=own.content)
    if draft.opens is None:
        chain = found.chains.named(own.entry.chain_id.hex())
        [accepted] = found.writer.submit(chain, [submission], found.clock())
        return chain, accepted
    return _opened_with(found, submission, draft.opens)


def _opened_with(found: "Home", submission: "Submission", opens: Mapping[str, str]) -> "tuple[Chain, Accepted]":
    """Open a chain with a first entry that was signed: under a name, of an owner, for whom it is said."""
    from chains.access import Visibility
    from chains.commands.recording import visibility_of

    organisation = opens.get("organisation")
    owner = found.accounts.organisations.live(organisation) if organisation else None
    readable = visibility_of(opens.get("visibility", Visibility.PRIVATE.value))
    return found.writer.open_chain_with(
        *(submission, opens.get("name"), found.clock()),
        note=lambda made: found.accounts.sharing.own(made, owner, readable),
    )


def _read(path: Path) -> "Draft":
    from anchor.signing import check_signature
    from chains.client.draft import MAX_DRAFT, Draft

    return Draft.decode(read_at_most(path, MAX_DRAFT + 1), check_signature)


def _facts(draft: "Draft") -> dict[str, Any]:
    from anchor.proof.policy import Policy, stated_in
    from chains.client.policy_document import policy_to_json

    statement = stated_in(draft.entry)
    return {
        "chain_id": draft.entry.chain_id.hex(),
        "opens": None if draft.opens is None else dict(draft.opens),
        "policy": None if statement is None else policy_to_json(Policy.decode(statement)),
        "signed_by": [key.hex() for key in draft.keys if key in draft.signatures],
        "lacking": [key.hex() for key in draft.lacking],
    }


def _lines(draft: "Draft") -> Iterable[str]:
    from anchor.proof.chain_life import Closing, statement_of
    from anchor.proof.codec import sha256
    from anchor.proof.entry import Relation
    from anchor.proof.policy import Policy, stated_in

    chain_id, statement = draft.entry.chain_id.hex(), stated_in(draft.entry)
    name = (draft.opens or {}).get("name", "")
    yield f"An entry of chain {chain_id}" if draft.opens is None else f"The first entry of chain {name} {chain_id}"
    if statement is not None:
        yield "that states its policy:"
        yield from policy_lines(None, Policy.decode(statement))
    closing = statement_of(draft.entry)
    if isinstance(closing, Closing):
        yield f"that closes the chain, for ever: {closing.reason or 'no reason is given'}"
    for link in draft.entry.links:
        if link.relation == Relation.COSIGNS:
            yield f"that co-signs entry {link.entry_hash.hex()}"
    if draft.content:
        kind = f" of type {draft.entry.media_type}" if draft.entry.media_type else ""
        yield f"with {len(draft.content)} bytes of content{kind}, SHA-256 {sha256(draft.content).hex()}"
    for key in draft.keys:
        yield f"{'signed by' if key in draft.signatures else 'lacks'} {key.hex()}"
