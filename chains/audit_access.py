"""The audit of access chains: every record is what its entry says, numbers have no gaps, times never fall.

Entries come from the reader, notes that wait from their table; what does not hold goes into the report of
``chains.audit``.
"""

from collections.abc import Sequence

from anchor.proof.access_record import AccessRecord, Noted, check_record, record_of
from anchor.storage.engine import Engine
from chains.audit_report import Report
from chains.chain import Chain, Chains
from chains.reader import Reader, StoredEntry


def check_access(
    engine: Engine, chains: Chains, reader: Reader, report: Report, access_chains: Sequence[Chain]
) -> None:
    """Check access chains, which are all, and that the notes which wait go on where the records of their owner end."""
    ends: dict[int, tuple[int, int]] = {}
    for chain in access_chains:
        with report.looking_at(f"chain {chain.chain_id.hex()}"):
            ends[chain.chain_no] = _check_records(chains, reader, report, chain)
    rows = engine.query("SELECT owner, chain_no, next_number FROM access_log ORDER BY owner")
    for owner, chain_no, next_number in rows:
        where = f"accesses to content of {owner}"
        with report.looking_at(where):
            _check_notes(engine, report, where, str(owner), ends.get(chain_no, (0, 0)), int(next_number))


def _check_records(chains: Chains, reader: Reader, report: Report, chain: Chain) -> tuple[int, int]:
    """Return the number behind the last event of a chain, and its time."""
    number = at_ms = 0
    for stored in reader.entries(chain, 0, chains.size(chain)):
        where = f"chain {chain.chain_id.hex()}, entry {stored.leaf_index}"
        with report.looking_at(where):
            record = record_of(stored.entry)
            if record is None:
                report.found(where, "is on an access chain, and records no access")
                continue
            if record.first_number != number or record.first_at_ms < at_ms:
                report.found(
                    where,
                    f"expected accesses from number {number} on, not before {at_ms} ms; found number "
                    f"{record.first_number} at {record.first_at_ms} ms",
                )
            number, at_ms = record.first_number + record.count, record.last_at_ms
            _check_content(stored, record)
    return number, at_ms


def _check_content(stored: StoredEntry, record: AccessRecord) -> None:
    """Hold the events to what the entry says of them, as far as they are not erased."""
    if stored.kept is not None and stored.kept.content is not None:
        check_record(record, stored.kept.content)


def _check_notes(
    engine: Engine, report: Report, where: str, owner: str, end: tuple[int, int], next_number: int
) -> None:
    number, at_ms = end
    for noted_number, line in engine.query(
        "SELECT number, line FROM access_note WHERE owner = ? ORDER BY number", (owner,)
    ):
        noted = Noted.from_line(bytes(line).removesuffix(b"\n"))
        if (noted.number, noted_number) != (number, number) or noted.at_ms < at_ms:
            report.found(
                where,
                f"expected note {number}, not before {at_ms} ms; found note {noted_number}, which says number "
                f"{noted.number} at {noted.at_ms} ms",
            )
        number, at_ms = noted_number + 1, noted.at_ms
    if number != next_number:
        report.found(where, f"{next_number} were counted, and {number} are recorded or wait")
