"""The command of further parties that sign an entry: ``cosign``."""

from typing import Annotated

import typer

from chains.commands.key_options import AuthorPasswordOption, IdentityOption, signing_author
from chains.commands.terminal import (
    RECORDING,
    HomeOption,
    JsonOption,
    command_group,
    find_entry,
    opened,
    reader_of,
    say,
)

app = command_group()


@app.command(rich_help_panel=RECORDING)
def cosign(
    entry: Annotated[str, typer.Argument(help="Entry hash in hex, or CHAIN:INDEX.")],
    sign: Annotated[
        str, typer.Option(metavar="KEY", help="The key that co-signs: its file, agent:NAME or pkcs11:URI.")
    ],
    note: Annotated[str, typer.Option(help="What you say to it; it is content, which can be erased.")] = "",
    identity: IdentityOption = None,
    password_file: AuthorPasswordOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign an entry that somebody else recorded: a later entry of its chain links to it, with your signature.

    The entry itself stays what it was. New receipts of it show who co-signed; whether a key was one of the identity
    that it signed for, the receipt of the co-signing entry shows.
    """
    from anchor.proof.entry import Link, Relation
    from chains.client.own_entry import Form
    from chains.intake import record_in_form

    author = signing_author(sign, identity, password_file)
    with opened(home) as found:
        stored = find_entry(found, entry)
        chain = found.chains.by_no(stored.chain_no)
        assert chain is not None, "the chain of a stored entry"
        named = None if identity is None else found.chains.named(identity).chain_id
        links = (Link(Relation.COSIGNS, stored.entry.chain_id, stored.entry_hash),)
        form = Form("text/plain" if note else "", (), links, found.writer.log_id, author, named)
        (accepted,) = record_in_form(found.writer, chain, [note.encode()], found.clock(), form)
        written = reader_of(found).row(accepted.seq)
    facts = {
        "entry_hash": written.entry_hash.hex(),
        "leaf_index": written.leaf_index,
        "co_signs": stored.entry_hash.hex(),
        "key": written.entry.author.body[:32].hex(),
    }
    say(
        facts,
        lambda: [
            f"Entry {written.leaf_index} co-signs entry {stored.leaf_index} of its chain.",
            f"  {written.entry_hash.hex()}",
        ],
        as_json=as_json,
    )
