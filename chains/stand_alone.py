# SPDX-License-Identifier: Apache-2.0
"""The script ``verify.py`` of every export: checks the folder that it lies in, with Python and nothing else.

Input is the command line and that folder, with the verifier ``anchor/proof`` in it. ``chains.export`` copies this file
into each archive as it is; no part of Anchorline calls it.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from anchor.proof.archive import Checked
    from anchor.proof.blocks import KnownBlocks

USAGE = """usage: python3 -I verify.py [--block NETWORK:HEIGHT:HASH]... [--headers FILE]... [--log-id HEX]
       python3 -I verify.py --take ENTRY_HASH|CHAIN_ID:INDEX|INDEX

Checks everything in this folder: entries, contents, heads, checkpoints, promises and anchors.
Give blocks of Bitcoin from a source that you trust (--block, or a file of headers), and the log's id from
wherever you know it (--log-id): what is in this folder cannot vouch for itself.

With --take it checks nothing, and writes the envelope of an entry with encrypted content, and its receipt, into the
folder that you are in: drop both on verify.html with your reader's key, which opens and checks them.

exit codes: 0 all holds, up to a block that you gave; 1 something does not hold; 2 usage;
            4 all holds as far as this folder goes, and no block was given
"""
EXIT_HOLDS, EXIT_FAILED, EXIT_USAGE, EXIT_NOT_CHECKED = 0, 1, 2, 4


class Folder:
    """The files of an unpacked export."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, or None where there is none."""
        try:
            return (self.folder / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def lines(self, path: str) -> Iterator[bytes]:
        """Yield the lines of a file; none where there is no such file."""
        if (self.folder / path).is_file():
            with (self.folder / path).open("rb") as file:
                for line in file:
                    yield line.rstrip(b"\n")


def main(arguments: Sequence[str], folder: Path, out: TextIO) -> int:
    """Check a folder, say what was found, and return the exit code."""
    from anchor.proof.archive import check_archive
    from anchor.proof.errors import AnchorlineError

    if len(arguments) == 2 and arguments[0] == "--take":
        return _take(arguments[1], folder, Path.cwd(), out)
    if len(arguments) % 2 or not set(arguments[::2]) <= {"--block", "--headers", "--log-id"}:
        out.write(USAGE)
        return EXIT_USAGE
    given = list(zip(arguments[::2], arguments[1::2], strict=True))
    try:
        blocks = [_view(option, value) for option, value in given if option != "--log-id"]
    except (AnchorlineError, OSError) as error:
        out.write(f"{error}\n")
        return EXIT_USAGE
    try:
        checked = check_archive(Folder(folder), blocks)
    except AnchorlineError as error:
        out.write(f"DOES NOT HOLD: {error}\n")
        return EXIT_FAILED
    return _say(checked, next((value.lower() for option, value in given if option == "--log-id"), ""), out)


def _take(entry: str, folder: Path, target: Path, out: TextIO) -> int:
    """Write envelope and receipt of an entry as files; nothing is overwritten."""
    from anchor.proof.archive_taken import chains_with_envelopes, taken_out
    from anchor.proof.errors import AnchorlineError

    names = [path.relative_to(folder).as_posix() for path in folder.glob("envelopes/*")]
    try:
        found = taken_out(Folder(folder), chains_with_envelopes(names), entry)
        for ending, data in (("envelope", found.envelope), ("receipt", found.receipt.encode())):
            path = target / f"{found.chain_id.hex()[:16]}-{found.index}.{ending}"
            with path.open("xb") as file:
                file.write(data)
            out.write(f"{path.name}\n")
    except (AnchorlineError, OSError) as error:
        out.write(f"{error}\n")
        return EXIT_FAILED
    return EXIT_HOLDS


def _view(option: str, value: str) -> "KnownBlocks":
    from anchor.proof.blocks import GivenBlock, HeaderChain

    return GivenBlock.decode(value) if option == "--block" else HeaderChain.decode(Path(value).read_bytes())


def _say(checked: "Checked", log_id: str, out: TextIO) -> int:
    from anchor.proof.bitcoin.hashes import hash_hex

    found = checked.log.log_id.hex()
    out.write(f"Log {checked.log.origin} on {checked.network}\n  log id {found}\n")
    out.write(f"  {checked.entries} entries of {len(checked.chains)} chains, {checked.signed_entries} of them signed\n")
    out.write(f"  {checked.contents} contents and {checked.digests} digests, as their entries commit to them\n")
    if checked.envelopes:
        out.write(f"  {checked.envelopes} encrypted contents, which their entries name; their readers open them\n")
    out.write(f"  {checked.checkpoints} signed checkpoints, {checked.promised} promised entries\n")
    for anchor in checked.anchors:
        given = f"given by {anchor.believed}" if anchor.believed else "not given: not checked"
        block = f"block {anchor.height} {hash_hex(anchor.block_hash)}"
        out.write(f"  anchor of {anchor.tree_size} leaves, {anchor.entries} entries: {block}, {given}\n")
    if checked.named_entries:
        out.write(f"  {checked.named_entries} entries in the name of an identity, judged by its keys\n")
    if checked.certificates:
        out.write(
            f"  {checked.certificates} certificates that identities bound: not checked, as Python alone reads no X.509 "
            "(`anchorline verify --archive` with --ca does)\n"
        )
    out.writelines(f"  note: {remark}\n" for remark in checked.remarks)
    if log_id and log_id != found:
        out.write(f"DOES NOT HOLD: this is another log than {log_id}\n")
        return EXIT_FAILED
    out.write("" if log_id else "  whose log this is was not checked: compare the log id (--log-id)\n")
    proved = checked.proved
    if proved is None:
        out.write("HOLDS IN ITSELF. Give a block of an anchor above (--block) to see that it existed by then.\n")
        return EXIT_NOT_CHECKED
    out.write(f"HOLDS: {proved.entries} entries existed when block {proved.height} was mined, and are unchanged.\n")
    return EXIT_HOLDS


if __name__ == "__main__":
    # With -I, Python looks for modules neither here nor in any place that somebody set: only this folder is added.
    here = Path(__file__).resolve().parent
    sys.path.insert(0, str(here))
    sys.exit(main(sys.argv[1:], here, sys.stdout))
