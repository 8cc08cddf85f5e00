"""Certificates that the identities in an export bound, each judged by the roots that a verifier trusts.

Input are the key histories, and the contents of entries that bind, in which the certificates are. Of each the verdict
says what step 21 of a receipt says; that one does not hold changes no keys, and no log judges it: it is no fault.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from anchor.proof.archive_directory import ArchivedDirectory
from anchor.proof.archive_files import FAULTS, chain_prefix, leaves_of
from anchor.proof.archive_lines import Kept
from anchor.proof.certificate_evidence import CertificateEvidence
from anchor.proof.certificate_proof import CertificateCheck
from anchor.proof.entry import Entry
from anchor.proof.errors import AnchorlineError
from anchor.proof.identity import binds, certificate_bound_in
from anchor.proof.identity_history import History, Place
from anchor.proof.steps_certificate import judged_binding, step_of
from anchor.proof.verdict import State
from chains.archive.files import ExportFiles
from chains.archive.found import Found
from chains.archive.ranges import content_path

_MOST_REMEMBERED = 1_024


def judge_certificates(
    files: ExportFiles,
    directory: ArchivedDirectory,
    history_of: Callable[[bytes], History],
    found: Found,
    check: CertificateCheck | None,
) -> None:
    """Add what is to be said of the certificates of every identity, and remark entries for which none of them holds."""
    checked = None if check is None else lru_cache(_MOST_REMEMBERED)(check)
    bound = dict[bytes, tuple[History, CertificateEvidence]]()
    for identity in found.identities:
        try:
            history = history_of(identity)
        except AnchorlineError:
            continue  # whoever judges authors says so
        if history.bindings:
            shown = _shown(files, directory, identity)
            bound[identity] = (history, shown)
            found.certificates += _facts(history, shown, checked)
    for each in found.authors:
        place = directory.place_of(each.chain_id, each.first_index)
        if each.named.identity in bound and place is not None:
            history, shown = bound[each.named.identity]
            where = f"chain {each.chain_id.hex()}, entry {each.first_index}"
            more = f"; and {each.count - 1} more in this seal" if each.count > 1 else ""
            found.remarks += [f"{where}: {text}{more}" for text in _wrong(history, shown, place, checked)]


def _facts(history: History, shown: CertificateEvidence, check: CertificateCheck | None) -> Iterator[dict[str, Any]]:
    """Yield each binding of an identity as the facts of a verdict show it, and whose it is."""
    for binding in history.bindings:
        judged = judged_binding(binding, history.chain_id, binding.since, shown, check)
        yield {"identity": history.chain_id.hex()} | judged.to_json()


def _wrong(history: History, shown: CertificateEvidence, place: Place, check: CertificateCheck | None) -> Sequence[str]:
    """Return why step 21 of an entry at this place fails, if it does."""
    in_force = [item for item in history.bindings if not item.is_over(place)]
    judged = [judged_binding(item, history.chain_id, place, shown, check) for item in in_force]
    step = step_of(judged, history.chain_id) if judged else None
    return () if step is None or step.state != State.FAILED else (step.text,)


def _shown(files: ExportFiles, directory: ArchivedDirectory, identity: bytes) -> CertificateEvidence:
    """Return the certificates that are in the contents of an identity's entries."""
    # Most exports have none, and what reads certificates takes long to load.
    from chains.bound_certificates import shown_certificates  # noqa: PLC0415

    size = directory.heads[identity][-1].tree_size
    raws = enumerate(leaves_of(files, chain_prefix(identity), size))
    entries = {index: Entry.decode(raw) for index, raw in raws if raw is not None}
    hashes = {index: certificate_bound_in(entry) for index, entry in entries.items() if binds(entry)}
    contents = dict[int, bytes | None]()
    path = content_path(identity)
    try:
        for kept in (Kept.decode(line, path) for line in files.lines(path)):
            contents |= {kept.index: kept.content} if kept.index in hashes else {}
    except FAULTS:
        pass  # named by whoever checks the contents
    return shown_certificates((found, contents.get(index)) for index, found in hashes.items())
