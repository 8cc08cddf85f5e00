# SPDX-License-Identifier: Apache-2.0
"""C2SP signed notes and checkpoints: the signed size and root of a log (docs/spec/checkpoint.md).

Text comes from a receipt, a served ``checkpoint`` resource, or a cosigner. ``anchor.directory`` writes and signs
them; ``verify``, the audit and every tiled-log client read them.
"""

import base64
import re
from dataclasses import dataclass

from anchor.proof.codec import HASH_SIZE, sha256
from anchor.proof.ed25519 import SignatureCheck
from anchor.proof.errors import MalformedError, TooLargeError
from anchor.proof.leaves import check_origin

# C2SP signed-note asks readers to take at least 16 signatures; more are refused here.
MAX_SIGNATURES = 16
MAX_NOTE = 65536
KEY_TYPE_ED25519 = 0x01
SIGNATURE_PREFIX = "\u2014 "
_DECIMAL = re.compile(r"0|[1-9][0-9]*")
_FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")
MAX_SIZE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the signer's name, its 4-byte key id, and the signature (any algorithm)."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A signed note: ``text`` ends in a newline; ``signatures`` in the order of the lines."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def encode(self) -> str:
        """Return the whole note."""
        lines = [
            f"{SIGNATURE_PREFIX}{line.name} {base64.b64encode(line.key_id + line.signature).decode()}\n"
            for line in self.signatures
        ]
        return self.text + "\n" + "".join(lines)

    @classmethod
    def decode(cls, note: str) -> "Note":
        """Read a note (C2SP signed-note); raise MalformedError unless it would be written back identically."""
        if len(note) > MAX_NOTE or len(note.encode("utf-8", "surrogatepass")) > MAX_NOTE:
            raise TooLargeError(f"note: expected at most {MAX_NOTE} bytes")
        if _FORBIDDEN.search(note):
            raise MalformedError("note: expected UTF-8 without control characters other than newline")
        text, separator, tail = note.rpartition("\n\n")
        if not separator or not tail.endswith("\n"):
            raise MalformedError("note: expected text, an empty line, and signature lines that end in a newline")
        lines = tail.split("\n")[:-1]
        if not 1 <= len(lines) <= MAX_SIGNATURES:
            raise MalformedError(f"note: expected 1 to {MAX_SIGNATURES} signature lines, found {len(lines)}")
        return cls(text + "\n", tuple(_decode_signature(line) for line in lines))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Origin, size and root of a log: the text of the note, exactly three lines (C2SP tlog-checkpoint)."""

    origin: str
    size: int
    root: bytes

    def encode(self) -> str:
        """Return the note text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def decode(cls, text: str) -> "Checkpoint":
        """Read a note text; extension lines are refused, since an auditor could not reproduce them."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise MalformedError(f"checkpoint: expected exactly three lines, found {len(lines) - 1}")
        origin, size, root = lines[:3]
        check_origin_of_checkpoint(origin)
        if len(size) > 19 or not _DECIMAL.fullmatch(size) or int(size) > MAX_SIZE:
            raise MalformedError(f"checkpoint: expected a decimal size without leading zeros, got {size[:40]!r}")
        return cls(origin, int(size), from_base64(root, "checkpoint root", HASH_SIZE))


def note_in(data: bytes, where: str) -> Note:
    """Read the note in a file; raise MalformedError, with ``where`` in it where that is no UTF-8."""
    try:
        return Note.decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise MalformedError(f"{where}: expected a note in UTF-8") from error


def check_origin_of_checkpoint(origin: str) -> None:
    """Raise MalformedError unless this is a log's origin, alone or followed by ``/<chain id in hex>``."""
    log_origin, slash, chain = origin.rpartition("/")
    is_chain = slash and re.fullmatch(r"[0-9a-f]{64}", chain)
    check_origin(log_origin if is_chain and log_origin else origin)


def chain_origin(log_origin: str, chain_id: bytes) -> str:
    """Return the first line of a chain's own checkpoint (design section 3.3)."""
    return f"{log_origin}/{chain_id.hex()}"


def key_id(name: str, public_key: bytes) -> bytes:
    """Return the 4-byte key id of an Ed25519 key: H(name ‖ 0a ‖ 01 ‖ key)[:4] (C2SP signed-note)."""
    return sha256(name.encode() + b"\n" + bytes((KEY_TYPE_ED25519,)) + public_key)[:4]


def is_signed_by(note: Note, name: str, public_key: bytes, check: SignatureCheck) -> bool:
    """Say whether a note has a signature line by this key, and every such line holds (C2SP signed-note).

    Lines by others are passed over.
    """
    wanted = (name, key_id(name, public_key))
    lines = [line for line in note.signatures if (line.name, line.key_id) == wanted]
    return bool(lines) and all(check(public_key, note.text.encode(), line.signature) for line in lines)


def verifier_key(name: str, public_key: bytes) -> str:
    """Return the key in C2SP's vkey form: name+8 hex digits of id+base64(type ‖ key)."""
    encoded = base64.b64encode(bytes((KEY_TYPE_ED25519,)) + public_key).decode()
    return f"{name}+{key_id(name, public_key).hex()}+{encoded}"


def from_base64(text: str, what: str, size: int | None = None) -> bytes:
    """Return the bytes of standard base64 that re-encodes to itself; ``size`` is their expected number."""
    try:
        value = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError as error:
        raise MalformedError(f"{what}: expected base64, got {text[:40]!r}") from error
    if base64.b64encode(value).decode() != text:
        raise MalformedError(f"{what}: expected base64 that re-encodes to itself, got {text[:40]!r}")
    if size is not None and len(value) != size:
        raise MalformedError(f"{what}: expected {size} bytes in base64, got {len(value)}")
    return value


def _decode_signature(line: str) -> NoteSignature:
    if not line.startswith(SIGNATURE_PREFIX):
        raise MalformedError(f"note: expected a signature line beginning with an em dash, got {line[:40]!r}")
    name, space, encoded = line[len(SIGNATURE_PREFIX) :].partition(" ")
    if not space or not name or "+" in name or name.split() != [name]:
        raise MalformedError(f"note: expected a name without space and + and a signature, got {line[:40]!r}")
    raw = from_base64(encoded, "note signature")
    if len(raw) < 5:
        raise MalformedError(f"note: expected a key id of 4 bytes and a signature, got {len(raw)} bytes")
    return NoteSignature(name, raw[:4], raw[4:])
