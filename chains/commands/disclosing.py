"""Commands about JSON documents that are recorded by their fields: ``fields``; and what ``verify`` has at hand of one.

They need no home: whoever has the disclosure of all fields, or of some, shows fewer of them.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chains.commands.terminal import (
    PROVING,
    JsonOption,
    command_group,
    given,
    read_at_most,
    read_limited,
    say,
    usage,
    write_output,
)

if TYPE_CHECKING:
    from anchor.proof.disclosure import Disclosure
    from anchor.proof.receipt import Receipt
    from chains.manifest_judging import AtHand

app = command_group()
fields_app = command_group("Fields of a recorded JSON document: commit to them, show some of them.")
app.add_typer(fields_app, name="fields", rich_help_panel=PROVING)

DisclosuresArgument = Annotated[
    Path,
    typer.Argument(metavar="DISCLOSURES", help="What `add --fields` wrote (FILE.disclosures), or a part of it."),
]


@fields_app.command("commit")
def commit(
    document: Annotated[Path, typer.Argument(metavar="DOC", help="A JSON file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="What is to be recorded (default: standard output).")
    ] = None,
) -> None:
    """Commit to each field of a JSON document without recording it: for who records elsewhere, by the HTTP API.

    The salts are written beside the document, DOC.disclosures. What comes out is the content of the entry, of media
    type application/vnd.anchorline.fields+json.
    """
    from chains.field_committing import committed

    made = given(lambda: committed(document))
    given(lambda: write_output(output, made.document))


@fields_app.command("show")
def show(disclosures: DisclosuresArgument, as_json: JsonOption = False) -> None:
    """List the fields that a disclosure shows, with their values, and how many are withheld. No receipt is judged."""
    from chains.disclosure_judging import DisclosureAtHand

    found = DisclosureAtHand(_read(disclosures))
    step = given(found.judge)
    say(found.facts, lambda: [step.text, *(f"  {line}" for line in found.lines)], as_json=as_json)


@fields_app.command("disclose")
def disclose(
    disclosures: DisclosuresArgument,
    only: Annotated[
        list[str],
        typer.Option(help="JSON Pointer of a field, or of what holds fields, to be shown; may be repeated."),
    ],
    receipt: Annotated[
        Path | None,
        typer.Option(help="Receipt of the entry, to go into the file: then the file is all that is needed."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: standard output).")
    ] = None,
) -> None:
    """Write a file that shows some fields of a document, and nothing of the others but how many there are.

    Whoever gets it runs `anchorline verify FILE`, or opens it in verify.html. He can show fewer fields on, never more.
    """
    from anchor.proof.receipt import Receipt
    from chains.field_committing import selected

    made = given(lambda: selected(_read(disclosures), only))
    if receipt is not None:
        encoded = given(lambda: _receipt(receipt))
        if Receipt.decode(encoded).content.digest != made.document_digest:
            usage(
                f"{receipt} is not the receipt of this document: expected the content's SHA-256 "
                f"{made.document_digest.hex()}"
            )
        made = made.with_receipt(encoded)
    write_output(output, made.encode())


def fields_at_hand(files: list[Path], receipt: "Receipt", proof: Path | None) -> "AtHand | None":
    """Return what ``verify`` was given of a document that is recorded by its fields, or None where it is none.

    A disclosure is one only for the receipt of such a document: it may have been recorded itself, as a file. Raises
    MalformedError and OSError.
    """
    from anchor.proof.json_fields import MEDIA_TYPE

    source = files[0] if len(files) == 2 else None
    if proof is not None:
        return _at_hand(proof, source) if _is_disclosure(proof) else None
    if receipt.entry.media_type != MEDIA_TYPE:
        return None
    if source is None or _is_disclosure(source):
        return _at_hand(files[0], None) if _is_disclosure(files[0]) else None
    from chains.field_committing import default_disclosures

    beside = default_disclosures(source)
    return _at_hand(beside, source) if beside.is_file() else None


def _at_hand(path: Path, source: Path | None) -> "AtHand":
    from anchor.proof.disclosure import MAX_DISCLOSURE, Disclosure
    from chains.disclosure_judging import DisclosureAtHand

    return DisclosureAtHand(Disclosure.decode(read_at_most(path, MAX_DISCLOSURE + 1)), source)


def _is_disclosure(path: Path) -> bool:
    from anchor.proof.disclosure import is_disclosure

    return path.is_file() and is_disclosure(read_at_most(path, 100))


def _read(path: Path) -> "Disclosure":
    from chains.field_committing import read_disclosure

    return given(lambda: read_disclosure(path))


def _receipt(path: Path) -> bytes:
    from anchor.proof.attached import receipt_in

    return receipt_in(read_limited(path))
