"""A service made again of a mirror and its keys, where nothing else is left: the same log, thread and keys.

``anchorline restore`` calls it. The new home begins with leaf 0 of the mirror's card and takes over everything that is
published (``chains.rebuild``); what no mirror has is lost, and the next seal says so (docs/operate/backup.md).
"""

from pathlib import Path

from anchor.directory import Directory
from anchor.errors import SettingsError
from anchor.log import Trees
from anchor.proof.checkpoint import Checkpoint
from anchor.proof.leaves import KeyLeaf, LogLeaf, Purpose, decode_leaf
from anchor.published import CHECKPOINT, directory_leaves, read_card, read_note
from anchor.storage.sqlite import SqliteEngine
from anchor.tiles import Fetch, LeafRange, PublishedTree
from chains.encrypted_keys import read_keys
from chains.files import write_file
from chains.home import DATABASE, KEYS, Clock, Home, now_ms
from chains.home_staging import (
    check_keys,
    check_keys_are,
    check_target,
    let_file_count,
    put_in_place,
    staging,
    write_keys,
)
from chains.mirror_reading import opened_mirror
from chains.moving import check_file_decides
from chains.rebuild import Rebuilt, rebuild_from
from chains.settings import FILE_NAME, load_settings


def restore_from_mirror(place: str, folder: Path, settings: Path, keys: Path, clock: Clock = now_ms) -> Rebuilt:
    """Make a home in ``folder``, new or empty, of a mirror (its folder, or its address) and the log's keys.

    ``settings`` is the settings file of the old home, or one made for the same network; its log goes to a SQLite file.
    Every chain must be published with its entries. Nothing is left behind where anything does not hold; a run that was
    killed is repeated. Raises SettingsError, and what ``rebuild_from`` raises.
    """
    check_target(folder)
    with opened_mirror(place) as fetch:
        card = read_card(fetch)
        wanted = _newest_keys(fetch, card.log)
    if not keys.is_dir():
        raise SettingsError(f"{keys}: expected a folder of keys, found none")
    with staging(folder) as made:
        _take_settings(settings, made)
        write_keys(made / KEYS, read_keys(keys))
        check_keys_are(wanted, made / KEYS)
        engine = SqliteEngine(made / DATABASE)
        try:
            Directory.create(engine, Trees(engine), card.log)
        finally:
            engine.close()
        home = Home.open(made, clock)
        done = rebuild_from(home, place)
        done.kept.unlink()  # the log before its first leaf
        with Home.open(made, clock) as found:
            check_keys(found)
            found.write_card()
        put_in_place(made, folder)
    return done


def _take_settings(settings: Path, made: Path) -> None:
    """Copy the settings, with the files beside them that they name and that are no secret."""
    check_file_decides()
    write_file(made / FILE_NAME, settings.read_bytes())
    let_file_count(made / FILE_NAME)
    for name in load_settings(made / FILE_NAME).public_files:
        if (settings.parent / name).is_file() and not Path(name).is_absolute():
            write_file(made / name, (settings.parent / name).read_bytes())


def _newest_keys(fetch: Fetch, log: LogLeaf) -> dict[Purpose, bytes]:
    """Return the keys that the log signs with now, as the mirror says: nobody waits long for a wrong folder."""
    keys = {Purpose.CHECKPOINT: log.checkpoint_key.value, Purpose.PROMISE: log.promise_key.value}
    note = read_note(fetch, CHECKPOINT)
    size = 0 if note is None else Checkpoint.decode(note.text).size
    for part in directory_leaves(PublishedTree(fetch, "", size)):
        for leaf in map(decode_leaf, [] if isinstance(part, LeafRange) else part):
            if isinstance(leaf, KeyLeaf) and leaf.purpose in keys:
                keys[Purpose(leaf.purpose)] = leaf.new_key.value
    return keys
