"""How a published checkpoint is read: from a file or over HTTP, where ``published_checkpoint`` of the settings says.

That is a mirror's ``checkpoint``, a CDN, a cosigner. ``chains.home`` hands the reader to ``published_checkpoint``.
"""

from pathlib import Path

from anchor.bitcoin.http_retry import Patience, PatientHttp, Surroundings
from anchor.bitcoin.web_address import is_address
from anchor.errors import SourceUnavailableError
from anchor.proof.checkpoint import MAX_NOTE
from anchor.published_checkpoint import Read

# Sealing waits for the answer, and the daemon asks again at its next interval anyway.
PATIENCE = Patience(tries=2, connect_s=5.0, answer_s=10.0, rest_s=5.0)
_OK, _NOT_FOUND = 200, 404


def read_from(place: str, base: Path) -> Read:
    """Return what reads a published checkpoint: an address (http or https), or a file, relative to ``base``."""
    return _over_http(place) if is_address(place) else _from_file(base / place)


def _from_file(path: Path) -> Read:
    def read() -> bytes | None:
        try:
            with path.open("rb") as file:
                return file.read(MAX_NOTE + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SourceUnavailableError(
                f"published_checkpoint: {path} cannot be read: {error.strerror}; nothing was signed"
            ) from error

    return read


def _over_http(url: str) -> Read:
    def read() -> bytes | None:
        server = PatientHttp(url, PATIENCE, Surroundings())
        try:
            answer = server.get("", MAX_NOTE)
        finally:
            server.close()
        if answer.status == _NOT_FOUND:
            return None
        if answer.status != _OK:
            raise SourceUnavailableError(
                f"published_checkpoint: {url}: expected a checkpoint, got HTTP {answer.status}; nothing was signed"
            )
        return answer.body

    return read
