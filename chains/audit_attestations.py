"""The audit of what calendars answered: every reply and every attestation is over the checkpoint it stands beside.

``chains.audit`` calls it. Whether a block is on the best chain is for the verifier; what it must hold is checked here.
"""

from anchor.bitcoin.calendars import pending_ways
from anchor.directory import Directory
from anchor.proof.bitcoin.networks import NETWORKS
from anchor.proof.calendar_judging import attested_root, check_attested_header
from anchor.proof.timestamp import imprint_of
from anchor.storage.engine import Engine
from chains.audit_report import Report


def check_attestations(engine: Engine, directory: Directory, report: Report) -> None:
    """Report each reply that leads nowhere, and each attestation or header that is over something else."""
    rows = engine.query(
        "SELECT checkpoint_size, calendar, reply, network, ots, header FROM calendar_reply "
        "LEFT JOIN attestation ON attestation.reply_no = calendar_reply.reply_no "
        "LEFT JOIN attestation_header ON attestation_header.attestation_no = attestation.attestation_no "
        "ORDER BY calendar_reply.reply_no"
    )
    for size, calendar, reply, network, ots, header in rows:
        where = f"attestation of checkpoint {size} by {calendar}"
        with report.looking_at(where):
            checkpoint = directory.checkpoint_of(int(size))
            if checkpoint is None:
                report.found(where, "is over no checkpoint that this log signed")
                continue
            imprint = imprint_of(checkpoint.size, checkpoint.root)
            if reply or ots is None:  # of an attestation that came from a mirror there is no reply
                pending_ways(bytes(reply), imprint, calendar)
            if ots is None:
                continue
            height, root = attested_root(bytes(ots), imprint)
            if header is not None:
                check_attested_header(height, root, bytes(header), NETWORKS[network])
