"""Commands of whoever holds the log, for proofs: ``receipt``, ``upgrade``, ``log``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chains.commands.terminal import (
    MAX_SIZE,
    PROVING,
    HomeOption,
    JsonOption,
    command_group,
    fail,
    find_entry,
    given,
    opened,
    print_line,
    read_at_most,
    read_limited,
    say,
    usage,
    write_output,
)
from chains.commands.verifying import trusted_folder
from chains.counted import counted

if TYPE_CHECKING:
    from anchor.proof.receipt import Receipt

MirrorOption = Annotated[
    str | None, typer.Option("--mirror", metavar="FOLDER|URL", help="Make it of this published log; no home is asked.")
]

app = command_group()
log_app = command_group("Log cards: show this log's, trust somebody's.")
app.add_typer(log_app, name="log", rich_help_panel=PROVING)


@app.command(rich_help_panel=PROVING)
def receipt(
    entry: Annotated[str, typer.Argument(help="Entry hash in hex, or CHAIN:INDEX.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: standard output).")
    ] = None,
    withhold: Annotated[bool, typer.Option("--withhold", help="Show neither salt nor digest of the content.")] = False,
    content: Annotated[bool, typer.Option("--content", help="Put the content into the receipt.")] = False,
    envelope: Annotated[
        Path | None, typer.Option(help="Write the envelope of encrypted content here, for `anchorline open`.")
    ] = None,
    checkpoint: Annotated[
        int | None, typer.Option(min=1, max=MAX_SIZE, help="Prove against the checkpoint of this size.")
    ] = None,
    ots: Annotated[bool, typer.Option("--ots", help="Write an OpenTimestamps file instead.")] = False,
    network_not_in_file: Annotated[
        bool, typer.Option("--network-not-in-file", help="Yes: an .ots off mainnet does not say so itself.")
    ] = False,
    mirror: MirrorOption = None,
    entry_file: Annotated[
        Path | None, typer.Option(help="With --mirror: the entry's bytes, where the mirror has only its hash.")
    ] = None,
    brief: Annotated[
        bool, typer.Option("--brief", help="With --mirror: read nothing of the chain but the entry's own way.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Write the receipt of an entry, as complete as it can be now; from a mirror alone with --mirror."""
    if mirror is not None:
        if withhold or content or envelope or checkpoint:
            usage(
                "a mirror has no contents and no envelopes: --mirror goes with --entry-file, --brief, --output and "
                "--ots only"
            )
        made, lacking = _from_mirror(mirror, entry, entry_file, is_brief=brief)
        _say_lacking(lacking)
        _hand_out(made, output, ots=ots, network_not_in_file=network_not_in_file)
        return
    if entry_file is not None or brief:
        usage("--entry-file and --brief belong to --mirror")
    from anchor.proof.access_record import What
    from chains.envelopes import Envelopes
    from chains.receipts import Receipts, Shown
    from chains.taking import Taking

    with opened(home) as found:
        stored = find_entry(found, entry)
        receipts = Receipts(found.engine, found.trees, found.directory, found.chains, found.journal, found.lookup)
        made = receipts.make(stored, Shown(not withhold, content), checkpoint)
        kept = Envelopes(found.engine).of(stored) if envelope is not None else None
        taking = Taking(found)
        if not withhold:
            taking.take(What.CONTENT if content else What.RECEIPT, stored)
        if kept is not None:
            taking.take(What.ENVELOPE, stored)
        taking.note()
    if envelope is not None:
        write_output(envelope, kept.encode() if kept else fail(f"no encrypted content of {entry} is kept here"))
    _hand_out(made, output, ots=ots, network_not_in_file=network_not_in_file)


def _hand_out(made: "Receipt", output: Path | None, *, ots: bool, network_not_in_file: bool) -> None:
    if ots:
        _write_ots(made, output, network_not_in_file=network_not_in_file)
        return
    write_output(output, made.encode())


def _say_lacking(lacking: str | None) -> None:
    """Say beside a receipt, which may go to standard output, what a mirror could not give it."""
    if lacking is not None:
        print_line(f"anchorline: {lacking}")


def _from_mirror(place: str, entry: str, entry_file: Path | None, *, is_brief: bool) -> tuple["Receipt", str | None]:
    """Make the receipt of an entry, named by its hash or as CHAIN_ID:INDEX, from a mirror and nothing else.

    With it what it lacks, in a sentence.
    """
    from anchor.proof.codec import hash_from_hex
    from anchor.proof.entry import MAX_ENTRY, Entry
    from anchor.proof.mirror_receipts import MirrorReceipts, Place
    from chains.commands.terminal import is_hash
    from chains.log_reading import opened_log

    raw = None if entry_file is None else given(lambda: read_at_most(entry_file, MAX_ENTRY + 1))
    own = None if raw is None else given(lambda: Entry.decode(raw))
    name, colon, index = entry.rpartition(":")
    with opened_log(place) as fetch:
        receipts = MirrorReceipts(fetch, is_brief=is_brief)
        if is_hash(entry):
            found = receipts.find(bytes.fromhex(entry), None if own is None else [own.chain_id])
        elif colon and index.isdecimal() and index.isascii():
            found = Place(given(lambda: hash_from_hex(name, "CHAIN_ID", 32)), int(index[:18]))
        else:
            usage(f"expected an entry hash of 64 lower-case hex digits, or CHAIN_ID:INDEX, got {entry[:80]!r}")
        made = receipts.make(found, raw)
        return made, receipts.lacking(made)


