"""The mutation matrix of folders, lists, proofs and evidence: each damage comes to what the table says.

The damages are ``tests/damage_beside.py``, the table is ``tests/damage_matrix_beside.txt``;
``tests/browser/test_browser_damage.py`` holds ``verify.html`` to the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anchor.proof.codec import sha256
from anchor.proof.dispute import Evidence, judge
from anchor.proof.errors import MalformedError
from anchor.proof.manifest_proof import ManifestProof
from anchor.proof.receipt import LogCard
from anchor.proof.verify import Finding, verify_bytes
from chains.manifest_judging import AtHand, FolderAtHand, ProofAtHand
from tests.damage_beside import Beside, damages_beside, expected_beside, write_files
from tests.simulators.world import fast_check
from tests.vectors import make_receipt_vectors as maker

Json = dict[str, Any]


@contextmanager
def unseen() -> Iterator[Any]:
    """Show no progress."""
    yield lambda _size: None


def at_hand(given: Json, folder: Path) -> AtHand:
    if "proof" in given:
        content = None if given["file"] is None else bytes.fromhex(given["file"])
        proof = ManifestProof.decode(given["proof"].encode())
        return ProofAtHand(proof, None if content is None else (len(content), sha256(content)))
    list_path = folder / "list"
    list_path.write_bytes(bytes.fromhex(given["list"]))
    (folder / "files").mkdir()
    return FolderAtHand.read(write_files(folder / "files", given["files"]), list_path, unseen)


def judged(given: Json, folder: Path) -> tuple[int, str]:
    if "evidence" in given:
        return judged_evidence(given)
    try:
        held = at_hand(given, folder)
    except MalformedError:
        return 1, Finding.PART_UNREADABLE
    verifier = replace(
        maker.verifier_of(given["verifier"]), content_digest=held.document_digest, judge_content=held.judge
    )
    verdict = verify_bytes(given["receipt"].encode(), verifier)
    return verdict.exit_code, verdict.diagnosis.finding


def judged_evidence(given: Json) -> tuple[int, str]:
    card = None if given["card"] is None else LogCard.decode(given["card"].encode())
    try:
        found = judge(Evidence.decode(given["evidence"].encode()), card, fast_check)
    except MalformedError:
        return 1, "malformed"
    return int(found.exit_code), found.reason or found.outcome


@pytest.fixture(scope="module")
def tried() -> list[Beside]:
    return list(damages_beside())


def test_every_damage_comes_to_what_the_table_says(tried: list[Beside], tmp_path: Path) -> None:
    """Each damage has its exit code and finding, and nothing is in the table that is not tried."""
    found = {}
    for number, each in enumerate(tried):
        folder = tmp_path / str(number)
        folder.mkdir()
        found[each.name] = judged(each.given, folder)
    assert expected_beside() == found


def test_no_damage_has_two_names(tried: list[Beside]) -> None:
    """A row of the table stands for one damage."""
    assert len(tried) == len({each.name for each in tried})


def test_what_still_holds_is_named_here() -> None:
    """Damage that leaves a verdict of 0, or evidence that holds: none, but for what proves nothing by itself."""
    good = {name for name, (code, _) in expected_beside().items() if code in {0, 3, 8}}
    bases = {name for name in good if name.endswith((": nothing", ": no card"))}
    assert {"proof of file: no file at hand", "proof of rows: no file at hand"} == good - bases
    assert 3 + 2 * 6 == len(bases)
