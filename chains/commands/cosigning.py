"""The command of further parties that sign an entry: ``cosign``."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from chains.commands.drafting import prepared
from chains.commands.key_options import AuthorPasswordOption, IdentityOption, SignersOption, signing_authors
from chains.commands.policy_options import PrepareOption, ToSignOption, refuse_next_early, signing_of
from chains.commands.terminal import (
    RECORDING,
    HomeOption,
    JsonOption,
    command_group,
    find_entry,
    opened,
    reader_of,
    say,
    usage,
)

if TYPE_CHECKING:
    from chains.chain import Chain
    from chains.client.own_entry import Form, OwnEntry
    from chains.home import Home
    from chains.reader import StoredEntry

app = command_group()


@app.command(rich_help_panel=RECORDING)
def cosign(
    entry: Annotated[str, typer.Argument(help="Entry hash in hex, or CHAIN:INDEX.")],
    sign: SignersOption = None,
    note: Annotated[str, typer.Option(help="What you say to it; it is content, which can be erased.")] = "",
    identity: IdentityOption = None,
    signer: ToSignOption = None,
    prepare: PrepareOption = None,
    password_file: AuthorPasswordOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sign an entry that somebody else recorded: a later entry of its chain links to it, with your signature.

    The entry itself stays what it was. New receipts of it show who co-signed; whether a key was one of the identity
    that it signed for, the receipt of the co-signing entry shows. Several keys sign one entry together, as a policy may
    want it, and each of them co-signs; parties that need not sign together run it one after the other.
    """
    from anchor.proof.entry import signing_keys
    from anchor.proof.later_entry import key_facts
    from chains.intake import record_in_form

    if signer or prepare:
        signing = signing_of(sign, signer, prepare, password_file)
        if identity is not None:
            usage("--identity is said where one key signs alone")
        with opened(home) as found:
            chain, stored = _co_signed(found, entry)
            draft = signing.draft(_unsigned(chain, note, _form(found, stored, note)))
            refuse_next_early(found, chain, draft)
            assert signing.prepare is not None, "nobody signs elsewhere without it"
            prepared(draft, signing.prepare, [f"  it co-signs entry {stored.leaf_index}"], as_json=as_json)
        return
    author = signing_authors(sign, identity, password_file)
    if author is None:
        usage("a co-signature is signed: name the key with --sign, or write a draft with --prepare and --signer")
    with opened(home) as found:
        chain, stored = _co_signed(found, entry)
        named = None if identity is None else found.chains.named(identity).chain_id
        form = replace(_form(found, stored, note), author=author, identity=named)
        (accepted,) = record_in_form(found.writer, chain, [note.encode()], found.clock(), form)
        written = reader_of(found).row(accepted.seq)
    facts = {
        "entry_hash": written.entry_hash.hex(),
        "leaf_index": written.leaf_index,
        "co_signs": stored.entry_hash.hex(),
        **key_facts(signing_keys(written.entry)),
    }
    say(
        facts,
        lambda: [
            f"Entry {written.leaf_index} co-signs entry {stored.leaf_index} of its chain.",
            f"  {written.entry_hash.hex()}",
        ],
        as_json=as_json,
    )


def _co_signed(found: "Home", entry: str) -> "tuple[Chain, StoredEntry]":
    stored = find_entry(found, entry)
    chain = found.chains.by_no(stored.chain_no)
    assert chain is not None, "the chain of a stored entry"
    return chain, stored


def _form(found: "Home", stored: "StoredEntry", note: str) -> "Form":
    """Return the form of an entry that co-signs another one, which nobody signed yet."""
    from anchor.proof.entry import Link, Relation
    from chains.client.own_entry import Form

    links = (Link(Relation.COSIGNS, stored.entry.chain_id, stored.entry_hash),)
    return Form("text/plain" if note else "", (), links, found.writer.log_id)


def _unsigned(chain: "Chain", note: str, form: "Form") -> "OwnEntry":
    from chains.client.own_entry import Sent, make_entry

    return make_entry(chain.chain_id, note.encode(), form, os.urandom, Sent.CONTENT)
