"""Objects in S3-compatible storage, as a mirror is pushed there: a few operations, and foreign errors translated.

Addresses come from the command line, credentials, region and endpoint from the environment (AWS_*), as every tool for
such storage reads them. ``chains.mirror_push`` decides what is put, in which order.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from anchor.errors import SettingsError, SourceError, SourceUnavailableError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = ("s3://", "memory://")
"""What is tested; ``memory`` is for that alone."""


@dataclass(frozen=True, slots=True)
class Held:
    """What storage says of an object: its size, and the tag that it gave these bytes."""

    size: int
    tag: str


class Objects(Protocol):
    """Objects by their paths below one prefix. Each operation may be repeated; a put is there when it returns."""

    def held(self) -> dict[str, Held]:
        """Return everything that is there."""

    def get(self, path: str) -> bytes | None:
        """Return an object as it is stored, or None where there is none."""

    def put(self, path: str, data: bytes, media_type: str, cache_control: str, coding: str = "") -> str:
        """Store an object whole or not at all; return its tag. ``coding`` is the Content-Encoding of ``data``."""

    def delete(self, path: str) -> None:
        """Remove an object; nothing where there is none."""


class ObjectsAt:
    """The objects below an address such as ``s3://bucket/prefix``; ``store`` is obstore's."""

    def __init__(self, store: "ObjectStore") -> None:
        self._store = store

    @classmethod
    def open(cls, url: str) -> "ObjectsAt":
        """Open an address; raises SettingsError where it cannot be one, or where obstore is not installed."""
        if not url.startswith(SCHEMES):
            raise SettingsError(f"expected an address s3://BUCKET/PREFIX, got {url!r:.200}")
        try:
            from obstore.store import from_url
        except ModuleNotFoundError as error:
            raise SettingsError(f"{url}: {error.name} is missing; install anchorline[s3]") from error
        with _translated(url):
            return cls(from_url(url))

    def held(self) -> dict[str, Held]:
        """See ``Objects``."""
        import obstore

        with _translated("list"):
            return {
                each["path"]: Held(each["size"], each["e_tag"] or "")
                for page in obstore.list(self._store, chunk_size=1000)
                for each in page
            }

    def get(self, path: str) -> bytes | None:
        """See ``Objects``."""
        import obstore

        with _translated(path):
            try:
                return bytes(obstore.get(self._store, path).bytes())
            except FileNotFoundError:
                return None

    def put(self, path: str, data: bytes, media_type: str, cache_control: str, coding: str = "") -> str:
        """See ``Objects``."""
        import obstore

        attributes: Any = {"Content-Type": media_type, "Cache-Control": cache_control}
        if coding:
            attributes["Content-Encoding"] = coding
        with _translated(path):
            put = obstore.put(self._store, path, data, attributes=attributes, use_multipart=False)
            return str(put["e_tag"] or "")

    def delete(self, path: str) -> None:
        """See ``Objects``."""
        import obstore

        with _translated(path):
            obstore.delete(self._store, path)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Translate what obstore raises: what was refused is not tried again, everything else may pass."""
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError, FileNotFoundError) as error:
        raise SourceError(
            f"{what}: storage refused it ({_first_line(error)}); see bucket and AWS_* settings"
        ) from error
    except BaseError as error:
        raise SourceUnavailableError(f"{what}: storage did not do it ({_first_line(error)}); try again") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:300]
