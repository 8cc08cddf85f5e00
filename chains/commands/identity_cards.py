"""Commands about whose identity it is: the card that its holder gives away, and the one that a verifier keeps.

``expected_author`` reads what ``verify --identity`` names; nothing here is believed of a receipt.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anchor.proof.did import DID_KEY
from chains.commands.identities import Name, identity_app
from chains.commands.terminal import (
    HomeOption,
    JsonOption,
    command_group,
    given,
    opened,
    read_at_most,
    say,
    usage,
    write_output,
)

if TYPE_CHECKING:
    from anchor.proof.expected_author import ExpectedAuthor
    from anchor.proof.identity_card import IdentityCard

# Its commands are those of ``identity``; the group stands for this file where all groups are put together.
app = command_group()

_CHAIN_ID_DIGITS = 64
_MAX_NAME = 100


@identity_app.command("card")
def identity_card(
    name: Name,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: standard output).")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Write an identity's card: what verifiers of its receipts pin. Its id follows from it, so it cannot be forged."""
    with opened(home) as found:
        chain = found.chains.named(name)
        card = given(lambda: found.identities.card(chain))
    write_output(output, card.encode() + (b"\n" if output is None else b""))


@identity_app.command("trust")
def identity_trust(
    card: Annotated[Path, typer.Argument(help="The card of an identity, from its holder.")],
    name: Annotated[str, typer.Option("--name", help="Your name for it: verify --identity NAME.")],
    as_json: JsonOption = False,
) -> None:
    """Keep an identity's card under a name of yours, for verify --identity."""
    from chains.files import write_file

    kept, trusted = _kept(name), given(lambda: _read(card))
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_file(kept, trusted.encode())
    facts = {"name": name, "chain_id": trusted.chain_id.hex(), "names": list(trusted.begin.names), "kept_in": str(kept)}
    say(facts, lambda: f"{name} is identity {facts['chain_id']} from now on.", as_json=as_json)


def expected_author(text: str | None) -> "ExpectedAuthor | None":
    """Return whom --identity names: a chain id, a did:key, the file of a card, or a name that was kept."""
    from anchor.proof.expected_author import ExpectedAuthor

    if text is None:
        return None
    if text.startswith(DID_KEY) or (len(text) == _CHAIN_ID_DIGITS and not Path(text).exists()):
        return given(lambda: ExpectedAuthor.decode(text))
    kept = Path(text)
    if not kept.is_file():
        kept = _kept(text)
    if not kept.is_file():
        usage(
            f"--identity: expected a chain id, a did:key, the file of a card, or a name kept with `identity trust`, "
            f"got {text[:80]!r}"
        )
    return ExpectedAuthor(identity=given(lambda: _read(kept)).chain_id)


def _read(path: Path) -> "IdentityCard":
    from anchor.proof.identity_card import MAX_CARD, IdentityCard

    return IdentityCard.decode(read_at_most(path, MAX_CARD + 1))


def _kept(name: str) -> Path:
    """Return where the card of this name is kept."""
    import platformdirs

    if not 1 <= len(name) <= _MAX_NAME or name.startswith(".") or not name.isprintable() or set(name) & set("/\\:"):
        usage(f"name of an identity: expected 1 to {_MAX_NAME} characters that can name a file, got {name[:80]!r}")
    return Path(platformdirs.user_config_dir("anchorline")) / "identities" / f"{name}.json"
