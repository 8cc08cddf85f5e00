"""Commands about the life of a chain: ``chain close``, ``chain transfer``, ``chain continue``.

Arguments are names that people give; ``chains.life_stating`` does what they ask (docs/operate/leaving.md).
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anchor.proof.codec import hash_from_hex
from chains.commands.accounts import EXPIRES_HELP, OrganisationArgument, utc_or_none
from chains.commands.drafting import prepared, record
from chains.commands.key_options import AuthorPasswordOption, IdentityOption, SignersOption, signing_authors
from chains.commands.policy_options import PrepareOption, Signing, ToSignOption, refuse_next_early, signing_of
from chains.commands.recording import chain_app
from chains.commands.sharing import ChainArgument
from chains.commands.terminal import (
    HomeOption,
    JsonOption,
    command_group,
    fail,
    given,
    is_hash,
    opened,
    read_limited,
    say,
    usage,
)
from chains.counted import counted
from chains.expiry import expiry_ms

if TYPE_CHECKING:
    from chains.chain import Chain
    from chains.client.signing import AuthorKey, Together
    from chains.home import Home
    from chains.life_stating import Signer
    from chains.work import Accepted

app = command_group()
transfer_app = command_group("Hand a chain to another owner: offered by the one, accepted by the other.")
chain_app.add_typer(transfer_app, name="transfer")


@chain_app.command("close")
def chain_close(
    chain: ChainArgument,
    reason: Annotated[str, typer.Option(help="Why, in one line; it stays for ever, so name no person.")] = "",
    moved_to: Annotated[
        str | None, typer.Option(metavar="CARD|LOG_ID", help="The log where the chain goes on: its card, or its id.")
    ] = None,
    sign: SignersOption = None,
    identity: IdentityOption = None,
    signer: ToSignOption = None,
    prepare: PrepareOption = None,
    password_file: AuthorPasswordOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close a chain, for ever: its last entry says why. Only erasures are recorded behind it.

    With --moved-to it says in which other log the chain goes on (`anchorline chain continue` there). A chain under a
    policy is closed by those who may change the policy; where they are several, as `policy change` has them sign.
    """
    from chains.life_stating import close_chain

    log_id = None if moved_to is None else _log_id(moved_to)
    if signer or prepare or len(sign or []) > 1:
        signing = signing_of(sign, signer, prepare, password_file)
        if identity is not None:
            usage("--identity is said where one key signs alone")
        with opened(home) as found:
            done = _close_together(found, chain, (reason, log_id), signing, as_json=as_json)
        if done is None:
            return
        target, accepted = done
    else:
        author = signing_authors(sign, identity, password_file)
        with opened(home) as found:
            target = found.chains.named(chain)
            alone = None if author is None else _signer(found, author, identity)
            accepted = close_chain(found.writer, target, reason, log_id, found.clock(), alone)
    facts = {
        "chain_id": target.chain_id.hex(),
        "leaf_index": accepted.leaf_index,
        "entry_hash": accepted.entry_hash.hex(),
        "reason": reason,
        "moved_to": None if log_id is None else log_id.hex(),
    }
    goes_on = "" if log_id is None else f" It goes on in log {log_id.hex()}."
    say(facts, lambda: f"Chain {chain} is closed by its entry {accepted.leaf_index}.{goes_on}", as_json=as_json)


def _close_together(
    found: "Home", chain: str, said: tuple[str, bytes | None], signing: Signing, *, as_json: bool
) -> "tuple[Chain, Accepted] | None":
    """Close a chain for a reason, to go on in a log or in none, by several keys; None where others sign it first."""
    from anchor.proof.chain_life import Closing
    from anchor.proof.log_statements import NO_CONTENT
    from chains.client.own_entry import OwnEntry
    from chains.life_stating import check_can_move, stating

    target, (reason, moved_to) = found.chains.named(chain), said
    check_can_move(found.policies, target, moved_to)
    log_id = found.directory.log.log_id
    made = stating(target.chain_id, Closing(found.clock(), reason, moved_to), log_id, for_log=True)
    assert made.salt is not None
    draft = signing.draft(OwnEntry(made.entry, made.salt, NO_CONTENT, b""))
    refuse_next_early(found, target, draft)
    if signing.prepare is not None:
        prepared(
            draft, signing.prepare, [f"  chain {chain} ends here: {reason or 'no reason is given'}"], as_json=as_json
        )
        return None
    return record(found, draft)


