"""The verdict on a part of a log that was exported: its chains and receipts, and every file against the list of sums.

Input are the files and what the verifier brings; ``chains.archive.checking`` calls it where it finds a part.
"""

from collections.abc import Sequence

from anchor.proof.archive_directory import ArchivedDirectory
from anchor.proof.archive_files import FAULTS
from anchor.proof.archive_part import check_part
from anchor.proof.bitcoin.networks import NetworkRules
from anchor.proof.receipt import LogCard
from anchor.proof.verifier import Verifier
from anchor.signing import check_signature
from chains.archive.files import ExportFiles
from chains.archive.found import Found
from chains.archive.sums import SUMS, read_sums
from chains.archive.verdict import ArchiveVerdict, ArchiveVerifier, conclude


def verify_part(
    files: ExportFiles, card: LogCard, rules: NetworkRules | None, verifier: ArchiveVerifier, faults: Sequence[str]
) -> ArchiveVerdict:
    """Check everything that a part holds: of what does not hold the first is named, and every damaged file."""
    found = Found(faults=list(faults))
    sums = read_sums(files, found)
    for name in files.places:
        if name == SUMS:
            continue
        found.files += 1
        if files.sha256_of(name).hex() != sums.get(name):
            found.faults.append(f"{name}: not the file that {SUMS} lists, or not listed: damaged or changed")
    views = [view for view in verifier.blocks if rules is not None and view.network == rules.name]
    directory = ArchivedDirectory()
    brought = Verifier(
        blocks=tuple(views),
        depth=verifier.depth,
        check_signature=check_signature,
        networks=verifier.networks,
        check_timestamp=verifier.check_timestamp,
        check_certificate=verifier.check_certificate,
    )
    try:
        part = check_part(files, brought, lambda _what: verifier.progress(found.files, len(sums)))
    except FAULTS as error:
        found.faults.append(str(error))
        return conclude(card, rules, directory, found, (), verifier)
    directory.checkpoints = 1
    directory.heads |= {chain_id: [] for chain_id in part.last}
    found.entries, found.signed_entries, found.promised = part.entries, part.signed_entries, part.promised
    found.named_entries, found.remarks = part.named_entries, part.remarks
    found.certificates, found.time_stamps = part.certificates, part.time_stamps
    found.contents, found.digests, found.envelopes = part.contents, part.digests, part.envelopes
    return conclude(card, rules, directory, found, part.anchors, verifier)
