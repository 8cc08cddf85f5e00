"""A published log as it is read, whatever shows it: a mirror, or a service by its own API as if it were one.

Input is a folder or an address. ``anchorline audit URL`` judges what is read here, ``anchorline mirror URL`` copies it.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from anchor.bitcoin.http_retry import Patience, PatientHttp, Surroundings
from anchor.bitcoin.web_address import is_address
from anchor.log import TILE_WIDTH
from anchor.proof.checkpoint import MAX_NOTE
from anchor.proof.codec import hash_from_hex
from anchor.proof.errors import MalformedError
from anchor.proof.receipt import MAX_CARD
from anchor.proof.strictjson import Fields, loads
from anchor.proof.thread_proofs import MAX_PROOFS, decode_proofs, proofs_path
from anchor.published import ANCHORED, CARD, CHECKPOINT
from anchor.thread_list import FILE_NAME as THREAD_FILE
from anchor.thread_list import MAX_ANCHORS, MAX_PENDING, ListedAnchor, ThreadList
from anchor.tiles import Fetch
from chains.mirror_reading import opened_mirror, opened_service

_OK = 200
_MAX_ANSWER = 2 * (MAX_CARD + MAX_NOTE)
# Bundles of proofs that are asked for again: a reorganisation does not reach behind as many anchors.
_UNSETTLED_BUNDLES = 2


@contextmanager
def opened_log(place: str, token: str | None = None) -> Iterator[Fetch]:
    """Yield what reads a published log: a mirror (folder or address), or else the API of a service at this address.

    ``token``: an API key, for chains of a service that not everybody may read. Raises as ``opened_mirror``.
    """
    with ExitStack() as stack:
        fetch = stack.enter_context(opened_mirror(place))
        # A service has pages beside its API, the card's among them; a mirror has a checkpoint beside it.
        if is_address(place) and (fetch(CARD) is None or fetch(CHECKPOINT) is None):
            address = f"{place.rstrip('/')}/v1"
            tiles = stack.enter_context(opened_service(address, token))
            server = stack.enter_context(closing(PatientHttp(address, Patience(), Surroundings())))
            service = _Service(server, tiles)
            fetch = fetch if service(CARD) is None else service
        yield fetch


class _Service:
    """A ``Fetch`` that asks a service in the service's own words for what it has under other names."""

    def __init__(self, server: PatientHttp, tiles: Fetch) -> None:
        self._server = server
        self._tiles = tiles
        self._settled: dict[int, tuple[ListedAnchor, ...]] = {}

    def __call__(self, path: str) -> bytes | None:
        if path == CARD:
            return _card(self._server)
        if path == THREAD_FILE:
            return self._thread()
        folder, _, size = path.partition("/")
        return _anchored(self._server, int(size)) if folder == ANCHORED and size.isdecimal() else self._tiles(path)

    def _thread(self) -> bytes | None:
        """Return the list of anchors, made of the files of proofs that the service has beside it."""
        said = _json(self._server, "/thread", MAX_PROOFS)
        if said is None:
            return None  # an older service
        fields = Fields(said, f"{self._server.url}/thread")
        log_id, count = hash_from_hex(fields.text("log_id"), "log_id", 32), fields.integer("anchors")
        if count > MAX_ANCHORS:
            raise MalformedError(f"thread: expected at most {MAX_ANCHORS} anchors, got {count}")
        pending = tuple(Fields({"raw": each}, "pending").hex("raw") for each in fields.array("pending", MAX_PENDING))
        fields.end()
        bundles = -(-count // TILE_WIDTH)
        listed = [each for number in range(bundles) for each in self._listed(number, bundles)]
        return ThreadList(log_id, tuple(listed), pending).encode()

    def _listed(self, number: int, bundles: int) -> tuple[ListedAnchor, ...]:
        if number not in self._settled or number >= bundles - _UNSETTLED_BUNDLES:
            data = self._tiles(proofs_path(number))
            if data is None:
                raise MalformedError(f"{proofs_path(number)}: expected proofs of anchors, found none there")
            self._settled[number] = tuple(map(ListedAnchor.of, decode_proofs(data)[1]))
        return self._settled[number]


def _card(server: PatientHttp) -> bytes | None:
    card = (_json(server, "/log") or {}).get("card")
    return None if card is None else json.dumps(card).encode()


def _anchored(server: PatientHttp, size: int) -> bytes | None:
    """Return the checkpoint of ``size`` leaves as it was signed then, None where there is none."""
    found = (_json(server, f"/checkpoints?cursor={size + 1}&limit=1") or {}).get("checkpoints", [])
    notes = [each["note"] for each in found if isinstance(each, dict) and each.get("size") == size]
    return str(notes[0]).encode() if notes else None


def _json(server: PatientHttp, path: str, limit: int = _MAX_ANSWER) -> Mapping[str, Any] | None:
    answer = server.get(path, limit)
    return loads(answer.body, f"{server.url}{path}", limit) if answer.status == _OK else None