@app.command(rich_help_panel=PROVING)
def upgrade(
    receipt_file: Annotated[Path, typer.Argument(metavar="RECEIPT", help="Receipt file to complete, in place.")],
    checkpoint: Annotated[
        int | None, typer.Option(min=1, max=MAX_SIZE, help="Prove against the checkpoint of this size.")
    ] = None,
    mirror: MirrorOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Complete a receipt with what the log has anchored since; the old file is kept where something is wrong.

    From a mirror, certificates that its author bound are taken from the old one.
    """
    from anchor.proof.receipt import Receipt
    from anchor.proof.receipt_upgrade import dropped_by_upgrade
    from chains.files import write_file
    from chains.receipts import Receipts

    old = given(lambda: Receipt.decode(read_limited(receipt_file)))
    if mirror is not None:
        if checkpoint:
            usage("--mirror takes the first anchored checkpoint of the mirror: give no --checkpoint")
        new, lacking = _upgraded_from_mirror(mirror, old)
        _say_lacking(lacking)
    else:
        with opened(home) as found:
            stored = find_entry(found, old.entry.hash.hex())
            receipts = Receipts(found.engine, found.trees, found.directory, found.chains, found.journal, found.lookup)
            new = receipts.upgrade(old, stored, checkpoint)
    anchored = bool(new.sealed and new.sealed.is_in_bitcoin)
    write_file(receipt_file, new.encode())
    stamps, attestations = dropped_by_upgrade(old, new)
    facts = {
        "sealed": new.sealed is not None,
        "anchored": anchored,
        "changed": new != old,
        "dropped": {"time_stamps": stamps, "attestations": attestations},
    }
    state = "anchored" if anchored else "sealed, not anchored yet" if new.sealed else "not sealed yet"
    say(facts, lambda: [f"{receipt_file}: {state}", *_dropped_lines(old, stamps, attestations)], as_json=as_json)


def _upgraded_from_mirror(place: str, old: "Receipt") -> tuple["Receipt", str | None]:
    """Return the receipt from a mirror, or the old one where that shows more; and what the new one lacks."""
    from anchor.proof.mirror_receipts import MirrorReceipts
    from chains.log_reading import opened_log

    with opened_log(place) as fetch:
        receipts = MirrorReceipts(fetch)
        new = receipts.upgrade(old)
        return new, None if new == old else receipts.lacking(new)


def _dropped_lines(old: "Receipt", stamps: int, attestations: int) -> list[str]:
    """Return what an upgrade says of the time stamps and attestations that only the old file had."""
    if old.sealed is None or not (stamps or attestations):
        return []
    size = old.sealed.checkpoint.size
    dropped = f"{counted(stamps, 'time stamps')} and {counted(attestations, 'attestations')}"
    return [
        f"  dropped: {dropped}, which prove the earlier checkpoint of {size} leaves and nothing of this one",
        f"  `anchorline receipt {old.entry.hash.hex()} --checkpoint {size}` writes those that this log keeps",
    ]


@log_app.command("card")
def log_card(home: HomeOption = None) -> None:
    """Print this log's card: what a verifier pins."""
    with opened(home) as found:
        sys.stdout.write(found.card().encode().decode("ascii"))


@log_app.command("trust")
def log_trust(
    card: Annotated[Path, typer.Argument(help="The card file, from a source you trust.")], as_json: JsonOption = False
) -> None:
    """Keep a log's card, so that verify recognises its receipts."""
    from anchor.proof.receipt import LogCard
    from chains.files import write_file

    trusted = given(lambda: LogCard.decode(read_limited(card)))
    folder = trusted_folder()
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{trusted.log.log_id.hex()}.json"
    write_file(kept, trusted.encode())
    facts = {"origin": trusted.log.origin, "log_id": trusted.log.log_id.hex(), "kept_in": str(kept)}
    say(
        facts,
        lambda: f"Receipts of {facts['origin']} (log {facts['log_id']}) are recognised from now on.",
        as_json=as_json,
    )


def _write_ots(made: Any, output: Path | None, *, network_not_in_file: bool) -> None:
    from chains.ots_export import export_ots

    exported = export_ots(made)
    if output is None:
        usage("--ots needs --output NAME.ots")
    if exported.network != "mainnet":
        if not network_not_in_file:
            usage(
                f"an .ots file names no network and reads as mainnet; this anchor is on {exported.network}. "
                "Say --network-not-in-file to write it all the same"
            )
        output = output.with_name(f"{output.name.removesuffix('.ots')}.{exported.network}.ots")
        print_line(f"warning: {output} proves something to a {exported.network} node only, and does not say so")
    write_output(output, exported.ots)
    print_line(f"{output}: {exported.operations} operations; it discloses the entry and the salt of its content")
    if exported.leaf is not None:
        leaf = output.with_name(output.name.removesuffix(".ots") + ".leaf")
        write_output(leaf, exported.leaf)
        print_line(f"{leaf}: the file that it stamps (00 and the entry), since the content is not shown")
