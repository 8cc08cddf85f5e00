"""A mirror as it is read: a folder, or the same files behind a web server, each no larger than its format allows.

Input is a folder or an address (docs/spec/mirror.md). ``anchorline rebuild`` and ``anchorline thread`` read through it.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from anchor.bitcoin.http_retry import Patience, PatientHttp, Surroundings
from anchor.bitcoin.web_address import is_address, is_this_machine
from anchor.errors import SettingsError, SourceError
from anchor.log import TILE_WIDTH
from anchor.proof.checkpoint import MAX_NOTE
from anchor.proof.codec import HASH_SIZE
from anchor.proof.earlier_receipts import EARLIER, MAX_EARLIER
from anchor.proof.entry import MAX_ENTRY
from anchor.proof.receipt import MAX_CARD
from anchor.proof.stamps import FOLDER as STAMPS
from anchor.proof.stamps import MAX_STAMPS
from anchor.proof.thread_proofs import MAX_PROOFS
from anchor.published import ANCHORED, CARD, CHAINS, CHECKPOINT
from anchor.thread_list import FILE_NAME, MAX_LIST
from anchor.tiles import Fetch
from chains.mirror_folder import fetch_from, is_bundle

_OK, _NOT_FOUND = 200, 404
# An entry bundle: 256 leaves behind two bytes of length each; an entry is the largest leaf there is.
_MAX_BUNDLE = TILE_WIDTH * (2 + MAX_ENTRY)


@contextmanager
def opened_mirror(place: str | Path, patience: Patience | None = None) -> Iterator[Fetch]:
    """Yield what reads the mirror in a folder, or at an address (http or https).

    Over HTTP a file that is not there is one that answers 404, and bundles of leaves may come behind gzip. Raises
    SettingsError for an address that is none; what is yielded raises SourceUnavailableError where the server does not
    answer, as often as we may try, and SourceError for a file larger than its format allows or any other status.
    """
    if not is_address(str(place)):
        yield fetch_from(Path(place))
        return
    with closing(PatientHttp(str(place), patience or Patience(), Surroundings())) as server:
        yield lambda path: _fetched(server, path)


@contextmanager
def opened_service(url: str, token: str | None, patience: Patience | None = None) -> Iterator[Fetch]:
    """Yield what reads a log from its own HTTP API, at the address of ``/v1``, as if it were a mirror.

    ``token``: an API key, for chains that not everybody may read; it travels over https, or on this machine, only.
    Raises as ``opened_mirror``.
    """
    if token is not None and not (url.startswith("https://") or is_this_machine(urlsplit(url).hostname or "")):
        raise SettingsError(f"expected an address with https, since an API key goes there, got {url!r}")
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    with closing(PatientHttp(url, patience or Patience(), Surroundings(), headers=headers)) as server:
        yield lambda path: _fetched(server, path.replace(f"{CHAINS}/", "chains/", 1))


def most_bytes(path: str) -> int:
    """Return how large the file at a path of a mirror can be (docs/spec/mirror.md)."""
    if path == FILE_NAME:
        return MAX_LIST
    if path.startswith("thread/"):
        return MAX_PROOFS
    if path.startswith(f"{STAMPS}/"):
        return MAX_STAMPS
    if is_bundle(path):
        return _MAX_BUNDLE
    if path.endswith(f"/{EARLIER}"):
        return MAX_EARLIER
    small = {CARD: MAX_CARD, CHECKPOINT: MAX_NOTE}
    is_note = path.startswith(f"{ANCHORED}/") or path.endswith(f"/{CHECKPOINT}")
    return small.get(path, MAX_NOTE if is_note else TILE_WIDTH * HASH_SIZE)


def _fetched(server: PatientHttp, path: str) -> bytes | None:
    answer = server.get(f"/{path}", most_bytes(path), takes_gzip=is_bundle(path))
    if answer.status == _NOT_FOUND:
        return None
    if answer.status != _OK:
        raise SourceError(
            f"{server.url}/{path}: expected a file of a mirror, got HTTP {answer.status}; is this where "
            "`anchorline mirror` is published?"
        )
    return answer.body
