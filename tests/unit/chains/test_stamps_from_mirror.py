"""Stamps of a mirror in a home that is brought level from it: those that it would have taken when they were new."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from anchor.proof.calendar import CalendarAnchor
from anchor.proof.receipt import Anchor
from anchor.proof.stamps import Stamp, encode_stamps, stamps_path
from anchor.proof.timestamp import TimestampAnchor, imprint_of
from chains.audit import Audit
from chains.mirror_folder import put_file
from chains.rebuild import rebuild_from
from chains.settings import FILE_NAME as SETTINGS_FILE
from tests.homes import copy_home
from tests.simulators.bitcoin import SimulatedBitcoin
from tests.simulators.service import Clock, Service, new_service, restarted
from tests.simulators.timestamp_authority import Certified, Stamped, certify_root, certify_signer, stamp
from tests.vectors.make_receipt_vectors import attested

pytestmark = pytest.mark.usefixtures("unflushed")
ROOT = certify_root()


@pytest.fixture
def lost(bitcoin: SimulatedBitcoin, tmp_path: Path) -> Iterator[tuple[int, bytes]]:
    """The size and imprint of an anchored checkpoint that ``backup`` lacks, and ``public`` has."""
    with new_service(tmp_path / "home", bitcoin) as service:
        bitcoin.mine(1, service.wallet.script)
        bitcoin.mine(149)
        service.open_chain("acme")
        copy_home(tmp_path / "home", tmp_path / "backup")
        [entry] = service.add("acme", b"one")
        service.anchor(bitcoin)
        service.publish(tmp_path / "public", "acme")
        sealed = service.receipt(entry).sealed
        assert sealed is not None
        (tmp_path / "entry").write_bytes(entry)
        yield sealed.checkpoint.size, imprint_of(sealed.checkpoint.size, sealed.checkpoint.root)


def token(imprint: bytes, root: Certified = ROOT) -> TimestampAnchor:
    return TimestampAnchor(stamp(certify_signer(root), Stamped(imprint)))


def rebuilt(folder: Path, size: int, stamps: list[Stamp], bitcoin: SimulatedBitcoin) -> tuple[Anchor, ...]:
    """Rebuild the backup of a mirror with these stamps; return those that the receipt shows then."""
    put_file(folder / "public", stamps_path(0), encode_stamps({size: stamps}))
    clock = Clock(1_900_000_000_000)
    with restarted(folder / "backup", bitcoin, clock) as behind:
        rebuild_from(behind.home, folder / "public")
    with restarted(folder / "backup", bitcoin, clock) as again:
        assert [] == findings(again)
        made = again.receipt((folder / "entry").read_bytes()).sealed
        assert made is not None
        assert size == made.checkpoint.size
        return made.anchors[1:]


def findings(service: Service) -> list[object]:
    home = service.home
    parts = (home.engine, home.trees, home.directory, home.chains, service.receipts().reader, home.journal)
    return list(Audit(*parts).run().findings)


def trust(home: Path, *roots: Certified) -> None:
    """Name the roots of authorities in a home's settings."""
    (home / "roots.pem").write_bytes(b"".join(root.pem for root in roots))
    path = home / SETTINGS_FILE
    named = path.read_text().replace('timestamp_certificates = ""', 'timestamp_certificates = "roots.pem"')
    assert "roots.pem" in named
    path.write_text(named)


def test_what_holds_is_in_the_receipts_again(
    bitcoin: SimulatedBitcoin, lost: tuple[int, bytes], tmp_path: Path
) -> None:
    """A token whose authority the settings trust, and attestations; a header waits until our own source has it."""
    size, imprint = lost
    trust(tmp_path / "backup", ROOT)
    good, attestation = token(imprint), attested(imprint)
    kept = rebuilt(tmp_path, size, [good, attestation], bitcoin)
    assert (good, CalendarAnchor(attestation.network, attestation.ots)) == kept


def test_without_certificates_no_time_stamp_is_kept(
    bitcoin: SimulatedBitcoin, lost: tuple[int, bytes], tmp_path: Path
) -> None:
    """Nobody says whose word counts; the mirror keeps the token."""
    size, imprint = lost
    assert () == rebuilt(tmp_path, size, [token(imprint)], bitcoin)


def test_what_does_not_hold_is_left_out(bitcoin: SimulatedBitcoin, lost: tuple[int, bytes], tmp_path: Path) -> None:
    """An untrusted authority, a broken signature, something else's stamp, another network or block; the rest comes."""
    size, imprint = lost
    trust(tmp_path / "backup", ROOT)
    good, other = token(imprint), bytes(32)
    broken = TimestampAnchor(good.token[:-1] + bytes([good.token[-1] ^ 1]))
    wrong: list[Stamp] = [token(imprint, certify_root("Another")), broken, token(other), TimestampAnchor(imprint)]
    wrong += [attested(other), attested(imprint, network="unknown"), attested(imprint, height=100)]
    wrong += [CalendarAnchor("regtest", b"no file")]
    assert (good,) == rebuilt(tmp_path, size, [*wrong, good], bitcoin)