@chain_app.command("continue")
def chain_continue(
    archive: Annotated[Path, typer.Argument(help="What `anchorline export --chain` wrote at the other log.")],
    name: Annotated[str | None, typer.Option(help="The name of the chain here.")] = None,
    organisation: Annotated[str | None, typer.Option(help="The organisation whose chain it is here.")] = None,
    block: Annotated[
        list[str] | None, typer.Option(metavar="NETWORK:HEIGHT:HASH", help="A block that you trust (may be repeated).")
    ] = None,
    sign: SignersOption = None,
    identity: IdentityOption = None,
    password_file: AuthorPasswordOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on here with a chain of another log: its entries as they are, and one that says which chain it continues.

    The archive is checked in full before anything is written. Everything is written at once, or nothing. --sign signs
    the entry that says which chain it continues, repeated: several keys together.
    """
    from anchor.proof.archive_files import FAULTS
    from anchor.proof.blocks import GivenBlock
    from chains.access import Visibility
    from chains.archive.files import opened_export
    from chains.continuing import continue_chain

    blocks = [given(partial(GivenBlock.decode, text)) for text in block or []]
    author = signing_authors(sign, identity, password_file)
    given(archive.stat)
    faults: list[str] = []
    with opened(home) as found, opened_export(archive, faults.append) as files:
        if faults:
            fail(f"{archive}: {faults[0]}; nothing was written")
        owner = found.accounts.organisations.live(organisation) if organisation else None
        signer = None if author is None else _signer(found, author, identity)
        try:
            done = continue_chain(
                *(found.writer, files, name, found.clock()),
                blocks=blocks,
                signer=signer,
                note=lambda opened_chain: found.accounts.sharing.own(opened_chain, owner, Visibility.PRIVATE),
            )
        except FAULTS as error:
            fail(f"{archive}: {error}; nothing was written")
    facts = {
        "name": name,
        "chain_id": done.chain.chain_id.hex(),
        "from_log": done.log_id.hex(),
        "origin": done.origin,
        "entries": done.tree_size,
        "agreed": done.is_agreed,
        "continuation": done.continuation.entry_hash.hex(),
    }
    agreed = "that log says so too" if done.is_agreed else "that log does not say that it moved here"
    say(
        facts,
        lambda: (
            f"Chain {name or facts['chain_id']} goes on here with {counted(done.tree_size, 'entries')} of log "
            f"{done.origin}; {agreed}."
        ),
        as_json=as_json,
    )


@transfer_app.command("offer")
def transfer_offer(
    chain: ChainArgument,
    organisation: OrganisationArgument,
    expires: Annotated[str, typer.Option(help=EXPIRES_HELP)] = "14d",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Offer a chain to another organisation; nothing changes before that accepts."""
    from chains.transfers import Transfers

    with opened(home) as found:
        now_ms, taker = found.clock(), found.accounts.organisations.live(organisation)
        transfers = Transfers(found.writer, found.accounts)
        offered = transfers.offer(found.chains.named(chain), taker, expiry_ms(expires, now_ms), now_ms)
    facts = {"chain": chain, "to": taker.name, "expires_at": utc_or_none(offered.expires_at_ms)}
    until = f"until {facts['expires_at']}" if facts["expires_at"] else "without end"
    say(facts, lambda: f"Chain {chain} is offered to {taker.name} {until}.", as_json=as_json)


@transfer_app.command("accept")
def transfer_accept(
    chain: ChainArgument,
    organisation: OrganisationArgument,
    sign: SignersOption = None,
    identity: IdentityOption = None,
    password_file: AuthorPasswordOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Accept a chain in the name of the organisation to which it is offered: an entry says so, and grants end.

    --sign signs that entry, repeated: several keys together. An offer is no entry, and nobody signs it.
    """
    from chains.transfers import Transfers

    author = signing_authors(sign, identity, password_file)
    with opened(home) as found:
        taker, target = found.accounts.organisations.live(organisation), found.chains.named(chain)
        signer = None if author is None else _signer(found, author, identity)
        accepted = Transfers(found.writer, found.accounts).accept(target, taker, found.clock(), signer)
    facts = {"chain": chain, "organisation": taker.name, "leaf_index": accepted.leaf_index}
    text = f"Chain {chain} belongs to {taker.name} from its entry {accepted.leaf_index} on; its grants ended."
    say(facts, lambda: text, as_json=as_json)


@transfer_app.command("withdraw")
def transfer_withdraw(chain: ChainArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """End an offer that was not accepted."""
    from chains.transfers import Transfers

    with opened(home) as found:
        Transfers(found.writer, found.accounts).withdraw(found.chains.named(chain), found.clock())
    say({"chain": chain}, lambda: f"Chain {chain} is not offered any more.", as_json=as_json)


def _signer(found: "Home", author: "AuthorKey | Together", identity: str | None) -> "Signer":
    from chains.life_stating import Signer

    return Signer(author, None if identity is None else found.chains.named(identity).chain_id)


def _log_id(named: str) -> bytes:
    """Return the id of a log that is named by it, or by its card's file."""
    from anchor.proof.receipt import LogCard

    if is_hash(named):
        return hash_from_hex(named, "--moved-to")
    return given(lambda: LogCard.decode(read_limited(Path(named)))).log.log_id
