"""Commands about the life of a chain: ``chain close``.

Arguments are names that people give; ``chains.life_stating`` does what they ask (docs/operate/leaving.md).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anchor.proof.codec import hash_from_hex
from chains.commands.key_options import AuthorPasswordOption, IdentityOption, SignOption, signing_author
from chains.commands.recording import chain_app
from chains.commands.sharing import ChainArgument
from chains.commands.terminal import HomeOption, JsonOption, command_group, given, is_hash, opened, read_limited, say

if TYPE_CHECKING:
    from chains.client.signing import AuthorKey
    from chains.home import Home
    from chains.life_stating import Signer

app = command_group()


@chain_app.command("close")
def chain_close(
    chain: ChainArgument,
    reason: Annotated[str, typer.Option(help="Why, in one line; it stays for ever, so name no person.")] = "",
    moved_to: Annotated[
        str | None, typer.Option(metavar="CARD|LOG_ID", help="The log where the chain goes on: its card, or its id.")
    ] = None,
    sign: SignOption = None,
    identity: IdentityOption = None,
    password_file: AuthorPasswordOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Close a chain, for ever: its last entry says why. Only erasures are recorded behind it.

    With --moved-to it says in which other log the chain goes on (`anchorline chain continue` there).
    """
    from chains.life_stating import close_chain

    log_id = None if moved_to is None else _log_id(moved_to)
    author = signing_author(sign, identity, password_file)
    with opened(home) as found:
        target = found.chains.named(chain)
        signer = None if author is None else _signer(found, author, identity)
        accepted = close_chain(found.writer, target, reason, log_id, found.clock(), signer)
    facts = {
        "chain_id": target.chain_id.hex(),
        "leaf_index": accepted.leaf_index,
        "entry_hash": accepted.entry_hash.hex(),
        "reason": reason,
        "moved_to": None if log_id is None else log_id.hex(),
    }
    goes_on = "" if log_id is None else f" It goes on in log {log_id.hex()}."
    say(facts, lambda: f"Chain {chain} is closed by its entry {accepted.leaf_index}.{goes_on}", as_json=as_json)


def _signer(found: "Home", author: "AuthorKey", identity: str | None) -> "Signer":
    from chains.life_stating import Signer

    return Signer(author, None if identity is None else found.chains.named(identity).chain_id)


def _log_id(named: str) -> bytes:
    """Return the id of a log that is named by it, or by its card's file."""
    from anchor.proof.receipt import LogCard

    if is_hash(named):
        return hash_from_hex(named, "--moved-to")
    return given(lambda: LogCard.decode(read_limited(Path(named)))).log.log_id
