"""Ed25519 signatures of a row in native code: one call of C for all of them, which goes on while Python's lock is free.

It is part of the extension that ``build_native.py`` describes, and calls the libsodium that PyNaCl brought into this
process, by the address that PyNaCl's own module has of it. Every length is checked here, before C sees a buffer.
"""

from array import array
from collections.abc import Sequence
from itertools import chain

import nacl.bindings  # noqa: F401  # it starts libsodium
from nacl._sodium import ffi as sodium_ffi
from nacl._sodium import lib as sodium

from anchor.hashing._native import ffi, lib
from anchor.proof.codec import HASH_SIZE
from anchor.proof.ed25519 import SIGNATURE_SIZE

_WANTED = "int(*)(unsigned char *, unsigned long long *, unsigned char *, unsigned long long, unsigned char *)"


def _address() -> int:
    """Return where crypto_sign_open is; raise ImportError where PyNaCl has it otherwise than it had it so far."""
    try:
        function = sodium_ffi.addressof(sodium, "crypto_sign_open")
        found = sodium_ffi.typeof(function).cname
        address = int(sodium_ffi.cast("uintptr_t", function))
    except (AttributeError, TypeError, sodium_ffi.error) as error:
        raise ImportError(f"this PyNaCl does not tell where libsodium's crypto_sign_open is ({error})") from error
    if found != _WANTED:
        raise ImportError(f"expected PyNaCl to have crypto_sign_open as {_WANTED}, got {found}")
    return address


if not hasattr(lib, "check_signatures"):
    raise ImportError("the native module was built from other sources; install Anchorline again")
_OPEN = _address()


def signatures_hold(keys: Sequence[bytes], signatures: Sequence[bytes], messages: Sequence[bytes]) -> list[bool]:
    """Say of each message whether libsodium takes its signature (64 bytes) under its key (32 bytes).

    Raises ValueError where there are not as many of each, or one has another length.
    """
    count = len(messages)
    are_as_many = len(keys) == len(signatures) == count
    if not are_as_many or set(map(len, keys)) - {HASH_SIZE} or set(map(len, signatures)) - {SIGNATURE_SIZE}:
        raise ValueError(f"expected {count} keys of {HASH_SIZE} bytes, and as many signatures of {SIGNATURE_SIZE}")
    sizes = array("Q", [SIGNATURE_SIZE + len(message) for message in messages])
    data = b"".join(chain.from_iterable(zip(signatures, messages, strict=True)))
    holds, room = bytearray(count), bytearray(max(sizes, default=0))
    row = count, b"".join(keys), data, len(data), ffi.from_buffer("uint64_t[]", sizes)
    if lib.check_signatures(_OPEN, *row, ffi.from_buffer(room), len(room), ffi.from_buffer(holds)):
        raise ValueError("the native check refused the lengths that it was given: a defect of Anchorline, report it")
    return list(map(bool, holds))
