"""Commands about whose identity it is: its card, the cards that a verifier keeps, and what its domains say.

``expected_author`` reads what ``verify --identity`` names; nothing here is believed of a receipt.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from anchor.proof.did import DID_KEY
from anchor.proof.errors import MalformedError
from chains.commands.identities import Name, identity_app
from chains.commands.terminal import (
    EXIT_FAILED,
    EXIT_NOT_CHECKED,
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
    from chains.chain import Chain
    from chains.did_document import Compared
    from chains.home import Home

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


@identity_app.command("did-document")
def identity_did_document(
    name: Name,
    did: Annotated[str, typer.Argument(metavar="DID", help="The did:web name, e.g. did:web:acme.example.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: standard output).")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the did.json by which your domain vouches for the keys of the identity that sign entries now."""
    from chains.did_document import address_of, document_of

    address = given(lambda: address_of(did))
    with opened(home) as found:
        chain, keys = _keys_now(found, name)
        bindings = found.identities.current(chain, found.clock()).bindings
    bound = [item.certificate_hash for item in bindings if item.until is None]
    write_output(output, document_of(did, chain.chain_id, sorted(keys), bound))
    if output is not None:
        facts = {"file": str(output), "address": address}
        say(facts, lambda: f"{output}: to be published at {address}", as_json=as_json)


@identity_app.command("check-did")
def identity_check_did(
    name: Name,
    tls_roots: Annotated[
        Path | None, typer.Option(help="PEM file with the roots that you trust for the domain (default: the system's).")
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the domains that an identity names whether they vouch for its keys, on the network, now.

    No verdict rests on it: a domain can say something else tomorrow. Exit codes: 0 every domain vouches for just these
    keys; 1 one does not; 4 one could not be asked.
    """
    from chains.did_document import compare
    from chains.did_fetching import fetch

    with opened(home) as found:
        chain, keys = _keys_now(found, name)
        names = given(lambda: found.identities.card(chain)).begin.names
    if not names:
        usage(f"identity {name} names no domain: it began without --did-web")

    def ask(did: str) -> "Compared":
        return compare(did, fetch(did, tls_roots), chain.chain_id, keys)

    answers = [_asked(did, ask) for did in names]
    codes = {answer["exit_code"] for answer in answers}
    say({"names": answers}, lambda: [f"{answer['did']}: {answer['text']}" for answer in answers], as_json=as_json)
    raise typer.Exit(next((code for code in (EXIT_FAILED, EXIT_NOT_CHECKED) if code in codes), 0))


def _asked(did: str, ask: "Callable[[str], Compared]") -> dict[str, Any]:
    """Return what a domain says of an identity's keys, or why it says nothing."""
    from anchor.errors import SourceError

    try:
        compared = ask(did)
    except SourceError as error:
        return {"did": did, "exit_code": EXIT_NOT_CHECKED, "text": f"could not be asked: {error}"}
    except MalformedError as error:
        return {"did": did, "exit_code": EXIT_FAILED, "text": str(error)}
    parts = {
        "both": sorted(key.hex() for key in compared.both),
        "only_identity": sorted(key.hex() for key in compared.only_identity),
        "only_document": sorted(key.hex() for key in compared.only_document),
    }
    code = 0 if compared.agrees else EXIT_FAILED
    text = "vouches for the keys that sign entries now" if compared.agrees else "does not vouch for just these keys"
    text += "".join(f"; {what.replace('_', ' ')}: {', '.join(keys)}" for what, keys in parts.items() if keys)
    text += "" if compared.names_identity else "; it does not name the identity's chain id"
    return {"did": did, "exit_code": code, "text": text, "names_identity": compared.names_identity} | parts


def _keys_now(found: "Home", name: str) -> "tuple[Chain, frozenset[bytes]]":
    """Return the identity of a name here, and its keys that sign entries now."""
    from anchor.proof.identity import Purpose

    chain, now_ms = found.chains.named(name), found.clock()
    history = given(lambda: found.identities.current(chain, now_ms))
    return chain, history.current(Purpose.ENTRIES, found.identities.next_place(now_ms))


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
