"""Commands about manifests: ``manifest show`` and ``manifest prove``; and what ``verify`` has at hand of one.

They need no home: whoever has the list of a folder shows single files or rows of it, whoever has the folder compares.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from chains.commands.terminal import (
    PROVING,
    JsonOption,
    command_group,
    given,
    read_at_most,
    say,
    usage,
    write_output,
)

if TYPE_CHECKING:
    from anchor.proof.receipt import Receipt
    from chains.manifest_judging import AtHand

app = command_group()
manifest_app = command_group("Manifests of recorded folders: what they list, and the proof of one file or row.")
app.add_typer(manifest_app, name="manifest", rich_help_panel=PROVING)

ListArgument = Annotated[Path, typer.Argument(metavar="MANIFEST", help="The list that `add` wrote beside the folder.")]


@manifest_app.command("show")
def show(manifest: ListArgument, as_json: JsonOption = False) -> None:
    """List what a manifest has: paths, sizes, digests, numbers of rows."""
    from anchor.proof.manifest_list import ListReader, read_list
    from anchor.proof.manifest_proof import describe_kind
    from chains.counted import counted

    with given(lambda: manifest.open("rb")) as stream:
        document = given(lambda: read_list(stream))
        stream.seek(0)
        files = list(ListReader(stream).files())
    facts = {
        "files": document.files,
        "bytes": document.size,
        "root": document.root.hex(),
        "list_sha256": document.list_digest.hex(),
        "paths": [
            {
                "path": each.path,
                "kind": describe_kind(each.kind),
                "bytes": each.size,
                "sha256": each.digest.hex(),
                "rows": each.rows.count if each.rows.kind else None,
            }
            for each in files
        ],
    }
    say(
        facts,
        lambda: [
            f"{counted(document.files, 'files')}, {document.size} bytes, root {document.root.hex()}",
            *(
                f"  {each.size:>12}  {each.path}" + (f"  {counted(each.rows.count, 'rows')}" if each.rows.kind else "")
                for each in files
            ),
        ],
        as_json=as_json,
    )


@manifest_app.command("prove")
def prove(
    manifest: ListArgument,
    path: Annotated[str, typer.Argument(help="Path of the file, as the manifest lists it.")],
    row: Annotated[
        list[int] | None, typer.Option(min=1, help="A row to show, from 1, header included; may be repeated.")
    ] = None,
    header: Annotated[bool, typer.Option("--header", help="Show the first row too: the names of the columns.")] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Where the file is, for rows (default: MANIFEST without its ending).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: standard output).")
    ] = None,
) -> None:
    """Write the proof of one file, or of single rows of it, which shows nothing of the others.

    Hand it over with the receipt of the folder: `anchorline verify [FILE] RECEIPT --proof PROOF`. Of a whole file the
    proof has its path, size and SHA-256; of rows, the rows themselves, their numbers, the path and how many there are.
    """
    from chains.manifest_proving import prove_file, prove_rows

    if header and not row:
        usage("--header is shown beside rows: name at least one with --row")
    if folder is not None and not row:
        usage("--folder says where rows are read: name at least one with --row")
    with given(lambda: manifest.open("rb")) as stream:
        if not row:
            made = prove_file(stream, path)
        else:
            source = folder or manifest.with_name(manifest.name.removesuffix(".manifest"))
            file = source / path if source.is_dir() else source
            rows = [number - 1 for number in row] + ([0] if header else [])
            with _bar([file], quiet=False) as advance:
                made = prove_rows(stream, path, rows, file, advance)
    write_output(output, made.encode())


def at_hand(
    files: list[Path], receipt: "Receipt", manifest: Path | None, proof: Path | None, *, quiet: bool
) -> "AtHand | None":
    """Return what ``verify`` was given of a manifest, or None where the content is a single file as it is.

    A folder can only be compared by a manifest; a file with rows is known by the media type of its entry, if the list
    is there. Raises MalformedError and OSError.
    """
    from anchor.proof.manifest import MEDIA_TYPE

    source = files[0] if len(files) == 2 else None
    if proof is not None:
        if manifest is not None:
            usage("--proof shows a file without its manifest: leave --manifest out")
        return _proof_at_hand(proof, source)
    if source is None:
        if manifest is not None:
            usage("--manifest is compared with a folder: name it before the receipt")
        return None
    is_wanted = manifest is not None or source.is_dir()
    if not is_wanted and receipt.entry.media_type != MEDIA_TYPE:
        return None
    beside = manifest or _beside(source, files[-1])
    if not is_wanted and not beside.exists():
        return None  # the file at hand may be the document itself
    if not beside.exists():
        usage(f"{source} is recorded by a manifest, whose list {beside} is not there: name it with --manifest")
    return _folder_at_hand(source, beside, quiet=quiet)


def _beside(source: Path, receipt: Path) -> Path:
    """Return where a list is looked for: beside the folder, then beside the receipt under its name."""
    from chains.manifest_writing import SUFFIX, default_list

    own = default_list(source)
    return own if own.is_file() else receipt.with_name(receipt.name.removesuffix(".receipt") + SUFFIX)


def _proof_at_hand(path: Path, source: Path | None) -> "AtHand":
    import hashlib

    from anchor.proof.manifest_proof import MAX_PROOF, ManifestProof
    from anchor.proof.manifest_rows import pieces_of
    from chains.manifest_judging import ProofAtHand

    proof = ManifestProof.decode(read_at_most(path, MAX_PROOF + 1))
    if source is None:
        return ProofAtHand(proof)
    hasher, size = hashlib.sha256(), 0
    with source.open("rb") as file:
        for piece in pieces_of(file):
            hasher.update(piece)
            size += len(piece)
    return ProofAtHand(proof, (size, hasher.digest()))


def _folder_at_hand(source: Path, list_path: Path, *, quiet: bool) -> "AtHand":
    from chains.manifest_judging import FolderAtHand

    return FolderAtHand.read(source, list_path, lambda: _bar([source], quiet=quiet))


@contextmanager
def _bar(files: list[Path], *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show a bar over the bytes that are read, on a terminal."""
    from chains.commands.recording import progress_bar

    with progress_bar(files, quiet=quiet, what="reading") as advance:
        yield advance
