"""What was said of an entry later in its chain, as its page shows it: who corrects whom, and which entry stands now.

Made of ``chains.corrections``; all of it is of one chain, so whoever may read the entry may read this.
"""

from dataclasses import dataclass

from chains.corrections import history_of, standing
from chains.reader import StoredEntry
from chains.web.pages.entry_words import RELATIONS
from chains.web.rooms import Room


@dataclass(frozen=True, slots=True)
class VersionShown:
    """An entry of a history: its place, and what it says of entries before it, each with that entry's hash."""

    leaf_index: int
    entry_hash: str
    says: list[tuple[str, str]]
    stands: bool


@dataclass(frozen=True, slots=True)
class HistoryShown:
    """An entry and all that corrects it; ``words`` say in one phrase what became of the entry."""

    words: str
    versions: list[VersionShown]


def history_shown(room: Room, stored: StoredEntry) -> HistoryShown | None:
    """Return what was said of an entry later in its chain, or None where nothing was."""
    versions = history_of(room.reader, room.home.directory, stored)
    if len(versions) == 1:
        return None
    stands = standing(versions)
    shown = [
        VersionShown(
            leaf_index=version.stored.leaf_index,
            entry_hash=version.stored.entry_hash.hex(),
            says=[(RELATIONS[relation], of.hex()) for relation, of in version.says],
            stands=stands is not None and version.stored.entry_hash == stands.entry_hash,
        )
        for version in versions
    ]
    return HistoryShown(_became(stored, stands), shown)


def _became(stored: StoredEntry, stands: StoredEntry | None) -> str:
    if stands is None:
        return "Retracted by a later entry"
    if stands.entry_hash == stored.entry_hash:
        return "Corrected later, and stands again"
    return f"Superseded: entry {stands.leaf_index:,} stands in its place"
