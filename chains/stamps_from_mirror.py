"""Taking over what anchored checkpoints have beside their anchors from a mirror: time stamps, calendars' attestations.

Input is a ``Fetch`` over a published log, and a home that is level with it (``chains.from_mirror``). Each is checked as
when one comes from an authority or a calendar; what cannot be checked so stays in the mirror, which keeps it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.x509 import Certificate

from anchor.anchored_line import AnchoredLine
from anchor.attestations import Attestations
from anchor.certificates import load_certificates
from anchor.errors import TimestampError
from anchor.proof.bitcoin.header import Header
from anchor.proof.bitcoin.networks import NETWORKS
from anchor.proof.calendar import CalendarAnchor
from anchor.proof.calendar_judging import attested_root, check_attested_header
from anchor.proof.codec import sha256
from anchor.proof.errors import MalformedError, Reason, VerificationError
from anchor.proof.opentimestamps import NotExecutableError
from anchor.proof.stamps import STAMPS_WIDTH, Stamp, bytes_of, stamps_in, stamps_path
from anchor.proof.timestamp import TimestampAnchor, imprint_of
from anchor.tiles import Fetch
from anchor.timestamp_token import check_token, read_token
from anchor.timestamps import Timestamps
from chains.home import Home

# Where the source or the database fails, nothing is taken over: that is no refusal.
_REFUSALS = (MalformedError, VerificationError, NotExecutableError, TimestampError)


def take_stamps(home: Home, fetch: Fetch) -> int:
    """Keep the stamps of a mirror that the home lacks and that hold; return how many.

    Time stamps need the certificates of the settings, which are all that we trust: without them none is kept.
    """
    newest = home.directory.newest()
    size = 0 if newest is None else newest.size
    line, kept = AnchoredLine(home.directory, home.journal), 0
    checks = _Checks(home, _trusted(home))
    for file_no in range(-(-len(line.numbers(size)) // STAMPS_WIDTH)):
        shown = stamps_in(fetch(stamps_path(file_no)))
        for stamped, own in line.stamps(size, file_no).items():
            known = set(map(bytes_of, own))
            lacking = [each for each in shown.get(stamped, ()) if bytes_of(each) not in known]
            kept += sum(_is_kept(home, checks, stamped, each) for each in lacking)
    return kept


@dataclass(frozen=True, slots=True)
class _Checks:
    """What stamps are held to: a home's settings, its Bitcoin source, and the roots of its authorities."""

    home: Home
    trusted: Sequence[Certificate]

    def check_token(self, token: bytes, imprint: bytes) -> None:
        """Raise a refusal for a token that we would not have taken from an authority."""
        read, policy = read_token(token), self.home.settings.timestamp_policy
        if policy and read.policy != policy:
            raise TimestampError(f"expected policy {policy}, got {read.policy}")
        if check_token(read, imprint, self.trusted).vouched_by is None:
            raise TimestampError("none of the certificates in timestamp_certificates vouches for its authority")

    def header_of(self, attestation: CalendarAnchor, imprint: bytes) -> bytes | None:
        """Return the header of an attestation's block, where our own source has it, deep enough.

        None where it has not, or is of another network: the service looks for it when it runs. Raises a refusal for an
        attestation of something else, of an unknown network, or of a block that is not on our best chain.
        """
        height, root = attested_root(attestation.ots, imprint)
        rules = NETWORKS.get(attestation.network)
        if rules is None:
            raise MalformedError(f"expected a network that is known, got {attestation.network!r}")
        home, header = self.home, attestation.header
        is_deep = home.source.tip().height - height + 1 >= home.network.final_depth
        if header is None or attestation.network != home.network.name or not is_deep:
            return None
        check_attested_header(height, root, header, rules)
        if home.source.block_hash(height) != Header.decode(header).hash:
            raise VerificationError(Reason.ATTESTATION_MISMATCH, f"block {height} is another one on the best chain")
        return header


def _is_kept(home: Home, checks: _Checks, size: int, stamp: Stamp) -> bool:
    """Store a stamp over the checkpoint of ``size`` leaves, and say so; False where it does not hold."""
    checkpoint = home.directory.checkpoint_of(size)
    assert checkpoint is not None, "anchors are of stored checkpoints"
    imprint, name = imprint_of(size, checkpoint.root), f"mirror:{sha256(bytes_of(stamp)).hex()[:16]}"
    try:
        if isinstance(stamp, TimestampAnchor):
            checks.check_token(stamp.token, imprint)
            Timestamps(home.engine).keep(size, name, stamp.token, home.clock())
        else:
            header = checks.header_of(stamp, imprint)
            Attestations(home.engine).keep_found(size, name, stamp.network, stamp.ots, header, home.clock())
    except _REFUSALS:
        return False
    return True


def _trusted(home: Home) -> tuple[Certificate, ...]:
    """Return the roots of the authorities that the settings name; none where their file is not there (yet)."""
    path = home.folder / home.settings.timestamp_certificates
    return tuple(load_certificates(path.read_bytes(), str(path))) if path.is_file() else ()
