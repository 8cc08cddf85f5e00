"""Content keys as writers get them: the same that readers get, whoever else writes."""

from contextlib import closing
from pathlib import Path

from chains.content_keys import BLOCK_KEYS, DESTROYED, ContentKeys
from chains.key_store import NAME, KeyFile


def opened(folder: Path) -> ContentKeys:
    return ContentKeys(KeyFile(folder / NAME))


def test_writers_and_readers_have_the_same_keys(tmp_path: Path) -> None:
    """Keys of many blocks, asked for from any place, all differ, and are those that another one reads."""
    with closing(opened(tmp_path)) as keys, closing(opened(tmp_path)) as reader:
        end = 70 * BLOCK_KEYS
        written = list(keys.for_writing(1, end))
        assert end - 1 == len(set(written))
        assert written == reader.of(1, end)
        for start, stop in ((300, 301), (255, 257), (5 * BLOCK_KEYS, 69 * BLOCK_KEYS), (end - 1, end), (7, 7)):
            assert written[start - 1 : stop - 1] == list(keys.for_writing(start, stop))
            whole = reader.whole(start, stop)
            assert whole is not None
            assert written[start - 1 : stop - 1] == list(whole)
        assert reader.whole(end - 1, end + 1200 * BLOCK_KEYS) is None


def test_a_key_that_another_one_destroyed_is_not_written_under(tmp_path: Path) -> None:
    """What was read ahead is forgotten when another one writes: a fresh key takes the place of a destroyed one."""
    with closing(opened(tmp_path)) as keys, closing(opened(tmp_path)) as other:
        before = list(keys.for_writing(1, 3 * BLOCK_KEYS))
        other.destroy([2 * BLOCK_KEYS + 5])
        assert [DESTROYED] == keys.of(2 * BLOCK_KEYS + 5, 2 * BLOCK_KEYS + 6)
        assert keys.whole(1, 3 * BLOCK_KEYS) is None
        after = list(keys.for_writing(1, 3 * BLOCK_KEYS))
        changed = [seq for seq, (one, two) in enumerate(zip(before, after, strict=True), 1) if one != two]
        assert [2 * BLOCK_KEYS + 5] == changed
        assert after == other.of(1, 3 * BLOCK_KEYS)
